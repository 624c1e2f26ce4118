"""Notifications over HTTP: the old service's fields and status codes, for administrators alone."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from standardwebhooks import Webhook
from werkzeug.test import TestResponse

from tests.fakes.receiver import Answer, Receiver
from tests.web.bench import Bench

ROOT = "/v1/notifications/"
TOKEN = {"Authorization": "Bearer the token"}
URL = "https://hooks.test/mañana"
WANTED = {"ImageName": "example/web", "WebhookURL": URL}


def bench_in(folder: Path, **options: str) -> Bench:
    defaults = {"admin_token": "the token", "base_url": "https://badges.test"}
    return Bench(folder, "example/web alpine", **{**defaults, **options})


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return bench_in(tmp_path)


@pytest.fixture
def client(bench: Bench) -> FlaskClient:
    return bench.client


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver(Answer(200, {}, b"thanks")) as receiver:
        yield receiver


def create(client: FlaskClient, **fields: object) -> Any:
    answer = client.post(ROOT, json={**WANTED, **fields}, headers=TOKEN)
    assert answer.status_code == 200, answer.get_json()
    return answer.get_json()


def get(client: FlaskClient, id_: str = "") -> Any:
    answer = client.get(ROOT + id_, headers=TOKEN)
    assert answer.status_code == 200
    return answer.get_json()


def refusal(answer: TestResponse) -> tuple[int, str]:
    return answer.status_code, answer.get_json()["Error"]


def test_there_are_no_notifications_at_first(client: FlaskClient) -> None:
    assert get(client) == {"NotificationCount": 0, "NotificationLimit": 1000, "Notifications": []}


def test_a_notification_is_created_and_read(client: FlaskClient) -> None:
    created = create(client)

    assert get(client, created["ID"]) == {
        "ID": created["ID"],
        "ImageName": "example/web",
        "WebhookURL": URL,
        "PageURL": "https://badges.test/images/example/web",
        "Tags": [],
        "Format": "microbadger",
        "Enabled": True,
        "Rebuilt": False,
        "BaseMoved": False,
        "HasAuthorization": False,
        "Waiting": 0,
        "Parked": 0,
        "History": [],
    }


def test_everything_can_be_chosen(client: FlaskClient) -> None:
    chosen = {"Tags": ["1.*", "latest"], "Format": "slack", "Enabled": False, "Rebuilt": True, "BaseMoved": True}

    created = create(client, **chosen)

    assert {name: get(client, created["ID"])[name] for name in chosen} == chosen


def test_an_official_image_may_be_named_as_the_registry_does(client: FlaskClient) -> None:
    assert create(client, ImageName="library/alpine")["ImageName"] == "alpine"


def test_the_secret_is_shown_once(client: FlaskClient) -> None:
    created = create(client)

    assert created["Secret"].startswith("whsec_")
    assert created["Secret"] not in json.dumps([get(client), get(client, created["ID"])])


def test_an_authorization_is_never_shown(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    created = create(client, Authorization="Bearer tk_secret")
    kept = client.put(ROOT + created["ID"], json={"Tags": ["!*-rc*"]}, headers=TOKEN).get_json()

    assert (created["HasAuthorization"], kept["HasAuthorization"]) == (True, True)
    shown = json.dumps([created, kept, get(client), get(client, created["ID"])]) + caplog.text
    assert "tk_secret" not in shown


def test_an_authorization_is_ended_by_an_empty_one(client: FlaskClient) -> None:
    created = create(client, Authorization="Bearer tk_secret")

    changed = client.put(ROOT + created["ID"], json={"Authorization": ""}, headers=TOKEN).get_json()

    assert not changed["HasAuthorization"]


def test_why_patterns_are_refused_is_said_in_a_sentence(client: FlaskClient) -> None:
    answer = client.post(ROOT, json={**WANTED, "Tags": ["1.*", "!1*"]}, headers=TOKEN)

    assert refusal(answer) == (
        422,
        "The tag patterns select no tags: those with ! exclude all that the others select.",
    )


def test_ntfy_gets_a_text_at_its_topic(tmp_path: Path, receiver: Receiver) -> None:
    client = bench_in(tmp_path, base_url="http://localhost:8000").client
    fields = {"WebhookURL": receiver.url, "Format": "ntfy", "Authorization": "Bearer tk_secret"}
    created = create(client, **fields)

    client.post(f"{ROOT}{created['ID']}/trigger", headers=TOKEN)

    (received,) = receiver.received
    assert received.body.decode().startswith("Hi, it's MicroBadger")
    assert received.headers["Title"] == "example/web has changed"
    assert received.headers["Click"] == "http://localhost:8000/images/example/web"
    assert received.headers["Authorization"] == "Bearer tk_secret"
    (delivery,) = get(client, created["ID"])["History"]
    assert delivery["Message"] == received.body.decode()


def test_notifications_are_listed(client: FlaskClient) -> None:
    ids = [create(client)["ID"] for _ in range(3)]

    listed = get(client)

    assert (listed["NotificationCount"], [entry["ID"] for entry in listed["Notifications"]]) == (3, ids)


def test_an_address_without_its_slash_is_the_same(client: FlaskClient) -> None:
    assert client.post(ROOT[:-1], json=WANTED, headers=TOKEN).status_code == 200
    assert client.get(ROOT[:-1], headers=TOKEN).get_json()["NotificationCount"] == 1


def test_a_notification_is_changed_where_the_body_says_so(client: FlaskClient) -> None:
    created = create(client, Tags=["1.*"])

    answer = client.put(ROOT + created["ID"], json={"WebhookURL": "https://new.test/", "Enabled": False}, headers=TOKEN)

    assert answer.status_code == 200
    assert get(client, created["ID"]) == answer.get_json()
    changed = answer.get_json()
    assert (changed["WebhookURL"], changed["Enabled"], changed["Tags"]) == ("https://new.test/", False, ["1.*"])


def test_a_notification_is_deleted(client: FlaskClient) -> None:
    created = create(client)

    assert client.delete(ROOT + created["ID"], headers=TOKEN).status_code == 204
    assert client.get(ROOT + created["ID"], headers=TOKEN).status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "x"), ("PUT", "x"), ("DELETE", "x"), ("POST", "x/trigger"), ("POST", "x/resend"), ("GET", "ma%C3%B1ana")],
)
def test_a_notification_that_is_not_there_is_not_found(client: FlaskClient, method: str, path: str) -> None:
    create(client)

    assert refusal(client.open(ROOT + path, method=method, json={}, headers=TOKEN))[0] == 404


@pytest.mark.parametrize(
    "url", ["mañana", "", "https://", "ftp://x.test/", "http://x.test/", "https://127.0.0.1/", "http://localhost:9/"]
)
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_an_invalid_url_is_refused_as_it_always_was(client: FlaskClient, method: str, url: str) -> None:
    path = ROOT + (create(client)["ID"] if method == "PUT" else "")

    answer = client.open(path, method=method, json={**WANTED, "WebhookURL": url}, headers=TOKEN)

    assert refusal(answer) == (422, "Invalid webhook URL")


@pytest.mark.parametrize("name", ["mañana", "", "example/unknown", "UPPER/case", "../etc", "alpine:3", "a" * 5000])
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_an_image_that_is_not_tracked_is_not_found(client: FlaskClient, method: str, name: str) -> None:
    path = ROOT + (create(client)["ID"] if method == "PUT" else "")

    assert refusal(client.open(path, method=method, json={**WANTED, "ImageName": name}, headers=TOKEN))[0] == 404


@pytest.mark.parametrize(
    "body",
    [
        "mañana".encode(),
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b"[" * 60_000,
        b'{"x": "' + b"x" * 70_000 + b'"}',
        b"{}",
        b'{"ImageName": "example/web"}',
        b'{"WebhookURL": "https://hooks.test/"}',
    ],
)
def test_a_body_that_makes_no_sense_is_explained(client: FlaskClient, body: bytes) -> None:
    assert refusal(client.post(ROOT, data=body, headers=TOKEN))[0] == 422
    assert get(client)["NotificationCount"] == 0


@pytest.mark.parametrize(
    "field",
    [
        {"mañana": 1},
        {"Tags": "1.*"},
        {"Tags": [1]},
        {"Tags": ["a b"]},
        {"Tags": ["*"] * 51},
        {"Format": "pigeon"},
        {"Format": 1},
        {"Enabled": "yes"},
        {"Enabled": 1},
        {"Tags": ["[z-a]"]},
        {"Tags": ["1.*", "!*"]},
        {"Authorization": 1},
        {"Authorization": "two\nlines"},
        {"Authorization": "x" * 2049},
        {"WebhookURL": ["x"]},
        {"ImageName": None},
        {"Rebuilt": "yes"},
        {"BaseMoved": "yes"},
        {"ID": "x"},
        {"Secret": "x"},
    ],
)
def test_a_field_that_makes_no_sense_is_explained(client: FlaskClient, field: dict[str, object]) -> None:
    assert refusal(client.post(ROOT, json={**WANTED, **field}, headers=TOKEN))[0] == 422
    assert get(client)["NotificationCount"] == 0


@given(st.binary(max_size=200) | st.dictionaries(st.sampled_from(["ImageName", "WebhookURL", "Tags", "x"]), st.text()))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_posted_breaks_nothing(client: FlaskClient, body: bytes | dict[str, str]) -> None:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()

    assert client.post(ROOT, data=data, headers=TOKEN).status_code in (404, 422)


@pytest.mark.parametrize("value", ["Bearer mañana", "", "Bearer", "the token", "Basic dGhlIHRva2Vu"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("GET", ""), ("POST", ""), ("GET", "x"), ("PUT", "x"), ("DELETE", "x")),
        *(("POST", "x/trigger"), ("POST", "x/resend")),
    ],
)
def test_nobody_else_may(bench: Bench, method: str, path: str, value: str) -> None:
    headers = {"Authorization": value.encode().decode("latin-1")}

    answer = bench.client.open(ROOT + path, method=method, json=WANTED, headers=headers)

    assert (answer.status_code, answer.headers["WWW-Authenticate"].lower()) == (401, "bearer")
    assert get(bench.client)["NotificationCount"] == 0


def test_without_an_admin_token_nobody_may(tmp_path: Path) -> None:
    client = bench_in(tmp_path, admin_token="").client

    assert refusal(client.post(ROOT, json=WANTED, headers={"Authorization": "Bearer "}))[0] == 403


def test_nothing_of_this_is_kept_by_a_cache(client: FlaskClient) -> None:
    created = create(client)

    answers = [client.get(ROOT, headers=TOKEN), client.get(ROOT + created["ID"], headers=TOKEN), client.get(ROOT)]
    assert {answer.headers["Cache-Control"] for answer in answers} == {"no-store"}


def test_a_test_message_is_sent_and_remembered(tmp_path: Path, receiver: Receiver) -> None:
    client = bench_in(tmp_path, base_url="http://localhost:8000").client
    created = create(client, WebhookURL=receiver.url)

    answer = client.post(f"{ROOT}{created['ID']}/trigger", headers=TOKEN)

    assert (answer.status_code, answer.data) == (204, b"")
    (received,) = receiver.received
    message = Webhook(created["Secret"]).verify(received.body, dict(received.headers))
    assert message["text"].startswith("Hi, it's MicroBadger, sending you a test notification for example/web http://")
    (delivery,) = get(client, created["ID"])["History"]
    assert (delivery["StatusCode"], delivery["Response"], delivery["Attempts"]) == (200, "thanks", 1)
    assert delivery["Message"] == message
    assert get(client)["Notifications"][0]["StatusCode"] == 200


def test_a_test_message_that_does_not_arrive_is_remembered(tmp_path: Path) -> None:
    client = bench_in(tmp_path, base_url="http://127.0.0.1:8000").client
    with Receiver(Answer(302, {"Location": "http://127.0.0.1:1/"}, b"away")) as receiver:
        created = create(client, WebhookURL=receiver.url)
        assert client.post(f"{ROOT}{created['ID']}/trigger", headers=TOKEN).status_code == 204

    (delivery,) = get(client, created["ID"])["History"]
    assert (delivery["StatusCode"], delivery["Response"], delivery["State"]) == (302, "away", "failed")


def test_what_was_given_up_is_sent_again(client: FlaskClient) -> None:
    created = create(client)

    assert client.post(f"{ROOT}{created['ID']}/resend", headers=TOKEN).status_code == 204


def test_the_log_has_what_changed_and_of_a_url_the_host(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")

    id_ = create(client)["ID"]
    client.put(ROOT + id_, json={"Enabled": False}, headers=TOKEN)
    client.post(f"{ROOT}{id_}/resend", headers=TOKEN)
    client.delete(ROOT + id_, headers=TOKEN)

    named = f"id={id_} image=example/web receiver=hooks.test"
    assert caplog.messages == [
        f"event=subscribed {named}",
        f"event=subscription_changed {named} enabled=false",
        f"event=resend_asked id={id_}",
        f"event=unsubscribed id={id_}",
    ]


def test_a_notification_outlives_the_service(client: FlaskClient, tmp_path: Path) -> None:
    created = create(client)

    assert get(bench_in(tmp_path).client, created["ID"])["WebhookURL"] == URL
