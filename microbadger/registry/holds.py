"""Remembers which registries asked to be left alone, and until when; all processes comply.

Each process goes by a copy of what the database holds, at most a second old, so that no request waits for the database.
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
    """When this process may ask a host again that asked for a pause."""

    until: float


class Holds:
    """The hosts that are left alone by all processes."""

    def __init__(
        self,
        clock: Callable[[], float],
        database: Database | None = None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Share them by a database; without one there is only this process."""
        self._database = database
        self._clock = clock
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._own: dict[str, Hold] = {}
        self._copy: dict[str, float] = {}
        self._copied_at = float("-inf")

    def left_seconds(self, host: str) -> float:
        """Return for how long a host is to be left alone; 0 if it may be asked."""
        self._copy_if_old()
        own = self._own.get(host)
        until = max(own.until if own else 0.0, self._copy.get(host, 0.0))
        left_seconds = until - self._clock()
        return left_seconds if 0 < left_seconds <= LONGEST_PAUSE_SECONDS else 0.0  # more, and the clock was set back

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
        """Leave a host alone, in every process; where the database cannot be used, in this one."""
        hold = self._own[host] = Hold(self._clock() + seconds)
        self._write(host, hold.until)

    def of_this_process(self, host: str) -> Hold | None:
        """Return the hold that the host asked this process for; None if there is none."""
        return self._own.get(host)

    def end(self, host: str, hold: Hold | None) -> None:
        """End a hold, because the host has answered since; a later hold stays."""
        if hold is not None and self._own.get(host) is hold:
            del self._own[host]
            self._write(host, 0.0)

    def _write(self, host: str, until: float) -> None:
        with self._lock:
            self._copy.pop(host, None)
        if self._database is None:
            return
        # If the database cannot be used, whatever needs it reports that.
        with suppress(StoreError), self._database.write() as connection:
            upsert(connection, HOSTS, {"host": host, "paused_until": until}, update=_UPDATED)

    def _copy_if_old(self) -> None:
        now = self._monotonic()
        if self._database is None:
            return
        with self._lock:
            if now - self._copied_at < _COPIED_EVERY_SECONDS:
                return
            self._copied_at = now  # the others go on with the old copy meanwhile
        with suppress(StoreError), self._database.read() as connection:
            rows = connection.execute(_PAUSED, {"now": self._clock()}).all()
            self._copy = {row.host: row.paused_until for row in rows}
