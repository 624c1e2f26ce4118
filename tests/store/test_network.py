"""Threads whose server is behind a network that swallows everything."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from microbadger.store.clock import DatabaseClock
from microbadger.store.database import Database, StoreError
from microbadger.store.patience import in_haste
from tests.fakes.wire import Wire
from tests.postgresql import PostgresqlServer
from tests.store.world import wait_until

THREADS = 12
ASKS = 3 * THREADS


@pytest.fixture
def wire(postgresql_server: PostgresqlServer) -> Iterator[Wire]:
    with Wire(postgresql_server.port) as wire:
        yield wire


@pytest.fixture
def database(postgresql_server: PostgresqlServer, wire: Wire) -> Iterator[Database]:
    url = postgresql_server.new_schema().replace(str(postgresql_server.port), str(wire.port))
    database = Database(f"{url}&connect_timeout=2")
    yield database
    database.close()


def why_not(database: Database) -> str:
    """Return why nothing can be read."""
    try:
        with database.read():
            return ""
    except StoreError as error:
        return str(error)


def why_not_in_haste(database: Database) -> str:
    with in_haste():
        return why_not(database)


def test_threads_that_wait_for_a_server_that_is_cut_off_give_up_together(wire: Wire, database: Database) -> None:
    wire.cut()
    with ThreadPoolExecutor(THREADS) as pool:
        reasons = set(pool.map(why_not, [database] * THREADS))
    assert (wire.connections, len(reasons), "cannot be used" in reasons.pop()) == (1, 1, True)
    wire.mend()
    assert why_not(database) == ""


def test_a_thread_that_waits_is_not_overtaken_by_those_that_come_later(wire: Wire, database: Database) -> None:
    def attempts_seen(_: int) -> int:
        """Return how many attempts to connect began while a thread waited: its own, and one more where it is slow."""
        before = wire.connections
        assert why_not(database)
        return wire.connections - before

    wire.cut()
    with ThreadPoolExecutor(THREADS) as pool:
        assert max(pool.map(attempts_seen, range(ASKS))) <= 2


def test_a_thread_in_haste_gives_up_for_itself_only(wire: Wire, database: Database) -> None:
    wire.cut()
    with ThreadPoolExecutor(2) as pool:
        hasty = pool.submit(why_not_in_haste, database)
        wait_until(lambda: wire.connections == 1)
        patient = pool.submit(why_not, database)
        assert hasty.result()
        wait_until(lambda: wire.connections == 2)
        assert patient.result()


def test_a_database_can_be_closed_while_it_cannot_be_reached(wire: Wire, database: Database) -> None:
    wire.cut()
    with ThreadPoolExecutor(1) as pool:
        reason = pool.submit(why_not, database)
        wait_until(lambda: wire.connections == 1)
        database.close()
        assert reason.result()


def test_whoever_asks_for_the_time_does_not_wait_for_another_connection(wire: Wire, database: Database) -> None:
    passed = [0.0]
    clock = DatabaseClock(database, monotonic=lambda: passed[0])
    before = clock.timestamp()
    wire.cut()
    passed[0] = 60.0
    assert clock.timestamp() == pytest.approx(before + 60.0)
    assert wire.connections == 1
