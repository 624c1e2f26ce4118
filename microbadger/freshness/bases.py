"""Asks registries which digests the tags of base images name now, and reads the layers of new digests.

This is the last part of a check, and it may use only a part of the check's time. A failure here leaves the image as it
is. All images on a base share what is read of it: a tag is asked about once a day, in the first check that needs it.
For a tag of a tracked image, the last check of that image has the answer. A digest is read only once, and not at all if
few pulls are left.
"""

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from microbadger.freshness.base_records import BASE_LEASE, Answer, Attempts, BaseRecords, Bases, base_claims_of
from microbadger.freshness.broken_content import BrokenContent
from microbadger.freshness.reading import Reader, Unreadable
from microbadger.freshness.relatives import LayerStacks
from microbadger.freshness.tag_choice import Question
from microbadger.freshness.tracked_images import TrackedImages
from microbadger.http import all_within, seconds_left
from microbadger.image import (
    BaseClaim,
    BaseContentDocument,
    BaseEntryDocument,
    Chains,
    Descriptor,
    Index,
    PlatformDocument,
    Repository,
    UnsupportedManifest,
    VersionDocument,
    base_of,
    chains_of,
    described_platform,
    entry_for,
    image_inputs,
    judged_base,
    read_base,
    recorded_claim,
)
from microbadger.registry import RateLimited, Registry, RegistryError, RemoteRepository
from microbadger.store import Database, Leases

MOST_TAGS = 50
"""The largest number of base tags that one check of an image follows."""
_MOST_READ = 50
_MOST_ENTRIES = 100
_MOST_WASTED_SECONDS = 15.0  # in one check, on failed requests to one registry
_LONGEST_SECONDS = 60.0
_PART_OF_TIME = 1 / 4
_LONGEST_WAIT_SECONDS = 10.0
_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseSurveyor:
    """Keeps the records of base images up to date."""

    database: Database
    leases: Leases
    registry: Registry
    tracked: TrackedImages
    stacks: LayerStacks
    records: BaseRecords
    broken: BrokenContent

    def survey(self, question: Question, versions: Iterable[VersionDocument]) -> None:
        """Read what decides whether the bases of these versions have moved. Raises StoreError and LeaseLost."""
        described = [version for version in versions if version["Platforms"] and base_claims_of(version)]
        if not described:
            return
        image = question.image
        with self.database.read() as connection:
            bases = self.records.of(connection, described, is_private=image.private)
            chains = self.stacks.chains_of(connection, image.repository, described, lambda _: ())
        survey = _BaseSurvey(self, question, bases)
        with all_within(min(_LONGEST_SECONDS, seconds_left() * _PART_OF_TIME)):
            for version in described:
                survey.cover(version, chains[version["SHA"]])
        self.registry.content.write()
        self.records.touch(bases)

    @contextmanager
    def alone_with(self, repository: Repository) -> Iterator[bool]:
        """Hold the lease for reading a base; yield False if another check still holds it after the longest wait."""
        name, ends_at = f"{BASE_LEASE}{repository}", time.monotonic() + min(_LONGEST_WAIT_SECONDS, seconds_left())
        while (lease := self.leases.try_take(name)) is None and time.monotonic() < ends_at:
            time.sleep(_POLL_SECONDS)
        try:
            yield lease is not None
        finally:
            if lease:
                self.leases.give_back(lease)


