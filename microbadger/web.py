"""Answers HTTP: the public files as they are, and what a file cannot do."""

import hashlib
import json
import logging
import mimetypes
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, Response, request
from werkzeug.exceptions import BadRequest, HTTPException, NotFound

from microbadger import badge_svg, pages, webhooks
from microbadger.asked_tags import AskedTags
from microbadger.badge_text import BADGE_TYPES, Badge, not_found_badge, pending_badge
from microbadger.checks import Check, Checks
from microbadger.metadata import document_bytes, format_time, image_name, shown_at
from microbadger.public_tree import CATALOGUE, HOME, ImagePaths
from microbadger.publisher import Publisher
from microbadger.reference import InvalidReference, Reference, Repository
from microbadger.refresh_requests import RefreshRequests
from microbadger.tracked_images import TrackedImages

log = logging.getLogger(__name__)

_FRESH = "public, max-age=300, s-maxage=300, stale-while-revalidate=86400, stale-if-error=604800"
_PASSING = "public, max-age=60, s-maxage=60"
_NOT_KEPT = "no-store"
_TYPES = {".svg": "image/svg+xml", ".json": "application/json", ".html": "text/html; charset=utf-8"}
_LOOKS = {"style", "label", "color", "labelColor"}
_LONGEST_WAIT_SECONDS = 120.0
_WAIT_STEP_SECONDS = 0.02
_FAILING_NAMED = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The routes and what they answer from."""

    tracked: TrackedImages
    publisher: Publisher
    checks: Checks
    requests: RefreshRequests
    asked_tags: AskedTags
    refresh_soon: Callable[[Repository], None]
    secret: str
    base_url: str
    now: Callable[[], datetime]

    def blueprint(self) -> Blueprint:
        """Return the routes, ready to be registered with an app."""
        routes = Blueprint("site", __name__)
        for rule, view in (
            ("/", self.home),
            ("/healthcheck.txt", self.healthcheck),
            ("/healthz", self.health),
            ("/badges/<badge_type>/<path:name>", self.badge),
            ("/v1/images", self.catalogue),
            ("/v1/images/<path:name>/version/<sha>", self.version),
            ("/v1/images/<path:name>", self.metadata),
            ("/images/<path:name>", self.page),
            ("/<path:path>", self.file),
        ):
            routes.add_url_rule(rule, view_func=view, methods=["GET"], strict_slashes=False)
        routes.add_url_rule("/images/<path:name>/<token>", view_func=self.image_webhook, methods=["POST"])
        routes.add_url_rule("/hooks/<token>", view_func=self.hook, methods=["POST"])
        routes.register_error_handler(HTTPException, _error)
        return routes

    def home(self) -> Response:
        return self.file(HOME)

    def file(self, path: str) -> Response:
        """A public file, byte for byte."""
        if any(part.startswith(".") or "\0" in part for part in path.split("/")):
            raise NotFound
        content = self.publisher.read(path)
        if content is None:
            raise NotFound
        return _answer(content, path)

    def badge(self, badge_type: str, name: str) -> Response:
        """A badge, whatever is asked: no README shows a broken picture."""
        stem, _, suffix = name.rpartition(".")
        if suffix not in ("svg", "json"):
            raise NotFound
        if badge_type not in BADGE_TYPES:
            raise BadRequest(f"There is no badge {badge_type!r}: it is one of {', '.join(BADGE_TYPES)}.")
        reference = _reference(stem)
        path = ImagePaths.of(reference.repository).badge(badge_type, reference.tag, suffix) if reference else ""
        content = self.publisher.read(path) if path else None
        if content and not request.args.keys() & _LOOKS:
            return _answer(content, path)
        badge = self._published_badge(path) or self._badge_without_file(badge_type, reference)
        return _answer(_drawn(badge, suffix), f"badge.{suffix}", _FRESH if content else _PASSING)

    def metadata(self, name: str) -> Response:
        """The document of an image; with a tag, the fields on top are that version's."""
        reference = _reference(name.removesuffix("/").removesuffix(".json"))
        if reference is None or not self.tracked.get(reference.repository):
            raise NotFound(f"{name} is not tracked here.")
        path = ImagePaths.of(reference.repository).metadata
        image = self.publisher.read_image(reference.repository)
        if image is None:
            return _document(_pending_document(reference.repository), 202, _PASSING)
        if reference.tag is None:
            return _answer(self.publisher.read(path) or document_bytes(image), path)
        shown = shown_at(image, reference.tag)
        if shown is None:
            raise NotFound(f"{reference} is not known: its tag is not one of those kept fresh here.")
        return _answer(document_bytes(shown), path)

    def version(self, name: str, sha: str) -> Response:
        """The document of one version, with its layers."""
        reference = _reference(name)
        if reference is None:
            raise NotFound(f"{name} is not tracked here.")
        return self.file(ImagePaths.of(reference.repository).version(sha.removesuffix(".json")))

    def catalogue(self) -> Response:
        return self.file(CATALOGUE)

    def page(self, name: str) -> Response:
        """The page of an image."""
        reference = _reference(name.removesuffix("/").removesuffix("/index.html"))
        path = ImagePaths.of(reference.repository).page if reference else ""
        content = self.publisher.read(path) if path else None
        if content is None:
            return _response(pages.not_found_page(name, self.base_url), 404, _TYPES[".html"], _PASSING)
        return _answer(content, path)

    def image_webhook(self, name: str, token: str) -> Response:
        """Accept that an image was pushed; what the body says beyond the tag is not believed."""
        reference = _reference(name)
        if reference is None or not self.tracked.get(reference.repository):
            return _text("Image not found", 404)
        repository = reference.repository
        if not webhooks.is_token(token, webhooks.image_token(self.secret, repository)):
            return _text("Bad token", 403)
        wait_seconds = _wait_seconds()
        asked_at = self.now()
        named = [named for named in webhooks.references_in(_body()) if named.repository == repository]
        self._accept(named or [Reference(repository, None, None)])
        return self._wait(repository, asked_at, wait_seconds) if wait_seconds else _text("OK", 200)

    def hook(self, token: str) -> Response:
        """Accept a push of any image; one that is not tracked is ignored."""
        if not webhooks.is_token(token, webhooks.hooks_token(self.secret)):
            return _text("Bad token", 403)
        named = webhooks.references_in(_body())
        self._accept(reference for reference in named if self.tracked.get(reference.repository))
        log.info("hook named=%s", " ".join(map(str, named)) or "nothing")
        return _text("OK", 200)

    def healthcheck(self) -> Response:
        return _text("HEALTH OK", 200)

    def health(self) -> Response:
        """How many images there are, how fresh they are and what fails."""
        checks = {image.repository: self.checks.get(image.repository) for image in self.tracked}
        now = self.now()
        failing = {image_name(repository): check for repository, check in checks.items() if check.error}
        succeeded = [check.succeeded_at for check in checks.values() if check.succeeded_at]
        document = {
            "Images": len(checks),
            "Pending": sum(check.succeeded_at is None for check in checks.values()),
            "Due": sum(check.is_due(now) for check in checks.values()),
            "Failing": len(failing),
            "OldestCheck": format_time(min(succeeded)) if succeeded else None,
            "Failures": [_failure(name, check) for name, check in list(failing.items())[:_FAILING_NAMED]],
            "Problems": list(self.tracked.problems),
        }
        return _document(document, 200, _NOT_KEPT)

    def _accept(self, references: Iterable[Reference]) -> None:
        for reference in references:
            self.requests.add(reference)
            self.refresh_soon(reference.repository)

    def _wait(self, repository: Repository, asked_at: datetime, wait_seconds: float) -> Response:
        deadline = time.monotonic() + wait_seconds
        check = self.checks.get(repository)
        while not check.answers(asked_at) and time.monotonic() < deadline:
            time.sleep(_WAIT_STEP_SECONDS)
            check = self.checks.get(repository)
        result: dict[str, object] = {"ImageName": image_name(repository)}
        if not check.answers(asked_at):
            return _document({**result, "Result": "accepted"}, 202, _NOT_KEPT)
        if check.error:
            return _document({**result, "Result": "failed", "Error": check.error}, 502, _NOT_KEPT)
        image = self.publisher.read_image(repository)
        result["LatestSHA"] = image["LatestSHA"] if image else ""
        return _document({**result, "Result": "fresh"}, 200, _NOT_KEPT)

    def _published_badge(self, path: str) -> Badge | None:
        document = self.publisher.read(f"{path.rpartition('.')[0]}.json") if path else None
        return badge_svg.badge_of(json.loads(document)) if document else None

    def _badge_without_file(self, badge_type: str, reference: Reference | None) -> Badge:
        if reference is None or not self.tracked.get(reference.repository):
            return not_found_badge()
        if self.publisher.read_image(reference.repository) is None:
            return pending_badge(badge_type)
        if reference.tag and self.asked_tags.is_worth_a_look(reference.repository, reference.tag):
            self._accept([reference])
        return not_found_badge(reference.tag or "image")


