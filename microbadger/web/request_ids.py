"""Gives every request an id: the ``X-Request-ID`` that a proxy or client sent, or a new one.

The id is in every log line about the request, and in answers that no cache may keep. Cached answers do not have it,
because a CDN would send it with the answers to other requests.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Response

from microbadger.logs import current_id, is_id, new_id, work
from microbadger.web.answers import NOT_KEPT

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

KIND = "request"
HEADER = "X-Request-ID"


class RequestIds:
    """WSGI middleware that gives each request an id."""

    def __init__(self, application: "WSGIApplication") -> None:
        self._application = application

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        given = environ.get("HTTP_X_REQUEST_ID", "")
        with work(**{KIND: given if is_id(given) else new_id()}):
            return self._application(environ, start_response)


def with_request_id(response: Response) -> Response:
    """Add the id of the request to an answer that no cache may keep, and return the answer."""
    request_id = current_id(KIND)
    if request_id and response.headers.get("Cache-Control") == NOT_KEPT:
        response.headers[HEADER] = request_id
    return response
