"""Slows those down who guess a token: after a few wrong ones, a client has one compared every few seconds.

Each process counts for itself, so that a wrong token costs no transaction. With a hundred processes a client has a
hundred tokens compared in that time, and a token has 16 characters at least.
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
    """The wrong tokens of each client that this process has seen, each of which is forgotten after a while.

    Behind a proxy all clients are one, for nothing that a request says of its client is believed.
    """

    clock: Callable[[], float] = time.monotonic
    _forgotten_at: OrderedDict[str, float] = field(default_factory=OrderedDict)
    """When all guesses of a client will be forgotten; the client that guessed last stands last."""
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
        """Return in how many whole seconds the next token of a client is compared; 0 if at once."""
        with self._lock:
            excess = self._forgotten_at.get(client, 0.0) - self.clock() - (_FREE - 1) * _SECONDS_EACH
        return max(0, math.ceil(excess))
