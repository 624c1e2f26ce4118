"""No header that a client sends changes what an address answers, for that client or through a cache for the next."""

import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count

import pytest
import requests

from tests.attacks.fronts import Front, caddy, nothing, varnish
from tests.fakes.registry import FakeRegistry, image
from tests.readme import GUIDE, README
from tests.running_service import ROOT, RunningService

SECONDS = 60.0
SESSION = requests.Session()
SESSION.trust_env = False
COMPARED = ("Content-Type", "Cache-Control", "Location", "Content-Security-Policy")
OF_THIS_CLIENT = (206, 304, 416)
"""How a front may answer a client that has, or wants, a part: every cache knows that others are to have the whole."""
INVALID = (400, 417, 431)
"""How gunicorn may answer a header that is invalid, so long as no cache keeps it."""

ADDRESSES = [
    "/",
    "/images/NAME",
    "/images/NAME:1.0/",
    "/images/NAME/-/feed.xml",
    "/images/none/none",
    "/badges/size/NAME.svg",
    "/badges/version/NAME:1.0.json",
    "/badges/size/NAME.svg?style=plastic",
    "/badges/size/none/none.svg",
    "/badges/none/NAME.svg",
    "/badges/metrics",
    "/v1/images",
    "/v1/images.json",
    "/v1/images/NAME",
    "/v1/images/NAME:1.0",
    "/v1/images/NAME/-/changes.json",
    "/v1/images/NAME/-/status.json",
    "/v1/images/search/team",
    "/v1/images/NAME/-/webhook",
    "/v1/metrics",
    "/v1/notifications/",
    "/microbadger/layers/NAME.svg",
    "//images/NAME",
    "/assets/style.css",
    "/openapi.json",
    "/healthcheck.txt",
    "/none",
]
HEADERS: list[Mapping[str, str]] = [
    {"SCRIPT_NAME": "/badges"},
    {"SCRIPT_NAME": "/v1"},
    {"SCRIPT_NAME": "/images"},
    {"SCRIPT_NAME": "/none"},
    {"Script-Name": "/badges"},
    {"PATH_INFO": "/metrics"},
    {"REMOTE_USER": "admin", "REMOTE_ADDR": "::1", "wsgi.url_scheme": "https"},
    {"Host": "evil.example.org"},
    {"Host": "evil.example.org:99999"},
    {"Host": "evil..example.org"},
    {"Host": "[::1"},
    {"Host": "größe"},
    {"Forwarded": "for=127.0.0.1;host=evil.example.org;proto=https"},
    {"X-Forwarded-Host": "evil.example.org", "X-Forwarded-Port": "1", "X-Forwarded-Prefix": "/v1"},
    {"X-Forwarded-Proto": "https"},
    {"X-Forwarded-Proto": "https", "X-Forwarded-Ssl": "off", "X-Forwarded-Protocol": "none"},
    {"X-Forwarded-For": "127.0.0.1", "X-Real-IP": "127.0.0.1"},
    {"X-HTTP-Method-Override": "DELETE", "X-Method-Override": "POST", "X-HTTP-Method": "PUT"},
    {"X-Original-URL": "/metrics", "X-Rewrite-URL": "/metrics"},
    {"X-Request-ID": "evil"},
    {"If-Match": '"none"'},
    {"If-Unmodified-Since": "Mon, 01 Jan 2001 00:00:00 GMT"},
    {"If-None-Match": "*"},
    {"Range": "bytes=0-3"},
    {"Range": "bytes=999999999-"},
    {"Accept": "text/x-none", "Accept-Language": "xx", "Accept-Charset": "none"},
    {"Accept-Encoding": "gzip;q=x, *;q=0"},
    {"Authorization": "Basic ****"},
    {"Cookie": "session=; a"},
    {"Expect": "none"},
    {"Upgrade": "h2c", "Connection": "Upgrade, HTTP2-Settings", "HTTP2-Settings": "AAMAAABkAAQAAP__"},
    {"Origin": "https://evil.example.org", "Access-Control-Request-Method": "PUT"},
    {"Content-Type": "multipart/form-data; boundary=", "X-A": "a" * 7000},
]


def procfile_options() -> list[str]:
    """Return the options that the Procfile gives to gunicorn."""
    _, _, *options, _ = shlex.split((ROOT / "Procfile").read_text())
    return options


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeRegistry]:
    with FakeRegistry() as fake:
        for tag in ("1.0", "latest"):
            fake.push("team/web", tag, image(layers=[1024]))
        yield fake


@pytest.fixture(scope="module")
def service(fake: FakeRegistry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """The service as the Procfile starts it, with nothing due, so that its answers stay the same."""
    name = f"{fake.host}/team/web"
    with RunningService(tmp_path_factory.mktemp("service"), [name], *procfile_options()) as service:
        service.wait_for_image(name)
        service.wait(lambda: "1.0" in service.get("/v1/images.json").text, "the list")
        for address in ADDRESSES:
            service.get(named(address, fake))  # what is written when it is first asked for
        yield service


@pytest.fixture(scope="module", params=[nothing, varnish, caddy], ids=lambda front: front.__name__)
def front(
    service: RunningService, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[str]:
    start: Front = request.param
    with contextmanager(start)(tmp_path_factory.mktemp("front"), service.url) as url:
        yield url


@pytest.fixture(scope="module")
def numbers() -> "count[int]":
    return count()


def named(address: str, fake: FakeRegistry) -> str:
    return address.replace("NAME", f"{fake.host}/team/web")


def answer(url: str, headers: Mapping[str, str]) -> tuple[int, bytes, dict[str, str]]:
    encoded = {name: value.encode() for name, value in headers.items()}
    got = SESSION.get(url, headers=encoded, timeout=SECONDS, allow_redirects=False)
    return got.status_code, got.content, {name: got.headers.get(name, "") for name in COMPARED}


@pytest.mark.parametrize("headers", HEADERS, ids=lambda headers: str(headers)[:60])
def test_an_address_answers_the_same_whatever_header_was_sent_before(
    service: RunningService, front: str, fake: FakeRegistry, numbers: "count[int]", headers: Mapping[str, str]
) -> None:
    plain = {"Accept-Encoding": "identity"}
    differing = {}
    for address in ADDRESSES:
        path = named(address, fake)
        path += f"{'&' if '?' in path else '?'}v={next(numbers)}"  # nobody has asked for it before
        attack, victim = answer(front + path, {**plain, **headers}), answer(front + path, plain)
        own = answer(service.url + path, plain)
        is_refused = attack[0] in INVALID and "public" not in attack[2]["Cache-Control"]
        if victim != own or not (attack == own or is_refused or attack[0] in OF_THIS_CLIENT):
            differing[address] = attack, victim

    assert differing == {}


@pytest.mark.parametrize("prefix", ["/badges", "/v1", "/images", "/v1/images", "/assets"])
def test_no_header_reaches_the_counts_past_a_rule_about_their_address(front: str, prefix: str) -> None:
    got = requests.get(f"{front}{prefix}/metrics", headers={"SCRIPT_NAME": prefix}, timeout=SECONDS)

    assert (got.status_code, "microbadger_build_info" in got.text) in {(404, False), (202, False)}


def test_every_way_to_start_it_trusts_no_header_of_a_proxy() -> None:
    commands = [
        (ROOT / "Procfile").read_text(),
        README.section("Start").block(holding="pip install"),
        GUIDE["systemd"].block("ini"),
        GUIDE["docker"].block("dockerfile"),
    ]

    for command in commands:
        assert {"--forwarder-headers=", "--forwarded-allow-ips="} <= {*command.split()}
