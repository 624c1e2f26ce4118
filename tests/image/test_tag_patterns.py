"""Which tags patterns choose, and which patterns are refused because they choose none."""

import re
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microbadger.image.tag_patterns import InvalidPatterns, TagPatterns, check_patterns

TAGS = ["1.0", "1.1", "1.1-rc1", "2.0", "v2.0", "latest", "main"]


@pytest.mark.parametrize(
    ("patterns", "chosen"),
    [
        ([], TAGS),
        (["*"], TAGS),
        (["1.1"], ["1.1"]),
        (["1.*"], ["1.0", "1.1", "1.1-rc1"]),
        (["?.?"], ["1.0", "1.1", "2.0"]),
        (["v[0-9]*"], ["v2.0"]),
        (["[!0-9]*"], ["v2.0", "latest", "main"]),
        (["1.0", "latest"], ["1.0", "latest"]),
        (["!*-rc*"], ["1.0", "1.1", "2.0", "v2.0", "latest", "main"]),
        (["1.*", "!*-rc*"], ["1.0", "1.1"]),
        (["!*-rc*", "1.*"], ["1.0", "1.1"]),
        (["!1.*", "!latest"], ["2.0", "v2.0", "main"]),
        (["*", "![0-9]*"], ["v2.0", "latest", "main"]),
        (["LATEST"], []),
    ],
)
def test_patterns_choose_tags(patterns: list[str], chosen: list[str]) -> None:
    check_patterns(patterns)
    assert list(filter(TagPatterns(patterns).choose, TAGS)) == chosen


@pytest.mark.parametrize(
    "pattern",
    ["", "!", "[z-a]", "![z-a]", "-*", ".1", "[", "1[", "]", "1.*]", "1!2", "!!1", "[!a-zA-Z0-9_.-]", "[.-]*"],
)
def test_a_pattern_that_no_tag_fits_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidPatterns, match=r"No tag can match|is not a tag pattern"):
        check_patterns(["1.*", pattern])


@pytest.mark.parametrize("pattern", ["mañana", "a b", "1.*\n", "x" * 129, "a/b", "^1"])
def test_what_is_not_a_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidPatterns, match="is not a tag pattern: write"):
        check_patterns([pattern])


@pytest.mark.parametrize(
    "patterns",
    [
        ["1.*", "!*"],
        ["!*"],
        ["!?*"],
        ["1.2", "!1.2"],
        ["1.2", "1.3", "!1.?"],
        ["1.[0-9]", "!1.?"],
        ["*-rc*", "!*rc*"],
        ["1.*", "2.*", "![0-9].*"],
        ["?", "!?"],
        ["x" * 100, *(f"!{'x' * length}*" for length in range(60, 100))],
        [*(f"1.{number}" for number in range(25)), *(f"!1.{number}" for number in range(25))],
        ["*" + "a?" * 60, "!*a*"],
    ],
)
def test_patterns_that_choose_no_tag_are_refused(patterns: list[str]) -> None:
    with pytest.raises(InvalidPatterns, match="The tag patterns select no tags"):
        check_patterns(patterns)


@pytest.mark.parametrize(
    "patterns",
    [
        ["1.?", "!1.[0-9]"],
        ["*."],
        ["1.2", "1.3", "!1.2"],
        ["*", "!?"],
        ["x" * 128],
        ["*", "!*[a-z]*", "!*[A-Z]*", "!*[0-9]*"],
        ["1.*", "!1.0*"],
    ],
)
def test_patterns_that_choose_some_tag_are_accepted(patterns: list[str]) -> None:
    check_patterns(patterns)


def test_the_number_of_patterns_is_bounded() -> None:
    check_patterns(["*"] * 50)
    with pytest.raises(InvalidPatterns, match="There are too many tag patterns: use at most 50"):
        check_patterns(["*"] * 51)


PATTERNS = st.text("ab1.-_*?[]!", min_size=1, max_size=8).filter(
    # Python 3.11 reads a set as negated where an empty range, such as 1-., stands before the exclamation mark.
    lambda pattern: all(first <= last for first, last in re.findall("(?=(.)-(.))", pattern))
)
SOME_TAGS = st.from_regex(r"[ab1_][ab1._-]{0,7}", fullmatch=True)


@given(PATTERNS.filter(lambda pattern: not pattern.startswith("!")), SOME_TAGS)
def test_a_pattern_means_what_it_means_in_a_shell(pattern: str, tag: str) -> None:
    assert TagPatterns([pattern]).choose(tag) == fnmatchcase(tag, pattern)


@given(st.lists(PATTERNS, max_size=4), SOME_TAGS)
def test_exclusions_win(patterns: list[str], tag: str) -> None:
    wanted = [pattern for pattern in patterns if not pattern.startswith("!")]
    unwanted = [pattern[1:] for pattern in patterns if pattern.startswith("!")]
    is_wanted = not wanted or any(fnmatchcase(tag, pattern) for pattern in wanted)
    is_unwanted = any(fnmatchcase(tag, pattern) for pattern in unwanted)
    assert TagPatterns(patterns).choose(tag) == (is_wanted and not is_unwanted)


@given(st.lists(PATTERNS, min_size=1, max_size=4), st.lists(SOME_TAGS, min_size=1, max_size=20))
def test_patterns_that_choose_a_tag_are_never_said_to_choose_none(patterns: list[str], tags: list[str]) -> None:
    is_chosen = any(map(TagPatterns(patterns).choose, tags))
    assert not (is_chosen and "select no tags" in why_refused(patterns))


@given(PATTERNS, SOME_TAGS)
def test_a_pattern_that_is_said_to_fit_no_tag_fits_none(pattern: str, tag: str) -> None:
    is_fit = fnmatchcase(tag, pattern.removeprefix("!"))
    assert not (is_fit and "No tag can match" in why_refused([pattern]))


def why_refused(patterns: list[str]) -> str:
    try:
        check_patterns(patterns)
    except InvalidPatterns as error:
        return str(error)
    return ""
