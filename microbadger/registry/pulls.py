"""Tracks how many manifests registries still allow this service to read (pulls).

See https://docs.docker.com/docker-hub/usage/pulls/. An account has one budget for all its clients, and so do all
anonymous readers at one address, so processes share the limits they receive. A registry may name the address that it
counts (the *source*); processes on other machines may have another one. Each process uses a copy that is about a second
old, so that requests need not wait for the database.
"""

import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select

from microbadger.store import PULLS, Counts, Database, StoreError, excluded, upsert

_DEFAULT_WINDOW_SECONDS = 6 * 3600
_LONGEST_WINDOW_SECONDS = 24 * 3600
_SHARED_EVERY_SECONDS = 1.0
_RATE_LIMIT = re.compile(r"(\d{1,9})(?:;w=(\d{1,9}))?", re.ASCII)
_MAX_SOURCE_LENGTH = 100
_UPDATED = ("pulls_left", "allowed", "known_until", "heard_at")
_IS_OLDER = PULLS.c.heard_at <= excluded(PULLS.c.heard_at)
_KNOWN = select(PULLS).where(PULLS.c.known_until > bindparam("now"))
_OVER = PULLS.delete().where(PULLS.c.known_until <= bindparam("now"))

_Key = tuple[str, str, str]
"""The host, the account ("" for anonymous readers) and the source that the registry counts."""


@dataclass(frozen=True, slots=True)
class _PullsLeft:
    pulls: int
    limit: int
    known_until: float
    heard_at: float


class PullLimits:
    """The pulls left in the current window for each registry and user. The user is None for anonymous readers."""

    def __init__(
        self,
        counts: Counts,
        clock: Callable[[], float],
        database: Database | None = None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Share the limits with other processes through `database`; without one, keep them in this process."""
        self._database = database
        self._counts = counts
        self._clock = clock
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._left: dict[_Key, _PullsLeft] = {}
        self._unshared: set[_Key] = set()
        self._sources: dict[tuple[str, str], str] = {}
        """The source that each registry last named for this process, by host and account."""
        self._accounts: dict[str, str] = {}
        self._shared_at = float("-inf")

    def read(self, host: str, user: str | None, headers: Mapping[str, str]) -> None:
        """Remember the pull limit in the headers of an answer, if there is one.

        The metric `registry_pulls_left` shows the pulls of the account if known, or else of anonymous readers.
        """
        left, limit = (_rate_limit(headers, name) for name in ("ratelimit-remaining", "ratelimit-limit"))
        if not left:
            return
        pulls, now = int(left[1]), self._clock()
        window_seconds = min(int(left[2] or _DEFAULT_WINDOW_SECONDS), _LONGEST_WINDOW_SECONDS)
        source = headers.get("docker-ratelimit-source", "")[:_MAX_SOURCE_LENGTH]
        key = host, user or "", source
        with self._lock:
            self._sources[host, user or ""] = source
            self._left[key] = _PullsLeft(pulls, int(limit[1]) if limit else 0, now + window_seconds, now)
            self._unshared.add(key)
        if user is not None:
            self._accounts[host] = user
        account = self._accounts.get(host)
        if account in (None, user) or self.left(host, account) is None:
            self._counts.set("registry_pulls_left", pulls, window_seconds, host=host)

    def left(self, host: str, user: str | None) -> int | None:
        """Return how many more manifests a registry lets a user read, or None if no limit is known."""
        last = self._known(host, user)
        return last.pulls if last else None

    def are_above(self, host: str, user: str | None, part: float, besides: int = 0) -> bool:
        """Return whether more than the fraction `part` of the allowed pulls is left, or no limit is known.

        ``besides`` is the number of concurrent pulls that the last answer may not have counted yet.
        """
        last = self._known(host, user)
        return last is None or last.pulls - besides > last.limit * part

    def _known(self, host: str, user: str | None) -> _PullsLeft | None:
        """Return the limit for this process; until it has received one itself, the lowest that others received."""
        self._share_if_old()
        with self._lock:
            source = self._sources.get((host, user or ""))
            of_user = [
                left
                for (its_host, account, its_source), left in self._left.items()
                if (its_host, account) == (host, user or "") and source in (None, its_source) and self._counts_now(left)
            ]
        return min(of_user, key=lambda left: left.pulls, default=None)

    def _counts_now(self, left: _PullsLeft) -> bool:
        # Longer windows are ignored, because they appear when the clock is set back.
        return 0 < left.known_until - self._clock() <= _LONGEST_WINDOW_SECONDS

    def _share_if_old(self) -> None:
        now = self._monotonic()
        if self._database is None:
            return
        with self._lock:
            if now - self._shared_at < _SHARED_EVERY_SECONDS:
                return
            self._shared_at = now  # other threads use the old copy meanwhile
            unshared = {key: self._left[key] for key in sorted(self._unshared)}
        with suppress(StoreError):  # without the database, each process uses the limits it received itself
            if unshared:
                with self._database.write() as connection:
                    self._write(connection, unshared)
            with self._database.read() as connection:
                rows = connection.execute(_KNOWN, {"now": self._clock()}).all()
            self._take(rows, unshared)

    def _write(self, connection: Connection, unshared: Mapping[_Key, _PullsLeft]) -> None:
        rows = [
            {
                **dict(zip(("host", "account", "source"), key, strict=True)),
                "pulls_left": left.pulls,
                "allowed": left.limit,
                "known_until": left.known_until,
                "heard_at": left.heard_at,
            }
            for key, left in unshared.items()
        ]
        upsert(connection, PULLS, rows, update=_UPDATED, where=_IS_OLDER)
        connection.execute(_OVER, {"now": self._clock()})

    def _take(self, rows: "Sequence[Row[Any]]", shared: Mapping[_Key, _PullsLeft]) -> None:
        """Replace limits by newer ones from other processes."""
        with self._lock:
            self._unshared -= {key for key, left in shared.items() if self._left[key] is left}
            for row in rows:
                key, own = (row.host, row.account, row.source), self._left.get((row.host, row.account, row.source))
                if own is None or own.heard_at < row.heard_at:
                    self._left[key] = _PullsLeft(row.pulls_left, row.allowed, row.known_until, row.heard_at)


def _rate_limit(headers: Mapping[str, str], name: str) -> re.Match[str] | None:
    return _RATE_LIMIT.fullmatch(headers.get(name, "").replace(" ", ""))
