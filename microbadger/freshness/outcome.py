"""The outcome of a check, and what follows from it: a purge of the CDN, messages, metrics and a log line."""

from collections.abc import Collection
from dataclasses import dataclass

from microbadger.cdn import CdnPurge
from microbadger.image import NO_CHANGES, Changes, Reason, Repository
from microbadger.logs import EventLog, work_seconds
from microbadger.notifications import Notifications
from microbadger.store import Counts

log = EventLog(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a check.

    ``changes`` are the changes of the image, and ``paths`` the public paths whose content changed. ``reason`` and
    ``error``, a sentence, say why the check failed. ``note`` is a sentence about what a successful check could not
    read.
    """

    repository: Repository
    changes: Changes = NO_CHANGES
    paths: frozenset[str] = frozenset()
    tag_count: int = 0
    reason: Reason | None = None
    error: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Aftermath:
    """Does what follows from a check."""

    cdn: CdnPurge
    notifications: Notifications
    counts: Counts

    def purge(self, paths: Collection[str]) -> None:
        """Have the CDN drop its copies of these paths."""
        self.cdn.add(paths)

    def follow(self, outcome: Outcome) -> None:
        """Purge the changed paths from the CDN, begin to send messages, and count and log the check."""
        self.cdn.add(outcome.paths)
        if outcome.changes:
            self.notifications.deliver_due()
        self._count(outcome)
        name, seconds = outcome.repository.familiar, work_seconds()
        if outcome.error:
            log.warning("refresh_failed", image=name, cause=outcome.reason, error=outcome.error, seconds=seconds)
        else:
            counts = outcome.changes.counts
            log.info("refreshed", image=name, tags=outcome.tag_count, **counts, note=outcome.note, seconds=seconds)

    def _count(self, outcome: Outcome) -> None:
        result = "failed" if outcome.error else "ok"
        self.counts.add("refreshes", result=result)
        self.counts.add("refresh_seconds_sum", work_seconds(), result=result)
        self.counts.add("refresh_seconds_count", result=result)
        if outcome.reason:
            self.counts.add("refresh_failures", cause=outcome.reason)
