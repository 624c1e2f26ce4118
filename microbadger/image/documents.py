"""The documents that are published: the fields of MicroBadger's v1 interface, and further ones.

These documents are the model of an image: they are published as JSON, badges and pages are drawn from them, and the
record of an image is its last documents. An optional field is left out if nothing is known of it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, NotRequired, TypedDict, TypeVar

from microbadger.image.reference import Repository

State = Literal["pending", "current", "overdue", "failing"]
Reason = Literal["not_found", "denied", "rate_limited", "unreachable", "bad_answer", "local"]


class TagDocument(TypedDict):
    """A tag of a version.

    ``FirstSeen`` is when this service first saw the tag name the digest. ``FirstSeenIsExact`` is false where the tag
    may have named it before, and left out elsewhere.
    """

    tag: str
    FirstSeen: NotRequired[str]
    FirstSeenIsExact: NotRequired[bool]


class LicenseDocument(TypedDict):
    Code: str
    URL: NotRequired[str]


class VersionControlDocument(TypedDict):
    Type: str
    URL: str
    Commit: str


BaseState = Literal["current", "outdated", "unknown"]


class BaseDocument(TypedDict):
    """The base image: its name and its digest as they are recorded, and whether the tag has moved to other layers.

    ``TagDigest`` is what the tag names now, and ``MovedAt`` when this service first saw it name other layers than those
    of the version; both are there only where the ``State`` is ``outdated``. ``MovedAtIsExact`` is false where the tag
    may have moved before, and left out elsewhere. ``LayerCount`` is how many of the lowest layers of the version are
    those of the base, where that is known.
    """

    Name: NotRequired[str]
    Digest: NotRequired[str]
    State: NotRequired[BaseState]
    TagDigest: NotRequired[str]
    MovedAt: NotRequired[str]
    MovedAtIsExact: NotRequired[bool]
    LayerCount: NotRequired[int]


class InputDocument(TypedDict):
    """Something that a build read: its address or package URL, and its digest, such as ``sha256:…`` or ``sha1:…``."""

    URI: str
    Digest: NotRequired[str]


class ProvenanceDocument(TypedDict):
    """What an attestation claims about a build; nobody has checked it.

    ``Builder`` is the builder's id, ``BuilderName`` its name where it is known, such as ``GitHub Actions``. ``Inputs``
    are the first ones, images before others. ``Unread`` says in a sentence why the attestation, which is there, could
    not be read. ``Differs`` names the fields, ``Source`` and ``Commit``, in which the labels say something else.
    """

    PredicateType: str
    Builder: NotRequired[str]
    BuilderName: NotRequired[str]
    BuildType: NotRequired[str]
    Source: NotRequired[str]
    Commit: NotRequired[str]
    Dockerfile: NotRequired[str]
    Inputs: NotRequired[list[InputDocument]]
    InputCount: NotRequired[int]
    StartedAt: NotRequired[str]
    FinishedAt: NotRequired[str]
    Invocation: NotRequired[str]
    Hermetic: NotRequired[bool]
    Reproducible: NotRequired[bool]
    Differs: NotRequired[list[str]]
    Unread: NotRequired[str]


class SBOMDocument(TypedDict):
    """A list of what is in an image: its format, such as ``SPDX`` or ``CycloneDX``, and how much it lists.

    ``Licenses`` has how many packages name each license, the most frequent ones first. ``Unread`` says in a sentence
    why it was not counted.
    """

    Format: str
    FormatVersion: NotRequired[str]
    Digest: NotRequired[str]
    SizeBytes: NotRequired[int]
    PackageCount: NotRequired[int]
    Licenses: NotRequired[dict[str, int]]
    Unread: NotRequired[str]


class SignatureDocument(TypedDict):
    """A signature that is there; nobody has checked it. ``Kind`` is ``cosign``, ``notation`` or ``sigstore``."""

    Kind: str
    Digest: NotRequired[str]
    CreatedAt: NotRequired[str]


class ChartDocument(TypedDict):
    """The facts in a Helm chart's config."""

    Name: NotRequired[str]
    Version: NotRequired[str]
    AppVersion: NotRequired[str]
    Description: NotRequired[str]
    Home: NotRequired[str]
    Sources: NotRequired[list[str]]
    Keywords: NotRequired[list[str]]
    Deprecated: NotRequired[bool]


class LayerDocument(TypedDict):
    BlobSum: str
    Command: str
    DownloadSize: int
    Digest: NotRequired[str]
    MediaType: NotRequired[str]


