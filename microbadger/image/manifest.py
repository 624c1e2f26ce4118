"""Reads indexes, manifests and configs from the bytes that a registry sent.

A tag names an *index* (one image for several platforms) or a *manifest* (one image). A manifest names its
*config* (platform, labels, history) and its *layers*. The specifications are
https://github.com/opencontainers/image-spec (image-index.md, manifest.md, config.md, descriptor.md) and
https://github.com/distribution/distribution/blob/main/docs/content/spec/manifest-v2-2.md.

Only what an image needs is kept. Layers are never fetched, and the `urls` of foreign layers are dropped: clients that
followed them sent their credentials to strangers (CVE-2020-15157).

A part that is broken never hides the others: a broken field counts as absent, and a broken entry of an index is kept
with the reason. Only a manifest whose config or layers are broken is invalid, for its size would be a guess.
"""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from microbadger.image.artifacts import IMAGE_CONFIG_TYPES, can_be_file_system, is_file_system, kind_of
from microbadger.image.bounds import bounded_commands, bounded_texts, size_bytes
from microbadger.image.documents import ConfigDocument
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
    require_list,
)
from microbadger.image.parameters import TOO_LARGE, read_parameters
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
_ATTESTATION_ANNOTATION = "vnd.docker.reference.type"
_HASHES = {"sha256": hashlib.sha256, "sha512": hashlib.sha512}

UNKNOWN = "unknown"
LEFT_OUT = "Labels and commands are left out: those of all platforms together are too large"

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

    @property
    def is_known(self) -> bool:
        """Whether the document names the operating system or the processor."""
        return (self.os, self.architecture) != (UNKNOWN, UNKNOWN)


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
class BrokenEntry:
    """An entry of an index that cannot be used, with the reason and the platform, if it names one."""

    platform: Platform | None
    reason: str


@dataclass(frozen=True)
class Index:
    """One image for several platforms; `broken` are entries that could be images and cannot be used."""

    media_type: str
    manifests: tuple[Descriptor, ...]
    annotations: Mapping[str, str]
    broken: tuple[BrokenEntry, ...] = ()

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

    @property
    def size_bytes(self) -> int:
        """What is transferred: a layer that is there twice is transferred once."""
        return sum({layer.digest: layer.size_bytes for layer in self.layers}.values())

    @property
    def kind(self) -> str:
        """What it is in words if it is not an image."""
        return kind_of([layer.media_type for layer in self.layers])

    def is_image(self, config: "Config | None") -> bool:
        """Return whether it is an image, which only its config shows if no layer is known to be of a file system."""
        has_file_system = any(is_file_system(layer.media_type) for layer in self.layers)
        return has_file_system or config is None or config.platform.is_known


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
    cut: tuple[str, ...] = ()
    """A sentence about each kind of part that is left out, because it is too large."""
    parameters: ConfigDocument | None = None  # None if they are too large, or not known

    @property
    def details_bytes(self) -> int:
        """How much its labels, its history and its parameters take in a document."""
        parts = [dict(self.labels), *(step.created_by for step in self.history), *filter(None, [self.parameters])]
        return sum(map(size_bytes, parts))

    def without_details(self) -> "Config":
        """Return the config without its labels, its history and its parameters."""
        history = tuple(replace(step, created_by="") for step in self.history)
        return replace(self, labels={}, history=history, cut=(*self.cut, LEFT_OUT), parameters=None)


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
    """Return the config of an image; raise `InvalidManifest` only if the bytes are not a JSON object."""
    document = parse_document(raw)
    steps = [_history_step(step) for step in read_list(document.get("history"), _MAX_HISTORY)]
    commands, cut_commands = bounded_commands(step.created_by for step in steps)
    fields = read_object(document.get("config"))
    labels, cut_labels = bounded_texts(read_texts(fields.get("Labels")), "labels")
    parameters = read_parameters(fields)
    return Config(
        platform=_platform(document) or Platform(UNKNOWN, UNKNOWN),
        created=read_time(document.get("created")),
        author=read_text(document.get("author")) or None,
        labels=labels,
        history=tuple(map(HistoryStep, commands, (step.empty_layer for step in steps))),
        diff_ids=_diff_ids(read_object(document.get("rootfs")).get("diff_ids")),
        cut=tuple(filter(None, (cut_labels, cut_commands, "" if parameters is not None else TOO_LARGE))),
        parameters=parameters,
    )


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
    return (
        entry.media_type in INDEX_TYPES | MANIFEST_TYPES | {""}
        and (entry.artifact_type or "") in IMAGE_CONFIG_TYPES
        and _ATTESTATION_ANNOTATION not in entry.annotations
        and (entry.platform is None or entry.platform.is_known)
    )


