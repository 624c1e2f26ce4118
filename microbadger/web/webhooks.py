"""Routes for webhooks, which record the request for a check, and wait for its end if the sender asks for that."""

import re
import socket
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from flask import Blueprint, Response, request
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import BadRequest, ClientDisconnected, HTTPException

from microbadger.freshness import Freshness
from microbadger.http import CutOff, cut_off_after
from microbadger.image import Reference, Repository, image_name, is_tag
from microbadger.logs import EventLog
from microbadger.store import Counts
from microbadger.web.answers import document_answer, error_answer, text_answer
from microbadger.web.files import parse_name
from microbadger.web.waiting_room import Place, WaitingRoom
from microbadger.webhooks import (
    MAX_BODY_BYTES,
    hooks_token,
    image_token,
    is_signed_wrongly,
    is_token,
    read,
    references_to,
)

log = EventLog(__name__)

_LONGEST_WAIT_SECONDS = 120.0
_MOST_WAITING = 4  # of gunicorn's --threads; the other threads are free for other requests
_BODY_SECONDS = 5.0
_CHUNK_BYTES = 64 * 1024
_NAMED_IN_LOG = 10
_WAIT_STEP_SECONDS = 0.02
_LONGEST_ADDRESS = 600  # characters: a name has up to 255, a tag and a token 128 each
# A token of this service, or of microbadger.com. The second pattern is for old tokens that cannot be part of a name.
_LIKE_A_TOKEN = re.compile(r"[\w-]{43}|[\w+-]{20,126}={1,2}", re.ASCII)
_NOT_IN_A_NAME = re.compile(r"(?=.*[A-Z=+])[\w=+/-]{8,128}", re.ASCII)
_EXPLANATION = "This is the address of a webhook: registries and CI jobs post to it after a push."
_STATUSES = {"fresh": 200, "accepted": 202, "failed": 502}  # several images get the highest of their statuses


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookRoutes:
    """The routes that registries and CI jobs post to."""

    freshness: Freshness
    counts: Counts
    secret: str
    waiting_room: WaitingRoom = field(default_factory=lambda: WaitingRoom(_MOST_WAITING))

    def blueprint(self) -> Blueprint:
        """Return the routes, ready to be registered with an app."""
        routes = Blueprint("webhooks", __name__)
        routes.before_app_request(self.explain)
        for rule, view in (
            ("/images/<path:name>/<token>", self.image_webhook),
            ("/images/<path:name>/<token>/", self.image_webhook),
            ("/hooks/<token>", self.hook),
            ("/hooks/<token>/", self.hook),
        ):
            routes.add_url_rule(rule, view_func=view, methods=["POST"], strict_slashes=False)
        routes.register_error_handler(HTTPException, error_answer)
        return routes

    def explain(self) -> Response | None:
        """Explain the address of a webhook to a browser that opens it; return None for any other address."""
        if request.method not in ("GET", "HEAD") or not self._is_webhook(request.path):
            return None
        response = text_answer(_EXPLANATION, 405)
        response.headers["Allow"] = "POST"
        return response

    def image_webhook(self, name: str, token: str) -> Response:
        """Accept the webhook of an image. Only the tags in the body count."""
        reference, token = self._addressed(name, token)
        if reference is None:
            return self._refuse("Image not found", 404)  # the name is not logged, because it can be a token
        repository = reference.repository
        if not self._is_right(token, repository):
            return self._refuse("Bad token", 403, repository)
        wait_seconds, tags = _wait_seconds(), _tags(reference)
        asked_at = self.freshness.now()
        headers, body = dict(request.headers), _body()
        if is_signed_wrongly(headers, body, token):
            return self._refuse("Bad signature", 403, repository)
        payload = read(headers, body)
        named = references_to(payload.named, lambda path: [repository] if path == repository.path else [])
        pushed = [Reference(repository, tag, None) for tag in tags or payload.tags] or named
        pushed = pushed or [Reference(repository, None, None)]
        begins_at_once = self.freshness.check_soon(*pushed)
        sender = payload.sender or "unknown"
        self.counts.add("webhooks", sender=sender, outcome=payload.outcome)
        log.info("webhook", image=repository.familiar, sender=sender, outcome=payload.outcome)
        return self._answer(pushed, asked_at, wait_seconds, is_repeat=not begins_at_once)

    def hook(self, token: str) -> Response:
        """Accept the webhook for all images. Images that are not tracked are ignored."""
        if not is_token(token, hooks_token(self.secret)):
            return self._refuse("Bad token", 403)
        wait_seconds, asked_at = _wait_seconds(), self.freshness.now()
        headers, body = dict(request.headers), _body()
        if is_signed_wrongly(headers, body, token):
            return self._refuse("Bad signature", 403)
        payload = read(headers, body)
        if payload.handshake:
            return document_answer({"validationResponse": payload.handshake})
        pushed = references_to(payload.named, self.freshness.tracked.at_path)
        begins_at_once = self.freshness.check_soon(*pushed)
        sender = payload.sender or "unknown"
        self.counts.add("webhooks", sender=sender, outcome=payload.outcome)
        named = ",".join(map(str, payload.named[:_NAMED_IN_LOG]))
        log.info("hook", sender=sender, outcome=payload.outcome, tracked=len(pushed), named=named or None)
        if payload.named and not pushed:
            return text_answer("ignored: not tracked")
        return self._answer(pushed, asked_at, wait_seconds, is_repeat=not begins_at_once)

    def _is_webhook(self, path: str) -> bool:
        """Return whether a path ends in the token of a webhook or a text like one, and is not the page of an image."""
        kind, *parts = path.strip("/").split("/")
        if kind != "images" or len(path) > _LONGEST_ADDRESS:
            return kind == "hooks" and len(parts) == 1
        tracked = self.freshness.tracked
        for length in range(1, len(parts)):
            reference, token = parse_name("/".join(parts[:length])), "/".join(parts[length:])
            if reference is None:
                continue
            repository = reference.repository
            if (_LIKE_A_TOKEN.fullmatch(token) and repository in tracked) or (
                _NOT_IN_A_NAME.fullmatch(token) and _is_one_of(token, tracked.old_tokens(repository))
            ):
                image = parse_name("/".join(parts))
                return image is None or image.repository not in tracked
        return False

    def _addressed(self, name: str, token: str) -> tuple[Reference | None, str]:
        """Return the tracked image and the token in an address; the image is None if it is not tracked.

        An old token can have slashes, so the name before it can be shorter than ``name``.
        """
        reference = parse_name(name)
        if reference and reference.repository in self.freshness.tracked:
            return reference, token
        parts = [*name.split("/"), token]
        for length in range(1, len(parts) - 1):
            reference, longer = parse_name("/".join(parts[:length])), "/".join(parts[length:])
            if reference and _is_one_of(longer, self.freshness.tracked.old_tokens(reference.repository)):
                return reference, longer
        return None, token

    def _is_right(self, token: str, repository: Repository) -> bool:
        tracked = self.freshness.tracked
        return _is_one_of(token, [image_token(self.secret, repository), *tracked.old_tokens(repository)])

    def _refuse(self, reason: str, status: int, repository: Repository | None = None) -> Response:
        self.counts.add("webhooks_refused", reason=reason.lower().replace(" ", "_"))
        log.warning("webhook_refused", reason=reason, image=repository.familiar if repository else None)
        return text_answer(reason, status)

    def _answer(
        self, pushed: Sequence[Reference], asked_at: datetime, wait_seconds: float, *, is_repeat: bool
    ) -> Response:
        """Answer that the webhook was accepted or, if the sender waits, with the result for each image."""
        if not pushed or not wait_seconds:
            return text_answer("OK")
        deadline = time.monotonic() + wait_seconds
        images: dict[Repository, list[Reference]] = {}
        for reference in pushed:
            images.setdefault(reference.repository, []).append(reference)
        with self.waiting_room.place(pushed[0].repository, is_repeat=is_repeat) as place:
            results = [
                self._result(place, repository, references, asked_at, deadline)
                for repository, references in images.items()
            ]
        status = max(_STATUSES[result["Result"]] for result in results)
        return document_answer(results[0] if len(results) == 1 else {"Images": results}, status)

    def _result(
        self,
        place: Place | None,
        repository: Repository,
        pushed: Sequence[Reference],
        asked_at: datetime,
        deadline: float,
    ) -> dict[str, str]:
        """Wait until checks that began after the push have covered all of it, and return the result for an image.

        The result is ``accepted`` if the time is up first, or if another request takes the place.
        """
        named, check = {"ImageName": image_name(repository)}, self.freshness.checks.get(repository)
        while not (check.answers(asked_at) and not self.freshness.requests.are_waiting(pushed)):
            if place is None or place.is_taken_back or time.monotonic() >= deadline:
                return {**named, "Result": "accepted"}
            place.is_repeat |= check.answers(asked_at)  # its image was requested again, and that check has to wait
            time.sleep(_WAIT_STEP_SECONDS)
            check = self.freshness.checks.get(repository)
        if check.error:
            return {**named, "Result": "failed", "Error": check.error}
        image = self.freshness.records.image(repository)
        return {**named, "Result": "fresh", "LatestSHA": image["LatestSHA"] if image else ""}


