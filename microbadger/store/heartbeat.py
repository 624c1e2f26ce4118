"""Keeps the leases of a process from expiring while their holders work, with one thread for all leases.

Leases can therefore be short: if a process hangs or its machine fails, another process soon takes its leases. A holder
need not renew its lease while it waits for a registry.
"""

import os
import threading
from contextlib import suppress
from typing import Protocol

from microbadger.logs import EventLog
from microbadger.store.database import StoreError

log = EventLog(__name__)


class Kept(Protocol):
    """A lease that the heartbeat extends."""

    name: str

    def keep(self) -> None:
        """Extend the lease if that is due. Raises StoreError."""


class Heartbeat:
    """Extends leases in a thread, which runs only while there are leases. A forked process begins without any."""

    _is_running: bool

    def __init__(self, period_seconds: float) -> None:
        self._period_seconds = period_seconds
        self._begin()

    def add(self, lease: Kept) -> None:
        """Begin to extend a lease."""
        if self._pid != os.getpid():
            self._begin()
        with self._lock:
            self._kept.add(lease)
            if not self._is_running:
                self._start()

    def remove(self, lease: Kept) -> None:
        """Stop extending a lease."""
        self._kept.discard(lease)

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._kept: set[Kept] = set()
        self._is_running = False

    def _start(self) -> None:
        """Start the thread. If the system allows no more threads, leases expire unless their holders renew them."""
        try:
            threading.Thread(target=self._run, name="heartbeat", daemon=True).start()
        except RuntimeError as error:
            log.warning("thread_not_started", name="heartbeat", error=error)
        else:
            self._is_running = True

    def _run(self) -> None:
        pause = threading.Event()
        while True:
            pause.wait(self._period_seconds)
            with self._lock:
                leases = sorted(self._kept.copy(), key=lambda lease: lease.name)
                if not leases:
                    self._is_running = False
                    return
            for lease in leases:
                with suppress(StoreError):  # the next beat tries again; other code reports the error
                    lease.keep()
