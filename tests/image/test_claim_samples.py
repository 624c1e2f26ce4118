"""Claims as other programs write them: npm, cyclonedx-py, and sigstore's library for bundles."""

from pathlib import Path

import pytest

from microbadger.image.errors import InvalidStatement
from microbadger.image.provenance import read_provenance
from microbadger.image.sboms import read_raw_sbom
from microbadger.image.statements import parse_statement
from tests.fakes.claims import COMMIT

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
