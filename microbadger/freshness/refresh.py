"""Brings what is published of an image up to date: one check, from the lease to the outcome.

Lease the image, ask what changed, read only what is new, describe, compare with the record, write the files that
differ, keep the record. If the registry fails, the last good files stay, and the state of the image says why.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TypeVar

from sqlalchemy import Connection

from microbadger.freshness.checks import Check, Checks, mark_lists_stale, with_named
from microbadger.freshness.findings import Survey
from microbadger.freshness.interruptions import Interruption, Interruptions
from microbadger.freshness.mentions import mentions, write_mentions
from microbadger.freshness.outcome import Aftermath, Outcome
from microbadger.freshness.private_reads import is_private_read, note_private_read, note_public_read, private_reads
from microbadger.freshness.publication import Publication, Published
from microbadger.freshness.records import unpacked_image
from microbadger.freshness.requests import CheckRequest, Requests
from microbadger.freshness.survey import Surveyor
from microbadger.freshness.tag_choice import Question
from microbadger.freshness.tracked_images import TrackedImage, TrackedImages
from microbadger.http import all_within
from microbadger.image import (
    DOCKER_HUB,
    NO_CHANGES,
    ImageDocument,
    Reason,
    Repository,
    has_unread_part,
    tags_of,
)
from microbadger.logs import EventLog, also, identified, is_id
from microbadger.registry import RegistryError
from microbadger.site import PublishError
from microbadger.store import Database, Lease, LeaseLost, Leases, StoreError

log = EventLog(__name__)

T = TypeVar("T")

_LONGEST_RETRY_OF_OUR_OWN = timedelta(minutes=10)  # trouble of this machine, which no registry is spared by waiting
_POLL_SECONDS = 0.02
_MOST_ASKERS = 5  # are named in the log

IsWanted = Callable[[Check, Sequence[CheckRequest]], bool]


@dataclass(frozen=True, slots=True)
class _Begun:
    """A check that holds its lease, and what the database said when it began."""

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
    was_interrupted: bool
    """Whether the check before began and never ended."""

    @property
    def pushed(self) -> list[str]:
        """The tags that a push named."""
        return [request.tag for request in self.requests if request.tag and not request.is_view]

    @property
    def is_of_views(self) -> bool:
        """Whether nothing but views of badges asked for this check."""
        return bool(self.requests) and all(request.is_view for request in self.requests)

    @property
    def is_requested(self) -> bool:
        """Whether the registry itself is asked, whatever Docker Hub's list says."""
        return self.is_asked_for or (bool(self.requests) and not self.is_of_views)


