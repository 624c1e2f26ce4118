"""Shares out the duties: tasks that one process at a time does for all processes.

Each duty is a lease, which its holder keeps while it runs. If the holder dies, another process takes the duty: within
seconds on the same machine, and once the lease has expired on another machine.
"""

import os
import threading

from microbadger.logs import EventLog
from microbadger.store import Database, Lease, LeaseLost, Leases

log = EventLog(__name__)

FOLLOW = "leader"  # older versions, which may still run with the same database, use this name for the lease
LISTS = "duty:lists"
MESSAGES = "duty:messages"
DUTY_NAMES = {FOLLOW: "follow", LISTS: "lists", MESSAGES: "messages"}
_SECONDS = 20.0


class Duties:
    """The duties of this process."""

    def __init__(self, database: Database, *, seconds: float = _SECONDS) -> None:
        self._leases = Leases(database, seconds=seconds)
        self._held: dict[str, Lease] = {}
        self._lock = threading.Lock()
        self._is_over = True

    def begin(self) -> None:
        """Start without any duty, and allow `take`. If this process was forked, its parent keeps its own duties."""
        self._held, self._lock, self._is_over = {}, threading.Lock(), False

    def has(self, name: str) -> bool:
        """Return whether this process has a duty, as far as this process knows."""
        return name in self._held

    def take(self, name: str) -> bool:
        """Take a duty that no process has, or extend it; return whether it was newly taken. Raises StoreError."""
        with self._lock:
            if self._is_over:
                return False
            if name in self._held:
                self._keep(name)
                return False
            lease = None if self._leases.is_held(name) else self._leases.try_take(name)
            if lease is None:
                return False
            self._held[name] = lease
            log.info("leading", task=DUTY_NAMES[name], pid=os.getpid())
            return True

    def keep(self) -> None:
        """Extend every duty of this process, so that none expires. Raises StoreError."""
        with self._lock:
            for name in list(self._held):
                self._keep(name)

    def end(self) -> None:
        """Give all duties back. If this raises StoreError, other processes can take them once they have expired."""
        with self._lock:
            held, self._held, self._is_over = self._held, {}, True
        for name, lease in held.items():
            lease.let_go()
            log.info("leading_ended", task=DUTY_NAMES[name], pid=os.getpid())
        if not held:
            return
        with self._leases.database.write() as connection:
            for lease in held.values():
                lease.end(connection)

    def is_held(self, name: str) -> bool:
        """Return whether any process has a duty. Raises StoreError."""
        return self._leases.is_held(name)

    def _keep(self, name: str) -> None:
        try:
            self._held[name].renew()
        except LeaseLost:
            del self._held[name]
            log.warning("leading_lost", task=DUTY_NAMES[name], pid=os.getpid())


def is_served(database: Database) -> bool:
    """Return whether a service is running with this database. Raises StoreError."""
    return Duties(database).is_held(FOLLOW)
