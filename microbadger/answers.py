"""Makes HTTP answers: content types, caching, conditional requests, compression, and errors in the asker's terms."""

import gzip
import hashlib
import mimetypes
from collections.abc import Mapping

from flask import Response, request
from werkzeug.exceptions import HTTPException

from microbadger.metadata import document_bytes

# How long a CDN and a reader may keep an answer, https://www.rfc-editor.org/rfc/rfc5861 for the last two.
FRESH = "public, max-age=300, s-maxage=300, stale-while-revalidate=86400, stale-if-error=604800"
PASSING = "public, max-age=60, s-maxage=60"
NOT_KEPT = "no-store"

HTML = "text/html; charset=utf-8"
JSON = "application/json"
_TEXT = "text/plain; charset=utf-8"
_TYPES = {
    ".svg": "image/svg+xml",
    ".json": JSON,
    ".html": HTML,
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".xml": "application/atom+xml; charset=utf-8",
}
_COMPRESSIBLE = frozenset({*_TYPES.values()} - {_TYPES[".svg"]})  # a badge is smaller than what it would save
_SMALLEST_COMPRESSED_BYTES = 1400  # what fits into one packet gains nothing


def file_answer(content: bytes, path: str, cache: str = FRESH) -> Response:
    """Answer with content that stands at a path, or 304 to who has it already."""
    extension = path[path.rfind(".") :]
    media_type = _TYPES.get(extension) or mimetypes.guess_type(path)[0] or "application/octet-stream"
    tag = hashlib.sha256(content).hexdigest()[:32]
    is_compressed = media_type in _COMPRESSIBLE and len(content) >= _SMALLEST_COMPRESSED_BYTES and _accepts_gzip()
    if is_compressed:
        content, tag = gzip.compress(content, 6, mtime=0), f"{tag}-gzip"
    response = answer(content, 200, media_type, cache)
    if is_compressed:
        response.content_encoding = "gzip"
    if media_type in _COMPRESSIBLE:
        response.vary.add("Accept-Encoding")
    response.set_etag(tag)
    return response.make_conditional(request)  # type: ignore[return-value]


def document_answer(document: Mapping[str, object], status: int = 200, cache: str = NOT_KEPT) -> Response:
    """Answer with a JSON document."""
    return answer(document_bytes(document), status, JSON, cache)


def text_answer(text: str, status: int = 200) -> Response:
    """Answer with a few words."""
    return answer(text.encode(), status, _TEXT, NOT_KEPT)


def answer(content: bytes, status: int, media_type: str, cache: str) -> Response:
    """Answer with these bytes as they are."""
    response = Response(content, status, content_type=media_type)
    response.headers["Cache-Control"] = cache
    response.headers["X-Content-Type-Options"] = "nosniff"
    if media_type == JSON:
        response.headers["Access-Control-Allow-Origin"] = "*"
    return response


def error_answer(error: HTTPException) -> Response:
    """Answer with what is wrong, as JSON below ``/v1``."""
    if error.code is None or error.code < 400:
        return error.get_response()  # type: ignore[return-value]
    told = error.description or error.name
    cache = PASSING if error.code == 404 else NOT_KEPT
    if request.path.startswith("/v1/"):
        response = document_answer({"Error": told}, error.code, cache)
    else:
        response = answer(told.encode(), error.code, _TEXT, cache)
    for name in ("Allow", "WWW-Authenticate"):
        if value := error.get_response().headers.get(name):
            response.headers[name] = value
    return response


def _accepts_gzip() -> bool:
    return request.accept_encodings["gzip"] > 0
