"""No two headers together change what an address answers, for the client that sends them or for the next one.

They are sent as they are, byte by byte, for clients of libraries refuse some of them. Each head is sent by itself and
is followed by an ordinary request for the same address, at the service, through varnish and through caddy.
"""

import itertools
import re
import socket
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from tests.attacks.fronts import Front, caddy, nothing, varnish
from tests.attacks.test_poisoning import procfile_options
from tests.fakes.registry import FakeRegistry, image
from tests.running_service import RunningService

SECONDS = 60.0
AT_ONCE = 16
ADDRESSES = [
    "/images/NAME",
    "/badges/size/NAME.svg",
    "/v1/images/NAME",
    "/v1/metrics",
]
HEADERS = [
    "SCRIPT_NAME: /v1",
    "X-Script-Name: /v1",
    "PATH_INFO: /metrics",
    "REMOTE_ADDR: 127.0.0.1",
    "REQUEST_METHOD: DELETE",
    "Host: evil.example.org",
    "X_Forwarded_Host: evil.example.org",
    "X-Forwarded-Host: evil.example.org",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Prefix: /v1",
    "X-Forwarded-For: 127.0.0.1",
    "Forwarded: for=127.0.0.1;host=evil.example.org;proto=https",
    "X-Original-URL: /metrics",
    "X-Rewrite-URL: /metrics",
    "X-HTTP-Method-Override: DELETE",
    "Transfer-Encoding: chunked",
    "Transfer_Encoding: chunked",
    "Content-Length: 0",
    "Content_Length: 5",
    "Connection: X-Forwarded-Proto, SCRIPT_NAME, Host",
    "Expect: 100-continue",
    "Range: bytes=0-3",
    "If-None-Match: *",
]
PAIRS = [*itertools.combinations(HEADERS, 2), *((header, header) for header in HEADERS)]
"""All pairs, and each header twice."""
COMPARED = ("content-type", "cache-control", "location", "content-security-policy")
OF_THIS_CLIENT = {206, 304, 416}
REFUSALS = {400, 413, 417, 501, 505}
"""How a server may refuse a head that is ambiguous, so long as no cache keeps the refusal."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with FakeRegistry() as fake:
        fake.push("team/web", "latest", image(layers=[1024]))
        name = f"{fake.host}/team/web"
        with RunningService(tmp_path_factory.mktemp("service"), [name], *procfile_options()) as service:
            service.wait_for_image(name)
            service.wait(lambda: "latest" in service.get("/v1/images.json").text, "the list")
            for address in ADDRESSES:
                service.get(address.replace("NAME", name))
            yield service


@pytest.fixture(scope="module", params=[nothing, varnish, caddy], ids=lambda front: front.__name__)
def front(
    service: RunningService, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[str]:
    start: Front = request.param
    with contextmanager(start)(tmp_path_factory.mktemp("front"), service.url) as url:
        yield url


Answer = tuple[int, bytes, tuple[str, ...]]


def head_of(url: str) -> bytes:
    """Return the head of an answer, in which varnish names itself."""
    return exchanged(url, "GET /healthcheck.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").lower()


def answer(url: str, path: str, *headers: str) -> Answer:
    """Return the first answer to a head that ends the connection."""
    head = "\r\n".join([f"GET {path} HTTP/1.1", "Host: localhost", *headers, "Connection: close", "", ""])
    body = "0\r\n\r\n" if any(line.startswith("Transfer-Encoding") for line in headers) else ""
    return parsed(exchanged(url, head + body))


def exchanged(url: str, sent: str) -> bytes:
    there = urlsplit(url)
    with socket.create_connection((there.hostname, there.port), timeout=SECONDS) as client:
        client.sendall(sent.encode())
        return b"".join(iter(lambda: client.recv(65536), b""))


def parsed(received: bytes) -> Answer:
    head, _, body = received.partition(b"\r\n\r\n")
    if head.startswith(b"HTTP/1.1 100"):
        return parsed(body)
    status, *fields = head.decode("latin-1").split("\r\n")
    values = {name.lower(): value.lower() for name, _, value in (field.partition(": ") for field in fields)}
    number = int(status.split(" ")[1]) if status else 400  # hung up: it is not worth an answer
    if "chunked" in values.get("transfer-encoding", ""):
        body = b"".join(chunks(body))
    return number, body, tuple(values.get(name, "") for name in COMPARED)


def chunks(body: bytes) -> Iterator[bytes]:
    while match := re.match(rb"([0-9a-fA-F]+)\r\n", body):
        length = int(match[1], 16)
        yield body[match.end() : match.end() + length]
        body = body[match.end() + length + 2 :]


@pytest.mark.parametrize("address", ADDRESSES)
def test_no_pair_of_headers_changes_an_answer(service: RunningService, front: str, address: str) -> None:
    plain = address.replace("NAME", service.environment["MICROBADGER_IMAGES"])
    own, is_cache = answer(service.url, plain), b"varnish" in head_of(front)

    def differing(pair: tuple[str, str]) -> tuple[object, ...] | None:
        path = f"{plain}?v={zlib.crc32(repr(pair).encode())}"  # nobody has asked for it before
        attack = answer(front, path, *pair)
        victim = answer(front, path) if is_cache else own
        is_refused = attack[0] in REFUSALS and "public" not in attack[2][1]
        if victim == own and (attack == own or is_refused or attack[0] in OF_THIS_CLIENT):
            return None
        return pair, attack[0], attack[1][:60], attack[2], victim[0], victim[1][:60]

    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = [each for each in pool.map(differing, PAIRS) if each]
    assert found == []
