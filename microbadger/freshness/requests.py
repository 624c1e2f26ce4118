"""Keeps checks that were asked for until one that began later has ended.

A request asks to check an image, perhaps one of its tags. Equal ones are one row, which counts how often it was asked
for. A check takes what waits when it begins, and at its end forgets just that: what was asked for again in between
stays, and leads to exactly one more check. If the process dies, the rows are still there.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, func, select

from microbadger.image import Reference, Repository
from microbadger.logs import current_id
from microbadger.store import ASKED_TAGS, REQUESTS, Database, upsert

_MOST_TAGS = 50  # of one image; more pushes lead to a check of the image as a whole
_NO_TAG = ""

_LOOKED_FOR_EVERY = timedelta(hours=1)
_MOST_ASKED_TAGS = 20

_OF_IMAGE = select(REQUESTS).where(REQUESTS.c.image == bindparam("which"))
_DONE = REQUESTS.delete().where(
    REQUESTS.c.image == bindparam("which"),
    REQUESTS.c.tag == bindparam("its_tag"),
    REQUESTS.c.asked == bindparam("count"),
)
_ONE_MORE = {"asked": REQUESTS.c.asked + 1}


@dataclass(frozen=True, slots=True)
class CheckRequest:
    """A request for a check: for a tag, or for the image as a whole where it is None."""

    tag: str | None
    asked: int
    asked_by: str
    """The id of the HTTP request that asked first; empty where it was none."""


class Requests:
    """The requests of all processes."""

    def __init__(self, database: Database, *, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    def add(self, reference: Reference) -> None:
        """Keep a request. It outlives a power failure once this returns."""
        row: dict[str, object] = {
            "image": str(reference.repository),
            "tag": reference.tag or _NO_TAG,
            "asked": 1,
            "asked_at": self._now().timestamp(),
            "asked_by": current_id("request") or "",
        }
        with self._database.write(durable=True) as connection:
            if reference.tag:
                tags = {waiting.tag for waiting in self.waiting(connection, reference.repository)}
                if reference.tag not in tags and len(tags) >= _MOST_TAGS:
                    row["tag"] = _NO_TAG
            upsert(connection, REQUESTS, row, update=_ONE_MORE)

    def waiting(self, connection: Connection, repository: Repository) -> list[CheckRequest]:
        """Return what was asked for of an image."""
        rows = connection.execute(_OF_IMAGE, {"which": str(repository)})
        return [CheckRequest(row.tag or None, row.asked, row.asked_by) for row in rows]

    def end(self, connection: Connection, repository: Repository, done: Collection[CheckRequest]) -> None:
        """Forget requests that a check has answered, unless they were repeated meanwhile."""
        for request in done:
            given = {"which": str(repository), "its_tag": request.tag or _NO_TAG, "count": request.asked}
            connection.execute(_DONE, given)

    def repositories(self) -> list[Repository]:
        """Return every image for which a request waits, those first that have waited longest."""
        statement = select(REQUESTS.c.image).group_by(REQUESTS.c.image).order_by(func.min(REQUESTS.c.asked_at))
        with self._database.read() as connection:
            return [Repository.parse(image) for image in connection.execute(statement).scalars()]

    def is_worth_a_check(self, repository: Repository, tag: str) -> bool:
        """Return whether to check an unknown tag that a badge was asked for, and remember that it was.

        Anyone can ask for any badge: a tag leads to one check an hour at most, and an image has twenty such tags.
        """
        now, image = self._now(), str(repository)
        since = (now - _LOOKED_FOR_EVERY).timestamp()
        is_of_image = ASKED_TAGS.c.image == image
        is_old = (ASKED_TAGS.c.asked_at <= since) | (ASKED_TAGS.c.asked_at > now.timestamp())
        with self._database.write() as connection:
            connection.execute(ASKED_TAGS.delete().where(is_of_image, is_old))
            asked = set(connection.execute(select(ASKED_TAGS.c.tag).where(is_of_image)).scalars())
            if tag in asked or len(asked) >= _MOST_ASKED_TAGS:
                return False
            upsert(connection, ASKED_TAGS, {"image": image, "tag": tag, "asked_at": now.timestamp()})
        return True

    def forget(self, connection: Connection, repository: Repository) -> None:
        """Forget what was asked for of an image that is tracked no more."""
        for table in (REQUESTS, ASKED_TAGS):
            connection.execute(table.delete().where(table.c.image == str(repository)))
