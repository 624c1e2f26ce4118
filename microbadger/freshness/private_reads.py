"""Remembers which images were read as private ones, until the registry shows them to an anonymous reader.

If such an image is no longer tracked as private, it stays hidden until then: neither its record nor, in lists, its name
is published. Whether a record was read as public is stored in the record itself, so that neither is lost without the
other.
"""

from sqlalchemy import ColumnElement, Connection, and_, bindparam, or_, select, union

from microbadger.freshness.stored_images import TrackedImage, is_on_request
from microbadger.image import Repository, kept_repositories
from microbadger.store import CHECKS, META, RECORDS, upsert

_PREFIX = "read_as_private:"
_ONE = select(META.c.key).where(META.c.key == bindparam("which"))
_ALL = select(META.c.key).where(META.c.key.startswith(_PREFIX, autoescape=True))
_FORGET = META.delete().where(META.c.key == bindparam("which"))
_PRIVATE_RECORDS = select(RECORDS.c.image).where(RECORDS.c.is_public.is_not(True))  # includes damaged values
_PRIVATE_RECORD = _PRIVATE_RECORDS.where(RECORDS.c.image == bindparam("which"))
_PUBLIC_RECORDS = select(RECORDS.c.image).where(RECORDS.c.is_public.is_(True))
_PUBLIC_RECORD = _PUBLIC_RECORDS.where(RECORDS.c.image == bindparam("which"))
_NOT_PUBLIC = (
    RECORDS.update().where(RECORDS.c.image == bindparam("which"), RECORDS.c.is_public).values(is_public=False)
)

_RECORDS = RECORDS.alias()  # so that a query that joins the records can use the condition below
MAY_BE_NAMED: ColumnElement[bool] = or_(
    and_((_PREFIX + CHECKS.c.image).not_in(_ALL), ~is_on_request(CHECKS.c.image)),
    CHECKS.c.image.in_(select(_RECORDS.c.image)),
)
"""The condition that lists may name the image of a check.

An image without a record may be named unless it was read as private or only readers asked for it.
"""


def note_private_read(connection: Connection, repository: Repository) -> None:
    """Store that an image is about to be read as a private one, or may have been read as one."""
    upsert(connection, META, {"key": _key(repository), "value": ""})
    connection.execute(_NOT_PUBLIC, {"which": str(repository)})


def note_public_read(connection: Connection, repository: Repository) -> None:
    """Store that the registry has shown an image to an anonymous reader."""
    connection.execute(_FORGET, {"which": _key(repository)})


def is_hidden(connection: Connection, image: TrackedImage | None) -> bool:
    """Return whether a tracked image was private before and has not yet been read as a public one."""
    return bool(image and not image.private and _is_private_read(connection, image.repository))


def private_reads(connection: Connection) -> set[Repository]:
    """Return every image that was read as a private one and has not yet been read as a public one."""
    names = connection.execute(union(_ALL, _PRIVATE_RECORDS)).scalars()
    return set(kept_repositories(name.removeprefix(_PREFIX) for name in names))


def public_records(connection: Connection) -> set[Repository]:
    """Return every image whose record was read as public."""
    return set(kept_repositories(connection.execute(_PUBLIC_RECORDS).scalars()))


def has_public_record(connection: Connection, repository: Repository) -> bool:
    """Return whether an image has a record that was read as public."""
    return connection.execute(_PUBLIC_RECORD, {"which": str(repository)}).first() is not None


def _is_private_read(connection: Connection, repository: Repository) -> bool:
    is_noted = connection.execute(_ONE, {"which": _key(repository)}).first() is not None
    return is_noted or connection.execute(_PRIVATE_RECORD, {"which": str(repository)}).first() is not None


def _key(repository: Repository) -> str:
    return f"{_PREFIX}{repository}"
