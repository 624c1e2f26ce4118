"""Routes for administrators, which track and untrack images and show their webhooks."""

import hmac
import json
from dataclasses import dataclass, field

from flask import Blueprint, Response, request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import (
    Forbidden,
    HTTPException,
    NotFound,
    TooManyRequests,
    Unauthorized,
    UnprocessableEntity,
)

from microbadger.freshness import Freshness, NotTracked, TrackedImage, parse_image
from microbadger.image import InvalidReference, Reference, Repository, image_name, is_tag
from microbadger.logs import EventLog
from microbadger.site import JSON
from microbadger.web.answers import NOT_KEPT, answer, document_answer, error_answer
from microbadger.web.guesses import Guesses
from microbadger.webhooks import WebhookUrls

log = EventLog(__name__)

_MAX_BODY_BYTES = 64 * 1024
_MAX_KEPT_TAGS = 1000


@dataclass(frozen=True, slots=True)
class Admins:
    """Recognizes administrators by their token, and slows down clients that guess tokens.

    ``token`` is the admin token. If it is empty, nobody is an administrator.
    """

    token: str
    guesses: Guesses = field(default_factory=Guesses)

    def require(self) -> None:
        """Require that the request has the admin token.

        Raises Forbidden if no admin token is set, Unauthorized if the token is missing or wrong, and TooManyRequests if
        the client has sent too many wrong tokens.
        """
        client = request.remote_addr or ""
        is_guess = bool(self.token) and "Authorization" in request.headers
        if is_guess and (seconds := self.guesses.seconds_to_wait(client)):
            log.warning("admin_refused", status=429, method=request.method, rule=request.url_rule)
            raise TooManyRequests("Too many wrong tokens came from this address.", retry_after=seconds)
        try:
            _require(self.token)
        except Unauthorized:
            if is_guess:
                self.guesses.add(client)
            raise


def _require(token: str) -> None:
    if not token:
        log.warning("admin_refused", status=403, method=request.method, rule=request.url_rule)
        raise Forbidden("Administration is off: set MICROBADGER_ADMIN_TOKEN to use it.")
    given = request.headers.get("Authorization", "").encode("latin-1", "replace")  # WSGI decodes headers as Latin-1
    if not hmac.compare_digest(given, f"Bearer {token}".encode()):
        log.warning("admin_refused", status=401, method=request.method, rule=request.url_rule)
        reason = "This request needs the header 'Authorization: Bearer …' with the value of MICROBADGER_ADMIN_TOKEN."
        raise Unauthorized(reason, www_authenticate=WWWAuthenticate("bearer"))


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminRoutes:
    """The routes below ``/v1/images`` that change something, or show something that is not public."""

    freshness: Freshness
    webhooks: WebhookUrls
    admins: Admins

    def blueprint(self) -> Blueprint:
        """Return the routes, ready to be registered with an app."""
        routes = Blueprint("admin", __name__, url_prefix="/v1/images")
        routes.add_url_rule("/<path:name>", view_func=self.track, methods=["PUT"])
        routes.add_url_rule("/<path:name>", view_func=self.untrack, methods=["DELETE"])
        routes.add_url_rule("/<path:name>/-/webhook", view_func=self.webhook, methods=["GET"])
        routes.before_request(self.admins.require)
        routes.register_error_handler(HTTPException, error_answer)
        return routes

    def track(self, name: str) -> Response:
        """Track an image with the settings in the body. The status is 201 if it was not tracked before, else 200."""
        image = _wanted_image(name)
        is_new = image.repository not in self.freshness.tracked
        self.freshness.track(image)
        tags = ",".join(sorted(image.kept_tags)) or None
        log.info("tracked", image=image.repository.familiar, tags=tags, private=image.private, new=is_new)
        self.freshness.check_soon(Reference(image.repository, None, None))
        document = {"ImageName": image_name(image.repository), "Tags": sorted(image.kept_tags)}
        return document_answer({**document, "Private": image.private}, 201 if is_new else 200)

    def untrack(self, name: str) -> Response:
        """Stop tracking an image and remove its public files, or stop keeping a tag by name.

        The status is 204; 404 if the image is not tracked or the tag not kept; 422 if the operator lists it.
        """
        repository, tag = self._tracked(name), next(iter(_parse(name).kept_tags), None)
        image = self.freshness.tracked.get(repository)
        if tag and image and tag not in image.kept_tags:
            raise NotFound(f"{image_name(repository)}:{tag} is not a tag that is kept by name.")
        try:
            self.freshness.untrack(repository, tag)
        except NotTracked as error:
            raise UnprocessableEntity(str(error)) from error
        log.info("untracked", image=repository.familiar, tag=tag)
        if tag:
            self.freshness.check_soon(Reference(repository, None, None))
        return answer(b"", 204, JSON, NOT_KEPT)

    def webhook(self, name: str) -> Response:
        """Answer with the webhook of an image."""
        repository = self._tracked(name)
        log.info("webhook_shown", image=repository.familiar)
        return document_answer({"WebhookURL": self.webhooks.of(repository)})

    def _tracked(self, name: str) -> Repository:
        repository = _parse(name).repository
        if repository not in self.freshness.tracked:
            raise NotFound(f"{image_name(repository)} is not tracked here.")
        return repository


def _parse(name: str) -> TrackedImage:
    try:
        return parse_image(name)
    except InvalidReference as error:
        raise UnprocessableEntity(str(error)) from error


def _wanted_image(name: str) -> TrackedImage:
    image = _parse(name)
    fields = _fields()
    unknown = fields.keys() - {"Tags", "Private"}
    if unknown:
        raise UnprocessableEntity(f"{', '.join(sorted(unknown))!r} is not a field: use Tags and Private.")
    tags, private = fields.get("Tags", []), fields.get("Private", False)
    if not isinstance(private, bool):
        raise UnprocessableEntity("Invalid Private: must be true or false.")
    if not isinstance(tags, list) or len(tags) > _MAX_KEPT_TAGS:
        raise UnprocessableEntity(f"Invalid Tags: must be a list of at most {_MAX_KEPT_TAGS} tags.")
    if odd := [tag for tag in tags if not isinstance(tag, str) or not is_tag(tag)]:
        raise UnprocessableEntity(f"Invalid Tags: {odd[0]!r} is not a tag.")
    return TrackedImage(image.repository, image.kept_tags.union(tags), private)


def _fields() -> dict[str, object]:
    body = request.stream.read(_MAX_BODY_BYTES + 1)
    if len(body) > _MAX_BODY_BYTES:
        raise UnprocessableEntity(f"The body is larger than {_MAX_BODY_BYTES} bytes.")
    try:
        fields = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        raise UnprocessableEntity("The body is not JSON.") from None
    if not isinstance(fields, dict):
        raise UnprocessableEntity('The body must be a JSON object such as {"Tags": ["1.0"], "Private": false}.')
    return fields
