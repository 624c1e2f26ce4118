"""Has a CDN forget what changed, soon after it did, and never in the way of a publication.

A refresh only adds paths to a queue on disk; a thread of its own sends what waits. Several processes may try at once:
who holds the lock sends, and the kernel frees the lock of a process that dies. What fails is tried again after a
growing delay. Nothing here has to succeed: a CDN asks again for what it keeps after five minutes anyway, so what waited
for a day is given up, and when too much waits, everything is forgotten at once where a CDN can do that, and where it
cannot the oldest paths are dropped.
"""

import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from microbadger.cdn.queue import Batch, PurgeQueue, Trouble
from microbadger.cdn.sender import Refusal, Sent
from microbadger.cdn.target import EVERYTHING, Ask, Target
from microbadger.logs import EventLog
from microbadger.site import addresses
from microbadger.store import try_lock, unlock

log = EventLog(__name__)

_MOST_WAITING = 10_000
_KEPT_OF_TOO_MANY = 9_000  # fewer than may wait, so that not every addition has to drop something
_GIVEN_UP_AFTER = timedelta(days=1)
_FIRST_DELAY = timedelta(seconds=5)
_LONGEST_DELAY = timedelta(minutes=15)
_LONGEST_TOLD_DELAY = timedelta(hours=6)

Send = Callable[[list[Ask], Refusal], Sent]


@dataclass(frozen=True, slots=True)
class Status:
    """How purging stands: how many URLs wait and, if the CDN failed last, why and when it is asked again."""

    waiting: int
    error: str | None = None
    next_try_at: datetime | None = None


