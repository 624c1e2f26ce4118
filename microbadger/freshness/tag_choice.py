"""Chooses the tags that a check resolves.

The list of tags is only a hint: a registry may offer no list, an incomplete one or an old one. So tags that were named
by the operator, a push, a view or the last check are resolved even if they are not listed.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from microbadger.freshness.stored_images import TrackedImage
from microbadger.freshness.tag_lists import BEFORE, TagLists, listed_since
from microbadger.image import LATEST, VersionDocument, choose, is_blank, is_version_tag, tags_of
from microbadger.registry import Denied, DockerHub, HubTag, HubTags, NotFound, RegistryError, RemoteRepository


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """The subject of a check.

    ``last`` are the versions in the record, and ``tag_count`` is the number of tags that the registry had then. The
    versions in ``known``, by digest, are not read again. ``tags`` are the tags to resolve; None for a whole check.
    ``just_pushed`` are the tags that a push named. ``pushed`` and ``viewed`` are tags that are kept beside the limit,
    the newest first, and ``let_go`` are tags that were kept so until now.

    ``is_push`` says whether a push was announced. Unless ``is_requested``, the check trusts Docker Hub's list if it
    shows no change. ``is_named`` says whether the operator named the registry, which may then be on a private network.
    ``was_absent`` says that an earlier check did not find the image, long enough ago for this check to confirm it.
    ``absent`` are tags that an earlier check did not find, each with whether that is long enough ago. ``is_ours`` says
    whether ``last`` is of the current edition, and ``checked_at`` is the time of the last successful whole check.
    ``is_guess`` says that only a reader named the image, so it may not exist. ``renew`` is called before each request.
    """

    image: TrackedImage
    last: Sequence[VersionDocument] = ()
    tag_count: int | None = None
    known: Mapping[str, VersionDocument] = field(default_factory=dict)
    tags: Sequence[str] | None = None
    just_pushed: Collection[str] = ()
    pushed: Sequence[str] = ()
    viewed: Sequence[str] = ()
    let_go: Collection[str] = ()
    is_requested: bool = True
    is_push: bool = False
    is_named: bool = True
    was_absent: bool = False
    absent: Mapping[str, bool] = field(default_factory=dict)
    is_ours: bool = True
    is_guess: bool = False
    checked_at: datetime | None = None
    renew: Callable[[], object] = lambda: None

    @property
    def last_of(self) -> dict[str, VersionDocument]:
        """The last version of each tag, without versions that could not be read."""
        return {tag: version for version in self.last for tag in tags_of(version) if not is_blank(version)}

    def may_use_reserve(self, tag: str) -> bool:
        """Return whether a tag may be read with the last pulls, which are reserved for pushes.

        A push without a tag may have moved any tag, except those that still wait to be read for the first time.
        """
        if self.just_pushed or not self.is_push or not self.last:
            return tag in self.just_pushed
        return tag not in {tag for version in self.last if is_blank(version) for tag in tags_of(version)}


@dataclass(frozen=True, slots=True)
class TagsBeside:
    """The tags of artifacts about versions, such as signatures, each with the time of its push if Docker Hub gives it.

    If the list ``is_whole``, the repository has no other such tags.
    """

    pushed_at: Mapping[str, datetime | None] = field(default_factory=dict)
    is_whole: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TagChoice:
    """The tags to resolve, the most important first, and what the lists say about tags.

    ``dropped`` are tags that a check of a few tags no longer keeps. ``listed`` are all version tags in the list of the
    registry. ``hub_tags`` is Docker Hub's information by tag. ``first_listed`` says when each tag was first listed, and
    ``known`` are the tags that the list had before; both are empty for images with few tags. ``remembered`` is the
    stored list. ``trouble`` is the reason why the list is incomplete. ``beside`` are the tags of artifacts about
    versions, such as signatures.
    """

    tags: Sequence[str]
    dropped: Collection[str] = ()
    listed: Collection[str] = ()
    hub_tags: Mapping[str, HubTag] = field(default_factory=dict)
    first_listed: Mapping[str, float] = field(default_factory=dict)
    remembered: Mapping[str, float] = field(default_factory=dict)
    known: frozenset[str] = frozenset()
    trouble: RegistryError | None = None
    beside: TagsBeside = TagsBeside()


@dataclass(frozen=True, slots=True, kw_only=True)
class TagChooser:
    """Chooses tags from the lists of a registry and of Docker Hub."""

    docker_hub: DockerHub
    lists: TagLists
    max_tags: int
    now: Callable[[], datetime]

    def choose(self, question: Question, remote: RemoteRepository) -> TagChoice:
        """Return the tags that a check resolves.

        Raises NotFound and Denied only for a guess, for which one request must be enough.
        """
        before = self.lists.of(question.image.repository)
        if question.tags is not None:
            tags = filter(is_version_tag, question.tags)
            ordered = sorted(tags, key=lambda tag: tag not in question.just_pushed)
            return TagChoice(
                tags=ordered,
                dropped=self._beyond_the_limit(question, before),
                first_listed=before,
                remembered=before,
                known=frozenset(before),
            )
        listed, hub_tags, trouble = self._listed(question, remote)
        names = [name for name in listed if is_version_tag(name)]
        others = set(listed).difference(names)
        pushed_at = {name: hub_tags[name].pushed_at if name in hub_tags else None for name in others}
        first_listed = self._first_listed(before, names, question)
        dated = {**first_listed, **{tag.name: tag.pushed_at.timestamp() for tag in hub_tags.values() if tag.pushed_at}}
        return TagChoice(
            tags=self._chosen(names, dated, question),
            listed=names,
            hub_tags={} if question.is_requested else hub_tags,
            first_listed=first_listed,
            remembered=before,
            known=frozenset(before) or frozenset(self._never_new(question, first_listed)),
            trouble=trouble,
            beside=TagsBeside(pushed_at, is_whole=trouble is None),
        )

    def list_to_remember(self, choice: TagChoice, found: Collection[str]) -> dict[str, float] | None:
        """Return the list to store after these tags were found, or None to keep the stored one."""
        if choice.trouble or not choice.first_listed:
            return None
        names = [*choice.first_listed, *found]
        listed = listed_since(choice.first_listed, names, self.now().timestamp())
        return None if listed == choice.remembered else listed

    def _listed(
        self, question: Question, remote: RemoteRepository
    ) -> tuple[list[str], dict[str, HubTag], RegistryError | None]:
        """Return all listed tags, Docker Hub's information by tag, and the reason if the list is incomplete.

        The newest tags come last, as far as their age is known.
        """
        hub = None if question.is_requested else self._hub_tags(question)
        names: Collection[str] = ()
        trouble = None
        if hub is None or not hub.is_complete:
            listed = remote.tags(question.renew, is_guess=question.is_guess)
            names, trouble = listed.names, listed.trouble
            if question.is_guess and isinstance(trouble, NotFound | Denied):
                raise trouble
            if hub is None and (trouble or len(names) > self.max_tags):
                hub = self._hub_tags(question)
        if hub and hub.is_complete:
            trouble = None
        hub_tags = {tag.name: tag for tag in hub.tags} if hub else {}
        newest_last = [*(name for name in names if name not in hub_tags), *reversed(hub_tags)]
        return list(dict.fromkeys(newest_last)), hub_tags, trouble

    def _hub_tags(self, question: Question) -> HubTags | None:
        try:
            return self.docker_hub.tags(question.image.repository, self.max_tags)
        except NotFound:
            if question.is_guess:
                raise
            return None  # the registry may still have the image

    def _first_listed(
        self, before: Mapping[str, float], names: Collection[str], question: Question
    ) -> dict[str, float]:
        if not before and len(names) <= self.max_tags:
            return {}
        if not before and question.tag_count is not None and question.tag_count <= len(question.last_of):
            before = dict.fromkeys(question.last_of, BEFORE)  # the record had all tags, so any other tag is new
        return listed_since(before, names, self.now().timestamp())

    def _never_new(self, question: Question, first_listed: Mapping[str, float]) -> Iterable[str]:
        return (tag for tag, at in first_listed.items() if at == BEFORE) if question.last else ()

    def _beyond_the_limit(self, question: Question, dated: Mapping[str, float]) -> Collection[str]:
        """Return the tags that were let go and are not within the limit either."""
        others = question.last_of.keys() - {*question.pushed, *question.viewed}
        chosen = choose(sorted(others), self.max_tags, kept=question.image.kept_tags, dated=dated)
        return set(question.let_go).difference(chosen, question.tags or ())

    def _chosen(self, names: Collection[str], dated: Mapping[str, float], question: Question) -> list[str]:
        """Return the tags to resolve: tags up to the limit, and besides them those that were pushed or viewed."""
        kept, listed = question.image.kept_tags, set(names)
        named = filter(is_version_tag, [*question.last_of, *kept, *question.pushed, *question.viewed])
        possible = [*(name for name in dict.fromkeys(named) if name not in listed), *names] or [LATEST]
        chosen = choose(possible, self.max_tags, kept=kept, dated=dated)
        beside = {*question.pushed, *question.viewed}.difference(chosen).intersection(possible)
        ranks = [question.just_pushed, {LATEST}, kept, question.pushed]
        return sorted([*chosen, *sorted(beside)], key=lambda tag: [tag not in rank for rank in ranks])
