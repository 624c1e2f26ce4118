"""Stores requests for checks until a check that began later has answered them.

A request asks for a check of an image, or of one of its tags. Equal requests share one row, which counts them. A check
takes the waiting requests when it begins and deletes them when it ends. A request that was repeated in between stays,
and causes exactly one more check. The rows survive if the process dies. Several rows are written in the order of their
names, so that two transactions of PostgreSQL never deadlock.

Some registries announce a push before they show it. If a check does not find the pushed change, the request is
*followed up*: it is stored again for a later check.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, and_, bindparam, func, or_, select

from microbadger.freshness import pace
from microbadger.freshness.stored_images import is_on_request
from microbadger.image import DOCKER_HUB, Reference, Repository, kept_repositories
from microbadger.logs import current_id
from microbadger.store import ASKED_TAGS, REQUESTS, Database, excluded, upsert

_MOST_TAGS = 10  # of one image, as many as are kept beside the limit; more cause a check of the whole image
_NO_TAG = ""

_LOOKED_FOR_EVERY = timedelta(hours=1)
_MOST_ASKED_TAGS = 20

_AT_ONCE = 0.0
# Docker Hub announces a push before all of its services know it. Distribution, and registries built on it, announce a
# push an instant before the tag is updated: https://github.com/distribution/distribution/issues/2625
_FOLLOWED_UP_AFTER_SECONDS_AT_DOCKER_HUB = (30.0, 150.0)
_FOLLOWED_UP_AFTER_SECONDS = (1.0,)

# A time that is too far ahead is from before somebody set the clock back.
_IS_DUE = or_(REQUESTS.c.due_at <= bindparam("now"), REQUESTS.c.due_at > bindparam("latest"))
_WAITING = select(REQUESTS).where(REQUESTS.c.image == bindparam("which"), _IS_DUE)
_TAGS = select(REQUESTS.c.tag).where(REQUESTS.c.image == bindparam("which"), REQUESTS.c.tag != _NO_TAG)
_PACED = select(func.max(REQUESTS.c.due_at)).where(REQUESTS.c.image == bindparam("which"), REQUESTS.c.follow_ups == 0)
_ADDED = select(REQUESTS.c.tag).where(
    REQUESTS.c.image == bindparam("which"), REQUESTS.c.tag == bindparam("its_tag"), REQUESTS.c.follow_ups == 0
)
_IMAGES = (
    select(REQUESTS.c.image)
    .where(_IS_DUE)
    .group_by(REQUESTS.c.image)
    .order_by(is_on_request(REQUESTS.c.image), func.min(REQUESTS.c.asked_at))
)
_DONE = REQUESTS.delete().where(
    REQUESTS.c.image == bindparam("which"),
    REQUESTS.c.tag == bindparam("its_tag"),
    REQUESTS.c.asked == bindparam("count"),
)
_ONE_MORE = {
    "asked": REQUESTS.c.asked + 1,
    "is_view": and_(REQUESTS.c.is_view, excluded(REQUESTS.c.is_view)),
    "due_at": excluded(REQUESTS.c.due_at),
    "follow_ups": excluded(REQUESTS.c.follow_ups),
}


@dataclass(frozen=True, slots=True)
class CheckRequest:
    """A request to check a tag, or the whole image if ``tag`` is None."""

    tag: str | None
    asked: int
    asked_by: str
    """The id of the first HTTP request for this check; empty if there was none."""
    is_view: bool = False
    """Whether the cause is a view of a badge rather than a push."""
    follow_ups: int = 0
    """The number of earlier checks for this request that did not find the pushed change."""


class Requests:
    """The requests for checks, shared by all processes."""

    def __init__(self, database: Database, *, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    def add(self, *references: Reference, is_view: bool = False) -> None:
        """Store requests, all or none of them, to be answered at once. They survive a power failure once this returns.

        If many tags of an image are waiting, a push of another tag requests the whole image, and a view is ignored.
        """
        with self._database.write(durable=True) as connection:
            for reference in sorted(references, key=str):
                self._add(connection, reference, is_view=is_view)

    def add_paced(self, *references: Reference) -> dict[Repository, datetime | None]:
        """Store requests in the same way, to be answered as soon as the rate limit of each image allows.

        Return the time of the check for each image, or None for an image that is checked at once.
        """
        with self._database.write(durable=True) as connection:
            images = dict.fromkeys(reference.repository for reference in references)
            times = {image: self._due_at(connection, image) for image in images}
            for reference in sorted(references, key=str):
                due_at = times[reference.repository]
                self._add(connection, reference, due_at=due_at.timestamp() if due_at else _AT_ONCE)
        return times

    def are_waiting(self, references: Iterable[Reference]) -> bool:
        """Return whether a request for any of these references is still unanswered."""
        with self._database.read() as connection:
            rows = (
                connection.execute(_ADDED, {"which": str(each.repository), "its_tag": each.tag or _NO_TAG}).first()
                for each in references
            )
            return any(row is not None for row in rows)

    def waiting(self, connection: Connection, repository: Repository) -> list[CheckRequest]:
        """Return the requests for an image that are due now."""
        rows = connection.execute(_WAITING, {"which": str(repository), **self._times()})
        return [CheckRequest(row.tag or None, row.asked, row.asked_by, row.is_view, row.follow_ups) for row in rows]

    def begin(self, connection: Connection, repository: Repository, begun: Iterable[CheckRequest]) -> None:
        """Record that a check begins, if it answers a push."""
        if any(not request.is_view for request in begun):
            pace.note_check(connection, repository, self._now())

    def follow_up(self, connection: Connection, repository: Repository, requests: Iterable[CheckRequest]) -> None:
        """Store ended requests again for a later check, unless they have reached the limit of follow-ups."""
        is_at_docker_hub = repository.registry == DOCKER_HUB
        delays = _FOLLOWED_UP_AFTER_SECONDS_AT_DOCKER_HUB if is_at_docker_hub else _FOLLOWED_UP_AFTER_SECONDS
        now = self._now().timestamp()
        rows = [
            {
                **self._row(repository, request.tag or _NO_TAG, request.asked_by),
                "due_at": now + delays[request.follow_ups],
                "follow_ups": request.follow_ups + 1,
            }
            for request in requests
            if request.follow_ups < len(delays)
        ]
        if rows:
            upsert(connection, REQUESTS, rows)

    def end(self, connection: Connection, repository: Repository, done: Collection[CheckRequest]) -> None:
        """Delete requests that a check has answered, unless they were repeated meanwhile."""
        for request in sorted(done, key=lambda request: request.tag or _NO_TAG):
            given = {"which": str(repository), "its_tag": request.tag or _NO_TAG, "count": request.asked}
            connection.execute(_DONE, given)

    def charge(
        self, connection: Connection, repository: Repository, done: Iterable[CheckRequest], requests: int
    ) -> None:
        """Charge the requests that a check made to the budget of its registry, if the check answered a push."""
        if any(not request.is_view for request in done):
            pace.charge(connection, repository, requests, self._now())

    def repositories(self, at_most: int | None = None) -> list[Repository]:
        """Return the images with a request that is due, the longest waiting first.

        Images that are tracked only because readers requested them come last.
        """
        with self._database.read() as connection:
            return kept_repositories(connection.execute(_IMAGES.limit(at_most), self._times()).scalars())

    def is_worth_a_check(self, repository: Repository, tag: str) -> bool:
        """Return whether to check an unknown tag whose badge a reader requested, and remember the tag.

        Anyone can request any badge. So a tag causes at most one check an hour, an image has at most twenty such tags,
        and all images of a registry share a budget.
        """
        now, image = self._now(), str(repository)
        since = (now - _LOOKED_FOR_EVERY).timestamp()
        is_of_image = ASKED_TAGS.c.image == image
        is_old = (ASKED_TAGS.c.asked_at <= since) | (ASKED_TAGS.c.asked_at > now.timestamp())
        with self._database.write() as connection:
            connection.execute(ASKED_TAGS.delete().where(is_of_image, is_old))
            asked = set(connection.execute(select(ASKED_TAGS.c.tag).where(is_of_image)).scalars())
            if tag in asked or len(asked) >= _MOST_ASKED_TAGS or not pace.take_view(connection, repository, now):
                return False
            upsert(connection, ASKED_TAGS, {"image": image, "tag": tag, "asked_at": now.timestamp()})
        return True

    def forget(self, connection: Connection, repository: Repository) -> None:
        """Delete the requests for an image that is no longer tracked."""
        for table in (REQUESTS, ASKED_TAGS):
            connection.execute(table.delete().where(table.c.image == str(repository)))
        pace.forget(connection, repository)

    def _due_at(self, connection: Connection, repository: Repository) -> datetime | None:
        """Return when a requested check of an image may begin, or None if it may begin at once."""
        now = self._now()
        waits_until: float = connection.execute(_PACED, {"which": str(repository)}).scalar() or _AT_ONCE
        if now.timestamp() < waits_until <= self._times()["latest"]:
            return datetime.fromtimestamp(waits_until, UTC)
        earliest = pace.earliest(connection, repository, now)
        if earliest is None:
            return None
        return pace.reserve(connection, repository, earliest, now)

    def _add(
        self, connection: Connection, reference: Reference, *, is_view: bool = False, due_at: float = _AT_ONCE
    ) -> None:
        has_room = not reference.tag or self._has_room(connection, reference)
        if has_room or not is_view:
            tag = (has_room and reference.tag) or _NO_TAG
            row = self._row(reference.repository, tag, current_id("request") or "")
            upsert(connection, REQUESTS, {**row, "is_view": is_view, "due_at": due_at}, update=_ONE_MORE)

    def _has_room(self, connection: Connection, reference: Reference) -> bool:
        tags = connection.execute(_TAGS, {"which": str(reference.repository)}).scalars().all()
        return reference.tag in tags or len(tags) < _MOST_TAGS

    def _times(self) -> dict[str, float]:
        now = self._now().timestamp()
        return {"now": now, "latest": now + max(_FOLLOWED_UP_AFTER_SECONDS_AT_DOCKER_HUB)}

    def _row(self, repository: Repository, tag: str, asked_by: str) -> dict[str, object]:
        return {
            "image": str(repository),
            "tag": tag,
            "asked": 1,
            "asked_at": self._now().timestamp(),
            "asked_by": asked_by,
            "is_view": False,
            "due_at": _AT_ONCE,
            "follow_ups": 0,
        }
