"""What a registry's documents say: indexes, manifests and configs, read from the bytes a stranger sent.

A tag names an *index* (one image for several platforms) or a *manifest* (one image). A manifest names its
*config* (platform, labels, history) and its *layers*. The specifications are
https://github.com/opencontainers/image-spec (image-index.md, manifest.md, config.md, descriptor.md) and
https://github.com/distribution/distribution/blob/main/docs/content/spec/manifest-v2-2.md.

Only what an image needs is kept. Layers are never fetched, so their media types do not matter, and the `urls`
of foreign layers are dropped: clients that followed them gave their credentials away (CVE-2020-15157).

    ManifestError
    ├── InvalidManifest      the document is broken, or made to break us
    └── UnsupportedManifest  the document is sound, but no container image: `kind` says what it is
"""

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NoReturn

from microbadger.image.reference import is_digest
from microbadger.image.strict_json import parse_object

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
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)
_HASHES = {"sha256": hashlib.sha256, "sha512": hashlib.sha512}

_MAX_ENTRIES = 1000
_MAX_LAYERS = 1000
_MAX_HISTORY = 4000
_MAX_LABELS = 1000
_MAX_TEXT_LENGTH = 1024**2  # build packs keep whole bills of materials in one label
_MAX_NAME_LENGTH = 255
_MAX_SIZE_BYTES = 2**50


class ManifestError(ValueError):
    """A document cannot be used; the message is one sentence."""


class InvalidManifest(ManifestError):
    """A document breaks its specification or a bound."""


class UnsupportedManifest(ManifestError):
    """A document is no container image; `kind` says what it is instead."""

    def __init__(self, kind: str) -> None:
        super().__init__(f"this is no container image but: {kind}")
        self.kind = kind


@dataclass(frozen=True)
class Platform:
    """The operating system and processor an image runs on; `unknown` where the document does not say."""

    os: str
    architecture: str
    variant: str | None = None
    os_version: str | None = None

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


@dataclass(frozen=True)
class Descriptor:
    """A reference to content by digest, type and size; `data` is that content if it came along, verified."""

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
        """The entries that can be images or, as their media type tells, further indexes; no attestations."""
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
    created: datetime | None
    comment: str


@dataclass(frozen=True)
class Config:
    """What an image is made for, by whom, when and how, as its config says."""

    platform: Platform
    created: datetime | None
    author: str | None
    labels: Mapping[str, str]
    history: tuple[HistoryStep, ...]
    diff_ids: tuple[str, ...]


@dataclass(frozen=True)
class Step:
    """A step of the Dockerfile and the layer it made; either can be missing."""

    command: str | None
    layer: Descriptor | None


def parse_manifest(raw: bytes, content_type: str = "") -> Index | Manifest:
    """Return the index or the manifest a registry sent, else raise a `ManifestError`.

    A document that can be read as both, or contradicts its Content-Type, is refused: two clients could be
    shown two images under one digest (CVE-2021-41190).
    """
    document = _parse_object(raw)
    media_type = _media_type_of(document, content_type)
    if media_type in INDEX_TYPES:
        return _index(document, media_type)
    return _manifest(document, media_type)


def parse_config(raw: bytes) -> Config:
    """Return what an image's config says, else raise `InvalidManifest`; an odd time or label is left out."""
    document = _parse_object(raw)
    settings = _object(document.get("config"), "config")
    root_fs = _object(document.get("rootfs"), "rootfs")
    history = _list(document.get("history"), "history", _MAX_HISTORY)
    diff_ids = _list(root_fs.get("diff_ids"), "rootfs.diff_ids", _MAX_LAYERS)
    return Config(
        platform=_platform(document) or Platform("unknown", "unknown"),
        created=_time(document.get("created")),
        author=_text(document.get("author"), "author") or None,
        labels=_texts(settings.get("Labels"), "Labels"),
        history=tuple(_history_step(step) for step in history),
        diff_ids=tuple(_digest(diff_id) for diff_id in diff_ids),
    )


