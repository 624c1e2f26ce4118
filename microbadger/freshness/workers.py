"""A thread pool that shares its threads fairly among registries."""

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any

from apscheduler.executors.base import BaseExecutor, run_job
from apscheduler.schedulers.base import BaseScheduler

from microbadger.http import NoThread, start_thread
from microbadger.logs import EventLog

log = EventLog(__name__)

THREADS_A_REGISTRY = 3  # the limit of simultaneous requests to one host: more threads would wait for each other
HANGING_SECONDS = 10.0
"""How long work may run before it counts as hanging, and another thread may replace its thread."""

Work = Callable[[], object]


class Workers(BaseExecutor):  # type: ignore[misc]
    """A pool in which a registry that hangs does not delay others, and which never delays the end of the process.

    At most three threads work for one registry; the name of a job is the name of its registry. There are ``count``
    threads, and up to ``most`` if these are not enough: work that hangs does not count, and the first work for a
    registry begins at once. The standard pool makes a stopping process run its whole queue. This pool abandons its
    queue, which loses nothing: requests and due times are in the database, and files are replaced atomically.
    """

    def __init__(
        self, count: int, most: int = 0, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self._count = count
        self._most = max(count, most)
        self._clock = clock
        self._changed = threading.Condition()
        self._waiting: dict[str, deque[Work]] = {}
        self._running: dict[str, list[float]] = {}
        """The times when the running work began, by registry."""
        self._threads = 0
        self._numbers = itertools.count()
        self._has_ended = False

    def start(self, scheduler: BaseScheduler, alias: str) -> None:
        """Start one thread. The others start when there is work for them, as a machine may not allow all at once."""
        super().start(scheduler, alias)
        self._alias = alias
        with self._changed:
            self._start_thread()

    def shutdown(self, wait: bool = True) -> None:  # noqa: ARG002 - it never waits
        """Begin no more work, without waiting for work that is running."""
        with self._changed:
            self._has_ended = True
            self._changed.notify_all()

    def put(self, registry: str, work: Work) -> None:
        """Queue work for a registry."""
        with self._changed:
            self._waiting.setdefault(registry, deque()).append(work)
            self._changed.notify()
            self._start_further_threads()

    def room(self, registry: str) -> int:
        """Return how many more pieces of work for a registry would begin at once."""
        with self._changed:
            of_registry = len(self._running.get(registry, ())) + len(self._waiting.get(registry, ()))
            if self._has_ended or of_registry >= THREADS_A_REGISTRY:
                return 0
            waiting = sum(map(len, self._waiting.values()))
            free = self._count - self._in_time() - waiting
            if free > 0:
                return min(free, THREADS_A_REGISTRY - of_registry)
            taken = waiting + sum(map(len, self._running.values()))
            return int(of_registry == 0 and taken < self._most and self._most > self._count)

    def make_room(self) -> None:
        """Begin waiting work in place of work that has begun to hang."""
        with self._changed:
            self._changed.notify_all()
            self._start_further_threads()

    def hanging(self) -> dict[str, float]:
        """Return the registries whose work hangs, each with the seconds that its oldest work has run."""
        now = self._clock()
        with self._changed:
            seconds = {name: now - min(began) for name, began in self._running.items() if began}
        return {name: each for name, each in seconds.items() if each > HANGING_SECONDS}

    def _do_submit_job(self, job: Any, run_times: list[datetime]) -> None:
        self.put(job.name, partial(self._run_job, job, run_times))

    def _run_job(self, job: Any, run_times: list[datetime]) -> None:
        # `run_job` logs the exceptions of a job and does not raise them.
        self._run_job_success(job.id, run_job(job, job._jobstore_alias, run_times, self._logger.name))

    def _start_further_threads(self) -> None:
        """Start a thread if work may begin and no thread is idle."""
        idle = self._threads - sum(map(len, self._running.values()))
        if idle <= 0 and self._next_name() is not None and not self._has_ended:
            self._start_thread()

    def _start_thread(self) -> None:
        if self._threads >= self._most:
            return
        name = f"{self._alias}-{next(self._numbers)}"
        with suppress(NoThread):  # the existing threads do the work
            start_thread(name, self._work)
            self._threads += 1

    def _work(self) -> None:
        while taken := self._take():
            registry, began, work = taken
            try:
                work()
            except Exception:  # a bug here, which must not end the thread
                log.exception("scheduled_work_broke")
            with self._changed:
                # No other thread needs to wake, because this thread takes the next work itself.
                self._running[registry].remove(began)
                if not self._running[registry]:
                    del self._running[registry]

    def _take(self) -> tuple[str, float, Work] | None:
        """Return the next work that may begin, or None if this thread should end.

        An extra thread ends when there is no work for it, and every thread ends after a shutdown.
        """
        with self._changed:
            while not self._has_ended:
                if (name := self._next_name()) is not None:
                    taken = self._next_of(name)
                    self._start_further_threads()
                    return taken
                if self._threads > self._count:
                    break
                self._changed.wait()
            self._threads -= 1
            return None

    def _next_name(self) -> str | None:
        """Return the registry whose work begins next."""
        return next((name for name in self._waiting if self._may_begin(name)), None)

    def _may_begin(self, registry: str) -> bool:
        of_registry = len(self._running.get(registry, ()))
        if of_registry >= THREADS_A_REGISTRY:
            return False
        return self._in_time() < self._count or (of_registry == 0 and self._most > self._count)

    def _in_time(self) -> int:
        """Return how many pieces of work are running and do not hang."""
        since = self._clock() - HANGING_SECONDS
        return sum(began >= since for each in self._running.values() for began in each)

    def _next_of(self, registry: str) -> tuple[str, float, Work]:
        works = self._waiting.pop(registry)
        taken = works.popleft()
        if works:
            self._waiting[registry] = works  # at the end, so that registries take turns
        began = self._clock()
        self._running.setdefault(registry, []).append(began)
        return registry, began, taken
