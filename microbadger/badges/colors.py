"""Parses the colors of a badge, and chooses the color of the text on them.

The named colors have the names of shields.io, but their own shades. White text on each has a contrast of at least
4.5:1 (https://www.w3.org/TR/WCAG21/#contrast-minimum), even where the gradient of a rounded badge lightens it. On other
colors, the text is dark if white would be too faint.
"""

import colorsys
import re
from collections.abc import Iterable
from functools import lru_cache

COLORS = {
    "brightgreen": "#078500",
    "green": "#2e8500",
    "yellow": "#8a7000",
    "yellowgreen": "#6b7a00",
    "orange": "#b85600",
    "red": "#cb4a31",
    "blue": "#007abf",
    "grey": "#555555",
    "lightgrey": "#727272",
}

_ALIASES = {
    "gray": "grey",
    "lightgray": "lightgrey",
    "critical": "red",
    "important": "orange",
    "success": "brightgreen",
    "informational": "blue",
    "inactive": "lightgrey",
}

# https://www.w3.org/TR/css-color-4/#named-colors
_CSS_COLORS = """
    aliceblue=#f0f8ff antiquewhite=#faebd7 aqua=#00ffff aquamarine=#7fffd4 azure=#f0ffff beige=#f5f5dc
    bisque=#ffe4c4 black=#000000 blanchedalmond=#ffebcd blue=#0000ff blueviolet=#8a2be2 brown=#a52a2a
    burlywood=#deb887 cadetblue=#5f9ea0 chartreuse=#7fff00 chocolate=#d2691e coral=#ff7f50
    cornflowerblue=#6495ed cornsilk=#fff8dc crimson=#dc143c cyan=#00ffff darkblue=#00008b darkcyan=#008b8b
    darkgoldenrod=#b8860b darkgray=#a9a9a9 darkgreen=#006400 darkgrey=#a9a9a9 darkkhaki=#bdb76b
    darkmagenta=#8b008b darkolivegreen=#556b2f darkorange=#ff8c00 darkorchid=#9932cc darkred=#8b0000
    darksalmon=#e9967a darkseagreen=#8fbc8f darkslateblue=#483d8b darkslategray=#2f4f4f darkslategrey=#2f4f4f
    darkturquoise=#00ced1 darkviolet=#9400d3 deeppink=#ff1493 deepskyblue=#00bfff dimgray=#696969
    dimgrey=#696969 dodgerblue=#1e90ff firebrick=#b22222 floralwhite=#fffaf0 forestgreen=#228b22
    fuchsia=#ff00ff gainsboro=#dcdcdc ghostwhite=#f8f8ff gold=#ffd700 goldenrod=#daa520 gray=#808080
    green=#008000 greenyellow=#adff2f grey=#808080 honeydew=#f0fff0 hotpink=#ff69b4 indianred=#cd5c5c
    indigo=#4b0082 ivory=#fffff0 khaki=#f0e68c lavender=#e6e6fa lavenderblush=#fff0f5 lawngreen=#7cfc00
    lemonchiffon=#fffacd lightblue=#add8e6 lightcoral=#f08080 lightcyan=#e0ffff lightgoldenrodyellow=#fafad2
    lightgray=#d3d3d3 lightgreen=#90ee90 lightgrey=#d3d3d3 lightpink=#ffb6c1 lightsalmon=#ffa07a
    lightseagreen=#20b2aa lightskyblue=#87cefa lightslategray=#778899 lightslategrey=#778899
    lightsteelblue=#b0c4de lightyellow=#ffffe0 lime=#00ff00 limegreen=#32cd32 linen=#faf0e6 magenta=#ff00ff
    maroon=#800000 mediumaquamarine=#66cdaa mediumblue=#0000cd mediumorchid=#ba55d3 mediumpurple=#9370db
    mediumseagreen=#3cb371 mediumslateblue=#7b68ee mediumspringgreen=#00fa9a mediumturquoise=#48d1cc
    mediumvioletred=#c71585 midnightblue=#191970 mintcream=#f5fffa mistyrose=#ffe4e1 moccasin=#ffe4b5
    navajowhite=#ffdead navy=#000080 oldlace=#fdf5e6 olive=#808000 olivedrab=#6b8e23 orange=#ffa500
    orangered=#ff4500 orchid=#da70d6 palegoldenrod=#eee8aa palegreen=#98fb98 paleturquoise=#afeeee
    palevioletred=#db7093 papayawhip=#ffefd5 peachpuff=#ffdab9 peru=#cd853f pink=#ffc0cb plum=#dda0dd
    powderblue=#b0e0e6 purple=#800080 rebeccapurple=#663399 red=#ff0000 rosybrown=#bc8f8f royalblue=#4169e1
    saddlebrown=#8b4513 salmon=#fa8072 sandybrown=#f4a460 seagreen=#2e8b57 seashell=#fff5ee sienna=#a0522d
    silver=#c0c0c0 skyblue=#87ceeb slateblue=#6a5acd slategray=#708090 slategrey=#708090 snow=#fffafa
    springgreen=#00ff7f steelblue=#4682b4 tan=#d2b48c teal=#008080 thistle=#d8bfd8 tomato=#ff6347
    turquoise=#40e0d0 violet=#ee82ee wheat=#f5deb3 white=#ffffff whitesmoke=#f5f5f5 yellow=#ffff00
    yellowgreen=#9acd32
"""

