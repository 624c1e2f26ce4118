"""Duties: one process at a time has each, and another one soon after that falls silent."""

from collections.abc import Callable, Iterator

import pytest

from microbadger.freshness.duties import FOLLOW, LISTS, MESSAGES, Duties
from microbadger.store.database import Database
from microbadger.store.tables import LEASES
from tests.real_registry import wait_until
from tests.store.world import Place, database_at

DEADLINE_SECONDS = 60.0
SECONDS = 0.5


@pytest.fixture
def database(place: Place) -> Iterator[Database]:
    database = database_at(place)
    yield database
    database.close()


@pytest.fixture
def process(database: Database) -> Callable[[], Duties]:
    def begun() -> Duties:
        duties = Duties(database, seconds=SECONDS)
        duties.begin()
        return duties

    return begun


def be_another(database: Database) -> None:
    """Have the leases that there are be those of a process of another machine, which is silent from now on."""
    with database.write() as connection:
        connection.execute(LEASES.update().values(holder="another-machine 1/1"))


def test_each_duty_is_had_by_itself(process: Callable[[], Duties]) -> None:
    one, other = process(), process()
    assert (one.take(FOLLOW), other.take(FOLLOW), other.take(LISTS)) == (True, False, True)
    assert [(each.has(FOLLOW), each.has(LISTS), each.has(MESSAGES)) for each in (one, other)] == [
        (True, False, False),
        (False, True, False),
    ]


def test_a_duty_of_a_process_that_falls_silent_is_taken_over(process: Callable[[], Duties], database: Database) -> None:
    one, other = process(), process()
    one.take(FOLLOW)
    be_another(database)
    assert not other.take(FOLLOW)
    wait_until(lambda: other.take(FOLLOW), "the duty is taken over", DEADLINE_SECONDS)
    one.keep()
    one.take(FOLLOW)
    assert (one.has(FOLLOW), other.has(FOLLOW)) == (False, True)


def test_duties_are_given_back_at_the_end(process: Callable[[], Duties]) -> None:
    one, other = process(), process()
    one.take(FOLLOW)
    one.end()
    assert (one.has(FOLLOW), one.take(FOLLOW), other.take(FOLLOW)) == (False, False, True)
