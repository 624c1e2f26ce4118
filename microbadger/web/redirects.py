"""Redirects addresses in old READMEs to the current addresses of the same pages and badges.

These are addresses of pages, badges and the API with a double slash, untidy addresses of pages and badges, and
addresses of other services that `microbadger.site.successor` knows. A redirect always goes to a path of this service.
"""

import re
from dataclasses import dataclass
from urllib.parse import quote

from flask import Blueprint, Response, request
from werkzeug.exceptions import NotFound

from microbadger.site import HERE, HTML, successor
from microbadger.web.answers import FRESH, answer

_SEVERAL_SLASHES = re.compile(r"/{2,}")
_WITH_IMAGES = ("/images/", "/v1/images", "/badges/", "/microbadger/", "/imagelayers/", "/docker/", "/ghcr-badge/")
_OLD = (
    *("/microbadger/<path:badge>", "/imagelayers", "/imagelayers/<path:badge>", "/docker/<path:badge>"),
    *("/ghcr-badge/<path:badge>", "/image/<path:name>", "/registry/<registry>/images/<path:name>", "/labels", "/about"),
)
# Characters that need no quoting. A backslash is quoted, because browsers treat it as a slash.
_PATH_CHARACTERS = "/:@!$&'()*+,;=~[]"
_QUERY_CHARACTERS = f"{_PATH_CHARACTERS}?%"


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirects:
    """The routes for old addresses. ``root`` is the beginning of all current paths, or empty."""

    root: str

    def blueprint(self) -> Blueprint:
        """Return the routes, ready to be registered with an app."""
        routes = Blueprint("redirects", __name__)
        routes.before_app_request(self.to_single_slashes)
        routes.before_app_request(self.to_tidied)
        for rule in _OLD:
            routes.add_url_rule(rule, view_func=self.to_successor, methods=["GET"], strict_slashes=False)
        return routes

    def to_single_slashes(self) -> Response | None:
        """Redirect from an address with a double slash; return None for any other address."""
        path = single_slashes(request.environ.get("PATH_INFO", "").encode("latin-1").decode("utf-8", "replace"))
        return self._redirect(path) if path and request.method in ("GET", "HEAD") else None

    def to_tidied(self) -> Response | None:
        """Redirect from the untidy address of a page or a badge; return None for any other address."""
        path = tidied(request.path)
        return self._redirect(path) if path and request.method in ("GET", "HEAD") else None

    def to_successor(self, **_: str) -> Response:
        """Redirect from the address of another service to the same thing here."""
        found = successor(HERE, request.path, request.query_string.decode("latin-1"))
        if found is None:
            raise NotFound("This address belongs to another service and has no counterpart here.")
        return self._redirect(found.path, found.query.encode("latin-1"))

    def _redirect(self, path: str, query: bytes | None = None) -> Response:
        asked = quote(request.query_string if query is None else query, _QUERY_CHARACTERS)
        location = f"{self.root}{quote(path, _PATH_CHARACTERS)}{'?' if asked else ''}{asked}"
        response = answer(b"", 301, HTML, FRESH)
        response.headers["Location"] = location
        return response


def single_slashes(path: str) -> str | None:
    """Return the path with single slashes, or None if it has no double slash or is not about images.

    >>> single_slashes("//images/example//web")
    '/images/example/web'
    """
    merged = _SEVERAL_SLASHES.sub("/", path)
    is_about_images = merged.startswith(_WITH_IMAGES) and not {".", ".."} & set(merged.split("/"))
    return merged if merged != path and is_about_images else None


def tidied(path: str) -> str | None:
    """Return the tidy path of a page or a badge: with the image in lower case, and a badge with its ending.

    ``_`` instead of ``library``, and a slash at the end of a badge, are tidied, too. Returns None if the path is tidy
    already, or is not the path of an image.

    >>> tidied("/badges/version/Example/Web:V1.svg/")
    '/badges/version/example/web:V1.svg'
    >>> tidied("/badges/size/example/web")
    '/badges/size/example/web.svg'
    """
    is_badge, is_official = path.startswith("/badges/"), "/_/" in path
    is_untidy = path != path.lower() or is_official or (is_badge and not path.endswith((".svg", ".json")))
    if not is_untidy or not (is_badge or path.startswith("/images/")):
        return None
    found, stem = successor(HERE, path), path.removesuffix("/")
    is_same = found is not None and (is_badge or is_official or found.path.lower() == stem.lower())
    return found.path if found and is_same and found.path != (path if is_badge else stem) else None
