"""Debian's nginx with the public folder, alone and as the guide says with the service behind it.

The same addresses give the same answers as the service itself.
"""

import http.client
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from os import environ
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
import requests

from tests.fakes.registry import FakeRegistry, image, index
from tests.readme import GUIDE
from tests.real_registry import free_port, wait_until
from tests.running_service import RunningService
from tests.web.bench import Bench

# One process and no daemon, so it runs as the user who runs the tests; everything it would write goes below its folder.
CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 64; }}
http {{
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {site}
}}
"""
FOLDER_ALONE = """
server {
    listen 80;
    root /srv/microbadger/public;
    absolute_redirect off;
}
"""
# What Debian's list of media types calls otherwise: by an older name, and what every XML is.
OTHER_NAMES = {
    "application/javascript": "text/javascript",
    "image/x-icon": "image/vnd.microsoft.icon",
    "text/xml": "application/atom+xml",
}
ANSWER_SECONDS = 60.0
ADMIN_TOKEN = "an administrator's"
UNREAD = "127.0.0.1:1/team/unread"
"""A tracked image whose registry cannot be reached."""


def nginx_command() -> str | None:
    """Return the path of nginx, which Debian installs in a folder for administrators; None if it is not installed."""
    return shutil.which("nginx", path=f"{environ['PATH']}:/usr/sbin")


@contextmanager
def running_nginx(folder: Path, root: Path, site: str = FOLDER_ALONE) -> Iterator[str]:
    """Serve a folder with nginx while the block runs, and give its address."""
    command = nginx_command()
    if command is None:
        pytest.skip("Debian's nginx not installed: apt-get install --no-install-recommends nginx")
    folder.mkdir()
    port = free_port()
    site = substituted(site, {"listen 80;": f"listen 127.0.0.1:{port};", "/srv/microbadger/public": str(root)})
    (folder / "nginx.conf").write_text(CONFIGURATION.format(folder=folder, site=site))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([command, "-p", folder, "-c", folder / "nginx.conf"], stdout=log, stderr=log)
    try:
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/", process, folder / "log"), "nginx", ANSWER_SECONDS)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(ANSWER_SECONDS)


def substituted(text: str, values: Mapping[str, str]) -> str:
    """Return the text with each of these, which it holds once, replaced by its value."""
    for old, new in values.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def answers(url: str, process: "subprocess.Popen[bytes]", log: Path) -> bool:
    if process.poll() is not None:
        raise RuntimeError(f"nginx ended: {log.read_text()}")
    try:
        return requests.get(url, timeout=ANSWER_SECONDS).ok
    except requests.ConnectionError:
        return False


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """With an official image, one whose registry has a port, and one that is called like a search."""
    folder = tmp_path_factory.mktemp("service")
    with FakeRegistry() as fake:
        for tag in ("3.20", "latest"):
            fake.push("library/alpine", tag, index(image(layers=[1024]), image(architecture="arm64", variant="v8")))
        fake.push("team/web", "1.0_RC.1-x", image(labels={"org.opencontainers.image.title": "größe <b>"}))
        fake.push("search/tool", "latest", image())
        bench = Bench(folder, f"alpine search/tool {fake.host}/team/web", fake)
        bench.refresh()
        fake.push("team/web", "latest", image(layers=[7, 8]))
        bench.refresh(f"{fake.host}/team/web")
        yield bench


@pytest.fixture(scope="module")
def nginx(service: Bench, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_nginx(tmp_path_factory.mktemp("nginx") / "run", service.public) as url:
        yield url


def differing(addresses: list[str], one: Callable[[str], object], other: Callable[[str], object]) -> dict[str, object]:
    """Return what is not the same at these addresses."""
    found = {address: (one(address), other(address)) for address in addresses}
    return {address: both for address, both in found.items() if both[0] != both[1]}


def addresses(public: Path) -> list[str]:
    """Return the address of every file."""
    paths = (path.relative_to(public) for path in sorted(public.rglob("*")) if path.is_file())
    return [f"/{quote(str(path), safe='/:')}" for path in paths]


def fetched(url: str) -> requests.Response:
    return requests.get(url, timeout=ANSWER_SECONDS)


def test_there_is_something_of_every_kind(service: Bench) -> None:
    found = addresses(service.public)

    assert {Path(address).suffix for address in found} == {
        ".css", ".html", ".ico", ".js", ".json", ".png", ".svg", ".txt", ".xml"
    }  # fmt: skip
    for part in ("/badges/image/alpine.svg", "/badges/size/library/alpine:3.20.json", "/v1/images/search/tool.json"):
        assert part in found
    assert [address for address in found if address.endswith("/team/web:1.0_RC.1-x.svg") and "127.0.0.1:" in address]


def test_every_file_has_the_same_bytes_and_type(service: Bench, nginx: str) -> None:
    def from_nginx(address: str) -> tuple[int, str, bytes]:
        answer = fetched(nginx + address)
        media_type = answer.headers["Content-Type"].partition(";")[0]
        return answer.status_code, OTHER_NAMES.get(media_type, media_type), answer.content

    def from_service(address: str) -> tuple[int, str | None, bytes]:
        answer = service.client.get(address)
        return answer.status_code, answer.mimetype, answer.data

    assert differing(addresses(service.public), from_nginx, from_service) == {}


def test_every_page_has_the_same_bytes_without_its_file_name(service: Bench, nginx: str) -> None:
    pages = [page for page in addresses(service.public) if page.endswith("/index.html")]
    short = [page.removesuffix("index.html") for page in pages] + [page.removesuffix("/index.html") for page in pages]

    def from_nginx(address: str) -> bytes:
        return fetched(nginx + address).content

    assert len(pages) >= 5
    assert differing(short, from_nginx, lambda address: service.client.get(address or "/").data) == {}


@pytest.mark.parametrize(
    "address",
    ["/badges/size//alpine.svg", "/badges//size/library/alpine:3.20.svg", "/badges/size/library%2Falpine%3A3.20.svg"],
)
def test_a_file_is_found_under_an_odd_address(service: Bench, nginx: str, address: str) -> None:
    assert fetched(nginx + address).content == service.client.get(address, follow_redirects=True).data


@pytest.mark.parametrize("address", ["/ma%C3%B1ana", "/v1/images/example/none.json", "/assets/", "/badges", "/.new-x"])
def test_what_is_no_file_is_found_by_neither(service: Bench, nginx: str, address: str) -> None:
    assert fetched(nginx + address).status_code in (403, 404)
    assert service.client.get(address).status_code == 404


class Front:
    """A service that runs, and the guide's nginx in front of it."""

    def __init__(self, service: RunningService, url: str, fake: FakeRegistry) -> None:
        self.service = service
        self.url = url
        self.web = f"{fake.host}/team/web"
        self.pushed = f"{fake.host}/team/pushed"
        """An image to post webhooks for, so that nothing else changes."""
        self.missing = f"{fake.host}/team/missing"
        """A tracked image that its registry does not have."""
        self.unread = UNREAD

    def named(self, target: str) -> str:
        names = {"WEB": self.web, "PUSHED": self.pushed, "MISSING": self.missing, "UNREAD": self.unread}
        return re.sub("|".join(names), lambda found: names[found[0]], target)

    def webhook(self, *name: str) -> str:
        return urlsplit(self.service.command("webhook", *name).stdout.strip()).path

    def both(self, method: str, target: str, **options: Any) -> tuple[requests.Response, requests.Response]:
        """Return the answer of nginx and the service's own, between whose likes nothing changed."""
        before = self.service_answer(method, target, **options)
        for _ in range(10):
            answer = asked(self.url, method, target, **options)
            after = self.service_answer(method, target, **options)
            if before.content == after.content:
                return answer, after
            before = after
        raise AssertionError(f"{target} does not come to rest")

    def answers_to_a_client(self, target: str) -> tuple[requests.Response, requests.Response]:
        """Return the answers of nginx to a new client and to one that has the first; nothing changed between them."""
        for _ in range(10):
            first = asked(self.url, "GET", target)
            again = asked(self.url, "GET", target, headers={"If-None-Match": first.headers["ETag"]})
            if asked(self.url, "GET", target).headers["ETag"] == first.headers["ETag"]:
                return first, again
        raise AssertionError(f"{target} does not come to rest")

    def service_answer(self, method: str, target: str, **options: Any) -> requests.Response:
        return asked(self.service.url, method, target, **options)


