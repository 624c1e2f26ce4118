"""Runs refreshes: at once for a webhook, in their time for what is due, by one of the workers.

Every gunicorn worker has a schedule. Each does the refreshes it is asked for itself; the one that holds the lock of the
leader also does what is due and what workers that died left undone. If it dies, the kernel frees the lock and another
leads.
"""

import os
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from apscheduler.executors.base import BaseExecutor, run_job
from apscheduler.schedulers.background import BackgroundScheduler

from microbadger.image import Repository
from microbadger.logs import EventLog
from microbadger.site import PublishError
from microbadger.store import try_lock, unlock

log = EventLog(__name__)

_ROUND_SECONDS = 5
# So long a look waits for its webhook's like: what is posted together is answered first and costs one look, and a
# registry that announced the push before its tag moved (https://github.com/distribution/distribution/issues/2625) has
# moved it.
_AN_INSTANT = timedelta(milliseconds=50)
_THREADS = 8
_THREADS_A_REGISTRY = 3  # as many as may ask one host at once: more would wait for each other
_MOST_IN_HAND = 5000  # of one registry: more than are done between two rounds, and few to keep in memory
_NO_REGISTRY = "-"
_REQUESTED, _DUE = "requested", "due"
_LEAD = "begin to lead"

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
        begin_round: Callable[[], object],
        begin_leading: Callable[[], object],
        end_round: Callable[[], object],
    ) -> None:
        self._leader_lock = leader_lock
        self._refresh_requested = refresh_requested
        self._resume = resume
        self._refresh_if_due = refresh_if_due
        self._requested = requested
        self._due = due
        self._begin_round = begin_round
        self._begin_leading = begin_leading
        self._end_round = end_round
        self._scheduler: BackgroundScheduler | None = None
        self._stopped = threading.Event()
        self._lease_lock = threading.Lock()
        self._lease: int | None = None
        self._in_hand: set[Repository] = set()
        self._soon: set[Repository] = set()
        self._due_threads = _DaemonThreads(_THREADS)
        self._due_in_hand: set[Repository] = set()
        """What is due does not pass through the scheduler, which would need its memory and time for every image."""
        self._troubles: dict[str, str] = {}
        self._is_beginning = False

    def start(self) -> None:
        """Begin to run rounds in this process; what a process it was forked from had begun is not its own."""
        self._stopped, self._lease_lock, self._in_hand, self._soon = threading.Event(), threading.Lock(), set(), set()
        self._due_threads, self._due_in_hand, self._is_beginning = _DaemonThreads(_THREADS), set(), False
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            executors={_REQUESTED: _DaemonThreads(_THREADS), _DUE: self._due_threads},
            # Without a limit on lateness a job that waits for a thread would be dropped after a second.
            job_defaults={"misfire_grace_time": None},
        )
        self._scheduler.start()
        threading.Thread(target=self._tick, args=[self._stopped], name="rounds", daemon=True).start()

    def stop(self) -> None:
        """Start nothing more and let another process lead."""
        self._stopped.set()
        if self._scheduler:
            self._scheduler.shutdown(wait=False)
            self._scheduler = None
        with self._lease_lock:
            if self._lease is not None:
                unlock(self._lease)
                self._lease = None
                log.info("leading_ended", pid=os.getpid())

    def refresh_soon(self, repository: Repository) -> None:
        """Do what is requested for an image, in an instant and all that is requested until then at once."""
        if repository not in self._soon:
            self._soon.add(repository)
            self._submit(repository, partial(self._begin, repository), after=_AN_INSTANT)

    @property
    def troubles(self) -> list[str]:
        """One sentence for each part of the work of this process that failed the last time for a reason outside it."""
        return [f"{name}: {error}" for name, error in list(self._troubles.items())]

    def _tick(self, stopped: threading.Event) -> None:
        """Run a round every few seconds, by a clock that nobody sets: the scheduler goes by one that is."""
        while not stopped.is_set():
            try:
                self._round(stopped)
            except Exception:  # a defect of ours, which must not end the rounds
                log.exception("round_broke")
            stopped.wait(_ROUND_SECONDS)

    def _round(self, stopped: threading.Event) -> None:
        self._attempt("begin the round", self._begin_round)
        if self._leads(stopped):
            self._attempt("begin what was left undone", self._begin_left_undone)
            self._attempt("begin what is due", self._begin_due)
            self._attempt("end the round", self._end_round)

    def _begin_left_undone(self) -> None:
        for repository in self._requested():
            if repository not in self._in_hand:
                self._in_hand.add(repository)
                self._submit(repository, partial(self._run, repository, self._resume, self._in_hand))

    def _begin_due(self) -> None:
        look = self._look_at_due  # one object, however many images are due
        in_hand = Counter(repository.registry for repository in [*self._due_in_hand])
        for repository in self._due():
            if in_hand[repository.registry] < _MOST_IN_HAND and repository not in self._due_in_hand:
                in_hand[repository.registry] += 1
                self._due_in_hand.add(repository)
                self._due_threads.put(repository.registry, partial(look, repository))

    def _look_at_due(self, repository: Repository) -> None:
        self._run(repository, self._refresh_if_due, self._due_in_hand)

    def _run(self, repository: Repository, refresh: Refresh, in_hand: set[Repository]) -> None:
        try:
            self._attempt(str(repository), partial(refresh, repository))
        finally:
            in_hand.discard(repository)

    def _leads(self, stopped: threading.Event) -> bool:
        with self._lease_lock:
            if stopped.is_set():
                return False
            is_new = self._lease is None
            if is_new:
                self._lease = try_lock(self._leader_lock)
            if self._lease is None:
                return False
        if is_new:
            log.info("leading", pid=os.getpid())
        if (is_new or _LEAD in self._troubles) and not self._is_beginning:
            self._is_beginning = True
            self._due_threads.put(_NO_REGISTRY, self._begin_to_lead)
        return True

    def _begin_to_lead(self) -> None:
        try:
            self._attempt(_LEAD, self._begin_leading)
        finally:
            self._is_beginning = False

    def _begin(self, repository: Repository) -> None:
        self._soon.discard(repository)  # first: who finds it there was in time for the look that follows
        self._attempt(str(repository), partial(self._refresh_requested, repository))

    def _attempt(self, name: str, work: Callable[[], object]) -> None:
        """Do something; what was to be foreseen, such as a full disk, is said once until it is over or another."""
        try:
            work()
        except (OSError, PublishError, ValueError) as error:
            if self._troubles.get(name) != str(error):
                log.error("schedule_failed", work=name, error=error)
            self._troubles[name] = str(error)
        else:
            if self._troubles.pop(name, None):
                log.info("schedule_works_again", work=name)

    def _submit(self, repository: Repository, work: Callable[[], object], after: timedelta = timedelta(0)) -> None:
        if self._scheduler:
            begin_at = datetime.now(UTC) + after
            self._scheduler.add_job(work, "date", run_date=begin_at, name=repository.registry, executor=_REQUESTED)


