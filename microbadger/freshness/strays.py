"""Removes public files that no image has any more, after the database that knew them was lost.

An image may have been untracked meanwhile, and nothing but its files is left of it. They go if there is a list that
could have named the image, and does not.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from microbadger.cdn import CdnPurge
from microbadger.freshness.records import Records
from microbadger.freshness.removal import Removal
from microbadger.freshness.tracked_images import TrackedImages
from microbadger.image import Repository
from microbadger.logs import EventLog
from microbadger.site import PublicTree, PublishError, image_in
from microbadger.store import Database, StoreError

log = EventLog(__name__)


@dataclass(slots=True, kw_only=True)
class Strays:
    """The public files of images that are neither tracked nor known."""

    database: Database
    tracked: TrackedImages
    records: Records
    removal: Removal
    publisher: PublicTree
    cdn: CdnPurge
    _paths_of: dict[Repository, list[str]] = field(default_factory=dict, init=False)

    def find(self, paths: Iterable[str], known: set[Repository]) -> None:
        """Find them among the paths of all public files. Raises StoreError."""
        known = known | {image.repository for image in self.tracked}
        strays: dict[Repository, list[str]] = {}
        for path in paths:
            repository = image_in(path)
            if repository and repository not in known:
                strays.setdefault(repository, []).append(path)
        self._paths_of = strays

    def remove(self) -> None:
        """Remove those that were found; a list that was just edited has to settle first.

        Raises what happened first, StoreError or PublishError, after it was tried for all.
        """
        troubles: list[PublishError | StoreError] = []
        for repository, paths in list(self._paths_of.items()):
            try:
                if self.tracked.get(repository) or self._remove(repository, paths):
                    del self._paths_of[repository]
            except (PublishError, StoreError) as error:
                troubles.append(error)
        if troubles:
            raise troubles[0]

    def _remove(self, repository: Repository, paths: Sequence[str]) -> bool:
        """Remove files of an image, if a list says that it may be removed; return whether that was done."""
        if not (self.tracked.may_be_removed(repository) and self.tracked.has_list):
            return False
        try:
            with self.database.write() as connection:
                self.records.add_files(connection, repository, paths)
        except StoreError:  # as on a full disk: what is not to be public any more goes all the same
            self.cdn.add(self.publisher.publish({}, paths))
            raise
        is_removed = self.removal.remove_if_idle(repository)
        if is_removed:
            log.warning("untracked_files_removed", image=repository.familiar, files=len(paths))
        return is_removed
