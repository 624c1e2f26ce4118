"""Compares two versions of an image that a reader names by a tag or a digest each."""

from typing import NotRequired, TypedDict

from microbadger.image.differences import DifferenceDocument, difference
from microbadger.image.documents import ImageDocument, TagDocument, VersionDocument, tags_of
from microbadger.image.reference import is_digest, is_tag
from microbadger.image.sameness import is_rebuilt

SEPARATOR = "..."
_LONGEST_NAME = 512


class ComparedVersionDocument(TypedDict):
    """One of two compared versions. ``Unread`` and ``Unsupported`` say why fields are missing or 0."""

    SHA: str
    Digest: str
    Tags: list[TagDocument]
    Created: NotRequired[str]
    DownloadSize: int
    LayerCount: int
    Unread: NotRequired[str]
    Unsupported: NotRequired[str]


class ComparisonDocument(TypedDict):
    """Two versions and their differences.

    ``IsRebuild`` is true if the digests differ, but the platforms, configs and layers are the same.
    """

    ImageName: str
    Old: ComparedVersionDocument
    New: ComparedVersionDocument
    IsRebuild: bool
    Difference: DifferenceDocument


def named_pair(text: str) -> tuple[str, str] | None:
    """Return the two tags or digests in a text such as ``1.0...1.1``, or None if there are not two.

    Because tags can have dots, the text is split at the first ``...`` with a valid tag or digest on both sides.

    >>> named_pair("1.0...1.1"), named_pair("1.0....1.1"), named_pair("1.0")
    (('1.0', '1.1'), ('1.0.', '1.1'), None)
    """
    if len(text) > _LONGEST_NAME:
        return None
    places = (place for place in range(len(text)) if text.startswith(SEPARATOR, place))
    pairs = ((text[:place], text[place + len(SEPARATOR) :]) for place in places)
    return next((pair for pair in pairs if all(is_tag(name) or is_digest(name) for name in pair)), None)


def version_called(image: ImageDocument, name: str) -> VersionDocument | None:
    """Return the version whose digest (with or without its algorithm) or else whose tag is ``name``, or None."""
    by_digest = (version for version in image["Versions"] if name in (version["Digest"], version["SHA"]))
    by_tag = (version for version in image["Versions"] if name in tags_of(version))
    return next(by_digest, None) or next(by_tag, None)


def comparison(old: VersionDocument, new: VersionDocument) -> ComparisonDocument:
    """Return two versions and their differences, given the versions' own documents."""
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
