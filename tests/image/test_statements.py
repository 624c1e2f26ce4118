"""Statements: found in a manifest, taken out of envelopes and bundles, and believed only about the right digest."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microbadger.image.artifact_manifests import parse_artifact
from microbadger.image.descriptors import digest_of
from microbadger.image.errors import InvalidStatement
from microbadger.image.statements import (
    MAX_SBOM_BYTES,
    MAX_STATEMENT_BYTES,
    Statement,
    parse_statement,
    statement_blobs,
    what_is,
)
from tests.fakes.claims import (
    BUNDLE,
    COSIGN_SIGNATURE,
    CYCLONEDX,
    DSSE,
    EMPTY_CONFIG,
    IN_TOTO,
    SLSA_0_1,
    SLSA_0_2,
    SLSA_1,
    SPDX,
    attestation,
    bundle,
    bundle_referrer,
    cosign_attestations,
    envelope,
    referrer,
    spdx,
    statement,
)
from tests.fakes.registry import FakeImage, descriptor, image, to_json
from tests.image.json_values import OBJECTS, spoiled

APP = image()
OTHER = image(architecture="arm64")
CLAIM = {"größe": "mañana"}
PLAIN = statement(CLAIM, APP)

FORMS = {
    "a statement": PLAIN,
    "a statement of version 0.1": statement(CLAIM, APP, version="v0.1"),
    "an envelope": envelope(PLAIN),
    "an envelope in the alphabet of addresses": envelope(statement({**CLAIM, "a": "???>>>"}, APP), url_safe=True),
    "an envelope of several lines": envelope(PLAIN, payload=base64.encodebytes(PLAIN).decode()),
    "an envelope without padding": envelope(PLAIN, payload=base64.b64encode(PLAIN).decode().rstrip("=")),
    "an envelope without signatures": envelope(PLAIN, signatures=[]),
    "a bundle of version 0.1": bundle(PLAIN, version="v0.1"),
    "a bundle of version 0.2": bundle(PLAIN, version="v0.2"),
    "a bundle of version 0.3": bundle(PLAIN),
    "a bundle of a later version": bundle(PLAIN, version="v0.9"),
    "a statement about several": statement(CLAIM, OTHER, APP),
    "a statement with other digests": statement(
        CLAIM, subject=[{"digest": {"sha1": "a" * 40, "sha256": APP.digest[7:]}}, {"name": "_"}, None]
    ),
}


@pytest.mark.parametrize("raw", FORMS.values(), ids=FORMS.keys())
def test_a_statement_is_read_in_every_form(raw: bytes) -> None:
    found = parse_statement(raw, {APP.digest})
    assert (found.predicate_type, found.predicate["größe"]) == (SLSA_1, "mañana")


def test_a_statement_can_be_about_a_digest_of_another_algorithm() -> None:
    digest = f"sha512:{'a' * 128}"
    assert parse_statement(statement(CLAIM, digest), [digest]).predicate == CLAIM


@pytest.mark.parametrize("predicate", [None, "SPDXVersion: SPDX-2.3", [], 7])
def test_a_claim_that_is_not_an_object_is_empty(predicate: object) -> None:
    assert parse_statement(statement(predicate, APP, predicate_type=SPDX), {APP.digest}) == Statement(SPDX, {})


@pytest.mark.parametrize("wrap", [lambda raw: raw, envelope, bundle], ids=["plain", "envelope", "bundle"])
@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (statement(CLAIM, OTHER), "its subject is another digest"),
        (statement(CLAIM, digest_of(b""), OTHER), "its subject is another digest"),
        (statement(CLAIM, subject=[{"digest": {"sha512": APP.digest[7:]}}]), "its subject is another digest"),
        (statement(CLAIM, subject=[{"digest": {"sha256": APP.digest}}]), "its subject is another digest"),
        (statement(CLAIM, subject=[{"digest": {"sha256": [APP.digest[7:]]}}]), "its subject is another digest"),
        (statement(CLAIM), "it has no subject"),
        (statement(CLAIM, subject=APP.digest), "it has no subject"),
        (statement(CLAIM, subject={"digest": {"sha256": APP.digest[7:]}}), "it has no subject"),
        (statement(CLAIM, subject=[{"digest": APP.digest}, APP.digest]), "it has no subject"),
        (statement(CLAIM, APP, predicateType=None), "it has no predicate type"),
        (statement(CLAIM, APP, predicateType=" "), "it has no predicate type"),
        (statement(CLAIM, APP, predicateType="x" * 256), "it has no predicate type"),
        (statement(CLAIM, APP, version="v2"), "it is not a statement"),
        (statement(CLAIM, APP, _type=["https://in-toto.io/Statement/v1"]), "it is not a statement"),
        (to_json(spdx()), "it is not a statement"),
        (b"{}", "it is not a statement"),
        (b"[]", "it is not a JSON object"),
        (b"", "it is not JSON"),
        (b"<html>", "it is not JSON"),
        (b"\x1f\x8b\x08", "it is not JSON"),
        (b'{"a":' * 100_000, "it is not JSON"),
        (b"[" * 100_000, "it is not JSON"),
        (b'{"a": [' + b"[]," * 600_000 + b"[]]}", "it is too large"),
    ],
)
def test_what_is_no_statement_about_the_image_is_refused_in_a_sentence(raw: bytes, reason: str, wrap: Any) -> None:
    with pytest.raises(InvalidStatement) as caught:
        parse_statement(wrap(raw), {APP.digest})
    assert str(caught.value) == reason


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (envelope(PLAIN, payload="not base64!"), "its envelope is not in base64"),
        (envelope(PLAIN, payload="mañana"), "its envelope is not in base64"),
        (envelope(PLAIN, payload="a"), "its envelope is not in base64"),
        (envelope(PLAIN, payload=None), "its envelope is not in base64"),
        (envelope(PLAIN, payload=[]), "its envelope is not in base64"),
        (envelope(PLAIN, payload=""), "it is not JSON"),
        (envelope(envelope(PLAIN)), "it is not a statement"),
        (envelope(bundle(PLAIN)), "it is not a statement"),
        (bundle(envelope(PLAIN)), "it is not a statement"),
        (bundle(bundle(PLAIN)), "it is not a statement"),
        (bundle(PLAIN, dsseEnvelope=json.loads(bundle(PLAIN))), "it is not a statement"),
        (bundle(PLAIN, dsseEnvelope=None), "it is not a statement"),
        (bundle(None), "it is a signature without a statement"),
    ],
)
def test_an_envelope_holds_a_statement_and_nothing_else(raw: bytes, reason: str) -> None:
    with pytest.raises(InvalidStatement) as caught:
        parse_statement(raw, {APP.digest})
    assert str(caught.value) == reason


def of_size(size_bytes: int, predicate_type: str) -> bytes:
    raw = statement({"a": ""}, APP, predicate_type=predicate_type)
    return raw + b" " * (size_bytes - len(raw))


@pytest.mark.parametrize(
    ("predicate_type", "limit_bytes"), [(SLSA_1, MAX_STATEMENT_BYTES), (SPDX, MAX_SBOM_BYTES), ("x", 4 * 1024**2)]
)
def test_a_statement_is_read_up_to_its_limit_and_no_byte_more(predicate_type: str, limit_bytes: int) -> None:
    assert parse_statement(of_size(limit_bytes, predicate_type), {APP.digest})
    with pytest.raises(InvalidStatement, match=r"\Ait is (?:larger than 4 MiB|too large)\Z"):
        parse_statement(of_size(limit_bytes + 1, predicate_type), {APP.digest})


@pytest.mark.parametrize("predicate_type", [SLSA_1, SPDX])
def test_forty_mebibytes_are_not_parsed(predicate_type: str) -> None:
    with pytest.raises(InvalidStatement, match="too large"):
        parse_statement(of_size(40 * 1024**2, predicate_type), {APP.digest})


def test_of_a_hundred_thousand_subjects_the_first_ten_thousand_are_compared() -> None:
    others = [{"digest": {"sha256": "a" * 64}}] * 9_999
    subject = {"digest": {"sha256": APP.digest[7:]}}
    assert parse_statement(statement(CLAIM, subject=[*others, subject]), {APP.digest})
    with pytest.raises(InvalidStatement, match="another digest"):
        parse_statement(statement(CLAIM, subject=[*others, others[0], subject]), {APP.digest})


@pytest.mark.parametrize(
    ("predicate_type", "kind"),
    [
        (SLSA_1, "provenance"),
        (SLSA_0_2, "provenance"),
        (SLSA_0_1, "provenance"),
        ("https://slsa.dev/provenance/v1.2", "provenance"),
        (SPDX, "sbom"),
        ("https://spdx.dev/Document/v2.3", "sbom"),
        ("https://spdx.dev/Document/v3", "sbom"),
        (CYCLONEDX, "sbom"),
        ("https://cyclonedx.org/bom/v1.4", "sbom"),
        (COSIGN_SIGNATURE, "signature"),
        ("https://slsa.dev/verification_summary/v1", ""),
        ("https://cosign.sigstore.dev/attestation/vuln/v1", ""),
        ("https://in-toto.io/attestation/vulns/v0.1", ""),
        ("https://slsa.dev/provenance-of-art/v1", ""),
        ("https://spdx.dev/Documentary", ""),
        ("http://slsa.dev/provenance/v1", ""),
        ("HTTPS://SLSA.DEV/PROVENANCE/V1", ""),
        ("x https://slsa.dev/provenance/v1", ""),
        ("mañana", ""),
        ("", ""),
    ],
)
def test_the_type_says_what_a_statement_is(predicate_type: str, kind: str) -> None:
    assert what_is(predicate_type) == kind


LISTED = statement(spdx(), APP, predicate_type=SPDX)


@pytest.mark.parametrize(
    ("made", "types"),
    [
        (attestation(APP, PLAIN, LISTED), [SLSA_1, SPDX]),
        (attestation(APP, PLAIN, LISTED, as_artifact=True), [SLSA_1, SPDX]),
        (attestation(APP), []),
        (cosign_attestations(PLAIN, LISTED), [SLSA_1, SPDX]),
        (bundle_referrer(APP, PLAIN), [SLSA_1]),
        (bundle_referrer(APP, PLAIN, media_type="application/vnd.dev.sigstore.bundle+json;version=0.1"), [SLSA_1]),
        (bundle_referrer(APP, statement({}, APP, predicate_type=COSIGN_SIGNATURE)), [COSIGN_SIGNATURE]),
        (bundle_referrer(APP, None), []),
        (referrer(APP, BUNDLE, {BUNDLE: bundle(PLAIN)}), [""]),
        (referrer(APP, "", {IN_TOTO: PLAIN}), [""]),
        (referrer(APP, DSSE, {DSSE: envelope(PLAIN)}), [""]),
    ],
)
def test_a_manifest_tells_which_blobs_are_statements_and_of_what_type(made: FakeImage, types: list[str]) -> None:
    found = statement_blobs(parse_artifact(made.raw))
    assert [blob.predicate_type for blob in found] == types
    assert all(parse_statement(made.blobs[blob.descriptor.digest], {APP.digest}) for blob in found)


@pytest.mark.parametrize(
    ("media_type", "is_statement"),
    [
        (IN_TOTO, True),
        ("application/vnd.in-toto.provenance+dsse", True),
        ("application/vnd.in-toto.spdx+dsse", True),
        ("application/vnd.in-toto.verification_summary+dsse", True),
        ("application/vnd.in-toto.bundle+json", True),
        ("APPLICATION/VND.IN-TOTO+JSON; charset=utf-8", True),
        (DSSE, True),
        (BUNDLE, True),
        ("application/vnd.dev.sigstore.bundle.v0.1+json", True),
        ("application/vnd.dev.sigstore.bundle+json;version=0.2", True),
        ("application/vnd.in-toto", False),
        ("application/vnd.in-toto+yaml", False),
        ("application/vnd.in-toto\n+json", False),
        ("x/application/vnd.in-toto+json", False),
        ("application/vnd.dev.cosign.simplesigning.v1+json", False),
        ("application/vnd.oci.image.layer.v1.tar+gzip", False),
        ("application/spdx+json", False),
        ("mañana", False),
        ("", False),
    ],
)
def test_the_media_type_says_whether_a_blob_is_a_statement(media_type: str, is_statement: bool) -> None:
    made = parse_artifact(to_json({"layers": [descriptor(PLAIN, media_type)]}))
    assert bool(statement_blobs(made)) is is_statement


def test_blobs_that_are_broken_or_of_unknown_types_hide_no_statement() -> None:
    sound = descriptor(PLAIN, IN_TOTO) | {"annotations": {"in-toto.io/predicate-type": SLSA_1}}
    layers = [None, {}, descriptor(b"", "x"), {**sound, "size": -1}, {**sound, "annotations": []}, sound]
    made = parse_artifact(to_json({"config": descriptor(b"{}", EMPTY_CONFIG), "layers": layers}))
    assert [blob.predicate_type for blob in statement_blobs(made)] == ["", SLSA_1]


@given(spoiled(*(json.loads(raw) for raw in FORMS.values())) | OBJECTS)
def test_whatever_stands_where_it_is_a_statement_or_a_sentence(document: dict[str, Any]) -> None:
    assert is_read_or_refused(to_json(document))


@given(spoiled(json.loads(PLAIN)), st.sampled_from([envelope, bundle]))
def test_whatever_stands_in_an_envelope_it_is_a_statement_or_a_sentence(document: dict[str, Any], wrap: Any) -> None:
    assert is_read_or_refused(wrap(to_json(document)))


def is_read_or_refused(raw: bytes) -> bool:
    try:
        return len(parse_statement(raw, {APP.digest}).predicate_type) <= 255
    except InvalidStatement as error:
        return str(error).startswith(("it ", "its "))


@given(st.binary())
def test_whatever_the_bytes_are_there_is_a_sentence(raw: bytes) -> None:
    for made in (raw, envelope(raw)):
        with pytest.raises(InvalidStatement):
            parse_statement(made, {APP.digest})


@given(spoiled(json.loads(attestation(APP, PLAIN).raw), json.loads(bundle_referrer(APP, PLAIN).raw)))
def test_whatever_a_manifest_holds_its_statements_are_found(document: dict[str, Any]) -> None:
    found = statement_blobs(parse_artifact(to_json(document)))
    assert all(len(blob.predicate_type) <= 255 for blob in found)
