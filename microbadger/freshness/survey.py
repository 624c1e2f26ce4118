"""Asks what the tags of an image name now, and reads only what was never seen."""

from collections.abc import Callable, Collection, Container, Iterable, Mapping
from dataclasses import dataclass

from microbadger.freshness.inspection import Inspector
from microbadger.freshness.tracked_images import TrackedImage
from microbadger.image import PREFERRED_PLATFORM, HubDetails, VersionDocument, choose, outline_version, tagged, tags_of
from microbadger.registry import (
    BadAnswer,
    HubTag,
    HubTags,
    NotFound,
    RateLimited,
    Registry,
    RegistryError,
    RemoteRepository,
)

_SCARCE_RETRY_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Survey:
    """What an image consists of now; ``trouble`` is why versions that are ``Unread`` could not be read."""

    versions: list[VersionDocument]
    hub: HubDetails | None
    trouble: RegistryError | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Surveyor:
    """Reads images from their registries and, where it saves requests, asks Docker Hub's web API."""

    registry: Registry
    max_tags: int

    def survey(
        self,
        image: TrackedImage,
        known: Mapping[str, VersionDocument],
        last: Iterable[VersionDocument],
        *,
        wanted: Collection[str] = (),
        is_requested: bool = True,
        renew: Callable[[], object] = lambda: None,
    ) -> Survey:
        """Return the versions of the tags kept fresh; those in ``known`` (by digest) are not read again.

        A check that nobody requested believes Docker Hub's list where it says that nothing changed, and leaves the last
        pulls to those that are requested. A tag whose version cannot be read keeps the last one. ``renew`` is called
        before each step that asks the registry. Raises RegistryError if the registry does not answer.
        """
        remote = self.registry.repository(image.repository, private=image.private)
        listed = None if is_requested else self.registry.docker_hub.tags(image.repository, self.max_tags)
        last_of = {tag: version for version in last for tag in tags_of(version)}
        available = [*_available(remote, listed, last_of, renew), *wanted]  # a list can lag behind a push
        tags = choose(available, self.max_tags, kept=image.kept_tags, wanted=wanted)
        hub_tags = {tag.name: tag for tag in listed.tags} if listed else {}
        content = self.registry.content
        inspector = Inspector(image.repository, remote, content, _before_pull(remote, image, is_requested, renew))
        shown: dict[str, VersionDocument] = {}
        trouble: RegistryError | None = None
        for digest, digest_tags in _tags_by_digest(remote, tags, hub_tags, known, last_of, renew).items():
            version = known.get(digest)
            if version is None:
                version, trouble = _inspect(inspector, digest, trouble, hub_tags.get(digest_tags[0]))
            shown |= {tag: last_of.get(tag, version) if "Unread" in version else version for tag in digest_tags}
        content.write()
        return Survey(_with_tags(shown), self.registry.docker_hub.details(image.repository), trouble)


def _before_pull(
    remote: RemoteRepository, image: TrackedImage, is_requested: bool, renew: Callable[[], object]
) -> Callable[[], None]:
    host = image.repository.registry

    def check_budget() -> None:
        renew()
        if not is_requested and remote.is_low_on_pulls:
            reason = f"{host} lets us read few more manifests for now, which are kept for pushes"
            raise RateLimited(reason, host=host, retry_after_seconds=_SCARCE_RETRY_SECONDS)

    return check_budget


def _with_tags(shown: Mapping[str, VersionDocument]) -> list[VersionDocument]:
    """Return the versions that tags show, each once and with these tags."""
    tags: dict[str, list[str]] = {}
    for tag, version in shown.items():
        tags.setdefault(version["Digest"], []).append(tag)
    versions = {version["Digest"]: version for version in shown.values()}
    return [tagged(versions[digest], digest_tags) for digest, digest_tags in tags.items()]


def _available(
    remote: RemoteRepository, listed: HubTags | None, last_tags: Iterable[str], renew: Callable[[], object]
) -> list[str]:
    """Return every tag there may be, the newest first where Docker Hub says so."""
    if listed is None or not listed.is_complete:
        available = remote.tags(renew)
        if available.trouble:
            raise available.trouble
        return available.names
    names = [tag.name for tag in listed.tags]
    # What the list does not name any more may only be late: the registry is asked.
    return [*names, *last_tags]


def _tags_by_digest(
    remote: RemoteRepository,
    tags: list[str],
    hub_tags: Mapping[str, HubTag],
    known: Container[str | None],
    last_of: Mapping[str, VersionDocument],
    renew: Callable[[], object],
) -> dict[str, list[str]]:
    tags_by_digest: dict[str, list[str]] = {}
    for tag in tags:
        renew()
        digest = hub_tags[tag].digest if tag in hub_tags else None
        if digest not in known:
            digest = _ask_digest(remote, tag, last_of[tag]["Digest"] if tag in last_of else None)
        if digest:
            tags_by_digest.setdefault(digest, []).append(tag)
    return tags_by_digest


def _ask_digest(remote: RemoteRepository, tag: str, last: str | None) -> str | None:
    """Return what a tag names: None if it does not exist (any more), what it last named where the answer is odd."""
    try:
        return remote.head(tag) or remote.manifest(tag).digest
    except NotFound:
        return None
    except BadAnswer:
        return last


def _inspect(
    inspector: Inspector, digest: str, trouble: RegistryError | None, hub_tag: HubTag | None
) -> tuple[VersionDocument, RegistryError | None]:
    """Return a version, only outlined if a limit is reached or the registry has or sends no such content."""
    if not isinstance(trouble, RateLimited):
        try:
            return inspector.inspect(digest), trouble
        except (RateLimited, NotFound, BadAnswer) as error:
            trouble = error
    size_bytes = _size_at_hub(hub_tag) if hub_tag and hub_tag.digest == digest else 0
    return outline_version(inspector.repository, digest, unread=str(trouble), size_bytes=size_bytes), trouble


def _size_at_hub(tag: HubTag) -> int:
    """Return the size of a tag's main platform as Docker Hub has it, 0 where it does not."""
    preferred = (image for image in tag.images if (image.os, image.architecture) == PREFERRED_PLATFORM)
    main = next(preferred, next(iter(tag.images), None))
    return (main and main.size_bytes) or 0
