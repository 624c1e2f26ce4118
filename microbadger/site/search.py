"""Finds images in the published list by name and description, the best first."""

import json
import threading
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from microbadger.site.image_list import entries_in
from microbadger.store import stamp_of

_QUICKLY_READ_BYTES = 256 * 1024
# How a name can fit: it is the term, its last part is, it begins with it, a part of it does, or it just holds it.
_FITS = ("\n{}\n", "/{}\n", "\n{}", "/{}", "{}")
_BREAK = b"\n"


class SearchIndex:
    """The names and descriptions of a list, each as one text, so that finding an image is finding a string."""

    def __init__(self, entries: Iterable[bytes]) -> None:
        names, descriptions, pulls = _Lines(), _Lines(), array("q")
        for name, description, pull_count in _told(entries):
            names.add(name)
            descriptions.add(description.lower())
            pulls.append(pull_count)
        # Among equals the one that is pulled most comes first, then the one that is listed first.
        order = sorted(range(len(pulls)), key=lambda number: -pulls[number])
        self._names, self._descriptions = names.in_order(order), descriptions.in_order(order)

    def find(self, term: str, at_most: int) -> list[str]:
        """Return the names of the images that a term fits best, names before descriptions."""
        term = term.strip().lower()
        found: dict[int, None] = {}
        if term:
            for fit in _FITS:
                self._names.find(fit.format(term).encode("utf-8", "replace"), found, at_most)
            self._descriptions.find(term.encode("utf-8", "replace"), found, at_most)
        return [self._names[number] for number in found]


class Listing:
    """The published list, searched by an index that is made anew when the list was replaced.

    A long one is read beside the requests, which are answered by the last index until then.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._stamp: tuple[int, ...] | None = None
        self._index = SearchIndex([])

    def search(self, term: str, at_most: int) -> list[str]:
        """Return the names of the images that a term fits best; none where no list was published yet."""
        stamp = stamp_of(self._file)
        if stamp and stamp != self._stamp:
            _, size_bytes, _ = stamp
            if self._stamp is None or size_bytes <= _QUICKLY_READ_BYTES:
                self._read(stamp)
            elif not self._lock.locked():
                threading.Thread(target=self._read, args=[stamp], name="search index", daemon=True).start()
        return self._index.find(term, at_most)

    def _read(self, stamp: tuple[int, ...]) -> None:
        with self._lock:
            if stamp != self._stamp:
                self._index, self._stamp = SearchIndex(entries_in(self._file)), stamp


class _Lines:
    """A text of many lines, in as much memory as it has bytes."""

    def __init__(self) -> None:
        self._text = bytearray(_BREAK)
        self._starts = array("q", [len(_BREAK)])

    def add(self, line: str) -> None:
        self._text += line.encode("utf-8", "replace") + _BREAK
        self._starts.append(len(self._text))

    def in_order(self, order: Iterable[int]) -> "_Lines":
        """Return the same lines in another order."""
        lines = _Lines()
        for number in order:
            lines.add(self[number])
        return lines

    def __getitem__(self, number: int) -> str:
        return self._text[self._starts[number] : self._starts[number + 1] - 1].decode()

    def find(self, wanted: bytes, found: dict[int, None], at_most: int) -> None:
        """Add the numbers of the lines that hold a text, with their line breaks if it has some, up to so many."""
        place = self._text.find(wanted)
        while place >= 0 and len(found) < at_most:
            number = bisect_right(self._starts, place + wanted.startswith(_BREAK)) - 1
            found.setdefault(number)
            place = self._text.find(wanted, self._starts[number + 1] - 1)


def _told(entries: Iterable[bytes]) -> Iterator[tuple[str, str, int]]:
    """Yield the name, the description and the pulls of each entry; a damaged one is left out."""
    for entry in entries:
        with suppress(ValueError):
            fields = json.loads(entry)
            yield fields["ImageName"], " ".join(fields.get("Description", "").split()), fields.get("PullCount", 0)
