"""Limits how soon after a requested check the same image may be checked again.

Anybody may call a webhook that they know, and each check sends requests to the registry. A few checks in a row are
normal, for example for a release of several tags. After that, the pauses between checks grow until nobody asks for the
image for a while.

All such repeated checks of images of one registry share a budget of requests, so that a loop over many images cannot
use up what the registry allows. Checks for views of badges of unknown tags have a separate budget, so that they never
delay a push.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypedDict

from sqlalchemy import Connection

from microbadger.image import Repository, parse_kept
from microbadger.store import forget_value, read_value, write_value

_SHORTEST_SECONDS = 2.0
_LONGEST_SECONDS = 20.0
_GROWTH = 1.5
_ALIKE = 8  # checks in a row with the shortest pause, before the pauses begin to grow
_QUIET_SECONDS = 30.0  # without a request after a pause, until the pauses are short again
_NO_HURRY_SECONDS = 10.0  # between two checks of an image, if the second one is to need no budget
_BETWEEN_REPEATS = timedelta(seconds=2)  # between repeated checks of any images of one registry
_A_REQUEST = timedelta(seconds=0.2)  # of the budget for each request of a check: five requests a second
_LONGEST_QUEUE = timedelta(seconds=120)
_BETWEEN_VIEWS = timedelta(seconds=5)
_VIEWS_AT_ONCE = 10


@dataclass(frozen=True, slots=True)
class Pace:
    """How many requested checks an image had in a row, and when the last of them began, as a Unix time."""

    count: int
    began_at: float

    @property
    def may_begin_at(self) -> float:
        """When the next requested check may begin, as a Unix time."""
        seconds = _SHORTEST_SECONDS * _GROWTH ** max(0, min(self.count, 100) - _ALIKE)
        return self.began_at + min(seconds, _LONGEST_SECONDS)

    def is_over(self, now: datetime) -> bool:
        """Return whether nobody has asked for the image for a while since, or the clock was set back."""
        return not self.began_at <= now.timestamp() <= self.may_begin_at + _QUIET_SECONDS


class _Document(TypedDict):
    """A pace as it is stored."""

    Count: int
    BeganAt: float


def earliest(connection: Connection, repository: Repository, now: datetime) -> datetime | None:
    """Return when the next check of an image may begin according to its pace; None if at once and without a budget."""
    pace = _read(connection, repository, now)
    if pace is None or max(pace.may_begin_at, pace.began_at + _NO_HURRY_SECONDS) <= now.timestamp():
        return None
    return max(datetime.fromtimestamp(pace.may_begin_at, UTC), now)


def reserve(connection: Connection, repository: Repository, begins_at: datetime, now: datetime) -> datetime:
    """Return when a check may begin within the budget of its registry, and reserve that time for it.

    The returned time is not before ``begins_at``, but at most two minutes from now.
    """
    key, latest = _repeats_key(repository), now + _LONGEST_QUEUE
    begins_at = min(max(begins_at, _free_at(connection, key, latest) or now), latest)
    write_value(connection, key, (begins_at + _BETWEEN_REPEATS).isoformat())
    return begins_at


def charge(connection: Connection, repository: Repository, requests: int, now: datetime) -> None:
    """Charge the requests of a check to the budget of its registry, beyond what `reserve` takes for each check."""
    costs = _A_REQUEST * requests - _BETWEEN_REPEATS
    if costs > timedelta(0):
        key, latest = _repeats_key(repository), now + _LONGEST_QUEUE
        free_at = max(_free_at(connection, key, latest) or now, now) + costs
        write_value(connection, key, min(free_at, latest).isoformat())


def take_view(connection: Connection, repository: Repository, now: datetime) -> bool:
    """Return whether the budget of a registry allows a check for a view of a badge; if so, charge it."""
    key, at_once = f"views {repository.registry}", _BETWEEN_VIEWS * _VIEWS_AT_ONCE
    used_until = max(_free_at(connection, key, now + at_once) or now, now) + _BETWEEN_VIEWS
    if used_until > now + at_once:
        return False
    write_value(connection, key, used_until.isoformat())
    return True


def note_check(connection: Connection, repository: Repository, now: datetime) -> None:
    """Store that a requested check of an image begins."""
    pace = _read(connection, repository, now)
    document = _Document(Count=pace.count + 1 if pace else 1, BeganAt=now.timestamp())
    write_value(connection, _key(repository), json.dumps(document))


def forget(connection: Connection, repository: Repository) -> None:
    """Delete the pace of an image that is no longer tracked."""
    forget_value(connection, _key(repository))


def _read(connection: Connection, repository: Repository, now: datetime) -> Pace | None:
    """Return the pace of an image; None if it is over, or if the stored value is damaged."""
    document = parse_kept(read_value(connection, _key(repository)), _Document)
    pace = Pace(document["Count"], document["BeganAt"]) if document else None
    return pace if pace and not pace.is_over(now) else None


def _repeats_key(repository: Repository) -> str:
    return f"repeats {repository.registry}"


def _free_at(connection: Connection, key: str, latest: datetime) -> datetime | None:
    """Return when a budget is free again; None if no time is stored, or a time after ``latest``.

    A time after ``latest`` was stored before the clock was set back.
    """
    moment = _moment(read_value(connection, key))
    return moment if moment and moment <= latest else None


def _moment(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def _key(repository: Repository) -> str:
    return f"pace {repository}"
