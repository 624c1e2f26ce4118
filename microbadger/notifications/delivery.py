"""Sends what waits: in order for each subscription, one message at a time, and no receiver waits for another.

Several processes may deliver at once. Whoever holds the lock of a subscription sends for it; the kernel frees the lock
of a process that dies, and its message, which still waits, is sent by the next.
"""

import threading
from collections import deque
from collections.abc import Callable

from microbadger.logs import EventLog
from microbadger.notifications.outbox import Attempt, Message
from microbadger.notifications.receivers import Scope
from microbadger.notifications.subscriptions import Notifications, Subscription
from microbadger.store import try_lock, unlock

log = EventLog(__name__)

_AT_ONCE = 32

Send = Callable[[Subscription, Message, Scope], Attempt]


class Delivery:
    """Delivers in threads of its own, a bounded number of them, none of which holds up the end of the process."""

    def __init__(
        self, notifications: Notifications, send: Send, on_attempt: Callable[[Attempt], object] = lambda _: None
    ) -> None:
        self._notifications = notifications
        self._send = send
        self._on_attempt = on_attempt
        self._changed = threading.Condition()
        self._in_hand: set[str] = set()
        self._queue: deque[str] = deque()
        self._threads = 0

    def deliver_due(self) -> None:
        """Begin to send what is due; returns at once."""
        due = self._notifications.due()
        with self._changed:
            new = [subscription_id for subscription_id in due if subscription_id not in self._in_hand]
            self._in_hand.update(new)
            self._queue.extend(new)
            more = min(len(self._queue), _AT_ONCE - self._threads)
            self._threads += more
        for _ in range(more):
            threading.Thread(target=self._work, name="notifications", daemon=True).start()

    def wait(self) -> None:
        """Return when nothing is being sent by this process."""
        with self._changed:
            self._changed.wait_for(lambda: not self._threads)

    def deliver(self, subscription_id: str) -> None:
        """Send what is due for a subscription, unless another is at it: that one asks again after it has finished."""
        while self._notifications.next_due(subscription_id):
            lock = try_lock(self._notifications.lock_path(subscription_id))
            if lock is None:
                return
            try:
                while due := self._notifications.next_due(subscription_id):
                    self._deliver(*due)
            finally:
                unlock(lock)

    def test(self, subscription: Subscription) -> Attempt:
        """Send a test message now, past those that wait, and return what came of it."""
        message = self._notifications.test_message(subscription)
        attempt = self._send(subscription, message, self._notifications.scope(subscription))
        self._notifications.settle_test(subscription, message, attempt)
        _tell("tested", subscription, message, attempt)
        return attempt

    def _deliver(self, subscription: Subscription, message: Message) -> None:
        attempt = self._send(subscription, message, self._notifications.scope(subscription))
        state = self._notifications.settle(subscription, message, attempt)
        self._on_attempt(attempt)
        _tell(state or "removed", subscription, message, attempt)

    def _work(self) -> None:
        while subscription_id := self._next():
            try:
                self.deliver(subscription_id)
            except Exception:  # a defect of ours, which must not keep the others from their messages
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


def _tell(state: str, subscription: Subscription, message: Message, attempt: Attempt) -> None:
    tell = log.info if attempt.has_arrived else log.warning
    tell(
        "notification",
        state=state,
        id=subscription.id,
        image=subscription.image_name,
        message=message.id,
        status=attempt.status or None,
        error=attempt.error or None,
    )
