"""HTTP to hosts nobody vouches for: a registry names realms, redirects and pages, and any can be a trap.

Only https leaves for hosts the operator did not name, and only to public addresses. Bodies, redirects, times
and tries are bounded. No cookie, environment variable or `.netrc` is used, Authorization goes nowhere but to
the first host, and what was compressed is not expanded. The reasons are CVE-2026-33540, CVE-2026-48978 and
CVE-2026-24845 (realms that lead inside), CVE-2020-1702 (endless bodies) and what the specification
says of redirects: https://github.com/opencontainers/distribution-spec/blob/main/spec.md. For Retry-After see
RFC 9110, section 10.2.3.

Behind a proxy that the operator configured, the proxy resolves names: only what an address says by itself is
checked here.
"""

import logging
import random
import socket
import ssl
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

import requests
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.exceptions import HTTPError
from urllib3.response import BaseHTTPResponse
from urllib3.util import Timeout

from microbadger.http import (
    CutOff,
    ForbiddenAddress,
    PinnedAdapter,
    Reach,
    Resolve,
    cut_off_after,
    is_possible,
    is_public,
    resolve_name,
)
from microbadger.registry.errors import BadAnswer, RateLimited, Refused, RegistryError, Unreachable

logging.getLogger("urllib3").setLevel(logging.ERROR)  # its other lines hold whole URLs, signed ones too

_PAUSES_SECONDS = (1, 3)
_MAX_PAUSE_SECONDS = 60
_DEFAULT_HOLD_SECONDS = 60
_MAX_HOLD_SECONDS = 6 * 3600  # the longest window a registry is known to count in: Docker Hub's
_RETRIED = {408, 429, 500, 502, 503, 504}
_REDIRECTS = {301, 302, 303, 307, 308}
_CONNECTIONS_PER_HOST = 3
_MAX_ERROR_BYTES = 64 * 1024
_MAX_URL_LENGTH = 8192
_CHUNK_BYTES = 64 * 1024
_FIRST_UNPRIVILEGED_PORT = 1024
_COMPRESSED = {"gzip", "x-gzip", "deflate", "br", "zstd", "compress"}
_METADATA_NAMES = {"metadata.google.internal", "metadata"}
_DEFAULT_PORTS = {"http": 80, "https": 443}


class Origin(NamedTuple):
    """The server a URL leads to."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> "Origin":
        """Return the origin of an http or https URL; raise `ValueError` for others and for passwords."""
        parts = urlsplit(url)
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or "@" in parts.netloc:
            raise ValueError("this is no plain http or https URL")
        port = parts.port  # raises ValueError for no number
        return cls(parts.scheme, parts.hostname, _DEFAULT_PORTS[parts.scheme] if port is None else port)


@dataclass(frozen=True)
class Limits:
    """How long a host may take to connect, to begin its answer, and to complete it."""

    connect_seconds: float = 10
    answer_seconds: float = 20
    body_seconds: float = 30


@dataclass(frozen=True)
class Request:
    """What to ask, and of whom: `host` is the registry's name in errors and counts, `home` its own URL.

    The home may be private. `authorization` is sent to the server `url` leads to, not where that redirects.
    """

    method: str
    url: str
    host: str
    home: str
    kind: str
    max_bytes: int
    accept: str = "*/*"
    authorization: str | None = field(default=None, repr=False)
    form: Mapping[str, str] | None = field(default=None, repr=False)
    max_redirects: int = 5
    max_retries: int = 2


@dataclass(frozen=True)
class Answer:
    """What a host answered: names of headers are case-insensitive, an error's body is cut to 64 KiB."""

    url: str = field(repr=False)
    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True)
class RequestSeen:
    """One request that was made, for counting; no status if no answer came."""

    method: str
    host: str
    kind: str
    status: int | None


