"""Knows who wants to be told that the tags of an image moved, and has the messages on disk before it is published.

`announce` only writes files: whoever dies after it has lost nothing, because the messages wait; and if the image's new
record was not written yet, the next look announces the same once more. A message's id follows from the subscription,
the record that was replaced and the changes, so the repetition is recognised here and, at the latest, by the receiver.
"""

import hashlib
import json
import re
import secrets
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from microbadger.image import Changes, ImageDocument, Repository, format_time
from microbadger.notifications.messages import FORMATS, Announcement, announce_changes, matching, message_bytes
from microbadger.notifications.outbox import Attempt, Message, Outbox, State
from microbadger.notifications.receivers import Scope
from microbadger.notifications.signing import new_secret
from microbadger.site import ImagePaths
from microbadger.store import lock_file, read_if_any, replace_file, set_aside

DEFAULT_FORMAT = "microbadger"
MOST_SUBSCRIPTIONS = 1000
_MOST_PATTERNS = 50
_PATTERN = re.compile(r"[\w.*?\[\]!-]{1,128}", re.ASCII)
_GONE = 410  # by which a receiver says that it wants no more; the Standard Webhooks specification


class InvalidSubscription(ValueError):
    """A subscription cannot be as it was wanted; the sentence says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """Who wants to be told of an image; with ``tags``, patterns such as ``1.*``, only of those.

    ``is_by_operator`` says that it was made at the command line, and may lead to a private address.
    """

    id: str
    image_name: str
    url: str
    secret: str = field(repr=False)
    tags: tuple[str, ...] = ()
    format: str = DEFAULT_FORMAT
    enabled: bool = True
    is_by_operator: bool = False


class Notifications:
    """The subscriptions and the messages for them, kept below one folder and shared by all processes."""

    def __init__(self, folder: Path, *, base_url: str, now: Callable[[], datetime]) -> None:
        self._file = folder / "subscriptions.json"
        self._folder = folder
        self._base_url = base_url
        self._now = now
        self.outbox = Outbox(folder)

    def all(self) -> list[Subscription]:
        """Return every subscription, the oldest one first; a damaged file is set aside and told as a problem."""
        subscriptions = self._read()
        if subscriptions is None:
            with self._locked():
                subscriptions = self._all_in_hand()
        return subscriptions

    @property
    def problems(self) -> list[str]:
        """One sentence for each file of subscriptions that was damaged and is to be mended or removed."""
        asides = sorted(self._folder.glob(f"{self._file.name}.damaged-*"))
        return [
            f"{aside} holds damaged subscriptions, which get no messages: mend it and move it to {self._file.name}, or"
            " remove it."
            for aside in asides
        ]

    def get(self, subscription_id: str) -> Subscription | None:
        """Return the subscription of an id, or None."""
        return _find(self.all(), subscription_id)

    def add(self, image_name: str, url: str, **options: Any) -> Subscription:
        """Subscribe a URL to an image, with other fields of a `Subscription` as wanted.

        Raises InvalidReceiver or InvalidSubscription for what cannot be.
        """
        subscription = Subscription(
            id=secrets.token_hex(8), image_name=image_name, url=url, secret=new_secret(), **options
        )
        self._check(subscription)
        with self._locked():
            before = self._all_in_hand()
            if len(before) >= MOST_SUBSCRIPTIONS:
                raise InvalidSubscription(f"There are {MOST_SUBSCRIPTIONS} notifications: remove one first.")
            self._write([*before, subscription])
        return subscription

    def change(self, subscription_id: str, **fields: Any) -> Subscription | None:
        """Change fields of a subscription and return it; None where there is none of that id. Raises as `add`."""
        with self._locked():
            before = _find(self._all_in_hand(), subscription_id)
            if before is None:
                return None
            after = replace(before, **fields)
            if after.url != before.url:
                after = replace(after, is_by_operator=False)
            self._check(after)
            self._replace(after)
        return after

    def remove(self, subscription_id: str) -> bool:
        """End a subscription and forget its messages; False where there is none of that id."""
        with self._locked():
            before = self._all_in_hand()
            after = [one for one in before if one.id != subscription_id]
            if after == before:
                return False
            self._write(after)
            self.outbox.forget(subscription_id)
            self.lock_path(subscription_id).unlink(missing_ok=True)
        return True

    def announce(self, before: ImageDocument, after: ImageDocument, changes: Changes) -> None:
        """Have the messages about these changes on disk when this returns; nothing is sent."""
        interested = [one for one in self.all() if one.enabled and one.image_name == after["ImageName"]]
        if not interested:
            return
        with self._locked():
            for subscription in interested:
                if chosen := matching(changes, subscription.tags):
                    self._put(subscription, before, after, chosen)

    def test_message(self, subscription: Subscription) -> Message:
        """Return a message that shows whether messages arrive; it stands in no line."""
        now = self._now()
        announcement = Announcement(
            image_name=subscription.image_name,
            registry=Repository.parse(subscription.image_name).registry,
            page_url=self.page_url(subscription),
            at=format_time(now),
        )
        body = message_bytes(announcement, subscription.format)
        return Message(f"msg_{secrets.token_hex(16)}", body.decode(), 1, now)

    def due(self) -> list[str]:
        """Return the ids of the subscriptions whose next message is to be sent now."""
        lines = self.outbox.lines()
        return [one.id for one in self.all() if one.id in lines and self._due_message(one)] if lines else []

    def next_due(self, subscription_id: str) -> tuple[Subscription, Message] | None:
        """Return what is to be sent now for a subscription; the caller alone sends for it."""
        subscription = self.get(subscription_id)
        message = self._due_message(subscription) if subscription else None
        while subscription and message and self._is_settled(subscription, message):
            message = self._due_message(subscription)
        return (subscription, message) if subscription and message else None

    def settle(self, sent: Subscription, message: Message, attempt: Attempt) -> State | None:
        """Note what came of an attempt; None where the subscription was removed meanwhile.

        A receiver that says it is gone gets no more, until an administrator enables it again.
        """
        with self._locked():
            subscription = _find(self._all_in_hand(), sent.id)
            if subscription is None:
                return None
            state = self.outbox.settle(sent.id, sent.url, message, attempt, self._now())
            if attempt.status == _GONE and subscription.url == sent.url:
                self._replace(replace(subscription, enabled=False))
        return state

    def settle_test(self, sent: Subscription, message: Message, attempt: Attempt) -> None:
        """Note what came of a test message."""
        state: State = "delivered" if attempt.has_arrived else "failed"
        with self._locked():
            if _find(self._all_in_hand(), sent.id):
                self.outbox.remember(sent.id, attempt.document(message, sent.url, state, self._now()))

    def resend(self, subscription_id: str) -> int:
        """Have what is parked for a subscription sent again; return how many messages that are."""
        with self._locked():
            return self.outbox.unpark(subscription_id, self._now())

    def scope(self, subscription: Subscription) -> Scope:
        """Return how far the messages of a subscription may go."""
        return Scope.of(is_by_operator=subscription.is_by_operator, base_url=self._base_url)

    def page_url(self, subscription: Subscription) -> str:
        """Return the address of the page of the image."""
        return f"{self._base_url}/{ImagePaths(subscription.image_name).page_url}"

    def lock_path(self, subscription_id: str) -> Path:
        """Return the lock that whoever sends for a subscription holds."""
        return self._folder / "locks" / subscription_id

    def _put(self, subscription: Subscription, before: ImageDocument, after: ImageDocument, changes: Changes) -> None:
        announcement = announce_changes(before, after, changes, self.page_url(subscription))
        body = message_bytes(announcement, subscription.format).decode()
        self.outbox.put(subscription.id, Message(_message_id(subscription, before, changes), body, 0, self._now()))

    def _due_message(self, subscription: Subscription) -> Message | None:
        message = self.outbox.first(subscription.id) if subscription.enabled else None
        return message if message and message.is_due(self._now()) else None

    def _is_settled(self, subscription: Subscription, message: Message) -> bool:
        with self._locked():
            return self.outbox.drop_if_delivered(subscription.id, message)

    def _check(self, subscription: Subscription) -> None:
        self.scope(subscription).check(subscription.url)
        if subscription.format not in FORMATS:
            raise InvalidSubscription(f"There is no format {subscription.format!r}: it is one of {', '.join(FORMATS)}.")
        if len(subscription.tags) > _MOST_PATTERNS:
            raise InvalidSubscription(f"There can be {_MOST_PATTERNS} patterns of tags at most.")
        if odd := [pattern for pattern in subscription.tags if not _PATTERN.fullmatch(pattern)]:
            raise InvalidSubscription(f"{odd[0]!r} is no pattern of tags: write 1.2, 1.* or v[0-9]*.")

    def _read(self) -> list[Subscription] | None:
        """Return every subscription, None where the file was damaged."""
        content = read_if_any(self._file)
        try:
            return [] if content is None else _parse(content)
        except (ValueError, TypeError, KeyError, RecursionError):
            return None

    def _all_in_hand(self) -> list[Subscription]:
        """Return every subscription and set a damaged file aside; the caller holds the lock."""
        subscriptions = self._read()
        if subscriptions is None:
            set_aside(self._file)
        return subscriptions or []

    def _replace(self, subscription: Subscription) -> None:
        self._write([subscription if one.id == subscription.id else one for one in self._all_in_hand()])

    def _write(self, subscriptions: Iterable[Subscription]) -> None:
        replace_file(self._file, json.dumps([asdict(one) for one in subscriptions], indent=1).encode(), is_durable=True)

    def _locked(self) -> AbstractContextManager[None]:
        return lock_file(self._folder / "lock")


def _parse(content: bytes) -> list[Subscription]:
    return [Subscription(**{**entry, "tags": tuple(entry["tags"])}) for entry in json.loads(content)]


def _find(subscriptions: Iterable[Subscription], subscription_id: str) -> Subscription | None:
    return next((one for one in subscriptions if one.id == subscription_id), None)


def _message_id(subscription: Subscription, before: ImageDocument, changes: Changes) -> str:
    """Return an id that is the same if the same is announced once more, and another for every later change."""
    moved = [sorted(tags.items()) for tags in (changes.new, changes.changed, changes.deleted)]
    told = json.dumps([subscription.id, before["ImageName"], before["UpdatedAt"], moved])
    return f"msg_{hashlib.sha256(told.encode()).hexdigest()[:32]}"
