"""Divides the list of all images into pages if there are too many for one; ``v1/images.json`` is the first.

The end of a page depends only on the names around it. So a new or removed image changes its own page, and the count on
the first page, but not all following pages. Only a page that would become too long ends because of its length.
"""

import zlib
from collections.abc import Iterable, Iterator, Sequence

from microbadger.image import document_bytes
from microbadger.site.paths import list_page_path

MOST_ON_A_PAGE = 10_000


def in_pages(
    entries: Iterable[tuple[str, bytes]], count: int, most: int = MOST_ON_A_PAGE
) -> Iterator[tuple[list[bytes], bool]]:
    """Yield the entries of each page, and whether another page follows. There is always a first page.

    There are ``count`` entries, each with the name of its image, sorted by name. They are one page if all fit into it.
    Otherwise each page has at most ``most`` entries, and at least a tenth of that, except for the last page.
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
    """Return the file of a page, with one line for each entry. The first page has ``counts`` of pages and images.

    The file of an empty list has only the number of the page.
    """
    head: dict[str, object] = {"CurrentPage": number}
    if not entries:
        return document_bytes(head)
    if counts:
        head |= {"PageCount": counts[0], "ImageCount": counts[1]}
    if has_next:
        head["Next"] = f"{base_url}/{list_page_path(number + 1)}"
    return document_bytes(head).replace(b"}\n", b',"Images":[\n') + b",\n".join(entries) + b"\n]}\n"
