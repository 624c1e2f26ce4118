"""The database: SQLite by default, PostgreSQL by its URL, with the same statements for both.

A transaction reads or writes. One that writes takes the database for itself when it begins, for one that begins by
reading could not go on when another has written meanwhile. Everything committed survives the death of any process;
what is committed as *durable* survives a power failure, too.

Connections are made by each process for itself: they are closed before a fork. An SQLite file that was deleted or
replaced while the service runs is noticed at the next transaction; one that is damaged is set aside, said so, and a new
one begun.
"""

import os
import sqlite3
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from weakref import WeakSet

from sqlalchemy import ColumnElement, Connection, Engine, Table, create_engine, event, inspect, make_url, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from microbadger.logs import EventLog
from microbadger.store.files import lock_file, make_folder, set_aside, stamp_of
from microbadger.store.tables import META, SCHEMA

log = EventLog(__name__)

Migration = Callable[[Connection], None]
MIGRATIONS: Sequence[Migration] = ()
"""What brings a database of version ``n`` to version ``n + 1``, the first one from version 1."""

_VERSION_KEY = "schema_version"
_BUSY_SECONDS = 10
_CONNECTIONS = 8
_MORE_CONNECTIONS = 32

_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_REASONS = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_IOERR: "the disk is full or broken",
    sqlite3.SQLITE_BUSY: "another program has locked it",
    sqlite3.SQLITE_LOCKED: "another program has locked it",
    sqlite3.SQLITE_READONLY: "it is read-only",
    sqlite3.SQLITE_PERM: "it cannot be opened",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened",
    sqlite3.SQLITE_CORRUPT: "it is damaged",
    sqlite3.SQLITE_NOTADB: "it is damaged",
}


class StoreError(Exception):
    """The database cannot be used now; the message is one sentence that names it and says why."""


