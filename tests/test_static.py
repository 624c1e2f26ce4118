"""A site of files alone, published by `MICROBADGER_STATIC=1 flask refresh` and shown by a plain file server."""

import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urljoin
from xml.etree import ElementTree

import pytest
import requests
from click.testing import Result
from werkzeug.wrappers import Response

from app import create_app
from microbadger.badges.text import BADGE_TYPES
from microbadger.settings import Settings
from tests.fakes.registry import FakeImage, FakeRegistry, image, index
from tests.running_service import badge_text
from tests.site.page import Page

ALPINE_LAYERS = [3_628_000]
LABELS = {
    "org.opencontainers.image.description": "Serves pages, mañana too",
    "org.opencontainers.image.licenses": "Apache-2.0",
    "org.opencontainers.image.source": "https://github.com/example/web",
    "org.opencontainers.image.base.name": "docker.io/library/alpine:3.20",
}
ALPINE_TAGS = ("3.20", "latest")
TAGS = {"alpine": ALPINE_TAGS, "library/alpine": ALPINE_TAGS, "example/web": ("0.9", "1.0", "1.1", "latest")}


@dataclass(frozen=True)
class Site:
    """A site below a path of a file server, and the operator who publishes it."""

    folder: Path
    fake: FakeRegistry
    url: str
    is_static: bool = True

    @property
    def public(self) -> Path:
        return self.folder / "www/project"

    def types(self, *arguments: str) -> Result:
        settings = Settings(
            data_dir=self.folder / "data",
            public_dir=self.public,
            base_url=self.url,
            is_static=self.is_static,
            admin_token="so that a service publishes no webhook",
            mirrors={"docker.io": self.fake.url, "ghcr.io": self.fake.url},
            hub_url="",
        )
        return create_app(settings).test_cli_runner().invoke(args=arguments)

    def get(self, path: str) -> requests.Response:
        return requests.get(f"{self.url}/{path}", timeout=60)

    def json(self, path: str) -> Any:
        return self.get(path).json()

    def files(self) -> dict[str, bytes]:
        return {str(file.relative_to(self.public)): file.read_bytes() for file in self._files()}

    def stamps(self) -> dict[Path, tuple[int, int]]:
        """Return what changes of a file when it is written or replaced."""
        return {file: (file.stat().st_mtime_ns, file.stat().st_ino) for file in self._files()}

    def _files(self) -> list[Path]:
        return [file for file in self.public.rglob("*") if file.is_file()]


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Write no line for each request."""


@contextmanager
def file_server(folder: Path) -> Iterator[str]:
    """Serve a folder as `python -m http.server` does while the block runs, and give its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


@contextmanager
def published(folder: Path) -> Iterator[Site]:
    """Publish a site of an official image, one that is built on it, one without tags, and one that is not there."""
    with FakeRegistry() as fake, file_server(folder / "www") as url:
        alpine = image(layers=ALPINE_LAYERS)
        for tag in ALPINE_TAGS:
            fake.push("library/alpine", tag, alpine)
        for tag, size_bytes in (("1.0", 4_000_000), ("1.1", 5_000_000), ("latest", 5_000_000)):
            fake.push("example/web", tag, web(size_bytes))
        fake.push("example/empty", None, image())
        (folder / "data").mkdir()
        (folder / "data/images.txt").write_text("alpine\nexample/web\nghcr.io/example/empty\nexample/missing\n")
        site = Site(folder, fake, f"{url}/project")
        site.types("refresh")
        fake.push("example/web", "1.0", web(4_500_000))
        fake.push("example/web", "0.9", image(layers=[1, 2, 3]))
        site.types("refresh", "example/web")
        yield site


