"""Removes *stray* files: public files that no record in the database justifies.

The database may be new, or may have lost tables or rows, so each process compares the public folder once with each
database that it uses. Files of an untracked image are removed, if there is a list that could have named it. Files of a
tracked image may be from a time when it was private, so they are removed until the image is read anonymously. They
stay if the image is private now, if its record says that it is public, or if there is no credential for the image and
nothing says that it was private.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from threading import Lock

from microbadger.cdn import CdnPurge
from microbadger.freshness.private_reads import has_public_record, public_records
from microbadger.freshness.records import Records
from microbadger.freshness.removal import Removal
from microbadger.freshness.tracked_images import TrackedImages
from microbadger.image import Repository
from microbadger.logs import EventLog
from microbadger.registry import Registry
from microbadger.site import PublicTree, PublishError, image_in
from microbadger.store import Database, StoreError, identity_of

log = EventLog(__name__)


@dataclass(slots=True, kw_only=True)
class Strays:
    """Finds and removes stray files."""

    database: Database
    tracked: TrackedImages
    records: Records
    removal: Removal
    publisher: PublicTree
    cdn: CdnPurge
    registry: Registry
    _compared: str | None = field(default=None, init=False)
    """The identity of the database that the folder was last compared with."""
    _finding: Lock = field(default_factory=Lock, init=False)
    _removing: Lock = field(default_factory=Lock, init=False)
    _paths_of: dict[Repository, list[str]] = field(default_factory=dict, init=False)

    def are_unknown(self) -> bool:
        """Return whether the folder has not been compared with the current database yet. Raises StoreError."""
        return self._identity() != self._compared

    def find_and_remove(self) -> None:
        """Compare the folder with the database and remove stray files. Raises the same errors as `remove`."""
        self.find()
        self.remove()

    def find(self) -> None:
        """Find stray files, unless the folder was compared with this database before. Raises StoreError."""
        with self._finding:
            identity = self._identity()
            if identity != self._compared:
                self._paths_of.update(self._found())
                self._compared = identity

    def remove(self) -> None:
        """Remove the stray files that were found, unless another thread is doing that.

        Files of untracked images stay while the list of images may be half written. Raises the first StoreError or
        PublishError after all images were tried.
        """
        if not self._removing.acquire(blocking=False):
            return
        try:
            self._remove_all()
        finally:
            self._removing.release()

    def _identity(self) -> str | None:
        with self.database.read() as connection:
            return identity_of(connection)

    def _found(self) -> dict[Repository, list[str]]:
        """Return the paths of stray files by image. `remove` decides again, because a check may publish meanwhile."""
        paths = iter(self.publisher.paths())
        first = next(paths, None)
        if first is None:  # a bucket lists no paths, so do not read all images for nothing
            return {}
        with self.database.read() as connection:
            public = public_records(connection)
        vouched = {image.repository for image in self.tracked if image.private or image.repository in public}
        found: dict[Repository, list[str]] = {}
        for path in chain([first], paths):
            repository = image_in(path)
            if repository and repository not in vouched:
                found.setdefault(repository, []).append(path)
        return found

    def _remove_all(self) -> None:
        troubles: list[PublishError | StoreError] = []
        for repository, paths in list(self._paths_of.items()):
            try:
                if self._settle(repository, paths):
                    del self._paths_of[repository]
            except (PublishError, StoreError) as error:
                troubles.append(error)
        if troubles:
            raise troubles[0]

    def _settle(self, repository: Repository, paths: Sequence[str]) -> bool:
        """Remove, hide or keep the files of an image, depending on how it is tracked; return whether that is done."""
        image = self.tracked.get(repository)
        if image is None:
            return self._remove(repository, paths)
        return image.private or self._is_shown(repository) or self._hide(repository, paths)

    def _is_shown(self, repository: Repository) -> bool:
        with self.database.read() as connection:
            if has_public_record(connection, repository):
                return True
        return not self.removal.is_hidden(repository) and not self.registry.has_account(repository)

    def _remove(self, repository: Repository, paths: Sequence[str]) -> bool:
        """Remove the files of an untracked image, if the list of images allows it; return whether they are removed."""
        if not (self.tracked.may_be_removed(repository) and self.tracked.has_list):
            return False
        self._remember(repository, paths)
        is_removed = self.removal.remove_if_idle(repository)
        if is_removed:
            log.warning("untracked_files_removed", image=repository.familiar, files=len(paths))
        return is_removed

    def _hide(self, repository: Repository, paths: Sequence[str]) -> bool:
        self._remember(repository, paths)
        is_hidden = self.removal.hide_unless_shown(repository)
        if is_hidden:
            log.warning("unproven_files_removed", image=repository.familiar, files=len(paths))
        return is_hidden

    def _remember(self, repository: Repository, paths: Sequence[str]) -> None:
        """Store the paths of files before they are removed."""
        try:
            with self.database.write() as connection:
                self.records.add_files(connection, repository, paths)
        except StoreError:  # even on a full disk, files that must not be public any longer are removed
            self.cdn.add(self.publisher.publish({}, paths))
            raise
