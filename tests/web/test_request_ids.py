"""Ids of requests: where they come from, which answers have them, and what is logged of an answer that is an error."""

from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from microbadger.settings import Settings

HEADER = "X-Request-ID"


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    public = tmp_path / "public"
    public.mkdir()
    (public / "robots.txt").write_text("mañana")
    return create_app(Settings(images="example/web", data_dir=tmp_path / "data", public_dir=public, hub_url=""))


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.mark.parametrize("given", ["a", "from-ci.1_B", "x" * 64])
def test_an_id_that_came_along_is_kept(client: FlaskClient, given: str) -> None:
    assert client.get("/healthz", headers={HEADER: given}).headers[HEADER] == given


@pytest.mark.parametrize("given", ["ma\u00f1ana", "", "a b", "x" * 65, 'a" event=forged', "<script>"])
def test_what_can_be_no_id_is_replaced(client: FlaskClient, given: str) -> None:
    made = client.get("/healthz", headers={HEADER: given}).headers[HEADER]

    assert made != given
    assert len(made) == 16


def test_each_request_has_an_id_of_its_own(client: FlaskClient) -> None:
    assert client.get("/healthz").headers[HEADER] != client.get("/healthz").headers[HEADER]


@pytest.mark.parametrize("path", ["/robots.txt", "/badges/layers/example/web.svg", "/none", "/v1/images/example/none"])
def test_an_answer_that_a_cdn_keeps_has_none(client: FlaskClient, path: str) -> None:
    assert HEADER not in client.get(path, headers={HEADER: "one"}).headers


def test_a_refused_webhook_has_its_id(client: FlaskClient) -> None:
    answer = client.post("/images/example/web/mañana", headers={HEADER: "one"})

    assert (answer.status_code, answer.headers[HEADER]) == (403, "one")


@pytest.mark.parametrize(("path", "expected"), [("/v1/images", "application/json"), ("/", "text/plain")])
def test_a_defect_is_answered_as_json_or_text_and_logged_without_the_path(
    app: Flask, caplog: pytest.LogCaptureFixture, path: str, expected: str
) -> None:
    @app.before_request
    def break_down() -> None:
        raise LookupError("mañana")

    answer = app.test_client().get(f"{path}?token=secret", headers={HEADER: "one"})

    assert (answer.status_code, answer.mimetype, answer.headers[HEADER]) == (500, expected, "one")
    assert "mañana" not in answer.text
    assert [message.split()[:2] for message in caplog.messages] == [["event=request_broke", "method=GET"]]
    assert "secret" not in caplog.text
