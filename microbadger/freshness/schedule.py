"""Runs the background work of a process: checks of images, and the duties that one process performs for all.

Every gunicorn worker on every machine has a schedule. Each schedule takes as many checks as it has free threads. Every
few seconds, in a *round*, it also performs the tasks of the duties that its process holds.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from operator import itemgetter
from typing import TypeVar

from apscheduler.schedulers.background import BackgroundScheduler

from microbadger.freshness.checks import Checks
from microbadger.freshness.claims import Claims
from microbadger.freshness.dispatcher import Dispatcher
from microbadger.freshness.duties import DUTY_NAMES, FOLLOW, Duties
from microbadger.freshness.recovery import Recovery
from microbadger.freshness.refresh import Refresher
from microbadger.freshness.requests import Requests
from microbadger.freshness.upkeep import DUTY_OF, Upkeep
from microbadger.freshness.workers import Workers
from microbadger.logs import EventLog
from microbadger.site import PublishError
from microbadger.store import StoreError

log = EventLog(__name__)

_ROUND_SECONDS = 5
_MOST_LATE = timedelta(seconds=2 * _ROUND_SECONDS)
_THREADS = 8
_MOST_THREADS = 64  # including threads that wait for registries that hang
_SHOWN_AFTER_SECONDS = 30.0
_ROUND, _REQUESTED, _DUE = "round", "requested", "due"
_NO_REGISTRY = "-"

T = TypeVar("T")


class Schedule:
    """The background work of one process. Nothing runs before `start`."""

    def __init__(
        self,
        claims: Claims,
        duties: Duties,
        refresher: Refresher,
        checks: Checks,
        requests: Requests,
        upkeep: Upkeep,
        recovery: Recovery,
    ) -> None:
        self._duties = duties
        self._upkeep = upkeep
        self._recovery = recovery
        self._dispatcher = Dispatcher(checks, requests, claims, refresher, self._attempt, self._keep_duties)
        self._scheduler: BackgroundScheduler | None = None
        self._troubles: dict[str, OSError | PublishError | StoreError] = {}
        self._make_workers()

    def start(self) -> None:
        """Begin to run rounds in this process. A forked process starts afresh, without the work of its parent."""
        self._make_workers()
        self._duties.begin()
        self._scheduler = _Scheduler(
            timezone=UTC,
            executors={_ROUND: Workers(1), _REQUESTED: self._requested_workers, _DUE: self._due_workers},
            # By default APScheduler drops a job that has waited for a thread for more than a second.
            job_defaults={"misfire_grace_time": None, "coalesce": True},
        )
        self._scheduler.start()
        self._scheduler.add_job(
            self._round, "interval", seconds=_ROUND_SECONDS, id=_ROUND, executor=_ROUND, next_run_time=datetime.now(UTC)
        )
        self._dispatcher.start(self._requested_workers, self._due_workers)

    def stop(self) -> None:
        """Start no more work, and leave it to other processes."""
        scheduler, self._scheduler = self._scheduler, None
        if scheduler:
            scheduler.shutdown(wait=False)
            self._dispatcher.stop()
            if self._duties.has(FOLLOW):
                self._attempt("mark a clean stop", self._recovery.end_well)
            self._attempt("give duties back", self._duties.end)

    def check_soon(self) -> None:
        """Search for requested checks at once. Otherwise the next regular search finds them a moment later."""
        self._dispatcher.wake()

    @property
    def troubles(self) -> list[str]:
        """One sentence for each kind of work in this process whose last run failed for an external reason."""
        return [
            f"{name}: {error.in_public if isinstance(error, StoreError) else error}"
            for name, error in list(self._troubles.items())
        ]

    def is_running(self) -> bool:
        """Return whether the service is running, in this process or in another one. Raises StoreError."""
        return self._duties.is_held(FOLLOW)

    def _make_workers(self) -> None:
        self._requested_workers, self._due_workers = Workers(_THREADS, _MOST_THREADS), Workers(_THREADS, _MOST_THREADS)
        self._is_comparing = False

    def _round(self) -> None:
        self._make_room()
        self._attempt("count", self._upkeep.count)
        if self._take(FOLLOW):
            self._begin_recovery()
        for name, task in self._upkeep.tasks.items():
            duty = DUTY_OF.get(name, FOLLOW)
            self._take(duty)
            if self._duties.has(duty):
                self._attempt(name, task)
        self._dispatcher.begin_due()
        if self._duties.has(FOLLOW):
            self._attempt("begin to compare the public folder", self._begin_comparison)
            self._attempt("begin to clean up", self._begin_cleaning)

    def _take(self, duty: str) -> bool | None:
        return self._attempt(f"take the duty {DUTY_NAMES[duty]}", partial(self._duties.take, duty))

    def _keep_duties(self) -> None:
        self._attempt("keep duties", self._duties.keep)

    def _make_room(self) -> None:
        """Replace threads that wait for registries that hang, and report those registries to monitoring."""
        pools = self._requested_workers, self._due_workers
        hanging = sorted((item for workers in pools for item in workers.hanging().items()), key=itemgetter(1))
        self._upkeep.note_hanging({name: seconds for name, seconds in hanging if seconds > _SHOWN_AFTER_SECONDS})
        for workers in pools:
            workers.make_room()

    def _begin_recovery(self) -> None:
        """Repair the public files, unless the previous leader is known to have stopped cleanly."""
        if self._attempt("check for a clean stop", self._recovery.is_needed) is not False:
            self._due_workers.put(_NO_REGISTRY, partial(self._attempt, "recover", self._recovery.recover))

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
        """Call ``work`` and return its result, or None if it fails for an external reason, such as a full disk.

        A failure that repeats is logged only once.
        """
        try:
            done = work()
        except (OSError, PublishError, StoreError) as error:
            if str(self._troubles.get(name)) != str(error):
                log.error("schedule_failed", work=name, error=error)
            self._troubles[name] = error
            return None
        if self._troubles.pop(name, None):
            log.info("schedule_works_again", work=name)
        return done


class _Scheduler(BackgroundScheduler):  # type: ignore[misc]
    """A scheduler that copes with changes of the system clock.

    APScheduler plans by the system clock. If somebody sets the clock back, the next round would wait for its planned
    time. If somebody sets it forward by years, APScheduler would spend minutes counting the missed rounds.
    """

    def _process_jobs(self) -> float | None:
        now = datetime.now(UTC)
        if (job := self.get_job(_ROUND)) and abs(job.next_run_time - now) > _MOST_LATE:
            job.modify(next_run_time=now)
        wait_seconds: float | None = super()._process_jobs()
        return _ROUND_SECONDS if wait_seconds is None else min(wait_seconds, _ROUND_SECONDS)
