"""How a check ended, and who hears of it."""

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
    """How a check ended: what changed and which public paths, or the sentence that says why it failed and its reason.

    ``note`` is a sentence about what a check that succeeded could not read.
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
    """All that follows a check."""

    cdn: CdnPurge
    notifications: Notifications
    counts: Counts

    def purge(self, paths: Collection[str]) -> None:
        """Have the CDN forget paths that are gone."""
        self.cdn.add(paths)

    def follow(self, outcome: Outcome) -> None:
        """Have the CDN forget what changed, begin to send messages, count the check and log it."""
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
