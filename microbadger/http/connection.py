"""Connections that go only to addresses that were checked, and that never outlive their time.

A name is resolved once, every address it has is checked, and the socket goes to a checked one: a name server
that answers differently the second time (DNS rebinding) gains nothing. Host header, TLS server name and
certificate are still those of the name. `addresses` says which ones are allowed.

Socket timeouts start anew with every byte, so a host that sends one byte at a time could hold a thread for
days; `cut_off_after` ends the connection instead. A name server gets no more time than a connection, see `names`.
"""

import socket
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
    """Where connections may go."""

    resolve: Resolve
    allows: Callable[[Address], bool]

    def addresses(self, host: str, port: int, seconds: float) -> list[str]:
        """Return the addresses of a host; raise `ForbiddenAddress` if a single one is not allowed.

        Raise `CutOff` if no name server says them in so many seconds.
        """
        texts = NAME_QUESTIONS.ask(self.resolve, host, port, seconds)
        addresses = [ip_address(text.partition("%")[0]) for text in texts]
        if not all(map(self.allows, addresses)):
            raise ForbiddenAddress
        return [str(address) for address in addresses[:_MAX_ADDRESSES]]


def resolve_name(host: str, port: int) -> list[str]:
    """Return every address the system knows for a host, the preferred one first; raise `OSError` for none."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for *_, sockaddr in found]


@contextmanager
def cut_off_after(seconds: float, cut_off: Callable[[], object]) -> Iterator[None]:
    """Run `cut_off`, which must not block, elsewhere and raise `CutOff` if the body takes longer than `seconds`."""
    watch = WATCHDOG.watch(seconds, cut_off)
    try:
        yield
    except Exception as error:
        if watch.is_over:
            raise CutOff from error
        raise
    finally:
        WATCHDOG.call_off(watch)
    if watch.is_over:  # headers that end in the middle raise nothing
        raise CutOff


class _Connection(HTTPConnection):
    """A connection within a `Reach`, cut off when urllib3's timeout of the step it takes is over."""

    reach: ClassVar[Reach]
    timeout: float
    _twin: socket.socket | None = None

    def _new_conn(self) -> socket.socket:
        """Connect to the first address that answers; a twin of the socket survives its wrapping in TLS."""
        connected = self._connected()
        self._twin = connected.dup()
        return connected

    def _connected(self) -> socket.socket:
        failure: OSError = OSError("the name has no address")
        for address in self.reach.addresses(self.host, self.port, self.timeout):
            try:
                connected = socket.create_connection((address, self.port), timeout=self.timeout)
            except OSError as error:
                failure = error
            else:
                connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return connected
        raise failure

    def connect(self) -> None:
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
    """End a connection; there is none yet, or none any more, where the time was up just before or after."""
    if connection is not None:
        connection.shutdown(socket.SHUT_RDWR)


class _TlsConnection(_Connection, HTTPSConnection):
    """The same, encrypted."""


def pool_classes(reach: Reach) -> dict[str, type[HTTPConnectionPool]]:
    """Return urllib3's classes by scheme, with connections that stay within a reach."""
    plain = type("_Plain", (_Connection,), {"reach": reach})
    encrypted = type("_Encrypted", (_TlsConnection,), {"reach": reach})
    return {
        "http": type("_PlainPool", (HTTPConnectionPool,), {"ConnectionCls": plain}),
        "https": type("_EncryptedPool", (HTTPSConnectionPool,), {"ConnectionCls": encrypted}),
    }
