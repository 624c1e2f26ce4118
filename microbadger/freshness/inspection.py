"""Reads one version of an image from its registry, each platform of it, and describes it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from microbadger.image import (
    INDEX_TYPES,
    Descriptor,
    Index,
    InvalidManifest,
    Manifest,
    ManifestError,
    Platform,
    PlatformImage,
    Repository,
    UnsupportedManifest,
    VersionDocument,
    describe_version,
    outline_version,
    parse_config,
    parse_manifest,
)
from microbadger.registry import Content, RemoteRepository

_MAX_MANIFESTS = 500
_MAX_CONFIG_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Inspector:
    """Reads versions of one repository; what was read before, of any image, is not read again.

    ``before_pull`` is called before a manifest is read from the registry, and can raise RateLimited to prevent it.
    """

    repository: Repository
    remote: RemoteRepository
    content: Content
    before_pull: Callable[[], None]

    def inspect(self, digest: str) -> VersionDocument:
        """Return the document of the version a digest names.

        What is not an image, or is broken, gives a document that says so in ``Unsupported``: what a digest names never
        changes, so nothing would be won by failing. Raises RegistryError if the registry did not answer.
        """
        media_type = ""
        try:
            manifest = self._manifest(digest)
            media_type = manifest.media_type
            images = list(self._images(digest, manifest, None, seen={digest}))
            if not images:
                raise UnsupportedManifest("an index without an image")
        except ManifestError as error:
            return outline_version(self.repository, digest, media_type, unsupported=str(error))
        annotations = manifest.annotations if isinstance(manifest, Index) else {}
        return describe_version(self.repository, digest, media_type, images, annotations)

    def _images(
        self, digest: str, manifest: Index | Manifest, platform: Platform | None, seen: set[str]
    ) -> Iterator[PlatformImage]:
        """Yield the images of a manifest or index, each digest once: indexes can hold indexes, and each other."""
        if isinstance(manifest, Manifest):
            config = parse_config(self._config(manifest.config))
            yield PlatformImage(digest, platform or config.platform, manifest, config)
            return
        for entry in manifest.images:
            if entry.digest not in seen:
                seen.add(entry.digest)
                if len(seen) > _MAX_MANIFESTS:
                    raise InvalidManifest(f"an index of more than {_MAX_MANIFESTS} manifests")
                yield from self._images_of(entry, seen)

    def _images_of(self, entry: Descriptor, seen: set[str]) -> Iterator[PlatformImage]:
        try:
            manifest = self._manifest(entry.digest)
        except UnsupportedManifest:
            return  # an artifact that stands in the index beside the images
        platform = None if entry.media_type in INDEX_TYPES else entry.platform
        yield from self._images(entry.digest, manifest, platform, seen)

    def _manifest(self, digest: str) -> Index | Manifest:
        return parse_manifest(self.content.read(digest, lambda: self._fetch(digest)))

    def _fetch(self, digest: str) -> bytes:
        self.before_pull()
        content = self.remote.manifest(digest)
        parse_manifest(content.raw, content.media_type)  # refuses what contradicts its type before it is kept
        return content.raw

    def _config(self, descriptor: Descriptor) -> bytes:
        return self.content.read(descriptor.digest, lambda: self.remote.blob(descriptor, _MAX_CONFIG_BYTES))
