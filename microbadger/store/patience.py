"""How long a thread waits for a database that others use: as long as is usual, or shortly where it is in haste.

A monitor has to be answered at once, also while another program has the database locked.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_HASTE_SECONDS = 0.2
_LONGEST: ContextVar[float] = ContextVar("longest", default=float("inf"))


@contextmanager
def in_haste(seconds: float = _HASTE_SECONDS) -> Iterator[None]:
    """Let each transaction of this thread wait for so long at most."""
    token = _LONGEST.set(seconds)
    try:
        yield
    finally:
        _LONGEST.reset(token)


def patience(seconds: float) -> float:
    """Return how long to wait where it would be so long without haste."""
    return min(seconds, _LONGEST.get())
