"""Rows of a page that consist of a name and of what stands beside it; `assets/rows.js` draws the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from microbadger.image import web_link

Kind = Literal["bdi", "code", "aside", "tag", "time", "day"]


@dataclass(frozen=True, slots=True)
class Part:
    """A text as an element of a kind, a time in RFC 3339, or a date. With a ``url``, a safe one, it is a link."""

    text: str
    kind: Kind = "bdi"
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A name, and one item or several, each with its parts."""

    name: str
    items: list[list[Part]]


def row(name: str, *parts: Part) -> Row:
    """Return a row with one item."""
    return Row(name, [list(parts)])


def aside(text: str) -> Part:
    """Return a remark."""
    return Part(text, "aside")


def linked(text: str, kind: Kind = "bdi") -> Part:
    """Return an address as a link, or as a text if it is not safe."""
    return Part(text, kind, web_link(text))


def bounded(items: Sequence[list[Part]], most: int, count: int | None = None) -> list[list[Part]]:
    """Return the first items; the last one says how many more there are, of ``count`` in all."""
    more = (len(items) if count is None else max(count, len(items))) - min(len(items), most)
    return [*items[:most], *([[aside(f"and {more} more")]] if more else [])]
