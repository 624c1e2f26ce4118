"""The media type, the Cache-Control header and the ETag of public files.

The service answers with these headers, and a bucket keeps them with each object.
"""

import hashlib
import mimetypes
from collections.abc import Iterable

# For the last two directives see https://www.rfc-editor.org/rfc/rfc5861.
KEPT_BY_CACHES = "public, max-age=300, s-maxage=300, stale-while-revalidate=86400, stale-if-error=604800"

HTML = "text/html; charset=utf-8"
JSON = "application/json"
SVG = "image/svg+xml"
ICON = "image/vnd.microsoft.icon"
MEDIA_TYPES = {
    ".svg": SVG,
    ".ico": ICON,
    ".json": JSON,
    ".html": HTML,
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".xml": "application/atom+xml; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
}


def media_type_of(path: str) -> str:
    """Return the media type of the file at a path, by the ending of its name.

    >>> media_type_of("badges/size/alpine:3.22.svg")
    'image/svg+xml'
    """
    extension = path[path.rfind(".") :]
    return MEDIA_TYPES.get(extension) or mimetypes.guess_type(path)[0] or "application/octet-stream"


def etag_of(parts: Iterable[bytes]) -> str:
    """Return the ETag of some content: its MD5, which most S3 stores use for objects as well.

    So a CDN can revalidate a file from the service with the bucket, and the other way round.
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html
    """
    hashed = hashlib.md5(usedforsecurity=False)
    for part in parts:
        hashed.update(part)
    return hashed.hexdigest()
