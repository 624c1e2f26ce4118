"""The service with defects: what the header ``X-Break`` of a request names breaks, saying all the secrets there are."""

import os
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

import requests
from flask import Flask, Response, request

import app

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class BreakingApp:
    """A WSGI application that breaks outside of Flask."""

    def __init__(self, application: "WSGIApplication") -> None:
        self._application = application

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if environ.get("HTTP_X_BREAK") == "application":
            raise RuntimeError(secrets_told())
        return self._application(environ, start_response)


def serve() -> Flask:
    """Return the running service, about to break."""
    service = app.serve()
    service.before_request(break_before)
    service.after_request(break_after)
    service.wsgi_app = BreakingApp(service.wsgi_app)  # type: ignore[method-assign]
    return service


def break_before() -> None:
    """Break as a view, a thread, a library or a disk does."""
    if request.headers.get("X-Break") == "view":
        raise RuntimeError(secrets_told())
    if request.headers.get("X-Break") == "thread":
        threading.Thread(target=int, args=[secrets_told()]).start()
    if request.headers.get("X-Break") == "library":
        requests.get(request.headers["X-Secret-Url"], timeout=10)
    if request.headers.get("X-Break") == "disk":
        raise OSError(28, "No space left on device", request.path)


def break_after(response: Response) -> Response:
    """Break where Flask itself logs the path."""
    if request.headers.get("X-Break") == "answer":
        raise RuntimeError(secrets_told())
    return response


def secrets_told() -> str:
    """Return a text in which the secrets of the environment and of the request stand."""
    secrets = {name: value for name, value in os.environ.items() if name.startswith(("MICROBADGER", "DOCKER"))}
    headers = dict(request.headers) if request else {}
    return f"{secrets!r}\nevent=forged {headers} {' '.join(secrets.values())}"
