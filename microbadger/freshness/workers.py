"""Threads that do the work of all registries, fairly."""

import threading
from collections import Counter, deque
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

from apscheduler.executors.base import BaseExecutor, run_job
from apscheduler.schedulers.base import BaseScheduler

from microbadger.logs import EventLog

log = EventLog(__name__)

THREADS_A_REGISTRY = 3  # as many as may ask one host at once: more would wait for each other

Work = Callable[[], object]


class Workers(BaseExecutor):  # type: ignore[misc]
    """A pool in which no registry takes all the threads, and that does not hold up the end of the process.

    At most three threads ask one registry, so one that hangs keeps others from nothing; the name of a job is that of
    its registry. The standard pool makes a stopping process run everything that still waits in its queue. Here nothing
    is lost by leaving it: requests and due times are in the database, and files are replaced whole.
    """

    def __init__(self, count: int) -> None:
        super().__init__()
        self._count = count
        self._changed = threading.Condition()
        self._waiting: dict[str, deque[Work]] = {}
        self._running: Counter[str] = Counter()
        self._has_ended = False

    def start(self, scheduler: BaseScheduler, alias: str) -> None:
        """Start the threads, as APScheduler does with its executors."""
        super().start(scheduler, alias)
        for number in range(self._count):
            threading.Thread(target=self._work, name=f"{alias}-{number}", daemon=True).start()

    def shutdown(self, wait: bool = True) -> None:  # noqa: ARG002 - it never waits
        """Begin no more work."""
        with self._changed:
            self._has_ended = True
            self._changed.notify_all()

    def put(self, registry: str, work: Work) -> None:
        """Have work done that asks a registry."""
        with self._changed:
            self._waiting.setdefault(registry, deque()).append(work)
            self._changed.notify()

    def _do_submit_job(self, job: Any, run_times: list[datetime]) -> None:
        self.put(job.name, partial(self._run_job, job, run_times))

    def _run_job(self, job: Any, run_times: list[datetime]) -> None:
        # It logs what a job raises and returns all the same.
        self._run_job_success(job.id, run_job(job, job._jobstore_alias, run_times, self._logger.name))

    def _work(self) -> None:
        while taken := self._take():
            registry, work = taken
            try:
                work()
            except Exception:  # a defect of ours, which must not cost the thread
                log.exception("scheduled_work_broke")
            with self._changed:
                self._running[registry] -= 1  # no other need wake: what may begin now is what this thread takes next

    def _take(self) -> tuple[str, Work] | None:
        """Return the next work whose registry has a thread left, or None when there will be no more."""
        with self._changed:
            while not self._has_ended:
                for name in self._waiting:
                    if self._running[name] < THREADS_A_REGISTRY:
                        return self._next_of(name)
                self._changed.wait()
            return None

    def _next_of(self, registry: str) -> tuple[str, Work]:
        works = self._waiting.pop(registry)
        taken = works.popleft()
        if works:
            self._waiting[registry] = works  # behind the others: each registry has its turn
        self._running[registry] += 1
        return registry, taken
