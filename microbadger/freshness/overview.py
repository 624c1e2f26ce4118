"""Knows how all tracked images stand: which are due, which fail, how old the oldest check is.

Each process reads the check of every image once, and from then on only those of images that were looked at, in whatever
process. That nothing is missed, when a clock is set or files are lost, a few checks in turn are read again each time.
"""

import heapq
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from microbadger.freshness.checks import Check, Checks
from microbadger.freshness.look_log import LookLog, LookReader
from microbadger.freshness.tracked_images import TrackedImages
from microbadger.image import Repository
from microbadger.site import ImagePaths, Publisher

_READ_IN_TURN = 50
_CLOCK_WAS_SET_SECONDS = 60.0
_FAILING_NAMED = 100
_AT_ONCE = 0.0


@dataclass(frozen=True, slots=True)
class Summary:
    """How many images there are, were never read, are due and fail, and the first of those that fail."""

    image_count: int
    pending_count: int
    due_count: int
    failing_count: int
    failing: list[tuple[Repository, Check]]
    oldest_check: datetime | None


class Overview:
    """How all images stand, as one process knows it; times within are Unix times."""

    def __init__(
        self,
        tracked: TrackedImages,
        checks: Checks,
        publisher: Publisher,
        looks: LookLog,
        *,
        now: Callable[[], datetime],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tracked = tracked
        self._checks = checks
        self._publisher = publisher
        self._looks = LookReader(looks)
        self._now = now
        self._clock = clock
        self._clock_offset = 0.0
        self._stamp: object = None
        self._lock = threading.Lock()
        self._due_at: dict[Repository, float] = {}
        self._succeeded_at: dict[Repository, float] = {}
        self._failing: dict[Repository, None] = {}
        self._due: dict[Repository, None] = {}
        self._coming: list[tuple[float, int, Repository]] = []
        """A heap of what is not due; an entry is void if the image is due at another time."""
        self._pushed = 0
        self._in_turn: list[Repository] = []
        self._unread: dict[Repository, None] = {}
        """Those whose checks are to be read, or could not be."""

    def is_due(self, repository: Repository) -> bool:
        """Tell whether the time for the next look at an image has come, by what stands on disk now."""
        check = self._checks.get(repository)
        return self._is_lost(repository, check) or check.is_due(self._now())

    def due(self) -> list[Repository]:
        """Return the images whose time for a look has come, those that wait longest first."""
        with self._lock:
            self._update()
            return list(self._due)

    def summary(self) -> Summary:
        """Return how the images stand."""
        with self._lock:
            self._update()
            named = [*self._failing][:_FAILING_NAMED]
            oldest = min(self._succeeded_at.values(), default=None)
            return Summary(
                image_count=len(self._due_at),
                pending_count=len(self._due_at) - len(self._succeeded_at),
                due_count=len(self._due),
                failing_count=len(self._failing),
                failing=[(repository, self._checks.get(repository)) for repository in named],
                oldest_check=None if oldest is None else datetime.fromtimestamp(oldest, UTC),
            )

    def _update(self) -> None:
        now = self._now().timestamp()
        self._unread |= dict.fromkeys(self._to_read(now))
        for repository in [*self._unread]:
            self._read(repository)
        while self._coming and self._coming[0][0] <= now:
            due_at, _, repository = heapq.heappop(self._coming)
            if self._due_at.get(repository) == due_at:
                self._due[repository] = None
        if len(self._coming) > 2 * len(self._due_at):
            self._coming = [entry for entry in self._coming if self._due_at.get(entry[2]) == entry[0]]
            heapq.heapify(self._coming)

    def _to_read(self, now: float) -> Iterable[Repository]:
        """Return the images of whose checks this process may know too little."""
        stamp, news, offset = self._tracked.stamp, self._looks.news(), now - self._clock()
        was_set = abs(offset - self._clock_offset) > _CLOCK_WAS_SET_SECONDS
        self._clock_offset = offset
        if news is None or was_set:
            self._forget_all()
        elif stamp == self._stamp:
            return [*filter(self._tracked.get, news), *self._next_in_turn()]
        self._stamp = stamp
        listed = dict.fromkeys(image.repository for image in self._tracked)
        for repository in [known for known in self._due_at if known not in listed]:
            self._forget(repository)
        return [known for known in listed if known in (news or ()) or known not in self._due_at]

    def _next_in_turn(self) -> list[Repository]:
        self._in_turn = self._in_turn or [*self._due_at]
        taken, self._in_turn = self._in_turn[:_READ_IN_TURN], self._in_turn[_READ_IN_TURN:]
        return [*filter(self._tracked.get, taken)]

    def _read(self, repository: Repository) -> None:
        try:
            check = self._checks.get(repository)
            del self._unread[repository]
        except OSError:  # the look that is due then says why, and the next question may find it
            check = Check()
        due_at = self._due_time(repository, check)
        if self._due_at.get(repository) != due_at:
            self._due_at[repository] = due_at
            self._due.pop(repository, None)
            self._pushed += 1
            heapq.heappush(self._coming, (due_at, self._pushed, repository))
        if check.succeeded_at:
            self._succeeded_at[repository] = check.succeeded_at.timestamp()
        else:
            self._succeeded_at.pop(repository, None)
        if check.error:
            self._failing[repository] = None
        else:
            self._failing.pop(repository, None)

    def _forget(self, repository: Repository) -> None:
        for known in (self._due_at, self._succeeded_at, self._failing, self._due, self._unread):
            known.pop(repository, None)

    def _forget_all(self) -> None:
        for known in (self._due_at, self._succeeded_at, self._failing, self._due, self._unread, self._coming):
            known.clear()

    def _due_time(self, repository: Repository, check: Check) -> float:
        if check.due_at is None or self._is_lost(repository, check):
            return _AT_ONCE
        return check.due_at.timestamp()

    def _is_lost(self, repository: Repository, check: Check) -> bool:
        return check.error is None and not self._publisher.has(ImagePaths.of(repository).metadata)
