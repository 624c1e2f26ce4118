"""Which two versions an address names, and what their comparison says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microbadger.image.comparisons import comparison, named_pair, version_called
from microbadger.image.describe import describe_image, tagged
from microbadger.image.reference import is_digest, is_tag
from tests.image.test_describe import NOON
from tests.image.versions import APP, digest, layers, version

HEX = "a" * 64


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("mañana...1.1", None),
        ("1.0...1.1", ("1.0", "1.1")),
        ("latest...1.0", ("latest", "1.0")),
        (f"sha256:{HEX}...1.0", (f"sha256:{HEX}", "1.0")),
        (f"1.0...{HEX}", ("1.0", HEX)),
        (f"{HEX}...sha256:{HEX}", (HEX, f"sha256:{HEX}")),
        ("1.0....1.1", ("1.0.", "1.1")),
        ("1...2...3", ("1", "2...3")),
        ("1.0......1.1", ("1.0...", "1.1")),
        ("1.0..1.1", None),
        ("1.0...", None),
        ("...1.0", None),
        ("...", None),
        ("", None),
        ("1.0...1.1/../x", None),
        ("1.0...1.1\n", None),
        (f"sha256:{HEX[1:]}...1.0", None),
        (f"{'a' * 129}...1.0", None),
        ("." * 10_000, None),
        ("a...b" * 1000, None),
    ],
)
def test_three_dots_separate_two_names(text: str, pair: tuple[str, str] | None) -> None:
    assert named_pair(text) == pair


names = st.from_regex(r"[a-z0-9_][a-z0-9._-]{0,8}", fullmatch=True) | st.just(digest("a"))


@given(names, names)
def test_two_names_always_make_a_pair_of_names(old: str, new: str) -> None:
    pair = named_pair(f"{old}...{new}")

    assert pair is not None
    assert all(is_tag(name) or is_digest(name) for name in pair)
    assert "...".join(pair) == f"{old}...{new}"


@pytest.mark.parametrize("name", ["latest", "1.0", digest("a"), "a" * 64])
def test_a_version_is_called_by_its_tags_and_its_digest(name: str) -> None:
    image = describe_image(APP, [tagged(version("a"), ["1.0", "latest"]), version("b")], updated_at=NOON)

    found = version_called(image, name)
    assert found is not None
    assert found["Digest"] == digest("a")


@pytest.mark.parametrize("name", ["2.0", digest("c"), "c" * 64, ""])
def test_no_version_is_called_by_another_name(name: str) -> None:
    image = describe_image(APP, [tagged(version("a"), ["1.0"])], updated_at=NOON)

    assert version_called(image, name) is None


def test_a_tag_that_looks_like_a_digest_hides_no_digest() -> None:
    image = describe_image(APP, [tagged(version("a"), ["b" * 64]), version("b")], updated_at=NOON)

    found = version_called(image, "b" * 64)
    assert found is not None
    assert found["Digest"] == digest("b")


def test_a_comparison_has_both_versions_and_what_differs() -> None:
    old = tagged(version("a", DownloadSize=1, Layers=layers("x")), ["1.0"])
    new = tagged(version("b", DownloadSize=2, Layers=layers("x"), Created="2026-11-20T10:00:00Z"), ["1.1"])

    found = comparison(old, new)

    assert (found["ImageName"], found["IsRebuild"]) == ("owner/app", False)
    assert (found["Old"]["Tags"], found["New"]["Created"]) == ([{"tag": "1.0"}], "2026-11-20T10:00:00Z")
    assert found["Difference"] == {"DownloadSize": {"Old": 1, "New": 2}}


def test_a_comparison_says_that_one_version_is_a_rebuild_of_the_other() -> None:
    same = {"Layers": layers("x"), "ConfigDigest": digest("c")}
    old, new = version("a", **same), version("b", **same)

    assert comparison(old, new)["IsRebuild"]
    assert not comparison(old, old)["IsRebuild"]


def test_a_version_that_was_not_read_says_why_in_a_comparison() -> None:
    found = comparison(version("a"), version("b", Unread="the registry does not answer"))

    assert found["New"]["Unread"] == "the registry does not answer"
    assert found["Difference"] == {}
