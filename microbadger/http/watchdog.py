"""Calls functions at deadlines, unless they are called off before.

Nearly all watched operations end long before their deadline, so watching must cost almost nothing. One thread for the
whole process sleeps until the earliest deadline; the first watch starts it. A watch that is called off only drops its
function. Its entry is removed when it reaches the front of the queue, or when the queue has doubled. A forked child
starts with no watches, because it has none of its parent's threads and must not end its parent's operations.
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
    """The function to call at a deadline, or None if the watch was called off."""

    act: Callable[[], object] | None
    is_over: bool = False


class Watchdog:
    """Calls functions at their deadlines. All run in one thread, so none of them may block."""

    def __init__(self) -> None:
        self.start_afresh()

    def start_afresh(self) -> None:
        """Forget every watch, the thread and the lock, which a thread that does not exist in this process may hold."""
        self._condition = threading.Condition()
        self._queue: list[tuple[float, int, Watch]] = []
        self._numbers = itertools.count()  # no two entries compare equal, so watches are never compared
        self._purge_length = _FEW_WATCHES
        self._wakes_at = math.inf
        self._thread: threading.Thread | None = None

    def watch(self, seconds: float, act: Callable[[], object]) -> Watch:
        """Call `act` after so many `seconds`, in another thread. Raise `NoThread` if no thread can be started."""
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
        """Cancel a watch. If its `is_over` is true afterwards, its function was already called or is running now."""
        with self._condition:
            watch.act = None

    def _ensure_thread(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._thread = start_thread("watchdog", self._run)

    def _purge(self) -> None:
        """Remove the entries that were called off. The next purge comes when the queue has doubled."""
        self._queue = [entry for entry in self._queue if entry[2].act is not None]
        heapq.heapify(self._queue)
        self._purge_length = max(_FEW_WATCHES, 2 * len(self._queue))

    def _run(self) -> None:
        while True:
            _do(self._await_deadline())

    def _await_deadline(self) -> Callable[[], object]:
        """Sleep until the next deadline, and return the function to call."""
        with self._condition:
            while (act := self._take_due()) is None:
                self._wakes_at = self._queue[0][0] if self._queue else math.inf
                self._condition.wait(min(self._wakes_at - time.monotonic(), threading.TIMEOUT_MAX))
            return act

    def _take_due(self) -> Callable[[], object] | None:
        """Return the function of the first watch whose deadline is over, and remove the entries up to that watch.

        Return None if there is no such watch.
        """
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
    """Call a function, which may fail because the connection that it should end has just ended by itself."""
    try:
        with suppress(OSError, ValueError, RuntimeError):
            act()
    except Exception:
        log.exception("cut_off_broke")


WATCHDOG = Watchdog()
os.register_at_fork(after_in_child=WATCHDOG.start_afresh)
