"""Runs checks: at once for a webhook, in their time for what is due, by one of the workers.

Every gunicorn worker has a schedule. Each does the checks it is asked for itself; the one that holds the lease of the
leader also does what is due, and what workers that died left undone. If it dies, another one leads.
"""

import os
import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from operator import itemgetter
from typing import TypeVar

from apscheduler.schedulers.background import BackgroundScheduler

from microbadger.freshness.checks import Checks
from microbadger.freshness.recovery import Recovery
from microbadger.freshness.refresh import Refresher
from microbadger.freshness.requests import Requests
from microbadger.freshness.upkeep import Upkeep
from microbadger.freshness.workers import Workers
from microbadger.image import Repository
from microbadger.logs import EventLog
from microbadger.site import PublishError
from microbadger.store import Lease, LeaseLost, Leases, StoreError

log = EventLog(__name__)

_ROUND_SECONDS = 5
_MOST_LATE = timedelta(seconds=2 * _ROUND_SECONDS)
_THREADS = 8
_MOST_THREADS = 64  # with those that wait for registries that hang
_SHOWN_AFTER_SECONDS = 30.0
_MOST_IN_HAND = 100  # of one registry: more than are done until the next are taken
_FEW_IN_HAND = 2 * _THREADS
_ROUND, _REQUESTED, _DUE = "round", "requested", "due"
_LEADER = "leader"
_NO_REGISTRY = "-"

T = TypeVar("T")


