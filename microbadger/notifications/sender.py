"""Sends one message once, to an untrusted receiver.

Everything together takes ten seconds at most, whatever the receiver does; only a name server can take longer. Redirects
are not followed, and connections go only to addresses that were checked. The status of the answer decides; its begin is
kept for debugging.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPException

import requests
from urllib3.exceptions import HTTPError
from urllib3.response import BaseHTTPResponse

from microbadger.http import (
    Address,
    CutOff,
    ForbiddenAddress,
    PinnedAdapter,
    Reach,
    Resolve,
    cut_off_after,
    resolve_name,
)
from microbadger.notifications.outbox import Attempt, Message
from microbadger.notifications.receivers import InvalidReceiver, Scope
from microbadger.notifications.signing import signed_headers
from microbadger.notifications.subscriptions import Subscription
from microbadger.registry import reason_of, told_delay_seconds

_TIMEOUT_SECONDS = 10.0
_MAX_RESPONSE_BYTES = 1024


class Sender:
    """Posts messages, signed."""

    def __init__(
        self,
        *,
        user_agent: str,
        timeout_seconds: float = _TIMEOUT_SECONDS,
        resolve: Resolve = resolve_name,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._user_agent = user_agent
        self._timeout_seconds = timeout_seconds
        self._resolve = resolve
        self._clock = clock

    def send(self, subscription: Subscription, message: Message, scope: Scope) -> Attempt:
        """Send a message and return the result; nothing is raised if it does not arrive."""
        try:
            scope.check(subscription.url)
            return self._exchange(self._prepared(subscription, message), scope)
        except (InvalidReceiver, ForbiddenAddress):
            return Attempt(error="the URL leads to an address where messages may not go")
        except CutOff:
            return Attempt(error="it does not answer")
        except (requests.RequestException, HTTPError, HTTPException, OSError, ValueError) as error:
            return Attempt(error=reason_of(error))

    def _prepared(self, subscription: Subscription, message: Message) -> requests.PreparedRequest:
        body = message.body.encode()
        headers = {
            "User-Agent": self._user_agent,
            "Content-Type": "application/json",
            "Accept-Encoding": "identity",
            "Connection": "close",
            **signed_headers(subscription.secret, message.id, int(self._clock()), body),
        }
        # Not through a session: it would add cookies, netrc passwords and what the environment says.
        return requests.Request("POST", subscription.url, headers, data=body).prepare()

    def _exchange(self, prepared: requests.PreparedRequest, scope: Scope) -> Attempt:
        deadline = _Deadline(self._timeout_seconds)
        adapter = PinnedAdapter(_ReachUntil(self._resolve, scope.allows, deadline), connections_per_host=1)
        try:
            response = adapter.send(prepared, stream=True, timeout=self._timeout_seconds)
            begin = _begin_of(response.raw, deadline).decode("utf-8", "replace")
            delay_seconds = told_delay_seconds(response.headers, self._clock())
            return Attempt(response.status_code, begin, retry_after_seconds=delay_seconds)
        finally:
            adapter.close()


class _Deadline:
    """The moment by which everything must be over."""

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    @property
    def left_seconds(self) -> float:
        return max(self._at - time.monotonic(), 0.0)


class _ReachUntil(Reach):
    """A reach whose connections share the time that is left: what connecting takes is not there for the answer."""

    _deadline: _Deadline

    def __init__(self, resolve: Resolve, allows: Callable[[Address], bool], deadline: _Deadline) -> None:
        for name, value in (("resolve", resolve), ("allows", allows), ("_deadline", deadline)):
            object.__setattr__(self, name, value)

    @property
    def connect_seconds(self) -> float:
        return self._deadline.left_seconds

    @property
    def answer_seconds(self) -> float:
        return self._deadline.left_seconds


def _begin_of(raw: BaseHTTPResponse, deadline: _Deadline) -> bytes:
    """Return the begin of a body, or as much of it as arrived in time."""
    begin = b""
    with (
        suppress(CutOff, HTTPError, HTTPException, OSError, ValueError),
        cut_off_after(deadline.left_seconds, raw.shutdown),
    ):
        while len(begin) < _MAX_RESPONSE_BYTES and (part := raw.read1(_MAX_RESPONSE_BYTES, decode_content=False)):
            begin += part
    return begin[:_MAX_RESPONSE_BYTES]
