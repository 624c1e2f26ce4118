"""Answers webhooks: keeps the request for a check, then says so; or waits until the files are fresh."""

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
_MOST_WAITING = 4  # of the threads that answer, gunicorn's --threads: the others are for all other requests
_BODY_SECONDS = 5.0
_CHUNK_BYTES = 64 * 1024
_NAMED_IN_LOG = 10
_WAIT_STEP_SECONDS = 0.02


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
        for rule, view in (
            ("/images/<path:name>/<token>", self.image_webhook),
            ("/images/<path:name>/<token>/", self.image_webhook),
            ("/hooks/<token>", self.hook),
            ("/hooks/<token>/", self.hook),
        ):
            routes.add_url_rule(rule, view_func=view, methods=["POST"], strict_slashes=False)
        routes.register_error_handler(HTTPException, error_answer)
        return routes

    def image_webhook(self, name: str, token: str) -> Response:
        """Accept that an image was pushed; what the body says beyond the tag is not believed."""
        reference, token = self._addressed(name, token)
        if reference is None:
            return self._refuse("Image not found", 404)  # without its name, which can be a token
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
        if not wait_seconds:
            return text_answer("OK")
        with self.waiting_room.place(repository, is_repeat=not begins_at_once) as place:
            return self._wait(place, pushed, asked_at, wait_seconds) if place else _accepted(repository)

    def hook(self, token: str) -> Response:
        """Accept a push of any image; one that is not tracked is ignored."""
        if not is_token(token, hooks_token(self.secret)):
            return self._refuse("Bad token", 403)
        headers, body = dict(request.headers), _body()
        if is_signed_wrongly(headers, body, token):
            return self._refuse("Bad signature", 403)
        payload = read(headers, body)
        if payload.handshake:
            return document_answer({"validationResponse": payload.handshake})
        pushed = references_to(payload.named, self.freshness.tracked.at_path)
        self.freshness.check_soon(*pushed)
        sender = payload.sender or "unknown"
        self.counts.add("webhooks", sender=sender, outcome=payload.outcome)
        named = ",".join(map(str, payload.named[:_NAMED_IN_LOG]))
        log.info("hook", sender=sender, outcome=payload.outcome, tracked=len(pushed), named=named or None)
        return text_answer("OK")

    def _addressed(self, name: str, token: str) -> tuple[Reference | None, str]:
        """Return the tracked image that an address names, None if it names none, and the token in the address.

        An old token can have slashes. Then the name in front of it ends earlier.
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

    def _wait(
        self, place: Place, pushed: Sequence[Reference], asked_at: datetime, wait_seconds: float
    ) -> Response:
        """Return the answer once checks that began after the push have answered all of it, or the time is up.

        The time is up as well when another request needs the place more.
        """
        repository, deadline = pushed[0].repository, time.monotonic() + wait_seconds
        check = self.freshness.checks.get(repository)
        while not (is_answered := check.answers(asked_at) and not self.freshness.requests.are_waiting(pushed)):
            if time.monotonic() >= deadline or place.is_taken_back:
                break
            place.is_repeat |= check.answers(asked_at)  # it was asked for since, and now waits for its turn
            time.sleep(_WAIT_STEP_SECONDS)
            check = self.freshness.checks.get(repository)
        if not is_answered:
            return _accepted(repository)
        result: dict[str, object] = {"ImageName": image_name(repository)}
        if check.error:
            return document_answer({**result, "Result": "failed", "Error": check.error}, 502)
        image = self.freshness.records.image(repository)
        result["LatestSHA"] = image["LatestSHA"] if image else ""
        return document_answer({**result, "Result": "fresh"})


def _is_one_of(token: str, tokens: Iterable[str]) -> bool:
    """Compare a token with all of these, so that the time does not tell which one fits."""
    return sum(is_token(token, each) for each in tokens) > 0


def _accepted(repository: Repository) -> Response:
    return document_answer({"ImageName": image_name(repository), "Result": "accepted"}, 202)


def _body() -> bytes:
    """Return what was posted; nothing if it is malformed, too large or too slow: the webhook counts without it."""
    connection = request.environ.get("gunicorn.socket")

    def stop_reading() -> None:
        if connection:
            connection.shutdown(socket.SHUT_RD)

    try:
        with cut_off_after(_BODY_SECONDS, stop_reading):
            body = request.stream.read(MAX_BODY_BYTES + 1)
            while request.stream.read(_CHUNK_BYTES):  # else a sender that is not done finds the connection closed
                pass
    except (OSError, ParseException, CutOff, ClientDisconnected):
        return b""
    return body if len(body) <= MAX_BODY_BYTES else b""


def _tags(reference: Reference) -> list[str]:
    """Return the tags that the address names, as `?tag=1.2` or behind the name of the image."""
    tags = [reference.tag, *request.args.getlist("tag")]
    for tag in filter(None, tags):
        if not is_tag(tag):
            raise BadRequest(f"tag={tag!r} is not a tag.")
    return list(dict.fromkeys(filter(None, tags)))


def _wait_seconds() -> float:
    text = request.args.get("wait", "0")
    if not text.isascii() or not text.replace(".", "", 1).isdigit():
        raise BadRequest(f"wait={text!r} is not a number of seconds.")
    return min(float(text), _LONGEST_WAIT_SECONDS)
