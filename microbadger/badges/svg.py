"""Draws what a badge says as an SVG picture, in one of shields.io's styles.

The geometry is that of the npm package ``badge-maker`` 6.0.0 (https://github.com/badges/shields), so a badge is
as wide as readers know it; the colours are ours, see ``badge_colors``. It has a ``viewBox``: it scales as a whole
for whoever gives it a width or a height of their own, instead of being cut off. Its ids say what they name, with
the size where that matters, so several badges can stand in one HTML page.

svgwrite draws each style once, with holes for all that differs from badge to badge, and the drawing is cut at the
holes. All but the texts follows from two widths and two colours: filled in, that is a frame, and remembered. The
texts come last, in one pass over a frame that is finished, so none of them can be taken for a hole.
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
    """What distinguishes a style; lengths are pixels, but those of the text tenths of them."""

    name: str
    height: int = 20
    radius: int = 0
    gradient: tuple[tuple[float, str, float], ...] = ()
    padding: int = 5
    lean: int = 1  # how far label and message are moved towards each other
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

_TEXT = "\0"  # stands in a frame where a text goes, until the frame is cut there

_SPACES = re.compile(r"[\t\n\r\u2028\u2029]")
# https://www.w3.org/TR/xml/#charsets, and the controls beyond ASCII, which it discourages.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def draw(badge: Badge, style: str = "flat") -> bytes:
    """Return the badge as an SVG document in UTF-8; an unknown style falls back to flat."""
    look = _STYLES.get(style, _FLAT)
    spoken_label, label, label_width = _typeset(badge.label, look.label_font, look.in_capitals)
    spoken_message, message, message_width = _typeset(badge.message, look.message_font, look.in_capitals)
    name = f"{spoken_label}: {spoken_message}" if label else spoken_message
    pieces = _frame(look, label_width if label else 0, message_width, badge.label_color, badge.color)
    if look.has_shadow:
        a, b, c, d, e, f, g = pieces
        return f"{a}{name}{b}{name}{c}{label}{d}{label}{e}{message}{f}{message}{g}".encode()
    a, b, c, d, e = pieces
    return f"{a}{name}{b}{name}{c}{label}{d}{message}{e}".encode()


def endpoint_document(badge: Badge) -> dict[str, object]:
    """Return the badge as a shields.io endpoint document, https://shields.io/badges/endpoint-badge.

    No other key may be added, shields.io rejects what it does not know. It also rejects an empty message.
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
    """Return the badge an endpoint document describes; raise KeyError if it is none."""
    return Badge(document["label"], document["message"], document["color"], document.get("labelColor", "grey"))


def restyled(badge: Badge, *, label: str | None, color: str | None, label_color: str | None) -> Badge:
    """Return the badge with another label or other colours; None, or what is no colour, changes nothing."""
    return Badge(
        badge.label if label is None else label,
        badge.message,
        parse_color(color or "") or badge.color,
        parse_color(label_color or "") or badge.label_color,
    )


def printable(text: str) -> str:
    """Return the text as a badge shows it: on one line, without what XML forbids, shortened if it is long."""
    if not text.isprintable():
        text = _UNPRINTABLE.sub("", _SPACES.sub(" ", text))
    return shorten(text.strip(), LONGEST_TEXT)


def _typeset(text: str, font: Font, in_capitals: bool) -> tuple[str, str, float]:
    """Return a text as XML, as it is spoken and as it is drawn, and the width it is drawn with."""
    # Nearly every text consists of plain characters: once they are summed up, it is known to be ready as it is.
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
    look: _Style, label_width: float, message_width: float, label_color: str, color: str
) -> tuple[str, ...]:
    """Return a badge in the pieces that stand before, between and after its texts, also those of a missing label."""
    values = _geometry(look, label_width, message_width) | _colors(label_color, color)
    svg = _picture(look, bool(label_width)).copy()
    svg[1::2] = [values.get(hole, _TEXT) for hole in svg[1::2]]
    pieces = "".join(svg).split(_TEXT)
    if not label_width:
        pieces[3:3] = [""] * (2 if look.has_shadow else 1)
    return tuple(pieces)


