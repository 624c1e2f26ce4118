"""Counts the checks of an image that began and never ended, because the process died: the image may be what kills it.

A process can die for many reasons, so the first time the check is made again at once. An image whose checks are cut
short again and again is left alone for longer each time, as one whose registry fails.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, bindparam, select

from microbadger.image import Repository, has_shape
from microbadger.store import INTERRUPTED_CHECKS, upsert

_SECOND_PAUSE_SECONDS = 10.0
_LONGEST_PAUSE_SECONDS = 6 * 3600.0
_MOST_DOUBLINGS = 16

_OF_IMAGE = select(INTERRUPTED_CHECKS).where(INTERRUPTED_CHECKS.c.image == bindparam("which"))
_FORGET = INTERRUPTED_CHECKS.delete().where(INTERRUPTED_CHECKS.c.image == bindparam("which"))


@dataclass(frozen=True, slots=True)
class Interruption:
    """How many checks in a row never ended, and when to make the next one, as a Unix time."""

    times: int = 0
    retry_at: float = 0.0

    def holds_back(self, now: datetime) -> bool:
        """Return whether it is too early for a check. A time too far off was kept before the clock was set back."""
        return 0 < self.retry_at - now.timestamp() <= _pause_seconds(self.times)

    @property
    def due_at(self) -> datetime:
        """When to make the next check."""
        return datetime.fromtimestamp(self.retry_at, UTC)

    def __str__(self) -> str:
        return f"{self.times} checks in a row were cut short, because the process that made them died"


class Interruptions:
    """The checks of all images that never ended."""

    def __init__(self, *, now: Callable[[], datetime]) -> None:
        self._now = now

    def read(self, connection: Connection, repository: Repository) -> Interruption:
        """Return how the last checks of an image were cut short."""
        row = connection.execute(_OF_IMAGE, {"which": str(repository)}).one_or_none()
        is_whole = row is not None and has_shape(row.times, int) and has_shape(row.retry_at, float)
        return Interruption(row.times, row.retry_at) if row and is_whole else Interruption()

    def add(self, connection: Connection, repository: Repository) -> Interruption:
        """Count one more check that was cut short, and return how the last ones were."""
        times = self.read(connection, repository).times + 1
        more = Interruption(times, self._now().timestamp() + _pause_seconds(times))
        columns = {"times": more.times, "retry_at": more.retry_at}
        upsert(connection, INTERRUPTED_CHECKS, {"image": str(repository), **columns}, update=list(columns))
        return more

    def forget(self, connection: Connection, repository: Repository) -> None:
        """Forget them, since a check has ended."""
        connection.execute(_FORGET, {"which": str(repository)})


def _pause_seconds(times: int) -> float:
    if times <= 1:
        return 0.0
    # It begins with few seconds: if a process is restarted a few times in a row, that need not be the image's fault.
    return min(_SECOND_PAUSE_SECONDS * 2.0 ** min(times - 2, _MOST_DOUBLINGS), _LONGEST_PAUSE_SECONDS)
