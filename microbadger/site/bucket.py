"""The public tree in a bucket of an S3-compatible object store: the path of a file is the key of its object.

An object is replaced as a whole, together with its headers, and is written only if its bytes differ. To find out, the
size and the ETag are compared, which is the MD5 in most stores, or else the bytes themselves. The bucket is never
listed.
"""

import re
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from io import FileIO
from itertools import islice
from typing import TypeVar

from microbadger.logs import EventLog
from microbadger.site.bucket_address import BucketAddress
from microbadger.site.media_types import etag_of
from microbadger.site.objects import BucketAway, Changed, NothingThere, Objects, ObjectsError
from microbadger.site.paths import HOME
from microbadger.site.tree import Overtaken, PublishError, Seen, cannot

log = EventLog(__name__)

_AT_ONCE = 8
_MADE_AT_ONCE = 64  # files in memory at the same time
_PUBLISH_SECONDS = 200.0  # shorter than a heartbeat can keep the lease of an image
_LONGEST_PATH = 800  # bytes; a key has at most 1024
_NO_CONDITIONS = "the bucket cannot replace objects conditionally; it must support If-Match and If-None-Match"
_PATH = re.compile(r"[\w\[-][\w.:\[\]-]*(?:/[\w\[-][\w.:\[\]-]*)*", re.ASCII)

T = TypeVar("T")
R = TypeVar("R")


