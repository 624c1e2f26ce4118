"""Which variant a release is, and what else its suffix says."""

import pytest

from microbadger.image.releases import releases_among
from microbadger.image.variants import Variant, variant_of


def variant(tag: str) -> Variant:
    return variant_of(releases_among([tag])[tag])


@pytest.mark.parametrize(
    ("tag", "name"),
    [
        ("1.2.3", ""),
        ("v1.2.3", ""),
        ("release-1.2.3-slim", "slim"),
        ("1.2.3-alpine", "alpine"),
        ("1.2.3-alpine3.20", "alpine"),
        ("1.2.3-Alpine-3.20", "alpine"),
        ("1.2.3-slim-bookworm", "slim-bookworm"),
        ("1.2.3-debian-12-r5", "debian"),
        ("1.2.3-rc1-alpine3.20", "alpine"),
        ("1.2.3rc1-slim", "slim"),
        ("1.2.3-alpine-rc.1", "alpine"),
        ("1.2.3-20240105", ""),
        ("1.2.3-slim-20240105", "slim"),
        ("17.0.13_11-jdk-alpine", "jdk-alpine"),
        ("16-3.4-alpine", "alpine"),
        ("1.2.3-cuda12.1-cudnn8-runtime", "cuda-cudnn-runtime"),
        ("1.2.3-windowsservercore-ltsc2022", "windowsservercore-ltsc"),
        ("1.2.3-amd64", "amd64"),
        ("1.2.3-arm32v7", "arm32v7"),
        ("1.2.3-arm64v8", "arm64v8"),
        ("1.2.3-7f3a2b1", ""),
        ("1.2.3-5-g7f3a2b1", ""),
        ("2024-01-05-slim", "slim"),
    ],
)
def test_the_words_of_a_suffix_name_the_variant(tag: str, name: str) -> None:
    assert variant(tag).name == name


@pytest.mark.parametrize(
    ("tag", "revision"),
    [
        ("1.2.3", ()),
        ("1.2.3-alpine3.20", ()),
        ("1.2.3-debian-12", ()),
        ("1.2.3-debian-12-r5", (5,)),
        ("1.2.3-5", (5,)),
        ("1.2.3-5-alpine3.20", (5,)),
        ("1.2.3-r10-alpine", (10,)),
        ("1.2.3-ls45", (45,)),
        ("1.2.3-build.7", (7,)),
        ("1.2.3.post1", (1,)),
        ("1.2.3-slim-20240105", (20240105,)),
        ("17.0.13_11-jdk", (11,)),
        ("16-3.4", (3, 4)),
        ("1.0.2u", (ord("u"),)),
        ("2024-01-05", (1, 5)),
    ],
)
def test_a_release_has_a_revision(tag: str, revision: tuple[int, ...]) -> None:
    assert variant(tag).revision == revision


def test_a_date_with_a_time_is_a_revision_of_its_year() -> None:
    tag = "RELEASE.2024-01-05T12-30-00Z"
    assert variant_of(releases_among([tag, tag.replace("12", "13")])[tag]) == Variant("", "", "", (1, 5, 12, 30, 0))


def test_an_edition_has_the_numbers_of_its_words() -> None:
    assert variant("1.2.3-alpine3.20").edition != variant("1.2.3-alpine3.21").edition
    assert variant("1.2.3-debian-12-r5").edition == variant("1.2.4-debian-12-r6").edition


@pytest.mark.parametrize(
    ("older", "newer"), [("1.0-rc1", "1.0-rc2"), ("1.0-rc9-alpine", "1.0-rc10-alpine"), ("1.0a1", "1.0b1")]
)
def test_the_marks_of_pre_releases_are_in_order(older: str, newer: str) -> None:
    assert variant(older).pre_release < variant(newer).pre_release


def test_a_mark_can_be_spelled_in_two_ways() -> None:
    assert variant("1.0-rc1").pre_release == variant("1.0-RC.1").pre_release == variant("1.0rc1-slim").pre_release
