"""Does something when time is up, unless it is called off before.

Nearly everything that is watched ends long before its deadline, so watching has to cost almost nothing: one thread
for the whole process, started by the first watch, sleeps until the earliest deadline. A watch that is called off
only lets go of what it would have done; its place in the queue is cleared when it comes to the front, or when the
queue has doubled. A forked child has none of its parent's threads, and must not end what its parent is doing: it
starts afresh, with nothing watched.
"""

import heapq
import itertools
import math
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from microbadger.http.threads import start_thread
from microbadger.logs import EventLog

log = EventLog(__name__)

_FEW_WATCHES = 64


@dataclass(slots=True, eq=False)
class Watch:
    """What is to be done when time is up: nothing after it was called off."""

    act: Callable[[], object] | None
    is_over: bool = False


class Watchdog:
    """Does what it was asked to at each deadline; all in one thread, so nothing of it may block."""

    def __init__(self) -> None:
        self.start_afresh()

    def start_afresh(self) -> None:
        """Forget every watch, the thread and the lock: the thread that holds it may not exist in this process."""
        self._condition = threading.Condition()
        self._queue: list[tuple[float, int, Watch]] = []
        self._numbers = itertools.count()  # no two entries compare equal, so watches are never compared
        self._purge_length = _FEW_WATCHES
        self._wakes_at = math.inf
        self._thread: threading.Thread | None = None

    def watch(self, seconds: float, act: Callable[[], object]) -> Watch:
        """Have `act` called in so many seconds, in another thread; raise `NoThread` if there can be none."""
        watch = Watch(act)
        deadline = time.monotonic() + seconds
        with self._condition:
            self._ensure_thread()
            heapq.heappush(self._queue, (deadline, next(self._numbers), watch))
            if len(self._queue) > self._purge_length:
                self._purge()
            if deadline < self._wakes_at:
                self._wakes_at = deadline
                self._condition.notify()
        return watch

    def call_off(self, watch: Watch) -> None:
        """Have nothing done any more; if the watch is over all the same, it was done or is just being done."""
        with self._condition:
            watch.act = None

    def _ensure_thread(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._thread = start_thread("watchdog", self._run)

    def _purge(self) -> None:
        """Keep only what is still watched, and check again when that has doubled."""
        self._queue = [entry for entry in self._queue if entry[2].act is not None]
        heapq.heapify(self._queue)
        self._purge_length = max(_FEW_WATCHES, 2 * len(self._queue))

    def _run(self) -> None:
        while True:
            _do(self._await_deadline())

    def _await_deadline(self) -> Callable[[], object]:
        """Sleep until something is to be done, and return it."""
        with self._condition:
            while (act := self._take_due()) is None:
                self._wakes_at = self._queue[0][0] if self._queue else math.inf
                self._condition.wait(min(self._wakes_at - time.monotonic(), threading.TIMEOUT_MAX))
            return act

    def _take_due(self) -> Callable[[], object] | None:
        """Clear the front of the queue up to the first watch that is over, and return what that one wants done."""
        while self._queue:
            deadline, _, watch = self._queue[0]
            if watch.act is not None and deadline > time.monotonic():
                break
            heapq.heappop(self._queue)
            if watch.act is not None:
                watch.is_over = True
                return watch.act
        return None


def _do(act: Callable[[], object]) -> None:
    """Call it; that this fails is usual where what it was to end has just ended by itself."""
    try:
        with suppress(OSError, ValueError, RuntimeError):
            act()
    except Exception:
        log.exception("cut_off_broke")


WATCHDOG = Watchdog()
os.register_at_fork(after_in_child=WATCHDOG.start_afresh)
