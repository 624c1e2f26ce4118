"""Processes that fork while their threads use the database; each test runs in a process of its own."""

import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from microbadger.store.connections import Connections, engine_for
from microbadger.store.database import Database
from microbadger.store.sqlite_files import carry_over
from microbadger.store.tables import META
from microbadger.store.upserts import upsert
from tests.store.test_damage import is_whole
from tests.store.world import Process, database_at, get, put, url_of

FORKS = 20
WRITES = 5
ROWS = 2000  # more than are read at once
CHILD_SECONDS = 45


def fork(work: Callable[[], object]) -> int:
    """Start a child that does this and ends, whatever happens; return its number."""
    child = os.fork()
    if not child:
        signal.alarm(CHILD_SECONDS)  # also ends one that hangs in C
        try:
            work()
        except BaseException:  # noqa: BLE001 - it must never go on with what its parent was doing
            os._exit(1)
        os._exit(0)
    return child


def end_of(child: int) -> int:
    """Return the exit code of a child."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def write(file: Path, name: str) -> None:
    for number in range(WRITES):
        put(file, f"{name}/{number}", "value")
        assert get(file, f"{name}/{number}") == "value"


def fork_under_load(file: Path) -> tuple[list[int], list[int]]:
    """Fork again and again while threads write; return how the children ended, and what the threads wrote."""
    is_over = threading.Event()

    def write_on(name: int) -> int:
        number = 0
        while not is_over.is_set():
            put(file, f"thread {name}", str(number), durable=number % 5 == 0)
            assert get(file, f"thread {name}") == str(number)
            number += 1
        return number - 1

    with ThreadPoolExecutor(4) as pool:
        writing = [pool.submit(write_on, name) for name in range(4)]
        children = [fork(partial(write, file, f"child {number}")) for number in range(FORKS)]
        ends = [end_of(child) for child in children]
        is_over.set()
        return ends, [thread.result() for thread in writing]


def test_parent_and_children_go_on_although_threads_write_when_it_forks(file: Path, other: Process) -> None:
    ends, written = other.run(fork_under_load, file)

    assert ends == [0] * FORKS
    assert [get(file, f"thread {name}") for name in range(4)] == [str(number) for number in written]
    assert all(get(file, f"child {child}/{n}") == "value" for child in range(FORKS) for n in range(WRITES))
    assert is_whole(file)


def fork_while_databases_are_dropped(file: Path) -> list[int]:
    """Fork again and again while threads drop databases that they have not closed; return how the children ended."""
    is_over = threading.Event()

    def use_and_drop() -> None:
        while not is_over.is_set():
            with Database(url_of(file)).read():
                pass

    with ThreadPoolExecutor(2) as pool:
        dropping = [pool.submit(use_and_drop) for _ in range(2)]
        ends = [end_of(fork(partial(write, file, f"child {number}"))) for number in range(FORKS)]
        is_over.set()
        for thread in dropping:
            thread.result()
    return ends


def test_children_go_on_although_threads_drop_databases_that_nobody_closed(file: Path, other: Process) -> None:
    assert other.run(fork_while_databases_are_dropped, file) == [0] * FORKS


def fork_amid_a_transaction(file: Path) -> tuple[float, int]:
    """Fork while another thread is within a transaction; return how long that took, and how the child ended."""
    is_within = threading.Event()

    def write_slowly() -> None:
        with database_at(file).write() as connection:
            upsert(connection, META, {"key": "slow", "value": "1"})
            is_within.set()
            time.sleep(0.5)
            with database_at(file).read():  # a thread within a transaction need not wait for the fork
                pass

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write_slowly)
        is_within.wait()
        began = time.monotonic()
        child = fork(partial(write, file, "child"))
        took = time.monotonic() - began
        writing.result()
    return took, end_of(child)


def test_a_fork_waits_until_the_transactions_of_other_threads_have_ended(file: Path, other: Process) -> None:
    took, end = other.run(fork_amid_a_transaction, file)

    assert 0.3 < took < 30
    assert end == 0
    assert (get(file, "slow"), get(file, "child/0")) == ("1", "value")


def fork_from_two_threads(file: Path) -> list[int]:
    """Fork from two threads at once, each of which uses a database of its own; return how the children ended."""
    files = [file, file.with_name("other.db")]

    def use_and_fork(number: int) -> int:
        put(files[number], "key", "value")
        return end_of(fork(partial(write, files[1 - number], f"child {number}")))

    with ThreadPoolExecutor(2) as pool:
        return [end for _ in range(5) for end in pool.map(use_and_fork, range(2))]


def test_threads_can_fork_at_once(file: Path, other: Process) -> None:
    assert other.run(fork_from_two_threads, file) == [0] * 10


def find_open_files(file: Path) -> None:
    """Raise if this process has a file of the database open."""
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # that of the folder itself
            assert not str(descriptor.readlink()).startswith(str(file))


def use_and_fork(file: Path) -> int:
    put(file, "key", "value")
    return end_of(fork(partial(find_open_files, file)))


def test_a_child_inherits_no_open_file(file: Path, other: Process) -> None:
    assert other.run(use_and_fork, file) == 0


def fail_to_carry_over_and_fork(file: Path) -> int:
    with database_at(file).write() as connection:
        upsert(connection, META, [{"key": str(number), "value": ""} for number in range(ROWS)])
    database_at(file).close()
    source, read_only = (Connections(engine_for(file, "PRAGMA query_only = 1", mode)) for mode in ("rw", "ro"))
    try:
        with closing(source), closing(read_only):
            carry_over([source], read_only)
    except DBAPIError:
        return end_of(fork(partial(find_open_files, file)))
    return -1


def test_a_child_inherits_no_open_file_after_a_database_could_not_be_carried_over(file: Path, other: Process) -> None:
    assert other.run(fail_to_carry_over_and_fork, file) == 0
