"""Servers whose answers are made beforehand: they cost next to nothing, so what a benchmark measures is its client."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

Answers = Mapping[tuple[bytes, bytes], bytes]
"""What is answered to each method and path."""


@dataclass
class Seen:
    """What a server saw; the connections are those opened since it started."""

    requests: int = 0
    most_at_once: int = 0
    connections: int = 0


class Host:
    """One server, and what it has seen."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self.delay_seconds = 0.0
        self.seen = Seen()
        self.at_once = 0

    async def listen(self) -> str:
        """Begin to answer on a port of this computer, and return its address."""
        server = await asyncio.get_running_loop().create_server(self.connected, "127.0.0.1", 0)
        self._server = server
        return f"127.0.0.1:{server.sockets[0].getsockname()[1]}"

    def connected(self) -> "_KeptConnection":
        self.seen.connections += 1
        return _KeptConnection(self)

    def restart(self, delay_ms: float) -> Seen:
        seen, self.seen = self.seen, Seen(connections=self.seen.connections)
        self.delay_seconds = delay_ms / 1000
        return seen


class _KeptConnection(asyncio.Protocol):
    """Answers one request after the other, each from the dictionary by its method and path."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._received.endswith(b"\r\n\r\n"):
            return
        method, target, _ = self._received.split(b" ", 2)
        self._received = b""
        self._host.at_once += 1
        self._host.seen.requests += 1
        self._host.seen.most_at_once = max(self._host.seen.most_at_once, self._host.at_once)
        try:
            answer = self._host.answers[method, target.partition(b"?")[0]]
        except KeyError:
            answer = NOT_FOUND
        if self._host.delay_seconds:
            asyncio.get_running_loop().call_later(self._host.delay_seconds, self._answer, answer)
        else:
            self._answer(answer)

    def _answer(self, answer: bytes) -> None:
        self._host.at_once -= 1
        self._transport.write(answer)


NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


def http(body: bytes, media_type: str = "application/json", digest: str = "") -> bytes:
    """Return an answer as it is sent."""
    headers = [
        "HTTP/1.1 200 OK",
        f"Content-Type: {media_type}",
        f"Content-Length: {len(body)}",
        *([f"Docker-Content-Digest: {digest}"] if digest else []),
    ]
    return "\r\n".join([*headers, "", ""]).encode() + body
