"""Notifications: subscriptions, messages about changes, and their delivery.

`announce` writes messages in the transaction that writes the new record of the image, so both are committed or neither
is. Each change therefore creates exactly one message for each interested subscription, even if a process dies, and each
message is sent until it is delivered or has failed too often.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from microbadger.image import ChangeDocument, Changes, ImageDocument
from microbadger.notifications import outbox, subscriptions
from microbadger.notifications.delivery import Delivery, Send, lease_name
from microbadger.notifications.messages import (
    announce_changes,
    matching,
    message_bytes,
    message_headers,
    without_rebuilds,
)
from microbadger.notifications.outbox import Attempt, DeliveryDocument
from microbadger.notifications.receivers import is_same_server
from microbadger.notifications.signing import new_secret
from microbadger.notifications.subscriptions import Subscription
from microbadger.store import LEASES, Counts, Database, Leases


@dataclass(frozen=True, slots=True)
class DeliveryStatus:
    """How many messages of a subscription wait, how many are parked, and the last deliveries, latest first."""

    waiting: int
    parked: int
    history: list[DeliveryDocument]


class Notifications:
    """The subscriptions and the messages for them, shared by all processes.

    Methods raise StoreError if the database cannot be used.
    """

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
        self._base_url = base_url
        self._now = now
        self._delivery = Delivery(database, leases, counts, send, base_url=base_url, now=now)

    def all(self) -> list[Subscription]:
        """Return every subscription, oldest first."""
        with self._database.read() as connection:
            return subscriptions.read_all(connection)

    def get(self, subscription_id: str) -> Subscription | None:
        """Return the subscription with an id, or None."""
        with self._database.read() as connection:
            return subscriptions.read(connection, subscription_id)

    def add(self, image_name: str, url: str, **options: Any) -> Subscription:
        """Subscribe a URL to an image, and return the subscription. ``options`` are other fields of `Subscription`.

        Raises InvalidReceiver and InvalidSubscription.
        """
        subscription = Subscription(
            id=secrets.token_hex(8), image_name=image_name, url=url, secret=new_secret(), **options
        )
        subscription.check(self._base_url)
        subscription.check_patterns()
        with self._database.write(durable=True) as connection:
            subscriptions.insert(connection, subscription)
        return subscription

    def change(self, subscription_id: str, **fields: Any) -> Subscription | None:
        """Change fields of a subscription, and return it, or None if the id is unknown. Raises the errors of `add`.

        If the new URL points to another server, and ``fields`` have no new authorization header, the old header is
        removed, because it is meant for the old server.
        """
        with self._database.write(durable=True) as connection:
            before = subscriptions.lock(connection, subscription_id)
            if before is None:
                return None
            after = replace(before, **fields)
            if after.url != before.url:
                after = replace(after, is_by_operator=False)
                if "authorization_header" not in fields and not is_same_server(before.url, after.url):
                    after = replace(after, authorization_header="")
            after.check(self._base_url)
            if after.tags != before.tags:
                after.check_patterns()
            subscriptions.update(connection, after)
        return after

    def remove(self, subscription_id: str) -> bool:
        """Remove a subscription with its messages. Return False if the id is unknown."""
        with self._database.write(durable=True) as connection:
            if not subscriptions.delete(connection, subscription_id):
                return False
            outbox.forget(connection, subscription_id)
            connection.execute(LEASES.delete().where(LEASES.c.name == lease_name(subscription_id)))
        return True

    def announce(
        self,
        connection: Connection,
        before: ImageDocument,
        after: ImageDocument,
        changes: Changes,
        change: ChangeDocument | None = None,
    ) -> None:
        """Write messages about changes, within the transaction that writes the record. Nothing is sent yet.

        ``change`` is the entry about the changes in the change log.
        """
        if not changes:
            return
        without = without_rebuilds(changes, change)
        for subscription in subscriptions.lock_interested(connection, after["ImageName"]):
            wanted = changes if subscription.wants_rebuilt else without
            wanted = wanted if subscription.wants_base_moved else replace(wanted, base_moved=())
            if chosen := matching(wanted, subscription.tags):
                announcement = announce_changes(before, after, chosen, self.page_url(subscription), change)
                body = message_bytes(announcement, subscription.format).decode()
                headers = message_headers(announcement, subscription.format)
                outbox.put(connection, subscription.id, body, self._now(), headers)

    def resend(self, subscription_id: str) -> int:
        """Make all messages of a subscription due now, including the parked ones. Return how many there are."""
        with self._database.write(durable=True) as connection:
            subscriptions.lock(connection, subscription_id)
            return outbox.resend(connection, subscription_id, self._now())

    def status(self, subscription_id: str) -> DeliveryStatus:
        """Return how many messages of a subscription are not yet delivered, and its last deliveries."""
        with self._database.read() as connection:
            waiting, parked = outbox.lengths(connection, subscription_id)
            return DeliveryStatus(waiting, parked, outbox.history(connection, subscription_id))

    def lengths(self) -> dict[str, int]:
        """Return how many messages of all subscriptions are ``waiting``, and how many are ``parked``."""
        with self._database.read() as connection:
            waiting, parked = outbox.all_lengths(connection)
        return {"waiting": waiting, "parked": parked}

    def page_url(self, subscription: Subscription) -> str:
        """Return the URL of the image's page."""
        return subscription.page_url(self._base_url)

    def deliver_due(self) -> None:
        """Begin to send due messages, and return at once."""
        self._delivery.deliver_due()

    def wait(self) -> None:
        """Wait until this process sends nothing any more."""
        self._delivery.wait()

    def send_test(self, subscription: Subscription) -> Attempt:
        """Send a test message at once, ahead of all waiting messages, and return the result."""
        return self._delivery.send_test(subscription)
