"""The HTTP client through which the service sends all its requests.

A client sends single requests: it does not follow redirects, keep cookies or read `.netrc`. It connects only to allowed
addresses, limits the time of each request, and reads no more of a body than the caller wants. It does not decompress
bodies. Connections are kept for further requests to the same server. The caller interprets the answer and decides
whether to send the request again.

If the operator has configured a proxy, the proxy resolves names. A forbidden address in a URL is still rejected, in
whatever notation.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPException

from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import HTTPError
from urllib3.poolmanager import PoolManager, ProxyManager
from urllib3.response import BaseHTTPResponse
from urllib3.util import Retry, Timeout

from microbadger.http.addresses import Address, is_possible, literal_address
from microbadger.http.certificates import tls_context
from microbadger.http.connection import Reach, cut_off_after, pool_classes, resolve_name
from microbadger.http.deadline import seconds_left
from microbadger.http.errors import ConnectionFailed, CutOff, ForbiddenAddress, HttpError, reason_of
from microbadger.http.names import Resolve
from microbadger.http.origin import Origin, Url
from microbadger.http.proxies import is_exempt, login_headers, without_login

logging.getLogger("urllib3").setLevel(logging.ERROR)  # its other messages contain whole URLs, including signed ones

_CHUNK_BYTES = 64 * 1024
_NO_RETRIES = Retry(total=False, redirect=False)


@dataclass(frozen=True, slots=True)
class Limits:
    """How many seconds a server may take to connect, to begin its answer, and to complete the request in total."""

    connect_seconds: float = 10
    answer_seconds: float = 20
    total_seconds: float = 60


@dataclass(frozen=True, slots=True)
class Network:
    """The proxies that requests go through, the trusted certificates, and how names are resolved.

    `proxies` maps `http`, `https` and `all` to the URLs of proxies, and `no` to the hosts reached without a proxy.
    """

    user_agent: str
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    ca_bundle: str = ""
    resolve: Resolve = resolve_name

    def proxy_for(self, url: Url) -> str | None:
        """Return the URL of the proxy for a request, or None."""
        if is_exempt(url.origin, self.proxies.get("no", "")):
            return None
        return self.proxies.get(url.origin.scheme) or self.proxies.get("all")


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of a server to a request for `url`. The names of headers are case-insensitive."""

    url: str = field(repr=False)
    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


class Client:
    """Sends requests to servers at allowed addresses. One object serves all threads."""

    def __init__(
        self,
        network: Network,
        allows: Callable[[Address], bool],
        *,
        limits: Limits | None = None,
        connections_per_host: int = 1,
    ) -> None:
        self._network = network
        self._allows = allows
        self._limits = limits or Limits()
        self._connections_per_host = connections_per_host
        self._pools = PoolManager(maxsize=connections_per_host)
        self._pools.pool_classes_by_scheme = pool_classes(Reach(network.resolve, allows))
        self._pools_by_proxy: dict[str, ProxyManager] = {}

    def send(
        self,
        method: str,
        url: Url,
        headers: Mapping[str, str],
        body: bytes | None = None,
        *,
        max_bytes: int,
        is_begin_enough: bool = False,
    ) -> Answer:
        """Send one request, and return the answer with at most `max_bytes` of its body. Raises `HttpError`.

        With `is_begin_enough`, a body that breaks off or takes too long is no error: its received part is returned.
        """
        seconds = min(self._limits.total_seconds, seconds_left())
        if seconds <= 0:
            raise CutOff
        ends_at = time.monotonic() + seconds
        with _translated():
            response = self._respond(method, url, headers, body, seconds)
            try:
                read = _begin_of if is_begin_enough else _read
                content = read(response, max_bytes, ends_at)
            finally:
                response.close()
                response.release_conn()
        return Answer(url.text, response.status, response.headers, content)

    def close(self) -> None:
        """Close every connection."""
        for pools in (self._pools, *self._pools_by_proxy.values()):
            pools.clear()

    def _respond(
        self, method: str, url: Url, headers: Mapping[str, str], body: bytes | None, seconds: float
    ) -> BaseHTTPResponse:
        """Send a request, and return the response without reading its body."""
        pool, target = self._way_to(url)
        limits = self._limits
        return pool.urlopen(
            method,
            target,
            body,
            {"User-Agent": self._network.user_agent, "Accept-Encoding": "identity", **headers},
            retries=_NO_RETRIES,
            redirect=False,
            assert_same_host=False,
            timeout=Timeout(seconds, limits.connect_seconds, limits.answer_seconds),
            preload_content=False,
            decode_content=False,
        )

    def _way_to(self, url: Url) -> tuple[HTTPConnectionPool, str]:
        """Return the connection pool for a server, and the request target to send there."""
        proxy = self._network.proxy_for(url)
        if proxy is None:
            return self._pool(self._pools, url.origin), url.target
        address = literal_address(url.origin.host)
        if address is not None and not self._allows(address):
            raise ForbiddenAddress
        return self._pool(self._pools_through(proxy), url.origin), url.text if _is_plain(url.origin) else url.target

    def _pool(self, pools: PoolManager, origin: Origin) -> HTTPConnectionPool:
        own = {} if _is_plain(origin) else {"ssl_context": tls_context(self._network.ca_bundle)}
        return pools.connection_from_host(origin.host, origin.port, origin.scheme, own)

    def _pools_through(self, proxy: str) -> ProxyManager:
        """Return the connection pools of a proxy. It may have a private address, because the operator configured it."""
        if proxy not in self._pools_by_proxy:
            pools = ProxyManager(
                without_login(proxy),
                proxy_headers=login_headers(proxy),
                proxy_ssl_context=tls_context(self._network.ca_bundle),
                maxsize=self._connections_per_host,
            )
            pools.pool_classes_by_scheme = pool_classes(Reach(self._network.resolve, is_possible))
            self._pools_by_proxy[proxy] = pools
        return self._pools_by_proxy[proxy]


def _read(response: BaseHTTPResponse, max_bytes: int, ends_at: float) -> bytes:
    """Return a body up to its end or the limit. Raise an error if the body breaks off before."""
    if response.length_remaining == 0:
        response.drain_conn()  # reads nothing, but frees the connection for the next request
        return b""
    parts: list[bytes] = []
    left = max_bytes
    with cut_off_after(ends_at - time.monotonic(), response.shutdown):
        while left > 0 and (part := response.read(min(left, _CHUNK_BYTES), decode_content=False)):
            parts.append(part)
            left -= len(part)
            if response.length_remaining == 0:
                break
    return b"".join(parts)


def _begin_of(response: BaseHTTPResponse, max_bytes: int, ends_at: float) -> bytes:
    """Return the first `max_bytes` of a body, or what was received before it broke off or the time was up."""
    begin = b""
    with (
        suppress(CutOff, HTTPError, HTTPException, OSError, ValueError),
        cut_off_after(ends_at - time.monotonic(), response.shutdown),
    ):
        while len(begin) < max_bytes and (part := response.read1(max_bytes, decode_content=False)):
            begin += part
    return begin[:max_bytes]


@contextmanager
def _translated() -> Iterator[None]:
    """Convert the errors of the underlying libraries to `HttpError`."""
    try:
        yield
    except HttpError:
        raise
    except (HTTPError, HTTPException, OSError, ValueError) as error:
        raise ConnectionFailed(reason_of(error)) from error


def _is_plain(origin: Origin) -> bool:
    return origin.scheme == "http"
