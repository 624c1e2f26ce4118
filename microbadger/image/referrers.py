"""Reads lists of referrers of an image: its signatures, its attestations and its end of life.

A registry lists the referrers of each digest, or clients keep the list under a fallback tag made from the digest:
https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-referrers. Older versions of cosign use
other tags: https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md. All referrers are unverified claims.
"""

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from microbadger.image.descriptors import Descriptor, read_descriptor
from microbadger.image.documents import SignatureDocument, format_time
from microbadger.image.errors import InvalidManifest
from microbadger.image.fields import parse_document, read_time, require_list
from microbadger.image.statements import is_bare_signature, predicate_type_of, what_is

MOST_REFERRERS = 1000
_MOST_SIGNATURES = 20
_OF_STATEMENT = "sigstore"

_MOST_ALGORITHM_CHARACTERS = 32
_MOST_HEX_CHARACTERS = 64
_NOT_IN_TAGS = re.compile(r"[^A-Za-z0-9_.-]")

_BUNDLE = re.compile(r"application/vnd\.dev\.sigstore\.bundle\b.*", re.ASCII)
_COSIGN_SIGNATURE = "application/vnd.dev.cosign.artifact.sig.v1+json"
_NOTATION_SIGNATURE = "application/vnd.cncf.notary.signature"
_CREATED = "org.opencontainers.image.created"

_SBOM_FORMATS = {
    **dict.fromkeys(("text/spdx", "text/spdx+json", "application/spdx+json"), "SPDX"),
    **dict.fromkeys((f"application/vnd.cyclonedx{suffix}" for suffix in ("", "+json", "+xml")), "CycloneDX"),
    "application/vnd.syft+json": "Syft",
}

_DOCKER_PREFIX = "application/vnd.in-toto."
_DOCKER_KINDS: tuple[tuple[str, Literal["provenance", "sbom"]], ...] = (
    ("provenance", "provenance"),
    ("spdx", "sbom"),
    ("cyclonedx", "sbom"),
)
_MAY_HOLD_STATEMENTS = re.compile(
    r"application/vnd\.(?:docker\.attestation|in-toto\+|dsse\.envelope|dev\.sigstore\.bundle)", re.ASCII
)

_COSIGN_SBOM = "application/vnd.dev.cosign.artifact.sbom.v1+json"  # its only layer has the media type of the SBOM

_LIFECYCLE = "application/vnd.microsoft.artifact.lifecycle"
_END_OF_LIFE = "vnd.microsoft.artifact.lifecycle.end-of-life.date"
_DATE_LENGTH = len("2026-11-30")


@dataclass(frozen=True, slots=True)
class Referrers:
    """The referrers of a digest, each once. If ``is_cut`` is true, there are more."""

    artifacts: tuple[Descriptor, ...] = ()
    is_cut: bool = False

    def and_more(self, others: "Referrers") -> "Referrers":
        """Return these referrers together with others."""
        return _bounded((*self.artifacts, *others.artifacts), is_cut=self.is_cut or others.is_cut)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A referrer that may contain claims about its subject, and their kind according to its entry in the list.

    ``type_name`` is the predicate type of its statement, or else its own media type.
    """

    descriptor: Descriptor
    subject: str
    kind: Literal["provenance", "sbom", "unknown"]
    type_name: str


def parse_referrers(raw: bytes) -> Referrers:
    """Return the valid entries of a list of referrers. Raises `InvalidManifest` if it is not an index."""
    document = parse_document(raw)
    if "manifests" not in document or document.get("layers") is not None:
        raise InvalidManifest("it is not an index")
    entries = require_list(document["manifests"], "manifests")
    sound = []
    for entry in entries[:MOST_REFERRERS]:
        with suppress(InvalidManifest):
            sound.append(read_descriptor(entry))
    return _bounded(sound, is_cut=len(entries) > MOST_REFERRERS)


def fallback_tag(digest: str) -> str:
    """Return the tag under which clients list the referrers of a digest if the registry offers no such lists.

    >>> fallback_tag("sha256:" + "0123456789abcdef" * 4)
    'sha256-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'
    """
    algorithm, _, encoded = digest.partition(":")
    tag = f"{algorithm[:_MOST_ALGORITHM_CHARACTERS]}-{encoded[:_MOST_HEX_CHARACTERS]}"
    return _NOT_IN_TAGS.sub("-", tag)


def signature_tag(digest: str) -> str:
    """Return the tag of cosign's signatures of a digest."""
    return f"{digest.replace(':', '-', 1)}.sig"


