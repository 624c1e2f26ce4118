"""Tells every process what happened since it asked last, so that none reads over and over how everything stands.

Whoever changed something appends a line to a file, after everything that the line tells of was written. A file that has
grown large is replaced by an empty one. To a reader that finds another file than the one it knew, anything may have
happened: what a line in the old file told that it did not read was written before it found the new one.
"""

import os
import uuid
from collections.abc import Iterable
from pathlib import Path

from microbadger.store import PRIVATE_MODE, replace_file

_MAX_BYTES = 4 * 1024**2
_TELLING_BYTES = 32  # of the first line, by which one file is told from another
_NO_FILE = (b"", 0)


class NewsLog:
    """The file that all processes append to."""

    def __init__(self, file: Path, max_bytes: int = _MAX_BYTES) -> None:
        self.file = file
        self._max_bytes = max_bytes

    def add(self, words: Iterable[str]) -> None:
        """Tell each of these words, which hold no space."""
        told = "".join(f"{word}\n" for word in words)
        if not self.file.exists() or self.file.stat().st_size > self._max_bytes:
            replace_file(self.file, f"{uuid.uuid4().hex}\n".encode())  # numbers of files are given anew, these are not
        descriptor = os.open(self.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, PRIVATE_MODE)
        try:
            os.write(descriptor, f"\n{told}".encode())  # the first line break ends what a full disk cut short
        finally:
            os.close(descriptor)


class NewsReader:
    """One reader of the file, which remembers how far it has read."""

    def __init__(self, log: NewsLog) -> None:
        self._file = log.file
        self._place: tuple[bytes, int] | None = None
        """The begin of the file and how many bytes of it were read."""

    def news(self) -> set[str] | None:
        """Return the words told since this was asked last; None where that cannot be said, as at first."""
        try:
            with self._file.open("rb", buffering=0) as file:
                size_bytes, begin, known = os.fstat(file.fileno()).st_size, file.read(_TELLING_BYTES), self._place
                is_same = known is not None and known[0] == begin and known[1] <= size_bytes
                start = known[1] if known and is_same else size_bytes
                lines = os.pread(file.fileno(), size_bytes - start, start)
                whole = lines[: lines.rfind(b"\n") + 1]  # one that is being written is told the next time
                self._place = begin, start + len(whole)
        except FileNotFoundError:
            is_same, whole, self._place = self._place == _NO_FILE, b"", _NO_FILE
        return set(whole.decode("utf-8", "replace").split()) if is_same else None