def _reference(name: str) -> Reference | None:
    try:
        reference = Reference.parse(name)
    except InvalidReference:
        return None
    return None if reference.digest else reference


def _body() -> bytes:
    body = request.stream.read(webhooks.MAX_BODY_BYTES + 1)
    return body if len(body) <= webhooks.MAX_BODY_BYTES else b""


def _wait_seconds() -> float:
    text = request.args.get("wait", "0")
    if not text.isascii() or not text.replace(".", "", 1).isdigit():
        raise BadRequest(f"wait={text!r} is not a number of seconds.")
    return min(float(text), _LONGEST_WAIT_SECONDS)


def _pending_document(repository: Repository) -> dict[str, object]:
    return {"ImageName": image_name(repository), "Registry": repository.registry, "Repository": repository.path}


def _failure(name: str, check: Check) -> dict[str, object]:
    due_at = format_time(check.due_at) if check.due_at else None
    return {"ImageName": name, "Error": check.error, "Failures": check.failures, "NextCheck": due_at}


def _drawn(badge: Badge, suffix: str) -> bytes:
    """Return a badge in the look that was asked for."""
    asked = request.args
    badge = badge_svg.restyled(
        badge, label=asked.get("label"), color=asked.get("color"), label_color=asked.get("labelColor")
    )
    if suffix == "json":
        return document_bytes(badge_svg.endpoint_document(badge))
    return badge_svg.draw(badge, asked.get("style", "flat"))


