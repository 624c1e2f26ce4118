"""Reads indexes, manifests and configs from the bytes that a registry sent.

A tag names an *index* (one image for several platforms) or a *manifest* (one image). A manifest names its
*config* (platform, labels, history) and its *layers*. The specifications are
https://github.com/opencontainers/image-spec (image-index.md, manifest.md, config.md, descriptor.md) and
https://github.com/distribution/distribution/blob/main/docs/content/spec/manifest-v2-2.md.

Only what an image needs is kept. Layers are never fetched, so their media types do not matter, and the `urls`
of foreign layers are dropped: clients that followed them sent their credentials to strangers (CVE-2020-15157).
"""

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from microbadger.image.errors import InvalidManifest, UnsupportedManifest
from microbadger.image.fields import (
    parse_document,
    read_digest,
    read_list,
    read_name,
    read_object,
    read_size_bytes,
    read_text,
    read_texts,
    read_time,
)

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
# The last four were stored by early clients for ordinary images, and Docker still reads them:
# https://github.com/distribution/distribution/issues/1621, https://github.com/docker/docker/issues/22378
_IMAGE_CONFIG_TYPES = {
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
    "application/octet-stream",
    "application/json",
    "text/html",
    "",
}
_KINDS = {
    "application/vnd.cncf.helm.config.v1+json": "Helm chart",
    "application/vnd.cncf.flux.config.v1+json": "Flux artifact",
    "application/vnd.cncf.notary.signature": "signature",
    "application/vnd.dev.cosign.artifact.sig.v1+json": "signature",
    "application/vnd.dev.cosign.simplesigning.v1+json": "signature",
    "application/vnd.dev.sigstore.bundle.v0.3+json": "signature",
    "application/vnd.in-toto+json": "attestation",
    "application/vnd.dsse.envelope.v1+json": "attestation",
    "application/vnd.devcontainers": "dev container feature",
    "application/vnd.buildkit.cacheconfig.v0": "BuildKit cache",
    "application/vnd.docker.plugin.v1+json": "Docker plugin",
    "application/vnd.wasm.config.v0+json": "WebAssembly module",
}
_ATTESTATION_ANNOTATION = "vnd.docker.reference.type"
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9][\w!#$&^.+-]{0,126}/[A-Za-z0-9][\w!#$&^.+-]{0,126}", re.ASCII)
_HASHES = {"sha256": hashlib.sha256, "sha512": hashlib.sha512}

_MAX_ENTRIES = 1000
_MAX_LAYERS = 1000
_MAX_HISTORY = 4000


@dataclass(frozen=True)
class Platform:
    """The operating system and processor that an image runs on; `unknown` if the document does not name them."""

    os: str
    architecture: str
    variant: str | None = None
    os_version: str | None = None

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


@dataclass(frozen=True)
class Descriptor:
    """A reference to content by digest, type and size; `data` is that content, verified, if it is embedded."""

    media_type: str
    digest: str
    size_bytes: int
    platform: Platform | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)
    artifact_type: str | None = None
    data: bytes | None = None


@dataclass(frozen=True)
class Index:
    """One image for several platforms."""

    media_type: str
    manifests: tuple[Descriptor, ...]
    annotations: Mapping[str, str]

    @property
    def images(self) -> tuple[Descriptor, ...]:
        """The entries that can be images or, by their media type, further indexes, without attestations."""
        return tuple(entry for entry in self.manifests if _can_be_image(entry))


@dataclass(frozen=True)
class Manifest:
    """One image for one platform: the descriptors of its config and of its layers, base image first."""

    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: Mapping[str, str]


@dataclass(frozen=True)
class HistoryStep:
    """One step of a build; `empty_layer` if it changed no files."""

    created_by: str
    empty_layer: bool