def layer_steps(manifest: Manifest, config: Config) -> tuple[Step, ...]:
    """Return the steps that built an image in Dockerfile order, every layer of the manifest among them.

    Steps meet layers from the base image up, as `docker history` counts them. Layers beyond the history have
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
    """Tell whether a digest names these bytes; no, if it is of an algorithm that cannot be checked here."""
    algorithm, _, encoded = digest.partition(":")
    return algorithm in _HASHES and _HASHES[algorithm](raw).hexdigest() == encoded


def _can_be_image(entry: Descriptor) -> bool:
    """Tell whether an entry is neither an attestation nor an artifact nor of a type nobody knows.

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
    """Return the type of a document by what it says, how it was sent and what it holds, which must agree."""
    declared = _name(document.get("mediaType"), "mediaType") or ""
    sent = content_type.partition(";")[0].strip().lower()
    if sent not in _KNOWN_TYPES:
        sent = ""  # static file servers send text/plain and worse, and mean no harm
    if declared and sent and declared != sent:
        _refuse("its media type contradicts its Content-Type")
    media_type = declared or sent
    if document.get("schemaVersion") == 1 or media_type in _SCHEMA_1_TYPES:
        raise UnsupportedManifest("schema 1 (legacy)")
    return _agreed_type(document, media_type)


def _agreed_type(document: Mapping[str, object], media_type: str) -> str:
    has_manifests = document.get("manifests") is not None
    has_layers = document.get("layers") is not None or document.get("config") is not None
    if has_manifests and has_layers:
        _refuse("it is an index and a manifest at once")
    if media_type and media_type not in _KNOWN_TYPES:
        raise UnsupportedManifest(_kind(media_type))
    if (has_manifests and media_type in MANIFEST_TYPES) or (has_layers and media_type in INDEX_TYPES):
        _refuse("its fields contradict its media type")
    if not media_type and not has_manifests and not has_layers:
        _refuse("it is neither an index nor a manifest")
    return media_type or (OCI_INDEX if has_manifests else OCI_MANIFEST)


def _index(document: Mapping[str, object], media_type: str) -> Index:
    artifact_type = _name(document.get("artifactType"), "artifactType")
    if artifact_type is not None:
        raise UnsupportedManifest(_kind(artifact_type))
    entries = _list(document.get("manifests"), "manifests", _MAX_ENTRIES)
    annotations = _texts(document.get("annotations"), "annotations")
    return Index(media_type, tuple(_descriptor(entry) for entry in entries), annotations)


def _manifest(document: Mapping[str, object], media_type: str) -> Manifest:
    config = _descriptor(document.get("config"))
    layers = _list(document.get("layers"), "layers", _MAX_LAYERS)
    manifest = Manifest(
        media_type,
        config,
        tuple(_descriptor(layer) for layer in layers),
        _texts(document.get("annotations"), "annotations"),
    )
    _check_is_image(manifest, _name(document.get("artifactType"), "artifactType"))
    return manifest


def _check_is_image(manifest: Manifest, artifact_type: str | None) -> None:
    """Raise `UnsupportedManifest` for what is only stored like an image, such as charts and signatures."""
    content_type = manifest.layers[0].media_type if manifest.layers else ""
    for media_type in (artifact_type or "", manifest.config.media_type):
        if media_type not in _IMAGE_CONFIG_TYPES:
            raise UnsupportedManifest(_kind(media_type))
    # Signatures and attestations call their empty config an image's.
    if content_type in _KINDS:
        raise UnsupportedManifest(_kind(content_type))


def _kind(media_type: str) -> str:
    if media_type in _KINDS:
        return _KINDS[media_type]
    return f"artifact {media_type}" if _MEDIA_TYPE.fullmatch(media_type) else "artifact of no known type"


