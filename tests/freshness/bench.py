"""The checks of one process with everything around them: a registry, a database, a public folder, a clock to move."""

import os
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from microbadger.freshness.outcome import Outcome
from microbadger.freshness.service import Freshness, FreshnessOptions
from microbadger.http.client import Network
from microbadger.image.changes import ChangeDocument
from microbadger.image.documents import ImageDocument
from microbadger.image.reference import Reference, Repository
from microbadger.notifications.notifications import Notifications
from microbadger.notifications.outbox import Attempt
from microbadger.registry.client import Registry
from microbadger.registry.credentials import Credential
from microbadger.registry.servers import Servers
from microbadger.site.folder import PublicFolder
from microbadger.site.options import SiteOptions
from microbadger.site.paths import ImagePaths
from microbadger.site.tree import PublicTree
from microbadger.store.counts import Counts
from microbadger.store.database import Database
from microbadger.store.leases import LEASE_SECONDS, Leases
from tests.databases import database_url
from tests.fakes.registry import FakeRegistry
from tests.freshness.leases import with_leases
from tests.freshness.world import CdnLog
from tests.notifications.bench import Postman
from tests.running_service import badge_text

START = datetime(2026, 11, 24, 12, tzinfo=UTC)
BASE_URL = "https://badges.test"
DEADLINE_SECONDS = 60.0


class Bench:
    """A process that checks ``team/web`` of a fake registry; another `Bench` in the same folder is another process.

    Messages are refused by their receiver, so that all of them wait. ``options`` are fields of `FreshnessOptions`.
    """

    def __init__(
        self,
        folder: Path,
        fake: FakeRegistry,
        *,
        publisher: PublicTree | None = None,
        database: Database | None = None,
        lease_seconds: float = LEASE_SECONDS,
        named: str | None = None,
        notifications_kind: type[Notifications] = Notifications,
        hub_url: str = "",
        is_static: bool = False,
        credentials: Callable[[str], Credential | None] = lambda _: None,
        **options: Any,
    ) -> None:
        self.folder, self.fake, self.time = folder, fake, START
        self.repository = Repository(fake.host, "team/web")
        self.public, self.images_file = folder / "public", folder / "data/images.txt"
        self.database = database or Database(database_url(folder / "data"))
        self.publisher: PublicTree = publisher or PublicFolder(self.public)
        self.postman, self.cdn = Postman(Attempt(503)), CdnLog()
        counts, network = Counts(self.database), Network("tests")
        servers = Servers({"docker.io": fake.url}, hub_url=hub_url)
        self.registry = Registry(
            self.database, counts, network, servers=servers, credentials=credentials, sleep=lambda _: None
        )
        self.notifications = notifications_kind(
            self.database, Leases(self.database), counts, self.postman.send, base_url=BASE_URL, now=lambda: self.time
        )
        settings: dict[str, Any] = {
            "images_file": self.images_file,
            "named": str(self.repository) if named is None else named,
            "interval": timedelta(hours=24),
            "max_tags": 100,
            "edition": "first edition",
            "site": SiteOptions(BASE_URL, is_static),
            "webhooks": None,
        }
        self.freshness = Freshness(
            FreshnessOptions(**{**settings, **options}),
            self.database,
            counts=counts,
            registry=self.registry,
            publisher=self.publisher,
            notifications=self.notifications,
            cdn=self.cdn,
            now=lambda: self.time,
        )
        self.leases = Leases(self.database, seconds=lease_seconds)
        self.refresher = with_leases(self.freshness.refresher, self.leases)
        self.removal = self.refresher.removal

    def again(self, **options: Any) -> "Bench":
        """Return another process with the same folder and clock."""
        other = Bench(self.folder, self.fake, **options)
        other.time = self.time
        return other

    def refresh(self) -> str | None:
        """Check the image; return why that failed."""
        return self.refresher.refresh(self.repository).error

    def check_later(self, hours: float = 25) -> Outcome | None:
        """Check the image some time later if its time has come."""
        self.time += timedelta(hours=hours)
        return self.refresher.refresh_if_due(self.repository)

    def ask(self, tag: str | None = None) -> None:
        """Ask for a check, as a webhook does."""
        self.freshness.requests.add(Reference(self.repository, tag, None))

    def list_images(self, text: str, seconds_ago: float = 3600) -> None:
        """Write the operator's list of images, as it was some time ago."""
        self.images_file.parent.mkdir(parents=True, exist_ok=True)
        self.images_file.write_text(text)
        then = time.time() - seconds_ago
        os.utime(self.images_file, (then, then))

    def subscribe(self) -> str:
        """Subscribe a receiver to the image, and return the id of the subscription."""
        url = f"{self.fake.url}/hook"
        return self.notifications.add(self.repository.familiar, url, is_by_operator=True, format="json").id

    @property
    def paths(self) -> ImagePaths:
        return ImagePaths.of(self.repository)

    @property
    def record(self) -> ImageDocument:
        record = self.freshness.records.image(self.repository)
        assert record
        return record

    @property
    def changes(self) -> list[ChangeDocument]:
        return self.freshness.records.changes(self.repository)["Changes"]

    def badge(self, badge_type: str, tag: str = "") -> str:
        """Return what a badge on disk says."""
        return badge_text(self.publisher.read(self.paths.badge(badge_type, tag or None, "svg")) or b"")

    def made(self, path: str) -> bytes:
        """Request a file that is missing, as the first reader does."""
        content = self.freshness.make(path)
        assert content is not None
        return content

    def files(self) -> dict[str, bytes]:
        """Return every public file by its path."""
        return {str(file.relative_to(self.public)): file.read_bytes() for file in self._files()}

    def stamps(self) -> dict[str, tuple[int, int]]:
        """Return what tells each public file from one that replaced it."""
        return {
            str(file.relative_to(self.public)): (status.st_mtime_ns, status.st_ino)
            for file in self._files()
            for status in [file.stat()]
        }

    def _files(self) -> Iterable[Path]:
        return (file for file in self.public.rglob("*") if file.is_file())
