"""The public tree in a folder: whole files or nothing, and no file whose bytes are already there.

Files are flushed to the disk before they get their names, those of one image together: a web server would serve what a
power failure left empty. A folder is not flushed. A name that is lost still leads to the old file, which is whole.
"""

import os
import stat
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from io import FileIO
from pathlib import Path
from typing import TypeVar

from microbadger.logs import EventLog
from microbadger.site.tree import PublishError, Seen, cannot, remove_all
from microbadger.store import (
    PUBLIC_MODE,
    open_if_any,
    read_if_any,
    remove_file,
    replace_file,
    sweep,
    sync_content,
    written_beside,
)

log = EventLog(__name__)

T = TypeVar("T")
R = TypeVar("R")


class PublicFolder:
    """The public tree in a folder; ``sync`` waits until a file is on the disk."""

    may_be_cut = True
    adds_safely = False

    def __init__(self, folder: Path, *, sync: Callable[[Path], None] = sync_content) -> None:
        self.folder = folder
        self._sync = sync

    @property
    def problems(self) -> list[str]:
        """Return nothing: those who write a file get the error."""
        return []

    def seen(self, path: str) -> Seen:  # noqa: ARG002 - a folder has no names for contents
        """Return nothing of note: a lease keeps two processes from writing the files of one image."""
        return Seen()

    def publish(
        self,
        files: Mapping[str, Callable[[], bytes]],
        gone: Collection[str] = (),
        over: Seen | None = None,  # noqa: ARG002 - see `seen`
    ) -> list[str]:
        """Make and write ``files`` in their order, and remove those that are ``gone``; return the paths that changed.

        The last file is written after everything else is in place.
        """
        *others, last = [*files] or [""]
        with ExitStack() as written:
            new = self._written({path: files[path] for path in others}, written)
            for path, file in new.items():
                self.put(path, file)
        changed = [*new, *remove_all(self, gone)]
        return [*changed, last] if last and self.write(last, files[last]()) else changed

    def read(self, path: str) -> bytes | None:
        """Return the bytes published at a path, or None; what a symbolic link outside of the folder leads to is not."""
        return read_if_any(f"{self.folder}/{path}", below=self.folder)

    def open(self, path: str) -> FileIO | None:
        """Return the same file opened to be read, for it may be long."""
        return open_if_any(f"{self.folder}/{path}", below=self.folder)

    def write(self, path: str, content: bytes) -> bool:
        """Publish these bytes at a path; return False, without writing, if they are already there."""
        with _translated("write", path):
            if self.read(path) == content:
                return False
            replace_file(self.folder / path, content, PUBLIC_MODE, sync=self._sync)
        return True

    def write_if_possible(
        self,
        path: str,
        content: bytes,
        *,
        is_missing: bool = False,  # noqa: ARG002 - another process may have written it meanwhile
    ) -> None:
        """Publish these bytes at a path; a failure, as on a full disk, is logged, for they are served all the same."""
        try:
            self.write(path, content)
        except PublishError as error:
            log.error("file_not_written", path=path, error=error)

    def _written(self, files: Mapping[str, Callable[[], bytes]], written: ExitStack) -> dict[str, Path]:
        """Return new files with the content of those that differ, on the disk; ``written`` removes them on failure."""
        new = {}
        for path, make in files.items():
            content = make()
            with _translated("write", path):
                if self.read(path) != content:
                    new[path] = written.enter_context(written_beside(self.folder / path, content, PUBLIC_MODE))
        for path, file in new.items():
            with _translated("write", path):
                self._sync(file)
        return new

    def put(self, path: str, file: Path) -> None:
        """Publish a file that is on the disk beside its place."""
        with _translated("write", path):
            file.replace(self.folder / path)

    def remove(self, path: str) -> bool:
        """Remove a file, and the folders this leaves empty; return False if there was none."""
        with _translated("remove", path):
            return remove_file(self.folder / path, self.folder)

    def at_once(self, work: Callable[[T], R], each: Iterable[T]) -> list[R]:
        """Return what comes of some work on each of many, one after the other: a disk is near."""
        return [work(one) for one in each]

    def paths(self) -> Iterator[str]:
        """Yield the paths of all public files but those that are being written."""
        for folder, _, names in os.walk(self.folder):
            prefix = f"{folder}/"[len(f"{self.folder}/") :]  # there can be hundreds of thousands of files
            yield from (f"{prefix}{name}" for name in names if not name.startswith("."))

    def has(self, path: str) -> bool:
        """Return whether a file is published at a path; an empty one, as a power failure may leave, does not count."""
        try:
            status = os.stat(f"{self.folder}/{path}")  # noqa: PTH116 - of many files, in half the time of a `Path`
        except OSError:
            return False
        return stat.S_ISREG(status.st_mode) and status.st_size > 0

    def find(self, paths: Iterable[str]) -> set[str]:
        """Return those of many paths at which such a file is published."""
        return set(filter(self.has, paths))

    def sweep(self) -> None:
        """Remove the temporary files that killed processes have left."""
        sweep(self.folder)


@contextmanager
def _translated(what: str, path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise cannot(what, path, "public folder", error.strerror) from error
