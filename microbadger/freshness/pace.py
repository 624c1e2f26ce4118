"""Says how soon after the last check that was asked for an image may be checked again, however many ask.

Anyone may know a webhook, and each check costs its registry requests. A few checks in a row are a release of several
tags; those who go on asking are answered more slowly, until they leave the image alone for a while.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from microbadger.image import Repository
from microbadger.store import forget_value, read_value, write_value

_SHORTEST_SECONDS = 2.0
_LONGEST_SECONDS = 20.0
_GROWTH = 1.5
_ALIKE = 8  # checks in a row after which pauses begin to grow
_QUIET = timedelta(seconds=30)  # after a pause, until an image counts as left alone


@dataclass(frozen=True, slots=True)
class Pace:
    """How many checks were asked for in a row, and when the last of them began."""

    count: int
    began_at: datetime

    @property
    def may_begin_at(self) -> datetime:
        """When the next check may begin that somebody asks for."""
        seconds = _SHORTEST_SECONDS * _GROWTH ** max(0, min(self.count, 100) - _ALIKE)
        return self.began_at + timedelta(seconds=min(seconds, _LONGEST_SECONDS))

    def is_over(self, now: datetime) -> bool:
        """Return whether the image was left alone since, or the clock was set back."""
        return not self.began_at <= now <= self.may_begin_at + _QUIET


def earliest(connection: Connection, repository: Repository, now: datetime) -> datetime | None:
    """Return when the next check of an image may begin; None if at once."""
    pace = _read(connection, repository, now)
    return pace.may_begin_at if pace and pace.may_begin_at > now else None


def note_check(connection: Connection, repository: Repository, now: datetime) -> None:
    """Note that a check begins that was asked for."""
    pace = _read(connection, repository, now)
    values = [pace.count + 1 if pace else 1, now.isoformat()]
    write_value(connection, _key(repository), json.dumps(values))


def forget(connection: Connection, repository: Repository) -> None:
    """Forget the pace of an image that is tracked no more."""
    forget_value(connection, _key(repository))


def _read(connection: Connection, repository: Repository, now: datetime) -> Pace | None:
    """Return the pace of an image; None if it was left alone, or what is kept is not a pace."""
    try:
        count, began_at = json.loads(read_value(connection, _key(repository)) or "")
        pace = Pace(int(count), datetime.fromisoformat(began_at))
        return None if pace.is_over(now) else pace
    except (ValueError, TypeError, OverflowError):
        return None


def _key(repository: Repository) -> str:
    return f"pace {repository}"
