"""Copies everything from one database to another, in any direction between SQLite and PostgreSQL.

Leases are not copied, because their holders work with the old database. The old database is never changed, so that
operators can return to it. If a file has an older schema, a temporary copy is migrated instead of the file itself.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import URL, Connection, Table, func, select

from microbadger.store.database import Database, StoreError
from microbadger.store.migrations import IDENTITY_KEY, VERSION_KEY
from microbadger.store.opened import GATE
from microbadger.store.ownership import OlderSchema
from microbadger.store.sqlite_files import copy_database, reason_for
from microbadger.store.tables import COUNTS, GAUGES, LEASES, META, SCHEMA
from microbadger.store.upserts import upsert

_ROWS_AT_ONCE = 500
_IDENTITY = select(META.c.value).where(META.c.key == IDENTITY_KEY)
_OF_EVERY_START = (META, COUNTS, GAUGES, LEASES)


class StoreNotEmpty(Exception):
    """The database to copy to already has data, which the copy would replace."""


@contextmanager
def opened_source(place: Path | str) -> Iterator[Database]:
    """Open the database in a file or at a URL for copying, without changing it. Raises StoreError."""
    with closing(Database(_url_of(place), is_only_read=True)) as source:
        try:
            with source.read():
                pass
        except StoreError as error:
            if not isinstance(place, Path) or not isinstance(error.__cause__, OlderSchema):
                raise
        else:
            yield source
            return
    with TemporaryDirectory(prefix="microbadger-") as folder:
        copy = Path(folder, place.name)
        try:
            with GATE:
                copy_database(place, copy)
        except sqlite3.Error as error:
            raise StoreError(f"The database {place} cannot be copied to {folder}: {reason_for(error)}.") from error
        with closing(Database(_url_of(copy))) as migrated:
            yield migrated


def _url_of(place: Path | str) -> str:
    return URL.create("sqlite", database=str(place)).render_as_string() if isinstance(place, Path) else place


def copy_store(source: Database, target: Database) -> dict[str, int]:
    """Copy all rows, including the secret, in one transaction. Return the number of copied rows by table.

    Raises StoreNotEmpty and StoreError.
    """
    with source.read() as reading, target.write(durable=True) as writing:
        tables = [table for table in SCHEMA.sorted_tables if table is not LEASES]
        _refuse_unless_empty(writing)
        if _identity(reading) == _identity(writing):
            raise StoreNotEmpty("it is the source database, or a copy of it")
        for table in (COUNTS, GAUGES, LEASES):
            writing.execute(table.delete())
        copied = {table.name: _copy(reading, writing, table) for table in tables}
        for table in tables:
            continue_numbers(writing, table)
    return copied


def _identity(connection: Connection) -> str | None:
    value: str | None = connection.execute(_IDENTITY).scalar_one_or_none()
    return value


def _refuse_unless_empty(connection: Connection) -> None:
    for table in SCHEMA.sorted_tables:
        if table not in _OF_EVERY_START and connection.execute(select(table).limit(1)).first():
            raise StoreNotEmpty(f"its table {table.name} has rows")


def _copy(reading: Connection, writing: Connection, table: Table) -> int:
    statement = select(table)
    if table is META:
        statement = statement.where(META.c.key != VERSION_KEY)
    count = 0
    for rows in reading.execute(statement, execution_options={"yield_per": _ROWS_AT_ONCE}).mappings().partitions():
        count += upsert(writing, table, [dict(row) for row in rows], update=_values_of(table))
    return count


def _values_of(table: Table) -> list[str]:
    """Return the columns to replace in existing rows. Only META can have rows: an identity and perhaps a secret."""
    return [column.name for column in table.columns if not column.primary_key] if table is META else []


def continue_numbers(connection: Connection, table: Table) -> None:
    """Make PostgreSQL number further rows after the copied ones, as SQLite does by itself."""
    column = table.autoincrement_column
    if connection.dialect.name != "postgresql" or column is None or not column.autoincrement:
        return
    last = connection.execute(select(func.max(column))).scalar_one()
    if last is not None and (sequence := _sequence_of(connection, table, column.name)):
        connection.execute(select(func.setval(sequence, last)))


def _sequence_of(connection: Connection, table: Table, column: str) -> str | None:
    name: str | None = connection.execute(select(func.pg_get_serial_sequence(table.name, column))).scalar_one()
    return name
