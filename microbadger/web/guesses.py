"""Slows down clients that guess a token: after a few wrong ones, only one is compared every few seconds.

Each process counts for itself, so that a wrong token costs no transaction. With a hundred processes, a client can try
a hundred tokens in that time. That is still safe, because a token has at least 16 characters.
"""

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

_FREE = 10
_SECONDS_EACH = 3.0
_MOST_CLIENTS = 10_000


@dataclass(frozen=True, slots=True)
class Guesses:
    """Counts the wrong tokens of each client. Each wrong token is forgotten after a while.

    Behind a proxy, all clients count as one, because a client could forge any header about its address.
    """

    clock: Callable[[], float] = time.monotonic
    _forgotten_at: OrderedDict[str, float] = field(default_factory=OrderedDict)
    """When all guesses of a client are forgotten. The client that guessed last is at the end."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, client: str) -> None:
        """Count a wrong token."""
        with self._lock:
            now = self.clock()
            self._forgotten_at[client] = max(self._forgotten_at.get(client, now), now) + _SECONDS_EACH
            self._forgotten_at.move_to_end(client)
            if len(self._forgotten_at) > _MOST_CLIENTS:
                self._forgotten_at.popitem(last=False)

    def seconds_to_wait(self, client: str) -> int:
        """Return after how many whole seconds the next token of a client may be compared; 0 if at once."""
        with self._lock:
            excess = self._forgotten_at.get(client, 0.0) - self.clock() - (_FREE - 1) * _SECONDS_EACH
        return max(0, math.ceil(excess))
