"""Versions with their details, to be compared."""

from typing import Any

from microbadger.image.describe import outline_version
from microbadger.image.documents import LayerDocument, PlatformDocument, VersionDocument
from microbadger.image.reference import Repository

APP = Repository.parse("owner/app")


def digest(letter: str) -> str:
    return f"sha256:{letter * 64}"


def layers(*names: str) -> list[LayerDocument]:
    """Return a layer for each name; none for one that begins with ``-``, which is only a step."""
    return [
        LayerDocument(BlobSum="", Command=name[1:], DownloadSize=0)
        if name.startswith("-")
        else LayerDocument(BlobSum=f"sha256:{name}", Command=f"RUN {name}", DownloadSize=1024)
        for name in names
    ]


def platform(architecture: str, letter: str, **fields: Any) -> PlatformDocument:
    document = {"OS": "linux", "Architecture": architecture, "Digest": digest(letter)}
    return {**document, "DownloadSize": 1, "LayerCount": 1, **fields}  # type: ignore[typeddict-item]


def version(letter: str, **fields: Any) -> VersionDocument:
    """Return a version of one platform that was read; its config and its layer are its own."""
    document = outline_version(APP, digest(letter))
    read = {"Platforms": [platform("amd64", letter)], "Layers": layers(letter), "ConfigDigest": digest(letter)}
    return {**document, **read, "Config": {}, **fields}  # type: ignore[typeddict-item]
