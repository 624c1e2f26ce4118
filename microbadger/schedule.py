"""Runs refreshes: at once for a webhook, in their time for what is due, by one of the workers.

Every gunicorn worker has a schedule. Each does the refreshes it is asked for itself; the one that holds the lock of the
leader also does what is due and what workers that died left undone. If it dies, the kernel frees the lock and another
leads.
"""

import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from apscheduler.executors.base import BaseExecutor, run_job
from apscheduler.schedulers.background import BackgroundScheduler

from microbadger.files import try_lock, unlock
from microbadger.reference import Repository

# The first round waits, so that a gunicorn master that loads the app only to fork its workers has done so before.
_FIRST_ROUND_AFTER = timedelta(seconds=1)
_ROUND_SECONDS = 5
_THREADS = 8
_REQUESTED, _DUE, _ROUND = "requested", "due", "round"

Refresh = Callable[[Repository], object]


class Schedule:
    """The work of one process beside answering requests; nothing runs until it is started."""

    def __init__(
        self,
        leader_lock: Path,
        *,
        refresh_requested: Refresh,
        resume: Refresh,
        refresh_if_due: Refresh,
        requested: Callable[[], Iterable[Repository]],
        due: Callable[[], Iterable[Repository]],
        end_round: Callable[[], None],
    ) -> None:
        self._leader_lock = leader_lock
        self._refresh_requested = refresh_requested
        self._resume = resume
        self._refresh_if_due = refresh_if_due
        self._requested = requested
        self._due = due
        self._end_round = end_round
        self._scheduler: BackgroundScheduler | None = None
        self._lease: int | None = None
        self._in_hand: set[tuple[str, Repository]] = set()

    def start(self) -> None:
        """Begin to run rounds in this process."""
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            executors={_REQUESTED: _DaemonThreads(_THREADS), _DUE: _DaemonThreads(_THREADS), _ROUND: _DaemonThreads(1)},
            # Without a limit on lateness a job that waits for a thread would be dropped after a second.
            job_defaults={"misfire_grace_time": None, "coalesce": True},
        )
        first = datetime.now(UTC) + _FIRST_ROUND_AFTER
        self._scheduler.add_job(self._round, "interval", seconds=_ROUND_SECONDS, next_run_time=first, executor=_ROUND)
        self._scheduler.start()

    def stop(self) -> None:
        """Start nothing more and let another process lead."""
        if self._scheduler:
            self._scheduler.shutdown(wait=False)
            self._scheduler = None
        if self._lease is not None:
            unlock(self._lease)
            self._lease = None

    def refresh_soon(self, repository: Repository) -> None:
        """Do what is requested for an image as soon as a thread is free."""
        if self._scheduler:
            self._scheduler.add_job(self._refresh_requested, args=[repository], executor=_REQUESTED)

    def _round(self) -> None:
        self._lease = self._lease or try_lock(self._leader_lock)
        if self._lease is None:
            return
        for repository in self._requested():
            self._submit_once(_REQUESTED, self._resume, repository)
        for repository in self._due():
            self._submit_once(_DUE, self._refresh_if_due, repository)
        self._end_round()

    def _submit_once(self, executor: str, refresh: Refresh, repository: Repository) -> None:
        job = (executor, repository)
        if self._scheduler and job not in self._in_hand:
            self._in_hand.add(job)
            self._scheduler.add_job(self._run, args=[job, refresh], executor=executor)

    def _run(self, job: tuple[str, Repository], refresh: Refresh) -> None:
        try:
            refresh(job[1])
        finally:
            self._in_hand.discard(job)


class _DaemonThreads(BaseExecutor):  # type: ignore[misc]
    """A pool whose threads do not hold up the end of the process.

    The standard pool makes a stopping process run everything that still waits in its queue. Here nothing is lost by
    leaving it: requests and due times are on disk, and files are replaced whole.
    """

    def __init__(self, count: int) -> None:
        super().__init__()
        self._jobs: SimpleQueue[tuple[Any, list[datetime]]] = SimpleQueue()
        self._count = count

    def start(self, scheduler: BackgroundScheduler, alias: str) -> None:
        super().start(scheduler, alias)
        for number in range(self._count):
            threading.Thread(target=self._work, name=f"{alias}-{number}", daemon=True).start()

    def _do_submit_job(self, job: Any, run_times: list[datetime]) -> None:
        self._jobs.put((job, run_times))

    def _work(self) -> None:
        while True:
            job, run_times = self._jobs.get()
            # It logs what a job raises and returns all the same.
            self._run_job_success(job.id, run_job(job, job._jobstore_alias, run_times, self._logger.name))