def web(size_bytes: int) -> FakeImage:
    """Return an image for two platforms that is built on the official one."""
    arm = image(architecture="arm64", layers=[3_911_000, 1_790_000], labels=LABELS)
    return index(image(layers=[*ALPINE_LAYERS, size_bytes], labels=LABELS), arm)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site that no test changes."""
    with published(tmp_path_factory.mktemp("static")) as site:
        yield site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with published(tmp_path) as site:
        yield site


def addresses_in(answer: requests.Response, base_url: str) -> set[str]:
    """Return the addresses of the site that a page, a document or a feed names."""
    kind = answer.headers["Content-Type"].partition(";")[0]
    if kind == "text/html":
        page = Page(answer.content)
        attributes = ("href", "src", "data-status", "data-version", "data-catalogue")
        found = {address for attribute in attributes for address in page.values(attribute)}
        found |= set(re.findall(rf"{re.escape(base_url)}[^\s\"'()\[\]<>&]*", page.text))
    elif kind == "application/json":
        found = set(texts_in(answer.json()))
    elif kind in ("application/xml", "text/xml"):
        found = {text for element in ElementTree.fromstring(answer.content).iter() for text in texts_of(element)}
    else:
        found = set()
    absolute = {urljoin(answer.url, address).partition("#")[0] for address in found if "{" not in address}
    return {address for address in absolute if address.startswith(base_url)}


def texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str) and value.startswith("http"):
        yield value
    for member in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from texts_in(member)


def texts_of(element: ElementTree.Element) -> Iterator[str]:
    yield from (text for text in [element.text or "", *element.attrib.values()] if text.startswith("http"))


def test_every_address_of_every_file_is_answered(kept: Site) -> None:
    unread = [f"{kept.url}/{path}" for path in kept.files()] + [f"{kept.url}/"]
    found = {*unread}
    while unread:
        answer = requests.get(unread.pop(), timeout=60)
        assert answer.status_code == 200, answer.url
        new = addresses_in(answer, kept.url) - found
        found |= new
        unread += new

    assert {f"{kept.url}/images/example/web:1.0", f"{kept.url}/images/alpine/-/feed.xml"} <= found
    assert f"{kept.url}/v1/images/alpine/-/releases.json" in found


@pytest.mark.parametrize(("name", "tag"), [(name, tag) for name, tags in TAGS.items() for tag in [None, *tags]])
def test_every_tag_has_a_page_and_every_badge(kept: Site, name: str, tag: str | None) -> None:
    suffix = f":{tag}" if tag else ""
    files = kept.files()

    assert f"images/{name}{suffix}/index.html" in files
    missing = {
        path
        for badge_type in BADGE_TYPES
        for path in (f"badges/{badge_type}/{name}{suffix}.svg", f"badges/{badge_type}/{name}{suffix}.json")
        if path not in files
    }
    assert missing == set()


def test_the_badge_of_each_tag_is_about_its_version(kept: Site) -> None:
    texts = {tag: badge_text(kept.get(f"badges/size/example/web:{tag}.svg").content) for tag in TAGS["example/web"]}

    assert texts == {"0.9": "size: 6 B", "1.0": "size: 7.8 MiB", "1.1": "size: 8.2 MiB", "latest": "size: 8.2 MiB"}


@pytest.mark.parametrize("path", ["openapi.json", "api/index.html"])
def test_there_is_no_api(kept: Site, path: str) -> None:
    assert kept.get(path).status_code == 404


@pytest.mark.parametrize("word", ["webhook", "?style", "name=style", "/hooks/", "/api/", "openapi"])
def test_nothing_is_offered_that_needs_the_service(kept: Site, word: str) -> None:
    files, pictures = kept.files().items(), ("assets/", "favicon.ico", "guide/")
    texts = {path: content.decode() for path, content in files if not path.startswith(pictures)}

    assert [path for path, text in texts.items() if word.lower() in text.lower()] == []


def test_the_list_names_images_that_could_not_be_read(kept: Site) -> None:
    (missing,) = (entry for entry in kept.json("v1/images.json")["Images"] if entry["ImageName"] == "example/missing")

    assert (missing["State"], missing["Reason"]) == ("failing", "not_found")
    assert kept.json("v1/images/example/missing/-/status.json")["Reason"] == "not_found"
    assert kept.get("images/example/missing/").status_code == 404


def test_the_state_of_an_image_is_a_file_without_times(kept: Site) -> None:
    for name in ("alpine", "library/alpine", "example/web"):
        assert kept.json(f"v1/images/{name}/-/status.json") == {
            "ImageName": name.removeprefix("library/"),
            "State": "current",
        }


@pytest.mark.parametrize("arguments", [["refresh"], ["refresh", "alpine", "example/web"], ["publish"]], ids=" ".join)
def test_nothing_is_written_when_nothing_has_changed(site: Site, arguments: list[str]) -> None:
    before = site.stamps()

    site.types(*arguments)

    assert site.stamps() == before


@pytest.mark.parametrize("arguments", [["refresh"], ["publish"]], ids=" ".join)
def test_an_emptied_folder_is_filled_again(site: Site, arguments: list[str]) -> None:
    before = site.files()
    shutil.rmtree(site.public)
    site.public.mkdir()
    site.fake.requests.clear()

    assert site.types(*arguments).exit_code == 0

    assert site.files() == before
    assert site.fake.asked("GET", "example/web") == 0


def test_an_image_that_fails_has_its_files_again_in_an_emptied_folder(site: Site) -> None:
    site.fake.always("example/web", lambda _: Response(status=403))
    site.types("refresh", "example/web")
    before = site.files()
    shutil.rmtree(site.public)

    site.types("refresh", "example/web")

    assert {path for path in before if "example/web" in path} <= site.files().keys()


def test_the_files_of_a_tag_go_with_it(site: Site) -> None:
    site.fake.delete("example/web", "0.9")

    site.types("refresh", "example/web")

    assert [path for path in site.files() if ":0.9" in path] == []
    versions = [path for path in site.files() if path.startswith("v1/images/example/web/version/")]
    assert len(versions) == len(site.json("v1/images/example/web.json")["Versions"]) == 2


def test_the_files_of_an_image_go_with_it(site: Site) -> None:
    assert site.types("untrack", "alpine").exit_code == 1  # the list holds it
    site.types("track", "ghcr.io/example/web")
    site.types("untrack", "ghcr.io/example/web")

    assert [path for path in site.files() if "ghcr.io/example/web" in path] == []


def test_an_image_that_fails_keeps_its_files_and_says_why(site: Site) -> None:
    before = {path: content for path, content in site.files().items() if "example/web" in path}
    site.fake.always("example/web", lambda _: Response(status=403))

    result = site.types("refresh", "example/web")

    assert result.exit_code == 1
    status = site.json("v1/images/example/web/-/status.json")
    assert (status["State"], status["Reason"]) == ("failing", "denied")
    assert status.keys() == {"ImageName", "State", "Reason", "Error", "FailingSince"}
    after = {path: content for path, content in site.files().items() if "example/web" in path}
    changed = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    assert changed == {"v1/images/example/web/-/status.json"}
    assert "private or not found" in site.get("index.html").text


def test_a_second_failure_writes_nothing(site: Site) -> None:
    site.fake.always("example/web", lambda _: Response(status=403))
    site.types("refresh", "example/web")
    before = site.stamps()

    site.types("refresh", "example/web")

    assert site.stamps() == before


def test_an_image_that_works_again_says_so(site: Site) -> None:
    failing = [Response(status=403)]
    site.fake.always("example/web", lambda _: failing[0] if failing else None)
    site.types("refresh", "example/web")
    failing.clear()

    site.types("refresh", "example/web")

    assert site.json("v1/images/example/web/-/status.json")["State"] == "current"


def test_an_image_is_published_whole_when_it_is_tracked(site: Site) -> None:
    mirrored = {path: path.replace("example/web", "ghcr.io/example/web") for path in site.files()}

    assert site.types("track", "ghcr.io/example/web").exit_code == 0

    assert {new for path, new in mirrored.items() if new != path} <= site.files().keys()


def test_a_service_over_the_same_folders_removes_the_files_of_states(site: Site) -> None:
    replace(site, is_static=False).types("refresh")

    files = [path for path in site.files() if "example/web" in path]
    assert [path for path in files if path.endswith("/-/status.json")] == []
    assert "openapi.json" in site.files()


def test_a_service_over_the_same_folders_keeps_every_file_current(site: Site) -> None:
    site.fake.push("example/web", "1.0", web(9_000_000))

    replace(site, is_static=False).types("refresh")

    assert badge_text(site.get("badges/size/example/web:1.0.svg").content) == "size: 12.0 MiB"


def test_a_static_site_over_the_folders_of_a_service_is_the_same_as_before(site: Site) -> None:
    static = site.files()
    service = replace(site, is_static=False)
    service.types("refresh")

    site.types("refresh")

    assert site.files() == static


def test_a_tag_that_was_deleted_meanwhile_leaves_no_file(site: Site) -> None:
    site.fake.delete("example/web", "1.0")
    service = replace(site, is_static=False)

    service.types("refresh")

    assert [path for path in site.files() if ":1.0" in path] == []
