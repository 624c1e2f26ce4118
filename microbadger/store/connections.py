"""Connections to a database, kept open between transactions."""

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, Engine, NullPool, create_engine
from sqlalchemy.exc import SQLAlchemyError

from microbadger.store import postgresql
from microbadger.store.patience import patience
from microbadger.store.postgresql import Kind

MOST_CONNECTIONS = 8
"""The most connections that a process has to a PostgreSQL server, and the most idle ones that it keeps to a file."""
_text = partial(str, encoding="utf-8", errors="replace")
"""Decodes a text of SQLite, which may hold any bytes: invalid UTF-8 is replaced."""
_POLL_SECONDS = 0.001

Begin = Callable[[Connection, Kind, bool], bool]
"""Begins a transaction. Returns False if the connection was idle before (the last argument) and is broken."""

_BEGIN: Mapping[Kind, Sequence[str]] = {
    # IMMEDIATE, because a transaction that began by reading cannot write once another one has written.
    "read": ("PRAGMA query_only = 1", "PRAGMA busy_timeout = {busy_ms}", "BEGIN"),
    "write": ("PRAGMA query_only = 0", "PRAGMA busy_timeout = 0", "PRAGMA synchronous = NORMAL", "BEGIN IMMEDIATE"),
    "migrate": ("PRAGMA query_only = 0", "PRAGMA busy_timeout = 0", "PRAGMA synchronous = FULL", "BEGIN IMMEDIATE"),
}


class NoConnectionFree(Exception):
    """All connections that a process may have are in use, and none became free in time."""


class Connections:
    """The connections of this process to one database. If a database file is replaced, a new object is made for it."""

    def __init__(self, engine: Engine, *, busy_seconds: float = 0) -> None:
        is_file = engine.dialect.name == "sqlite"
        self._engine = engine
        self._begin: Begin = partial(_begin_in_file, busy_seconds) if is_file else postgresql.begin
        self._room = None if is_file else _Room(MOST_CONNECTIONS, busy_seconds)
        self._idle: deque[Connection] = deque()
        self._is_closed = False
        self._schema: int | None = None

    @contextmanager
    def transaction(self, kind: Kind) -> Iterator[Connection]:
        """Yield a connection in a transaction.

        Raises NoConnectionFree, and the errors of SQLAlchemy and of the driver.
        """
        if self._room:
            self._room.enter()
        try:
            connection = self._begun(kind)
            try:
                with connection.begin():
                    yield connection
            finally:
                self._keep(connection)
        finally:
            if self._room:
                self._room.leave()

    def note_schema(self) -> None:
        """Remember the state of the tables, for `have_same_schema`."""
        self._schema = self._number_of_schema()

    def have_same_schema(self) -> bool:
        """Return whether the tables are unchanged since `note_schema`, as far as that is known without waiting."""
        return self._schema is None or self._number_of_schema() in (self._schema, None)

    def close(self) -> None:
        """Close idle connections now, and others when their transactions end."""
        self._is_closed = True
        self._close_idle(0)

    def _begun(self, kind: Kind) -> Connection:
        """Return a connection whose transaction has begun. A connection that broke while it was idle is replaced."""
        try:
            connection, was_idle = self._idle.pop(), True  # the last one used, because its cache is still warm
        except IndexError:
            connection, was_idle = self._engine.connect(), False
        try:
            has_begun = self._begin(connection, kind, was_idle)
        except BaseException:
            self._keep(connection)
            raise
        if has_begun:
            return connection
        _close(connection)
        self._close_idle(0)  # the others are probably broken, too
        return self._begun(kind)

    def _number_of_schema(self) -> int | None:
        """Return a number that changes when the tables do, or None if it cannot be read without waiting."""
        if self._engine.dialect.name != "sqlite":
            return None
        try:
            connection = self._idle.pop()
        except IndexError:
            return None
        try:
            cursor = connection.connection.cursor()
            cursor.execute("PRAGMA busy_timeout = 0")
            cursor.execute("PRAGMA schema_version")
            ((number,),) = cursor.fetchall()
        except sqlite3.Error:
            return None  # the next transaction reports the error
        else:
            return int(number)
        finally:
            self._keep(connection)

    def _keep(self, connection: Connection) -> None:
        if connection.invalidated or getattr(connection.connection.driver_connection, "closed", False):
            _close(connection)
        else:
            self._idle.append(connection)
        self._close_idle(0 if self._is_closed else MOST_CONNECTIONS)

    def _close_idle(self, most: int) -> None:
        while len(self._idle) > most:
            with suppress(IndexError):  # another thread was faster
                _close(self._idle.popleft())


class _Room:
    """Limits how many threads have connections at the same time.

    A thread that already has a connection gets another one at once. Otherwise, such threads could wait for each other
    forever.
    """

    def __init__(self, most: int, patience_seconds: float) -> None:
        self._places = threading.BoundedSemaphore(most)
        self._patience_seconds = patience_seconds
        self._own = threading.local()

    def enter(self) -> None:
        """Wait until this thread may have a connection. Raises NoConnectionFree."""
        depth = getattr(self._own, "depth", 0)
        if not depth and not self._places.acquire(timeout=patience(self._patience_seconds)):
            raise NoConnectionFree
        self._own.depth = depth + 1

    def leave(self) -> None:
        self._own.depth -= 1
        if not self._own.depth:
            self._places.release()


def _begin_in_file(busy_seconds: float, connection: Connection, kind: Kind, _was_idle: bool) -> bool:
    """Begin a transaction in SQLite. To write, first wait until no other process writes.

    SQLite itself would wait up to a tenth of a second between its attempts, and often find the database locked again.
    """
    cursor = connection.connection.cursor()
    seconds = patience(busy_seconds)
    for statement in _BEGIN[kind]:
        ends_at = time.monotonic() + seconds
        while True:
            try:
                cursor.execute(statement.format(busy_ms=round(1000 * seconds)))
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() >= ends_at:
                    raise
            else:
                break
            time.sleep(_POLL_SECONDS)
    return True


def _close(connection: Connection) -> None:
    with suppress(SQLAlchemyError):  # the connection is broken
        connection.close()


def engine_for(file: Path, setup: str, mode: str = "rw", *, busy_seconds: float = 0) -> Engine:
    """Return an engine for an SQLite file, which it never creates. Each connection first executes ``setup``."""

    def connect() -> sqlite3.Connection:
        address = f"{file.as_uri()}?mode={mode}"
        connection = sqlite3.connect(
            address, uri=True, timeout=patience(busy_seconds), isolation_level=None, check_same_thread=False
        )
        try:
            connection.text_factory = _text
            connection.execute(setup)
        except BaseException:
            connection.close()
            raise
        return connection

    return create_engine("sqlite://", creator=connect, poolclass=NullPool)
