"""Leases: the exclusive right of one thread of one process to do something.

A lease has a *fence*, a number that grows each time the lease is taken. In each transaction that writes, the holder
proves that the fence is still its own, so a process that was suspended for too long writes nothing. A lease can be
taken if it was given back, if it has expired, or if its holder, a process of this machine, has died. A process that
could not give its lease back, because the database was unavailable, can take it again at once. A heartbeat extends the
leases that are in use.
https://martin.kleppmann.com/2016/02/08/how-to-do-distributed-locking.html
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import (
    ColumnElement,
    Connection,
    Executable,
    Float,
    Row,
    bindparam,
    literal,
    select,
)

from microbadger.store.clock import SERVER_TIME
from microbadger.store.database import Database
from microbadger.store.heartbeat import Heartbeat
from microbadger.store.tables import LEASES
from microbadger.store.upserts import upsert

LEASE_SECONDS = 30.0
"""How long a process on another machine can be silent before others can take its leases."""
_KEPT_PART = 1 / 3
_BEATS_IN_A_LEASE = 10
_LONGEST_SILENCE_SECONDS = 300.0
"""How long a heartbeat extends a lease that its holder does not use: longer than any single request takes."""
_POLL_SECONDS = 0.02
_NOBODY = ""
_IN_USE: set[tuple[str, int]] = set()
"""The leases that threads of this process hold, by name and fence."""

_IS_AS_SEEN = LEASES.c.fence == bindparam("seen_fence")
_IS_OURS = (
    LEASES.c.name == bindparam("lease"),
    LEASES.c.fence == bindparam("its_fence"),
    LEASES.c.holder == bindparam("its_holder"),
)
_GIVE_BACK = LEASES.update().where(*_IS_OURS).values(holder=_NOBODY, expires_at=0.0)


def _statements(now: ColumnElement[float]) -> tuple[Executable, Executable]:
    """Return the statements that read the time and a lease, and that extend a lease."""
    one = select(literal(1).label("one")).subquery()
    is_named = LEASES.c.name == bindparam("name")
    columns = now.label("now"), LEASES.c.fence, LEASES.c.holder, LEASES.c.expires_at
    return (
        select(*columns).select_from(one.outerjoin(LEASES, is_named)),
        LEASES.update().where(*_IS_OURS).values(expires_at=now + bindparam("seconds", type_=Float)),
    )


_GIVEN = bindparam("now", type_=Float)
_BY_GIVEN_CLOCK = _statements(_GIVEN)
_BY_CLOCK_OF_DATABASE = _statements(SERVER_TIME)


class LeaseLost(Exception):
    """Another thread or process has taken the lease, so the former holder must not write any more."""


class Lease:
    """A lease that this process has taken."""

    def __init__(self, leases: "Leases", name: str, fence: int, *, was_left: bool = False) -> None:
        self.name = name
        self.fence = fence
        self.was_left = was_left
        """Whether the previous holder, another process, died or stalled without giving the lease back."""
        self._leases = leases
        self._extended_at = self._used_at = leases.clock()
        self._is_lost = False

    def keep(self) -> None:
        """Extend the lease if that is due and its holder still uses it. The heartbeat calls this. Raises StoreError."""
        now = self._leases.clock()
        is_silent = now - self._used_at > _LONGEST_SILENCE_SECONDS
        if is_silent or 0 <= now - self._extended_at < self._leases.seconds * _KEPT_PART:
            return
        with self._leases.database.write() as connection:
            is_ours = self._leases.extend(connection, self._of_this)
        if is_ours:
            self._extended_at = now
        else:
            self._is_lost = True

    def renew(self) -> None:
        """Extend the lease if half of its time has passed. Raises LeaseLost and StoreError."""
        if self._is_lost:
            raise self.loss
        self._used_at = self._leases.clock()
        passed_seconds = self._used_at - self._extended_at
        if not 0 <= passed_seconds <= self._leases.seconds / 2:  # negative if the clock was set back
            with self._leases.database.write() as connection:
                self.prove(connection)

    def prove(self, connection: Connection) -> None:
        """Extend the lease within a transaction. Raises LeaseLost, which rolls the transaction back."""
        began_at = self._leases.clock()
        if not self._leases.extend(connection, self._of_this):
            raise self.loss
        self._extended_at = self._used_at = began_at

    def end(self, connection: Connection) -> bool:
        """Give the lease back within a transaction. Return False, without any change, if the lease was lost."""
        self.let_go()
        return connection.execute(_GIVE_BACK, self._of_this).rowcount == 1

    def let_go(self) -> None:
        """Stop using the lease without writing to the database. Until it expires, only this process can take it."""
        _IN_USE.discard((self.name, self.fence))
        self._leases.keep_no_more(self)

    @property
    def loss(self) -> LeaseLost:
        """The error to raise if the lease was lost."""
        return LeaseLost(f"another thread or process has taken the lease {self.name}")

    @property
    def _of_this(self) -> dict[str, object]:
        return {"lease": self.name, "its_fence": self.fence, "its_holder": this_process()}


class Leases:
    """The leases of all processes that share a database."""

    def __init__(
        self,
        database: Database,
        *,
        seconds: float = LEASE_SECONDS,
        clock: Callable[[], float] | None = None,
        have_heartbeat: bool = False,
    ) -> None:
        """Leases expire by the clock of the database, unless another clock is given.

        Without a heartbeat, holders must renew their leases themselves.
        """
        self.database = database
        self.seconds = seconds
        self.clock = clock or time.time
        """The clock that tells a holder when to extend its lease."""
        self._has_own_clock = clock is not None
        self._heartbeat = Heartbeat(seconds / _BEATS_IN_A_LEASE) if have_heartbeat else None

    def take(self, connection: Connection, name: str) -> Lease | None:
        """Take a lease within a transaction, or return None if another holds it."""
        row = self._read(connection, name)
        now, is_new = row.now, row.fence is None
        if self._is_held(name, row):
            return None
        # A lost database may have had this lease too. The Unix time is larger than any fence that it had there.
        seen, fence = (0, int(now)) if is_new else (row.fence, row.fence + 1)
        values = {"name": name, "fence": fence, "holder": this_process(), "expires_at": now + self.seconds}
        is_taken = upsert(
            connection,
            LEASES,
            {**values, "seen_fence": seen},
            update=("fence", "holder", "expires_at"),
            where=_IS_AS_SEEN,  # in PostgreSQL, another transaction may have taken it meanwhile
        )
        if not is_taken:
            return None
        _IN_USE.add((name, fence))
        was_left = not is_new and row.holder not in (_NOBODY, this_process())
        lease = Lease(self, name, fence, was_left=was_left)
        if self._heartbeat:
            self._heartbeat.add(lease)
        return lease

    def try_take(self, name: str) -> Lease | None:
        """Take a lease, or return None if another holds it. Raises StoreError."""
        with self.database.write() as connection:
            return self.take(connection, name)

    @contextmanager
    def hold(self, name: str) -> Iterator[Lease]:
        """Wait for a lease, and hold it within the block. Raises StoreError."""
        while (lease := self.try_take(name)) is None:
            time.sleep(_POLL_SECONDS)
        try:
            yield lease
        finally:
            self.give_back(lease)

    @contextmanager
    def try_hold(self, name: str) -> Iterator[Lease | None]:
        """Hold a lease within the block, or yield None at once if another holds it. Raises StoreError."""
        lease = self.try_take(name)
        try:
            yield lease
        finally:
            if lease:
                self.give_back(lease)

    def give_back(self, lease: Lease) -> None:
        """Let others take the lease at once. Raises StoreError."""
        lease.let_go()
        with self.database.write() as connection:
            lease.end(connection)

    def keep_no_more(self, lease: Lease) -> None:
        """Stop the heartbeat of a lease."""
        if self._heartbeat:
            self._heartbeat.remove(lease)

    def is_held(self, name: str) -> bool:
        """Return whether any process holds a lease now. Raises StoreError."""
        with self.database.read() as connection:
            return self._is_held(name, self._read(connection, name))

    def extend(self, connection: Connection, lease: Mapping[str, object]) -> bool:
        """Extend a lease within a transaction; return False if its holder has lost it."""
        _, statement = self._statements(connection)
        given = {**lease, "seconds": self.seconds, "now": self.clock()}
        return connection.execute(statement, given).rowcount == 1

    def _read(self, connection: Connection, name: str) -> "Row[Any]":
        statement, _ = self._statements(connection)
        return connection.execute(statement, {"name": name, "now": self.clock()}).one()

    def _statements(self, connection: Connection) -> tuple[Executable, Executable]:
        is_by_database = connection.dialect.name == "postgresql" and not self._has_own_clock
        return _BY_CLOCK_OF_DATABASE if is_by_database else _BY_GIVEN_CLOCK

    def _is_held(self, name: str, row: "Row[Any]") -> bool:
        """Return whether a lease has not expired and its holder may be alive.

        An expiry too far in the future does not count: it was written before the clock was set back.
        """
        if row.fence is None:
            return False
        now = row.now
        is_in_time = now < row.expires_at <= now + 2 * self.seconds
        was_let_go = row.holder == this_process() and (name, row.fence) not in _IN_USE
        return is_in_time and not was_let_go and is_alive(row.holder)


def this_process() -> str:
    """Return the name of this process as a holder of leases, unique among all machines and at all times."""
    return _name_of(os.getpid())


def is_alive(holder: str) -> bool:
    """Return whether a holder may still be alive: it is on another machine, or a running process of this one."""
    machine, _, process = holder.partition(" ")
    if machine != _machine():
        return True
    pid, _, started = process.partition("/")
    return _start_of(int(pid)) == started


@lru_cache(maxsize=1)
def _name_of(pid: int) -> str:
    return f"{_machine()} {pid}/{_start_of(pid)}"


@lru_cache(maxsize=1)
def _machine() -> str:
    """Return a name for this machine since its last boot, and for the container on it.

    Without Linux's ``/proc``, each process counts as a machine of its own, and its leases last until they expire.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        return uuid4().hex
    return f"{boot}/{namespace}"


def _start_of(pid: int) -> str:
    """Return when a process started, in clock ticks since the boot; empty if the process is dead.

    The start time tells the process from a later one with the same PID.
    https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]
