"""The time on which all processes agree: that of the PostgreSQL server, or of the machine that has the SQLite file.

The clocks of two machines differ, by an hour if one is misconfigured. If one machine stores a time and another compares
it with the present, both must use the same clock. Asking the server each time would be too slow, so it is asked every
ten seconds, and a monotonic clock counts in between.
"""

import threading
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from datetime import UTC, datetime

from sqlalchemy import Float, cast, extract, func, select

from microbadger.store.database import Database, StoreError
from microbadger.store.patience import in_haste

_ASKED_EVERY_SECONDS = 10.0
_LONGEST_ANSWER_SECONDS = 0.5
SERVER_TIME = cast(extract("epoch", func.clock_timestamp()), Float)
"""The Unix time of a PostgreSQL server, in a statement."""
_NOW = select(SERVER_TIME)


class DatabaseClock:
    """The clock of a database. One object serves all threads of a process."""

    def __init__(
        self,
        database: Database,
        *,
        own: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._own = own
        self._monotonic = monotonic
        self._asking = threading.Lock()
        self._asked_at: float | None = None
        self._ahead: float | None = None
        """By how much the server's clock is ahead of the monotonic one; None if the server was never asked."""

    def now(self) -> datetime:
        """Return the time in UTC."""
        return datetime.fromtimestamp(self.timestamp(), UTC)

    def timestamp(self) -> float:
        """Return the time as a Unix time. Until the server first answers, it is the time of this machine."""
        if self._database.is_file:
            return self._own()
        self._ask_if_late()
        return self._own() if self._ahead is None else self._monotonic() + self._ahead

    def _ask_if_late(self) -> None:
        asked_at = self._asked_at
        if asked_at is not None and self._monotonic() - asked_at < _ASKED_EVERY_SECONDS:
            return
        if not self._asking.acquire(blocking=self._ahead is None):
            return
        try:
            # The last answer is still good. Code that needs the database itself waits for it and reports its errors.
            with suppress(StoreError), nullcontext() if self._ahead is None else in_haste():
                self._ask()
        finally:
            self._asked_at = self._monotonic()
            self._asking.release()

    def _ask(self) -> None:
        with self._database.read() as connection:
            began_at = self._monotonic()
            answer: float = connection.execute(_NOW).scalar_one()
            took_seconds = self._monotonic() - began_at
        if self._ahead is None or took_seconds <= _LONGEST_ANSWER_SECONDS:  # else the error would be too large
            self._ahead = answer - began_at - took_seconds / 2
