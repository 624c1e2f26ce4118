"""Asks what the tags of an image name now, and reads only what was never seen.

A whole check asks about each tag that is kept fresh; a check of a few tags, which were pushed or viewed, about these
only. A tag, a version, a platform or a list that cannot be read leaves the others alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from microbadger.freshness.broken_content import BrokenContent
from microbadger.freshness.inspection import Inspector
from microbadger.freshness.reading import Reader
from microbadger.freshness.tag_choice import Question, TagChoice, TagChooser
from microbadger.image import (
    PREFERRED_PLATFORM,
    HubDetails,
    VersionDocument,
    has_unread_part,
    outline_version,
    tagged,
)
from microbadger.registry import HubTag, NotFound, Registry, RegistryError


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What an image consists of now.

    ``deleted`` are tags that the registry said it does not have, ``known`` those that it had before, kept or not.
    ``first_listed`` is the list of tags to remember, None to leave the one before. ``trouble`` is why nothing at all
    could be read; else ``note`` is a sentence about what could not. If that ``may_pass``, a check that comes soon may
    find it, but not before ``retry_after``.
    """

    versions: list[VersionDocument]
    hub: HubDetails | None = None
    tag_count: int | None = None
    deleted: frozenset[str] = frozenset()
    known: frozenset[str] = frozenset()
    first_listed: Mapping[str, float] | None = None
    trouble: RegistryError | None = None
    note: str | None = None
    may_pass: bool = False
    retry_after: timedelta = timedelta(0)


@dataclass(slots=True)
class _Answers:
    """What was found out about the tags: what each names, why that is not known, and which do not exist."""

    digests: dict[str, str] = field(default_factory=dict)
    failed: dict[str, RegistryError] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surveyor:
    """Reads images from their registries and, where it saves requests, asks Docker Hub's web API."""

    registry: Registry
    chooser: TagChooser
    broken: BrokenContent

    def survey(self, question: Question) -> Survey:
        """Return what an image consists of now. Only a defect or an unusable database raises an error."""
        image = question.image
        remote = self.registry.repository(image.repository, private=image.private)
        reader = Reader(image.repository, remote, self.registry.content, self.broken, renew=question.renew)
        inspector = Inspector(image.repository, reader)
        choice = self.chooser.choose(question, remote)
        answers = self._ask(question, choice, reader, inspector)
        versions = self._read(question, choice, answers, reader, inspector)
        reader.close()
        return self._survey(question, choice, answers, versions, reader.passing)

    def _ask(self, question: Question, choice: TagChoice, reader: Reader, inspector: Inspector) -> _Answers:
        """Ask what tags name, and read of each new version what matters most; of the first one, all."""
        answers = _Answers()
        for tag in choice.tags:
            listed = choice.hub_tags[tag].digest if tag in choice.hub_tags else None
            if listed is not None and listed in question.known:
                answers.digests[tag] = listed
                continue
            _prepare(reader, question, tag)
            try:
                digest = reader.digest_of(tag, question.known)
            except NotFound:
                answers.missing.add(tag)
                continue
            except RegistryError as error:
                answers.failed[tag] = error
                continue
            if digest not in question.known:
                (inspector.read_first if answers.digests else inspector.inspect)(digest)
            answers.digests[tag] = digest
        return answers

    def _read(
        self, question: Question, choice: TagChoice, answers: _Answers, reader: Reader, inspector: Inspector
    ) -> dict[str, VersionDocument]:
        """Return each version that a tag names, by its digest."""
        versions: dict[str, VersionDocument] = {}
        for tag, digest in answers.digests.items():
            if digest in versions:
                continue
            _prepare(reader, question, tag)
            version = question.known.get(digest) or inspector.inspect(digest)
            hub_tag = choice.hub_tags.get(tag)
            if is_blank(version) and hub_tag and hub_tag.digest == digest:
                version["DownloadSize"] = _size_at_hub(hub_tag)
            versions[digest] = version
        return versions

    def _survey(
        self,
        question: Question,
        choice: TagChoice,
        answers: _Answers,
        versions: Mapping[str, VersionDocument],
        passing: Sequence[RegistryError],
    ) -> Survey:
        trouble = _trouble(question, choice, answers, versions, passing)
        if trouble and not answers.digests:
            return Survey(versions=[], trouble=trouble)
        last_of = question.last_of
        shown = {tag: version for tag, version in last_of.items() if question.tags and tag not in question.tags}
        shown |= _shown(question, choice, answers, versions)
        deleted = frozenset(answers.missing & last_of.keys())
        new = answers.digests.keys() - last_of.keys() - choice.known
        reasons = list(_reasons(choice, answers, versions))
        is_whole = question.tags is None
        is_late = bool(choice.trouble and choice.trouble.temporary)
        return Survey(
            versions=_with_tags(shown),
            hub=self.registry.docker_hub.details(question.image.repository) if is_whole else None,
            tag_count=_tag_count(question, choice, answers, len(new) - len(deleted)),
            deleted=deleted,
            known=choice.known,
            first_listed=self.chooser.list_to_remember(choice, answers.digests),
            trouble=trouble,
            note="; ".join(reasons) or None,
            may_pass=bool(passing) or is_late,
            retry_after=timedelta(seconds=max((error.retry_after_seconds or 0 for error in passing), default=0)),
        )


