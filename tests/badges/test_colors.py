import pytest
from hypothesis import given
from hypothesis import strategies as st

from microbadger.badges.colors import COLORS, contrast, parse_color, text_color


@pytest.mark.parametrize(
    ("text", "color"),
    [
        ("grün", None),
        ("blue", COLORS["blue"]),
        ("brightgreen", COLORS["brightgreen"]),
        ("informational", COLORS["blue"]),
        ("critical", COLORS["red"]),
        ("gray", COLORS["grey"]),
        ("inactive", COLORS["lightgrey"]),
        ("lightgray", COLORS["lightgrey"]),
        ("important", COLORS["orange"]),
        ("success", COLORS["brightgreen"]),
        ("ReD", COLORS["red"]),
        (" #0AF ", "#00aaff"),
        ("0af", "#00aaff"),
        ("00AAFF", "#00aaff"),
        ("#00aaff80", "#00aaff"),
        ("#0af8", "#00aaff"),
        ("00aaff80", None),
        ("rebeccapurple", "#663399"),
        ("rgb(0, 170, 255)", "#00aaff"),
        ("rgb(0 170 255)", "#00aaff"),
        ("rgba(0,170,255,.5)", "#00aaff"),
        ("rgb(0 170 255 / 50%)", "#00aaff"),
        ("rgb(0%, 100%, 50%)", "#00ff80"),
        ("rgb(0,170,999)", "#00aaff"),
        ("rgb(255,1,2)", "#ff0102"),
        ("rgb(1000,0,0)", None),
        ("rgb(0,1000,0)", None),
        ("rgb(0,0,1000)", None),
        ("rgb(0,0,0);", None),
        ("hsl(0,0%,5%)", "#0d0d0d"),
        ("hsl(0,200%,50%)", "#ff0000"),
        ("hsl(0,0%,200%)", "#ffffff"),
        ("hsl(1000,0%,0%)", None),
        ("hsl(0,1000%,0%)", None),
        ("hsl(0,0%,1000%)", None),
        ("hsl(0,0%,0%);", None),
        ("red" + " " * 61, COLORS["red"]),
        ("red" + " " * 62, None),
        ("hsl(120, 100%, 25%)", "#008000"),
        ("hsl(480deg 100% 25%)", "#008000"),
        ("hsla(0,0%,100%,1)", "#ffffff"),
        ("hsl(0,0,100)", None),
        ("rgb(1,2)", None),
        ("transparent", None),
        ("", None),
        ("#", None),
        ("#12", None),
        ("#٠٠٠", None),
        ("#fff\n", "#ffffff"),
        ("#fff;", None),
        ('red"/><script>', None),
        ("url(#flat-gradient)", None),
        ("currentColor", None),
        ("#" + "f" * 10_000, None),
        ("rgb(" + " " * 10_000, None),
    ],
)
def test_it_reads_a_colour(text: str, color: str | None) -> None:
    assert parse_color(text) == color


@given(st.text())
def test_it_returns_a_plain_hexadecimal_colour_or_none(text: str) -> None:
    color = parse_color(text)
    assert color is None or (len(color) == 7 and color[0] == "#" and int(color[1:], 16) >= 0)


@given(st.from_regex(r"#[0-9a-f]{6}", fullmatch=True))
def test_it_reads_again_what_it_returned(color: str) -> None:
    assert parse_color(color) == color


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [("#000", "#ffffff", 21), ("#007ec6", "#fff", 4.3752), ("#555", "#333", 1.6947), ("#000", "#0a0a0a", 1.0607)],
)
def test_it_computes_the_contrast_that_wcag_defines(one: str, other: str, ratio: float) -> None:
    assert contrast(one, other) == contrast(other, one) == pytest.approx(ratio, abs=0.0001)


@pytest.mark.parametrize(("fill", "color"), [("#555555", "#fff"), ("#ffffff", "#333"), ("#808080", "#000")])
def test_it_writes_in_white_else_in_grey_else_in_black(fill: str, color: str) -> None:
    assert text_color(fill) == color


@pytest.mark.parametrize("name", COLORS)
def test_it_writes_white_on_every_colour_of_its_own(name: str) -> None:
    assert text_color(COLORS[name]) == "#fff"


@given(st.from_regex(r"#[0-9a-f]{6}", fullmatch=True))
def test_it_writes_readably_on_every_colour(fill: str) -> None:
    assert contrast(text_color(fill), fill) >= 4.5
