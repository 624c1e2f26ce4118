"""A deadline for all requests of a piece of work, however many requests there are.

Each request has its own limits, but a slow server that keeps just within them can delay many requests for hours. The
deadline applies to the thread that does the work, so functions need not pass it on.
"""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_ENDS_AT: ContextVar[float] = ContextVar("ends_at", default=math.inf)


@contextmanager
def all_within(seconds: float) -> Iterator[None]:
    """Let all requests within the block take at most ``seconds`` in total, counted from now."""
    token = _ENDS_AT.set(min(_ENDS_AT.get(), time.monotonic() + seconds))
    try:
        yield
    finally:
        _ENDS_AT.reset(token)


def seconds_left() -> float:
    """Return how many seconds requests may still take: infinite without a deadline, negative after it."""
    return _ENDS_AT.get() - time.monotonic()