def _answer(content: bytes, path: str, cache: str = _FRESH) -> Response:
    extension = path[path.rfind(".") :]
    media_type = _TYPES.get(extension) or mimetypes.guess_type(path)[0] or "application/octet-stream"
    response = _response(content, 200, media_type, cache)
    response.set_etag(hashlib.sha256(content).hexdigest()[:32])
    return response.make_conditional(request)  # type: ignore[return-value]


def _document(document: Mapping[str, object], status: int, cache: str) -> Response:
    return _response(document_bytes(document), status, _TYPES[".json"], cache)


def _text(text: str, status: int) -> Response:
    return _response(text.encode(), status, "text/plain; charset=utf-8", _NOT_KEPT)


def _response(content: bytes, status: int, media_type: str, cache: str) -> Response:
    response = Response(content, status, content_type=media_type)
    response.headers["Cache-Control"] = cache
    response.headers["X-Content-Type-Options"] = "nosniff"
    if media_type == _TYPES[".json"]:
        response.headers["Access-Control-Allow-Origin"] = "*"
    return response


def _error(error: HTTPException) -> Response:
    status = error.code or 500
    if request.path.startswith("/v1/"):
        return _document({"Error": error.description or error.name}, status, _PASSING)
    return _text(error.description or error.name, status)
