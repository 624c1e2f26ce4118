"""What a transaction of the database takes, and how long threads of two processes wait for each other to write.

Run with ``python -m tests.benchmarks.store``; it prints a table. Of many short rounds the fastest counts, for the
machine may do other things meanwhile.
"""

import itertools
import multiprocessing
import os
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

from sqlalchemy import bindparam, select

from microbadger.store.database import Database
from microbadger.store.leases import Leases
from microbadger.store.tables import META
from microbadger.store.upserts import upsert

ROUNDS = 50
TIMES_A_ROUND = 50
THREADS = 8
SECONDS = 3.0
PAUSE_SECONDS = 0.01

_VALUE = select(META.c.value).where(META.c.key == bindparam("key"))


def microseconds(work: Callable[[], object]) -> float:
    """Return how long something takes once."""
    work()
    rounds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(TIMES_A_ROUND):
            work()
        rounds.append((time.perf_counter() - began) / TIMES_A_ROUND)
    return min(rounds) * 1e6


def read(database: Database) -> None:
    with database.read() as connection:
        connection.execute(_VALUE, {"key": "schema_version"}).scalar_one()


def write(database: Database, value: str, *, durable: bool) -> None:
    with database.write(durable=durable) as connection:
        upsert(connection, META, {"key": f"of {threading.get_ident()}", "value": value}, update=("value",))


def write_in_threads(url: str) -> list[float]:
    """Write in several threads, with pauses; return how long each transaction took, in milliseconds."""
    database, took = Database(url), list[float]()
    end = time.monotonic() + SECONDS

    def write_on(_: int) -> None:
        for number in itertools.count():
            if time.monotonic() > end:
                break
            began = time.perf_counter()
            write(database, str(number), durable=True)
            took.append((time.perf_counter() - began) * 1e3)
            time.sleep(PAUSE_SECONDS)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(write_on, range(THREADS)))
    return took


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "microbadger.db")
        url = f"sqlite:///{file}"
        database, numbers = Database(url), itertools.count()
        leases = Leases(database)

        def take_and_give_back() -> None:
            with leases.hold("lease"):
                pass

        def open_again() -> None:
            os.utime(file)  # as after SQLite has moved its log into the file
            read(database)

        works: dict[str, Callable[[], object]] = {
            "read a row": lambda: read(database),
            "upsert a row": lambda: write(database, str(next(numbers)), durable=False),
            "upsert a row, durable": lambda: write(database, str(next(numbers)), durable=True),
            "take a lease and give it back": take_and_give_back,
            "read a row after the file has changed": open_again,
        }
        for name, work in works.items():
            print(f"{name:40}{microseconds(work):8.0f} µs")
        with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
            took = sorted(itertools.chain(*pool.map(write_in_threads, [url] * 2)))
        print(f"{len(took)} durable transactions by {THREADS} threads of each of two processes:")
        print(f"{'median':40}{took[len(took) // 2]:8.1f} ms")
        print(f"{'99 of 100 take at most':40}{took[len(took) * 99 // 100]:8.1f} ms")
        database.close()


if __name__ == "__main__":
    main()
