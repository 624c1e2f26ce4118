"""Remembers which registries asked for a pause, and until when, for all processes.

A *hold* is such a pause. Each process uses a copy of the holds in the database that is at most a second old, so that
requests need not wait for the database.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import bindparam, select

from microbadger.store import HOSTS, Database, StoreError, upsert

LONGEST_PAUSE_SECONDS = 6 * 3600.0
_COPIED_EVERY_SECONDS = 1.0

_PAUSED = select(HOSTS.c.host, HOSTS.c.paused_until).where(HOSTS.c.paused_until > bindparam("now"))
_UPDATED = ("paused_until",)


@dataclass(frozen=True, slots=True, eq=False)
class Hold:
    """A pause that a host asked this process for, and the time when it ends."""

    until: float


class Holds:
    """The hosts that all processes leave alone for now."""

    def __init__(
        self,
        clock: Callable[[], float],
        database: Database | None = None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Share the holds with other processes through `database`; without one, keep them in this process."""
        self._database = database
        self._clock = clock
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._own: dict[str, Hold] = {}
        self._copy: dict[str, float] = {}
        self._copied_at = float("-inf")

    def left_seconds(self, host: str) -> float:
        """Return how many seconds a host must still be left alone; 0 if it may be asked now."""
        self._copy_if_old()
        own = self._own.get(host)
        until = max(own.until if own else 0.0, self._copy.get(host, 0.0))
        left_seconds = until - self._clock()
        return left_seconds if 0 < left_seconds <= LONGEST_PAUSE_SECONDS else 0.0  # longer if the clock was set back

    def of_all(self) -> dict[str, datetime]:
        """Return when each host that asked any process for a pause may be asked again. Raises StoreError."""
        until = {host: hold.until for host, hold in list(self._own.items())}
        if self._database is not None:
            with self._database.read() as connection:
                rows = connection.execute(_PAUSED, {"now": self._clock()}).all()
            until |= {row.host: row.paused_until for row in rows}
        now = self._clock()
        return {
            host: datetime.fromtimestamp(at, UTC)
            for host, at in sorted(until.items())
            if 0 < at - now <= LONGEST_PAUSE_SECONDS
        }

    def begin(self, host: str, seconds: float) -> None:
        """Leave a host alone for some seconds, in every process, or only in this one if the database is unavailable."""
        hold = self._own[host] = Hold(self._clock() + seconds)
        self._write(host, hold.until)

    def of_this_process(self, host: str) -> Hold | None:
        """Return the hold that a host asked this process for, or None."""
        return self._own.get(host)

    def end(self, host: str, hold: Hold | None) -> None:
        """End a hold after the host has answered, unless a newer hold has replaced it."""
        if hold is not None and self._own.get(host) is hold:
            del self._own[host]
            self._write(host, 0.0)

    def _write(self, host: str, until: float) -> None:
        with self._lock:
            self._copy.pop(host, None)
        if self._database is None:
            return
        # If the database is unavailable, code that depends on it reports the error.
        with suppress(StoreError), self._database.write() as connection:
            upsert(connection, HOSTS, {"host": host, "paused_until": until}, update=_UPDATED)

    def _copy_if_old(self) -> None:
        now = self._monotonic()
        if self._database is None:
            return
        with self._lock:
            if now - self._copied_at < _COPIED_EVERY_SECONDS:
                return
            self._copied_at = now  # other threads use the old copy meanwhile
        with suppress(StoreError), self._database.read() as connection:
            rows = connection.execute(_PAUSED, {"now": self._clock()}).all()
            self._copy = {row.host: row.paused_until for row in rows}