def _descriptor(value: object) -> Descriptor:
    fields = _object(value, "descriptor")
    digest, size_bytes = _digest(fields.get("digest")), _size_bytes(fields.get("size"))
    return Descriptor(
        media_type=_name(fields.get("mediaType"), "mediaType") or "",
        digest=digest,
        size_bytes=size_bytes,
        platform=_platform(_object(fields.get("platform"), "platform")),
        annotations=_texts(fields.get("annotations"), "annotations"),
        artifact_type=_name(fields.get("artifactType"), "artifactType"),
        data=_inline_data(fields.get("data"), digest, size_bytes),
    )


def _inline_data(value: object, digest: str, size_bytes: int) -> bytes | None:
    """Return the content embedded in a descriptor, which must be what its digest names (descriptor.md)."""
    if not isinstance(value, str):
        return None
    try:
        data = base64.b64decode(value, validate=True)
    except ValueError as error:  # binascii.Error, or not ASCII
        raise InvalidManifest("the document is invalid: its data is not base64") from error
    if len(data) != size_bytes or not has_digest(data, digest):
        _refuse("its data is not what its digest names")
    return data


def _platform(fields: Mapping[str, object]) -> Platform | None:
    os, architecture = _name(fields.get("os"), "os"), _name(fields.get("architecture"), "architecture")
    if os is None and architecture is None:
        return None
    return Platform(
        os or "unknown",
        architecture or "unknown",
        _name(fields.get("variant"), "variant"),
        _name(fields.get("os.version"), "os.version"),
    )


def _history_step(value: object) -> HistoryStep:
    fields = _object(value, "history")
    return HistoryStep(
        created_by=_text(fields.get("created_by"), "created_by"),
        empty_layer=fields.get("empty_layer") is True,
        created=_time(fields.get("created")),
        comment=_text(fields.get("comment"), "comment"),
    )


def _time(value: object) -> datetime | None:
    """Return an RFC 3339 time in UTC; None if it is none, or Go's zero time, which means "not set"."""
    if not isinstance(value, str) or not _TIMESTAMP.fullmatch(value):
        return None
    try:
        time = datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return time if time.year > 1 else None


def _digest(value: object) -> str:
    if not isinstance(value, str) or not is_digest(value):
        _refuse("it has no valid digest where one belongs")
    return value


def _size_bytes(value: object) -> int:
    if type(value) is not int or not 0 <= value <= _MAX_SIZE_BYTES:
        _refuse("it has no valid size where one belongs")
    return value


def _texts(value: object, what: str) -> Mapping[str, str]:
    """Return labels or annotations; a value that is no text is left out."""
    fields = _object(value, what)
    if len(fields) > _MAX_LABELS:
        _refuse(f"it has more than {_MAX_LABELS} {what}")
    return {_text(key, what): _text(text, what) for key, text in fields.items() if isinstance(text, str)}


def _name(value: object, what: str) -> str | None:
    text = _text(value, what)
    if len(text) > _MAX_NAME_LENGTH:
        _refuse(f"its {what} is too long")
    return text or None


def _text(value: object, what: str) -> str:
    """Return a text that can be written as UTF-8; empty, if the value is none."""
    if not isinstance(value, str):
        return ""
    if len(value) > _MAX_TEXT_LENGTH:
        _refuse(f"its {what} is too long")
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _list(value: object, what: str, limit: int) -> list[object]:
    if value is None:
        return []
    if not isinstance(value, list):
        _refuse(f"its {what} is no list")
    if len(value) > limit:
        _refuse(f"it has more than {limit} {what}")
    return value


def _object(value: object, what: str) -> Mapping[str, object]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        _refuse(f"its {what} is no object")
    return value


def _parse_object(raw: bytes) -> Mapping[str, object]:
    try:
        return parse_object(raw)
    except ValueError as error:
        raise InvalidManifest(f"the document is invalid: {error}") from error


def _refuse(reason: str) -> NoReturn:
    raise InvalidManifest(f"the document is invalid: {reason}")
