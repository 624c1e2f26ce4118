"""Finds images in the published list by name and description, the best first."""

from collections.abc import Sequence

from microbadger.files import stamp_of
from microbadger.public_tree import CATALOGUE
from microbadger.publisher import ImageEntry, Publisher


class Listing:
    """The published list, read again when it was replaced."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._read: tuple[tuple[int, ...] | None, list[ImageEntry]] = (None, [])

    def entries(self) -> list[ImageEntry]:
        """Return the entries of all images; none where no list was published yet."""
        stamp = stamp_of(self._publisher.folder / CATALOGUE)
        if stamp != self._read[0]:
            self._read = stamp, self._publisher.read_list()
        return self._read[1]


def find(entries: Sequence[ImageEntry], term: str, at_most: int) -> list[ImageEntry]:
    """Return the images that a term fits best.

    A name that is the term comes before one that begins with it, has a part that does, or just holds it; a description
    comes last. Among equals the one that is pulled most comes first.
    """
    term = term.strip().lower()
    if not term:
        return []
    ranked = ((_rank(entry, term), -entry.get("PullCount", 0), entry["ImageName"], entry) for entry in entries)
    fitting = sorted((row for row in ranked if row[0] is not None), key=lambda row: row[:3])
    return [entry for *_, entry in fitting[:at_most]]


def _rank(entry: ImageEntry, term: str) -> int | None:
    name = entry["ImageName"]
    if term in name:
        parts = name.split("/")
        fits = (name == term, parts[-1] == term, name.startswith(term), any(part.startswith(term) for part in parts))
        return fits.index(True) if True in fits else len(fits)
    return 5 if term in entry.get("Description", "").lower() else None
