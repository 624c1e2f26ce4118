"""Two proxies on loopback: one of TCP that spoils what a server answers, and one of HTTP that clients ask by name.

The first cuts answers, garbles them, splits them, or keeps them back.
"""

import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from select import select
from ssl import SSLSocket

from tests.fakes.registry import RawServer, read_request

_PIECE_BYTES = 65536

Fault = Callable[[Iterator[bytes]], Iterator[bytes]]
"""Gets the pieces of an answer as they come and yields what is passed on; where it ends, the proxy hangs up."""


class FaultyProxy(RawServer):
    """Passes connections on to a port of loopback while its `with` block runs."""

    def __init__(self, target_port: int) -> None:
        super().__init__(self._pass_on)
        self.host = f"127.0.0.1:{self.port}"
        self._target = ("127.0.0.1", target_port)
        self._fault: Fault = whole
        self._open: set[socket.socket] = set()

    def spoil(self, fault: Fault) -> None:
        """Treat answers so from now on; connections that are kept open end."""
        self._fault = fault
        for connection in list(self._open):
            _hang_up(connection)

    def _pass_on(self, connection: socket.socket) -> None:
        self._open.add(connection)
        try:
            with socket.create_connection(self._target) as server:
                threading.Thread(target=_copy, args=(connection, server), daemon=True).start()
                for piece in self._fault(iter(partial(server.recv, _PIECE_BYTES), b"")):
                    connection.sendall(piece)
        finally:
            self._open.discard(connection)
            _hang_up(connection)


class HttpProxy(RawServer):
    """Passes on requests for hosts that it alone can find: `routes` has the port of loopback where each one is.

    With a `login`, as it stands in the header, it passes on only what logs in.
    """

    def __init__(
        self, routes: Mapping[str, int], *, login: str = "", wrap: Callable[..., Callable[..., object]] = lambda f: f
    ) -> None:
        super().__init__(wrap(self._pass_on))
        self.host = f"127.0.0.1:{self.port}"
        self.asked: list[str] = []
        """The method and target of each request."""
        self._routes = routes
        self._login = login

    def _pass_on(self, connection: socket.socket) -> None:
        head = read_request(connection)
        first, _, rest = head.partition(b"\r\n")
        method, target, version = first.decode().split()
        self.asked.append(f"{method} {target}")
        if self._login and f"proxy-authorization: {self._login}".lower().encode() not in rest.lower():
            connection.sendall(b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n")
            return
        host, slash, path = target.removeprefix("http://").partition("/")
        if host not in self._routes:
            connection.sendall(b"HTTP/1.1 502 Not found\r\nContent-Length: 0\r\n\r\n")
            return
        with socket.create_connection(("127.0.0.1", self._routes[host])) as server:
            if method == "CONNECT":
                connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            else:
                server.sendall(f"{method} {slash}{path} {version}\r\n".encode() + rest)
            _join(connection, server)


def passing_on_to(port: int) -> Callable[[socket.socket], None]:
    """Serve: let a server on a port of loopback answer."""

    def handle(connection: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", port)) as server:
            _join(connection, server)

    return handle


def whole(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Pass on everything."""
    yield from pieces


def in_single_bytes(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Pass on everything in the smallest pieces there are."""
    for piece in pieces:
        yield from (piece[at : at + 1] for at in range(len(piece)))


def cut_after(count: int) -> Fault:
    """Hang up after so many bytes of a connection."""

    def fault(pieces: Iterator[bytes]) -> Iterator[bytes]:
        left = count
        while left > 0 and (piece := next(pieces, b"")):
            yield piece[:left]
            left -= len(piece)

    return fault


def garbled(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Pass on nothing as it was."""
    for piece in pieces:
        yield bytes(byte ^ 0x55 for byte in piece)


def garbled_body(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Pass on headers as they are and what follows as something else of the same length."""
    is_body = False
    for piece in pieces:
        head, end, body = (b"", b"", piece) if is_body else piece.partition(b"\r\n\r\n")
        is_body = is_body or bool(end)
        yield head + end + bytes(byte ^ 0x01 for byte in body)


def kept_back(until: threading.Event, longest_seconds: float = 60.0) -> Fault:
    """Pass on nothing before an event."""

    def fault(pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            until.wait(longest_seconds)
            yield piece

    return fault


def _join(one: socket.socket, other: socket.socket) -> None:
    """Copy both ways until one side ends, in one thread: an encrypted connection must not be used by two."""
    across = {one: other, other: one}
    while True:
        for source in select([*across], [], [])[0]:
            piece = source.recv(_PIECE_BYTES)
            while isinstance(source, SSLSocket) and source.pending():
                piece += source.recv(_PIECE_BYTES)
            if not piece:
                return
            across[source].sendall(piece)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(_PIECE_BYTES):
            target.sendall(piece)
    _hang_up(target)


def _hang_up(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
