"""Finds and reads *statements*, which are claims about content in a registry.

A statement is plain, or in an envelope with its signatures, or in a bundle with such an envelope. Signatures are not
checked. A statement counts only if it names the digest that it was found for.
https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md,
https://github.com/secure-systems-lab/dsse/blob/master/envelope.md and
https://github.com/sigstore/cosign/blob/main/specs/BUNDLE_SPEC.md
"""

import base64
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from microbadger.image.artifact_manifests import ArtifactManifest
from microbadger.image.descriptors import Descriptor
from microbadger.image.errors import InvalidManifest, InvalidStatement, UnrelatedStatement
from microbadger.image.fields import parse_document, read_list, read_name, read_object

MAX_STATEMENT_BYTES = 4 * 1024**2
"""The limit for a statement with its envelope, unless it is an SBOM."""
MAX_SBOM_BYTES = 8 * 1024**2

StatementKind = Literal["provenance", "sbom", "signature", ""]

_STATEMENT_TYPES = ("https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1")
_MOST_SUBJECTS = 10_000
_BLOB_TYPES = re.compile(
    r"application/(?:vnd\.in-toto\S*\+(?:json|dsse)|vnd\.dsse\.envelope\.v1\+json|vnd\.dev\.sigstore\.bundle\S*\+json)"
)
_BUNDLE_CONTENT = "dev.sigstore.bundle.content"
_BARE_SIGNATURE = "message-signature"
_TYPE_OF_BLOB = ("in-toto.io/predicate-type", "predicateType")
_TYPE_OF_BUNDLE = "dev.sigstore.bundle.predicateType"
# A version can follow each of these, as in https://spdx.dev/Document/v2.3.
_KINDS: tuple[tuple[str, StatementKind], ...] = (
    ("https://slsa.dev/provenance", "provenance"),
    ("https://spdx.dev/Document", "sbom"),
    ("https://cyclonedx.org/bom", "sbom"),
    ("https://sigstore.dev/cosign/sign", "signature"),
)


@dataclass(frozen=True, slots=True)
class Statement:
    """A claim: its predicate type and its content, which is empty if it is not an object."""

    predicate_type: str
    predicate: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class StatementBlob:
    """A blob with a statement. `predicate_type` is empty if no annotation gives it."""

    predicate_type: str
    descriptor: Descriptor


def statement_blobs(manifest: ArtifactManifest) -> list[StatementBlob]:
    """Return the blobs of an artifact that are statements, in order. A bare signature has none."""
    if is_bare_signature(manifest):
        return []
    of_bundle = manifest.annotations.get(_TYPE_OF_BUNDLE)
    return [
        StatementBlob(_first_name(*map(blob.annotations.get, _TYPE_OF_BLOB), of_bundle), blob)
        for blob in manifest.blobs
        if _BLOB_TYPES.fullmatch(blob.media_type.partition(";")[0].strip().lower())
    ]


def is_bare_signature(artifact: ArtifactManifest | Descriptor) -> bool:
    """Return whether an artifact is a Sigstore bundle without a statement."""
    return artifact.annotations.get(_BUNDLE_CONTENT) == _BARE_SIGNATURE


def predicate_type_of(referrer: Descriptor) -> str:
    """Return the predicate type of a referrer's statement according to its entry in a list; empty if not given."""
    return _first_name(*map(referrer.annotations.get, (_TYPE_OF_BUNDLE, *_TYPE_OF_BLOB)))


def what_is(predicate_type: str) -> StatementKind:
    """Return the kind of statements with a predicate type, or an empty text for types that are not used.

    >>> what_is("https://slsa.dev/provenance/v0.2"), what_is("https://example.com/review")
    ('provenance', '')
    """
    return next((kind for start, kind in _KINDS if f"{predicate_type}/".startswith(f"{start}/")), "")


def parse_statement(raw: bytes, subjects: Collection[str]) -> Statement:
    """Return a statement about one of these digests, which may be in an envelope or a bundle.

    Raises `InvalidStatement` if it is too large or broken, and `UnrelatedStatement` if it is about other digests.
    """
    try:
        fields = _statement_in(parse_document(raw))
    except InvalidManifest as error:
        raise InvalidStatement(error.reason) from error
    statement = Statement(read_name(fields.get("predicateType")) or "", read_object(fields.get("predicate")))
    if not statement.predicate_type:
        raise InvalidStatement("it has no predicate type")
    limit = MAX_SBOM_BYTES if what_is(statement.predicate_type) == "sbom" else MAX_STATEMENT_BYTES
    if len(raw) > limit:
        raise InvalidStatement(f"it is larger than {limit // 1024**2} MiB")
    _check_subject(fields, subjects)
    return statement


def _statement_in(document: Mapping[str, object]) -> Mapping[str, object]:
    """Return the fields of the statement that a document is or contains. Nested envelopes are not read."""
    if "messageSignature" in document:
        raise InvalidStatement("it is a signature without a statement")
    envelope = read_object(document.get("dsseEnvelope")) or document
    fields = parse_document(_payload(envelope)) if "payload" in envelope else document
    if fields.get("_type") not in _STATEMENT_TYPES:
        raise InvalidStatement("it is not a statement")
    return fields


def _payload(envelope: Mapping[str, object]) -> bytes:
    """Return the payload of an envelope, from either alphabet of base64, even without padding or on several lines."""
    payload = envelope["payload"]
    text = "".join(payload.split()).rstrip("=") if isinstance(payload, str) else "?"
    try:
        return base64.b64decode(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4), validate=True)
    except ValueError as error:  # binascii.Error, or not ASCII
        raise InvalidStatement("its envelope is not in base64") from error


def _check_subject(fields: Mapping[str, object], subjects: Collection[str]) -> None:
    named = map(read_object, read_list(fields.get("subject"), _MOST_SUBJECTS))
    digests = [item for subject in named for item in read_object(subject.get("digest")).items()]
    if not digests:
        raise UnrelatedStatement("it has no subject")
    if not any(isinstance(encoded, str) and f"{algorithm}:{encoded}" in subjects for algorithm, encoded in digests):
        raise UnrelatedStatement("its subject is another digest")


def _first_name(*values: object) -> str:
    return next((name for value in values if (name := read_name(value))), "")
