"""Publishes what a check found: writes the public files that differ from the record, then the new record.

The record is what was last seen of an image. It is written last, in one transaction with the changes and the messages
about them. If the process dies before that, the database still has the old record, a mark that files were being
replaced, and the paths of these files. The next check then finds the same changes again, compares every file, and
removes files that the image no longer has.

A request for a missing file can make that file while a check replaces the record. Each of the two verifies the file
after writing, so that it finally agrees with the new record.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache

from sqlalchemy import Connection

from microbadger.freshness.checks import Checks
from microbadger.freshness.findings import Survey
from microbadger.freshness.mentions import note_mentions, without_mention
from microbadger.freshness.private_reads import has_public_record
from microbadger.freshness.records import Records, unpacked_image
from microbadger.freshness.relations import Relations
from microbadger.image import (
    MOST_CHANGES,
    NO_CHANGES,
    ChangeDocument,
    ChangeLogDocument,
    Changes,
    HistoryDocument,
    ImageDocument,
    KnownBases,
    Repository,
    VersionDocument,
    change_document,
    changes_between,
    describe_image,
    format_time,
    hub_details,
    image_name,
    is_same,
    sights_in,
    with_details_of,
)
from microbadger.notifications import Notifications
from microbadger.site import (
    ImageFiles,
    ImagePaths,
    Maker,
    Overtaken,
    PublicTree,
    PublishError,
    Seen,
    SiteOptions,
    remove_all,
    status_files,
)
from microbadger.store import Database, Lease, LeaseLost
from microbadger.webhooks import WebhookUrls

_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Published:
    """What a check published: the document, the changes of tags, and the paths whose content changed."""

    image: ImageDocument
    changes: Changes = NO_CHANGES
    paths: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """Writes and removes the public files of images, and the records that they are made from."""

    database: Database
    records: Records
    relations: Relations
    checks: Checks
    publisher: PublicTree
    notifications: Notifications
    options: SiteOptions
    webhooks: WebhookUrls | None
    """The webhook URLs that pages and documents show; None if they show none."""

    def publish(
        self,
        lease: Lease,
        repository: Repository,
        before: ImageDocument | None,
        survey: Survey,
        *,
        is_ours: bool,
        is_public: bool,
    ) -> Published:
        """Publish what a check found, and return what changed.

        ``before`` is the current record. ``is_ours`` says that this edition made every public file: then nothing is
        written if the check found no difference. ``is_public`` says that the image is not tracked as a private one.
        Raises PublishError, StoreError and LeaseLost.
        """
        versions, kinship = self.relations.of(repository, survey.versions, is_private=not is_public)
        versions, first_sights = self.records.sightings.seen_at(repository, versions, before, survey.known)
        after = self._describe(repository, versions, survey, before)
        if before and is_same(before, after):
            self._remember_tags(lease, repository, survey)
            if is_ours:
                return Published(before)
            if survey.trouble:
                return Published(before, paths=frozenset(self.publish_again(repository)))
            after = before  # write all files: layers, which this document lacks, may be described differently now
        changed = self._changed_versions(repository, before, versions)
        changes = _changes(before, after, survey, kinship.bases)
        details = self._details(repository, changed)
        change = change_document(before, after, changes, self.checks.now(), details) if before else None
        history = self.records.histories.after(repository, before, after, changes.deleted)
        files = self._files(repository, after, changed, change, history)
        recorded = {version["SHA"] for version in after["Versions"] if version["SHA"]}
        unchanged = recorded - changed.keys() if is_ours else set[str]()
        plan = self._plan(repository, files, unchanged, is_complete=is_ours or not self.publisher.may_be_cut)
        over = self._seen(repository)  # before the lease is proved, so that a file of a later holder is not replaced
        with self.database.write(durable=bool(first_sights)) as connection:
            lease.prove(connection)
            self.checks.publishing(connection, repository)
            self.records.add_files(connection, repository, plan.new)
            self.records.sightings.add(connection, repository, first_sights, sights_in(after))
        try:
            paths = set(self.publisher.publish(plan.files, plan.gone, over))
            with self.database.write(durable=True) as connection:
                lease.prove(connection)
                self.records.write(connection, repository, after, changed.values(), change, is_public=is_public)
                self.records.histories.write(connection, repository, history)
                self.records.remove_files(connection, repository, plan.gone & plan.known)
                self.relations.stacks.write(connection, repository, versions, kinship.chains)
                if survey.first_listed is not None:
                    self.records.tag_lists.write(connection, repository, survey.first_listed)
                if before and changes:
                    self.notifications.announce(connection, before, after, changes, change)
        except (LeaseLost, Overtaken) as error:
            with self.database.write() as connection:  # the new holder of the lease may have removed some of the paths
                self.records.add_files(connection, repository, plan.files)
            raise LeaseLost(str(error)) from error
        if before:
            paths.update(self._publish_what_was_made(repository, files, plan))
        return Published(after, changes, frozenset(paths))

    def _remember_tags(self, lease: Lease, repository: Repository, survey: Survey) -> None:
        if survey.first_listed is not None:
            with self.database.write() as connection:
                lease.prove(connection)
                self.records.tag_lists.write(connection, repository, survey.first_listed)

    def publish_again(self, repository: Repository) -> list[str]:
        """Make the public files of an image agree with its record, and return the paths that changed.

        If the image has no record, because it was never read or the record was lost, only its status files are written.
        Raises PublishError, also if other processes keep replacing the metadata.
        """
        for _ in range(_ATTEMPTS):
            over = self._seen(repository)  # before the record is read, so that a newer record causes a new attempt
            files = self._recorded_files(repository)
            if files is None:
                return self.publisher.publish(self._status_files(repository), ())
            plan = self._plan(repository, files, is_complete=False)
            with self.database.write() as connection:
                self.records.add_files(connection, repository, plan.new)
            with suppress(Overtaken):
                paths = self.publisher.publish({**self._status_files(repository), **plan.files}, plan.gone, over)
                with self.database.write() as connection:
                    self.records.remove_files(connection, repository, plan.gone & plan.known)
                return paths
        raise PublishError(f"other processes keep replacing the metadata of {image_name(repository)}")

    def make(self, repository: Repository, path: str) -> bytes | None:
        """Make a missing file of an image and return its content, or None if the image has no such file.

        Later checks keep the file up to date. If a check replaces the record meanwhile, the file is made again.
        """
        is_known, is_written = self.records.has_file(repository, path), False
        while files := self._recorded_files(repository):
            make = files.maker_of(path)
            if make is None:
                break
            content = make()
            if not is_known:
                with self.database.write() as connection:
                    self.records.add_files(connection, repository, [path])
                is_known = True
            self.publisher.write_if_possible(path, content, is_missing=not is_written)
            is_written = True
            if self.records.updated_at(repository) == files.image["UpdatedAt"]:
                return content
        if is_written:
            self.publisher.remove(path)
        return None

    def remove_files(self, repository: Repository) -> list[str]:
        """Remove every public file of an image, and return the paths of the files that existed. Raises NotRemoved."""
        statuses = {paths.status for paths in ImagePaths.all_of(repository)}
        known = self.records.files(repository)
        return remove_all(self.publisher, known | statuses | self._forgotten_files(repository, known))

    def _forgotten_files(self, repository: Repository, known: Collection[str]) -> set[str]:
        """Return the existing files of an image whose paths the database has lost."""
        if ImagePaths.of(repository).metadata in known:
            return set()
        with self.database.read() as connection:
            packed = self.records.packed(connection, repository)
        image = unpacked_image(packed, repository)
        possible = self._files(repository, image, {}, None).all() if image else {}
        return {path for path in possible if self.publisher.has(path)}

    def publish_without_mention(self, lease: Lease, repository: Repository, gone: Repository) -> list[str]:
        """Publish an image again without the name of a removed image, and return the paths that changed."""
        image = self.records.image(repository)
        if image is None:
            return []
        versions = without_mention(image["Versions"], gone)
        whole = [version for each in versions if (version := self.records.version(repository, each["SHA"]))]
        details = {version["SHA"]: version for version in without_mention(whole, gone)}
        if versions == image["Versions"] and list(details.values()) == whole:
            is_published = self.checks.is_of_this_edition(self.checks.get(repository))
            return [] if is_published else self.publish_again(repository)  # the last attempt may not have finished
        now = format_time(self.checks.now())
        after: ImageDocument = {**image, "Versions": versions, "UpdatedAt": now}
        with self.database.write() as connection:
            lease.prove(connection)
            check = self.checks.read(connection, repository)
            self.checks.publishing(connection, repository)
            is_public = has_public_record(connection, repository)
            self.records.write(connection, repository, after, details.values(), None, is_public=is_public)
        paths = self.publish_again(repository)
        with self.database.write() as connection:
            lease.prove(connection)
            self.checks.write(connection, repository, check)
        return paths

    def forget(self, connection: Connection, repository: Repository) -> None:
        """Delete the record of an image whose files are removed."""
        note_mentions(connection, repository, self.relations.stacks)
        self.records.forget(connection, repository)
        self.relations.stacks.forget(connection, repository)

    def _describe(
        self,
        repository: Repository,
        versions: Sequence[VersionDocument],
        survey: Survey,
        before: ImageDocument | None,
    ) -> ImageDocument:
        return describe_image(
            repository,
            versions,
            updated_at=self.checks.now(),
            webhook_url=self.webhooks.of(repository) if self.webhooks else None,
            hub=survey.hub or (hub_details(before) if before else None),
            tag_count=survey.tag_count,
        )

    def _changed_versions(
        self, repository: Repository, before: ImageDocument | None, versions: Iterable[VersionDocument]
    ) -> dict[str, VersionDocument]:
        """Return the full documents, by SHA, of versions that are new or whose tags or relatives changed."""
        last = {version["SHA"]: version for version in before["Versions"]} if before else {}
        changed = {}
        for version in versions:
            sha, is_whole = version["SHA"], "Layers" in version
            if not sha or (not is_whole and version == last.get(sha)):
                continue
            recorded = self.records.version(repository, sha) if version["Platforms"] and not is_whole else None
            changed[sha] = with_details_of(recorded, version) if recorded else version
        return changed

    def _files(
        self,
        repository: Repository,
        image: ImageDocument,
        changed: Mapping[str, VersionDocument],
        change: ChangeDocument | None,
        history: HistoryDocument | None = None,
    ) -> ImageFiles:
        """Return the files of an image as they are once this check has replaced the record."""
        log = self.records.changes(repository)
        if change:
            log = ChangeLogDocument(ImageName=log["ImageName"], Changes=[change, *log["Changes"]][:MOST_CHANGES])
        return ImageFiles(
            image=image,
            changes=log,
            history=cache(lambda: history or self.records.histories.of(repository, image)),
            version=self._details(repository, changed),
            site=self.options,
        )

    def _details(
        self, repository: Repository, changed: Mapping[str, VersionDocument]
    ) -> Callable[[str], VersionDocument | None]:
        """Return a function that finds the full document of a version by its SHA, changed or unchanged."""
        return lambda sha: changed.get(sha) or self.records.version(repository, sha)

    def _recorded_files(self, repository: Repository) -> ImageFiles | None:
        image = self.records.image(repository)
        return self._files(repository, image, {}, None) if image else None

    def _status_files(self, repository: Repository) -> dict[str, Maker]:
        """Return the status files of an image for a static site; otherwise the service answers such requests."""
        if not self.options.is_static:
            return {}
        status = self.checks.get(repository).status(repository, self.checks.now())
        return status_files(repository, status)

    def _plan(
        self, repository: Repository, files: ImageFiles, unchanged: Collection[str] = (), *, is_complete: bool
    ) -> "_Plan":
        """Return which files to write and to remove, without the documents of the ``unchanged`` versions.

        Every file that was ever written is kept up to date if the image still has it. Unless ``is_complete``, files may
        exist that the database does not know, because an earlier database was lost: then look for them.
        """
        names = ImagePaths.all_of(repository)
        known = self.records.files(repository)
        written = files.written()
        others = (known if known and is_complete else known | self._found(repository, files)) - written.keys()
        possible = files.all() if others else {}
        kept = {path: possible[path] for path in sorted(others & possible.keys())}
        skipped = {paths.version(sha) for paths in names for sha in unchanged}
        makers = {path: cache(make) for path, make in {**kept, **written}.items() if path not in skipped}
        statuses = set() if self.options.is_static else {paths.status for paths in names}
        return _Plan(makers, frozenset(others - kept.keys() | statuses), frozenset(known))

    def _found(self, repository: Repository, files: ImageFiles) -> set[str]:
        """Return the paths of the existing files of an image; none if it was never published."""
        if not self.publisher.has(ImagePaths.of(repository).metadata):
            return set()
        return self.publisher.find(files.all())

    def _seen(self, repository: Repository) -> Seen:
        """Return the state of the metadata file, which is the last file of an image to be written."""
        return self.publisher.seen(ImagePaths.of(repository).metadata)

    def _publish_what_was_made(self, repository: Repository, files: ImageFiles, plan: "_Plan") -> list[str]:
        """Correct files that requests made from the old record during this check; return the paths that changed."""
        made = self.records.files(repository) - plan.known - plan.files.keys()
        possible = files.all() if made else {}
        late = {path: possible[path] for path in made & possible.keys()}
        # All files of the plan exist by now. A store that adds safely never lets a request replace an existing file.
        again = {} if self.publisher.adds_safely else plan.files
        return self.publisher.publish({**late, **again}, (plan.gone | made) - late.keys())


def _changes(before: ImageDocument | None, after: ImageDocument, survey: Survey, bases: KnownBases) -> Changes:
    if before is None:
        return NO_CHANGES
    return changes_between(before, after, deleted=survey.deleted, known=survey.known, bases=bases)


@dataclass(frozen=True, slots=True)
class _Plan:
    files: Mapping[str, Maker]
    """The files to write; each function runs only once."""
    gone: frozenset[str]
    known: frozenset[str]
    """The paths of the files that existed before."""

    @property
    def new(self) -> set[str]:
        return set(self.files) - self.known
