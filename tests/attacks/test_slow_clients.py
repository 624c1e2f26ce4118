"""Clients that send slowly hold up nobody else for longer than a moment."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
import requests

from microbadger.webhooks.tokens import hooks_token
from tests.fakes.registry import FakeRegistry, image
from tests.running_service import WAIT_SECONDS, RunningService

THREADS = 8
DRIPPING = 16
TRIES = 3  # of which one is as fast as it should be: other programs run beside the tests
HEAD = "{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer wrong\r\nContent-Length: 1000\r\n\r\n{{"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with FakeRegistry() as fake:
        fake.push("team/web", "latest", image())
        name = f"{fake.host}/team/web"
        with RunningService(tmp_path_factory.mktemp("s"), [name], admin_token="an administrator's") as service:
            yield service


def begun(service: RunningService, method: str, path: str) -> socket.socket:
    """Send the head of a request and one byte of its body."""
    client = socket.create_connection(("127.0.0.1", service.port), timeout=WAIT_SECONDS)
    client.sendall(HEAD.format(method=method, path=path).replace("{{", "{").encode())
    return client


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/images/{name}/wrong"),
        ("POST", "/hooks/wrong"),
        ("PUT", "/v1/images/{name}"),
        ("POST", "/v1/notifications/"),
        ("GET", "/badges/size/{name}.svg"),
        ("POST", "/none"),
    ],
)
def test_bodies_that_drip_are_answered_unread_and_hold_nobody_up(
    service: RunningService, method: str, path: str
) -> None:
    path = path.format(name=service.environment["MICROBADGER_IMAGES"])
    began = time.monotonic()
    with ExitStack() as clients:
        dripping = [clients.enter_context(begun(service, method, path)) for _ in range(DRIPPING)]
        answers = [client.recv(12) for client in dripping]
        other = requests.get(f"{service.url}/healthcheck.txt", timeout=WAIT_SECONDS)
        took = time.monotonic() - began

    assert {answer[:9] for answer in answers} == {b"HTTP/1.1 "}
    assert other.text == "HEALTH OK"
    assert took < 4


def fastest(service: RunningService) -> float:
    """Return how long another client waits for its answer."""
    took = []
    for _ in range(TRIES):
        began = time.monotonic()
        assert requests.get(f"{service.url}/healthcheck.txt", timeout=WAIT_SECONDS).text == "HEALTH OK"
        took.append(time.monotonic() - began)
    return min(took)


def connected(service: RunningService, sent: bytes) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", service.port), timeout=WAIT_SECONDS)
    client.sendall(sent)
    return client


def answered(client: socket.socket) -> bytes:
    """Return all that a client is sent until its connection is closed."""
    received = b""
    while part := client.recv(65536):
        received += part
    return received


WHOLE = b"GET /healthcheck.txt HTTP/1.1\r\nHost: x\r\n\r\n"
HALF = b"GET /healthcheck.txt HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"G", id="one byte"),
        pytest.param(b"GET /healthcheck.txt HTTP/1.1\r\n", id="a line"),
        pytest.param(HALF, id="half a head"),
        pytest.param(HALF + b"\r", id="all but a byte"),
        pytest.param(WHOLE + HALF, id="half a head behind a whole one"),
        pytest.param(WHOLE.replace(b"1.1", b"1.0"), id="a request, and it hangs on after the answer"),
        pytest.param(WHOLE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), id="the same of HTTP/1.1"),
        pytest.param(b"\x00" * 70_000, id="more than any head has"),
        pytest.param(b"no request\r\n\r\n", id="no request"),
    ],
)
def test_clients_that_send_half_a_head_hold_nobody_up(service: RunningService, sent: bytes) -> None:
    with ExitStack() as clients:
        for _ in range(3 * THREADS):
            clients.enter_context(connected(service, sent))

        assert fastest(service) < 1


def test_half_heads_and_dripping_bodies_together_hold_nobody_up(service: RunningService) -> None:
    path = f"/images/{service.environment['MICROBADGER_IMAGES']}/wrong"
    with ExitStack() as clients:
        for _ in range(THREADS):
            clients.enter_context(connected(service, HALF))
        for _ in range(DRIPPING):
            clients.enter_context(begun(service, "POST", path))

        assert fastest(service) < 1


def test_more_idle_clients_than_a_process_may_have_files_hold_nobody_up(service: RunningService) -> None:
    with ExitStack() as clients:
        for number in range(400):
            clients.enter_context(connected(service, HALF if number % 2 else b""))

        assert fastest(service) < 1


@pytest.mark.parametrize("size", [1, 7, 40])
def test_a_head_in_pieces_and_two_requests_at_once_are_answered(service: RunningService, size: int) -> None:
    sent = WHOLE + WHOLE.replace(b"x\r\n", b"x\r\nConnection: close\r\n")
    with connected(service, b"") as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start in range(0, len(sent), size):
            client.sendall(sent[start : start + size])

        assert answered(client).count(b"HEALTH OK") == 2


def test_a_head_that_is_too_large_is_refused(service: RunningService) -> None:
    with connected(service, b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000) as client:
        assert answered(client).startswith(b"HTTP/1.1 431 ")


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    options = ["--worker-class", "tests.attacks.hasty_worker.HastyWorker"]
    with RunningService(tmp_path_factory.mktemp("hasty"), [], *options) as service:
        (service.public / "large.json").write_bytes(b" " * 16 * 1024**2)
        yield service


def is_hung_up_on(client: socket.socket) -> bool:
    """Send byte after byte and return whether the other side ends that before long."""
    until = time.monotonic() + WAIT_SECONDS
    with suppress(BrokenPipeError, ConnectionResetError):
        while time.monotonic() < until:
            client.sendall(b"X")
            time.sleep(0.05)
        return False
    return True


def test_who_does_not_send_a_head_in_time_is_hung_up_on_however_it_drips(hasty: RunningService) -> None:
    with connected(hasty, HALF) as client:
        assert is_hung_up_on(client)


def test_a_request_is_over_after_a_time_whatever_it_waits_for(hasty: RunningService) -> None:
    path = f"/hooks/{hooks_token(hasty.environment['MICROBADGER_SECRET'])}"
    with begun(hasty, "POST", path) as client:
        assert is_hung_up_on(client)


def test_who_does_not_fetch_an_answer_is_hung_up_on(hasty: RunningService) -> None:
    sent = WHOLE.replace(b"/healthcheck.txt", b"/large.json")
    with ExitStack() as clients:
        for _ in range(THREADS):
            clients.enter_context(connected(hasty, sent))
        time.sleep(0.2)  # until all of them are being answered; if not, the rest of the test is easier

        assert fastest(hasty) < 1


def test_a_setting_of_another_protocol_is_refused(tmp_path: Path) -> None:
    service = RunningService(tmp_path, [], "--protocol", "uwsgi")

    with pytest.raises(RuntimeError, match="This worker only speaks unencrypted HTTP"):
        service.start()
