"""The network between a process and a server on loopback: it can swallow what is sent, break, refuse, and be slow.

What was swallowed is lost for good: a connection of which a part is lost stays silent afterwards, too, as behind a
firewall that has forgotten it. The server learns that a client has hung up only while the network is whole.
"""

import socket
import struct
import threading
import time
from contextlib import suppress
from typing import Self

from tests.fakes.registry import RawServer

_PIECE_BYTES = 65536
_RESET = struct.pack("ii", 1, 0)  # close at once, and say that the connection broke


class Wire(RawServer):
    """Passes connections on to a port of loopback while its `with` block runs."""

    def __init__(self, target_port: int) -> None:
        super().__init__(self._pass_on)
        self._target = ("127.0.0.1", target_port)
        self._pairs: set[_Pair] = set()
        self._lock = threading.Lock()
        self._is_whole = threading.Event()
        self._is_whole.set()
        self._refusal = b""
        self.delay_seconds = 0.0
        """How long each piece of an answer takes."""

    def __exit__(self, *exception: object) -> None:
        super().__exit__(*exception)
        self.mend()
        self.reset()

    def cut(self) -> None:
        """Swallow from now on whatever is sent, in both directions, and say so to nobody."""
        self._is_whole.clear()
        for pair in self._now():
            pair.is_lost = True

    def mend(self) -> None:
        """Let new connections be as they should."""
        self._refusal, self.delay_seconds = b"", 0.0
        self._is_whole.set()

    def reset(self) -> None:
        """Break every connection, and let both sides know."""
        for pair in self._now():
            pair.reset()

    def refuse(self, answer: bytes) -> None:
        """Answer each HTTP request with this from now on, and hang up."""
        self._refusal = answer
        self.reset()

    def _now(self) -> "list[_Pair]":
        with self._lock:
            return list(self._pairs)

    def _pass_on(self, client: socket.socket) -> None:
        if self._refusal:
            if read_request_head(client):
                client.sendall(self._refusal)
            return
        with _Pair(client, socket.create_connection(self._target)) as pair:
            with self._lock:
                self._pairs.add(pair)
            pair.is_lost = not self._is_whole.is_set()
            answers = threading.Thread(target=self._copy, args=(pair, pair.server, client), daemon=True)
            answers.start()
            self._copy(pair, client, pair.server)
            self._is_whole.wait()
            pair.hang_up()
            answers.join()
        with self._lock:
            self._pairs.discard(pair)

    def _copy(self, pair: "_Pair", source: socket.socket, target: socket.socket) -> None:
        """Copy until the source ends; whoever listens to the other side is told unless something was lost."""
        with suppress(OSError):
            while piece := source.recv(_PIECE_BYTES):
                if self.delay_seconds and source is pair.server:
                    time.sleep(self.delay_seconds)
                if not pair.is_lost:
                    target.sendall(piece)
        if not pair.is_lost:
            pair.hang_up()


class _Pair:
    """The two connections of which one goes on where the other ends."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client = client
        self.server = server
        self.is_lost = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.server.close()

    def hang_up(self) -> None:
        for connection in (self.client, self.server):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def reset(self) -> None:
        """End both connections; the client is told that this was not in order."""
        with suppress(OSError):
            self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.hang_up()


def read_request_head(connection: socket.socket) -> bytes:
    """Return the beginning of the next request, which may have a body; empty if there is none."""
    received = b""
    while b"\r\n\r\n" not in received:
        more = connection.recv(_PIECE_BYTES)
        if not more:
            return b""
        received += more
    return received
