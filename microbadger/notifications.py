"""Tells subscribers that the tags of an image moved."""

import json
import logging
import secrets
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path

import requests

from microbadger.files import lock_file, read_if_any, replace_file
from microbadger.metadata import NO_CHANGES, Changes

log = logging.getLogger(__name__)

_TIMEOUT_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Subscription:
    """Who wants to know about an image: a URL that takes a POST."""

    id: str
    image_name: str
    url: str


@dataclass(frozen=True, slots=True)
class Notifications:
    """The subscriptions, kept in one file."""

    file: Path

    def all(self) -> list[Subscription]:
        """Return every subscription."""
        return [Subscription(**fields) for fields in json.loads(read_if_any(self.file) or b"[]")]

    def add(self, image_name: str, url: str) -> Subscription:
        """Subscribe a URL to an image."""
        subscription = Subscription(secrets.token_hex(8), image_name, url)
        with self._locked():
            self._write([*self.all(), subscription])
        return subscription

    def remove(self, subscription_id: str) -> bool:
        """End a subscription; False where there is none of that id."""
        with self._locked():
            before = self.all()
            after = [subscription for subscription in before if subscription.id != subscription_id]
            self._write(after)
        return len(after) < len(before)

    def announce(self, image_name: str, page_url: str, changes: Changes) -> None:
        """Tell everyone who subscribed to an image what changed."""
        message = change_message(image_name, page_url, changes)
        for subscription in self.all():
            if subscription.image_name == image_name:
                _send(subscription, message)

    def test(self, subscription_id: str, page_url: str) -> bool:
        """Send a test message; False where there is no such subscription or it did not arrive."""
        found = [subscription for subscription in self.all() if subscription.id == subscription_id]
        return any(_send(subscription, test_message(subscription.image_name, page_url)) for subscription in found)

    def _locked(self) -> AbstractContextManager[None]:
        return lock_file(self.file.with_suffix(".lock"))

    def _write(self, subscriptions: list[Subscription]) -> None:
        replace_file(self.file, json.dumps([asdict(subscription) for subscription in subscriptions]).encode())


def change_message(image_name: str, page_url: str, changes: Changes) -> dict[str, object]:
    """Return the message microbadger.com sent; Slack shows its ``text``."""
    return {
        "text": f"MicroBadger: Docker Hub image {image_name} has changed {page_url}",
        "image_name": image_name,
        "new_tags": _moved(changes.new),
        "changed_tags": _moved(changes.changed),
        "deleted_tags": _moved(changes.deleted),
    }


def test_message(image_name: str, page_url: str) -> dict[str, object]:
    """Return the message that shows whether messages arrive."""
    text = f"Hi, it's MicroBadger, sending you a test notification for {image_name} {page_url}"
    return {**change_message(image_name, page_url, NO_CHANGES), "text": text}


def _moved(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"tag": tag, "SHA": sha} for tag, sha in tags.items()]


def _send(subscription: Subscription, message: dict[str, object]) -> bool:
    try:
        # Streamed, because what the receiver answers is never read.
        answer = requests.post(
            subscription.url, json=message, timeout=_TIMEOUT_SECONDS, allow_redirects=False, stream=True
        )
        answer.close()
    except requests.RequestException as error:
        log.warning("notification failed id=%s error=%r", subscription.id, type(error).__name__)
        return False
    log.info("notified id=%s image=%s status=%d", subscription.id, subscription.image_name, answer.status_code)
    return 200 <= answer.status_code < 300