def asked(url: str, method: str, target: str, **options: Any) -> requests.Response:
    """Return the answer to a request for just this target, which the client does not mend."""
    with requests.Session() as session:
        session.headers["Accept-Encoding"] = "identity"
        request = session.prepare_request(requests.Request(method, url, **options))
        request.url = f"{url}{target}"
        return session.send(request, timeout=30, allow_redirects=False)


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    folder = tmp_path_factory.mktemp("front")
    with FakeRegistry() as fake, ExitStack() as running:
        fake.push("library/alpine", "latest", index(image(layers=[1024]), image(architecture="arm64", variant="v8")))
        fake.push("team/web", "1.0_RC.1-x", image(labels={"org.opencontainers.image.title": "größe <b>"}))
        fake.push("team/pushed", "latest", image())
        names = ["alpine", f"{fake.host}/team/web", f"{fake.host}/team/pushed", f"{fake.host}/team/missing", UNREAD]
        service = RunningService(folder, names, mirrors=f'{{"docker.io": "{fake.url}"}}', admin_token=ADMIN_TOKEN)
        running.enter_context(service)
        for name in names[:3]:
            service.wait_for_image(name)
        service.wait(lambda: names[2] in service.get("/").text, "the home page lists the image")
        site = substituted(GUIDE["nginx"].block("nginx"), {"127.0.0.1:8000": f"127.0.0.1:{service.port}"})
        nginx = running.enter_context(running_nginx(folder / "nginx", service.public, site))
        yield Front(service, nginx, fake)