class HealthcheckDocument(TypedDict):
    """How Docker finds out whether a container works; its times are in nanoseconds."""

    Test: list[str]
    Interval: NotRequired[int]
    Timeout: NotRequired[int]
    StartPeriod: NotRequired[int]
    StartInterval: NotRequired[int]
    Retries: NotRequired[int]


class ConfigDocument(TypedDict):
    """How a container is run; what the config does not say is left out.

    ``Env`` has entries such as ``MODE=fast``; those of a private image are names only.
    """

    User: NotRequired[str]
    Env: NotRequired[list[str]]
    Entrypoint: NotRequired[list[str]]
    Cmd: NotRequired[list[str]]
    ExposedPorts: NotRequired[list[str]]
    Volumes: NotRequired[list[str]]
    WorkingDir: NotRequired[str]
    StopSignal: NotRequired[str]
    Healthcheck: NotRequired[HealthcheckDocument]


class PlatformDocument(TypedDict):
    """One platform of a version; it has labels, layers and config only in the document of a version with several.

    ``Unread`` says in a sentence why its manifest or its config could not be read: what is known of it is there all the
    same. ``Cut`` has a sentence about each kind of part that is left out because it is too large.
    """

    OS: NotRequired[str]
    OSVersion: NotRequired[str]
    Architecture: NotRequired[str]
    Variant: NotRequired[str]
    Digest: str
    DownloadSize: int
    LayerCount: int
    Created: NotRequired[str]
    Labels: NotRequired[dict[str, str]]
    Annotations: NotRequired[dict[str, str]]
    Layers: NotRequired[list[LayerDocument]]
    Config: NotRequired[ConfigDocument]
    ConfigDigest: NotRequired[str]
    Unread: NotRequired[str]
    Cut: NotRequired[list[str]]


class RelativeDocument(TypedDict):
    """A version of a tracked image whose layers are exactly the ``LayerCount`` lowest ones of another version."""

    SHA: str
    Tags: list[TagDocument]
    ImageName: str
    LayerCount: int
    MicrobadgerURL: str


class VersionDocument(TypedDict):
    """One digest that has a tag.

    ``Unsupported`` says in a sentence why it cannot be described, such as "this is a Helm chart, not a container
    image"; ``Unread`` says why it could not be read. ``InheritedLabels`` are the keys of labels that are the base
    image's: they are in ``Labels`` and describe the base. ``FirstSeen`` is when this service first saw the digest.
    ``FirstSeenIsExact`` is false where it may have been there before, and left out elsewhere. ``Provenance``, ``SBOM``
    and ``Signatures`` are claims that nobody has checked; ``Signatures`` is empty if there are none, and left out if
    that is not known. ``UnreadClaims`` says in a sentence why not all of the claims could be read. ``EndOfLife`` is a
    date, ``2026-11-30``. ``Layers``, ``DiffIDs`` and ``ConfigDigest`` are only in the version's own document, and of
    its main platform.
    """

    SHA: str
    Tags: list[TagDocument]
    ImageName: str
    Author: str
    Labels: NotRequired[dict[str, str]]
    InheritedLabels: NotRequired[list[str]]
    LayerCount: int
    DownloadSize: int
    Created: NotRequired[str]
    Layers: NotRequired[list[LayerDocument]]
    Parents: NotRequired[list[RelativeDocument]]
    Identical: NotRequired[list[RelativeDocument]]
    License: NotRequired[LicenseDocument]
    VersionControl: NotRequired[VersionControlDocument]
    Digest: str
    MediaType: str
    Platforms: list[PlatformDocument]
    Annotations: NotRequired[dict[str, str]]
    Source: NotRequired[str]
    Base: NotRequired[BaseDocument]
    Provenance: NotRequired[ProvenanceDocument]
    SBOM: NotRequired[SBOMDocument]
    Signatures: NotRequired[list[SignatureDocument]]
    UnreadClaims: NotRequired[str]
    EndOfLife: NotRequired[str]
    Chart: NotRequired[ChartDocument]
    FirstSeen: NotRequired[str]
    FirstSeenIsExact: NotRequired[bool]
    DiffIDs: NotRequired[list[str]]
    Config: NotRequired[ConfigDocument]
    ConfigDigest: NotRequired[str]
    Unsupported: NotRequired[str]
    Unread: NotRequired[str]
    Cut: NotRequired[list[str]]


