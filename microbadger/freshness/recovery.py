"""Repairs the public files after an unclean stop, such as a power failure.

A power failure loses data that the disk has not written yet. An old file may be back in place of a new one, or a file
may have lost its content. The records are durable, so every file is compared with its record. The leader (the process
with the duty ``FOLLOW``) deletes a mark when it begins and sets it when it ends, so a missing mark shows an unclean
stop.

In a bucket there is nothing to repair: objects are stored completely or not at all, and an image whose files were being
replaced is due at once.
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
    """Rewrites damaged public files."""

    database: Database
    checks: Checks
    refresher: Refresher
    strays: Strays
    catalogue: Catalogue
    publisher: PublicTree
    cdn: CdnPurge
    _is_over: bool = field(default=False, init=False)

    def is_needed(self) -> bool:
        """Return whether the previous leader stopped uncleanly. Raises StoreError.

        This also deletes the mark, so this process counts as stopped uncleanly until it calls `end_well`.
        """
        with self.database.write(durable=True) as connection:
            self._is_over = read_value(connection, _STOP) == _CLEAN or not self.publisher.may_be_cut
            write_value(connection, _STOP, _UNKNOWN)
        return not self._is_over

    def end_well(self) -> None:
        """Mark a clean stop, so that the next leader need not recover. Raises StoreError.

        A process that has not finished its own recovery sets no mark.
        """
        if self._is_over:
            with self.database.write() as connection:
                write_value(connection, _STOP, _CLEAN)

    def recover(self) -> None:
        """Rewrite every public file that differs from its record. Raises StoreError and PublishError.

        Images with an empty file come first. Images that are being checked come last, because their registry may hang.
        Nothing is done for a bucket.
        """
        if not self.publisher.may_be_cut:
            self._is_over = True
            return
        damaged = self._remove_empty()
        self.strays.find()  # the next round removes them
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
        """Rewrite the files of an image that differ from its record, and return their number.

        Return None if a check is running and ``publish_again`` does not wait for it.
        """
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
        """Remove the empty files of images, which a web server would serve, and return these images."""
        damaged = {path: repository for path in self._empty_files() if (repository := image_in(path))}
        for path in damaged:
            self.publisher.remove(path)
        return list(dict.fromkeys(damaged.values()))

    def _empty_files(self) -> Iterator[str]:
        """Yield the paths of empty public files."""
        return (path for path in self.publisher.paths() if not self.publisher.has(path))
