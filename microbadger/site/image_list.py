"""The list of all images, ``v1/images.json``: each image has a line of its own, however many there are.

The entry of an image is a small JSON object, kept as text beside its record; what is known of its state is added when
the list is written.
"""

from collections.abc import Iterable
from typing import NotRequired, TypedDict

from microbadger.image import ImageDocument, Reason, Repository, State, current_version, document_bytes, image_name

_FIELDS = ("Description", "LatestVersion", "DownloadSize", "PullCount", "LastUpdated", "UpdatedAt")


class ListEntry(TypedDict):
    """What is kept of an image for the list; ``Kind`` says in words what it is if it is not an image."""

    ImageName: str
    Description: NotRequired[str]
    LatestVersion: NotRequired[str]
    DownloadSize: NotRequired[int]
    PullCount: NotRequired[int]
    LastUpdated: NotRequired[str]
    UpdatedAt: NotRequired[str]
    Kind: NotRequired[str]


def entry_of(repository: Repository, image: ImageDocument | None) -> dict[str, object]:
    """Return what the list says of an image: only its name if it has no record."""
    entry: dict[str, object] = {"ImageName": image_name(repository)}
    if image:
        entry |= {field: image[field] for field in _FIELDS if field in image}  # type: ignore[literal-required]
        if "Unsupported" in (current_version(image["Versions"]) or {}):
            entry["Kind"] = "Helm chart" if "Chart" in image else "not an image"
    return entry


def listed(entry: str, state: State, reason: Reason | None = None) -> bytes:
    """Return an entry, which is kept as JSON, with the state of its image, as it is written into a list."""
    reason_of = f',"Reason":"{reason}"' if reason else ""
    return f'{entry.rstrip().removesuffix("}")},"State":"{state}"{reason_of}}}'.encode()


def list_page(entries: Iterable[bytes], number: int, size: int, count: int) -> bytes:
    """Return one page of the list as a document of its own: its entries, and of how many pages of that size it is one.

    ``count`` is the number of images in the whole list; where there is none, only the number of the page is left.
    """
    head: dict[str, object] = {"CurrentPage": number}
    if not count:
        return document_bytes(head)
    head |= {"PageCount": -(-count // size), "ImageCount": count}
    return document_bytes(head).replace(b"}\n", b',"Images":[' + b",".join(entries) + b"]}\n")