class Transport:
    """Sends requests to strangers and returns their answers, or raises a `RegistryError`.

    `named` are the URLs of servers the operator named: they may be private and, where the URL says so, are
    spoken to over plain http. At most three requests a host run at once; who answers 429 is left alone.
    `proxies` has the form of `urllib.request.getproxies()`.
    """

    def __init__(
        self,
        *,
        user_agent: str,
        named: Collection[str] = (),
        proxies: Mapping[str, str] | None = None,
        ca_bundle: str | None = None,
        on_request: Callable[[RequestSeen], object] = lambda _: None,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.time,
        resolve: Resolve = resolve_name,
        limits: Limits | None = None,
    ) -> None:
        self._user_agent = user_agent
        self._named = frozenset(map(Origin.of, named))
        self._proxies = dict(proxies or {})
        self._ca_bundle = ca_bundle or DEFAULT_CA_BUNDLE_PATH
        self._on_request = on_request
        self._sleep = sleep
        self._clock = clock
        self._limits = limits or Limits()
        self._timeout = Timeout(connect=self._limits.connect_seconds, read=self._limits.answer_seconds)
        # Apart, because a connection made to a private address must never serve a stranger's redirect.
        self._named_adapter = self._adapter(Reach(resolve, is_possible, *self._times()))
        self._public_adapter = self._adapter(Reach(resolve, is_public, *self._times()))
        self._lock = threading.Lock()
        self._slots: dict[str, threading.Semaphore] = {}
        self._held_until: dict[str, float] = {}

    def send(self, request: Request) -> Answer:
        """Return the answer after redirects and retries, whatever its status, except one retried in vain."""
        self._raise_if_held(request.host)
        pauses = iter(_PAUSES_SECONDS[: request.max_retries])
        while True:
            try:
                return self._successful(request)
            except (Unreachable, RateLimited) as error:
                delay_seconds = _delay_seconds(error, next(pauses, None))
                if delay_seconds is None:
                    raise
            self._sleep(delay_seconds)

    def _adapter(self, reach: Reach) -> PinnedAdapter:
        return PinnedAdapter(reach, connections_per_host=_CONNECTIONS_PER_HOST)

    def _times(self) -> tuple[float, float]:
        return self._limits.connect_seconds, self._limits.answer_seconds

    def _successful(self, request: Request) -> Answer:
        """Return an answer that is not worth a retry, else raise what it means."""
        answer = self._follow(request)
        if answer.status not in _RETRIED:
            with self._lock:
                self._held_until.pop(request.host, None)
            return answer
        retry_after_seconds = told_delay_seconds(answer.headers, self._clock())
        if answer.status == 429:
            self._hold(request.host, retry_after_seconds)
            raise RateLimited(
                f"{request.host} asks to make fewer requests",
                host=request.host,
                status=answer.status,
                retry_after_seconds=retry_after_seconds,
            )
        raise Unreachable(
            f"{request.host} answered with status {answer.status}",
            host=request.host,
            status=answer.status,
            retry_after_seconds=retry_after_seconds,
        )

    def _follow(self, request: Request) -> Answer:
        """Return the first answer that is no redirect."""
        url = request.url
        for _ in range(request.max_redirects + 1):
            answer = self._exchange(request, url)
            location = answer.headers.get("Location")
            if answer.status not in _REDIRECTS or not location:
                return answer
            try:
                url = urljoin(url, location)
            except ValueError as error:
                raise Refused(f"{request.host} redirects to no URL", host=request.host) from error
        raise Refused(f"{request.host} redirects where or as often as it must not", host=request.host)

    def _exchange(self, request: Request, url: str) -> Answer:
        """Send one request to one URL that was checked, and return its answer."""
        prepared, target = self._prepared(request, url)
        is_named = self._check(request, target)
        adapter = self._named_adapter if is_named else self._public_adapter
        status = None
        try:
            with self._slot(request.host), _translated(request.host):
                response = adapter.exchange(
                    prepared,
                    timeout=self._timeout,
                    ca_bundle=self._ca_bundle,
                    proxies={} if _is_exempt(target.host, self._proxies.get("no", "")) else self._proxies,
                )
                status = response.status
                try:
                    body = self._body(request, response)
                finally:
                    response.close()
                    response.release_conn()
        finally:
            self._on_request(RequestSeen(request.method, request.host, request.kind, status))
        return Answer(str(prepared.url), status, response.headers, body)

    def _prepared(self, request: Request, url: str) -> tuple[requests.PreparedRequest, Origin]:
        """Return the request as it will be sent, and where: checks must see what the connection will see."""
        headers = {"User-Agent": self._user_agent, "Accept": request.accept, "Accept-Encoding": "identity"}
        try:
            if len(url) > _MAX_URL_LENGTH:
                raise ValueError("too long")
            if request.authorization and Origin.of(url) == Origin.of(request.url):
                headers["Authorization"] = request.authorization
            # Not as a session does: it would add cookies, netrc passwords and what the environment says.
            prepared = requests.PreparedRequest()
            prepared.prepare_method(request.method)
            prepared.prepare_url(url, None)
            prepared.prepare_headers(headers)
            prepared.prepare_body(request.form, None)
            target = Origin.of(str(prepared.url))
            target.host.encode("idna")  # else a resolver would raise this
            return prepared, target
        except ValueError as error:  # requests' own InvalidURL and its kin, too
            raise Refused(f"{request.host} leads to no usable URL", host=request.host) from error

    def _check(self, request: Request, target: Origin) -> bool:
        """Tell whether the operator named this server; if not, it must look like a public one over https."""
        known = {Origin.of(request.home), *self._named}
        if target.scheme != "https" and target not in known:
            raise Refused(f"{request.host} leads to {target.host} without encryption", host=request.host)
        if target[1:] in {origin[1:] for origin in known}:
            return True
        is_usual_port = target.port == _DEFAULT_PORTS["https"] or target.port >= _FIRST_UNPRIVILEGED_PORT
        if not is_usual_port or target.host in _METADATA_NAMES or not is_public_host(target.host):
            raise _forbidden(request.host)
        return False

    def _body(self, request: Request, response: BaseHTTPResponse) -> bytes:
        """Return the bytes as they were sent; too many are an error, unless they only explain one."""
        is_content = response.status < 300
        limit = request.max_bytes if is_content else _MAX_ERROR_BYTES
        with cut_off_after(self._limits.body_seconds, response.shutdown):
            body = _read(response, limit)
        if is_content and len(body) > limit:
            raise BadAnswer(f"{request.host} sent more than {limit} bytes", host=request.host)
        encoding = response.headers.get("Content-Encoding", "").strip().lower()
        if is_content and body and encoding in _COMPRESSED:
            raise BadAnswer(f"{request.host} compressed its answer although not asked to", host=request.host)
        return body[:limit]

    def _slot(self, host: str) -> threading.Semaphore:
        with self._lock:
            return self._slots.setdefault(host, threading.Semaphore(_CONNECTIONS_PER_HOST))

    def _hold(self, host: str, retry_after_seconds: float | None) -> None:
        seconds = _DEFAULT_HOLD_SECONDS if retry_after_seconds is None else retry_after_seconds
        with self._lock:
            self._held_until[host] = self._clock() + seconds

    def _raise_if_held(self, host: str) -> None:
        with self._lock:
            left_seconds = self._held_until.get(host, 0) - self._clock()
        if 0 < left_seconds <= _MAX_HOLD_SECONDS:  # more, and the clock was set back
            message = f"{host} asked to make fewer requests and is left alone for a while"
            raise RateLimited(message, host=host, retry_after_seconds=left_seconds)


