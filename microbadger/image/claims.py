"""Reads and replaces the claims about a version: its provenance, SBOM, signatures and end of life."""

from collections.abc import Mapping

from microbadger.image.documents import VersionDocument, ordered
from microbadger.image.platforms import described_platform
from microbadger.image.provenance import compared
from microbadger.image.version_facts import facts_of

_CLAIMS = ("Provenance", "SBOM", "Signatures", "UnreadClaims", "EndOfLife")


def claims_of(version: VersionDocument) -> dict[str, object]:
    """Return the fields of a version that are claims."""
    return {field: version[field] for field in _CLAIMS if field in version}  # type: ignore[literal-required]


def with_claims(version: VersionDocument, claims: Mapping[str, object]) -> VersionDocument:
    """Return a version with these claims in place of its own."""
    if claims_of(version) == claims:
        return version
    claimed: VersionDocument = {field: value for field, value in version.items() if field not in _CLAIMS}  # type: ignore[assignment]
    claimed.update(claims)  # type: ignore[typeddict-item]
    if "Provenance" in claimed:
        claimed["Provenance"] = compared(claimed["Provenance"], facts_of(claimed))
    return ordered(VersionDocument, claimed)


def main_platform_digest(version: VersionDocument) -> str:
    """Return the digest of the main platform among the platforms with a digest, or an empty text."""
    platforms = [platform for platform in version["Platforms"] if platform["Digest"]]
    main = described_platform({**version, "Platforms": platforms})
    return main["Digest"] if main else ""
