"""Counts over several processes."""

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import pytest
from sqlalchemy import URL, select

from microbadger.store.counts import Counts
from microbadger.store.database import Database, StoreError
from microbadger.store.tables import GAUGES
from tests.store.test_forks import end_of, fork
from tests.store.world import Process, database_at, locked

ZOT = (("sender", "zot"),)
HUB = (("host", "docker.io"),)
TIMES = 200


class Clock:
    """A clock that is set by hand."""

    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@cache
def counts_at(file: Path) -> Counts:
    return Counts(database_at(file))


def count(file: Path, times: int = 1) -> None:
    """Count in this process, without adding it to the database."""
    for _ in range(times):
        counts_at(file).add("webhooks", sender="zot")


def total(file: Path) -> float:
    return counts_at(file).read().of("webhooks")[ZOT]


def count_and_write(file: Path, times: int) -> None:
    for _ in range(times):
        count(file)
        counts_at(file).write()


def test_what_several_processes_counted_is_added_up(file: Path, other: Process) -> None:
    count(file)
    other.run(count_and_write, file, 2)
    counts_at(file).add("webhooks", 0.5, sender="quay")
    assert counts_at(file).read().of("webhooks") == {ZOT: 3, (("sender", "quay"),): 0.5}


def test_no_process_reads_less_than_another_has_read(file: Path, other: Process) -> None:
    totals: list[float] = []
    for _ in range(3):
        other.run(count, file)
        totals.append(total(file) if totals else other.run(total, file))
        totals.append(other.run(total, file))
    assert totals == [1, 1, 1, 2, 2, 3]


def test_nothing_is_lost_between_threads_and_processes(file: Path, other: Process) -> None:
    counting = other.start(count_and_write, file, TIMES)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: count_and_write(file, TIMES), range(4)))
    counting.result()
    assert total(file) == 5 * TIMES


def test_what_a_killed_process_has_written_is_kept(file: Path) -> None:
    killed = Process()
    killed.run(count_and_write, file, 3)
    killed.run(count, file)
    killed.kill()
    assert total(file) == 3


def count_as_parent_and_child(file: Path) -> int:
    """Count, and let a child count that was forked before this was written."""
    count(file, 2)
    end = end_of(fork(lambda: count_and_write(file, 1)))
    counts_at(file).write()
    return end


def test_a_child_does_not_count_again_what_its_parent_counted(file: Path, other: Process) -> None:
    assert other.run(count_as_parent_and_child, file) == 0
    assert total(file) == 3


def test_a_counter_without_labels_has_empty_labels(file: Path) -> None:
    counts_at(file).add("starts")
    assert counts_at(file).read().of("starts") == {(): 1}


def test_labels_are_the_same_in_any_order_and_of_any_text(file: Path) -> None:
    counts_at(file).add("requests", host='mañana"\\', status="200")
    counts_at(file).add("requests", status="200", host='mañana"\\')
    assert counts_at(file).read().of("requests") == {(("host", 'mañana"\\'), ("status", "200")): 2}


def test_a_failed_write_loses_nothing(file: Path) -> None:
    database = Database(URL.create("sqlite", database=str(file)).render_as_string(), busy_seconds=0.1)
    counts = Counts(database)
    counts.add("webhooks", sender="zot")
    counts.write()
    with locked(file):
        for number in range(2):
            counts.add("webhooks", sender="zot")
            counts.set("pulls", number, host="docker.io")
            with pytest.raises(StoreError):
                counts.write()
    counts.add("webhooks", sender="zot")
    totals = counts.read()
    database.close()
    assert (totals.of("webhooks"), totals.of("pulls")) == ({ZOT: 4}, {HUB: 1})


def test_counts_of_an_unusable_database_are_not_read(file: Path) -> None:
    file.mkdir(parents=True)
    with pytest.raises(StoreError, match="cannot be used"):
        counts_at(file).read()


def test_the_latest_of_the_values_that_several_processes_set_counts(file: Path) -> None:
    clock = Clock()
    here, there = (Counts(database_at(file), clock=clock) for _ in range(2))
    there.set("pulls", 90, host="docker.io")
    clock.now += 1
    here.set("pulls", 80, host="docker.io")
    here.write()
    there.write()
    assert here.read().of("pulls") == there.read().of("pulls") == {HUB: 80}


@pytest.mark.parametrize("passed_seconds", [60, 61, -1])
def test_a_value_that_does_not_hold_now_is_not_read(file: Path, passed_seconds: float) -> None:
    clock = Clock()
    counts = Counts(database_at(file), clock=clock)
    counts.set("pulls", 90, 60, host="docker.io")
    clock.now += passed_seconds
    assert counts.read().of("pulls") == {}


def test_a_value_that_was_set_before_the_clock_was_set_back_gives_way(file: Path) -> None:
    clock = Clock()
    counts = Counts(database_at(file), clock=clock)
    counts.set("pulls", 90, host="docker.io")
    counts.write()
    clock.now -= 3600
    counts.set("pulls", 80, host="docker.io")
    assert counts.read().of("pulls") == {HUB: 80}


def test_values_whose_time_is_over_are_removed(file: Path) -> None:
    clock = Clock()
    counts = Counts(database_at(file), clock=clock)
    for number in range(3):
        counts.set("pulls", 1, 60, host=f"registry{number}.test")
        counts.write()
        clock.now += 61
    with database_at(file).read() as connection:
        assert len(connection.execute(select(GAUGES)).all()) == 1


def test_nothing_counted_is_no_transaction(file: Path) -> None:
    counts_at(file).write()
    assert not file.exists()
