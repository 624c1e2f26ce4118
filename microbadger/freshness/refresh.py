"""Brings what is published of an image up to date.

Lock the repository, ask what changed, read only that, describe, draw, publish, tell subscribers. If the registry fails,
the last good files stay and the failure is noted where an operator looks.
"""

import random
import threading
from collections.abc import Callable, Collection, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from microbadger.freshness.checks import Checks
from microbadger.freshness.relatives import LayerIndex
from microbadger.freshness.requests import RefreshRequests
from microbadger.freshness.survey import Survey, Surveyor
from microbadger.freshness.tracked_images import TrackedImages
from microbadger.image import (
    DOCKER_HUB,
    NO_CHANGES,
    Changes,
    HubDetails,
    ImageDocument,
    Repository,
    VersionDocument,
    changes_between,
    describe_image,
    extended,
    hub_details,
    parse_log,
    related,
    tags_of,
    with_details_of,
)
from microbadger.logs import EventLog, identified, work_seconds
from microbadger.registry import RegistryError
from microbadger.site import (
    ImagePaths,
    Publisher,
    PublishError,
    change_files,
    checked_files,
    content_files,
    paths_of,
    record_files,
    sampled_paths,
)
from microbadger.store import unlock

log = EventLog(__name__)

_LONGEST_RETRY_OF_OUR_OWN = timedelta(minutes=10)  # trouble of this machine, which no registry is spared by waiting


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a refresh went: what it found changed, or the sentence that says why it failed and its cause in a word."""

    repository: Repository
    changes: Changes = NO_CHANGES
    tag_count: int = 0
    error: str | None = None
    cause: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refresher:
    """Refreshes images, each by one thread of one process at a time."""

    tracked: TrackedImages
    surveyor: Surveyor
    publisher: Publisher
    checks: Checks
    requests: RefreshRequests
    layer_index: LayerIndex
    announce: Callable[[ImageDocument, ImageDocument, Changes], None]
    changed: Callable[[Collection[str]], None]
    """Told which public paths have another content now, or none any more."""
    recorded: Callable[[Repository, ImageDocument], None]
    """Told what the record of an image says now."""
    published: Callable[[], None]
    """Called when more than the time of a check was published, which may have left something to send."""
    ended: Callable[[Outcome], None]
    is_due: Callable[[Repository], bool]
    webhook_url: Callable[[Repository], str | None]
    base_url: str
    now: Callable[[], datetime]
    _turn: threading.Lock = field(default_factory=threading.Lock, init=False)
    """Looks that nobody waits for ask at once, but work one by one: threads that contend for the interpreter at every
    file they open need half as much processor time again."""

    def refresh(self, repository: Repository) -> Outcome:
        """Look at an image now, after whoever is looking at it has finished."""
        with self.checks.lock(repository):
            outcome = self._refresh(repository, is_requested=True)
        return self.refresh_requested(repository) or outcome

    def refresh_if_due(self, repository: Repository) -> Outcome | None:
        """Look at an image unless another process does, or did while this one waited for its turn."""
        outcome = self._refresh_while(repository, self.is_due, is_requested=False)
        return self.refresh_requested(repository) or outcome

    def refresh_requested(self, repository: Repository) -> Outcome | None:
        """Look at an image until no request for it waits.

        Returns None at once if another process is looking: whoever looks asks again after it has let go of the lock,
        which is after the request was written.
        """
        outcome = None
        while self.requests.is_waiting(repository):
            latest = self._refresh_while(repository, self.requests.is_waiting)
            if latest is None:
                break
            outcome = latest
        return outcome

    def resume(self, repository: Repository) -> Outcome | None:
        """Do the requests that a process left when it died, unless it lives and is at it."""
        outcome = self._refresh_while(repository, self.requests.is_open)
        return self.refresh_requested(repository) or outcome

    def remove(self, repository: Repository) -> None:
        """Take everything that was published of an image, and what is remembered of it, away."""
        with self.checks.lock(repository):
            self._remove(repository)

    def remove_if_idle(self, repository: Repository) -> bool:
        """Do the same unless someone is looking at the image; tell whether it was done."""
        lock = self.checks.try_lock(repository)
        if lock is None:
            return False
        try:
            self._remove(repository)
        finally:
            unlock(lock)
        return True

    def _refresh_while(
        self, repository: Repository, is_wanted: Callable[[Repository], bool], *, is_requested: bool = True
    ) -> Outcome | None:
        lock = self.checks.try_lock(repository)
        if lock is None:
            return None
        try:
            return self._refresh(repository, is_requested=is_requested) if is_wanted(repository) else None
        finally:
            unlock(lock)

    @identified("refresh")
    def _refresh(self, repository: Repository, *, is_requested: bool) -> Outcome:
        begun = self.requests.begin(repository)
        try:
            outcome = self._look(repository, begun, is_requested=is_requested or bool(begun))
        except OSError as error:
            outcome = self._failed(repository, error)
        except Exception as error:  # a defect of ours, which must not be met again every few seconds
            outcome = self._failed(repository, error)
            log.exception("refresh_broke", image=repository.familiar)
        if begun:
            self.requests.end(repository)
        self.ended(outcome)
        name, seconds = repository.familiar, work_seconds()
        if outcome.error:
            log.warning("refresh_failed", image=name, cause=outcome.cause, error=outcome.error, seconds=seconds)
        else:
            log.info("refreshed", image=name, tags=outcome.tag_count, **outcome.changes.counts, seconds=seconds)
        return outcome

    def _look(self, repository: Repository, begun: Collection[str | None], *, is_requested: bool) -> Outcome:
        image = self.tracked.get(repository)
        if image is None:
            self._remove(repository)
            return Outcome(repository, error="it is not tracked", cause="not_tracked")
        named = set(filter(None, begun))
        check = self.checks.began(repository, named)
        before = self.publisher.read_image(repository)
        is_ours = self.checks.is_of_this_edition(check)
        follow_up = 0 if begun else check.follow_ups or None
        is_requested = is_requested or follow_up is not None
        last_read = [version for version in before["Versions"] if "Unread" not in version] if before else []
        known = self._known_versions(repository, last_read, is_requested=is_requested) if is_ours else {}
        try:
            survey = self.surveyor.survey(image, known, last_read, wanted=check.wanted, is_requested=is_requested)
            with nullcontext() if is_requested else self._turn:
                changes = self._bring_up_to_date(repository, before, survey, is_ours=is_ours, is_requested=is_requested)
        except (RegistryError, PublishError) as error:
            return self._failed(repository, error)
        if survey.trouble:
            return self._failed(repository, survey.trouble)
        tags = {tag for version in survey.versions for tag in tags_of(version)}
        is_late = before is not None and _is_late(repository, named, changes)
        self.checks.succeeded(repository, tags, follow_up=follow_up if is_late else None)
        return Outcome(repository, changes, len(tags))

    def _bring_up_to_date(
        self, repository: Repository, before: ImageDocument | None, survey: Survey, *, is_ours: bool, is_requested: bool
    ) -> Changes:
        """Publish what a look found, unless it found the same and has trouble, and return what changed."""
        versions = self._related(repository, survey.versions)
        after = self._describe(repository, versions, survey.hub, before)
        is_same = is_ours and _is_same(before, after)
        if is_same and survey.trouble:
            return NO_CHANGES
        changes = changes_between(before, after) if before else NO_CHANGES
        if before and changes:
            self._announce(before, after, changes)
        # A look that was asked for also mends files that were changed; any mends those that were lost, in time.
        is_whole = is_ours and not is_requested and not self._has_lost(repository, after)
        changed = self._publish(repository, before, after, versions, last=before if is_whole else None)
        if is_ours:
            self.checks.published(repository)
        # The time of the check, which is all that is new in the records of an image that is the same, is no change.
        told = changed - _records(repository) if is_same else changed
        if told:
            self.changed(told)
            self._tell_published(repository)
        self.recorded(repository, after)
        return changes

    def _announce(self, before: ImageDocument, after: ImageDocument, changes: Changes) -> None:
        """Announce before the record is replaced: whoever dies in between announces the same once more."""
        try:
            self.announce(before, after, changes)
        except ValueError as error:  # subscriptions that were damaged keep nothing from being published
            log.error("announcement_failed", image=after["ImageName"], error=error)

    def _tell_published(self, repository: Repository) -> None:
        try:
            self.published()
        except ValueError as error:
            log.error("notifying_failed", image=repository.familiar, error=error)

    def _failed(self, repository: Repository, error: Exception) -> Outcome:
        sentence, cause = _sentence(error), _cause(error)
        if isinstance(error, OSError | PublishError):
            self.checks.failed(repository, sentence, longest=_LONGEST_RETRY_OF_OUR_OWN)
        else:
            retry_after = (isinstance(error, RegistryError) and error.retry_after_seconds) or 0
            self.checks.failed(repository, sentence, timedelta(seconds=retry_after))
        return Outcome(repository, error=sentence, cause=cause)

    def _known_versions(
        self, repository: Repository, last: Sequence[VersionDocument], *, is_requested: bool
    ) -> dict[str, VersionDocument]:
        """Return the versions of which nothing is to be read again, by digest: those whose documents are there.

        A look that nobody requested looks for one of them, another each time, and for the others if that was lost.
        """
        paths = ImagePaths.of(repository)

        def is_there(version: VersionDocument) -> bool:
            return self.publisher.has(paths.version(version["SHA"]))

        is_all_there = not is_requested and last and is_there(random.choice(last))
        return {version["Digest"]: version for version in last if is_all_there or is_there(version)}

    def _related(self, repository: Repository, versions: list[VersionDocument]) -> list[VersionDocument]:
        """Return the versions with the parents and copies that they have among the tracked images now."""

        def diff_ids_of(sha: str) -> list[str]:
            version = self.publisher.read_version(repository, sha)
            return version.get("DiffIDs", []) if version else []

        relatives = self.layer_index.update(repository, versions, diff_ids_of)
        return [
            related(version, found.parents, found.identical) if (found := relatives.get(version["SHA"])) else version
            for version in versions
        ]

    def _describe(
        self,
        repository: Repository,
        versions: list[VersionDocument],
        hub: HubDetails | None,
        before: ImageDocument | None,
    ) -> ImageDocument:
        return describe_image(
            repository,
            versions,
            updated_at=self.now(),
            webhook_url=self.webhook_url(repository),
            hub=hub or (hub_details(before) if before else None),
        )

    def _publish(
        self,
        repository: Repository,
        before: ImageDocument | None,
        after: ImageDocument,
        versions: list[VersionDocument],
        *,
        last: ImageDocument | None,
    ) -> set[str]:
        """Write what changed and return its paths.

        What ``last`` says, the document on which all that is published is based, is not compared with it again.
        """
        if last and _is_same(last, after):
            checked_again = checked_files(repository, after["UpdatedAt"], self.publisher.read)
            if checked_again:
                return self.publisher.overwrite(checked_again)
        if before:
            self.checks.publishing(repository)
        last_log = parse_log(self.publisher.read(ImagePaths.of(repository).changes))
        change_log = extended(last_log, before, after, self.now())
        versions = self._with_details(repository, before, versions)
        current = self._with_layers(repository, after, versions)
        new = content_files(repository, after, versions, last)
        if not last or change_log is not last_log:
            new |= change_files(repository, change_log, self.base_url)
        new |= record_files(repository, after, current, change_log["Changes"], self.base_url)
        gone = paths_of(repository, before) - paths_of(repository, after)
        return set(self.publisher.replace(new, gone))

    def _has_lost(self, repository: Repository, image: ImageDocument) -> bool:
        """Tell whether a file of an image is missing; of those that are many, some are looked for, others each time."""
        return not all(map(self.publisher.has, sampled_paths(repository, image, random.choice)))

    def _with_details(
        self, repository: Repository, before: ImageDocument | None, versions: list[VersionDocument]
    ) -> list[VersionDocument]:
        """Return the versions, those whose tags or relatives changed with all that their own document tells."""
        last = {version["SHA"]: version for version in before["Versions"]} if before else {}
        whole = []
        for version in versions:
            is_changed = "Layers" not in version and version["Platforms"] and version != last.get(version["SHA"])
            published = self.publisher.read_version(repository, version["SHA"]) if is_changed else None
            whole.append(with_details_of(published, version) if published else version)
        return whole

    def _with_layers(
        self, repository: Repository, image: ImageDocument, versions: list[VersionDocument]
    ) -> VersionDocument | None:
        """Return the current version with its layers: as it was just read, else as it is published."""
        sha = image["LatestSHA"]
        fresh = (version for version in versions if version["SHA"] == sha and "Layers" in version)
        return next(fresh, None) or self.publisher.read_version(repository, sha)

    def _remove(self, repository: Repository) -> None:
        names = ImagePaths.all_of(repository)
        leftovers = [path for name in names for path in self.publisher.find(name.patterns())]
        records = {name.metadata for name in names}
        paths = {*paths_of(repository, self.publisher.read_image(repository)), *leftovers} - records
        self.changed([path for path in [*sorted(paths), *sorted(records)] if self.publisher.remove(path)])
        self.layer_index.forget(repository)
        self.checks.forget(repository)


def _is_late(repository: Repository, named: Collection[str], changes: Changes) -> bool:
    """Tell whether a push may have been announced that is not to be seen yet.

    Docker Hub announces it before all of its services know it; distribution, and who is built on it, an instant before
    the tag names it: https://github.com/distribution/distribution/issues/2625
    """
    moved = {*changes.new, *changes.changed, *changes.deleted}
    return not moved.issuperset(named) or (repository.registry == DOCKER_HUB and not changes)


def _records(repository: Repository) -> set[str]:
    return {path for name in ImagePaths.all_of(repository) for path in (name.page, name.metadata)}


def _is_same(before: ImageDocument | None, after: ImageDocument) -> bool:
    return before is not None and {**before, "UpdatedAt": after["UpdatedAt"]} == after


def _sentence(error: Exception) -> str:
    if isinstance(error, RegistryError | PublishError):
        return str(error)
    if isinstance(error, OSError):
        return f"the data folder cannot be used: {error.strerror or type(error).__name__}"
    return f"a defect of MicroBadger, {type(error).__name__}: its log has the traceback"  # whose words nobody vetted


def _cause(error: Exception) -> str:
    if isinstance(error, RegistryError):
        return error.kind
    if isinstance(error, OSError):
        return "data"
    return "publish" if isinstance(error, PublishError) else "defect"
