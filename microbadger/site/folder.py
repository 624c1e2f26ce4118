"""The public tree in a folder. Files are replaced atomically, and only if their bytes differ.

Files are flushed to the disk before they get their names, all files of an image together, so that a power failure
leaves no empty file that a web server would serve. The folder itself is not flushed: if a new name is lost, the old
file is still there, and complete.
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
        """Return nothing: the code that writes a file gets the error."""
        return []

    def seen(self, path: str) -> Seen:  # noqa: ARG002 - files in a folder have no ETag
        """Return an empty `Seen`: the lease of an image already keeps two processes from writing its files."""
        return Seen()

    def publish(
        self,
        files: Mapping[str, Callable[[], bytes]],
        gone: Collection[str] = (),
        over: Seen | None = None,  # noqa: ARG002 - see `seen`
    ) -> list[str]:
        """Make and write ``files`` in order, and remove those that are ``gone``; return the changed paths.

        The last file is written after all others are in place.
        """
        *others, last = [*files] or [""]
        with ExitStack() as written:
            new = self._written({path: files[path] for path in others}, written)
            for path, file in new.items():
                self.put(path, file)
        changed = [*new, *remove_all(self, gone)]
        return [*changed, last] if last and self.write(last, files[last]()) else changed

    def read(self, path: str) -> bytes | None:
        """Return the bytes published at a path, or None, also if symbolic links lead out of the folder."""
        return read_if_any(f"{self.folder}/{path}", below=self.folder)

    def open(self, path: str) -> FileIO | None:
        """Return the file at a path, open for reading in parts, or None."""
        return open_if_any(f"{self.folder}/{path}", below=self.folder)

    def write(self, path: str, content: bytes) -> bool:
        """Publish these bytes at a path. Return False without writing if they are already there."""
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
        is_missing: bool = False,  # noqa: ARG002 - a folder has no conditional writes
    ) -> None:
        """Publish these bytes at a path, and log a failure: the service can still serve the bytes without the file."""
        try:
            self.write(path, content)
        except PublishError as error:
            log.error("file_not_written", path=path, error=error)

    def _written(self, files: Mapping[str, Callable[[], bytes]], written: ExitStack) -> dict[str, Path]:
        """Write the files that differ to temporary files, and flush them; ``written`` removes them on failure."""
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
        """Publish a temporary file in the same folder under its final name."""
        with _translated("write", path):
            file.replace(self.folder / path)

    def remove(self, path: str) -> bool:
        """Remove a file, and folders that become empty. Return False if there was no file."""
        with _translated("remove", path):
            return remove_file(self.folder / path, self.folder)

    def at_once(self, work: Callable[[T], R], each: Iterable[T]) -> list[R]:
        """Return the results of some work on each item, one after the other, because a disk is fast."""
        return [work(one) for one in each]

    def paths(self) -> Iterator[str]:
        """Yield the paths of all public files, except for files that are being written."""
        for folder, _, names in os.walk(self.folder):
            prefix = f"{folder}/"[len(f"{self.folder}/") :]  # there can be hundreds of thousands of files
            yield from (f"{prefix}{name}" for name in names if not name.startswith("."))

    def has(self, path: str) -> bool:
        """Return whether a file is published at a path. Empty files, which a power failure can leave, do not count."""
        try:
            status = os.stat(f"{self.folder}/{path}")  # noqa: PTH116 - of many files, in half the time of a `Path`
        except OSError:
            return False
        return stat.S_ISREG(status.st_mode) and status.st_size > 0

    def find(self, paths: Iterable[str]) -> set[str]:
        """Return the paths at which such a file is published."""
        return set(filter(self.has, paths))

    def sweep(self) -> None:
        """Remove the temporary files of killed processes."""
        sweep(self.folder)


@contextmanager
def _translated(what: str, path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise cannot(what, path, "public folder", error.strerror) from error
