"""A static site as a command publishes it: complete for a file server, and without anything that needs the service."""

import json
import re
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

import pytest

from microbadger.badges.text import BADGE_TYPES
from tests.fakes.registry import FakeRegistry, image
from tests.site.page import Page
from tests.web.bench import Bench

NAMES = ["alpine", "library/alpine", "example/web"]
TAGS = ["1.0", "2.0", "latest"]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A site with two images, and two that cannot be read."""
    with FakeRegistry() as fake:
        for name in ("library/alpine", "example/web"):
            fake.push(name, "1.0", image(labels={"größe": "<b>"}, layers=[1024]))
            fake.push(name, "2.0", image(layers=[1024, 1024]))
            fake.push(name, "latest", image(layers=[1024, 1024]))
        images = "alpine example/web example/gone 127.0.0.1:1/example/away"
        bench = Bench(tmp_path_factory.mktemp("static"), images, fake, is_static=True, base_url="https://größe.test/sub")
        assert bench.command("refresh").exit_code == 1  # two could not be read
        bench.refresh("alpine", "example/web")  # which have the same layers, as is known once both were read
        yield bench


@pytest.fixture(scope="module")
def files(bench: Bench) -> dict[str, bytes]:
    return bench.files()


@pytest.fixture(scope="module")
def pages(files: dict[str, bytes]) -> dict[str, Page]:
    return {path: Page(content) for path, content in files.items() if path.endswith(".html")}


@pytest.mark.parametrize("tag", [None, *TAGS])
@pytest.mark.parametrize("name", NAMES)
def test_every_badge_of_every_tag_is_a_file(files: dict[str, bytes], name: str, tag: str | None) -> None:
    stems = [f"badges/{badge_type}/{name}{f':{tag}' if tag else ''}" for badge_type in BADGE_TYPES]

    assert [stem for stem in stems if f"{stem}.svg" not in files or f"{stem}.json" not in files] == []


@pytest.mark.parametrize("tag", [None, *TAGS])
@pytest.mark.parametrize("name", NAMES)
def test_every_tag_has_a_page(files: dict[str, bytes], name: str, tag: str | None) -> None:
    assert f"images/{name}{f':{tag}' if tag else ''}/index.html" in files


def test_every_address_on_every_page_is_that_of_a_file(files: dict[str, bytes], pages: dict[str, Page]) -> None:
    dead = {
        (path, address)
        for path, page in pages.items()
        for attributes in (attributes for _, attributes in page.elements)
        for name, address in attributes.items()
        if name not in ("data-pages", "data-markup") and address and address.startswith("/")
        if not stands(unquote(urlsplit(address).path), files)
    }

    assert dead == set()


def stands(path: str, files: dict[str, bytes]) -> bool:
    """Return whether a file server that has the site below /sub answers a path."""
    assert path.startswith("/sub/")
    path = path.removeprefix("/sub/")
    return path in files or (f"{path}index.html" in files and (not path or path.endswith("/")))


def test_no_page_offers_what_only_the_service_can_do(pages: dict[str, Page]) -> None:
    assert len(pages) == 1 + len(NAMES) * (1 + len(TAGS))
    for page in pages.values():
        assert not [panel for panel in page.all("details") if panel.get("id") == "webhook"]
        assert not [select for select in page.all("select") if select.get("name") == "style"]
        assert "/api/" not in " ".join(page.values("href"))


def test_no_file_has_the_webhook(bench: Bench, files: dict[str, bytes]) -> None:
    token = bench.webhook("example/web").rpartition("/")[2].encode()

    assert token
    assert [path for path, content in files.items() if token in content or b"WebhookURL" in content] == []


@pytest.mark.parametrize(
    ("name", "state", "reason"),
    [
        ("alpine", "current", None),
        ("library/alpine", "current", None),
        ("example/web", "current", None),
        ("example/gone", "failing", "not_found"),
        ("127.0.0.1:1/example/away", "failing", "unreachable"),
    ],
)
def test_the_state_of_an_image_is_a_file(files: dict[str, bytes], name: str, state: str, reason: str | None) -> None:
    status = json.loads(files[f"v1/images/{name}/-/status.json"])

    assert (status["State"], status.get("Reason")) == (state, reason)


def test_no_file_has_the_time_of_a_check(files: dict[str, bytes]) -> None:
    assert [path for path, content in files.items() if re.search(rb"CheckedAt|NextCheckAt", content)] == [
        "assets/page.js"  # which shows what the service answers
    ]


def test_another_refresh_writes_no_file(bench: Bench, files: dict[str, bytes]) -> None:
    def inodes() -> dict[str, int]:
        return {path: (bench.public / path).stat().st_ino for path in files}

    before = inodes()
    bench.refresh("alpine", "example/web")

    assert (inodes(), bench.files()) == (before, files)


def test_what_cannot_be_read_is_listed_without_a_page(files: dict[str, bytes], pages: dict[str, Page]) -> None:
    assert "example/gone" in pages["index.html"].text
    assert [path for path in files if path.startswith(("images/example/gone", "badges/size/example/gone"))] == []
