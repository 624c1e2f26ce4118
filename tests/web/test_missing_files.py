"""A public file that is missing is made when it is requested, of what is tracked and of nothing else."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.registry import FakeRegistry, image
from tests.web.bench import Bench

IMAGES = "alpine example/web"


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeRegistry]:
    with FakeRegistry() as fake:
        for name in ("library/alpine", "example/web"):
            fake.push(name, "1.0", image(labels={"größe": "S"}, layers=[1024]))
        fake.push("example/web", "2.0", image(layers=[1024, 1024]))
        fake.push("example/web", "latest", image(layers=[1024, 1024]))
        yield fake


@pytest.fixture(scope="module")
def shared(fake: FakeRegistry, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A service that has read its images; no file about another tag is requested of it."""
    bench = Bench(tmp_path_factory.mktemp("read") / "service", IMAGES, fake)
    bench.refresh()
    bench.refresh("example/web")  # that it is built on alpine is known once both were read
    return bench


@pytest.fixture
def bench(shared: Bench, fake: FakeRegistry, tmp_path: Path) -> Bench:
    """The same service, in a folder of its own."""
    folder = tmp_path / "service"
    shutil.copytree(shared.public.parent, folder)
    return Bench(folder, IMAGES, fake)


FILES = {
    "home page": "index.html",
    "list": "v1/images.json",
    "style": "assets/style.css",
    "script": "assets/page.js",
    "icon": "assets/icon.svg",
    "icon for browsers and crawlers": "favicon.ico",
    "description of the API": "openapi.json",
    "page about the API": "api/index.html",
    "badge": "badges/size/example/web.svg",
    "badge of a tag": "badges/size/example/web:2.0.svg",
    "badge as a document": "badges/size/example/web.json",
    "badge of an official image": "badges/size/alpine.svg",
    "badge of an official image by its whole name": "badges/size/library/alpine.svg",
    "page": "images/example/web/index.html",
    "page of a tag of the current version": "images/example/web:2.0/index.html",
    "metadata": "v1/images/example/web.json",
    "metadata of an official image": "v1/images/alpine.json",
    "changes": "v1/images/example/web/-/changes.json",
    "history": "v1/images/example/web/-/history.json",
    "releases": "v1/images/example/web/-/releases.json",
    "feed": "images/example/web/-/feed.xml",
}
ON_REQUEST = {
    "badge of another tag": "badges/size/example/web:1.0.svg",
    "badge of another tag as a document": "badges/size/example/web:1.0.json",
    "page of another tag": "images/example/web:1.0/index.html",
}


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", FILES.values(), ids=FILES)
def test_a_missing_file_is_made_again_with_the_same_bytes(shared: Bench, path: str, method: str) -> None:
    before = shared.files()
    (shared.public / path).unlink()

    assert shared.client.open(f"/{path}", method=method).status_code == 200

    assert shared.files() == before


@pytest.mark.parametrize("path", FILES.values(), ids=FILES)
def test_an_empty_file_as_a_power_failure_leaves_it_is_made_again(shared: Bench, path: str) -> None:
    before = shared.files()
    (shared.public / path).write_bytes(b"")

    assert shared.client.get(f"/{path}").data == before[path]

    assert shared.files() == before


def test_the_document_of_a_version_is_made_again(shared: Bench) -> None:
    before = shared.files()
    paths = [path for path in before if path.startswith("v1/") and "/version/" in path]
    for path in paths:
        (shared.public / path).unlink()

    statuses = {shared.client.get(f"/{path}").status_code for path in paths}

    assert (len(paths), statuses, shared.files()) == (4, {200}, before)


def test_everything_is_made_again_as_it_is_requested(shared: Bench) -> None:
    before = shared.files()
    shutil.rmtree(shared.public)

    for path in before:
        shared.client.get(f"/{path}")

    assert shared.files() == before


@pytest.mark.parametrize("address", ["/", "/v1/images", "/v1/images/alpine", "/images/alpine", "/images/example/web/"])
def test_it_is_made_again_whatever_the_address(bench: Bench, address: str) -> None:
    before = bench.client.get(address).data
    shutil.rmtree(bench.public)

    assert bench.client.get(address).data == before


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ON_REQUEST.values(), ids=ON_REQUEST)
def test_a_file_about_a_tag_is_made_when_it_is_first_requested(bench: Bench, path: str, method: str) -> None:
    assert path not in bench.files()

    answer = bench.client.open(f"/{path}", method=method)

    assert answer.status_code == 200
    assert bench.files()[path] == bench.client.get(f"/{path}").data


@pytest.mark.parametrize("path", [path for path in ON_REQUEST.values() if path.startswith("badges/")])
def test_a_badge_of_another_tag_is_what_a_static_site_has(
    bench: Bench, fake: FakeRegistry, tmp_path: Path, path: str
) -> None:
    static = Bench(tmp_path / "static", IMAGES, fake, is_static=True)
    static.refresh()

    assert bench.client.get(f"/{path}").data == static.files()[path]