@dataclass(frozen=True)
class Config:
    """The config of an image: its platform, author, labels, and how and when it was built."""

    platform: Platform
    created: datetime | None
    author: str | None
    labels: Mapping[str, str]
    history: tuple[HistoryStep, ...]
    diff_ids: tuple[str, ...]


@dataclass(frozen=True)
class Step:
    """A step of the Dockerfile and the layer that it made; either can be missing."""

    command: str | None
    layer: Descriptor | None


def parse_manifest(raw: bytes, content_type: str = "") -> Index | Manifest:
    """Return the index or the manifest that a registry sent.

    Raise `UnsupportedManifest` if it is not a container image, and `InvalidManifest` if it breaks its specification
    or a bound. A document that can be read as both, or contradicts its Content-Type, is invalid: one digest could
    show two images to two clients (CVE-2021-41190).
    """
    document = parse_document(raw)
    media_type = _media_type_of(document, content_type)
    if media_type in INDEX_TYPES:
        return _index(document, media_type)
    return _manifest(document, media_type)


def parse_config(raw: bytes) -> Config:
    """Return the config of an image, without times and labels that are invalid; raise `InvalidManifest`."""
    document = parse_document(raw)
    settings = read_object(document.get("config"), "config")
    root_fs = read_object(document.get("rootfs"), "rootfs")
    history = read_list(document.get("history"), "history", _MAX_HISTORY)
    diff_ids = read_list(root_fs.get("diff_ids"), "rootfs.diff_ids", _MAX_LAYERS)
    return Config(
        platform=_platform(document) or Platform("unknown", "unknown"),
        created=read_time(document.get("created")),
        author=read_text(document.get("author"), "author") or None,
        labels=read_texts(settings.get("Labels"), "Labels"),
        history=tuple(_history_step(step) for step in history),
        diff_ids=tuple(read_digest(diff_id) for diff_id in diff_ids),
    )


def layer_steps(manifest: Manifest, config: Config) -> tuple[Step, ...]:
    """Return the steps that built an image, in Dockerfile order, with every layer of the manifest.

    Steps and layers are paired from the base image up, as `docker history` does. Layers beyond the history have
    no command; steps beyond the layers have no layer.
    """
    layers = iter(manifest.layers)
    steps = [
        Step(step.created_by or None, None if step.empty_layer else next(layers, None))
        for step in config.history
    ]
    return (*steps, *(Step(None, layer) for layer in layers))


def digest_of(raw: bytes) -> str:
    """Return the digest that names these bytes.

    >>> digest_of(b"{}")
    'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a'
    """
    return f"sha256:{hashlib.sha256(raw).hexdigest()}"


def has_digest(raw: bytes, digest: str) -> bool:
    """Return whether a digest names these bytes; False for an algorithm other than sha256 and sha512."""
    algorithm, _, encoded = digest.partition(":")
    return algorithm in _HASHES and _HASHES[algorithm](raw).hexdigest() == encoded


def _can_be_image(entry: Descriptor) -> bool:
    """Return whether an entry is neither an attestation nor an artifact nor of an unknown type.

    https://github.com/moby/buildkit/blob/master/docs/attestations/attestation-storage.md
    """
    is_unknown = entry.platform is not None and entry.platform.os == entry.platform.architecture == "unknown"
    return (
        entry.media_type in INDEX_TYPES | MANIFEST_TYPES
        and entry.artifact_type in _IMAGE_CONFIG_TYPES | {None}
        and _ATTESTATION_ANNOTATION not in entry.annotations
        and not is_unknown
    )


def _media_type_of(document: Mapping[str, object], content_type: str) -> str:
    """Return the media type of a document; its field, its Content-Type and its content must agree."""
    declared = read_name(document.get("mediaType"), "mediaType") or ""
    sent = content_type.partition(";")[0].strip().lower()
    if sent not in _KNOWN_TYPES:
        sent = ""  # static file servers send text/plain and worse
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
        raise UnsupportedManifest(_kind(media_type))
    if (has_manifests and media_type in MANIFEST_TYPES) or (has_layers and media_type in INDEX_TYPES):
        raise InvalidManifest("its fields contradict its mediaType")
    if not media_type and not has_manifests and not has_layers:
        raise InvalidManifest("it is neither an index nor a manifest")
    return media_type or (OCI_INDEX if has_manifests else OCI_MANIFEST)


