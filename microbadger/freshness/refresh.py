"""Checks one image and brings its public files up to date, from taking the lease to reporting the outcome.

A check leases the image, asks the registry what changed and reads only what is new. It compares the result with the
record, writes the files that differ and stores the new record. If the registry fails, the last good files stay, and
the state of the image says why.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from microbadger.freshness.bases import BaseSurveyor
from microbadger.freshness.checks import Checks
from microbadger.freshness.findings import Survey
from microbadger.freshness.last_check import Check
from microbadger.freshness.outcome import Aftermath, Outcome
from microbadger.freshness.publication import Publication, Published
from microbadger.freshness.records import unpacked_image
from microbadger.freshness.removal import Removal
from microbadger.freshness.requests import CheckRequest
from microbadger.freshness.stored_images import TrackedImage
from microbadger.freshness.survey import Surveyor
from microbadger.freshness.tag_choice import Question
from microbadger.freshness.tracked_images import TrackedImages
from microbadger.freshness.turns import Turn, Turns
from microbadger.http import all_within
from microbadger.image import NO_CHANGES, ImageDocument, Reason, Repository, VersionDocument, is_incomplete, tags_of
from microbadger.logs import EventLog, also, identified, is_id
from microbadger.registry import RegistryError
from microbadger.site import PublishError
from microbadger.store import LeaseLost, StoreError

log = EventLog(__name__)

# Failures of this machine or of the bucket may pass soon, and a longer wait would not relieve any registry.
_RETRIES_OF_OUR_OWN = {"first": timedelta(seconds=10), "longest": timedelta(minutes=10)}
_POLL_SECONDS = 0.02
_MOST_ASKERS = 5  # request ids in one log line


@dataclass(frozen=True, slots=True)
class Times:
    """The time limits for all requests of a check together. The limit is shorter after a push, when a user may wait."""

    seconds: float = 300.0
    after_push_seconds: float = 90.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Refresher:
    """Checks images. Only one thread of one process checks an image at a time."""

    turns: Turns
    removal: Removal
    tracked: TrackedImages
    checks: Checks
    surveyor: Surveyor
    bases: BaseSurveyor
    publication: Publication
    aftermath: Aftermath
    times: Times = Times()

    def refresh(self, repository: Repository) -> Outcome:
        """Check an image now, after waiting for a check that is already running."""
        while (turn := self.turns.begin(repository, lambda _check, _requests: True, is_asked_for=True)) is None:
            time.sleep(_POLL_SECONDS)
        return self._refresh_until_done(turn)

    def refresh_if_due(self, repository: Repository) -> Outcome | None:
        """Check an image if it is due or requested; return None if it is not, or if another check is running."""
        turn = self.turns.begin(repository, lambda check, requests: bool(requests) or self.checks.is_due(check))
        return self._refresh_until_done(turn) if turn else None

    def refresh_requested(self, repository: Repository) -> Outcome | None:
        """Check an image until no request for it is waiting, and return the last outcome.

        Return None at once if another check is running. That check finds the new requests when it releases its lease.
        """
        outcome, is_asked_again = None, True
        while is_asked_again and (turn := self.turns.begin(repository, lambda _check, requests: bool(requests))):
            outcome, is_asked_again = self._refresh(turn)
        return outcome

    def publish_again(self, repository: Repository) -> list[str]:
        """Rewrite the public files of an image that differ from its record, and return their paths."""
        with self.turns.hold(repository):
            return self.publication.publish_again(repository)

    def publish_again_if_idle(self, repository: Repository) -> list[str] | None:
        """Do the same as `publish_again`, but return None if a check is running."""
        with self.turns.try_hold(repository) as lease:
            return self.publication.publish_again(repository) if lease else None

    def _refresh_until_done(self, turn: Turn) -> Outcome:
        """Check an image, check it again if it was requested meanwhile, and return the last outcome."""
        outcome, is_asked_again = self._refresh(turn)
        return (self.refresh_requested(turn.repository) if is_asked_again else None) or outcome

    @identified("refresh")
    def _refresh(self, turn: Turn) -> tuple[Outcome, bool]:
        """Check an image, and return the outcome and whether another check was requested meanwhile."""
        _log_askers(turn.requests)
        try:
            outcome, after = self._check(turn)
            late = turn.late(outcome.changes) if turn.before and not outcome.error else []
            is_asked_again = self.turns.end(turn, after, late)
        except LeaseLost as error:
            outcome, is_asked_again = self._give_way(turn, error), True
        finally:
            turn.lease.let_go()
        self.aftermath.follow(outcome)
        return outcome, is_asked_again

    def _check(self, turn: Turn) -> tuple[Outcome, Check]:
        """Return the outcome of a check, and the check to store for the image."""
        try:
            return self._check_or_raise(turn)
        except (RegistryError, PublishError, StoreError, OSError) as error:
            return self._failed(turn, error)
        except LeaseLost:
            raise
        except Exception as error:  # a bug here, which must not recur every few seconds
            log.exception("refresh_broke", image=turn.repository.familiar)
            return self._failed(turn, error)

    def _check_or_raise(self, turn: Turn) -> tuple[Outcome, Check]:
        if turn.image is None:
            return Outcome(turn.repository, error="it is not tracked"), turn.check
        if turn.is_hidden and turn.before:
            self.removal.hide_held(turn.repository)
        if turn.image.private and turn.before and not turn.check.edition:  # its files may be from its public time
            self.aftermath.purge(self.publication.publish_again(turn.repository))
        before = None if turn.is_hidden else unpacked_image(turn.before, turn.repository)
        is_ours = self.checks.is_of_this_edition(turn.check) and not turn.is_hidden
        tags = self._tags_asked_for(turn, is_readable=before is not None and is_ours)
        is_named = self.tracked.names_registry(turn.repository.registry)
        question = replace(_question(turn, turn.image, before, tags, is_ours=is_ours), is_named=is_named)
        is_pushed = bool(turn.requests) and before is not None and not turn.is_asked_for
        with all_within(self.times.after_push_seconds if is_pushed else self.times.seconds):
            survey = self.surveyor.survey(question)
            self.bases.survey(question, _asked_about(survey, tags))
        if survey.trouble and not survey.versions and not survey.is_gone:
            return self._failed(turn, survey.trouble)
        if turn.is_hidden:
            self.removal.unhide(turn.repository)
        published = self.publication.publish(
            turn.lease, turn.repository, before, survey, is_ours=is_ours, is_public=not turn.image.private
        )
        if survey.trouble:
            return self._failed(turn, survey.trouble, published)
        return self._succeeded(turn, survey, published, is_whole=tags is None)

    def _tags_asked_for(self, turn: Turn, *, is_readable: bool) -> list[str] | None:
        """Return the tags to check, or None to check the whole image.

        A request that names only tags leads to a check of the whole image if the image is failing. A view of a badge
        does not, because a view must not bring forward the next check of a failing image.
        """
        named = [request.tag for request in turn.requests if request.tag]
        is_failing = turn.check.reason is not None and not turn.is_of_views
        is_whole = turn.is_asked_for or self.checks.is_due(turn.check) or is_failing or not is_readable
        return None if is_whole or not named or len(named) < len(turn.requests) else named

    def _succeeded(
        self, turn: Turn, survey: Survey, published: Published, *, is_whole: bool
    ) -> tuple[Outcome, Check]:
        tags = {tag for version in survey.versions for tag in tags_of(version)}
        retry_after = survey.retry_after if survey.may_pass else None
        check = replace(turn.check, absent=self.checks.dated(survey.absent, turn.check.absent))
        if is_whole:
            after = self.checks.succeeded(check, tags, note=survey.note, retry_after=retry_after)
        else:
            after = self.checks.succeeded_for_tags(check, tags, retry_after=retry_after)
        outcome = Outcome(turn.repository, published.changes, published.paths, len(tags), note=survey.note)
        return outcome, after

    def _failed(
        self, turn: Turn, error: Exception, published: Published | None = None
    ) -> tuple[Outcome, Check]:
        reason, sentence = reason_of(error), _sentence_of(error)
        if isinstance(error, RegistryError) and turn.is_of_views:
            after = replace(turn.check, ended_at=self.checks.now())  # a stranger's view must not change the state
        elif isinstance(error, RegistryError):
            retry_after = timedelta(seconds=error.retry_after_seconds or 0)
            after = self.checks.failed(turn.check, reason, sentence, retry_after)
        else:
            if isinstance(error, StoreError):  # its public sentence leaves out the details that operators need
                log.error("database_failed", image=turn.repository.familiar, error=error)
            # Some files may have been replaced, so their edition is unknown until all of them are.
            unknown = replace(turn.check, edition="")
            after = self.checks.failed(unknown, reason, sentence, **_RETRIES_OF_OUR_OWN)
        changes, paths = (published.changes, published.paths) if published else (NO_CHANGES, frozenset[str]())
        return Outcome(turn.repository, changes, paths, reason=reason, error=sentence), after

    def _give_way(self, turn: Turn, error: LeaseLost) -> Outcome:
        """Wait for the process that took over the check, and correct any file that this process wrote too late."""
        log.warning("lease_lost", image=turn.repository.familiar, error=error)
        turn.lease.let_go()  # this process may still hold the lease, if something else replaced the metadata
        with self.turns.hold(turn.repository):
            if self.tracked.get(turn.repository):
                paths = self.publication.publish_again(turn.repository)
            else:
                paths = self.removal.remove_held(turn.repository)
        return Outcome(turn.repository, paths=frozenset(paths), error="another process has taken over the check")


def reason_of(error: Exception) -> Reason:
    """Return the category of an error that made a check fail."""
    return _REASONS.get(error.kind, "bad_answer") if isinstance(error, RegistryError) else "local"


_REASONS: Mapping[str, Reason] = {
    "not_found": "not_found",
    "denied": "denied",
    "rate_limited": "rate_limited",
    "unreachable": "unreachable",
}


def _sentence_of(error: Exception) -> str:
    if isinstance(error, StoreError):
        return error.in_public
    if isinstance(error, RegistryError | PublishError):
        return str(error)
    if isinstance(error, OSError):
        return f"a file cannot be used: {error.strerror or type(error).__name__}"
    # The text of an unexpected error is not shown, because it may contain anything.
    return f"a bug in MicroBadger, {type(error).__name__}: see the traceback in its log"


def _question(
    turn: Turn, image: TrackedImage, before: ImageDocument | None, tags: Sequence[str] | None, *, is_ours: bool
) -> Question:
    last = before["Versions"] if before else []
    return Question(
        image=image,
        last=last,
        tag_count=before.get("TagCount") if before else None,
        known={version["Digest"]: version for version in last if not is_incomplete(version)} if is_ours else {},
        tags=tags,
        just_pushed=turn.pushed,
        pushed=turn.check.pushed,
        viewed=list(turn.check.viewed),
        let_go=turn.let_go,
        is_requested=turn.is_requested,
        was_absent=turn.check.was_absent,
        absent=turn.check.absent_tags,
        is_push=bool(turn.requests) and not turn.is_of_views,
        is_ours=is_ours,
        is_guess=turn.is_guess,
        checked_at=turn.check.succeeded_at,
        renew=turn.renew,
    )


def _asked_about(survey: Survey, tags: Sequence[str] | None) -> list[VersionDocument]:
    """Return the versions of the tags that were checked, or all versions if ``tags`` is None."""
    return [version for version in survey.versions if tags is None or not set(tags).isdisjoint(tags_of(version))]


def _log_askers(requests: Iterable[CheckRequest]) -> None:
    """Add the ids of the HTTP requests that asked for this check to its log lines."""
    ids = {request.asked_by for request in requests if is_id(request.asked_by)}
    if ids:
        also(asked_by=",".join(sorted(ids)[:_MOST_ASKERS]))