class PublicBucket:
    """The public tree in a bucket. Many threads can use it, but it must not be used before a fork."""

    may_be_cut = False  # a store keeps every object that it has accepted
    adds_safely = True

    def __init__(
        self,
        address: BucketAddress,
        *,
        publish_seconds: float = _PUBLISH_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._objects = Objects(address, clock=clock)
        self._publish_seconds = publish_seconds
        self._clock = clock
        self._write_trouble = ""

    @property
    def problems(self) -> list[str]:
        """One sentence for each reason why public files cannot be read or written now."""
        try:
            self._objects.head(HOME)
        except ObjectsError as error:
            return [f"The public files cannot be read or written: {error}."]
        return [f"The public files cannot be written: {self._write_trouble}."] if self._write_trouble else []

    def read(self, path: str) -> bytes | None:
        """Return the bytes published at a path, or None if there are none or the bucket cannot be read.

        The caller can then make them again from the record of the image.
        """
        try:
            return self._objects.get(path) if _is_key(path) else None
        except ObjectsError:
            return None

    def open(self, path: str) -> FileIO | None:
        """Return the object as a temporary file, so that slow readers of large objects do not fill the memory."""
        content = self.read(path)
        if content is None:
            return None
        file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - the caller closes it
        file.write(content)
        file.seek(0)
        return file

    def has(self, path: str) -> bool:
        """Return whether there is an object at a path that is not empty."""
        return _is_key(path) and self.seen(path).size_bytes > 0

    def find(self, paths: Iterable[str]) -> set[str]:
        """Return the paths at which there is an object that is not empty."""
        each = list(paths)
        are_there = self._all(self.has, each, self._clock() + self._publish_seconds)
        return {path for path, is_there in zip(each, are_there, strict=True) if is_there}

    def seen(self, path: str) -> Seen:
        """Return the size and the ETag of the object at a path."""
        with self._translated("read", path):
            return self._objects.head(path)

    def publish(
        self, files: Mapping[str, Callable[[], bytes]], gone: Collection[str] = (), over: Seen | None = None
    ) -> list[str]:
        """Make and write ``files``, several at once, and remove those that are ``gone``; return the changed paths.

        The last file is written after all others, and only if nobody has replaced it since ``over`` was seen. Raises
        Overtaken.
        """
        *others, last = [*files] or [""]
        removed, ends_at = sorted(gone), self._clock() + self._publish_seconds
        made = ((path, files[path]()) for path in others)
        written = self._all(lambda each: self.write(*each), made, ends_at)
        changed = [path for path, is_new in zip(others, written, strict=True) if is_new]
        were_there = self._all(self.remove, removed, ends_at)
        changed += [path for path, was_there in zip(removed, were_there, strict=True) if was_there]
        return [*changed, last] if last and self._write_last(last, files[last](), over) else changed

    def write(self, path: str, content: bytes) -> bool:
        """Publish these bytes at a path. Return False without writing if they are already there."""
        with self._translated("write", path):
            if self._is_there(path, content, self._objects.head(path)):
                return False
            self._objects.put(path, content)
        return True

    def write_if_possible(self, path: str, content: bytes, *, is_missing: bool = False) -> None:
        """Publish these bytes at a path, and log a failure.

        If ``is_missing`` and another process has written the object in the meantime, that object is newer and stays.
        """
        if self._objects.is_resting:
            return
        try:
            if is_missing:
                self._add(path, content)
            else:
                self.write(path, content)
        except PublishError as error:
            log.error("file_not_written", path=path, error=error)

    def remove(self, path: str) -> bool:
        """Remove an object. Return False if there was no object."""
        with self._translated("remove", path):
            was_there = bool(self._objects.head(path).etag)
            self._delete(path)  # in any case: an object can exist even if the bucket does not show it now
        return was_there

    def at_once(self, work: Callable[[T], R], each: Iterable[T]) -> list[R]:
        """Return the results of some work on each item, several at once."""
        self._find_out_whether_it_is_back()
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(work, each))

    def paths(self) -> Iterable[str]:
        """Return nothing: listing a bucket costs money, and no object is ever incomplete."""
        return ()

    def sweep(self) -> None:
        """Do nothing: an object is written in one request, so no parts of objects are left behind."""

    def _write_last(self, path: str, content: bytes, over: Seen | None) -> bool:
        if over is None:
            return self.write(path, content)
        with self._translated("write", path):
            if self._is_there(path, content, over):
                return False
            try:
                self._objects.put(path, content, over)
            except Changed as error:
                seen = self._objects.head(path)
                # A request whose answer was lost is sent again, and then finds the object that it wrote itself.
                if self._is_there(path, content, seen):
                    return True
                if seen != over:
                    raise Overtaken(f"another process has replaced {path}") from error
                self._put_with_quotes(path, content, over)
        return True

    def _put_with_quotes(self, path: str, content: bytes, over: Seen) -> None:
        """Replace an object in a store that accepts an ETag only in quotes, if nobody else has replaced it."""
        try:
            self._objects.put(path, content, replace(over, etag=over.etag and f'"{over.etag}"'))
        except Changed as error:
            raise ObjectsError(_NO_CONDITIONS) from error

    def _add(self, path: str, content: bytes) -> None:
        with self._translated("write", path):
            try:
                self._objects.put(path, content, Seen())
            except Changed:
                log.info("file_was_added", path=path)

    def _delete(self, path: str) -> None:
        try:
            self._objects.delete(path)
        except NothingThere:
            if not self._objects.head(HOME).etag:
                raise

    def _is_there(self, path: str, content: bytes, seen: Seen) -> bool:
        if not seen.etag or seen.size_bytes != len(content):
            return False
        return seen.etag == etag_of([content]) or self._objects.get(path) == content

    def _all(self, work: Callable[[T], R], each: Iterable[T], ends_at: float) -> list[R]:
        """Return the results of some work on each item, several at once. Stop when one fails or the time is over."""
        waiting, done = iter(each), list[R]()
        self._find_out_whether_it_is_back()
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            while batch := list(islice(waiting, _MADE_AT_ONCE)):
                if self._clock() > ends_at:
                    raise PublishError("cannot publish all files in the bucket: it is too slow")
                futures = [pool.submit(work, one) for one in batch]
                try:
                    done += [future.result() for future in futures]
                finally:
                    for future in futures:
                        future.cancel()
        return done

    def _find_out_whether_it_is_back(self) -> None:
        """If the bucket was away, send one request before many are sent at once, which would all be refused."""
        if self._objects.is_away:
            with suppress(ObjectsError):  # the following requests report it
                self._objects.head(HOME)

    @contextmanager
    def _translated(self, what: str, path: str) -> Iterator[None]:
        """Translate errors of the bucket to PublishError, and remember failed writes for monitors."""
        if not _is_key(path):
            raise cannot(what, path, "bucket", "it is not the path of a public file")
        try:
            yield
        except ObjectsError as error:
            if not isinstance(error, BucketAway) and what != "read":
                self._write_trouble = str(error)
            raise cannot(what, path, "bucket", error) from error
        if what == "write":
            self._write_trouble = ""


def _is_key(path: str) -> bool:
    return len(path) <= _LONGEST_PATH and _PATH.fullmatch(path) is not None
