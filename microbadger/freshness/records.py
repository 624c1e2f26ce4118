"""Stores the *record* of each image: its last document, the documents of its versions, and its changes.

Documents are stored as they are published. A damaged document counts as missing, and the image is checked again.
"""

import json
import zlib
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Connection, bindparam, select

from microbadger.freshness.checks import check_anew, mark_lists_stale
from microbadger.freshness.histories import Histories
from microbadger.freshness.sightings import Sightings
from microbadger.freshness.tag_lists import TagLists
from microbadger.image import (
    MOST_CHANGES,
    ChangeDocument,
    ChangeLogDocument,
    ImageDocument,
    Repository,
    VersionDocument,
    change_without_values,
    document_bytes,
    format_time,
    image_name,
    image_without_values,
    kept_repositories,
    left_versions,
    parse_kept,
    sha_of,
    version_without_values,
)
from microbadger.logs import EventLog
from microbadger.site import entry_of, searchable
from microbadger.store import (
    BROKEN_CONTENT,
    CHANGES,
    CONTENT,
    HISTORY,
    PUBLIC_FILES,
    RECORDS,
    TAG_LISTS,
    VERSIONS,
    Database,
    upsert,
)

log = EventLog(__name__)

_DOCUMENT = select(RECORDS.c.document).where(RECORDS.c.image == bindparam("which"))
_UPDATED_AT = select(RECORDS.c.updated_at).where(RECORDS.c.image == bindparam("which"))
_VERSION = select(VERSIONS.c.document).where(
    VERSIONS.c.image == bindparam("which"), VERSIONS.c.sha == bindparam("its_sha")
)
_REMOVE_VERSION = VERSIONS.delete().where(
    VERSIONS.c.image == bindparam("which"), VERSIONS.c.sha == bindparam("its_sha")
)
_REPLACE_VERSION = VERSIONS.update().where(
    VERSIONS.c.image == bindparam("which"), VERSIONS.c.sha == bindparam("its_sha")
)
_SHAS = select(VERSIONS.c.sha).where(VERSIONS.c.image == bindparam("which"))
_CHANGES = (
    select(CHANGES.c.document)
    .where(CHANGES.c.image == bindparam("which"))
    .order_by(CHANGES.c.number.desc())
    .limit(MOST_CHANGES)
)
_FILES = select(PUBLIC_FILES.c.path).where(PUBLIC_FILES.c.image == bindparam("which"))
_FILE = _FILES.where(PUBLIC_FILES.c.path == bindparam("its_path"))
_REMOVE_FILE = PUBLIC_FILES.delete().where(
    PUBLIC_FILES.c.image == bindparam("which"), PUBLIC_FILES.c.path == bindparam("its_path")
)
_ALL_VERSIONS = select(VERSIONS.c.sha, VERSIONS.c.document).where(VERSIONS.c.image == bindparam("which"))
_ALL_CHANGES = select(CHANGES.c.number, CHANGES.c.document).where(CHANGES.c.image == bindparam("which"))
_REPLACE_CHANGE = CHANGES.update().where(CHANGES.c.number == bindparam("its_number"))
_ADD_CHANGE = CHANGES.insert()
_REMOVE_OLD_CHANGES = CHANGES.delete().where(
    CHANGES.c.image == bindparam("which"),
    CHANGES.c.number.not_in(
        select(CHANGES.c.number)
        .where(CHANGES.c.image == bindparam("which"))
        .order_by(CHANGES.c.number.desc())
        .limit(MOST_CHANGES)
    ),
)


