"""Remembers how the tags of an image moved: the document behind ``v1/images/<repository>/-/changes.json``.

The newest change comes first and the last hundred are kept. Lists are never null, and tags stand in order, so that the
same history gives the same bytes.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict, cast

from microbadger.image.documents import ImageDocument, format_time, tags_of

MOST_CHANGES = 100


@dataclass(frozen=True, slots=True)
class Changes:
    """How the tags of an image moved between two documents: tag → SHA, the old one for those deleted."""

    new: Mapping[str, str]
    changed: Mapping[str, str]
    deleted: Mapping[str, str]

    def __bool__(self) -> bool:
        return bool(self.new or self.changed or self.deleted)

    def __str__(self) -> str:
        return " ".join(f"{how}={count}" for how, count in self.counts.items())

    @property
    def counts(self) -> dict[str, int]:
        """How many tags moved, by how they did."""
        return {"new": len(self.new), "changed": len(self.changed), "deleted": len(self.deleted)}


NO_CHANGES = Changes({}, {}, {})


class NewTagDocument(TypedDict):
    tag: str
    SHA: str
    Digest: str


class ChangedTagDocument(TypedDict):
    tag: str
    OldDigest: str
    NewDigest: str


class DeletedTagDocument(TypedDict):
    tag: str
    Digest: str


class ChangeDocument(TypedDict):
    """What one look at an image found changed; ``Digest`` is the last one of a tag that is gone."""

    Time: str
    New: list[NewTagDocument]
    Changed: list[ChangedTagDocument]
    Deleted: list[DeletedTagDocument]


class ChangeLogDocument(TypedDict):
    ImageName: str
    Changes: list[ChangeDocument]


_LISTS = {
    "New": NewTagDocument.__required_keys__,
    "Changed": ChangedTagDocument.__required_keys__,
    "Deleted": DeletedTagDocument.__required_keys__,
}
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z", re.ASCII)


def changes_between(before: ImageDocument, after: ImageDocument) -> Changes:
    """Return which tags are new, which point elsewhere and which are gone."""
    old, new = _tagged(before), _tagged(after)
    return Changes(
        new={tag: sha for tag, sha in new.items() if tag not in old},
        changed={tag: sha for tag, sha in new.items() if tag in old and old[tag] != sha},
        deleted={tag: sha for tag, sha in old.items() if tag not in new},
    )


def extended(
    log: ChangeLogDocument | None, before: ImageDocument | None, after: ImageDocument, time: datetime
) -> ChangeLogDocument:
    """Return the log with what changed between two documents in front, the same log where nothing did.

    What the newest entry tells is not told again: after a crash between the log and the record of an image, the same
    change is found once more. A log begins empty, for nothing is known of what came before the first document.
    """
    if log is None or log["ImageName"] != after["ImageName"]:
        log = ChangeLogDocument(ImageName=after["ImageName"], Changes=[])
    change = _change(before, after, time) if before else None
    if change is None or any({**change, "Time": newest["Time"]} == newest for newest in log["Changes"][:1]):
        return log
    return ChangeLogDocument(ImageName=log["ImageName"], Changes=[change, *log["Changes"]][:MOST_CHANGES])


def parse_log(content: bytes | None) -> ChangeLogDocument | None:
    """Return the log that was published; None where there is none, or a damaged one, which is begun anew."""
    try:
        log = json.loads(content or b"null")
    except (ValueError, RecursionError):
        return None
    is_log = isinstance(log, dict) and isinstance(log.get("ImageName"), str) and isinstance(log.get("Changes"), list)
    return cast(ChangeLogDocument, log) if is_log and all(map(_is_change, log["Changes"])) else None


def _change(before: ImageDocument, after: ImageDocument, time: datetime) -> ChangeDocument | None:
    changes = changes_between(before, after)
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
    return {tag: version["Digest"] for version in image["Versions"] for tag in tags_of(version)}


def _is_change(value: object) -> bool:
    if not isinstance(value, dict) or not _is_time(value.get("Time")):
        return False
    is_whole = all(_is_list_of(fields, value.get(name)) for name, fields in _LISTS.items())
    return is_whole and any(value[name] for name in _LISTS)


def _is_list_of(fields: frozenset[str], value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(tag, dict) and fields <= tag.keys() and {*map(type, tag.values())} == {str} for tag in value
    )


def _is_time(value: object) -> bool:
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def _tagged(image: ImageDocument) -> dict[str, str]:
    return {tag: version["SHA"] for version in image["Versions"] for tag in tags_of(version)}
