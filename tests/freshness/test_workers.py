"""The pool of threads: every registry has its turn, and none takes all the threads."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from apscheduler.events import EVENT_JOB_EXECUTED
from apscheduler.schedulers.background import BackgroundScheduler

from microbadger.freshness.workers import HANGING_SECONDS, THREADS_A_REGISTRY, Workers
from tests.real_registry import wait_until

DEADLINE_SECONDS = 60.0
SLOW, SLOWER, QUICK = "slow.test", "slower.test", "quick.test"


class Work:
    """Remembers which work began and ended, and can hold up what asks a registry."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.held: set[str] = set()
        self.begun: list[str] = []
        self.ended: list[str] = []

    def of(self, registry: str, name: str = "") -> Callable[[], None]:
        def work() -> None:
            self.begun.append(name or registry)
            if registry in self.held:
                self.free.wait(DEADLINE_SECONDS)
            self.ended.append(name or registry)

        return work

    def wait_for_begun(self, *expected: str) -> None:
        counts = Counter(expected)
        wait_until(lambda: counts <= Counter(self.begun), f"{expected} begin", DEADLINE_SECONDS)

    def wait_for_ended(self, *expected: str) -> None:
        counts = Counter(expected)
        wait_until(lambda: counts <= Counter(self.ended), f"{expected} end", DEADLINE_SECONDS)


@contextmanager
def pool(
    count: int = 8, most: int = 0, clock: Callable[[], float] = time.monotonic
) -> Iterator[Workers]:
    workers = Workers(count, most, clock=clock)
    workers.start(BackgroundScheduler(), "tests")
    try:
        yield workers
    finally:
        workers.shutdown()


@contextmanager
def no_more_threads() -> Iterator[None]:
    """Let the machine refuse further threads, as it does when memory or a limit does not allow them."""
    before = threading.stack_size(2**46)
    try:
        yield
    finally:
        threading.stack_size(before)


@pytest.fixture
def work() -> Iterator[Work]:
    work = Work()
    yield work
    work.free.set()


def test_everything_is_done(work: Work) -> None:
    with pool() as workers:
        for number in range(100):
            workers.put(QUICK, work.of(QUICK, f"{number}"))
        work.wait_for_ended(*(f"{number}" for number in range(100)))


def test_what_asks_one_registry_begins_in_the_order_it_came(work: Work) -> None:
    with pool(1) as workers:
        for number in range(20):
            workers.put(QUICK, work.of(QUICK, f"{number}"))
        work.wait_for_ended("19")
    assert work.begun == [f"{number}" for number in range(20)]


def test_registries_take_turns(work: Work) -> None:
    work.held = {"first"}
    with pool(1) as workers:
        workers.put("first", work.of("first"))
        work.wait_for_begun("first")
        for registry in (SLOW, SLOW, SLOW, QUICK, QUICK):
            workers.put(registry, work.of(registry))
        work.free.set()
        work.wait_for_ended(SLOW, SLOW, SLOW, QUICK, QUICK)
    assert work.begun == ["first", SLOW, QUICK, SLOW, QUICK, SLOW]


def test_a_registry_that_hangs_takes_no_more_than_its_threads(work: Work) -> None:
    work.held = {SLOW}
    with pool() as workers:
        for _ in range(50):
            workers.put(SLOW, work.of(SLOW))
        for _ in range(50):
            workers.put(QUICK, work.of(QUICK))
        work.wait_for_ended(*[QUICK] * 50)
        assert Counter(work.begun)[SLOW] == THREADS_A_REGISTRY
        work.free.set()
        work.wait_for_ended(*[SLOW] * 50)


def test_two_registries_that_hang_hold_up_no_third(work: Work) -> None:
    work.held = {SLOW, SLOWER}
    with pool() as workers:
        for registry in [SLOW, SLOWER] * 20:
            workers.put(registry, work.of(registry))
        for _ in range(20):
            workers.put(QUICK, work.of(QUICK))
        work.wait_for_ended(*[QUICK] * 20)
        assert Counter(work.begun) == {SLOW: THREADS_A_REGISTRY, SLOWER: THREADS_A_REGISTRY, QUICK: 20}


def test_a_thread_that_has_done_its_work_takes_what_waits_for_the_same_registry(work: Work) -> None:
    work.held = {SLOW}
    with pool() as workers:
        for _ in range(THREADS_A_REGISTRY):
            workers.put(SLOW, work.of(SLOW))
        work.wait_for_begun(*[SLOW] * THREADS_A_REGISTRY)
        workers.put(SLOW, work.of(SLOW, "last"))
        work.free.set()
        work.wait_for_ended("last")


