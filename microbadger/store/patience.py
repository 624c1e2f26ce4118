"""How long a thread waits for a database that others use: as long as usual, or only briefly if it is in haste.

A monitor has to be answered at once, also while another program has the database locked.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_HASTE_SECONDS = 0.2
_LONGEST: ContextVar[float] = ContextVar("longest", default=float("inf"))


@contextmanager
def in_haste(seconds: float = _HASTE_SECONDS) -> Iterator[None]:
    """Let each transaction within the block wait for so many seconds at most."""
    token = _LONGEST.set(seconds)
    try:
        yield
    finally:
        _LONGEST.reset(token)


def patience(seconds: float) -> float:
    """Return how long to wait: so many seconds, or fewer if the thread is in haste."""
    return min(seconds, _LONGEST.get())
