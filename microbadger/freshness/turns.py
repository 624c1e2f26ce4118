"""Ensures that only one worker at a time checks an image.

A *turn* is one check of one image by the worker that holds the lease of the image. It answers the requests that are
waiting when it begins. Later requests cause another turn.
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
    """The number of requests that a check has made."""

    requests: int = 0


@dataclass(frozen=True, slots=True)
class Turn:
    """A check that holds the lease of its image, with the state of the database when it began."""

    repository: Repository
    lease: Lease
    image: TrackedImage | None
    check: Check
    requests: list[CheckRequest]
    before: bytes | None
    is_asked_for: bool
    """Whether a caller asked for this check directly, rather than the schedule or a stored request."""
    is_hidden: bool
    """Whether the image was private and has not been read anonymously since."""
    let_go: frozenset[str] = frozenset()
    """The tags that were kept because of a push or a view, and have been displaced by newer ones."""
    spent: Spent = field(default_factory=Spent)

    def renew(self) -> None:
        """Renew the lease, and count a request to the registry. Raises LeaseLost."""
        self.lease.renew()
        self.spent.requests += 1

    @property
    def pushed(self) -> list[str]:
        """The tags that were pushed according to the requests."""
        return [request.tag for request in self.requests if request.tag and not request.is_view]

    @property
    def is_guess(self) -> bool:
        """Whether only readers requested this image, and it was never read, so it may not exist."""
        return bool(self.image and self.image.is_on_request and self.before is None)

    @property
    def is_of_views(self) -> bool:
        """Whether all requests for this check are views of badges."""
        return bool(self.requests) and all(request.is_view for request in self.requests)

    @property
    def is_requested(self) -> bool:
        """Whether to ask the registry itself even if Docker Hub's list of tags shows no change."""
        return self.is_asked_for or (bool(self.requests) and not self.is_of_views)

    def late(self, changes: Changes) -> list[CheckRequest]:
        """Return the requests for pushes that are not among the changes that the check found."""
        moved = {*changes.new, *changes.changed, *changes.deleted}
        is_at_docker_hub = self.repository.registry == DOCKER_HUB

        def is_late(request: CheckRequest) -> bool:
            return request.tag not in moved if request.tag else is_at_docker_hub and not changes.has_tags

        return [request for request in self.requests if not request.is_view and is_late(request)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Turns:
    """Begins and ends the turns of all images."""

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
        """Wait for a running check of an image, and keep others from beginning in this block. Raises StoreError."""
        with self.leases.hold(_lease_of(repository)) as lease:
            self._count_if_left(lease, repository)
            yield lease

    @contextmanager
    def try_hold(self, repository: Repository) -> Iterator[Lease | None]:
        """Do the same as `hold`, but yield None if a check is running. Raises StoreError."""
        with self.leases.try_hold(_lease_of(repository)) as lease:
            if lease:
                self._count_if_left(lease, repository)
            yield lease

    def begin(self, repository: Repository, is_wanted: IsWanted, *, is_asked_for: bool = False) -> Turn | None:
        """Take the lease of an image and return a turn, or None if no check is wanted or another one is running.

        ``is_wanted`` decides from the last check and the waiting requests. An image whose checks were cut short gets
        no turn during its pause, unless ``is_asked_for``.
        """
        with self.database.write() as connection:
            lease = self.leases.take(connection, _lease_of(repository))
            if lease is None:
                return None
            image = self.tracked.read(connection, repository)
            if image and image.private:
                if has_public_record(connection, repository):
                    self.records.hide_values(connection, repository)  # values of variables may be secrets now
                    self.checks.publishing(connection, repository)
                    mark_lists_stale(connection)  # the feed of all images has to be rewritten, too
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
        """Store the new check, delete its requests and release the lease; return whether new requests are waiting.

        ``late`` are requests for pushes that the registry did not show yet. They are stored again for a later check.
        Raises LeaseLost.
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
        """Delete the check and the requests of an untracked image, but keep the note that it was private.

        If some of its files are left (``is_left``), its check stays, so that the next round finds the image.
        """
        self.requests.forget(connection, repository)
        self.interruptions.forget(connection, repository)
        if is_left:
            self.checks.postpone(connection, repository)
        else:
            self.checks.forget(connection, repository)

    def _is_on_request(self, connection: Connection, repository: Repository) -> bool:
        """Return whether an image is untracked, or still tracked only because readers requested it."""
        image = self.tracked.read(connection, repository)
        return image is None or image.is_on_request

    def _count_if_left(self, lease: Lease, repository: Repository) -> None:
        """Count a check that was cut short. Only the next holder of its lease can notice that, whatever its purpose."""
        if lease.was_left:
            with self.database.write() as connection:
                self.interruptions.add(connection, repository)

    def _hold_back(
        self, connection: Connection, repository: Repository, check: Check, interruption: Interruption
    ) -> None:
        """Mark an image as failing until its next check, because its checks are cut short repeatedly."""
        if check.due_at != interruption.due_at:
            log.error("check_held_back", image=repository.familiar, times=interruption.times)
            failed = self.checks.failed(check, "local", str(interruption))
            self.checks.write(connection, repository, replace(failed, due_at=interruption.due_at))
            mark_lists_stale(connection)


def _listed_state(check: Check) -> tuple[object, ...]:
    """Return the facts about a check that the lists of all images show."""
    return check.reason, check.succeeded_at is None


def _lease_of(repository: Repository) -> str:
    return f"{IMAGE_LEASE}{repository}"
