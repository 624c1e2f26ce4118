"""Reads the content of one image for one check, from the database if it was read before, else from the registry.

A part that cannot be read raises `Unreadable`, and the other parts are still read. A check requests each part at most
once, and permanently broken parts are retried only now and then. If the registry does not answer at all, the check
stops asking it. Failures to answer are counted separately for blobs, because another server may store them.
"""

from collections import Counter
from collections.abc import Callable, Container, Mapping
from contextlib import suppress
from functools import cached_property, partial
from typing import TypeVar

from microbadger.freshness.broken_content import Broken, BrokenContent
from microbadger.http import all_within, seconds_left
from microbadger.image import (
    Config,
    Descriptor,
    Index,
    InvalidManifest,
    Manifest,
    Referrers,
    Repository,
    UnsupportedManifest,
    image_name,
    parse_config,
    parse_manifest,
)
from microbadger.registry import (
    BadAnswer,
    Content,
    NotFound,
    RateLimited,
    RawManifest,
    RegistryError,
    RemoteRepository,
    Unreachable,
)

_MAX_CONFIG_BYTES = 8 * 1024 * 1024
_MOST_SILENCES = 2  # requests without an answer, each after several tries
_SECONDS_TO_DESCRIBE = 30.0
_SCARCE_RETRY_SECONDS = 3600.0
_MOST_PULLS_ON_REQUEST = 20  # or one image with many tags would use up all pulls
_SECONDS_FOR_REFERRERS = 5.0

T = TypeVar("T")


class Unreadable(Exception):
    """A manifest, a config or a claim cannot be read.

    The message says why. ``may_pass`` says whether the cause is temporary.
    """

    def __init__(self, reason: str, *, may_pass: bool = False) -> None:
        super().__init__(reason)
        self.may_pass = may_pass


