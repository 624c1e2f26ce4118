"""Counts the checks of each image that were cut short because the process died: the image may be the cause.

A process can die for many reasons, so the first interrupted check is repeated at once. After that, the pause before
the next check doubles each time, up to six hours, so that one image cannot kill process after process.
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
    """How many checks in a row were cut short, and when to begin the next one, as a Unix time."""

    times: int = 0
    retry_at: float = 0.0

    def holds_back(self, now: datetime) -> bool:
        """Return whether it is too early for a check.

        A time further ahead than the pause is ignored: it was stored before the clock was set back.
        """
        return 0 < self.retry_at - now.timestamp() <= _pause_seconds(self.times)

    @property
    def due_at(self) -> datetime:
        """When to begin the next check."""
        return datetime.fromtimestamp(self.retry_at, UTC)

    def __str__(self) -> str:
        return f"{self.times} checks in a row were cut short, because the process that made them died"


class Interruptions:
    """The interrupted checks of all images."""

    def __init__(self, *, now: Callable[[], datetime]) -> None:
        self._now = now

    def read(self, connection: Connection, repository: Repository) -> Interruption:
        """Return the interruption of an image, which is blank if its last check was not cut short."""
        row = connection.execute(_OF_IMAGE, {"which": str(repository)}).one_or_none()
        is_whole = row is not None and has_shape(row.times, int) and has_shape(row.retry_at, float)
        return Interruption(row.times, row.retry_at) if row and is_whole else Interruption()

    def add(self, connection: Connection, repository: Repository) -> Interruption:
        """Count one more check that was cut short, and return the new interruption of the image."""
        times = self.read(connection, repository).times + 1
        more = Interruption(times, self._now().timestamp() + _pause_seconds(times))
        columns = {"times": more.times, "retry_at": more.retry_at}
        upsert(connection, INTERRUPTED_CHECKS, {"image": str(repository), **columns}, update=list(columns))
        return more

    def forget(self, connection: Connection, repository: Repository) -> None:
        """Delete the count of an image, since a check has ended."""
        connection.execute(_FORGET, {"which": str(repository)})


def _pause_seconds(times: int) -> float:
    if times <= 1:
        return 0.0
    # The pause begins with a few seconds: several restarts in a row need not be the fault of the image.
    return min(_SECOND_PAUSE_SECONDS * 2.0 ** min(times - 2, _MOST_DOUBLINGS), _LONGEST_PAUSE_SECONDS)
