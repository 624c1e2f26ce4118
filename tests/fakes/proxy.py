"""A TCP proxy on loopback that spoils what a server answers: cuts it, garbles it, splits it, or keeps it back."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

from tests.fakes.registry import RawServer

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


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(_PIECE_BYTES):
            target.sendall(piece)
    _hang_up(target)


def _hang_up(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
