"""Remembers how the last look at each image went and when the next is due, across restarts.

One small file per image in ``data/images/<repository>/-/``, of which the last line counts; the lock that lets one
process at a time refresh the image stands beside it.
"""

import json
import random
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from microbadger.image import DOCKER_HUB, Repository
from microbadger.store import append_line, lock_file, read_if_any, remove_file, set_aside, stamp_of, try_lock

_FIRST_RETRY = timedelta(minutes=1)
_LAST_RETRY = timedelta(hours=6)
# A check may come this part of the interval early, so that images first read together drift apart over the day.
_SPREAD = 0.1
_MAX_WANTED = 20
_MAX_BYTES = 4096  # one page of memory: whoever reads sees a line that was added to it whole or not at all
_FOLLOW_UPS_AT_DOCKER_HUB = (timedelta(seconds=30), timedelta(seconds=150))
_FOLLOW_UPS = (timedelta(seconds=1),)  # of a push that a registry announced an instant early


@dataclass(frozen=True, slots=True)
class Check:
    """How the last look at an image went; times are RFC 3339 in UTC, None where it never happened.

    ``error`` is None if the last look succeeded. ``edition`` tells which service made the published files. ``wanted``
    are tags that were asked for, the last one first. ``follow_ups`` counts the looks that follow an announced push of
    which nothing was to be seen, the next one included.
    """

    began_at: datetime | None = None
    ended_at: datetime | None = None
    succeeded_at: datetime | None = None
    due_at: datetime | None = None
    failures: int = 0
    error: str | None = None
    edition: str = ""
    wanted: tuple[str, ...] = ()
    follow_ups: int = 0

    def is_due(self, now: datetime) -> bool:
        """Tell whether the time for the next look has come."""
        return self.due_at is None or self.due_at <= now

    def answers(self, asked_at: datetime) -> bool:
        """Tell whether a look that began no earlier than this has ended."""
        return bool(self.began_at and self.ended_at and asked_at <= self.began_at <= self.ended_at)


