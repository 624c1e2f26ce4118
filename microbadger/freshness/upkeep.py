"""The recurring tasks besides checks. Each belongs to a duty, which one process performs for all processes."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import islice

from microbadger.freshness.admissions import Admissions
from microbadger.freshness.base_records import BaseRecords
from microbadger.freshness.catalogue import Catalogue
from microbadger.freshness.checks import Checks
from microbadger.freshness.duties import LISTS, MESSAGES
from microbadger.freshness.removal import Removal
from microbadger.freshness.sightings import Sightings
from microbadger.freshness.strays import Strays
from microbadger.freshness.tracked_images import TrackedImages
from microbadger.image import Repository, parse_kept
from microbadger.notifications import Notifications
from microbadger.registry import Content
from microbadger.site import PublicTree, PublishError
from microbadger.store import TRACKED_IMAGES, Counts, Database, StoreError, identity_of, read_value, write_value

_Stamp = tuple[object, ...]
"""A value that differs after each change of the tracked images or of the database that is used."""

_LONG_COMPARISON_SECONDS = 1.0
_REST_FACTOR = 50.0
_SECONDS_BETWEEN_CLEANINGS = 86400.0
_CLEANED_AT = "cleaned_at"
DUTY_OF: Mapping[str, str] = {"publish the lists": LISTS, "send messages": MESSAGES}
"""The duty of each task that does not belong to the duty ``FOLLOW``."""
REGISTRY_HANGS = "registry_hangs_seconds"
_HANGING_FOR_SECONDS = 15.0  # three rounds


@dataclass(slots=True, kw_only=True)
class Upkeep:
    """The tasks that run in each round of the schedule."""

    database: Database
    tracked: TrackedImages
    checks: Checks
    removal: Removal
    strays: Strays
    catalogue: Catalogue
    admissions: Admissions
    notifications: Notifications
    counts: Counts
    cleaning: "Cleaning"
    _known: _Stamp = field(default=(), init=False)
    """The stamp when this process last scheduled new images."""
    _compared: _Stamp = field(default=(), init=False)
    """The stamp when this process last searched for images that are no longer tracked."""
    _rest_until: float = field(default=0.0, init=False)
    _gone: set[Repository] = field(default_factory=set, init=False)
    """Untracked images that are not removed yet, because a check is running or the file may be half written."""

    def count(self) -> None:
        """Write the counts of this process, and the images that readers requested, for the other processes."""
        self.counts.write()
        self.admissions.write_notes()

    def note_hanging(self, seconds_of: Mapping[str, float]) -> None:
        """Publish in the metrics how long checks have waited for registries. The values expire after a few rounds."""
        for registry, seconds in seconds_of.items():
            self.counts.set(REGISTRY_HANGS, round(seconds), _HANGING_FOR_SECONDS, host=registry)

    @property
    def tasks(self) -> Mapping[str, Callable[[], None]]:
        """The tasks of a round by their names. A task that fails does not stop the others."""
        return {
            "drop images that nobody requests": self.admissions.drop_unrequested,
            "follow the tracked images": self.follow_tracked,
            "remove stray files": self.strays.remove,
            "bring forward checks that are due too late": self.checks.hasten_misdated,
            "publish the lists": self.catalogue.publish_if_stale,
            "send messages": self.notifications.deliver_due,
            "report the end of the round": self._say_when,
        }

    def follow_tracked(self) -> None:
        """Remove untracked images, hide images that are no longer ``private``, and schedule new images."""
        try:
            self._remove_what_is_gone()
        finally:
            self._add_what_is_new()

    def begin_list(self) -> None:
        """Schedule some of the listed images if none is scheduled yet.

        A list that is made before the first round then contains them.
        """
        if next(self.checks.repositories(), None) is None:
            for page in islice(self.checks.without_check(self.tracked.listed()), 1):
                self.checks.add(page)

    def _remove_what_is_gone(self) -> None:
        """Remove and hide images. This comes before any other write, so that no other failure keeps files public."""
        known = self._stamp()
        if self._is_to_compare(known, self._compared):
            pages = self.checks.pages_without(TRACKED_IMAGES)
            self._gone = {image for page in pages for image in page if image not in self.tracked}
            self._compared = known
        gone = [repository for repository in self._gone if self.tracked.may_be_removed(repository)]
        _do_all(
            *(partial(self.removal.hide, repository) for repository in self.removal.hidden()),
            *(partial(self._remove, repository) for repository in gone),
            self.removal.drop_mentions,
        )

    def _add_what_is_new(self) -> None:
        known = self._stamp()
        if self._is_to_compare(known, self._known):
            began_at = time.monotonic()
            if not _is_of_command(known, self._known):
                self.tracked.take_over()
            self.checks.check_all_of_other_editions()
            for page in self.checks.without_check(self.tracked.listed()):
                self.checks.add(page)
            for page in self.checks.pages_unchecked(TRACKED_IMAGES):
                self.checks.add(page)
            self.tracked.remember()
            self._known = known
            took_seconds = time.monotonic() - began_at
            if took_seconds > _LONG_COMPARISON_SECONDS:
                self._rest_until = time.monotonic() + _REST_FACTOR * took_seconds

    def _stamp(self) -> _Stamp:
        with self.database.read() as connection:
            return *self.tracked.stamp, identity_of(connection)

    def _is_to_compare(self, known: _Stamp, before: _Stamp) -> bool:
        """Return whether to compare the tracked images with the scheduled ones.

        A command that tracks or untracks an image updates the schedule itself. After a command, the comparison is only
        needed if the command died before that, so the comparison can wait if it takes long.
        """
        if known == before:
            return False
        return not _is_of_command(known, before) or time.monotonic() >= self._rest_until

    def _remove(self, repository: Repository) -> None:
        if self.removal.remove_if_idle(repository):
            self._gone.discard(repository)

    def _say_when(self) -> None:
        self.counts.set("last_round_timestamp_seconds", round(time.time(), 3))


def _is_of_command(known: _Stamp, before: _Stamp) -> bool:
    """Return whether only the images in the database have changed, not the file, and the database is still the same."""
    return bool(before) and (known[0], known[2]) == (before[0], before[2])


def _do_all(*works: Callable[[], None]) -> None:
    """Call all functions even if some of them fail, and then raise the first error."""
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
    """Removes obsolete data once a day."""

    database: Database
    content: Content
    sightings: Sightings
    bases: BaseRecords
    admissions: Admissions
    public: PublicTree

    def begins(self) -> bool:
        """Return whether it is time to clean up. If so, store the time, so that the next cleaning is a day later."""
        now = time.time()
        with self.database.read() as connection:
            cleaned_at = read_value(connection, _CLEANED_AT)
        if 0 <= now - (parse_kept(cleaned_at, float) or 0) < _SECONDS_BETWEEN_CLEANINGS:
            return False
        with self.database.write() as connection:
            write_value(connection, _CLEANED_AT, str(now))
        return True

    def clean(self) -> None:
        """Remove the oldest content if there is too much, rows that nothing needs any more, and temporary files.

        Processes that were killed leave such temporary files among the public files.
        """
        self.content.clean()
        self.sightings.clean()
        self.bases.clean()
        self.admissions.clean()
        self.public.sweep()
