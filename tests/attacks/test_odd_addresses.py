"""Addresses that only an attacker, or a tag with an odd name, has: each has its answer, and none is a defect."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from microbadger.web.health import _without_folders
from tests.fakes.registry import FakeRegistry, image
from tests.running_service import badge_text
from tests.web.bench import Bench

ADMIN = {"Authorization": "Bearer an administrator's"}
NAME = "example/web"
TAGS = ("v1.json", "x.svg", "v1", "1.0", "index.html", "json", "2.json.json")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with FakeRegistry() as fake:
        for number, tag in enumerate(TAGS, 1):
            fake.push(NAME, tag, image(layers=[number]))
        bench = Bench(tmp_path_factory.mktemp("service"), NAME, fake, admin_token="an administrator's")
        bench.refresh()
        with closing(bench.tools.database):
            yield bench


@pytest.mark.parametrize("character", ["%00", "%0A", "%1F", "%7F", "%C2%85", "%ED%A0%80", "%FF", "%E2%80%AE"])
@pytest.mark.parametrize(
    ("method", "address"),
    [
        ("GET", "/X"),
        ("GET", "//images/X"),
        ("GET", "/assets/X"),
        ("GET", "/healthzX"),
        ("GET", "/badges/size/example/webX.svg"),
        ("GET", "/badges/size/example/web:X.json"),
        ("GET", "/badges/siXze/example/web.svg"),
        ("GET", "/images/example/webX"),
        ("GET", "/images/example/web:1X/"),
        ("GET", "/images/example/web/-/X"),
        ("GET", "/v1/images/example/webX"),
        ("GET", "/v1/images/example/web/version/X"),
        ("GET", "/v1/images/search/X"),
        ("GET", "/v1/notifications/X"),
        ("PUT", "/v1/notifications/X"),
        ("PUT", "/v1/images/example/webX"),
        ("DELETE", "/v1/images/example/webX"),
        ("POST", "/images/example/web/X"),
        ("POST", "/images/example/webX/token"),
        ("POST", "/hooks/X"),
        ("GET", "/microbadger/layers/example/webX"),
        ("GET", "/v1/images?page=X"),
        ("GET", "/badges/size/example/web.svg?style=X&label=X&color=X&platform=X"),
    ],
)
def test_no_character_in_an_address_is_a_defect(bench: Bench, method: str, address: str, character: str) -> None:
    answer = bench.client.open(address.replace("X", character), method=method, headers=ADMIN)

    assert answer.status_code < 500
    if character == "%00" and method != "POST" and "?" not in address:
        assert answer.status_code == 404


@pytest.mark.parametrize("tag", TAGS)
def test_every_tag_has_its_badge_its_page_and_its_document(bench: Bench, tag: str) -> None:
    size = TAGS.index(tag) + 1

    assert badge_text(bench.client.get(f"/badges/size/{NAME}:{tag}.svg").data) == f"size: {size} B"
    assert bench.client.get(f"/badges/size/{NAME}:{tag}.json").get_json()["message"] == f"{size} B"
    assert bench.client.get(f"/images/{NAME}:{tag}").status_code == 200
    for ending in ("", "/"):
        assert bench.client.get(f"/v1/images/{NAME}:{tag}{ending}").get_json()["DownloadSize"] == size


@pytest.mark.parametrize("tag", ["1.0", "v1.json", "x.svg"])
def test_a_document_may_be_asked_for_with_its_ending(bench: Bench, tag: str) -> None:
    assert bench.client.get(f"/v1/images/{NAME}:{tag}.json").get_json()["DownloadSize"] == TAGS.index(tag) + 1


@pytest.mark.parametrize(
    ("sentence", "shown"),
    [
        ("The database /srv/data/microbadger.db cannot be used.", "The database microbadger.db cannot be used."),
        ("set aside as /srv/data/microbadger.db.damaged-1, is", "set aside as microbadger.db.damaged-1, is"),
        ("docker.io/library/alpine: https://a.test/b/c failed", "docker.io/library/alpine: https://a.test/b/c failed"),
        ("line 1 of images.txt is left out", "line 1 of images.txt is left out"),
    ],
)
def test_strangers_are_not_told_where_the_data_folder_is(sentence: str, shown: str) -> None:
    assert _without_folders(sentence) == shown


def test_the_health_names_no_folder(tmp_path: Path) -> None:
    bench = Bench(tmp_path, NAME)
    (bench.data / "microbadger.db.damaged-1").touch()
    (bench.data / "images.txt").write_text("NOT/a/name!\n")
    bench.round()

    text = bench.client.get("/healthz").text

    assert '"Problems":["' in text
    assert str(tmp_path) not in text
