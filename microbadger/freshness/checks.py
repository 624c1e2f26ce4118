"""Stores the last check of each image and decides when the next one is due.

An *edition* is a hash of the settings and the code that the public files depend on. Each check stores the edition that
made the files of its image. If it differs from the edition of this service, the files have to be made again.
"""

import random
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import chain, islice
from typing import Any
from uuid import uuid4

from sqlalchemy import (
    ColumnElement,
    Connection,
    Executable,
    Row,
    Select,
    Table,
    and_,
    bindparam,
    exists,
    func,
    or_,
    select,
    union_all,
)

from microbadger.freshness.last_check import AT_ONCE, OVERDUE_AFTER, Check, check_of, columns_of, moment_of
from microbadger.freshness.private_reads import MAY_BE_NAMED
from microbadger.freshness.sightings import note_tracked
from microbadger.image import Reason, Repository, image_name, kept_repositories
from microbadger.store import CHECKS, Database, read_value, upsert, write_value

_FIRST_RETRY = timedelta(minutes=1)
_LAST_RETRY = timedelta(hours=6)
# A check may be early by this fraction of the interval. Images first checked together then spread out over the day.
_SPREAD = 0.1
_VIEWED_FOR = timedelta(days=30)
_MOST_NAMED = 100
_LISTS_VERSION = "lists_version"

_GET = select(CHECKS).where(CHECKS.c.image == bindparam("which"))
_FIRST = select(CHECKS).where(MAY_BE_NAMED).order_by(CHECKS.c.image).limit(_MOST_NAMED)
_FAILING = _FIRST.where(CHECKS.c.reason.is_not(None))
_NOTED = _FIRST.where(CHECKS.c.reason.is_(None), CHECKS.c.note.is_not(None))
_HASTEN = CHECKS.update().where(CHECKS.c.image == bindparam("which")).values(due_at=AT_ONCE)
_MOST_HASTENED = 10_000
_HASTEN_SOUND = _HASTEN.where(CHECKS.c.reason.is_(None))
_PAGE = 10_000
_NAMES_AT_ONCE = 500
_MANY_IMAGES = 10_000
_REST_FACTOR = 30.0
_LONGEST_REST_SECONDS = 10.0
_OF_OTHER_EDITIONS = (
    select(CHECKS.c.image)
    .where(
        CHECKS.c.image > bindparam("last"),
        CHECKS.c.edition != bindparam("edition"),
        CHECKS.c.reason.is_(None),
        CHECKS.c.due_at > AT_ONCE,
    )
    .order_by(CHECKS.c.image)
    .limit(_PAGE)
)
_PUBLISHING = CHECKS.update().where(CHECKS.c.image == bindparam("which")).values(edition="", due_at=AT_ONCE)


def _registries_due() -> Select[tuple[str]]:
    """Return a query for the registries that have a due image; it finds each registry with one step in the index."""
    one = select(func.min(CHECKS.c.registry).label("registry")).cte("registries", recursive=True)
    after = select(func.min(CHECKS.c.registry)).where(CHECKS.c.registry > one.c.registry).scalar_subquery()
    every = one.union_all(select(after).where(one.c.registry.is_not(None)))
    is_due = exists().where(CHECKS.c.registry == every.c.registry, CHECKS.c.due_at <= bindparam("now"))
    return select(every.c.registry).where(every.c.registry.is_not(None), is_due)


_REGISTRIES_DUE = _registries_due()


@dataclass(frozen=True, slots=True)
class Summary:
    """Counts of the images, and the first ones that fail or have a note.

    ``oldest_check`` is when the image that has waited longest was last checked successfully.
    """

    image_count: int
    pending_count: int
    due_count: int
    failing_count: int
    failing: list[tuple[Repository, Check]]
    noted: list[tuple[Repository, Check]]
    oldest_check: datetime | None


