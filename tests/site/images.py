"""Small images to write files about."""

import random
from datetime import UTC, datetime
from typing import Any

from microbadger.image.describe import describe_image
from microbadger.image.documents import ImageDocument, LayerDocument, PlatformDocument, TagDocument, VersionDocument
from microbadger.image.reference import Repository

UPDATED_AT = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)
WEB = Repository.parse("example/web")
_SHAS = random.Random(6)


def layer(command: str, size_bytes: int) -> LayerDocument:
    return LayerDocument(BlobSum="", Command=command, DownloadSize=size_bytes)


def version(*tags: str, **fields: Any) -> VersionDocument:
    """Return the document of a version with its one layer."""
    sha = f"{_SHAS.getrandbits(256):064x}"
    platform = PlatformDocument(
        OS="linux", Architecture="amd64", Digest=f"sha256:{sha}", DownloadSize=2048, LayerCount=1
    )
    document = {
        "SHA": sha,
        "Tags": [TagDocument(tag=tag) for tag in tags],
        "ImageName": "example/web",
        "Author": "",
        "LayerCount": 1,
        "DownloadSize": 2048,
        "Created": "2026-11-20T10:00:00Z",
        "Digest": f"sha256:{sha}",
        "MediaType": "application/vnd.oci.image.manifest.v1+json",
        "Platforms": [platform],
        "Layers": [layer("COPY web /", 2048)],
    }
    return {**document, **fields}  # type: ignore[typeddict-item]


def image_of(
    *versions: VersionDocument, repository: Repository = WEB, webhook_url: str | None = None
) -> ImageDocument:
    return describe_image(repository, versions, updated_at=UPDATED_AT, webhook_url=webhook_url)
