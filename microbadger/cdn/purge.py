"""Purges changed files from a CDN in the background, without delaying their publication.

Changed addresses wait in memory until a separate thread has sent them, a few requests at a time. Failed requests are
repeated after a growing delay. Purging may fail: after five minutes a CDN asks for a file again anyway, so addresses
that have waited for that long are dropped, and nothing is stored on disk. If too many addresses are waiting, the whole
CDN is purged. If the CDN does not support that, the oldest addresses are dropped.

The operator named the CDN, so it may be on a private network and use plain http.
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
_KEPT_OF_TOO_MANY = 9_000  # below the limit, or every later addition would have to drop addresses again
_REQUESTS_AT_ONCE = 4
_MOST_FAILURES = 4  # after that many failures in one pass, further requests would probably fail as well
_MAX_ANSWER_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Timing:
    """Time limits and delays in seconds."""

    request: float = 10
    one_pass: float = 60
    first_delay: float = 5
    longest_delay: float = 60
    waiting: float = 300
    """How long an address may wait: the max-age of public files, after which a CDN reads them again anyway."""


@dataclass(frozen=True, slots=True)
class Status:
    """The number of waiting addresses in this process; if the last pass failed, why, and when the next pass begins."""

    waiting: int
    error: str | None = None
    next_try_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a request failed, in words without secrets, and how long the CDN asks to wait."""

    error: str
    retry_after_seconds: float = 0


_BROKEN = Failure("purging failed unexpectedly, see the log")


@dataclass(slots=True)
class Sent:
    """The result of a pass: the purged addresses and the failures. Addresses that were not sent are in neither."""

    purged: set[str] = field(default_factory=set)
    failures: list[Failure] = field(default_factory=list)