@dataclass(slots=True)
class _BaseSurvey:
    """One survey of the bases of an image."""

    surveyor: BaseSurveyor
    question: Question
    bases: Bases
    followed: set[str] = field(default_factory=set)
    reads_left: int = _MOST_READ
    wasted_seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    """How many seconds the failed requests to each registry took."""
    remotes: dict[Repository, RemoteRepository] = field(default_factory=dict)

    def cover(self, version: VersionDocument, chains: Chains) -> None:
        """Read what decides whether the base of a version has moved."""
        platform, recorded = described_platform(version), recorded_claim(version)
        if platform is None:
            return
        if recorded is None or not recorded.is_annotation:
            for claim in image_inputs(version):
                if claim.digest:
                    self._read(claim, claim.digest, version, platform)
                else:
                    self._follow(claim, version, platform)
        base = base_of(version, chains, self.bases.known)
        if base and base.repository:
            self._follow(base, version, platform)
            if base.key and base.digest and judged_base(version, chains, self.bases.known).get("State") == "unknown":
                self._read(base, base.digest, version, platform)

    def _follow(self, claim: BaseClaim, version: VersionDocument, platform: PlatformDocument) -> None:
        """Ask which digest the tag of a base names, and read the content of that digest."""
        if not claim.key or str(claim.repository) in self.bases.closed:
            return
        if claim.key not in self.followed and len(self.followed) < MOST_TAGS:
            self.followed.add(claim.key)
            self._ask(claim, version)
        if sights := self.bases.sights.get(claim.key):
            self._read(claim, sights[-1]["Digest"], version, platform, is_of_tag=True)

    def _ask(self, claim: BaseClaim, version: VersionDocument) -> None:
        """Store the digest that a tag names, from the record of its image if that is tracked, else from its registry.

        The registry is asked only if the tag is due.
        """
        records, repository = self.surveyor.records, claim.repository
        recorded = records.answer_of_record(claim)
        attempts = self.bases.tags_asked.get(claim.key, Attempts())
        if recorded:
            is_news = claim.key not in self.bases.sights or recorded.asked_at.timestamp() > attempts.asked_at
            sights = self.bases.sights.get(claim.key)
            has_moved = not sights or sights[-1]["Digest"] != recorded.digest
            if is_news and (has_moved or records.is_due(attempts)):
                records.note(self.bases, claim, recorded)
            return
        if repository is None or not records.is_due(attempts) or not self._may_ask(repository):
            return
        with self._alone_with(repository, claim, version) as is_alone:
            if is_alone and records.is_due(self.bases.tags_asked.get(claim.key, Attempts())):
                records.note(self.bases, claim, self._head(claim, repository))

    def _head(self, claim: BaseClaim, repository: Repository) -> Answer | None:
        began_at = time.monotonic()
        try:
            self.question.renew()
            digest = self._remote(repository).head(claim.tag or "")
        except RegistryError:
            digest = None
        if digest is None:
            self._waste(repository, began_at)
        return Answer(digest, self.surveyor.records.now()) if digest else None

    def _read(
        self,
        claim: BaseClaim,
        digest: str,
        version: VersionDocument,
        platform: PlatformDocument,
        *,
        is_of_tag: bool = False,
    ) -> None:
        """Read the manifest of a digest, or an index and its manifest for a platform, unless that was done before."""
        repository = claim.repository
        if repository is None or str(repository) in self.bases.closed:
            return
        if not self._next_unread(repository, digest, platform) or not self._may_read(repository):
            return
        with self._alone_with(repository, claim, version) as is_alone:
            if not is_alone:
                return
            reader = self._reader(repository)
            while (unread := self._next_unread(repository, digest, platform)) and self._may_read(repository):
                if is_of_tag and reader.limits_pulls and self.bases.known.names(claim, digest, claim.digest):
                    return  # the tag still names the recorded digest, so save a pull: its layers matter once it moves
                self._read_content(reader, repository, unread)

    def _read_content(self, reader: Reader, repository: Repository, digest: str) -> None:
        """Read the manifest or index of a digest, and store it or the failure."""
        self.reads_left -= 1
        began_at = time.monotonic()
        content = _content_of(reader, digest)
        if content is None:
            self._waste(repository, began_at)
            if any(isinstance(error, RateLimited) for error in reader.passing):
                self.reads_left = 0
                return
        self.surveyor.records.keep(self.bases, repository, digest, content)

    def _reader(self, repository: Repository) -> Reader:
        content, broken = self.surveyor.registry.content, self.surveyor.broken
        return Reader(
            repository,
            self._remote(repository),
            content,
            broken,
            renew=self.question.renew,
            is_on_request=self.question.image.is_on_request,
        )

    def _next_unread(self, repository: Repository, digest: str, platform: PlatformDocument) -> str | None:
        """Return the digest to read next to learn the layers of a digest.

        Return None if nothing is missing, or if it is too early to try again.
        """
        key = str(repository), digest
        if key in self.bases.contents:
            entry = entry_for(self.bases.contents[key].get("Entries", []), platform)
            key = str(repository), entry or ""
            if not entry or key in self.bases.contents:
                return None
        return key[1] if self.surveyor.records.is_due(self.bases.contents_asked.get(key, Attempts())) else None

    def _may_ask(self, repository: Repository) -> bool:
        return seconds_left() > 0 and self.wasted_seconds[repository.registry] < _MOST_WASTED_SECONDS

    def _waste(self, repository: Repository, began_at: float) -> None:
        self.wasted_seconds[repository.registry] += time.monotonic() - began_at

    def _may_read(self, repository: Repository) -> bool:
        """Return whether content may be read; that of a tracked image costs no pull, because its check has read it."""
        if self.reads_left <= 0 or not self._may_ask(repository):
            return False
        try:
            return self._remote(repository).has_pulls_to_spare or repository in self.surveyor.tracked
        except RegistryError:  # the credential for a private base cannot be read
            return False

    @contextmanager
    def _alone_with(self, repository: Repository, claim: BaseClaim, version: VersionDocument) -> Iterator[bool]:
        """Hold the lease for reading a base, as `alone_with` does, and load what other checks have read of it."""
        with self.surveyor.alone_with(repository) as is_alone:
            with self.surveyor.database.read() as connection:
                self.surveyor.records.load(connection, self.bases, [claim], [version])
            yield is_alone

    def _remote(self, repository: Repository) -> RemoteRepository:
        """Return the view of a repository.

        A registry that the operator did not name is asked at public addresses only. If only readers asked for the
        image, anybody may have made it, so this also applies to every registry other than that of the image.
        """
        if repository not in self.remotes:
            image, tracked = self.question.image, self.surveyor.tracked
            is_trusted = not image.is_on_request or repository.registry == image.repository.registry
            self.remotes[repository] = self.surveyor.registry.repository(
                repository,
                private=str(repository) in self.bases.private,
                is_named=is_trusted and tracked.names_registry(repository.registry),
            )
        return self.remotes[repository]


def _content_of(reader: Reader, digest: str) -> BaseContentDocument | None:
    """Return the content of a digest, empty if it is not an image; None if it cannot be read."""
    try:
        manifest = reader.manifest(digest)
        if isinstance(manifest, Index):
            return BaseContentDocument(Entries=[_entry(image) for image in manifest.images[:_MOST_ENTRIES]])
        config = reader.config(manifest.config)
    except UnsupportedManifest:
        return BaseContentDocument()
    except Unreadable:
        return None
    content = BaseContentDocument()
    chains = chains_of(config.diff_ids) if len(config.diff_ids) == len(manifest.layers) else ()
    if chains:
        content["Chain"] = chains[-1]
    name, _ = read_base(config.labels)
    if name:
        content["BaseName"] = name
    return content


def _entry(image: Descriptor) -> BaseEntryDocument:
    entry = BaseEntryDocument(Digest=image.digest, OS="", Architecture="")
    if platform := image.platform:
        entry["OS"], entry["Architecture"] = platform.os, platform.architecture
        if platform.variant:
            entry["Variant"] = platform.variant
        if platform.os_version:
            entry["OSVersion"] = platform.os_version
    return entry
