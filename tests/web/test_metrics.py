"""Counts over several processes, and how they are written for Prometheus."""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from microbadger.web.metrics import Counts, Labels, Metric, exposition

COUNT_AND_DIE = """
import os, signal, sys
from pathlib import Path
from microbadger.web.metrics import Counts
counts = Counts(Path(sys.argv[1]))
for _ in range(3):
    counts.add("webhooks", sender="zot")
counts.read()
os.kill(os.getpid(), signal.SIGKILL)
"""
ZOT = (("sender", "zot"),)
HUB = (("host", "docker.io"),)


class Clock:
    """A clock that is set by hand."""

    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def die_counting(folder: Path) -> None:
    subprocess.run([sys.executable, "-c", COUNT_AND_DIE, str(folder)], timeout=30, check=False)


def samples(metrics: Iterable[Metric]) -> dict[tuple[str, Labels], float]:
    """Return what Prometheus' own parser reads."""
    families = text_string_to_metric_families(exposition(metrics).decode())
    found = (sample for family in families for sample in family.samples)
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for sample in found}


def test_what_several_processes_counted_is_added_up(tmp_path: Path) -> None:
    here, there = Counts(tmp_path), Counts(tmp_path)
    here.add("webhooks", sender="zot")
    there.add("webhooks", sender="zot")
    there.add("webhooks", 0.5, sender="quay")
    there.write()

    assert here.read().totals("webhooks") == {ZOT: 2, (("sender", "quay"),): 0.5}


def test_no_process_tells_less_than_another_has_told(tmp_path: Path) -> None:
    here, there = Counts(tmp_path), Counts(tmp_path)
    told = []
    for asked in (here, there) * 3:
        asked.add("webhooks", sender="zot")
        told.append(asked.read().totals("webhooks")[ZOT])

    assert told == [1, 2, 3, 4, 5, 6]


def test_what_a_process_that_died_has_told_is_kept(tmp_path: Path) -> None:
    counts = Counts(tmp_path)
    for _ in range(2):
        die_counting(tmp_path)

    before = counts.read().totals("webhooks")
    counts.bury_the_dead()

    assert (before, counts.read().totals("webhooks")) == ({ZOT: 6}, {ZOT: 6})
    assert len([*tmp_path.glob("*.json")]) == 2  # its own, and the one for the dead


def test_the_living_are_not_buried(tmp_path: Path) -> None:
    alive = Counts(tmp_path)
    alive.add("webhooks", sender="zot")
    alive.write()

    Counts(tmp_path).bury_the_dead()

    assert not (tmp_path / "dead.json").exists()


def test_on_a_disk_that_takes_nothing_it_tells_what_was_written(tmp_path: Path) -> None:
    counts = Counts(tmp_path)
    counts.add("webhooks", sender="zot")
    counts.write()
    counts.add("webhooks", sender="zot")
    own = next(tmp_path.glob("*.json"))
    written = own.read_bytes()
    own.unlink()
    own.mkdir()  # which no file can replace
    (tmp_path / "other.json").write_bytes(written)

    assert counts.read().totals("webhooks") == {ZOT: 1}


def test_of_what_several_processes_were_told_the_latest_counts(tmp_path: Path) -> None:
    clock = Clock()
    here, there = Counts(tmp_path, clock=clock), Counts(tmp_path, clock=clock)
    there.tell("pulls", 90, host="docker.io")
    clock.now += 1
    here.tell("pulls", 80, host="docker.io")
    there.write()

    assert here.read().latest("pulls") == there.read().latest("pulls") == {HUB: 80}


@pytest.mark.parametrize("passed_seconds", [60, 61, -1])
def test_what_was_told_for_another_time_is_not_told(tmp_path: Path, passed_seconds: float) -> None:
    clock = Clock()
    counts = Counts(tmp_path, clock=clock)
    counts.tell("pulls", 90, 60, host="docker.io")
    clock.now += passed_seconds

    assert counts.read().latest("pulls") == {}


def test_what_an_older_version_wrote_is_counted(tmp_path: Path) -> None:
    (tmp_path / "dead.json").write_text('[["webhooks", [["sender", "zot"]], 3]]')

    assert Counts(tmp_path).read().totals("webhooks") == {ZOT: 3}


@pytest.mark.parametrize(
    "damage",
    [
        b'[["ma\xc3\xb1ana", [], 1]]',
        b"",
        b"{",
        b"[3]",
        b"5",
        b'[["a", [["b"]], 1]]',
        b'[["a", [["b", 1]], 1]]',
        b'[["a", [["b\\n", "c"]], 1]]',
        b'[[["a"], [], 1]]',
        b'[["a", [], 1e999]]',
        b'[["a", [], NaN]]',
        b'[["a", [], "1"]]',
        b'[["a", [], 1' + 400 * b"0" + b"]]",
        b'[["a", [], 1, 2]]',
        b'[["a", [], 1, 2, []]]',
        b"[" * 100_000,
        b"\xff",
    ],
    ids=lambda damage: damage[:30],
)
def test_a_damaged_file_counts_nothing(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "damaged.json").write_bytes(damage)
    counts = Counts(tmp_path)
    counts.add("webhooks", sender="zot")

    record = counts.read()

    assert (dict(record.counts), record.told) == ({("webhooks", ZOT): 1}, {})


def test_labels_cannot_break_a_line() -> None:
    metric = Metric("m_total", "counter", "What it is.", {(("host", 'größe"\n\\'),): 2})

    assert exposition([metric]).decode().splitlines() == [
        "# HELP m_total What it is.",
        "# TYPE m_total counter",
        'm_total{host="größe\\"\\n\\\\"} 2',
    ]


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.integers(0, 2**53) | st.floats(0, 1e15)))
def test_prometheus_reads_what_is_written_to_the_digit(values: dict[str, float]) -> None:
    metric = Metric("m_total", "counter", "What it is.", {(("host", host),): value for host, value in values.items()})

    assert samples([metric]) == {("m_total", (("host", host),)): value for host, value in values.items()}


def test_a_summary_has_a_sum_and_a_count() -> None:
    metric = Metric("m_seconds", "summary", "How long.", {}, {"_sum": {(): 1.25}, "_count": {(): 3}})

    assert samples([metric]) == {("m_seconds_sum", ()): 1.25, ("m_seconds_count", ()): 3}
