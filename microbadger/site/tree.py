"""What a place for the public tree can do, be it a folder or a bucket; paths are those of `microbadger.site.paths`."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from io import FileIO
from typing import Protocol, TypeVar


class PublishError(Exception):
    """A file could not be written or removed; the sentence names it and the cause. The old file is still there."""


class NotRemoved(PublishError):
    """Files could not be removed: ``left`` are their paths, ``removed`` those of others that were."""

    def __init__(self, cause: PublishError, left: Collection[str], removed: list[str]) -> None:
        others = f", nor can {len(left) - 1} others" if len(left) > 1 else ""
        super().__init__(f"{cause}{others}")
        self.left = left
        self.removed = removed


class Overtaken(Exception):
    """Another process has replaced the last of the files to publish since it was seen: it was not written."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Which content of a file was seen; without an ETag there was none."""

    etag: str = ""
    size_bytes: int = 0


T = TypeVar("T")
R = TypeVar("R")


class PublicTree(Protocol):
    """The public files. What changes something raises PublishError if that fails."""

    may_be_cut: bool
    """Whether a stop that is not clean may leave files that are not whole, or take back some that were written."""
    adds_safely: bool
    """Whether `write_if_possible` leaves a newer file alone that another process wrote where one was missing."""

    @property
    def problems(self) -> list[str]:
        """One sentence for each thing that keeps public files from being read or written now."""

    def read(self, path: str) -> bytes | None:
        """Return the bytes published at a path, or None."""

    def open(self, path: str) -> FileIO | None:
        """Return the same as a file opened to be read, for it may be long."""

    def has(self, path: str) -> bool:
        """Return whether a file that is not empty is published at a path."""

    def find(self, paths: Iterable[str]) -> set[str]:
        """Return those of many paths at which such a file is published."""

    def seen(self, path: str) -> Seen:
        """Return what is published at a path now, for `publish` to replace nothing else."""

    def publish(
        self, files: Mapping[str, Callable[[], bytes]], gone: Collection[str] = (), over: Seen | None = None
    ) -> list[str]:
        """Make and write ``files``, and remove those that are ``gone``; return the paths that changed.

        The last file is written after everything else is in place, and only over what was ``seen`` there, if the place
        can compare. Raises Overtaken.
        """

    def write(self, path: str, content: bytes) -> bool:
        """Publish these bytes at a path; return False, without writing, if they are already there."""

    def write_if_possible(self, path: str, content: bytes, *, is_missing: bool = False) -> None:
        """Publish these bytes at a path; a failure, as on a full disk, is logged, for they are served all the same.

        ``is_missing`` says that nothing was found there.
        """

    def remove(self, path: str) -> bool:
        """Remove a file; return False if there was none."""

    def at_once(self, work: Callable[[T], R], each: Iterable[T]) -> list[R]:
        """Return what comes of some work on each of many, several at once where a place is far away."""

    def paths(self) -> Iterable[str]:
        """Return the path of every file, for one to be found that nobody knows; none where a place cannot be listed."""

    def sweep(self) -> None:
        """Remove what killed processes have left besides public files."""


def cannot(what: str, path: str, place: str, reason: object) -> PublishError:
    """Return the error of a file that cannot be read, written or removed."""
    return PublishError(f"cannot {what} {path} {'into' if what == 'write' else 'from'} the {place}: {reason}")


def remove_all(tree: PublicTree, paths: Iterable[str]) -> list[str]:
    """Remove files, and return the paths of those that there were. Raises NotRemoved after it was tried for all."""

    def outcome_of(path: str) -> PublishError | bool:
        try:
            return tree.remove(path)
        except PublishError as error:
            return error

    each = sorted(paths)
    outcomes = dict(zip(each, tree.at_once(outcome_of, each), strict=True))
    removed = [path for path, outcome in outcomes.items() if outcome is True]
    troubles = {path: outcome for path, outcome in outcomes.items() if isinstance(outcome, PublishError)}
    if troubles:
        raise NotRemoved(next(iter(troubles.values())), troubles, removed)
    return removed
