import gzip
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from email.utils import formatdate
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest
from werkzeug.wrappers import Response

from microbadger.http.client import Answer, Limits, Network
from microbadger.http.origin import Origin
from microbadger.registry.errors import BadAnswer, RateLimited, Refused, RegistryError, Unreachable
from microbadger.registry.transport import Request, Transport
from tests.fakes.counts import FakeCounts
from tests.fakes.registry import FakeRegistry, RawServer, answering, read_request
from tests.fakes.tls import Certificate, make_certificate

SHORT = Limits(connect_seconds=0.15, answer_seconds=0.15, total_seconds=0.3)
NOW = 1_800_000_000.0
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
FORBIDDEN_URLS = [
    "https://mañana.test@10.0.0.1/",
    "https://127.0.0.1/",
    "https://127.1/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0177.0.0.1/",
    "https://0/",
    "https://[::1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[fe80::1%25eth0]/",
    "https://10.0.0.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://metadata.google.internal/",
    "https://metadata/",
    "https://localhost/",
    "https://localhost./",
    "https://inside.test/",
    "https://mixed.test/",
    "https://outside.test:22/",
    "https://outside.test:25/",
    "https://outside.test:0/",
    "https://outside.test:99999/",
    "https://outside.test:port/",
    "https://user:password@outside.test/",
    "http://outside.test/",
    "http://127.0.0.1:1/",
    "ftp://outside.test/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_FLUSHALL",
    "javascript:alert(1)",
    "//127.0.0.1:1/",
    "https://",
    "https:///path",
    "https://[/",
    "https://outside.test\\@127.0.0.1/",
    "https://127.0.0.1\\@outside.test/",
    "https://127.0.0.1#@outside.test/",
    "https://outside.test/" + "a" * 9000,
    "https://" + "a" * 70 + ".test/",
    "https://.test/",
]
NAMES = {
    "inside.test": ["10.0.0.1"],
    "mixed.test": ["8.8.8.8", "10.0.0.1"],
    "outside.test": ["203.0.113.1"],
    "localhost": ["127.0.0.1"],
    "localhost.": ["127.0.0.1"],
    "registry.test": ["127.0.0.1"],
}


def dripping(start: bytes, drop: bytes) -> Callable[[socket.socket], None]:
    """Serve: send the start of an answer, then a drop every now and then, for ever."""

    def handle(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(start)
        tick = threading.Event()
        while not tick.wait(0.02):
            connection.sendall(drop)

    return handle


class Bench:
    """A transport with a clock that stands still and a sleep that only notes how long."""

    def __init__(self, *, limits: Limits | None = None, **network: Any) -> None:
        self.now = NOW
        self.slept: list[float] = []
        self.counts = FakeCounts()
        self.resolved: list[str] = []
        self.transport = Transport(
            Network("tests", **{"resolve": self.resolve, **network}),
            self.counts,
            limits=limits,
            sleep=self.slept.append,
            clock=lambda: self.now,
        )

    def resolve(self, host: str, port: int) -> list[str]:
        self.resolved.append(host)
        if host in NAMES:
            return NAMES[host]
        return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]

    def get(
        self, url: str, *, home: str | None = None, host: str = "registry", named: Sequence[str] = (), **fields: object
    ) -> Answer:
        origins = [*map(Origin.of, named)]
        request = Request("GET", url, host=host, home=home or url, kind="blob", max_bytes=1000, named=origins)
        return self.transport.send(Request(**(vars(request) | fields)))


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with FakeRegistry() as fake:
        yield fake


@pytest.fixture
def other() -> Iterator[FakeRegistry]:
    with FakeRegistry() as other:
        yield other


def redirect(location: str, status: int = 307) -> Response:
    return Response(b"moved" * 1000, status=status, headers={"Location": location})


# Addresses


@pytest.mark.parametrize("url", FORBIDDEN_URLS)
def test_it_follows_no_redirect_to_where_it_must_not_go(bench: Bench, url: str) -> None:
    answer = b"HTTP/1.1 307 Go\r\nContent-Length: 0\r\nLocation: " + url.encode() + b"\r\n\r\n"
    with RawServer(answering(answer)) as server, pytest.raises(Refused):
        bench.get(server.url)
    assert server.connections == 1


@pytest.mark.parametrize("url", FORBIDDEN_URLS)
def test_it_goes_there_neither_if_it_is_asked_to(bench: Bench, url: str) -> None:
    with pytest.raises(Refused):
        bench.get(url, home="https://registry.test")


