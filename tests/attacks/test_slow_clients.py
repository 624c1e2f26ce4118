"""Clients that send slowly hold up nobody else for longer than a moment."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import requests

from tests.fakes.registry import FakeRegistry, image
from tests.running_service import RunningService

DRIPPING = 16
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
    client = socket.create_connection(("127.0.0.1", service.port), timeout=20)
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
        other = requests.get(f"{service.url}/healthcheck.txt", timeout=20)
        took = time.monotonic() - began

    assert {answer[:9] for answer in answers} == {b"HTTP/1.1 "}
    assert other.text == "HEALTH OK"
    assert took < 4
