"""Counts what happens, over all processes.

Each process counts in memory and adds what it counted to the database now and then, and whenever somebody asks for the
sums: a request to a registry costs no transaction. What a process counted since it last did so is lost when it is
killed. A counter in the database never goes back. Of a gauge that several processes set, the latest value counts, until
its time is over.
"""

import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from weakref import WeakSet

from sqlalchemy import select

from microbadger.store.database import Database, upsert
from microbadger.store.tables import COUNTS, GAUGES

_LONGEST_HOLDING_SECONDS = 24 * 3600.0

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
    """The sums over all processes, and the latest values of gauges, by name and labels."""

    counts: Mapping[Key, float]
    gauges: Mapping[Key, float]

    def of(self, name: str) -> dict[CountLabels, float]:
        """Return the values of a counter or gauge by label."""
        values = {**self.counts, **self.gauges}
        return {labels: value for (named, labels), value in values.items() if named == name}


class Counts:
    """What this process counts, and the sums over all that share the database."""

    _counted: "Counter[Key]"
    _gauges: dict[Key, "_Gauge"]

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock
        self.forget()
        _ALL.add(self)

    def add(self, name: str, amount: float = 1, **labels: str) -> None:
        """Count one more of these, or so many."""
        with self._lock:
            self._counted[name, labels_of(labels)] += amount  # type: ignore[assignment] # typeshed knows no halves

    def set(self, name: str, value: float, lasting_seconds: float = _LONGEST_HOLDING_SECONDS, **labels: str) -> None:
        """Set a gauge, which holds for so long or until a process sets it again."""
        now = self._clock()
        with self._lock:
            self._gauges[name, labels_of(labels)] = _Gauge(value, now, now + lasting_seconds)

    def write(self) -> None:
        """Add to the database what this process counted and set since it last did so. Raises StoreError."""
        with self._writing:
            with self._lock:
                counted, gauges = self._counted, self._gauges
                self._counted, self._gauges = Counter(), {}
            try:
                self._write(counted, gauges)
            except BaseException:
                with self._lock:
                    self._counted.update(counted)
                    self._gauges = {**gauges, **self._gauges}
                raise

    def read(self) -> Totals:
        """Return the sums of all processes, this one's latest included. Raises StoreError."""
        self.write()
        now = self._clock()
        holds = GAUGES.c.set_at <= now, GAUGES.c.holds_until > now
        with self._database.read() as connection:
            counts = connection.execute(select(COUNTS)).all()
            gauges = connection.execute(select(GAUGES).where(*holds)).all()
        return Totals(
            {(row.name, _labels_in(row.labels)): row.value for row in counts},
            {(row.name, _labels_in(row.labels)): row.value for row in gauges},
        )

    def forget(self) -> None:
        """Count from nothing: what a process was forked from has counted is that one's."""
        self._lock, self._writing = threading.Lock(), threading.Lock()
        self._counted, self._gauges = Counter(), {}

    def _write(self, counted: Mapping[Key, float], gauges: Mapping[Key, "_Gauge"]) -> None:
        if not counted and not gauges:
            return
        with self._database.write() as connection:
            for (name, labels), amount in counted.items():
                row = {"name": name, "labels": json.dumps(labels), "value": amount}
                upsert(connection, COUNTS, row, update={"value": COUNTS.c.value + amount})
            for (name, labels), gauge in gauges.items():
                row = {"name": name, "labels": json.dumps(labels), **asdict(gauge)}
                upsert(connection, GAUGES, row, update=("value", "set_at", "holds_until"))


_ALL: "WeakSet[Counts]" = WeakSet()


def _forget_all() -> None:
    for counts in list(_ALL):
        counts.forget()


os.register_at_fork(after_in_child=_forget_all)


def labels_of(labels: Mapping[str, str]) -> CountLabels:
    """Return labels in the order of their names."""
    return tuple(sorted(labels.items()))


def _labels_in(text: str) -> CountLabels:
    return tuple((name, value) for name, value in json.loads(text))
