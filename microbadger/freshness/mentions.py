"""Remembers which images still name one whose files were removed, as a parent or as a copy, until none does."""

import json
from collections.abc import Collection, Iterable

from sqlalchemy import Connection, bindparam, select

from microbadger.freshness.relatives import LayerStacks
from microbadger.image import (
    RelativeDocument,
    Repository,
    VersionDocument,
    image_name,
    kept_repositories,
    parse_kept,
    related,
)
from microbadger.store import META, upsert

_PREFIX = "named_by:"
_ALL = select(META.c.key, META.c.value).where(META.c.key.startswith(_PREFIX, autoescape=True))
_FORGET = META.delete().where(META.c.key == bindparam("which"))


def note_mentions(connection: Connection, gone: Repository, stacks: LayerStacks) -> None:
    """Note which images may name one that is removed in this transaction, before its layers are forgotten.

    It is noted also if none seems to: those whose layers are not all known may name it as well.
    """
    noted = mentions(connection).get(gone, [])  # at a first attempt, which left files of it
    _note(connection, gone, {*noted, *stacks.naming(connection, gone)})


def write_mentions(connection: Connection, gone: Repository, images: Collection[Repository]) -> None:
    """Note that just these images may still name one that was removed."""
    if images:
        _note(connection, gone, images)
    else:
        connection.execute(_FORGET, {"which": f"{_PREFIX}{gone}"})


def mentions(connection: Connection) -> dict[Repository, list[Repository]]:
    """Return the images that may still name each one that was removed."""
    return {
        repository: kept_repositories(parse_kept(row.value, list[str]) or [])
        for row in connection.execute(_ALL)
        for repository in kept_repositories([row.key.removeprefix(_PREFIX)])
    }


def without_mention(versions: Iterable[VersionDocument], gone: Repository) -> list[VersionDocument]:
    """Return versions none of which names an image as a relative."""
    return [_without(version, image_name(gone)) for version in versions]


def _note(connection: Connection, gone: Repository, images: Iterable[Repository]) -> None:
    names = json.dumps(sorted(map(str, images)))
    upsert(connection, META, {"key": f"{_PREFIX}{gone}", "value": names}, update=("value",))


def _without(version: VersionDocument, name: str) -> VersionDocument:
    def others(relatives: list[RelativeDocument]) -> list[RelativeDocument]:
        return [relative for relative in relatives if relative["ImageName"] != name]

    of_base = {key: version["Labels"][key] for key in version.get("InheritedLabels", [])}
    return related(version, others(version.get("Parents", [])), others(version.get("Identical", [])), of_base)
