"""Counters and gauges, summed over all processes.

Each process counts in memory, and `Counts.write` adds its counts to the database, so counting costs no transaction. A
process that is killed loses the counts that it has not yet written. A counter in the database never decreases. If
several processes set a gauge, the latest value counts until it expires.
"""

import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any
from weakref import WeakSet

from sqlalchemy import Row, bindparam, or_, select

from microbadger.image import parse_kept
from microbadger.store.database import Database, StoreError
from microbadger.store.tables import COUNTS, GAUGES
from microbadger.store.upserts import excluded, upsert

_PAIR = 2
_LONGEST_SECONDS = 24 * 3600.0

_SUM = {"value": COUNTS.c.value + excluded(COUNTS.c.value)}
_IS_OLDER = or_(GAUGES.c.set_at <= excluded(GAUGES.c.set_at), GAUGES.c.set_at > bindparam("now"))  # a clock set back
_OVER = GAUGES.delete().where(GAUGES.c.holds_until <= bindparam("now"))

CountLabels = tuple[tuple[str, str], ...]
"""Names and values of labels, in the order of the names."""
Key = tuple[str, CountLabels]


@dataclass(frozen=True, slots=True)
class _Gauge:
    value: float
    set_at: float
    holds_until: float


@dataclass(frozen=True, slots=True)
class Totals:
    """The sums of counters over all processes, and the latest values of gauges, by name and labels."""

    counts: Mapping[Key, float]
    gauges: Mapping[Key, float]

    def of(self, name: str) -> dict[CountLabels, float]:
        """Return the values of a counter or gauge by its labels."""
        return {
            labels: value for values in (self.counts, self.gauges) for (n, labels), value in values.items() if n == name
        }


class Counts:
    """The counts of this process, and the sums over all processes that share the database."""

    _counted: dict[Key, float]
    _set: dict[Key, _Gauge]

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock
        self._begin()
        _ALL.add(self)

    def add(self, name: str, amount: float = 1, **labels: str) -> None:
        """Add to a counter."""
        key = name, labels_of(labels)
        with self._lock:
            self._counted[key] = self._counted.get(key, 0) + amount

    def set(self, name: str, value: float, lasting_seconds: float = _LONGEST_SECONDS, **labels: str) -> None:
        """Set a gauge. The value expires after ``lasting_seconds``, unless a process sets the gauge again."""
        now = self._clock()
        with self._lock:
            self._set[name, labels_of(labels)] = _Gauge(value, now, now + lasting_seconds)

    def write(self) -> None:
        """Add to the database what this process has counted and set since the last call. Raises StoreError."""
        with self._writing:
            with self._lock:
                counted, self._counted = self._counted, {}
                gauges, self._set = self._set, {}
            try:
                self._write(counted, gauges)
            except BaseException:
                with self._lock:
                    self._counted = {
                        key: counted.get(key, 0) + self._counted.get(key, 0) for key in {**counted, **self._counted}
                    }
                    self._set = {**gauges, **self._set}
                raise

    def read(self) -> Totals:
        """Return the sums over all processes, including the latest counts of this process if they can be written.

        Raises StoreError if the database cannot be read.
        """
        with suppress(StoreError):  # on a full disk, monitors still need an answer; other calls of `write` report it
            self.write()
        now = self._clock()
        lasts = GAUGES.c.set_at <= now, GAUGES.c.holds_until > now
        with self._database.read() as connection:
            counts = connection.execute(select(COUNTS)).all()
            gauges = connection.execute(select(GAUGES).where(*lasts)).all()
        return Totals(_values_of(counts), _values_of(gauges))

    def _begin(self) -> None:
        """Begin with nothing counted. A forked process does so, because its parent writes its own counts itself."""
        self._lock, self._writing = threading.Lock(), threading.Lock()
        self._counted, self._set = {}, {}

    def _write(self, counted: Mapping[Key, float], gauges: Mapping[Key, _Gauge]) -> None:
        if not counted and not gauges:
            return
        now = self._clock()
        # Sorted, so that two transactions in PostgreSQL lock the same rows in the same order and cannot deadlock.
        sums = [
            {"name": name, "labels": json.dumps(labels), "value": amount}
            for (name, labels), amount in sorted(counted.items())
        ]
        latest = [
            {"name": name, "labels": json.dumps(labels), **asdict(gauge), "now": now}
            for (name, labels), gauge in sorted(gauges.items(), key=lambda item: item[0])
        ]
        with self._database.write() as connection:
            upsert(connection, COUNTS, sums, update=_SUM)
            upsert(connection, GAUGES, latest, update=("value", "set_at", "holds_until"), where=_IS_OLDER)
            connection.execute(_OVER, {"now": now})


_ALL: WeakSet[Counts] = WeakSet()


def _begin_all() -> None:
    for counts in list(_ALL):
        counts._begin()


os.register_at_fork(after_in_child=_begin_all)


def labels_of(labels: Mapping[str, str]) -> CountLabels:
    """Return labels in the order of their names."""
    return tuple(sorted(labels.items()))


def _values_of(rows: Iterable[Row[Any]]) -> dict[Key, float]:
    """Return values by name and labels, without the rows whose labels are damaged."""
    labelled = [(row, parse_kept(row.labels, list[list[str]])) for row in rows]
    return {
        (row.name, tuple((pair[0], pair[1]) for pair in pairs)): row.value
        for row, pairs in labelled
        if pairs is not None and all(len(pair) == _PAIR for pair in pairs)
    }
