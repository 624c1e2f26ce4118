"""Has a CDN forget what changed, soon after it did, and never in the way of a publication.

What changed waits in memory until a thread of its own has sent it, a few requests at a time; what fails is sent again
after a growing delay. Nothing here has to succeed: a CDN asks again after five minutes for what it keeps, so what has
waited that long is dropped, and nothing is kept on disk. If too much waits, everything is purged at once where a CDN
can do that; where it cannot, the oldest addresses are dropped.

The operator named the CDN, so it may be private and use plain http.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from weakref import WeakSet

from microbadger.cdn.target import EVERYTHING, PurgeRequest, Target
from microbadger.http import (
    Client,
    ForbiddenAddress,
    HttpError,
    Limits,
    Network,
    NoThread,
    Url,
    is_possible,
    retry_after_seconds,
    start_thread,
)
from microbadger.logs import EventLog
from microbadger.site import addresses

log = EventLog(__name__)

_MOST_WAITING = 10_000
_KEPT_OF_TOO_MANY = 9_000  # fewer than may wait, so that not every addition has to drop something
_REQUESTS_AT_ONCE = 4
_MOST_FAILURES = 4  # after so many in one pass the others would fail as well
_MAX_ANSWER_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Timing:
    """How long things take at most, in seconds."""

    request: float = 10
    one_pass: float = 60
    first_delay: float = 5
    longest_delay: float = 60
    waiting: float = 300
    """How long a CDN keeps what it has: the max-age of public files."""


@dataclass(frozen=True, slots=True)
class Status:
    """What waits in this process and, if the CDN failed last, why and when the next try begins."""

    waiting: int
    error: str | None = None
    next_try_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a request did not succeed, in a sentence without secrets, and how long the CDN asks to wait."""

    error: str
    retry_after_seconds: float = 0


_BROKEN = Failure("purging broke, see the log")


@dataclass(slots=True)
class Sent:
    """The result of a pass: the addresses that are purged, and the failures; what was not sent is in neither."""

    purged: set[str] = field(default_factory=set)
    failures: list[Failure] = field(default_factory=list)


class Backlog:
    """The addresses that a CDN still has to purge, and the pause after it failed.

    Times are those of a monotonic clock. An address that is added while it is being sent is sent again.
    """

    def __init__(self, timing: Timing, *, can_purge_everything: bool) -> None:
        self._timing = timing
        self._can_purge_everything = can_purge_everything
        self._waiting: dict[str, float] = {}
        self._sending: dict[str, float] = {}
        self._failures_in_a_row = 0
        self._paused_until = float("-inf")
        self.error: str | None = None

    @property
    def count(self) -> int:
        """How many addresses wait or are being sent."""
        return len(self._waiting.keys() | self._sending.keys())

    @property
    def is_sending(self) -> bool:
        return bool(self._sending)

    def add(self, wanted: Iterable[str], now: float) -> None:
        """Have addresses purged; if there are too many, drop those that are the closest to being fresh anyway."""
        for address in wanted:
            self._waiting.pop(address, None)
            self._waiting[address] = now
        if len(self._waiting) <= _MOST_WAITING:
            return
        if self._can_purge_everything:
            self._drop(list(self._waiting), "everything is purged instead")
            self._waiting[EVERYTHING] = now
        else:
            self._drop(list(self._waiting)[:-_KEPT_OF_TOO_MANY], "too many wait")

    def seconds_to_wait(self, now: float) -> float | None:
        """Return how long to wait before anything is to be done; None if nothing waits."""
        ends = {address: added_at + self._timing.waiting - now for address, added_at in self._waiting.items()}
        self._drop([address for address, seconds in ends.items() if seconds <= 0], "they waited for too long")
        if not self._waiting:
            return None
        return min(self.pause_seconds(now), *(ends[address] for address in self._waiting))

    def pause_seconds(self, now: float) -> float:
        """Return how long the CDN is still left alone."""
        return max(0.0, self._paused_until - now)

    def take(self) -> list[str]:
        """Return what is to be sent now, the newest first: the oldest is the closest to being fresh anyway."""
        self._sending, self._waiting = self._waiting, {}
        return list(reversed(self._sending))

    def settle(self, sent: Sent, now: float) -> None:
        """Let what was not purged wait again, as long as before, and pause after a failure."""
        left = {
            address: added_at
            for address, added_at in self._sending.items()
            if address not in sent.purged and address not in self._waiting
        }
        self._waiting, self._sending = {**left, **self._waiting}, {}
        if sent.failures:
            # A CDN that accepted something is not asked ever more rarely because of the rest.
            self._failures_in_a_row = 1 if sent.purged else self._failures_in_a_row + 1
            own_seconds = self._timing.first_delay * 2 ** min(self._failures_in_a_row - 1, 10)
            asked_seconds = max(failure.retry_after_seconds for failure in sent.failures)
            self._paused_until = now + max(min(own_seconds, self._timing.longest_delay), asked_seconds)
            self.error = sent.failures[0].error
        else:
            self._failures_in_a_row = 0
            self.error = None

    def _drop(self, dropped: Collection[str], reason: str) -> None:
        for address in dropped:
            del self._waiting[address]
        if dropped:
            log.warning("purge_dropped", urls=len(dropped), reason=reason)


