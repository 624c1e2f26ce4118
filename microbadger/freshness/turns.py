"""Gives each image to one worker at a time: a turn begins with the lease and ends with how the image stands after it.

A turn takes the requests that wait when it begins. What is asked for meanwhile leads to another turn.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection

from microbadger.freshness.admissions import IMAGE_LEASE, Admissions
from microbadger.freshness.checks import Checks, mark_lists_stale
from microbadger.freshness.interruptions import Interruption, Interruptions
from microbadger.freshness.last_check import Check, with_named
from microbadger.freshness.private_reads import has_public_record, is_hidden, note_private_read
from microbadger.freshness.records import Records
from microbadger.freshness.requests import CheckRequest, Requests
from microbadger.freshness.stored_images import TrackedImage
from microbadger.freshness.tracked_images import TrackedImages
from microbadger.image import DOCKER_HUB, Changes, Repository
from microbadger.logs import EventLog
from microbadger.store import Database, Lease, Leases

log = EventLog(__name__)

IsWanted = Callable[[Check, Sequence[CheckRequest]], bool]


@dataclass(slots=True)
class Spent:
    """What a check costs its registry."""

    requests: int = 0


@dataclass(frozen=True, slots=True)
class Turn:
    """A check that holds the lease of its image, and what the database said when it began."""

    repository: Repository
    lease: Lease
    image: TrackedImage | None
    check: Check
    requests: list[CheckRequest]
    before: bytes | None
    is_asked_for: bool
    """Whether somebody asked for this check, rather than its time having come."""
    is_hidden: bool
    """Whether the image was private, and is not yet shown to be public."""
    let_go: frozenset[str] = frozenset()
    """The tags that were kept because they were pushed or viewed, and now others are."""
    spent: Spent = field(default_factory=Spent)

    def renew(self) -> None:
        """Keep the lease for the next request. Raises LeaseLost."""
        self.lease.renew()
        self.spent.requests += 1

    @property
    def pushed(self) -> list[str]:
        """The tags that a push named."""
        return [request.tag for request in self.requests if request.tag and not request.is_view]

    @property
    def is_guess(self) -> bool:
        """Whether nobody but a reader has said that there is such an image, and it was never read."""
        return bool(self.image and self.image.is_on_request and self.before is None)

    @property
    def is_of_views(self) -> bool:
        """Whether nothing but views of badges asked for this check."""
        return bool(self.requests) and all(request.is_view for request in self.requests)

    @property
    def is_requested(self) -> bool:
        """Whether the registry itself is asked, whatever Docker Hub's list says."""
        return self.is_asked_for or (bool(self.requests) and not self.is_of_views)

    def late(self, changes: Changes) -> list[CheckRequest]:
        """Return the pushes of which nothing was to be seen yet among the changes that the check found."""
        moved = {*changes.new, *changes.changed, *changes.deleted}
        is_at_docker_hub = self.repository.registry == DOCKER_HUB

        def is_late(request: CheckRequest) -> bool:
            return request.tag not in moved if request.tag else is_at_docker_hub and not changes.has_tags

        return [request for request in self.requests if not request.is_view and is_late(request)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Turns:
    """The turns of all processes."""

    database: Database
    leases: Leases
    tracked: TrackedImages
    checks: Checks
    requests: Requests
    interruptions: Interruptions
    records: Records
    admissions: Admissions

    @contextmanager
    def hold(self, repository: Repository) -> Iterator[Lease]:
        """Keep every check of an image from beginning, after one that is under way. Raises StoreError."""
        with self.leases.hold(_lease_of(repository)) as lease:
            self._count_if_left(lease, repository)
            yield lease

    @contextmanager
    def try_hold(self, repository: Repository) -> Iterator[Lease | None]:
        """Do the same, or yield None if a check is under way. Raises StoreError."""
        with self.leases.try_hold(_lease_of(repository)) as lease:
            if lease:
                self._count_if_left(lease, repository)
            yield lease

    def begin(self, repository: Repository, is_wanted: IsWanted, *, is_asked_for: bool = False) -> Turn | None:
        """Take the lease of an image and read how it stands; None where no check is wanted, or one is under way."""
        with self.database.write() as connection:
            lease = self.leases.take(connection, _lease_of(repository))
            if lease is None:
                return None
            image = self.tracked.read(connection, repository)
            if image and image.private:
                if has_public_record(connection, repository):
                    self.records.hide_values(connection, repository)  # of variables, which may be secrets now
                    self.checks.publishing(connection, repository)
                    mark_lists_stale(connection)  # and so are the changes that the feed of all images has
                note_private_read(connection, repository)
            check = self.checks.read(connection, repository)
            count = self.interruptions.add if lease.was_left else self.interruptions.read
            interruption = count(connection, repository)
            if not is_asked_for and interruption.holds_back(self.checks.now()):
                if image:
                    self._hold_back(connection, repository, check, interruption)
                lease.end(connection)
                return None
            waiting = self.requests.waiting(connection, repository)
            if not is_wanted(check, waiting):
                lease.end(connection)
                return None
            hidden = is_hidden(connection, image)
            self.requests.begin(connection, repository, waiting)
            before = self.records.packed(connection, repository)
        let_go = check.beside
        check = replace(with_named(check, waiting, self.checks.now()), began_at=self.checks.now())
        return Turn(
            repository, lease, image, check, waiting, before, is_asked_for, hidden, let_go=let_go - check.beside
        )

    def end(self, turn: Turn, after: Check, late: Iterable[CheckRequest]) -> bool:
        """Keep how the image stands, forget the requests that this check has answered, and give the lease back.

        Those that are ``late``, of which nothing was to be seen yet, are made again for a while later.

        Return whether a check was asked for since this one began.
        """
        with self.database.write() as connection:
            if not turn.lease.end(connection):
                raise turn.lease.loss
            self.interruptions.forget(connection, turn.repository)
            self.requests.end(connection, turn.repository, turn.requests)
            self.requests.charge(connection, turn.repository, turn.requests, turn.spent.requests)
            self.requests.follow_up(connection, turn.repository, late)
            if turn.is_guess and after.is_not_found and self._is_on_request(connection, turn.repository):
                self.admissions.drop_absent(connection, turn.repository)
                self.forget(connection, turn.repository, is_left=False)
            elif turn.image:
                self.checks.write(connection, turn.repository, after)
            else:
                self.checks.postpone(connection, turn.repository)
            if _listed_state(after) != _listed_state(turn.check):
                mark_lists_stale(connection)
            return bool(self.requests.waiting(connection, turn.repository))

    def forget(self, connection: Connection, repository: Repository, *, is_left: bool) -> None:
        """Forget every check of an image that is no longer tracked, and what was asked for; not that it was private.

        If something of it ``is_left``, its check stays: by that the next round finds the image.
        """
        self.requests.forget(connection, repository)
        self.interruptions.forget(connection, repository)
        if is_left:
            self.checks.postpone(connection, repository)
        else:
            self.checks.forget(connection, repository)

    def _is_on_request(self, connection: Connection, repository: Repository) -> bool:
        """Return whether still nothing but the requests of readers tracks an image."""
        image = self.tracked.read(connection, repository)
        return image is None or image.is_on_request

    def _count_if_left(self, lease: Lease, repository: Repository) -> None:
        """Count a check that was cut short: only the next to take its lease can see that, and need not be a check."""
        if lease.was_left:
            with self.database.write() as connection:
                self.interruptions.add(connection, repository)

    def _hold_back(
        self, connection: Connection, repository: Repository, check: Check, interruption: Interruption
    ) -> None:
        """Have an image whose checks are cut short again and again fail until its next check."""
        if check.due_at != interruption.due_at:
            log.error("check_held_back", image=repository.familiar, times=interruption.times)
            failed = self.checks.failed(check, "local", str(interruption))
            self.checks.write(connection, repository, replace(failed, due_at=interruption.due_at))
            mark_lists_stale(connection)


def _listed_state(check: Check) -> tuple[object, ...]:
    """Return what the lists of all images say of a check."""
    return check.reason, check.succeeded_at is None


def _lease_of(repository: Repository) -> str:
    return f"{IMAGE_LEASE}{repository}"
