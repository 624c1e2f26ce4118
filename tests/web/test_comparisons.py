"""The comparison of two versions, as a page and as JSON: from what is kept, whatever the names are."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from microbadger.freshness.stored_images import TrackedImage
from microbadger.image.reference import Repository
from tests.fakes.registry import FakeRegistry, image
from tests.web.bench import Bench

HOSTILE = "<script>alert(1)</script>"
PREFIXES = ("/v1/images", "/images")


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeRegistry]:
    with FakeRegistry() as fake:
        old = image(layers=[1024], config={"config": {"User": "root", "Labels": {"a": "b"}}})
        new = image(layers=[1024, 1024], config={"config": {"User": "app", "Labels": {"a": HOSTILE}}})
        fake.push("library/alpine", "1.0", old)
        fake.push("library/alpine", "1.1", new)
        fake.push("library/alpine", "latest", new)
        yield fake


@pytest.fixture(scope="module")
def bench(fake: FakeRegistry, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A service that has read alpine, and tracks example/unread."""
    folder = tmp_path_factory.mktemp("app")
    Bench(folder, "alpine", fake).refresh()
    return Bench(folder, "alpine example/unread", fake)


@pytest.fixture
def client(bench: Bench) -> FlaskClient:
    return bench.client


def digest_of(client: FlaskClient, tag: str) -> str:
    digest: str = client.get(f"/v1/images/alpine:{tag}").get_json()["Digest"]
    return digest


def test_it_says_what_differs(client: FlaskClient) -> None:
    found = client.get("/v1/images/alpine/-/compare/1.0...1.1").get_json()

    assert found["Difference"]["User"] == {"Old": "root", "New": "app"}
    assert found["Difference"]["Layers"]["AddedCount"] == 1
    assert [tag["tag"] for tag in found["New"]["Tags"]] == ["1.1", "latest"]


@pytest.mark.parametrize("name", ["alpine", "library/alpine"])
def test_an_official_image_has_it_under_both_names(client: FlaskClient, name: str) -> None:
    assert client.get(f"/v1/images/{name}/-/compare/1.0...latest").get_json()["IsRebuild"] is False
    assert f"/images/{name}/" in client.get(f"/images/{name}/-/compare/1.0...latest").text


def test_a_version_can_be_named_by_its_digest(client: FlaskClient) -> None:
    old, new = digest_of(client, "1.0"), digest_of(client, "1.1")
    by_tag = client.get("/v1/images/alpine/-/compare/1.0...1.1").data

    assert client.get(f"/v1/images/alpine/-/compare/{old}...{new}").data == by_tag
    short = old.removeprefix("sha256:")
    assert client.get(f"/v1/images/alpine/-/compare/{short}...1.1/").data == by_tag


def test_the_page_says_it_in_words(client: FlaskClient) -> None:
    answer = client.get("/images/alpine/-/compare/1.0...1.1")

    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    for words in ("User: root → app", "Layers: 1 added, 0 removed, 1 kept", "(+1.0 KiB)", "&lt;script&gt;"):
        assert words in answer.text
    assert HOSTILE not in answer.text


