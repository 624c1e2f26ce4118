"""The network between a service and PostgreSQL, in which everything that is sent disappears."""

import time
from collections.abc import Callable, Iterator
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

# A statement waits for 12 seconds, an idle connection for 3, and a new one for 5.
REQUEST_SECONDS = 20.0
HEALTH_SECONDS = 20.0
BACK_SECONDS = 60.0


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


def posted(cut_off: CutOff) -> int:
    return requests.post(cut_off.webhook, timeout=60).status_code


def timed(ask: Callable[[], requests.Response]) -> tuple[requests.Response, float]:
    began_at = time.monotonic()
    answer = ask()
    return answer, time.monotonic() - began_at


def test_a_service_whose_database_is_cut_off_refuses_soon_and_serves_what_is_published(cut_off: CutOff) -> None:
    service, published = cut_off.service, f"/badges/layers/{cut_off.name}.svg"
    badge = service.get(published).content
    cut_off.wire.cut()

    refused, seconds = timed(lambda: requests.post(cut_off.webhook, timeout=60))
    assert (refused.status_code, "Retry-After" in refused.headers, seconds < REQUEST_SECONDS) == (503, True, True)
    served, seconds = timed(lambda: service.get(published))
    assert (served.status_code, served.content, seconds < 2) == (200, badge, True)
    health, seconds = timed(lambda: service.get("/healthz"))
    assert (health.status_code, seconds < HEALTH_SECONDS) == (503, True)
    assert health.json()["Error"] == "This cannot be done now: the database cannot be used."
    assert service.get("/healthcheck.txt").text == "HEALTH OK"


def test_a_service_whose_database_was_cut_off_works_again_by_itself(cut_off: CutOff) -> None:
    service = cut_off.service
    workers = service.workers
    cut_off.wire.cut()
    assert posted(cut_off) == 503
    cut_off.fake.push("team/web", "latest", image(layers=[1, 2]))
    cut_off.wire.mend()

    service.wait(lambda: posted(cut_off) == 200, "it takes webhooks", BACK_SECONDS)
    service.wait_for_badge(f"layers/{cut_off.name}", "layers: 2", BACK_SECONDS)
    service.wait(lambda: service.get("/healthz").json().get("Problems") == [], "nothing is wrong", BACK_SECONDS)
    assert (service.workers, service.lines("Traceback")) == (workers, [])


def test_many_requests_to_a_service_whose_database_is_cut_off_are_each_answered_soon(cut_off: CutOff) -> None:
    cut_off.wire.cut()
    with ThreadPoolExecutor(12) as pool:
        asked = [pool.submit(timed, lambda: requests.post(cut_off.webhook, timeout=90)) for _ in range(24)]
        answers = [each.result() for each in asked]
    assert {(answer.status_code, "Retry-After" in answer.headers) for answer, _ in answers} == {(503, True)}
    assert max(seconds for _, seconds in answers) < REQUEST_SECONDS + 10
