"""A gunicorn worker that slow clients cannot block.

In gunicorn's own threaded worker, a thread waits until a client has sent the head of its request, and the main loop
waits until clients hang up. A few slow clients can therefore block all others. In this worker, the main loop collects
heads without waiting, and a client gets a thread only once its head is complete. The time for each part of an answer
and for each request is limited, and the application limits how much it reads of bodies.

The Procfile names this module. It imports nothing of the service, because gunicorn's master loads it: modules in the
master would stay outdated when workers are restarted.
"""

import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from selectors import EVENT_READ
from socket import SHUT_RDWR, SHUT_WR, socket
from threading import Event
from typing import Any

from gunicorn.errors import ConfigError
from gunicorn.workers.gthread import TConn, ThreadWorker

_HEAD_BYTES = 64 * 1024
_LINGER_SECONDS = 2.0
_LINGER_BYTES = 64 * 1024
_MOST_IDLE = 256  # connections of each kind; they must leave enough file descriptors for the application
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Connection(TConn):  # type: ignore[misc]
    """A connection of a client, and the received part of the head of its next request."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.data_ready = True  # otherwise gunicorn's thread would wait for data
        self.received = b""
        self.ends_at = 0.0
        self.write_seconds = 0.0

    @property
    def has_head(self) -> bool:
        """Whether a complete head was received, see https://www.rfc-editor.org/rfc/rfc9112#section-2.1."""
        return b"\r\n\r\n" in self.received

    @property
    def waits_for_more(self) -> bool:
        """Whether the head is incomplete and not too large yet."""
        return not self.has_head and len(self.received) <= _HEAD_BYTES

    def receive(self) -> bool:
        """Read the available bytes without waiting, and return whether the client is still connected."""
        if self.parser:
            self.received = self.parser.unreader.take_buffered() + self.received
        try:
            received = self.sock.recv(_HEAD_BYTES)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self.received += received
        return bool(received)

    def init(self) -> None:
        """Pass the received bytes to gunicorn's parser before a thread reads on."""
        super().init()
        self.sock.settimeout(self.write_seconds)
        self.parser.unreader.unread(self.received)
        self.received = b""


