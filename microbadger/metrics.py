"""Counts what happens, over all workers, and writes it in Prometheus' text format.

Every process counts in memory and now and then writes its counts into a file of its own, whose lock it holds while it
lives. Whoever is asked adds up the files and what it has in memory; the counts of a process that died are kept in one
file for all the dead. https://prometheus.io/docs/instrumenting/exposition_formats/
"""

import json
import os
import threading
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from microbadger.files import lock_file, read_if_any, replace_file, try_lock, unlock

_DEAD = "dead.json"
_LABEL_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})

Sample = tuple[str, tuple[tuple[str, str], ...]]
"""A metric's name and its labels, in the order of their names."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric as it is written: what it is, and its values by label."""

    name: str
    kind: str
    help: str
    values: Mapping[tuple[tuple[str, str], ...], float]


class Counts:
    """Counters of one process, and the sums of all that share the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._counts: Counter[Sample] = Counter()
        self._held: int | None = None
        self._begin()
        os.register_at_fork(after_in_child=self._begin)

    def add(self, name: str, **labels: str) -> None:
        """Count one more of these."""
        with self._lock:
            self._counts[name, tuple(sorted(labels.items()))] += 1

    def write(self) -> None:
        """Let the other processes see what this one counted."""
        with self._lock:
            counts = dict(self._counts)
            if self._held is None:
                self._held = try_lock(self._file.with_suffix(".lock"))
        replace_file(self._file, _to_json(counts))

    def totals(self) -> Counter[Sample]:
        """Return the sums over all processes, those that died included."""
        with lock_file(self._folder / "dead.lock"):
            totals = _from_json(read_if_any(self._folder / _DEAD))
            for file in self._folder.glob("*.json"):
                if file.name != _DEAD and file != self._file:
                    totals += _from_json(read_if_any(file))
        with self._lock:
            return totals + self._counts

    def bury_the_dead(self) -> None:
        """Move the counts of processes that died into one file."""
        with lock_file(self._folder / "dead.lock"):
            for file in self._folder.glob("*.json"):
                if file.name == _DEAD or file == self._file:
                    continue
                lock = try_lock(file.with_suffix(".lock"))
                if lock is None:
                    continue
                dead = _from_json(read_if_any(self._folder / _DEAD)) + _from_json(read_if_any(file))
                replace_file(self._folder / _DEAD, _to_json(dead))
                file.unlink(missing_ok=True)
                file.with_suffix(".lock").unlink(missing_ok=True)
                unlock(lock)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._counts.clear()
        self._file = self._folder / f"{uuid.uuid4().hex}.json"
        self._held = None


def exposition(metrics: Iterable[Metric]) -> bytes:
    """Return metrics in Prometheus' text format, version 0.0.4."""
    lines = []
    for metric in metrics:
        lines += [f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} {metric.kind}"]
        lines += [f"{metric.name}{_labels(labels)} {value:g}" for labels, value in sorted(metric.values.items())]
    return "".join(f"{line}\n" for line in lines).encode()


def _labels(labels: tuple[tuple[str, str], ...]) -> str:
    pairs = ",".join(f'{name}="{value.translate(_LABEL_ESCAPES)}"' for name, value in labels)
    return f"{{{pairs}}}" if pairs else ""


def _to_json(counts: Mapping[Sample, int]) -> bytes:
    return json.dumps([[name, labels, count] for (name, labels), count in counts.items()]).encode()


def _from_json(content: bytes | None) -> Counter[Sample]:
    counts: Counter[Sample] = Counter()
    try:
        for name, labels, count in json.loads(content or b"[]"):
            counts[name, tuple((key, value) for key, value in labels)] += int(count)
    except (ValueError, TypeError):
        return Counter()  # damaged: what a machine that crashed counted is lost
    return counts
