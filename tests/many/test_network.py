"""The network between a service and PostgreSQL, in which everything that is sent disappears."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from tests.fakes.registry import FakeRegistry, image
from tests.fakes.wire import Wire
from tests.postgresql import PostgresqlServer
from tests.running_service import RunningService

ANSWER_SECONDS = 60.0
"""Far more than a request waits: 12 seconds for a statement, 3 for an idle connection, 5 for a new one."""
BACK_SECONDS = 60.0
BADGES = 3


@dataclass
class CutOff:
    """A service, the image that it tracks, and the network to its database."""

    service: RunningService
    wire: Wire
    fake: FakeRegistry
    name: str
    webhook: str


@pytest.fixture
def cut_off(tmp_path: Path, postgresql_server: PostgresqlServer) -> Iterator[CutOff]:
    with FakeRegistry() as fake, Wire(postgresql_server.port) as wire:
        fake.push("team/web", "latest", image(layers=[1]))
        name = f"{fake.host}/team/web"
        service = RunningService(tmp_path, [name], "--workers", "2", "--graceful-timeout", "5")
        address = urlsplit(postgresql_server.new_schema())
        port = f"@127.0.0.1:{wire.port}"
        service.environment["DATABASE_URL"] = address._replace(netloc=address.netloc.partition("@")[0] + port).geturl()
        with service:
            yield CutOff(service, wire, fake, name, service.webhook(name))


def post(cut_off: CutOff) -> requests.Response:
    return requests.post(cut_off.webhook, timeout=ANSWER_SECONDS)


def test_a_service_whose_database_is_cut_off_refuses_webhooks_and_monitors(cut_off: CutOff) -> None:
    cut_off.wire.cut()
    refused, health = post(cut_off), cut_off.service.get("/healthz")
    assert (refused.status_code, "Retry-After" in refused.headers) == (503, True)
    assert health.status_code == 503
    assert health.json()["Error"] == "This cannot be done now: the database cannot be used."
    assert cut_off.service.get("/healthcheck.txt").text == "HEALTH OK"


def test_a_service_whose_database_is_cut_off_serves_what_is_published_without_waiting_for_it(cut_off: CutOff) -> None:
    path = f"/badges/layers/{cut_off.name}.svg"
    badge = cut_off.service.get(path).content
    cut_off.wire.cut()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(post, cut_off)
        served = [cut_off.service.get(path) for _ in range(BADGES)]
        assert not waiting.done()
        assert {(each.status_code, each.content) for each in served} == {(200, badge)}
        assert waiting.result().status_code == 503


def test_a_service_whose_database_was_cut_off_works_again_by_itself(cut_off: CutOff) -> None:
    service = cut_off.service
    workers = service.workers
    cut_off.wire.cut()
    assert post(cut_off).status_code == 503
    cut_off.fake.push("team/web", "latest", image(layers=[1, 2]))
    cut_off.wire.mend()

    service.wait(lambda: post(cut_off).status_code == 200, "it takes webhooks", BACK_SECONDS)
    service.wait_for_badge(f"layers/{cut_off.name}", "layers: 2", BACK_SECONDS)
    service.wait(lambda: service.get("/healthz").json().get("Problems") == [], "nothing is wrong", BACK_SECONDS)
    assert (service.workers, service.lines("Traceback")) == (workers, [])


def test_each_of_many_requests_to_a_service_whose_database_is_cut_off_is_refused(cut_off: CutOff) -> None:
    cut_off.wire.cut()
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(post, [cut_off] * 24))
    assert {(answer.status_code, "Retry-After" in answer.headers) for answer in answers} == {(503, True)}