def test_work_that_raises_costs_no_thread(work: Work, caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> None:
        raise RuntimeError("broken on purpose")

    with pool(2) as workers:
        for _ in range(10):
            workers.put(QUICK, broken)
        workers.put(QUICK, work.of(QUICK))
        work.wait_for_ended(QUICK)
        wait_until(lambda: len(caplog.records) == 10, "each defect is logged", DEADLINE_SECONDS)
    assert {record.getMessage() for record in caplog.records} == {"event=scheduled_work_broke"}


def test_after_the_end_nothing_begins(work: Work) -> None:
    work.held = {SLOW}
    with pool(1) as workers:
        workers.put(SLOW, work.of(SLOW))
        work.wait_for_begun(SLOW)
        workers.put(QUICK, work.of(QUICK))
    work.free.set()
    work.wait_for_ended(SLOW)
    wait_until(lambda: "tests-0" not in names_of_threads(), "the thread ends", DEADLINE_SECONDS)
    assert work.begun == [SLOW]


def test_a_pool_does_not_hold_up_the_end_of_the_process(work: Work) -> None:
    with pool(3):
        assert {thread.daemon for thread in threading.enumerate() if thread.name.startswith("tests-")} == {True}


@contextmanager
def scheduler(workers: Workers) -> Iterator[BackgroundScheduler]:
    scheduler = BackgroundScheduler(executors={"default": workers})
    scheduler.start()
    try:
        yield scheduler
    finally:
        scheduler.shutdown(wait=False)


def test_it_runs_the_jobs_of_a_scheduler(work: Work) -> None:
    with scheduler(Workers(2)) as jobs:
        jobs.add_job(work.of(QUICK), name=QUICK)
        work.wait_for_ended(QUICK)


def test_a_job_has_the_name_of_the_registry_that_it_asks(work: Work) -> None:
    work.held = {SLOW}
    with scheduler(Workers(8)) as jobs:
        for _ in range(20):
            jobs.add_job(work.of(SLOW), name=SLOW)
        jobs.add_job(work.of(QUICK), name=QUICK)
        work.wait_for_ended(QUICK)
        assert Counter(work.begun)[SLOW] <= THREADS_A_REGISTRY


def test_a_job_that_raises_is_followed_by_the_next(work: Work, caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> None:
        raise RuntimeError("broken on purpose")

    with scheduler(Workers(1)) as jobs:
        jobs.add_job(broken, name=QUICK, id="the same")
        wait_until(lambda: any("broken on purpose" in str(r.exc_info) for r in caplog.records), "it raises", 10)
        jobs.add_job(work.of(QUICK), name=QUICK, id="the same")
        work.wait_for_ended(QUICK)


def test_a_job_that_ended_does_not_count_as_running(work: Work) -> None:
    ended: list[object] = []
    with scheduler(Workers(1)) as jobs:
        jobs.add_listener(ended.append, EVENT_JOB_EXECUTED)
        for number in range(1, 6):
            jobs.add_job(work.of(QUICK), name=QUICK, id="the same", max_instances=1)
            wait_until(lambda number=number: len(ended) == number, "it is over", DEADLINE_SECONDS)  # type: ignore[misc]
    assert work.ended == [QUICK] * 5


def names_of_threads() -> set[str]:
    return {thread.name for thread in threading.enumerate()}


def test_however_many_registries_hang_another_one_begins_at_once(work: Work) -> None:
    hanging = [f"hanging{number}.test" for number in range(30)]
    work.held = set(hanging)
    with pool(8, 64) as workers:
        for registry in hanging * 3:
            workers.put(registry, work.of(registry))
        work.wait_for_begun(*hanging)
        workers.put(QUICK, work.of(QUICK))
        work.wait_for_ended(QUICK)


def test_work_that_hangs_leaves_its_room_to_other_work_of_registries_that_answer(work: Work) -> None:
    seconds = [0.0]
    work.held = {SLOW, SLOWER, QUICK}
    with pool(3, 64, clock=lambda: seconds[0]) as workers:
        for registry in (SLOW, SLOW, SLOWER):
            workers.put(registry, work.of(registry))
        work.wait_for_begun(SLOW, SLOW, SLOWER)
        for _ in range(3):
            workers.put(QUICK, work.of(QUICK))
        work.wait_for_begun(QUICK)
        assert Counter(work.begun)[QUICK] == 1

        seconds[0] = HANGING_SECONDS + 1
        workers.make_room()

        work.wait_for_begun(QUICK, QUICK, QUICK)


def test_it_says_which_registries_hang_and_for_how_long(work: Work) -> None:
    seconds = [0.0]
    work.held = {SLOW, QUICK}
    with pool(2, clock=lambda: seconds[0]) as workers:
        workers.put(SLOW, work.of(SLOW))
        work.wait_for_begun(SLOW)
        seconds[0] = HANGING_SECONDS + 5
        workers.put(QUICK, work.of(QUICK))
        work.wait_for_begun(QUICK)
        assert workers.hanging() == {SLOW: HANGING_SECONDS + 5}


def test_threads_beyond_the_usual_end_when_they_have_nothing_to_do(work: Work) -> None:
    registries = [f"registry{number}.test" for number in range(10)]
    work.held = set(registries)
    others = set(threading.enumerate())
    with pool(2, 64) as workers:
        for registry in registries:
            workers.put(registry, work.of(registry))
        work.wait_for_begun(*registries)
        work.free.set()
        work.wait_for_ended(*registries)
        wait_until(lambda: len(set(threading.enumerate()) - others) == 2, "the others end", DEADLINE_SECONDS)


def test_the_threads_that_there_are_do_the_work_while_no_more_can_be_started(work: Work) -> None:
    work.held = {SLOW}
    with pool(1, 3) as workers:
        workers.put(SLOW, work.of(SLOW))
        work.wait_for_begun(SLOW)
        with no_more_threads():
            workers.put(QUICK, work.of(QUICK))
            workers.put(SLOWER, work.of(SLOWER))
            work.free.set()
            work.wait_for_ended(SLOW, QUICK, SLOWER)
        work.free.clear()
        workers.put(SLOW, work.of(SLOW))
        work.wait_for_begun(SLOW, SLOW)
        workers.put(QUICK, work.of(QUICK))
        work.wait_for_ended(QUICK, QUICK)
