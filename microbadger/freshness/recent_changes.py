"""Finds the latest changes of all public images."""

from sqlalchemy import Connection, select

from microbadger.image import ChangeDocument, image_name, kept_repositories, parse_kept
from microbadger.store import CHANGES, CHECKS, RECORDS

_RECENT = (
    select(CHANGES.c.image, CHANGES.c.document)
    .join(RECORDS, RECORDS.c.image == CHANGES.c.image)
    .join(CHECKS, CHECKS.c.image == CHANGES.c.image)
    .where(RECORDS.c.is_public.is_(True))
    .order_by(CHANGES.c.number.desc())
)


def recent_changes(connection: Connection, at_most: int) -> list[tuple[str, ChangeDocument]]:
    """Return the latest changes of public images, the newest first, as pairs of image name and change.

    Damaged changes are left out.
    """
    return [
        (image_name(repository), change)
        for row in connection.execute(_RECENT.limit(at_most))
        for repository in kept_repositories([row.image])
        if (change := parse_kept(row.document, ChangeDocument))
    ]
