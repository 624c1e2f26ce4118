"""What the process that leads does every few seconds besides checks."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from microbadger.freshness.catalogue import Catalogue
from microbadger.freshness.checks import Checks
from microbadger.freshness.removal import Removal
from microbadger.freshness.strays import Strays
from microbadger.freshness.tracked_images import TrackedImages
from microbadger.image import Repository, parse_kept
from microbadger.notifications import Notifications
from microbadger.registry import Content
from microbadger.site import PublishError
from microbadger.store import Counts, Database, StoreError, identity_of, read_value, sweep, write_value

_SECONDS_BETWEEN_CLEANINGS = 86400.0
_CLEANED_AT = "cleaned_at"
REGISTRY_HANGS = "registry_hangs_seconds"
_HANGING_FOR_SECONDS = 15.0  # three rounds


@dataclass(slots=True, kw_only=True)
class Upkeep:
    """The tasks of a round."""

    database: Database
    tracked: TrackedImages
    checks: Checks
    removal: Removal
    strays: Strays
    catalogue: Catalogue
    notifications: Notifications
    counts: Counts
    cleaning: "Cleaning"
    _known: object = field(default=(), init=False)
    """The stamp of the tracked images and the database when this process last had new images checked."""
    _compared: object = field(default=(), init=False)
    """The same when it last looked for images that are gone."""
    _gone: set[Repository] = field(default_factory=set, init=False)
    """Images that are tracked no more and are still there: one may be under way, or the file half written."""

    def count(self) -> None:
        """Let the other processes see what this one counted."""
        self.counts.write()

    def note_hanging(self, seconds_of: Mapping[str, float]) -> None:
        """Have monitors see for how long checks have waited for registries, until the next round says so again."""
        for registry, seconds in seconds_of.items():
            self.counts.set(REGISTRY_HANGS, round(seconds), _HANGING_FOR_SECONDS, host=registry)

    @property
    def tasks(self) -> Mapping[str, Callable[[], None]]:
        """What the process that leads does in each round; one that fails does not hold up the others."""
        return {
            "follow the tracked images": self.follow_tracked,
            "remove files that nothing vouches for": self.strays.remove,
            "publish the lists": self.catalogue.publish_if_stale,
            "send messages": self.notifications.deliver_due,
            "say that the round has ended": self._say_when,
        }

    def follow_tracked(self) -> None:
        """Remove untracked images, hide those that lost their ``private``, and have new ones checked."""
        try:
            self._remove_what_is_gone()
        finally:
            self._add_what_is_new()

    def _remove_what_is_gone(self) -> None:
        """Do what takes something down; it writes nothing first, so that no other trouble keeps anything public."""
        with self.database.read() as connection:
            known = self.tracked.stamp, identity_of(connection)
        if known != self._compared:
            checked = self.checks.repositories()  # first: an image that is tracked meanwhile must not seem to be gone
            self._gone = checked - {image.repository for image in self.tracked}
            self._compared = known
        gone = [repository for repository in self._gone if self.tracked.may_be_removed(repository)]
        _do_all(
            *(partial(self.removal.hide, repository) for repository in self.removal.hidden()),
            *(partial(self._remove, repository) for repository in gone),
            self.removal.drop_mentions,
        )

    def _add_what_is_new(self) -> None:
        with self.database.read() as connection:
            known = self.tracked.stamp, identity_of(connection)
        if known != self._known:
            tracked = {image.repository for image in self.tracked}
            self.checks.check_all_of_other_editions()
            self.checks.add(tracked - self.checks.repositories())
            self.tracked.remember()
            self._known = known

    def _remove(self, repository: Repository) -> None:
        if self.removal.remove_if_idle(repository):
            self._gone.discard(repository)

    def _say_when(self) -> None:
        self.counts.set("last_round_timestamp_seconds", round(time.time(), 3))


def _do_all(*works: Callable[[], None]) -> None:
    """Do each of several things, whatever happens with others; raise what happened first."""
    troubles: list[OSError | PublishError | StoreError] = []
    for work in works:
        try:
            work()
        except (OSError, PublishError, StoreError) as error:
            troubles.append(error)
    if troubles:
        raise troubles[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaning:
    """Removes once a day what is of no use any more."""

    database: Database
    content: Content
    public: Path

    def begins(self) -> bool:
        """Return whether it is time to clean up, and remember that it is being done."""
        now = time.time()
        with self.database.read() as connection:
            cleaned_at = read_value(connection, _CLEANED_AT)
        if 0 <= now - (parse_kept(cleaned_at, float) or 0) < _SECONDS_BETWEEN_CLEANINGS:
            return False
        with self.database.write() as connection:
            write_value(connection, _CLEANED_AT, str(now))
        return True

    def clean(self) -> None:
        """Remove the oldest content if there is too much, and what killed processes left in the public folder."""
        self.content.clean()
        sweep(self.public)