@pytest.fixture
def moving(tmp_path: Path) -> Iterator[tuple[FakeRegistry, Bench]]:
    """A service of which every file about a tag was requested, and a registry in which the tag will move."""
    with FakeRegistry() as fake:
        for tag in ("1.0", "latest"):
            fake.push("example/web", tag, image(layers=[1024] * len(tag)))
        bench = Bench(tmp_path, "example/web", fake)
        bench.refresh()
        for path in ON_REQUEST.values():
            bench.client.get(f"/{path}")
        yield fake, bench


@pytest.mark.parametrize("path", ON_REQUEST.values(), ids=ON_REQUEST)
def test_a_file_that_was_requested_is_kept_current(moving: tuple[FakeRegistry, Bench], path: str) -> None:
    fake, bench = moving
    before = bench.files()[path]
    fake.push("example/web", "1.0", image(layers=[4096]))

    bench.refresh("example/web")

    after = bench.files()[path]
    assert (b"4.0 KiB" in before, b"4.0 KiB" in after) == (False, True)


@pytest.mark.parametrize("path", ON_REQUEST.values(), ids=ON_REQUEST)
def test_a_file_that_was_requested_goes_with_its_tag(moving: tuple[FakeRegistry, Bench], path: str) -> None:
    fake, bench = moving
    fake.delete("example/web", "1.0")

    bench.refresh("example/web")

    assert path not in bench.files()


NOTHING = [
    "/badges/size/example/unknown.svg",
    "/badges/size/example/unknown.svg?style=plastic",
    "/badges/size/example/web:nope.svg",
    "/badges/nope/example/web.svg",
    "/badges/size/example/web.svg.svg",
    "/badges/size/../example/web.svg",
    "/badges/size/.new-x.svg",
    "/badges/size/example/.web.svg",
    "/badges/size/mañana.svg",
    "/badges/size/EXAMPLE/web.svg",
    "/images/example/unknown",
    "/images/example/web:nope",
    "/images/../example/web",
    "/images/example/web/../web",
    "/images/example/unknown/-/feed.xml",
    "/images/example/web/-/nope.xml",
    "/v1/images/example/unknown",
    "/v1/images/example/web:1.0",
    "/v1/images/example/web:nope",
    "/v1/images/example/unknown/-/changes.json",
    "/v1/images/example/unknown/-/releases.json",
    "/v1/images/example/web/-/status.json",
    "/v1/images/example/web/-/nope.json",
    f"/v1/images/example/web/version/{'0' * 64}",
    "/v1/images/example/web/version/..",
    "/v1/images/example/web/version/%00",
    "/v1/images/../../data/microbadger.db",
    "/assets/nope.css",
    "/assets/../index.html",
    "/.new-index.html",
    "/favicon.ico",
    "/robots.txt",
]


@pytest.mark.parametrize("path", NOTHING)
def test_nothing_is_made_of_what_is_not_a_file(shared: Bench, path: str) -> None:
    before = shared.files()

    shared.client.get(path)
    shared.client.head(path)

    assert shared.files() == before


@pytest.mark.parametrize("path", FILES.values(), ids=FILES)
def test_no_file_of_an_image_comes_back_after_it_is_untracked(fake: FakeRegistry, tmp_path: Path, path: str) -> None:
    bench = Bench(tmp_path, "alpine", fake)
    bench.command("track", "example/web")
    bench.command("untrack", "example/web")

    bench.client.get(f"/{path}")

    assert [name for name in bench.files() if "example/web" in name] == []


def test_a_file_that_cannot_be_written_is_answered_all_the_same(bench: Bench) -> None:
    path = "badges/size/example/web.svg"
    before = bench.files()[path]
    shutil.rmtree(bench.public / "badges")
    (bench.public / "badges").write_text("not a folder")

    answer = bench.client.get(f"/{path}")

    assert (answer.status_code, answer.data) == (200, before)


def test_a_page_of_a_long_list_is_a_file_and_is_not_made_of_a_short_one(bench: Bench) -> None:
    path = "v1/images/-/page-2.json"
    assert bench.client.get(f"/{path}").status_code == 404
    bench.public.joinpath("v1/images/-").mkdir()
    bench.public.joinpath(path).write_bytes(b'{"CurrentPage":2}\n')
    assert bench.client.get(f"/{path}").data == b'{"CurrentPage":2}\n'


def test_the_home_page_and_the_list_name_the_images_before_the_first_round(tmp_path: Path) -> None:
    client = Bench(tmp_path, IMAGES).client

    assert [name in client.get("/").text for name in ("/images/alpine/", "/images/example/web/")] == [True, True]
    assert [image["ImageName"] for image in client.get("/v1/images.json").get_json()["Images"]] == IMAGES.split()
