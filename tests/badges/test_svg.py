"""Badges as their readers see them: every test but that of the golden files parses the SVG."""

import json
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise, product
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microbadger.badges.colors import COLORS, contrast
from microbadger.badges.svg import (
    LONGEST_TEXT,
    STYLES,
    badge_of,
    draw,
    endpoint_document,
    printable,
    restyled,
)
from microbadger.badges.text import Badge

TESTS = Path(__file__).parents[1]
SVG = "{http://www.w3.org/2000/svg}"

ANY_TEXT = st.text(st.characters(exclude_categories=()))
ANY_BADGE = st.builds(Badge, ANY_TEXT, ANY_TEXT)
ANY_STYLE = st.sampled_from(STYLES)
A_COLOR = st.from_regex(r"#[0-9a-f]{6}", fullmatch=True)


class Text(NamedTuple):
    x: float
    y: float
    length: float
    says: str


class Picture(NamedTuple):
    """What a reader sees of a badge: its size, its coloured rectangles (x, width) and its texts, not the shadows."""

    width: float
    height: float
    fills: list[tuple[float, float]]
    texts: list[Text]


def visible_elements(element: ElementTree.Element) -> Iterator[ElementTree.Element]:
    if element.get("aria-hidden") != "true":
        yield element
        for child in element:
            yield from visible_elements(child)


def number(element: ElementTree.Element, name: str) -> float:
    return float(element.get(name, "0"))


def look_at(svg: bytes | str) -> Picture:
    root = ElementTree.fromstring(svg)
    seen = list(visible_elements(root))
    rects = [
        e
        for e in seen
        if e.tag == SVG + "rect" and e.get("fill", "url(").startswith("#") and number(e, "width")
    ]
    texts = [e for e in seen if e.tag == SVG + "text"]
    return Picture(
        number(root, "width"),
        number(root, "height"),
        [(number(e, "x"), number(e, "width")) for e in rects],
        [Text(number(e, "x"), number(e, "y"), number(e, "textLength"), e.text or "") for e in texts],
    )


def says(svg: bytes) -> list[str]:
    return [text.says for text in look_at(svg).texts]


# Their widths are whole numbers on paper, and less in the floats that badge-maker adds.
WHOLE_SUMS = [
    "alpine MIT latest",
    "stars 1.2M 2026-11-20",
    "DEBIAN:12 MIT",
    "V1.2.3 CREATED",
    "PULLS PULLS",
    "MIB PULLS SIZE",
]
PRINTABLE_ASCII = [chr(code) for code in range(32, 127)]


def badges_to_compare() -> list[Badge]:
    """Return badges that say more than 4,000 texts of printable ASCII, one in five of them without a label."""
    chance = random.Random(11)
    texts = ["".join(chance.choices(PRINTABLE_ASCII, k=chance.randint(1, 60))) for _ in range(4000)]
    texts += PRINTABLE_ASCII[1:] + WHOLE_SUMS
    return [
        Badge("" if i % 10 == 0 else texts[i - 1], texts[i])
        for i in range(0, len(texts), 2)
        if texts[i].strip()
    ]


@pytest.fixture(scope="module")
def side_by_side() -> list[tuple[str, Picture, Picture]]:
    """Return the same badges as we and as badge-maker draw them; Node draws all in one process."""
    if not shutil.which("node") or not (TESTS / "node_modules" / "badge-maker").is_dir():
        pytest.skip("needs Node and its package badge-maker: npm ci --prefix tests")
    pairs = list(product(badges_to_compare(), STYLES))
    asked = json.dumps(
        [{"label": badge.label, "message": badge.message, "style": style} for badge, style in pairs]
    )
    node = subprocess.run(
        ["node", "badge_maker.mjs"], cwd=TESTS, input=asked, stdout=subprocess.PIPE, text=True, check=True
    )
    theirs = json.loads(node.stdout)
    return [
        (style, look_at(draw(badge, style)), look_at(svg))
        for (badge, style), svg in zip(pairs, theirs, strict=True)
    ]


@pytest.mark.parametrize("style", STYLES)
def test_it_draws_to_the_measures_of_badge_maker(
    style: str, side_by_side: list[tuple[str, Picture, Picture]]
) -> None:
    compared = [(ours, theirs) for its_style, ours, theirs in side_by_side if its_style == style]
    assert len(compared) > 2000
    assert [pair for pair in compared if pair[0] != pair[1]] == []