class Checks:
    """The checks of all images, kept below ``data/``.

    A service of another ``edition`` would publish other files, so to it every image is due that was last checked by
    another one.
    """

    def __init__(self, data: Path, *, interval: timedelta, edition: str, now: Callable[[], datetime]) -> None:
        self._folder = data / "images"
        self._interval = interval
        self._edition = edition
        self._now = now
        self._unwritten: dict[Repository, tuple[tuple[int, ...] | None, Check]] = {}
        """Failures that could not be written, each beside the stamp of the file that it should have replaced."""
        self._begun: dict[Repository, Check] = {}
        """What is to be written down of the looks at which this process is, when they end."""

    def get(self, repository: Repository) -> Check:
        """Return the last check of an image; a fresh one where there is none, or none that can be read."""
        return self._as_of_now(self._read(repository))

    def is_of_this_edition(self, check: Check) -> bool:
        """Tell whether what is published of an image is what this service published at a check."""
        return check.edition == self._edition

    def began(self, repository: Repository, wanted: Collection[str] = ()) -> Check:
        """Note which tags were asked for, and that a look begins now, which is written down when it ends.

        Return the check with all tags that are wanted. A damaged file is set aside; the caller holds the image's lock.
        """
        known = self._read(repository)
        if known is None:
            set_aside(self._file(repository))
        check = self._as_of_now(known)
        tags = tuple(dict.fromkeys([*sorted(wanted), *check.wanted]))[:_MAX_WANTED]
        if tags != check.wanted:
            check = replace(check, wanted=tags)
            self._write(repository, check)
        self._begun[repository] = replace(check, began_at=self._now())
        return check

    def publishing(self, repository: Repository) -> None:
        """Note that files are replaced: until it is noted that they were, nobody knows what was published."""
        check = replace(self._begun.get(repository) or self.get(repository), edition="")
        self._write(repository, check)
        self._begun[repository] = check

    def published(self, repository: Repository) -> None:
        """Note that all files are those of this service again, which is written down when the look ends."""
        check = self._begun[repository]
        if not self.is_of_this_edition(check):
            self._begun[repository] = replace(check, edition=self._edition)

    def succeeded(self, repository: Repository, tags: Collection[str], *, follow_up: int | None = None) -> None:
        """Note a success, and which tags there are: no other is wanted any longer, unless a look follows up.

        The next look is due an interval from now, or up to a tenth of it earlier; or soon, if it is to follow up (the
        first time is 0; there are two at Docker Hub) what a webhook announced and this look could not see yet.
        """
        now, check = self._now(), self._end(repository)
        delay, follow_ups = self._interval * random.uniform(1 - _SPREAD, 1), 0
        delays = _FOLLOW_UPS_AT_DOCKER_HUB if repository.registry == DOCKER_HUB else _FOLLOW_UPS
        if follow_up is not None and follow_up < len(delays):
            delay, follow_ups = min(delay, delays[follow_up]), follow_up + 1
        succeeded = replace(
            check,
            ended_at=now,
            succeeded_at=now,
            due_at=now + delay,
            failures=0,
            error=None,
            edition=self._edition,
            wanted=tuple(tag for tag in check.wanted if tag in tags or follow_ups),
            follow_ups=follow_ups,
        )
        self._write(repository, succeeded)

    def failed(
        self,
        repository: Repository,
        error: str,
        retry_after: timedelta = timedelta(0),
        longest: timedelta = _LAST_RETRY,
    ) -> None:
        """Note a failure; the next look is due after a delay that doubles with each failure in a row.

        If that cannot be written, this process remembers it, so that a full disk leads to no look after the other.
        """
        check = self._end(repository)
        backoff = min(_FIRST_RETRY * 2 ** min(check.failures, 16), longest, self._interval)
        delay = max(backoff * random.uniform(0.8, 1.2), retry_after)
        now = self._now()
        failed = replace(check, ended_at=now, due_at=now + delay, failures=check.failures + 1, error=error)
        try:
            self._write(repository, failed)
        except OSError:
            self._unwritten[repository] = stamp_of(self._file(repository)), failed

    def forget(self, repository: Repository) -> None:
        """Remove what is remembered of an image; locks stay, for whoever may be waiting for one."""
        self._unwritten.pop(repository, None)
        for file in self._file(repository).parent.glob("checks.jsonl*"):
            remove_file(file, self._folder)

    def lock(self, repository: Repository) -> AbstractContextManager[None]:
        """Wait for, then hold, the right to refresh an image."""
        return lock_file(self._lock(repository))

    def try_lock(self, repository: Repository) -> int | None:
        """Take the right to refresh an image and return what to `unlock`, or None if another has it."""
        return try_lock(self._lock(repository))

    def _end(self, repository: Repository) -> Check:
        return self._begun.pop(repository, None) or self.get(repository)

    def _as_of_now(self, check: Check | None) -> Check:
        if check is None:
            return Check()
        due_at = self._due_at(check)
        return check if due_at == check.due_at else replace(check, due_at=due_at)

    def _due_at(self, check: Check) -> datetime | None:
        """Return when the next look is due, or None for at once.

        A time that this service would not have set, because the clock, the interval or the edition was another one,
        is none.
        """
        now, longest = self._now(), 2 * _LAST_RETRY if check.error else self._interval
        was_ahead = any(moment and moment > now for moment in (check.began_at, check.succeeded_at))
        is_odd = was_ahead or (check.edition != self._edition and not check.error)
        if check.due_at is None or is_odd or check.due_at > now + longest:
            return None
        since = check.ended_at or now
        return min(check.due_at, since + longest)

    def _read(self, repository: Repository) -> Check | None:
        """Return the check as it was noted last, a fresh one where there is none, and None where it is damaged."""
        file = self._file(repository)
        if repository in self._unwritten:
            stamp, check = self._unwritten[repository]
            if stamp == stamp_of(file):
                return check
        content = read_if_any(file)
        try:
            return Check() if content is None else _parse(content)
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
            return None

    def _file(self, repository: Repository) -> Path:
        return self._folder / f"{repository.familiar}/-/checks.jsonl"

    def _lock(self, repository: Repository) -> Path:
        return self._folder / f"{repository.familiar}/-/lock"

    def _write(self, repository: Repository, check: Check) -> None:
        fields = {name: _plain(getattr(check, name)) for name in Check.__slots__}
        append_line(self._file(repository), json.dumps(fields).encode(), _MAX_BYTES)
        self._unwritten.pop(repository, None)


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value


def _parse(content: bytes) -> Check:
    fields = json.loads(content.rpartition(b"\n")[2])
    for key in ("began_at", "ended_at", "succeeded_at", "due_at"):
        fields[key] = _time(fields[key])
    fields["wanted"] = tuple(map(str, fields["wanted"]))
    fields |= {key: int(fields[key]) for key in ("failures", "follow_ups")}
    if not isinstance(fields["error"], str | None) or not isinstance(fields["edition"], str):
        raise TypeError("a text is something else")
    return Check(**fields)


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC) if text else None
