"""Combines what a check found out: the version that each tag shows, which tags are gone, and what could not be read."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from microbadger.freshness.tag_choice import Question, TagChoice
from microbadger.image import HubDetails, VersionDocument, has_unread_part, is_blank, outline_version, tagged, tags_of
from microbadger.registry import BadAnswer, NotFound, RegistryError


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """The state of an image, as a check found it.

    ``deleted`` are the kept tags that the registry no longer has. ``absent`` are tags that seem to be deleted, which a
    later check has to confirm. ``known`` are all tags that the registry had before, kept or not. ``first_listed`` is
    the list of tags to remember; None leaves the last one as it is.

    ``trouble`` is the error if nothing at all could be read. Otherwise, ``note`` is a sentence about the parts that
    could not be read. If the failure ``may_pass``, it is worth checking again soon, but not before ``retry_after``.
    ``is_gone`` says that the registry has no tag of the image any more: then the public files are removed, whatever
    ``trouble`` is.
    """

    versions: list[VersionDocument]
    hub: HubDetails | None = None
    tag_count: int | None = None
    deleted: frozenset[str] = frozenset()
    absent: frozenset[str] = frozenset()
    known: frozenset[str] = frozenset()
    first_listed: Mapping[str, float] | None = None
    trouble: RegistryError | None = None
    note: str | None = None
    may_pass: bool = False
    retry_after: timedelta = timedelta(0)
    is_gone: bool = False


@dataclass(frozen=True, slots=True)
class Findings:
    """What a check found out about the chosen tags.

    Each tag is in one of three mappings: ``digests`` has the digest that it names, ``missing`` the error if it does not
    exist, and ``failed`` the error if its digest could not be found out. Failed tags that are also ``absent`` count as
    deleted if a later check finds the same. ``versions`` are the documents by digest, as far as they could be read. For
    the digests in ``waiting``, a temporary error occurred, so the next check may read more of them.
    """

    question: Question
    choice: TagChoice
    last_of: Mapping[str, VersionDocument]
    digests: dict[str, str] = field(default_factory=dict)
    failed: dict[str, RegistryError] = field(default_factory=dict)
    missing: dict[str, NotFound] = field(default_factory=dict)
    absent: set[str] = field(default_factory=set)
    versions: dict[str, VersionDocument] = field(default_factory=dict)
    waiting: set[str] = field(default_factory=set)

    def survey(
        self, passing: Sequence[RegistryError], hub: HubDetails | None, first_listed: Mapping[str, float] | None
    ) -> Survey:
        """Return the state of the image; ``passing`` are the temporary errors, which the next check may not meet."""
        self._doubt_what_is_missing()
        if self._is_all_gone:
            return self._absence()
        trouble = self._trouble(passing)
        if trouble and not self.digests:
            return Survey(versions=[], trouble=trouble)
        list_trouble = self.choice.trouble
        return Survey(
            versions=self._versions(),
            hub=hub,
            tag_count=self._tag_count(),
            deleted=self._deleted,
            absent=self._absent,
            known=self.choice.known,
            first_listed=first_listed,
            trouble=trouble,
            note=" ".join(self._reasons()) or None,
            may_pass=bool(passing) or bool(list_trouble and list_trouble.temporary),
            retry_after=timedelta(seconds=max((error.retry_after_seconds or 0 for error in passing), default=0)),
        )

    @property
    def is_nothing_there(self) -> bool:
        """Whether the registry lists no tag and has none of the tags that the check asked about."""
        is_listed = self.choice.listed or self.choice.trouble
        return bool(self.missing) and not (is_listed or self.digests or self.failed)

    @property
    def _deleted(self) -> frozenset[str]:
        return frozenset(self.missing.keys() & self.last_of.keys())

    @property
    def _absent(self) -> frozenset[str]:
        """The tags whose absence a later check has to confirm.

        A check of a few tags keeps the tags that were absent before, except for those whose state it found out.
        """
        if self.question.tags is None:
            return frozenset(self.absent)
        return frozenset(self.question.absent.keys() - self.digests.keys() - self.missing.keys())

    def _doubt_what_is_missing(self) -> None:
        """Count a missing tag as failed if something says that it exists and the answer has no registry error code.

        Such an answer may come from a proxy or a server under repair. But some registries never send error codes, so
        the answer is believed if the complete list of tags does not have the tag and a later check finds the same. If
        no tag was found at all, `_absence` judges the answers.
        """
        is_whole = self.question.tags is None and not self.choice.trouble
        seen = self._seen
        for tag, error in [(tag, error) for tag, error in self.missing.items() if tag in seen]:
            is_unlisted = is_whole and tag not in self.choice.listed
            if error.is_explicit or (is_unlisted and (not self.digests or self.question.absent.get(tag))):
                continue
            doubt = "a later check has to confirm it" if is_unlisted else "it is ignored"
            sentence = f"{error}, but the answer is not in the format of a registry, so {doubt}"
            self.failed[tag] = BadAnswer(sentence, host=error.host, status=error.status)
            del self.missing[tag]
            if is_unlisted:
                self.absent.add(tag)

    @property
    def _seen(self) -> set[str]:
        """The tags that exist according to the last check, the list of tags, or a push."""
        last = {tag for version in self.question.last for tag in tags_of(version)}
        pushed = () if self.digests else self.question.just_pushed
        return {*last, *self.choice.listed, *pushed}

    @property
    def _is_all_gone(self) -> bool:
        """Whether the image had tags and, according to the answers, has none of them any more."""
        if self.digests or self.failed or not self._deleted:
            return False
        return self.question.tags is None or self.last_of.keys() <= self.missing.keys()

    def _absence(self) -> Survey:
        """Return the state of an image whose tags are all gone, according to the answers.

        Servers under repair answer like this, too. So the answers are believed only under two conditions: a later check
        of the whole image finds the same, and the registry sends error codes. The list must have no tags, and the codes
        must say that the repository is missing, or for each tag that it is missing.
        """
        is_whole, list_trouble = self.question.tags is None, self.choice.trouble
        reasons = [*self.missing.values(), *([list_trouble] if isinstance(list_trouble, NotFound) else [])]
        no_repository = next((error for error in reasons if error.is_of_repository), None)
        is_empty = not (is_whole and list_trouble) and all(error.is_explicit for error in reasons)
        if self.choice.listed or not (no_repository or is_empty):
            return _doubted(reasons[0], BadAnswer, "but does not say that the repository is missing, so it is ignored")
        if not (is_whole and self.question.was_absent):
            return _doubted(no_repository or reasons[0], NotFound, "which a later check has to confirm")
        return Survey(
            versions=[],
            tag_count=self._tag_count(),
            deleted=self._deleted,
            known=self.choice.known,
            trouble=no_repository,
            is_gone=True,
        )

    def _trouble(self, passing: Sequence[RegistryError]) -> RegistryError | None:
        """Return why nothing could be read; None if anything was read, or if there is nothing that can be read."""
        if any(digest in self.question.known or not is_blank(version) for digest, version in self.versions.items()):
            return None
        return next(iter([*self.failed.values(), *passing]), None if self.versions else self.choice.trouble)

    def _versions(self) -> list[VersionDocument]:
        """Return each version that tags show, once, with these tags."""
        tags: dict[str, list[str]] = {}
        versions: dict[str, VersionDocument] = {}
        for tag, version in dict(self._shown()).items():
            tags.setdefault(version["Digest"], []).append(tag)
            versions[version["Digest"]] = version
        return [tagged(versions[digest], digest_tags) for digest, digest_tags in tags.items()]

    def _shown(self) -> Iterator[tuple[str, VersionDocument]]:
        """Yield the version that each tag shows.

        A tag keeps its last version if this check did not ask about it, could not find out its digest, or may be able
        to read the new version soon.
        """
        if (only := self.question.tags) is not None:
            left = {*only, *self.choice.dropped}
            yield from ((tag, last) for last in self.question.last for tag in tags_of(last) if tag not in left)
        yield from ((tag, self.last_of[tag]) for tag in self.failed if tag in self.last_of)
        real = {*self.choice.listed, *self.question.image.kept_tags, *self.question.just_pushed}
        lost = {tag: error for tag, error in self.failed.items() if tag not in self.last_of and tag in real}
        reasons = "; ".join(dict.fromkeys(map(str, lost.values())))
        unknown = outline_version(self.question.image.repository, "", unread=reasons)
        yield from ((tag, unknown) for tag in lost)
        for tag, digest in self.digests.items():
            version = self.versions[digest]
            keeps_last = is_blank(version) and digest in self.waiting
            yield tag, self.last_of.get(tag, version) if keeps_last else version

    def _tag_count(self) -> int | None:
        """Return how many tags the registry has; None if its list is not complete."""
        if self.question.tags is None:
            return None if self.choice.trouble else len({*self.choice.listed, *self.digests} - self.missing.keys())
        if self.question.tag_count is None:
            return None
        known = {tag for version in self.question.last for tag in tags_of(version)} | self.choice.known
        new = self.digests.keys() - known
        return self.question.tag_count + len(new) - len(self._deleted)

    def _reasons(self) -> Iterator[str]:
        """Yield the sentences about the parts of the image that could not be read."""
        if self.choice.trouble:
            yield f"The list of tags is not complete: {self.choice.trouble}."
        unread = {tag: str(error) for tag, error in self.failed.items()}
        in_part: dict[str, str] = {}
        for tag, digest in self.digests.items():
            version = self.versions[digest]
            if "Unread" in version:
                unread[tag] = version["Unread"]
            elif has_unread_part(version):
                in_part[tag] = next(platform["Unread"] for platform in version["Platforms"] if "Unread" in platform)
        for how, reasons in (("could not be read", unread), ("could only be read in part", in_part)):
            if reasons:
                tag, reason = next(iter(reasons.items()))
                yield f"{len(reasons)} of {len(self.choice.tags)} tags {how}, such as {tag}: {reason}."


def _doubted(error: NotFound, kind: type[BadAnswer] | type[NotFound], doubt: str) -> Survey:
    """Return the survey for an answer that is not believed yet, so that the public files stay as they are."""
    trouble = kind(f"{error}, {doubt}", host=error.host, status=error.status, codes=error.codes)
    return Survey(versions=[], trouble=trouble)
