"""Answers with large files. Only a small part of one is in memory at a time, however slowly it is fetched.

A file is replaced as a whole and stays as it is while it is open, so it can be read more than once: for its hash, for
the length of its compressed form, and as the body.
"""

import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from io import FileIO

_PART_BYTES = 64 * 1024
_GZIP_FORMAT = 16 + zlib.MAX_WBITS  # https://docs.python.org/3/library/zlib.html#zlib.compressobj
_LENGTHS_REMEMBERED = 1000

_lengths: dict[str, int] = {}


@dataclass(frozen=True, slots=True)
class LargeFile:
    """An open file. The code that made it closes it, unless it is sent: then its body does."""

    file: FileIO
    size_bytes: int

    def __len__(self) -> int:
        return self.size_bytes

    def parts(self) -> Iterator[bytes]:
        """Yield the content from its beginning."""
        offset = 0
        while part := os.pread(self.file.fileno(), _PART_BYTES, offset):
            offset += len(part)
            yield part

    def compressed_parts(self, level: int) -> Iterator[bytes]:
        """Yield the content as gzip compresses it."""
        packer = zlib.compressobj(level, wbits=_GZIP_FORMAT)
        for part in self.parts():
            if packed := packer.compress(part):
                yield packed
        yield packer.flush()

    def compressed_length(self, level: int, etag: str) -> int:
        """Return how long the compressed content is; the last lengths are remembered by its ETag."""
        if (length := _lengths.get(etag)) is None:
            length = sum(map(len, self.compressed_parts(level)))
            if len(_lengths) >= _LENGTHS_REMEMBERED:
                _lengths.clear()
            _lengths[etag] = length
        return length


@dataclass(frozen=True, slots=True)
class Body:
    """The parts of a body; the server closes it when it was sent or the client is gone, and with it the file."""

    parts: Iterable[bytes]
    close: Callable[[], None]

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.parts)
