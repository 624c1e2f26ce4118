"""The freshness wing of one process, over registries whose images have no tags and that do what a test wants."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from sqlalchemy import Connection

from microbadger.cdn.purge import CdnPurge
from microbadger.freshness.catalogue import Catalogue
from microbadger.freshness.claims import Claims
from microbadger.freshness.duties import Duties
from microbadger.freshness.recovery import Recovery
from microbadger.freshness.schedule import Schedule
from microbadger.freshness.service import Freshness, FreshnessOptions
from microbadger.freshness.stored_images import TrackedImage
from microbadger.freshness.strays import Strays
from microbadger.freshness.upkeep import Cleaning, Upkeep
from microbadger.http.client import Network
from microbadger.image.documents import HubDetails
from microbadger.image.reference import Reference, Repository
from microbadger.notifications.notifications import Notifications
from microbadger.registry.client import Registry
from microbadger.registry.docker_hub import DockerHub, HubTags
from microbadger.registry.errors import NotFound
from microbadger.registry.remote import RawManifest, RemoteRepository
from microbadger.registry.tag_list import TagList
from microbadger.site.folder import PublicFolder
from microbadger.site.options import SiteOptions
from microbadger.store.counts import Counts
from microbadger.store.database import Database
from microbadger.store.leases import Lease, Leases
from microbadger.store.meta import write_value
from tests.databases import database_url
from tests.freshness.clock import DAY, Clock
from tests.freshness.leases import with_leases
from tests.notifications.bench import Postman

BASE_URL = "https://badges.test"


class NoTags(RemoteRepository):
    """A view of a repository that exists and has no tag."""

    def __init__(self) -> None:
        pass

    def tags(self, before_page: Callable[[], object] = lambda: None, *, is_guess: bool = False) -> TagList:
        return TagList([], None)

    def head(self, tag: str) -> str | None:
        return None

    def manifest(self, reference: str) -> RawManifest:
        raise NotFound(f"there is no {reference}", host="tests")

    @property
    def is_low_on_pulls(self) -> bool:
        return False

    @property
    def has_pulls_for_requests(self) -> bool:
        return True


class Descriptions(DockerHub):
    """Docker Hub as it describes images, and lists no tags."""

    def __init__(self) -> None:
        self.of: dict[Repository, str] = {}

    def details(self, repository: Repository) -> HubDetails | None:
        return HubDetails(description=self.of[repository]) if repository in self.of else None

    def tags(self, repository: Repository, at_most: int) -> HubTags | None:
        return None


class QuietRegistries(Registry):
    """Registries that remember which images they were asked for; `on_ask` may hang or raise."""

    def __init__(self, database: Database, counts: Counts) -> None:
        super().__init__(database, counts, Network("tests"))
        self.docker_hub = self.descriptions = Descriptions()
        self.asked: list[Repository] = []
        self.on_ask: Callable[[Repository], object] = lambda _: None

    def repository(self, repository: Repository, *, private: bool = False, is_named: bool = True) -> RemoteRepository:
        self.asked.append(repository)
        self.on_ask(repository)
        return NoTags()


class CdnLog(CdnPurge):
    """A CDN that remembers which paths it was to forget."""

    def __init__(self) -> None:
        super().__init__(None, Network("tests"), base_url=BASE_URL)
        self.paths: set[str] = set()

    def add(self, paths: Iterable[str]) -> None:
        self.paths.update(paths)


class CountedCounts(Counts):
    """Counts that remember how often they were written, which each round does first, and may fail to."""

    rounds = 0
    error: Exception | None = None

    def write(self) -> None:
        self.rounds += 1
        if self.error:
            raise self.error
        super().write()


class CountedLeases(Leases):
    """Leases that remember how often each was to be taken; those of images may not be had."""

    error: Exception | None = None

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.wanted: Counter[str] = Counter()

    def take(self, connection: Connection, name: str) -> Lease | None:
        self.wanted[name] += 1
        if self.error and name.startswith("image:"):
            raise self.error
        return super().take(connection, name)


class World:
    """A process; another `World` in the same folder is another one."""

    def __init__(self, folder: Path, *, named: str = "", interval: timedelta = DAY, edition: str = "this") -> None:
        self.folder = folder
        self.clock = Clock()
        self.seconds = 1000.0
        self.images_file = folder / "images.txt"
        self.database = Database(database_url(folder))
        self.counts = CountedCounts(self.database)
        self.leases = CountedLeases(self.database)
        self.registries = QuietRegistries(self.database, self.counts)
        self.publisher = PublicFolder(folder / "public")
        self.cdn = CdnLog()
        notifications = Notifications(
            self.database, self.leases, self.counts, Postman().send, base_url=BASE_URL, now=self.clock
        )
        self.freshness = Freshness(
            FreshnessOptions(
                images_file=self.images_file,
                named=named,
                interval=interval,
                max_tags=100,
                edition=edition,
                site=SiteOptions(BASE_URL),
                webhooks=None,
            ),
            self.database,
            counts=self.counts,
            registry=self.registries,
            publisher=self.publisher,
            notifications=notifications,
            cdn=self.cdn,
            now=self.clock,
        )
        self.tracked, self.checks = self.freshness.tracked, self.freshness.checks
        self.requests, self.records = self.freshness.requests, self.freshness.records
        self.refresher = with_leases(self.freshness.refresher, self.leases)
        self.removal = self.refresher.removal
        self.catalogue = Catalogue(
            self.database,
            self.leases,
            self.checks,
            self.publisher,
            SiteOptions(BASE_URL),
            self.cdn,
            clock=lambda: self.seconds,
        )
        strays = Strays(
            database=self.database,
            tracked=self.tracked,
            records=self.records,
            removal=self.removal,
            publisher=self.publisher,
            cdn=self.cdn,
            registry=self.registries,
        )
        self.upkeep = Upkeep(
            database=self.database,
            tracked=self.tracked,
            checks=self.checks,
            removal=self.removal,
            strays=strays,
            catalogue=self.catalogue,
            admissions=self.freshness.admissions,
            notifications=notifications,
            counts=self.counts,
            cleaning=Cleaning(
                database=self.database,
                content=self.registries.content,
                sightings=self.records.sightings,
                bases=self.refresher.bases.records,
                admissions=self.freshness.admissions,
                public=self.publisher,
            ),
        )
        recovery = Recovery(
            database=self.database,
            checks=self.checks,
            refresher=self.refresher,
            strays=strays,
            catalogue=self.catalogue,
            publisher=self.publisher,
            cdn=self.cdn,
        )
        self.schedule = Schedule(
            Claims(self.database),
            Duties(self.database),
            self.refresher,
            self.checks,
            self.requests,
            self.upkeep,
            recovery,
        )
        with self.database.write() as connection:
            write_value(connection, "last_stop", "clean")  # so that no world begins by comparing all files

    def track(self, *repositories: Repository) -> None:
        """Have images checked that the database tracks."""
        for repository in repositories:
            self.tracked.put(TrackedImage(repository))
        self.checks.add(repositories)

    def ask(self, repository: Repository, tag: str | None = None) -> None:
        """Ask for a check as a webhook does, but let nobody begin it."""
        self.requests.add(Reference(repository, tag, None))

    def check_soon(self, repository: Repository) -> None:
        """Ask for a check, and have the schedule of this process begin it."""
        self.ask(repository)
        self.schedule.check_soon()

    def check(self, *repositories: Repository) -> None:
        """Check images now."""
        for repository in repositories:
            self.refresher.refresh(repository)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run the schedule of this process."""
        self.schedule.start()
        try:
            yield
        finally:
            self.schedule.stop()

    def write_images_file(self, content: str, written_at: int = 1_000_000_000) -> None:
        """Write ``images.txt``, as it seems long ago."""
        self.images_file.write_text(content)
        os.utime(self.images_file, (written_at, written_at))
