"""Notifications of the service as it runs: under gunicorn with several workers, and killed at the worst moment."""

from pathlib import Path
from typing import Any

import requests
from standardwebhooks import Webhook

from tests.fakes.receiver import Answer, Receiver, hang
from tests.fakes.registry import FakeRegistry, image
from tests.running_service import START_SECONDS, RunningService

ADMIN = {"Authorization": "Bearer the token of the operator"}


def ask(service: RunningService, method: str, path: str, **options: Any) -> requests.Response:
    return requests.request(method, f"{service.url}{path}", headers=ADMIN, timeout=START_SECONDS, **options)


def post_webhook(service: RunningService, name: str) -> None:
    url = ask(service, "GET", f"/v1/images/{name}/-/webhook").json()["WebhookURL"]
    assert requests.post(url, timeout=START_SECONDS).text == "OK"


def history(service: RunningService, id_: str) -> list[dict[str, Any]]:
    deliveries: list[dict[str, Any]] = ask(service, "GET", f"/v1/notifications/{id_}").json()["History"]
    return deliveries


def test_a_message_survives_that_its_sender_is_killed(tmp_path: Path) -> None:
    with FakeRegistry() as fake, Receiver(hang, Answer(200)) as receiver:
        name = f"{fake.host}/team/web"
        fake.push("team/web", "1.0", image())
        service = RunningService(tmp_path, [name], "--workers", "3", admin_token="the token of the operator")
        with service:
            service.wait_for_image(name)
            wanted = {"ImageName": name, "WebhookURL": receiver.url, "Format": "json"}
            created = ask(service, "POST", "/v1/notifications/", json=wanted).json()
            fake.push("team/web", "2.0", image(layers=[1, 2]))
            post_webhook(service, name)
            receiver.wait_for(1)
            service.kill()

            service.start()
            first, second = receiver.wait_for(2)
            service.wait(lambda: bool(history(service, created["ID"])), "a delivery in the history")

            assert (first.id, first.body) == (second.id, second.body)
            message = Webhook(created["Secret"]).verify(second.body, dict(second.headers))
            assert [tag["Tag"] for tag in message["data"]["Tags"]] == ["2.0"]
            assert [delivery["State"] for delivery in history(service, created["ID"])] == ["delivered"]
