"""Delivers due messages. Each subscription gets one message at a time, in order, and never waits for another receiver.

Several processes can deliver at once: the process that holds the lease of a subscription sends its messages. The result
of an attempt, the state of the message and the history are written in one transaction. If a process dies before that,
the next process that looks for due messages sends the message again under the same id.
"""

import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from microbadger.http import NoThread, start_thread
from microbadger.image import Repository, format_time
from microbadger.logs import EventLog
from microbadger.notifications import outbox, subscriptions
from microbadger.notifications.messages import Announcement, message_bytes, message_headers
from microbadger.notifications.outbox import Attempt, Message, State
from microbadger.notifications.receivers import Scope
from microbadger.notifications.subscriptions import Subscription
from microbadger.store import Counts, Database, Lease, LeaseLost, Leases, StoreError

log = EventLog(__name__)

_AT_ONCE = 32
_GONE = 410  # in the Standard Webhooks specification: the receiver wants no more messages

Send = Callable[[Subscription, Message, Scope], Attempt]


class Delivery:
    """Delivers messages in a limited number of daemon threads, which do not delay the end of the process."""

    def __init__(
        self,
        database: Database,
        leases: Leases,
        counts: Counts,
        send: Send,
        *,
        base_url: str,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._leases = leases
        self._counts = counts
        self._send = send
        self._base_url = base_url
        self._now = now
        self._changed = threading.Condition()
        self._in_hand: set[str] = set()
        self._queue: deque[str] = deque()
        self._threads = 0

    def deliver_due(self) -> None:
        """Begin to send due messages, and return at once."""
        with self._database.read() as connection:
            due = outbox.due(connection, self._now())
        with self._changed:
            new = [subscription_id for subscription_id in due if subscription_id not in self._in_hand]
            self._in_hand.update(new)
            self._queue.extend(new)
            with suppress(NoThread):  # running threads send the messages, or the next call does
                for _ in range(min(len(self._queue), _AT_ONCE - self._threads)):
                    start_thread("notifications", self._work)
                    self._threads += 1

    def wait(self) -> None:
        """Wait until this process sends nothing any more."""
        with self._changed:
            self._changed.wait_for(lambda: not self._threads)

    def send_test(self, subscription: Subscription) -> Attempt:
        """Send a test message at once, ahead of all waiting messages, and return the result."""
        message = self._test_message(subscription)
        attempt = self._send(subscription, message, subscription.scope(self._base_url))
        state: State = "delivered" if attempt.has_arrived else "failed"
        with self._database.write(durable=True) as connection:
            if subscriptions.lock(connection, subscription.id):
                delivery = attempt.document(message, subscription.url, state, self._now())
                outbox.remember(connection, subscription.id, delivery)
        _log_attempt("tested", subscription, message, attempt)
        return attempt

    def _work(self) -> None:
        while subscription_id := self._next():
            try:
                self._deliver(subscription_id)
            except (StoreError, LeaseLost) as error:
                log.error("notifications_failed", id=subscription_id, error=error)
            except Exception:  # a bug must not stop the delivery to other subscriptions
                log.exception("notification_broke", id=subscription_id)
            finally:
                with self._changed:
                    self._in_hand.discard(subscription_id)

    def _next(self) -> str | None:
        with self._changed:
            if self._queue:
                return self._queue.popleft()
            self._threads -= 1
            self._changed.notify_all()
            return None

    def _deliver(self, subscription_id: str) -> None:
        """Send the due messages of a subscription, unless another process does so.

        The other process looks for due messages again after giving the lease back, so no message is left behind.
        """
        while self._next_due(subscription_id) and (lease := self._leases.try_take(lease_name(subscription_id))):
            try:
                while due := self._next_due(subscription_id):
                    lease.renew()
                    self._send_and_settle(*due, lease)
            finally:
                self._leases.give_back(lease)

    def _next_due(self, subscription_id: str) -> tuple[Subscription, Message] | None:
        with self._database.read() as connection:
            subscription = subscriptions.read(connection, subscription_id)
            message = outbox.first_due(connection, subscription_id, self._now())
        return (subscription, message) if subscription and subscription.is_enabled and message else None

    def _send_and_settle(self, subscription: Subscription, message: Message, lease: Lease) -> None:
        attempt = self._send(subscription, message, subscription.scope(self._base_url))
        state = self._settle(subscription, message, attempt, lease)
        self._counts.add("notification_attempts", result="ok" if attempt.has_arrived else "failed")
        _log_attempt(state or "removed", subscription, message, attempt)

    def _settle(self, sent: Subscription, message: Message, attempt: Attempt, lease: Lease) -> State | None:
        """Record the result of an attempt and return the message's state, or None if the subscription was removed.

        If the receiver answers 410 Gone, the subscription is disabled until an administrator enables it again.
        """
        with self._database.write(durable=True) as connection:
            subscription = subscriptions.lock(connection, sent.id)
            if subscription is None:
                return None
            lease.prove(connection)
            if attempt.status == _GONE and subscription.url == sent.url:
                subscriptions.update(connection, replace(subscription, is_enabled=False))
            return outbox.settle(connection, sent.id, sent.url, message, attempt, self._now())

    def _test_message(self, subscription: Subscription) -> Message:
        now = self._now()
        announcement = Announcement(
            image_name=subscription.image_name,
            registry=Repository.parse(subscription.image_name).registry,
            page_url=subscription.page_url(self._base_url),
            at=format_time(now),
        )
        body = message_bytes(announcement, subscription.format)
        headers = message_headers(announcement, subscription.format)
        return Message(outbox.new_id(), body.decode(), 1, now, headers)


def lease_name(subscription_id: str) -> str:
    """Return the name of the lease that a process holds while it sends messages of a subscription."""
    return f"subscription:{subscription_id}"


def _log_attempt(state: str, subscription: Subscription, message: Message, attempt: Attempt) -> None:
    write = log.info if attempt.has_arrived else log.warning
    write(
        "notification",
        state=state,
        id=subscription.id,
        image=subscription.image_name,
        message=message.id,
        status=attempt.status or None,
        error=attempt.error or None,
    )
