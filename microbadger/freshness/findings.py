"""Puts together what a check found out: what each tag shows, what is new or gone, and what could not be read."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from microbadger.freshness.tag_choice import Question, TagChoice
from microbadger.image import HubDetails, VersionDocument, has_unread_part, is_blank, outline_version, tagged, tags_of
from microbadger.registry import BadAnswer, NotFound, RegistryError


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What an image consists of now.

    ``deleted`` are tags that the registry said it does not have, ``known`` those that it had before, kept or not.
    ``absent`` are tags that a later check has to find so, too.
    ``first_listed`` is the list of tags to remember, None to leave the one before. ``trouble`` is why nothing at all
    could be read; else ``note`` is a sentence about what could not. If that ``may_pass``, a check that comes soon may
    find it, but not before ``retry_after``. ``is_gone`` says that the registry has no tag of the image any more: what
    was published of it goes, whatever the trouble is.
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
    """What was found out about the tags of a choice.

    ``digests`` is what each tag names, ``failed`` why that is not known of others, and ``missing`` are those that do
    not exist; ``absent`` are those that failed, but do not exist if a later check finds the same. ``versions`` are
    described by their digests, as far as they could be read; of those that are ``waiting``, more can perhaps be read at
    the next check.
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
        """Return what the image consists of; ``passing`` is what went wrong and may go well at the next check."""
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
        """Whether the registry lists no tag, and does not have those that were asked about."""
        is_listed = self.choice.listed or self.choice.trouble
        return bool(self.missing) and not (is_listed or self.digests or self.failed)

    @property
    def _deleted(self) -> frozenset[str]:
        return frozenset(self.missing.keys() & self.last_of.keys())

    @property
    def _absent(self) -> frozenset[str]:
        """The tags that a later check has to find absent, too; those that this one did not ask about stay so."""
        if self.question.tags is None:
            return frozenset(self.absent)
        return frozenset(self.question.absent.keys() - self.digests.keys() - self.missing.keys())

    def _doubt_what_is_missing(self) -> None:
        """Count a tag as failed, rather than missing, if only the status of an answer denies it and something names it.

        Some registries never answer with a code of their own. So the status is believed of a tag that their whole list
        does not have, if a later check finds the same. Where no tag was found at all, `_absence` judges the answer.
        """
        is_whole = self.question.tags is None and not self.choice.trouble
        seen = self._seen
        for tag, error in [(tag, error) for tag, error in self.missing.items() if tag in seen]:
            is_unlisted = is_whole and tag not in self.choice.listed
            if error.is_explicit or (is_unlisted and (not self.digests or self.question.absent.get(tag))):
                continue
            doubt = "which a later check has to confirm" if is_unlisted else "this is not believed"
            sentence = f"{error}, but the answer is not in the format of a registry: {doubt}"
            self.failed[tag] = BadAnswer(sentence, host=error.host, status=error.status)
            del self.missing[tag]
            if is_unlisted:
                self.absent.add(tag)

    @property
    def _seen(self) -> set[str]:
        """The tags of which something else says that they exist: the last check, the list, or a push."""
        last = {tag for version in self.question.last for tag in tags_of(version)}
        pushed = () if self.digests else self.question.just_pushed
        return {*last, *self.choice.listed, *pushed}

    @property
    def _is_all_gone(self) -> bool:
        """Whether the image had tags and is said to have none of them."""
        if self.digests or self.failed or not self._deleted:
            return False
        return self.question.tags is None or self.last_of.keys() <= self.missing.keys()

    def _absence(self) -> Survey:
        """Return what to make of the answer that every tag is gone, which servers under repair give, too.

        It is believed if the registry itself says that it does not have the repository, or lists no tag and says of
        each that it does not have it; and if a later check of the whole image finds the same.
        """
        is_whole, list_trouble = self.question.tags is None, self.choice.trouble
        reasons = [*self.missing.values(), *([list_trouble] if isinstance(list_trouble, NotFound) else [])]
        no_repository = next((error for error in reasons if error.is_of_repository), None)
        is_empty = not (is_whole and list_trouble) and all(error.is_explicit for error in reasons)
        if self.choice.listed or not (no_repository or is_empty):
            return _doubted(reasons[0], BadAnswer, "but not that the repository is missing: this is not believed")
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
        """Return why nothing could be read; None where anything was, or nothing is ever to be read."""
        if any(digest in self.question.known or not is_blank(version) for digest, version in self.versions.items()):
            return None
        return next(iter([*self.failed.values(), *passing]), None if self.versions else self.choice.trouble)

    def _versions(self) -> list[VersionDocument]:
        """Return the versions that tags show, each once and with these tags."""
        tags: dict[str, list[str]] = {}
        versions: dict[str, VersionDocument] = {}
        for tag, version in dict(self._shown()).items():
            tags.setdefault(version["Digest"], []).append(tag)
            versions[version["Digest"]] = version
        return [tagged(versions[digest], digest_tags) for digest, digest_tags in tags.items()]

    def _shown(self) -> Iterator[tuple[str, VersionDocument]]:
        """Yield the version that each tag shows: the last one if it was not asked, or the new one may be read soon."""
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
        """Return how many tags the registry has; None where its list is not complete."""
        if self.question.tags is None:
            return None if self.choice.trouble else len({*self.choice.listed, *self.digests} - self.missing.keys())
        if self.question.tag_count is None:
            return None
        known = {tag for version in self.question.last for tag in tags_of(version)} | self.choice.known
        new = self.digests.keys() - known
        return self.question.tag_count + len(new) - len(self._deleted)

    def _reasons(self) -> Iterator[str]:
        """Yield a sentence about each kind of part that could not be read."""
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
    """Return that nothing was found; this is not believed yet, so what was published stays."""
    trouble = kind(f"{error}, {doubt}", host=error.host, status=error.status, codes=error.codes)
    return Survey(versions=[], trouble=trouble)
