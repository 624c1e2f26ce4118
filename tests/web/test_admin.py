"""What an administrator does over HTTP, and what everybody else is told."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from microbadger.settings import Settings
from tests.fakes.registry import FakeRegistry, image


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeRegistry]:
    with FakeRegistry() as fake:
        fake.push("team/web", "1.0", image())
        yield fake


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    settings = Settings(
        images="example/named",
        data_dir=tmp_path / "data",
        public_dir=tmp_path / "public",
        secret="a secret",
        admin_token="größe secret",
        hook_url="https://hooks.test",
        hub_url="",
    )
    return create_app(settings)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def headers(value: str) -> dict[str, str]:
    return {"Authorization": value.encode().decode("latin-1")}


ADMIN = headers("Bearer größe secret")


def test_an_image_is_tracked_and_untracked(client: FlaskClient, fake: FakeRegistry, app: Flask) -> None:
    url = f"/v1/images/{fake.host}/team/web"

    assert client.put(url, headers=ADMIN).status_code == 201
    assert client.put(url, headers=ADMIN).status_code == 200
    assert client.get(url).status_code == 202
    app.test_cli_runner().invoke(args=["refresh", f"{fake.host}/team/web"])
    assert client.get(url).status_code == 200
    assert client.delete(url, headers=ADMIN).status_code == 204
    assert client.delete(url, headers=ADMIN).status_code == 404
    assert client.get(url).status_code == 404


def test_tracking_makes_a_look_at_the_image_wanted(client: FlaskClient, tmp_path: Path) -> None:
    client.put("/v1/images/example/web", headers=ADMIN)

    assert len(list((tmp_path / "data/requests/pending").iterdir())) == 1


def test_a_put_says_all_there_is_to_say(client: FlaskClient, tmp_path: Path) -> None:
    client.put("/v1/images/example/web", headers=ADMIN, json={"Tags": ["1.0", "2.0"], "Private": True})
    answer = client.put("/v1/images/example/web", headers=ADMIN, json={"Tags": ["2.0"]})

    assert answer.get_json() == {"ImageName": "example/web", "Tags": ["2.0"], "Private": False}
    assert (tmp_path / "data/images.txt").read_text() == "example/web:2.0\n"


@pytest.mark.parametrize("name", ["example/named", "library/alpine"])
def test_the_webhook_is_told_of_what_is_tracked(client: FlaskClient, name: str) -> None:
    answer = client.get(f"/v1/images/{name}/-/webhook", headers=ADMIN)

    if name == "example/named":
        assert answer.get_json()["WebhookURL"].startswith("https://hooks.test/images/example/named/")
    else:
        assert answer.status_code == 404


def test_what_the_settings_name_cannot_be_untracked_here(client: FlaskClient) -> None:
    answer = client.delete("/v1/images/example/named", headers=ADMIN)

    assert answer.status_code == 422
    assert "MICROBADGER_IMAGES" in answer.get_json()["Error"]


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
    client: FlaskClient, tmp_path: Path, body: bytes
) -> None:
    answer = client.put("/v1/images/example/web", headers=ADMIN, data=body)

    assert (answer.status_code, list(answer.get_json())) == (422, ["Error"])
    assert not (tmp_path / "data/images.txt").exists()


@pytest.mark.parametrize(
    "name", ["mañana", "UPPER/case", "example/web@sha256:" + "0" * 64, "example/web%20private"]
)
def test_a_name_that_is_none_is_explained(client: FlaskClient, tmp_path: Path, name: str) -> None:
    assert client.put(f"/v1/images/{name}", headers=ADMIN).status_code == 422
    assert not (tmp_path / "data/images.txt").exists()


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
    settings = Settings(images="example/named", data_dir=tmp_path / "d", public_dir=tmp_path / "p", hub_url="")
    path = "/v1/images/example/named" + ("/-/webhook" if method == "GET" else "")

    answer = create_app(settings).test_client().open(path, method=method, headers=headers("Bearer "))

    assert answer.status_code == 403
    assert "MICROBADGER_ADMIN_TOKEN" in answer.get_json()["Error"]


def test_the_log_tells_what_an_administrator_changed_and_who_was_refused(
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
