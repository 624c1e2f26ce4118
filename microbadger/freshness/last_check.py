"""How the last check of an image went, and what the state of the image is after it."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, get_args

from sqlalchemy import Row

from microbadger.freshness.requests import CheckRequest
from microbadger.image import (
    Reason,
    Repository,
    State,
    StatusDocument,
    format_time,
    has_shape,
    image_name,
    is_tag,
    parse_kept,
)
from microbadger.store import END_OF_TIME

AT_ONCE = 0.0
"""What the table says of a check that is due at once."""
OVERDUE_AFTER = timedelta(minutes=10)
_CONFIRMS_AFTER = timedelta(seconds=30)
_MOST_PUSHED = 10
_MOST_VIEWED = 20


@dataclass(frozen=True, slots=True)
class Check:
    """How the last check of an image went; None for what never happened.

    ``due_at`` is None where the next check is due at once. ``reason`` and ``error`` say why the last check failed.
    ``note`` is a sentence about what the last check could not read, though it succeeded. ``edition`` names the service
    that made the published files. ``pushed`` are the tags that were pushed last, the newest first; ``viewed`` are tags
    that somebody viewed a badge of, with when; ``absent`` are kept tags that the registry neither lists nor sends,
    though without a code of its own, with when that was found first.
    """

    began_at: datetime | None = None
    ended_at: datetime | None = None
    succeeded_at: datetime | None = None
    failing_since: datetime | None = None
    due_at: datetime | None = None
    failures: int = 0
    reason: Reason | None = None
    error: str | None = None
    note: str | None = None
    edition: str = ""
    pushed: tuple[str, ...] = ()
    viewed: Mapping[str, float] = field(default_factory=dict)
    absent: Mapping[str, float] = field(default_factory=dict)

    @property
    def beside(self) -> frozenset[str]:
        """The tags that are kept beside the limit."""
        return frozenset({*self.pushed, *self.viewed})

    def answers(self, asked_at: datetime) -> bool:
        """Return whether a check that began no earlier than this has ended."""
        return bool(self.began_at and self.ended_at and asked_at <= self.began_at <= self.ended_at)

    @property
    def was_absent(self) -> bool:
        """Whether the check before this one did not find the image, and long enough ago for this one to confirm it."""
        return self.reason == "not_found" and self._may_confirm(self.ended_at)

    @property
    def absent_tags(self) -> dict[str, bool]:
        """The tags that an earlier check did not find, each with whether this one may confirm it."""
        return {tag: self._may_confirm(moment_of(at)) for tag, at in self.absent.items()}

    def _may_confirm(self, first: datetime | None) -> bool:
        """Return whether this check began long enough after a time, or before it as the clock was set back."""
        return bool(first and self.began_at and abs(self.began_at - first) >= _CONFIRMS_AFTER)

    @property
    def is_not_found(self) -> bool:
        """Whether the registry does not have the image; many registries then answer that access is denied."""
        return self.reason in ("not_found", "denied")

    def state(self, now: datetime) -> State:
        """Return the state of the image, in a word."""
        if self.reason:
            return "failing"
        if self.succeeded_at is None:
            return "pending"
        is_overdue = self.due_at is not None and self.due_at + OVERDUE_AFTER < now
        return "overdue" if is_overdue else "current"

    def status(self, repository: Repository, now: datetime) -> StatusDocument:
        """Return the document of the image's state."""
        document = StatusDocument(ImageName=image_name(repository), State=self.state(now))
        if self.ended_at:
            document["CheckedAt"] = format_time(self.ended_at)
        if self.due_at:
            document["NextCheckAt"] = format_time(self.due_at)
        if self.reason:
            document["Reason"], document["Error"] = self.reason, self.error or ""
            document["FailingSince"] = format_time(self.failing_since or now)
        elif self.note:
            document["Note"] = self.note
        return document


def with_named(check: Check, requests: Iterable[CheckRequest], now: datetime) -> Check:
    """Return a check whose image has the tags of these requests pushed or viewed, too.

    The last ten that were pushed are kept, and the last twenty that were viewed.
    """
    named = [(request.tag, request.is_view) for request in requests if request.tag]
    pushed = sorted(tag for tag, is_view in named if not is_view)
    viewed = dict.fromkeys(sorted(tag for tag, is_view in named if is_view), now.timestamp())
    all_viewed = viewed | {tag: at for tag, at in check.viewed.items() if tag not in viewed}
    return replace(
        check,
        pushed=tuple(dict.fromkeys([*pushed, *check.pushed]))[:_MOST_PUSHED],
        viewed=dict(islice(all_viewed.items(), _MOST_VIEWED)),
    )


def columns_of(check: Check) -> dict[str, object]:
    """Return a check as columns of the table."""
    return {
        "began_at": _seconds(check.began_at),
        "ended_at": _seconds(check.ended_at),
        "succeeded_at": _seconds(check.succeeded_at),
        "failing_since": _seconds(check.failing_since),
        "due_at": AT_ONCE if check.due_at is None else check.due_at.timestamp(),
        "failures": check.failures,
        "reason": check.reason,
        "error": check.error,
        "note": check.note,
        "edition": check.edition,
        "pushed_tags": json.dumps(check.pushed),
        "viewed_tags": json.dumps(check.viewed),
        "absent_tags": json.dumps(check.absent),
    }


def check_of(row: "Row[Any]") -> Check:
    """Return the check that a row of the table is; what is not of its type counts as never set."""
    return Check(
        began_at=moment_of(row.began_at),
        ended_at=moment_of(row.ended_at),
        succeeded_at=moment_of(row.succeeded_at),
        failing_since=moment_of(row.failing_since),
        due_at=moment_of(row.due_at or None),
        failures=row.failures if type(row.failures) is int and row.failures >= 0 else 0,
        reason=row.reason if row.reason in get_args(Reason) else None,
        error=_kept(row.error, str, None),
        note=_kept(row.note, str, None),
        edition=_kept(row.edition, str, ""),
        pushed=tuple(filter(is_tag, parse_kept(row.pushed_tags, list[str]) or [])),
        viewed=_dated_tags(row.viewed_tags),
        absent=_dated_tags(row.absent_tags),
    )


def _dated_tags(text: str | None) -> dict[str, float]:
    return {tag: at for tag, at in (parse_kept(text, dict[str, float]) or {}).items() if is_tag(tag)}


def is_moment(seconds: float) -> bool:
    """Return whether a number of seconds is a time that has a date."""
    return 0 < seconds < END_OF_TIME


def moment_of(seconds: object) -> datetime | None:
    """Return the time that a number of seconds is; None for what is not a time."""
    if not isinstance(seconds, int | float) or not is_moment(seconds):
        return None
    return datetime.fromtimestamp(seconds, UTC)


def _seconds(moment: datetime | None) -> float | None:
    return moment.timestamp() if moment else None


def _kept(value: Any, kind: Any, default: Any) -> Any:
    return value if has_shape(value, kind) else default
