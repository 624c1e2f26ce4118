"""Which tags are the releases of an image, and their order."""

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microbadger.image.releases import highest_release, releases_among

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
    ["12345", "99999", "100000", "1", "1234", "9999"],
    ["20240105", "0.1", "20240105.1"],
    ["2024-01-05", "0.1", "1-01-02"],
    ["1.1.1.1", "1.1.1.2", "1.1.1", "1.1.2"],
    ["9" * 20, "1" + "0" * 20, "9" * 127, "0.1"],
    ["1." + "9" * 100, "2.0"],
    ["1.0.2a", "1.0.2u", "1.0.2"],
]


@pytest.mark.parametrize(("older", "newer"), [pair for row in OLDEST_FIRST for pair in pairwise(row)])
def test_it_orders_releases(older: str, newer: str) -> None:
    releases = releases_among([older, newer])
    assert releases[older].key < releases[newer].key


@pytest.mark.parametrize(
    ("one", "other"),
    [("1.2.3", "v1.2.3"), ("2024.01.05", "2024.1.5"), ("1.0-rc1", "1.0-RC.1"), ("1.0rc1", "1.0-rc1"), ("0", "00")],
)
def test_it_knows_two_spellings_of_one_release(one: str, other: str) -> None:
    releases = releases_among([one, other])
    assert releases[one].key == releases[other].key


@pytest.mark.parametrize(
    "tag",
    ["mañana", "", "latest", "v", "7f3a2b1", "1234567f", ".1", "1 2", "1\n", "٣.٢", "1.2" + "3" * 128],
)
def test_it_knows_what_is_not_a_release(tag: str) -> None:
    assert releases_among([tag]) == {}



NINE = [f"release-1.0.{number}" for number in range(9)]
ROLLING = [f"r-1.{number}" for number in range(6)]
SHORT_COMMITS = ["sha-7f3a2b1", "sha-1234567", "sha-abcdef0", "sha-0a1b2c3"]


@pytest.mark.parametrize(
    ("tags", "releases"),
    [
        (["release-1.0.9", "release-1.0.10", "main"], ["release-1.0.9", "release-1.0.10"]),
        (["release-1.0.9", "main"], ["release-1.0.9"]),
        (["v1.2", "V1.3", "1.4", "edge"], ["v1.2", "V1.3", "1.4"]),
        (["build-123", "build-124", "latest"], ["build-123", "build-124"]),
        (["app-v1.2", "app-v1.3"], ["app-v1.2", "app-v1.3"]),
        (["jdk17", "jdk21", "jdk21-slim"], ["jdk17", "jdk21", "jdk21-slim"]),
        (["RELEASE.2024-01-05T00-00-00Z", "RELEASE.2025-01-05T00-00-00Z"], None),
        (["nightly-20260101", "nightly-20260102"], None),
        (["debian-12", "1.0"], ["1.0"]),
        (["debian-11", "debian-12", "debian-12-slim", "1.0"], ["1.0"]),
        (["alpine3.20", "1.25", "1.25-alpine3.20"], ["1.25", "1.25-alpine3.20"]),
        ([*NINE, "1.0"], NINE),
        ([*NINE, "20240105"], NINE),
        ([*(f"nightly-{number}" for number in range(9)), "release-1.0"], ["release-1.0"]),
        (["build-123", "main"], []),
        (["fix-issue-12", "main"], []),
        (["pr-12", "pr-13", "main"], []),
        (["feature-pr-12", "feature-pr-13"], []),
        (["mr12", "mr13"], []),
        (SHORT_COMMITS, []),
        (["sha-1234567", "sha-7654321"], []),
        (["sha-1234567", "1.0"], ["1.0"]),
        (["branch-1234567", "branch-abcdef0", "branch-0a1b2c3"], []),
        (["7f3a2b1", "1234567", "abcdef0"], []),
        (["7f3a2b1", "1234567", "abcdef0", "1.0"], ["1.0"]),
        (["abc1234", "abd1234", "main"], []),
        (["20240105", "20240106", "7f3a2b1"], ["20240105", "20240106"]),
        (["cache-1.0", "cache-1.1"], []),
        (["commit-1.0", "commit-1.1"], []),
        (["git-1.0", "git-1.1"], []),
        (["pull-1.0", "pull-1.1"], []),
        (["PR-1.0", "PR-1.1"], []),
        (["abc1234", "abc1235"], []),
        (["abc" + "1" * 60 + digit for digit in "12"], []),
        (["abc" + "1" * 61 + digit for digit in "12"], None),
        (["abcdef1.0", "abcdef1.1"], None),
        (["1234567", "abcdef0"], []),
        (["1234567.1", "abcdef0"], ["1234567.1"]),
        (["1234567", "7654321", "abcdef0-x", "bcdefa0-x", "cdefab0-x"], ["1234567", "7654321"]),
        (["1.0", *ROLLING[:3]], ["1.0"]),
        (["1.0", *ROLLING[:4]], ROLLING[:4]),
        (["1.0", "1.1", *ROLLING[:6]], ["1.0", "1.1"]),
        (["20240105", "20240106", *ROLLING[:2]], ["20240105", "20240106"]),
        (["r-1.0", "r-x"], []),
        (["mañana", "latest", "main"], []),
        ([], []),
    ],
)  # fmt: skip
def test_the_releases_of_an_image_have_one_prefix(tags: list[str], releases: list[str] | None) -> None:
    assert list(releases_among(tags)) == (tags if releases is None else releases)


