"""Finds how the tags of an image changed between two of its documents.

The last changes of an image are published in ``v1/images/<repository>/-/changes.json``, newest first.
"""

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Literal, NotRequired, TypedDict, cast

from microbadger.image.base_images import NO_BASES, KnownBases
from microbadger.image.base_moves import BaseMovedDocument, base_moves
from microbadger.image.bounds import size_bytes
from microbadger.image.differences import (
    IN_A_CHANGE,
    DifferenceDocument,
    difference,
    difference_without_values,
    fitted,
)
from microbadger.image.documents import ImageDocument, VersionDocument, format_time, tags_of, versions_by_tag
from microbadger.image.releases import releases_among
from microbadger.image.sameness import is_rebuilt
from microbadger.image.tags import is_version_tag, ranked

MOST_CHANGES = 100
"""How many changes of an image are kept and published."""
MOST_LEFT_VERSIONS = 50
"""How many versions that tags moved away from are kept for comparisons."""
_MOST_SIBLINGS = 10
_MOST_SIBLINGS_BYTES = 32 * 1024  # of all tags of a change
_MOST_COMPARED = 200  # pairs of versions; at most a hundred tags are kept unless an operator configures more
_LARGEST_DIFFERENCE_BYTES = 8 * 1024
_MOST_DIFFERENCES_BYTES = 32 * 1024  # of all tags of a change


@dataclass(frozen=True, slots=True)
class Changes:
    """The tags that differ between two documents, each with its SHA, and the base images that moved.

    A deleted tag has its last SHA.
    """

    new: Mapping[str, str]
    changed: Mapping[str, str]
    deleted: Mapping[str, str]
    base_moved: tuple[BaseMovedDocument, ...] = ()

    def __bool__(self) -> bool:
        return self.has_tags or bool(self.base_moved)

    @property
    def has_tags(self) -> bool:
        """Whether any tag differs."""
        return bool(self.new or self.changed or self.deleted)

    def __str__(self) -> str:
        bases = "base" if len(self.base_moved) == 1 else "bases"
        words = [f"{count} {kind.replace('base_', f'{bases} ')}" for kind, count in self.counts.items() if count]
        return ", ".join(words) or "no changes"

    @property
    def counts(self) -> dict[str, int]:
        """The number of tags of each kind, and the number of base images that moved."""
        tags = {"new": len(self.new), "changed": len(self.changed), "deleted": len(self.deleted)}
        return {**tags, "base_moved": len(self.base_moved)}


NO_CHANGES = Changes({}, {}, {})


Kind = Literal["new", "moved", "rebuilt", "deleted", "base_moved"]
"""The kind of change to a tag or, for ``base_moved``, to the base image of its version.

A ``rebuilt`` tag has another digest, but the same platforms and layers as before.
"""


class NewTagDocument(TypedDict):
    """A new tag, with up to ten other tags of its version."""

    tag: str
    SHA: str
    Digest: str
    Kind: NotRequired[Kind]
    NewTags: NotRequired[list[str]]


class ChangedTagDocument(TypedDict):
    """A tag that moved to another version, with up to ten other tags of both versions, and their differences.

    ``Difference`` is left out if nothing differs, or if the differences of the change take too much space.
    """

    tag: str
    OldDigest: str
    NewDigest: str
    Kind: NotRequired[Kind]
    OldTags: NotRequired[list[str]]
    NewTags: NotRequired[list[str]]
    Difference: NotRequired[DifferenceDocument]


class DeletedTagDocument(TypedDict):
    """A tag that was deleted, with its last digest and up to ten other tags of its version."""

    tag: str
    Digest: str
    Kind: NotRequired[Kind]
    OldTags: NotRequired[list[str]]


class ChangeDocument(TypedDict):
    """The changes that one check of an image found. The lists are never null, and sorted by tag.

    Changes stored by an older version of MicroBadger have no ``BaseMoved``, but published changes always do.
    """

    Time: str
    New: list[NewTagDocument]
    Changed: list[ChangedTagDocument]
    Deleted: list[DeletedTagDocument]
    BaseMoved: NotRequired[list[BaseMovedDocument]]


class ChangeLogDocument(TypedDict):
    """The last changes of an image, newest first."""

    ImageName: str
    Changes: list[ChangeDocument]


def changes_between(
    before: ImageDocument,
    after: ImageDocument,
    *,
    deleted: Container[str],
    known: Container[str] = (),
    bases: KnownBases = NO_BASES,
) -> Changes:
    """Return the tags that are new, moved or deleted, and the base images that moved.

    A missing tag counts as deleted only if it is in ``deleted``, the tags that the registry no longer has. A tag that
    this service merely stops keeping is not a change. A tag that appears counts as new only if it was not ``known`` to
    be in the registry before.
    """
    old, new = versions_by_tag(before), versions_by_tag(after)
    shown = {tag for version in before["Versions"] for tag in tags_of(version)}
    return Changes(
        new={tag: version["SHA"] for tag, version in new.items() if tag not in shown and tag not in known},
        changed={
            tag: version["SHA"] for tag, version in new.items() if old.get(tag, version)["Digest"] != version["Digest"]
        },
        deleted={tag: version["SHA"] for tag, version in old.items() if tag not in new and tag in deleted},
        base_moved=base_moves(before, after, bases),
    )


