"""Stores *sightings*: when each digest of an image, and each pair of a tag and a digest, was first seen.

These times cannot be recovered, so they are never changed, and are kept for a while after an image is untracked.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, bindparam, func, select, tuple_

from microbadger.freshness.last_check import is_moment
from microbadger.image import (
    FirstSeen,
    ImageDocument,
    Repository,
    Sighting,
    VersionDocument,
    new_sights,
    sights_in,
    with_first_seen,
)
from microbadger.store import CHECKS, FIRST_SEEN, UNTRACKED_IMAGES, Database, upsert

KEPT_UNTRACKED_FOR = timedelta(days=90)
MOST_SIGHTINGS = 10_000
"""The limit for one image. Beyond it, the oldest sightings are deleted, except those that its files show."""
_MOST_FORGOTTEN_AT_ONCE = 1000
_ASKED_AT_ONCE = 1000

_SIGHTING = tuple_(FIRST_SEEN.c.tag, FIRST_SEEN.c.digest)
_OF_IMAGE = FIRST_SEEN.c.image == bindparam("which")
_FIND = select(FIRST_SEEN).where(_OF_IMAGE, _SIGHTING.in_(bindparam("sightings", expanding=True)))
_COUNT = select(func.count()).select_from(FIRST_SEEN).where(_OF_IMAGE)
_OLDEST_FIRST = select(FIRST_SEEN.c.tag, FIRST_SEEN.c.digest).where(_OF_IMAGE).order_by(FIRST_SEEN.c.seen_at)
_REMOVE = FIRST_SEEN.delete().where(
    _OF_IMAGE, FIRST_SEEN.c.tag == bindparam("its_tag"), FIRST_SEEN.c.digest == bindparam("its_digest")
)
_REMOVE_ALL = FIRST_SEEN.delete().where(_OF_IMAGE)
_UNTRACKED_AT = select(UNTRACKED_IMAGES.c.untracked_at).where(UNTRACKED_IMAGES.c.image == bindparam("which"))
_FORGET_UNTRACKED = UNTRACKED_IMAGES.delete().where(UNTRACKED_IMAGES.c.image == bindparam("which"))
_IS_OLD = UNTRACKED_IMAGES.c.untracked_at < bindparam("before")
_LONG_UNTRACKED = (
    select(UNTRACKED_IMAGES.c.image)
    .where(_IS_OLD, UNTRACKED_IMAGES.c.image.not_in(select(CHECKS.c.image)))
    .limit(_MOST_FORGOTTEN_AT_ONCE)
)


class Sightings:
    """The sightings of all images."""

    def __init__(self, database: Database, *, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    def seen_at(
        self,
        repository: Repository,
        versions: Sequence[VersionDocument],
        before: ImageDocument | None,
        known: Collection[str],
    ) -> tuple[list[VersionDocument], dict[Sighting, FirstSeen]]:
        """Return the versions with the times when they and their tags were first seen, and the new sightings.

        ``before`` is the record of the image, and ``known`` are the tags that the registry had at the last check. Store
        the new sightings before a file shows them: if the process died in between, the file would later show another
        time.
        """
        now = new_sights(versions, before, known, self._now())
        last = sights_in(before) if before else {}
        seen = last | self.find(repository, [sighting for sighting in now if sighting not in last])
        sights = now | seen
        first = {sighting: sight for sighting, sight in now.items() if sighting not in seen}
        return [with_first_seen(version, sights) for version in versions], first

    def find(self, repository: Repository, sightings: Sequence[Sighting]) -> dict[Sighting, FirstSeen]:
        """Return the stored times of these sightings; those that are not stored are left out."""
        found: dict[Sighting, FirstSeen] = {}
        if not sightings:
            return found  # most checks find nothing new
        with self._database.read() as connection:
            if self._is_too_old(connection, repository):
                return found
            for begin in range(0, len(sightings), _ASKED_AT_ONCE):
                asked = sightings[begin : begin + _ASKED_AT_ONCE]
                for row in connection.execute(_FIND, {"which": str(repository), "sightings": asked}):
                    if is_moment(row.seen_at):
                        seen_at = datetime.fromtimestamp(row.seen_at, UTC)
                        found[row.tag, row.digest] = FirstSeen(seen_at, row.is_exact is True)
        return found

    def add(
        self,
        connection: Connection,
        repository: Repository,
        new: Mapping[Sighting, FirstSeen],
        shown: Collection[Sighting],
    ) -> None:
        """Store the ``new`` sightings of a tracked image. ``shown`` are those that its files show."""
        which = {"which": str(repository)}
        if self._is_too_old(connection, repository):
            connection.execute(_REMOVE_ALL, which)
        connection.execute(_FORGET_UNTRACKED, which)
        rows = [
            {
                "image": str(repository),
                "tag": tag,
                "digest": digest,
                "seen_at": sight.seen_at.timestamp(),
                "is_exact": sight.is_exact,
            }
            for (tag, digest), sight in new.items()
        ]
        if rows:
            upsert(connection, FIRST_SEEN, rows)
            self._thin(connection, repository, shown)

    def note_untracked(self, connection: Connection, repository: Repository) -> None:
        """Record that an image is no longer tracked. Its sightings expire unless it is tracked again in time."""
        row = {"image": str(repository), "untracked_at": self._now().timestamp()}
        upsert(connection, UNTRACKED_IMAGES, row)

    def clean(self) -> None:
        """Delete the sightings of images that were untracked long ago, of at most a thousand images at once."""
        before = self._oldest_kept
        with self._database.read() as connection:
            images = connection.execute(_LONG_UNTRACKED, {"before": before}).scalars().all()
        for image in images:
            which = {"which": image}
            with self._database.write() as connection:
                if connection.execute(_FORGET_UNTRACKED.where(_IS_OLD), {**which, "before": before}).rowcount:
                    connection.execute(_REMOVE_ALL, which)

    def _is_too_old(self, connection: Connection, repository: Repository) -> bool:
        """Return whether an image was untracked so long ago that its sightings have expired."""
        untracked_at = connection.execute(_UNTRACKED_AT, {"which": str(repository)}).scalar_one_or_none()
        return untracked_at is not None and untracked_at < self._oldest_kept

    @property
    def _oldest_kept(self) -> float:
        return _oldest_kept(self._now())

    def _thin(self, connection: Connection, repository: Repository, shown: Collection[Sighting]) -> None:
        surplus = connection.execute(_COUNT, {"which": str(repository)}).scalar_one() - MOST_SIGHTINGS
        if surplus > 0:
            oldest = connection.execute(_OLDEST_FIRST, {"which": str(repository)}).all()
            gone = [row for row in oldest if (row.tag, row.digest) not in shown][:surplus]
            rows = [{"which": str(repository), "its_tag": row.tag, "its_digest": row.digest} for row in gone]
            if rows:
                connection.execute(_REMOVE, rows)


def note_tracked(connection: Connection, repositories: Iterable[Repository], now: datetime) -> None:
    """Record that images are tracked, perhaps again. Their sightings do not expire while they wait for a check."""
    which = [{"which": str(repository), "before": _oldest_kept(now)} for repository in repositories]
    connection.execute(_FORGET_UNTRACKED.where(~_IS_OLD), which)


def _oldest_kept(now: datetime) -> float:
    return (now - KEPT_UNTRACKED_FOR).timestamp()