HEADERS = [
    "Content-Type", "Cache-Control", "X-Content-Type-Options", "Content-Security-Policy", "Location", "Allow",
    "WWW-Authenticate", "Cross-Origin-Resource-Policy", "Access-Control-Allow-Origin", "Access-Control-Allow-Methods",
    "Access-Control-Allow-Headers",
]  # fmt: skip


def seen(answer: requests.Response) -> dict[str, object]:
    return {"status": answer.status_code, "body": answer.content} | {
        name: answer.headers.get(name) for name in HEADERS
    }


@pytest.mark.parametrize("name", ["link.txt", "folder/secret.txt"])
def test_a_symbolic_link_out_of_the_public_folder_is_not_followed(front: Front, tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.txt").write_text("a secret")
    links = {front.service.public / "link.txt": tmp_path / "secret.txt", front.service.public / "folder": tmp_path}
    for link, to in links.items():
        link.symlink_to(to)
    try:
        answers = [requests.get(f"{url}/{name}", timeout=ANSWER_SECONDS) for url in (front.service.url, front.url)]
    finally:
        for link in links:
            link.unlink()

    assert [(answer.status_code, "a secret" in answer.text) for answer in answers] == [(404, False)] * 2


TOKEN = {"Authorization": f"Bearer {ADMIN_TOKEN}"}


@pytest.mark.parametrize(
    ("status", "target"),
    [
        (404, "/ma%C3%B1ana"),
        (200, "/"),
        (200, "/index.html"),
        (200, "/api"),
        (200, "/openapi.json"),
        (200, "/assets/page.js"),
        (200, "/assets/style.css"),
        (200, "/assets/icon.svg"),
        (404, "/assets/"),
        (200, "/badges/image/alpine.svg"),
        (200, "/badges/image/library/alpine:latest.svg"),
        (200, "/badges/image/alpine.json"),
        (200, "/badges/version/WEB:1.0_RC.1-x.svg"),
        (200, "/badges/version/WEB:1.0_RC.1-x.json"),
        (200, "/badges/size/library%2Falpine%3Alatest.svg"),
        (200, "/badges/image/example/unknown.svg"),
        (200, "/badges/image/example/unknown.json"),
        (200, "/badges/image/PUSHED:unknown.svg"),
        (200, "/badges/size/MISSING.svg"),
        (404, "/v1/images/MISSING"),
        (404, "/images/MISSING"),
        (200, "/badges/size/UNREAD.svg"),
        (202, "/v1/images/UNREAD"),
        (202, "/images/UNREAD"),
        (200, "/v1/images/WEB/-/status.json"),
        (200, "/v1/images/UNREAD/-/status.json"),
        (404, "/v1/images/example/unknown/-/status.json"),
        (301, "/badges/image/Example_TEMPLATE.svg"),
        (200, "/badges/image/.hidden.svg"),
        (200, f"/badges/image/{'a' * 3000}.svg"),
        (200, "/badges/image/alpine%0A.svg"),
        (404, "/badges/image/alpine.svg%0A"),
        (404, "/badges/image/alpine.svg%3Fstyle=plastic"),
        (301, "/badges/image/alpine.svg/"),
        (200, "/badges/image/alpine/index.html.svg"),
        (400, "/badges/nonsense/alpine.svg"),
        (301, "/badges/image/alpine"),
        (200, "/badges/image/alpine.svg?style=flat-square"),
        (200, "/badges/image/alpine.svg?style=for-the-badge&label=%C3%A9&color=red&labelColor=00f"),
        (200, "/badges/image/alpine.json?label=x"),
        (200, "/badges/image/alpine.svg?v=2"),
        (200, "/badges/image/alpine.svg?"),
        (301, "/badges/image//library/alpine.svg"),
        (200, "/v1/images/alpine"),
        (200, "/v1/images/alpine.json"),
        (200, "/v1/images/alpine/"),
        (200, "/v1/images/library/alpine:latest"),
        (200, "/v1/images/WEB:1.0_RC.1-x"),
        (404, "/v1/images/WEB:unknown"),
        (404, "/v1/images/example/unknown"),
        (404, "/v1/images/example/unknown.json"),
        (200, "/v1/images/WEB/-/changes.json"),
        (200, "/images/WEB/-/feed.xml"),
        (200, "/v1/images/search/web"),
        (200, "/v1/images"),
        (200, "/v1/images/"),
        (200, "/v1/images.json"),
        (200, "/v1/images?page=2&page_size=1"),
        (400, "/v1/images?page=none"),
        (200, "/images/alpine"),
        (200, "/images/alpine/"),
        (200, "/images/alpine/index.html"),
        (200, "/images/library/alpine:latest"),
        (200, "/images/WEB"),
        (404, "/images/example/unknown"),
        (301, "/images/library//alpine"),
        (301, "//images/alpine"),
        (301, "/microbadger/layers/_/alpine.svg"),
        (301, "/docker/v/_/alpine?sort=semver&label=a%2Fb"),
        (301, "/ghcr-badge/example/web/size"),
        (301, "/images/Example/Web"),
        (301, "/labels"),
        (200, "/healthcheck.txt"),
        (200, "/healthz"),
    ],
)
def test_it_answers_through_nginx_as_the_service_does(front: Front, status: int, target: str) -> None:
    answer, own = front.both("GET", front.named(target))

    assert seen(answer) == seen(own)
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("status", "method", "target", "options"),
    [
        (200, "HEAD", "/", {}),
        (200, "HEAD", "/badges/image/alpine.svg", {}),
        (405, "POST", "/badges/image/alpine.svg", {}),
        (404, "POST", "/images/example/unknown/token", {}),
        (403, "POST", "/images/PUSHED/token", {}),
        (403, "POST", "/hooks/token", {}),
        (200, "GET", "/v1/images/PUSHED/-/webhook", {"headers": TOKEN}),
        (401, "GET", "/v1/images/PUSHED/-/webhook", {"headers": {"Authorization": "Bearer other"}}),
        (401, "DELETE", "/v1/images/PUSHED", {}),
        (401, "PUT", "/v1/images/PUSHED", {"data": "{}"}),
        (200, "PUT", "/v1/images/PUSHED", {"data": "{}", "headers": TOKEN}),
        (200, "GET", "/v1/notifications/", {"headers": TOKEN}),
        (204, "OPTIONS", "/v1/images/alpine.json", {"headers": {"Origin": "https://example.org"}}),
    ],
    ids=str,
)
def test_it_does_through_nginx_as_the_service_does(
    front: Front, status: int, method: str, target: str, options: dict[str, Any]
) -> None:
    answer, own = front.both(method, front.named(target), **options)

    assert seen(answer) == seen(own)
    assert answer.status_code == status


