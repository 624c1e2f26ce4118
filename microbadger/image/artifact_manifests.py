"""Reads manifests of artifacts other than images, such as attestations, signatures and charts.

https://github.com/opencontainers/image-spec/blob/main/manifest.md#guidelines-for-artifact-usage
"""

from collections.abc import Mapping
from dataclasses import dataclass

from microbadger.image.descriptors import Descriptor, read_descriptor
from microbadger.image.errors import InvalidManifest
from microbadger.image.fields import parse_document, read_list, read_name, read_object, read_texts

_MOST_BLOBS = 1000


@dataclass(frozen=True, slots=True)
class ArtifactManifest:
    """An artifact: its type, its config, its blobs, its annotations and the digest of its subject.

    The type and the subject are empty if it has none, and the config is None if it is missing or invalid.
    """

    artifact_type: str
    config: Descriptor | None
    blobs: tuple[Descriptor, ...]
    annotations: Mapping[str, str]
    subject: str

    @property
    def kind(self) -> str:
        """The media type that identifies the kind of artifact: its artifact type, or else its config's type."""
        return self.artifact_type or (self.config.media_type if self.config else "")


def parse_artifact(raw: bytes) -> ArtifactManifest:
    """Return the manifest of an artifact, without broken parts. Raises `InvalidManifest` if it is not an object."""
    document = parse_document(raw)
    blobs = (_sound_descriptor(blob) for blob in read_list(document.get("layers"), _MOST_BLOBS))
    subject = _sound_descriptor(document.get("subject"))
    return ArtifactManifest(
        artifact_type=read_name(document.get("artifactType")) or "",
        config=_sound_descriptor(document.get("config")),
        blobs=tuple(filter(None, blobs)),
        annotations=read_texts(document.get("annotations")),
        subject=subject.digest if subject else "",
    )


def _sound_descriptor(value: object) -> Descriptor | None:
    try:
        return read_descriptor(read_object(value))
    except InvalidManifest:
        return None
