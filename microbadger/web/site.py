"""Answers HTTP with the public files as they are, and with what a file cannot do: any badge, and what is missing."""

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
from microbadger.freshness import Check, Freshness
from microbadger.image import InvalidReference, Reference, document_bytes, parse_object
from microbadger.logs import EventLog
from microbadger.site import HOME, ImagePaths, Publisher, SiteOptions, absent_page
from microbadger.store import StoreError
from microbadger.web.answers import FRESH, HTML, PASSING, answer, error_answer, file_answer

log = EventLog(__name__)

_STYLE_ARGUMENTS = {"style", "label", "color", "labelColor"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteRoutes:
    """The routes over the public files, and what they answer from."""

    freshness: Freshness
    publisher: Publisher
    options: SiteOptions

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
        """The home page."""
        return self.file(HOME)

    def file(self, path: str) -> Response:
        """A public file, byte for byte; of a folder, its page."""
        return public_file(self.freshness, self.publisher, path)

    def badge(self, badge_type: str, name: str) -> Response:
        """A badge, whatever is asked: no README shows a broken picture."""
        stem, _, suffix = name.rpartition(".")
        if suffix not in ("svg", "json"):
            raise NotFound
        if badge_type not in BADGE_TYPES:
            raise BadRequest(f"There is no badge {badge_type!r}: it is one of {', '.join(BADGE_TYPES)}.")
        reference = parse_name(stem)
        path = ImagePaths.of(reference.repository).badge(badge_type, reference.tag, suffix) if reference else ""
        try:
            return self._badge(badge_type, reference, path, suffix)
        except StoreError as error:
            _log_trouble(error)
            return file_answer(_drawn(pending_badge(badge_type), suffix), f"badge.{suffix}", PASSING)

    def page(self, name: str) -> Response:
        """The page of an image, or of one of its tags."""
        name = name.removesuffix("/").removesuffix("/index.html")
        reference = parse_name(name)
        if reference is None:
            return answer(absent_page(name, self.options), 404, HTML, PASSING)
        paths = ImagePaths.of(reference.repository)
        path = paths.tag_page(reference.tag) if reference.tag else paths.page
        content = find_file(self.freshness, self.publisher, path)
        return file_answer(content, path) if content else self._absent(name, reference)

    def feed(self, name: str) -> Response:
        """What changed of an image, for feed readers."""
        return published(self.freshness, self.publisher, name, lambda paths: paths.feed)

    def _badge(self, badge_type: str, reference: Reference | None, path: str, suffix: str) -> Response:
        content = find_file(self.freshness, self.publisher, path) if path else None
        if content and not request.args.keys() & _STYLE_ARGUMENTS:
            return file_answer(content, path)
        badge = self._published_badge(path) if content else self._badge_without_file(badge_type, reference)
        return file_answer(_drawn(badge, suffix), f"badge.{suffix}", FRESH if content else PASSING)

    def _published_badge(self, path: str) -> Badge:
        """Return what a badge says that is published, to be drawn in another style."""
        document = find_file(self.freshness, self.publisher, f"{path.rpartition('.')[0]}.json")
        return badge_of(parse_object(document or b""))

    def _badge_without_file(self, badge_type: str, reference: Reference | None) -> Badge:
        if reference is None or not self.freshness.tracked.get(reference.repository):
            return not_found_badge()
        if self.freshness.records.updated_at(reference.repository) is None:
            check = self.freshness.checks.get(reference.repository)
            return not_found_badge() if is_not_found(check) else pending_badge(badge_type)
        try:
            self.freshness.check_if_unknown(reference)
        except StoreError as error:  # as on a full disk: what the badge says is true all the same
            _log_trouble(error)
        return not_found_badge(reference.tag or "image")

    def _absent(self, name: str, reference: Reference) -> Response:
        """Answer that there is no page, and why."""
        repository = reference.repository
        if not self.freshness.tracked.get(repository):
            return answer(absent_page(name, self.options), 404, HTML, PASSING)
        check = self.freshness.checks.get(repository)
        if self.freshness.records.updated_at(repository):
            page = absent_page(name, self.options, check.status(repository, self.freshness.now()), reference.tag)
            return answer(page, 404, HTML, PASSING)
        page = absent_page(name, self.options, check.status(repository, self.freshness.now()))
        return answer(page, 404 if is_not_found(check) else 202, HTML, PASSING)


class AnyPath(PathConverter):
    """A part of a URL that can hold slashes, and whatever else strangers put there, line breaks too."""

    regex = r"[^/][\s\S]*?"


def is_not_found(check: Check) -> bool:
    """Return whether the registry does not have an image: many registries then answer that access is denied."""
    return check.reason in ("not_found", "denied")


def parse_name(name: str) -> Reference | None:
    """Return the image, perhaps with a tag, that a part of a URL names; None where it names none."""
    try:
        reference = Reference.parse(name)
    except InvalidReference:
        return None
    return None if reference.digest else reference


def find_file(freshness: Freshness, publisher: Publisher, path: str) -> bytes | None:
    """Return the public file at a path; one that is missing is made from what is known."""
    content = publisher.read(path)
    return freshness.make(path) if content is None else content


def public_file(freshness: Freshness, publisher: Publisher, path: str) -> Response:
    """Answer with the file at a path, or the page of the folder there; raise NotFound where there is none."""
    if any(part.startswith(".") or "\0" in part for part in path.split("/")):
        raise NotFound
    for found in (path, f"{path.removesuffix('/')}/{HOME}"):
        if (content := find_file(freshness, publisher, found)) is not None:
            return file_answer(content, found)
    raise NotFound


def published(
    freshness: Freshness, publisher: Publisher, name: str, path_of: Callable[[ImagePaths], str]
) -> Response:
    """Answer with one of the files of the image that a part of a URL names; raise NotFound where there is none."""
    reference = parse_name(name)
    path = path_of(ImagePaths.of(reference.repository)) if reference else ""
    content = find_file(freshness, publisher, path) if path else None
    if content is None:
        raise NotFound(f"{name} is not tracked here, or has not been read yet.")
    return file_answer(content, path)


def _log_trouble(error: StoreError) -> None:
    log.error("request_failed", method=request.method, rule=request.url_rule, status=200, error=error)


def _drawn(badge: Badge, suffix: str) -> bytes:
    """Return a badge in the style that was asked for."""
    asked = request.args
    badge = restyled(badge, label=asked.get("label"), color=asked.get("color"), label_color=asked.get("labelColor"))
    if suffix == "json":
        return document_bytes(endpoint_document(badge))
    return draw(badge, asked.get("style", "flat"))