class Reader:
    """Reads manifests and configs by their digest, and resolves tags to digests.

    ``may_use_reserve`` allows the reader to use the last pulls that a registry permits. ``tries_broken`` makes it
    retry content that was broken a short while ago. Both are meant for tags that were just pushed. ``reads_claims``
    makes it leave a larger reserve, and ``is_on_request`` makes it leave half of all pulls and use only a few of them
    in one check. ``renew`` is called before each request.
    """

    def __init__(
        self,
        repository: Repository,
        remote: RemoteRepository,
        content: Content,
        broken: BrokenContent,
        *,
        renew: Callable[[], object],
        is_on_request: bool = False,
    ) -> None:
        self._is_on_request = is_on_request
        self.may_use_reserve = False
        self.tries_broken = False
        self.reads_claims = False
        self.passing: list[RegistryError] = []
        """The temporary errors of this check."""
        self.met_passing = False
        """Whether a temporary error occurred since this was last set to False."""
        self._repository = repository
        self._remote = remote
        self._content = content
        self._broken = broken
        self._renew = renew
        self._failed: dict[str, RegistryError | InvalidManifest] = {}
        self._read: set[str] = set()
        self._silences: Counter[str] = Counter()
        self._pulls = 0

    @cached_property
    def _known_broken(self) -> Mapping[str, Broken]:
        """The content that was broken when it was last read, by digest. It is loaded only when a check needs it."""
        return self._broken.of(self._repository)

    def digest_of(self, tag: str, known: Container[str]) -> str:
        """Return the digest that a tag names, and read its manifest unless the digest is in ``known``.

        Some registries do not answer HEAD, answer it with a wrong digest, or do not serve manifests by digest. In these
        cases the manifest is read by its tag. Raises RegistryError; NotFound only if both HEAD and GET report it.
        """
        claimed = self._ask(lambda: self._remote.head(tag))
        if claimed is not None and (claimed in known or self._is_content(claimed)):
            return claimed
        manifest = self._ask(lambda: self._pull_by_tag(tag, claimed))
        self._failed.pop(manifest.digest, None)
        self._content.read(str(self._repository), manifest.digest, lambda: manifest.raw)
        self._read.add(manifest.digest)
        return manifest.digest

    def manifest(self, digest: str) -> Index | Manifest:
        """Return the manifest or index of a digest. Raises Unreadable and UnsupportedManifest."""
        try:
            return parse_manifest(self.raw_manifest(digest))
        except InvalidManifest as error:
            raise Unreadable(str(error)) from error

    def raw_manifest(self, digest: str) -> bytes:
        """Return the bytes of a manifest or index, of an image or of another artifact. Raises Unreadable."""
        return self._content_of(digest, lambda: self._checked(self._pull(digest)))

    def config(self, descriptor: Descriptor) -> Config:
        """Return the config of a manifest. Raises Unreadable."""
        read = partial(self._remote.blob, descriptor, _MAX_CONFIG_BYTES)
        content = self._content_of(descriptor.digest, read, "blob")
        try:
            return parse_config(content)
        except InvalidManifest as error:
            raise Unreadable(str(error)) from error

    def blob(self, descriptor: Descriptor, max_bytes: int, *, is_kept: bool) -> bytes:
        """Return the content of a descriptor. Raises Unreadable.

        ``is_kept`` says whether to store the content for later checks.
        """
        read = partial(self._remote.blob, descriptor, max_bytes)
        if is_kept:
            return self._content_of(descriptor.digest, read, "blob")
        try:
            return self._fetch(descriptor.digest, read, "blob")
        except (RegistryError, InvalidManifest) as error:
            raise _unreadable(error) from error

    def referrers(self, digest: str) -> Referrers | None:
        """Return the referrers of a digest, or None if the registry does not support them. Raises Unreadable.

        After two temporary failures, this check does not ask the registry for referrers again.
        """
        try:
            with all_within(_SECONDS_FOR_REFERRERS):
                return self._ask(lambda: self._remote.referrers(digest), "referrers")
        except RegistryError as error:
            self._silences["referrers"] += error.temporary and error.status is not None
            raise _unreadable(error) from error

    def tagged(self, tag: str) -> str:
        """Read the artifact that a tag names, and return its digest. Raises Unreadable."""
        try:
            return self.digest_of(tag, ())
        except RegistryError as error:
            raise _unreadable(error) from error

    def has_tag(self, tag: str) -> bool | None:
        """Return whether the image has a tag, or None if the registry does not say."""
        return self._ask(lambda: self._remote.has_tag(tag))

    @property
    def limits_pulls(self) -> bool:
        """Whether the registry limits the number of pulls."""
        return self._remote.limits_pulls

    def set_aside(self, name: str, reason: str) -> None:
        """Remember that a part is permanently broken, so that later checks retry it only now and then.

        ``name`` is a digest or any other name that identifies the part.
        """
        self._failed[name] = BadAnswer(reason, host=self._repository.registry)

    def was_set_aside(self, name: str) -> bool:
        """Return whether a part was permanently broken when it was last read."""
        return name in self._known_broken

    def is_set_aside(self, name: str) -> bool:
        """Return whether it is too early to retry a part that was permanently broken."""
        broken = self._known_broken.get(name)
        return broken is not None and not self.tries_broken and not self._broken.is_worth_a_try(broken)

    def mend(self, name: str) -> None:
        """Remember that a part is sound, even if it was set aside before."""
        self._read.add(name)

    def close(self) -> None:
        """Store the content that was read, and which parts are broken."""
        self._content.write()
        if not self._failed and not self._read:
            return
        broken = {
            digest: str(error)
            for digest, error in self._failed.items()
            if isinstance(error, InvalidManifest) or not error.temporary
        }
        self._broken.write(self._repository, self._known_broken, broken, self._read & self._known_broken.keys())

    def _is_content(self, digest: str) -> bool:
        """Return whether the content of a digest can be read, or only a rate limit prevents it."""
        try:
            self._content_of(digest, lambda: self._checked(self._pull(digest)))
        except Unreadable as error:
            return isinstance(error.__cause__, RateLimited)
        return True

    def _content_of(self, digest: str, ask: Callable[[], bytes], kind: str = "manifest") -> bytes:
        try:
            self._raise_if_over()
            return self._content.read(str(self._repository), digest, lambda: self._fetch(digest, ask, kind))
        except (RegistryError, InvalidManifest) as error:
            raise _unreadable(error) from error

    def _raise_if_over(self) -> None:
        """Raise Unreachable if the check is far beyond its time limit.

        Even without requests, reading parts from the database takes time. After its time limit, a check has a little
        more time to describe what it has read.
        """
        if seconds_left() <= -_SECONDS_TO_DESCRIBE:
            host = self._repository.registry
            error = Unreachable(f"{image_name(self._repository)} is too large to read in one check", host=host)
            self._note_passing(error)
            raise error

    def _fetch(self, digest: str, ask: Callable[[], bytes], kind: str) -> bytes:
        if failed := self._failed.get(digest):
            self.met_passing |= isinstance(failed, RegistryError) and failed.temporary
            raise failed
        if self.is_set_aside(digest):
            raise Unreadable(self._known_broken[digest].error)
        try:
            content = self._ask(ask, kind)
        except (RegistryError, InvalidManifest) as error:
            self._failed[digest] = error
            raise
        self._read.add(digest)
        return content

    def _pull(self, reference: str) -> RawManifest:
        host = self._repository.registry
        reason = ""
        if self._is_on_request and not self._remote.has_pulls_for_requests:
            reason = f"half of the pulls that {host} allows are reserved for images that the operator tracks"
        elif self._is_on_request and self._remote.limits_pulls and self._pulls >= _MOST_PULLS_ON_REQUEST:
            reason = f"{host} limits pulls, so only {_MOST_PULLS_ON_REQUEST} are used for this image in one check"
        elif self.reads_claims and not self._remote.has_pulls_to_spare:
            reason = f"the remaining pulls that {host} allows are reserved for new versions"
        elif not self.may_use_reserve and self._remote.is_low_on_pulls:
            reason = f"the remaining pulls that {host} allows are reserved for pushes"
        if reason:
            raise RateLimited(reason, host=host, retry_after_seconds=_SCARCE_RETRY_SECONDS)
        self._pulls += 1
        return self._remote.manifest(reference)

    def _pull_by_tag(self, tag: str, claimed: str | None) -> RawManifest:
        """Return the manifest of a tag, which must be valid, because no digest confirms its bytes.

        ``claimed`` is the digest from HEAD, or None. With one, a missing manifest raises BadAnswer, not NotFound.
        """
        host = self._repository.registry
        try:
            manifest = self._pull(tag)
        except NotFound as error:
            if claimed is None:
                raise
            raise BadAnswer(f"{host} has the tag {tag}, but not its manifest", host=host) from error
        try:
            _parse(manifest.raw, manifest.media_type)
        except InvalidManifest as error:
            raise BadAnswer(f"{host} sent an invalid manifest for the tag {tag}: {error}", host=host) from error
        return manifest

    def _checked(self, manifest: RawManifest) -> bytes:
        """Return the bytes of a manifest. Raise InvalidManifest if they contradict their Content-Type.

        Bytes that are not a manifest at all are returned as well, because their digest never names anything else.
        """
        try:
            _parse(manifest.raw)
        except InvalidManifest:
            return manifest.raw
        _parse(manifest.raw, manifest.media_type)
        return manifest.raw

    def _ask(self, request: Callable[[], T], kind: str = "manifest") -> T:
        self._renew()
        host = self._repository.registry
        if seconds_left() > 0 and self._silences[kind] >= _MOST_SILENCES:
            raise Unreachable(f"{host} does not answer", host=host)
        try:
            return request()
        except RegistryError as error:
            self._note_passing(error)
            self._silences[kind] += isinstance(error, Unreachable) and error.status is None
            raise

    def _note_passing(self, error: RegistryError) -> None:
        if error.temporary:
            self.passing.append(error)
            self.met_passing = True


def _unreadable(error: RegistryError | InvalidManifest) -> Unreadable:
    return Unreadable(str(error), may_pass=isinstance(error, RegistryError) and error.temporary)


def _parse(raw: bytes, media_type: str = "") -> None:
    """Raise InvalidManifest unless these bytes are a valid manifest, of an image or of another artifact."""
    with suppress(UnsupportedManifest):
        parse_manifest(raw, media_type)
