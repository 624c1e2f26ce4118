"""Counts what happens, over all workers, and writes it in Prometheus' text format.

Every process counts in memory and now and then writes what it knows into a file of its own, whose lock it holds while
it lives. Whoever is asked writes its own file too and then adds up the files, so that no sum is ever told that could be
less when another process is asked, or when this one has died: Prometheus takes less for a new start from nothing. What
a process that died had counted is kept in one file for all the dead. Of a value that several processes were told, the
latest counts, until its time is over. https://prometheus.io/docs/instrumenting/exposition_formats/
"""

import json
import math
import os
import re
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from microbadger.store import lock_file, read_if_any, replace_file, try_lock, unlock

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_DEAD = "dead.json"
_LABEL_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})

_NAME = re.compile(r"[a-z][a-z_]*", re.ASCII)
_LONGEST_LASTING_SECONDS = 24 * 3600.0

Labels = tuple[tuple[str, str], ...]
"""Names and values of labels, in the order of the names."""
Key = tuple[str, Labels]


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric as it is written: what it is, and its values by label."""

    name: str
    kind: str
    help: str
    values: Mapping[Labels, float]
    suffixed: Mapping[str, Mapping[Labels, float]] = field(default_factory=dict)
    """Values whose name is the metric's and this suffix, as a summary has a sum and a count."""


@dataclass(frozen=True, slots=True)
class Told:
    """A value, when it was told and until when it holds, as Unix times."""

    value: float
    at: float
    until: float

    def holds(self, now: float) -> bool:
        """Tell whether it holds now; one from the future was told before somebody set the clock."""
        return self.at <= now < self.until


@dataclass(frozen=True, slots=True)
class Record:
    """What was counted and told, by one process or by several."""

    counts: Counter[Key] = field(default_factory=Counter)
    told: dict[Key, Told] = field(default_factory=dict)

    def copy(self) -> "Record":
        return Record(self.counts.copy(), self.told.copy())

    def add(self, other: "Record", now: float) -> None:
        """Add what another record has: counts to counts, and of what was told the latest."""
        self.counts.update(other.counts)
        for key, told in other.told.items():
            if told.holds(now) and (key not in self.told or self.told[key].at < told.at):
                self.told[key] = told

    def totals(self, name: str) -> dict[Labels, float]:
        """Return the values of a counter by label."""
        return {labels: count for (counted, labels), count in self.counts.items() if counted == name}

    def latest(self, name: str) -> dict[Labels, float]:
        """Return the values of a gauge by label."""
        return {labels: told.value for (named, labels), told in self.told.items() if named == name}


class Counts:
    """What one process counts and is told, and the sums over all that share the folder."""

    _alive: int | None

    def __init__(self, folder: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._clock = clock
        self._begin()
        os.register_at_fork(after_in_child=self._begin)

    def add(self, name: str, amount: float = 1, **labels: str) -> None:
        """Count one more of these, or so many."""
        with self._lock:
            self._record.counts[name, labels_of(labels)] += amount  # type: ignore[assignment] # typeshed knows no halves

    def tell(self, name: str, value: float, lasting_seconds: float = _LONGEST_LASTING_SECONDS, **labels: str) -> None:
        """Remember a value, which holds for so long or until a process is told another."""
        now = self._clock()
        with self._lock:
            self._record.told[name, labels_of(labels)] = Told(value, now, now + lasting_seconds)

    def write(self) -> None:
        """Let the other processes see what this one counted and was told."""
        with self._writing:  # else an older record could replace a newer one
            with self._lock:
                record = self._record.copy()
            if self._alive is None:
                self._alive = try_lock(self._file.with_suffix(".lock"))
            replace_file(self._file, _to_json(record))

    def read(self) -> Record:
        """Return what all processes counted, those that died included, and what they were told last."""
        with suppress(OSError):  # what cannot be written, on a full disk, is told later
            self.write()
        everything, now = Record(), self._clock()
        with self._graves():
            for file in self._folder.glob("*.json"):
                everything.add(_from_json(read_if_any(file)), now)
        return everything

    def bury_the_dead(self) -> None:
        """Move the counts of processes that died into the file for all of them."""
        with self._graves():
            for file in set(self._folder.glob("*.json")) - {self._file, self._folder / _DEAD}:
                lock = try_lock(file.with_suffix(".lock"))
                if lock is not None:
                    self._bury(file)
                    unlock(lock)

    def _bury(self, file: Path) -> None:
        dead = Record()
        for each in (self._folder / _DEAD, file):
            dead.add(_from_json(read_if_any(each)), self._clock())
        replace_file(self._folder / _DEAD, _to_json(dead))
        file.unlink(missing_ok=True)
        file.with_suffix(".lock").unlink(missing_ok=True)

    def _graves(self) -> AbstractContextManager[None]:
        return lock_file(self._folder / "graves.lock")

    def _begin(self) -> None:
        """Count from nothing; what a process was forked from has counted is that one's."""
        self._lock, self._writing = threading.Lock(), threading.Lock()
        self._record = Record()
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
        for suffix, values in {"": metric.values, **metric.suffixed}.items():
            name = metric.name + suffix
            lines += [f"{name}{_braced(labels)} {_number(value)}" for labels, value in sorted(values.items())]
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")


def _braced(labels: Labels) -> str:
    pairs = ",".join(f'{name}="{value.translate(_LABEL_ESCAPES)}"' for name, value in labels)
    return f"{{{pairs}}}" if pairs else ""


def _number(value: float) -> str:
    return str(int(value)) if value == math.floor(value) else repr(value)


def _to_json(record: Record) -> bytes:
    counts = [[name, labels, count] for (name, labels), count in record.counts.items()]
    told = [[name, labels, told.value, told.at, told.until] for (name, labels), told in record.told.items()]
    return json.dumps([*counts, *told]).encode()


def _from_json(content: bytes | None) -> Record:
    """Return what was written; nothing from a damaged file, for it can be no harm and no help."""
    record = Record()
    try:
        for name, labels, *numbers in json.loads(content or b"[]"):
            key = _key(name, labels)
            if not all(math.isfinite(number) for number in numbers):
                raise ValueError
            if len(numbers) == 1:
                record.counts[key] += numbers[0]
            else:
                record.told[key] = Told(*numbers)
    except (ValueError, TypeError, OverflowError, RecursionError):
        return Record()
    return record


def _key(name: str, labels: Iterable[tuple[str, str]]) -> Key:
    pairs = tuple((key, value) for key, value in labels)
    if not all(_NAME.fullmatch(text) for text in (name, *(key for key, _ in pairs))):
        raise ValueError
    if not all(isinstance(value, str) for _, value in pairs):
        raise TypeError
    return name, pairs
