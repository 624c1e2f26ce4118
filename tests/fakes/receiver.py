"""A receiver of notifications on loopback that answers as it is told, however bad that is."""

import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from tests.real_registry import wait_until

DEADLINE_SECONDS = 60.0
_DRIP_SECONDS = 0.02


@dataclass(frozen=True)
class Received:
    """One request, as it arrived."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


@dataclass(frozen=True)
class Answer:
    """A status with headers and a body."""

    status: int = 204
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def __call__(self, handler: "_Handler") -> None:
        handler.send_response(self.status)
        for name, value in {"Content-Length": str(len(self.body)), **self.headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(self.body)


Behaviour = Callable[["_Handler"], object]


def hang(handler: "_Handler") -> None:
    """Answer nothing until the receiver ends."""
    handler.server.is_over.wait(DEADLINE_SECONDS)


def hang_up(handler: "_Handler") -> None:
    """Close the connection without a word."""
    handler.close_connection = True


def reset(handler: "_Handler") -> None:
    """Have the kernel reset the connection."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    handler.connection.close()


def babble(handler: "_Handler") -> None:
    """Answer with what is no HTTP."""
    handler.wfile.write(b"\x00 hola, ma\xc3\xb1ana\r\n\r\n")
    handler.close_connection = True


def dripping(start: bytes, drop: bytes) -> Behaviour:
    """Answer with a start and then a drop every now and then, for ever."""

    def drip(handler: "_Handler") -> None:
        handler.wfile.write(start)
        while not handler.server.is_over.wait(_DRIP_SECONDS):
            handler.wfile.write(drop)

    return drip


class Receiver(ThreadingHTTPServer):
    """Behaves in each way once, then for ever in the last one."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, *behaviours: Behaviour) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behaviours: list[Behaviour] = list(behaviours) or [Answer()]
        self.received: list[Received] = []
        self.is_over = threading.Event()
        self._turns = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook"

    @property
    def ids(self) -> list[str]:
        return [received.id for received in self.received]

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=[0.01], daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
        self.shutdown()
        self.server_close()

    def release(self) -> None:
        """Let those go that it hangs on to."""
        self.is_over.set()

    def wait_for(self, count: int) -> list[Received]:
        """Return what was received once it is this many requests."""
        wait_until(lambda: len(self.received) >= count, f"{count} requests", DEADLINE_SECONDS)
        return self.received

    def take(self, received: Received) -> Behaviour:
        """Note a request and return how it is to be answered."""
        with self._turns:
            self.received.append(received)
            return self.behaviours.pop(0) if len(self.behaviours) > 1 else self.behaviours[0]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a sender that gives up is what is being tested."""


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        behave = self.server.take(Received(self.path, dict(self.headers.items()), body))
        with suppress(OSError):
            behave(self)

    def do_GET(self) -> None:
        self.do_POST()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def dead_url() -> str:
    """Return a URL at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        return f"http://127.0.0.1:{unused.getsockname()[1]}/"