class Checks:
    """The last checks of all tracked images, and the rules for when the next ones are due."""

    def __init__(
        self, database: Database, *, interval: timedelta, edition: str, now: Callable[[], datetime]
    ) -> None:
        self.edition = edition
        self.now = now
        self._database = database
        self._interval = interval
        self._summing = threading.Lock()
        self._summary: Summary | None = None
        self._summary_until = 0.0

    def get(self, repository: Repository) -> Check:
        """Return the last check of an image, or a blank `Check` if there was none."""
        with self._database.read() as connection:
            return self.read(connection, repository)

    def read(self, connection: Connection, repository: Repository) -> Check:
        """Return the last check of an image, as `get` does, within a transaction."""
        row = connection.execute(_GET, {"which": str(repository)}).one_or_none()
        return check_of(row) if row else Check()

    def is_of_this_edition(self, check: Check) -> bool:
        """Return whether the public files of an image are the ones that this service would make."""
        return check.edition == self.edition

    def is_due(self, check: Check) -> bool:
        """Return whether the next check is due.

        A check that is further ahead than this service schedules any check is due, too. Then either the clock was set
        back since, or a service with a longer interval scheduled the check.
        """
        longest = self._longest_wait if check.reason else self._interval
        return check.due_at is None or not self.now() < check.due_at <= self.now() + longest

    def due(self) -> Iterator[Repository]:
        """Yield the images that are due, the longest overdue first, with one page at a time in memory.

        Images that become due during the iteration are left out.
        """
        image, due_at = CHECKS.c.image, CHECKS.c.due_at
        is_further = due_at >= bindparam("due"), or_(due_at > bindparam("due"), image > bindparam("last"))
        parts = (select(image, due_at).where(is_due, *is_further) for is_due in self._are_due)
        statement = union_all(*parts).order_by("due_at", "image").limit(_PAGE)
        given: dict[str, object] = {"due": AT_ONCE, "last": ""}
        while rows := self._rows(statement, given):
            yield from kept_repositories(row.image for row in rows)
            given = {"due": rows[-1].due_at, "last": rows[-1].image}

    def registries_due(self) -> list[str]:
        """Return every registry that has a due image."""
        with self._database.read() as connection:
            return [row.registry for row in connection.execute(_REGISTRIES_DUE, {"now": self.now().timestamp()})]

    def hasten_misdated(self) -> None:
        """Make images due now if their next check is further ahead than this service schedules any check."""
        _, is_misdated = self._are_due
        with self._database.read() as connection:
            misdated = connection.execute(select(CHECKS.c.image).where(is_misdated).limit(_MOST_HASTENED)).scalars()
            rows = [{"which": image} for image in sorted(misdated)]
        if rows:
            with self._database.write() as connection:
                connection.execute(_HASTEN, rows)

    def all(self) -> Iterator[tuple[Repository, Check]]:
        """Yield every image with its check, sorted by the full name with the registry."""
        with self._database.read() as connection:
            rows = connection.execute(select(CHECKS).order_by(CHECKS.c.image)).all()
        return iter(_named(rows))

    def repositories(self) -> Iterator[Repository]:
        """Yield every image that was checked or waits for its first check, with one page at a time in memory."""
        return chain.from_iterable(self._pages(CHECKS))

    def pages_without(self, table: Table) -> Iterator[list[Repository]]:
        """Yield pages of the images that have a check but no row in another table."""
        return self._pages(CHECKS, ~exists().where(table.c.image == CHECKS.c.image))

    def pages_unchecked(self, table: Table) -> Iterator[list[Repository]]:
        """Yield pages of the images that have a row in another table but no check."""
        return self._pages(table, ~exists().where(CHECKS.c.image == table.c.image))

    def without_check(self, repositories: Iterable[Repository]) -> Iterator[list[Repository]]:
        """Yield pages of the given images that have no check."""
        rest = iter(repositories)
        while page := list(islice(rest, _NAMES_AT_ONCE)):
            asked = select(CHECKS.c.image).where(CHECKS.c.image.in_(map(str, page)))
            with self._database.read() as connection:
                known = set(connection.execute(asked).scalars())
            yield [repository for repository in page if str(repository) not in known]

    def summary(self) -> Summary:
        """Return the summary of all images; if there are very many, it may be a few seconds old."""
        with self._summing:
            if self._summary is None or time.monotonic() >= self._summary_until:
                began_at = time.monotonic()
                self._summary = self._summarize()
                took_seconds = time.monotonic() - began_at
                rest_seconds = min(_REST_FACTOR * took_seconds, _LONGEST_REST_SECONDS)
                self._summary_until = time.monotonic() + (
                    rest_seconds if self._summary.image_count > _MANY_IMAGES else 0
                )
            return self._summary

    def _summarize(self) -> Summary:
        counts = select(
            func.count(),
            func.count().filter(CHECKS.c.succeeded_at.is_(None), CHECKS.c.reason.is_(None)),
            func.count().filter(or_(*self._are_due)),
            func.count().filter(CHECKS.c.reason.is_not(None)),
            func.min(CHECKS.c.succeeded_at),
        )
        with self._database.read() as connection:
            images, pending, due, failing_count, oldest = connection.execute(counts).one()
            failing, noted = connection.execute(_FAILING).all(), connection.execute(_NOTED).all()
        return Summary(images, pending, due, failing_count, _named(failing), _named(noted), moment_of(oldest))

    def add(self, repositories: Iterable[Repository]) -> None:
        """Have these images checked from now on; new images are due at once."""
        blank, tracked = columns_of(Check()), sorted(repositories, key=str)
        rows = [{**_names_of(repository), **blank} for repository in tracked]
        if rows:
            with self._database.write() as connection:
                if upsert(connection, CHECKS, rows):
                    mark_lists_stale(connection)
                    note_tracked(connection, tracked, self.now())

    def check_all_of_other_editions(self) -> None:
        """Make images due at once if another edition made their files; failing images stay due when they were."""
        last = ""
        while True:
            with self._database.read() as connection:
                given = {"last": last, "edition": self.edition}
                images = connection.execute(_OF_OTHER_EDITIONS, given).scalars().all()
            if not images:
                return
            last = images[-1]
            with self._database.write() as connection:
                connection.execute(_HASTEN_SOUND, [{"which": image} for image in images])

    def _pages(self, table: Table, *conditions: ColumnElement[bool]) -> Iterator[list[Repository]]:
        is_further = table.c.image > bindparam("last")
        statement = select(table.c.image).where(is_further, *conditions).order_by(table.c.image).limit(_PAGE)
        last = ""
        while rows := self._rows(statement, {"last": last}):
            yield kept_repositories(row.image for row in rows)
            last = rows[-1].image

    def _rows(self, statement: Executable, given: Mapping[str, object]) -> "Sequence[Row[Any]]":
        with self._database.read() as connection:
            return connection.execute(statement, given).all()

    def postpone(self, connection: Connection, repository: Repository) -> None:
        """Put off the check of an untracked image for a minute; the image is usually removed by then."""
        due_later = {"due_at": (self.now() + _FIRST_RETRY).timestamp()}
        connection.execute(CHECKS.update().where(CHECKS.c.image == str(repository)).values(due_later))

    def publishing(self, connection: Connection, repository: Repository) -> None:
        """Record that the files of an image are being replaced: until that ends, their edition is unknown."""
        connection.execute(_PUBLISHING, {"which": str(repository)})

    def dated(self, absent: Iterable[str], before: Mapping[str, float]) -> dict[str, float]:
        """Return when each absent tag was first found absent, as a Unix time: as in ``before``, else now."""
        now = self.now().timestamp()
        return {tag: before.get(tag, now) for tag in absent}

    def succeeded(
        self, check: Check, tags: Collection[str], *, note: str | None = None, retry_after: timedelta | None = None
    ) -> Check:
        """Return the check of a whole image after a success that found these tags.

        Pushed and viewed tags that are not among them are dropped. The next check is due after an interval, or up to a
        tenth of it earlier. ``retry_after`` says that a part could not be read but may be readable soon: then the next
        check is due sooner, after a delay that doubles each time and is at least ``retry_after``.
        """
        after = replace(
            self._found(check, tags),
            succeeded_at=self.now(),
            failing_since=None,
            due_at=self.now() + self._interval * random.uniform(1 - _SPREAD, 1),
            failures=0,
            reason=None,
            error=None,
            note=note,
            edition=self.edition,
        )
        return self._soon(check, after, retry_after)

    def succeeded_for_tags(
        self, check: Check, tags: Collection[str], *, retry_after: timedelta | None = None
    ) -> Check:
        """Return the check after a few tags were checked successfully; the state of the image does not change.

        The next whole check stays due when it was, or is due sooner if ``retry_after`` is given, as in `succeeded`.
        """
        return self._soon(check, self._found(check, tags), retry_after)

    def failed(
        self,
        check: Check,
        reason: Reason,
        error: str,
        retry_after: timedelta = timedelta(0),
        first: timedelta = _FIRST_RETRY,
        longest: timedelta = _LAST_RETRY,
    ) -> Check:
        """Return the check after a failure; the next one is due after a delay that doubles with each failure in a row.

        The delay grows from about ``first`` to about ``longest`` or the interval, and is at least ``retry_after``.
        """
        now = self.now()
        return replace(
            check,
            ended_at=now,
            failing_since=check.failing_since or now,
            due_at=now + max(self._backoff(check.failures, first, longest), retry_after),
            failures=check.failures + 1,
            reason=reason,
            error=error,
            note=None,
        )

    def write(self, connection: Connection, repository: Repository, check: Check) -> None:
        """Store the last check of an image."""
        columns = columns_of(check)
        upsert(connection, CHECKS, {**_names_of(repository), **columns}, update=list(columns))

    def lists_version(self, connection: Connection) -> str:
        """Return a string that changes whenever the lists of all images have to be written again.

        Images become overdue merely because time passes, so the string contains the number of overdue images and the
        latest time at which one of them was due.
        """
        due_at, since = CHECKS.c.due_at, (self.now() - OVERDUE_AFTER).timestamp()
        has_succeeded = and_(CHECKS.c.succeeded_at.is_not(None), CHECKS.c.reason.is_(None))
        overdue = select(func.count(), func.max(due_at)).where(due_at > AT_ONCE, due_at < since, has_succeeded)
        count, last = connection.execute(overdue).one()
        return f"{read_value(connection, _LISTS_VERSION)} {count} {last or 0}"

    def begin_anew(self, connection: Connection, repository: Repository) -> None:
        """Have an image checked at once, as if it had never been checked before."""
        self.write(connection, repository, Check())

    def forget(self, connection: Connection, repository: Repository) -> None:
        """Delete the check of an image that is no longer tracked."""
        connection.execute(CHECKS.delete().where(CHECKS.c.image == str(repository)))

    def _found(self, check: Check, tags: Collection[str]) -> Check:
        now = self.now()
        since = (now - _VIEWED_FOR).timestamp()
        return replace(
            check,
            ended_at=now,
            pushed=tuple(tag for tag in check.pushed if tag in tags),
            viewed={tag: at for tag, at in check.viewed.items() if tag in tags and at > since},
        )

    def _soon(self, before: Check, after: Check, retry_after: timedelta | None) -> Check:
        if retry_after is None:
            return after
        soon = self.now() + max(self._backoff(before.failures, _FIRST_RETRY, _LAST_RETRY), retry_after)
        return replace(after, failures=before.failures + 1, due_at=min(soon, after.due_at or soon))

    def _backoff(self, failures: int, first: timedelta, longest: timedelta) -> timedelta:
        pause: timedelta = min(first * 2 ** min(failures, 16), longest, self._interval)
        return pause * random.uniform(0.8, 1.2)

    @property
    def _longest_wait(self) -> timedelta:
        return max(self._interval, 2 * _LAST_RETRY)

    @property
    def _are_due(self) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        """The two conditions of `is_due`; joined by OR, they could not use the index."""
        now = self.now()
        after_success, after_failure = ((now + wait).timestamp() for wait in (self._interval, self._longest_wait))
        return CHECKS.c.due_at <= now.timestamp(), and_(
            CHECKS.c.due_at > after_success, or_(CHECKS.c.reason.is_(None), CHECKS.c.due_at > after_failure)
        )


def check_anew(connection: Connection, repository: Repository) -> None:
    """Have an image checked at once, and all its public files made again."""
    connection.execute(_PUBLISHING, {"which": str(repository)})


def mark_lists_stale(connection: Connection) -> None:
    """Record that the lists of all images have to be written again."""
    # A counter would not do: two concurrent transactions could read the same number and write the same successor.
    write_value(connection, _LISTS_VERSION, uuid4().hex)


def _names_of(repository: Repository) -> dict[str, object]:
    return {"image": str(repository), "name": image_name(repository), "registry": repository.registry}


def _named(rows: "Iterable[Row[Any]]") -> list[tuple[Repository, Check]]:
    return [(repository, check_of(row)) for row in rows for repository in kept_repositories([row.image])]
