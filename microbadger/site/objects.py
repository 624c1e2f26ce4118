"""Sends requests to a bucket, with limited times, a few typed errors, and a pause while the bucket is away.

    ObjectsError       the bucket cannot be used now; the message says why, without an address or a secret
    ├── BucketAway     the bucket does not answer, is too slow or fails
    └── NothingThere   there is no such bucket; some stores also answer so when a missing object is deleted
    Changed            another process has changed the object that was to be replaced

obstore hangs in a process that was forked after its first use. So the stores are made at the first request of a
process, and requests of processes that are forked later are refused.
https://github.com/developmentseed/obstore
"""

import os
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import S3Store

from microbadger.logs import EventLog
from microbadger.site.bucket_address import BucketAddress
from microbadger.site.media_types import KEPT_BY_CACHES, media_type_of
from microbadger.site.tree import Seen

if TYPE_CHECKING:
    from obstore import PutMode
    from obstore.store import ClientConfig, RetryConfig

log = EventLog(__name__)

T = TypeVar("T")

_CONNECT_SECONDS = 3.0
_READ_SECONDS = 5.0  # short, because a reader waits, and the answer can be made without the bucket
_WRITE_SECONDS = 15.0
_IDLE_SECONDS = 4.0  # shorter than the pause, so that no dead connection is used again after the pause
_RETRIES_OF_WRITES = 4
_RETRY_SECONDS = 20.0
_PAUSE_SECONDS = 5.0
_LONGEST_DETAIL = 500
_REFUSALS = (PermissionDeniedError, UnauthenticatedError)
_first_used_by: list[int] = []
"""The process that used the library first. A process that is forked from it must not use the library."""


class ObjectsError(Exception):
    """The bucket cannot be used now; the message says why."""


class BucketAway(ObjectsError):
    """The bucket does not answer, is too slow, or fails."""


class NothingThere(ObjectsError):
    """There is no such bucket, or no such object in it."""


class Changed(Exception):
    """Another process has changed the object that was to be replaced."""


