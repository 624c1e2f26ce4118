"""Turns the documents of an image into its public files: path in, bytes out."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from microbadger.badges import BADGE_TYPES, badges, draw, endpoint_document
from microbadger.image import (
    ChangeDocument,
    ChangeLogDocument,
    ImageDocument,
    Repository,
    VersionDocument,
    document_bytes,
    tags_of,
)
from microbadger.site import atom_feed, pages
from microbadger.site.paths import ImagePaths

_BADGE_SUFFIXES = ("svg", "json")
# The time of the check is looked for nowhere else: a label may have its key.
_RECORD_BEGIN = re.compile(rb'\A(\{"LatestSHA":"[^"]*"(?:,"WebhookURL":"[^"]*")?,"UpdatedAt":)"[^"]*"')


def content_files(
    repository: Repository,
    image: ImageDocument,
    versions: Iterable[VersionDocument],
    last: ImageDocument | None = None,
) -> dict[str, bytes]:
    """Return the badges of an image and the documents of those versions that come with their layers.

    Badges that must say what those of the ``last`` document did are left out.
    """
    files: dict[str, bytes] = {}
    names = ImagePaths.all_of(repository)
    for version in versions:
        if "Layers" in version or not version["Platforms"]:
            content = document_bytes(version)
            files |= {paths.version(version["SHA"]): content for paths in names}
    for badge_type, tag, badge in badges(image, last):
        drawn = draw(badge), document_bytes(endpoint_document(badge))
        for suffix, content in zip(_BADGE_SUFFIXES, drawn, strict=True):
            files |= {paths.badge(badge_type, tag, suffix): content for paths in names}
    return files


def change_files(repository: Repository, log: ChangeLogDocument, base_url: str) -> dict[str, bytes]:
    """Return the log of an image's changes and the feed of it."""
    names = ImagePaths.all_of(repository)
    document, feed = document_bytes(log), atom_feed.feed(log, base_url)
    return {paths.changes: document for paths in names} | {paths.feed: feed for paths in names}


def record_files(
    repository: Repository,
    image: ImageDocument,
    current: VersionDocument | None,
    changes: Sequence[ChangeDocument],
    base_url: str,
) -> dict[str, bytes]:
    """Return the page and, last, the record of an image: what changes even if only the time of the check did.

    ``current`` is the current version with its layers, if they are known.
    """
    names = ImagePaths.all_of(repository)
    page = pages.image_page(image, current=current, changes=changes, base_url=base_url)
    record = document_bytes(image)
    files = {paths.page: page for paths in names}
    return files | {paths.metadata: record for paths in reversed(names)}


def checked_files(
    repository: Repository, checked_at: str, read: Callable[[str], bytes | None]
) -> dict[str, bytes] | None:
    """Return the page and, last, the record of an image that was found the same; None where one of them is not whole.

    ``read`` returns what is published at a path, or None.
    """
    names = ImagePaths.all_of(repository)
    record = _checked_again(read(ImagePaths.of(repository).metadata), checked_at)
    checked = {paths.page: pages.checked_again(read(paths.page), checked_at) for paths in names}
    checked |= {paths.metadata: record for paths in reversed(names)}
    files = {path: content for path, content in checked.items() if content}
    return files if len(files) == len(checked) else None


def _checked_again(record: bytes | None, checked_at: str) -> bytes | None:
    """Return a record with another time of the check; None for what is no whole record as it is written here."""
    if record is None or not record.endswith(b"}\n"):
        return None
    checked, count = _RECORD_BEGIN.subn(rb'\1"%b"' % checked_at.encode(), record, count=1)
    return checked if count else None


def paths_of(repository: Repository, image: ImageDocument | None) -> set[str]:
    """Return every path an image has in the public tree; none for an image that is not published."""
    if image is None:
        return set()
    paths: set[str] = set()
    for name in ImagePaths.all_of(repository):
        paths |= {name.metadata, name.page, name.changes, name.feed}
        for version in image["Versions"]:
            paths.add(name.version(version["SHA"]))
            paths |= {
                name.badge(badge_type, tag, suffix)
                for tag in [None, *tags_of(version)]
                for badge_type in BADGE_TYPES
                for suffix in _BADGE_SUFFIXES
            }
    return paths


def sampled_paths(repository: Repository, image: ImageDocument, choose: Callable[[Sequence[Any]], Any]) -> list[str]:
    """Return a few paths of an image, others each time: all but those of its page and record come up at some time.

    ``choose`` returns one of several, as `random.choice` does.
    """
    paths, versions = choose(ImagePaths.all_of(repository)), image["Versions"]
    tags = [None, *(tag for version in versions for tag in tags_of(version))]
    badge = paths.badge(choose([*BADGE_TYPES]), choose(tags), choose(_BADGE_SUFFIXES))
    documents = [paths.version(choose(versions)["SHA"])] if versions else []
    return [paths.changes, paths.feed, badge, *documents]
