import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microbadger.badges.text_width import (
    ELLIPSIS,
    VERDANA_10,
    VERDANA_10_BOLD,
    VERDANA_11,
    Font,
    characters,
    shorten,
    width_pixels,
)

FONTS = (VERDANA_11, VERDANA_10, VERDANA_10_BOLD)
ANY_TEXT = st.text(st.characters(exclude_categories=()))
ASCII_TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=126))
# Among random texts those that are hard to divide are rare.
HARD = "a é e\u0301 n\u0303\u0323 👩‍👩‍👧 👍🏽 🇩🇪 ❤️ 1️⃣ \u1112\u1161\u11ab 한 日 नि ｶ\uff9e \u200b"
CLUSTERS = st.lists(st.sampled_from(HARD.split(" "))).map("".join)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mañana", ["m", "a", "ñ", "a", "n", "a"]),
        ("man\u0303ana", ["m", "a", "n\u0303", "a", "n", "a"]),
        ("👩‍👩‍👧!", ["👩‍👩‍👧", "!"]),
        ("🇩🇪🇫🇷🇮", ["🇩🇪", "🇫🇷", "🇮"]),
        ("👍🏽👍", ["👍🏽", "👍"]),
        ("1️⃣❤️", ["1️⃣", "❤️"]),
        ("🏴\U000e0067\U000e0062\U000e007f", ["🏴\U000e0067\U000e0062\U000e007f"]),
        ("\u1112\u1161\u11ab한", ["\u1112\u1161\u11ab", "한"]),
        ("\u1112\ud7b0\ud7cb\u1112\ud7ff", ["\u1112\ud7b0\ud7cb", "\u1112\ud7ff"]),
        ("ｶ\uff9eｶ\uff9f", ["ｶ\uff9e", "ｶ\uff9f"]),
        ("निकि", ["नि", "कि"]),
        ("\u0301a", ["\u0301", "a"]),
        ("a🇩🇪b🇩b", ["a", "🇩🇪", "b", "🇩", "b"]),
        ("🇦🇿🇿🇦", ["🇦🇿", "🇿🇦"]),
        ("a\u200cb👍🏻\u1160", ["a\u200c", "b", "👍🏻\u1160"]),
        ("", []),
    ],
)
def test_it_divides_a_text_as_a_reader_does(text: str, expected: list[str]) -> None:
    assert list(characters(text)) == expected


@given(ANY_TEXT | CLUSTERS)
def test_it_loses_nothing_in_dividing(text: str) -> None:
    assert "".join(characters(text)) == text


# Sums of Verdana's advances at 11 px, with the fraction cut off and then made odd.
@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("…", 9),
        ("build", 27),
        ("passing", 41),
        ("image size", 59),
        ("12.3 MB", 45),
        ("18.6MB", 41),
        ("9 layers", 43),
        ("1a2b3c4", 47),
        ("Apache-2.0", 63),
        ("MIT", 21),
        ("not found", 53),
        ("", 1),
        ("alpine MIT latest", 91),  # 92.00 on paper, 91.99… in floats
    ],
)
def test_it_measures_as_badge_maker_does(text: str, width: int) -> None:
    assert width_pixels(text, VERDANA_11) == width


@pytest.mark.parametrize(
    ("text", "font", "width"),
    [
        ("ab", VERDANA_10, 12 + 2.5),
        ("abc", VERDANA_10, 17 + 3.75),
        ("abc", VERDANA_10_BOLD, 19 + 3.75),
        ("日", VERDANA_10, 10 + 1.25),
        ("日", VERDANA_10_BOLD, 10 + 1.25),
        ("日" * 100, VERDANA_10, 1000 + 125),
        ("", VERDANA_10, 0),
    ],
)
def test_it_adds_the_space_between_letters_to_whole_pixels(text: str, font: Font, width: float) -> None:
    assert width_pixels(text, font) == width