@pytest.mark.parametrize(
    ("tags", "highest"),
    [
        (["1.0", "1.10", "1.9"], "1.10"),
        (["1.0", "1.1a1-slim", "1.1b2_x"], "1.0"),
        (["release-1.0.9", "release-1.0.10", "main"], "release-1.0.10"),
        (["1.2.3", "1.2.4-rc1", "1.2.4-beta.2"], "1.2.3"),
        (["1.2.3", "2.0.0-alpha", "2.0.0.dev1", "3.0.0a1", "3-preview"], "1.2.3"),
        (["1.2.3-alpine", "1.2.3", "1.2.3-slim"], "1.2.3"),
        (["1.2.3-alpine", "1.2.2"], "1.2.3-alpine"),
        (["1-alpine", "1.2-alpine", "1.2.3-alpine", "1.2.3", "1.2.2"], "1.2.3"),
        (["2-alpine", "1.2.3"], "2-alpine"),
        (["1.2.3-alpine", "1.2.3-slim"], "1.2.3-slim"),
        (["2026-11-20", "2026-11-21", "1.0"], "1.0"),
        (["2026-11-20", "2026-11-21"], "2026-11-21"),
        (["2026.11.20", "1.0"], "2026.11.20"),
        (["RELEASE.2024-01-05T00-00-00Z", "RELEASE.2025-01-05T00-00-00Z"], "RELEASE.2025-01-05T00-00-00Z"),
        (["20240105", "1.0"], "1.0"),
        (["v1.0", "1.0"], "v1.0"),
        (["1.0-rc1", "1.0-rc2"], None),
        (["nightly-20260101", "nightly-20260102"], None),
        (["main", "edge"], None),
        (SHORT_COMMITS, None),
        ([], None),
    ],
)
def test_the_highest_release_is_no_pre_release(tags: list[str], highest: str | None) -> None:
    assert highest_release(tags) == highest


PRE_RELEASES = [
    "alpha", "beta", "canary", "cr", "dev", "ea", "m", "milestone", "nightly", "pre", "preview", "rc", "snapshot",
    "unstable",
]  # fmt: skip


@pytest.mark.parametrize(
    "form", ["1.1-{}", "1.1.{}", "1.1-{}1", "1.1-{}.1", "1.1_{}-1", "1.1-{}-slim", "1.1-{}2.x"]
)
@pytest.mark.parametrize("word", PRE_RELEASES)
def test_no_pre_release_is_the_highest(word: str, form: str) -> None:
    for tag in (form.format(word), form.format(word.upper())):
        assert highest_release(["1.0", tag]) == "1.0"


@pytest.mark.parametrize("tag", ["1.1-alphabet", "1.1-rc1x", "1.1-arc", "1.1-a", "1.1a", "1.1a1x", "1.1d1"])
def test_what_only_looks_like_a_pre_release_is_a_release(tag: str) -> None:
    assert highest_release(["1.0", tag]) == tag


@given(st.lists(st.text() | st.from_regex(r"[a-z]{0,3}[-.v]?[0-9.]{0,4}-?[a-z0-9]{0,4}", fullmatch=True)))
def test_whatever_the_tags_are_the_releases_are_some_of_them(tags: list[str]) -> None:
    assert set(releases_among(tags)) <= set(tags)
    assert highest_release(tags) in [None, *tags]


def test_thousands_of_prefixes_take_no_long_time() -> None:
    letters = random.Random(1)
    tags = ["".join(letters.choices("abcdefghij", k=8)) + "-1.0" for _ in range(50_000)]
    assert len(releases_among(tags)) <= 2
