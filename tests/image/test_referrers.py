"""What is made of a list of referrers, whoever wrote it, and of the tags that are named after a digest."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microbadger.image.descriptors import Descriptor, digest_of
from microbadger.image.errors import InvalidManifest
from microbadger.image.reference import is_tag
from microbadger.image.referrers import (
    MOST_REFERRERS,
    Referrers,
    attestation_tag,
    end_of_life,
    fallback_tag,
    parse_referrers,
    sbom_format,
    sbom_tag,
    signature_tag,
    signatures_among,
)
from tests.fakes.claims import BUNDLE, COSIGN_SIGNATURE, SLSA_1, bundle_referrer, statement
from tests.fakes.referrers import LIFECYCLE, NOTATION, OLD_COSIGN, entry_of, referrer_list
from tests.fakes.registry import image, to_json
from tests.image.json_values import VALUES

APP = image()
HEX = "0123456789abcdef" * 4
CREATED = "org.opencontainers.image.created"
ENDS = "vnd.microsoft.artifact.lifecycle.end-of-life.date"


def entry(number: int = 0, **fields: Any) -> dict[str, Any]:
    made = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest_of(b"%d" % number), "size": 1}
    return made | fields


def parsed(*entries: object) -> Referrers:
    return parse_referrers(to_json({"schemaVersion": 2, "manifests": entries}))


def artifact(kind: str | None, annotations: dict[str, str], number: int = 0) -> Descriptor:
    return Descriptor("", digest_of(b"%d" % number), 1, artifact_type=kind, annotations=annotations)


def life(ends: str, created: str = "", number: int = 0) -> Descriptor:
    return artifact(LIFECYCLE, {ENDS: ends} | ({CREATED: created} if created else {}), number)


def test_a_list_has_each_artifact_with_its_type_and_its_annotations() -> None:
    signed = bundle_referrer(APP, None)

    (found,) = parse_referrers(referrer_list(signed).raw).artifacts

    assert (found.digest, found.artifact_type) == (signed.digest, BUNDLE)
    assert found.annotations[CREATED] == "2026-11-20T10:00:00Z"


def test_an_artifact_that_is_listed_twice_is_one() -> None:
    assert len(parsed(entry(1), entry(2), entry(1)).artifacts) == 2


@pytest.mark.parametrize(
    "broken", [None, 7, "x", [], {}, {"digest": "sha256:no", "size": 1}, {"digest": f"sha256:{HEX}", "size": -1}]
)
def test_a_broken_entry_leaves_the_others(broken: object) -> None:
    assert len(parsed(entry(1), broken, entry(2)).artifacts) == 2


@pytest.mark.parametrize(
    "raw",
    [b"", b"[]", b"null", b"{}", b'{"manifests": 7}', b'{"manifests": [], "layers": []}', b"<html>", b"[" * 100_000],
)
def test_what_is_not_an_index_is_no_list(raw: bytes) -> None:
    with pytest.raises(InvalidManifest):
        parse_referrers(raw)


def test_a_list_of_null_is_empty() -> None:
    assert parse_referrers(b'{"manifests": null}') == Referrers()


@pytest.mark.parametrize(("count", "is_cut"), [(MOST_REFERRERS, False), (MOST_REFERRERS + 1, True), (10_000, True)])
def test_a_thousand_entries_are_read_and_it_is_known_that_there_are_more(count: int, is_cut: bool) -> None:
    found = parsed(*map(entry, range(count)))

    assert (len(found.artifacts), found.is_cut) == (MOST_REFERRERS, is_cut)


def test_pages_together_have_no_more_than_a_thousand() -> None:
    one, other = parsed(*map(entry, range(600))), parsed(*map(entry, range(500, 1200)))

    both = one.and_more(other)

    assert (len(both.artifacts), both.is_cut) == (MOST_REFERRERS, True)


@given(VALUES | st.dictionaries(st.sampled_from(["digest", "size", "artifactType", "annotations"]), VALUES))
def test_no_entry_breaks_a_list(value: object) -> None:
    found = parse_referrers(json.dumps({"manifests": [value, entry()]}).encode())

    assert signatures_among(found.artifacts) == []
    assert end_of_life(found.artifacts) is None


# Tags


@pytest.mark.parametrize(
    ("digest", "tag"),
    [
        (f"sha256:{HEX}", f"sha256-{HEX}"),
        (f"sha512:{HEX}{HEX}", f"sha512-{HEX}"),
        (f"sha256+b64u:{HEX}", f"sha256-b64u-{HEX}"),
        (f"{'a' * 40}:{HEX}", f"{'a' * 32}-{HEX}"),
    ],
)
def test_a_fallback_tag_is_made_of_the_digest(digest: str, tag: str) -> None:
    assert fallback_tag(digest) == tag
    assert is_tag(tag)


def test_cosign_names_its_tags_after_the_digest() -> None:
    tags = [name(f"sha256:{HEX}") for name in (signature_tag, attestation_tag, sbom_tag)]

    assert tags == [f"sha256-{HEX}.sig", f"sha256-{HEX}.att", f"sha256-{HEX}.sbom"]


# Signatures


@pytest.mark.parametrize(
    ("kind", "annotations", "signature"),
    [
        (BUNDLE, {"dev.sigstore.bundle.predicateType": COSIGN_SIGNATURE}, "cosign"),
        (BUNDLE, {"dev.sigstore.bundle.content": "message-signature"}, "cosign"),
        (BUNDLE, {"dev.sigstore.bundle.predicateType": SLSA_1}, "sigstore"),
        (BUNDLE, {}, "sigstore"),
        ("application/vnd.dev.sigstore.bundle+json;version=0.2", {}, "sigstore"),
        (OLD_COSIGN, {}, "cosign"),
        (NOTATION, {}, "notation"),
        (LIFECYCLE, {}, None),
        ("application/vnd.docker.attestation.manifest.v1+json", {}, None),
        ("application/vnd.dev.sigstore.bundles", {}, None),
        ("text/spdx+json", {}, None),
        ("", {}, None),
        (None, {}, None),
    ],
)
def test_the_kind_of_a_signature_shows_in_the_list(
    kind: str | None, annotations: dict[str, str], signature: str | None
) -> None:
    found = [each["Kind"] for each in signatures_among([artifact(kind, annotations)])]

    assert found == ([signature] if signature else [])


@pytest.mark.parametrize(
    ("created", "at"),
    [
        ("2026-11-20T10:00:00+01:00", "2026-11-20T09:00:00Z"),
        ("1970-01-01T00:00:00Z", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_a_signature_has_its_date_if_it_is_a_sound_one(created: str, at: str | None) -> None:
    (signature,) = signatures_among([artifact(NOTATION, {CREATED: created})])

    assert signature.get("CreatedAt") == at


def test_a_signed_statement_is_a_signature_and_has_its_digest() -> None:
    signed = bundle_referrer(APP, statement({}, APP))

    found = signatures_among(parsed(entry_of(signed)).artifacts)

    assert found == [{"Kind": "sigstore", "Digest": signed.digest, "CreatedAt": "2026-11-20T10:00:00Z"}]


def test_of_many_signatures_twenty_are_kept_and_those_of_statements_come_last() -> None:
    bundles = [artifact(BUNDLE, {}, number) for number in range(100)]

    found = signatures_among([*bundles, artifact(NOTATION, {}, 100)])

    assert [each["Kind"] for each in found] == ["notation", *["sigstore"] * 19]


@pytest.mark.parametrize(
    ("media_type", "name"),
    [
        ("text/spdx", "SPDX"),
        ("text/spdx+json", "SPDX"),
        ("application/spdx+json", "SPDX"),
        ("application/vnd.cyclonedx", "CycloneDX"),
        ("application/vnd.cyclonedx+json; version=1.5", "CycloneDX"),
        ("application/vnd.cyclonedx+xml", "CycloneDX"),
        ("application/vnd.syft+json", "Syft"),
        ("application/json", ""),
        ("", ""),
    ],
)
def test_the_format_of_an_sbom_shows_in_its_type(media_type: str, name: str) -> None:
    assert sbom_format(media_type) == name


# The end of life


@pytest.mark.parametrize(
    ("lives", "ends"),
    [
        ([], None),
        ([life("2024-11-12")], "2024-11-12"),
        ([life("2024-11-12T23:30:00-05:00")], "2024-11-12"),
        ([life("soon")], None),
        ([life("")], None),
        ([life("2024-13-40")], None),
        ([life("2025-01-01", "2024-05-01T00:00:00Z", 1), life("2024-01-01", "2024-06-01T00:00:00Z", 2)], "2024-01-01"),
        ([life("2025-01-01", "2024-06-01T00:00:00Z", 1), life("2024-01-01", number=2)], "2025-01-01"),
        ([life("2025-01-01", "2024-05-01T00:00:00Z", 1), life("never", "2024-06-01T00:00:00Z", 2)], "2025-01-01"),
        ([artifact(NOTATION, {ENDS: "2024-01-01"})], None),
    ],
)
def test_the_date_that_was_attached_last_counts(lives: list[Descriptor], ends: str | None) -> None:
    assert end_of_life(lives) == ends