class CdnPurge:
    """The purging of one CDN; without a target, nothing is purged. One object serves all threads."""

    def __init__(self, target: Target | None, network: Network, *, base_url: str, timing: Timing | None = None) -> None:
        self._target = target
        self._network = network
        self._base_url = base_url
        self._timing = timing or Timing()
        self.start_afresh()
        _ALL.add(self)

    def start_afresh(self) -> None:
        """Forget what waits, and the thread: what a process was forked from has to purge is for that one to do."""
        seconds = self._timing.request
        self._changed = threading.Condition()
        self._backlog = Backlog(
            self._timing, can_purge_everything=self._target is not None and self._target.can_purge_everything
        )
        self._client = Client(
            self._network,
            is_possible,
            limits=Limits(seconds, seconds, seconds),
            connections_per_host=_REQUESTS_AT_ONCE,
        )
        self._is_working = False

    def add(self, paths: Iterable[str]) -> None:
        """Have the CDN purge public files that changed; returns at once."""
        wanted = list(dict.fromkeys(address for path in paths for address in addresses(path)))
        if not wanted or self._target is None:
            return
        with self._changed:
            self._backlog.add(wanted, time.monotonic())
            self._changed.notify_all()
            if not self._is_working:
                with suppress(NoThread):  # what is added next has it sent
                    start_thread("purge", self._work, self._target)
                    self._is_working = True

    def wait(self) -> None:
        """Return when everything is purged, or the CDN failed and nothing is being sent."""
        with self._changed:
            self._changed.wait_for(lambda: not self._is_working or self._is_pausing())

    def status(self) -> Status | None:
        """Return how purging stands in this process; None if no CDN is purged."""
        if self._target is None:
            return None
        with self._changed:
            backlog = self._backlog
            if backlog.error is None:
                return Status(backlog.count)
            next_try = time.time() + backlog.pause_seconds(time.monotonic())
            return Status(backlog.count, backlog.error, datetime.fromtimestamp(next_try, UTC))

    def _is_pausing(self) -> bool:
        return not self._backlog.is_sending and self._backlog.pause_seconds(time.monotonic()) > 0

    def _work(self, target: Target) -> None:
        """Send what waits until nothing does."""
        while wanted := self._await_wanted():
            try:
                sent = self._send(target, wanted)
            except Exception:  # such as no thread to be had; the pause after it must not last for ever
                log.exception("purge_broke")
                sent = Sent(failures=[_BROKEN])
            self._settle(sent)

    def _await_wanted(self) -> list[str]:
        """Wait until something is to be sent and return it; nothing if no more waits."""
        with self._changed:
            while (seconds := self._backlog.seconds_to_wait(time.monotonic())) is not None:
                if seconds <= 0:
                    return self._backlog.take()
                self._changed.wait(seconds)
            self._is_working = False
            self._changed.notify_all()
            return []

    def _settle(self, sent: Sent) -> None:
        """Record how a pass went, and log it unless it failed in part as the last one did."""
        with self._changed:
            last_error = self._backlog.error
            self._backlog.settle(sent, time.monotonic())
            error = self._backlog.error
            self._changed.notify_all()
        if sent.purged:
            log.info("purged", urls=len(sent.purged))
        if error and not (error == last_error and sent.purged):
            log.warning("purge_failed", error=error, failures=len(sent.failures))

    def _send(self, target: Target, wanted: list[str]) -> Sent:
        """Return the result of one pass, which ends early when its time is up or too much fails."""
        one_pass = _Pass(deque(target.requests(wanted, self._base_url)), time.monotonic() + self._timing.one_pass)
        threads: list[threading.Thread] = []
        more = range(min(_REQUESTS_AT_ONCE, len(one_pass.requests)) - 1)
        with suppress(NoThread):  # those that are there do the work, this one if there are none
            threads.extend(start_thread("purge", self._send_some, target, one_pass) for _ in more)
        self._send_some(target, one_pass)
        for thread in threads:
            thread.join()
        return one_pass.sent

    def _send_some(self, target: Target, one_pass: "_Pass") -> None:
        while request := one_pass.take():
            try:
                failure = self._failure(target, request)
            except Exception:  # a defect of ours, which counts as a failure so that a pause follows
                log.exception("purge_broke")
                failure = _BROKEN
            one_pass.record(request, failure)

    def _failure(self, target: Target, request: PurgeRequest) -> Failure | None:
        """Send one request and return why it did not succeed, or None."""
        try:
            answer = self._client.send(
                request.method, Url.of(request.url), request.headers, request.body, max_bytes=_MAX_ANSWER_BYTES
            )
        except ForbiddenAddress:
            return Failure("the CDN's name leads to an address where a CDN cannot be")
        except HttpError as error:
            return Failure(f"the CDN could not be reached: {error}")
        refusal = target.refusal(answer.status, answer.body)
        return Failure(refusal, retry_after_seconds(answer.headers, time.time()) or 0) if refusal else None


@dataclass(slots=True)
class _Pass:
    """Requests from which several threads take until none is left, several failed or the time is up."""

    requests: deque[PurgeRequest]
    ends_at: float
    sent: Sent = field(default_factory=Sent)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self) -> PurgeRequest | None:
        """Return the next request, or None when there shall be no more."""
        with self._lock:
            is_over = len(self.sent.failures) >= _MOST_FAILURES or time.monotonic() > self.ends_at
            return self.requests.popleft() if self.requests and not is_over else None

    def record(self, request: PurgeRequest, failure: Failure | None) -> None:
        """Record the result of a request."""
        with self._lock:
            if failure is None:
                self.sent.purged.update(request.addresses)
            else:
                self.sent.failures.append(failure)


_ALL: "WeakSet[CdnPurge]" = WeakSet()


def _start_all_afresh() -> None:
    for purge in list(_ALL):
        purge.start_afresh()


os.register_at_fork(after_in_child=_start_all_afresh)