class Schedule:
    """The work of one process beside answering requests; nothing runs until it is started."""

    def __init__(
        self,
        leases: Leases,
        refresher: Refresher,
        checks: Checks,
        requests: Requests,
        upkeep: Upkeep,
        recovery: Recovery,
    ) -> None:
        self._leases = leases
        self._refresher = refresher
        self._checks = checks
        self._requests = requests
        self._upkeep = upkeep
        self._recovery = recovery
        self._scheduler: BackgroundScheduler | None = None
        self._lease: Lease | None = None
        self._troubles: dict[str, str] = {}
        self._forget_work()

    def start(self) -> None:
        """Begin to run rounds in this process; what a process it was forked from had begun is not its own."""
        self._forget_work()
        self._lease = None
        self._scheduler = _Scheduler(
            timezone=UTC,
            executors={_ROUND: Workers(1), _REQUESTED: self._requested_workers, _DUE: self._due_workers},
            # Without a limit on lateness a job that waits for a thread would be dropped after a second.
            job_defaults={"misfire_grace_time": None, "coalesce": True},
        )
        self._scheduler.start()
        self._scheduler.add_job(
            self._round, "interval", seconds=_ROUND_SECONDS, id=_ROUND, executor=_ROUND, next_run_time=datetime.now(UTC)
        )

    def stop(self) -> None:
        """Start nothing more and let another process lead."""
        scheduler, self._scheduler = self._scheduler, None
        if scheduler:
            scheduler.shutdown(wait=False)
        with self._leading:
            lease, self._lease = self._lease, None
        if lease:
            self._attempt("end well", self._recovery.end_well)
            self._attempt("end leading", partial(self._leases.give_back, lease))
            log.info("leading_ended", pid=os.getpid())

    def check_soon(self, repository: Repository, not_before: datetime | None = None) -> None:
        """Do what is requested for an image, once for all that is requested until it begins."""
        if scheduler := self._scheduler:
            scheduler.add_job(
                partial(self._attempt, str(repository), partial(self._refresher.refresh_requested, repository)),
                trigger="date",
                run_date=not_before,  # at once if None
                id=str(repository),
                name=repository.registry,
                executor=_REQUESTED,
                replace_existing=True,
                max_instances=2,  # one that runs, and one for what was asked since
            )

    @property
    def troubles(self) -> list[str]:
        """One sentence for each part of the work of this process that failed the last time for a reason outside it."""
        return [f"{name}: {error}" for name, error in list(self._troubles.items())]

    def is_running(self) -> bool:
        """Return whether the service runs, in this process or another one. Raises StoreError."""
        return self._leases.is_held(_LEADER)

    def _forget_work(self) -> None:
        self._requested_workers, self._due_workers = Workers(_THREADS, _MOST_THREADS), Workers(_THREADS, _MOST_THREADS)
        self._leading, self._taking = threading.Lock(), threading.Lock()
        self._left_undone: set[Repository] = set()
        self._due: set[Repository] = set()
        self._put_off: set[Repository] = set()  # until the next round
        self._is_comparing = False

    def _round(self) -> None:
        self._make_room()
        self._attempt("count", self._upkeep.count)
        self._attempt("lead", self._lead)
        if self._lease:
            self._attempt("begin what was left undone", self._begin_left_undone)
            for name, task in self._upkeep.tasks.items():
                self._attempt(name, task)
            self._put_off.clear()
            self._attempt("begin what is due", self._begin_due)
            self._attempt("begin to compare the public folder", self._begin_comparison)
            self._attempt("begin to clean up", self._begin_cleaning)

    def _make_room(self) -> None:
        """Make up for the threads of registries that hang, and have monitors see which do."""
        pools = self._requested_workers, self._due_workers
        hanging = sorted((item for workers in pools for item in workers.hanging().items()), key=itemgetter(1))
        self._upkeep.note_hanging({name: seconds for name, seconds in hanging if seconds > _SHOWN_AFTER_SECONDS})
        for workers in pools:
            workers.make_room()

    def _lead(self) -> None:
        """Take the lead if nobody has it, or keep it."""
        with self._leading:
            if self._scheduler is None:
                return
            if self._lease:
                try:
                    self._lease.renew()
                except LeaseLost:
                    self._lease = None
                    log.warning("leading_lost", pid=os.getpid())
            elif lease := self._leases.try_take(_LEADER):
                self._lease = lease
                log.info("leading", pid=os.getpid())
                self._begin_recovery()

    def _begin_recovery(self) -> None:
        """Make the public files whole unless the process that led before ended well, or where that is not known."""
        if self._attempt("see how the last stop was", self._recovery.is_needed) is not False:
            self._due_workers.put(_NO_REGISTRY, partial(self._attempt, "recover", self._recovery.recover))

    def _begin_left_undone(self) -> None:
        for repository in self._requests.repositories():
            if repository not in self._left_undone:
                self._left_undone.add(repository)
                self._requested_workers.put(repository.registry, partial(self._check_left_undone, repository))

    def _check_left_undone(self, repository: Repository) -> None:
        try:
            self._attempt(str(repository), partial(self._refresher.refresh_requested, repository))
        finally:
            self._left_undone.discard(repository)

    def _begin_due(self) -> None:
        """Hand what is due to the workers, of each registry no more than they do in a while."""
        with self._taking:
            while due := self._next_due():
                for repository in due:
                    self._due.add(repository)
                    self._due_workers.put(repository.registry, partial(self._check_due, repository))

    def _next_due(self) -> list[Repository]:
        in_hand = list(self._due)
        of_registry = Counter(repository.registry for repository in in_hand)
        full = [registry for registry, count in of_registry.items() if count >= _MOST_IN_HAND]
        # What is passed over is still due: without room for it, images behind it might never be seen.
        passed_over = {*in_hand, *list(self._put_off)}
        due = self._checks.due(_MOST_IN_HAND + len(passed_over), full)
        return [repository for repository in due if repository not in passed_over]

    def _check_due(self, repository: Repository) -> None:
        outcome = None
        try:
            outcome = self._attempt(str(repository), partial(self._refresher.refresh_if_due, repository))
        finally:
            if outcome is None:  # another process is at it, or it could not begin: it is still due
                self._put_off.add(repository)
            self._due.discard(repository)
        if outcome and self._lease and len(self._due) <= _FEW_IN_HAND:
            self._attempt("begin what is due", self._begin_due)

    def _begin_comparison(self) -> None:
        strays = self._upkeep.strays
        if strays.are_unknown() and not self._is_comparing:
            self._is_comparing = True
            self._due_workers.put(_NO_REGISTRY, self._compare)

    def _compare(self) -> None:
        try:
            self._attempt("compare the public folder", self._upkeep.strays.find_and_remove)
        finally:
            self._is_comparing = False

    def _begin_cleaning(self) -> None:
        if self._upkeep.cleaning.begins():
            self._due_workers.put(_NO_REGISTRY, partial(self._attempt, "clean up", self._upkeep.cleaning.clean))

    def _attempt(self, name: str, work: Callable[[], T]) -> T | None:
        """Do something; what was to be foreseen, such as a full disk, is logged once until it is over or another."""
        try:
            done = work()
        except (OSError, PublishError, StoreError) as error:
            sentence = error.for_strangers if isinstance(error, StoreError) else str(error)
            if self._troubles.get(name) != sentence:
                log.error("schedule_failed", work=name, error=error)
            self._troubles[name] = sentence
            return None
        if self._troubles.pop(name, None):
            log.info("schedule_works_again", work=name)
        return done


class _Scheduler(BackgroundScheduler):  # type: ignore[misc]
    """APScheduler goes by a clock that can be set: back, and a round would wait for the time that it had planned.

    Forward, and it would count all the rounds that were missed, which takes minutes for some years.
    """

    def _process_jobs(self) -> float | None:
        now = datetime.now(UTC)
        if (job := self.get_job(_ROUND)) and abs(job.next_run_time - now) > _MOST_LATE:
            job.modify(next_run_time=now)
        wait_seconds: float | None = super()._process_jobs()
        return _ROUND_SECONDS if wait_seconds is None else min(wait_seconds, _ROUND_SECONDS)
