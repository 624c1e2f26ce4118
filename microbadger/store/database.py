"""The database: SQLite by default, PostgreSQL if its URL is given. Both run the same statements.

A transaction either reads or writes. A transaction that reads sees the database as it was when the transaction began,
and never waits for others. A transaction that writes has an SQLite database to itself. In PostgreSQL, others write at
the same time, and a transaction protects only the rows that it has written or locked. To increment a stored value, use
one statement that reads and writes it. Everything committed survives the death of any process. What is committed as
*durable* also survives a power failure.

An SQLite file is checked before each transaction. If it was deleted, truncated, overwritten or replaced while the
service runs, it is opened again. A damaged file is set aside, and the rows that can still be read go into a new file.
"""

import math
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from pathlib import Path
from weakref import ref

from sqlalchemy import Connection, Engine, make_url
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, NotSupportedError, ProgrammingError

from microbadger.logs import EventLog
from microbadger.store import postgresql, sqlite_files
from microbadger.store.attempts import Attempts, FailedMeanwhile, NoTurn
from microbadger.store.connections import MOST_CONNECTIONS, Connections, NoConnectionFree, engine_for
from microbadger.store.files import (
    PRIVATE_MODE,
    FileStamp,
    StillLocked,
    copies_set_aside,
    lock_file,
    make_folder,
    stamp_of,
    sync,
)
from microbadger.store.migrations import (
    MIGRATIONS,
    Migration,
    bring_up_to_date,
    check_unchanged,
    is_up_to_date,
    version_of,
)
from microbadger.store.opened import GATE, NO_FILE, OPENED, Opened, close_forgotten
from microbadger.store.ownership import UnknownSchema
from microbadger.store.patience import is_in_haste, patience
from microbadger.store.postgresql_address import name_of
from microbadger.store.sqlite_files import (
    BUSY,
    READ_ONLY,
    carry_over,
    close_to_others,
    is_damage,
    is_read_only,
    log_inode_of,
    log_of,
    remove_database,
    remove_log,
    set_aside_with_log,
)

log = EventLog(__name__)

_BUSY_SECONDS = 5.0
_WITH_LOG = "PRAGMA journal_mode = WAL"
_WITHOUT_LOG = "PRAGMA journal_mode = DELETE"
_ONLY_READ = "PRAGMA query_only = 1"
_SETUPS = {False: (_WITH_LOG, "rw"), True: (_ONLY_READ, "ro")}
_READ_TRUNCATED = "PRAGMA writable_schema = 1"  # without it, SQLite refuses to read a truncated file
_MISTAKES = (DataError, IntegrityError, NotSupportedError, ProgrammingError)
"""Errors that are the fault of a statement, not of the database."""
_NO_CONNECTION_FREE = f"all {MOST_CONNECTIONS} connections of this process are in use; try again"
_BEING_OPENED = "another process is opening or migrating it; try again"


class StoreError(Exception):
    """The database cannot be used now. The message is one sentence: which database, why, and what to do."""

    def __init__(self, message: str, in_public: str = "The database cannot be used.") -> None:
        super().__init__(message)
        self.in_public = in_public
        """The message for the public, which does not reveal where the database is."""


