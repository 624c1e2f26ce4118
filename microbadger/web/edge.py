"""Takes from a request what may not change its answer, so that no cache keeps an answer that one client has shaped.

A cache knows an answer by its URL. Whatever else a client sends, the next one is given the same.
"""

import socket
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from flask import request
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import NotFound
from werkzeug.wsgi import ClosingIterator

from microbadger.http import CutOff, NoThread, cut_off_after

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# The host is that of the settings wherever one is shown. Only conditions that a cache sets itself are met: to fail at
# another one would be an answer of its own, https://www.rfc-editor.org/rfc/rfc9110#section-13.1
_HOST = "localhost"
_REST_SECONDS = 0.3
_CHUNK_BYTES = 64 * 1024
_IGNORED = ("HTTP_IF_MATCH", "HTTP_IF_UNMODIFIED_SINCE", "HTTP_IF_RANGE", "HTTP_RANGE")


class Edge:
    """A WSGI application around another one, which sees of a request only what may change its answer."""

    def __init__(self, application: "WSGIApplication") -> None:
        self._application = application

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        for name in _IGNORED:
            environ.pop(name, None)
        environ["HTTP_HOST"], environ["wsgi.url_scheme"] = _HOST, "http"
        environ["REQUEST_METHOD"] = environ["REQUEST_METHOD"].upper()  # as in curl -X post
        answer = self._application(environ, start_response)
        if environ.get("CONTENT_LENGTH", "") in ("", "0") and "HTTP_TRANSFER_ENCODING" not in environ:
            return answer
        return ClosingIterator(answer, partial(_take_rest, environ))


def _take_rest(environ: "WSGIEnvironment") -> None:
    """Read what is left of a body after its answer was sent, for a moment: gunicorn would wait for a client that drips.

    A client that is still sending has the moment to see the answer.
    """
    connection = environ.get("gunicorn.socket")
    if connection is None:
        return
    stop_reading = partial(_stop_reading, connection)
    with suppress(OSError, ParseException, CutOff):
        try:
            with cut_off_after(_REST_SECONDS, stop_reading):
                while environ["wsgi.input"].read(_CHUNK_BYTES):
                    pass
        except NoThread:  # nobody watches the time
            stop_reading()


def _stop_reading(connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_RD)


def refuse_nul() -> None:
    """Raise NotFound for an address that holds a NUL: no database and no file system takes one in a name."""
    if "\0" in request.path and request.method != "POST":
        raise NotFound
