"""Counts over several processes, and how they are written for Prometheus."""

import subprocess
import sys
from pathlib import Path

import pytest

from microbadger.metrics import Counts, Metric, exposition

COUNT_AND_DIE = """
import os, signal, sys
from pathlib import Path
from microbadger.metrics import Counts
counts = Counts(Path(sys.argv[1]))
for _ in range(3):
    counts.add("webhooks", sender="zot")
counts.write()
os.kill(os.getpid(), signal.SIGKILL)
"""
ZOT = (("sender", "zot"),)


def die_counting(folder: Path) -> None:
    subprocess.run([sys.executable, "-c", COUNT_AND_DIE, str(folder)], timeout=30, check=False)


def test_what_several_processes_counted_is_added_up(tmp_path: Path) -> None:
    here, there = Counts(tmp_path), Counts(tmp_path)
    here.add("webhooks", sender="zot")
    there.add("webhooks", sender="zot")
    there.add("webhooks", sender="quay")
    there.write()

    assert here.read().totals("webhooks") == {ZOT: 2, (("sender", "quay"),): 1}


def test_what_a_process_that_died_counted_is_kept(tmp_path: Path) -> None:
    counts = Counts(tmp_path)
    for _ in range(2):
        die_counting(tmp_path)

    before = counts.read().totals("webhooks")
    counts.bury_the_dead()

    assert (before, counts.read().totals("webhooks")) == ({ZOT: 6}, {ZOT: 6})
    assert [file.name for file in tmp_path.glob("*.json")] == ["dead.json"]


def test_the_living_are_not_buried(tmp_path: Path) -> None:
    alive = Counts(tmp_path)
    alive.add("webhooks", sender="zot")
    alive.write()

    Counts(tmp_path).bury_the_dead()

    assert not (tmp_path / "dead.json").exists()


@pytest.mark.parametrize("damage", [b"", b"{", b"[3]", b'[["a", [["b"]], 1]]', b"\xff"])
def test_a_damaged_file_counts_nothing(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "damaged.json").write_bytes(damage)
    counts = Counts(tmp_path)
    counts.add("webhooks", sender="zot")

    assert counts.read().totals("webhooks") == {ZOT: 1}


def test_labels_cannot_break_a_line() -> None:
    metric = Metric("m_total", "counter", "What it is.", {(("host", 'größe"\n\\'),): 2})

    assert exposition([metric]).decode().splitlines() == [
        "# HELP m_total What it is.",
        "# TYPE m_total counter",
        'm_total{host="größe\\"\\n\\\\"} 2',
    ]
