"""Leases: the right to do something alone, for one thread of one process at a time.

A lease has a *fence*, a number that grows each time somebody takes it over. Who writes proves with it, within the same
transaction, that the lease is still its own. A lease is taken over when it expires, or at once when its holder, a
process of this machine, is dead. https://martin.kleppmann.com/2016/02/08/how-to-do-distributed-locking.html
"""

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from sqlalchemy import Connection, bindparam, select

from microbadger.logs import EventLog
from microbadger.store.database import Database, upsert
from microbadger.store.tables import LEASES

log = EventLog(__name__)

LEASE_SECONDS = 300.0
"""How long a holder on another machine may be silent: longer than any single request to a registry takes."""
_POLL_SECONDS = 0.02

_ROW = select(LEASES).where(LEASES.c.name == bindparam("name"))
_EXTEND = (
    LEASES.update()
    .where(LEASES.c.name == bindparam("lease"), LEASES.c.fence == bindparam("its_fence"))
    .values(expires_at=bindparam("until"))
)


class LeaseLost(Exception):
    """Somebody else has taken the lease over: whatever is done now would be too late."""


class Lease:
    """A lease that is held."""

    def __init__(self, leases: "Leases", name: str, fence: int, expires_at: float) -> None:
        self.name = name
        self.fence = fence
        self._leases = leases
        self._expires_at = expires_at

    def renew(self) -> None:
        """Hold the lease for longer, if half of its time has passed. Raises LeaseLost and StoreError."""
        if self._expires_at - self._leases.clock() < self._leases.seconds / 2:
            with self._leases.database.write() as connection:
                self.prove(connection)

    def prove(self, connection: Connection) -> None:
        """Hold the lease for longer within a transaction; raise LeaseLost where it is held no more."""
        until = self._leases.clock() + self._leases.seconds
        extended = connection.execute(_EXTEND, {"lease": self.name, "its_fence": self.fence, "until": until})
        if extended.rowcount != 1:
            raise LeaseLost(f"another process has taken over {self.name}")
        self._expires_at = until

    def end(self, connection: Connection) -> bool:
        """Give the lease back within a transaction; False, and nothing happens, where it was lost."""
        ended = connection.execute(_EXTEND, {"lease": self.name, "its_fence": self.fence, "until": 0.0})
        return ended.rowcount == 1


class Leases:
    """The leases of all processes that share a database."""

    def __init__(
        self, database: Database, *, seconds: float = LEASE_SECONDS, clock: Callable[[], float] = time.time
    ) -> None:
        self.database = database
        self.seconds = seconds
        self.clock = clock

    def take(self, connection: Connection, name: str) -> Lease | None:
        """Take a lease within a transaction, or return None where another holds it."""
        now, row = self.clock(), connection.execute(_ROW, {"name": name}).one_or_none()
        # One that expires later than any lease can was taken before somebody set the clock back.
        if row and now < row.expires_at <= now + self.seconds and is_alive(row.holder):
            return None
        fence = row.fence + 1 if row else 1
        taken = {"name": name, "fence": fence, "holder": this_process(), "expires_at": now + self.seconds}
        upsert(connection, LEASES, taken, update=("fence", "holder", "expires_at"))
        return Lease(self, name, fence, now + self.seconds)

    def try_take(self, name: str) -> Lease | None:
        """Take a lease, or return None where another holds it."""
        with self.database.write() as connection:
            return self.take(connection, name)

    @contextmanager
    def hold(self, name: str) -> Iterator[Lease]:
        """Wait for a lease, and hold it."""
        while (lease := self.try_take(name)) is None:
            time.sleep(_POLL_SECONDS)
        try:
            yield lease
        finally:
            self.give_back(lease)

    def give_back(self, lease: Lease) -> None:
        """Let others take the lease at once."""
        with self.database.write() as connection:
            lease.end(connection)


def this_process() -> str:
    """Return what names this process, on this machine and after every restart."""
    return _name_of(os.getpid())


def is_alive(holder: str) -> bool:
    """Tell whether a holder may still work: a process of another machine may, one of this machine if it exists."""
    machine, _, process = holder.partition(" ")
    if machine != _machine():
        return True
    pid, _, started = process.partition("/")
    return pid.isdigit() and _start_of(int(pid)) == started


@lru_cache(maxsize=4)
def _name_of(pid: int) -> str:
    return f"{_machine()} {pid}/{_start_of(pid)}"


@lru_cache(maxsize=1)
def _machine() -> str:
    """Return what tells this machine, since its last start, and this container from others."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:  # not Linux
        return socket.gethostname()
    return f"{boot}/{namespace}"


def _start_of(pid: int) -> str:
    """Return when a process started, by which one is told from a later one with its number; empty where it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return "" if Path("/proc/self").exists() else _start_elsewhere(pid)
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]


def _start_elsewhere(pid: int) -> str:
    """Tell at least whether a process exists where there is no /proc."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except PermissionError:
        pass
    return "running"
