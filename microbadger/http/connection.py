"""Connections that go only to checked addresses, and that are cut off when their time is over.

A name is resolved once, all its addresses are checked, and the socket connects to one of these addresses. A name server
that gives another answer the second time (DNS rebinding) therefore gains nothing. The Host header, the TLS server name
and the certificate are still those of the name.

A socket timeout restarts with every byte, so a host that sends one byte at a time could occupy a thread for days.
`cut_off_after` ends such a connection. Resolving the name and trying its addresses share the time for connecting.
"""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, ClassVar

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from microbadger.http.addresses import Address
from microbadger.http.errors import CutOff, ForbiddenAddress
from microbadger.http.names import NAME_QUESTIONS, Resolve
from microbadger.http.watchdog import WATCHDOG

_MAX_ADDRESSES = 4


@dataclass(frozen=True, slots=True)
class Reach:
    """How names are resolved, and to which addresses connections may go."""

    resolve: Resolve
    allows: Callable[[Address], bool]

    def addresses(self, host: str, port: int, seconds: float) -> list[str]:
        """Return the addresses of a host. Raise `ForbiddenAddress` if any of them is not allowed.

        Raise `CutOff` if the name server does not answer within `seconds`.
        """
        texts = NAME_QUESTIONS.ask(self.resolve, host, port, seconds)
        addresses = [ip_address(text.partition("%")[0]) for text in texts]
        if not all(map(self.allows, addresses)):
            raise ForbiddenAddress
        return [str(address) for address in addresses[:_MAX_ADDRESSES]]


def resolve_name(host: str, port: int) -> list[str]:
    """Return every address of a host by the system's resolver, preferred ones first. Raise `OSError` if it has none."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for *_, sockaddr in found]


@contextmanager
def cut_off_after(seconds: float, cut_off: Callable[[], object]) -> Iterator[None]:
    """Raise `CutOff` if the block takes longer than `seconds`, after calling `cut_off` to end it.

    `cut_off` is called in another thread and must not block.
    """
    watch = WATCHDOG.watch(seconds, cut_off)
    try:
        yield
    except Exception as error:
        if watch.is_over:
            raise CutOff from error
        raise
    finally:
        WATCHDOG.call_off(watch)
    if watch.is_over:  # truncated headers do not raise an error
        raise CutOff


class _Connection(HTTPConnection):
    """A connection to addresses that a `Reach` allows. Each step is cut off when urllib3's timeout for it is over."""

    reach: ClassVar[Reach]
    timeout: float
    _twin: socket.socket | None = None

    def _new_conn(self) -> socket.socket:
        """Connect to the first address that answers. Keep a duplicate of its socket, because TLS wraps the socket."""
        connected = self._connected()
        self._twin = connected.dup()
        return connected

    def _connected(self) -> socket.socket:
        """Connect to the first address that answers. Each address gets its share of the time that is left."""
        ends_at = time.monotonic() + self.timeout
        addresses = self.reach.addresses(self.host, self.port, self.timeout)
        failure: OSError = OSError("the name has no address")
        for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
            seconds = (ends_at - time.monotonic()) / left
            if seconds <= 0:
                raise CutOff
            try:
                connected = socket.create_connection((address, self.port), timeout=seconds)
            except OSError as error:
                failure = error
            else:
                connected.settimeout(self.timeout)
                connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return connected
        raise failure

    def connect(self) -> None:
        """Connect, including TLS. Raises `CutOff` and `ForbiddenAddress`."""
        try:
            with cut_off_after(self.timeout, lambda: _shut_down(self._twin)):
                super().connect()
        finally:
            if self._twin is not None:
                self._twin.close()

    def getresponse(self) -> Any:
        with cut_off_after(self.timeout, lambda: _shut_down(self.sock)):
            return super().getresponse()


def _shut_down(connection: socket.socket | None) -> None:
    """End a connection, or do nothing if it is None because the connection does not exist yet or any more."""
    if connection is not None:
        connection.shutdown(socket.SHUT_RDWR)


class _TlsConnection(_Connection, HTTPSConnection):
    """The same with TLS."""


def pool_classes(reach: Reach) -> dict[str, type[HTTPConnectionPool]]:
    """Return connection pool classes of urllib3 by scheme, whose connections go only to addresses in a `Reach`."""
    plain = type("_Plain", (_Connection,), {"reach": reach})
    encrypted = type("_Encrypted", (_TlsConnection,), {"reach": reach})
    return {
        "http": type("_PlainPool", (HTTPConnectionPool,), {"ConnectionCls": plain}),
        "https": type("_EncryptedPool", (HTTPSConnectionPool,), {"ConnectionCls": encrypted}),
    }
