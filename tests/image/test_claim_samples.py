"""Claims as other programs write them: npm, cyclonedx-py, and the libraries of sigstore, which GitHub uses."""

from pathlib import Path

import pytest

from microbadger.image.artifact_manifests import parse_artifact
from microbadger.image.descriptors import digest_of
from microbadger.image.errors import InvalidStatement
from microbadger.image.provenance import read_provenance
from microbadger.image.referrers import parse_referrers, signatures_among
from microbadger.image.sboms import read_raw_sbom
from microbadger.image.statements import parse_statement, predicate_type_of, statement_blobs
from tests.fakes.claims import COMMIT, SLSA_1

SAMPLES = Path(__file__).parents[1] / "samples" / "claims"
CLASSIFIER = "License :: OSI Approved ::"
DIGEST = f"sha256:{'a' * 64}"


def sample(name: str) -> bytes:
    return (SAMPLES / f"{name}.json").read_bytes()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "npm-spdx",
            {"Format": "SPDX", "FormatVersion": "2.3", "PackageCount": 3, "Licenses": {"MIT": 2, "ISC": 1}},
        ),
        (
            "npm-cyclonedx",
            {"Format": "CycloneDX", "FormatVersion": "1.5", "PackageCount": 2, "Licenses": {"ISC": 1, "MIT": 1}},
        ),
        (
            "cyclonedx-py",
            {
                "Format": "CycloneDX",
                "FormatVersion": "1.6",
                "PackageCount": 1,
                "Licenses": {f"{CLASSIFIER} Apache Software License": 1, f"{CLASSIFIER} BSD License": 1},
            },
        ),
    ],
)
def test_an_sbom_is_counted(name: str, expected: dict[str, object]) -> None:
    assert read_raw_sbom(sample(name), digest="", size_bytes=0) == expected


def test_a_bundle_is_opened() -> None:
    assert read_provenance(parse_statement(sample("sigstore-bundle"), {DIGEST}))["Commit"] == COMMIT


def test_a_bundle_with_a_bare_signature_is_no_statement() -> None:
    with pytest.raises(InvalidStatement, match="signature"):
        parse_statement(sample("sigstore-signature"), {DIGEST})


def test_a_list_of_referrers_names_what_was_attested() -> None:
    (artifact,) = parse_referrers(sample("github-referrers")).artifacts

    assert (artifact.digest, predicate_type_of(artifact)) == (digest_of(sample("github-artifact")), SLSA_1)
    assert signatures_among([artifact]) == [
        {"Kind": "sigstore", "Digest": artifact.digest, "CreatedAt": "2026-12-01T12:06:42.617000Z"}
    ]


def test_an_attested_image_is_the_subject_of_an_artifact_with_one_statement() -> None:
    artifact = parse_artifact(sample("github-artifact"))

    assert artifact.subject == "sha256:6a34425372f4073b38be61a8b4337af72aeedcfdbcba4170f55fa04a4c8c017a"
    assert [blob.predicate_type for blob in statement_blobs(artifact)] == [SLSA_1]
