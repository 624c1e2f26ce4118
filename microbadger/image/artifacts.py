"""Decides by media types whether a manifest is a container image, and names other artifacts for messages.

Charts, signatures, models and SBOMs are stored as manifests like images, often with an image's config type, but they
differ in their layers. An image has a file system layer. A manifest without layers, or with only unknown types that
sound like a file system, is an image if its config names a platform.
"""

import re
from collections.abc import Iterable

# Early clients stored ordinary images with one of the last four types, and Docker still reads these:
# https://github.com/distribution/distribution/issues/1621, https://github.com/docker/docker/issues/22378
IMAGE_CONFIG_TYPES = frozenset(
    {
        "application/vnd.oci.image.config.v1+json",
        "application/vnd.docker.container.image.v1+json",
        "application/octet-stream",
        "application/json",
        "text/html",
        "",
    }
)

# Prefixes: +gzip, +zstd, +encrypted, .nydus.blob.v1 and others can follow, also for foreign or nondistributable layers.
_FILE_SYSTEMS = (
    "application/vnd.oci.image.layer.",
    "application/vnd.oci.image.rootfs.",
    "application/vnd.oci.image.serialization.rootfs.",
    "application/vnd.docker.image.rootfs.",
    "application/vnd.docker.container.image.rootfs.",
)
_UNSPECIFIC_TYPE = re.compile(r"|application/(?:octet-stream|(?:x-)?(?:g?tar|t?gzip|tgz|zstd)(?:\+(?:gzip|zstd))?)")
_SOUNDS_LIKE_A_FILE_SYSTEM = re.compile(r"(?<![a-z])(?:layers?|tar|tgz|rootfs|squashfs|erofs)(?![a-z])")

_KINDS = [
    (re.compile(pattern), kind)
    for pattern, kind in (
        (r"application/vnd\.cncf\.helm\.", "Helm chart"),
        (r"application/vnd\.cncf\.flux\.", "Flux artifact"),
        (r"application/vnd\.cncf\.openpolicyagent\.", "policy bundle"),
        (r"application/vnd\.cncf\.falco\.", "Falco artifact"),
        (r"application/vnd\.(?:cncf|cnai)\.model\.|application/vnd\.docker\.ai\.", "machine learning model"),
        (r"application/vnd\.ollama\.", "Ollama model"),
        (r"application/vnd\.dev\.cosign\.artifact\.sbom\.", "SBOM"),
        (r"(?:text|application)/(?:vnd\.)?(?:spdx|cyclonedx|syft)\b", "SBOM"),
        (r"application/vnd\.cncf\.notary\.signature|application/(?:jose(?:\+json)?|cose)$", "signature"),
        (r"application/vnd\.dev\.(?:cosign|sigstore)\.", "signature"),
        (r"application/vnd\.(?:in-toto|dsse|docker\.attestation)\b", "attestation"),
        (r"application/vnd\.devcontainers\b", "dev container feature"),
        (r"application/vnd\.buildkit\.cacheconfig\.", "BuildKit cache"),
        (r"application/vnd\.docker\.plugin\.", "Docker plugin"),
        (r"application/vnd\.docker\.compose\b", "Compose application"),
        (r"application/vnd\.sylabs\.sif\.", "Singularity image"),
        (r"application/vnd\.amazon\.soci\.", "SOCI index"),
        (r"application/vnd\.ms\.bicep\.", "Bicep module"),
        (r"application/(?:vnd\.(?:wasm|module\.wasm|bytecodealliance)\.|wasm$)|.*\+wasm$", "WebAssembly module"),
    )
]
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9][\w!#$&^.+-]{0,126}/[A-Za-z0-9][\w!#$&^.+-]{0,126}", re.ASCII)


def is_file_system(layer_type: str) -> bool:
    """Return whether a layer of this media type is part of a file system."""
    media_type = _bare(layer_type)
    return media_type.startswith(_FILE_SYSTEMS) or _UNSPECIFIC_TYPE.fullmatch(media_type) is not None


def can_be_file_system(layer_type: str) -> bool:
    """Return whether a layer of this media type may be part of a file system, judging unknown types by their name."""
    media_type = _bare(layer_type)
    sounds_so = _SOUNDS_LIKE_A_FILE_SYSTEM.search(media_type) is not None
    return is_file_system(layer_type) or (sounds_so and _known_kind(media_type) is None)


def kind_of(media_types: Iterable[str]) -> str:
    """Return a name for a kind of artifact, given its media types, the most specific first.

    >>> kind_of(["application/vnd.cncf.helm.config.v1+json"]), kind_of(["application/x-new"])
    ('Helm chart', 'artifact of type application/x-new')
    """
    types = list(media_types)
    known = next((kind for media_type in types if (kind := _known_kind(_bare(media_type)))), None)
    if known:
        return known
    shown = types[0] if types else ""
    return f"artifact of type {shown}" if _MEDIA_TYPE.fullmatch(shown) else "artifact of unknown type"


def _known_kind(media_type: str) -> str | None:
    return next((kind for pattern, kind in _KINDS if pattern.match(media_type)), None)


def _bare(media_type: str) -> str:
    """Return a media type in lower case, without its parameters."""
    return media_type.partition(";")[0].strip().lower()
