"""The interface of the public tree, a folder or a bucket. Its paths are those of `microbadger.site.paths`."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from io import FileIO
from typing import Protocol, TypeVar


class PublishError(Exception):
    """A file could not be written or removed; the message names it and the cause. The old file is still there."""


class NotRemoved(PublishError):
    """Files could not be removed. ``left`` are their paths, and ``removed`` the paths of files that were removed."""

    def __init__(self, cause: PublishError, left: Collection[str], removed: list[str]) -> None:
        others = f", nor can {len(left) - 1} others" if len(left) > 1 else ""
        super().__init__(f"{cause}{others}")
        self.left = left
        self.removed = removed


class Overtaken(Exception):
    """The last of the files was not written, because another process has replaced it since it was seen."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The content of a file that was seen, by its size and ETag. Without an ETag, there was no file."""

    etag: str = ""
    size_bytes: int = 0


T = TypeVar("T")
R = TypeVar("R")


class PublicTree(Protocol):
    """The public files. Methods that change something raise PublishError if that fails."""

    may_be_cut: bool
    """Whether an unclean stop, such as a power failure, can leave incomplete files or undo some writes."""
    adds_safely: bool
    """Whether `write_if_possible` keeps a newer file that another process wrote where a file was missing."""

    @property
    def problems(self) -> list[str]:
        """One sentence for each reason why public files cannot be read or written now."""

    def read(self, path: str) -> bytes | None:
        """Return the bytes published at a path, or None."""

    def open(self, path: str) -> FileIO | None:
        """Return the file at a path, open for reading in parts, or None."""

    def has(self, path: str) -> bool:
        """Return whether a file is published at a path and is not empty."""

    def find(self, paths: Iterable[str]) -> set[str]:
        """Return the paths at which such a file is published."""

    def seen(self, path: str) -> Seen:
        """Return what is published at a path now, so that `publish` replaces nothing else."""

    def publish(
        self, files: Mapping[str, Callable[[], bytes]], gone: Collection[str] = (), over: Seen | None = None
    ) -> list[str]:
        """Make and write ``files``, and remove those that are ``gone``; return the changed paths.

        The last file is written after all others are in place. A tree that can compare writes it only if nobody has
        replaced it since ``over`` was seen. Raises Overtaken.
        """

    def write(self, path: str, content: bytes) -> bool:
        """Publish these bytes at a path. Return False without writing if they are already there."""

    def write_if_possible(self, path: str, content: bytes, *, is_missing: bool = False) -> None:
        """Publish these bytes at a path, and log a failure: the service can still serve the bytes without the file.

        ``is_missing`` says that no file was found there.
        """

    def remove(self, path: str) -> bool:
        """Remove a file. Return False if there was no file."""

    def at_once(self, work: Callable[[T], R], each: Iterable[T]) -> list[R]:
        """Return the results of some work on each item, several at once if the tree is remote."""

    def paths(self) -> Iterable[str]:
        """Return the paths of all files, to find unknown ones; none if the tree cannot be listed."""

    def sweep(self) -> None:
        """Remove the temporary files of killed processes."""


def cannot(what: str, path: str, place: str, reason: object) -> PublishError:
    """Return the error for a file that cannot be read, written or removed."""
    return PublishError(f"cannot {what} {path} {'into' if what == 'write' else 'from'} the {place}: {reason}")


def remove_all(tree: PublicTree, paths: Iterable[str]) -> list[str]:
    """Remove files, and return the paths of those that existed. Raises NotRemoved after trying all of them."""

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
