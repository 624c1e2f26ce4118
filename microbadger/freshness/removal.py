"""Removes the public files of untracked and hidden images, and the names of these images from other files.

A *hidden* image was private before and is not any more. Nothing of it may be published until it has been read
anonymously. A *mention* is the name of one image in the files of another, as a parent or a copy.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from microbadger.freshness.checks import Checks, mark_lists_stale
from microbadger.freshness.mentions import mentions, write_mentions
from microbadger.freshness.outcome import Aftermath
from microbadger.freshness.private_reads import (
    has_public_record,
    is_hidden,
    note_private_read,
    note_public_read,
    private_reads,
)
from microbadger.freshness.publication import Publication
from microbadger.freshness.tracked_images import TrackedImages
from microbadger.freshness.turns import Turns
from microbadger.image import Repository
from microbadger.site import NotRemoved, PublishError
from microbadger.store import Database, StoreError


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """Removes public files and the records that they are made from."""

    database: Database
    turns: Turns
    tracked: TrackedImages
    checks: Checks
    publication: Publication
    aftermath: Aftermath

    def remove(self, repository: Repository) -> None:
        """Remove the files and the record of an untracked image, after waiting for a running check."""
        try:
            with self.turns.hold(repository):
                self.remove_held(repository)
        finally:
            self.drop_mentions()

    def remove_if_idle(self, repository: Repository) -> bool:
        """Do the same without dropping its mentions, unless a check is running; return whether it was done."""
        try:
            with self.turns.try_hold(repository) as lease:
                if lease:
                    self.remove_held(repository)
        except StoreError:  # even on a full disk, files that must not be public any longer are removed
            self.publication.remove_files(repository)
            raise
        return lease is not None

    def remove_held(self, repository: Repository) -> list[str]:
        """Do the same while holding the lease of the image, and return the paths of the removed files.

        Raises NotRemoved for a file that cannot be removed, after everything else is done.
        """
        with self._taken_down(repository) as (paths, left), self.database.write() as connection:
            if self.tracked.read(connection, repository) is None:  # it may be tracked again by now
                self.publication.forget(connection, repository)
                self.publication.records.sightings.note_untracked(connection, repository)
                self.turns.forget(connection, repository, is_left=bool(left))
                self.publication.records.add_files(connection, repository, left)
                mark_lists_stale(connection)
        return paths

    def hide(self, repository: Repository) -> None:
        """Remove the files and the record of a hidden image.

        While a check is running, only the files are removed. `hidden` still returns the image, so hide it again later.
        """
        if not self.is_hidden(repository):
            return
        # The files come first, because a lease cannot be taken on a full disk.
        with self._taken_down(repository), self.turns.try_hold(repository) as lease:
            if lease and self.is_hidden(repository):
                self.hide_held(repository)
            elif lease:  # meanwhile it was read anonymously, or is private again
                self.publication.publish_again(repository)

    def hide_unless_shown(self, repository: Repository) -> bool:
        """Hide an image that may have been private, unless a check has just shown that it is public.

        Return whether that is settled; it is not while a check is running.
        """
        with self.turns.try_hold(repository) as lease:
            if lease and not self._has_public_record(repository):
                self.hide_held(repository)
        return lease is not None

    def hide_held(self, repository: Repository) -> None:
        """Hide an image while holding its lease.

        Raises NotRemoved for a file that cannot be removed, after everything else is done.
        """
        with self._taken_down(repository) as (_, left), self.database.write() as connection:
            self.publication.forget(connection, repository)
            note_private_read(connection, repository)
            self.publication.records.add_files(connection, repository, left)
            # Only after a success, or a file that cannot be removed would restart the check again and again.
            if self.checks.read(connection, repository).succeeded_at:
                self.checks.begin_anew(connection, repository)
            mark_lists_stale(connection)

    def unhide(self, repository: Repository) -> None:
        """Record that a hidden image was read anonymously, and may be published."""
        with self.database.write() as connection:
            note_public_read(connection, repository)

    def hidden(self) -> list[Repository]:
        """Return the hidden images that still have a record or files."""
        with self.database.read() as connection:
            return [
                repository
                for repository in private_reads(connection)
                if is_hidden(connection, self.tracked.read(connection, repository))
                and self.publication.records.is_published(connection, repository)
            ]

    def is_hidden(self, repository: Repository) -> bool:
        """Return whether an image was private and has not been read anonymously since."""
        with self.database.read() as connection:
            return is_hidden(connection, self.tracked.read(connection, repository))

    @contextmanager
    def _taken_down(self, repository: Repository) -> Iterator[tuple[list[str], Collection[str]]]:
        """Remove the files of an image, and yield the paths of the removed and of the remaining files.

        NotRemoved is raised only after the block has run, so that one file does not keep anything else public.
        """
        trouble: NotRemoved | None = None
        try:
            paths = self.publication.remove_files(repository)
        except NotRemoved as error:
            paths, trouble = error.removed, error
        self.aftermath.purge(paths)
        yield paths, trouble.left if trouble else ()
        if trouble:
            raise trouble

    def _has_public_record(self, repository: Repository) -> bool:
        with self.database.read() as connection:
            return has_public_record(connection, repository)

    def drop_mentions(self) -> None:
        """Publish all images that mention a removed one again, without its name. Images being checked have to wait.

        Raises the first StoreError or PublishError after all images were tried.
        """
        with self.database.read() as connection:
            named_by = mentions(connection)
            unsure = self.publication.relations.stacks.incomplete(connection) if named_by else []
        troubles: list[PublishError | StoreError] = []
        for gone, images in named_by.items():
            others = {*images, *unsure} - {gone}
            waiting = [each for each in sorted(others, key=str) if not self._drop_mention_or_note(each, gone, troubles)]
            with self.database.write() as connection:
                write_mentions(connection, gone, waiting)
        if troubles:
            raise troubles[0]

    def _drop_mention_or_note(
        self, repository: Repository, gone: Repository, troubles: list[PublishError | StoreError]
    ) -> bool:
        try:
            return self._drop_mention(repository, gone)
        except (PublishError, StoreError) as error:
            troubles.append(error)
            return False

    def _drop_mention(self, repository: Repository, gone: Repository) -> bool:
        with self.turns.try_hold(repository) as lease:
            if lease:
                self.aftermath.purge(self.publication.publish_without_mention(lease, repository, gone))
        return lease is not None
