"""Resolves the tags of an image and reads only the versions that are new.

A whole check resolves every tag that is kept fresh. A check of a few tags, which were pushed or viewed, resolves only
these. If a tag, a version, a platform or a list cannot be read, the others are still read.
"""

import math
import random
from collections import deque
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass

from microbadger.freshness.broken_content import BrokenContent
from microbadger.freshness.claims_reading import read_claims
from microbadger.freshness.findings import Findings, Survey
from microbadger.freshness.inspection import Inspector
from microbadger.freshness.reading import Reader
from microbadger.freshness.tag_choice import Question, TagChooser
from microbadger.http import all_within, seconds_left
from microbadger.image import PREFERRED_PLATFORM, is_blank
from microbadger.registry import HubTag, NotFound, Registry, RegistryError


@dataclass(frozen=True, slots=True, kw_only=True)
class Surveyor:
    """Reads images from their registries and, where it saves requests, asks Docker Hub's web API."""

    registry: Registry
    chooser: TagChooser
    broken: BrokenContent

    def survey(self, question: Question) -> Survey:
        """Return the current tags and versions of an image.

        Raises StoreError and LeaseLost. Raises RegistryError if the credential of a private image cannot be read, or if
        the image is a guess and does not exist.
        """
        repository = question.image.repository
        remote = self.registry.repository(repository, private=question.image.private, is_named=question.is_named)
        reader = Reader(
            repository,
            remote,
            self.registry.content,
            self.broken,
            renew=question.renew,
            is_on_request=question.image.is_on_request,
        )
        with all_within(seconds_left() / 2):  # after a slow list of tags there is time left to read the known tags
            choice = self.chooser.choose(question, remote)
        inspector = Inspector(repository, reader, with_values=not question.image.private)
        check = _Check(Findings(question, choice, question.last_of), reader, inspector)
        for tag in _each_in_turn(choice.tags, question.last_of):
            check.ask(tag)
        if question.is_guess and check.findings.is_nothing_there:
            raise next(iter(check.findings.missing.values()))
        check.read()
        passing = [*reader.passing]
        read_claims(check.findings, reader, self.chooser.now())
        reader.close()
        details = self.registry.docker_hub.details(repository) if question.tags is None else None
        first_listed = self.chooser.list_to_remember(choice, check.findings.digests)
        return check.findings.survey(passing, details, first_listed)


@dataclass(frozen=True, slots=True)
class _Check:
    findings: Findings
    reader: Reader
    inspector: Inspector

    def ask(self, tag: str) -> None:
        """Resolve a tag, and read the most important parts of a new version; for the first tag, all of it."""
        findings, known = self.findings, self.findings.question.known
        hub_tag = findings.choice.hub_tags.get(tag)
        if hub_tag and hub_tag.digest is not None and hub_tag.digest in known:
            findings.digests[tag] = hub_tag.digest
            return
        self._prepare(tag)
        try:
            digest = self.reader.digest_of(tag, known)
        except NotFound as error:
            findings.missing[tag] = error
        except RegistryError as error:
            findings.failed[tag] = error
        else:
            if digest not in known:
                (self.inspector.read_first if findings.digests else self.inspector.inspect)(digest)
            findings.digests[tag] = digest

    def read(self) -> None:
        """Describe the version of each tag, and read its remaining parts."""
        for tag, digest in self.findings.digests.items():
            if digest in self.findings.versions:
                continue
            self._prepare(tag)
            self.reader.met_passing = False
            version = self.findings.question.known.get(digest) or self.inspector.inspect(digest)
            if self.reader.met_passing:
                self.findings.waiting.add(digest)
            hub_tag = self.findings.choice.hub_tags.get(tag)
            if is_blank(version) and hub_tag and hub_tag.digest == digest:
                version["DownloadSize"] = _size_at_hub(hub_tag)
            self.findings.versions[digest] = version

    def _prepare(self, tag: str) -> None:
        self.reader.may_use_reserve = self.findings.question.may_use_reserve(tag)
        self.reader.tries_broken = tag in self.findings.question.just_pushed


def _each_in_turn(tags: Sequence[str], known: Container[str]) -> Iterator[str]:
    """Yield tags in their order during the first half of the time, then unknown tags, then the others at random.

    The random order matters if there is not enough time: otherwise the same tags would always be missed.
    """
    half, rest = seconds_left() / 2, deque(tags)
    while rest and (seconds_left() > half or math.isinf(half)):
        yield rest.popleft()
    yield from sorted(rest, key=lambda tag: (tag in known, random.random()))


def _size_at_hub(tag: HubTag) -> int:
    """Return the size in bytes that Docker Hub gives for the main platform of a tag, or 0 if it gives none."""
    preferred = (image for image in tag.images if (image.os, image.architecture) == PREFERRED_PLATFORM)
    main = next(preferred, next(iter(tag.images), None))
    return (main and main.size_bytes) or 0
