"""Which tag names a version best, and which tags are kept fresh."""

import random
from collections.abc import Collection, Iterable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from microbadger.image.reference import is_tag
from microbadger.image.tags import choose, is_version_tag, most_specific, release_tag

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
        ({"1-x", "a-long-branch-name"}, "1-x"),
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
    ("tags", "among", "expected"),
    [
        (["build-123", "a-long-branch-name"], ["build-122"], "build-123"),
        (["build-123", "a-long-branch-name"], [], "a-long-branch-name"),
        (["release-1.0.9", "a-long-branch-name"], [], "release-1.0.9"),
        (["release-1.0.9", "release-1.0", "latest"], [], "release-1.0.9"),
        (["sha-1234567", "main-branch-x"], ["sha-abcdef0"], "main-branch-x"),
        (["debian-12.5.1", "1.0"], ["1.1"], "1.0"),
        (["1.0"], ["2.0.0", None, 7], "1.0"),
    ],
)
def test_all_tags_of_an_image_show_what_its_releases_are(
    tags: list[str], among: list[object], expected: str | None
) -> None:
    assert most_specific(tags, among) == expected


HEX = "0123456789abcdef" * 8
SUFFIXES = ["", ".sig", ".att", ".sbom", ".src", ".dockerfile", ".prov", ".foo", ".sig.att", ".", "-1", "_x"]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    "digest",
    [
        *("sha256-" + HEX[:64], "sha512-" + HEX, "sha512-" + HEX[:64], "sha384-" + HEX[:64], "sha256-" + HEX[:40]),
        *("sha256-" + HEX[:32], "sha1-" + HEX[:40], "sha224-" + HEX[:56], "blake3-" + HEX[:64], "blake2b-" + HEX[:64]),
    ],
)
def test_what_registries_keep_about_a_version_is_no_version(digest: str, suffix: str) -> None:
    tag = (digest + suffix)[:128]
    assert not is_version_tag(tag)
    assert choose([tag, "main"], 9, kept=[tag], wanted=[tag]) == ["main"]


@pytest.mark.parametrize(
    "tag",
    ["latest", "1.0", "main", "sha-7f3a2b1", "sha256-7f3a2b1", "sha256", "sha-" + HEX[:40], "sha256-" + HEX[:31]],
)
def test_the_tag_of_a_version_is_one(tag: str) -> None:
    assert is_version_tag(tag)


@pytest.mark.parametrize("text", ["", "mañana", "a/b", "x" * 129, "1\n", "sha256:" + HEX[:64]])
def test_what_is_no_tag_is_no_tag_of_a_version(text: str) -> None:
    assert not is_version_tag(text)


COMMITS = [f"sha-{number * 7919 % 2**28:07x}" for number in range(1, 151)]


@pytest.mark.parametrize(
    ("available", "dated", "first"),
    [
        ([f"release-1.0.{number}" for number in range(150)], {}, ["release-1.0.149", "release-1.0.148"]),
        ([f"v1.{number}" for number in range(150)], {}, ["v1.149", "v1.148"]),
        ([f"build-{number}" for number in range(150)], {}, ["build-149", "build-148"]),
        (COMMITS, {}, [COMMITS[149], COMMITS[148]]),
        (COMMITS, {tag: float(place) for place, tag in enumerate(COMMITS)}, [COMMITS[149], COMMITS[148]]),
        (COMMITS, {tag: float(-place) for place, tag in enumerate(COMMITS)}, [COMMITS[0], COMMITS[1]]),
        (COMMITS, dict.fromkeys(COMMITS, 7.0), [COMMITS[149], COMMITS[148]]),
        (sorted(COMMITS), {COMMITS[149]: 9.0, COMMITS[3]: 8.0}, [COMMITS[149], COMMITS[3]]),
        ([*COMMITS, "latest", "1.0"], {COMMITS[3]: 8.0}, ["latest", "1.0", COMMITS[3], COMMITS[149]]),
        (["1.0", "2.0", "main"], {"1.0": 9.0, "main": 10.0}, ["2.0", "1.0", "main"]),
        (["v1.0", "1.0"], {"v1.0": 9.0}, ["v1.0", "1.0"]),
        (["v1.0", "1.0"], {}, ["1.0", "v1.0"]),
        (["debian-12", "debian-13", "1.0"], {"debian-12": 1.0}, ["1.0", "debian-12", "debian-13"]),
    ],
    ids=range(13),
)
def test_releases_come_by_their_order_and_the_others_from_the_newest(
    available: list[str], dated: dict[str, float], first: list[str]
) -> None:
    assert choose(available, 100, dated=dated)[: len(first)] == first


