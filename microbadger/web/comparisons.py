"""Compares two versions for the page and the API, from the database and without asking a registry."""

from werkzeug.exceptions import NotFound

from microbadger.freshness import Freshness
from microbadger.image import (
    ComparisonDocument,
    ImageDocument,
    Repository,
    VersionDocument,
    comparison,
    named_pair,
    version_called,
)


class UnknownVersion(LookupError):
    """An image has no version with this tag or digest."""

    def __init__(self, name: str) -> None:
        super().__init__(f"The tag or digest {name} is not known here.")
        self.name = name


def asked_pair(text: str) -> tuple[str, str]:
    """Return the two tags or digests that an address names. Raises NotFound if it does not name two."""
    pair = named_pair(text)
    if pair is None:
        raise NotFound("Compare two tags or digests with three dots between them, such as 1.0...1.1")
    return pair


def compared(
    freshness: Freshness, repository: Repository, image: ImageDocument, pair: tuple[str, str]
) -> ComparisonDocument:
    """Return the differences between two versions of an image. Raises UnknownVersion."""

    def details(name: str) -> VersionDocument:
        if version := version_called(image, name):
            return freshness.records.version(repository, version["SHA"]) or version
        left = freshness.records.version(repository, name.rpartition(":")[2])
        if left is None or name not in (left["Digest"], left["SHA"]):
            raise UnknownVersion(name)
        return {**left, "Tags": []}

    return comparison(*map(details, pair))
