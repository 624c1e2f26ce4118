"""Answers HTTP with the public files as they are, and with what a file cannot do: any badge."""

from collections.abc import Callable
from dataclasses import dataclass

from flask import Blueprint, Response, request
from werkzeug.exceptions import BadRequest, HTTPException, NotFound
from werkzeug.routing import PathConverter

from microbadger.badges import (
    BADGE_TYPES,
    Badge,
    badge_of,
    draw,
    endpoint_document,
    not_found_badge,
    pending_badge,
    restyled,
)
from microbadger.freshness import AskedTags, TrackedImages
from microbadger.image import InvalidReference, Reference, document_bytes, parse_object
from microbadger.site import HOME, ImagePaths, Publisher, not_found_page
from microbadger.web.answers import FRESH, HTML, PASSING, answer, error_answer, file_answer

_LOOKS = {"style", "label", "color", "labelColor"}
_NO_TAG = "-"  # no tag begins with it


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The routes over the public files, and what they answer from."""

    tracked: TrackedImages
    publisher: Publisher
    asked_tags: AskedTags
    refresh_soon: Callable[[Reference], None]
    base_url: str

    def blueprint(self) -> Blueprint:
        """Return the routes, ready to be registered with an app."""
        routes = Blueprint("site", __name__)
        for rule, view in (
            ("/", self.home),
            ("/badges/<badge_type>/<path:name>", self.badge),
            ("/images/<path:name>", self.page),
            ("/images/<path:name>/-/feed.xml", self.feed),
            ("/<path:path>", self.file),
        ):
            routes.add_url_rule(rule, view_func=view, methods=["GET"], strict_slashes=False)
        routes.register_error_handler(HTTPException, error_answer)
        return routes

    def home(self) -> Response:
        return self.file(HOME)

    def file(self, path: str) -> Response:
        """A public file, byte for byte; of a folder, its page."""
        return public_file(self.publisher, path)

    def badge(self, badge_type: str, name: str) -> Response:
        """A badge, whatever is asked: no README shows a broken picture."""
        stem, _, suffix = name.rpartition(".")
        if suffix not in ("svg", "json"):
            raise NotFound
        if badge_type not in BADGE_TYPES:
            raise BadRequest(f"There is no badge {badge_type!r}: it is one of {', '.join(BADGE_TYPES)}.")
        reference = parse_name(stem)
        path = ImagePaths.of(reference.repository).badge(badge_type, reference.tag, suffix) if reference else ""
        content = self.publisher.read(path) if path else None
        if content and not request.args.keys() & _LOOKS:
            return file_answer(content, path)
        badge = self._published_badge(path) or self._badge_without_file(badge_type, reference)
        return file_answer(_drawn(badge, suffix), f"badge.{suffix}", FRESH if content else PASSING)

    def page(self, name: str) -> Response:
        """The page of an image."""
        reference = parse_name(name.removesuffix("/").removesuffix("/index.html"))
        path = ImagePaths.of(reference.repository).page if reference else ""
        content = self.publisher.read(path) if path else None
        if content is None:
            return answer(not_found_page(name, self.base_url), 404, HTML, PASSING)
        return file_answer(content, path)

    def feed(self, name: str) -> Response:
        """What changed of an image, for feed readers."""
        return published(self.publisher, name, lambda paths: paths.feed)

    def _published_badge(self, path: str) -> Badge | None:
        document = self.publisher.read(f"{path.rpartition('.')[0]}.json") if path else None
        try:
            return badge_of(parse_object(document)) if document else None
        except (ValueError, KeyError):  # it was damaged, and is mended at the next look
            return None

    def _badge_without_file(self, badge_type: str, reference: Reference | None) -> Badge:
        if reference is None or not self.tracked.get(reference.repository):
            return not_found_badge()
        if self.publisher.read_image(reference.repository) is None:
            return pending_badge(badge_type)
        # What bears no tag is there with the record, or was lost: a look that is asked for mends it.
        if self.asked_tags.is_worth_a_look(reference.repository, reference.tag or _NO_TAG):
            self.refresh_soon(reference)
        return not_found_badge(reference.tag or "image")


class AnyPath(PathConverter):
    """A part of a URL that can hold slashes, and whatever else strangers put there, line breaks too."""

    regex = r"[^/][\s\S]*?"


def parse_name(name: str) -> Reference | None:
    """Return the image, perhaps with a tag, that a part of a URL names; None where it names none."""
    try:
        reference = Reference.parse(name)
    except InvalidReference:
        return None
    return None if reference.digest else reference


def public_file(publisher: Publisher, path: str) -> Response:
    """Answer with the file at a path, or the page of the folder there; raise NotFound where there is none."""
    if any(part.startswith(".") or "\0" in part for part in path.split("/")):
        raise NotFound
    for found in (path, f"{path.removesuffix('/')}/{HOME}"):
        if (content := publisher.read(found)) is not None:
            return file_answer(content, found)
    raise NotFound


def published(publisher: Publisher, name: str, path_of: Callable[[ImagePaths], str]) -> Response:
    """Answer with one of the files of the image that a part of a URL names; raise NotFound where there is none."""
    reference = parse_name(name)
    path = path_of(ImagePaths.of(reference.repository)) if reference else ""
    content = publisher.read(path) if path else None
    if content is None:
        raise NotFound(f"{name} is not tracked here, or was not read yet.")
    return file_answer(content, path)


def _drawn(badge: Badge, suffix: str) -> bytes:
    """Return a badge in the look that was asked for."""
    asked = request.args
    badge = restyled(
        badge, label=asked.get("label"), color=asked.get("color"), label_color=asked.get("labelColor")
    )
    if suffix == "json":
        return document_bytes(endpoint_document(badge))
    return draw(badge, asked.get("style", "flat"))
