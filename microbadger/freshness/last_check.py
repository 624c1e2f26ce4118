"""The result of the last check of an image, and the state of the image that follows from it."""

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
"""The value in the table for a check that is due at once."""
OVERDUE_AFTER = timedelta(minutes=10)
_CONFIRMS_AFTER = timedelta(seconds=30)
_MOST_PUSHED = 10
_MOST_VIEWED = 20


@dataclass(frozen=True, slots=True)
class Check:
    """The result of the last check of an image. Times are None if the event never happened.

    ``due_at`` is None if the next check is due at once. ``reason`` and ``error`` say why the last check failed.
    ``note`` is a sentence about what the last check could not read although it succeeded. ``edition`` is the edition
    that made the public files (see `checks`), empty if it is unknown.

    ``pushed`` are the tags that were pushed last, the newest first. ``viewed`` are the tags whose badges were viewed,
    with the Unix time of the view. ``absent`` are the kept tags that seem to be deleted, with the Unix time at which
    that was first found: the registry neither lists nor sends them, but has not said so in an error code.
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
        """The tags that are kept in addition to the limit, because they were pushed or viewed."""
        return frozenset({*self.pushed, *self.viewed})

    def answers(self, asked_at: datetime) -> bool:
        """Return whether the check began at or after ``asked_at`` and has ended."""
        return bool(self.began_at and self.ended_at and asked_at <= self.began_at <= self.ended_at)

    @property
    def was_absent(self) -> bool:
        """Whether the previous check did not find the image and was long enough ago for this check to confirm that."""
        return self.reason == "not_found" and self._may_confirm(self.ended_at)

    @property
    def absent_tags(self) -> dict[str, bool]:
        """The tags that an earlier check did not find, each with whether this check may confirm that."""
        return {tag: self._may_confirm(moment_of(at)) for tag, at in self.absent.items()}

    def _may_confirm(self, first: datetime | None) -> bool:
        """Return whether this check began at least 30 seconds after a time, or before it if the clock was set back."""
        return bool(first and self.began_at and abs(self.began_at - first) >= _CONFIRMS_AFTER)

    @property
    def is_not_found(self) -> bool:
        """Whether the registry does not have the image.

        That includes denied access, because many registries deny access to a repository that does not exist.
        """
        return self.reason in ("not_found", "denied")

    def state(self, now: datetime) -> State:
        """Return the state of the image, as the status document and the lists show it."""
        if self.reason:
            return "failing"
        if self.succeeded_at is None:
            return "pending"
        is_overdue = self.due_at is not None and self.due_at + OVERDUE_AFTER < now
        return "overdue" if is_overdue else "current"

    def status(self, repository: Repository, now: datetime) -> StatusDocument:
        """Return the status document of the image."""
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
    """Return the check with the tags of these requests added to its pushed or viewed tags.

    Only the last ten pushed tags and the last twenty viewed tags are kept.
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
    """Return a check as the columns of a row of the table."""
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
    """Return the check in a row of the table; a damaged value counts as never set."""
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
    """Return whether a Unix time is positive and within the dates that Python supports."""
    return 0 < seconds < END_OF_TIME


def moment_of(seconds: object) -> datetime | None:
    """Return a Unix time as a datetime in UTC; None if the value is not such a time."""
    if not isinstance(seconds, int | float) or not is_moment(seconds):
        return None
    return datetime.fromtimestamp(seconds, UTC)


def _seconds(moment: datetime | None) -> float | None:
    return moment.timestamp() if moment else None


def _kept(value: Any, kind: Any, default: Any) -> Any:
    return value if has_shape(value, kind) else default
