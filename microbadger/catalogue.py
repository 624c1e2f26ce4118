"""Publishes what lists all images, ``v1/images.json`` and the home page, and takes away what is no longer tracked."""

import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path

from microbadger import openapi, pages
from microbadger.documents import ImageDocument
from microbadger.files import lock_file, replace_file
from microbadger.metadata import document_bytes, image_name
from microbadger.public_tree import API, API_PAGE, ASSETS, CATALOGUE, HOME
from microbadger.publisher import ImageEntry, Publisher, PublishError
from microbadger.reference import Repository
from microbadger.tracked_images import TrackedImages

log = logging.getLogger(__name__)

_RETRY_SECONDS = 30.0
_ASSET_FOLDER = Path(__file__).parent / "assets"
_FIELDS = ("Description", "LatestVersion", "DownloadSize", "PullCount", "LastUpdated", "UpdatedAt")
_FIELDS_THAT_TELL = ("ImageName", *_FIELDS[:-1])


class Catalogue:
    """The lists over all images; many refreshes share one rewriting of them."""

    def __init__(
        self,
        tracked: TrackedImages,
        publisher: Publisher,
        *,
        base_url: str,
        stale_mark: Path,
        remove_if_idle: Callable[[Repository], bool],
        changed: Callable[[Collection[str]], None],
    ) -> None:
        self._tracked = tracked
        self._publisher = publisher
        self._base_url = base_url
        self._stale_mark = stale_mark
        self._remove_if_idle = remove_if_idle
        self._changed = changed
        self._listed: list[Repository] | None = None
        self._retry_at = 0.0  # monotonic

    def publish_if_stale(self) -> None:
        """Publish if an image was refreshed, or the list of those tracked changed, since this process did so last.

        Where that cannot be done it is said, and tried again a little later.
        """
        if time.monotonic() < self._retry_at:
            return
        try:
            self._publish_if_stale()
        except (OSError, PublishError) as error:
            self._retry_at = time.monotonic() + _RETRY_SECONDS
            log.error("lists not published error=%r", str(error))

    def _publish_if_stale(self) -> None:
        if self._stale_mark.exists() or self._listed != [image.repository for image in self._tracked]:
            self.publish()

    def publish(self) -> None:
        """Write both lists and what pages refer to; raise PublishError if that cannot be done."""
        with lock_file(self._stale_mark.with_suffix(".lock")):
            self._listed = None
            self._tracked.restore()
            self._stale_mark.unlink(missing_ok=True)  # first: what is refreshed from here on marks them again
            listed = [image.repository for image in self._tracked]
            kept = [repository for repository in self._no_longer_tracked(listed) if not self._take_away(repository)]
            self._write([*listed, *kept])
            self._listed = [*listed, *kept]

    def _write(self, listed: list[Repository]) -> None:
        before = _digest(self._publisher.read_list())
        images = [_entry(repository, self._publisher.read_image(repository)) for repository in listed]
        changed = {path for path, content in self._files(images) if self._publisher.write(path, content)}
        # That images were checked again, which happens all the time, is no change.
        self._changed(changed if _digest(images) != before else changed - {HOME, CATALOGUE})

    def _files(self, images: list[dict[str, object]]) -> Iterator[tuple[str, bytes]]:
        for asset in sorted(_ASSET_FOLDER.iterdir()):
            yield f"{ASSETS}/{asset.name}", asset.read_bytes()
        yield API, openapi.document_bytes(self._base_url)
        yield API_PAGE, pages.api_page(openapi.guide(), self._base_url)
        yield HOME, pages.home_page(images, self._base_url)
        yield CATALOGUE, document_bytes(_list(images))

    def _no_longer_tracked(self, listed: list[Repository]) -> set[Repository]:
        return set(self._publisher.repositories()).difference(listed)

    def _take_away(self, repository: Repository) -> bool:
        """Remove an image that is no longer tracked, unless it is being refreshed or the list cannot be trusted.

        An editor may write a file in two steps: what is missing in between is not gone. Nor is what a line may have
        named that cannot be read.
        """
        is_trusted = not self._tracked.problems and self._tracked.is_settled()
        return is_trusted and self._remove_if_idle(repository)


def mark_stale(mark: Path) -> None:
    """Note on disk that an image changed, for whoever publishes the lists next."""
    if not mark.exists():  # it is removed before the images are read, so this one will be
        replace_file(mark, b"")


def _list(images: list[dict[str, object]]) -> dict[str, object]:
    """Return the list as the old service's single page; without an image only the page's number is left."""
    page: dict[str, object] = {"CurrentPage": 1}
    return page | ({"PageCount": 1, "ImageCount": len(images), "Images": images} if images else {})


def _digest(images: Iterable[ImageEntry]) -> int:
    """Return what tells lists apart that differ in more than the times of checks; not the same in every process."""
    digest = 0
    for image in images:
        digest = hash((digest, *(repr(image.get(field)) for field in _FIELDS_THAT_TELL)))
    return digest


def _entry(repository: Repository, image: ImageDocument | None) -> dict[str, object]:
    entry: dict[str, object] = {"ImageName": image_name(repository)}
    if image:
        entry |= {field: image[field] for field in _FIELDS if field in image}  # type: ignore[literal-required]
    return entry