def _is_one_of(token: str, tokens: Iterable[str]) -> bool:
    """Return whether a token is one of these, in a time that does not reveal which one."""
    return sum(is_token(token, each) for each in tokens) > 0


def _body() -> bytes:
    """Return the body, or nothing if it is malformed, too large or too slow; the webhook then counts without it."""
    connection = request.environ.get("gunicorn.socket")

    def stop_reading() -> None:
        if connection:
            connection.shutdown(socket.SHUT_RD)

    try:
        with cut_off_after(_BODY_SECONDS, stop_reading):
            body = request.stream.read(MAX_BODY_BYTES + 1)
            while request.stream.read(_CHUNK_BYTES):  # or the sender would find the connection closed while sending
                pass
    except (OSError, ParseException, CutOff, ClientDisconnected):
        return b""
    return body if len(body) <= MAX_BODY_BYTES else b""


def _tags(reference: Reference) -> list[str]:
    """Return the tags in the address, from `?tag=1.2` or after the name of the image."""
    tags = [reference.tag, *request.args.getlist("tag")]
    for tag in filter(None, tags):
        if not is_tag(tag):
            raise BadRequest(f"Invalid tag {tag!r}: must be a tag such as 1.2.")
    return list(dict.fromkeys(filter(None, tags)))


def _wait_seconds() -> float:
    text = request.args.get("wait", "0")
    if not text.isascii() or not text.replace(".", "", 1).isdigit():
        raise BadRequest(f"Invalid wait {text!r}: must be a number of seconds.")
    return min(float(text), _LONGEST_WAIT_SECONDS)
