"""What an administrator does over HTTP, and what everybody else is answered."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from microbadger.freshness.stored_images import TrackedImage
from microbadger.image.reference import Repository
from tests.fakes.registry import FakeRegistry, image
from tests.web.bench import Bench

LISTED = "example/listed # in the file\n"


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeRegistry]:
    with FakeRegistry() as fake:
        fake.push("team/web", "1.0", image())
        yield fake


@pytest.fixture
def bench(tmp_path: Path, fake: FakeRegistry) -> Bench:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/images.txt").write_text(LISTED)
    named: dict[str, Any] = {"http_registries": (fake.host,)}  # else a `PUT` would have no private registry asked
    return Bench(tmp_path, "example/named", admin_token="größe secret", hook_url="https://hooks.test", **named)


@pytest.fixture
def client(bench: Bench) -> FlaskClient:
    return bench.client


def headers(value: str) -> dict[str, str]:
    return {"Authorization": value.encode().decode("latin-1")}


ADMIN = headers("Bearer größe secret")


def test_an_image_is_tracked_and_untracked(bench: Bench, client: FlaskClient, fake: FakeRegistry) -> None:
    url = f"/v1/images/{fake.host}/team/web"

    assert client.put(url, headers=ADMIN).status_code == 201
    assert client.put(url, headers=ADMIN).status_code == 200
    assert client.get(url).status_code == 202
    bench.refresh(f"{fake.host}/team/web")
    assert client.get(url).status_code == 200
    assert client.delete(url, headers=ADMIN).status_code == 204
    assert client.delete(url, headers=ADMIN).status_code == 404
    assert client.get(url).status_code == 404


def test_tracking_asks_for_a_check_of_the_image(bench: Bench) -> None:
    bench.client.put("/v1/images/example/web", headers=ADMIN)

    assert bench.requested == ["example/web"]


def test_a_put_says_all_there_is_to_say(bench: Bench) -> None:
    bench.client.put("/v1/images/example/web", headers=ADMIN, json={"Tags": ["1.0", "2.0"], "Private": True})
    answer = bench.client.put("/v1/images/example/web", headers=ADMIN, json={"Tags": ["2.0"]})

    assert answer.get_json() == {"ImageName": "example/web", "Tags": ["2.0"], "Private": False}
    web = Repository.parse("example/web")
    assert bench.freshness.tracked.get(web) == TrackedImage(web, frozenset(["2.0"]))


def test_an_image_tracked_here_stays_tracked_by_a_service_that_starts_anew(bench: Bench, tmp_path: Path) -> None:
    bench.client.put("/v1/images/example/web", headers=ADMIN)

    assert Bench(tmp_path, "").client.get("/v1/images/example/web").status_code == 202


def test_the_operators_list_is_never_written(bench: Bench) -> None:
    for name in ("example/listed", "example/web"):
        bench.client.put(f"/v1/images/{name}", headers=ADMIN, json={"Tags": ["1.0"]})
        bench.client.delete(f"/v1/images/{name}", headers=ADMIN)

    assert (bench.data / "images.txt").read_text() == LISTED


@pytest.mark.parametrize("name", ["example/named", "library/alpine"])
def test_the_webhook_of_a_tracked_image_is_shown(client: FlaskClient, name: str) -> None:
    answer = client.get(f"/v1/images/{name}/-/webhook", headers=ADMIN)

    if name == "example/named":
        assert answer.get_json()["WebhookURL"].startswith("https://hooks.test/images/example/named/")
    else:
        assert answer.status_code == 404


@pytest.mark.parametrize(
    ("name", "where"), [("example/named", "MICROBADGER_IMAGES"), ("example/listed", "data/images.txt")]
)
def test_what_the_operator_lists_cannot_be_untracked_here(client: FlaskClient, name: str, where: str) -> None:
    answer = client.delete(f"/v1/images/{name}", headers=ADMIN)

    assert answer.status_code == 422
    assert where in answer.get_json()["Error"]
    assert client.get(f"/v1/images/{name}").status_code == 202


def test_a_tag_alone_is_untracked_and_the_image_is_checked(bench: Bench) -> None:
    url = "/v1/images/example/web"
    bench.client.put(url, headers=ADMIN, json={"Tags": ["1.0", "2.0"]})

    statuses = [bench.client.delete(f"{url}:{tag}", headers=ADMIN).status_code for tag in ("1.0", "1.0", "latest")]

    web = Repository.parse("example/web")
    assert (statuses, bench.freshness.tracked.get(web)) == ([204, 404, 404], TrackedImage(web, frozenset(["2.0"])))
    assert bench.requested == ["example/web"]


def test_a_tag_that_the_operator_lists_cannot_be_untracked_here(bench: Bench) -> None:
    (bench.data / "images.txt").write_text("example/listed:1.0\n")

    answer = bench.client.delete("/v1/images/example/listed:1.0", headers=ADMIN)

    reason = "example/listed:1.0 is listed in data/images.txt: remove it there."
    assert (answer.status_code, answer.get_json()) == (422, {"Error": reason})


@pytest.mark.parametrize(
    "body",
    [
        "größe".encode(),
        b"{",
        b"[]",
        b"3",
        b'{"Tags": "1.0"}',
        b'{"Tags": [3]}',
        b'{"Tags": ["-x"]}',
        b'{"Tags": ["a b"]}',
        b'{"Private": "yes"}',
        b'{"Privat": true}',
        b'{"Tags": ["' + b"x" * 70_000 + b'"]}',
        b"[" * 60_000,
        b"\xff",
    ],
)
def test_a_body_that_makes_no_sense_is_explained_and_changes_nothing(
    bench: Bench, body: bytes
) -> None:
    answer = bench.client.put("/v1/images/example/web", headers=ADMIN, data=body)

    assert (answer.status_code, list(answer.get_json())) == (422, ["Error"])
    assert tracked(bench) == ["example/listed", "example/named"]


def tracked(bench: Bench) -> list[str]:
    return [image.repository.familiar for image in bench.freshness.tracked]


@pytest.mark.parametrize(
    "name", ["mañana", "UPPER/case", "example/web@sha256:" + "0" * 64, "example/web%20private"]
)
def test_an_invalid_name_is_explained(bench: Bench, name: str) -> None:
    assert bench.client.put(f"/v1/images/{name}", headers=ADMIN).status_code == 422
    assert tracked(bench) == ["example/listed", "example/named"]


@pytest.mark.parametrize("method", ["PUT", "DELETE", "GET"])
@pytest.mark.parametrize(
    "value", ["größe secret", "", "Bearer", "Bearer wrong", "Basic Z3LDtsOfZQ==", "Bearer größe secret!"]
)
def test_nobody_else_may(client: FlaskClient, method: str, value: str) -> None:
    path = "/v1/images/example/named" + ("/-/webhook" if method == "GET" else "")

    answer = client.open(path, method=method, headers=headers(value))

    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "GET"])
def test_without_an_admin_token_nobody_is_an_administrator(tmp_path: Path, method: str) -> None:
    path = "/v1/images/example/named" + ("/-/webhook" if method == "GET" else "")

    answer = Bench(tmp_path, "example/named").client.open(path, method=method, headers=headers("Bearer "))

    assert answer.status_code == 403
    assert "MICROBADGER_ADMIN_TOKEN" in answer.get_json()["Error"]


def test_the_log_has_what_an_administrator_changed_and_what_was_refused(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")

    client.put("/v1/images/quay.io/a/b", headers=ADMIN, json={"Tags": ["1.0"]})
    client.delete("/v1/images/quay.io/a/b", headers=ADMIN)
    client.delete("/v1/images/quay.io/a/b", headers=headers("Bearer mañana"))

    assert caplog.messages == [
        "event=tracked image=quay.io/a/b tags=1.0 private=false new=true",
        "event=untracked image=quay.io/a/b",
        "event=admin_refused status=401 method=DELETE rule=/v1/images/<path:name>",
    ]
