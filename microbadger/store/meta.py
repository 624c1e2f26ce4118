"""Single values that processes share, such as the secret made on the first start."""

import secrets

from sqlalchemy import Connection, bindparam, select

from microbadger.store.database import Database
from microbadger.store.migrations import IDENTITY_KEY
from microbadger.store.tables import META
from microbadger.store.upserts import upsert

_SECRET = "secret"  # noqa: S105 - the key of one
_SECRET_BYTES = 32

_VALUE = select(META.c.value).where(META.c.key == bindparam("which"))


def read_value(connection: Connection, key: str) -> str | None:
    """Return the value of a key, or None."""
    value: str | None = connection.execute(_VALUE, {"which": key}).scalar_one_or_none()
    return value


def write_value(connection: Connection, key: str, value: str) -> None:
    """Set the value of a key."""
    upsert(connection, META, {"key": key, "value": value}, update=("value",))


def forget_value(connection: Connection, key: str) -> None:
    """Remove a key with its value."""
    connection.execute(META.delete().where(META.c.key == key))


def identity_of(connection: Connection) -> str | None:
    """Return the random identity of a database, which changes if a lost or damaged database is replaced."""
    return read_value(connection, IDENTITY_KEY)


def kept_secret(database: Database) -> str:
    """Return the secret of this database. The first process that asks for it creates it."""
    with database.read() as connection:
        kept = read_value(connection, _SECRET)
    if kept:
        return kept
    with database.write(durable=True) as connection:
        upsert(connection, META, {"key": _SECRET, "value": secrets.token_urlsafe(_SECRET_BYTES)})
        return read_value(connection, _SECRET) or ""