def told_delay_seconds(headers: Mapping[str, str], now: float) -> float | None:
    """Return how long to wait by Retry-After, or by Docker Hub's X-Retry-After, which is a Unix time.

    Never more than the longest window a registry is known to count in; None where no delay is told.
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
    return min(max(seconds, 0), _MAX_HOLD_SECONDS)


def _delay_seconds(error: RegistryError, pause_seconds: float | None) -> float | None:
    """Return how long to wait before the next try; None if there must be none."""
    if pause_seconds is None or isinstance(error.__cause__, CutOff):
        return None
    if error.retry_after_seconds is None:
        return pause_seconds * random.uniform(0.5, 1.5)
    return error.retry_after_seconds if error.retry_after_seconds <= _MAX_PAUSE_SECONDS else None


def _read(response: BaseHTTPResponse, limit: int) -> bytes:
    """Return a body, or a bit more than `limit` of it; a truncated one fails only when read to its end."""
    parts: list[bytes] = []
    left = limit + 1
    while left > 0 and (part := response.read(min(left, _CHUNK_BYTES), decode_content=False)):
        parts.append(part)
        left -= len(part)
        if response.length_remaining == 0:
            break
    return b"".join(parts)


def is_public_host(host: str) -> bool:
    """Tell whether a host is a name or a public address; no, for numbers that resolvers read as one."""
    last_label = host.rstrip(".").rpartition(".")[2]
    if ":" not in host and not last_label[:1].isdigit():
        return True
    try:
        return is_public(ip_address(host))
    except ValueError:
        return False


def _is_exempt(host: str, no_proxy: str) -> bool:
    """Tell whether a host is to be reached without the proxy, as NO_PROXY says it: `intranet.test, .corp.test`."""
    domains = [entry.strip().lower().lstrip(".") for entry in no_proxy.split(",")]
    return any(domain and (domain == "*" or f".{host}".endswith(f".{domain}")) for domain in domains)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 12


def _timestamp(text: str) -> float | None:
    """Return the Unix time of an HTTP date; None for anything else."""
    try:
        time = parsedate_to_datetime(text)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _forbidden(host: str) -> Refused:
    return Refused(f"{host} leads to an address that is not public", host=host)


@contextmanager
def _translated(host: str) -> Iterator[None]:
    """Raise what the libraries below report as one of our errors."""
    try:
        yield
    except ForbiddenAddress as error:
        raise _forbidden(host) from error
    except CutOff as error:
        raise Unreachable(f"{host} took too long to answer", host=host) from error
    except (requests.RequestException, HTTPError, HTTPException, OSError, ValueError) as error:
        raise Unreachable(f"{host} could not be reached: {reason_of(error)}", host=host) from error


def reason_of(error: BaseException) -> str:
    """Say in words of our own what is at the bottom of an error: theirs can hold tokens."""
    causes: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and len(causes) < 20:
        causes.append(cause)
        cause = cause.__cause__ or cause.__context__
    for kind, words in _REASONS:
        if any(isinstance(cause, kind) for cause in causes):
            return words
    return "the connection failed"


_REASONS: tuple[tuple[type[BaseException], str], ...] = (
    (socket.gaierror, "its name is not known"),
    (ssl.SSLCertVerificationError, "its certificate is not valid"),
    (ssl.SSLError, "it speaks no usable TLS"),
    (TimeoutError, "it does not answer"),
    (ConnectionRefusedError, "it refuses connections"),
)