class _DaemonThreads(BaseExecutor):  # type: ignore[misc]
    """A pool in which no registry takes all the threads, and that does not hold up the end of the process.

    Some of the work that asks one registry is done at a time, so that one that hangs keeps others from nothing; the
    name of a job is that of its registry. The standard pool makes a stopping process run everything that still waits in
    its queue. Here nothing is lost by leaving it: requests and due times are on disk, and files are replaced whole.
    """

    def __init__(self, count: int) -> None:
        super().__init__()
        self._count = count
        self._changed = threading.Condition()
        self._waiting: dict[str, deque[Callable[[], object]]] = {}
        self._running: Counter[str] = Counter()
        self._has_ended = False

    def start(self, scheduler: BackgroundScheduler, alias: str) -> None:
        super().start(scheduler, alias)
        for number in range(self._count):
            threading.Thread(target=self._work, name=f"{alias}-{number}", daemon=True).start()

    def shutdown(self, wait: bool = True) -> None:  # noqa: ARG002 - it never waits
        with self._changed:
            self._has_ended = True
            self._changed.notify_all()

    def put(self, registry: str, work: Callable[[], object]) -> None:
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

    def _take(self) -> tuple[str, Callable[[], object]] | None:
        """Return the next work whose registry has a thread left, or None when there will be no more."""
        with self._changed:
            while not self._has_ended:
                for name in self._waiting:
                    if self._running[name] < _THREADS_A_REGISTRY:
                        return self._next_of(name)
                self._changed.wait()
            return None

    def _next_of(self, registry: str) -> tuple[str, Callable[[], object]]:
        works = self._waiting.pop(registry)
        taken = works.popleft()
        if works:
            self._waiting[registry] = works  # behind the others: each registry has its turn
        self._running[registry] += 1
        return registry, taken
