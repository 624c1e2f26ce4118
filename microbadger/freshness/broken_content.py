"""Remembers content that a registry lacks or sends broken, so that not every check asks for it again.

The content of a digest never changes, but a registry may lack it for a while, for example if a mirror lags behind or a
disk was restored. So the content is asked for again after an hour. The pause grows eightfold with each failure, up to
three days.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from sqlalchemy import Connection, bindparam, select

from microbadger.image import Repository
from microbadger.store import BROKEN_CONTENT, Database, upsert

_FIRST_PAUSE_SECONDS = 3600.0
_LONGEST_PAUSE_SECONDS = 3 * 24 * 3600.0
_MOST_OF_ONE_IMAGE = 5000

_OF_IMAGE = select(BROKEN_CONTENT).where(BROKEN_CONTENT.c.image == bindparam("which"))
_FORGET = BROKEN_CONTENT.delete().where(BROKEN_CONTENT.c.image == bindparam("which"))
_REMOVE = _FORGET.where(BROKEN_CONTENT.c.digest == bindparam("its_digest"))


@dataclass(frozen=True, slots=True)
class Broken:
    """Why content could not be read, how many times it failed, and when to try again, as a Unix time."""

    error: str
    failures: int
    retry_at: float


class BrokenContent:
    """The broken content of all images."""

    def __init__(self, database: Database, *, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    def of(self, repository: Repository) -> dict[str, Broken]:
        """Return the broken content of an image by its digest."""
        with self._database.read() as connection:
            rows = connection.execute(_OF_IMAGE, {"which": str(repository)}).all()
        return {row.digest: Broken(row.error, row.failures, row.retry_at) for row in rows}

    def is_worth_a_try(self, broken: Broken) -> bool:
        """Return whether to ask for content again.

        A time further ahead than the longest pause is ignored: it was stored before the clock was set back.
        """
        return not 0 < broken.retry_at - self._now().timestamp() <= _LONGEST_PAUSE_SECONDS

    def write(
        self, repository: Repository, known: Mapping[str, Broken], failed: Mapping[str, str], mended: Collection[str]
    ) -> None:
        """Store the digests that ``failed``, with the reasons, and delete those that are ``mended``.

        ``known`` is what `of` returned before the check.
        """
        rows = [
            {
                "image": str(repository),
                "digest": digest,
                "error": error,
                "failures": (failures := known[digest].failures + 1 if digest in known else 1),
                "retry_at": self._now().timestamp() + _pause_seconds(failures),
            }
            for digest, error in islice(failed.items(), _MOST_OF_ONE_IMAGE)
        ]
        if not rows and not mended:
            return
        with self._database.write() as connection:
            if len(known) + len(rows) > _MOST_OF_ONE_IMAGE:
                self.forget(connection, repository)
            if mended:
                gone = [{"which": str(repository), "its_digest": digest} for digest in mended]
                connection.execute(_REMOVE, gone)
            if rows:
                upsert(connection, BROKEN_CONTENT, rows, update=("error", "failures", "retry_at"))

    def forget(self, connection: Connection, repository: Repository) -> None:
        """Delete the broken content of an image."""
        connection.execute(_FORGET, {"which": str(repository)})


def _pause_seconds(failures: int) -> float:
    return min(_FIRST_PAUSE_SECONDS * 8.0 ** min(failures - 1, 8), _LONGEST_PAUSE_SECONDS)