class Database:
    """A database that is opened on first use. One object serves all threads of a process and of its forked children."""

    def __init__(
        self,
        url: str,
        migrations: Sequence[Migration] = MIGRATIONS,
        *,
        busy_seconds: float = _BUSY_SECONDS,
        sync: Callable[[Path], None] = sync,
        is_only_read: bool = False,
    ) -> None:
        """With ``is_only_read``, the database is never created, migrated, repaired or set aside."""
        address = make_url(url)
        is_file = address.get_backend_name() == "sqlite"
        self._file = Path(address.database or "").resolve() if is_file else None
        self._engine = (
            engine_for(self._file, *_SETUPS[is_only_read], busy_seconds=busy_seconds)
            if self._file
            else postgresql.engine_of(address)
        )
        self._errors = sqlite_files if self._file else postgresql
        self._name = str(self._file) if self._file else name_of(address)
        self._driver_error: type[Exception] = self._engine.dialect.loaded_dbapi.Error
        self._migrations = migrations
        self._busy_seconds = busy_seconds
        self._sync = sync
        self._is_only_read = is_only_read
        self._writing = threading.Lock()
        self._opening = Attempts()

    def read(self) -> AbstractContextManager[Connection]:
        """Yield a connection in a read-only transaction, which should be short. Raises StoreError."""
        return self._transaction("read")

    @contextmanager
    def write(self, *, durable: bool = False) -> Iterator[Connection]:
        """Yield a connection in a transaction that is committed at the end, unless the block raises.

        A ``durable`` transaction also waits until the commit survives a power failure. Raises StoreError.
        """
        with self._transaction("write") as connection:
            yield connection
        if durable and self._file:
            self._wait_for_disk(self._file)

    @property
    def is_file(self) -> bool:
        """Whether the database is a file, which only processes of this machine can share."""
        return self._file is not None

    @property
    def problems(self) -> list[str]:
        """One sentence if the file is read-only, and one for each damaged database that was set aside.

        Open connections can still write to a file that has become read-only, but no new connection can be opened. The
        sentence about a damaged database stays until somebody removes the file that was set aside.
        """
        is_lost = self._file is not None and is_read_only(self._file)
        return [str(self._unusable(READ_ONLY)), *self._set_aside] if is_lost else self._set_aside

    @property
    def _opened(self) -> Opened | None:
        return OPENED.get(ref(self))

    @property
    def _set_aside(self) -> list[str]:
        return [
            f"The database was damaged and set aside as {copy}. Data that could not be read, perhaps including"
            " subscriptions, is lost. Remove that file to clear this message."
            for copy in (copies_set_aside(self._file) if self._file else [])
        ]

    def close(self) -> None:
        """Close idle connections now, and others when their transactions end. Later transactions open new ones."""
        with GATE, self._opening.pause():
            if opened := OPENED.pop(ref(self), None):
                opened.connections.close()

    @contextmanager
    def _transaction(self, kind: postgresql.Kind) -> Iterator[Connection]:
        with GATE, nullcontext() if kind == "read" else self._turn_to_write():
            opened = self._current()
            try:
                with opened.connections.transaction("read" if self._is_only_read else kind) as connection:
                    yield connection
            except NoConnectionFree as error:
                raise self._unusable(_NO_CONNECTION_FREE) from error
            except (DBAPIError, self._driver_error) as error:
                if self._errors.is_rule_of_others(error):
                    raise self._failed(error, "a constraint or trigger of another program rejects a row: ") from error
                if isinstance(error, _MISTAKES) and not self._errors.is_loss(error):
                    raise
                if is_damage(error):
                    opened.is_damaged = True
                if not self._errors.is_passing(error):
                    opened.is_usable = False
                raise self._failed(error) from error

    @contextmanager
    def _turn_to_write(self) -> Iterator[None]:
        """Wait until no other thread writes. Without this lock, threads would poll SQLite, and some would starve."""
        if self._file is None:
            yield
        elif self._writing.acquire(timeout=patience(self._busy_seconds)):
            try:
                yield
            finally:
                self._writing.release()
        else:
            raise self._unusable(BUSY)

    @contextmanager
    def _turn_to_open(self) -> Iterator[None]:
        """Wait until no other thread opens the database. Within `in_haste`, a thread waits only briefly."""
        seconds = None if math.isinf(patience(math.inf)) else patience(math.inf)
        # If a server cannot be reached, each attempt takes long, so all waiting threads fail together. A file may have
        # been repaired meanwhile, so each thread tries for itself.
        shared = () if self._file or is_in_haste() else (DBAPIError, self._driver_error)
        try:
            with self._opening.turn(seconds, shared):
                yield
        except FailedMeanwhile as meanwhile:
            raise self._failed(meanwhile.error) from meanwhile
        except NoTurn as error:
            reason = _BEING_OPENED if self._file else "it has not answered in time; check its server"
            raise self._unusable(reason) from error

    def _wait_for_disk(self, file: Path) -> None:
        """Wait until committed transactions survive a power failure. Raises StoreError.

        SQLite's ``synchronous = FULL`` does the same, but blocks other writers. Here, many threads can wait at once.
        """
        try:
            self._sync(log_of(file))
        except FileNotFoundError:
            pass  # the last process to close the database has merged the log into the file and synced it
        except OSError as error:
            raise self._unusable(f"{error.strerror or error}; check the disk") from error

    def _current(self) -> Opened:
        """Return the open database. Open it again if its file has changed or its connections are broken."""
        try:
            opened = self._opened
            if opened is None or not self._is_current(opened):
                with self._turn_to_open():
                    opened = self._opened
                    if opened is None or not self._is_current(opened):
                        close_forgotten()
                        opened = OPENED[ref(self)] = self._open(opened)
        except OSError as error:
            raise self._unusable(f"{error.strerror or error}; make its folder writable") from error
        except UnknownSchema as error:
            raise self._unusable(str(error)) from error
        except NoConnectionFree as error:
            raise self._unusable(_NO_CONNECTION_FREE) from error
        except StillLocked as error:
            raise self._unusable(_BEING_OPENED) from error
        except (DBAPIError, self._driver_error) as error:
            raise self._failed(error) from error
        return opened

    def _is_current(self, opened: Opened) -> bool:
        """Return whether the connections can still be used, and the file and its tables are unchanged."""
        if not opened.is_usable or self._file is None:
            return opened.is_usable
        return stamp_of(self._file) == opened.stamp and opened.connections.have_same_schema()

    def _open(self, before: Opened | None) -> Opened:
        if self._file is None:
            opened = Opened(self._connected(self._engine))
        elif self._is_only_read:
            opened = Opened(self._connected(self._engine), stamp_of(self._file) or NO_FILE)
        else:
            make_folder(self._file.parent)
            lock = self._file.with_name(f".{self._file.name}.lock")
            with lock_file(lock, seconds=patience(math.inf)):
                opened = self._open_file(self._file, before)
        if before:
            before.connections.close()
        return opened

    def _open_file(self, file: Path, before: Opened | None) -> Opened:
        stamp = stamp_of(file)
        if before and not before.is_of(stamp):
            log.warning("database_replaced", file=file)
            if file.is_file() and before.log_inode == log_inode_of(file):
                remove_log(file)  # SQLite would apply it to the new file
                before.is_usable = False  # even if the old file comes back: other processes use another log
        if stamp and stamp.size_bytes and not (before and before.is_of(stamp)):
            self._refuse_file_of_others(file)
        self._make_private(file)
        connections = self._connected_if_sound(stamp, before)
        if connections is None:
            self._create_or_repair(file, stamp, before)
            connections = self._connected(self._engine)
        return Opened(connections, stamp_of(file) or NO_FILE, log_inode_of(file))

    def _refuse_file_of_others(self, file: Path) -> None:
        """Raise UnknownSchema if another program created the file. Nothing is changed."""
        looking = Connections(engine_for(file, *_SETUPS[True], busy_seconds=self._busy_seconds))
        # If the file cannot be read, the caller opens it next, which reports the error or repairs the file.
        with closing(looking), suppress(DBAPIError, self._driver_error), looking.transaction("read") as connection:
            version_of(connection, len(self._migrations) + 1)

    def _connected_if_sound(self, stamp: FileStamp | None, before: Opened | None) -> Connections | None:
        if not stamp or not stamp.size_bytes or (before and before.has_lost(stamp)):
            return None
        try:
            return self._connected(self._engine)
        except (DBAPIError, self._driver_error) as error:
            if is_damage(error):
                return None
            raise

    def _connected(self, engine: Engine) -> Connections:
        """Return connections to a database. Its tables are created or migrated first if necessary."""
        connections = Connections(engine, busy_seconds=self._busy_seconds)
        try:
            with connections.transaction("read") as connection:
                if self._file is None:
                    postgresql.check_encoding(connection)
                if self._is_only_read:
                    check_unchanged(connection, self._migrations)
                is_ready = is_up_to_date(connection, self._migrations)
            if not is_ready:
                with connections.transaction("migrate") as connection:
                    bring_up_to_date(connection, self._migrations)
            connections.note_schema()
        except BaseException:
            connections.close()
            raise
        return connections

    def _make_private(self, file: Path) -> None:
        try:
            for path in close_to_others(file):
                log.warning("secret_file_was_open", file=path)
        except OSError as error:  # another user's file, or a read-only disk: the database can still be used
            log.warning("secret_file_is_open", file=file, error=error)

    def _create_or_repair(self, file: Path, stamp: FileStamp | None, before: Opened | None) -> None:
        """Replace a missing or damaged database by a new one, with the rows of the old one that can still be read."""
        new = file.with_name(f".new-{file.name}")
        remove_database(new)  # a process that was killed may have left it
        try:
            new.touch(PRIVATE_MODE)
            if stamp:
                os.utime(file)  # other processes notice the change, and wait for the new file
            with (
                closing(self._connected(engine_for(new, _WITHOUT_LOG))) as target,
                closing(Connections(engine_for(file, _READ_TRUNCATED, mode="ro"))) as damaged,
            ):
                sources = [before.connections] if before else []
                if stamp and stamp.size_bytes:
                    sources.append(damaged)
                if sources:
                    carry_over(sources, target)
            set_aside_with_log(file)
            new.replace(file)
            sync(file.parent)
        except BaseException:
            remove_database(new)
            raise

    def _failed(self, error: Exception, before: str = "") -> StoreError:
        """Return the StoreError for an error of the driver."""
        if self._is_only_read and is_damage(error):
            return self._unusable("it is damaged, or not a database")
        return self._unusable(
            before + self._errors.reason_for(error), before + self._errors.reason_in_public_for(error)
        )

    def _unusable(self, reason: str, in_public: str | None = None) -> StoreError:
        public_name = f"database {self._file.name}" if self._file else "database"
        return StoreError(
            f"The database {self._name} cannot be used: {reason}.",
            f"The {public_name} cannot be used: {in_public or reason}.",
        )
