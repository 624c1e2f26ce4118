"""Reads indexes and manifests from the bytes that a registry sent.

A tag names an *index* (one image for several platforms) or a *manifest* (one image). A manifest names its
*config* (platform, labels, history) and its *layers*. The specifications are
https://github.com/opencontainers/image-spec (image-index.md, manifest.md) and
https://github.com/distribution/distribution/blob/main/docs/content/spec/manifest-v2-2.md.

Unused fields are dropped. Layers are never fetched, and the `urls` of foreign layers are ignored, because clients that
followed them sent their credentials to strangers (CVE-2020-15157).

A broken part never hides the others: a broken field counts as absent, and a broken entry of an index is kept with the
reason. Only a manifest with a broken config or layer is invalid, because its size would be a guess.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from microbadger.image.artifacts import IMAGE_CONFIG_TYPES, can_be_file_system, is_file_system, kind_of
from microbadger.image.configs import Config
from microbadger.image.descriptors import Descriptor, Platform, described, read_descriptor
from microbadger.image.errors import InvalidManifest, UnsupportedManifest
from microbadger.image.fields import (
    parse_document,
    read_digest,
    read_name,
    read_object,
    read_size_bytes,
    read_texts,
    require_list,
)
from microbadger.image.reference import is_digest

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
INDEX_TYPES = frozenset({OCI_INDEX, DOCKER_INDEX})
MANIFEST_TYPES = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
ACCEPT = ", ".join((OCI_INDEX, OCI_MANIFEST, DOCKER_INDEX, DOCKER_MANIFEST))

_SCHEMA_1_TYPES = {
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
    "application/vnd.docker.distribution.manifest.v1+json",
}
_KNOWN_TYPES = INDEX_TYPES | MANIFEST_TYPES | _SCHEMA_1_TYPES
# https://github.com/moby/buildkit/blob/master/docs/attestations/attestation-storage.md
_ATTESTATION_ANNOTATION = "vnd.docker.reference.type"
_ATTESTATION = "attestation-manifest"
_ATTESTED_ANNOTATION = "vnd.docker.reference.digest"

_MAX_ENTRIES = 1000
_MAX_LAYERS = 1000


@dataclass(frozen=True)
class BrokenEntry:
    """An entry of an index that cannot be used, with the reason and its platform, if it names one."""

    platform: Platform | None
    reason: str


@dataclass(frozen=True)
class Index:
    """One image for several platforms. `broken` are the entries that may be images but cannot be used."""

    media_type: str
    manifests: tuple[Descriptor, ...]
    annotations: Mapping[str, str]
    broken: tuple[BrokenEntry, ...] = ()

    @property
    def images(self) -> tuple[Descriptor, ...]:
        """The entries that can be images or, by their media type, nested indexes. Attestations are left out."""
        return tuple(entry for entry in self.manifests if _can_be_image(entry))

    @property
    def attestations(self) -> Mapping[str, Descriptor]:
        """The first attestation manifest for each image, by the digest of the image."""
        found: dict[str, Descriptor] = {}
        for entry in self.manifests:
            about = entry.annotations.get(_ATTESTED_ANNOTATION, "")
            if entry.annotations.get(_ATTESTATION_ANNOTATION) == _ATTESTATION and is_digest(about):
                found.setdefault(about, entry)
        return found


@dataclass(frozen=True)
class Manifest:
    """One image for one platform: the descriptors of its config and of its layers, lowest layer first."""

    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: Mapping[str, str]

    @property
    def size_bytes(self) -> int:
        """The download size: a layer that occurs twice is transferred only once."""
        return sum({layer.digest: layer.size_bytes for layer in self.layers}.values())

    @property
    def kind(self) -> str:
        """A name for the kind of artifact that it is, if it is not an image."""
        return kind_of([layer.media_type for layer in self.layers])

    def is_image(self, config: Config | None) -> bool:
        """Return whether it is an image: a layer is a known part of a file system, or the config names a platform.

        Without a config, it counts as an image.
        """
        has_file_system = any(is_file_system(layer.media_type) for layer in self.layers)
        return has_file_system or config is None or config.platform.is_known


@dataclass(frozen=True)
class Step:
    """A step of the Dockerfile and the layer that it made. Either can be None."""

    command: str | None
    layer: Descriptor | None


def parse_manifest(raw: bytes, content_type: str = "") -> Index | Manifest:
    """Return the index or the manifest that a registry sent.

    Raises `UnsupportedManifest` if it is not a container image, and `InvalidManifest` if it breaks its specification
    or a bound. A document that can be read as both, or contradicts its Content-Type, is invalid, because clients could
    see different images under one digest (CVE-2021-41190).
    """
    document = parse_document(raw)
    media_type = _media_type_of(document, content_type)
    if media_type in INDEX_TYPES:
        return _index(document, media_type)
    return _manifest(document, media_type)


def layer_steps(manifest: Manifest, config: Config | None) -> tuple[Step, ...]:
    """Return the steps that built an image, in Dockerfile order, with every layer of the manifest.

    Steps and layers are paired from the base image up, as `docker history` does. Layers beyond the history have
    no command; steps beyond the layers have no layer.
    """
    layers = iter(manifest.layers)
    steps = [
        Step(step.created_by or None, None if step.empty_layer else next(layers, None))
        for step in (config.history if config else ())
    ]
    return (*steps, *(Step(None, layer) for layer in layers))


def _can_be_image(entry: Descriptor) -> bool:
    """Return whether an entry may be an image: it is not an attestation, an artifact or of an unknown type."""
    return (
        entry.media_type in INDEX_TYPES | MANIFEST_TYPES | {""}
        and (entry.artifact_type or "") in IMAGE_CONFIG_TYPES
        and _ATTESTATION_ANNOTATION not in entry.annotations
        and (entry.platform is None or entry.platform.is_known)
    )


def _media_type_of(document: Mapping[str, object], content_type: str) -> str:
    """Return the media type of a document. Raise unless its field, its Content-Type and its content agree."""
    declared = read_name(document.get("mediaType")) or ""
    sent = content_type.partition(";")[0].strip().lower()
    if sent not in _KNOWN_TYPES:
        sent = ""  # static file servers send text/plain or other wrong types
    if declared and sent and declared != sent:
        raise InvalidManifest("mediaType contradicts the Content-Type")
    media_type = declared or sent
    if document.get("schemaVersion") == 1 or media_type in _SCHEMA_1_TYPES:
        raise UnsupportedManifest("legacy schema 1 manifest")
    return _agreed_type(document, media_type)


def _agreed_type(document: Mapping[str, object], media_type: str) -> str:
    has_manifests = document.get("manifests") is not None
    has_layers = document.get("layers") is not None or document.get("config") is not None
    if has_manifests and has_layers:
        raise InvalidManifest("it is both an index and a manifest")
    if media_type and media_type not in _KNOWN_TYPES:
        raise UnsupportedManifest(kind_of([media_type]))
    if (has_manifests and media_type in MANIFEST_TYPES) or (has_layers and media_type in INDEX_TYPES):
        raise InvalidManifest("its fields contradict its mediaType")
    if not media_type and not has_manifests and not has_layers:
        raise InvalidManifest("it is neither an index nor a manifest")
    return media_type or (OCI_INDEX if has_manifests else OCI_MANIFEST)


def _index(document: Mapping[str, object], media_type: str) -> Index:
    _refuse_artifact(read_name(document.get("artifactType")) or "")
    entries = require_list(document.get("manifests"), "manifests")
    read = [_entry(entry) for entry in entries[:_MAX_ENTRIES]]
    manifests = tuple(entry for entry in read if isinstance(entry, Descriptor))
    broken = [entry for entry in read if isinstance(entry, BrokenEntry)]
    if len(entries) > _MAX_ENTRIES:
        broken.append(BrokenEntry(None, f"the index has more than {_MAX_ENTRIES} entries"))
    index = Index(media_type, manifests, read_texts(document.get("annotations")), tuple(broken))
    types = [entry.artifact_type or entry.media_type for entry in manifests]
    others = [media_type for media_type in types if media_type not in _KNOWN_TYPES]
    if others and not index.images and not broken:
        raise UnsupportedManifest(kind_of(others))
    return index


def _refuse_artifact(*media_types: str, contents: Iterable[str] = ()) -> None:
    """Raise `UnsupportedManifest` if one of these types is not an image's. `contents` help to name the artifact."""
    others = [media_type for media_type in media_types if media_type not in IMAGE_CONFIG_TYPES]
    if others:
        raise UnsupportedManifest(kind_of([*others, *contents]))


