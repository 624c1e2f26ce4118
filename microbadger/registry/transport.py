"""Sends HTTP requests to registries and to the servers they point to, and trusts none of them.

A registry chooses realms, redirects and next pages, and may use them to attack. A host that the operator did not name
for this registry is reached over https and at public addresses only, even if it was named for another one. Bodies,
redirects, times and retries are bounded. Authorization goes only to the server it is for, and compressed bodies are not
expanded. The reasons are CVE-2026-33540, CVE-2026-48978 and CVE-2026-24845 (realms at internal addresses),
CVE-2020-1702 (endless bodies) and the rules for redirects in
https://github.com/opencontainers/distribution-spec/blob/main/spec.md.

If the operator configured a proxy, the proxy resolves names, so only the hosts in URLs are checked here.
"""

import random
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from urllib.parse import urlencode, urljoin

from microbadger.http import (
    Answer,
    Client,
    CutOff,
    ForbiddenAddress,
    HttpError,
    Limits,
    Network,
    Origin,
    Url,
    is_possible,
    is_public,
    is_public_host,
    retry_after_seconds,
    seconds_left,
)
from microbadger.registry.errors import BadAnswer, RateLimited, Refused, RegistryError, Unreachable
from microbadger.registry.holds import Holds
from microbadger.store import Counts

_PAUSES_SECONDS = (1, 3)
_MAX_PAUSE_SECONDS = 60
_DEFAULT_HOLD_SECONDS = 60
_RETRIED = {408, 429, 500, 502, 503, 504}
_REDIRECTS = {301, 302, 303, 307, 308}
_CONNECTIONS_PER_HOST = 3
_MAX_ERROR_BYTES = 64 * 1024
_COMPRESSED = {"gzip", "x-gzip", "deflate", "br", "zstd", "compress"}


@dataclass(frozen=True)
class Request:
    """One request, and the servers it may reach. `host` is the registry's name in errors and counts.

    `home` is the registry's own URL, or None if the operator did not name it. The home and the servers that the
    operator `named` for this registry may have private addresses and use plain HTTP. `authorization` is sent only to
    the server of `url`, not to servers it redirects to; `elsewhere` holds the authorizations for those. An answer with
    a status in `final` is returned at once and not retried.
    """

    method: str
    url: str
    host: str
    home: str | None
    kind: str
    max_bytes: int
    named: Collection[Origin] = ()
    accept: str = "*/*"
    authorization: str | None = field(default=None, repr=False)
    elsewhere: Mapping[Origin, str] = field(default_factory=dict, repr=False)
    final: Collection[int] = ()
    form: Mapping[str, str] | None = field(default=None, repr=False)
    max_redirects: int = 5
    max_retries: int = 2