class Records:
    """The records of all tracked images."""

    def __init__(self, database: Database, *, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now
        self.tag_lists = TagLists(database)
        self.sightings = Sightings(database, now=now)
        self.histories = Histories(database, self.sightings)

    def image(self, repository: Repository) -> ImageDocument | None:
        """Return the document of an image, or None if the image was never read."""
        with self._database.read() as connection:
            packed = self.packed(connection, repository)
        image = unpacked_image(packed, repository)
        if packed and image is None:
            self._have_it_read_again(repository, "record")
        return image

    def repositories(self) -> list[Repository]:
        """Return all images that have a record, sorted by name."""
        with self._database.read() as connection:
            images = connection.execute(select(RECORDS.c.image).order_by(RECORDS.c.image)).scalars()
            return kept_repositories(images)

    def packed(self, connection: Connection, repository: Repository) -> bytes | None:
        """Return the stored bytes of the document, to be read with `unpacked_image` after the transaction."""
        return connection.execute(_DOCUMENT, {"which": str(repository)}).scalar_one_or_none()

    def is_published(self, connection: Connection, repository: Repository) -> bool:
        """Return whether an image has a record or public files."""
        which = {"which": str(repository)}
        return any(connection.execute(statement, which).first() for statement in (_UPDATED_AT, _FILES))

    def updated_at(self, repository: Repository) -> str | None:
        """Return when the document of an image last changed, or None if there is no document."""
        with self._database.read() as connection:
            return connection.execute(_UPDATED_AT, {"which": str(repository)}).scalar_one_or_none()

    def version(self, repository: Repository, sha: str) -> VersionDocument | None:
        """Return the document of a version with its layers, or None."""
        with self._database.read() as connection:
            packed = connection.execute(_VERSION, {"which": str(repository), "its_sha": sha}).scalar_one_or_none()
        document = _unpacked(packed, VersionDocument)
        if document and document["SHA"] == sha:
            return cast(VersionDocument, document)
        if packed:
            self._have_it_read_again(repository, f"version {sha}")
        return None

    def changes(self, repository: Repository) -> ChangeLogDocument:
        """Return the last changes of an image, the newest first."""
        with self._database.read() as connection:
            changes = _last_changes(connection, str(repository))
        return ChangeLogDocument(ImageName=image_name(repository), Changes=changes)

    def write(
        self,
        connection: Connection,
        repository: Repository,
        image: ImageDocument,
        versions: Iterable[VersionDocument],
        change: ChangeDocument | None,
        *,
        is_public: bool,
    ) -> None:
        """Replace the record of an image.

        ``versions`` are those whose documents are new or changed. ``is_public`` says that anonymous readers can see the
        image. Documents of versions that the image no longer has are deleted, unless a tag moved away from them
        recently.
        """
        name = str(repository)
        _write_image(connection, repository, image, is_public=is_public)
        rows = [{"image": name, "sha": version["SHA"], "document": _packed(version)} for version in versions]
        if rows:
            upsert(connection, VERSIONS, rows, update=["document"])
        if change:
            self._add_change(connection, name, change)
        left = map(sha_of, left_versions(_last_changes(connection, name)))
        self._remove_versions(connection, name, {*left, *(version["SHA"] for version in image["Versions"])})

    def hide_values(self, connection: Connection, repository: Repository) -> None:
        """Delete the values of environment variables from the record of an image that has become private.

        They are in the document of the image, in those of all its versions and in its changes. The document counts as
        changed, so a file that is just being made from it is made again.
        """
        which = {"which": str(repository)}
        if image := unpacked_image(self.packed(connection, repository), repository):
            hidden: ImageDocument = {**image_without_values(image), "UpdatedAt": format_time(self._now())}
            _write_image(connection, repository, hidden, is_public=True)
        for row in connection.execute(_ALL_VERSIONS, which).all():
            if version := _unpacked(row.document, VersionDocument):
                packed = _packed(version_without_values(version))
                connection.execute(_REPLACE_VERSION, {**which, "its_sha": row.sha, "document": packed})
        for row in connection.execute(_ALL_CHANGES, which).all():
            if change := parse_kept(row.document, ChangeDocument):
                document = json.dumps(change_without_values(change), separators=(",", ":"))
                connection.execute(_REPLACE_CHANGE, {"its_number": row.number, "document": document})

    def files(self, repository: Repository) -> set[str]:
        """Return the paths of all public files of an image."""
        with self._database.read() as connection:
            return set(connection.execute(_FILES, {"which": str(repository)}).scalars())

    def has_file(self, repository: Repository, path: str) -> bool:
        """Return whether an image has a public file at a path."""
        with self._database.read() as connection:
            return connection.execute(_FILE, {"which": str(repository), "its_path": path}).first() is not None

    def add_files(self, connection: Connection, repository: Repository, paths: Iterable[str]) -> None:
        """Store the paths of files, before the files are written."""
        if rows := [{"image": str(repository), "path": path} for path in paths]:
            upsert(connection, PUBLIC_FILES, rows)

    def remove_files(self, connection: Connection, repository: Repository, paths: Iterable[str]) -> None:
        """Delete the paths of files, after the files were removed."""
        if rows := [{"which": str(repository), "its_path": path} for path in paths]:
            connection.execute(_REMOVE_FILE, rows)

    def forget(self, connection: Connection, repository: Repository) -> None:
        """Delete the record of an image, the paths of its files and the content that was read of it.

        Its sightings stay, because they cannot be recovered.
        """
        for table in (RECORDS, VERSIONS, CHANGES, HISTORY, PUBLIC_FILES, TAG_LISTS, BROKEN_CONTENT, CONTENT):
            connection.execute(table.delete().where(table.c.image == str(repository)))

    def _have_it_read_again(self, repository: Repository, what: str) -> None:
        """Schedule a check of an image with a damaged record. The check describes the whole image again."""
        log.warning("record_damaged", image=repository.familiar, what=what)
        with self._database.write() as connection:
            check_anew(connection, repository)

    def _remove_versions(self, connection: Connection, name: str, kept: Collection[str]) -> None:
        stored = connection.execute(_SHAS, {"which": name}).scalars()
        if gone := set(stored) - set(kept):
            connection.execute(_REMOVE_VERSION, [{"which": name, "its_sha": sha} for sha in gone])

    def _add_change(self, connection: Connection, name: str, change: ChangeDocument) -> None:
        document = json.dumps(change, separators=(",", ":"))
        connection.execute(_ADD_CHANGE, {"image": name, "document": document})
        connection.execute(_REMOVE_OLD_CHANGES, {"which": name})


def _write_image(connection: Connection, repository: Repository, image: ImageDocument, *, is_public: bool) -> None:
    entry = entry_of(repository, image)
    mark_lists_stale(connection)
    row = {
        "image": str(repository),
        "document": _packed(image),
        "entry": document_bytes(entry).decode().rstrip(),
        "description": searchable(str(entry.get("Description", ""))),
        "pull_count": entry.get("PullCount", 0),
        "updated_at": image["UpdatedAt"],
        "is_public": is_public,
    }
    upsert(connection, RECORDS, row, update=[key for key in row if key != "image"])


def _last_changes(connection: Connection, name: str) -> list[ChangeDocument]:
    kept = connection.execute(_CHANGES, {"which": name}).scalars().all()
    return [change for each in kept if (change := parse_kept(each, ChangeDocument))]


def unpacked_image(packed: bytes | None, repository: Repository) -> ImageDocument | None:
    """Return the document in the stored bytes, or None if it is damaged or belongs to another image."""
    document = _unpacked(packed, ImageDocument)
    if document is None:
        return None
    is_own = (document["Registry"], document["Repository"]) == (repository.registry, repository.path)
    return cast(ImageDocument, document) if is_own else None


def _packed(document: Mapping[str, object]) -> bytes:
    return zlib.compress(document_bytes(document))


def _unpacked(packed: bytes | None, kind: Any) -> Any:
    try:
        return parse_kept(zlib.decompress(packed), kind) if packed else None
    except (TypeError, zlib.error):
        return None