class Worker(ThreadWorker):  # type: ignore[misc]
    """gunicorn's threaded worker, limited to HTTP/1.1 without encryption, which is left to a proxy."""

    head_seconds = 10.0
    write_seconds = 30.0
    """The limit for sending each part of an answer. A client that takes longer counts as disconnected."""
    request_seconds = 180.0
    """The limit for a whole request. It is enough to read the body of a webhook and to wait for its check."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        for setting in ("permit_unconventional_http_method", "casefold_http_method"):  # scripts use curl -X post
            self.cfg.set(setting, True)
        self.max_keepalived: int = min(self.cfg.worker_connections - self.cfg.threads, _MOST_IDLE)
        self._answered: deque[Connection] = deque()
        self._lingering: deque[Connection] = deque()

    def get_thread_pool(self) -> ThreadPoolExecutor:
        """Return a pool whose threads are all started, because failing to start one later would end this process.

        If the machine allows fewer threads, the pool gets half of those, and the others are left for background work.
        """
        count, wanted = 0, self.cfg.threads
        pool, is_started = ThreadPoolExecutor(wanted), Event()
        try:
            for count in range(wanted):  # noqa: B007 - the number of started threads, used below
                pool.submit(is_started.wait)
        except RuntimeError as error:
            self.log.warning("Only %d of %d threads could be started: %s", count, wanted, error)
            is_started.set()
            pool.shutdown()
            pool = ThreadPoolExecutor(max(count // 2, 1))
        is_started.set()
        return pool

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        """Raise ConfigError for settings of protocols that this worker does not speak."""
        super().check_config(cfg, log)
        if cfg.is_ssl or cfg.protocol != "http" or cfg.http2_cleartext != "off":
            raise ConfigError("This worker only speaks unencrypted HTTP/1.1: remove the settings for other protocols.")

    def accept(self, listener: socket) -> None:
        """Accept a client and begin to collect its request."""
        try:
            client, address = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        self.nr_conns += 1
        conn = Connection(self.cfg, client, address, listener.getsockname())
        conn.write_seconds = self.write_seconds
        self.enqueue_req(conn)

    def enqueue_req(self, conn: Connection) -> None:
        """Give a client a thread if the head of its request is complete, else wait for more of it."""
        conn.sock.setblocking(False)
        is_there = conn.receive()
        if conn.waits_for_more and is_there:
            conn.timeout = time.monotonic() + self.head_seconds
            self._wait(conn, self.pending_conns, self.on_pending_socket_readable)
        else:
            self._go_on(conn)

    def on_pending_socket_readable(self, conn: Connection, client: socket) -> None:
        """Read more of the head of a request."""
        is_there = conn.receive()
        if not (conn.waits_for_more and is_there):
            self.poller.unregister(client)
            self.pending_conns.remove(conn)
            self._go_on(conn)

    def handle(self, conn: Connection) -> Any:
        """Answer a request in a thread, within the time limit for requests."""
        conn.ends_at = time.monotonic() + self.request_seconds
        self._answered.append(conn)
        try:
            return super().handle(conn)
        finally:
            self._answered.remove(conn)

    def handle_request(self, req: Any, conn: Connection) -> Any:
        """Answer a request. A client that does not read the answer in time counts as disconnected."""
        try:
            return super().handle_request(req, conn)
        except TimeoutError:
            return False

    def finish_request(self, conn: Connection, fs: Any) -> None:
        """Finish a request after its answer, without waiting for the client to hang up."""
        if fs.cancelled() or fs.exception() or fs.result():
            super().finish_request(conn, fs)
        else:
            self._linger(conn)

    def murder_pending(self) -> None:
        """Close connections that have reached their time limit."""
        super().murder_pending()
        now = time.monotonic()
        while self._lingering and self._lingering[0].timeout <= now:
            self._stop_lingering(self._lingering[0])
        for conn in list(self._answered):
            if conn.ends_at <= now:
                with suppress(OSError):
                    conn.sock.shutdown(SHUT_RDWR)

    def _cap_keepalive(self, deadline: float) -> None:
        super()._cap_keepalive(deadline)
        for conn in self.pending_conns:
            conn.timeout = min(conn.timeout, deadline)

    def _go_on(self, conn: Connection) -> None:
        """Answer a client that has sent a complete head; close or refuse the connection otherwise."""
        if conn.has_head:
            super().enqueue_req(conn)
        elif conn.waits_for_more:
            self._close(conn)  # the client has hung up
        else:
            with suppress(OSError):
                conn.sock.send(_TOO_LARGE)
            self._linger(conn)

    def _linger(self, conn: Connection) -> None:
        """Keep the connection open for a while, so that the client can read the whole answer.

        The answer is lost if the connection is closed while the client is still sending:
        https://www.rfc-editor.org/rfc/rfc9112#section-9.6
        """
        conn.sock.setblocking(False)
        conn.timeout, conn.received = time.monotonic() + _LINGER_SECONDS, b""
        try:
            conn.sock.shutdown(SHUT_WR)
        except OSError:
            self._close(conn)
            return
        self._wait(conn, self._lingering, self._on_lingering_readable)

    def _on_lingering_readable(self, conn: Connection, _client: socket) -> None:
        conn.parser = None
        if not conn.receive() or len(conn.received) > _LINGER_BYTES:
            self._stop_lingering(conn)

    def _stop_lingering(self, conn: Connection) -> None:
        self.poller.unregister(conn.sock)
        self._lingering.remove(conn)
        self._close(conn)

    def _wait(self, conn: Connection, waiting: "deque[Connection]", react: Any) -> None:
        """Add a connection to those that wait for data. If there are too many, close the longest waiting one."""
        if len(waiting) >= _MOST_IDLE:
            oldest = waiting.popleft()
            self.poller.unregister(oldest.sock)
            self._close(oldest)
        waiting.append(conn)
        self.poller.register(conn.sock, EVENT_READ, partial(react, conn))

    def _close(self, conn: Connection) -> None:
        self.nr_conns -= 1
        conn.close()
