"""Keeps manifests and configs by their digest: what a digest names never changes, so it is read once.

What is kept is checked against its digest whenever it is used, so a damaged file is the same as none. The folder is
bounded: what was used longest ago goes first, and is read again from the registry if it is ever needed.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from microbadger.files import read_if_any, replace_file
from microbadger.manifest import has_digest

_MAX_BYTES = 1024**3
_KEPT_PART = 0.9
_WRITES_BETWEEN_CLEANINGS = 1000


class ContentCache:
    """The folder of kept content, shared by all threads and processes."""

    def __init__(self, folder: Path, max_bytes: int = _MAX_BYTES) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._writes = 0

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
        self._writes += 1
        if self._writes % _WRITES_BETWEEN_CLEANINGS == 0:
            self.clean()
        return content

    def clean(self) -> None:
        """Remove what was used longest ago, if there is more than may be kept."""
        files = []
        for file in self._folder.glob("*/*"):
            with suppress(FileNotFoundError):
                status = file.stat()
                files.append((status.st_mtime_ns, status.st_size, file))
        size_bytes = sum(size for _, size, _ in files)
        if size_bytes <= self._max_bytes:
            return
        for _, size, file in sorted(files):
            file.unlink(missing_ok=True)
            size_bytes -= size
            if size_bytes <= self._max_bytes * _KEPT_PART:
                break

    def _file(self, digest: str) -> Path:
        algorithm, _, encoded = digest.partition(":")
        return self._folder / f"{algorithm}-{encoded[:2]}" / encoded
