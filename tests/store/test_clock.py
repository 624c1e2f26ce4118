"""The clock of the database: what is kept by one machine and compared by another does not depend on their clocks."""

import time
from collections.abc import Callable
from itertools import pairwise

import pytest

from microbadger.store.clock import DatabaseClock
from microbadger.store.database import Database
from tests.postgresql import PostgresqlServer
from tests.store.world import Place, database_at

HOUR = 3600.0
CLOSE_SECONDS = 60.0


def hour_ahead() -> float:
    return time.time() + HOUR


@pytest.fixture
def shared(postgresql_server: PostgresqlServer) -> Database:
    return database_at(postgresql_server.new_schema())


def test_on_a_machine_whose_clock_is_an_hour_off_it_is_the_time_of_the_server(shared: Database) -> None:
    clock = DatabaseClock(shared, own=hour_ahead)
    assert abs(clock.timestamp() - time.time()) < CLOSE_SECONDS
    assert abs(clock.now().timestamp() - time.time()) < CLOSE_SECONDS
    shared.close()


def test_the_server_is_asked_only_now_and_then(shared: Database) -> None:
    seconds = iter(range(1000))
    clock = DatabaseClock(shared, monotonic=lambda: float(next(seconds)))
    times = [clock.timestamp() for _ in range(8)]
    shared.close()
    assert all(later > earlier for earlier, later in pairwise(times))


def test_it_goes_on_while_the_server_cannot_be_asked(own_postgresql_server: PostgresqlServer) -> None:
    database = database_at(own_postgresql_server.url())
    passed = [0.0]
    clock = DatabaseClock(database, own=hour_ahead, monotonic=lambda: passed[0])
    before = clock.timestamp()
    own_postgresql_server.kill()
    passed[0] = 60.0
    assert clock.timestamp() == pytest.approx(before + 60.0)
    database.close()


def test_without_a_server_it_is_the_clock_of_the_machine(places: Callable[[], Place]) -> None:
    database = database_at(places())
    if database.is_file:
        assert abs(DatabaseClock(database, own=hour_ahead).timestamp() - hour_ahead()) < CLOSE_SECONDS
    database.close()


def test_a_server_that_was_never_there_leaves_the_clock_of_the_machine() -> None:
    database = Database("postgresql://nobody@127.0.0.1:1/none")
    assert abs(DatabaseClock(database).timestamp() - time.time()) < CLOSE_SECONDS
