"""The list of all images in pages, where there are too many for one: ``v1/images.json`` is the first.

Where a page ends follows from the names around its end alone, so that an image that comes or goes changes its own page,
and the first one for its count: not all that follow. Only where a page would become too long does it end by its length.
"""

import zlib
from collections.abc import Iterable, Iterator, Sequence

from microbadger.image import document_bytes
from microbadger.site.paths import list_page_path

MOST_ON_A_PAGE = 10_000


def in_pages(
    entries: Iterable[tuple[str, bytes]], count: int, most: int = MOST_ON_A_PAGE
) -> Iterator[tuple[list[bytes], bool]]:
    """Yield the entries of each page, and whether another page follows; there is always a first page.

    There are ``count`` entries, each with the name of its image, in the order of names. They are one page if that has
    room for all; else a page has at most ``most`` entries, and a tenth of that at least, but for the last one.
    """
    fewest, one_in = most // 10 if count > most else most, max(1, most * 2 // 5)
    page: list[bytes] = []
    for name, entry in entries:
        is_an_end = len(page) >= fewest and zlib.crc32(name.encode()) % one_in == 0
        if is_an_end or len(page) >= most:
            yield page, True
            page = []
        page.append(entry)
    yield page, False


def list_file(
    entries: Sequence[bytes], number: int, base_url: str, *, has_next: bool, counts: tuple[int, int] | None = None
) -> bytes:
    """Return a page as a file, each entry on a line of its own; ``counts`` of pages and images stand on the first.

    Of an empty list only the number of the page is left.
    """
    head: dict[str, object] = {"CurrentPage": number}
    if not entries:
        return document_bytes(head)
    if counts:
        head |= {"PageCount": counts[0], "ImageCount": counts[1]}
    if has_next:
        head["Next"] = f"{base_url}/{list_page_path(number + 1)}"
    return document_bytes(head).replace(b"}\n", b',"Images":[\n') + b",\n".join(entries) + b"\n]}\n"
