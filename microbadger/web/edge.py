"""Removes from a request everything that must not change its answer, which protects caches from poisoning.

A cache finds an answer by its URL, and gives it to all clients. So no other part of a request may shape the answer.
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

# Addresses in answers come from the settings, not from the Host header. Of the conditional headers, only those remain
# that caches send themselves; others could lead to a 412, https://www.rfc-editor.org/rfc/rfc9110#section-13.1
_HOST = "localhost"
_REST_SECONDS = 0.3
_CHUNK_BYTES = 64 * 1024
_IGNORED = ("HTTP_IF_MATCH", "HTTP_IF_UNMODIFIED_SINCE", "HTTP_IF_RANGE", "HTTP_RANGE")


class Edge:
    """WSGI middleware that passes on only the parts of a request that may change its answer."""

    def __init__(self, application: "WSGIApplication") -> None:
        self._application = application

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        for name in _IGNORED:
            environ.pop(name, None)
        environ["HTTP_HOST"], environ["wsgi.url_scheme"] = _HOST, "http"
        environ["REQUEST_METHOD"] = environ["REQUEST_METHOD"].upper()  # such as "post" from curl -X post
        answer = self._application(environ, start_response)
        if environ.get("CONTENT_LENGTH", "") in ("", "0") and "HTTP_TRANSFER_ENCODING" not in environ:
            return answer
        return ClosingIterator(answer, partial(_take_rest, environ))


def _take_rest(environ: "WSGIEnvironment") -> None:
    """Read the rest of a body for a moment after the answer was sent.

    gunicorn itself would wait for a slow client without a limit. Without the moment, a client that is still sending
    would not see the answer.
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
        except NoThread:  # without a thread, the time cannot be limited
            stop_reading()


def _stop_reading(connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_RD)


def refuse_nul() -> None:
    """Raise NotFound for an address with a NUL byte, which databases and file systems refuse in names."""
    if "\0" in request.path and request.method != "POST":
        raise NotFound