def _geometry(look: _Style, label_width: float, message_width: float) -> dict[str, str]:
    left = label_width + 2 * look.padding if label_width else 0
    right = message_width + 2 * look.padding
    lean = look.lean if label_width else 0
    numbers = {
        "width": left + right,
        "left": left,
        "right": right,
        "label_x": 10 * (look.padding + label_width / 2 + lean),
        "label_length": 10 * label_width,
        "message_x": 10 * (left + look.padding + message_width / 2 - lean),
        "message_length": 10 * message_width,
    }
    return {hole: str(number).removesuffix(".0") for hole, number in numbers.items()}


def _colors(label_color: str, color: str) -> dict[str, str]:
    values: dict[str, str] = {}
    for half, fill in ("label", _fill(label_color, "grey")), ("message", _fill(color, "blue")):
        ink = text_color(fill)
        shadow = "#010101" if ink == "#fff" else "#ccc"
        values |= {f"{half}_fill": fill, f"{half}_ink": ink, f"{half}_shadow": shadow}
    return values


def _fill(color: str, otherwise: str) -> str:
    return parse_color(color) or COLORS[otherwise]


@cache
def _picture(look: _Style, has_label: bool) -> list[str]:
    """Return the drawing of a style, cut into pieces with the names of the holes between them."""
    size = "{width}", str(look.height)
    drawing = svgwrite.Drawing(size=size, viewBox=" ".join(("0 0", *size)), debug=False)
    drawing.attribs |= {"role": "img", "aria-label": "{name}"}
    drawing.set_desc(title="{name}")
    drawing.add(_background(drawing, look, has_label))
    drawing.add(_texts(drawing, look, has_label))
    root = drawing.get_xml()
    for unused in ("baseProfile", "version", "xmlns:ev", "xmlns:xlink"):
        del root.attrib[unused]
    svg = ElementTree.tostring(root, encoding="unicode")
    return re.split(r"\{(\w+)\}", svg)


def _background(drawing: Any, look: _Style, has_label: bool) -> Any:
    group = drawing.g()
    if has_label:
        group.add(drawing.rect(size=("{left}", look.height), fill="{label_fill}"))
    group.add(drawing.rect(("{left}", 0), ("{right}", look.height), fill="{message_fill}"))
    if look.gradient:
        group.add(drawing.rect(size=("{width}", look.height), fill=f"url(#{_add_gradient(drawing, look)})"))
    if look.radius:
        group["clip-path"] = f"url(#{_add_clip(drawing, look)})"
    else:
        group["shape-rendering"] = "crispEdges"
    return group


def _add_gradient(drawing: Any, look: _Style) -> str:
    gradient = drawing.linearGradient(("0", "0"), ("0", "100%"), id=f"{look.name}-gradient")
    for offset, color, opacity in look.gradient:
        gradient.add_stop_color(offset, color, opacity)
    drawing.defs.add(gradient)
    return f"{look.name}-gradient"


def _add_clip(drawing: Any, look: _Style) -> str:
    clip = drawing.clipPath(id=f"{look.name}-{{width}}")
    clip.add(drawing.rect(size=("{width}", look.height), rx=look.radius))
    drawing.defs.add(clip)
    return f"{look.name}-{{width}}"


def _texts(drawing: Any, look: _Style, has_label: bool) -> Any:
    group = drawing.g(
        transform="scale(.1)",
        text_anchor="middle",
        font_family="Verdana,Geneva,DejaVu Sans,sans-serif",
        font_size=look.font_size,
        text_rendering="geometricPrecision",
    )
    for half in ("label", "message") if has_label else ("message",):
        if look.has_shadow:
            group.add(_text(drawing, look, half, "shadow", 10, fill_opacity=0.3, aria_hidden="true"))
        group.add(_text(drawing, look, half, "ink", 0))
    return group


def _text(drawing: Any, look: _Style, half: str, fill: str, lower: int, **attributes: Any) -> Any:
    if half == "message" and look.bold_message:
        attributes["font_weight"] = "bold"
    return drawing.text(
        f"{{{half}}}",
        insert=(f"{{{half}_x}}", look.baseline + lower),
        fill=f"{{{half}_{fill}}}",
        textLength=f"{{{half}_length}}",
        **attributes,
    )