@dataclass(frozen=True, slots=True)
class Times:
    """How long a check may ask registries, all its requests together: less where somebody waits for it."""

    seconds: float = 300.0
    after_push_seconds: float = 90.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Refresher:
    """Checks images, each by one thread of one process at a time."""

    database: Database
    leases: Leases
    tracked: TrackedImages
    checks: Checks
    requests: Requests
    interruptions: Interruptions
    surveyor: Surveyor
    publication: Publication
    aftermath: Aftermath
    times: Times = Times()

    def refresh(self, repository: Repository) -> Outcome:
        """Check an image now, after a check that is under way has ended."""
        while (begun := self._begin(repository, lambda _check, _requests: True, is_asked_for=True)) is None:
            time.sleep(_POLL_SECONDS)
        outcome, is_asked_again = self._refresh(begun)
        return (self.refresh_requested(repository) if is_asked_again else None) or outcome

    def refresh_if_due(self, repository: Repository) -> Outcome | None:
        """Check an image if its time has come, unless another process is at it."""
        begun = self._begin(repository, lambda check, requests: bool(requests) or self.checks.is_due(check))
        if begun is None:
            return None
        outcome, is_asked_again = self._refresh(begun)
        return (self.refresh_requested(repository) if is_asked_again else None) or outcome

    def refresh_requested(self, repository: Repository) -> Outcome | None:
        """Check an image until no request for it waits.

        Return None at once if another process is at it: when that one gives the lease back, it finds what was asked for
        until then.
        """
        outcome, is_asked_again = None, True
        while is_asked_again and (begun := self._begin(repository, lambda _check, requests: bool(requests))):
            outcome, is_asked_again = self._refresh(begun)
        return outcome

    def publish_again(self, repository: Repository) -> list[str]:
        """Write every public file of an image that is not as its record has it, and return their paths."""
        with self.leases.hold(_lease_of(repository)):
            return self.publication.publish_again(repository)

    def publish_again_if_idle(self, repository: Repository) -> list[str] | None:
        """Do the same unless a check is under way; then return None."""
        return self._unless_busy(repository, self.publication.publish_again)

    def remove(self, repository: Repository) -> None:
        """Remove everything published of an image that is not tracked, and its record, after a check under way."""
        with self.leases.hold(_lease_of(repository)):
            self._remove(repository)
        self.drop_mentions()

    def hide(self, repository: Repository) -> None:
        """Remove what was published of an image that is private no more, until it is read as a public one.

        While a check is under way, its record stays: it is still to be hidden, and one does this again.
        """
        self.publication.remove_files(repository)  # first: on a full disk no lease can be had
        if lease := self.leases.try_take(_lease_of(repository)):
            try:
                self._hide(repository)
            finally:
                self.leases.give_back(lease)

    def hidden(self) -> list[Repository]:
        """Return the images that are to be hidden and of which something is still published."""
        with self.database.read() as connection:
            return [
                repository
                for repository in private_reads(connection)
                if self._is_hidden(connection, self.tracked.read(connection, repository))
                and self.publication.records.is_published(connection, repository)
            ]

    def is_hidden(self, repository: Repository) -> bool:
        """Return whether an image was private, and is not yet shown to be public."""
        with self.database.read() as connection:
            return is_private_read(connection, repository) and self._is_hidden(
                connection, self.tracked.read(connection, repository)
            )

    def drop_mentions(self) -> None:
        """Publish again what names an image that was removed, without its name; what is under way has to wait."""
        with self.database.read() as connection:
            named_by = mentions(connection)
        for gone, images in named_by.items():
            waiting = [repository for repository in images if not self._drop_mention(repository, gone)]
            with self.database.write() as connection:
                write_mentions(connection, gone, waiting)

    def _drop_mention(self, repository: Repository, gone: Repository) -> bool:
        lease = self.leases.try_take(_lease_of(repository))
        if lease is None:
            return False
        try:
            self.aftermath.purge(self.publication.publish_without_mention(lease, repository, gone))
        finally:
            self.leases.give_back(lease)
        return True

    def _is_hidden(self, connection: Connection, image: TrackedImage | None) -> bool:
        return bool(image and not image.private and is_private_read(connection, image.repository))

    def remove_if_idle(self, repository: Repository) -> bool:
        """Do the same unless a check is under way; return whether it was done."""

        def remove(repository: Repository) -> bool:
            self._remove(repository)
            return True

        try:
            return bool(self._unless_busy(repository, remove))
        except StoreError:  # as on a full disk: what is not to be public any more goes all the same
            self.publication.remove_files(repository)
            raise

    def _unless_busy(self, repository: Repository, work: Callable[[Repository], T]) -> T | None:
        lease = self.leases.try_take(_lease_of(repository))
        if lease is None:
            return None
        try:
            return work(repository)
        finally:
            self.leases.give_back(lease)

    def _begin(self, repository: Repository, is_wanted: IsWanted, *, is_asked_for: bool = False) -> _Begun | None:
        """Take the lease of an image and read how it stands; None where no check is wanted, or one is under way."""
        with self.database.write() as connection:
            lease = self.leases.take(connection, _lease_of(repository))
            if lease is None:
                return None
            image = self.tracked.read(connection, repository)
            if image and image.private:
                note_private_read(connection, repository)
            check = self.checks.read(connection, repository)
            interruption = self.interruptions.read(connection, repository, is_one_more=lease.was_left)
            if not is_asked_for and interruption.holds_back(self.checks.now()):
                if image:
                    self._hold_back(connection, repository, check, interruption)
                lease.end(connection)
                return None
            waiting = self.requests.waiting(connection, repository)
            if not is_wanted(check, waiting):
                lease.end(connection)
                return None
            is_hidden = self._is_hidden(connection, image)
            self.requests.begin(connection, repository, waiting)
            before = self.publication.records.packed(connection, repository)
        check = replace(with_named(check, waiting, self.checks.now()), began_at=self.checks.now())
        was_interrupted = interruption.times > 0
        return _Begun(repository, lease, image, check, waiting, before, is_asked_for, is_hidden, was_interrupted)

    def _hold_back(
        self, connection: Connection, repository: Repository, check: Check, interruption: Interruption
    ) -> None:
        """Have an image whose checks are cut short again and again fail until its next check."""
        if check.due_at != interruption.due_at:
            log.error("check_held_back", image=repository.familiar, times=interruption.times)
            failed = self.checks.failed(check, "local", str(interruption))
            self.checks.write(connection, repository, replace(failed, due_at=interruption.due_at))
            mark_lists_stale(connection)

    @identified("refresh")
    def _refresh(self, begun: _Begun) -> tuple[Outcome, bool]:
        """Return the outcome of a check, and whether another one was asked for meanwhile."""
        _log_askers(begun.requests)
        try:
            outcome, after = self._check(begun)
            late = _late(begun, outcome) if begun.before and not outcome.error else []
            is_asked_again = self._end(begun, after, late)
        except LeaseLost as error:
            outcome, is_asked_again = self._give_way(begun, error), True
        finally:
            begun.lease.let_go()
        self.aftermath.follow(outcome)
        return outcome, is_asked_again

    def _check(self, begun: _Begun) -> tuple[Outcome, Check]:
        """Return the outcome of a check, and how the image stands after it."""
        try:
            return self._check_or_raise(begun)
        except (RegistryError, PublishError, StoreError, OSError) as error:
            return self._failed(begun, error)
        except LeaseLost:
            raise
        except Exception as error:  # a defect of ours, which must not be met again every few seconds
            log.exception("refresh_broke", image=begun.repository.familiar)
            return self._failed(begun, error)

    def _check_or_raise(self, begun: _Begun) -> tuple[Outcome, Check]:
        if begun.image is None:
            return Outcome(begun.repository, error="it is not tracked"), begun.check
        if begun.is_hidden and begun.before:
            self._hide(begun.repository)
        before = None if begun.is_hidden else unpacked_image(begun.before, begun.repository)
        is_ours = self.checks.is_of_this_edition(begun.check) and not begun.is_hidden
        tags = self._tags_asked_for(begun, is_readable=before is not None and is_ours)
        question = _question(begun, begun.image, before, tags, is_ours=is_ours)
        is_named = self.tracked.names_registry(begun.repository.registry)
        is_pushed = bool(begun.requests) and before is not None and not begun.is_asked_for
        with all_within(self.times.after_push_seconds if is_pushed else self.times.seconds):
            survey = self.surveyor.survey(replace(question, is_named=is_named))
        if survey.trouble and not survey.versions and not survey.is_gone:
            return self._failed(begun, survey.trouble)
        if begun.is_hidden:
            with self.database.write() as connection:
                note_public_read(connection, begun.repository)
        published = self.publication.publish(begun.lease, begun.repository, before, survey, is_ours=is_ours)
        if survey.trouble:
            return self._failed(begun, survey.trouble, published)
        return self._succeeded(begun, survey, published, is_whole=tags is None)

    def _tags_asked_for(self, begun: _Begun, *, is_readable: bool) -> list[str] | None:
        """Return the only tags that this check is about; None if it is about the whole image.

        A view does not hasten the next check of an image that is failing.
        """
        named = [request.tag for request in begun.requests if request.tag]
        is_failing = begun.check.reason is not None and not begun.is_of_views
        is_whole = begun.is_asked_for or self.checks.is_due(begun.check) or is_failing or not is_readable
        return None if is_whole or not named or len(named) < len(begun.requests) else named

    def _succeeded(
        self, begun: _Begun, survey: Survey, published: Published, *, is_whole: bool
    ) -> tuple[Outcome, Check]:
        tags = {tag for version in survey.versions for tag in tags_of(version)}
        retry_after = survey.retry_after if survey.may_pass else None
        if is_whole:
            after = self.checks.succeeded(begun.check, tags, note=survey.note, retry_after=retry_after)
        else:
            after = self.checks.succeeded_for_tags(begun.check, tags, retry_after=retry_after)
        outcome = Outcome(begun.repository, published.changes, published.paths, len(tags), note=survey.note)
        return outcome, after

    def _failed(
        self, begun: _Begun, error: Exception, published: Published | None = None
    ) -> tuple[Outcome, Check]:
        reason, sentence = reason_of(error), _sentence_of(error)
        if isinstance(error, RegistryError) and begun.is_of_views:
            after = replace(begun.check, ended_at=self.checks.now())  # no stranger decides what state an image is in
        elif isinstance(error, RegistryError):
            retry_after = timedelta(seconds=error.retry_after_seconds or 0)
            after = self.checks.failed(begun.check, reason, sentence, retry_after)
        else:
            # Files may have been replaced: until all are, nobody knows which edition they are of.
            unknown = replace(begun.check, edition="")
            after = self.checks.failed(unknown, reason, sentence, longest=_LONGEST_RETRY_OF_OUR_OWN)
        changes, paths = (published.changes, published.paths) if published else (NO_CHANGES, frozenset[str]())
        return Outcome(begun.repository, changes, paths, reason=reason, error=sentence), after

    def _end(self, begun: _Begun, after: Check, late: Iterable[CheckRequest]) -> bool:
        """Keep how the image stands, forget the requests that this check has answered, and give the lease back.

        Those that are ``late``, of which nothing was to be seen yet, are made again for a while later.

        Return whether a check was asked for since this one began.
        """
        with self.database.write() as connection:
            if not begun.lease.end(connection):
                raise LeaseLost
            if begun.was_interrupted:
                self.interruptions.forget(connection, begun.repository)
            self.requests.end(connection, begun.repository, begun.requests)
            self.requests.follow_up(connection, begun.repository, late)
            if begun.image:
                self.checks.write(connection, begun.repository, after)
            else:
                self.checks.postpone(connection, begun.repository)
            if _listed_state(after) != _listed_state(begun.check):
                mark_lists_stale(connection)
            return bool(self.requests.waiting(connection, begun.repository))

    def _give_way(self, begun: _Begun, error: LeaseLost) -> Outcome:
        """Wait for the process that took the check over, and put right what this one may have written too late."""
        log.warning("lease_lost", image=begun.repository.familiar, error=error)
        begun.lease.let_go()  # it may still be ours, where somebody else replaced the metadata
        with self.leases.hold(_lease_of(begun.repository)):
            if self.tracked.get(begun.repository):
                paths = self.publication.publish_again(begun.repository)
            else:
                paths = self._remove(begun.repository)
        return Outcome(begun.repository, paths=frozenset(paths), error="another process has taken the check over")

    def _hide(self, repository: Repository) -> None:
        paths = self.publication.remove_files(repository)
        with self.database.write() as connection:
            self.publication.forget(connection, repository)
            self.checks.begin_anew(connection, repository)
            mark_lists_stale(connection)
        self.aftermath.purge(paths)

    def _remove(self, repository: Repository) -> list[str]:
        paths = self.publication.remove_files(repository)
        with self.database.write() as connection:
            if self.tracked.read(connection, repository) is None:  # else somebody has tracked it again
                self.publication.forget(connection, repository)
                note_public_read(connection, repository)
                self.requests.forget(connection, repository)
                self.interruptions.forget(connection, repository)
                self.checks.forget(connection, repository)
                mark_lists_stale(connection)
        self.aftermath.purge(paths)
        return paths