def _index(document: Mapping[str, object], media_type: str) -> Index:
    artifact_type = read_name(document.get("artifactType"), "artifactType")
    if artifact_type is not None:
        raise UnsupportedManifest(_kind(artifact_type))
    entries = read_list(document.get("manifests"), "manifests", _MAX_ENTRIES)
    annotations = read_texts(document.get("annotations"), "annotations")
    return Index(media_type, tuple(_descriptor(entry) for entry in entries), annotations)


def _manifest(document: Mapping[str, object], media_type: str) -> Manifest:
    config = _descriptor(document.get("config"))
    layers = read_list(document.get("layers"), "layers", _MAX_LAYERS)
    manifest = Manifest(
        media_type,
        config,
        tuple(_descriptor(layer) for layer in layers),
        read_texts(document.get("annotations"), "annotations"),
    )
    _check_is_image(manifest, read_name(document.get("artifactType"), "artifactType"))
    return manifest


def _check_is_image(manifest: Manifest, artifact_type: str | None) -> None:
    """Raise `UnsupportedManifest` for an artifact that is stored like an image, such as a chart or a signature."""
    content_type = manifest.layers[0].media_type if manifest.layers else ""
    for media_type in (artifact_type or "", manifest.config.media_type):
        if media_type not in _IMAGE_CONFIG_TYPES:
            raise UnsupportedManifest(_kind(media_type))
    # Signatures and attestations give their empty config the type of an image's.
    if content_type in _KINDS:
        raise UnsupportedManifest(_kind(content_type))


def _kind(media_type: str) -> str:
    if media_type in _KINDS:
        return _KINDS[media_type]
    return f"artifact of type {media_type}" if _MEDIA_TYPE.fullmatch(media_type) else "artifact of unknown type"


def _descriptor(value: object) -> Descriptor:
    fields = read_object(value, "descriptor")
    digest, size_bytes = read_digest(fields.get("digest")), read_size_bytes(fields.get("size"))
    return Descriptor(
        media_type=read_name(fields.get("mediaType"), "mediaType") or "",
        digest=digest,
        size_bytes=size_bytes,
        platform=_platform(read_object(fields.get("platform"), "platform")),
        annotations=read_texts(fields.get("annotations"), "annotations"),
        artifact_type=read_name(fields.get("artifactType"), "artifactType"),
        data=_inline_data(fields.get("data"), digest, size_bytes),
    )


def _inline_data(value: object, digest: str, size_bytes: int) -> bytes | None:
    """Return the content embedded in a descriptor, which must match its digest and size (descriptor.md)."""
    if not isinstance(value, str):
        return None
    try:
        data = base64.b64decode(value, validate=True)
    except ValueError as error:  # binascii.Error, or not ASCII
        raise InvalidManifest("data is not base64") from error
    if len(data) != size_bytes or not has_digest(data, digest):
        raise InvalidManifest("data does not match its digest and size")
    return data


def _platform(fields: Mapping[str, object]) -> Platform | None:
    os, architecture = read_name(fields.get("os"), "os"), read_name(fields.get("architecture"), "architecture")
    if os is None and architecture is None:
        return None
    return Platform(
        os or "unknown",
        architecture or "unknown",
        read_name(fields.get("variant"), "variant"),
        read_name(fields.get("os.version"), "os.version"),
    )


def _history_step(value: object) -> HistoryStep:
    fields = read_object(value, "history")
    return HistoryStep(
        created_by=read_text(fields.get("created_by"), "created_by"),
        empty_layer=fields.get("empty_layer") is True,
    )
