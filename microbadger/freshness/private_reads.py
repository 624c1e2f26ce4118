"""Remembers which images were read as private ones, until an anonymous reader is shown the same.

If such an image is not private any more, nothing of it may be published before that: neither what was read of it nor,
in a list, its name.
"""

from sqlalchemy import ColumnElement, Connection, bindparam, or_, select

from microbadger.freshness.tracked_images import TrackedImage
from microbadger.image import Repository
from microbadger.store import CHECKS, META, RECORDS, upsert

_PREFIX = "read_as_private:"
_ONE = select(META.c.key).where(META.c.key == bindparam("which"))
_ALL = select(META.c.key).where(META.c.key.startswith(_PREFIX, autoescape=True))
_FORGET = META.delete().where(META.c.key == bindparam("which"))

_RECORDS = RECORDS.alias()  # a list that joins the records themselves asks about others here
MAY_BE_NAMED: ColumnElement[bool] = or_(
    (_PREFIX + CHECKS.c.image).not_in(_ALL), CHECKS.c.image.in_(select(_RECORDS.c.image))
)
"""Whether the image of a check may stand in a list."""


def note_private_read(connection: Connection, repository: Repository) -> None:
    """Note that an image is about to be read as a private one."""
    upsert(connection, META, {"key": _key(repository), "value": ""})


def note_public_read(connection: Connection, repository: Repository) -> None:
    """Note that an anonymous reader was shown an image."""
    connection.execute(_FORGET, {"which": _key(repository)})


def is_hidden(connection: Connection, image: TrackedImage | None) -> bool:
    """Return whether a tracked image was private, and is not yet shown to be public."""
    return bool(image and not image.private and _is_private_read(connection, image.repository))


def private_reads(connection: Connection) -> list[Repository]:
    """Return every such image."""
    return [Repository.parse(key.removeprefix(_PREFIX)) for key in connection.execute(_ALL).scalars()]


def _is_private_read(connection: Connection, repository: Repository) -> bool:
    return connection.execute(_ONE, {"which": _key(repository)}).first() is not None


def _key(repository: Repository) -> str:
    return f"{_PREFIX}{repository}"
