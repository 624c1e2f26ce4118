"""The published documents: the fields of MicroBadger's v1 interface, and further ones.

These documents are the model of an image. They are published as JSON, badges and pages are made from them, and the
last documents of an image are its record. Optional fields are left out if their value is unknown.
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

    ``FirstSeen`` is when this service first saw the tag name the digest. ``FirstSeenIsExact`` is false if the tag may
    have named the digest earlier, and left out otherwise.
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
    """The base image: its recorded name and digest, and whether its tag has moved to other layers since.

    ``TagDigest`` is the digest that the tag names now. ``MovedAt`` is when this service first saw the tag name other
    layers than those of the version. Both are present only if the ``State`` is ``outdated``. ``MovedAtIsExact`` is
    false if the tag may have moved earlier, and left out otherwise. ``LayerCount`` is how many of the version's lowest
    layers belong to the base, if that is known.
    """

    Name: NotRequired[str]
    Digest: NotRequired[str]
    State: NotRequired[BaseState]
    TagDigest: NotRequired[str]
    MovedAt: NotRequired[str]
    MovedAtIsExact: NotRequired[bool]
    LayerCount: NotRequired[int]


class InputDocument(TypedDict):
    """An input of a build: its address or package URL, and its digest, such as ``sha256:…`` or ``sha1:…``."""

    URI: str
    Digest: NotRequired[str]


class ProvenanceDocument(TypedDict):
    """The unverified claims of an attestation about a build.

    ``Builder`` is the builder's ID, and ``BuilderName`` its name if it is known, such as ``GitHub Actions``. ``Inputs``
    are the first inputs, images before others. ``Unread`` is a sentence that says why an existing attestation could not
    be read. ``Differs`` lists which of the fields ``Source`` and ``Commit`` contradict the labels.
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
    """A summary of an SBOM: its format, such as ``SPDX`` or ``CycloneDX``, and its numbers of packages.

    ``Licenses`` has the number of packages for each license, the most frequent first. ``Unread`` is a sentence that
    says why the packages were not counted.
    """

    Format: str
    FormatVersion: NotRequired[str]
    Digest: NotRequired[str]
    SizeBytes: NotRequired[int]
    PackageCount: NotRequired[int]
    Licenses: NotRequired[dict[str, int]]
    Unread: NotRequired[str]


class SignatureDocument(TypedDict):
    """A signature that exists but was not verified. ``Kind`` is ``cosign``, ``notation`` or ``sigstore``."""

    Kind: str
    Digest: NotRequired[str]
    CreatedAt: NotRequired[str]


class ChartDocument(TypedDict):
    """The fields of a Helm chart's config."""

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
    """Docker's health check for a container. All times are in nanoseconds."""

    Test: list[str]
    Interval: NotRequired[int]
    Timeout: NotRequired[int]
    StartPeriod: NotRequired[int]
    StartInterval: NotRequired[int]
    Retries: NotRequired[int]


class ConfigDocument(TypedDict):
    """How a container is run. Fields that the config does not set are left out.

    ``Env`` has entries such as ``MODE=fast``. For a private image, it has only the names of the variables.
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
    """One platform of a version.

    It has labels, layers and a config only in the version's own document, and only if the version has several
    platforms. ``Unread`` is a sentence that says why the manifest or the config could not be read; the fields that are
    known are still present. ``Cut`` has a sentence about each kind of data that is left out because it is too large.
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

    ``Unsupported`` is a sentence that says why the digest cannot be described, such as "this is a Helm chart, not a
    container image". ``Unread`` says in a sentence why it could not be read. ``InheritedLabels`` are the keys in
    ``Labels`` that come from the base image and describe it. ``FirstSeen`` is when this service first saw the digest.
    ``FirstSeenIsExact`` is false if the digest may have existed earlier, and left out otherwise. ``Provenance``,
    ``SBOM`` and ``Signatures`` are unverified claims; ``Signatures`` is empty if there are none, and left out if that
    is unknown. ``UnreadClaims`` is a sentence that says why some claims could not be read. ``EndOfLife`` is a date such
    as ``2026-11-30``. ``Layers``, ``DiffIDs`` and ``ConfigDigest`` describe the main platform, and are only in the
    version's own document.
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
    """An image: the fields of its current version at the top level, and all versions in ``Versions``."""

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

    ``Error`` is a sentence, and so is ``Note``, about data that the last check could not read although it succeeded.
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
    """Docker Hub's own details of an image. Unknown values are None."""

    description: str | None = None
    last_updated: datetime | None = None
    pull_count: int | None = None
    star_count: int | None = None


def image_name(repository: Repository) -> str:
    """Return the familiar name of an image, without ``library/`` for an official image."""
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
    """Return the document of a base image with this name and digest, leaving out either if it is empty."""
    base = BaseDocument()
    if name:
        base["Name"] = name
    if digest:
        base["Digest"] = digest
    return base


def is_read(version: VersionDocument) -> bool:
    """Return whether a version is an image that was read completely, so that a missing field means "not set"."""
    return bool(version["Platforms"]) and not {"Unread", "Unsupported"} & version.keys()


def versions_by_tag(image: ImageDocument) -> dict[str, VersionDocument]:
    """Return the version that each tag names. Tags whose digest is unknown are left out."""
    return {tag: version for version in image["Versions"] if version["Digest"] for tag in tags_of(version)}


def ordered(kind: type[D], document: D) -> D:
    """Return a document with its fields in the order of its type, which is the order of the v1 interface."""
    return {key: document[key] for key in kind.__annotations__ if key in document}  # type: ignore[return-value, literal-required]


def document_bytes(document: Mapping[str, object]) -> bytes:
    """Return a document as JSON in UTF-8, with ``<``, ``>`` and ``&`` escaped as in the v1 interface."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text.encode("utf-8", "replace") + b"\n"


def is_same(before: ImageDocument | None, after: ImageDocument) -> bool:
    """Return whether two documents of an image are equal, apart from ``UpdatedAt``."""
    return before is not None and {**before, "UpdatedAt": after["UpdatedAt"]} == after
