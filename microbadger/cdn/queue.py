"""Keeps on disk which URLs a CDN has to forget, until it has, and what went wrong when it was asked last.

A batch is one file below ``waiting``, named after the time it was added and how many paths it holds, so that a listing
tells how much there is to do. Any process adds batches, without a lock; only the one that holds the lock of
`microbadger.cdn.purge` takes paths out, except that whoever finds the queue too long may drop whole batches. A process
that dies between two steps leaves a path in two batches at worst, and forgetting it twice does no harm.
"""

import json
import re
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from microbadger.store import read_if_any, replace_file

_BATCH = re.compile(r"([0-9]{17})\.([0-9]{1,6})\.[0-9a-f]{8}", re.ASCII)
_MOST_IN_A_BATCH = 1000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, order=True)
class Batch:
    """Paths that wait since some time; the name of their file tells when that was, and how many they are."""

    name: str

    @property
    def added_at(self) -> datetime:
        return _EPOCH + int(self.name.partition(".")[0]) * _MICROSECOND

    @property
    def count(self) -> int:
        return int(self.name.split(".")[1])


@dataclass(frozen=True, slots=True)
class Trouble:
    """What went wrong when the CDN was asked last, how often in a row, and when it is asked again."""

    error: str
    failures: int
    next_try_at: datetime


class PurgeQueue:
    """The batches below one folder, shared by all processes."""

    def __init__(self, folder: Path) -> None:
        self._waiting = folder / "waiting"
        self._trouble = folder / "trouble.json"

    def add(self, paths: Sequence[str], now: datetime) -> None:
        """Keep paths; on disk when this returns."""
        for start in range(0, len(paths), _MOST_IN_A_BATCH):
            self._write(paths[start : start + _MOST_IN_A_BATCH], now)

    def batches(self) -> list[Batch]:
        """Return the batches that wait, the oldest first."""
        with suppress(FileNotFoundError):
            return sorted(Batch(file.name) for file in self._waiting.iterdir() if _BATCH.fullmatch(file.name))
        return []

    def read(self, batch: Batch) -> list[str] | None:
        """Return the paths of a batch: none where it went away meanwhile, None where it was damaged."""
        content = read_if_any(self._waiting / batch.name)
        try:
            paths = [] if content is None else json.loads(content)
        except ValueError:
            return None
        return paths if isinstance(paths, list) and all(isinstance(path, str) for path in paths) else None

    def keep(self, batch: Batch, paths: Sequence[str]) -> None:
        """Leave only these paths of a batch waiting; it stays as old as it is."""
        self._write(paths, batch.added_at)
        self.drop(batch)

    def drop(self, batch: Batch) -> None:
        """Let a batch wait no longer."""
        (self._waiting / batch.name).unlink(missing_ok=True)

    def trouble(self) -> Trouble | None:
        """Return what went wrong last, or None if the CDN was asked last without."""
        try:
            fields = json.loads(read_if_any(self._trouble) or b"")
            return Trouble(fields["error"], fields["failures"], datetime.fromisoformat(fields["next_try_at"]))
        except (ValueError, KeyError, TypeError):
            return None

    def note(self, trouble: Trouble | None) -> None:
        """Remember what went wrong, or that nothing did."""
        if trouble is None:
            self._trouble.unlink(missing_ok=True)
        else:
            replace_file(self._trouble, json.dumps(asdict(trouble), default=datetime.isoformat).encode())

    def _write(self, paths: Sequence[str], added_at: datetime) -> None:
        added = (added_at - _EPOCH) // _MICROSECOND
        name = f"{added:017}.{len(paths)}.{secrets.token_hex(4)}"
        replace_file(self._waiting / name, json.dumps(paths).encode())
