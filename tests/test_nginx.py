"""The public folder behind Debian's nginx: the same addresses give the same bytes as the service itself."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from os import environ
from pathlib import Path
from urllib.parse import quote

import pytest
import requests
from flask.testing import FlaskClient

from app import create_app
from microbadger.settings import Settings
from tests.fake_registry import FakeRegistry, image, index
from tests.real_registry import free_port, wait_until

# One process and no daemon, so it runs as whoever runs the tests; everything it would write goes below its folder.
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
    server {{
        listen 127.0.0.1:{port};
        root {root};
        absolute_redirect off;
    }}
}}
"""
# What Debian's list of media types calls otherwise: by an older name, and what every XML is.
OTHER_NAMES = {"application/javascript": "text/javascript", "text/xml": "application/atom+xml"}
ANSWER_SECONDS = 10.0


def nginx_command() -> str | None:
    """Return the path of nginx, which Debian installs where not everybody looks; None where it is not installed."""
    return shutil.which("nginx", path=f"{environ['PATH']}:/usr/sbin")


@contextmanager
def running_nginx(folder: Path, root: Path) -> Iterator[str]:
    """Serve a folder with nginx while the block runs, and give its address."""
    command = nginx_command()
    if command is None:
        pytest.skip("Debian's nginx not installed: apt-get install --no-install-recommends nginx")
    folder.mkdir()
    port = free_port()
    (folder / "nginx.conf").write_text(CONFIGURATION.format(folder=folder, root=root, port=port))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([command, "-p", folder, "-c", folder / "nginx.conf"], stdout=log, stderr=log)
    try:
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/", process, folder / "log"), "nginx", ANSWER_SECONDS)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(ANSWER_SECONDS)


def answers(url: str, process: "subprocess.Popen[bytes]", log: Path) -> bool:
    if process.poll() is not None:
        raise RuntimeError(f"nginx ended: {log.read_text()}")
    try:
        return requests.get(url, timeout=ANSWER_SECONDS).ok
    except requests.ConnectionError:
        return False


@dataclass(frozen=True)
class Service:
    """A service that read its images, and the folder that it published to."""

    public: Path
    client: FlaskClient


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """With an official image, one whose registry has a port, and one that is called like a search."""
    folder = tmp_path_factory.mktemp("service")
    with FakeRegistry() as fake:
        for tag in ("3.20", "latest"):
            fake.push("library/alpine", tag, index(image(layers=[1024]), image(architecture="arm64", variant="v8")))
        fake.push("team/web", "1.0_RC.1-x", image(labels={"org.opencontainers.image.title": "größe <b>"}))
        fake.push("search/tool", "latest", image())
        settings = Settings(
            images=f"alpine search/tool {fake.host}/team/web",
            data_dir=folder / "data",
            public_dir=folder / "public",
            mirrors={"docker.io": fake.url},
            hub_url="",
        )
        app = create_app(settings)
        app.test_cli_runner().invoke(args=["refresh"])
        fake.push("team/web", "latest", image(layers=[7, 8]))
        app.test_cli_runner().invoke(args=["refresh", f"{fake.host}/team/web"])
        yield Service(folder / "public", app.test_client())


@pytest.fixture(scope="module")
def nginx(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_nginx(tmp_path_factory.mktemp("nginx") / "run", service.public) as url:
        yield url


def differing(addresses: list[str], one: Callable[[str], object], other: Callable[[str], object]) -> dict[str, object]:
    """Return what is not the same at these addresses."""
    told = {address: (one(address), other(address)) for address in addresses}
    return {address: both for address, both in told.items() if both[0] != both[1]}


def addresses(public: Path) -> list[str]:
    """Return the address of every file."""
    paths = (path.relative_to(public) for path in sorted(public.rglob("*")) if path.is_file())
    return [f"/{quote(str(path), safe='/:')}" for path in paths]


def fetched(url: str) -> requests.Response:
    return requests.get(url, timeout=ANSWER_SECONDS)


def test_there_is_something_of_every_kind(service: Service) -> None:
    found = addresses(service.public)

    assert {Path(address).suffix for address in found} == {".css", ".html", ".js", ".json", ".svg", ".xml"}
    for part in ("/badges/image/alpine.svg", "/badges/size/library/alpine:3.20.json", "/v1/images/search/tool.json"):
        assert part in found
    assert [address for address in found if address.endswith("/team/web:1.0_RC.1-x.svg") and "127.0.0.1:" in address]


def test_every_file_has_the_same_bytes_and_type(service: Service, nginx: str) -> None:
    def from_nginx(address: str) -> tuple[int, str, bytes]:
        answer = fetched(nginx + address)
        media_type = answer.headers["Content-Type"].partition(";")[0]
        return answer.status_code, OTHER_NAMES.get(media_type, media_type), answer.content

    def from_service(address: str) -> tuple[int, str | None, bytes]:
        answer = service.client.get(address)
        return answer.status_code, answer.mimetype, answer.data

    assert differing(addresses(service.public), from_nginx, from_service) == {}


def test_every_page_has_the_same_bytes_without_its_file_name(service: Service, nginx: str) -> None:
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
def test_a_file_is_found_under_an_odd_address(service: Service, nginx: str, address: str) -> None:
    assert fetched(nginx + address).content == service.client.get(address, follow_redirects=True).data


@pytest.mark.parametrize("address", ["/ma%C3%B1ana", "/v1/images/example/none.json", "/assets/", "/badges", "/.new-x"])
def test_what_is_no_file_is_found_by_neither(service: Service, nginx: str, address: str) -> None:
    assert fetched(nginx + address).status_code in (403, 404)
    assert service.client.get(address).status_code == 404
