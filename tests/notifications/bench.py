"""Documents that differ, and notifications with a clock that a test moves."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from microbadger.http.client import Network
from microbadger.image.changes import changes_between
from microbadger.image.describe import describe_image, outline_version, tagged
from microbadger.image.documents import BaseDocument, ImageDocument, PlatformDocument, VersionDocument
from microbadger.image.reference import Repository
from microbadger.notifications.delivery import Send
from microbadger.notifications.notifications import Notifications
from microbadger.notifications.outbox import Attempt, DeliveryDocument, Message
from microbadger.notifications.receivers import Scope
from microbadger.notifications.sender import Sender
from microbadger.notifications.subscriptions import Subscription
from microbadger.store.counts import Counts
from microbadger.store.database import Database
from microbadger.store.leases import Leases
from tests.databases import database_url

WEB = Repository.parse("example/web")
BASE_URL = "https://badges.test"
PAGE = f"{BASE_URL}/images/example/web"
START = datetime(2026, 11, 24, 12, tzinfo=UTC)
SHAS = [digit * 64 for digit in "abcdef"]


def version(
    sha: str,
    tags: Iterable[str] = (),
    *,
    size_bytes: int = 0,
    labels: Mapping[str, str] | None = None,
    base: BaseDocument | None = None,
    repository: Repository = WEB,
) -> VersionDocument:
    """Return a version that was read: of one platform, with one layer."""
    document = tagged(outline_version(repository, f"sha256:{sha}", size_bytes=size_bytes), tags)
    platform = PlatformDocument(OS="linux", Architecture="arm", Variant="v7", Digest="", DownloadSize=0, LayerCount=1)
    document["Platforms"], document["LayerCount"] = [platform], 1
    if labels:
        document["Labels"] = dict(labels)
    if base:
        document["Base"] = base
    return document


def image(*versions: VersionDocument, at: datetime = START, repository: Repository = WEB) -> ImageDocument:
    """Return the document of an image with these versions."""
    return describe_image(repository, versions, updated_at=at)


def image_at(sha: str, at: datetime = START, tags: Iterable[str] = ("latest",)) -> ImageDocument:
    """Return the document of an image whose tags all name one version."""
    return image(version(sha, tags), at=at)


def rebuilt(sha: str, *tags: str, at: datetime = START) -> ImageDocument:
    """Return an image whose tags name an index that is always of the same manifest."""
    document = version(sha, tags or ["latest"])
    document["Platforms"][0]["Digest"] = f"sha256:{'f' * 64}"
    return image(document, at=at)


def database_in(folder: Path) -> Database:
    return Database(database_url(folder))


class Bench:
    """Notifications in a folder; messages go to receivers on loopback, as an operator may have it."""

    def __init__(self, folder: Path, send: Send | None = None, base_url: str = BASE_URL) -> None:
        self.time = START
        self.database = database_in(folder)
        self.leases = Leases(self.database)
        self.counts = Counts(self.database)
        self.notifications = Notifications(
            self.database,
            self.leases,
            self.counts,
            send or Sender(Network("tests")).send,
            base_url=base_url,
            now=lambda: self.time,
        )
        self.checked_at = START
        self.sha = SHAS[0]

    def subscribe(self, url: str = "https://hooks.test/x", **options: object) -> Subscription:
        return self.notifications.add("example/web", url, is_by_operator=True, **options)

    def push(self, sha: str, tags: Iterable[str] = ("latest",)) -> None:
        """Announce that the tags moved to a version, at a check a minute after the last one."""
        before = image_at(self.sha, self.checked_at, tags)
        self.checked_at += timedelta(minutes=1)
        self.sha = sha
        after = image_at(sha, self.checked_at, tags)
        with self.database.write(durable=True) as connection:
            self.notifications.announce(connection, before, after, changes_between(before, after, deleted=()))

    def deliver(self, after: timedelta = timedelta(0)) -> None:
        """Send what is due after a while, and return when that is done."""
        self.time += after
        self.notifications.deliver_due()
        self.notifications.wait()

    def history(self, subscription: Subscription) -> list[DeliveryDocument]:
        return self.notifications.status(subscription.id).history

    def states(self, subscription: Subscription) -> list[str]:
        return [delivery["State"] for delivery in self.history(subscription)]

    def lengths(self, subscription: Subscription) -> tuple[int, int]:
        """Return how many messages wait and how many are parked."""
        status = self.notifications.status(subscription.id)
        return status.waiting, status.parked

    def now_enabled(self, subscription: Subscription) -> bool:
        found = self.notifications.get(subscription.id)
        assert found is not None
        return found.is_enabled


class Postman:
    """Sends nothing, keeps what it was given and returns these results, once each and then always the last one."""

    def __init__(self, *attempts: Attempt) -> None:
        self.attempts = list(attempts or [Attempt(204)])
        self.sent: list[tuple[Subscription, Message]] = []

    def send(self, subscription: Subscription, message: Message, scope: Scope) -> Attempt:
        self.sent.append((subscription, message))
        return self.attempts.pop(0) if len(self.attempts) > 1 else self.attempts[0]
