"""Limits how soon after its last requested check an image may be checked again.

Anyone may know a webhook, and each check costs its registry requests. A few checks in a row are a release of several
tags; those who go on asking are answered more slowly, until they leave the image alone for a while. All who go on with
images of one registry share a budget of requests, so that a loop over many images cannot use up what the registry
allows. Those who view badges of unknown tags share another one: they never hold up a push.
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
_ALIKE = 8  # checks in a row after which pauses begin to grow
_QUIET_SECONDS = 30.0  # after a pause, until an image counts as left alone
_NO_HURRY_SECONDS = 10.0  # between checks of an image that need no budget
_BETWEEN_REPEATS = timedelta(seconds=2)  # of any images of one registry
_A_REQUEST = timedelta(seconds=0.2)  # of a registry, by checks for pushes: five a second, where they go on
_LONGEST_QUEUE = timedelta(seconds=120)
_BETWEEN_VIEWS = timedelta(seconds=5)
_VIEWS_AT_ONCE = 10


@dataclass(frozen=True, slots=True)
class Pace:
    """How many checks were asked for in a row, and when the last of them began, as a Unix time."""

    count: int
    began_at: float

    @property
    def may_begin_at(self) -> float:
        """When the next check that somebody asks for may begin."""
        seconds = _SHORTEST_SECONDS * _GROWTH ** max(0, min(self.count, 100) - _ALIKE)
        return self.began_at + min(seconds, _LONGEST_SECONDS)

    def is_over(self, now: datetime) -> bool:
        """Return whether the image was left alone since, or the clock was set back."""
        return not self.began_at <= now.timestamp() <= self.may_begin_at + _QUIET_SECONDS


class _Document(TypedDict):
    """A pace as it is kept."""

    Count: int
    BeganAt: float


def earliest(connection: Connection, repository: Repository, now: datetime) -> datetime | None:
    """Return when the next check of an image may begin by its own pace; None if at once, without a budget."""
    pace = _read(connection, repository, now)
    if pace is None or max(pace.may_begin_at, pace.began_at + _NO_HURRY_SECONDS) <= now.timestamp():
        return None
    return max(datetime.fromtimestamp(pace.may_begin_at, UTC), now)


def reserve(connection: Connection, repository: Repository, begins_at: datetime, now: datetime) -> datetime:
    """Return when a check may begin within the budget of its registry, and keep others from that moment."""
    key, latest = _repeats_key(repository), now + _LONGEST_QUEUE
    begins_at = min(max(begins_at, _free_at(connection, key, latest) or now), latest)
    write_value(connection, key, (begins_at + _BETWEEN_REPEATS).isoformat())
    return begins_at


def charge(connection: Connection, repository: Repository, requests: int, now: datetime) -> None:
    """Draw what a check costs from the budget of its registry, beyond the time that every repeat takes."""
    costs = _A_REQUEST * requests - _BETWEEN_REPEATS
    if costs > timedelta(0):
        key, latest = _repeats_key(repository), now + _LONGEST_QUEUE
        free_at = max(_free_at(connection, key, latest) or now, now) + costs
        write_value(connection, key, min(free_at, latest).isoformat())


def take_view(connection: Connection, repository: Repository, now: datetime) -> bool:
    """Return whether the budget of a registry allows a check for a view of a badge; if so, draw it from there."""
    key, at_once = f"views {repository.registry}", _BETWEEN_VIEWS * _VIEWS_AT_ONCE
    used_until = max(_free_at(connection, key, now + at_once) or now, now) + _BETWEEN_VIEWS
    if used_until > now + at_once:
        return False
    write_value(connection, key, used_until.isoformat())
    return True


def note_check(connection: Connection, repository: Repository, now: datetime) -> None:
    """Note that a check that was asked for begins."""
    pace = _read(connection, repository, now)
    document = _Document(Count=pace.count + 1 if pace else 1, BeganAt=now.timestamp())
    write_value(connection, _key(repository), json.dumps(document))


def forget(connection: Connection, repository: Repository) -> None:
    """Forget the pace of an image that is no longer tracked."""
    forget_value(connection, _key(repository))


def _read(connection: Connection, repository: Repository, now: datetime) -> Pace | None:
    """Return the pace of an image; None if it was left alone, or what is kept is not a pace."""
    document = parse_kept(read_value(connection, _key(repository)), _Document)
    pace = Pace(document["Count"], document["BeganAt"]) if document else None
    return pace if pace and not pace.is_over(now) else None


def _repeats_key(repository: Repository) -> str:
    return f"repeats {repository.registry}"


def _free_at(connection: Connection, key: str, latest: datetime) -> datetime | None:
    """Return when a budget is free again; None where a later moment was kept, before the clock was set back."""
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
