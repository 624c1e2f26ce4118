"""A time within which all requests of a piece of work have to be answered, however many they are.

Each request has limits of its own, but a server that keeps just within them can hold up work of many requests for
hours. The time counts for the thread that does the work, so it need not be handed from each function to the next.
"""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_ENDS_AT: ContextVar[float] = ContextVar("ends_at", default=math.inf)


@contextmanager
def all_within(seconds: float) -> Iterator[None]:
    """Let all requests that are made within the block be answered within so many seconds from now."""
    token = _ENDS_AT.set(min(_ENDS_AT.get(), time.monotonic() + seconds))
    try:
        yield
    finally:
        _ENDS_AT.reset(token)


def seconds_left() -> float:
    """Return how long requests may still take; infinite if no time was set, negative once it is over."""
    return _ENDS_AT.get() - time.monotonic()
