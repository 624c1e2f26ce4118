"""Decides whether the base image of a version has moved, from what is known of the tags of base images.

The tag of a base image has moved if it names other layers than those that the version is built on. Digests alone do not
show that: a recorded digest may belong to a platform or be wrong, and a new index may have the same layers.
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NotRequired, TypedDict

from microbadger.image.base_claims import SCRATCH, BaseClaim, image_inputs, recorded_claim
from microbadger.image.chains import Chains
from microbadger.image.documents import BaseDocument, PlatformDocument, VersionDocument, ordered
from microbadger.image.platforms import described_platform, usual_variant

MOST_SIGHTS = 20
"""How many successive digests of a tag are remembered."""


class SightDocument(TypedDict):
    """A digest, and when a tag was first seen to name it. ``IsExact`` is false if the tag may have done so earlier."""

    Digest: str
    SeenAt: str
    IsExact: bool


class BaseEntryDocument(TypedDict):
    """An image for one platform in an index."""

    Digest: str
    OS: str
    Architecture: str
    Variant: NotRequired[str]
    OSVersion: NotRequired[str]


class BaseContentDocument(TypedDict):
    """The content of a base image's digest: the ``Entries`` of an index, or the ``Chain`` of a manifest's layers.

    ``BaseName`` is the name of its own base image in the labels of its config. If the digest is not an image, there
    are no fields.
    """

    Entries: NotRequired[list[BaseEntryDocument]]
    Chain: NotRequired[str]
    BaseName: NotRequired[str]


@dataclass(frozen=True, slots=True)
class KnownBases:
    """What is known of base images: the digests that tags named, and the content of digests.

    ``sights`` has the digests of each tag, oldest first. A tag that could not be read has an empty list, and one that
    was never asked for is missing. The keys of ``contents`` are a repository and a digest. Nothing must be published
    about the repositories in ``closed``.
    """

    sights: Mapping[str, Sequence[SightDocument]]
    contents: Mapping[tuple[str, str], BaseContentDocument]
    closed: Container[str] = ()

    def of(self, claim: BaseClaim) -> Sequence[SightDocument]:
        """Return the digests that the tag of a claim named, oldest first."""
        return self.sights.get(claim.key, ())

    def manifest_of(self, claim: BaseClaim, digest: str, platform: PlatformDocument) -> BaseContentDocument | None:
        """Return the manifest that a digest names for a platform: empty if there is none, None if it is unknown."""
        content = self.contents.get((str(claim.repository), digest))
        if content is None or "Entries" not in content:
            return content
        entry = entry_for(content["Entries"], platform)
        return self.contents.get((str(claim.repository), entry)) if entry else {}

    def names(self, claim: BaseClaim, digest: str, recorded: str) -> bool:
        """Return whether a digest is the recorded one, or an index with an entry for it."""
        content = self.contents.get((str(claim.repository), digest), {})
        return recorded in (digest, *(entry["Digest"] for entry in content.get("Entries", [])))


NO_BASES = KnownBases({}, {})


def entry_for(entries: Sequence[BaseEntryDocument], platform: PlatformDocument) -> str | None:
    """Return the digest of the image for a platform in an index, or None if there is none."""
    fitting = [entry for entry in entries if _runs_on(entry) == _runs_on(platform)]
    same_version = (entry for entry in fitting if entry.get("OSVersion") == platform.get("OSVersion"))
    entry = next(same_version, fitting[0] if fitting else None)
    return entry["Digest"] if entry else None


def base_of(version: VersionDocument, chains: Chains, known: KnownBases) -> BaseClaim | None:
    """Return the base image of a version, or None if it is unknown.

    An annotation decides. So does a label, unless an image below the version, among the inputs of its build, has the
    same label: then it was inherited. Otherwise, the base is the input that has the most layers of the version.
    """
    recorded = recorded_claim(version)
    platform = described_platform(version)
    if platform is None or (recorded and recorded.is_annotation):
        return recorded
    inputs = {claim: _depth(claim, platform, chains, known) for claim in image_inputs(version)}
    nearest = max(inputs, key=lambda claim: inputs[claim], default=None)
    if nearest is None or not inputs[nearest]:
        return recorded
    below = (
        content
        for claim, depth in inputs.items()
        if depth and (content := known.manifest_of(claim, claim.digest, platform))
    )
    is_inherited = recorded and recorded.name in [content.get("BaseName") for content in below]
    return recorded if recorded and recorded.name and not is_inherited else nearest


def judged_base(version: VersionDocument, chains: Chains, known: KnownBases) -> BaseDocument:
    """Return the base image of a version and whether its tag has moved; an empty document if no base is known.

    ``chains`` are the chains of the layers of its main platform.
    """
    claim, platform = base_of(version, chains, known), described_platform(version)
    if claim is None:
        return BaseDocument()
    if platform is None or claim.name in ("", SCRATCH):
        return claim.document
    is_closed = str(claim.repository) in known.closed
    if claim.key and not is_closed and claim.key not in known.sights:
        return claim.document
    judged = claim.document
    judged["State"] = "unknown"
    if claim.key and not is_closed:
        judged.update(_Judgement(claim, platform, chains, known).document)
    return judged


def with_base(version: VersionDocument, base: BaseDocument) -> VersionDocument:
    """Return a version with this base image, or without a base image if ``base`` is empty."""
    if version.get("Base", {}) == base:
        return version
    changed = version.copy()
    changed.pop("Base", None)
    if base:
        changed["Base"] = base
    return ordered(VersionDocument, changed)


@dataclass(frozen=True, slots=True)
class _Judgement:
    claim: BaseClaim
    platform: PlatformDocument
    chains: Chains
    known: KnownBases

    @property
    def document(self) -> BaseDocument:
        """The fields to add to the claim's document."""
        sights = list(self.known.of(self.claim))
        while sights and not self._is_recorded(sights[-1]["Digest"]) and self._layers(sights[-1]["Digest"]) is None:
            sights.pop()  # this digest was not read yet, and its layers may be the same
        if not sights:
            return {}
        now = sights[-1]["Digest"]
        if count := self._layers_below(now):
            return {"State": "current", "LayerCount": count}
        earlier = [self.claim.digest, *(sight["Digest"] for sight in sights[:-1])]
        if self._layers(now) and (count := max(map(self._layers_below, earlier))):
            return {"State": "outdated", "TagDigest": now, **self._move(sights), "LayerCount": count}
        return {"State": "current"} if self._is_recorded(now) else {}

    def _move(self, sights: list[SightDocument]) -> BaseDocument:
        """Return when the tag was first seen to name other layers than those of the version."""
        first = len(sights) - 1
        while first and not self._layers_below(sights[first - 1]["Digest"]):
            first -= 1
        first = next(place for place in range(first, len(sights)) if self._layers(sights[place]["Digest"]))
        is_exact = sights[first]["IsExact"] and (first == 0 or self._layers(sights[first - 1]["Digest"]) is not None)
        moved = BaseDocument(MovedAt=sights[first]["SeenAt"])
        return moved if is_exact else {**moved, "MovedAtIsExact": False}

    def _is_recorded(self, digest: str) -> bool:
        return self.known.names(self.claim, digest, self.claim.digest)

    def _layers_below(self, digest: str) -> int:
        """Return how many layers a digest has if the version is built on them, or else 0."""
        layers = self._layers(digest)
        return self.chains.index(layers) + 1 if layers in self.chains else 0

    def _layers(self, digest: str) -> str | None:
        """Return the chain of a digest's layers: empty if it has none for the platform, None if it is unknown."""
        manifest = self.known.manifest_of(self.claim, digest, self.platform)
        return None if manifest is None else manifest.get("Chain", "")


def _depth(claim: BaseClaim, platform: PlatformDocument, chains: Chains, known: KnownBases) -> int:
    """Return how many lowest layers of a version come from an image, given its recorded digest or else its tag."""
    digests = [claim.digest] if claim.digest else [sight["Digest"] for sight in known.of(claim)]
    manifests = map(partial(known.manifest_of, claim, platform=platform), digests)
    found = {manifest.get("Chain", "") for manifest in manifests if manifest}
    return max((number for number, chain in enumerate(chains, 1) if chain in found), default=0)


def _runs_on(image: BaseEntryDocument | PlatformDocument) -> tuple[str, str, str]:
    architecture, variant = image.get("Architecture", ""), image.get("Variant", "")
    return image.get("OS", ""), architecture, usual_variant(architecture, variant)