# Worked out by hand from the advances: halves and text positions of a flat badge.
@pytest.mark.parametrize(
    ("label", "message", "halves", "label_text", "message_text"),
    [
        ("build", "passing", (37, 51), (195, 270), (615, 410)),
        ("image size", "12.3 MB", (69, 55), (355, 590), (955, 450)),
        ("18.6MB", "9 layers", (51, 53), (265, 410), (765, 430)),
        ("version", "1.2.0", (51, 39), (265, 410), (695, 290)),
        ("commit", "1a2b3c4", (51, 57), (265, 410), (785, 470)),
        ("license", "Apache-2.0", (47, 73), (245, 370), (825, 630)),
        ("license", "MIT", (47, 31), (245, 370), (615, 210)),
        ("Image", "not found", (45, 63), (235, 350), (755, 530)),
        ("license", "alpine MIT latest", (47, 101), (245, 370), (965, 910)),  # 92.00 on paper, 91.99… in floats
    ],
)
def test_it_places_both_texts(
    label: str,
    message: str,
    halves: tuple[int, int],
    label_text: tuple[int, int],
    message_text: tuple[int, int],
) -> None:
    picture = look_at(draw(Badge(label, message)))
    assert picture.fills == [(0, halves[0]), (halves[0], halves[1])]
    assert picture.texts == [
        Text(label_text[0], 140, label_text[1], label),
        Text(message_text[0], 140, message_text[1], message),
    ]


@pytest.mark.parametrize(
    ("style", "height"), [("flat", 20), ("flat-square", 20), ("plastic", 18), ("for-the-badge", 28)]
)
def test_it_draws_each_style_to_its_height(style: str, height: int) -> None:
    assert look_at(draw(Badge("size", "18.6 MiB"), style)).height == height


@pytest.mark.parametrize("style", ["", "Flat", "social", "flat\n", "../flat"])
def test_it_draws_an_unknown_style_flat(style: str) -> None:
    assert draw(Badge("größe", "18.6 MiB"), style) == draw(Badge("größe", "18.6 MiB"))


@given(ANY_BADGE, ANY_STYLE)
def test_it_draws_any_text_well_formed(badge: Badge, style: str) -> None:
    shown = [printable(text) for text in (badge.label, badge.message)]
    if style == "for-the-badge":
        shown = [text.upper() for text in shown]
    assert says(draw(badge, style)) == (shown if shown[0] else shown[1:])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("mañana 日本 👩‍👩‍👧 שלום", "mañana 日本 👩‍👩‍👧 שלום"),
        ("\x00\x07a\x1b[31m\x7f\x9f", "a[31m"),
        ("a\ud83d\udfffb\ufffe\uffff", "ab"),
        ("one\ntwo\tthree\u2028four\r", "one two three four"),
        (" plain ", "plain"),
        ("\u3000 both ends \x00 ", "both ends"),
        ("]]>", "]]>"),
        ("<!--", "<!--"),
        ('&amp; <b a="\'">', '&amp; <b a="\'">'),
        ("\u202eright to left\u200f", "\u202eright to left\u200f"),
    ],
)
@pytest.mark.parametrize("style", ["flat", "flat-square", "plastic"])
def test_it_shows_what_can_be_shown(text: str, shown: str, style: str) -> None:
    assert says(draw(Badge(text, text), style)) == [shown, shown]


@pytest.mark.parametrize(
    "text",
    ["naïve {message}", "{name}", "{width}", "%b", "%s %(label)s", "{0}", "\0", "$label", "{{ value }}"],
)
@pytest.mark.parametrize("style", STYLES)
def test_it_fills_in_nothing_that_a_text_asks_for(text: str, style: str) -> None:
    shown = text.replace("\0", "")
    assert [says_it.lower() for says_it in says(draw(Badge(text, "other"), style))] == [shown, "other"][
        not shown :
    ]


def test_it_cuts_off_the_end_of_a_long_text() -> None:
    assert says(draw(Badge("n\u0303" * 300, "x"))) == ["n\u0303" * (LONGEST_TEXT - 1) + "…", "x"]


@pytest.mark.parametrize(("length", "shown"), [(255, "n" * 255), (256, "n" * 254 + "…")])
@pytest.mark.parametrize("label", ["n", "ñ"])
def test_a_text_has_up_to_255_characters(label: str, length: int, shown: str) -> None:
    assert says(draw(Badge(label * length, "x"))) == [shown.replace("n", label), "x"]


def test_it_never_shortens_a_tag() -> None:
    assert says(draw(Badge("version", "x" * 128))) == ["version", "x" * 128]


@given(ANY_BADGE, ANY_STYLE)
def test_it_leaves_room_for_its_texts(badge: Badge, style: str) -> None:
    picture = look_at(draw(badge, style))
    for (left, width), text in zip(picture.fills, picture.texts, strict=True):
        assert left + 4 <= (text.x - text.length / 2) / 10
        assert (text.x + text.length / 2) / 10 <= left + width - 4


@given(ANY_BADGE, ANY_STYLE)
def test_it_fills_the_whole_picture(badge: Badge, style: str) -> None:
    picture = look_at(draw(badge, style))
    assert [left for left, _ in picture.fills] == [0, picture.fills[0][1]][: len(picture.fills)]
    assert sum(width for _, width in picture.fills) == picture.width


