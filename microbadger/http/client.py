"""The one way in which the service sends a request to another server.

A client sends single requests: it follows no redirect, keeps no cookie, and takes nothing from a `.netrc`. Connections
go only to addresses that it allows, all of a request and its answer has to fit into its time, and of a body no more is
read than is wanted. What was compressed is not expanded. Connections are kept for the next request to the same server.
What an answer means, and whether a request is sent again, is for the caller to decide.

Behind a proxy that the operator configured, the proxy resolves names. It is asked for no address that is not allowed,
however that is spelled.
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

logging.getLogger("urllib3").setLevel(logging.ERROR)  # its other lines hold whole URLs, signed ones too

_CHUNK_BYTES = 64 * 1024
_NO_RETRIES = Retry(total=False, redirect=False)


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a server may take to connect, to begin its answer, and to complete both and the answer."""

    connect_seconds: float = 10
    answer_seconds: float = 20
    total_seconds: float = 60


@dataclass(frozen=True, slots=True)
class Network:
    """How requests leave this computer, which certificates count, and how names are resolved.

    `proxies` has the URLs of proxies for `http`, `https` and `all`, and under `no` the hosts reached without one.
    """

    user_agent: str
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    ca_bundle: str = ""
    resolve: Resolve = resolve_name

    def proxy_for(self, url: Url) -> str | None:
        """Return the URL of the proxy through which a request goes, if any."""
        if is_exempt(url.origin, self.proxies.get("no", "")):
            return None
        return self.proxies.get(url.origin.scheme) or self.proxies.get("all")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered to the request of `url`; names of headers are case-insensitive."""

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
        """Return the answer to one request, with at most `max_bytes` of its body. Raises `HttpError`.

        If the begin of a body is enough, one that breaks off or takes too long is returned as far as it came.
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
        """Send a request and return the response with its body still to be read."""
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
        """Return the connections that lead to a server, and how to name there what is requested."""
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
        """Return the connections through a proxy, which may well be private: the operator named it."""
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
    """Return a body up to its end or the limit; one that is cut short before raises."""
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
    """Return the begin of a body, or as much of it as came in time."""
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
    """Raise what the libraries below report as an `HttpError`."""
    try:
        yield
    except HttpError:
        raise
    except (HTTPError, HTTPException, OSError, ValueError) as error:
        raise ConnectionFailed(reason_of(error)) from error


def _is_plain(origin: Origin) -> bool:
    return origin.scheme == "http"
