"""A client of MicroBadger's v1 API as programs had it until 2021: it knows the old names alone, and relies on them.

It reads as typed clients do: a name it does not know is passed over, one that is missing has the zero of its type, and
a value of another type is an error. The names, their types and their order are those of the original service,
https://github.com/microscaling/microbadger/blob/93529e1/database/interface.go.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

IMAGE_FIELDS = (
    *("LatestSHA", "WebhookURL", "UpdatedAt", "Description", "LastUpdated", "PullCount", "StarCount", "Versions"),
    *("Id", "ImageName", "ImageURL", "Author", "LayerCount", "DownloadSize", "Labels", "LatestVersion"),
)
VERSION_FIELDS = (
    *("SHA", "Tags", "ImageName", "Author", "Labels", "LayerCount", "DownloadSize", "Created", "Layers", "Parents"),
    *("Identical", "MicrobadgerURL", "License", "VersionControl"),
)
LAYER_FIELDS = ("BlobSum", "Command", "DownloadSize")

T = TypeVar("T")
Ask = Callable[[str, str], tuple[int, str]]
"""Sends a method to an address, with no body and no header of its own, and returns the status and the text."""


@dataclass(frozen=True)
class OldLayer:
    blob_sum: str
    command: str
    download_size: int


@dataclass(frozen=True)
class OldVersion:
    sha: str
    tags: list[str]
    image_name: str
    author: str
    labels: dict[str, str]
    layer_count: int
    download_size: int
    created: datetime
    layers: list[OldLayer]
    parents: list[str]
    identical: list[str]
    license: str
    license_url: str
    source: str
    commit: str


@dataclass(frozen=True)
class OldImage:
    latest_sha: str
    webhook_url: str
    updated_at: datetime
    description: str
    last_updated: datetime
    pull_count: int
    star_count: int
    versions: list[OldVersion]
    id: str
    name: str
    url: str
    author: str
    layer_count: int
    download_size: int
    labels: dict[str, str]
    latest_version: str


@dataclass(frozen=True)
class OldList:
    current_page: int
    page_count: int
    image_count: int
    images: list[str]


class OldClient:
    """What programs did with the old service."""

    def __init__(self, url: str, ask: Ask) -> None:
        self._url = url
        self._ask = ask

    def image(self, name: str) -> OldImage | None:
        """Return an image, at a tag if the name has one; None where it is not known, or not read yet."""
        status, text = self._ask("GET", f"{self._url}/v1/images/{name}")
        return read_image(json.loads(text)) if status == 200 else None

    def version(self, name: str, sha: str) -> OldVersion:
        """Return a version with its layers."""
        return read_version(json.loads(self._ask("GET", f"{self._url}/v1/images/{name}/version/{sha}")[1]))

    def search(self, term: str) -> list[str]:
        """Return the names of the images that fit a term."""
        found = json.loads(self._ask("GET", f"{self._url}/v1/images/search/{term}")[1])
        return _list(found, "Images", str)

    def images(self, query: str, page: object = 1) -> OldList:
        """Return a page of a list of images."""
        document = json.loads(self._ask("GET", f"{self._url}/v1/images?query={query}&page={page}")[1])
        return read_list(document)

    def badge_counts(self) -> tuple[int, int]:
        """Return how many badges there are on Docker Hub, and of how many images."""
        document = json.loads(self._ask("GET", f"{self._url}/v1/badges/counts")[1])
        count = _value(document, "docker_hub", dict)
        return _value(count, "badges", int), _value(count, "images", int)

    def refresh(self, image: OldImage) -> bool:
        """Tell the service that an image was pushed, as everybody's CI did: ``curl -X POST`` with no body."""
        return self._ask("POST", image.webhook_url) == (200, "OK")


def read_image(document: Mapping[str, Any]) -> OldImage:
    return OldImage(
        latest_sha=_value(document, "LatestSHA", str),
        webhook_url=_value(document, "WebhookURL", str),
        updated_at=_time(document, "UpdatedAt"),
        description=_value(document, "Description", str),
        last_updated=_time(document, "LastUpdated"),
        pull_count=_value(document, "PullCount", int),
        star_count=_value(document, "StarCount", int),
        versions=[read_version(version) for version in _list(document, "Versions", dict)],
        id=_value(document, "Id", str),
        name=_value(document, "ImageName", str),
        url=_value(document, "ImageURL", str),
        author=_value(document, "Author", str),
        layer_count=_value(document, "LayerCount", int),
        download_size=_value(document, "DownloadSize", int),
        labels=_value(document, "Labels", dict),
        latest_version=_value(document, "LatestVersion", str),
    )


def read_list(document: Mapping[str, Any]) -> OldList:
    page, pages, images = (_value(document, name, int) for name in ("CurrentPage", "PageCount", "ImageCount"))
    return OldList(page, pages, images, _list(document, "Images", str))


def read_version(document: Mapping[str, Any]) -> OldVersion:
    license_, version_control = _value(document, "License", dict), _value(document, "VersionControl", dict)
    return OldVersion(
        sha=_value(document, "SHA", str),
        tags=[_value(tag, "tag", str) for tag in _list(document, "Tags", dict)],
        image_name=_value(document, "ImageName", str),
        author=_value(document, "Author", str),
        labels=_value(document, "Labels", dict),
        layer_count=_value(document, "LayerCount", int),
        download_size=_value(document, "DownloadSize", int),
        created=_time(document, "Created"),
        layers=[_layer(layer) for layer in _list(document, "Layers", dict)],
        parents=[_value(parent, "ImageName", str) for parent in _list(document, "Parents", dict)],
        identical=[_value(twin, "ImageName", str) for twin in _list(document, "Identical", dict)],
        license=_value(license_, "Code", str),
        license_url=_value(license_, "URL", str),
        source=_value(version_control, "URL", str),
        commit=_value(version_control, "Commit", str),
    )


def _layer(document: Mapping[str, Any]) -> OldLayer:
    return OldLayer(
        _value(document, "BlobSum", str), _value(document, "Command", str), _value(document, "DownloadSize", int)
    )


def _value(document: Mapping[str, Any], name: str, kind: type[T]) -> T:
    value = document.get(name, kind())
    if type(value) is not kind:
        raise TypeError(f"{name} is {value!r}")
    return value


def _list(document: Mapping[str, Any], name: str, kind: type[T]) -> list[T]:
    values: list[T] = _value(document, name, list)
    if any(type(value) is not kind for value in values):
        raise TypeError(f"{name} holds {values!r}")
    return values


def _time(document: Mapping[str, Any], name: str) -> datetime:
    """Return a time; the year 1 stands for one that is missing, as in Go."""
    time = datetime.strptime(_value(document, name, str) or "0001-01-01T00:00:00Z", _format(document.get(name, "")))
    return time.replace(tzinfo=UTC)


def _format(text: str) -> str:
    return "%Y-%m-%dT%H:%M:%S.%fZ" if "." in text else "%Y-%m-%dT%H:%M:%SZ"
