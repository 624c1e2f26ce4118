"""Lists changes for a page: one row for all tags of a version that changed in the same way, with the differences."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from microbadger.image import (
    BaseMovedDocument,
    ChangeDocument,
    DeletedTagDocument,
    ImageDocument,
    Move,
    NewTagDocument,
    change_title,
    difference_lines,
    left_versions,
    moves_of,
    sha_of,
    short_reference,
)
from microbadger.site.paths import ImagePaths

ROWS_SHOWN = 10
_TAGS_SHOWN = 5
_LINES_SHOWN = 12


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """What happened to some tags. ``what`` is ``new``, ``moved``, ``rebuilt``, ``gone`` or ``base moved``.

    ``name`` is the name of the version or of the base, and ``compare`` the path of the page that compares the versions.
    """

    tags: list[str]
    what: str
    digest: str
    old_digest: str = ""
    name: str = ""
    old_name: str = ""
    lines: list[str] = field(default_factory=list)
    compare: str = ""

    @property
    def tags_left_out(self) -> int:
        return max(len(self.tags) - _TAGS_SHOWN, 0)

    @property
    def tags_shown(self) -> list[str]:
        return self.tags[:_TAGS_SHOWN]


@dataclass(frozen=True, slots=True)
class ChangeEntry:
    """A change with its title, its first rows, and the number of further rows."""

    time: str
    title: str
    rows: list[ChangeRow]
    left_out: int


def changes_of_tag(changes: Iterable[ChangeDocument], tag: str) -> Iterator[ChangeDocument]:
    """Yield the changes of a tag, each without its entries about other tags."""
    for change in changes:
        part = change.copy()
        part["New"] = [entry for entry in change["New"] if entry["tag"] == tag]
        part["Changed"] = [entry for entry in change["Changed"] if entry["tag"] == tag]
        part["Deleted"] = [entry for entry in change["Deleted"] if entry["tag"] == tag]
        part["BaseMoved"] = [base for base in change.get("BaseMoved", []) if tag in base["Tags"]]
        if part["New"] or part["Changed"] or part["Deleted"] or part["BaseMoved"]:
            yield part


def change_entries(
    changes: Sequence[ChangeDocument], image: ImageDocument, paths: ImagePaths, *, is_static: bool
) -> list[ChangeEntry]:
    """Return the entries of the list of changes, the newest first, with links to comparisons if there is a service."""
    kept = {version["Digest"] for version in image["Versions"]} | left_versions(changes)
    comparable = frozenset[str]() if is_static else frozenset(kept)
    entries = []
    for change in changes:
        rows = list(_rows(change, paths, comparable))
        entries.append(ChangeEntry(change["Time"], change_title(change), rows[:ROWS_SHOWN], len(rows[ROWS_SHOWN:])))
    return entries


def _rows(change: ChangeDocument, paths: ImagePaths, comparable: frozenset[str]) -> Iterator[ChangeRow]:
    yield from (ChangeRow(tags, "new", digest) for digest, tags in _by_digest(change["New"]).items())
    yield from (_moved(move, paths, comparable) for move in moves_of(change))
    yield from (ChangeRow(tags, "gone", digest) for digest, tags in _by_digest(change["Deleted"]).items())
    yield from map(_base_moved, change.get("BaseMoved", []))


def _by_digest(entries: Iterable[NewTagDocument | DeletedTagDocument]) -> dict[str, list[str]]:
    tags: dict[str, list[str]] = {}
    for entry in entries:
        tags.setdefault(entry["Digest"], []).append(entry["tag"])
    return tags


def _base_moved(base: BaseMovedDocument) -> ChangeRow:
    old_digest = base.get("OldDigest", "")
    return ChangeRow(base["Tags"], "base moved", base["NewDigest"], old_digest, name=short_reference(base["Name"]))


def _moved(move: Move, paths: ImagePaths, comparable: frozenset[str]) -> ChangeRow:
    digests = move.old_digest, move.new_digest
    return ChangeRow(
        tags=move.tags,
        what="rebuilt" if move.is_rebuild else "moved",
        digest=move.new_digest,
        old_digest=move.old_digest,
        name=move.new_name,
        old_name=move.old_name,
        lines=difference_lines(move.difference, _LINES_SHOWN),
        compare=paths.compare(*map(sha_of, digests)) if comparable.issuperset(digests) else "",
    )
