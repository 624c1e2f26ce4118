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
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from microbadger.files import lock_file, read_if_any, replace_file, try_lock, unlock

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_DEAD = "dead.json"
_LABEL_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})

Labels = tuple[tuple[str, str], ...]
"""Names and values of labels, in the order of the names."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric as it is written: what it is, and its values by label."""

    name: str
    kind: str
    help: str
    values: Mapping[Labels, float]


class Counts:
    """Counters of one process, and the sums over all that share the folder."""

    _alive: int | None

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._begin()
        os.register_at_fork(after_in_child=self._begin)

    def add(self, name: str, **labels: str) -> None:
        """Count one more of these."""
        with self._lock:
            self._counts[name, labels_of(labels)] += 1

    def write(self) -> None:
        """Let the other processes see what this one counted."""
        with self._lock:
            counts = self._counts.copy()
            if self._alive is None:
                self._alive = try_lock(self._file.with_suffix(".lock"))
        replace_file(self._file, _to_json(counts))

    def totals(self, name: str) -> dict[Labels, float]:
        """Return the sums of a counter over all processes, those that died included."""
        with self._graves(), self._lock:
            totals = self._counts.copy()
            for file in self._folder.glob("*.json"):
                if file != self._file:
                    totals += _from_json(read_if_any(file))
        return {labels: count for (counted, labels), count in totals.items() if counted == name}

    def bury_the_dead(self) -> None:
        """Move the counts of processes that died into the file for all of them."""
        with self._graves():
            for file in set(self._folder.glob("*.json")) - {self._file, self._folder / _DEAD}:
                lock = try_lock(file.with_suffix(".lock"))
                if lock is not None:
                    self._bury(file)
                    unlock(lock)

    def _bury(self, file: Path) -> None:
        dead = _from_json(read_if_any(self._folder / _DEAD)) + _from_json(read_if_any(file))
        replace_file(self._folder / _DEAD, _to_json(dead))
        file.unlink(missing_ok=True)
        file.with_suffix(".lock").unlink(missing_ok=True)

    def _graves(self) -> AbstractContextManager[None]:
        return lock_file(self._folder / "graves.lock")

    def _begin(self) -> None:
        """Count from nothing; what a process was forked from has counted is that one's."""
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, Labels]] = Counter()
        self._file = self._folder / f"{uuid.uuid4().hex}.json"
        self._alive = None


def labels_of(labels: Mapping[str, str]) -> Labels:
    """Return labels in the order of their names."""
    return tuple(sorted(labels.items()))


def exposition(metrics: Iterable[Metric]) -> bytes:
    """Return metrics in Prometheus' text format."""
    lines = []
    for metric in metrics:
        lines += [f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} {metric.kind}"]
        lines += [f"{metric.name}{_braced(labels)} {value:g}" for labels, value in sorted(metric.values.items())]
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")


def _braced(labels: Labels) -> str:
    pairs = ",".join(f'{name}="{value.translate(_LABEL_ESCAPES)}"' for name, value in labels)
    return f"{{{pairs}}}" if pairs else ""


def _to_json(counts: Mapping[tuple[str, Labels], int]) -> bytes:
    return json.dumps([[name, labels, count] for (name, labels), count in counts.items()]).encode()


def _from_json(content: bytes | None) -> Counter[tuple[str, Labels]]:
    """Return counts that were written; none from a damaged file, for they can be no harm and no help."""
    counts: Counter[tuple[str, Labels]] = Counter()
    try:
        for name, labels, count in json.loads(content or b"[]"):
            counts[name, tuple((key, value) for key, value in labels)] += int(count)
    except (ValueError, TypeError, RecursionError):
        return Counter()
    return counts