@pytest.mark.parametrize("style", STYLES)
def test_it_scales_as_a_whole(style: str) -> None:
    root = ElementTree.fromstring(draw(Badge("größe", "18.6 MiB"), style))
    assert root.get("viewBox") == f"0 0 {root.get('width')} {root.get('height')}"


@pytest.mark.parametrize(("label", "name"), [("größe & <co>", "größe & <co>: 18.6 MiB"), ("", "18.6 MiB")])
@pytest.mark.parametrize("style", STYLES)
def test_it_has_one_accessible_name_and_title(style: str, label: str, name: str) -> None:
    root = ElementTree.fromstring(draw(Badge(label, "18.6 MiB"), style))
    assert (root.get("role"), root.get("aria-label"), root.findtext(SVG + "title")) == ("img", name, name)


@pytest.mark.parametrize("style", ["flat", "plastic"])
def test_it_hides_shadows_from_readers_of_text(style: str) -> None:
    texts = list(ElementTree.fromstring(draw(Badge("size", "18.6 MiB"), style)).iter(SVG + "text"))
    assert [(text.text, text.get("aria-hidden")) for text in texts] == [
        ("size", "true"),
        ("size", None),
        ("18.6 MiB", "true"),
        ("18.6 MiB", None),
    ]


def inked(svg: bytes) -> list[tuple[str, str]]:
    """Return the colours of both halves: what is filled and what is written on it."""
    seen = list(visible_elements(ElementTree.fromstring(svg)))
    fills = [
        e.get("fill", "") for e in seen if e.tag == SVG + "rect" and e.get("fill", "url(").startswith("#")
    ]
    return list(zip(fills, [e.get("fill", "") for e in seen if e.tag == SVG + "text"], strict=True))


@given(A_COLOR, A_COLOR, ANY_STYLE)
def test_it_writes_readably_on_every_colour(label_color: str, color: str, style: str) -> None:
    for fill, ink in inked(draw(Badge("size", "18.6 MiB", color, label_color), style)):
        assert contrast(fill, ink) >= 4.5


