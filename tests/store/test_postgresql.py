"""A PostgreSQL server that goes away, stands still or refuses: the store says so in time, and goes on afterwards."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from sqlalchemy import text

from microbadger.store.connections import MOST_CONNECTIONS
from microbadger.store.database import Database, StoreError
from microbadger.store.meta import read_value, write_value
from tests.postgresql import PostgresqlServer, running_postgresql

BOUND_SECONDS = 60.0


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresqlServer]:
    """A server that these tests kill; each leaves it running."""
    with running_postgresql() as server:
        yield server


@pytest.fixture
def database(server: PostgresqlServer) -> Iterator[Database]:
    """A database with a value, and an idle connection to it."""
    database = Database(server.new_schema())
    put(database, "old")
    yield database
    database.close()


def put(database: Database, value: str) -> None:
    with database.write(durable=True) as connection:
        write_value(connection, "key", value)


def get(database: Database) -> str | None:
    with database.read() as connection:
        return read_value(connection, "key")


def error_of(database: Database) -> str:
    began = time.monotonic()
    with pytest.raises(StoreError) as refused:
        put(database, "new")
    assert time.monotonic() - began < BOUND_SECONDS
    return str(refused.value)


def have_idle_connections(database: Database) -> None:
    everybody_reads = threading.Barrier(MOST_CONNECTIONS)

    def read(_: int) -> None:
        with database.read():
            everybody_reads.wait()

    with ThreadPoolExecutor(MOST_CONNECTIONS) as pool:
        list(pool.map(read, range(MOST_CONNECTIONS)))


def test_connections_that_the_server_has_ended_are_replaced_unnoticed(
    server: PostgresqlServer, database: Database
) -> None:
    have_idle_connections(database)
    server.disconnect_all()
    assert get(database) == "old"
    server.disconnect_all()
    put(database, "new")
    assert get(database) == "new"


def test_a_server_that_was_killed_and_is_back_is_used_again(server: PostgresqlServer, database: Database) -> None:
    have_idle_connections(database)
    server.kill()
    server.start()
    put(database, "new")
    assert get(database) == "new"


def test_a_server_that_is_away_is_named_without_the_password(server: PostgresqlServer) -> None:
    database = Database(server.new_schema().replace("badger@", "badger:hunter2@"))
    put(database, "old")
    server.stop()
    try:
        error = error_of(database)
    finally:
        server.start()
    assert error.startswith("The database 127.0.0.1/postgres cannot be used: ")
    assert error.endswith("Connection refused.")
    assert error.count("\n") == 0
    assert "hunter2" not in error
    put(database, "new")
    database.close()


def test_a_server_that_stands_still_holds_no_thread_for_long(server: PostgresqlServer) -> None:
    database = Database(f"{server.new_schema()}&connect_timeout=2")
    put(database, "old")
    with server.stalled():
        assert "cannot be used" in error_of(database)
    put(database, "new")
    assert get(database) == "new"
    database.close()


def test_a_transaction_whose_connection_breaks_fails_and_the_next_one_works(
    server: PostgresqlServer, database: Database
) -> None:
    def write_while_it_breaks() -> None:
        with database.write() as connection:
            write_value(connection, "key", "new")
            server.disconnect_all()
            write_value(connection, "other", "new")

    with pytest.raises(StoreError):
        write_while_it_breaks()
    assert get(database) == "old"
    put(database, "newer")
    assert get(database) == "newer"


def test_who_waits_for_a_row_that_another_one_has_locked_gives_up(server: PostgresqlServer) -> None:
    url = server.new_schema()
    database = Database(url)
    put(database, "old")
    with psycopg.connect(url) as other:
        other.execute("UPDATE meta SET value = 'locked' WHERE key = 'key'")
        assert error_of(database).endswith("another transaction has locked the same rows or tables; try again.")
        assert get(database) == "old"
        other.rollback()
    put(database, "new")
    database.close()


def test_tables_that_were_dropped_are_made_anew(database: Database) -> None:
    with database.write() as connection:
        connection.execute(text("DROP TABLE meta"))
        for table in ("checks", "leases", "requests"):
            connection.execute(text(f"DROP TABLE {table}"))
    with pytest.raises(StoreError, match="its tables are missing"):
        get(database)


def test_a_process_has_few_connections(server: PostgresqlServer, database: Database) -> None:
    count = text("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'microbadger'")
    most = []

    def read(_: int) -> None:
        with database.read() as connection, database.read():  # one within another needs no further place
            most.append(connection.execute(count).scalar_one())

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(read, range(40)))
    assert max(most) <= 2 * MOST_CONNECTIONS


def test_a_durable_transaction_waits_for_the_disk_whatever_the_server_is_set_to(server: PostgresqlServer) -> None:
    database = Database(f"{server.new_schema()}%20-csynchronous_commit%3Doff")
    with database.write(durable=True) as connection:
        assert connection.execute(text("SHOW synchronous_commit")).scalar_one() == "on"
    database.close()


def test_a_database_that_cannot_keep_every_text_is_refused(server: PostgresqlServer) -> None:
    url = server.new_database("ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'")
    assert error_of(Database(url)).endswith(
        "its encoding is LATIN1; use a database that was created with ENCODING 'UTF8'."
    )


def test_a_database_that_does_not_exist_is_named(server: PostgresqlServer) -> None:
    error = error_of(Database(server.url("mañana")))
    assert error.startswith("The database 127.0.0.1/mañana cannot be used: ")
    assert error.endswith('database "mañana" does not exist.')
