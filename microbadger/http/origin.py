"""Prepares URLs for requests, recognizes public hosts, and reads how long to wait before the next request.

Programs parse unusual URLs in different ways (https://url.spec.whatwg.org/ and RFC 3986 differ). So each URL is
prepared once, and the connection uses exactly the URL that was checked. For Retry-After see RFC 9110, section 10.2.3.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import urlsplit

from requests import PreparedRequest

from microbadger.http.addresses import is_public, literal_address

_DEFAULT_PORTS = {"http": 80, "https": 443}
_FIRST_UNPRIVILEGED_PORT = 1024
_MAX_URL_LENGTH = 8192
_MAX_RETRY_AFTER_SECONDS = 6 * 3600  # the longest known window of a rate limit: Docker Hub's


class Origin(NamedTuple):
    """The server of a URL."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> "Origin":
        """Return the origin of an http or https URL. Raise `ValueError` for other URLs, and for URLs with a login."""
        parts = urlsplit(url)
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or "@" in parts.netloc:
            raise ValueError("this is not a plain http or https URL")
        port = parts.port  # raises ValueError unless it is a number
        return cls(parts.scheme, parts.hostname, _DEFAULT_PORTS[parts.scheme] if port is None else port)

    @property
    def has_usual_port(self) -> bool:
        """Whether the port is 443 or unprivileged. Other services, such as mail servers, usually have other ports."""
        return self.port == _DEFAULT_PORTS["https"] or self.port >= _FIRST_UNPRIVILEGED_PORT


@dataclass(frozen=True, slots=True)
class Url:
    """A URL as it is sent, and its server."""

    text: str = field(repr=False)
    origin: Origin

    @classmethod
    def of(cls, text: str) -> "Url":
        """Prepare a URL for sending. Raise `ValueError` if it is invalid.

        >>> Url.of("https://mañana.test/a b").text
        'https://xn--maana-pta.test/a%20b'
        """
        if len(text) > _MAX_URL_LENGTH:
            raise ValueError("this URL is too long")
        prepared = PreparedRequest()
        prepared.prepare_url(text, None)
        sent = str(prepared.url)
        origin = Origin.of(sent)
        origin.host.encode("idna")  # raises UnicodeError here and not later in the resolver
        return cls(sent, origin)

    @property
    def target(self) -> str:
        """The path and query, as in the first line of a request."""
        parts = urlsplit(self.text)
        return f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"


def is_public_host(host: str) -> bool:
    """Return whether a host is a public address, or a name that must be resolved."""
    address = literal_address(host)
    if address is None:
        return not host.rstrip(".").rpartition(".")[2][:1].isdigit()  # some resolvers read it as an address
    return is_public(address)


def retry_after_seconds(
    headers: Mapping[str, str], now: float, *, at_most: float = _MAX_RETRY_AFTER_SECONDS
) -> float | None:
    """Return how long to wait according to Retry-After, or to Docker Hub's X-Retry-After, which is a Unix time.

    The result is at most ``at_most`` seconds, six hours by default. It is None if the headers do not say how long.
    """
    text = headers.get("Retry-After", "").strip()
    at = headers.get("X-Retry-After", "").strip()
    if _is_number(text):
        seconds = float(text)
    elif _is_number(at):
        seconds = float(at) - now
    elif (timestamp := _timestamp(text)) is not None:
        seconds = timestamp - now
    else:
        return None
    return min(max(seconds, 0), at_most)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 12


def _timestamp(text: str) -> float | None:
    """Return the Unix time of an HTTP date, or None for any other text."""
    try:
        time = parsedate_to_datetime(text)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