def test_it_does_not_follow_a_name_that_leads_inside(bench: Bench, fake: FakeRegistry) -> None:
    fake.then("/", redirect(f"https://registry.test:{fake.host.rpartition(':')[2]}/"))
    with pytest.raises(Refused, match="not public"):
        bench.get(fake.url)


def test_it_connects_to_the_address_it_checked_without_asking_again(bench: Bench, fake: FakeRegistry) -> None:
    url = f"http://registry.test:{fake.host.rpartition(':')[2]}/v2/"
    assert bench.get(url).status == 404
    assert bench.resolved == ["registry.test"]
    assert fake.requests[0].host == url.split("/")[2]


def test_it_refuses_even_a_named_host_that_leads_to_a_metadata_service() -> None:
    with pytest.raises(Refused):
        Bench(resolve=lambda host, port: ["10.0.0.1", "169.254.169.254"]).get("http://own.test/")


def test_it_follows_redirects_to_servers_that_are_named_for_this_request(
    bench: Bench, fake: FakeRegistry, other: FakeRegistry
) -> None:
    fake.then("/", redirect(f"{other.url}/blob"))
    other.then("/blob", Response(b"ok"))
    assert bench.get(fake.url, named=[other.url]).body == b"ok"
    fake.then("/", redirect(f"{other.url}/blob"))
    with pytest.raises(Refused):
        bench.get(fake.url)
    assert len(other.requests) == 1


def test_a_connection_made_to_a_named_host_serves_no_stranger(
    bench: Bench, fake: FakeRegistry, other: FakeRegistry
) -> None:
    other.always("/", lambda request: Response(b"secret"))
    assert bench.get(other.url).body == b"secret"
    fake.then("/", redirect(other.url))
    with pytest.raises(Refused):
        bench.get(fake.url)
    assert len(other.requests) == 1


# Redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_it_follows_redirects_relative_ones_too(bench: Bench, fake: FakeRegistry, status: int) -> None:
    fake.then("/v2/a", redirect("../v3/b?c=d", status))
    fake.then("/v3/b", Response(b"ok"))
    assert bench.get(f"{fake.url}/v2/a").body == b"ok"
    assert fake.requests[1].query_string == b"c=d"


def test_it_gives_up_after_five_redirects(bench: Bench, fake: FakeRegistry) -> None:
    fake.always("/", lambda request: redirect(request.path))
    with pytest.raises(Refused, match="redirects"):
        bench.get(fake.url)
    assert len(fake.requests) == 6


def test_it_follows_none_where_none_is_allowed(bench: Bench, fake: FakeRegistry) -> None:
    fake.always("/", lambda request: redirect("/elsewhere"))
    with pytest.raises(Refused, match="redirects"):
        bench.get(fake.url, max_redirects=0)
    assert len(fake.requests) == 1


def test_a_redirect_to_nowhere_is_an_answer(bench: Bench, fake: FakeRegistry) -> None:
    fake.then("/", Response(status=307))
    assert bench.get(fake.url).status == 307


def test_it_sends_authorization_along_on_the_same_server_only(fake: FakeRegistry, other: FakeRegistry) -> None:
    fake.then("/a", redirect("/b"))
    fake.then("/b", redirect(f"{other.url}/c"))
    other.then("/c", Response(b"ok"))
    Bench().get(f"{fake.url}/a", named=[other.url], authorization="Bearer secret")
    sent = [request.headers.get("Authorization") for request in (*fake.requests, *other.requests)]
    assert sent == ["Bearer secret", "Bearer secret", None]


def test_it_keeps_no_cookies(bench: Bench, fake: FakeRegistry) -> None:
    fake.always("/", lambda request: Response(b"ok", headers={"Set-Cookie": "csrf=1; Path=/"}))
    bench.get(fake.url)
    bench.get(fake.url)
    assert "Cookie" not in fake.requests[1].headers


