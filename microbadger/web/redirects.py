"""Redirects from addresses that stand in old READMEs to where the same thing is now.

They are pages, badges and API addresses with a slash too many, and the badges that shields.io drew of what MicroBadger
knew, ``microbadger/image-size/<user>/<name>[/<tag>]`` and ``microbadger/layers/…``, where ``_`` is the user of official
images. A redirect leads to a path of this service and nowhere else, whatever was asked.
"""

import re
from dataclasses import dataclass
from urllib.parse import quote

from flask import Blueprint, Response, request
from werkzeug.exceptions import NotFound

from microbadger.site import HTML, ImagePaths
from microbadger.web.answers import FRESH, answer
from microbadger.web.files import parse_name

_SEVERAL_SLASHES = re.compile(r"/{2,}")
_WITH_IMAGES = ("/images/", "/v1/images", "/badges/", "/microbadger/")
_BADGE_TYPES = {"image-size": "size", "layers": "layers"}
_SHIELDS_BADGE = re.compile(r"(?P<name>[\w.-]+(?:/[\w.-]+)?)(?:/(?P<tag>[\w.-]+))?", re.ASCII)
# What may stand as it is; a backslash may not, for browsers take it for a slash.
_PATH_CHARACTERS = "/:@!$&'()*+,;=~[]"
_QUERY_CHARACTERS = f"{_PATH_CHARACTERS}?%"


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirects:
    """The routes for old addresses of a service whose own begin with ``root``, which is empty on a host of its own."""

    root: str

    def blueprint(self) -> Blueprint:
        """Return the routes, ready to be registered with an app."""
        routes = Blueprint("redirects", __name__)
        routes.before_app_request(self.to_single_slashes)
        routes.add_url_rule("/microbadger/<kind>/<path:name>", view_func=self.from_shields, methods=["GET"])
        return routes

    def to_single_slashes(self) -> Response | None:
        """Redirect from an address with a slash too many; leave any other to its own route."""
        path = single_slashes(request.environ.get("PATH_INFO", "").encode("latin-1").decode("utf-8", "replace"))
        return self._redirect(path) if path and request.method in ("GET", "HEAD") else None

    def from_shields(self, kind: str, name: str) -> Response:
        """Redirect from a badge of shields.io to ours."""
        path = badge_path(kind, name)
        if path is None:
            raise NotFound
        return self._redirect(f"/{path}")

    def _redirect(self, path: str) -> Response:
        query = quote(request.query_string, _QUERY_CHARACTERS)
        location = f"{self.root}{quote(path, _PATH_CHARACTERS)}{'?' if query else ''}{query}"
        response = answer(b"", 301, HTML, FRESH)
        response.headers["Location"] = location
        return response


def single_slashes(path: str) -> str | None:
    """Return the path without slashes too many; None where it has none, or is not about images.

    >>> single_slashes("//images/example//web")
    '/images/example/web'
    """
    merged = _SEVERAL_SLASHES.sub("/", path)
    is_about_images = merged.startswith(_WITH_IMAGES) and not {".", ".."} & set(merged.split("/"))
    return merged if merged != path and is_about_images else None


def badge_path(kind: str, name: str) -> str | None:
    """Return the path of the badge that an address of shields.io meant; None where it meant none.

    >>> badge_path("image-size", "_/alpine/3.20")
    'badges/size/library/alpine:3.20.svg'
    """
    stem, _, suffix = name.removesuffix("/").rpartition(".")
    if suffix not in ("svg", "json"):
        stem, suffix = name.removesuffix("/"), "svg"
    match = _SHIELDS_BADGE.fullmatch(stem)
    if kind not in _BADGE_TYPES or match is None:
        return None
    tag = f":{match['tag']}" if match["tag"] else ""
    reference = parse_name(f"{match['name'].lower()}{tag}")
    if reference is None:
        return None
    return ImagePaths.of(reference.repository).badge(_BADGE_TYPES[kind], reference.tag, suffix)
