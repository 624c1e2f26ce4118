"""Answers webhooks: notes on disk that an image was pushed, then says so; or waits until the files are fresh."""

import socket
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from flask import Blueprint, Response, request
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import BadRequest, ClientDisconnected, HTTPException

from microbadger import webhooks
from microbadger.freshness import Checks, TrackedImages
from microbadger.http import CutOff, cut_off_after
from microbadger.image import Reference, Repository, image_name
from microbadger.logs import EventLog
from microbadger.site import Publisher
from microbadger.web.answers import document_answer, error_answer, text_answer
from microbadger.web.metrics import Counts
from microbadger.web.site import parse_name

log = EventLog(__name__)

_LONGEST_WAIT_SECONDS = 120.0
_MOST_WAITING = 4  # of the threads that answer, gunicorn's --threads: others must be left for everybody else
_BODY_SECONDS = 5.0
_CHUNK_BYTES = 64 * 1024
_NAMED_IN_LOG = 10
_WAIT_STEP_SECONDS = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookRoutes:
    """The routes that registries and CI jobs post to."""

    tracked: TrackedImages
    publisher: Publisher
    checks: Checks
    refresh_soon: Callable[[Reference], None]
    counts: Counts
    secret: str
    now: Callable[[], datetime]
    waiting: threading.Semaphore = field(default_factory=lambda: threading.BoundedSemaphore(_MOST_WAITING))

    def blueprint(self) -> Blueprint:
        """Return the routes, ready to be registered with an app."""
        routes = Blueprint("webhooks", __name__)
        routes.add_url_rule("/images/<path:name>/<token>", view_func=self.image_webhook, methods=["POST"])
        routes.add_url_rule("/hooks/<token>", view_func=self.hook, methods=["POST"])
        routes.register_error_handler(HTTPException, error_answer)
        return routes

    def image_webhook(self, name: str, token: str) -> Response:
        """Accept that an image was pushed; what the body says beyond the tag is not believed."""
        reference = parse_name(name)
        if reference is None or not self.tracked.get(reference.repository):
            return self._refuse("Image not found", 404)  # what is no tracked image's name can be a token
        repository = reference.repository
        if not webhooks.is_token(token, webhooks.image_token(self.secret, repository)):
            return self._refuse("Bad token", 403, repository)
        wait_seconds = _wait_seconds()
        asked_at = self.now()
        told = webhooks.read(dict(request.headers), _body())
        pushed = webhooks.references_to(told.named, lambda path: [repository] if path == repository.path else [])
        self._accept(pushed or [Reference(repository, None, None)])
        sender = told.sender or "unknown"
        self.counts.add("webhooks", sender=sender, outcome=told.outcome)
        log.info("webhook", image=repository.familiar, sender=sender, outcome=told.outcome)
        if wait_seconds and self.waiting.acquire(blocking=False):
            try:
                return self._wait(repository, asked_at, wait_seconds)
            finally:
                self.waiting.release()
        return _accepted(repository) if wait_seconds else text_answer("OK")

    def hook(self, token: str) -> Response:
        """Accept a push of any image; one that is not tracked is ignored."""
        if not webhooks.is_token(token, webhooks.hooks_token(self.secret)):
            return self._refuse("Bad token", 403)
        headers, body = dict(request.headers), _body()
        if body and webhooks.is_signed_wrongly(headers, body, token):
            return self._refuse("Bad signature", 403)
        told = webhooks.read(headers, body)
        if told.handshake:
            return document_answer({"validationResponse": told.handshake})
        pushed = webhooks.references_to(told.named, self.tracked.at_path)
        self._accept(pushed)
        sender = told.sender or "unknown"
        self.counts.add("webhooks", sender=sender, outcome=told.outcome)
        named = ",".join(map(str, told.named[:_NAMED_IN_LOG]))
        log.info("hook", sender=sender, outcome=told.outcome, tracked=len(pushed), named=named or None)
        return text_answer("OK")

    def _refuse(self, reason: str, status: int, repository: Repository | None = None) -> Response:
        self.counts.add("webhooks_refused", reason=reason.lower().replace(" ", "_"))
        log.warning("webhook_refused", reason=reason, image=repository.familiar if repository else None)
        return text_answer(reason, status)

    def _accept(self, references: Iterable[Reference]) -> None:
        for reference in references:
            self.refresh_soon(reference)

    def _wait(self, repository: Repository, asked_at: datetime, wait_seconds: float) -> Response:
        deadline = time.monotonic() + wait_seconds
        check = self.checks.get(repository)
        while not check.answers(asked_at) and time.monotonic() < deadline:
            time.sleep(_WAIT_STEP_SECONDS)
            check = self.checks.get(repository)
        if not check.answers(asked_at):
            return _accepted(repository)
        result: dict[str, object] = {"ImageName": image_name(repository)}
        if check.error:
            return document_answer({**result, "Result": "failed", "Error": check.error}, 502)
        image = self.publisher.read_image(repository)
        result["LatestSHA"] = image["LatestSHA"] if image else ""
        return document_answer({**result, "Result": "fresh"})


def _accepted(repository: Repository) -> Response:
    return document_answer({"ImageName": image_name(repository), "Result": "accepted"}, 202)


def _body() -> bytes:
    """Return what was posted; nothing if it is malformed, too much or too slow: the webhook itself is the message."""
    connection = request.environ.get("gunicorn.socket")

    def stop_reading() -> None:
        if connection:
            connection.shutdown(socket.SHUT_RD)

    try:
        with cut_off_after(_BODY_SECONDS, stop_reading):
            body = request.stream.read(webhooks.MAX_BODY_BYTES + 1)
            while request.stream.read(_CHUNK_BYTES):  # else a sender that is not done finds the connection closed
                pass
    except (OSError, ParseException, CutOff, ClientDisconnected):
        return b""
    return body if len(body) <= webhooks.MAX_BODY_BYTES else b""


def _wait_seconds() -> float:
    text = request.args.get("wait", "0")
    if not text.isascii() or not text.replace(".", "", 1).isdigit():
        raise BadRequest(f"wait={text!r} is not a number of seconds.")
    return min(float(text), _LONGEST_WAIT_SECONDS)