@pytest.mark.parametrize("prefix", PREFIXES)
def test_it_is_cached_like_a_public_file(client: FlaskClient, prefix: str) -> None:
    path = f"{prefix}/alpine/-/compare/1.0...1.1"
    answer = client.get(path)

    assert answer.headers["Cache-Control"] == client.get("/v1/images/alpine").headers["Cache-Control"]
    assert not answer.headers["ETag"].startswith("W/")
    assert client.get(path, headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize(
    ("path", "status", "sentence"),
    [
        ("alpine/-/compare/1.0...2.0", 404, "2.0"),
        (f"alpine/-/compare/1.0...{'0' * 64}", 404, "0" * 64),
        (f"alpine/-/compare/sha256:{'0' * 64}...1.0", 404, f"sha256:{'0' * 64}"),
        ("alpine/-/compare/1.0..1.1", 404, "three dots"),
        ("alpine/-/compare/1.0...mañana", 404, "three dots"),
        ("alpine/-/compare/1.0...%00", 404, ""),
        (f"alpine/-/compare/{'1...' * 5000}", 404, "three dots"),
        ("alpine/-/compare/../..../../x", 404, ""),
        ("example/unknown/-/compare/1.0...1.1", 404, "not tracked"),
        ("EXAMPLE/-/compare/1.0...1.1", 404, ""),
        ("example/unread/-/compare/1.0...1.1", 202, ""),
    ],
)
def test_what_cannot_be_compared_is_said(
    client: FlaskClient, prefix: str, path: str, status: int, sentence: str
) -> None:
    answer = client.get(f"{prefix}/{path}")

    assert answer.status_code == status
    assert sentence in answer.text
    assert "max-age=60" in answer.headers["Cache-Control"]


def test_no_registry_is_asked(client: FlaskClient, fake: FakeRegistry) -> None:
    asked = len(fake.requests)
    for prefix in PREFIXES:
        for pair in ("1.0...1.1", "1.0...9.9", "latest...1.1"):
            client.get(f"{prefix}/alpine/-/compare/{pair}")

    assert len(fake.requests) == asked


def test_a_version_is_equal_to_itself(client: FlaskClient) -> None:
    assert client.get("/v1/images/alpine/-/compare/latest...1.1").get_json()["Difference"] == {}
    assert "same version" in client.get("/images/alpine/-/compare/latest...1.1").text


def test_the_page_of_an_image_links_the_versions_of_a_change(fake: FakeRegistry, tmp_path: Path) -> None:
    fake.push("example/web", "1.0", image(layers=[1]))
    fake.push("example/web", "latest", image(layers=[1]))
    bench = Bench(tmp_path, "example/web", fake)
    bench.refresh()
    fake.push("example/web", "latest", image(layers=[2]))
    bench.refresh("example/web")
    (moved,) = bench.client.get("/v1/images/example/web/-/changes.json").get_json()["Changes"][0]["Changed"]
    old, new = (moved[field].removeprefix("sha256:") for field in ("OldDigest", "NewDigest"))
    path = f"/images/example/web/-/compare/{old}...{new}"

    assert f'href="{path}"' in bench.client.get("/images/example/web").text
    assert bench.client.get(path).status_code == 200


def test_a_version_that_its_tag_moved_away_from_is_compared_until_it_is_deleted(
    fake: FakeRegistry, tmp_path: Path
) -> None:
    bench = Bench(tmp_path, "example/app", fake)
    for layers in (1, 2, 3):
        fake.push("example/app", "latest", image(layers=[1024] * layers))
        bench.refresh("example/app")
    newer, older = bench.client.get("/v1/images/example/app/-/changes.json").get_json()["Changes"]
    first, second = older["Changed"][0]["OldDigest"], newer["Changed"][0]["OldDigest"]
    path = f"/v1/images/example/app/-/compare/{first}...{second}"

    found = bench.client.get(path).get_json()
    assert (found["Old"]["Tags"], found["Difference"]["Layers"]["AddedCount"]) == ([], 1)
    assert bench.client.get(f"/v1/images/example/app/version/{first[7:]}.json").status_code == 404

    fake.push("example/app", "gone", image(layers=[1024]))
    bench.refresh("example/app")
    fake.delete("example/app", "gone")
    bench.refresh("example/app")
    assert bench.client.get(path).status_code == 404


def test_an_image_that_may_not_be_shown_any_more_is_compared_no_more(fake: FakeRegistry, tmp_path: Path) -> None:
    name = "team/web"
    fake.push("team/web", "1", image(layers=[1]))
    fake.push("team/web", "2", image(layers=[2]))
    bench = Bench(tmp_path, "", fake)
    bench.freshness.track(TrackedImage(Repository.parse(name), private=True))
    bench.refresh(name)
    path = f"/v1/images/{name}/-/compare/1...2"
    assert bench.client.get(path).status_code == 200

    bench.freshness.track(TrackedImage(Repository.parse(name)))

    assert bench.client.get(path).status_code in (202, 404)
    bench.freshness.untrack(Repository.parse(name))
    assert bench.client.get(path).status_code == 404
