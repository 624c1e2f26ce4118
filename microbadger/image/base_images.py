"""Judges whether the base image of a version has moved, from what is known of the tags of base images.

The tag of a base has moved if it names other layers than those that the version is built on. A digest alone does not
show that: what is recorded may be that of a platform, or wrong, and a tag can name a new index with the same layers.
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
"""How many digests are remembered that a tag named one after the other."""


class SightDocument(TypedDict):
    """A digest that a tag named from some time on; ``IsExact`` is false if it may have named it before."""

    Digest: str
    SeenAt: str
    IsExact: bool


class BaseEntryDocument(TypedDict):
    """An image in an index."""

    Digest: str
    OS: str
    Architecture: str
    Variant: NotRequired[str]
    OSVersion: NotRequired[str]


class BaseContentDocument(TypedDict):
    """What a digest of a base image names: an index by its ``Entries``, or a manifest by the name of all its layers.

    ``BaseName`` is the name of a base image in the labels of its config. What is not an image has no field.
    """

    Entries: NotRequired[list[BaseEntryDocument]]
    Chain: NotRequired[str]
    BaseName: NotRequired[str]


@dataclass(frozen=True, slots=True)
class KnownBases:
    """What is known of base images: what tags named, the oldest first, and the content of digests by repository.

    A tag that was asked about in vain has no sights, and one that was never asked about is missing. Nothing must be
    said of the repositories that are ``closed``.
    """

    sights: Mapping[str, Sequence[SightDocument]]
    contents: Mapping[tuple[str, str], BaseContentDocument]
    closed: Container[str] = ()

    def of(self, claim: BaseClaim) -> Sequence[SightDocument]:
        """Return what the tag of a claim named."""
        return self.sights.get(claim.key, ())

    def manifest_of(self, claim: BaseClaim, digest: str, platform: PlatformDocument) -> BaseContentDocument | None:
        """Return the manifest for a platform that a digest names, an empty one if there is none; None if not known."""
        content = self.contents.get((str(claim.repository), digest))
        if content is None or "Entries" not in content:
            return content
        entry = entry_for(content["Entries"], platform)
        return self.contents.get((str(claim.repository), entry)) if entry else {}

    def names(self, claim: BaseClaim, digest: str, recorded: str) -> bool:
        """Return whether a digest is the recorded one, or that of an index with it."""
        content = self.contents.get((str(claim.repository), digest), {})
        return recorded in (digest, *(entry["Digest"] for entry in content.get("Entries", [])))


NO_BASES = KnownBases({}, {})


def entry_for(entries: Sequence[BaseEntryDocument], platform: PlatformDocument) -> str | None:
    """Return the digest of the image for a platform in an index, None if it has none."""
    fitting = [entry for entry in entries if _runs_on(entry) == _runs_on(platform)]
    same_version = (entry for entry in fitting if entry.get("OSVersion") == platform.get("OSVersion"))
    entry = next(same_version, fitting[0] if fitting else None)
    return entry["Digest"] if entry else None


def base_of(version: VersionDocument, chains: Chains, known: KnownBases) -> BaseClaim | None:
    """Return the base image of a version; None if none is known.

    An annotation is believed, and so is a label unless the base has the same one: then it was inherited. Else it is the
    image among the inputs of the build that has most of the layers of the version.
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
    """Return the base image of a version with whether its tag has moved; an empty document if no base is known.

    ``chains`` are those of the layers of its main platform.
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
    """Return a version with this base image, with none if it is empty."""
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
        """The fields that the judgement adds."""
        sights = list(self.known.of(self.claim))
        while sights and not self._is_recorded(sights[-1]["Digest"]) and self._layers(sights[-1]["Digest"]) is None:
            sights.pop()  # it could not be read yet, and what it names may be the same
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
        """Return how many layers a digest has if the version is built on them, else 0."""
        layers = self._layers(digest)
        return self.chains.index(layers) + 1 if layers in self.chains else 0

    def _layers(self, digest: str) -> str | None:
        """Return the name of the layers of a digest, empty if it has none for the platform; None if not known."""
        manifest = self.known.manifest_of(self.claim, digest, self.platform)
        return None if manifest is None else manifest.get("Chain", "")


def _depth(claim: BaseClaim, platform: PlatformDocument, chains: Chains, known: KnownBases) -> int:
    """Return how many of the layers of a version an image has, by its recorded digest or else by its tag."""
    digests = [claim.digest] if claim.digest else [sight["Digest"] for sight in known.of(claim)]
    manifests = map(partial(known.manifest_of, claim, platform=platform), digests)
    found = {manifest.get("Chain", "") for manifest in manifests if manifest}
    return max((number for number, chain in enumerate(chains, 1) if chain in found), default=0)


def _runs_on(image: BaseEntryDocument | PlatformDocument) -> tuple[str, str, str]:
    architecture, variant = image.get("Architecture", ""), image.get("Variant", "")
    return image.get("OS", ""), architecture, usual_variant(architecture, variant)
