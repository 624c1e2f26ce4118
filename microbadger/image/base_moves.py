"""Finds the base images that have moved away under versions that stayed as they were."""

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
    """The tag of a base image that names other layers, and the first 100 tags whose versions are built on older ones.

    ``OldDigest`` is what the tag named before, if that is known, and ``MovedAt`` when it was first seen to name the new
    digest.
    """

    Kind: Literal["base_moved"]
    Name: str
    OldDigest: NotRequired[str]
    NewDigest: str
    MovedAt: str
    Tags: list[str]


def base_moves(before: ImageDocument, after: ImageDocument, known: KnownBases) -> tuple[BaseMovedDocument, ...]:
    """Return the bases of versions in both documents that have moved since the first one.

    A base that may have moved before it was first asked about does not count: that is not news.
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
    """Return the bases that moved under tags that patterns choose, each with these tags."""
    chosen = [(move, [tag for tag in move["Tags"] if patterns.choose(tag)]) for move in moves]
    return [{**move, "Tags": tags} for move, tags in chosen if tags]


def _has_moved(old: BaseDocument, new: BaseDocument) -> bool:
    """Return whether a base is outdated by another digest than before; it counts only if it was judged before."""
    if new.get("State") != "outdated" or old.get("State") not in ("current", "outdated"):
        return False
    return new["TagDigest"] != old.get("TagDigest")


def _move(name: str, digest: str, tags: list[str], known: KnownBases) -> BaseMovedDocument | None:
    """Return how a tag moved to a digest; None if nobody saw what it named before."""
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
