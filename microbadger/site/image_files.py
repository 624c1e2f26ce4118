"""Makes every public file of an image from its documents: the paths and the content.

The content of a file depends only on the record of the image, and nothing is read from ``public/``. So a missing file
can be made again when it is requested.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial

from microbadger.badges import BADGE_TYPES, Badge, badges_of, draw, endpoint_document
from microbadger.image import (
    ChangeLogDocument,
    HistoryDocument,
    ImageDocument,
    Repository,
    StatusDocument,
    VersionDocument,
    current_version,
    document_bytes,
    points_of,
    releases_document,
    tags_of,
)
from microbadger.site import atom_feed
from microbadger.site.image_page import image_page, version_shown
from microbadger.site.options import SiteOptions
from microbadger.site.paths import ImagePaths

Maker = Callable[[], bytes]

_TIMES_OF_CHECKS = ("CheckedAt", "NextCheckAt")  # published files have none, or they would change with each check


@dataclass(frozen=True, kw_only=True)
class ImageFiles:
    """The paths of all public files of an image, and the functions that make their content.

    ``history`` returns the history, and ``version`` the document of a version with its layers, or None if there is
    none. A version without a digest, whose tags could not be read, has no document of its own.
    """

    image: ImageDocument
    changes: ChangeLogDocument
    history: Callable[[], HistoryDocument]
    version: Callable[[str], VersionDocument | None]
    site: SiteOptions

    def written(self) -> dict[str, Maker]:
        """Return the files that are written when the image has changed, the metadata last.

        The service makes the files of other tags than those of the current version when they are first requested.
        """
        if self.site.is_static:
            return self.all()
        current = current_version(self.image["Versions"])
        return self._files(tags_of(current) if current else [])

    def all(self) -> dict[str, Maker]:
        """Return every file that the image can have, the metadata last."""
        return self._files([tag for version in self.image["Versions"] for tag in tags_of(version)])

    def maker_of(self, path: str) -> Maker | None:
        """Return the function that makes the file at a path, or None if the image cannot have such a file."""
        tags = (tag for version in self.image["Versions"] for tag in tags_of(version))
        return self._files([tag for tag in tags if f":{tag}" in path]).get(path)

    def _files(self, tags: Sequence[str]) -> dict[str, Maker]:
        names = ImagePaths.all_of(Repository(self.image["Registry"], self.image["Repository"]))
        pages = {tag: cache(partial(self._page, tag)) for tag in tags}
        page = cache(partial(self._page, None))
        files: dict[str, Maker] = {}
        for paths in names:
            files |= self._badge_files(paths, tags)
            for version in self.image["Versions"]:
                if version["SHA"]:
                    files[paths.version(version["SHA"])] = partial(self._version, version)
            files |= {paths.tag_page(tag): tag_page for tag, tag_page in pages.items()}
            files |= {paths.page: page, paths.changes: self._changes, paths.feed: self._feed}
            files[paths.history] = self._history
            files[paths.releases] = self._releases
        return files | {paths.metadata: self._metadata for paths in reversed(names)}

    def _badge_files(self, paths: ImagePaths, tags: Sequence[str]) -> dict[str, Maker]:
        if not self.image["Versions"]:
            return {}
        files: dict[str, Maker] = {}
        for tag in [None, *tags]:
            badges = cache(partial(badges_of, self.image, tag))
            for badge_type in BADGE_TYPES:
                files[paths.badge(badge_type, tag, "svg")] = partial(_svg, badges, badge_type)
                files[paths.badge(badge_type, tag, "json")] = partial(_endpoint, badges, badge_type)
        return files

    def _version(self, version: VersionDocument) -> bytes:
        return document_bytes(self.version(version["SHA"]) or version)

    def _page(self, tag: str | None) -> bytes:
        shown = version_shown(self.image, tag)
        version = self.version(shown["SHA"]) if shown and shown["SHA"] else None
        return image_page(
            self.image,
            tag=tag,
            version=version,
            changes=self.changes["Changes"],
            points=points_of(self.history(), tag),
            site=self.site,
        )

    def _changes(self) -> bytes:
        whole = [{**change, "BaseMoved": change.get("BaseMoved", [])} for change in self.changes["Changes"]]
        return document_bytes({**self.changes, "Changes": whole})

    def _history(self) -> bytes:
        return document_bytes(self.history())

    def _feed(self) -> bytes:
        return atom_feed.feed(self.changes, self.site.base_url)

    def _releases(self) -> bytes:
        homepage = f"{self.site.base_url}/{ImagePaths(self.image['ImageName']).page_url}"
        return document_bytes(releases_document(self.image, homepage))

    def _metadata(self) -> bytes:
        return document_bytes(self.image)


def _svg(badges: Callable[[], Mapping[str, Badge]], badge_type: str) -> bytes:
    return draw(badges()[badge_type])


def _endpoint(badges: Callable[[], Mapping[str, Badge]], badge_type: str) -> bytes:
    return document_bytes(endpoint_document(badges()[badge_type]))


def status_files(repository: Repository, status: StatusDocument) -> dict[str, Maker]:
    """Return the state of an image as files of a static site; the service answers requests for it instead."""
    lasting = {field: value for field, value in status.items() if field not in _TIMES_OF_CHECKS}
    return {paths.status: partial(document_bytes, lasting) for paths in ImagePaths.all_of(repository)}
