"""Stores when each tag of an image was first listed, if the image has more tags than the limit.

A registry does not say when a tag was pushed. Among tags that are not releases, the newest are kept, so the service
must know which tags it has seen before. This also shows that an old tag which is kept from now on is not new.
"""

import json
import zlib
from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, bindparam, select

from microbadger.image import Repository, parse_kept
from microbadger.store import TAG_LISTS, Database, upsert

_OF_IMAGE = select(TAG_LISTS.c.document).where(TAG_LISTS.c.image == bindparam("which"))

BEFORE = 0.0
"""The time for a tag that was already there when the list was first read."""


class TagLists:
    """The lists of all images."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, repository: Repository) -> dict[str, float]:
        """Return the Unix time when each tag of an image was first listed; empty if no list is stored."""
        with self._database.read() as connection:
            packed = connection.execute(_OF_IMAGE, {"which": str(repository)}).scalar_one_or_none()
        return _unpacked(packed) if packed else {}

    def write(self, connection: Connection, repository: Repository, first_listed: Mapping[str, float]) -> None:
        """Replace the stored list of an image."""
        packed = zlib.compress(json.dumps(first_listed, separators=(",", ":")).encode())
        upsert(connection, TAG_LISTS, {"image": str(repository), "document": packed}, update=("document",))


def listed_since(before: Mapping[str, float], listed: Iterable[str], now: float) -> dict[str, float]:
    """Return when each of the ``listed`` tags was first listed; ``before`` is the earlier list, which may be empty."""
    return {tag: before.get(tag, now if before else BEFORE) for tag in listed}


def _unpacked(packed: bytes) -> dict[str, float]:
    """Return a stored list; empty if it is damaged, so that a new list begins."""
    try:
        return parse_kept(zlib.decompress(packed), dict[str, float]) or {}
    except (TypeError, zlib.error):
        return {}
