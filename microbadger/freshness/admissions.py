"""Tracks the public images that readers ask for, on the registries that the operator opened, within limits.

Anybody can ask for any name, so the number of new images in an hour is limited, and each client network may use only a
share of that number. An image that its registry does not have is dropped, and that is remembered for a day.

The total number of images tracked on request is limited, too. To make room, the least recently requested images are
dropped. Images are also dropped if nobody requests them for 90 days, or if they cannot be read within a day. All
processes share these limits through the database.
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
"""A client network may add a third of an hour's new images at once, and gets this allowance back within an hour."""
_MOST_DROPPED_AT_ONCE = 100
_PAGE = 10_000
_ADMITTING = "admitting"
IMAGE_LEASE = "image:"
"""The prefix of the names of the leases for checks of images."""

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
# A stored time that is later than the latest possible one was written before the clock was set back.
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
_LEASE_OF_CHECK = exists().where(CHECKS.c.image == func.substr(LEASES.c.name, len(IMAGE_LEASE) + 1))  # uses the index
_FREE_LEASES = (
    select(LEASES.c.name, _LEASE_OF_CHECK.label("has_check"))
    .where(LEASES.c.name > bindparam("last"), LEASES.c.name.startswith(IMAGE_LEASE, autoescape=True), _IS_FREE)
    .order_by(LEASES.c.name)
    .limit(_PAGE)
)
_FORGET_LEASE = LEASES.delete().where(LEASES.c.name == bindparam("which"), _IS_FREE)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOptions:
    """The registries whose public images are tracked when readers ask for them, and the limits; none by default."""

    registries: frozenset[str] = frozenset()
    per_hour: int = 120
    most_images: int = 10_000


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether the image that a reader asks for is tracked.

    ``is_absent`` says that the registry did not have the image within the last day. ``retry_after_seconds`` is positive
    if a limit keeps the image from being tracked now; after that time it may be tracked.
    """

    is_tracked: bool = False
    is_absent: bool = False
    retry_after_seconds: int = 0

    @property
    def outcome(self) -> str:
        """The label of this admission in the metrics."""
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
    """When each image was last requested from this process, until `write_notes` writes that to the database."""
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    @property
    def is_open(self) -> bool:
        """Whether readers can have images tracked."""
        return bool(self.options.registries)

    def of(self, repository: Repository) -> Admission:
        """Return whether an image is tracked, without tracking it. Raises StoreError."""
        return TRACKED if repository in self.tracked else NOT_TRACKED

    def ask_for(self, repository: Repository, network: str) -> Admission:
        """Track the image that a client asks for, if the limits allow it, and return whether it is tracked.

        ``network`` is the network of the client. Raises StoreError.
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
        """Remember that a reader asked for a tracked image."""
        if self.is_open:
            with self._lock:
                self._requested[repository] = self.now().timestamp()

    def write_notes(self) -> None:
        """Write to the database which images readers asked for, and when. Raises StoreError."""
        with self._lock:
            noted = dict(self._requested)
            self._requested.clear()
        latest = self.now().timestamp() + _HOUR
        rows = [{"which": str(each), "at": noted[each], "latest": latest} for each in sorted(noted, key=str)]
        if rows:
            with self.database.write() as connection:
                connection.execute(_REQUESTED, rows)

    def drop_unrequested(self) -> None:
        """Stop tracking images that nobody has requested for 90 days or that could not be read within a day.

        Their public files are removed when the tracked images are next compared with the checks. Raises StoreError.
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
        """Stop tracking an image that its registry does not have, and remember for a day that it is absent."""
        remove_requested(connection, [repository])
        connection.execute(_ABSENT, {"which": str(repository), "now": self.now().timestamp()})

    def clean(self) -> None:
        """Delete admissions, client networks and leases that are no longer needed. Raises StoreError."""
        now = self.now().timestamp()
        with self.database.write() as connection:
            connection.execute(_FORGET_ADMISSIONS, {"since": now - 2 * _REMEMBERED_SECONDS})
            connection.execute(_FORGET_NETWORKS, {"now": now})
        if self.is_open:
            self._forget_leases()

    def _may_exist(self, repository: Repository) -> bool:
        """Return whether the registry is open and may have an image of this name."""
        is_odd = repository.registry == DOCKER_HUB and repository.path.count("/") != 1
        return repository.registry in self.options.registries and not is_odd and has_own_paths(repository)

    def _forget_leases(self) -> None:
        """Delete the free leases of images that have no check, a page at a time."""
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
        self.write_notes()  # not within the transaction below: in PostgreSQL, two of these could deadlock
        now = self.now()
        with self.database.write() as connection:
            write_value(connection, _ADMITTING, repository.registry)  # locks the row: other processes wait here
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
        """Return the admission of an image that is tracked by now or must not be; None if it can be tracked."""
        if self.tracked.read(connection, repository):
            return TRACKED
        return self._refusal(connection, repository, network)

    def _refusal(self, connection: Connection, repository: Repository, network: str) -> Admission | None:
        """Return why an image cannot be tracked now; None if it can be.

        A dropped image is not tracked again within an hour, because the hourly limit counts each image only once.
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
        seconds = math.ceil(round(free_at - now, 3))  # without rounding, a float error could add a second
        return Admission(retry_after_seconds=seconds) if seconds > 0 else None

    def _used_until(self, connection: Connection, network: str, now: float) -> float:
        """Return when a network has its full allowance back if it adds one more image now, as a Unix time.

        This is a token bucket that holds the share of one hour. A stored time more than an hour ahead is ignored: it
        was written before the clock was set back.
        """
        share = max(1, self.options.per_hour // _SHARES)
        used: float = connection.execute(_USED_UNTIL, {"which": network}).scalar_one_or_none() or now
        is_kept_later = used > now + _HOUR + 1
        return (now if is_kept_later else max(used, now)) + _HOUR / share

    def _make_room(self, connection: Connection) -> None:
        """Stop tracking the least recently requested images if one more image would exceed the limit."""
        surplus = connection.execute(_COUNT).scalar_one() - self.options.most_images + 1
        if surplus > 0:
            given = {"at_most": min(surplus, _MOST_DROPPED_AT_ONCE)}
            gone = kept_repositories(connection.execute(_LEAST_RECENT, given).scalars())
            remove_requested(connection, gone)
            log.info("dropped", least_recent=len(gone))


def _images(connection: Connection, query: Select[Any], since: float) -> Sequence[str]:
    return connection.execute(query, {"since": since, "at_most": _MOST_DROPPED_AT_ONCE}).scalars().all()
