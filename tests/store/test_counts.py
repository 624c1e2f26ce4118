"""Counts over several processes: nothing that was added up is lost, and none goes back."""

import subprocess
import sys
from pathlib import Path

import pytest

from microbadger.store.counts import Counts
from microbadger.store.database import Database, StoreError

COUNT_AND_DIE = """
import os, signal, sys
from microbadger.store.counts import Counts
from microbadger.store.database import Database
counts = Counts(Database(sys.argv[1]))
for _ in range(3):
    counts.add("webhooks", sender="zot")
counts.read()
counts.add("webhooks", sender="zot")
os.kill(os.getpid(), signal.SIGKILL)
"""
ZOT = (("sender", "zot"),)
HUB = (("host", "docker.io"),)


class Clock:
    """A clock that is set by hand."""

    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/größe.db"


def test_the_counts_of_several_processes_are_added_up(url: str) -> None:
    here, there = Counts(Database(url)), Counts(Database(url))
    here.add("webhooks", sender="zot")
    there.add("webhooks", sender="zot")
    there.add("webhooks", 0.5, sender="quay")
    there.write()

    assert here.read().of("webhooks") == {ZOT: 2, (("sender", "quay"),): 0.5}


def test_no_process_reads_less_than_another_has_read(url: str) -> None:
    here, there = Counts(Database(url)), Counts(Database(url))
    sums = []
    for process in (here, there) * 3:
        process.add("webhooks", sender="zot")
        sums.append(process.read().of("webhooks")[ZOT])

    assert sums == [1, 2, 3, 4, 5, 6]


def test_of_a_process_that_was_killed_the_counts_that_it_added_are_kept(url: str) -> None:
    counts = Counts(Database(url))
    for _ in range(2):
        subprocess.run([sys.executable, "-c", COUNT_AND_DIE, url], timeout=30, check=False)

    assert counts.read().of("webhooks") == {ZOT: 6}


def test_what_could_not_be_added_is_added_later(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.write_text("not a folder")
    counts = Counts(Database(f"sqlite:///{folder}/microbadger.db"))
    counts.add("webhooks", sender="zot")
    with pytest.raises(StoreError):
        counts.write()
    counts.add("webhooks", sender="zot")
    folder.unlink()

    assert counts.read().of("webhooks") == {ZOT: 2}


def test_while_the_database_takes_nothing_the_sums_in_it_are_read(url: str) -> None:
    database = Database(url, busy_seconds=0.05)
    counts = Counts(database)
    counts.add("webhooks", sender="zot")
    counts.write()
    counts.add("webhooks", sender="zot")

    with Database(url).write():
        during = counts.read().of("webhooks")

    assert (during, counts.read().of("webhooks")) == ({ZOT: 1}, {ZOT: 2})


def test_of_a_gauge_that_several_processes_set_the_latest_value_counts(url: str) -> None:
    clock = Clock()
    here, there = Counts(Database(url), clock=clock), Counts(Database(url), clock=clock)
    there.set("pulls", 90, host="docker.io")
    clock.now += 1
    here.set("pulls", 80, host="docker.io")
    here.write()
    there.write()

    assert here.read().of("pulls") == there.read().of("pulls") == {HUB: 80}


@pytest.mark.parametrize("passed_seconds", [60, 61, -1])
def test_a_gauge_of_another_time_is_not_read(url: str, passed_seconds: float) -> None:
    clock = Clock()
    counts = Counts(Database(url), clock=clock)
    counts.set("pulls", 90, 60, host="docker.io")
    counts.write()
    clock.now += passed_seconds

    assert counts.read().of("pulls") == {}
