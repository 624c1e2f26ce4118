"""Publishes what a check found: describe, compare with the record, write the files that differ, keep the record.

Files come first and the record last, with the changes and the messages about them in one transaction. A process that
dies in between leaves the old record, and a mark that files were being replaced: the next check finds the same change
again and compares every file.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from microbadger.freshness.checks import Checks
from microbadger.freshness.records import Records
from microbadger.freshness.relatives import Chains, LayerStacks
from microbadger.freshness.survey import Survey
from microbadger.image import (
    MOST_CHANGES,
    NO_CHANGES,
    ChangeDocument,
    ChangeLogDocument,
    Changes,
    ImageDocument,
    Repository,
    VersionDocument,
    change_between,
    changes_between,
    describe_image,
    hub_details,
    is_same,
    related,
    with_details_of,
)
from microbadger.notifications import Notifications
from microbadger.site import ImageFiles, ImagePaths, Maker, Publisher, SiteOptions, status_files
from microbadger.store import Database, Lease
from microbadger.webhooks import WebhookUrls


@dataclass(frozen=True, slots=True)
class Published:
    """What a check published: the document, how tags moved, and the paths whose content changed."""

    image: ImageDocument
    changes: Changes = NO_CHANGES
    paths: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """The public files of images, and the records that they are made from."""

    database: Database
    records: Records
    stacks: LayerStacks
    checks: Checks
    publisher: Publisher
    notifications: Notifications
    options: SiteOptions
    webhooks: WebhookUrls | None
    """The webhook URLs that pages and documents show; None where they show none."""

    def publish(
        self, lease: Lease, repository: Repository, before: ImageDocument | None, survey: Survey, *, is_ours: bool
    ) -> Published:
        """Publish what a check found and return what changed.

        ``before`` is the record. Where the check found the same, nothing is written if ``is_ours`` says that every file
        is as this service makes it. Raises PublishError, StoreError and LeaseLost.
        """
        versions, stacks = self._with_relatives(repository, survey.versions)
        after = self._describe(repository, versions, survey, before)
        if before and is_same(before, after):
            if survey.trouble or is_ours:
                return Published(before)
            return Published(before, paths=frozenset(self.publish_again(repository)))
        changed = self._changed_versions(repository, before, versions)
        change = change_between(before, after, self.checks.now()) if before else None
        files = self._files(repository, after, changed, change)
        with self.database.write() as connection:
            lease.prove(connection)
            self.checks.publishing(connection, repository)
        unchanged = {version["SHA"] for version in after["Versions"]} - changed.keys() if is_ours else set()
        plan = self._plan(repository, before, files, unchanged)
        paths = set(self.publisher.publish(plan.files, plan.gone))
        changes = changes_between(before, after) if before else NO_CHANGES
        with self.database.write(durable=True) as connection:
            lease.prove(connection)
            self.records.write(connection, repository, after, changed.values(), change)
            self.records.keep_current(connection, repository, plan.kept)
            self.records.forget_files(connection, repository, plan.gone)
            self.stacks.write(connection, repository, versions, stacks)
            if before and changes:
                self.notifications.announce(connection, before, after, changes)
        late = self._files_on_request(repository, files, without=plan.files)
        surplus = set() if is_ours else self._surplus(repository, before, after).difference(plan.files, late)
        return Published(after, changes, frozenset(paths.union(self.publisher.publish(late, surplus))))

    def publish_again(self, repository: Repository) -> list[str]:
        """Write every file of an image that is not as its record has it, and return the paths that changed."""
        files = self._recorded_files(repository)
        wanted = self._status_files(repository)
        if files:
            written = files.written()
            wanted |= self._files_on_request(repository, files, without=written) | written
        return self.publisher.publish(wanted, self._surplus(repository, files.image if files else None))

    def make(self, repository: Repository, path: str) -> bytes | None:
        """Make a file of an image that somebody asked for, and keep it current from now on.

        Return its content; None where the image has no such file. While it is made, a check may replace the record: the
        file is then made again.
        """
        is_kept = False
        while files := self._recorded_files(repository):
            make = files.all().get(path)
            if make is None:
                break
            content = make()
            if not is_kept:
                with self.database.write() as connection:
                    self.records.keep_current(connection, repository, [path])
                is_kept = True
            self.publisher.write_if_possible(path, content)
            if self.records.updated_at(repository) == files.image["UpdatedAt"]:
                return content
        if is_kept:
            self.publisher.remove(path)
        return None

    def remove(self, repository: Repository) -> list[str]:
        """Remove every public file of an image, and its record; return the paths that were removed."""
        files = self._recorded_files(repository)
        paths = {*(files.all() if files else ()), *self.records.files_on_request(repository)}
        paths |= {name.status for name in ImagePaths.all_of(repository)}
        removed = self.publisher.publish({}, paths)
        with self.database.write() as connection:
            self.records.forget(connection, repository)
            self.stacks.forget(connection, repository)
        return removed

    def _with_relatives(
        self, repository: Repository, versions: list[VersionDocument]
    ) -> tuple[list[VersionDocument], dict[str, Chains]]:
        """Return the versions with the parents and copies that they have among the tracked images now."""

        def diff_ids_of(sha: str) -> list[str]:
            version = self.records.version(repository, sha)
            return version.get("DiffIDs", []) if version else []

        with self.database.read() as connection:
            stacks = self.stacks.chains_of(connection, repository, versions, diff_ids_of)
            relatives = self.stacks.relatives(connection, repository, versions, stacks)
        with_relatives = [
            related(version, found.parents, found.identical) if (found := relatives.get(version["SHA"])) else version
            for version in versions
        ]
        return with_relatives, stacks

    def _describe(
        self,
        repository: Repository,
        versions: Iterable[VersionDocument],
        survey: Survey,
        before: ImageDocument | None,
    ) -> ImageDocument:
        return describe_image(
            repository,
            versions,
            updated_at=self.checks.now(),
            webhook_url=self.webhooks.of(repository) if self.webhooks else None,
            hub=survey.hub or (hub_details(before) if before else None),
        )

    def _changed_versions(
        self, repository: Repository, before: ImageDocument | None, versions: Iterable[VersionDocument]
    ) -> dict[str, VersionDocument]:
        """Return the whole documents of versions that are new, or whose tags or relatives changed, by SHA."""
        last = {version["SHA"]: version for version in before["Versions"]} if before else {}
        changed = {}
        for version in versions:
            sha, is_whole = version["SHA"], "Layers" in version
            if not is_whole and version == last.get(sha):
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
    ) -> ImageFiles:
        """Return the files of an image whose record is about to be replaced."""
        log = self.records.changes(repository)
        if change:
            log = ChangeLogDocument(ImageName=log["ImageName"], Changes=[change, *log["Changes"]][:MOST_CHANGES])
        return ImageFiles(
            image=image,
            changes=log,
            version=lambda sha: changed.get(sha) or self.records.version(repository, sha),
            site=self.options,
        )

    def _recorded_files(self, repository: Repository) -> ImageFiles | None:
        image = self.records.image(repository)
        return self._files(repository, image, {}, None) if image else None

    def _status_files(self, repository: Repository) -> dict[str, Maker]:
        """Return the state of an image as files where only files are published; else it is an answer."""
        if not self.options.is_static:
            return {}
        status = self.checks.get(repository).status(repository, self.checks.now())
        return status_files(repository, status)

    def _surplus(self, repository: Repository, *images: ImageDocument | None) -> set[str]:
        """Return files that may be there of an image though nobody keeps them current.

        A static site has them, or a database knew them that was lost. They are made again when they are requested.
        """
        if self.options.is_static:
            return set()
        surplus = {paths.status for paths in ImagePaths.all_of(repository)}
        for image in filter(None, images):
            files = self._files(repository, image, {}, None)
            surplus |= files.all().keys() - files.written().keys()
        return surplus - self.records.files_on_request(repository)

    def _plan(
        self, repository: Repository, before: ImageDocument | None, files: ImageFiles, unchanged: Collection[str]
    ) -> "_Plan":
        """Return which files to write, which went with their tag, and which are no longer written but still exist.

        The documents of versions that are ``unchanged`` are left out.
        """
        skipped = {paths.version(sha) for paths in ImagePaths.all_of(repository) for sha in unchanged}
        written = files.written()
        wanted = {path: make for path, make in written.items() if path not in skipped}
        on_request = self.records.files_on_request(repository)
        last_written = self._files(repository, before, {}, None).written() if before else {}
        others = {*last_written, *on_request} - written.keys()
        if not others:
            return _Plan(wanted, frozenset(), frozenset())
        possible = files.all()
        kept = {path: possible[path] for path in others if path in possible}
        return _Plan(kept | wanted, frozenset(others - kept.keys()), frozenset(kept.keys() - on_request))

    def _files_on_request(
        self, repository: Repository, files: ImageFiles, without: Collection[str]
    ) -> dict[str, Maker]:
        asked = self.records.files_on_request(repository).difference(without)
        possible = files.all() if asked else {}
        return {path: possible[path] for path in sorted(asked) if path in possible}


@dataclass(frozen=True, slots=True)
class _Plan:
    files: Mapping[str, Maker]
    gone: frozenset[str]
    kept: frozenset[str]
    """Files that a check wrote until now, and that are kept current from now on as if somebody had asked for them."""
