"""The tracked images in the database: those tracked by a command, by an administrator or at a reader's request."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from uuid import uuid4

from sqlalchemy import ColumnElement, Connection, Delete, Exists, Row, bindparam, exists, func, select

from microbadger.image import Repository, is_tag, kept_repositories, parse_kept
from microbadger.store import TRACKED_IMAGES, read_value, upsert, write_value

NONE: frozenset[str] = frozenset()  # shared, because there can be very many images
_CHANGED = "tracked_images_changed"

_ALL = select(TRACKED_IMAGES)
_BY_NUMBER = _ALL.order_by(TRACKED_IMAGES.c.number)
_OF_IMAGE = _ALL.where(TRACKED_IMAGES.c.image == bindparam("which"))
_AT_PATH = _ALL.where(TRACKED_IMAGES.c.path == bindparam("path"))
_REQUESTED = select(TRACKED_IMAGES.c.image).where(TRACKED_IMAGES.c.requested_at.is_not(None))
_LAST_NUMBER = select(func.max(TRACKED_IMAGES.c.number))
_REMOVE = TRACKED_IMAGES.delete().where(TRACKED_IMAGES.c.image == bindparam("which"))
_REMOVE_REQUESTED = _REMOVE.where(TRACKED_IMAGES.c.requested_at.is_not(None))


@dataclass(frozen=True, slots=True)
class TrackedImage:
    """A tracked image, with the tags to keep regardless of the limit and the old tokens of its webhook.

    ``is_on_request`` says whether it is tracked only because readers requested it.
    """

    repository: Repository
    kept_tags: frozenset[str] = NONE
    private: bool = False
    old_tokens: frozenset[str] = field(default=NONE, repr=False)
    is_on_request: bool = False

    def merged_with(self, other: "TrackedImage | None") -> "TrackedImage":
        """Return the image with the tags, the privacy and the tokens of both."""
        if other is None:
            return self
        return TrackedImage(
            self.repository,
            self.kept_tags | other.kept_tags,
            self.private or other.private,
            self.old_tokens | other.old_tokens,
            self.is_on_request and other.is_on_request,
        )


def all_stored(connection: Connection) -> Iterator[TrackedImage]:
    """Yield all images in the order in which they were first tracked."""
    return _images(connection.execute(_BY_NUMBER).all())


def requested(connection: Connection) -> list[Repository]:
    """Return the images that are tracked only because readers requested them."""
    return kept_repositories(connection.execute(_REQUESTED).scalars())


def stored_at_path(connection: Connection, path: str) -> Iterator[TrackedImage]:
    """Yield the images with this path, from all registries."""
    return _images(connection.execute(_AT_PATH, {"path": path}).all())


def stored(connection: Connection, repository: Repository) -> TrackedImage | None:
    """Return an image, or None if the database does not have it."""
    return next(_images(connection.execute(_OF_IMAGE, {"which": str(repository)})), None)


def store(connection: Connection, image: TrackedImage, requested_at: float | None = None) -> None:
    """Store an image.

    ``requested_at`` is the Unix time of a reader's request; None if an operator or administrator tracks the image.
    """
    last: int | None = connection.execute(_LAST_NUMBER).scalar()
    row = {
        "image": str(image.repository),
        "path": image.repository.path,
        "kept_tags": json.dumps(sorted(image.kept_tags)),
        "is_private": image.private,
        "number": (last or 0) + 1,
        "requested_at": requested_at,
    }
    upsert(connection, TRACKED_IMAGES, row, update=("kept_tags", "is_private", "requested_at"))
    _mark_changed(connection)


def remove_stored(connection: Connection, repository: Repository) -> None:
    """Delete an image."""
    _remove(connection, _REMOVE, [repository])


def remove_requested(connection: Connection, repositories: Iterable[Repository]) -> None:
    """Delete those of these images that are tracked only because readers requested them."""
    _remove(connection, _REMOVE_REQUESTED, sorted(repositories, key=str))


def is_on_request(image: ColumnElement[str]) -> Exists:
    """Return the SQL condition that the image in a column is tracked only because readers requested it."""
    return exists().where(TRACKED_IMAGES.c.image == image, TRACKED_IMAGES.c.requested_at.is_not(None))


def last_change(connection: Connection) -> str | None:
    """Return a text that differs after each change of the stored images, or None before the first change."""
    return read_value(connection, _CHANGED)


def _remove(connection: Connection, remove: Delete, repositories: Iterable[Repository]) -> None:
    removed = sum(connection.execute(remove, {"which": str(each)}).rowcount for each in repositories)
    if removed:
        _mark_changed(connection)


def _mark_changed(connection: Connection) -> None:
    write_value(connection, _CHANGED, uuid4().hex)


def _images(rows: "Iterable[Row[tuple[object, ...]]]") -> Iterator[TrackedImage]:
    for row in rows:
        kept = frozenset(filter(is_tag, parse_kept(row.kept_tags, list[str]) or ()))
        for repository in kept_repositories([row.image]):
            is_on_request = row.requested_at is not None
            yield TrackedImage(repository, kept, row.is_private is True, is_on_request=is_on_request)