class CdnPurge:
    """The purging of one CDN, whose queue lies in a folder that all processes share."""

    def __init__(
        self,
        target: Target,
        folder: Path,
        *,
        base_url: str,
        send: Send,
        now: Callable[[], datetime],
    ) -> None:
        self._target = target
        self._queue = PurgeQueue(folder)
        self._lock_path = folder / "lock"
        self._base_url = base_url
        self._send = send
        self._now = now
        self._changed = threading.Condition()
        self._is_wanted = self._is_working = False

    def add(self, paths: Collection[str]) -> None:
        """Keep public paths whose content changed until the CDN has forgotten them; nothing is sent yet."""
        wanted = list(dict.fromkeys(address for path in paths for address in addresses(path)))
        try:
            self._queue.add(wanted, self._now())
            if wanted:
                self._bound()
        except OSError as error:  # what is published matters more than how soon a CDN shows it
            log.error("purge_not_kept", urls=len(wanted), error=error.strerror)

    def purge_due(self) -> None:
        """Begin to send what waits, if its time has come; returns at once."""
        try:
            if not self._is_due():
                return
        except OSError as error:
            log.error("purge_state_not_read", error=error.strerror)
            return
        with self._changed:
            self._is_wanted = True
            if self._is_working:
                return
            self._is_working = True
        threading.Thread(target=self._work, name="purge", daemon=True).start()

    def wait(self) -> None:
        """Return when nothing is being sent by this process."""
        with self._changed:
            self._changed.wait_for(lambda: not self._is_working)

    def status(self) -> Status:
        """Return how purging stands, over all processes."""
        try:
            trouble, waiting = self._queue.trouble(), sum(batch.count for batch in self._queue.batches())
        except OSError as error:
            return Status(0, f"its state cannot be read: {error.strerror}")
        return Status(waiting, trouble.error, trouble.next_try_at) if trouble else Status(waiting)

    def _work(self) -> None:
        while self._is_still_wanted():
            try:
                self._purge()
            except OSError as error:
                log.error("purge_state_not_kept", error=error.strerror)
            except Exception:  # a defect of ours, which must not end the purging for good
                log.exception("purge_broke")

    def _is_still_wanted(self) -> bool:
        with self._changed:
            self._is_working, self._is_wanted = self._is_wanted, False
            self._changed.notify_all()
            return self._is_working

    def _purge(self) -> None:
        """Send what is due, unless another process is at it: that one looks again after it has finished."""
        while self._is_due():
            lock = try_lock(self._lock_path)
            if lock is None:
                return
            try:
                while self._is_due():
                    self._pass()
            finally:
                unlock(lock)

    def _is_due(self) -> bool:
        if not self._queue.batches():
            return False
        trouble, now = self._queue.trouble(), self._now()
        # A time further away than any delay was noted before somebody set the clock.
        return trouble is None or not now < trouble.next_try_at <= now + _LONGEST_TOLD_DELAY

    def _pass(self) -> None:
        """Ask for everything that waits, the newest first: the oldest is the closest to be asked for again anyway."""
        waiting = self._paths_by_batch()
        paths = list(dict.fromkeys(path for batch in reversed(waiting) for path in waiting[batch]))
        asks = self._target.asks(paths, self._base_url)
        sent = self._send(asks, self._target.refusal)
        left = {path for ask in asks for path in ask.paths} - sent.granted
        for batch, before in waiting.items():
            self._settle(batch, before, [path for path in before if path in left])
        self._note(sent)

    def _paths_by_batch(self) -> dict[Batch, list[str]]:
        """Return what waits, the oldest first, without what is not worth an ask any more."""
        batches = self._queue.batches()
        old = [batch for batch in batches if batch.added_at <= self._now() - _GIVEN_UP_AFTER]
        paths_of = {batch: self._queue.read(batch) for batch in batches if batch not in old}
        self._drop(old, "they waited for a day")
        self._drop([batch for batch, paths in paths_of.items() if paths is None], "their file is damaged")
        return {batch: paths for batch, paths in paths_of.items() if paths is not None}

    def _settle(self, batch: Batch, before: Sequence[str], left: Sequence[str]) -> None:
        if not left:
            self._queue.drop(batch)
        elif len(left) < len(before):
            self._queue.keep(batch, left)

    def _note(self, sent: Sent) -> None:
        """Remember how a pass went; say so, but not that some asks fail in a way that was told already."""
        if not sent.granted and not sent.failures:
            return  # there was nothing worth an ask, which tells nothing of the CDN
        last = self._queue.trouble()
        trouble = self._trouble(sent, last) if sent.failures else None
        if sent.granted:
            log.info("purged", urls=len(sent.granted))
        if trouble and not (last and last.error == trouble.error and sent.granted):
            log.warning("purge_failed", error=trouble.error, failures=trouble.failures)
        if trouble or last:
            self._queue.note(trouble)

    def _trouble(self, sent: Sent, last: Trouble | None) -> Trouble:
        """Return what went wrong; a CDN that granted something is not asked ever more rarely because of the rest."""
        failures = 1 if sent.granted or last is None else last.failures + 1
        own = min(_FIRST_DELAY * 2 ** min(failures - 1, 10), _LONGEST_DELAY)
        told = timedelta(seconds=max(failure.retry_after_seconds for failure in sent.failures))
        return Trouble(sent.failures[0].error, failures, self._now() + max(own, told))

    def _bound(self) -> None:
        """Keep what waits from becoming too much."""
        batches = self._queue.batches()
        count = sum(batch.count for batch in batches)
        if count <= _MOST_WAITING:
            return
        if self._target.forgets_everything:
            self._queue.add([EVERYTHING], self._now())  # first: whoever dies here has lost nothing
            self._drop(batches, "everything is to be forgotten instead")
            return
        surplus = []
        for batch in batches:
            if count > _KEPT_OF_TOO_MANY:
                surplus.append(batch)
                count -= batch.count
        self._drop(surplus, "newer ones wait, too many for all")

    def _drop(self, batches: Sequence[Batch], reason: str) -> None:
        for batch in batches:
            self._queue.drop(batch)
        if batches:
            log.warning("purge_dropped", urls=sum(batch.count for batch in batches), reason=reason)
