"""Threads whose server is behind a network that swallows everything."""

import time
from concurrent.futures import ThreadPoolExecutor

from microbadger.store.database import Database, StoreError
from tests.fakes.wire import Wire
from tests.postgresql import PostgresqlServer

CONNECT_SECONDS = 5.0
THREADS = 6


def why_not(database: Database) -> str:
    """Return why nothing can be read."""
    try:
        with database.read():
            return ""
    except StoreError as error:
        return str(error)


def test_threads_that_wait_for_a_server_that_is_cut_off_give_up_together(postgresql_server: PostgresqlServer) -> None:
    with Wire(postgresql_server.port) as wire, ThreadPoolExecutor(THREADS) as pool:
        database = Database(postgresql_server.new_schema().replace(str(postgresql_server.port), str(wire.port)))
        wire.cut()
        began_at = time.monotonic()
        reasons = list(pool.map(why_not, [database] * THREADS))
        assert time.monotonic() - began_at < 2 * CONNECT_SECONDS
        assert (len({*reasons}), "cannot be used" in reasons[0]) == (1, True)
        wire.mend()
        assert why_not(database) == ""
        database.close()