def shaded(fill: str, stops: list[tuple[float, str, float]], offset: float) -> str:
    """Return a fill as it looks behind a gradient at an offset."""
    (o0, c0, a0), (o1, c1, a1) = next(
        (before, after) for before, after in pairwise(stops) if before[0] <= offset <= after[0]
    )
    part = (offset - o0) / (o1 - o0)
    alpha = a0 + part * (a1 - a0)
    grey = int(c0[1] * 2, 16) + part * (int(c1[1] * 2, 16) - int(c0[1] * 2, 16))
    channels = (int(fill[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(channel * (1 - alpha) + grey * alpha):02x}" for channel in channels)


@pytest.mark.parametrize("style", ["flat", "plastic"])
@pytest.mark.parametrize("name", COLORS)
def test_it_writes_readably_behind_its_gradients(name: str, style: str) -> None:
    svg = draw(Badge("size", "18.6 MiB", name), style)
    stops = [
        (number(stop, "offset"), stop.get("stop-color", ""), number(stop, "stop-opacity"))
        for stop in ElementTree.fromstring(svg).iter(SVG + "stop")
    ]
    _, (fill, ink) = inked(svg)
    assert min(contrast(shaded(fill, stops, percent / 100), ink) for percent in range(22, 80)) >= 4.5


@pytest.mark.parametrize(
    "color", ["größe", "", 'red"/><script>', "#12", "url(#x)", "#fff;}", "\x00", "{width}", "%b"]
)
def test_it_ignores_a_colour_that_is_none(color: str) -> None:
    assert draw(Badge("size", "18.6 MiB", color, color)) == draw(Badge("size", "18.6 MiB"))


@pytest.mark.parametrize("style", STYLES)
def test_it_gives_an_id_to_one_thing_only(style: str) -> None:
    one = ElementTree.fromstring(draw(Badge("size", "18.6 MiB"), style))
    other = ElementTree.fromstring(draw(Badge("layers", "9", "red"), style))
    named = [
        {e.get("id"): ElementTree.tostring(e) for e in root.iter() if e.get("id")} for root in (one, other)
    ]
    assert {key: named[0][key] for key in named[0].keys() & named[1].keys()}.items() <= named[1].items()


def test_it_draws_the_same_bytes_in_every_process() -> None:
    program = (
        "import sys; from microbadger.badges.svg import *; sys.stdout.buffer.write(draw(Badge('größe', '9')))"
    )
    drawn = [
        subprocess.run(
            [sys.executable, "-c", program], cwd=TESTS.parent, stdout=subprocess.PIPE, check=True
        ).stdout
        for _ in range(2)
    ]
    assert drawn == [draw(Badge("größe", "9"))] * 2


GOLDEN = {
    "size": (Badge("size", "18.6 MiB"), "flat"),
    "image": (Badge("18.6 MiB", "9 layers"), "flat"),
    "not-found": (Badge("image", "not found", "lightgrey"), "flat"),
    "without-label": (Badge("", "MIT", "green"), "flat"),
    "escaped": (Badge("A & B", "<\"'>", "red"), "flat"),
    "custom-colors": (Badge("pulls", "1.2M", "#ffd700", "navy"), "flat"),
    "wide": (Badge("ライセンス", "名古屋市 ✓"), "flat"),
    "emoji": (Badge("👩‍👩‍👧", "❤️ 🇩🇪 👍🏽"), "flat"),
    "square": (Badge("version", "1.2.0", "orange"), "flat-square"),
    "plastic": (Badge("license", "Apache-2.0", "brightgreen"), "plastic"),
    "plastic-without-label": (Badge("", "pending", "yellow"), "plastic"),
    "for-the-badge": (Badge("platforms", "linux/amd64, arm64"), "for-the-badge"),
    "for-the-badge-without-label": (Badge("", "latest"), "for-the-badge"),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_it_draws_as_it_always_did(name: str) -> None:
    """`python -m tests.badges.test_svg` writes the golden files anew after a change that is meant."""
    assert draw(*GOLDEN[name]) == (TESTS / "golden" / f"{name}.svg").read_bytes()


# https://shields.io/badges/endpoint-badge: an unknown key or an empty message is refused.
@given(st.builds(Badge, ANY_TEXT, ANY_TEXT, ANY_TEXT | A_COLOR, ANY_TEXT | A_COLOR))
def test_it_describes_any_badge_as_shields_io_accepts_it(badge: Badge) -> None:
    document = json.loads(json.dumps(endpoint_document(badge)))
    assert document.keys() - {"labelColor"} == {"schemaVersion", "label", "message", "color"}
    assert document.pop("schemaVersion") == 1
    assert all(isinstance(value, str) for value in document.values())
    assert document["message"] != ""
    assert all(re.fullmatch("#[0-9a-f]{6}", document.get(key, "#000000")) for key in ("color", "labelColor"))


@pytest.mark.parametrize(
    ("badge", "document"),
    [
        (
            Badge("größe", "18.6 MiB"),
            {"schemaVersion": 1, "label": "größe", "message": "18.6 MiB", "color": COLORS["blue"]},
        ),
        (
            Badge("", "\x00", "no colour"),
            {"schemaVersion": 1, "label": "", "message": "unknown", "color": COLORS["blue"]},
        ),
        (
            Badge("a", "b", "blue", "no colour"),
            {"schemaVersion": 1, "label": "a", "message": "b", "color": COLORS["blue"]},
        ),
        (
            Badge("a\nb", "c", "f00", "navy"),
            {"schemaVersion": 1, "label": "a b", "message": "c", "color": "#ff0000", "labelColor": "#000080"},
        ),
    ],
)
def test_it_describes_the_badge_it_draws(badge: Badge, document: dict[str, object]) -> None:
    assert endpoint_document(badge) == document


@pytest.mark.parametrize("badge", [Badge("größe", "1 MiB", "#123456"), Badge("", "latest", "#cb4a31", "#000080")])
def test_it_reads_the_badge_back_that_it_describes(badge: Badge) -> None:
    assert badge_of(endpoint_document(badge)) == badge


@pytest.mark.parametrize("field", ["label", "message", "color"])
def test_a_document_without_a_field_describes_no_badge(field: str) -> None:
    document = endpoint_document(Badge("größe", "1 MiB"))
    del document[field]
    with pytest.raises(KeyError):
        badge_of(document)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ((None, None, None), Badge("size", "1 MiB", "blue", "navy")),
        (("größe", None, None), Badge("größe", "1 MiB", "blue", "navy")),
        (("", None, None), Badge("", "1 MiB", "blue", "navy")),
        ((None, "f00", None), Badge("size", "1 MiB", "#ff0000", "navy")),
        ((None, None, "f00"), Badge("size", "1 MiB", "blue", "#ff0000")),
        ((None, "no colour", "grün"), Badge("size", "1 MiB", "blue", "navy")),
    ],
)
def test_a_reader_may_ask_for_another_label_and_other_colours(
    asked: tuple[str | None, str | None, str | None], expected: Badge
) -> None:
    label, color, label_color = asked
    badge = Badge("size", "1 MiB", "blue", "navy")
    assert restyled(badge, label=label, color=color, label_color=label_color) == expected


if __name__ == "__main__":
    for golden_name, (golden_badge, golden_style) in GOLDEN.items():
        (TESTS / "golden" / f"{golden_name}.svg").write_bytes(draw(golden_badge, golden_style))