def test_of_a_hundred_tags_three_are_kept_and_the_others_are_the_first() -> None:
    releases = [f"1.{number}" for number in range(150)]
    chosen = choose([*releases, "old", "older", "oldest"], 100, kept=["old", "older", "oldest"])
    assert (len(chosen), chosen[3:]) == (100, releases[:52:-1])


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
        (["main", "edge", "dev"], 9, [], [], ["dev", "edge", "main"]),
        (["main", "edge", "dev"], 2, [], [], ["dev", "edge"]),
        (["1", "2", "latest", "old"], 9, ["old"], ["1"], ["latest", "old", "1", "2"]),
        (["1", "2", "latest", "old"], 1, ["old"], ["1"], ["latest", "old", "1"]),
        (["1", "2", "latest", "old"], 3, ["old"], ["1"], ["latest", "old", "1"]),
        (["1", "2", "3", "4"], 1, ["1", "2", "3"], [], ["3", "2", "1"]),
        (["1", "2"], 0, ["1"], ["2"], ["1", "2"]),
        (["1", "2", "latest"], 0, [], [], []),
        (["1", "2"], -1, [], [], []),
        (["1"], 9, ["gone", REFERRER], ["gone too"], ["1"]),
        (["1", "1", "latest", "1", "latest"], 9, [], [], ["latest", "1"]),
        ([None, "1", 5, "sha256:" + "a" * 64, REFERRER, REFERRER + ".sig", ["2"]], 9, [], [], ["1"]),
        ([REFERRER + ".att", REFERRER + ".sbom", "sha512-" + "a" * 64], 9, [REFERRER + ".att"], [], []),
        ([REFERRER + "0", REFERRER + ".txt", REFERRER[:-1], "main"], 1, [], [], ["main"]),
        (["", "a b", "a/b", "-x", "x\n", "x" * 129], 9, [], [], []),
        ([], 9, ["1"], ["latest"], []),
    ],
)
def test_it_chooses_the_tags_to_keep_fresh(
    available: list[object], limit: int, kept: list[str], wanted: list[str], expected: list[str]
) -> None:
    assert choose(available, limit, kept=kept, wanted=wanted) == expected


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
    assert len(set(chosen)) == len(chosen) <= max(limit, 0) + len(kept) + len(wanted)
    assert all(tag in available and is_tag(tag) and not tag.startswith(REFERRER) for tag in chosen)


@given(LISTS, st.integers(-1, 20), NAMES, NAMES)
def test_it_keeps_every_tag_that_is_kept_or_wanted_and_available(
    available: list[object], limit: int, kept: Collection[str], wanted: Collection[str]
) -> None:
    available_tags = {value for value in available if isinstance(value, str) and is_tag(value)}
    assert (set(kept) | set(wanted)) & available_tags <= set(choose(available, limit, kept=kept, wanted=wanted))


@given(LISTS, st.dictionaries(TAG_LIKE, st.floats(allow_nan=False)))
def test_dates_change_the_order_only(available: list[object], dated: dict[str, float]) -> None:
    assert set(choose(available, 1000, dated=dated)) == set(choose(available, 1000))


@given(LISTS, st.integers(0, 20))
def test_it_chooses_the_first_of_what_a_larger_limit_chooses(available: list[object], limit: int) -> None:
    assert choose(available, limit) == choose(available, 1_000)[:limit]


def test_it_chooses_from_fifty_thousand_tags() -> None:
    numbers = random.Random(1)
    tags = [f"{number}.{numbers.randrange(99)}.{numbers.randrange(99)}-alpine" for number in range(50_000)]
    assert choose(tags, 2) == [tags[-1], tags[-2]]


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        ([["1.2", "latest"], ["2", "2.0", "2.0.1"]], "2.0.1"),
        ([["1.2", "latest"], ["2.0-rc1"]], "1.2"),
        ([["1.2-alpine"], ["1.2", "1"]], "1.2"),
        ([["latest"], ["main"]], None),
        ([[REFERRER], ["1.0"]], "1.0"),
        ([[]], None),
        ([], None),
    ],
)
def test_it_finds_the_tag_of_the_highest_release(versions: list[list[str]], expected: str | None) -> None:
    assert release_tag(versions) == expected
