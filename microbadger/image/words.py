"""Formats sizes, platforms, references and digests for badges, pages and messages."""

from microbadger.image.documents import PlatformDocument, image_name
from microbadger.image.reference import InvalidReference, Reference

UNKNOWN = "unknown"
_SHORT_DIGEST_LENGTH = 12


def size_text(size_bytes: int) -> str:
    """Return a size in the largest binary unit that gives at least 1.0, such as ``18.6 MiB``; ``unknown`` for 0."""
    if size_bytes <= 0:
        return UNKNOWN
    if size_bytes < 1024:
        return f"{size_bytes} B"
    size = float(size_bytes)
    for unit in ("KiB", "MiB", "GiB"):
        size /= 1024
        if round(size, 1) < 1024:
            return f"{size:.1f} {unit}"
    return f"{size / 1024:.1f} TiB"


def platform_text(platform: PlatformDocument) -> str:
    """Return a platform as ``linux/arm/v7``, ``windows/amd64 10.0.20348.2762`` or ``unknown``."""
    name = "/".join(filter(None, [platform.get("OS"), platform.get("Architecture"), platform.get("Variant")]))
    return " ".join(filter(None, [name, platform.get("OSVersion")])) if name else UNKNOWN


def short_reference(text: str) -> str:
    """Return a reference in its short form: without Docker Hub's host, ``library/`` and the digest.

    A text that is not a reference is returned unchanged.

    >>> short_reference("docker.io/library/alpine:3.22")
    'alpine:3.22'
    """
    try:
        reference = Reference.parse(text.strip().partition("@")[0])
    except InvalidReference:
        return text
    return ":".join(filter(None, [image_name(reference.repository), reference.tag]))


def short_digest(digest: str) -> str:
    """Return the first twelve digits of a digest, without its algorithm."""
    return digest.rpartition(":")[2][:_SHORT_DIGEST_LENGTH]


def shortened(text: str, most: int) -> str:
    """Return a text of at most ``most`` characters, with an ellipsis in place of the rest.

    >>> shortened("linux/arm/v7", 6)
    'linux…'
    """
    return text if len(text) <= most else f"{text[: most - 1]}…"
