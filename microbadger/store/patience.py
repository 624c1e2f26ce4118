"""How long a thread waits for a database: as long as usual or, *in haste*, only briefly.

Requests of monitors run in haste. They must be answered quickly, even if another program has locked the database or a
server hangs.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_IN_ALL_SECONDS = 1.5
_FOR_OTHERS_SECONDS = 0.2
_AT_LEAST_SECONDS = 0.05
_ENDS_AT: ContextVar[float] = ContextVar("ends_at", default=float("inf"))


@contextmanager
def in_haste(seconds: float = _IN_ALL_SECONDS) -> Iterator[None]:
    """Let all use of databases within the block take at most ``seconds`` in total."""
    token = _ENDS_AT.set(min(_ENDS_AT.get(), time.monotonic() + seconds))
    try:
        yield
    finally:
        _ENDS_AT.reset(token)


def is_in_haste() -> bool:
    """Return whether the thread is in haste."""
    return _ENDS_AT.get() < float("inf")


def is_too_late() -> bool:
    """Return whether a thread in haste has used up its time."""
    return time.monotonic() >= _ENDS_AT.get()


def patience(seconds: float) -> float:
    """Return how many seconds to wait for other users of the database: ``seconds``, or fewer in haste."""
    return min(seconds, _FOR_OTHERS_SECONDS) if is_in_haste() else seconds


def time_left(seconds: float) -> float:
    """Return how many seconds to wait for an answer: ``seconds``, or in haste at most the time that is left."""
    return min(seconds, max(_ENDS_AT.get() - time.monotonic(), _AT_LEAST_SECONDS))
