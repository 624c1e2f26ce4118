"""The claims in the document of a version: what they replace, and which platform they are about."""

from typing import Any, cast

import pytest

from microbadger.image.claims import claims_of, main_platform_digest, with_claims
from microbadger.image.describe import outline_version
from microbadger.image.documents import VersionDocument
from microbadger.image.reference import Repository
from tests.fakes.claims import COMMIT, SLSA_1

DIGEST = f"sha256:{'a' * 64}"
AMD64 = {"OS": "linux", "Architecture": "amd64"}


def version(**fields: Any) -> VersionDocument:
    made: dict[str, Any] = {**outline_version(Repository("example.com", "team/web"), DIGEST), **fields}
    return cast(VersionDocument, made)


def platform(digest: str, **fields: str) -> dict[str, Any]:
    return {"Digest": digest, "DownloadSize": 1, "LayerCount": 1, **fields}


def test_claims_take_the_place_of_those_before() -> None:
    before = version(Signatures=[{"Kind": "cosign"}], UnreadClaims="it failed", Labels={"a": "b"})

    after = with_claims(before, {"Signatures": [], "EndOfLife": "2026-12-31"})

    assert claims_of(after) == {"Signatures": [], "EndOfLife": "2026-12-31"}
    assert after["Labels"] == {"a": "b"}
    assert claims_of(before) == {"Signatures": [{"Kind": "cosign"}], "UnreadClaims": "it failed"}


def test_the_same_claims_leave_a_version_as_it_is() -> None:
    before = version(Signatures=[])

    assert with_claims(before, {"Signatures": []}) is before


def test_provenance_is_compared_with_the_labels() -> None:
    labelled = version(Labels={"org.opencontainers.image.revision": "f" * 40})

    after = with_claims(labelled, {"Provenance": {"PredicateType": SLSA_1, "Commit": COMMIT}})

    assert after["Provenance"]["Differs"] == ["Commit"]


@pytest.mark.parametrize(
    ("platforms", "digest"),
    [
        ([], ""),
        ([platform("", **AMD64)], ""),
        ([platform("only")], "only"),
        ([platform("first", OS="linux", Architecture="arm64"), platform("amd64", **AMD64)], "amd64"),
        ([platform("first", OS="linux", Architecture="arm64"), platform("other", OS="windows")], "first"),
        ([platform("v3", **AMD64, Variant="v3"), platform("v1", **AMD64, Variant="v1")], "v1"),
        ([platform("v3", **AMD64, Variant="v3"), platform("arm64", OS="linux", Architecture="arm64")], "v3"),
        ([platform("amd64", **AMD64, Unread="it is broken"), platform("arm64", OS="linux")], "arm64"),
    ],
)
def test_claims_are_about_the_main_platform(platforms: list[dict[str, Any]], digest: str) -> None:
    assert main_platform_digest(version(Platforms=platforms)) == digest