def test_every_file_is_answered_through_nginx_as_by_the_service(front: Front) -> None:
    def differs(target: str) -> bool:
        answer, own = front.both("GET", target)
        return seen(answer) != seen(own)

    targets = addresses(front.service.public)
    assert len(targets) > 100
    assert list(filter(differs, targets)) == []


@pytest.mark.parametrize("target", ["/badges/image/alpine.svg", "/v1/images/alpine.json", "/images/alpine", "/"])
def test_a_client_that_has_a_file_already_is_answered_so(front: Front, target: str) -> None:
    first, again = front.answers_to_a_client(target)

    assert not first.headers["ETag"].startswith("W/")
    assert seen(again) == seen(first) | {"status": 304, "body": b"", "Content-Type": None}


def test_a_client_that_has_an_answer_of_the_service_already_is_answered_so(front: Front) -> None:
    target = "/badges/image/alpine.svg?style=plastic"
    tag = asked(front.url, "GET", target).headers["ETag"]

    assert asked(front.url, "GET", target, headers={"If-None-Match": tag}).status_code == 304


@pytest.mark.parametrize(
    ("target", "encoding"),
    [
        ("/images/alpine", "gzip"),
        ("/v1/images/alpine.json", "gzip"),
        ("/assets/style.css", "gzip"),
        ("/assets/page.js", "gzip"),
        ("/v1/images/library/alpine:latest", "gzip"),
        ("/badges/image/alpine.svg", None),
    ],
)
def test_what_gains_by_it_is_compressed(front: Front, target: str, encoding: str | None) -> None:
    options = {"headers": {"Accept-Encoding": "gzip", "Via": "1.1 cdn.example.org"}}

    answer, own = front.both("GET", target, **options)

    assert [each.headers.get("Content-Encoding") for each in (answer, own)] == [encoding] * 2
    assert [each.headers.get("Vary") for each in (answer, own)] == ["Accept-Encoding" if encoding else None] * 2
    assert answer.content == own.content


