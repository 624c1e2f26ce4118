"""HTTP to servers that nobody vouches for: a registry names realms, redirects and pages, and any can be a trap.

Only https leaves for hosts the operator did not name for the registry that is asked, and only to public addresses: a
host that was named for one registry is out of the reach of all others. Bodies, redirects, times
and tries are bounded. Authorization goes only to the server that it is for, and what was compressed is not expanded.
The reasons are CVE-2026-33540, CVE-2026-48978 and CVE-2026-24845 (realms that lead inside), CVE-2020-1702 (endless
bodies) and what the specification says of redirects:
https://github.com/opencontainers/distribution-spec/blob/main/spec.md.

Behind a proxy that the operator configured, the proxy resolves names: only what an address says by itself is
checked here.
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
    """What to ask, and of whom: `host` is the registry's name in errors and counts, `home` its own URL.

    The home may be private, and so may the servers that the operator `named` for this registry, which are spoken to
    over plain http where the URL says so. There is no home if nobody vouches for the server. `authorization` is sent to
    the server `url` leads to, not where that redirects: what another server gets is in `elsewhere`. A status that is
    `final` is returned at once, although another try might help.
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

    At most three requests a host run at once in a process; one that answers 429 is left alone by all processes.
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
        # Apart, because a connection made to a private address must never serve a stranger's redirect.
        self._named_client, self._public_client = (
            Client(network, allows, limits=limits, connections_per_host=_CONNECTIONS_PER_HOST)
            for allows in (is_possible, is_public)
        )
        self._lock = threading.Lock()
        self._slots: dict[str, threading.Semaphore] = {}

    def send(self, request: Request) -> Answer:
        """Return the answer after redirects and retries, whatever its status, except one retried in vain."""
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
        """Return an answer that is not worth a retry, else raise what it means."""
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
        """Return the first answer that does not redirect; once a public server was asked, only others like it are."""
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
        # One byte more than is wanted shows that a body is too long.
        max_bytes = max(request.max_bytes + 1, _MAX_ERROR_BYTES)
        status = "none"
        try:
            with self._a_slot(request.host), _translated(request.host):
                answer = client.send(request.method, url, _headers(request, authorization), form, max_bytes=max_bytes)
            status = str(answer.status)
        finally:
            self._counts.add("registry_requests", host=request.host, kind=request.kind, status=status)
        return _checked(request, answer)

    @contextmanager
    def _a_slot(self, host: str) -> Iterator[None]:
        """Hold one of the few places in which a host is asked, once one is free."""
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
    """Return the servers that may be private for this request, because the operator named them for its registry."""
    home = [Origin.of(request.home)] if request.home else []
    return frozenset([*home, *request.named])


def _is_named(request: Request, origin: Origin, known: Collection[Origin]) -> bool:
    """Return whether a server is a known one; if not, it must be a public one over https."""
    if origin.scheme != "https" and origin not in known:
        raise Refused(f"{request.host} leads to {origin.host} without encryption", host=request.host)
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
        raise Refused(f"{host} leads to an invalid URL", host=host) from error


def _headers(request: Request, authorization: str | None) -> dict[str, str]:
    headers = {"Accept": request.accept}
    if request.form is not None:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    if authorization:
        headers["Authorization"] = authorization
    return headers


def _checked(request: Request, answer: Answer) -> Answer:
    """Return an answer whose body is neither too long nor compressed; that of an error only explains it, and is cut."""
    body, host = answer.body, request.host
    if answer.status >= 300:
        return replace(answer, body=body[:_MAX_ERROR_BYTES])
    if len(body) > request.max_bytes:
        raise BadAnswer(f"{host} sent more than {request.max_bytes} bytes", host=host)
    if body and answer.headers.get("Content-Encoding", "").strip().lower() in _COMPRESSED:
        raise BadAnswer(f"{host} compressed its answer although not asked to", host=host)
    return answer


def _delay_seconds(error: RegistryError, pause_seconds: float | None) -> float | None:
    """Return how long to wait before the next try; None if there must be none."""
    if pause_seconds is None or isinstance(error.__cause__, CutOff):
        return None
    if error.retry_after_seconds is None:
        return pause_seconds * random.uniform(0.5, 1.5)
    return error.retry_after_seconds if error.retry_after_seconds <= _MAX_PAUSE_SECONDS else None


def _forbidden(host: str) -> Refused:
    return Refused(f"{host} leads to an address that is not public", host=host)


@contextmanager
def _translated(host: str) -> Iterator[None]:
    """Raise why there is no answer as one of our errors."""
    try:
        yield
    except ForbiddenAddress as error:
        raise _forbidden(host) from error
    except CutOff as error:
        raise Unreachable(f"{host} took too long to answer", host=host) from error
    except HttpError as error:
        raise Unreachable(f"{host} could not be reached: {error}", host=host) from error