class Backlog:
    """The addresses that are still to be purged, and the pause after a failure.

    All times are from a monotonic clock. An address that is added while it is being sent is sent again.
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
        """The number of addresses that wait or are being sent."""
        return len(self._waiting.keys() | self._sending.keys())

    @property
    def is_sending(self) -> bool:
        return bool(self._sending)

    def add(self, wanted: Iterable[str], now: float) -> None:
        """Add addresses to purge. If too many are waiting, purge everything or drop the oldest addresses."""
        for address in wanted:
            self._waiting.pop(address, None)
            self._waiting[address] = now
        if len(self._waiting) <= _MOST_WAITING:
            return
        if self._can_purge_everything:
            self._drop(list(self._waiting), "everything is purged instead")
            self._waiting[EVERYTHING] = now
        else:
            self._drop(list(self._waiting)[:-_KEPT_OF_TOO_MANY], "too many are waiting")

    def seconds_to_wait(self, now: float) -> float | None:
        """Return the seconds until the next pass or expiry, or None if no address is waiting."""
        ends = {address: added_at + self._timing.waiting - now for address, added_at in self._waiting.items()}
        self._drop([address for address, seconds in ends.items() if seconds <= 0], "they waited for too long")
        if not self._waiting:
            return None
        return min(self.pause_seconds(now), *(ends[address] for address in self._waiting))

    def pause_seconds(self, now: float) -> float:
        """Return the seconds that are left of the pause after a failure."""
        return max(0.0, self._paused_until - now)

    def take(self) -> list[str]:
        """Return the addresses to send now, the newest first, because the CDN will reread the oldest soon anyway."""
        self._sending, self._waiting = self._waiting, {}
        return list(reversed(self._sending))

    def settle(self, sent: Sent, now: float) -> None:
        """Put the addresses that were not purged back, with their original times, and pause after a failure."""
        left = {
            address: added_at
            for address, added_at in self._sending.items()
            if address not in sent.purged and address not in self._waiting
        }
        self._waiting, self._sending = {**left, **self._waiting}, {}
        if sent.failures:
            # If the CDN accepted some requests, the pause does not grow.
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
    """Purges one CDN, or nothing if there is no target. Threads can share one object."""

    def __init__(self, target: Target | None, network: Network, *, base_url: str, timing: Timing | None = None) -> None:
        self._target = target
        self._network = network
        self._base_url = base_url
        self._timing = timing or Timing()
        self.start_afresh()
        _ALL.add(self)

    def start_afresh(self) -> None:
        """Drop the waiting addresses and the thread. A forked process calls this, because its parent purges them."""
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
        """Purge public files that changed. Returns at once."""
        wanted = list(dict.fromkeys(address for path in paths for address in addresses(path)))
        if not wanted or self._target is None:
            return
        with self._changed:
            self._backlog.add(wanted, time.monotonic())
            self._changed.notify_all()
            if not self._is_working:
                with suppress(NoThread):  # the next addition tries again
                    start_thread("purge", self._work, self._target)
                    self._is_working = True

    def wait(self) -> None:
        """Wait until everything is purged, or until the CDN has failed and nothing is being sent."""
        with self._changed:
            self._changed.wait_for(lambda: not self._is_working or self._is_pausing())

    def status(self) -> Status | None:
        """Return the status of purging in this process, or None if there is no CDN."""
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
        """Send waiting addresses until none are left."""
        while wanted := self._await_wanted():
            try:
                sent = self._send(target, wanted)
            except Exception:  # the thread has to go on, and a pause has to follow
                log.exception("purge_broke")
                sent = Sent(failures=[_BROKEN])
            self._settle(sent)

    def _await_wanted(self) -> list[str]:
        """Wait until addresses are to be sent and return them; empty if none are waiting any more."""
        with self._changed:
            while (seconds := self._backlog.seconds_to_wait(time.monotonic())) is not None:
                if seconds <= 0:
                    return self._backlog.take()
                self._changed.wait(seconds)
            self._is_working = False
            self._changed.notify_all()
            return []

    def _settle(self, sent: Sent) -> None:
        """Record the result of a pass and log it. A partial failure that repeats is not logged again."""
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
        """Send addresses in one pass and return the result. A pass ends early after its time limit or many failures."""
        one_pass = _Pass(deque(target.requests(wanted, self._base_url)), time.monotonic() + self._timing.one_pass)
        threads: list[threading.Thread] = []
        more = range(min(_REQUESTS_AT_ONCE, len(one_pass.requests)) - 1)
        with suppress(NoThread):  # the threads that did start do the work, with this one
            threads.extend(start_thread("purge", self._send_some, target, one_pass) for _ in more)
        self._send_some(target, one_pass)
        for thread in threads:
            thread.join()
        return one_pass.sent

    def _send_some(self, target: Target, one_pass: "_Pass") -> None:
        while request := one_pass.take():
            try:
                failure = self._failure(target, request)
            except Exception:  # a bug here, which counts as a failure so that a pause follows
                log.exception("purge_broke")
                failure = _BROKEN
            one_pass.record(request, failure)

    def _failure(self, target: Target, request: PurgeRequest) -> Failure | None:
        """Send one request and return why it failed, or None if it succeeded."""
        try:
            answer = self._client.send(
                request.method, Url.of(request.url), request.headers, request.body, max_bytes=_MAX_ANSWER_BYTES
            )
        except ForbiddenAddress:
            return Failure("the CDN's host name resolves to an address that no CDN can have")
        except HttpError as error:
            return Failure(f"the CDN could not be reached: {error}")
        refusal = target.refusal(answer.status, answer.body)
        return Failure(refusal, retry_after_seconds(answer.headers, time.time()) or 0) if refusal else None


@dataclass(slots=True)
class _Pass:
    """The requests of one pass, which several threads share. It ends after its time limit or several failures."""

    requests: deque[PurgeRequest]
    ends_at: float
    sent: Sent = field(default_factory=Sent)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self) -> PurgeRequest | None:
        """Return the next request, or None if the pass is over."""
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
