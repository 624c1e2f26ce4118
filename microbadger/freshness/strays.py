"""Compares the public folder with what the database vouches for, once for each database that a process meets.

A database may be a new one, or have lost tables or rows. Files of an image that no list names any more go, if there
is a list that could have named it. Other files may be of a time when their image was private. So files of an image
that is not private now go until it is read as a public one. They stay if its record says that it is public, or if no
credential opens the image and nothing says that it was private.
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
    """The public files that nothing in the database vouches for."""

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
        """Return whether the folder is still to be compared with this database. Raises StoreError."""
        return self._identity() != self._compared

    def find_and_remove(self) -> None:
        """Compare the folder with the database, and remove what is not vouched for. Raises what `remove` does."""
        self.find()
        self.remove()

    def find(self) -> None:
        """Find such files unless that was done with this database. Raises StoreError."""
        with self._finding:
            identity = self._identity()
            if identity != self._compared:
                self._paths_of.update(self._found())
                self._compared = identity

    def remove(self) -> None:
        """Remove what was found, unless another thread does; a list that was just edited has to settle first.

        Raises what happened first, StoreError or PublishError, after it was tried for all.
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
        """Return the paths of such files by image. `remove` asks again, for a check may publish meanwhile."""
        paths = iter(self.publisher.paths())
        first = next(paths, None)
        if first is None:  # as of a bucket: there is nothing to compare all images with
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
        """Remove, hide or keep files of an image, by how it is tracked now; return whether that was done."""
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
        """Remove files of an image, if a list says that it may be removed."""
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
        """Keep the paths of files that are about to be removed."""
        try:
            with self.database.write() as connection:
                self.records.add_files(connection, repository, paths)
        except StoreError:  # as on a full disk: what is not to be public any more goes all the same
            self.cdn.add(self.publisher.publish({}, paths))
            raise
