"""Sends one message once, to an untrusted receiver.

An attempt takes about ten seconds at most, whatever the receiver does. Redirects are not followed, and connections go
only to addresses that were checked. The status of the answer decides whether the message has arrived. The start of the
answer is kept for debugging.
"""

import time
from collections.abc import Callable
from contextlib import closing

from microbadger.http import (
    Client,
    ForbiddenAddress,
    HttpError,
    Limits,
    Network,
    Url,
    retry_after_seconds,
)
from microbadger.notifications.outbox import Attempt, Message
from microbadger.notifications.receivers import InvalidReceiver, Scope
from microbadger.notifications.signing import signed_headers
from microbadger.notifications.subscriptions import Subscription

_TIMEOUT_SECONDS = 10.0
_MAX_RESPONSE_BYTES = 1024
_LONGEST_WAIT_SECONDS = 24 * 3600.0


class Sender:
    """Signs and posts messages."""

    def __init__(
        self,
        network: Network,
        *,
        timeout_seconds: float = _TIMEOUT_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._network = network
        self._limits = Limits(timeout_seconds, timeout_seconds, timeout_seconds)
        self._clock = clock

    def send(self, subscription: Subscription, message: Message, scope: Scope) -> Attempt:
        """Send a message and return the result. A failure is returned, not raised."""
        try:
            scope.check(subscription.url)
            return self._attempt(subscription, message, scope)
        except (InvalidReceiver, ForbiddenAddress):
            return Attempt(error="messages may not be sent to the address of this URL")
        except HttpError as error:
            return Attempt(error=str(error))

    def _attempt(self, subscription: Subscription, message: Message, scope: Scope) -> Attempt:
        body = message.body.encode()
        headers = {
            "Content-Type": "application/json",
            **message.headers,
            "Connection": "close",
            **({"Authorization": subscription.authorization_header} if subscription.authorization_header else {}),
            **signed_headers(subscription.secret, message.id, int(self._clock()), body),
        }
        with closing(Client(self._network, scope.allows, limits=self._limits)) as client:
            # A receiver may repeat the header in its answer. It must be read as a whole to be removed.
            most_bytes = _MAX_RESPONSE_BYTES + len(subscription.authorization_header)
            answer = client.send(
                "POST", Url.of(subscription.url), headers, body, max_bytes=most_bytes, is_begin_enough=True
            )
        delay_seconds = retry_after_seconds(answer.headers, self._clock(), at_most=_LONGEST_WAIT_SECONDS)
        return Attempt(answer.status, _shown(answer.body, subscription), retry_after_seconds=delay_seconds)


def _shown(answer: bytes, subscription: Subscription) -> str:
    """Return the start of an answer as text for the history, with the authorization masked."""
    header = subscription.authorization_header
    for secret in filter(None, (header, header.rpartition(" ")[2])):
        answer = answer.replace(secret.encode(), b"*" * len(secret))
    return answer[:_MAX_RESPONSE_BYTES].decode("utf-8", "replace")
