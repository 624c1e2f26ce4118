"""Connections to a database, kept open between transactions."""

import sqlite3
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Literal

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine
from sqlalchemy.engine.interfaces import DBAPICursor

from microbadger.store.patience import patience

Kind = Literal["read", "write", "migrate"]

_MOST_IDLE = 8
_text = partial(str, encoding="utf-8", errors="replace")
"""Reads a text of SQLite, which may hold any bytes: what is not UTF-8 is replaced."""
_POLL_SECONDS = 0.001
_BEGIN: Mapping[str, Mapping[Kind, Sequence[str]]] = {
    # IMMEDIATE: a transaction that begins by reading cannot go on to write once another one has written.
    "sqlite": {
        "read": ("PRAGMA query_only = 1", "PRAGMA busy_timeout = {busy_ms}", "BEGIN"),
        "write": ("PRAGMA query_only = 0", "PRAGMA busy_timeout = 0", "PRAGMA synchronous = NORMAL", "BEGIN IMMEDIATE"),
        "migrate": ("PRAGMA query_only = 0", "PRAGMA busy_timeout = 0", "PRAGMA synchronous = FULL", "BEGIN IMMEDIATE"),
    },
    "postgresql": {
        "read": ("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",),
        "write": (),
        "migrate": ("SELECT pg_advisory_xact_lock(20150801)",),  # any number, as long as it is always the same
    },
}


class Connections:
    """The connections of this process to one database, for as long as it is the same."""

    def __init__(self, engine: Engine, *, busy_seconds: float = 0) -> None:
        self._engine = engine
        self._busy_seconds = busy_seconds
        self._statements = _BEGIN[engine.dialect.name]
        self._idle: deque[Connection] = deque()
        self._is_closed = False
        self._schema: int | None = None

    @contextmanager
    def transaction(self, kind: Kind) -> Iterator[Connection]:
        """Give a connection within a transaction. Raises the errors of SQLAlchemy and of the driver."""
        try:
            connection = self._idle.pop()  # the last one used: what it has read is still in memory
        except IndexError:
            connection = self._engine.connect()
        try:
            with connection.begin():
                cursor = connection.connection.cursor()
                seconds = patience(self._busy_seconds)
                for statement in self._statements[kind]:
                    self._execute(cursor, statement.format(busy_ms=round(1000 * seconds)), seconds)
                yield connection
        finally:
            self._give_back(connection)

    def note_schema(self) -> None:
        """Note that the tables are as they should be."""
        self._schema = self._number_of_schema()

    def have_same_schema(self) -> bool:
        """Return whether no program has changed the tables since then, as far as that can be seen without waiting."""
        return self._schema is None or self._number_of_schema() in (self._schema, None)

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
            self._give_back(connection)

    def _execute(self, cursor: DBAPICursor, statement: str, seconds: float) -> None:
        """Execute a statement that begins a transaction; to write, as soon as no other process does.

        SQLite itself would try ever more rarely, at last every tenth of a second, and find the database locked again.
        """
        ends_at = time.monotonic() + seconds
        while True:
            try:
                cursor.execute(statement)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() >= ends_at:
                    raise
            else:
                return
            time.sleep(_POLL_SECONDS)

    def _give_back(self, connection: Connection) -> None:
        self._idle.append(connection)
        self._close_idle(0 if self._is_closed else _MOST_IDLE)

    def close(self) -> None:
        """Close every connection, those in use as soon as their transaction ends."""
        self._is_closed = True
        self._close_idle(0)

    def _close_idle(self, most: int) -> None:
        while len(self._idle) > most:
            with suppress(IndexError):  # another thread was faster
                self._idle.popleft().close()


def engine_for(file: Path, setup: str, *, mode: str = "rw", busy_seconds: float = 0) -> Engine:
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


def engine_of(address: URL) -> Engine:
    """Return an engine for a PostgreSQL server, whose URL can be as platforms give it: without a driver."""
    if address.drivername in {"postgres", "postgresql"}:
        address = address.set(drivername="postgresql+psycopg")
    return create_engine(address, poolclass=NullPool)
