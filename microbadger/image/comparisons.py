"""Compares two versions of an image that somebody names, each by a tag or a digest."""

from typing import NotRequired, TypedDict

from microbadger.image.differences import DifferenceDocument, difference
from microbadger.image.documents import ImageDocument, TagDocument, VersionDocument, tags_of
from microbadger.image.reference import is_digest, is_tag
from microbadger.image.sameness import is_rebuilt

SEPARATOR = "..."
_LONGEST_NAME = 512


class ComparedVersionDocument(TypedDict):
    """One of two versions that are compared; ``Unread`` and ``Unsupported`` say why little is known of it."""

    SHA: str
    Digest: str
    Tags: list[TagDocument]
    Created: NotRequired[str]
    DownloadSize: int
    LayerCount: int
    Unread: NotRequired[str]
    Unsupported: NotRequired[str]


class ComparisonDocument(TypedDict):
    """Two versions and what differs; ``IsRebuild`` says that both have the same platforms, configs and layers."""

    ImageName: str
    Old: ComparedVersionDocument
    New: ComparedVersionDocument
    IsRebuild: bool
    Difference: DifferenceDocument


def named_pair(text: str) -> tuple[str, str] | None:
    """Return the two tags or digests that a text names, None if it does not name two.

    Tags can have dots: the first ``...`` separates that leaves a tag or a digest on both sides.

    >>> named_pair("1.0...1.1"), named_pair("1.0....1.1"), named_pair("1.0")
    (('1.0', '1.1'), ('1.0.', '1.1'), None)
    """
    if len(text) > _LONGEST_NAME:
        return None
    places = (place for place in range(len(text)) if text.startswith(SEPARATOR, place))
    pairs = ((text[:place], text[place + len(SEPARATOR) :]) for place in places)
    return next((pair for pair in pairs if all(is_tag(name) or is_digest(name) for name in pair)), None)


def version_called(image: ImageDocument, name: str) -> VersionDocument | None:
    """Return the version that has a digest, with or without its algorithm, or else a tag; None if there is none."""
    by_digest = (version for version in image["Versions"] if name in (version["Digest"], version["SHA"]))
    by_tag = (version for version in image["Versions"] if name in tags_of(version))
    return next(by_digest, None) or next(by_tag, None)


def comparison(old: VersionDocument, new: VersionDocument) -> ComparisonDocument:
    """Return two versions with what differs, from the documents of versions with their details."""
    return ComparisonDocument(
        ImageName=new["ImageName"],
        Old=_compared(old),
        New=_compared(new),
        IsRebuild=old["Digest"] != new["Digest"] and is_rebuilt(old, new),
        Difference=difference(old, new),
    )


def _compared(version: VersionDocument) -> ComparedVersionDocument:
    fields = ComparedVersionDocument.__annotations__
    return {field: version[field] for field in fields if field in version}  # type: ignore[literal-required, return-value]
