"""Draws a badge as an SVG image, in one of shields.io's styles.

The geometry is taken from the npm package ``badge-maker`` 6.0.0 (https://github.com/badges/shields), so badges have
their familiar widths. The colors are defined in `microbadger.badges.colors`. A badge has a ``viewBox``, so it scales
as a whole if a page sets another width or height. Element IDs contain the style and, if needed, the width, so several
badges can be inlined in one HTML page.

svgwrite draws the template of each style once. Filling it in takes two steps, because many badges share widths and
colors, but few share texts. `_frame` fills in widths and colors and is cached. `draw` puts the texts between the
finished pieces, so no text can be mistaken for a field of the template.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from html import escape
from typing import Any
from xml.etree import ElementTree

import svgwrite

from microbadger.badges.colors import COLORS, parse_color, text_color
from microbadger.badges.text import Badge
from microbadger.badges.text_width import VERDANA_10, VERDANA_10_BOLD, VERDANA_11, Font, shorten, width_pixels

LONGEST_TEXT = 255  # characters; a tag has 128 at most


@dataclass(frozen=True, slots=True, eq=False)
class _Style:
    """The parameters of a style. Lengths are in pixels, but ``baseline`` and ``font_size`` in tenths of a pixel."""

    name: str
    height: int = 20
    radius: int = 0
    gradient: tuple[tuple[float, str, float], ...] = ()
    padding: int = 5
    lean: int = 1  # how far label and message move towards each other
    baseline: int = 140
    font_size: int = 110
    label_font: Font = VERDANA_11
    message_font: Font = VERDANA_11
    bold_message: bool = False
    has_shadow: bool = False
    in_capitals: bool = False


_STYLES = {
    style.name: style
    for style in (
        _Style("flat", radius=3, gradient=((0, "#bbb", 0.1), (1, "#000", 0.1)), has_shadow=True),
        _Style("flat-square"),
        _Style(
            "plastic",
            height=18,
            radius=4,
            gradient=((0, "#fff", 0.7), (0.1, "#aaa", 0.1), (0.9, "#000", 0.3), (1, "#000", 0.5)),
            baseline=130,
            has_shadow=True,
        ),
        _Style(
            "for-the-badge",
            height=28,
            padding=12,
            lean=0,
            baseline=175,
            font_size=100,
            label_font=VERDANA_10,
            message_font=VERDANA_10_BOLD,
            bold_message=True,
            in_capitals=True,
        ),
    )
}
STYLES = tuple(_STYLES)
_FLAT = _STYLES["flat"]

# Placeholders for the texts, at which the frame is split. Nothing else in the frame contains control characters.
_NAME, _LABEL, _MESSAGE = "\0", "\1", "\2"

_SPACES = re.compile(r"[\t\n\r\u2028\u2029]")
# Characters forbidden by https://www.w3.org/TR/xml/#charsets, and the non-ASCII control characters that it discourages.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def draw(badge: Badge, style: str = "flat") -> bytes:
    """Return the badge as an SVG document in UTF-8. An unknown style falls back to flat."""
    chosen = _STYLES.get(style, _FLAT)
    spoken_label, label, label_width = _typeset(badge.label, chosen.label_font, chosen.in_capitals)
    spoken_message, message, message_width = _typeset(badge.message, chosen.message_font, chosen.in_capitals)
    name = f"{spoken_label}: {spoken_message}" if label else spoken_message
    label_shadow, message_shadow = (label, message) if chosen.has_shadow else ("", "")
    label_width = label_width if label else 0
    a, b, c, d, e, f, g = _frame(chosen, label_width, message_width, badge.label_color, badge.color)
    return f"{a}{name}{b}{name}{c}{label_shadow}{d}{label}{e}{message_shadow}{f}{message}{g}".encode()


def endpoint_document(badge: Badge) -> dict[str, object]:
    """Return the badge as a document for shields.io's endpoint badge (https://shields.io/badges/endpoint-badge).

    shields.io rejects documents with other keys or an empty message.
    """
    fill, label_fill = _fill(badge.color, "blue"), _fill(badge.label_color, "grey")
    document: dict[str, object] = {
        "schemaVersion": 1,
        "label": printable(badge.label),
        "message": printable(badge.message) or "unknown",
        "color": fill,
    }
    return document if label_fill == COLORS["grey"] else document | {"labelColor": label_fill}


def badge_of(document: Mapping[str, Any]) -> Badge:
    """Return the badge that an endpoint document describes. Raises KeyError if a field is missing."""
    return Badge(document["label"], document["message"], document["color"], document.get("labelColor", "grey"))


def restyled(badge: Badge, *, label: str | None, color: str | None, label_color: str | None) -> Badge:
    """Return the badge with another label or other colors. None and invalid colors change nothing."""
    return Badge(
        badge.label if label is None else label,
        badge.message,
        parse_color(color or "") or badge.color,
        parse_color(label_color or "") or badge.label_color,
    )


def printable(text: str) -> str:
    """Return a text as a badge shows it: on one line, without characters that XML forbids, and shortened."""
    if not text.isprintable():
        text = _UNPRINTABLE.sub("", _SPACES.sub(" ", text))
    return shorten(text.strip(), LONGEST_TEXT)


def _typeset(text: str, font: Font, in_capitals: bool) -> tuple[str, str, float]:
    """Return a text as XML for screen readers, the same text as it is drawn, and the width of the latter in pixels."""
    # Fast path: nearly every text has only plain characters, which need no escaping. Adding up their widths proves it.
    text = text.strip()
    try:
        hundredths = sum(map(font.advance_of_plain, text))
    except KeyError:
        hundredths = 0
    if hundredths % 200 and len(text) <= LONGEST_TEXT and not in_capitals:
        return text, text, hundredths // 100 | 1
    text = printable(text)
    drawn = text.upper() if in_capitals else text
    return escape(text), escape(drawn), width_pixels(drawn, font)


@lru_cache(4096)
def _frame(
    style: _Style, label_width: float, message_width: float, label_color: str, color: str
) -> tuple[str, ...]:
    """Return the seven pieces of a badge, between which `draw` puts the name twice, then each shadow and its text."""
    left = label_width + 2 * style.padding if label_width else 0
    right = message_width + 2 * style.padding
    lean = style.lean if label_width else 0
    values: dict[str, float | str] = {
        "name": _NAME,
        "width": left + right,
        "left": left,
        "right": right,
        **_half("label", _LABEL, left / 2 + lean, label_width, _fill(label_color, "grey")),
        **_half("message", _MESSAGE, left + right / 2 - lean, message_width, _fill(color, "blue")),
    }
    texts = {field: str(value).removesuffix(".0") for field, value in values.items()}
    svg = _template(style, bool(label_width)).format_map(texts)
    *names, svg = svg.split(_NAME)
    *labels, svg = svg.split(_LABEL)
    *messages, end = svg.split(_MESSAGE)
    # Empty pieces stand for the texts that the style or the badge does not have.
    return (*names, *["", "", *labels][-2:], *["", *messages][-2:], end)


def _half(half: str, text: str, middle: float, text_width: float, fill: str) -> dict[str, float | str]:
    ink = text_color(fill)
    return {
        half: text,
        f"{half}_x": 10 * middle,
        f"{half}_length": 10 * text_width,
        f"{half}_fill": fill,
        f"{half}_ink": ink,
        f"{half}_shadow": "#010101" if ink == "#fff" else "#ccc",
    }


def _fill(color: str, otherwise: str) -> str:
    return parse_color(color) or COLORS[otherwise]


@cache
def _template(style: _Style, has_label: bool) -> str:
    """Return the SVG of a style as a format string."""
    height = style.height
    drawing = svgwrite.Drawing(size=("{width}", height), viewBox=f"0 0 {{width}} {height}", debug=False)
    drawing.attribs |= {"role": "img", "aria-label": "{name}"}
    drawing.set_desc(title="{name}")
    halves = drawing.add(drawing.g())
    drawing.add(_texts(drawing, style, has_label))
    if has_label:
        halves.add(drawing.rect(size=("{left}", height), fill="{label_fill}"))
    halves.add(drawing.rect(("{left}", 0), ("{right}", height), fill="{message_fill}"))
    if style.gradient:
        gradient = drawing.defs.add(drawing.linearGradient((0, 0), (0, "100%"), id=f"{style.name}-gradient"))
        for stop in style.gradient:
            gradient.add_stop_color(*stop)
        halves.add(drawing.rect(size=("{width}", height), fill=gradient.get_funciri()))
    if style.radius:
        clip = drawing.defs.add(drawing.clipPath(id=f"{style.name}-{{width}}"))
        clip.add(drawing.rect(size=("{width}", height), rx=style.radius))
        halves["clip-path"] = clip.get_funciri()
    else:
        halves["shape-rendering"] = "crispEdges"
    root = drawing.get_xml()
    for unused in ("baseProfile", "version", "xmlns:ev", "xmlns:xlink"):
        del root.attrib[unused]
    return ElementTree.tostring(root, encoding="unicode")


def _texts(drawing: Any, style: _Style, has_label: bool) -> Any:
    group = drawing.g(
        transform="scale(.1)",
        text_anchor="middle",
        font_family="Verdana,Geneva,DejaVu Sans,sans-serif",
        font_size=style.font_size,
        text_rendering="geometricPrecision",
    )
    for half in ("label", "message") if has_label else ("message",):
        text, x, length = f"{{{half}}}", f"{{{half}_x}}", f"{{{half}_length}}"
        ink = drawing.text(text, (x, style.baseline), fill=f"{{{half}_ink}}", textLength=length)
        if style.has_shadow:
            shadow = drawing.text(text, (x, style.baseline + 10), fill=f"{{{half}_shadow}}", textLength=length)
            shadow.update({"fill-opacity": 0.3, "aria-hidden": "true"})
            group.add(shadow)
        if style.bold_message and half == "message":
            ink["font-weight"] = "bold"
        group.add(ink)
    return group
