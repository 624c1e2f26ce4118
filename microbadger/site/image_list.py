"""The list of all images, ``v1/images.json``, written and read one image at a time, however many there are.

Each image has a line of its own between the first line and the last, so that an entry can be taken from the file, or
carried over to the next one, as the bytes it is.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from microbadger.image import ImageDocument, InvalidReference, Repository, document_bytes, image_name

_FIELDS = ("Description", "LatestVersion", "DownloadSize", "PullCount", "LastUpdated", "UpdatedAt")

_ENTRY_START = b'{"ImageName":"'
_CHECK_TIME = b',"UpdatedAt":'  # stands last; within a text its quotes would be escaped
_COUNT = re.compile(rb'"ImageCount":(\d+)')


def entry_of(repository: Repository, image: ImageDocument | None) -> bytes:
    """Return what the list says of an image; only its name where it was not read yet."""
    entry: dict[str, object] = {"ImageName": image_name(repository)}
    if image:
        entry |= {field: image[field] for field in _FIELDS if field in image}  # type: ignore[literal-required]
    return document_bytes(entry).rstrip(b"\n")


def name_in(entry: bytes) -> bytes:
    """Return the name of the image that an entry is about."""
    return entry[len(_ENTRY_START) :].partition(b'"')[0]


def list_parts(count: int, entries: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the bytes of the list of so many entries, as the old service's single page."""
    if not count:
        yield document_bytes(_page_head(1, 1, 0))
        return
    separator = document_bytes(_page_head(1, 1, count)).replace(b"}\n", b',"Images":[\n')
    for entry in entries:
        yield separator + entry
        separator = b",\n"
    yield b"\n]}\n"


def list_page(file: Path, number: int, size: int) -> bytes:
    """Return one page of a list as a document of its own."""
    first = (number - 1) * size
    try:
        with file.open("rb") as lines:
            counted = _COUNT.search(next(lines, b""))
            entries = [*_entries(islice(lines, first, first + size))]
    except FileNotFoundError:
        counted, entries = None, []
    count = int(counted[1]) if counted else 0
    head = document_bytes(_page_head(number, -(-count // size), count))
    return head.replace(b"}\n", b',"Images":[' + b",".join(entries) + b"]}\n") if count else head


def entries_in(file: Path) -> Iterator[bytes]:
    """Yield the entries of a list; none where there is none."""
    try:
        with file.open("rb") as lines:
            yield from _entries(lines)
    except FileNotFoundError:
        return


def repositories_in(file: Path) -> Iterator[Repository]:
    """Yield the images that a list names."""
    for entry in entries_in(file):
        with suppress(InvalidReference):  # the list was damaged
            yield Repository.parse(name_in(entry).decode("utf-8", "replace"))


def digest_with(digest: int, entry: bytes) -> int:
    """Return what tells lists apart that differ in more than the times of checks; not the same in every process."""
    return hash((digest, entry.rpartition(_CHECK_TIME)[0] or entry))


class EntriesByName:
    """The entries of a list by the names of their images; each is read from the file when it is asked for."""

    def __init__(self, lines: BinaryIO) -> None:
        self._lines = lines
        self._places: dict[bytes, int] = {}
        place = 0
        for line in lines:
            if line.startswith(_ENTRY_START):
                self._places[name_in(line)] = place
            place += len(line)

    def get(self, name: str) -> bytes | None:
        """Return the entry of an image, or None."""
        place = self._places.get(name.encode())
        if place is None:
            return None
        self._lines.seek(place)
        return next(_entries([self._lines.readline()]))


def _entries(lines: Iterable[bytes]) -> Iterator[bytes]:
    return (line.rstrip(b",\n") for line in lines if line.startswith(_ENTRY_START))


def _page_head(number: int, page_count: int, count: int) -> dict[str, object]:
    """Return what stands before the images of a page; without an image only the page's number is left."""
    head: dict[str, object] = {"CurrentPage": number}
    return head | ({"PageCount": page_count, "ImageCount": count} if count else {})
