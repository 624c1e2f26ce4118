"""Reads lists of what refers to an image: signatures, attestations, and when its life ends.

A registry has a list for each digest, or a client keeps it under a tag that is made of the digest:
https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-referrers. Older clients name tags of
their own after it: https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md. All of these are claims.
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

_OF_DOCKER = "application/vnd.in-toto."  # as Docker names what it signs
_KINDS_OF_DOCKER: tuple[tuple[str, Literal["provenance", "sbom"]], ...] = (
    ("provenance", "provenance"),
    ("spdx", "sbom"),
    ("cyclonedx", "sbom"),
)
_MAY_HOLD_STATEMENTS = re.compile(
    r"application/vnd\.(?:docker\.attestation|in-toto\+|dsse\.envelope|dev\.sigstore\.bundle)", re.ASCII
)

_COSIGN_SBOM = "application/vnd.dev.cosign.artifact.sbom.v1+json"  # with its own media type on its only layer

_LIFECYCLE = "application/vnd.microsoft.artifact.lifecycle"
_END_OF_LIFE = "vnd.microsoft.artifact.lifecycle.end-of-life.date"
_DATE_LENGTH = len("2026-11-30")


@dataclass(frozen=True, slots=True)
class Referrers:
    """What refers to a digest, each artifact once; there are more than these if it ``is_cut``."""

    artifacts: tuple[Descriptor, ...] = ()
    is_cut: bool = False

    def and_more(self, others: "Referrers") -> "Referrers":
        """Return these and others."""
        return _bounded((*self.artifacts, *others.artifacts), is_cut=self.is_cut or others.is_cut)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A referrer that may hold claims about its subject, and what it holds as far as its entry says.

    ``type_name`` is the type of its statement, else its own media type.
    """

    descriptor: Descriptor
    subject: str
    kind: Literal["provenance", "sbom", "unknown"]
    type_name: str


def parse_referrers(raw: bytes) -> Referrers:
    """Return the entries of a list of referrers without broken ones; raise `InvalidManifest` if it is not an index."""
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
    """Return the tag under which clients list what refers to a digest where the registry has no such list.

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
    """Return the tag under which cosign kept the SBOM of a digest until 2024."""
    return f"{digest.replace(':', '-', 1)}.sbom"


def signatures_among(referrers: Iterable[Descriptor]) -> list[SignatureDocument]:
    """Return the signatures among referrers, at most twenty.

    A bundle of Sigstore that holds a statement is one, too: it signs the statement, which names the image. The others
    come first.
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
    """Return the referrers, each with its subject, that may hold a statement or an SBOM.

    Each is there once, and those whose kind is not known come last.
    """
    found: dict[str, Candidate] = {}
    for subject, referrer in referrers:
        predicate_type, media_type = predicate_type_of(referrer), referrer.artifact_type or ""
        kind = what_is(predicate_type) if predicate_type else _kind_by_media_type(media_type)
        if kind and kind != "signature" and not is_bare_signature(referrer):
            found.setdefault(referrer.digest, Candidate(referrer, subject, kind, predicate_type or media_type))
    return sorted(found.values(), key=lambda candidate: candidate.kind == "unknown")


def end_of_life(referrers: Iterable[Descriptor]) -> str | None:
    """Return the date, such as ``2026-11-30``, at which support ends; None if no referrer says so.

    It can be attached many times, also by mistake: the one that was made last counts.
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
    """Return the format of an SBOM that is not a statement, by its media type; empty if the type is not that of one.

    >>> sbom_format("application/vnd.cyclonedx+json"), sbom_format("text/plain")
    ('CycloneDX', '')
    """
    return _SBOM_FORMATS.get(media_type.partition(";")[0].strip().lower(), "")


def _bounded(artifacts: Iterable[Descriptor], *, is_cut: bool) -> Referrers:
    """Return each artifact once, and a thousand at most."""
    once: dict[str, Descriptor] = {}
    for each in artifacts:
        once.setdefault(each.digest, each)
    return Referrers(tuple(once.values())[:MOST_REFERRERS], is_cut or len(once) > MOST_REFERRERS)


def _kind_by_media_type(media_type: str) -> Literal["provenance", "sbom", "unknown", ""]:
    if sbom_format(media_type) or media_type == _COSIGN_SBOM:
        return "sbom"
    if media_type.startswith(_OF_DOCKER):
        return next((kind for word, kind in _KINDS_OF_DOCKER if word in media_type), "")
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