def test_it_uses_nothing_from_the_environment(
    bench: Bench, fake: FakeRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert bench.get(fake.url).status == 404
    assert "Authorization" not in fake.requests[0].headers


def test_it_says_who_it_is_and_wants_nothing_compressed(bench: Bench, fake: FakeRegistry) -> None:
    bench.get(fake.url, accept="text/plain")
    headers = fake.requests[0].headers
    assert (headers["User-Agent"], headers["Accept-Encoding"], headers["Accept"]) == ("tests", "identity", "text/plain")


# Proxies


def test_it_goes_through_a_proxy_only_if_it_was_given_one(fake: FakeRegistry) -> None:
    bench = Bench(proxies={"http": fake.url, "no": "localhost, .other.invalid"})
    assert bench.get("http://registry.invalid/v2/").status == 404
    assert fake.requests[0].url == "http://registry.invalid/v2/"


@pytest.mark.parametrize("exempt", ["*", "registry.test", ".TEST", "mañana.test, test"])
def test_it_leaves_the_proxy_out_where_none_is_wanted(fake: FakeRegistry, exempt: str) -> None:
    url = f"http://registry.test:{fake.host.rpartition(':')[2]}/"
    assert Bench(proxies={"http": "http://127.0.0.1:1", "no": exempt}).get(url).status == 404


@pytest.mark.parametrize("url", ["https://127.0.0.1/", "https://2130706433/", "https://metadata/", "https://[::1]/"])
def test_it_asks_no_proxy_for_what_is_inside(fake: FakeRegistry, url: str) -> None:
    bench = Bench(proxies={"https": fake.url, "http": fake.url})
    with pytest.raises(Refused):
        bench.get(url, home="https://registry.invalid")
    assert fake.requests == []


# Tries and pauses


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_it_tries_again_twice_with_growing_pauses(bench: Bench, fake: FakeRegistry, status: int) -> None:
    fake.then("/", Response(status=status), Response(status=status))
    fake.then("/", Response(b"ok"))
    assert bench.get(fake.url).body == b"ok"
    assert [0.5 <= bench.slept[0] <= 1.5, 1.5 <= bench.slept[1] <= 4.5] == [True, True]


@pytest.mark.parametrize("status", [200, 304, 400, 401, 403, 404, 405, 501])
def test_it_does_not_repeat_what_was_answered(bench: Bench, fake: FakeRegistry, status: int) -> None:
    fake.then("/", Response(status=status))
    assert bench.get(fake.url).status == status
    assert len(fake.requests) == 1


def test_it_says_so_when_a_server_keeps_failing(bench: Bench, fake: FakeRegistry) -> None:
    fake.always("/", lambda request: Response("<html>mañana</html>" * 10_000, status=503))
    with pytest.raises(Unreachable, match="503") as caught:
        bench.get(fake.url)
    assert (caught.value.host, caught.value.status, caught.value.temporary) == ("registry", 503, True)
    assert len(fake.requests) == 3


@pytest.mark.parametrize("max_retries", [0, 1, 2])
def test_it_repeats_a_request_no_more_often_than_wanted(bench: Bench, fake: FakeRegistry, max_retries: int) -> None:
    fake.always("/", lambda request: Response(status=503))
    with pytest.raises(Unreachable):
        bench.get(fake.url, method="POST", form={"größe": "1"}, max_retries=max_retries)
    assert [request.form["größe"] for request in fake.requests] == ["1"] * (1 + max_retries)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": formatdate(NOW + 9, usegmt=True)}, 9),
        ({"X-Retry-After": str(int(NOW + 11))}, 11),
        ({"Retry-After": formatdate(NOW - 9, usegmt=True)}, 0),
        ({"X-Retry-After": "0"}, 0),
    ],
)
def test_it_waits_as_long_as_it_is_told(
    bench: Bench, fake: FakeRegistry, headers: dict[str, str], seconds: float
) -> None:
    fake.then("/", Response(status=429, headers=headers), Response(b"ok"))
    assert bench.get(fake.url).body == b"ok"
    assert bench.slept == [seconds]


@pytest.mark.parametrize(
    "retry_after", ["mañana".encode().decode("latin-1"), "-5", "1e9", "NaN", "9" * 5000, "Fri, 99 Xxx 2026"]
)
def test_it_waits_as_usual_if_it_is_told_nonsense(bench: Bench, fake: FakeRegistry, retry_after: str) -> None:
    fake.then("/", Response(status=503, headers={"Retry-After": retry_after}), Response(b"ok"))
    assert bench.get(fake.url).body == b"ok"
    assert 0.5 <= bench.slept[0] <= 1.5


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [("61", 61), ("99999999", 6 * 3600), ("Fri, 31 Dec 9999 23:59:59 GMT", 6 * 3600)],
)
def test_it_does_not_wait_long_but_says_how_long_it_would_be(
    bench: Bench, fake: FakeRegistry, retry_after: str, seconds: float
) -> None:
    fake.then("/", Response(status=429, headers={"Retry-After": retry_after}))
    with pytest.raises(RateLimited) as caught:
        bench.get(fake.url)
    assert (caught.value.retry_after_seconds, bench.slept) == (seconds, [])


