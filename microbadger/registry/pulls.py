"""How many manifests a registry still lets us read: https://docs.docker.com/docker-hub/usage/pulls/."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from microbadger.store import Counts

_RESERVED_PART = 0.1
_DEFAULT_WINDOW_SECONDS = 6 * 3600
_LONGEST_WINDOW_SECONDS = 24 * 3600
_RATE_LIMIT = re.compile(r"(\d{1,9})(?:;w=(\d{1,9}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class _PullsLeft:
    pulls: int
    limit: int
    known_until: float


class PullLimits:
    """The pulls that each registry said are left to a user, or to anonymous readers, until the window is over.

    A user is None for anonymous readers.
    """

    def __init__(self, counts: Counts, clock: Callable[[], float]) -> None:
        self._counts = counts
        self._clock = clock
        self._left: dict[tuple[str, str | None], _PullsLeft] = {}
        self._accounts: dict[str, str] = {}

    def read(self, host: str, user: str | None, headers: Mapping[str, str]) -> None:
        """Remember what the headers of an answer say, if they do. An account's are reported before others."""
        left, limit = (_rate_limit(headers, name) for name in ("ratelimit-remaining", "ratelimit-limit"))
        if not left:
            return
        pulls, window_seconds = int(left[1]), int(left[2] or _DEFAULT_WINDOW_SECONDS)
        self._left[host, user] = _PullsLeft(pulls, int(limit[1]) if limit else 0, self._clock() + window_seconds)
        if user is not None:
            self._accounts[host] = user
        account = self._accounts.get(host)
        if account in (None, user) or self.left(host, account) is None:
            self._counts.set("registry_pulls_left", pulls, min(window_seconds, _LONGEST_WINDOW_SECONDS), host=host)

    def left(self, host: str, user: str | None) -> int | None:
        """Return how many more manifests a registry lets a user read; None if nothing is known to limit that."""
        last = self._left.get((host, user))
        left_seconds = last.known_until - self._clock() if last is not None else 0
        # A window that is longer comes from a clock that was set back.
        return last.pulls if last is not None and 0 < left_seconds <= _LONGEST_WINDOW_SECONDS else None

    def are_low(self, host: str, user: str | None) -> bool:
        """Return whether no more than a tenth of the pulls is left that a registry allows in its window."""
        left = self.left(host, user)
        return left is not None and left <= self._left[host, user].limit * _RESERVED_PART


def _rate_limit(headers: Mapping[str, str], name: str) -> re.Match[str] | None:
    return _RATE_LIMIT.fullmatch(headers.get(name, "").replace(" ", ""))