def reason_of(error: Exception) -> Reason:
    """Return why a check failed, in a word."""
    return _REASONS.get(error.kind, "bad_answer") if isinstance(error, RegistryError) else "local"


_REASONS: Mapping[str, Reason] = {
    "not_found": "not_found",
    "denied": "denied",
    "rate_limited": "rate_limited",
    "unreachable": "unreachable",
}


def _sentence_of(error: Exception) -> str:
    if isinstance(error, RegistryError | PublishError | StoreError):
        return str(error)
    if isinstance(error, OSError):
        return f"a file cannot be used: {error.strerror or type(error).__name__}"
    return f"a defect of MicroBadger, {type(error).__name__}: its log has the traceback"  # whose words nobody vetted


def _question(
    begun: _Begun, image: TrackedImage, before: ImageDocument | None, tags: Sequence[str] | None, *, is_ours: bool
) -> Question:
    last = before["Versions"] if before else []
    return Question(
        image=image,
        last=last,
        tag_count=before.get("TagCount") if before else None,
        known={version["Digest"]: version for version in last if not has_unread_part(version)} if is_ours else {},
        tags=tags,
        just_pushed=begun.pushed,
        pushed=begun.check.pushed,
        viewed=list(begun.check.viewed),
        is_requested=begun.is_requested,
        was_absent=begun.check.was_absent,
        is_push=bool(begun.requests) and not begun.is_of_views,
        renew=begun.lease.renew,
    )


def _late(begun: _Begun, outcome: Outcome) -> list[CheckRequest]:
    """Return the pushes of which nothing was to be seen yet."""
    changes = outcome.changes
    moved = {*changes.new, *changes.changed, *changes.deleted}
    is_at_docker_hub = begun.repository.registry == DOCKER_HUB

    def is_late(request: CheckRequest) -> bool:
        return request.tag not in moved if request.tag else is_at_docker_hub and not changes

    return [request for request in begun.requests if not request.is_view and is_late(request)]


def _listed_state(check: Check) -> tuple[object, ...]:
    """Return what the lists of all images say of a check."""
    return check.reason, check.succeeded_at is None


def _log_askers(requests: Iterable[CheckRequest]) -> None:
    """Have what is logged of the check bear the ids of the requests that asked for it."""
    ids = {request.asked_by for request in requests if is_id(request.asked_by)}
    if ids:
        also(asked_by=",".join(sorted(ids)[:_MOST_ASKERS]))


def _lease_of(repository: Repository) -> str:
    return f"image:{repository}"