def is_blank(version: VersionDocument) -> bool:
    """Return whether nothing at all could be read of a version."""
    return "Unread" in version and not version["LayerCount"]


def _prepare(reader: Reader, question: Question, tag: str) -> None:
    reader.may_use_reserve = question.may_use_reserve(tag)
    reader.tries_broken = tag in question.just_pushed


def _shown(
    question: Question, choice: TagChoice, answers: _Answers, versions: Mapping[str, VersionDocument]
) -> Iterator[tuple[str, VersionDocument]]:
    """Yield the version that each tag shows: its last one where the new one cannot be read."""
    last_of = question.last_of
    real = {*choice.listed, *question.image.kept_tags, *question.just_pushed}
    lost = {tag: error for tag, error in answers.failed.items() if tag not in last_of and tag in real}
    if lost:
        reasons = "; ".join(dict.fromkeys(map(str, lost.values())))
        unknown = outline_version(question.image.repository, "", unread=reasons)
        yield from ((tag, unknown) for tag in lost)
    yield from ((tag, last_of[tag]) for tag in answers.failed if tag in last_of)
    for tag, digest in answers.digests.items():
        version = versions[digest]
        yield tag, last_of.get(tag, version) if is_blank(version) else version


def _with_tags(shown: Mapping[str, VersionDocument]) -> list[VersionDocument]:
    """Return the versions that tags show, each once and with these tags."""
    tags: dict[str, list[str]] = {}
    for tag, version in shown.items():
        tags.setdefault(version["Digest"], []).append(tag)
    versions = {version["Digest"]: version for version in shown.values()}
    return [tagged(versions[digest], digest_tags) for digest, digest_tags in tags.items()]


def _trouble(
    question: Question,
    choice: TagChoice,
    answers: _Answers,
    versions: Mapping[str, VersionDocument],
    passing: Sequence[RegistryError],
) -> RegistryError | None:
    """Return why nothing could be read; None where anything was, or nothing is ever to be read."""
    if any(digest in question.known or not is_blank(versions[digest]) for digest in versions):
        return None
    return next(iter([*answers.failed.values(), *passing]), None if versions else choice.trouble)


def _reasons(
    choice: TagChoice, answers: _Answers, versions: Mapping[str, VersionDocument]
) -> Iterator[str]:
    """Yield a sentence about each kind of part that could not be read."""
    if choice.trouble:
        yield f"the list of tags is not complete: {choice.trouble}"
    unread = {tag: str(error) for tag, error in answers.failed.items()}
    parts: dict[str, str] = {}
    for tag, digest in answers.digests.items():
        version = versions[digest]
        if "Unread" in version:
            unread[tag] = version["Unread"]
        elif has_unread_part(version):
            parts[tag] = next(platform["Unread"] for platform in version["Platforms"] if "Unread" in platform)
    for kind, reasons in (("unread", unread), ("read in part", parts)):
        if reasons:
            tag, reason = next(iter(reasons.items()))
            yield f"{len(reasons)} of {len(choice.tags)} tags {kind}, first {tag}: {reason}"


def _tag_count(question: Question, choice: TagChoice, answers: _Answers, difference: int) -> int | None:
    """Return how many tags the registry has; None where its list is not complete."""
    if question.tags is not None:
        return None if question.tag_count is None else question.tag_count + difference
    return None if choice.trouble else len({*choice.listed, *answers.digests} - answers.missing)


def _size_at_hub(tag: HubTag) -> int:
    """Return the size of a tag's main platform as Docker Hub has it, 0 where it does not."""
    preferred = (image for image in tag.images if (image.os, image.architecture) == PREFERRED_PLATFORM)
    main = next(preferred, next(iter(tag.images), None))
    return (main and main.size_bytes) or 0
