"""Reads one version of an image from its registry, each platform of it, and describes it."""

from collections.abc import Iterator

from microbadger.documents import VersionDocument
from microbadger.manifest import (
    INDEX_TYPES,
    Descriptor,
    Index,
    InvalidManifest,
    Manifest,
    ManifestError,
    Platform,
    UnsupportedManifest,
    parse_config,
    parse_manifest,
)
from microbadger.metadata import PlatformImage, describe_version, outline_version
from microbadger.reference import Repository
from microbadger.registry import RemoteRepository

_MAX_DEPTH = 3
_MAX_CONFIG_BYTES = 8 * 1024 * 1024


def inspect_version(remote: RemoteRepository, repository: Repository, digest: str) -> VersionDocument:
    """Return the document of the version a digest names.

    What is no image, or is broken, gives a document that says so in ``Incomplete``: what a digest names never changes,
    so nothing would be won by failing. Raises RegistryError if the registry did not answer.
    """
    content = remote.manifest(digest)
    try:
        manifest = parse_manifest(content.raw, content.media_type)
        images = list(_images(remote, digest, manifest, None, _MAX_DEPTH))
        if not images:
            raise UnsupportedManifest("an index without an image")
    except ManifestError as error:
        return outline_version(repository, digest, content.media_type, incomplete=str(error))
    annotations = manifest.annotations if isinstance(manifest, Index) else {}
    return describe_version(repository, digest, content.media_type, images, annotations)


def _images(
    remote: RemoteRepository, digest: str, manifest: Index | Manifest, platform: Platform | None, depth: int
) -> Iterator[PlatformImage]:
    if isinstance(manifest, Manifest):
        config = parse_config(remote.blob(manifest.config, _MAX_CONFIG_BYTES))
        yield PlatformImage(digest, platform or config.platform, manifest, config)
        return
    if depth == 0:
        raise InvalidManifest(f"indexes within indexes, more than {_MAX_DEPTH} deep")
    for entry in manifest.images:
        yield from _images_of_entry(remote, entry, depth - 1)


def _images_of_entry(remote: RemoteRepository, entry: Descriptor, depth: int) -> Iterator[PlatformImage]:
    content = remote.manifest(entry.digest)
    try:
        manifest = parse_manifest(content.raw, content.media_type or entry.media_type)
    except UnsupportedManifest:
        return  # an artifact that stands in the index beside the images
    platform = None if entry.media_type in INDEX_TYPES else entry.platform
    yield from _images(remote, entry.digest, manifest, platform, depth)
