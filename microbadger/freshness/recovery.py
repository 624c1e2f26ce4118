"""Makes the public files whole again after a stop that was not clean, such as a power failure.

What the disk had not yet taken is gone: names of new files, so that an old file is at their place, and on some disks
the content of files that have theirs. The records are durable, so every file is compared with what its record says.
Whether the last stop was clean is seen by a mark that the process that leads removes first of all, and makes when it
ends.

In a bucket nothing is cut: what the store has taken, it has. An image whose files were being replaced is due at once,
so there is nothing to do here.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain

from microbadger.cdn import CdnPurge
from microbadger.freshness.catalogue import Catalogue
from microbadger.freshness.checks import Checks
from microbadger.freshness.refresh import Refresher
from microbadger.freshness.strays import Strays
from microbadger.image import Repository
from microbadger.logs import EventLog
from microbadger.site import PublicTree, PublishError, image_in
from microbadger.store import Database, read_value, write_value

log = EventLog(__name__)

_STOP = "last_stop"
_CLEAN, _UNKNOWN = "clean", ""


@dataclass(slots=True, kw_only=True)
class Recovery:
    """Rewrites what is not whole."""

    database: Database
    checks: Checks
    refresher: Refresher
    strays: Strays
    catalogue: Catalogue
    publisher: PublicTree
    cdn: CdnPurge
    _is_over: bool = field(default=False, init=False)

    def is_needed(self) -> bool:
        """Return whether the process that led before did not end well. Raises StoreError.

        Until it says so, that is true of this process, too.
        """
        with self.database.write(durable=True) as connection:
            self._is_over = read_value(connection, _STOP) == _CLEAN or not self.publisher.may_be_cut
            write_value(connection, _STOP, _UNKNOWN)
        return not self._is_over

    def end_well(self) -> None:
        """Keep the next process that leads from comparing everything, unless that is still to be done here.

        Raises StoreError.
        """
        if self._is_over:
            with self.database.write() as connection:
                write_value(connection, _STOP, _CLEAN)

    def recover(self) -> None:
        """Rewrite every public file that is not as it should be, first of the images that have an empty one.

        In a bucket there is none. An image that is being checked comes last: its registry may hang.

        Raises StoreError and PublishError.
        """
        if not self.publisher.may_be_cut:
            self._is_over = True
            return
        damaged = self._remove_empty()
        self.strays.find()  # which the next round removes
        count, busy = 0, list[Repository]()
        for repository in chain(damaged, self._others(set(damaged))):
            written = self._publish_again(repository, self.refresher.publish_again_if_idle)
            count += written or 0
            if written is None:
                busy.append(repository)
        self.catalogue.publish()
        count += sum(self._publish_again(repository, self.refresher.publish_again) or 0 for repository in busy)
        self._is_over = True
        log.info("public_files_recovered", files=count, images_with_empty_files=len(damaged))

    def _others(self, damaged: Collection[Repository]) -> Iterator[Repository]:
        return (repository for repository in self.checks.repositories() if repository not in damaged)

    def _publish_again(
        self, repository: Repository, publish_again: Callable[[Repository], Sequence[str] | None]
    ) -> int | None:
        """Write the files of an image that are not as its record has them, and return how many; None if it is busy."""
        try:
            paths = publish_again(repository)
        except PublishError as error:
            log.error("files_not_recovered", image=repository.familiar, error=error)
            return 0
        if paths is None:
            return None
        self.cdn.add(paths)
        return len(paths)

    def _remove_empty(self) -> list[Repository]:
        """Remove the empty files of images, which a web server would serve, and return those images."""
        damaged = {path: repository for path in self._empty_files() if (repository := image_in(path))}
        for path in damaged:
            self.publisher.remove(path)
        return list(dict.fromkeys(damaged.values()))

    def _empty_files(self) -> Iterator[str]:
        """Yield the paths of public files without content; there should be none."""
        return (path for path in self.publisher.paths() if not self.publisher.has(path))
