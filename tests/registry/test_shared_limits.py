"""What a registry asks of one process all of them do: they leave it alone, and know how many pulls are left."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from microbadger.registry.holds import Holds
from microbadger.registry.pulls import PullLimits
from microbadger.store.counts import Counts
from microbadger.store.database import Database
from tests.freshness.conftest import place, places
from tests.store.world import Place, database_at

__all__ = ["place", "places"]

HUB = "docker.io"
MINUTE = 60.0


@dataclass
class Time:
    """The clock of the database, and how long processes run."""

    now: float = 1_800_000_000.0
    passed: float = 0.0

    def later(self, seconds: float) -> None:
        self.now += seconds
        self.passed += seconds


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def database(place: Place) -> Iterator[Database]:
    database = database_at(place)
    yield database
    database.close()


@pytest.fixture
def process(database: Database, time: Time) -> Callable[[], Holds]:
    return lambda: Holds(lambda: time.now, database, monotonic=lambda: time.passed)


@pytest.fixture
def limits(database: Database, time: Time) -> Callable[[], PullLimits]:
    counts = Counts(database)
    return lambda: PullLimits(counts, lambda: time.now, database, monotonic=lambda: time.passed)


def hear(limits: PullLimits, remaining: int, *, user: str | None = None, source: str = "") -> None:
    headers = {"ratelimit-remaining": f"{remaining};w=21600", "ratelimit-limit": "100;w=21600"}
    limits.read(HUB, user, headers | ({"docker-ratelimit-source": source} if source else {}))


def test_a_host_that_one_process_is_to_leave_alone_all_leave_alone(process: Callable[[], Holds], time: Time) -> None:
    one, other = process(), process()
    assert other.left_seconds(HUB) == 0
    one.begin(HUB, 10 * MINUTE)
    time.later(1)
    assert (one.left_seconds(HUB), other.left_seconds(HUB)) == (10 * MINUTE - 1, 10 * MINUTE - 1)
    assert other.left_seconds("ghcr.io") == 0
    time.later(10 * MINUTE)
    assert (one.left_seconds(HUB), other.left_seconds(HUB)) == (0, 0)


def test_a_host_that_answers_again_is_asked_by_all(process: Callable[[], Holds], time: Time) -> None:
    one, other = process(), process()
    one.begin(HUB, MINUTE)
    time.later(1)
    assert other.left_seconds(HUB)
    one.end(HUB, one.of_this_process(HUB))
    time.later(1)
    assert (one.left_seconds(HUB), other.left_seconds(HUB)) == (0, 0)


def test_an_answer_to_a_question_from_before_ends_no_hold(process: Callable[[], Holds]) -> None:
    holds = process()
    before = holds.of_this_process(HUB)
    holds.begin(HUB, MINUTE)
    holds.end(HUB, before)
    assert holds.left_seconds(HUB) == MINUTE


def test_a_hold_counts_in_its_process_while_the_database_is_away(time: Time) -> None:
    holds = Holds(lambda: time.now, Database("postgresql://nobody@127.0.0.1:1/none"))
    holds.begin(HUB, MINUTE)
    assert holds.left_seconds(HUB) == MINUTE


def test_what_one_process_hears_of_the_pulls_that_are_left_all_know(
    limits: Callable[[], PullLimits], time: Time
) -> None:
    one, other = limits(), limits()
    hear(one, 7)
    assert other.are_above(HUB, None, 0.1)
    time.later(1)
    assert (one.left(HUB, None), other.left(HUB, None), other.are_above(HUB, None, 0.1)) == (7, 7, False)
    hear(other, 6)
    time.later(1)
    assert (other.left(HUB, None), one.left(HUB, None)) == (6, 6)


def test_the_pulls_of_another_address_are_not_those_of_this_machine(
    limits: Callable[[], PullLimits], time: Time
) -> None:
    one, other, new = limits(), limits(), limits()
    hear(one, 7, source="192.0.2.1")
    hear(other, 90, source="192.0.2.2")
    for _ in range(2):
        time.later(1)
        left = one.left(HUB, None), other.left(HUB, None), new.left(HUB, None)
    assert left == (7, 90, 7)  # the new one knows of no address of its own yet, and is careful


def test_the_pulls_of_an_account_are_the_same_on_all_machines(limits: Callable[[], PullLimits], time: Time) -> None:
    one, other = limits(), limits()
    hear(one, 50, user="robot")
    time.later(1)
    assert (one.left(HUB, "robot"), other.left(HUB, "robot"), other.left(HUB, None)) == (50, 50, None)