class ImageDocument(TypedDict):
    """An image: the fields of its current version on top, all versions below."""

    LatestSHA: str
    WebhookURL: NotRequired[str]
    UpdatedAt: str
    Description: NotRequired[str]
    LastUpdated: NotRequired[str]
    PullCount: NotRequired[int]
    StarCount: NotRequired[int]
    Versions: list[VersionDocument]
    Id: NotRequired[str]
    ImageName: str
    ImageURL: NotRequired[str]
    Author: NotRequired[str]
    LayerCount: NotRequired[int]
    DownloadSize: NotRequired[int]
    Labels: NotRequired[dict[str, str]]
    LatestVersion: NotRequired[str]
    Registry: str
    Repository: str
    TagCount: NotRequired[int]
    Digest: NotRequired[str]
    MediaType: NotRequired[str]
    Platforms: NotRequired[list[PlatformDocument]]
    Annotations: NotRequired[dict[str, str]]
    Source: NotRequired[str]
    Base: NotRequired[BaseDocument]
    Config: NotRequired[ConfigDocument]
    Provenance: NotRequired[ProvenanceDocument]
    SBOM: NotRequired[SBOMDocument]
    Signatures: NotRequired[list[SignatureDocument]]
    UnreadClaims: NotRequired[str]
    EndOfLife: NotRequired[str]
    Chart: NotRequired[ChartDocument]
    FirstSeen: NotRequired[str]
    FirstSeenIsExact: NotRequired[bool]
    Cut: NotRequired[list[str]]


class StatusDocument(TypedDict):
    """The state of an image: when it was checked, when it is checked next and, if it is failing, since when and why.

    ``Error`` is a sentence. So is ``Note``, about what the last check could not read although it succeeded.
    """

    ImageName: str
    State: State
    CheckedAt: NotRequired[str]
    NextCheckAt: NotRequired[str]
    Reason: NotRequired[Reason]
    Error: NotRequired[str]
    FailingSince: NotRequired[str]
    Note: NotRequired[str]


D = TypeVar("D", ImageDocument, VersionDocument, PlatformDocument)


@dataclass(frozen=True, slots=True)
class HubDetails:
    """The facts that Docker Hub has about an image besides its content; None for each that it does not know."""

    description: str | None = None
    last_updated: datetime | None = None
    pull_count: int | None = None
    star_count: int | None = None


def image_name(repository: Repository) -> str:
    """Return the familiar name of an image, without ``library/`` if it is an official one."""
    return repository.bare or repository.familiar


def sha_of(digest: str) -> str:
    """Return the encoded part of a digest, which the v1 interface calls ``SHA``."""
    return digest.partition(":")[2]


def format_time(moment: datetime) -> str:
    """Return an aware time as RFC 3339 in UTC, ``2018-12-14T08:47:51.363852Z``."""
    return moment.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"


def tags_of(version: VersionDocument) -> list[str]:
    """Return the tags of a version."""
    return [tag["tag"] for tag in version["Tags"]]


def named_base(name: str, digest: str) -> BaseDocument:
    """Return the document of a base image that has this name and this digest; an empty one is left out."""
    base = BaseDocument()
    if name:
        base["Name"] = name
    if digest:
        base["Digest"] = digest
    return base


def is_read(version: VersionDocument) -> bool:
    """Return whether a version is an image that could be read whole, so that what it lacks is not there."""
    return bool(version["Platforms"]) and not {"Unread", "Unsupported"} & version.keys()


def versions_by_tag(image: ImageDocument) -> dict[str, VersionDocument]:
    """Return the version that each tag names; tags whose digest is not known are left out."""
    return {tag: version for version in image["Versions"] if version["Digest"] for tag in tags_of(version)}


def ordered(kind: type[D], document: D) -> D:
    """Return a document with its fields in the order of its kind, which is the order of the v1 interface."""
    return {key: document[key] for key in kind.__annotations__ if key in document}  # type: ignore[return-value, literal-required]


def document_bytes(document: Mapping[str, object]) -> bytes:
    """Return a document as JSON in UTF-8, with ``<``, ``>`` and ``&`` escaped as in the v1 interface."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text.encode("utf-8", "replace") + b"\n"


def is_same(before: ImageDocument | None, after: ImageDocument) -> bool:
    """Return whether two documents of an image differ at most in ``UpdatedAt``."""
    return before is not None and {**before, "UpdatedAt": after["UpdatedAt"]} == after
