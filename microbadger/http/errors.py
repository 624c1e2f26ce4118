"""Every way in which sending a request can fail.

    HttpError
    ├── ForbiddenAddress    the name has an address where requests may not go
    ├── CutOff              the time was up before the answer was complete
    ├── NoThread            no thread can be started to watch the time or to resolve a name
    └── ConnectionFailed    no connection, or an answer that is not HTTP or breaks off

The message of each is a reason in our own words that fits behind a colon. Those of the libraries below can hold URLs,
and a URL can hold a token.
"""

import socket
import ssl

from urllib3.exceptions import ProxyError
from urllib3.exceptions import TimeoutError as Urllib3Timeout

_MAX_CAUSES = 20
_REASONS: tuple[tuple[type[BaseException], str], ...] = (
    (ProxyError, "the proxy refuses or does not answer"),
    (socket.gaierror, "its name cannot be resolved"),
    (ssl.SSLCertVerificationError, "its certificate is not valid"),
    (ssl.SSLError, "its TLS is not usable"),
    (TimeoutError, "it does not answer"),
    (Urllib3Timeout, "it does not answer"),
    (ConnectionRefusedError, "it refuses connections"),
)


class HttpError(Exception):
    """A request has no answer; the message is the reason, without a URL or a secret."""


class ForbiddenAddress(HttpError):
    """A name has an address where requests may not go."""

    def __init__(self) -> None:
        super().__init__("its address is not allowed")


class CutOff(HttpError):
    """The time was up before the other side had sent all of it."""

    def __init__(self) -> None:
        super().__init__("it does not answer")


class NoThread(HttpError):
    """No thread can be started now, because the process has as many as it may have."""

    def __init__(self) -> None:
        super().__init__("this machine allows the service no more threads")


class ConnectionFailed(HttpError):
    """There was no connection, or no answer that is HTTP."""


def reason_of(error: BaseException) -> str:
    """Return in our own words what is at the bottom of an error."""
    causes: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and len(causes) < _MAX_CAUSES:
        causes.append(cause)
        cause = cause.__cause__ or cause.__context__
    for kind, words in _REASONS:
        if any(isinstance(cause, kind) for cause in causes):
            return words
    return "the connection failed"
