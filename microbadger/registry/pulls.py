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
    """The pulls that each registry said are left, until the window is over in which it counts them."""

    def __init__(self, counts: Counts, clock: Callable[[], float]) -> None:
        self._counts = counts
        self._clock = clock
        self._left: dict[str, _PullsLeft] = {}

    def read(self, host: str, headers: Mapping[str, str]) -> None:
        """Remember what the headers of an answer say, if they do."""
        left, limit = (_rate_limit(headers, name) for name in ("ratelimit-remaining", "ratelimit-limit"))
        if left:
            pulls, window_seconds = int(left[1]), int(left[2] or _DEFAULT_WINDOW_SECONDS)
            self._left[host] = _PullsLeft(pulls, int(limit[1]) if limit else 0, self._clock() + window_seconds)
            self._counts.set("registry_pulls_left", pulls, min(window_seconds, _LONGEST_WINDOW_SECONDS), host=host)

    def left(self, host: str) -> int | None:
        """Return how many more manifests a registry lets us read; None if nothing limits us."""
        last = self._left.get(host)
        left_seconds = last.known_until - self._clock() if last is not None else 0
        # A window that is longer comes from a clock that was set back.
        return last.pulls if last is not None and 0 < left_seconds <= _LONGEST_WINDOW_SECONDS else None

    def are_low(self, host: str) -> bool:
        """Return whether no more than a tenth of the pulls is left that a registry allows in its window."""
        left = self.left(host)
        return left is not None and left <= self._left[host].limit * _RESERVED_PART


def _rate_limit(headers: Mapping[str, str], name: str) -> re.Match[str] | None:
    return _RATE_LIMIT.fullmatch(headers.get(name, "").replace(" ", ""))
