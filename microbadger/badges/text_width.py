"""Divides a text into characters and computes its width on a badge, without a font file.

Badges use the font Verdana, whose file belongs to Microsoft. The *advances* below are the widths of single characters
in the npm package ``badge-maker`` 6.0.0 (which measures with ``anafanafo`` 2.0.0). A text of only these characters has
exactly the same width as in badge-maker. Any other character gets the advance of a similar one.
"""

import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, islice

_MEASURED = "".join(map(chr, range(32, 127))) + "…·•–—×÷µ°→←≤≥≠“”‘’«»©®™€£¥§±✓✔"

ELLIPSIS = "…"

_ZERO_WIDTH_JOINER = "\u200d"
_EMOJI_PRESENTATION = "\ufe0f"

# Ranges that continue a character although they are not marks: joiners, later parts of a Hangul syllable, the
# sound marks of halfwidth katakana, skin tones, the letters of a subdivision's flag.
_EXTENDERS = (
    ("\u200c", "\u200d"),
    ("\u1160", "\u11ff"),
    ("\ud7b0", "\ud7ff"),
    ("\uff9e", "\uff9f"),
    ("\U0001f3fb", "\U0001f3ff"),
    ("\U000e0020", "\U000e007f"),
)

# General category, or its first letter → the measured character whose advance is used for others in that category.
_RESEMBLES = {"Lu": "N", "L": "n", "N": "0", "Z": " "}


@dataclass(frozen=True, slots=True, eq=False)
class Font:
    """A size and weight of Verdana. Advances and the em are in hundredths of a pixel.

    ``advance_of`` raises KeyError for a character without a measured advance. ``advance_of_plain`` accepts only
    printable ASCII without the special characters of XML, and raises KeyError for others.
    """

    advance_of: Callable[[str], int]
    advance_of_plain: Callable[[str], int]
    em: int
    letter_spacing_pixels: float

    @classmethod
    def measured(cls, size_pixels: int, advances: str, letter_spacing_pixels: float = 0) -> "Font":
        """Return a font of a size, given its advances in the order of the measured characters."""
        table = dict(zip(_MEASURED, map(int, advances.split()), strict=True))
        plain = {c: n for c, n in table.items() if c.isascii() and c not in "&<>'\""}
        return cls(table.__getitem__, plain.__getitem__, size_pixels * 100, letter_spacing_pixels)


VERDANA_11 = Font.measured(
    11,
    """
    387 433 505 900 699 1184 799 295 500 500 699 900 400 500 400 500 699 699 699 699 699 699 699 699 699 699
    500 500 900 900 900 600 1100 752 754 768 848 696 632 853 827 463 500 762 612 927 823 866 663 866 765 752
    678 805 752 1088 754 677 754 500 500 500 900 699 699 661 685 573 685 655 387 685 696 302 379 651 302 1070
    696 668 685 685 469 573 433 696 651 900 651 651 578 698 500 698 900
    900 400 600 699 1100 900 900 706 596 1100 1100 900 900 900 505 505 295 295 709 709 1100 1100 1074 699 699
    699 699 900 841 931""",
)
VERDANA_10 = Font.measured(
    10,
    """
    352 394 459 818 636 1076 727 269 454 454 636 818 364 454 364 454 636 636 636 636 636 636 636 636 636 636
    454 454 818 818 818 545 1000 684 686 698 771 632 575 775 751 421 455 693 557 843 748 787 603 787 695 684
    616 732 684 989 685 615 685 454 454 454 818 636 636 601 623 521 623 596 352 623 633 274 344 592 274 973
    633 607 623 623 427 521 394 633 592 818 592 592 525 635 454 635 818
    818 364 545 636 1000 818 818 642 542 1000 1000 818 818 818 459 459 269 269 645 645 1000 1000 977 636 636
    636 636 818 764 846""",
    letter_spacing_pixels=1.25,
)
VERDANA_10_BOLD = Font.measured(
    10,
    """
    342 402 587 867 711 1272 862 332 543 543 711 867 361 480 361 689 711 711 711 711 711 711 711 711 711 711
    402 402 867 867 867 617 964 776 762 724 830 683 650 811 837 546 555 771 637 948 847 850 733 850 782 710
    682 812 764 1128 764 737 692 543 689 543 867 711 711 668 699 588 699 664 422 699 712 342 403 671 342 1058
    712 687 699 699 497 593 456 712 650 979 669 651 597 711 543 711 867
    1049 361 711 711 1000 867 867 721 587 1000 1000 867 867 867 587 587 332 332 850 850 964 964 964 711 711
    711 711 867 764 846""",
    letter_spacing_pixels=1.25,
)


