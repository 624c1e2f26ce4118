"""SBOMs: their format, and how many packages they list under which licenses."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microbadger.image.documents import SBOMDocument, document_bytes
from microbadger.image.sboms import read_raw_sbom, read_sbom, unread_sbom
from microbadger.image.shapes import has_shape
from microbadger.image.statements import Statement, parse_statement
from tests.fakes.claims import CYCLONEDX, SPDX, cyclonedx, spdx, spdx_3, statement, syft
from tests.fakes.registry import image, to_json
from tests.image.json_values import OBJECTS, spoiled

APP = image()
DIGEST = f"sha256:{'a' * 64}"
PACKAGES = [("musl", "MIT"), ("busybox", "GPL-2.0-only"), ("zlib", "Zlib"), ("libc-utils", "MIT")]
MOST_BYTES = 16 * 1024
LICENSES = {"MIT": 2, "GPL-2.0-only": 1, "Zlib": 1}


def read(document: object, predicate_type: str = SPDX) -> SBOMDocument:
    raw = statement(document, APP, predicate_type=predicate_type)
    return read_sbom(parse_statement(raw, {APP.digest}), digest="", size_bytes=0)


@pytest.mark.parametrize(
    ("document", "predicate_type", "format_name", "version"),
    [
        (spdx(PACKAGES), SPDX, "SPDX", "2.3"),
        (spdx(PACKAGES, version="2.2"), "https://spdx.dev/Document/v2.2", "SPDX", "2.2"),
        (cyclonedx(PACKAGES), CYCLONEDX, "CycloneDX", "1.5"),
        (cyclonedx(PACKAGES, version="1.4"), "https://cyclonedx.org/bom/v1.4", "CycloneDX", "1.4"),
        (cyclonedx(PACKAGES), SPDX, "CycloneDX", "1.5"),
        ({"Data": spdx(PACKAGES), "Timestamp": "2022-01-01T00:00:00Z"}, SPDX, "SPDX", "2.3"),
    ],
)
def test_packages_and_licenses_are_counted(
    document: dict[str, Any], predicate_type: str, format_name: str, version: str
) -> None:
    assert read(document, predicate_type) == {
        "Format": format_name,
        "FormatVersion": version,
        "PackageCount": 4,
        "Licenses": LICENSES,
    }


@pytest.mark.parametrize("document", [spdx(PACKAGES), cyclonedx(PACKAGES)])
def test_an_sbom_that_is_no_statement_is_counted_too(document: dict[str, Any]) -> None:
    found = read_raw_sbom(to_json(document), digest=DIGEST, size_bytes=7)
    assert found == {**read(document), "Digest": DIGEST, "SizeBytes": 7}


def test_the_most_frequent_licenses_come_first() -> None:
    found = read(spdx([("a", "Zlib"), ("b", "MIT"), ("c", "Apache-2.0"), ("d", "MIT")]))
    assert list(found["Licenses"].items()) == [("MIT", 2), ("Apache-2.0", 1), ("Zlib", 1)]


@pytest.mark.parametrize(
    ("document", "predicate_type", "expected"),
    [
        (spdx_3(), "https://spdx.dev/Document/v3", {"Format": "SPDX", "FormatVersion": "3.0.1"}),
        (spdx([], version="3.0"), SPDX, {"Format": "SPDX", "FormatVersion": "3.0"}),
        ({"@context": ["x"], "@graph": []}, SPDX, {"Format": "SPDX"}),
        ("SPDXVersion: SPDX-2.3\n", SPDX, {"Format": "SPDX"}),
        (None, CYCLONEDX, {"Format": "CycloneDX"}),
        ({}, SPDX, {"Format": "SPDX"}),
        (syft(), "https://example.com/sbom", {"Format": "Syft", "FormatVersion": "16.0.0"}),
        ({}, "https://example.com/sbom", {"Format": "unknown"}),
    ],
)
def test_other_sboms_have_their_format(document: object, predicate_type: str, expected: dict[str, str]) -> None:
    assert read(document, predicate_type) == expected


@pytest.mark.parametrize(
    ("media_type", "format_name"),
    [
        ("text/spdx", "SPDX"),
        ("text/spdx+json", "SPDX"),
        ("application/spdx+json", "SPDX"),
        ("application/vnd.cyclonedx", "CycloneDX"),
        ("application/vnd.cyclonedx+json", "CycloneDX"),
        ("application/vnd.cyclonedx+xml", "CycloneDX"),
        ("application/vnd.syft+json", "Syft"),
        ("application/VND.SYFT+json", "Syft"),
        ("mañana", "unknown"),
        ("", "unknown"),
    ],
)
def test_the_media_type_tells_the_format_of_what_is_not_json(media_type: str, format_name: str) -> None:
    found = read_raw_sbom(b"<bom/>", digest=DIGEST, size_bytes=6, media_type=media_type)
    expected = {"Format": format_name, "Digest": DIGEST, "SizeBytes": 6, "Unread": "it is not JSON"}
    assert found == expected
    assert read_raw_sbom(b"{}", digest="", size_bytes=0, media_type=media_type) == {"Format": format_name}


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b'{"a":' * 100_000, "it is not JSON"),
        (b"[]", "it is not a JSON object"),
        (b" " * 40 * 1024**2, "it is too large"),
        (b'{"packages": [' + b"{}," * 300_000 + b"{}]}", "it is too large"),
    ],
    ids=["deep", "list", "large", "many"],
)
def test_an_sbom_that_cannot_be_parsed_says_why(raw: bytes, reason: str) -> None:
    assert read_raw_sbom(raw, digest="", size_bytes=0)["Unread"] == reason


@pytest.mark.parametrize(("kind", "format_name"), [(SPDX, "SPDX"), ("application/vnd.cyclonedx+json", "CycloneDX")])
def test_an_sbom_that_was_not_counted_says_why(kind: str, format_name: str) -> None:
    found = unread_sbom(kind, "it is larger than 8 MiB", digest=DIGEST, size_bytes=9 * 1024**2)
    assert found == {
        "Format": format_name,
        "Digest": DIGEST,
        "SizeBytes": 9 * 1024**2,
        "Unread": "it is larger than 8 MiB",
    }
    assert unread_sbom(kind, "x") == {"Format": format_name, "Unread": "x"}


def of_spdx_package(**fields: object) -> SBOMDocument:
    package = {"name": "a", "externalRefs": [{"referenceType": "purl", "referenceLocator": "pkg:apk/a"}]}
    return read({"spdxVersion": "SPDX-2.3", "packages": [package | fields]})


@pytest.mark.parametrize(
    ("concluded", "declared", "license_"),
    [
        ("MIT", "Apache-2.0", "MIT"),
        ("NOASSERTION", "Apache-2.0", "Apache-2.0"),
        ("NONE", "Apache-2.0 OR MIT", "Apache-2.0 OR MIT"),
        ("", "LicenseRef-1", "LicenseRef-1"),
        (None, " MIT\n", "MIT"),
        (["MIT"], "größe", "größe"),
        ("NOASSERTION", "NOASSERTION", None),
        ("noassertion", "none", None),
        ("\u202e\x00", None, None),
        (7, {}, None),
    ],
)
def test_the_first_license_that_is_an_answer_counts(concluded: object, declared: object, license_: str | None) -> None:
    found = of_spdx_package(licenseConcluded=concluded, licenseDeclared=declared)
    assert (found["PackageCount"], found.get("Licenses")) == (1, {license_: 1} if license_ else None)


@pytest.mark.parametrize(
    "references",
    [
        None,
        [],
        {},
        "purl",
        [None, "purl", []],
        [{"referenceType": "cpe23Type", "referenceLocator": "cpe:2.3:a"}],
        [{"referenceType": ["purl"]}],
    ],
)
def test_an_spdx_entry_without_a_package_url_is_no_package(references: object) -> None:
    assert of_spdx_package(externalRefs=references, licenseDeclared="MIT")["PackageCount"] == 0


def of_components(*components: object) -> SBOMDocument:
    return read({"bomFormat": "CycloneDX", "specVersion": "1.5", "components": list(components)}, CYCLONEDX)


@pytest.mark.parametrize(
    ("licenses", "expected"),
    [
        ([{"license": {"id": "MIT"}}], {"MIT": 1}),
        ([{"license": {"name": "The größe license"}}], {"The größe license": 1}),
        ([{"license": {"id": "MIT", "name": "other"}}], {"MIT": 1}),
        ([{"expression": "MIT OR Zlib"}], {"MIT OR Zlib": 1}),
        ([{"license": {"id": "MIT"}}, {"expression": "Zlib"}, {"license": {"name": "MIT"}}], {"MIT": 1, "Zlib": 1}),
        ([{"license": {"id": "NOASSERTION"}}, {"license": None}, None, "MIT", {"license": "MIT"}], None),
        ({"license": {"id": "MIT"}}, None),
        (None, None),
    ],
)
def test_a_component_counts_once_for_each_license(licenses: object, expected: dict[str, int] | None) -> None:
    found = of_components({"purl": "pkg:apk/a", "licenses": licenses})
    assert (found["PackageCount"], found.get("Licenses")) == (1, expected)


def test_components_in_components_are_counted_at_every_depth() -> None:
    component: dict[str, Any] = {"purl": "pkg:apk/a"}
    for depth in range(200):
        component = {"components": [component], **({"purl": "pkg:apk/a"} if depth % 2 else {})}
    assert of_components(component, {"purl": ""}, {"name": "a"}, None, 7)["PackageCount"] == 101


def test_fifty_licenses_are_kept() -> None:
    found = read(spdx([("a", f"LicenseRef-{number}") for number in range(1000)]))
    assert (found["PackageCount"], len(found["Licenses"])) == (1000, 50)


def test_long_licenses_are_cut_and_fewer_are_kept() -> None:
    found = read(spdx([("a", f"<{number}>" * 1000) for number in range(1000)]))
    assert (found["PackageCount"], len(found["Licenses"])) == (1000, 20)
    assert all(len(license_) == 100 and license_.endswith("…") for license_ in found["Licenses"])
    assert len(document_bytes(found)) < MOST_BYTES


def test_a_large_sbom_is_counted() -> None:
    document = spdx([(f"package-{number}", "MIT") for number in range(5000)])
    files = [{"fileName": f"/usr/lib/{number}", "checksums": [{"checksumValue": "a" * 40}]} for number in range(40_000)]
    raw = to_json(document | {"files": files})
    assert 4 * 1024**2 < len(raw) < 8 * 1024**2
    assert read_raw_sbom(raw, digest="", size_bytes=0)["PackageCount"] == 5000


@pytest.mark.parametrize(
    ("version", "expected"),
    [("2.3", "2.3"), ("2.3.1", "2.3.1"), ("2." + "3" * 100, None), ("2.x<script>", None), ("2.٣", None), ("", None)],
)
def test_a_version_is_numbers(version: str, expected: str | None) -> None:
    assert read({"spdxVersion": f"SPDX-{version}"}).get("FormatVersion") == expected
    assert read({"bomFormat": "CycloneDX", "specVersion": version}).get("FormatVersion") == expected


@given(spoiled(spdx(PACKAGES), spdx_3(), cyclonedx(PACKAGES), syft(), {"Data": spdx()}) | OBJECTS, st.text())
def test_whatever_stands_where_the_document_is_sound_and_small(document: dict[str, Any], kind: str) -> None:
    for found in (
        read_sbom(Statement(kind, json.loads(json.dumps(document))), digest=DIGEST, size_bytes=7),
        read_raw_sbom(to_json(document), digest=DIGEST, size_bytes=7, media_type=kind),
    ):
        assert has_shape(found, SBOMDocument)
        assert len(document_bytes(found)) < MOST_BYTES


@given(st.binary(), st.text())
def test_whatever_the_bytes_are_there_is_a_format(raw: bytes, media_type: str) -> None:
    assert has_shape(read_raw_sbom(raw, digest="", size_bytes=0, media_type=media_type), SBOMDocument)
