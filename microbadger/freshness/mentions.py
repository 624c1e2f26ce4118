"""Remembers which images still name a removed image as a parent or as an identical image, until none does.

Such a name is a *mention* of the removed image.
"""

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
    """Store which images may name an image that this transaction removes; call this before its layers are deleted.

    The removed image is stored even if no image seems to name it: images whose layers are not all known may name it.
    """
    noted = mentions(connection).get(gone, [])  # by an earlier attempt, which could not remove all files
    _note(connection, gone, {*noted, *stacks.naming(connection, gone)})


def write_mentions(connection: Connection, gone: Repository, images: Collection[Repository]) -> None:
    """Store that only these images may still name a removed image."""
    if images:
        _note(connection, gone, images)
    else:
        connection.execute(_FORGET, {"which": f"{_PREFIX}{gone}"})


def mentions(connection: Connection) -> dict[Repository, list[Repository]]:
    """Return, for each removed image, the images that may still name it."""
    return {
        repository: kept_repositories(parse_kept(row.value, list[str]) or [])
        for row in connection.execute(_ALL)
        for repository in kept_repositories([row.key.removeprefix(_PREFIX)])
    }


def without_mention(versions: Iterable[VersionDocument], gone: Repository) -> list[VersionDocument]:
    """Return the versions without the removed image among their parents and identical images."""
    return [_without(version, image_name(gone)) for version in versions]


def _note(connection: Connection, gone: Repository, images: Iterable[Repository]) -> None:
    names = json.dumps(sorted(map(str, images)))
    upsert(connection, META, {"key": f"{_PREFIX}{gone}", "value": names}, update=("value",))


def _without(version: VersionDocument, name: str) -> VersionDocument:
    def others(relatives: list[RelativeDocument]) -> list[RelativeDocument]:
        return [relative for relative in relatives if relative["ImageName"] != name]

    of_base = {key: version["Labels"][key] for key in version.get("InheritedLabels", [])}
    return related(version, others(version.get("Parents", [])), others(version.get("Identical", [])), of_base)
