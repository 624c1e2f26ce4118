"""Builds the parts of this package, each once, and passes each part the others that it needs."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from microbadger.cdn import CdnPurge
from microbadger.freshness.admissions import Admissions, OpenOptions
from microbadger.freshness.base_records import BaseRecords
from microbadger.freshness.bases import BaseSurveyor
from microbadger.freshness.broken_content import BrokenContent
from microbadger.freshness.catalogue import Catalogue
from microbadger.freshness.checks import Checks
from microbadger.freshness.claims import Claims
from microbadger.freshness.duties import Duties
from microbadger.freshness.interruptions import Interruptions
from microbadger.freshness.outcome import Aftermath
from microbadger.freshness.publication import Publication
from microbadger.freshness.records import Records
from microbadger.freshness.recovery import Recovery
from microbadger.freshness.refresh import Refresher
from microbadger.freshness.relations import Relations
from microbadger.freshness.relatives import LayerStacks
from microbadger.freshness.removal import Removal
from microbadger.freshness.requests import Requests
from microbadger.freshness.schedule import Schedule
from microbadger.freshness.stored_images import TrackedImage
from microbadger.freshness.strays import Strays
from microbadger.freshness.survey import Surveyor
from microbadger.freshness.tag_choice import TagChooser
from microbadger.freshness.tracked_images import TrackedImages
from microbadger.freshness.turns import Turns
from microbadger.freshness.upkeep import Cleaning, Upkeep
from microbadger.image import ImageDocument, Reference, Repository
from microbadger.notifications import Notifications
from microbadger.registry import Registry
from microbadger.site import CATALOGUE, HOME, PublicTree, SiteOptions, image_in
from microbadger.store import Counts, Database, Leases
from microbadger.webhooks import WebhookUrls


@dataclass(frozen=True, slots=True, kw_only=True)
class FreshnessOptions:
    """The operator's choices about how images are kept fresh.

    ``edition`` identifies the settings and the version that shape the public files. When it changes, every image is
    published again. ``webhooks`` builds the webhook URLs that are shown to everybody; None if they are not shown.
    ``open`` says which images readers can have tracked.
    """

    images_file: Path
    named: str
    interval: timedelta
    max_tags: int
    edition: str
    site: SiteOptions
    webhooks: WebhookUrls | None
    open: OpenOptions = field(default_factory=OpenOptions)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Freshness:
    """The tracked images, their checks and their public files."""

    def __init__(
        self,
        options: FreshnessOptions,
        database: Database,
        *,
        counts: Counts,
        registry: Registry,
        publisher: PublicTree,
        notifications: Notifications,
        cdn: CdnPurge,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        leases = Leases(database, have_heartbeat=True)
        self._database = database
        self.now = now
        self._publisher = publisher
        self._registry = registry
        self.tracked = TrackedImages(options.images_file, options.named, database, options.open.registries)
        self.checks = Checks(database, interval=options.interval, edition=options.edition, now=now)
        self.admissions = Admissions(
            options=options.open, database=database, tracked=self.tracked, checks=self.checks, counts=counts, now=now
        )
        self.requests = Requests(database, now=now)
        self.records = Records(database, now=now)
        stacks = LayerStacks(database, options.site.base_url)
        bases = BaseRecords(database, self.tracked, now=now)
        self.publication = Publication(
            database=database,
            records=self.records,
            relations=Relations(database=database, records=self.records, stacks=stacks, bases=bases),
            checks=self.checks,
            publisher=publisher,
            notifications=notifications,
            options=options.site,
            webhooks=options.webhooks,
        )
        turns = Turns(
            database=database,
            leases=leases,
            tracked=self.tracked,
            checks=self.checks,
            requests=self.requests,
            interruptions=Interruptions(now=now),
            records=self.records,
            admissions=self.admissions,
        )
        aftermath = Aftermath(cdn=cdn, notifications=notifications, counts=counts)
        self.removal = Removal(
            database=database,
            turns=turns,
            tracked=self.tracked,
            checks=self.checks,
            publication=self.publication,
            aftermath=aftermath,
        )
        base_surveyor = BaseSurveyor(
            database=database,
            leases=leases,
            registry=registry,
            tracked=self.tracked,
            stacks=stacks,
            records=bases,
            broken=BrokenContent(database, now=now),
        )
        self.refresher = self._refresher(turns, base_surveyor, aftermath, options.max_tags)
        self.catalogue = Catalogue(database, leases, self.checks, publisher, options.site, cdn)
        strays = Strays(
            database=database,
            tracked=self.tracked,
            records=self.records,
            removal=self.removal,
            publisher=publisher,
            cdn=cdn,
            registry=registry,
        )
        self.upkeep = self._upkeep(strays, bases, notifications, counts)
        self.recovery = Recovery(
            database=database,
            checks=self.checks,
            refresher=self.refresher,
            strays=strays,
            catalogue=self.catalogue,
            publisher=publisher,
            cdn=cdn,
        )
        claims, duties = Claims(database, clock=lambda: now().timestamp()), Duties(database)
        self.schedule = Schedule(
            claims, duties, self.refresher, self.checks, self.requests, self.upkeep, self.recovery
        )

    def _refresher(self, turns: Turns, bases: BaseSurveyor, aftermath: Aftermath, max_tags: int) -> Refresher:
        registry = self._registry
        chooser = TagChooser(
            docker_hub=registry.docker_hub, lists=self.records.tag_lists, max_tags=max_tags, now=self.now
        )
        return Refresher(
            turns=turns,
            removal=self.removal,
            tracked=self.tracked,
            checks=self.checks,
            surveyor=Surveyor(registry=registry, chooser=chooser, broken=bases.broken),
            bases=bases,
            publication=self.publication,
            aftermath=aftermath,
        )

    def _upkeep(self, strays: Strays, bases: BaseRecords, notifications: Notifications, counts: Counts) -> Upkeep:
        return Upkeep(
            database=self._database,
            tracked=self.tracked,
            checks=self.checks,
            removal=self.removal,
            strays=strays,
            catalogue=self.catalogue,
            admissions=self.admissions,
            notifications=notifications,
            counts=counts,
            cleaning=Cleaning(
                database=self._database,
                content=self._registry.content,
                sightings=self.records.sightings,
                bases=bases,
                admissions=self.admissions,
                public=self._publisher,
            ),
        )

    @property
    def problems(self) -> list[str]:
        """One sentence for each problem that an operator should fix, apart from failing images."""
        return [
            *self.tracked.problems,
            *self._database.problems,
            *self._publisher.problems,
            *self.schedule.troubles,
        ]

    def pauses(self) -> dict[str, datetime]:
        """Return the registries that asked for a pause, and when each pause ends. Raises StoreError."""
        return self._registry.pauses()

    def check_soon(self, *references: Reference) -> bool:
        """Request checks of images or of some of their tags, and return whether all of them begin at once.

        An image that is requested again and again has to wait. The requests survive a power failure once this returns.
        """
        times = self.requests.add_paced(*references)
        self.schedule.check_soon()
        return not any(times.values())

    def check_if_unknown(self, reference: Reference) -> None:
        """Request a check of an unknown tag whose badge a reader requested, unless it was checked recently."""
        if self.requests.is_worth_a_check(reference.repository, reference.tag or ""):
            self.requests.add(reference, is_view=True)
            self.schedule.check_soon()

    def make(self, path: str) -> bytes | None:
        """Create a missing public file from the records and return its content, or None if there is no such file."""
        repository = image_in(path)
        if repository is None:
            if path in (HOME, CATALOGUE):
                self.upkeep.begin_list()
            return self.catalogue.make(path)
        return self.publication.make(repository, path) if self._is_public(repository) else None

    def published(self, repository: Repository) -> ImageDocument | None:
        """Return the published document of an image, or None if there is none."""
        return self.records.image(repository) if self._is_public(repository) else None

    def _is_public(self, repository: Repository) -> bool:
        return repository in self.tracked and not self.removal.is_hidden(repository)

    def track(self, image: TrackedImage) -> None:
        """Track an image with exactly these kept tags and this privacy, and check it soon."""
        self.tracked.put(image)
        self.checks.add([image.repository])
        if self.removal.is_hidden(image.repository):
            self.removal.hide(image.repository)

    def untrack(self, repository: Repository, tag: str | None = None) -> None:
        """Stop tracking an image and remove its public files. Raises NotTracked.

        With a tag, only stop keeping that tag regardless of the limit on tags. The next check removes its files if the
        tag is then beyond the limit.
        """
        self.tracked.untrack(repository, tag)
        if tag is None:
            self.removal.remove(repository)