class Transport:
    """Sends requests and returns their answers, or raises a `RegistryError`.

    A process sends at most three requests to a host at once. All processes leave a host alone that answered 429.
    """

    def __init__(
        self,
        network: Network,
        counts: Counts,
        *,
        holds: Holds | None = None,
        limits: Limits | None = None,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._counts = counts
        self._holds = holds or Holds(clock)
        self._sleep = sleep
        self._clock = clock
        # Two clients, because a connection to a private address must never be reused for an untrusted redirect.
        self._named_client, self._public_client = (
            Client(network, allows, limits=limits, connections_per_host=_CONNECTIONS_PER_HOST)
            for allows in (is_possible, is_public)
        )
        self._lock = threading.Lock()
        self._slots: dict[str, threading.Semaphore] = {}

    def send(self, request: Request) -> Answer:
        """Return the answer after redirects and retries.

        The answer can have any status except those that are retried. If all retries fail, this raises `Unreachable` or
        `RateLimited`, but a status in the request's `final` is returned.
        """
        _raise_if_late(request.host)
        self._raise_if_held(request.host)
        pauses = iter(_PAUSES_SECONDS[: request.max_retries])
        while True:
            try:
                return self._successful(request)
            except (Unreachable, RateLimited) as error:
                delay_seconds = _delay_seconds(error, next(pauses, None))
                if delay_seconds is None or delay_seconds >= seconds_left():
                    raise
            self._sleep(delay_seconds)

    def _successful(self, request: Request) -> Answer:
        """Return an answer that needs no retry; raise `Unreachable` or `RateLimited` for any other."""
        host = request.host
        before = self._holds.of_this_process(host)
        answer = self._follow(request)
        if answer.status not in _RETRIED or answer.status in request.final:
            self._holds.end(host, before)
            return answer
        seconds = retry_after_seconds(answer.headers, self._clock())
        if answer.status == 429:
            self._holds.begin(host, _DEFAULT_HOLD_SECONDS if seconds is None else seconds)
            message = f"{host} asks for fewer requests"
            raise RateLimited(message, host=host, status=answer.status, retry_after_seconds=seconds)
        message = f"{host} answered with status {answer.status}"
        raise Unreachable(message, host=host, status=answer.status, retry_after_seconds=seconds)

    def _follow(self, request: Request) -> Answer:
        """Return the first answer that does not redirect. After a public server, only public servers are asked."""
        url = first = _url(request.url, request.host)
        known = _known(request)
        for _ in range(request.max_redirects + 1):
            authorization = request.authorization if url.origin == first.origin else request.elsewhere.get(url.origin)
            is_named = _is_named(request, url.origin, known)
            answer = self._exchange(request, url, authorization, is_named=is_named)
            known = known if is_named else frozenset()
            location = answer.headers.get("Location")
            if answer.status not in _REDIRECTS or not location:
                return answer
            url = _url(location, request.host, base=url.text)
        raise Refused(f"{request.host} redirects too often, or where redirects are not allowed", host=request.host)

    def _exchange(self, request: Request, url: Url, authorization: str | None, *, is_named: bool) -> Answer:
        """Send one request to one URL that was checked, and return the answer."""
        client = self._named_client if is_named else self._public_client
        form = urlencode(request.form).encode() if request.form is not None else None
        # One extra byte shows that a body is too long.
        max_bytes = max(request.max_bytes + 1, _MAX_ERROR_BYTES)
        status = "none"
        try:
            with self._slot(request.host), _translated(request.host):
                answer = client.send(request.method, url, _headers(request, authorization), form, max_bytes=max_bytes)
            status = str(answer.status)
        finally:
            self._counts.add("registry_requests", host=request.host, kind=request.kind, status=status)
        return _checked(request, answer)

    @contextmanager
    def _slot(self, host: str) -> Iterator[None]:
        """Wait for one of the host's few slots for requests, and hold it."""
        with self._lock:
            slot = self._slots.setdefault(host, threading.Semaphore(_CONNECTIONS_PER_HOST))
        if not slot.acquire(timeout=max(0.0, min(seconds_left(), threading.TIMEOUT_MAX))):
            raise _too_slow(host)
        try:
            yield
        finally:
            slot.release()

    def _raise_if_held(self, host: str) -> None:
        if left_seconds := self._holds.left_seconds(host):
            message = f"{host} asked for fewer requests and is paused"
            raise RateLimited(message, host=host, retry_after_seconds=left_seconds)


def _known(request: Request) -> frozenset[Origin]:
    """Return the servers that the operator named for the request's registry: their addresses may be private."""
    home = [Origin.of(request.home)] if request.home else []
    return frozenset([*home, *request.named])


def _is_named(request: Request, origin: Origin, known: Collection[Origin]) -> bool:
    """Return whether a server is a known one. Raise `Refused` for any other that is not public or not over https."""
    if origin.scheme != "https" and origin not in known:
        raise Refused(f"{request.host} points to {origin.host} without encryption", host=request.host)
    if origin[1:] in {each[1:] for each in known}:
        return True
    if not origin.has_usual_port or not is_public_host(origin.host):
        raise _forbidden(request.host)
    return False


def _raise_if_late(host: str) -> None:
    if seconds_left() <= 0:
        raise _too_slow(host)


def _too_slow(host: str) -> Unreachable:
    return Unreachable(f"{host} is too slow: the check ran out of time", host=host)


def _url(text: str, host: str, *, base: str = "") -> Url:
    try:
        return Url.of(urljoin(base, text))
    except ValueError as error:
        raise Refused(f"{host} points to an invalid URL", host=host) from error


def _headers(request: Request, authorization: str | None) -> dict[str, str]:
    headers = {"Accept": request.accept}
    if request.form is not None:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    if authorization:
        headers["Authorization"] = authorization
    return headers


def _checked(request: Request, answer: Answer) -> Answer:
    """Return an answer after checking that its body is neither too long nor compressed.

    The body of an error or a redirect is cut instead, because it is only an explanation.
    """
    body, host = answer.body, request.host
    if answer.status >= 300:
        return replace(answer, body=body[:_MAX_ERROR_BYTES])
    if len(body) > request.max_bytes:
        raise BadAnswer(f"{host} sent more than {request.max_bytes} bytes", host=host)
    if body and answer.headers.get("Content-Encoding", "").strip().lower() in _COMPRESSED:
        raise BadAnswer(f"{host} compressed its answer without being asked to", host=host)
    return answer


def _delay_seconds(error: RegistryError, pause_seconds: float | None) -> float | None:
    """Return how long to wait before the next retry, or None if there must be no retry."""
    if pause_seconds is None or isinstance(error.__cause__, CutOff):
        return None
    if error.retry_after_seconds is None:
        return pause_seconds * random.uniform(0.5, 1.5)
    return error.retry_after_seconds if error.retry_after_seconds <= _MAX_PAUSE_SECONDS else None


def _forbidden(host: str) -> Refused:
    return Refused(f"{host} points to an address that is not public", host=host)


@contextmanager
def _translated(host: str) -> Iterator[None]:
    """Turn the errors of the HTTP client into `RegistryError`s."""
    try:
        yield
    except ForbiddenAddress as error:
        raise _forbidden(host) from error
    except CutOff as error:
        raise Unreachable(f"{host} took too long to answer", host=host) from error
    except HttpError as error:
        raise Unreachable(f"{host} could not be reached: {error}", host=host) from error
