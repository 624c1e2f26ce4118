"""How long a thread waits for a database: as long as usual, or only briefly if it is in haste.

A monitor has to be answered at once, also while another program has the database locked, or a server stands still.
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
    """Let everything that is asked of a database within the block take so many seconds together, or fewer."""
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
    """Return how long to wait for others that use the database: so many seconds, or only briefly in haste."""
    return min(seconds, _FOR_OTHERS_SECONDS) if is_in_haste() else seconds


def time_left(seconds: float) -> float:
    """Return how long to wait for an answer: so many seconds, or in haste as long as there is time."""
    return min(seconds, max(_ENDS_AT.get() - time.monotonic(), _AT_LEAST_SECONDS))
