"""Which tag names a version best, which tags are kept fresh, and the order of releases behind both."""

import random
from collections.abc import Collection, Iterable
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from microbadger.image.reference import is_tag
from microbadger.image.tags import choose, most_specific, release_key

REFERRER = "sha256-" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"mañana", "1.0", "latest"}, "1.0"),
        ({"latest", "3", "3.20", "3.20.1"}, "3.20.1"),
        ({"1.25-alpine", "1.25"}, "1.25"),
        ({"1.25-alpine", "1.25", "1.25-alpine3.20"}, "1.25"),
        ({"1.25.3-alpine", "1.25-alpine", "1-alpine", "alpine"}, "1.25.3-alpine"),
        ({"1.25.3-alpine", "1.25.3-alpine3.18", "mainline-alpine3.18-perl"}, "1.25.3-alpine3.18"),
        ({"stable", "stable-slim"}, "stable-slim"),
        ({"latest", "edge"}, "edge"),
        ({"latest", "a"}, "a"),
        ({"latest"}, "latest"),
        (set(), None),
        ({"v1.2.3", "v1.2", "v1", "latest"}, "v1.2.3"),
        ({"v1.2.3", "1.2"}, "v1.2.3"),
        ({"V2.0", "v2"}, "V2.0"),
        ({"1.9.0", "1.10.0"}, "1.10.0"),
        ({"1.2.3.4", "1.2.300"}, "1.2.3.4"),
        ({"2024.01.05", "2024", "2024.01"}, "2024.01.05"),
        ({"20240105", "edge-something-longer"}, "20240105"),
        ({"20240105", "3.20"}, "3.20"),
        ({"7f3a2b1", "main"}, "7f3a2b1"),
        ({"main", "a-long-branch-name"}, "a-long-branch-name"),
        ({"abc", "abd"}, "abd"),
        ({"1.2.3-rc1", "release-candidate-of-something"}, "1.2.3-rc1"),
        ({REFERRER, REFERRER + ".sig", "1"}, "1"),
        ({REFERRER, "latest"}, "latest"),
        ({REFERRER}, None),
        ([None, 1.25, b"1.2.3", ["9.9"], {"1": 1}, "a/b", "sha256:" + "a" * 64, ""], None),
        ([None, "1.0", 2.0], "1.0"),
        ({"9" * 128, "1.0"}, "1.0"),
        ({"9" * 129, "1"}, "1"),
    ],
)
def test_it_finds_the_most_specific_tag(tags: Iterable[object], expected: str | None) -> None:
    assert most_specific(tags) == expected


@pytest.mark.parametrize(
    ("available", "limit", "kept", "wanted", "expected"),
    [
        (["mañana", "1.0", "latest"], 9, [], [], ["latest", "1.0"]),
        (["1.0", "2.0", "latest", "nightly"], 9, [], [], ["latest", "2.0", "1.0", "nightly"]),
        (["1.0", "2.0", "latest", "nightly"], 2, [], [], ["latest", "2.0"]),
        (["v2.1", "3.19", "3.20.0", "3.20.1", "3.20", "3"], 4, [], [], ["3", "3.20", "3.20.1", "3.20.0"]),
        (["1.9", "1.10", "1.2"], 9, [], [], ["1.10", "1.9", "1.2"]),
        (["1.0-rc1", "1.0", "1.0-alpine", "1.1-rc1"], 9, [], [], ["1.1-rc1", "1.0", "1.0-alpine", "1.0-rc1"]),
        (["20240105", "1.0", "20240106", "edge"], 9, [], [], ["1.0", "20240106", "20240105", "edge"]),
        (["main", "edge", "dev"], 9, [], [], ["main", "edge", "dev"]),
        (["main", "edge", "dev"], 2, [], [], ["main", "edge"]),
        (["1", "2", "latest", "old"], 9, ["old"], ["1"], ["latest", "old", "1", "2"]),
        (["1", "2", "latest", "old"], 1, ["old"], ["1"], ["latest", "old"]),
        (["1", "2", "latest", "old"], 3, ["old"], ["1"], ["latest", "old", "1"]),
        (["1", "2", "3", "4"], 1, ["1", "2", "3"], [], ["3", "2", "1"]),
        (["1", "2"], 0, ["1"], ["2"], ["1"]),
        (["1", "2", "latest"], 0, [], [], []),
        (["1", "2"], -1, [], [], []),
        (["1"], 9, ["gone", REFERRER], ["gone too"], ["1"]),
        (["1", "1", "latest", "1", "latest"], 9, [], [], ["latest", "1"]),
        ([None, "1", 5, "sha256:" + "a" * 64, REFERRER, REFERRER + ".sig", ["2"]], 9, [], [], ["1"]),
        ([REFERRER + ".att", REFERRER + ".sbom", "sha512-" + "a" * 64], 9, [REFERRER + ".att"], [], []),
        ([REFERRER + "0", REFERRER + ".txt", REFERRER[:-1], "sha256-" + "A" * 64], 1, [], [], [REFERRER + "0"]),
        (["", "a b", "a/b", "-x", "x\n", "x" * 129], 9, [], [], []),
        ([], 9, ["1"], ["latest"], []),
    ],
)
def test_it_chooses_the_tags_to_keep_fresh(
    available: list[object], limit: int, kept: list[str], wanted: list[str], expected: list[str]
) -> None:
    assert choose(available, limit, kept=kept, wanted=wanted) == expected


