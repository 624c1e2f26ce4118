"""Finds how the tags of an image moved between two of its documents.

The last changes of an image are published in ``v1/images/<repository>/-/changes.json``, the newest one first.
"""

from collections.abc import Container, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NotRequired, TypedDict

from microbadger.image.differences import DifferenceDocument
from microbadger.image.documents import ImageDocument, format_time, sha_of, tags_of

MOST_CHANGES = 100
"""How many changes of an image are kept and published."""


@dataclass(frozen=True, slots=True)
class Changes:
    """The tags that differ between two documents, each with its SHA; a deleted tag has its last one."""

    new: Mapping[str, str]
    changed: Mapping[str, str]
    deleted: Mapping[str, str]

    def __bool__(self) -> bool:
        return bool(self.new or self.changed or self.deleted)

    def __str__(self) -> str:
        return " ".join(f"{kind}={count}" for kind, count in self.counts.items())

    @property
    def counts(self) -> dict[str, int]:
        """The number of tags of each kind."""
        return {"new": len(self.new), "changed": len(self.changed), "deleted": len(self.deleted)}


NO_CHANGES = Changes({}, {}, {})


Kind = Literal["new", "moved", "rebuilt", "deleted"]
"""What happened to a tag. One that was ``rebuilt`` names the same platforms and layers as before."""


class NewTagDocument(TypedDict):
    """A tag that is new, with up to ten other tags of its version."""

    tag: str
    SHA: str
    Digest: str
    Kind: NotRequired[Kind]
    NewTags: NotRequired[list[str]]


class ChangedTagDocument(TypedDict):
    """A tag that names another version, with up to ten other tags of each, and what differs between the two.

    ``Difference`` is left out if nothing differs, or if the change has too many of them.
    """

    tag: str
    OldDigest: str
    NewDigest: str
    Kind: NotRequired[Kind]
    OldTags: NotRequired[list[str]]
    NewTags: NotRequired[list[str]]
    Difference: NotRequired[DifferenceDocument]


class DeletedTagDocument(TypedDict):
    """A tag that is gone, with the last digest it had, and up to ten other tags that its version had."""

    tag: str
    Digest: str
    Kind: NotRequired[Kind]
    OldTags: NotRequired[list[str]]


class ChangeDocument(TypedDict):
    """The changes that one check of an image found; its lists are never null, and in the order of their tags."""

    Time: str
    New: list[NewTagDocument]
    Changed: list[ChangedTagDocument]
    Deleted: list[DeletedTagDocument]


class ChangeLogDocument(TypedDict):
    """The last changes of an image, the newest one first."""

    ImageName: str
    Changes: list[ChangeDocument]


def changes_between(
    before: ImageDocument, after: ImageDocument, *, deleted: Container[str], known: Container[str] = ()
) -> Changes:
    """Return the tags that are new, that name another version, and that are gone.

    A tag counts as gone only if it is among those that the registry ``deleted``: one that is merely no longer kept is
    no change. Nor is one that is kept from now on, but was ``known`` to be in the registry before.
    """
    old, new = _digests(before), _digests(after)
    shown = {tag for version in before["Versions"] for tag in tags_of(version)}
    return Changes(
        new={tag: sha_of(digest) for tag, digest in new.items() if tag not in shown and tag not in known},
        changed={tag: sha_of(digest) for tag, digest in new.items() if tag in old and old[tag] != digest},
        deleted={tag: sha_of(digest) for tag, digest in old.items() if tag not in new and tag in deleted},
    )


def change_document(
    before: ImageDocument, after: ImageDocument, changes: Changes, time: datetime
) -> ChangeDocument | None:
    """Return the changes between two documents as an entry of the log, None if no tag moved."""
    if not changes:
        return None
    old, new = _digests(before), _digests(after)
    return ChangeDocument(
        Time=format_time(time),
        New=[NewTagDocument(tag=tag, SHA=sha, Digest=new[tag]) for tag, sha in sorted(changes.new.items())],
        Changed=[
            ChangedTagDocument(tag=tag, OldDigest=old[tag], NewDigest=new[tag]) for tag in sorted(changes.changed)
        ],
        Deleted=[DeletedTagDocument(tag=tag, Digest=old[tag]) for tag in sorted(changes.deleted)],
    )


def _digests(image: ImageDocument) -> dict[str, str]:
    """Return what each tag names; tags of which that is not known are left out."""
    return {tag: version["Digest"] for version in image["Versions"] if version["Digest"] for tag in tags_of(version)}
