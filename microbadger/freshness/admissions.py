"""Tracks public images that readers ask for, on the registries that the operator opened, within limits.

Anybody can ask for any name. So only so many new images are tracked in an hour, and each network of clients has a
share of them. A name that its registry does not have is dropped and remembered for a day. There are so many such images
in all: the least recently requested go first, and so do those that nobody has requested for long or that could not be
read for a day. All processes share the limits through the database.
"""

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, bindparam, exists, func, or_, select

from microbadger.freshness.checks import Checks
from microbadger.freshness.last_check import Check
from microbadger.freshness.sightings import note_tracked
from microbadger.freshness.stored_images import TrackedImage, remove_requested, store
from microbadger.freshness.tracked_images import TrackedImages
from microbadger.image import DOCKER_HUB, Repository, kept_repositories
from microbadger.logs import EventLog
from microbadger.site import has_own_paths
from microbadger.store import (
    ADMISSIONS,
    CHECKS,
    CLIENT_NETWORKS,
    LEASES,
    TRACKED_IMAGES,
    Counts,
    Database,
    upsert,
    write_value,
)

log = EventLog(__name__)

_HOUR = timedelta(hours=1).total_seconds()
_REMEMBERED_SECONDS = timedelta(days=1).total_seconds()
_UNREQUESTED_SECONDS = timedelta(days=90).total_seconds()
_SHARES = 3
"""A network of clients may add a third of the new images at once, and as many again within an hour."""
_MOST_DROPPED_AT_ONCE = 100
_PAGE = 10_000
_ADMITTING = "admitting"
IMAGE_LEASE = "image:"
"""What the names of leases begin with under which images are checked."""

