"""Sending requests to servers that are slow, broken or hostile, through real sockets."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from itertools import repeat
from typing import Any

import pytest

from microbadger.http.addresses import is_possible, is_public
from microbadger.http.client import Answer, Client, Limits, Network
from microbadger.http.errors import ConnectionFailed, CutOff, ForbiddenAddress, HttpError
from microbadger.http.origin import Url
from tests.fakes.registry import RawServer, answering, read_request

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nma\xc3\xb1ana"
HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"
SHORT = Limits(connect_seconds=0.2, answer_seconds=0.2, total_seconds=0.3)


def dripping(start: bytes, drop: bytes) -> Callable[[socket.socket], None]:
    """Serve: send the start of an answer, then a drop every now and then, for ever."""

    def handle(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(start)
        tick = threading.Event()
        while not tick.wait(0.02):
            connection.sendall(drop)

    return handle


@contextmanager
def client_with(limits: Limits) -> Iterator[Client]:
    with closing(Client(Network("tests"), is_possible, limits=limits)) as client:
        yield client


@pytest.fixture
def client() -> Iterator[Client]:
    with client_with(Limits(5, 5, 5)) as client:
        yield client


def get(client: Client, url: str, **options: Any) -> Answer:
    return client.send("GET", Url.of(url), {}, **{"max_bytes": 100, **options})


def test_it_returns_what_a_server_answers(client: Client) -> None:
    with RawServer(answering(OK)) as server:
        answer = get(client, server.url)

    assert (answer.url, answer.status, answer.body) == (Url.of(server.url).text, 200, "mañana".encode())
    assert answer.headers["content-length"] == "7"


def test_it_sends_what_it_is_given_and_says_what_it_is(client: Client) -> None:
    requests: list[bytes] = []

    def handle(connection: socket.socket) -> None:
        requests.append(read_request(connection))
        connection.sendall(OK)

    with RawServer(handle) as server:
        client.send("PURGE", Url.of(f"{server.url}a?b=ñ"), {"Host": "other.test"}, max_bytes=9)

    lines = requests[0].decode().split("\r\n")
    assert lines[0] == "PURGE /a?b=%C3%B1 HTTP/1.1"
    assert {"Host: other.test", "User-Agent: tests", "Accept-Encoding: identity"} <= set(lines)


@pytest.mark.parametrize("status", [301, 302, 307, 401, 404, 503])
def test_every_status_is_an_answer(client: Client, status: int) -> None:
    answer = f"HTTP/1.1 {status} No\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
    with RawServer(answering(answer.encode())) as server:
        assert get(client, server.url).status == status


def test_a_body_is_cut_to_what_is_wanted(client: Client) -> None:
    with RawServer(answering(b"HTTP/1.1 200 OK\r\n\r\n", *repeat(b"x" * 65536, 1000))) as server:
        assert get(client, server.url, max_bytes=5).body == b"xxxxx"


def test_what_is_compressed_is_not_expanded(client: Client) -> None:
    with RawServer(answering(OK.replace(b"\r\n", b"\r\nContent-Encoding: gzip\r\n", 1))) as server:
        assert get(client, server.url).body == "mañana".encode()


@pytest.mark.parametrize(("method", "body"), [("GET", b"ok"), ("HEAD", b""), ("GET", b"")])
def test_it_uses_a_connection_again(client: Client, method: str, body: bytes) -> None:
    length = len(body) or (2 if method == "HEAD" else 0)

    def handle(connection: socket.socket) -> None:
        while read_request(connection):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length + body)

    with RawServer(handle) as server:
        for _ in range(5):
            assert client.send(method, Url.of(server.url), {}, max_bytes=10).body == body
    assert server.connections == 1


@pytest.mark.parametrize(
    ("start", "drop"),
    [
        (b"", b"H"),
        (b"HTTP/1.1 200 OK\r\nX: ", b"y"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"x"),
    ],
)
def test_a_server_that_takes_too_long_is_cut_off(start: bytes, drop: bytes) -> None:
    with RawServer(dripping(start, drop)) as server, client_with(SHORT) as client, pytest.raises(CutOff):
        get(client, server.url, max_bytes=10**6)


@pytest.mark.parametrize("limits", [Limits(5, 0.2, 5), Limits(5, 5, 0.2)])
def test_a_server_that_says_nothing_does_not_answer(limits: Limits) -> None:
    def handle(connection: socket.socket) -> None:
        while connection.recv(65536):
            pass

    with RawServer(handle) as server, client_with(limits) as client, pytest.raises(HttpError, match="does not answer"):
        get(client, server.url)


@contextmanager
def silent_address(host: str, port: int) -> Iterator[None]:
    """Take no more connections at an address, like a host behind a firewall."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((host, port))
        listener.listen(0)
        for _ in range(4):  # more than wait to be accepted
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex((host, port))
        yield


def test_an_address_that_is_silent_leaves_time_for_the_next_one() -> None:
    with RawServer(answering(OK)) as server, silent_address("127.0.0.2", server.port):
        network = Network("tests", resolve=lambda *_: ["127.0.0.2", "127.0.0.2", "127.0.0.1"])
        with closing(Client(network, is_possible, limits=Limits(connect_seconds=1.0))) as client:
            assert get(client, f"http://registry.test:{server.port}/").status == 200


def test_a_body_that_breaks_off_is_not_an_answer(client: Client) -> None:
    with RawServer(answering(HALF)) as server, pytest.raises(ConnectionFailed):
        get(client, server.url)


def test_a_body_that_breaks_off_is_taken_where_its_begin_is_enough(client: Client) -> None:
    with RawServer(answering(HALF)) as server:
        assert get(client, server.url, is_begin_enough=True).body == b"half"


def test_a_body_that_takes_too_long_is_taken_where_its_begin_is_enough() -> None:
    with RawServer(dripping(HALF, b"")) as server, client_with(SHORT) as client:
        assert get(client, server.url, is_begin_enough=True).body == b"half"


@pytest.mark.parametrize(
    "answer", [b"", "mañana\r\n\r\n".encode(), b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200, b"HTTP/1.1 " + b"9" * 70_000]
)
def test_what_is_not_http_is_not_an_answer(client: Client, answer: bytes) -> None:
    with RawServer(answering(answer)) as server, pytest.raises(ConnectionFailed, match=r"^the connection failed$"):
        get(client, server.url)


@pytest.mark.parametrize(
    ("url", "reason"),
    [("http://127.0.0.1:1/", "it refuses connections"), ("http://mañana.invalid/", "its name cannot be resolved")],
)
def test_the_reason_is_in_words_of_our_own(client: Client, url: str, reason: str) -> None:
    with pytest.raises(ConnectionFailed, match=rf"^{reason}$"):
        get(client, url)


@pytest.mark.parametrize("address", ["10.0.0.1", "127.0.0.1", "169.254.169.254"])
def test_it_does_not_connect_to_an_address_that_is_not_allowed(address: str) -> None:
    network = Network("tests", resolve=lambda host, port: ["8.8.8.8", address])
    with closing(Client(network, is_public)) as client, pytest.raises(ForbiddenAddress):
        get(client, "https://mañana.test/")


def test_a_network_does_not_show_the_password_of_its_proxy() -> None:
    assert "secret" not in repr(Network("tests", proxies={"http": "http://user:secret@proxy.test"}))
