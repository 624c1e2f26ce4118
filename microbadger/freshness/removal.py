"""Removes public files of images that were untracked or may no longer be shown, and their names in other files."""

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
    """Removes public files, and what they are made from."""

    database: Database
    turns: Turns
    tracked: TrackedImages
    checks: Checks
    publication: Publication
    aftermath: Aftermath

    def remove(self, repository: Repository) -> None:
        """Remove everything published of an image that is not tracked, and its record, after a check under way."""
        try:
            with self.turns.hold(repository):
                self.remove_held(repository)
        finally:
            self.drop_mentions()

    def remove_if_idle(self, repository: Repository) -> bool:
        """Do the same, but for its mentions, unless a check is under way; return whether it was done."""
        try:
            with self.turns.try_hold(repository) as lease:
                if lease:
                    self.remove_held(repository)
        except StoreError:  # as on a full disk: what is not to be public any longer goes all the same
            self.publication.remove_files(repository)
            raise
        return lease is not None

    def remove_held(self, repository: Repository) -> list[str]:
        """Do the same while holding the lease of the image; return the paths of what was removed.

        Raises NotRemoved after everything else was done.
        """
        with self._taken_down(repository) as (paths, left), self.database.write() as connection:
            if self.tracked.read(connection, repository) is None:  # else somebody has tracked it again
                self.publication.forget(connection, repository)
                self.publication.records.sightings.note_untracked(connection, repository)
                self.turns.forget(connection, repository, is_left=bool(left))
                self.publication.records.add_files(connection, repository, left)
                mark_lists_stale(connection)
        return paths

    def hide(self, repository: Repository) -> None:
        """Remove what was published of an image that is no longer private, until it is read as a public one.

        While a check is under way, the record stays, and so `hidden` still names the image: hide it again later.
        """
        if not self.is_hidden(repository):
            return
        # Files first: on a full disk no lease can be had.
        with self._taken_down(repository), self.turns.try_hold(repository) as lease:
            if lease and self.is_hidden(repository):
                self.hide_held(repository)
            elif lease:  # it was shown to be public meanwhile, or is private again
                self.publication.publish_again(repository)

    def hide_unless_shown(self, repository: Repository) -> bool:
        """Hide an image of which nobody knows whether it was private, unless a check just showed that it is public.

        Return whether that is known now; it is not while a check is under way.
        """
        with self.turns.try_hold(repository) as lease:
            if lease and not self._has_public_record(repository):
                self.hide_held(repository)
        return lease is not None

    def hide_held(self, repository: Repository) -> None:
        """Do the same while holding the lease of the image. Raises NotRemoved after everything else was done."""
        with self._taken_down(repository) as (_, left), self.database.write() as connection:
            self.publication.forget(connection, repository)
            note_private_read(connection, repository)
            self.publication.records.add_files(connection, repository, left)
            if self.checks.read(connection, repository).succeeded_at:  # else a file that stays would begin it again
                self.checks.begin_anew(connection, repository)
            mark_lists_stale(connection)

    def unhide(self, repository: Repository) -> None:
        """Note that a hidden image was read as a public one, and may be published."""
        with self.database.write() as connection:
            note_public_read(connection, repository)

    def hidden(self) -> list[Repository]:
        """Return the images that are to be hidden and of which something is still published."""
        with self.database.read() as connection:
            return [
                repository
                for repository in private_reads(connection)
                if is_hidden(connection, self.tracked.read(connection, repository))
                and self.publication.records.is_published(connection, repository)
            ]

    def is_hidden(self, repository: Repository) -> bool:
        """Return whether an image was private, and is not yet shown to be public."""
        with self.database.read() as connection:
            return is_hidden(connection, self.tracked.read(connection, repository))

    @contextmanager
    def _taken_down(self, repository: Repository) -> Iterator[tuple[list[str], Collection[str]]]:
        """Remove the files of an image, and yield the paths of those that were removed, and of those that are left.

        NotRemoved is raised only after the block has run: one file keeps nothing else public.
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
        """Publish images again that name one that was removed, without its name; those being checked have to wait.

        Raises what happened first, StoreError or PublishError, after it was tried for all.
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
