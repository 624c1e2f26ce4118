"""Rows of a page, each with a name and items; `assets/rows.js` draws the same rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from microbadger.image import web_link

Kind = Literal["bdi", "code", "aside", "tag", "time", "day"]


@dataclass(frozen=True, slots=True)
class Part:
    """A text and the kind of element that shows it. Times are in RFC 3339. With a ``url``, a safe one, it is a link."""

    text: str
    kind: Kind = "bdi"
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A name with one or several items, each with its parts."""

    name: str
    items: list[list[Part]]


def row(name: str, *parts: Part) -> Row:
    """Return a row with one item."""
    return Row(name, [list(parts)])


def aside(text: str) -> Part:
    """Return a remark."""
    return Part(text, "aside")


def linked(text: str, kind: Kind = "bdi") -> Part:
    """Return an address as a link, or as plain text if it is not safe."""
    return Part(text, kind, web_link(text))


def bounded(items: Sequence[list[Part]], most: int, count: int | None = None) -> list[list[Part]]:
    """Return the first items, and a last one that says how many of ``count`` items are left out."""
    more = (len(items) if count is None else max(count, len(items))) - min(len(items), most)
    return [*items[:most], *([[aside(f"and {more} more")]] if more else [])]
