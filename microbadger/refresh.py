"""Brings what is published of an image up to date.

Lock the repository, ask what changed, read only that, describe, draw, publish, tell subscribers. If the registry fails,
the last good files stay and the failure is noted where an operator looks.
"""

import logging
import os
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from microbadger import badge_svg, badge_text, pages
from microbadger.checks import Checks
from microbadger.docker_hub import DockerHub
from microbadger.documents import ImageDocument, VersionDocument
from microbadger.inspection import inspect_version
from microbadger.metadata import (
    NO_CHANGES,
    Changes,
    changes_between,
    describe_image,
    document_bytes,
    hub_details,
    tagged,
    tags_of,
)
from microbadger.public_tree import ImagePaths
from microbadger.publisher import Publisher, PublishError
from microbadger.reference import Repository
from microbadger.refresh_requests import RefreshRequests
from microbadger.registry import NotFound, Registry, RegistryError, RemoteRepository
from microbadger.tags import choose
from microbadger.tracked_images import TrackedImage, TrackedImages

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a refresh went: what it found changed, or the sentence that says why it failed."""

    repository: Repository
    changes: Changes = NO_CHANGES
    tag_count: int = 0
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refresher:
    """Refreshes images, each by one thread of one process at a time."""

    tracked: TrackedImages
    registry: Registry
    docker_hub: DockerHub
    publisher: Publisher
    checks: Checks
    requests: RefreshRequests
    announce: Callable[[ImageDocument, Changes], None]
    published: Callable[[], None]
    webhook_url: Callable[[Repository], str | None]
    base_url: str
    max_tags: int
    edition: str
    now: Callable[[], datetime]

    def refresh(self, repository: Repository) -> Outcome:
        """Look at an image now, after whoever is looking at it has finished."""
        with self.checks.lock(repository):
            return self._refresh(repository)

    def refresh_if_due(self, repository: Repository) -> Outcome | None:
        """Look at an image unless another process does, or did while this one waited for its turn."""
        return self._refresh_while(repository, self.checks.is_due)

    def refresh_requested(self, repository: Repository) -> Outcome | None:
        """Look at an image until no request for it waits.

        Returns None at once if another process is looking: that one asks again after it has let go of the lock, which
        is after the request was written.
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
        return self._refresh_while(repository, lambda _: True)

    def remove(self, repository: Repository) -> None:
        """Take everything that was published of an image, and what is remembered of it, away."""
        with self.checks.lock(repository):
            self._remove(repository)

    def _refresh_while(self, repository: Repository, is_wanted: Callable[[Repository], bool]) -> Outcome | None:
        lock = self.checks.try_lock(repository)
        if lock is None:
            return None
        try:
            return self._refresh(repository) if is_wanted(repository) else None
        finally:
            os.close(lock)

    def _refresh(self, repository: Repository) -> Outcome:
        wanted = self.requests.begin(repository)
        try:
            outcome = self._look(repository, wanted)
        except Exception as error:  # a defect of ours, which must not be met again every few seconds
            outcome = self._failed(repository, error)
            log.exception("refresh broke image=%s", repository.familiar)
        self.requests.end(repository)
        if outcome.error:
            log.warning("refresh failed image=%s error=%r", repository.familiar, outcome.error)
        else:
            log.info("refreshed image=%s tags=%d %s", repository.familiar, outcome.tag_count, _counts(outcome.changes))
        return outcome

    def _look(self, repository: Repository, wanted: Collection[str]) -> Outcome:
        image = self.tracked.get(repository)
        if image is None:
            self._remove(repository)
            return Outcome(repository, error="it is not tracked")
        wanted = self.checks.began(repository, wanted).wanted
        try:
            before = self.publisher.read_image(repository)
            versions = self._read_versions(image, wanted, before)
            after = self._describe(repository, versions, before)
            self._publish(repository, before, after, versions)
        except RegistryError as error:
            return self._failed(repository, error, error.retry_after_seconds)
        except PublishError as error:
            return self._failed(repository, error)
        self.checks.succeeded(repository, self.edition)
        self.published()
        changes = changes_between(before, after) if before else NO_CHANGES
        if changes:
            self.announce(after, changes)
        return Outcome(repository, changes, sum(len(tags_of(version)) for version in versions))

    def _failed(self, repository: Repository, error: Exception, retry_after_seconds: float | None = None) -> Outcome:
        self.checks.failed(repository, str(error), timedelta(seconds=retry_after_seconds or 0))
        return Outcome(repository, error=str(error))

    def _read_versions(
        self, image: TrackedImage, wanted: Collection[str], before: ImageDocument | None
    ) -> list[VersionDocument]:
        repository = image.repository
        remote = self.registry.repository(repository, private=image.private)
        tags = choose(remote.tags(), self.max_tags, kept=image.kept_tags, wanted=wanted)
        known = self._known_versions(repository, before)
        return [
            tagged(known.get(digest) or inspect_version(remote, repository, digest), digest_tags)
            for digest, digest_tags in _tags_by_digest(remote, tags).items()
        ]

    def _known_versions(self, repository: Repository, before: ImageDocument | None) -> dict[str, VersionDocument]:
        if before is None or self.checks.get(repository).edition != self.edition:
            return {}
        paths = ImagePaths.of(repository)
        versions = {version["Digest"]: version for version in before["Versions"]}
        return {digest: v for digest, v in versions.items() if self.publisher.has(paths.version(v["SHA"]))}

    def _describe(
        self, repository: Repository, versions: list[VersionDocument], before: ImageDocument | None
    ) -> ImageDocument:
        return describe_image(
            repository,
            versions,
            checked_at=self.now(),
            webhook_url=self.webhook_url(repository),
            hub=self.docker_hub.details(repository) or (hub_details(before) if before else None),
        )

    def _publish(
        self,
        repository: Repository,
        before: ImageDocument | None,
        after: ImageDocument,
        versions: list[VersionDocument],
    ) -> None:
        names = ImagePaths.all_of(repository)
        new: dict[str, bytes] = {}
        if not self._is_unchanged(repository, before, after):
            fresh = {v["SHA"]: document_bytes(v) for v in versions if "Layers" in v or "Incomplete" in v}
            new |= {paths.version(sha): content for paths in names for sha, content in fresh.items()}
            for badge_type, tag, badge in badge_text.badges(after):
                svg, endpoint = badge_svg.draw(badge), document_bytes(badge_svg.endpoint_document(badge))
                for paths in names:
                    new |= {paths.badge(badge_type, tag, "svg"): svg, paths.badge(badge_type, tag, "json"): endpoint}
        page, record = pages.image_page(after, self.base_url), document_bytes(after)
        new |= {paths.page: page for paths in names}
        new |= {paths.metadata: record for paths in reversed(names)}
        self.publisher.replace(new, gone=_paths(repository, before) - _paths(repository, after))

    def _is_unchanged(self, repository: Repository, before: ImageDocument | None, after: ImageDocument) -> bool:
        same = before is not None and {**before, "UpdatedAt": after["UpdatedAt"]} == after
        return same and self.checks.get(repository).edition == self.edition

    def _remove(self, repository: Repository) -> None:
        record = ImagePaths.of(repository).metadata
        paths = _paths(repository, self.publisher.read_image(repository))
        for path in [*sorted(paths - {record}), record]:
            self.publisher.remove(path)
        self.checks.forget(repository)


def _tags_by_digest(remote: RemoteRepository, tags: list[str]) -> dict[str, list[str]]:
    tags_by_digest: dict[str, list[str]] = {}
    for tag in tags:
        try:
            digest = remote.head(tag).digest or remote.manifest(tag).digest
        except NotFound:
            continue  # deleted since the registry listed it
        tags_by_digest.setdefault(digest, []).append(tag)
    return tags_by_digest


def _paths(repository: Repository, image: ImageDocument | None) -> set[str]:
    """Return every path an image has in the public tree."""
    if image is None:
        return set()
    tags = [tag for version in image["Versions"] for tag in [None, *tags_of(version)]]
    paths: set[str] = set()
    for name in ImagePaths.all_of(repository):
        paths |= {name.metadata, name.page}
        paths |= {name.version(version["SHA"]) for version in image["Versions"]}
        paths |= {
            name.badge(badge_type, tag, suffix)
            for badge_type in badge_text.BADGE_TYPES
            for tag in tags
            for suffix in ("svg", "json")
        }
    return paths


def _counts(changes: Changes) -> str:
    return f"new={len(changes.new)} changed={len(changes.changed)} deleted={len(changes.deleted)}"
