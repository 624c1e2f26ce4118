"""Publishes what lists all images, ``v1/images.json`` and the home page, and takes away what is no longer tracked."""

import json
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from functools import reduce
from itertools import islice
from pathlib import Path

from microbadger.freshness.look_log import LookLog, LookReader
from microbadger.freshness.tracked_images import TrackedImages
from microbadger.image import ImageDocument, Repository, image_name
from microbadger.logs import EventLog
from microbadger.site import (
    API,
    API_PAGE,
    ASSETS,
    CATALOGUE,
    HOME,
    LISTED_ON_HOME,
    EntriesByName,
    ImagePaths,
    Publisher,
    PublishError,
    api_document,
    api_page,
    digest_with,
    entries_in,
    entry_of,
    home_page,
    list_parts,
    repositories_in,
)
from microbadger.store import lock_file, stamp_of

log = EventLog(__name__)

_RETRY_SECONDS = 30.0
_SHORT = 1000
_REST_SECONDS_AN_IMAGE = 0.002  # hundreds of times what rewriting takes
_MOST_NOTED = 2000  # by a process that may never write the lists
_ASSET_FOLDER = Path(__file__).parents[1] / "site" / "assets"


class Catalogue:
    """The lists over all images; many refreshes share one rewriting of them.

    Only entries of images that were looked at are made anew; the others are carried over from the list that this
    process wrote last. A list of more than a thousand images then rests for a while, unless images come or go.
    """

    def __init__(
        self,
        tracked: TrackedImages,
        publisher: Publisher,
        looks: LookLog,
        *,
        lock: Path,
        base_url: str,
        remove_if_idle: Callable[[Repository], bool],
        changed: Callable[[Collection[str]], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tracked = tracked
        self._publisher = publisher
        self._looks = LookReader(looks)
        self._lock = lock
        self._base_url = base_url
        self._remove_if_idle = remove_if_idle
        self._changed = changed
        self._clock = clock
        self._looked_at: set[Repository] | None = None
        """The images whose entries are to be made anew; None for all."""
        self._written: tuple[int, ...] | None = None
        """The stamp of the list that this process wrote last."""
        self._listed: object = ()
        """The stamp of the tracked images that it lists."""
        self._kept: list[Repository] = []
        """Images that are no longer tracked and could not be removed yet."""
        self._noted: dict[Repository, tuple[tuple[int, ...] | None, bytes]] = {}
        """Entries of images that this process has just looked at, each beside the stamp of the record it tells of."""
        self._digest = 0
        self._rest_until = self._retry_at = float("-inf")

    def note(self, repository: Repository, image: ImageDocument) -> None:
        """Remember what to list of an image whose record was just published, which then need not be read again."""
        if len(self._noted) < _MOST_NOTED:
            self._noted[repository] = self._stamp_of_record(repository), entry_of(repository, image)

    def publish_if_stale(self) -> None:
        """Publish if an image was looked at, or images came or went, since this process did so last.

        Where that cannot be done it is said, and tried again a little later.
        """
        if self._clock() < self._retry_at:
            return
        try:
            self._tracked.restore()
            if self._is_stale():
                self._publish()
        except (OSError, PublishError) as error:
            self._retry_at = self._clock() + _RETRY_SECONDS
            log.error("lists_not_published", error=error)

    def publish(self) -> None:
        """Write both lists, of all images anew, and what pages refer to; raise PublishError if that cannot be done."""
        self._looks.news()  # what is told from now on is news
        self._looked_at = None
        self._tracked.restore()
        self._publish()

    def _is_stale(self) -> bool:
        news = self._looks.news()
        if news is None or self._written != stamp_of(self._file):
            self._looked_at = None
        elif self._looked_at is not None:
            self._looked_at |= news
        if self._tracked.stamp != self._listed:
            return True
        return self._looked_at != set() and self._clock() >= self._rest_until

    def _publish(self) -> None:
        with lock_file(self._lock):
            stamp = self._tracked.stamp
            listed = [image.repository for image in self._tracked]
            if stamp != self._listed or self._kept:
                gone = self._no_longer_tracked(listed)
                self._kept = [repository for repository in gone if not self._take_away(repository)]
            self._write([*listed, *self._kept])
        self._looked_at, self._listed = set(self._kept), stamp  # what is kept is tried again
        self._noted.clear()  # what was noted meanwhile is news of the next list, and will be read
        count = len(listed)
        self._rest_until = self._clock() + (_REST_SECONDS_AN_IMAGE * count if count > _SHORT else 0)

    def _write(self, listed: list[Repository]) -> None:
        before = self._digest if self._written == stamp_of(self._file) else _digest_of(self._file)
        with self._last_entry() as last_entry:
            entries = (self._entry(repository, last_entry) for repository in listed)
            changed = {CATALOGUE} if self._publisher.write_parts(CATALOGUE, list_parts(len(listed), entries)) else set()
        self._written, self._digest = stamp_of(self._file), _digest_of(self._file)
        changed |= {path for path, content in self._other_files(len(listed)) if self._publisher.write(path, content)}
        # That images were checked again, which happens all the time, is no change.
        self._changed(changed if self._digest != before else changed - {HOME, CATALOGUE})

    @contextmanager
    def _last_entry(self) -> Iterator[Callable[[str], bytes | None]]:
        """Give what returns the entry of an image that stands in the list."""
        if self._looked_at is None:
            yield lambda _: None
        else:
            with self._file.open("rb") as lines:
                yield EntriesByName(lines).get

    def _entry(self, repository: Repository, last_entry: Callable[[str], bytes | None]) -> bytes:
        is_known = self._looked_at is not None and repository not in self._looked_at
        last = last_entry(image_name(repository)) if is_known else self._noted_entry(repository)
        return last or entry_of(repository, self._publisher.read_image(repository))

    def _noted_entry(self, repository: Repository) -> bytes | None:
        noted = self._noted.pop(repository, None)
        return noted[1] if noted and noted[0] == self._stamp_of_record(repository) else None

    def _stamp_of_record(self, repository: Repository) -> tuple[int, ...] | None:
        return stamp_of(self._publisher.folder / ImagePaths.of(repository).metadata)

    def _other_files(self, count: int) -> Iterator[tuple[str, bytes]]:
        """Yield the home page, and at first or where it is lost what is the same whatever the images are."""
        first = [json.loads(entry) for entry in islice(entries_in(self._file), LISTED_ON_HOME)]
        yield HOME, home_page(first, count, self._base_url)
        if self._looked_at is None or not all(map(self._publisher.has, (API, API_PAGE))):
            yield from self._files_of_no_image()

    def _files_of_no_image(self) -> Iterator[tuple[str, bytes]]:
        """Yield what pages refer to, whatever the images are."""
        for asset in sorted(_ASSET_FOLDER.iterdir()):
            yield f"{ASSETS}/{asset.name}", asset.read_bytes()
        yield API, api_document(self._base_url)
        yield API_PAGE, api_page(self._base_url)

    def _no_longer_tracked(self, listed: Iterable[Repository]) -> Iterator[Repository]:
        known = set(listed)
        return (repository for repository in repositories_in(self._file) if repository not in known)

    def _take_away(self, repository: Repository) -> bool:
        """Remove an image that is no longer tracked, unless it is being refreshed or the list cannot be trusted.

        An editor may write a file in two steps: what is missing in between is not gone. Nor is what a line may have
        named that cannot be read.
        """
        is_trusted = not self._tracked.problems and self._tracked.is_settled()
        return is_trusted and self._remove_if_idle(repository)

    @property
    def _file(self) -> Path:
        return self._publisher.folder / CATALOGUE


def _digest_of(file: Path) -> int:
    return reduce(digest_with, entries_in(file), 0)
