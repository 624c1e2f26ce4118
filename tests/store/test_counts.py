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
from tests.store.world import Place, Process, database_at, locked

ZOT = (("sender", "zot"),)
HUB = (("host", "docker.io"),)
TIMES = 200


class Clock:
    """A clock that is set by hand."""

    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@cache
def counts_at(place: Place) -> Counts:
    return Counts(database_at(place))


def count(place: Place, times: int = 1) -> None:
    """Count in this process, without adding it to the database."""
    for _ in range(times):
        counts_at(place).add("webhooks", sender="zot")


def total(place: Place) -> float:
    return counts_at(place).read().of("webhooks")[ZOT]


def count_and_write(place: Place, times: int) -> None:
    for _ in range(times):
        count(place)
        counts_at(place).write()


def test_what_several_processes_counted_is_added_up(place: Place, other: Process) -> None:
    count(place)
    other.run(count_and_write, place, 2)
    counts_at(place).add("webhooks", 0.5, sender="quay")
    assert counts_at(place).read().of("webhooks") == {ZOT: 3, (("sender", "quay"),): 0.5}


def test_no_process_reads_less_than_another_has_read(place: Place, other: Process) -> None:
    totals: list[float] = []
    for _ in range(3):
        other.run(count, place)
        totals.append(total(place) if totals else other.run(total, place))
        totals.append(other.run(total, place))
    assert totals == [1, 1, 1, 2, 2, 3]


def test_nothing_is_lost_between_threads_and_processes(place: Place, other: Process) -> None:
    counting = other.start(count_and_write, place, TIMES)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: count_and_write(place, TIMES), range(4)))
    counting.result()
    assert total(place) == 5 * TIMES


def test_what_a_killed_process_has_written_is_kept(place: Place) -> None:
    killed = Process()
    killed.run(count_and_write, place, 3)
    killed.run(count, place)
    killed.kill()
    assert total(place) == 3


def count_as_parent_and_child(place: Place) -> int:
    """Count, and let a child count that was forked before this was written."""
    count(place, 2)
    end = end_of(fork(lambda: count_and_write(place, 1)))
    counts_at(place).write()
    return end


def test_a_child_does_not_count_again_what_its_parent_counted(place: Place, other: Process) -> None:
    assert other.run(count_as_parent_and_child, place) == 0
    assert total(place) == 3


def test_a_counter_without_labels_has_empty_labels(place: Place) -> None:
    counts_at(place).add("starts")
    assert counts_at(place).read().of("starts") == {(): 1}


def test_labels_are_the_same_in_any_order_and_of_any_text(place: Place) -> None:
    counts_at(place).add("requests", host='mañana"\\', status="200")
    counts_at(place).add("requests", status="200", host='mañana"\\')
    assert counts_at(place).read().of("requests") == {(("host", 'mañana"\\'), ("status", "200")): 2}


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


def test_the_latest_of_the_values_that_several_processes_set_counts(place: Place) -> None:
    clock = Clock()
    here, there = (Counts(database_at(place), clock=clock) for _ in range(2))
    there.set("pulls", 90, host="docker.io")
    clock.now += 1
    here.set("pulls", 80, host="docker.io")
    here.write()
    there.write()
    assert here.read().of("pulls") == there.read().of("pulls") == {HUB: 80}


@pytest.mark.parametrize("passed_seconds", [60, 61, -1])
def test_a_value_that_does_not_hold_now_is_not_read(place: Place, passed_seconds: float) -> None:
    clock = Clock()
    counts = Counts(database_at(place), clock=clock)
    counts.set("pulls", 90, 60, host="docker.io")
    clock.now += passed_seconds
    assert counts.read().of("pulls") == {}


def test_a_value_that_was_set_before_the_clock_was_set_back_gives_way(place: Place) -> None:
    clock = Clock()
    counts = Counts(database_at(place), clock=clock)
    counts.set("pulls", 90, host="docker.io")
    counts.write()
    clock.now -= 3600
    counts.set("pulls", 80, host="docker.io")
    assert counts.read().of("pulls") == {HUB: 80}


def test_values_whose_time_is_over_are_removed(place: Place) -> None:
    clock = Clock()
    counts = Counts(database_at(place), clock=clock)
    for number in range(3):
        counts.set("pulls", 1, 60, host=f"registry{number}.test")
        counts.write()
        clock.now += 61
    with database_at(place).read() as connection:
        assert len(connection.execute(select(GAUGES)).all()) == 1


def test_nothing_counted_is_no_transaction(file: Path) -> None:
    counts_at(file).write()
    assert not file.exists()
