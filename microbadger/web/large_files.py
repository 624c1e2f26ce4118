"""Answers with large files. Only a small part of a file is in memory at a time, however slow the client is.

A published file is replaced as a whole, so an open file does not change. It can therefore be read several times: for
its hash, for the length of its compressed form, and as the body.
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
    """An open file. If it is sent, the `Body` closes it; else the code that opened it."""

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
        """Yield the content, compressed with gzip."""
        packer = zlib.compressobj(level, wbits=_GZIP_FORMAT)
        for part in self.parts():
            if packed := packer.compress(part):
                yield packed
        yield packer.flush()

    def compressed_length(self, level: int, etag: str) -> int:
        """Return the length of the compressed content, which is cached by the ETag of the file."""
        if (length := _lengths.get(etag)) is None:
            length = sum(map(len, self.compressed_parts(level)))
            if len(_lengths) >= _LENGTHS_REMEMBERED:
                _lengths.clear()
            _lengths[etag] = length
        return length


@dataclass(frozen=True, slots=True)
class Body:
    """The parts of a body. The server closes it, and with it the file, after sending it or losing the client."""

    parts: Iterable[bytes]
    close: Callable[[], None]

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.parts)
