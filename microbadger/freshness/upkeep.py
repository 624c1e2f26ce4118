"""What the process that leads does every few seconds besides checks."""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from microbadger.freshness.catalogue import Catalogue
from microbadger.freshness.checks import Checks
from microbadger.freshness.refresh import Refresher
from microbadger.freshness.tracked_images import TrackedImages
from microbadger.image import Repository
from microbadger.notifications import Notifications
from microbadger.registry import Content
from microbadger.store import Counts, Database, identity_of, read_value, sweep, write_value

_SECONDS_BETWEEN_CLEANINGS = 86400.0
_CLEANED_AT = "cleaned_at"


@dataclass(slots=True, kw_only=True)
class Upkeep:
    """The tasks of a round."""

    database: Database
    tracked: TrackedImages
    checks: Checks
    refresher: Refresher
    catalogue: Catalogue
    notifications: Notifications
    counts: Counts
    content: Content
    public: Path
    _known: object = field(default=(), init=False)
    """The stamp of the tracked images and the database when this process last compared the two."""

    def count(self) -> None:
        """Let the other processes see what this one counted."""
        self.counts.write()

    @property
    def tasks(self) -> Mapping[str, Callable[[], None]]:
        """What the process that leads does in each round; one that fails keeps the others from nothing."""
        return {
            "follow the tracked images": self.follow_tracked,
            "publish the lists": self.catalogue.publish_if_stale,
            "send messages": self.notifications.deliver_due,
            "clean up": self._clean,
            "say that the round has ended": self._say_when,
        }

    def follow_tracked(self) -> None:
        """Have new images checked, and remove those that are tracked no more."""
        with self.database.read() as connection:
            known = self.tracked.stamp, identity_of(connection)
        if known == self._known:
            return
        tracked, checked = {image.repository for image in self.tracked}, self.checks.repositories()
        self.checks.check_all_of_other_editions()
        self.checks.add(tracked - checked)
        self.tracked.remember()
        if self._have_removed(checked - tracked):
            self._known = known

    def _have_removed(self, gone: Collection[Repository]) -> bool:
        """Remove images, and return whether all of them are: one may be under way, or the file half written."""
        if gone and not self.tracked.is_trusted:
            return False
        return False not in [self.refresher.remove_if_idle(repository) for repository in gone]

    def _say_when(self) -> None:
        self.counts.set("last_round_timestamp_seconds", round(time.time(), 3))

    def _clean(self) -> None:
        """Remove what is of no use any more, once a day: of files there can be millions."""
        now = time.time()
        with self.database.read() as connection:
            cleaned_at = read_value(connection, _CLEANED_AT)
        if 0 <= now - float(cleaned_at or 0) < _SECONDS_BETWEEN_CLEANINGS:
            return
        with self.database.write() as connection:
            write_value(connection, _CLEANED_AT, str(now))
        self.content.clean()
        sweep(self.public)
