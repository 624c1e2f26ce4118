"""Summarizes changes in a few words: which tags are new or gone, and which moved between versions.

A version is named by another of its tags, one that did not move along: ``latest moved from 1.2 to 1.3``.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from microbadger.image.changes import ChangeDocument, ChangedTagDocument, moves_by_digests
from microbadger.image.differences import DifferenceDocument
from microbadger.image.tags import most_specific
from microbadger.image.words import short_reference

_TAGS_IN_A_TITLE = 3
_MOVES_IN_A_TITLE = 2
_SHORT_DIGEST_LENGTH = len("sha256:") + 12


class Move(NamedTuple):
    """Tags that moved from one version to another, the names of both versions (or empty texts), and the difference."""

    tags: list[str]
    old_digest: str
    new_digest: str
    old_name: str
    new_name: str
    is_rebuild: bool
    difference: DifferenceDocument

    def __str__(self) -> str:
        """Return the move in a few words.

        >>> str(Move(["1", "latest"], "sha256:0123", "sha256:4567", "1.2", "1.3", False, {}))
        '1 and latest moved from 1.2 to 1.3'
        """
        if self.is_rebuild:
            return f"{listed(self.tags)} {'was' if len(self.tags) == 1 else 'were'} rebuilt"
        origin = f" from {self.old_name}" if self.old_name else ""
        return f"{listed(self.tags)} moved{origin} to {self.new_name or self.new_digest[:_SHORT_DIGEST_LENGTH]}"


def moves_of(change: ChangeDocument) -> list[Move]:
    """Return the moves in a change, with one entry for all tags that moved between the same two versions."""
    return [_move(entries) for entries in moves_by_digests(change).values()]


def change_title(change: ChangeDocument) -> str:
    """Return a summary of a change, such as ``latest moved from 1.2 to 1.3, 1.3 is new``."""
    return ", ".join(_phrases(change))


def listed(tags: Sequence[str]) -> str:
    """Return tags as a text: all of them if they are few, or else the first ones and the number of others."""
    if len(tags) == 1:
        return tags[0]
    shown, rest = tags[:_TAGS_IN_A_TITLE], len(tags) - _TAGS_IN_A_TITLE
    return f"{', '.join(shown)} and {rest} more" if rest > 0 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def _phrases(change: ChangeDocument) -> Iterator[str]:
    moves = moves_of(change)
    moved, rebuilt = ([move for move in moves if move.is_rebuild is which] for which in (False, True))
    if len(moved) > _MOVES_IN_A_TITLE:
        yield f"{_all_listed(moved)} moved"
    else:
        yield from map(str, moved)
    if rebuilt:
        yield str(rebuilt[0]) if len(rebuilt) == 1 else f"{_all_listed(rebuilt)} were rebuilt"
    for entries, word in ((change["New"], "new"), (change["Deleted"], "gone")):
        tags = [entry["tag"] for entry in entries]
        if tags:
            yield f"{listed(tags)} {'is' if len(tags) == 1 else 'are'} {word}"
    if bases := [short_reference(base["Name"]) for base in change.get("BaseMoved", [])]:
        yield f"base image{'' if len(bases) == 1 else 's'} {listed(bases)} {'has' if len(bases) == 1 else 'have'} moved"


def _all_listed(moves: Iterable[Move]) -> str:
    return listed(sorted(tag for move in moves for tag in move.tags))


def _move(entries: Sequence[ChangedTagDocument]) -> Move:
    tags = [entry["tag"] for entry in entries]
    return Move(
        tags=tags,
        old_digest=entries[0]["OldDigest"],
        new_digest=entries[0]["NewDigest"],
        old_name=_name((tag for entry in entries for tag in entry.get("OldTags", [])), tags),
        new_name=_name((tag for entry in entries for tag in entry.get("NewTags", [])), tags),
        is_rebuild=entries[0].get("Kind") == "rebuilt",
        difference=next((entry["Difference"] for entry in entries if "Difference" in entry), DifferenceDocument()),
    )


def _name(siblings: Iterable[str], moved: Sequence[str]) -> str:
    return most_specific(set(siblings) - set(moved)) or ""
