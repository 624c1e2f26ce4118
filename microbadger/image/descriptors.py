"""Reads descriptors, which name content by its digest, and the platforms that the content is for.

https://github.com/opencontainers/image-spec/blob/main/descriptor.md
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from microbadger.image.fields import read_digest, read_name, read_object, read_size_bytes, read_texts

UNKNOWN = "unknown"
_HASHES = {"sha256": hashlib.sha256, "sha512": hashlib.sha512}


@dataclass(frozen=True)
class Platform:
    """The operating system and processor that an image runs on, or `unknown` if the document does not name them."""

    os: str
    architecture: str
    variant: str | None = None
    os_version: str | None = None

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)

    @property
    def is_known(self) -> bool:
        """Whether the document names the operating system or the processor."""
        return (self.os, self.architecture) != (UNKNOWN, UNKNOWN)


@dataclass(frozen=True)
class Descriptor:
    """The digest, media type and size of some content. `data` is the verified content if it is embedded."""

    media_type: str
    digest: str
    size_bytes: int
    platform: Platform | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)
    artifact_type: str | None = None
    data: bytes | None = None


def read_descriptor(value: object) -> Descriptor:
    """Return a descriptor. Raises `InvalidManifest` if its digest or size is missing or invalid."""
    fields = read_object(value)
    return described(fields, read_digest(fields.get("digest")), read_size_bytes(fields.get("size")))


def described(fields: Mapping[str, object], digest: str, size_bytes: int) -> Descriptor:
    """Return a descriptor with this digest and size, and with the other values in its fields."""
    return Descriptor(
        media_type=read_name(fields.get("mediaType")) or "",
        digest=digest,
        size_bytes=size_bytes,
        platform=read_platform(read_object(fields.get("platform"))),
        annotations=read_texts(fields.get("annotations")),
        artifact_type=read_name(fields.get("artifactType")),
        data=_inline_data(fields.get("data"), digest, size_bytes),
    )


def read_platform(fields: Mapping[str, object]) -> Platform | None:
    """Return the platform that a document names, or None."""
    os, architecture = read_name(fields.get("os")), read_name(fields.get("architecture"))
    if os is None and architecture is None:
        return None
    return Platform(
        _name_or_unknown(os),
        _name_or_unknown(architecture),
        read_name(fields.get("variant")),
        read_name(fields.get("os.version")),
    )


def digest_of(raw: bytes) -> str:
    """Return the sha256 digest of these bytes.

    >>> digest_of(b"{}")
    'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a'
    """
    return f"sha256:{hashlib.sha256(raw).hexdigest()}"


def has_digest(raw: bytes, digest: str) -> bool:
    """Return whether these bytes have a digest. False for algorithms other than sha256 and sha512."""
    algorithm, _, encoded = digest.partition(":")
    return algorithm in _HASHES and _HASHES[algorithm](raw).hexdigest() == encoded


def _inline_data(value: object, digest: str, size_bytes: int) -> bytes | None:
    """Return the content embedded in a descriptor if it matches its digest and size (descriptor.md)."""
    try:
        data = base64.b64decode(value, validate=True) if isinstance(value, str) else b""
    except ValueError:  # binascii.Error, or not ASCII
        return None
    return data if data and len(data) == size_bytes and has_digest(data, digest) else None


def _name_or_unknown(name: str | None) -> str:
    return UNKNOWN if name is None or name.lower() == UNKNOWN else name