def change_document(
    before: ImageDocument,
    after: ImageDocument,
    changes: Changes,
    time: datetime,
    details: Callable[[str], VersionDocument | None] = lambda _: None,
) -> ChangeDocument | None:
    """Return the changes between two documents as an entry of the log, or None if there are none.

    ``details`` returns a version's own document by its SHA, which has the layers needed to find differences.
    """
    if not changes:
        return None
    old, new = _Versions(before, details), _Versions(after, details)
    change = ChangeDocument(
        Time=format_time(time),
        New=[
            NewTagDocument(tag=tag, SHA=sha, Digest=new.digest_of(tag), Kind="new")
            for tag, sha in sorted(changes.new.items())
        ],
        Changed=[
            ChangedTagDocument(tag=tag, OldDigest=old.digest_of(tag), NewDigest=new.digest_of(tag), Kind="moved")
            for tag in sorted(changes.changed)
        ],
        Deleted=[
            DeletedTagDocument(tag=tag, Digest=old.digest_of(tag), Kind="deleted") for tag in sorted(changes.deleted)
        ],
        BaseMoved=list(changes.base_moved),
    )
    _add_siblings(change, old, new)
    _add_differences(change, old, new)
    return change


class _Versions:
    """The versions that the tags of an image name, with their own documents loaded on demand."""

    def __init__(self, image: ImageDocument, details: Callable[[str], VersionDocument | None]) -> None:
        self.of = versions_by_tag(image)
        self._details = details
        self._ranked: dict[str, list[str]] = {}
        self._releases = releases_among(filter(is_version_tag, self.of))

    def digest_of(self, tag: str) -> str:
        return self.of[tag]["Digest"]

    def with_details(self, tag: str) -> VersionDocument:
        return self._details(self.of[tag]["SHA"]) or self.of[tag]

    def siblings_of(self, tag: str) -> list[str]:
        """Return a few other tags of the same version, the most specific first."""
        sha, tags = self.of[tag]["SHA"], tags_of(self.of[tag])
        if len(tags) == 1:
            return []
        if sha not in self._ranked:
            self._ranked[sha] = ranked(filter(is_version_tag, tags), self._releases)[: _MOST_SIBLINGS + 1]
        return [sibling for sibling in self._ranked[sha] if sibling != tag][:_MOST_SIBLINGS]


def _add_siblings(change: ChangeDocument, old: _Versions, new: _Versions) -> None:
    moved, room_bytes = change["Changed"], _MOST_SIBLINGS_BYTES
    places: tuple[tuple[str, _Versions, Iterable[Any]], ...] = (
        ("OldTags", old, (*moved, *change["Deleted"])),
        ("NewTags", new, (*moved, *change["New"])),
    )
    for field, versions, entries in places:
        for entry in entries:
            siblings = versions.siblings_of(entry["tag"])
            size = size_bytes(siblings)
            if siblings and size <= room_bytes:
                entry[field] = siblings
                room_bytes -= size


def _add_differences(change: ChangeDocument, old: _Versions, new: _Versions) -> None:
    """Set the kind and the difference of each move. If space is short, one tag for each pair of digests comes first."""
    found: dict[int, DifferenceDocument] = {}
    groups = list(moves_by_digests(change).values())
    for number, moves in enumerate(groups):
        tag, is_detailed = moves[0]["tag"], number < _MOST_COMPARED
        before, after = (each.with_details(tag) if is_detailed else each.of[tag] for each in (old, new))
        if is_rebuilt(before, after):
            for move in moves:
                move["Kind"] = "rebuilt"
        elif is_detailed:
            found[number] = fitted(difference(before, after, IN_A_CHANGE), _LARGEST_DIFFERENCE_BYTES)
    firsts = [(moves[0], found.get(number)) for number, moves in enumerate(groups)]
    others = [(move, found.get(number)) for number, moves in enumerate(groups) for move in moves[1:]]
    room_bytes = _MOST_DIFFERENCES_BYTES
    for move, differs in (*firsts, *others):
        if differs and (size := size_bytes(differs)) <= room_bytes:
            move["Difference"] = differs
            room_bytes -= size


def change_without_values(change: ChangeDocument) -> ChangeDocument:
    """Return a change without the values of environment variables, as it is published for a private image."""
    moved = change["Changed"]
    hidden = [
        {**each, "Difference": difference_without_values(each["Difference"])} if "Difference" in each else each
        for each in moved
    ]
    return cast(ChangeDocument, {**change, "Changed": hidden})


def moves_by_digests(change: ChangeDocument) -> dict[tuple[str, str], list[ChangedTagDocument]]:
    """Return the tags that moved, grouped by their old and new digest."""
    groups: dict[tuple[str, str], list[ChangedTagDocument]] = {}
    for moved in change["Changed"]:
        groups.setdefault((moved["OldDigest"], moved["NewDigest"]), []).append(moved)
    return groups


def left_versions(changes: Sequence[ChangeDocument]) -> set[str]:
    """Return the digests of the last 50 versions that tags moved away from, given the changes newest first.

    These versions are kept for comparisons. Versions of deleted tags are not, because publishers expect that deleted
    data is gone. Changes without a kind come from an older version of MicroBadger, which did not keep versions.
    """
    deleted = {entry["Digest"] for change in changes for entry in change["Deleted"]}
    left = (entry["OldDigest"] for change in changes for entry in change["Changed"] if "Kind" in entry)
    return set(islice(dict.fromkeys(digest for digest in left if digest not in deleted), MOST_LEFT_VERSIONS))
