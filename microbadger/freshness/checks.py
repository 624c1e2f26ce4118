"""Keeps the last check of each image, and says when the next one is due.

A service of another *edition* would publish other files, so to it every image is due that another one checked last.
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
# A check may come this part of the interval early, so that images first read together drift apart over the day.
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
    """Return a statement that asks for one registry after the other, and whether something of it is due."""
    one = select(func.min(CHECKS.c.registry).label("registry")).cte("registries", recursive=True)
    after = select(func.min(CHECKS.c.registry)).where(CHECKS.c.registry > one.c.registry).scalar_subquery()
    every = one.union_all(select(after).where(one.c.registry.is_not(None)))
    is_due = exists().where(CHECKS.c.registry == every.c.registry, CHECKS.c.due_at <= bindparam("now"))
    return select(every.c.registry).where(every.c.registry.is_not(None), is_due)


_REGISTRIES_DUE = _registries_due()


@dataclass(frozen=True, slots=True)
class Summary:
    """How many images there are, are pending, are due and fail, and the first of those that fail or have a note."""

    image_count: int
    pending_count: int
    due_count: int
    failing_count: int
    failing: list[tuple[Repository, Check]]
    noted: list[tuple[Repository, Check]]
    oldest_check: datetime | None


class Checks:
    """The checks of all tracked images, and the rules of when the next one is due."""

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
        """Return the last check of an image; a blank one where there was none."""
        with self._database.read() as connection:
            return self.read(connection, repository)

    def read(self, connection: Connection, repository: Repository) -> Check:
        """Return the same within a transaction."""
        row = connection.execute(_GET, {"which": str(repository)}).one_or_none()
        return check_of(row) if row else Check()

    def is_of_this_edition(self, check: Check) -> bool:
        """Return whether what is published of an image is what this service would publish."""
        return check.edition == self.edition

    def is_due(self, check: Check) -> bool:
        """Return whether the time for the next check has come.

        A time further ahead than any that is set here was set before somebody set the clock back, or by a service with
        a longer interval.
        """
        longest = self._longest_wait if check.reason else self._interval
        return check.due_at is None or not self.now() < check.due_at <= self.now() + longest

    def due(self) -> Iterator[Repository]:
        """Yield the images that are due, those first that have waited longest, with a page at a time in memory.

        What becomes due meanwhile is left out.
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
        """Return every registry of which an image is due.

        Each is found by the index, with one step for each registry that there is.
        """
        with self._database.read() as connection:
            return [row.registry for row in connection.execute(_REGISTRIES_DUE, {"now": self.now().timestamp()})]

    def hasten_misdated(self) -> None:
        """Make images due now whose next check is further ahead than this service ever sets it."""
        _, is_misdated = self._are_due
        with self._database.read() as connection:
            misdated = connection.execute(select(CHECKS.c.image).where(is_misdated).limit(_MOST_HASTENED)).scalars()
            rows = [{"which": image} for image in sorted(misdated)]
        if rows:
            with self._database.write() as connection:
                connection.execute(_HASTEN, rows)

    def all(self) -> Iterator[tuple[Repository, Check]]:
        """Yield every image with its check, by its name."""
        with self._database.read() as connection:
            rows = connection.execute(select(CHECKS).order_by(CHECKS.c.image)).all()
        return iter(_named(rows))

    def repositories(self) -> Iterator[Repository]:
        """Yield every image that has a check or waits for its first one, with a page at a time in memory."""
        return chain.from_iterable(self._pages(CHECKS))

    def pages_without(self, table: Table) -> Iterator[list[Repository]]:
        """Yield the images with a check that have no row in another table, a page at a time."""
        return self._pages(CHECKS, ~exists().where(table.c.image == CHECKS.c.image))

    def pages_unchecked(self, table: Table) -> Iterator[list[Repository]]:
        """Yield the images of another table that have no check, a page at a time."""
        return self._pages(table, ~exists().where(CHECKS.c.image == table.c.image))

    def without_check(self, repositories: Iterable[Repository]) -> Iterator[list[Repository]]:
        """Yield those of these images that have no check, a page at a time."""
        rest = iter(repositories)
        while page := list(islice(rest, _NAMES_AT_ONCE)):
            asked = select(CHECKS.c.image).where(CHECKS.c.image.in_(map(str, page)))
            with self._database.read() as connection:
                known = set(connection.execute(asked).scalars())
            yield [repository for repository in page if str(repository) not in known]

    def summary(self) -> Summary:
        """Return how the images stand; where there are very many, how they stood a few seconds ago."""
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
        """Have images checked from now on, those that are new at once."""
        blank, tracked = columns_of(Check()), sorted(repositories, key=str)
        rows = [{**_names_of(repository), **blank} for repository in tracked]
        if rows:
            with self._database.write() as connection:
                if upsert(connection, CHECKS, rows):
                    mark_lists_stale(connection)
                    note_tracked(connection, tracked, self.now())

    def check_all_of_other_editions(self) -> None:
        """Have every image checked at once whose files another service made; those that fail keep their time."""
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
        """Have an image that is no longer tracked found due again only after a while, if it is not removed by then."""
        due_later = {"due_at": (self.now() + _FIRST_RETRY).timestamp()}
        connection.execute(CHECKS.update().where(CHECKS.c.image == str(repository)).values(due_later))

    def publishing(self, connection: Connection, repository: Repository) -> None:
        """Note that files are being replaced: until that is done, nobody knows which edition they are of."""
        connection.execute(_PUBLISHING, {"which": str(repository)})

    def dated(self, absent: Iterable[str], before: Mapping[str, float]) -> dict[str, float]:
        """Return when each of the tags that are absent was first found to be so."""
        now = self.now().timestamp()
        return {tag: before.get(tag, now) for tag in absent}

    def succeeded(
        self, check: Check, tags: Collection[str], *, note: str | None = None, retry_after: timedelta | None = None
    ) -> Check:
        """Return a whole check after a success that found these tags; others need not be kept.

        The next check is due an interval from now, or up to a tenth of it earlier. If something could not be read and
        may be readable soon, it is due after a delay that doubles each time, but not before ``retry_after``.
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
        """Return a check of a few tags after a success: how the image stands is left to the whole checks.

        The next whole one comes at its time, or sooner for the same reason as after a whole one.
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
        """Return a check after a failure; the next is due after a delay that doubles with each failure in a row."""
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
        """Keep how the last check of an image went."""
        columns = columns_of(check)
        upsert(connection, CHECKS, {**_names_of(repository), **columns}, update=list(columns))

    def lists_version(self, connection: Connection) -> str:
        """Return a text that changes whenever the lists of all images have to be written again.

        A check becomes overdue just because time passes. The one that does is due later than all that are overdue.
        """
        due_at, since = CHECKS.c.due_at, (self.now() - OVERDUE_AFTER).timestamp()
        has_succeeded = and_(CHECKS.c.succeeded_at.is_not(None), CHECKS.c.reason.is_(None))
        overdue = select(func.count(), func.max(due_at)).where(due_at > AT_ONCE, due_at < since, has_succeeded)
        count, last = connection.execute(overdue).one()
        return f"{read_value(connection, _LISTS_VERSION)} {count} {last or 0}"

    def begin_anew(self, connection: Connection, repository: Repository) -> None:
        """Have an image checked at once as if it had never been."""
        self.write(connection, repository, Check())

    def forget(self, connection: Connection, repository: Repository) -> None:
        """Forget an image that is tracked no more."""
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
        """Return both conditions of `is_due`, each of which is a range of the index: joined by OR they would not be."""
        now = self.now()
        after_success, after_failure = ((now + wait).timestamp() for wait in (self._interval, self._longest_wait))
        return CHECKS.c.due_at <= now.timestamp(), and_(
            CHECKS.c.due_at > after_success, or_(CHECKS.c.reason.is_(None), CHECKS.c.due_at > after_failure)
        )


def check_anew(connection: Connection, repository: Repository) -> None:
    """Have an image checked at once, and all that is published of it made again."""
    connection.execute(_PUBLISHING, {"which": str(repository)})


def mark_lists_stale(connection: Connection) -> None:
    """Note that the lists of all images say something else now."""
    # Counting would need two transactions at once to wait for each other: both would find the same number.
    write_value(connection, _LISTS_VERSION, uuid4().hex)


def _names_of(repository: Repository) -> dict[str, object]:
    return {"image": str(repository), "name": image_name(repository), "registry": repository.registry}


def _named(rows: "Iterable[Row[Any]]") -> list[tuple[Repository, Check]]:
    return [(repository, check_of(row)) for row in rows for repository in kept_repositories([row.image])]
