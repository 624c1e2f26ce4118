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
"""How many connections a process has to a PostgreSQL server, and how many stay open to a file."""
_text = partial(str, encoding="utf-8", errors="replace")
"""Reads a text of SQLite, which may hold any bytes: what is not UTF-8 is replaced."""
_POLL_SECONDS = 0.001

Begin = Callable[[Connection, Kind, bool], bool]
"""Begins a transaction; returns False if a connection that was idle, as the last argument says, is broken."""

_BEGIN: Mapping[Kind, Sequence[str]] = {
    # IMMEDIATE: a transaction that begins by reading cannot go on to write once another one has written.
    "read": ("PRAGMA query_only = 1", "PRAGMA busy_timeout = {busy_ms}", "BEGIN"),
    "write": ("PRAGMA query_only = 0", "PRAGMA busy_timeout = 0", "PRAGMA synchronous = NORMAL", "BEGIN IMMEDIATE"),
    "migrate": ("PRAGMA query_only = 0", "PRAGMA busy_timeout = 0", "PRAGMA synchronous = FULL", "BEGIN IMMEDIATE"),
}


class NoConnectionFree(Exception):
    """Every connection that a process may have is in use, and none has become free for a while."""


class Connections:
    """The connections of this process to one database, for as long as it is the same."""

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
        """Give a connection within a transaction.

        Raises the errors of SQLAlchemy and of the driver, and NoConnectionFree.
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
        """Note that the tables are as they should be."""
        self._schema = self._number_of_schema()

    def have_same_schema(self) -> bool:
        """Return whether no program has changed the tables since then, as far as that can be seen without waiting."""
        return self._schema is None or self._number_of_schema() in (self._schema, None)

    def close(self) -> None:
        """Close every connection, those in use as soon as their transaction ends."""
        self._is_closed = True
        self._close_idle(0)

    def _begun(self, kind: Kind) -> Connection:
        """Return a connection whose transaction has begun; one that broke while it was idle is replaced."""
        try:
            connection, was_idle = self._idle.pop(), True  # the last one used: what it has read is still in memory
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
        self._close_idle(0)  # each of them would have to be tried in vain
        return self._begun(kind)

    def _number_of_schema(self) -> int | None:
        """Return a number that changes when the tables do; None if it cannot be read without waiting."""
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
            return None  # the transaction that comes next says why
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

    A thread that has one gets another at once: two that waited for each other would wait for ever.
    """

    def __init__(self, most: int, patience_seconds: float) -> None:
        self._places = threading.BoundedSemaphore(most)
        self._patience_seconds = patience_seconds
        self._own = threading.local()

    def enter(self) -> None:
        """Wait for a place. Raises NoConnectionFree."""
        depth = getattr(self._own, "depth", 0)
        if not depth and not self._places.acquire(timeout=patience(self._patience_seconds)):
            raise NoConnectionFree
        self._own.depth = depth + 1

    def leave(self) -> None:
        self._own.depth -= 1
        if not self._own.depth:
            self._places.release()


def _begin_in_file(busy_seconds: float, connection: Connection, kind: Kind, _was_idle: bool) -> bool:
    """Begin a transaction of SQLite; to write, as soon as no other process does.

    SQLite itself would try ever more rarely, at last every tenth of a second, and find the database locked again.
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
    with suppress(SQLAlchemyError):  # it is broken, and of no use any more
        connection.close()


def engine_for(file: Path, setup: str, mode: str = "rw", *, busy_seconds: float = 0) -> Engine:
    """Return an engine for an SQLite file, which must exist; each connection begins with the ``setup`` statement."""

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