_NAMED: dict[str, str] = {
    **dict(re.findall(r"(\w+)=(\S+)", _CSS_COLORS)),
    **COLORS,
    **{alias: COLORS[name] for alias, name in _ALIASES.items()},
}

_HEX = re.compile(r"#?(?:[0-9a-f]{3}|[0-9a-f]{6})|#(?:[0-9a-f]{4}|[0-9a-f]{8})", re.ASCII)
_BETWEEN = r"(?:\s*,\s*|\s+)"
_ALPHA = r"(?:\s*[,/]\s*(?:[01]|0?\.\d{1,9}|\d{1,3}%))?"
_RGB = re.compile(
    rf"rgba?\(\s*(\d{{1,3}}%?){_BETWEEN}(\d{{1,3}}%?){_BETWEEN}(\d{{1,3}}%?){_ALPHA}\s*\)", re.ASCII
)
_HSL = re.compile(
    rf"hsla?\(\s*(\d{{1,3}})(?:deg)?{_BETWEEN}(\d{{1,3}})%{_BETWEEN}(\d{{1,3}})%{_ALPHA}\s*\)", re.ASCII
)
_LONGEST_COLOR = 64

_LEAST_CONTRAST = 4.5
_TEXT_COLORS = ("#fff", "#333", "#000")


def parse_color(text: str) -> str | None:
    """Return a color as ``#rrggbb``, or None if the text is not a color.

    It accepts shields.io's names and their aliases, CSS names, three or six hexadecimal digits with or without ``#``,
    ``rgb()`` and ``hsl()``. A badge is opaque, so transparency is ignored.

    >>> parse_color("informational"), parse_color("0AF"), parse_color("hsl(120, 100%, 25%)")
    ('#007abf', '#00aaff', '#008000')
    """
    if len(text) > _LONGEST_COLOR:
        return None
    word = text.strip().lower()
    if word in _NAMED:
        return _NAMED[word]
    if _HEX.fullmatch(word):
        return _from_digits(word.removeprefix("#"))
    if rgb := _RGB.fullmatch(word):
        return _from_rgb(rgb.groups())
    if hsl := _HSL.fullmatch(word):
        return _from_hsl(*hsl.groups())
    return None


@lru_cache(256)
def text_color(fill: str) -> str:
    """Return a readable text color for a ``#rrggbb`` fill: white if the contrast suffices, or else a dark one."""
    return next(color for color in _TEXT_COLORS if contrast(color, fill) >= _LEAST_CONTRAST)


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two hexadecimal colors (https://www.w3.org/TR/WCAG21/#dfn-contrast-ratio)."""
    darker, lighter = sorted(map(_luminance, (one, other)))
    return (lighter + 0.05) / (darker + 0.05)


def _from_digits(digits: str) -> str:
    if len(digits) in (3, 4):
        digits = "".join(digit * 2 for digit in digits)
    return "#" + digits[:6]


def _from_rgb(channels: tuple[str, ...]) -> str:
    return _from_fractions(int(n[:-1]) / 100 if n.endswith("%") else int(n) / 255 for n in channels)


def _from_hsl(hue: str, saturation: str, lightness: str) -> str:
    saturated, light = (min(int(n) / 100, 1) for n in (saturation, lightness))
    return _from_fractions(colorsys.hls_to_rgb(int(hue) / 360, light, saturated))


def _from_fractions(channels: Iterable[float]) -> str:
    return "#" + "".join(f"{min(round(channel * 255), 255):02x}" for channel in channels)


def _luminance(color: str) -> float:
    digits = _from_digits(color.removeprefix("#"))
    red, green, blue = (_linear(int(digits[i : i + 2], 16) / 255) for i in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.03928 else ((channel + 0.055) / 1.055) ** 2.4