class Objects:
    """The objects below the prefix of one bucket."""

    def __init__(self, address: BucketAddress, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._address = address
        self._clock = clock
        self._making = threading.Lock()
        self._stores: tuple[S3Store, S3Store] | None = None
        self._away_until = float("-inf")
        self._is_away = False

    def get(self, path: str) -> bytes | None:
        """Return the content of an object, or None if there is none or access to it is denied.

        S3 denies access to a missing object if the client has no right to list the bucket.
        """
        return self._attempt(lambda: self._get(path))

    def head(self, path: str) -> Seen:
        """Return the size and the ETag of an object, under the same rule."""
        return self._attempt(lambda: self._head(path))

    def put(self, path: str, content: bytes, over: Seen | None = None) -> None:
        """Write an object; with ``over``, only if the object is still as it was seen. Raises Changed."""
        self._attempt(lambda: self._put(path, content, over))

    def delete(self, path: str) -> None:
        """Remove an object, if there is one. Raises NothingThere."""
        self._attempt(lambda: obstore.delete(self._writing(), path))

    @property
    def is_away(self) -> bool:
        """Whether the last request failed because of the bucket."""
        return self._is_away

    @property
    def is_resting(self) -> bool:
        """Whether the bucket failed a moment ago, so that no requests are sent now."""
        return self._is_away and self._clock() < self._away_until

    def _get(self, path: str) -> bytes | None:
        try:
            return obstore.get(self._reading(), path).bytes().to_bytes()
        except (FileNotFoundError, *_REFUSALS):
            return None

    def _head(self, path: str) -> Seen:
        try:
            meta = obstore.head(self._reading(), path)
        except (FileNotFoundError, *_REFUSALS):
            return Seen()
        return Seen((meta["e_tag"] or "").strip('"'), meta["size"])

    def _put(self, path: str, content: bytes, over: Seen | None) -> None:
        mode: PutMode = "overwrite"
        if over:
            mode = {"e_tag": over.etag} if over.etag else "create"
        kept = {"Content-Type": media_type_of(path), "Cache-Control": KEPT_BY_CACHES}
        try:
            obstore.put(self._writing(), path, content, attributes={**kept}, mode=mode, use_multipart=False)
        except (AlreadyExistsError, PreconditionError) as error:
            if over is None:
                raise ObjectsError("the bucket refuses to write without a condition") from error
            raise Changed(path) from error
        except FileNotFoundError as error:
            if over and over.etag:  # the object that was to be replaced is gone
                raise Changed(path) from error
            raise

    def _attempt(self, request: Callable[[], T]) -> T:
        """Return the result of a request, or raise an error of this module. A failure begins a pause."""
        with self._making:
            if self.is_resting:
                raise BucketAway("the bucket did not answer in time, or failed, a moment ago")
            if self._is_away:  # this request tests whether the bucket is back; others keep pausing
                self._away_until = self._clock() + _PAUSE_SECONDS
        try:
            answer = request()
        except Changed:
            self._is_away = False
            raise
        except _REFUSALS as error:
            log.error("bucket_refused", error=_first_line(error))
            raise ObjectsError("the bucket refuses the request: a right is missing, or a quota is used up") from error
        except FileNotFoundError as error:
            raise NothingThere("there is no such bucket") from error
        except BaseError as error:
            log.error("bucket_failed", error=_first_line(error))
            self._is_away, self._away_until = True, self._clock() + _PAUSE_SECONDS
            raise BucketAway("the bucket does not answer in time, or fails") from error
        self._is_away = False
        return answer

    def _reading(self) -> S3Store:
        return self._opened()[0]

    def _writing(self) -> S3Store:
        return self._opened()[1]

    def _opened(self) -> tuple[S3Store, S3Store]:
        with self._making:
            if not _first_used_by:
                _first_used_by.append(os.getpid())
            if _first_used_by != [os.getpid()]:
                raise ObjectsError("the bucket was used before this process was forked")
            if self._stores is None:
                self._stores = self._store(_READ_SECONDS, 1), self._store(_WRITE_SECONDS, _RETRIES_OF_WRITES)
            return self._stores

    def _store(self, seconds: float, retries: int) -> S3Store:
        address = self._address
        client: ClientConfig = {
            "allow_http": address.endpoint.startswith("http:"),
            "connect_timeout": timedelta(seconds=_CONNECT_SECONDS),
            "timeout": timedelta(seconds=seconds),
            "pool_idle_timeout": timedelta(seconds=_IDLE_SECONDS),
        }
        if address.ca_bundle:
            client["root_certificate"] = _certificates(address.ca_bundle)
        retry: RetryConfig = {"max_retries": retries, "retry_timeout": timedelta(seconds=min(seconds, _RETRY_SECONDS))}
        named = {
            "endpoint": address.endpoint,
            "access_key_id": address.key_id,
            "secret_access_key": address.secret_key,
            "session_token": address.session_token,
        }
        return S3Store(
            address.bucket,
            prefix=address.prefix or None,
            region=address.region,
            disable_bulk_delete=True,  # some stores support only single deletes
            client_options=client,
            retry_config=retry,
            **{name: value for name, value in named.items() if value},  # type: ignore[arg-type]
        )


def _certificates(bundle: str) -> bytes:
    """Return the certificates in a file, or in all files of folders. Raises ObjectsError."""
    try:
        named = [Path(each) for each in bundle.split(os.pathsep)]
        files = [file for each in named for file in (sorted(each.iterdir()) if each.is_dir() else [each])]
        return b"\n".join(file.read_bytes() for file in files if not file.is_dir())
    except OSError as error:
        raise ObjectsError(f"the certificate authorities cannot be read: {error.strerror}") from error


def _first_line(error: Exception) -> str:
    """Return the message of an error of the library, without the details for its developers."""
    return str(error).partition("\n")[0][:_LONGEST_DETAIL]
