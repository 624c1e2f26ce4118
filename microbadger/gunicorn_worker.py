"""Has gunicorn give a thread to a client once the head of its request is there, and take it back in time.

gunicorn's own threads wait for the rest of a head as long as a client takes to send it, and its main loop for clients
to hang up: a few slow ones hold up everybody. Here the main loop collects heads without waiting for any. The
application bounds what it reads of bodies; what a client does not fetch is given up.

It is named in the Procfile and imports nothing of the service: gunicorn's master loads it, and what the master has
loaded would stay old when workers are started anew.
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
_MOST_IDLE = 256  # of each kind: all of them together must leave files for the application to open
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Connection(TConn):  # type: ignore[misc]
    """A client, and what it has sent of the head of its next request."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.data_ready = True  # or its thread would wait for that
        self.received = b""
        self.ends_at = 0.0
        self.write_seconds = 0.0

    @property
    def has_head(self) -> bool:
        """Whether a whole head was received, https://www.rfc-editor.org/rfc/rfc9112#section-2.1."""
        return b"\r\n\r\n" in self.received

    @property
    def waits_for_more(self) -> bool:
        """Whether what was received can be the beginning of a head."""
        return not self.has_head and len(self.received) <= _HEAD_BYTES

    def receive(self) -> bool:
        """Take what has come, without waiting; return whether the client is still there."""
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
        """Have gunicorn read what was received, before a thread reads on."""
        super().init()
        self.sock.settimeout(self.write_seconds)
        self.parser.unreader.unread(self.received)
        self.received = b""


class Worker(ThreadWorker):  # type: ignore[misc]
    """gunicorn's worker with threads, for HTTP/1.1 without encryption: a proxy in front of it does that."""

    head_seconds = 10.0
    write_seconds = 30.0
    """For each part of an answer; a client that takes longer counts as gone."""
    request_seconds = 180.0
    """For a whole request: enough for the longest wait of a webhook, and for reading its body."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        for setting in ("permit_unconventional_http_method", "casefold_http_method"):  # scripts say curl -X post
            self.cfg.set(setting, True)
        self.max_keepalived: int = min(self.cfg.worker_connections - self.cfg.threads, _MOST_IDLE)
        self._answered: deque[Connection] = deque()
        self._lingering: deque[Connection] = deque()

    def get_thread_pool(self) -> ThreadPoolExecutor:
        """Return threads that are all there already: to fail to start one later would end this process.

        Where the machine allows fewer, half of those answer, and the others are left for what the service does besides.
        """
        count, wanted = 0, self.cfg.threads
        pool, is_started = ThreadPoolExecutor(wanted), Event()
        try:
            for count in range(wanted):  # noqa: B007 - how many were started
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
        """Refuse settings under which this worker could not read the head of a request."""
        super().check_config(cfg, log)
        if cfg.is_ssl or cfg.protocol != "http" or cfg.http2_cleartext != "off":
            raise ConfigError("This worker speaks HTTP/1.1 without encryption: remove the setting of another protocol.")

    def accept(self, listener: socket) -> None:
        """Accept a client, and wait for what it sends."""
        try:
            client, address = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        self.nr_conns += 1
        conn = Connection(self.cfg, client, address, listener.getsockname())
        conn.write_seconds = self.write_seconds
        self.enqueue_req(conn)

    def enqueue_req(self, conn: Connection) -> None:
        """Give a client a thread if the head of its request is there, else wait for it."""
        conn.sock.setblocking(False)
        is_there = conn.receive()
        if conn.waits_for_more and is_there:
            conn.timeout = time.monotonic() + self.head_seconds
            self._wait(conn, self.pending_conns, self.on_pending_socket_readable)
        else:
            self._go_on(conn)

    def on_pending_socket_readable(self, conn: Connection, client: socket) -> None:
        """Take what a client has sent of a head."""
        is_there = conn.receive()
        if not (conn.waits_for_more and is_there):
            self.poller.unregister(client)
            self.pending_conns.remove(conn)
            self._go_on(conn)

    def handle(self, conn: Connection) -> Any:
        """Answer a request in a thread, until its time is over."""
        conn.ends_at = time.monotonic() + self.request_seconds
        self._answered.append(conn)
        try:
            return super().handle(conn)
        finally:
            self._answered.remove(conn)

    def handle_request(self, req: Any, conn: Connection) -> Any:
        """Answer a request; a client that does not fetch the answer has hung up."""
        try:
            return super().handle_request(req, conn)
        except TimeoutError:
            return False

    def finish_request(self, conn: Connection, fs: Any) -> None:
        """Do what comes after an answer, without waiting for a client to hang up."""
        if fs.cancelled() or fs.exception() or fs.result():
            super().finish_request(conn, fs)
        else:
            self._linger(conn)

    def murder_pending(self) -> None:
        """Close connections whose time is over."""
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
        """Answer a client that has sent a whole head; close or refuse any other."""
        if conn.has_head:
            super().enqueue_req(conn)
        elif conn.waits_for_more:
            self._close(conn)  # it has hung up
        else:
            with suppress(OSError):
                conn.sock.send(_TOO_LARGE)
            self._linger(conn)

    def _linger(self, conn: Connection) -> None:
        """Let a client read the whole answer, which is lost if the connection closes while the client still sends.

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
        """Wait for a client together with others; if there are too many, the one that has waited longest is closed."""
        if len(waiting) >= _MOST_IDLE:
            oldest = waiting.popleft()
            self.poller.unregister(oldest.sock)
            self._close(oldest)
        waiting.append(conn)
        self.poller.register(conn.sock, EVENT_READ, partial(react, conn))

    def _close(self, conn: Connection) -> None:
        self.nr_conns -= 1
        conn.close()
