"""Makes feeds of some changes of an image, or of the changes of all images.

An entry has the same id in all feeds, so that feed readers recognize it in several of them.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import cast, get_args
from urllib.parse import quote, urlencode

from microbadger.image import ChangeDocument, ChangeLogDocument, Kind, TagPatterns, bases_under, change_title
from microbadger.site.atom_feed import MOST_ENTRIES, Entry, entry_text, feed_url, page_url, written
from microbadger.site.paths import FEED_OF_ALL

KINDS: tuple[Kind, ...] = get_args(Kind)
"""What can happen to a tag, or to the base image under it."""
MOST_ENTRIES_OF_ALL = 100
_MOST_CHARACTERS_OF_ALL = 512 * 1024
_LISTS: dict[str, Kind] = {"New": "new", "Changed": "moved", "Deleted": "deleted"}
"""The lists of a change, and the kind of their entries in older documents that do not name a kind."""


def filtered_feed(log: ChangeLogDocument, patterns: Sequence[str], kinds: Collection[str], base_url: str) -> bytes:
    """Return the feed of the changes in a log that have one of these kinds and a tag that matches the patterns."""
    name, chosen = log["ImageName"], TagPatterns(patterns)
    shown = ((change, _filtered(change, chosen, kinds)) for change in log["Changes"])
    entries = [Entry(name, change, part, change_title(part)) for change, part in shown if part]
    arguments = [("tag", pattern) for pattern in patterns]
    if set(kinds) < set(KINDS):
        arguments.append(("kind", ",".join(kind for kind in KINDS if kind in kinds)))
    query = urlencode(arguments, safe="*,!", quote_via=quote)
    url = f"{feed_url(name, base_url)}?{query}" if query else feed_url(name, base_url)
    title = f"Changes of {name}" + (f" ({', '.join(value for _, value in arguments)})" if arguments else "")
    return written(title, url, page_url(name, base_url), entries[:MOST_ENTRIES], base_url)


def feed_of_all(changes: Iterable[tuple[str, ChangeDocument]], base_url: str) -> bytes:
    """Return the feed of the changes of all images, each with the name of its image, the newest first."""
    left = _MOST_CHARACTERS_OF_ALL
    entries: list[Entry] = []
    for name, change in changes:
        left -= len(entry_text(change))
        if entries and (left < 0 or len(entries) >= MOST_ENTRIES_OF_ALL):
            break
        entries.append(Entry(name, change, change, f"{name}: {change_title(change)}"))
    return written("Changes of all images", f"{base_url}/{FEED_OF_ALL}", f"{base_url}/", entries, base_url)


def _filtered(change: ChangeDocument, chosen: TagPatterns, kinds: Collection[str]) -> ChangeDocument | None:
    """Return a change with only the entries of chosen tags and kinds, or None if none is left."""
    part = {
        name: [entry for entry in change[name] if entry.get("Kind", kind) in kinds and chosen.choose(entry["tag"])]  # type: ignore[literal-required]
        for name, kind in _LISTS.items()
    }
    if "base_moved" in kinds:
        part["BaseMoved"] = bases_under(change.get("BaseMoved", []), chosen)
    return cast(ChangeDocument, {**change, "BaseMoved": [], **part}) if any(part.values()) else None