_KNOWN = select(ADMISSIONS).where(ADMISSIONS.c.image == bindparam("which"))
_LATELY = (
    select(ADMISSIONS.c.admitted_at)
    .where(ADMISSIONS.c.admitted_at > bindparam("since"), ADMISSIONS.c.admitted_at <= bindparam("now"))
    .order_by(ADMISSIONS.c.admitted_at.desc())
    .offset(bindparam("newer"))
    .limit(1)
)
_USED_UNTIL = select(CLIENT_NETWORKS.c.used_until).where(CLIENT_NETWORKS.c.network == bindparam("which"))
_ON_REQUEST = TRACKED_IMAGES.c.requested_at.is_not(None)
_COUNT = select(func.count()).select_from(TRACKED_IMAGES).where(_ON_REQUEST)
_LEAST_RECENT = (
    select(TRACKED_IMAGES.c.image)
    .where(_ON_REQUEST)
    .order_by(TRACKED_IMAGES.c.requested_at)
    .limit(bindparam("at_most"))
)
_UNREQUESTED = _LEAST_RECENT.where(TRACKED_IMAGES.c.requested_at < bindparam("since"))
_NEVER_READ = (
    select(TRACKED_IMAGES.c.image)
    .join(ADMISSIONS, ADMISSIONS.c.image == TRACKED_IMAGES.c.image)
    .join(CHECKS, CHECKS.c.image == TRACKED_IMAGES.c.image)
    .where(_ON_REQUEST, ADMISSIONS.c.admitted_at < bindparam("since"), CHECKS.c.succeeded_at.is_(None))
    .limit(bindparam("at_most"))
)
# A time that is further ahead was kept before the clock was set back.
_IS_NEWS = or_(TRACKED_IMAGES.c.requested_at < bindparam("at"), TRACKED_IMAGES.c.requested_at > bindparam("latest"))
_REQUESTED = (
    TRACKED_IMAGES.update()
    .where(TRACKED_IMAGES.c.image == bindparam("which"), _IS_NEWS)
    .values(requested_at=bindparam("at"))
)
_ABSENT = ADMISSIONS.update().where(ADMISSIONS.c.image == bindparam("which")).values(absent_at=bindparam("now"))
_FORGET_ADMISSIONS = ADMISSIONS.delete().where(ADMISSIONS.c.admitted_at < bindparam("since"))
_FORGET_NETWORKS = CLIENT_NETWORKS.delete().where(CLIENT_NETWORKS.c.used_until < bindparam("now"))
_IS_FREE = LEASES.c.holder == ""
_LEASE_OF_CHECK = exists().where(CHECKS.c.image == func.substr(LEASES.c.name, len(IMAGE_LEASE) + 1))  # by its index
_FREE_LEASES = (
    select(LEASES.c.name, _LEASE_OF_CHECK.label("has_check"))
    .where(LEASES.c.name > bindparam("last"), LEASES.c.name.startswith(IMAGE_LEASE, autoescape=True), _IS_FREE)
    .order_by(LEASES.c.name)
    .limit(_PAGE)
)
_FORGET_LEASE = LEASES.delete().where(LEASES.c.name == bindparam("which"), _IS_FREE)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOptions:
    """The registries on which any public image is tracked when a reader asks for it, and how many; none by default."""

    registries: frozenset[str] = frozenset()
    per_hour: int = 120
    most_images: int = 10_000


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether an image is tracked that a reader asks for.

    It ``is_absent`` if its registry did not have it in the last day. ``retry_after_seconds`` is in how many seconds to
    ask again, where no further image is tracked until then.
    """

    is_tracked: bool = False
    is_absent: bool = False
    retry_after_seconds: int = 0

    @property
    def outcome(self) -> str:
        """The word for it in the metrics."""
        return "tracked" if self.is_tracked else "absent" if self.is_absent else "refused"


TRACKED, NOT_TRACKED, ABSENT = Admission(is_tracked=True), Admission(), Admission(is_absent=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Admissions:
    """Decides which images that readers ask for are tracked."""

    options: OpenOptions
    database: Database
    tracked: TrackedImages
    checks: Checks
    counts: Counts
    now: Callable[[], datetime]
    _requested: dict[Repository, float] = field(default_factory=dict, init=False)
    """When the images that this process was asked for were requested last, until that is kept."""
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    @property
    def is_open(self) -> bool:
        """Whether readers can have images tracked."""
        return bool(self.options.registries)

    def of(self, repository: Repository) -> Admission:
        """Return whether an image is tracked, and change nothing. Raises StoreError."""
        return TRACKED if repository in self.tracked else NOT_TRACKED

    def ask_for(self, repository: Repository, network: str) -> Admission:
        """Return whether an image is tracked that a client of a network asks for, after tracking it if it may be.

        Raises StoreError.
        """
        if repository in self.tracked:
            self.note(repository)
            return TRACKED
        if not self._may_exist(repository):
            return NOT_TRACKED
        with self.database.read() as connection:
            known = self._known(connection, repository, network)
        admission = known or self._admit(repository, network)
        self.counts.add("untracked_requests", outcome=admission.outcome)
        return admission

    def note(self, repository: Repository) -> None:
        """Note that a reader asked for a tracked image."""
        if self.is_open:
            with self._lock:
                self._requested[repository] = self.now().timestamp()

    def write_notes(self) -> None:
        """Keep which images were asked for. Raises StoreError."""
        with self._lock:
            noted = dict(self._requested)
            self._requested.clear()
        latest = self.now().timestamp() + _HOUR
        rows = [{"which": str(each), "at": noted[each], "latest": latest} for each in sorted(noted, key=str)]
        if rows:
            with self.database.write() as connection:
                connection.execute(_REQUESTED, rows)

    def drop_unrequested(self) -> None:
        """Track no more what nobody has requested for long, and what could not be read for a day. Raises StoreError.

        What is published of them is removed when the tracked images are next compared with the checks.
        """
        if not self.is_open:
            return
        now = self.now().timestamp()
        with self.database.read() as connection:
            unrequested = _images(connection, _UNREQUESTED, now - _UNREQUESTED_SECONDS)
            unread = _images(connection, _NEVER_READ, now - _REMEMBERED_SECONDS)
        if gone := kept_repositories({*unrequested, *unread}):
            with self.database.write() as connection:
                remove_requested(connection, gone)
            log.info("dropped", unrequested=len(unrequested), never_read=len(unread))

    def drop_absent(self, connection: Connection, repository: Repository) -> None:
        """Track an image no more that its registry does not have, and remember that."""
        remove_requested(connection, [repository])
        connection.execute(_ABSENT, {"which": str(repository), "now": self.now().timestamp()})

    def clean(self) -> None:
        """Forget what was asked for days ago. Raises StoreError."""
        now = self.now().timestamp()
        with self.database.write() as connection:
            connection.execute(_FORGET_ADMISSIONS, {"since": now - 2 * _REMEMBERED_SECONDS})
            connection.execute(_FORGET_NETWORKS, {"now": now})
        if self.is_open:
            self._forget_leases()

    def _may_exist(self, repository: Repository) -> bool:
        """Return whether a registry is open and can have an image of this name."""
        is_odd = repository.registry == DOCKER_HUB and repository.path.count("/") != 1
        return repository.registry in self.options.registries and not is_odd and has_own_paths(repository)

    def _forget_leases(self) -> None:
        """Forget the leases of images that have no check, a page at a time."""
        last = ""
        while True:
            with self.database.read() as connection:
                rows = connection.execute(_FREE_LEASES, {"last": last}).all()
            if not rows:
                return
            last = rows[-1].name
            if gone := [{"which": row.name} for row in rows if not row.has_check]:
                with self.database.write() as connection:
                    connection.execute(_FORGET_LEASE, gone)

    def _admit(self, repository: Repository, network: str) -> Admission:
        self.write_notes()  # not below: two transactions in PostgreSQL could wait for each other's rows
        now = self.now()
        with self.database.write() as connection:
            write_value(connection, _ADMITTING, repository.registry)  # other processes wait here for this one
            if known := self._known(connection, repository, network):
                return known
            self._make_room(connection)
            store(connection, TrackedImage(repository), now.timestamp())
            self.checks.write(connection, repository, Check(due_at=now))
            note_tracked(connection, [repository], now)
            row = {"image": str(repository), "admitted_at": now.timestamp(), "absent_at": None}
            upsert(connection, ADMISSIONS, row, update=("admitted_at", "absent_at"))
            used = {"network": network, "used_until": self._used_until(connection, network, now.timestamp())}
            upsert(connection, CLIENT_NETWORKS, used, update=("used_until",))
        log.info("tracked_on_request", image=repository.familiar)
        return TRACKED

    def _known(self, connection: Connection, repository: Repository, network: str) -> Admission | None:
        """Return whether an image was tracked meanwhile, or why it is not tracked now; None if it can be."""
        if self.tracked.read(connection, repository):
            return TRACKED
        return self._refusal(connection, repository, network)

    def _refusal(self, connection: Connection, repository: Repository, network: str) -> Admission | None:
        """Return why an image is not tracked now; None if it can be.

        One that was dropped is not tracked again within the hour: each would be counted only once.
        """
        now = self.now().timestamp()
        known = connection.execute(_KNOWN, {"which": str(repository)}).one_or_none()
        if known and known.absent_at is not None and now - _REMEMBERED_SECONDS < known.absent_at <= now:
            return ABSENT
        asked_again_at = known.admitted_at + _HOUR if known and known.admitted_at <= now else 0.0
        given = {"since": now - _HOUR, "now": now, "newer": self.options.per_hour - 1}
        oldest: float | None = connection.execute(_LATELY, given).scalar()
        allowed_at = oldest + _HOUR if oldest else 0.0
        free_at = max(asked_again_at, allowed_at, self._used_until(connection, network, now) - _HOUR)
        seconds = math.ceil(round(free_at - now, 3))  # times this large are exact to less than a microsecond
        return Admission(retry_after_seconds=seconds) if seconds > 0 else None

    def _used_until(self, connection: Connection, network: str, now: float) -> float:
        """Return up to when a network will have used its share if it adds one more image: a token bucket.

        What it may add at once is an hour's share. A time that is further ahead was kept before the clock was set back.
        """
        share = max(1, self.options.per_hour // _SHARES)
        used: float = connection.execute(_USED_UNTIL, {"which": network}).scalar_one_or_none() or now
        is_kept_later = used > now + _HOUR + 1
        return (now if is_kept_later else max(used, now)) + _HOUR / share

    def _make_room(self, connection: Connection) -> None:
        """Track the least recently requested images no more, if there would be too many."""
        surplus = connection.execute(_COUNT).scalar_one() - self.options.most_images + 1
        if surplus > 0:
            given = {"at_most": min(surplus, _MOST_DROPPED_AT_ONCE)}
            gone = kept_repositories(connection.execute(_LEAST_RECENT, given).scalars())
            remove_requested(connection, gone)
            log.info("dropped", least_recent=len(gone))


def _images(connection: Connection, query: Select[Any], since: float) -> Sequence[str]:
    return connection.execute(query, {"since": since, "at_most": _MOST_DROPPED_AT_ONCE}).scalars().all()
