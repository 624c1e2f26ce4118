"""Makes HTTP answers: content types, caching, conditional requests, compression, and errors as JSON or text."""

import gzip
from collections.abc import Mapping
from functools import lru_cache

from flask import Response, current_app, request
from werkzeug.exceptions import HTTPException, InternalServerError, ServiceUnavailable

from microbadger.http import NoThread
from microbadger.image import document_bytes
from microbadger.logs import EventLog
from microbadger.site import (
    CONTENT_SECURITY_POLICY,
    HTML,
    ICON,
    JSON,
    KEPT_BY_CACHES,
    MEDIA_TYPES,
    SVG,
    PublishError,
    etag_of,
    media_type_of,
)
from microbadger.store import StoreError
from microbadger.web.large_files import Body, LargeFile

log = EventLog(__name__)

# How long a CDN and a reader may keep an answer.
FRESH = KEPT_BY_CACHES
PASSING = "public, max-age=60, s-maxage=60"
NOT_KEPT = "no-store"

_TEXT = "text/plain; charset=utf-8"
_RETRY_AFTER_SECONDS = 30
_READ_WITHIN_SECONDS = 5  # most images are read within this time
# Limits what a page or a picture may load and do, in case a label smuggles something into it.
_POLICIES = {HTML: f"{CONTENT_SECURITY_POLICY}; frame-ancestors 'none'", SVG: "default-src 'none'"}
# Pages of any site may use badges and documents, including pages that are cross-origin isolated:
# https://fetch.spec.whatwg.org/#cross-origin-resource-policy-header
_SHARED = frozenset({JSON, SVG})
_SHARED_HEADERS = {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"}
_COMPRESSIBLE = frozenset({*MEDIA_TYPES.values()} - {SVG, ICON})  # badges are too small to gain anything
_SMALLEST_COMPRESSED_BYTES = 1400  # smaller content fits into one packet anyway
_COMPRESSION_LEVEL = 6
LARGEST_IN_MEMORY_BYTES = 512 * 1024  # larger files are sent from the disk
_BODIES_REMEMBERED = 64  # compressed bodies in the cache, for at most 32 MiB of content

# https://fetch.spec.whatwg.org/#cors-preflight-fetch
_PREFLIGHT_HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Headers": "Authorization, Cache-Control, Content-Type, If-None-Match, X-Requested-With",
    "Access-Control-Max-Age": "86400",
}


def file_answer(content: bytes | LargeFile, path: str, cache: str = FRESH) -> Response:
    """Answer with the content of a file, or with 304 if the client has it already; the path gives the media type."""
    media_type = media_type_of(path)
    is_compressed = media_type in _COMPRESSIBLE and len(content) >= _SMALLEST_COMPRESSED_BYTES and _accepts_gzip()
    if isinstance(content, LargeFile):
        response, tag = _large_response(content, media_type, cache, is_compressed)
    else:
        response, tag = _small_response(content, media_type, cache, is_compressed)
    if is_compressed:
        response.content_encoding = "gzip"
    if media_type in _COMPRESSIBLE:
        response.vary.add("Accept-Encoding")
    response.set_etag(f"{tag}-gzip" if is_compressed else tag)
    return response.make_conditional(request)  # type: ignore[return-value]


def document_answer(document: Mapping[str, object], status: int = 200, cache: str = NOT_KEPT) -> Response:
    """Answer with a JSON document."""
    return answer(document_bytes(document), status, JSON, cache)


def text_answer(text: str, status: int = 200) -> Response:
    """Answer with plain text."""
    return answer(text.encode(), status, _TEXT, NOT_KEPT)


def answer(content: bytes, status: int, media_type: str, cache: str) -> Response:
    """Answer with these bytes as they are."""
    response = Response(content, status, content_type=media_type)
    response.headers["Cache-Control"] = cache
    response.headers["X-Content-Type-Options"] = "nosniff"
    if media_type in _SHARED:
        response.headers |= _SHARED_HEADERS
    if policy := _POLICIES.get(media_type):
        response.headers["Content-Security-Policy"] = policy
    return response


