"""Keeps manifests and configs by their digest: what a digest names never changes, so it is read once.

What is kept is checked against its digest whenever it is used, so a damaged file is the same as none. The folder is
bounded: what was used longest ago goes first, and is read again from the registry if it is ever needed.
"""

import os
from array import array
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from microbadger.image import has_digest
from microbadger.store import read_if_any, replace_file

_MAX_BYTES = 1024**3
_KEPT_PART = 0.9
_WRITERS = 4


class ContentCache:
    """The folder of kept content, shared by all threads and processes."""

    def __init__(self, folder: Path, max_bytes: int = _MAX_BYTES) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._spare_bytes = int(max_bytes * (1 - _KEPT_PART))
        self._room_bytes = self._spare_bytes // _WRITERS
        """How much this process may write before it looks again whether there is too much."""

    def read(self, digest: str, fetch: Callable[[], bytes]) -> bytes:
        """Return the content a digest names, from the cache or else by ``fetch``, which vouches for it."""
        file = self._file(digest)
        content = read_if_any(file)
        if content is not None and has_digest(content, digest):
            with suppress(OSError):
                os.utime(file)
            return content
        content = fetch()
        with suppress(OSError):  # it can be read again; a disk that is full is told by those who cannot do without
            replace_file(file, content)
        self._room_bytes -= len(content)
        if self._room_bytes < 0:
            self.clean()
        return content

    def clean(self) -> None:
        """Remove what was used longest ago, if there is more than may be kept."""
        times, sizes_bytes = array("q"), array("q")  # of files there can be half a million
        for _, time_ns, size_bytes in self._files():
            times.append(time_ns)
            sizes_bytes.append(size_bytes)
        surplus_bytes = sum(sizes_bytes) - self._max_bytes
        # Others write too, and do not know how much this one does.
        self._room_bytes = max(-surplus_bytes, self._spare_bytes) // _WRITERS
        if surplus_bytes > 0:
            self._remove_oldest(times, sizes_bytes, surplus_bytes + self._spare_bytes)

    def _remove_oldest(self, times: "array[int]", sizes_bytes: "array[int]", surplus_bytes: int) -> None:
        newest_ns = 0
        for place in sorted(range(len(times)), key=times.__getitem__):
            if surplus_bytes <= 0:
                break
            newest_ns, surplus_bytes = times[place], surplus_bytes - sizes_bytes[place]
        for path, time_ns, _ in self._files():
            if time_ns <= newest_ns:
                Path(path).unlink(missing_ok=True)

    def _files(self) -> Iterator[tuple[str, int, int]]:
        """Yield the path, the time of the last use and the size of each file."""
        for folder in self._folder.glob("*"):
            with suppress(FileNotFoundError), os.scandir(folder) as entries:
                for entry in entries:
                    with suppress(FileNotFoundError):
                        status = entry.stat()
                        yield entry.path, status.st_mtime_ns, status.st_size

    def _file(self, digest: str) -> Path:
        algorithm, _, encoded = digest.partition(":")
        return self._folder / f"{algorithm}-{encoded[:2]}" / encoded
