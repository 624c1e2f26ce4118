"""Stores the history of each image: which versions its moving tags named over time.

A registry does not record what a tag named before, so a lost history cannot be restored. If no history is stored,
because the record of the image is older than this feature or the row is damaged, a new history begins with the record.
"""

import zlib
from collections.abc import Container, Mapping

from sqlalchemy import Connection, bindparam, select

from microbadger.freshness.sightings import Sightings
from microbadger.image import (
    LATEST,
    HistoryDocument,
    ImageDocument,
    Repository,
    VersionDocument,
    begin_history,
    continue_history,
    document_bytes,
    format_time,
    image_name,
    is_sound,
    moved_tags,
    parse_kept,
    tags_of,
)
from microbadger.logs import EventLog
from microbadger.store import HISTORY, Database, upsert

log = EventLog(__name__)

_OF_IMAGE = select(HISTORY.c.document).where(HISTORY.c.image == bindparam("which"))


class Histories:
    """The histories of all images."""

    def __init__(self, database: Database, sightings: Sightings) -> None:
        self._database = database
        self._sightings = sightings

    def of(self, repository: Repository, image: ImageDocument) -> HistoryDocument:
        """Return the stored history of an image, or a new one that begins with its record ``image``."""
        with self._database.read() as connection:
            packed = self._packed(connection, repository)
        if history := _unpacked(packed, repository):
            return history
        if packed:
            log.warning("history_damaged", image=repository.familiar)
        names = {LATEST, image.get("LatestVersion", LATEST)}
        tags = {tag: version for version in image["Versions"] for tag in names.intersection(tags_of(version))}
        return begin_history(image, self._named_since(repository, tags))

    def after(
        self, repository: Repository, before: ImageDocument | None, after: ImageDocument, deleted: Container[str]
    ) -> HistoryDocument:
        """Return the history of an image whose record a check is about to replace.

        ``before`` is the current record, ``after`` the new one, and ``deleted`` are the tags that are gone.
        """
        before = before or after
        named_since = self._named_since(repository, moved_tags(before, after))
        return continue_history(self.of(repository, before), before, after, deleted=deleted, named_since=named_since)

    def write(self, connection: Connection, repository: Repository, history: HistoryDocument) -> None:
        """Store the history of an image, unless it has not changed."""
        packed = zlib.compress(document_bytes(history))
        if packed != self._packed(connection, repository):
            upsert(connection, HISTORY, {"image": str(repository), "document": packed}, update=("document",))

    def _packed(self, connection: Connection, repository: Repository) -> bytes | None:
        return connection.execute(_OF_IMAGE, {"which": str(repository)}).scalar_one_or_none()

    def _named_since(self, repository: Repository, tags: Mapping[str, VersionDocument]) -> dict[str, str]:
        """Return when each tag was first seen to name its version, for the tags of which that is known."""
        sights = self._sightings.find(repository, [(tag, version["Digest"]) for tag, version in tags.items()])
        return {tag: format_time(sight.seen_at) for (tag, _), sight in sights.items()}


def _unpacked(packed: bytes | None, repository: Repository) -> HistoryDocument | None:
    """Return a stored history; None if it is damaged or belongs to another image."""
    try:
        document: HistoryDocument | None = parse_kept(zlib.decompress(packed), HistoryDocument) if packed else None
    except (TypeError, zlib.error):
        return None
    if document is None or document["ImageName"] != image_name(repository) or not is_sound(document):
        return None
    return document
