"""Sends asks to a CDN: a few at a time, each within its time, until all are answered or enough of them failed.

The operator named the CDN, so it may be private and spoken to over plain http. Redirects are not followed, connections
go only to addresses that were checked, and of an answer no more is read than it takes to understand it.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from microbadger.cdn.target import Ask
from microbadger.http import Client, ForbiddenAddress, HttpError, Limits, Network, Url, is_possible, retry_after_seconds
from microbadger.logs import EventLog

log = EventLog(__name__)

_AT_ONCE = 4
_MOST_FAILURES = 4  # whoever fails this often will fail again
_ASK_SECONDS = 10.0
_ALL_SECONDS = 60.0
_MAX_ANSWER_BYTES = 64 * 1024

Refusal = Callable[[int, bytes], str | None]
"""Tells from the status and body of an answer why an ask was not granted; None if it was."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an ask was not granted, in a sentence without secrets, and how long the CDN wants to be left alone."""

    error: str
    retry_after_seconds: float = 0


@dataclass(slots=True)
class Sent:
    """What came of some asks: the paths that are forgotten now, and the failures; what was not sent is in neither."""

    granted: set[str] = field(default_factory=set)
    failures: list[Failure] = field(default_factory=list)


class CdnSender:
    """Asks a CDN and tells what came of it."""

    def __init__(
        self,
        *,
        user_agent: str,
        ask_seconds: float = _ASK_SECONDS,
        all_seconds: float = _ALL_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._all_seconds = all_seconds
        self._clock = clock
        self._client = Client(
            Network(user_agent),
            is_possible,
            limits=Limits(ask_seconds, ask_seconds, ask_seconds),
            connections_per_host=_AT_ONCE,
        )

    def send(self, asks: Iterable[Ask], refusal: Refusal) -> Sent:
        """Return what came of asks, whatever that was."""
        sending = _Sending(deque(asks), time.monotonic() + self._all_seconds)
        threads = [
            threading.Thread(target=self._send_some, args=[sending, refusal], name="purge", daemon=True)
            for _ in range(min(_AT_ONCE, len(sending.asks)))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sending.sent

    def _send_some(self, sending: "_Sending", refusal: Refusal) -> None:
        while ask := sending.take():
            sending.note(ask, self._failure(ask, refusal))

    def _failure(self, ask: Ask, refusal: Refusal) -> Failure | None:
        """Send one ask and return why it was not granted, or None."""
        try:
            return self._exchange(ask, refusal)
        except ForbiddenAddress:
            return Failure("the CDN's name leads to an address where no CDN is")
        except HttpError as error:
            return Failure(f"the CDN could not be reached: {error}")
        except Exception:  # a defect of ours, which must count as a failure so that there is a pause after it
            log.exception("purge_broke")
            return Failure("asking the CDN broke, see the log")

    def _exchange(self, ask: Ask, refusal: Refusal) -> Failure | None:
        answer = self._client.send(ask.method, Url.of(ask.url), ask.headers, ask.body, max_bytes=_MAX_ANSWER_BYTES)
        error = refusal(answer.status, answer.body)
        return Failure(error, retry_after_seconds(answer.headers, self._clock()) or 0) if error else None


@dataclass(slots=True)
class _Sending:
    """Asks from which several threads take until none is left, several failed or the time is up."""

    asks: deque[Ask]
    ends_at: float
    sent: Sent = field(default_factory=Sent)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self) -> Ask | None:
        """Return the next ask, or None when there shall be no more."""
        with self._lock:
            is_over = len(self.sent.failures) >= _MOST_FAILURES or time.monotonic() > self.ends_at
            return self.asks.popleft() if self.asks and not is_over else None

    def note(self, ask: Ask, failure: Failure | None) -> None:
        """Note what came of an ask."""
        with self._lock:
            if failure is None:
                self.sent.granted.update(ask.paths)
            else:
                self.sent.failures.append(failure)
