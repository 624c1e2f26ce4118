"""Whether a version differs from another one, or was only rebuilt."""

from collections.abc import Mapping
from typing import Any

import pytest

from microbadger.image.sameness import is_rebuilt
from tests.image.versions import digest, layers, platform, version

SAME: dict[str, Any] = {"ConfigDigest": digest("c"), "Layers": layers("x", "-ENV A=1", "y")}


def details(**fields: Any) -> dict[str, Any]:
    return {**SAME, **fields}


def test_a_version_with_the_manifests_of_the_other_was_rebuilt() -> None:
    platforms = [platform("amd64", "1"), platform("arm64", "2")]

    assert is_rebuilt(version("a", Platforms=platforms), version("b", Platforms=list(reversed(platforms))))


def test_an_unread_platform_with_the_same_manifest_is_the_same() -> None:
    platforms = [platform("amd64", "1", Unread="the registry does not answer")]

    assert is_rebuilt(version("a", Platforms=platforms), version("b", Platforms=platforms))


def test_another_manifest_with_the_same_config_and_layers_is_a_rebuild() -> None:
    assert is_rebuilt(version("a", **SAME), version("b", **SAME))


@pytest.mark.parametrize(
    "differs",
    [{"ConfigDigest": digest("d")}, {"Layers": layers("x")}, {"Layers": layers("y", "x")}, {"Platforms": []},
     {"Platforms": [platform("arm64", "b")]}, {"Platforms": [platform("amd64", "b", OSVersion="10")]},
     {"Platforms": [platform("amd64", "b"), platform("arm64", "c")]}],
)  # fmt: skip
def test_a_version_that_differs_in_what_runs_was_not_rebuilt(differs: Mapping[str, Any]) -> None:
    assert not is_rebuilt(version("a", **SAME), version("b", **{**SAME, **differs}))


def test_every_platform_has_to_be_the_same() -> None:
    old = [platform("amd64", "1", **SAME), platform("arm64", "2", **SAME)]
    rebuilt = [platform("amd64", "3", **SAME), platform("arm64", "4", **SAME)]
    changed = [platform("amd64", "3", **SAME), platform("arm64", "4", **details(ConfigDigest=digest("d")))]

    assert is_rebuilt(version("a", Platforms=old), version("b", Platforms=rebuilt))
    assert not is_rebuilt(version("a", Platforms=old), version("b", Platforms=changed))


@pytest.mark.parametrize("unknown", ["ConfigDigest", "Layers"])
def test_what_is_not_known_is_not_the_same(unknown: str) -> None:
    old, new = version("a", **SAME), version("b", **SAME)
    del new[unknown]  # type: ignore[misc]

    assert not is_rebuilt(old, new)
    assert not is_rebuilt(new, old)


def test_platforms_without_details_are_not_the_same_because_their_version_has_some() -> None:
    old = [platform("amd64", "1"), platform("arm64", "2")]
    new = [platform("amd64", "3"), platform("arm64", "4")]

    assert not is_rebuilt(version("a", **SAME, Platforms=old), version("b", **SAME, Platforms=new))


def test_of_a_version_that_is_too_large_platforms_may_be_missing() -> None:
    assert not is_rebuilt(version("a", **SAME), version("b", **SAME, Cut=["1 of 2 platforms are left out"]))


def test_two_entries_for_one_platform_are_the_same_only_by_their_manifests() -> None:
    twice, others = [platform("amd64", "1"), platform("amd64", "2")], [platform("amd64", "1"), platform("amd64", "3")]

    assert is_rebuilt(version("a", Platforms=twice), version("b", Platforms=list(reversed(twice))))
    assert not is_rebuilt(version("a", Platforms=twice), version("b", Platforms=others))
    assert not is_rebuilt(version("a", Platforms=twice), version("b", Platforms=[*twice, twice[0]]))