@pytest.mark.parametrize(
    ("text", "alike"),
    [
        ("mañana", "manana"),
        ("man\u0303ana", "manana"),
        ("ÀÉÎ", "AEI"),
        ("日本", "日本\u0301"),
        ("日本語", "漢字字"),
        ("👩‍👩‍👧", "👩"),
        ("👍🏽", "👍"),
        ("🇩🇪", "👍"),
        ("ab\u200b\u200e\u202e", "ab"),
        ("❤️", "👍"),
        ("\u0903a", "a"),
        ("☃", "m"),
        ("привет", "nnnnnn"),
        ("ПРИВЕТ", "NNNNNN"),
        ("שלום", "cccc"),
        ("سلام", "cccc"),
        ("१२", "00"),
        ("\u1112\u1161\u11ab", "한"),
        ("a\u00a0b", "a b"),
    ],
)
@pytest.mark.parametrize("font", FONTS)
def test_it_gives_a_character_the_width_of_what_it_resembles(text: str, alike: str, font: Font) -> None:
    assert width_pixels(text, font) == width_pixels(alike, font)


def test_it_makes_room_for_a_mark_beside_its_letter() -> None:
    assert width_pixels("निः" * 9, VERDANA_11) == width_pixels("nii" * 9, VERDANA_11)


def test_it_draws_a_wide_character_a_full_em_wide_and_a_halfwidth_one_half() -> None:
    assert [width_pixels(text * 10, VERDANA_11) for text in ("日", "한", "Ａ", "ｱ")] == [111, 111, 111, 55]


@given(ANY_TEXT)
@pytest.mark.parametrize("font", FONTS)
def test_it_measures_every_text(font: Font, text: str) -> None:
    assert 0 <= width_pixels(text, font) <= 1 + 16.25 * len(text)


@given(ASCII_TEXT)
def test_it_gives_a_small_text_an_odd_width(text: str) -> None:
    assert width_pixels(text, VERDANA_11) % 2 == 1


@given(ASCII_TEXT, st.sampled_from("éñÅ日👍"))
def test_it_widens_a_text_by_what_is_added(text: str, added: str) -> None:
    assert width_pixels(text + added, VERDANA_11) > width_pixels(text, VERDANA_11)


def test_it_leaves_a_text_alone_that_is_short_enough() -> None:
    assert shorten("n\u0303" * 10, 10) == "n\u0303" * 10


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mañana", "mañ…"),
        ("mañ", "mañ"),
        ("maña", "maña"),
        ("n\u0303\u0303\u0303" * 4, "n\u0303\u0303\u0303" * 4),
        ("n\u0303" + "n\u0303\u0303\u0303\u0303" * 3, "n\u0303" + "n\u0303\u0303\u0303\u0303" * 2 + "…"),
        ("a" + "\u0301" * 15 + "bcde", "a" + "\u0301" * 15 + "…"),
        ("a" + "\u0301" * 16 + "bcde", "…"),
        ("n\u0303" * 5, "n\u0303" * 3 + "…"),
        ("👩‍👩‍👧" * 2, "👩‍👩‍👧👩‍👩‍👧"),
        ("👩‍👩‍👧" * 5, "👩‍👩‍👧" * 3 + "…"),
        ("🇩🇪" * 5, "🇩🇪" * 3 + "…"),
        ("ab" + "\u0301" * 1000, "a…"),
        ("a" + "\u0301" * 1000, "…"),
    ],
)
def test_it_shortens_by_whole_characters(text: str, expected: str) -> None:
    assert shorten(text, 4) == expected


@given(ANY_TEXT | CLUSTERS, st.integers(1, 20))
def test_it_never_cuts_a_character_in_two(text: str, longest: int) -> None:
    shortened = shorten(text, longest)
    kept = list(characters(shortened.removesuffix(ELLIPSIS)))
    assert shortened == text or kept == list(characters(text))[: len(kept)]


@given(ANY_TEXT | CLUSTERS, st.integers(1, 20))
def test_it_keeps_to_the_limit(text: str, longest: int) -> None:
    shortened = shorten(text, longest)
    assert len(list(characters(shortened))) <= longest
    assert len(shortened) <= 4 * longest + 1


def test_it_knows_an_advance_for_every_printable_ascii_character() -> None:
    printable = [chr(code) for code in range(128) if unicodedata.category(chr(code)) != "Cc"]
    assert all(font.advance_of(character) > 0 for font in FONTS for character in printable)