def _entry(value: object) -> Descriptor | BrokenEntry | None:
    """Return an entry of an index, or None for a broken entry that cannot be an image anyway."""
    fields = read_object(value)
    try:
        return read_descriptor(fields)
    except InvalidManifest as error:
        unused = described(fields, digest="", size_bytes=0)
        reason = f"its entry in the index is invalid: {error.reason}"
        return BrokenEntry(unused.platform, reason) if _can_be_image(unused) else None


def _manifest(document: Mapping[str, object], media_type: str) -> Manifest:
    config = read_descriptor(document.get("config"))
    layers = require_list(document.get("layers"), "layers")
    if len(layers) > _MAX_LAYERS:
        raise InvalidManifest(f"it has more than {_MAX_LAYERS} layers")
    manifest = Manifest(
        media_type,
        config,
        tuple(map(_layer, layers)),
        read_texts(document.get("annotations")),
    )
    layer_types = [layer.media_type for layer in manifest.layers]
    _refuse_artifact(read_name(document.get("artifactType")) or "", config.media_type, contents=layer_types)
    if layer_types and not any(map(can_be_file_system, layer_types)):
        raise UnsupportedManifest(manifest.kind)
    return manifest


def _layer(value: object) -> Descriptor:
    """Return the descriptor of a layer with only its type, digest and size, because no other field is used."""
    fields = read_object(value)
    media_type = read_name(fields.get("mediaType")) or ""
    return Descriptor(media_type, read_digest(fields.get("digest")), read_size_bytes(fields.get("size")))
