"""Finds the base images whose tags moved while the versions built on them stayed the same."""

from collections.abc import Iterable
from itertools import islice
from typing import Literal, NotRequired, TypedDict

from microbadger.image.base_claims import claim_of
from microbadger.image.base_images import KnownBases
from microbadger.image.documents import BaseDocument, ImageDocument, tags_of
from microbadger.image.tag_patterns import TagPatterns

MOST_BASES = 50
_MOST_TAGS = 100


class BaseMovedDocument(TypedDict):
    """A base image whose tag moved to other layers, and the first 100 tags of versions that are built on the old ones.

    ``OldDigest`` is the digest that the tag named before, if that is known. ``MovedAt`` is when the tag was first seen
    to name the new digest.
    """

    Kind: Literal["base_moved"]
    Name: str
    OldDigest: NotRequired[str]
    NewDigest: str
    MovedAt: str
    Tags: list[str]


def base_moves(before: ImageDocument, after: ImageDocument, known: KnownBases) -> tuple[BaseMovedDocument, ...]:
    """Return the base images, of versions in both documents, that moved between the two documents.

    A base image that may have moved before it was first checked is left out, because that is not news.
    """
    last = {version["Digest"]: version.get("Base", BaseDocument()) for version in before["Versions"]}
    tags: dict[tuple[str, str], set[str]] = {}
    for version in after["Versions"]:
        base = version.get("Base", BaseDocument())
        if _has_moved(last.get(version["Digest"], BaseDocument()), base):
            tags.setdefault((base["Name"], base["TagDigest"]), set()).update(tags_of(version))
    moves = (_move(name, digest, sorted(tags[name, digest])[:_MOST_TAGS], known) for name, digest in sorted(tags))
    return tuple(islice(filter(None, moves), MOST_BASES))


def bases_under(moves: Iterable[BaseMovedDocument], patterns: TagPatterns) -> list[BaseMovedDocument]:
    """Return the base images that moved and have tags that the patterns choose, each with only these tags."""
    chosen = [(move, [tag for tag in move["Tags"] if patterns.choose(tag)]) for move in moves]
    return [{**move, "Tags": tags} for move, tags in chosen if tags]


def _has_moved(old: BaseDocument, new: BaseDocument) -> bool:
    """Return whether a base image is outdated by a new digest. Its state must have been known before."""
    if new.get("State") != "outdated" or old.get("State") not in ("current", "outdated"):
        return False
    return new["TagDigest"] != old.get("TagDigest")


def _move(name: str, digest: str, tags: list[str], known: KnownBases) -> BaseMovedDocument | None:
    """Return how a tag moved to a digest, or None if the digest before is unknown."""
    sights = known.of(claim_of(name))
    place = max((place for place, sight in enumerate(sights) if sight["Digest"] == digest), default=0)
    if not place:
        return None
    return BaseMovedDocument(
        Kind="base_moved",
        Name=name,
        OldDigest=sights[place - 1]["Digest"],
        NewDigest=digest,
        MovedAt=sights[place]["SeenAt"],
        Tags=tags,
    )
