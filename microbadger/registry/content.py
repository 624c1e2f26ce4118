"""Stores content by image and digest, so that each image reads a digest from its registry only once.

Content is stored for each image separately. Otherwise a stranger could write a digest into an index and see the content
of another, private image. Content is compared with its digest on every use, so a damaged row counts as missing. The
total size is bounded: the least recently used rows are deleted first, and read again from the registry if needed.

The content that a check reads is written in one transaction, after its requests. If the process dies before that, the
content is read again.
"""

import threading
import time
import zlib
from collections.abc import Callable, Collection, Mapping

from sqlalchemy import and_, bindparam, delete, func, select, update

from microbadger.image import has_digest
from microbadger.logs import EventLog
from microbadger.store import CONTENT, Database, StoreError, upsert

log = EventLog(__name__)

_MAX_BYTES = 1024**3
_KEPT_PART = 0.9
_MAX_UNWRITTEN_ROWS = 200
_PROCESSES = 4
_DELETED_AT_ONCE = 500
_DAY_SECONDS = 86400

_IS_WANTED = and_(CONTENT.c.image == bindparam("which"), CONTENT.c.digest == bindparam("wanted"))
_FIND = select(CONTENT.c.body, CONTENT.c.used_at).where(_IS_WANTED)
_TOUCH = update(CONTENT).where(_IS_WANTED).values(used_at=bindparam("now"))
_SIZE = select(func.coalesce(func.sum(CONTENT.c.size_bytes), 0))
_OLDEST = (
    select(CONTENT.c.image, CONTENT.c.digest, CONTENT.c.size_bytes)
    .order_by(CONTENT.c.used_at)
    .limit(_DELETED_AT_ONCE)
)
_DELETE = delete(CONTENT).where(_IS_WANTED)
_Key = tuple[str, str]  # an image and a digest


class Content:
    """The stored content, shared by all threads and processes."""

    def __init__(
        self, database: Database, max_bytes: int = _MAX_BYTES, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._database = database
        self._max_bytes = max_bytes
        self._clock = clock
        self._lock = threading.Lock()
        self._fetched: dict[_Key, bytes] = {}
        self._used: set[_Key] = set()
        self._room_bytes = self._room(max_bytes)

    def read(self, image: str, digest: str, fetch: Callable[[], bytes]) -> bytes:
        """Return the content of a digest: the copy stored for an image, or else the result of `fetch`.

        `fetch` must compare its result with the digest. Raises StoreError if the database cannot be read; nothing is
        fetched then, because it could not be stored.
        """
        key = image, digest
        content = self._kept(key)
        if content is None:
            content = fetch()
            body = zlib.compress(content)
            with self._lock:
                self._fetched[key] = body
        if len(self._fetched) + len(self._used) > _MAX_UNWRITTEN_ROWS:
            self.write()
        return content

    def write(self) -> None:
        """Store the content read since the last call. A failure is only logged: the content can be read again."""
        with self._lock:
            fetched, used = self._fetched, self._used
            self._fetched, self._used = {}, set()
        try:
            self._write(fetched, used)
            self._room_bytes -= sum(map(len, fetched.values()))
            if self._room_bytes < 0:
                self.clean()
        except StoreError as error:
            log.warning("content_not_kept", digests=len(fetched), error=error)

    def clean(self) -> None:
        """Remove the least recently used content if the total exceeds the limit. Raises StoreError."""
        with self._database.read() as connection:
            size_bytes = connection.execute(_SIZE).scalar_one()
        if size_bytes > self._max_bytes:
            self._remove_oldest(size_bytes - int(self._max_bytes * _KEPT_PART))
        self._room_bytes = self._room(size_bytes)

    def _remove_oldest(self, surplus_bytes: int) -> None:
        """Remove at least so many bytes, in small batches, because each batch makes other writers wait."""
        while surplus_bytes > 0:
            unwanted = []
            with self._database.write() as connection:
                for row in connection.execute(_OLDEST).all():
                    if surplus_bytes > 0:
                        unwanted.append({"which": row.image, "wanted": row.digest})
                        surplus_bytes -= row.size_bytes
                if not unwanted:
                    return
                connection.execute(_DELETE, unwanted)

    def _kept(self, key: _Key) -> bytes | None:
        with self._lock:
            body = self._fetched.get(key)
        if body is not None:
            return zlib.decompress(body)
        with self._database.read() as connection:
            row = connection.execute(_FIND, _parameters(key)).one_or_none()
        content = _intact(row.body, key[1]) if row else None
        if row and content is not None and abs(self._clock() - row.used_at) > _DAY_SECONDS:
            with self._lock:
                self._used.add(key)
        return content

    def _write(self, fetched: Mapping[_Key, bytes], used: Collection[_Key]) -> None:
        if not fetched and not used:
            return
        now = self._clock()
        rows = [
            {"image": image, "digest": digest, "body": body, "size_bytes": len(body), "used_at": now}
            for (image, digest), body in sorted(fetched.items())
        ]
        with self._database.write() as connection:
            if rows:
                upsert(connection, CONTENT, rows, update=("body", "size_bytes", "used_at"))
            if used:
                connection.execute(_TOUCH, [{**_parameters(key), "now": now} for key in sorted(used)])

    def _room(self, size_bytes: int) -> float:
        """Return how many bytes this process may write before it must measure the total again."""
        return max(self._max_bytes - size_bytes, self._max_bytes * (1 - _KEPT_PART)) / _PROCESSES


def _parameters(key: _Key) -> dict[str, str]:
    return {"which": key[0], "wanted": key[1]}


def _intact(body: bytes, digest: str) -> bytes | None:
    """Return the content that a row holds; None if it is damaged."""
    try:
        content = zlib.decompress(body)
    except zlib.error:
        return None
    return content if has_digest(content, digest) else None
