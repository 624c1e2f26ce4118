"""Remembers when each tag of an image was first listed, where it has more tags than are kept.

A registry does not say when a tag was pushed. Of tags that are not releases, those that came last are kept: so the
service must know which ones it has seen before. Nor is a tag new that was there all along and is only kept from now on.
"""

import json
import zlib
from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, bindparam, select

from microbadger.image import Repository, parse_kept
from microbadger.store import TAG_LISTS, Database, upsert

_OF_IMAGE = select(TAG_LISTS.c.document).where(TAG_LISTS.c.image == bindparam("which"))

BEFORE = 0.0
"""When a tag was first listed that was there already when the list was first read."""


class TagLists:
    """The lists of all images."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, repository: Repository) -> dict[str, float]:
        """Return when each tag of an image was first listed, as a Unix time; nothing where no list is kept."""
        with self._database.read() as connection:
            packed = connection.execute(_OF_IMAGE, {"which": str(repository)}).scalar_one_or_none()
        return _unpacked(packed) if packed else {}

    def write(self, connection: Connection, repository: Repository, first_listed: Mapping[str, float]) -> None:
        """Keep the list of an image in the place of the one before."""
        packed = zlib.compress(json.dumps(first_listed, separators=(",", ":")).encode())
        upsert(connection, TAG_LISTS, {"image": str(repository), "document": packed}, update=("document",))


def listed_since(before: Mapping[str, float], listed: Iterable[str], now: float) -> dict[str, float]:
    """Return when each of the tags listed ``now`` was first listed."""
    return {tag: before.get(tag, now if before else BEFORE) for tag in listed}


def _unpacked(packed: bytes) -> dict[str, float]:
    """Return a list as it was kept; nothing where it is damaged, and the list is begun anew."""
    try:
        return parse_kept(zlib.decompress(packed), dict[str, float]) or {}
    except (TypeError, zlib.error):
        return {}
