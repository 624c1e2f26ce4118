"""The errors of sending a request.

    HttpError
    ├── ForbiddenAddress    the host has an address to which requests may not be sent
    ├── CutOff              the time was up before the answer was complete
    ├── NoThread            no thread can be started to watch the time or to resolve a name
    └── ConnectionFailed    no connection, or an answer that is not HTTP or breaks off

Each message is a reason in our own words that can follow a colon. The messages of the underlying libraries are not
used, because they can contain URLs, and URLs can contain tokens.
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
    (ssl.SSLError, "its TLS connection failed"),
    (TimeoutError, "it does not answer"),
    (Urllib3Timeout, "it does not answer"),
    (ConnectionRefusedError, "it refuses connections"),
)


class HttpError(Exception):
    """A request has no answer. The message is the reason, without a URL or a secret."""


class ForbiddenAddress(HttpError):
    """The host has an address to which requests may not be sent."""

    def __init__(self) -> None:
        super().__init__("its address is not allowed")


class CutOff(HttpError):
    """The time was up before the answer was complete."""

    def __init__(self) -> None:
        super().__init__("it does not answer")


class NoThread(HttpError):
    """No thread can be started now, because the process already has as many as the system allows."""

    def __init__(self) -> None:
        super().__init__("this machine allows the service no more threads")


class ConnectionFailed(HttpError):
    """There was no connection, or no complete HTTP answer."""


def reason_of(error: BaseException) -> str:
    """Return the root cause of an error in our own words."""
    causes: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and len(causes) < _MAX_CAUSES:
        causes.append(cause)
        cause = cause.__cause__ or cause.__context__
    for kind, words in _REASONS:
        if any(isinstance(cause, kind) for cause in causes):
            return words
    return "the connection failed"
