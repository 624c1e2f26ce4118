"""Feeds over HTTP: a part of an image's changes, and the changes of all images."""

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree

import pytest
from flask.testing import FlaskClient

from microbadger.freshness.private_reads import note_private_read
from microbadger.image.reference import Repository
from tests.fakes.registry import FakeRegistry, image
from tests.web.bench import BASE_URL, Bench

ATOM = "{http://www.w3.org/2005/Atom}"
FEED = "/images/example/web/-/feed.xml"
OF_ALL = "/feed.xml"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A service that has seen changes of two images."""
    with FakeRegistry() as fake:
        yield changed(tmp_path_factory.mktemp("app"), fake)


def changed(folder: Path, fake: FakeRegistry, **options: bool) -> Bench:
    fake.push("library/alpine", "3.20", image(layers=[1]))
    for tag in ("1.1", "latest"):
        fake.push("example/web", tag, image(layers=[2]))
    bench = Bench(folder, "alpine example/web", fake, **options)
    bench.refresh()
    fake.push("library/alpine", "3.21", image(layers=[3]))
    bench.refresh("alpine")
    for tag in ("1.2", "1.3-rc1", "latest"):
        fake.push("example/web", tag, image(layers=[4]))
    bench.refresh("example/web")
    fake.delete("example/web", "1.1")
    bench.refresh("example/web")
    bench.round()
    return bench


@pytest.fixture
def client(bench: Bench) -> FlaskClient:
    return bench.client


def entries(content: bytes, name: str = "title") -> list[str]:
    return [entry.findtext(f"{ATOM}{name}", "") for entry in ElementTree.fromstring(content).iter(f"{ATOM}entry")]


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ("tag=1.1", ["1.1 is gone"]),
        ("tag=1.*", ["1.1 is gone", "1.2 and 1.3-rc1 are new"]),
        ("tag=1.*&tag=!*-rc*", ["1.1 is gone", "1.2 is new"]),
        ("tag=!*-rc*&kind=new", ["1.2 is new"]),
        ("kind=deleted", ["1.1 is gone"]),
        ("kind=new,deleted", ["1.1 is gone", "1.2 and 1.3-rc1 are new"]),
        ("kind=new&kind=deleted", ["1.1 is gone", "1.2 and 1.3-rc1 are new"]),
        ("kind=rebuilt", []),
        ("tag=2.*", []),
    ],
)
def test_a_query_chooses_a_part_of_the_changes(client: FlaskClient, query: str, titles: list[str]) -> None:
    answer = client.get(f"{FEED}?{query}")

    assert (answer.status_code, answer.mimetype) == (200, "application/atom+xml")
    assert entries(answer.data) == titles


def test_a_query_that_means_nothing_is_ignored(client: FlaskClient) -> None:
    assert client.get(f"{FEED}?page=2").data == client.get(FEED).data


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("tag=", "'' is not a tag pattern: write 1.2, 1.* or v[0-9]*, and !*-rc* to leave tags out."),
        ("tag=[z-a]", "No tag can match the pattern '[z-a]'."),
        ("tag=1.*&tag=!*", "The tag patterns select no tags: those with ! exclude all that the others select."),
        ("kind=", "Invalid kind '': must be one of new, moved, rebuilt, deleted, base_moved."),
        ("kind=new,Moved", "Invalid kind 'Moved': must be one of new, moved, rebuilt, deleted, base_moved."),
        ("&".join(["tag=1"] * 11), "There are too many tag patterns: use at most 10."),
    ],
)
def test_a_query_that_makes_no_sense_is_explained(client: FlaskClient, query: str, sentence: str) -> None:
    answer = client.get(f"{FEED}?{quote(query, safe='=&')}")

    assert (answer.status_code, answer.text.strip()) == (400, sentence)


def test_a_part_of_a_feed_is_cached_as_the_feed_is(client: FlaskClient) -> None:
    whole, part = client.get(FEED), client.get(f"{FEED}?tag=1.*")

    assert part.headers["Cache-Control"] == whole.headers["Cache-Control"]
    again = client.get(f"{FEED}?tag=1.*", headers={"If-None-Match": part.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_a_part_of_a_feed_writes_no_file(bench: Bench) -> None:
    before = bench.files()
    bench.client.get(f"{FEED}?tag=1.*")

    assert bench.files() == before


def test_an_entry_has_the_same_id_in_each_feed(client: FlaskClient) -> None:
    whole = entries(client.get(FEED).data, "id")

    assert entries(client.get(f"{FEED}?tag=1.*").data, "id") == whole
    assert [id_ for id_ in entries(client.get(OF_ALL).data, "id") if "example/web" in id_] == whole


@pytest.mark.parametrize("name", ["example/unknown", "UPPER", "ma%C3%B1ana"])
def test_there_is_no_feed_of_an_image_that_is_not_tracked(client: FlaskClient, name: str) -> None:
    assert client.get(f"/images/{name}/-/feed.xml?tag=1.*").status_code == 404


def test_one_feed_has_the_changes_of_all_images(bench: Bench) -> None:
    titles = entries(bench.client.get(OF_ALL).data)

    assert titles[0] == "example/web: 1.1 is gone"
    assert titles[1].startswith("example/web: latest moved")
    assert titles[2:] == ["alpine: 3.21 is new"]
    assert bench.files()["feed.xml"] == bench.client.get(OF_ALL).data


def test_the_home_page_links_to_the_feed_of_all_images(client: FlaskClient) -> None:
    head = client.get("/").text.partition("</head>")[0]

    assert '<link rel="alternate" type="application/atom+xml" title="Changes of all images" href="/feed.xml">' in head


def test_the_feed_of_all_images_is_made_again_where_it_is_missing(bench: Bench) -> None:
    before = bench.client.get(OF_ALL).data
    (bench.public / "feed.xml").unlink()

    assert bench.client.get(OF_ALL).data == before
    assert bench.files()["feed.xml"] == before


def test_a_static_site_has_the_feed_of_all_images_as_a_file(tmp_path: Path) -> None:
    with FakeRegistry() as fake:
        bench = changed(tmp_path, fake, is_static=True)

    assert entries(bench.files()["feed.xml"])[0] == "example/web: 1.1 is gone"


@pytest.mark.parametrize("images", ["alpine", "alpine\nexample/web private"])
def test_an_image_that_is_removed_or_private_leaves_the_feed_of_all_images(tmp_path: Path, images: str) -> None:
    with FakeRegistry() as fake:
        changed(tmp_path, fake)
        bench = Bench(tmp_path, "", fake)
        (bench.data / "images.txt").write_text(images)
        os.utime(bench.data / "images.txt", (1e9, 1e9))  # edits count once they have settled
        bench.command("refresh", "example/web")
        bench.round()

    assert entries(bench.files()["feed.xml"]) == ["alpine: 3.21 is new"]


def test_an_image_that_may_be_private_is_in_no_feed(tmp_path: Path) -> None:
    with FakeRegistry() as fake:
        bench = changed(tmp_path, fake)
    with bench.tools.database.write() as connection:
        note_private_read(connection, Repository.parse("example/web"))
    (bench.public / "feed.xml").unlink()

    assert entries(bench.client.get(OF_ALL).data) == ["alpine: 3.21 is new"]
    assert bench.client.get(f"{FEED}?tag=1.*").status_code == 404


def test_the_address_of_a_feed_is_its_id(client: FlaskClient) -> None:
    root = ElementTree.fromstring(client.get(f"{FEED}?kind=new&tag=1.*").data)

    assert root.findtext(f"{ATOM}id") == f"{BASE_URL}{FEED}?tag=1.*&kind=new"
