"""Reads one version of an image with all its platforms, and describes whatever can be read."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from microbadger.freshness.reading import Reader, Unreadable
from microbadger.image import (
    CHART_CONFIG,
    MAX_DETAILS_BYTES,
    PREFERRED_PLATFORM,
    ArtifactManifest,
    ChartDocument,
    Config,
    Descriptor,
    Index,
    InvalidManifest,
    Manifest,
    PlatformImage,
    Repository,
    UnsupportedManifest,
    VersionDocument,
    describe_artifact,
    describe_version,
    outline_version,
    parse_artifact,
    read_chart,
    with_names_only,
)

_MAX_CHART_BYTES = 1024 * 1024  # of the config of a chart
_MAX_MANIFESTS = 500
_MAX_LAYERS = 20_000
_MAX_DEPTH = 5  # of nested indexes


@dataclass(frozen=True, slots=True)
class Inspector:
    """Reads versions of one repository.

    ``with_values`` says whether to publish the values of environment variables.
    """

    repository: Repository
    reader: Reader
    with_values: bool = True

    def inspect(self, digest: str) -> VersionDocument:
        """Return the document of the version with this digest.

        In the document, ``Unsupported`` says why the version is not an image, and ``Unread`` says why the version or
        one of its platforms cannot be read.
        """
        media_type = ""
        try:
            manifest = self.reader.manifest(digest)
            media_type = manifest.media_type
            images = list(self._images(digest, manifest, _Room()))
            if not images:
                return self._artifact(digest, media_type, "this index contains no image")
        except UnsupportedManifest as error:
            return self._artifact(digest, media_type, str(error))
        except Unreadable as error:
            return outline_version(self.repository, digest, media_type, unread=str(error))
        annotations = manifest.annotations if isinstance(manifest, Index) else {}
        version = describe_version(self.repository, digest, media_type, images, annotations)
        return self._artifact(digest, media_type, version["Unsupported"]) if "Unsupported" in version else version

    def read_first(self, digest: str) -> None:
        """Read only the main platform of a version, so that it can be shown even if a limit ends the check early."""
        try:
            manifest = self.reader.manifest(digest)
            if isinstance(manifest, Index) and manifest.images:
                manifest = self.reader.manifest(min(manifest.images, key=_rank).digest)
            if isinstance(manifest, Manifest):
                self.reader.config(manifest.config)
        except (Unreadable, UnsupportedManifest):
            pass  # `inspect` gets the same error again, without a request

    def _artifact(self, digest: str, media_type: str, unsupported: str) -> VersionDocument:
        """Return the document of an artifact, with the reason why it is not an image."""
        outline = outline_version(self.repository, digest, media_type, unsupported=unsupported)
        try:
            artifact = parse_artifact(self.reader.raw_manifest(digest))
        except (Unreadable, InvalidManifest):
            return outline
        return describe_artifact(outline, artifact, self._chart(artifact))

    def _chart(self, artifact: ArtifactManifest) -> ChartDocument | None:
        """Return the facts of a Helm chart, empty if they cannot be read; None if the artifact is not a chart."""
        if artifact.config is None or artifact.config.media_type != CHART_CONFIG:
            return None
        try:
            return read_chart(self.reader.blob(artifact.config, _MAX_CHART_BYTES, is_kept=True))
        except (Unreadable, InvalidManifest):
            return ChartDocument()

    def _images(self, digest: str, manifest: Index | Manifest, room: "_Room") -> Iterator[PlatformImage]:
        """Yield the images of a manifest or index; images of an index have the platform that the index names."""
        if isinstance(manifest, Manifest):
            yield self._image(Descriptor(manifest.media_type, digest, 0), manifest, room)
            return
        yield from self._images_of(manifest, room, (digest,))

    def _images_of(self, index: Index, room: "_Room", above: tuple[str, ...]) -> Iterator[PlatformImage]:
        for broken in index.broken:
            if not room.takes_manifest():
                return
            yield PlatformImage("", broken.platform, None, None, unread=broken.reason)
        for entry in index.images:
            if entry.digest in above:
                continue  # an index that contains itself
            if not room.takes_manifest():
                yield _unread(entry, f"the index has more than {_MAX_MANIFESTS} manifests")
                return
            try:
                manifest = self.reader.manifest(entry.digest)
            except UnsupportedManifest:
                continue  # an artifact beside the images, such as an attestation
            except Unreadable as error:
                yield _unread(entry, str(error))
                continue
            if isinstance(manifest, Manifest):
                yield self._image(entry, manifest, room)
            elif len(above) < _MAX_DEPTH:
                yield from self._images_of(manifest, room, (*above, entry.digest))
            else:
                yield _unread(entry, f"the index nests indexes more than {_MAX_DEPTH} levels deep")

    def _image(self, entry: Descriptor, manifest: Manifest, room: "_Room") -> PlatformImage:
        if not room.takes_layers(entry, manifest):
            return _unread(entry, f"the images of the index have more than {_MAX_LAYERS} layers")
        config: Config | None = None
        unread = ""
        try:
            config = room.configs.get(manifest.config.digest) or self._config(manifest)
            config = room.configs.setdefault(manifest.config.digest, room.fitted(entry, config))
        except Unreadable as error:
            unread = str(error)
        return PlatformImage(entry.digest, entry.platform, manifest, config, entry.annotations, unread)

    def _config(self, manifest: Manifest) -> Config:
        config = self.reader.config(manifest.config)
        return config if self.with_values else with_names_only(config)


@dataclass(slots=True)
class _Room:
    """The memory that is left for one version: each of its parts is bounded, but their number is not."""

    manifests: int = _MAX_MANIFESTS
    layers: int = _MAX_LAYERS
    details_bytes: int = MAX_DETAILS_BYTES
    has_preferred: bool = False
    configs: dict[str, Config] = field(default_factory=dict)
    """The configs by digest, because several platforms can have the same one."""

    def takes_manifest(self) -> bool:
        """Return whether there is room for one more manifest, and use that room."""
        self.manifests -= 1
        return self.manifests >= 0

    def takes_layers(self, entry: Descriptor, manifest: Manifest) -> bool:
        """Return whether there is room for the layers of an image, and use that room.

        There is always room for the preferred platform.
        """
        is_preferred = not _rank(entry) and bool(entry.platform)
        if len(manifest.layers) > self.layers and not is_preferred:
            return False
        self.layers -= len(manifest.layers)
        return True

    def fitted(self, entry: Descriptor, config: Config) -> Config:
        """Return a config, without its labels, history and parameters if there is no room for them.

        There is always room for the first image of the preferred platform.
        """
        size = config.details_bytes
        if not _rank(entry) and not self.has_preferred:
            self.has_preferred = True
            return config
        if size > self.details_bytes:
            return config.without_details()
        self.details_bytes -= size
        return config


def _unread(entry: Descriptor, reason: str) -> PlatformImage:
    return PlatformImage(entry.digest, entry.platform, None, None, entry.annotations, reason)


def _rank(entry: Descriptor) -> bool:
    return not entry.platform or (entry.platform.os, entry.platform.architecture) != PREFERRED_PLATFORM