@pytest.mark.parametrize(
    "body", [b"", b"x", "größe".encode(), b"{}", b"x" * 4 * 1024**2], ids=["none", "x", "umlaut", "json", "4 MiB"]
)
def test_a_webhook_is_accepted_through_nginx_whatever_is_posted(front: Front, body: bytes) -> None:
    answer = asked(front.url, "POST", front.webhook(front.pushed), data=body)

    assert (answer.status_code, answer.text) == (200, "OK")


def test_a_webhook_of_all_images_is_accepted_through_nginx(front: Front) -> None:
    assert asked(front.url, "POST", front.webhook(), json={"repository": "example/other"}).text == "OK"


def test_a_webhook_waits_through_nginx_until_the_files_are_fresh(front: Front) -> None:
    answer = asked(front.url, "POST", f"{front.webhook(front.pushed)}?wait=30")

    assert (answer.status_code, answer.json()["Result"]) == (200, "fresh")


def test_a_webhook_that_waits_says_through_nginx_why_the_registry_failed(front: Front) -> None:
    answer = asked(front.url, "POST", f"{front.webhook(front.missing)}?wait=30")

    assert (answer.status_code, answer.json()["Result"]) == (502, "failed")


def test_nginx_waits_longer_than_a_webhook_may_take() -> None:
    (timeout_seconds,) = re.findall(r"proxy_read_timeout (\d+)s;", GUIDE["nginx"].block("nginx"))
    (longest_wait_seconds,) = re.findall(r"waits for at most (\d+) seconds", GUIDE["webhook"].text)

    assert int(timeout_seconds) > int(longest_wait_seconds)


@pytest.mark.parametrize(
    "target", ["/.new-x", "/%2Enew-x", "/badges/.new-x", "/badges%2F.new-x", "//.new-x", "/badges/image/../.new-x"]
)
def test_a_file_that_is_being_written_is_not_shown(front: Front, target: str) -> None:
    hidden = [front.service.public / ".new-x", front.service.public / "badges/.new-x"]
    for file in hidden:
        file.write_text("half")

    answer, own = front.both("GET", target)
    for file in hidden:
        file.unlink()

    assert (answer.status_code, own.status_code) == (404, 404)


def test_this_machine_learns_the_counts(front: Front) -> None:
    answer = asked(front.url, "GET", "/metrics")

    assert answer.status_code == 200
    assert "microbadger_images" in answer.text


@pytest.mark.parametrize(
    "target", ["/metrics", "/metrics/", "/m%65trics", "/x/../metrics", "/metrics?x", "/metrics//", "//metrics"]
)
def test_no_other_machine_learns_the_counts(front: Front, target: str) -> None:
    host = urlsplit(front.url).netloc
    connection = http.client.HTTPConnection(host, timeout=10, source_address=("127.0.0.2", 0))
    with closing(connection):
        connection.request("GET", target)
        assert connection.getresponse().status == 403


def test_files_are_served_while_the_service_is_away(front: Front) -> None:
    targets = [*addresses(front.service.public), "/", "/images/alpine", "/images/alpine/"]
    front.service.stop()
    try:
        statuses = {asked(front.url, "GET", target).status_code for target in targets}
        unknown = asked(front.url, "GET", "/badges/image/example/unknown.svg")
    finally:
        front.service.start()

    assert statuses == {200}
    assert (unknown.status_code, unknown.headers.get("Cache-Control")) == (502, None)
    assert asked(front.url, "GET", "/badges/image/example/unknown.svg").status_code == 200
