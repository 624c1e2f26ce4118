"""Leases: the right to do something alone, for one thread of one process at a time.

A lease has a *fence*, a number that grows each time the lease is taken. A holder proves in the transaction in which it
writes that the fence is still its own: one that was stopped for too long writes nothing. A lease can be taken when it
was given back, when it has expired, or when its holder, a process of this machine, is dead. A process that could not
give it back, because the database was away, can take it again at once.
https://martin.kleppmann.com/2016/02/08/how-to-do-distributed-locking.html
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Row, bindparam, select

from microbadger.store.database import Database
from microbadger.store.tables import LEASES
from microbadger.store.upserts import upsert

LEASE_SECONDS = 300.0
"""How long a holder on another machine can be silent: longer than any single request to a registry takes."""
_POLL_SECONDS = 0.02
_NOBODY = ""
_IN_USE: set[tuple[str, int]] = set()
"""The leases that threads of this process hold, by name and fence."""

_ROW = select(LEASES.c.fence, LEASES.c.holder, LEASES.c.expires_at).where(LEASES.c.name == bindparam("name"))
_IS_AS_SEEN = LEASES.c.fence == bindparam("seen_fence")
_CHANGE = (
    LEASES.update()
    .where(
        LEASES.c.name == bindparam("lease"),
        LEASES.c.fence == bindparam("its_fence"),
        LEASES.c.holder == bindparam("its_holder"),
    )
    .values(holder=bindparam("next_holder"), expires_at=bindparam("until"))
)


class LeaseLost(Exception):
    """Another thread or process has taken the lease: nothing may be written any more."""


class Lease:
    """A lease that this process has taken."""

    def __init__(
        self, leases: "Leases", name: str, fence: int, expires_at: float, *, was_left: bool = False
    ) -> None:
        self.name = name
        self.fence = fence
        self.was_left = was_left
        """Whether another process had it before, and died or was stopped without giving it back."""
        self._leases = leases
        self._expires_at = expires_at

    def renew(self) -> None:
        """Extend the lease when half of its time has passed. Raises LeaseLost and StoreError."""
        remaining = self._expires_at - self._leases.clock()
        if not self._leases.seconds / 2 <= remaining <= self._leases.seconds:  # more: the clock was set back
            with self._leases.database.write() as connection:
                self.prove(connection)

    def prove(self, connection: Connection) -> None:
        """Extend the lease within a transaction. Raises LeaseLost, which rolls the transaction back."""
        until = self._leases.clock() + self._leases.seconds
        if not self._change(connection, this_process(), until):
            raise LeaseLost(f"another thread or process has taken the lease {self.name}")
        self._expires_at = until

    def end(self, connection: Connection) -> bool:
        """Give the lease back within a transaction; return False, and change nothing, if it was lost."""
        self.let_go()
        return self._change(connection, _NOBODY, 0.0)

    def let_go(self) -> None:
        """Stop using the lease without writing to the database: then only this process can take it at once."""
        _IN_USE.discard((self.name, self.fence))

    def _change(self, connection: Connection, holder: str, until: float) -> bool:
        of_this = {"lease": self.name, "its_fence": self.fence, "its_holder": this_process()}
        return connection.execute(_CHANGE, {**of_this, "next_holder": holder, "until": until}).rowcount == 1


class Leases:
    """The leases of all processes that share a database."""

    def __init__(
        self, database: Database, *, seconds: float = LEASE_SECONDS, clock: Callable[[], float] = time.time
    ) -> None:
        self.database = database
        self.seconds = seconds
        self.clock = clock

    def take(self, connection: Connection, name: str) -> Lease | None:
        """Take a lease within a transaction, or return None if another holds it."""
        now, row = self.clock(), connection.execute(_ROW, {"name": name}).one_or_none()
        if row and self._is_held(name, row, now):
            return None
        # A lease that is new in this database may have been held in one that was lost: its fence was smaller than now.
        seen, fence = (row.fence, row.fence + 1) if row else (0, int(now))
        values = {"name": name, "fence": fence, "holder": this_process(), "expires_at": now + self.seconds}
        is_taken = upsert(
            connection,
            LEASES,
            {**values, "seen_fence": seen},
            update=("fence", "holder", "expires_at"),
            where=_IS_AS_SEEN,  # PostgreSQL lets another transaction take it meanwhile
        )
        if not is_taken:
            return None
        _IN_USE.add((name, fence))
        was_left = row is not None and row.holder not in (_NOBODY, this_process())
        return Lease(self, name, fence, now + self.seconds, was_left=was_left)

    def try_take(self, name: str) -> Lease | None:
        """Take a lease, or return None if another holds it. Raises StoreError."""
        with self.database.write() as connection:
            return self.take(connection, name)

    @contextmanager
    def hold(self, name: str) -> Iterator[Lease]:
        """Wait for a lease, and hold it. Raises StoreError."""
        while (lease := self.try_take(name)) is None:
            time.sleep(_POLL_SECONDS)
        try:
            yield lease
        finally:
            self.give_back(lease)

    @contextmanager
    def try_hold(self, name: str) -> Iterator[Lease | None]:
        """Hold a lease, or yield None at once if another holds it. Raises StoreError."""
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

    def is_held(self, name: str) -> bool:
        """Return whether a process holds a lease now. Raises StoreError."""
        with self.database.read() as connection:
            row = connection.execute(_ROW, {"name": name}).one_or_none()
        return row is not None and self._is_held(name, row, self.clock())

    def _is_held(self, name: str, row: "Row[Any, Any, Any]", now: float) -> bool:
        """Return whether a lease has not expired and its holder may be alive.

        One that expires far too late is older than a clock set back; the clocks of two machines can differ by as long
        as a lease lasts.
        """
        is_in_time = now < row.expires_at <= now + 2 * self.seconds
        was_let_go = row.holder == this_process() and (name, row.fence) not in _IN_USE
        return is_in_time and not was_let_go and is_alive(row.holder)


def this_process() -> str:
    """Return the name of this process as a holder, which no other process has, on any machine and at any time."""
    return _name_of(os.getpid())


def is_alive(holder: str) -> bool:
    """Return whether a holder may still work: it is on another machine, or a process of this one."""
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
    """Return a name for this machine since its last start, and for this container on it.

    Without Linux' ``/proc``, each process is a machine of its own: its leases last until they expire.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        return uuid4().hex
    return f"{boot}/{namespace}"


def _start_of(pid: int) -> str:
    """Return when a process started, as a later one may have its number; empty if it is dead.

    https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]