def attestation_tag(digest: str) -> str:
    """Return the tag of cosign's attestations about a digest."""
    return f"{digest.replace(':', '-', 1)}.att"


def sbom_tag(digest: str) -> str:
    """Return the tag under which cosign stored the SBOM of a digest until 2024."""
    return f"{digest.replace(':', '-', 1)}.sbom"


def signatures_among(referrers: Iterable[Descriptor]) -> list[SignatureDocument]:
    """Return the signatures among referrers, at most twenty.

    A Sigstore bundle with a statement also counts, because it signs the statement, which names the image. Such bundles
    come last.
    """
    found = []
    for referrer in referrers:
        if kind := _kind_of_signature(referrer):
            signature = SignatureDocument(Kind=kind, Digest=referrer.digest)
            if created := read_time(referrer.annotations.get(_CREATED)):
                signature["CreatedAt"] = format_time(created)
            found.append(signature)
    return sorted(found, key=lambda signature: signature["Kind"] == _OF_STATEMENT)[:_MOST_SIGNATURES]


def candidates_among(referrers: Iterable[tuple[str, Descriptor]]) -> list[Candidate]:
    """Return the referrers that may contain a statement or an SBOM, given pairs of subject and referrer.

    Each referrer is returned once. Those of unknown kind come last.
    """
    found: dict[str, Candidate] = {}
    for subject, referrer in referrers:
        predicate_type, media_type = predicate_type_of(referrer), referrer.artifact_type or ""
        kind = what_is(predicate_type) if predicate_type else _kind_by_media_type(media_type)
        if kind and kind != "signature" and not is_bare_signature(referrer):
            found.setdefault(referrer.digest, Candidate(referrer, subject, kind, predicate_type or media_type))
    return sorted(found.values(), key=lambda candidate: candidate.kind == "unknown")


def end_of_life(referrers: Iterable[Descriptor]) -> str | None:
    """Return the date on which support ends, such as ``2026-11-30``, or None if no referrer gives it.

    The date can be attached several times, even by mistake. The most recent referrer counts.
    https://github.com/dotnet/docker-tools/issues/2153
    """
    dates = [
        (format_time(created) if created else "", date[:_DATE_LENGTH])
        for referrer in referrers
        if referrer.artifact_type == _LIFECYCLE and read_time(date := referrer.annotations.get(_END_OF_LIFE, ""))
        for created in [read_time(referrer.annotations.get(_CREATED))]
    ]
    return max(dates, key=lambda dated: dated[0])[1] if dates else None


def sbom_format(media_type: str) -> str:
    """Return the format of an SBOM that is not in a statement, by its media type; empty for other media types.

    >>> sbom_format("application/vnd.cyclonedx+json"), sbom_format("text/plain")
    ('CycloneDX', '')
    """
    return _SBOM_FORMATS.get(media_type.partition(";")[0].strip().lower(), "")


def _bounded(artifacts: Iterable[Descriptor], *, is_cut: bool) -> Referrers:
    """Return each artifact once, at most 1000."""
    once: dict[str, Descriptor] = {}
    for each in artifacts:
        once.setdefault(each.digest, each)
    return Referrers(tuple(once.values())[:MOST_REFERRERS], is_cut or len(once) > MOST_REFERRERS)


def _kind_by_media_type(media_type: str) -> Literal["provenance", "sbom", "unknown", ""]:
    if sbom_format(media_type) or media_type == _COSIGN_SBOM:
        return "sbom"
    if media_type.startswith(_DOCKER_PREFIX):
        return next((kind for word, kind in _DOCKER_KINDS if word in media_type), "")
    return "unknown" if _MAY_HOLD_STATEMENTS.match(media_type) else ""


def _kind_of_signature(referrer: Descriptor) -> str:
    if referrer.artifact_type == _COSIGN_SIGNATURE:
        return "cosign"
    if referrer.artifact_type == _NOTATION_SIGNATURE:
        return "notation"
    if not _BUNDLE.fullmatch(referrer.artifact_type or ""):
        return ""
    is_of_cosign = is_bare_signature(referrer) or what_is(predicate_type_of(referrer)) == "signature"
    return "cosign" if is_of_cosign else _OF_STATEMENT