def _media_type_of(document: Mapping[str, object], content_type: str) -> str:
    """Return the media type of a document; its field, its Content-Type and its content must agree."""
    declared = read_name(document.get("mediaType")) or ""
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
    """Raise `UnsupportedManifest` if one of these types is not that of an image; `contents` can say what it is."""
    others = [media_type for media_type in media_types if media_type not in IMAGE_CONFIG_TYPES]
    if others:
        raise UnsupportedManifest(kind_of([*others, *contents]))


def _entry(value: object) -> Descriptor | BrokenEntry | None:
    """Return an entry of an index; None for a broken one that cannot be an image anyway."""
    fields = read_object(value)
    try:
        return _descriptor(fields)
    except InvalidManifest as error:
        unused = _described(fields, digest="", size_bytes=0)
        reason = f"its entry in the index is invalid: {error.reason}"
        return BrokenEntry(unused.platform, reason) if _can_be_image(unused) else None


def _manifest(document: Mapping[str, object], media_type: str) -> Manifest:
    config = _descriptor(document.get("config"))
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
    """Return the descriptor of a layer, of which nobody needs what else a stranger wrote there."""
    fields = read_object(value)
    media_type = read_name(fields.get("mediaType")) or ""
    return Descriptor(media_type, read_digest(fields.get("digest")), read_size_bytes(fields.get("size")))


def _descriptor(value: object) -> Descriptor:
    fields = read_object(value)
    return _described(fields, read_digest(fields.get("digest")), read_size_bytes(fields.get("size")))


def _described(fields: Mapping[str, object], digest: str, size_bytes: int) -> Descriptor:
    return Descriptor(
        media_type=read_name(fields.get("mediaType")) or "",
        digest=digest,
        size_bytes=size_bytes,
        platform=_platform(read_object(fields.get("platform"))),
        annotations=read_texts(fields.get("annotations")),
        artifact_type=read_name(fields.get("artifactType")),
        data=_inline_data(fields.get("data"), digest, size_bytes),
    )


def _inline_data(value: object, digest: str, size_bytes: int) -> bytes | None:
    """Return the content embedded in a descriptor if it matches its digest and size (descriptor.md)."""
    try:
        data = base64.b64decode(value, validate=True) if isinstance(value, str) else b""
    except ValueError:  # binascii.Error, or not ASCII
        return None
    return data if data and len(data) == size_bytes and has_digest(data, digest) else None


def _platform(fields: Mapping[str, object]) -> Platform | None:
    os, architecture = read_name(fields.get("os")), read_name(fields.get("architecture"))
    if os is None and architecture is None:
        return None
    return Platform(
        _name_or_unknown(os),
        _name_or_unknown(architecture),
        read_name(fields.get("variant")),
        read_name(fields.get("os.version")),
    )


def _name_or_unknown(name: str | None) -> str:
    return UNKNOWN if name is None or name.lower() == UNKNOWN else name


def _history_step(value: object) -> HistoryStep:
    fields = read_object(value)
    return HistoryStep(read_text(fields.get("created_by")), empty_layer=fields.get("empty_layer") is True)


def _diff_ids(value: object) -> tuple[str, ...]:
    """Return the diff IDs; none if one is broken, for they are the places of layers."""
    diff_ids = read_list(value, _MAX_LAYERS)
    texts = [diff_id for diff_id in diff_ids if isinstance(diff_id, str) and is_digest(diff_id)]
    return tuple(texts) if len(texts) == len(diff_ids) else ()
