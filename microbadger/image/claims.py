"""What is claimed of a version beside its labels: where it comes from, what is in it, who signed it, when it ends."""

from collections.abc import Mapping

from microbadger.image.documents import PlatformDocument, VersionDocument, ordered
from microbadger.image.platforms import PREFERRED_PLATFORM
from microbadger.image.provenance import compared
from microbadger.image.version_facts import facts_of

CLAIMS = ("Provenance", "SBOM", "Signatures", "UnreadClaims", "EndOfLife")
"""The fields of a version that are claims."""


def claims_of(version: VersionDocument) -> dict[str, object]:
    """Return the fields of a version that are claims."""
    return {field: version[field] for field in CLAIMS if field in version}  # type: ignore[literal-required]


def with_claims(version: VersionDocument, claims: Mapping[str, object]) -> VersionDocument:
    """Return a version with these claims in place of its own."""
    if claims_of(version) == claims:
        return version
    claimed: VersionDocument = {field: value for field, value in version.items() if field not in CLAIMS}  # type: ignore[assignment]
    claimed.update(claims)  # type: ignore[typeddict-item]
    if "Provenance" in claimed:
        claimed["Provenance"] = compared(claimed["Provenance"], facts_of(claimed))
    return ordered(VersionDocument, claimed)


def main_platform_digest(version: VersionDocument) -> str:
    """Return the digest of the image for linux/amd64, else of the first one; empty if no platform has one."""

    def rank(platform: PlatformDocument) -> tuple[bool, bool, bool]:
        is_preferred = (platform.get("OS"), platform.get("Architecture")) == PREFERRED_PLATFORM
        return "Unread" in platform, not is_preferred, platform.get("Variant") not in (None, "v1")

    platforms = [platform for platform in version["Platforms"] if platform["Digest"]]
    return min(platforms, key=rank)["Digest"] if platforms else ""
