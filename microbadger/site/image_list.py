"""The list of all images, ``v1/images.json``, with one line for each image.

The entry of an image is a small JSON object, which is kept as text with its record. The state of the image is added
when the list is written.
"""

from collections.abc import Iterable
from typing import NotRequired, TypedDict

from microbadger.image import ImageDocument, Reason, Repository, State, current_version, document_bytes, image_name

_FIELDS = ("Description", "LatestVersion", "DownloadSize", "PullCount", "LastUpdated", "UpdatedAt")


class ListEntry(TypedDict):
    """The entry of an image. ``Kind`` says what it is if it is not an image."""

    ImageName: str
    Description: NotRequired[str]
    LatestVersion: NotRequired[str]
    DownloadSize: NotRequired[int]
    PullCount: NotRequired[int]
    LastUpdated: NotRequired[str]
    UpdatedAt: NotRequired[str]
    Kind: NotRequired[str]


def entry_of(repository: Repository, image: ImageDocument | None) -> dict[str, object]:
    """Return the entry of an image, which is only its name if it has no record."""
    entry: dict[str, object] = {"ImageName": image_name(repository)}
    if image:
        entry |= {field: image[field] for field in _FIELDS if field in image}  # type: ignore[literal-required]
        if "Unsupported" in (current_version(image["Versions"]) or {}):
            entry["Kind"] = "Helm chart" if "Chart" in image else "not an image"
    return entry


def listed(entry: str, state: State, reason: Reason | None = None) -> bytes:
    """Return a kept entry with the state of its image, as JSON for the list."""
    reason_of = f',"Reason":"{reason}"' if reason else ""
    return f'{entry.rstrip().removesuffix("}")},"State":"{state}"{reason_of}}}'.encode()


def list_page(entries: Iterable[bytes], number: int, size: int, count: int) -> bytes:
    """Return a page of the list as a document, with its entries and the number of pages of that size.

    ``count`` is the number of images in the whole list. If there are none, the document has only its own number.
    """
    head: dict[str, object] = {"CurrentPage": number}
    if not count:
        return document_bytes(head)
    head |= {"PageCount": -(-count // size), "ImageCount": count}
    return document_bytes(head).replace(b"}\n", b',"Images":[' + b",".join(entries) + b"]}\n")