OLDEST_FIRST = [
    ["1.0.0", "1.0.1", "1.0.9", "1.0.10", "1.1.0", "1.10.0", "2.0.0", "10.0.0"],
    ["v1.2.2", "1.2.3-dev", "1.2.3-rc1", "1.2.3-rc2", "1.2.3-rc10", "v1.2.3", "1.2.4"],
    ["1.2.3-alpha", "1.2.3-alpha.1", "1.2.3-beta", "1.2.3-beta.2", "1.2.3-rc.1", "1.2.3"],
    ["3.13.0a1", "3.13.0b1", "3.13.0b2", "3.13.0rc1", "3.13.0rc2-slim", "3.13.0"],
    ["4.0.0-M1", "4.0.0-M2", "4.0.0-RC1", "4.0.0"],
    ["17-ea", "17.0.1", "17-jdk", "17", "18-ea-10", "18"],
    ["3.19.9", "3.19", "3.20.0", "3.20.1", "3.20-alpine", "3.20", "3"],
    ["1.2.3-alpine3.9", "1.2.3-alpine3.19", "1.2.3-alpine3.20", "1.2.3"],
    ["1.2.3-1", "1.2.3-2", "1.2.3-10", "1.2.3"],
    ["2023.12.31", "2024.01.05", "2024.1.6", "2024.10.01"],
    ["2024-01-05", "2024-01-06", "2024-12-01", "2025-01-01"],
    ["20231231", "20240105", "20240106", "1704412800", "0.0.1", "1", "2024"],
    ["1.1.1.1", "1.1.1.2", "1.1.1", "1.1.2"],
    ["9" * 20, "1" + "0" * 20, "9" * 127, "0.1"],
    ["1." + "9" * 100, "2.0"],
    ["1.0.2a", "1.0.2u", "1.0.2"],
]


@pytest.mark.parametrize(("older", "newer"), [pair for row in OLDEST_FIRST for pair in pairwise(row)])
def test_it_orders_releases(older: str, newer: str) -> None:
    assert (release_key(older) or "") < (release_key(newer) or "")


@pytest.mark.parametrize(
    ("one", "other"),
    [("1.2.3", "v1.2.3"), ("2024.01.05", "2024.1.5"), ("1.0-rc1", "1.0-RC.1"), ("1.0rc1", "1.0-rc1"), ("0", "00")],
)
def test_it_knows_two_spellings_of_one_release(one: str, other: str) -> None:
    assert release_key(one) == release_key(other) is not None


@pytest.mark.parametrize(
    "tag",
    ["mañana", "", "latest", "v", "vv1", "7f3a2b1", "1234567f", "x1.2", ".1", "1 2", "1\n", "٣.٢", "1.2" + "3" * 128],
)
def test_it_knows_what_is_not_a_release(tag: str) -> None:
    assert release_key(tag) is None


TAG_LIKE = st.from_regex(r"v?[0-9]{0,3}(\.[0-9]{1,2}){0,3}(-?(rc|alpine|a|)[0-9]?)?", fullmatch=True)
VALUES = TAG_LIKE | st.sampled_from(["latest", REFERRER, REFERRER + ".sig"]) | st.text() | st.none() | st.integers()
LISTS = st.lists(VALUES | st.lists(st.text(), max_size=1) | st.floats())
NAMES = st.sets(TAG_LIKE | st.text())


@given(LISTS)
@example(["\ud800", "1" * 5_000, {}, 1.5])
def test_it_finds_one_of_the_tags_given_whatever_their_order(values: list[object]) -> None:
    found = most_specific(values)
    assert found is None or (found in values and is_tag(found))
    assert most_specific(values[::-1]) == found


@given(LISTS, st.integers(-1, 20), NAMES, NAMES)
def test_it_chooses_no_more_than_allowed_and_only_what_is_available(
    available: list[object], limit: int, kept: Collection[str], wanted: Collection[str]
) -> None:
    chosen = choose(available, limit, kept=kept, wanted=wanted)
    assert len(set(chosen)) == len(chosen) <= max(limit, 0) + len(kept)
    assert all(tag in available and is_tag(tag) and not tag.startswith(REFERRER) for tag in chosen)


@given(LISTS, st.integers(-1, 20), NAMES)
def test_it_keeps_every_tag_that_is_kept_and_available(
    available: list[object], limit: int, kept: Collection[str]
) -> None:
    available_tags = {value for value in available if isinstance(value, str) and is_tag(value)}
    assert set(kept) & available_tags <= set(choose(available, limit, kept=kept))


@given(LISTS, st.integers(0, 20))
def test_it_chooses_the_first_of_what_a_larger_limit_chooses(available: list[object], limit: int) -> None:
    assert choose(available, limit) == choose(available, 1_000)[:limit]


def test_it_chooses_from_fifty_thousand_tags() -> None:
    numbers = random.Random(1)
    tags = [f"{number}.{numbers.randrange(99)}.{numbers.randrange(99)}-alpine" for number in range(50_000)]
    assert choose(tags, 2) == [tags[-1], tags[-2]]
