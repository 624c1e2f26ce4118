"""The documents that are published: MicroBadger's v1 names, and what they could not say.

The document is the model: it stands in ``v1/images/<repository>.json``, badges and pages are drawn from it, and, read
back, it is the record of what was last seen. A field that may be left out is left out when nothing is known of it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NotRequired, TypedDict

from microbadger.image.reference import Repository


class TagDocument(TypedDict):
    tag: str


class LicenseDocument(TypedDict):
    Code: str
    URL: NotRequired[str]


class VersionControlDocument(TypedDict):
    Type: str
    URL: str
    Commit: str


class BaseDocument(TypedDict):
    Name: NotRequired[str]
    Digest: NotRequired[str]


class LayerDocument(TypedDict):
    BlobSum: str
    Command: str
    DownloadSize: int
    Digest: NotRequired[str]
    MediaType: NotRequired[str]


class PlatformDocument(TypedDict):
    """One platform of a version; its labels and layers only where a version with several stands alone."""

    OS: str
    Architecture: str
    Variant: NotRequired[str]
    Digest: str
    DownloadSize: int
    LayerCount: int
    Created: NotRequired[str]
    Labels: NotRequired[dict[str, str]]
    Annotations: NotRequired[dict[str, str]]
    Layers: NotRequired[list[LayerDocument]]


class RelativeDocument(TypedDict):
    """A version of a tracked image that has the ``LayerCount`` lowest layers of another version, and no more."""

    SHA: str
    Tags: list[TagDocument]
    ImageName: str
    LayerCount: int
    MicrobadgerURL: str


class VersionDocument(TypedDict):
    """One digest that has a tag.

    ``Unsupported`` says in a sentence why it is no image that can be described, ``Unread`` why it was not read yet.
    """

    SHA: str
    Tags: list[TagDocument]
    ImageName: str
    Author: str
    Labels: NotRequired[dict[str, str]]
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
    DiffIDs: NotRequired[list[str]]
    Unsupported: NotRequired[str]
    Unread: NotRequired[str]


class ImageDocument(TypedDict):
    """An image: the fields of its current version on top, every version below."""

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
    Digest: NotRequired[str]
    MediaType: NotRequired[str]
    Platforms: NotRequired[list[PlatformDocument]]
    Annotations: NotRequired[dict[str, str]]
    Source: NotRequired[str]
    Base: NotRequired[BaseDocument]


@dataclass(frozen=True, slots=True)
class HubDetails:
    """What Docker Hub tells of an image beside its content; None where it does not tell."""

    description: str | None = None
    last_updated: datetime | None = None
    pull_count: int | None = None
    star_count: int | None = None


def image_name(repository: Repository) -> str:
    """Return the name people use: an official image without ``library/``."""
    return repository.bare or repository.familiar


def sha_of(digest: str) -> str:
    """Return the encoded part of a digest: what the old interface calls ``SHA``."""
    return digest.partition(":")[2]


def format_time(moment: datetime) -> str:
    """Return an aware time as RFC 3339 in UTC, ``2018-12-14T08:47:51.363852Z``."""
    return moment.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"


def tags_of(version: VersionDocument) -> list[str]:
    return [tag["tag"] for tag in version["Tags"]]


def document_bytes(document: Mapping[str, object]) -> bytes:
    """Return a document as JSON in UTF-8, with ``<``, ``>`` and ``&`` escaped as the old service did."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text.encode("utf-8", "replace") + b"\n"