def test_it_leaves_a_host_alone_that_says_429(bench: Bench, fake: FakeRegistry) -> None:
    fake.then("/", Response(status=429, headers={"Retry-After": "100"}))
    for _ in range(3):
        with pytest.raises(RateLimited):
            bench.get(fake.url)
    assert len(fake.requests) == 1
    bench.now += 101
    assert bench.get(fake.url).status == 404


def test_it_leaves_a_host_alone_for_a_minute_that_says_429_and_not_how_long(bench: Bench, fake: FakeRegistry) -> None:
    fake.then("/", *(Response(status=429) for _ in range(3)))
    with pytest.raises(RateLimited):
        bench.get(fake.url)
    with pytest.raises(RateLimited) as caught:
        bench.get(fake.url)
    assert caught.value.retry_after_seconds == 60


def test_other_hosts_are_asked_meanwhile(bench: Bench, fake: FakeRegistry, other: FakeRegistry) -> None:
    fake.then("/", Response(status=429, headers={"Retry-After": "100"}))
    with pytest.raises(RateLimited):
        bench.get(fake.url, host="one")
    assert bench.get(other.url, host="two").status == 404


def test_it_makes_three_requests_at_once_and_no_more(bench: Bench, fake: FakeRegistry) -> None:
    inside: list[int] = []
    counts: list[int] = []
    three = threading.Barrier(3)

    def handler(_: object) -> Response:
        inside.append(1)
        three.wait()  # breaks the test if fewer than three arrive together
        counts.append(len(inside))
        three.wait()
        inside.pop()
        return Response(b"ok")

    fake.always("/", handler)
    threads = [threading.Thread(target=bench.get, args=(fake.url,)) for _ in range(9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(counts) == {3}


# Bodies and time


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5000000000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFF\r\n",
    ],
)
def test_it_reads_no_more_than_it_wants(bench: Bench, answer: bytes) -> None:
    handle = answering(answer, *repeat(b"x" * 65536, 1000))
    with RawServer(handle) as server, pytest.raises(BadAnswer, match="1000 bytes"):
        bench.get(server.url)


def test_it_reads_exactly_as_much_as_it_may(bench: Bench, fake: FakeRegistry) -> None:
    fake.then("/", Response(b"x" * 1000))
    assert len(bench.get(fake.url).body) == 1000


def test_the_explanation_of_an_error_may_be_longer_but_is_cut(bench: Bench, fake: FakeRegistry) -> None:
    fake.then("/", Response(b"x" * 1_000_000, status=404))
    assert len(bench.get(fake.url).body) == 64 * 1024


@pytest.mark.parametrize("encoding", ["gzip", " GZIP", "deflate", "br", "zstd"])
def test_it_expands_no_bomb(bench: Bench, fake: FakeRegistry, encoding: str) -> None:
    bomb = gzip.compress(b"\0" * 900_000)
    fake.then("/", Response(bomb, headers={"Content-Encoding": encoding}))
    with pytest.raises(BadAnswer, match="compressed"):
        bench.get(fake.url)


def test_it_does_not_mind_a_compressed_explanation_of_an_error(bench: Bench, fake: FakeRegistry) -> None:
    fake.then("/", Response(gzip.compress(b"no"), status=404, headers={"Content-Encoding": "gzip"}))
    assert bench.get(fake.url).status == 404


def test_it_does_not_mind_an_encoding_that_is_none(bench: Bench, fake: FakeRegistry) -> None:
    fake.then("/", Response(b"ok", headers={"Content-Encoding": "aws-chunked"}))
    assert bench.get(fake.url).body == b"ok"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        "mañana\r\n\r\n".encode(),
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nha",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"b" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 " + b"9" * 70_000,
    ],
    ids=range(9),
)
def test_it_tries_again_after_an_answer_that_breaks_off_or_is_none(bench: Bench, answer: bytes) -> None:
    with RawServer(answering(answer)) as server, pytest.raises(Unreachable):
        bench.get(server.url)
    assert server.connections == 3