def unread_answer(content: bytes, media_type: str) -> Response:
    """Answer with 202 that an image was not read yet."""
    return retry_after(answer(content, 202, media_type, PASSING), _READ_WITHIN_SECONDS)


def retry_after(response: Response, seconds: int) -> Response:
    """Add the header Retry-After to an answer, and return the answer."""
    response.headers["Retry-After"] = str(seconds)
    return response


def options_answer() -> Response | None:
    """Answer OPTIONS with the methods of an address. Below ``/v1``, scripts on any web site may use them.

    This comes before all checks of tokens, because a browser sends OPTIONS without the token.
    """
    if request.method != "OPTIONS" or request.routing_exception:
        return None
    methods = ", ".join(sorted(current_app.make_default_options_response().allow))
    response = answer(b"", 204, _TEXT, NOT_KEPT)
    response.headers["Allow"] = methods
    if _is_in_api():
        response.headers |= {**_PREFLIGHT_HEADERS, "Access-Control-Allow-Methods": methods}
    return response


def error_answer(error: HTTPException) -> Response:
    """Answer with the error, as JSON for the API and ``/healthz`` and as text elsewhere."""
    if error.code is None or error.code < 400:
        return error.get_response()  # type: ignore[return-value]
    reason = error.description or error.name
    cache = PASSING if error.code == 404 else NOT_KEPT
    if _is_in_api() or request.path == "/healthz":
        response = document_answer({"Error": reason}, error.code, cache)
    else:
        response = answer(reason.encode(), error.code, _TEXT, cache)
    for name in ("Allow", "Retry-After", "WWW-Authenticate"):
        if value := error.get_response().headers.get(name):
            response.headers[name] = value
    return response


def trouble_answer(error: OSError | StoreError | PublishError | NoThread) -> Response:
    """Answer with 503 that the request cannot be served now, so that senders of webhooks try again."""
    log.error("request_failed", method=request.method, rule=request.url_rule, status=503, error=error)
    if isinstance(error, StoreError):
        reason = "the database cannot be used"  # the message of the error names a path of this machine
    else:
        reason = (error.strerror or "a file cannot be used") if isinstance(error, OSError) else str(error)
    return error_answer(ServiceUnavailable(f"This cannot be done now: {reason}.", retry_after=_RETRY_AFTER_SECONDS))


def defect_answer(error: Exception) -> Response:  # noqa: ARG001 - the log takes it from the interpreter
    """Answer with 500, and log the defect without the path of the request, which can hold a token."""
    log.exception("request_broke", method=request.method, rule=request.url_rule)
    return error_answer(InternalServerError())


def _small_response(content: bytes, media_type: str, cache: str, is_compressed: bool) -> tuple[Response, str]:
    """Return a response with the content, and the ETag of the content."""
    tag = etag_of([content])
    if is_compressed:
        content = (_compress_once if len(content) <= LARGEST_IN_MEMORY_BYTES else _compress)(content)
    return answer(content, 200, media_type, cache), tag


def _large_response(file: LargeFile, media_type: str, cache: str, is_compressed: bool) -> tuple[Response, str]:
    """Return a response that reads the file in parts while it is sent, and the ETag of the content."""
    tag = etag_of(file.parts())
    response = answer(b"", 200, media_type, cache)
    response.direct_passthrough = True
    if is_compressed:
        response.response = Body(file.compressed_parts(_COMPRESSION_LEVEL), file.file.close)
        response.content_length = file.compressed_length(_COMPRESSION_LEVEL, tag)
    else:
        response.response, response.content_length = Body(file.parts(), file.file.close), len(file)
    return response, tag


def _compress(content: bytes) -> bytes:
    return gzip.compress(content, _COMPRESSION_LEVEL, mtime=0)


_compress_once = lru_cache(_BODIES_REMEMBERED)(_compress)


def _is_in_api() -> bool:
    return request.path.startswith("/v1/")


def _accepts_gzip() -> bool:
    return request.accept_encodings["gzip"] > 0