class Database:
    """A database, opened when it is first used. One object serves all threads of a process and those it forks."""

    def __init__(self, url: str, migrations: Sequence[Migration] = MIGRATIONS) -> None:
        self._url = make_url(url)
        self._migrations = migrations
        self._file = Path(self._url.database or "") if self._url.get_backend_name() == "sqlite" else None
        self._lock = threading.Lock()
        self._opened: _Opened | None = None
        _DATABASES.add(self)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Give a connection within a transaction that only reads. Raises StoreError."""
        with self._translated(), self._current().reading.begin() as connection:
            yield connection

    @contextmanager
    def write(self, *, durable: bool = False) -> Iterator[Connection]:
        """Give a connection within a transaction that is committed at the end, unless it raises. Raises StoreError."""
        with self._translated():
            opened = self._current()
            with (opened.durable if durable else opened.writing).begin() as connection:
                yield connection

    def close(self) -> None:
        """Close every connection that is not in use; the next transaction opens the database again."""
        with self._lock:
            opened, self._opened = self._opened, None
        if opened:
            opened.close()

    def _current(self) -> "_Opened":
        """Return the open database, opened anew if its file is another one than before."""
        opened = self._opened
        if opened and opened.is_current():
            return opened
        with self._lock:
            if self._opened and not self._opened.is_current():
                log.warning("database_replaced", file=self._file)
                self._opened.close()
                self._opened = None
            if self._opened is None:
                self._opened = self._open()
            return self._opened

    def _open(self) -> "_Opened":
        if self._file is None:
            opened = _Opened(_engine(self._url, durable=True), _engine(self._url, durable=True), None)
            _prepare(opened.writing, self._migrations)
            return opened
        try:
            make_folder(self._file.parent)
            with lock_file(_lock_of(self._file)):
                return self._open_or_begin_anew(self._file)
        except OSError as error:
            raise StoreError(f"The database {self._file} cannot be opened: {error.strerror or error}.") from error

    def _open_or_begin_anew(self, file: Path) -> "_Opened":
        try:
            return self._open_file(file)
        except DBAPIError as error:
            if not _is_damage(error):
                raise
            _set_aside(file)
            return self._open_file(file)

    def _open_file(self, file: Path) -> "_Opened":
        normal, durable = _engine(self._url, durable=False), _engine(self._url, durable=True)
        try:
            _prepare(normal.execution_options(immediate=True), self._migrations)
        except BaseException:
            normal.dispose()
            raise
        return _Opened(normal, durable, file)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            if self._file and _is_damage(error):
                self._replace_damaged(self._file)
            raise StoreError(f"The database cannot be used: {_reason_of(error)}.") from error

    def _replace_damaged(self, file: Path) -> None:
        """Set a file aside that was found damaged, unless another process has done so."""
        with suppress(OSError), lock_file(_lock_of(file)), self._lock:
            if self._opened and self._opened.is_current():
                _set_aside(file)
            if self._opened:
                self._opened.close()
                self._opened = None


class _Opened:
    """The engines of an open database: both have connections of their own, which differ in what a commit waits for."""

    def __init__(self, normal: Engine, durable: Engine, file: Path | None) -> None:
        self.reading = normal
        self.writing = normal.execution_options(immediate=True)
        self.durable = durable.execution_options(immediate=True)
        self._file = file
        self._inode = _inode_of(file) if file else None

    def is_current(self) -> bool:
        """Tell whether the file that was opened still stands at its path."""
        return self._file is None or _inode_of(self._file) == self._inode

    def close(self) -> None:
        self.reading.dispose()
        self.durable.dispose()


_DATABASES: "WeakSet[Database]" = WeakSet()


def _close_all() -> None:
    for database in list(_DATABASES):
        database.close()


os.register_at_fork(before=_close_all)


def _engine(url: Any, *, durable: bool) -> Engine:
    engine = create_engine(
        url, pool_size=_CONNECTIONS, max_overflow=_MORE_CONNECTIONS, pool_reset_on_return=None, **_options_of(url)
    )
    if url.get_backend_name() == "sqlite":
        synchronous = "FULL" if durable else "NORMAL"

        @event.listens_for(engine, "connect")
        def prepare(connection: sqlite3.Connection, _record: object) -> None:
            connection.isolation_level = None  # transactions are begun below, and not by the driver
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA synchronous = {synchronous}")

        @event.listens_for(engine, "begin")
        def begin(connection: Connection) -> None:
            immediate = connection.get_execution_options().get("immediate")
            connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine


def _options_of(url: Any) -> dict[str, Any]:
    if url.get_backend_name() != "sqlite":
        return {}
    return {"connect_args": {"timeout": _BUSY_SECONDS, "check_same_thread": False}}


def _prepare(engine: Engine, migrations: Sequence[Migration]) -> None:
    """Make the tables of a new database, or bring an older one to the version of this program."""
    newest = len(migrations) + 1
    with engine.begin() as connection:
        if not inspect(connection).has_table(META.name):
            SCHEMA.create_all(connection)
            connection.execute(META.insert().values(key=_VERSION_KEY, value=str(newest)))
            return
        version = int(connection.execute(select(META.c.value).where(META.c.key == _VERSION_KEY)).scalar_one())
        if version > newest:
            raise StoreError(f"The database is of version {version}, which a newer program made: use that one.")
        for migrate in migrations[version - 1 :]:
            migrate(connection)
        if version < newest:
            connection.execute(META.update().where(META.c.key == _VERSION_KEY).values(value=str(newest)))
            log.info("database_migrated", before=version, now=newest)


def _lock_of(file: Path) -> Path:
    return file.with_name(f".{file.name}.lock")


def _inode_of(file: Path) -> int | None:
    stamp = stamp_of(file)
    return stamp[2] if stamp else None


def _set_aside(file: Path) -> None:
    set_aside(file)
    for suffix in ("-wal", "-shm"):
        file.with_name(f"{file.name}{suffix}").unlink(missing_ok=True)


def _code_of(error: DBAPIError) -> int:
    """Return SQLite's primary error code; 0 for an error of another driver."""
    return int(getattr(error.orig, "sqlite_errorcode", 0)) & 0xFF


def _is_damage(error: DBAPIError) -> bool:
    return _code_of(error) in _DAMAGED


def _reason_of(error: SQLAlchemyError) -> str:
    if isinstance(error, DBAPIError):
        return _REASONS.get(_code_of(error), f"it answers with {type(error.orig).__name__}")
    return type(error).__name__


def upsert(
    connection: Connection,
    table: Table,
    rows: Mapping[str, object] | Sequence[Mapping[str, object]],
    *,
    update: Collection[str] | Mapping[str, object] = (),
    where: ColumnElement[bool] | None = None,
) -> int:
    """Insert rows; where one of the same primary key stands, set the columns to ``update`` instead.

    ``update`` names columns that take the values of the new row, or maps columns to expressions; empty, the row that
    stands is left alone. ``where`` limits which rows are updated. Return how many rows were inserted or updated.
    """
    insert = _INSERT[connection.dialect.name](table)
    if update:
        values = update if isinstance(update, Mapping) else {name: insert.excluded[name] for name in update}
        statement = insert.on_conflict_do_update(index_elements=table.primary_key.columns, set_=values, where=where)
    else:
        statement = insert.on_conflict_do_nothing()
    return connection.execute(statement, rows).rowcount


_INSERT: Mapping[str, Callable[[Table], Any]] = {"sqlite": sqlite_insert, "postgresql": postgresql_insert}