def width_pixels(text: str, font: Font) -> float:
    """Return the same width for a text as badge-maker.

    With letter spacing, this is a number of whole pixels plus the spacing. Without, it is an odd number, because texts
    are placed by their middle, which then lies on a pixel.
    """
    try:
        hundredths, count = sum(map(font.advance_of, text)), len(text)
    except KeyError:
        visible = list(filter(None, (_width_of_character(character, font) for character in characters(text))))
        pixels, count = sum(visible) // 100, len(visible)
    else:
        pixels = hundredths // 100 if hundredths % 100 else _pixels_in_floats(text, font)
    return pixels + font.letter_spacing_pixels * count if font.letter_spacing_pixels else pixels | 1


def characters(text: str) -> Iterator[str]:
    """Yield the characters that a reader sees, such as a letter with its marks, a joined emoji or a flag.

    The rules are from https://www.unicode.org/reports/tr29/, limited to properties that the standard library knows.
    """
    start = 0
    for position in range(1, len(text)):
        if not _continues(text, start, position):
            yield text[start:position]
            start = position
    if text:
        yield text[start:]


def shorten(text: str, longest: int) -> str:
    """Return a text of at most ``longest`` characters, with an ellipsis in place of the rest.

    The text may have four code points per character on average, so a text with many marks is shortened earlier.
    """
    if len(text) <= longest:
        return text
    ends = [0, *accumulate(map(len, islice(characters(text), longest + 1)))]
    if len(ends) <= longest + 1 and len(text) <= 4 * longest:
        return text
    return text[: max(end for end in ends[:longest] if end <= 4 * longest)] + ELLIPSIS


def _pixels_in_floats(text: str, font: Font) -> int:
    # badge-maker adds floats, so a sum that should be a whole number can end up just below it and lose a pixel.
    pixels = 0.0
    for character in text:
        pixels += font.advance_of(character) / 100
    return int(pixels)


def _continues(text: str, start: int, position: int) -> bool:
    return (
        _extends(text[position])
        or text[position - 1] == _ZERO_WIDTH_JOINER
        or (position == start + 1 and _is_regional(text[start]) and _is_regional(text[position]))
    )


def _extends(character: str) -> bool:
    is_mark = unicodedata.category(character)[0] == "M"
    return is_mark or any(first <= character <= last for first, last in _EXTENDERS)


def _is_regional(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _width_of_character(character: str, font: Font) -> int:
    beside_its_letter = sum(unicodedata.category(mark) == "Mc" for mark in character[1:])
    return max(_advance(code_point, font) for code_point in character) + beside_its_letter * font.advance_of(
        "i"
    )


@lru_cache(4096)
def _advance(code_point: str, font: Font) -> int:
    """Return the advance of a single code point, which is 0 if it only modifies its neighbour."""
    category = unicodedata.category(code_point)
    if code_point == _EMOJI_PRESENTATION or _is_regional(code_point):
        return font.em * 5 // 4
    if category[0] == "M" or category == "Cf":
        return 0
    try:
        return font.advance_of(unicodedata.normalize("NFD", code_point)[0])
    except KeyError:
        return _resembling(code_point, category, font)


def _resembling(code_point: str, category: str, font: Font) -> int:
    """Return an advance by the kind of character. https://www.unicode.org/reports/tr11/ defines which are wide."""
    match unicodedata.east_asian_width(code_point):
        case "W" | "F":
            return font.em * 5 // 4 if category == "So" else font.em  # emoji are drawn wider than their em
        case "H":
            return font.em // 2
        case _ if unicodedata.bidirectional(code_point) in ("R", "AL"):
            return font.advance_of("c")  # the letters of Hebrew and Arabic are narrow
        case _:
            return font.advance_of(_RESEMBLES.get(category) or _RESEMBLES.get(category[0], "m"))
