"""Gives every request an id: the one a proxy or client sent as ``X-Request-ID``, else a new one.

It stands in each line that is logged on the request's behalf. Answers that no cache may keep bear it too; those that a
CDN keeps do not, for there it would be the id of another request.
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
    """A WSGI application around another one, each of whose requests it gives an id."""

    def __init__(self, application: "WSGIApplication") -> None:
        self._application = application

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        given = environ.get("HTTP_X_REQUEST_ID", "")
        with work(**{KIND: given if is_id(given) else new_id()}):
            return self._application(environ, start_response)


def with_request_id(response: Response) -> Response:
    """Return an answer with the request's id, unless a cache may keep it."""
    request_id = current_id(KIND)
    if request_id and response.headers.get("Cache-Control") == NOT_KEPT:
        response.headers[HEADER] = request_id
    return response