@pytest.mark.parametrize(
    ("start", "drop"),
    [
        (b"", b"H"),
        (b"HTTP/1.1 200 OK\r\nX: ", b"y"),
        (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"x"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n"),
        (b"HTTP/1.1 503 No\r\n\r\n", b"x"),
        (b"HTTP/1.1 307 Go\r\nLocation: /\r\n\r\n", b"x"),
    ],
    ids=range(11),
)
def test_it_ends_an_answer_that_comes_in_drops(start: bytes, drop: bytes) -> None:
    with RawServer(dripping(start, drop)) as server, pytest.raises(Unreachable, match="too long"):
        Bench(limits=SHORT).get(server.url)
    assert server.connections <= 1


def test_it_ends_a_handshake_that_comes_in_drops() -> None:
    def handle(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"\x16\x03\x03\x40\x00")
        tick = threading.Event()
        while not tick.wait(0.02):
            connection.sendall(b"\x02")

    with RawServer(handle) as server, pytest.raises(Unreachable, match="too long"):
        Bench(limits=SHORT).get(f"https://registry.test:{server.port}/")


def test_it_gives_up_on_a_server_that_says_nothing() -> None:
    def handle(connection: socket.socket) -> None:
        while connection.recv(65536):
            pass

    with RawServer(handle) as server, pytest.raises(Unreachable):
        Bench(limits=SHORT).get(server.url)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.1:1/", "refuses connections"),
        ("http://registry.invalid/", "name cannot be resolved"),
    ],
)
def test_it_says_why_a_server_cannot_be_reached(bench: Bench, url: str, reason: str) -> None:
    with pytest.raises(Unreachable, match=reason) as caught:
        bench.get(url)
    assert len(bench.slept) == 2
    assert "registry" in str(caught.value)


def test_it_tries_the_next_address_of_a_name(fake: FakeRegistry) -> None:
    bench = Bench(resolve=lambda host, port: ["127.0.0.2", "127.0.0.1"])
    assert bench.get(f"http://two.test:{fake.host.rpartition(':')[2]}/").status == 404


@pytest.mark.parametrize(("method", "body"), [("GET", b"ok"), ("HEAD", b"")])
def test_it_uses_a_connection_again(bench: Bench, method: str, body: bytes) -> None:
    def handle(connection: socket.socket) -> None:
        while read_request(connection):
            connection.sendall(OK.removesuffix(b"ok") + body)

    with RawServer(handle) as server:
        for _ in range(5):
            assert bench.get(server.url, method=method).body == body
    assert server.connections == 1


def test_it_counts_every_request(bench: Bench, fake: FakeRegistry) -> None:
    fake.then("/a", redirect("/b"))
    bench.get(f"{fake.url}/a")
    with pytest.raises(Unreachable):
        bench.get("http://127.0.0.1:1/")
    statuses = ["307", "404", "none", "none", "none"]
    assert bench.counts.requests == [("registry", "blob", status) for status in statuses]


def test_errors_and_requests_do_not_show_secrets(bench: Bench, fake: FakeRegistry) -> None:
    fake.then("/", redirect("http://127.0.0.1:1/blob?signature=secret"))
    with pytest.raises(RegistryError) as caught:
        bench.get(fake.url, authorization="Bearer secret")
    request = Request("GET", fake.url, "h", fake.url, "blob", 1, authorization="Bearer secret", form={"a": "secret"})
    answer = Answer("http://h/?signature=secret", 200, {}, b"secret")
    assert "secret" not in f"{caught.value} {request} {answer}"


# TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"), "registry.test")


@pytest.fixture
def tls_server(certificate: Certificate) -> Iterator[RawServer]:
    certificate.asked.clear()
    with RawServer(certificate.wrapped(answering(OK))) as server:
        yield server


def test_it_checks_the_certificate_of_the_name_not_of_the_address(
    certificate: Certificate, tls_server: RawServer
) -> None:
    assert Bench(ca_bundle=str(certificate.file)).get(f"https://registry.test:{tls_server.port}/").body == b"ok"
    assert certificate.asked == ["registry.test"]


@pytest.mark.parametrize("name", ["inside-out.test", "localhost", "127.0.0.1"])
def test_it_refuses_the_certificate_of_another_name(
    certificate: Certificate, tls_server: RawServer, name: str
) -> None:
    bench = Bench(ca_bundle=str(certificate.file), resolve=lambda host, port: ["127.0.0.1"])
    with pytest.raises(Unreachable, match="certificate"):
        bench.get(f"https://{name}:{tls_server.port}/")


def test_it_refuses_a_certificate_nobody_vouches_for(tls_server: RawServer) -> None:
    with pytest.raises(Unreachable, match="certificate"):
        Bench().get(f"https://registry.test:{tls_server.port}/")
