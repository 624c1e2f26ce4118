"""Several services over one PostgreSQL share the work, and lose nothing, whichever of them dies or stalls."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from werkzeug.wrappers import Request

from tests.fakes.registry import FakeRegistry, image
from tests.many.services import running
from tests.postgresql import PostgresqlServer
from tests.running_service import PATIENT, WAIT_SECONDS, RunningService


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with FakeRegistry() as fake:
        yield fake


def push_many(fake: FakeRegistry, count: int) -> list[str]:
    """Fill the registry with images of one layer and return their names."""
    for number in range(count):
        fake.push(f"team/image{number}", "latest", image(layers=[number + 1]))
    return [f"{fake.host}/team/image{number}" for number in range(count)]


def push_again(fake: FakeRegistry, number: int, layers: int) -> None:
    fake.push(f"team/image{number}", "latest", image(layers=[number + 1] * layers))


def lists_asked(fake: FakeRegistry, names: list[str]) -> list[int]:
    """Return how often the tags of each image were asked for."""
    return [fake.asked("GET", f"{name.partition('/')[2]}/tags/list") for name in names]


def wait_for_all(service: RunningService, names: list[str]) -> None:
    for name in names:
        service.wait_for_image(name)


def slow_down(fake: FakeRegistry, seconds: float) -> None:
    def wait(_: Request) -> None:
        time.sleep(seconds)

    fake.always("/tags/", wait)


def test_two_services_check_each_due_image_once_and_both_do(
    tmp_path: Path, postgresql_server: PostgresqlServer, fake: FakeRegistry
) -> None:
    names = push_many(fake, 24)
    gate = threading.Event()

    def wait(_: Request) -> None:
        gate.wait(WAIT_SECONDS)

    fake.always("/tags/", wait)
    with running(tmp_path, postgresql_server, names) as services:
        services[0].wait(lambda: sum(lists_asked(fake, names)) == 6, "three checks of each", WAIT_SECONDS)
        gate.set()
        wait_for_all(services[1], names)
        assert lists_asked(fake, names) == [1] * len(names)
        checked = [len(service.lines("event=refreshed")) for service in services]
    assert (sum(checked), min(checked) >= len(names) / 5) == (len(names), True)


def test_what_a_service_was_asked_for_that_is_killed_is_checked_by_another_one(
    tmp_path: Path, postgresql_server: PostgresqlServer, fake: FakeRegistry
) -> None:
    (name,) = push_many(fake, 1)
    with running(tmp_path, postgresql_server, [name]) as (doomed, other):
        doomed.wait_for_image(name)
        slow_down(fake, 0.5)
        for layers in (2, 3, 4):
            push_again(fake, 0, layers)
            assert doomed.push(name).text == "OK"
            doomed.kill()
            other.wait_for_badge(f"layers/{name}", f"layers: {layers}")
            doomed.start()


def test_a_webhook_is_answered_by_one_service_while_the_other_stands_still(
    tmp_path: Path, postgresql_server: PostgresqlServer, fake: FakeRegistry
) -> None:
    (name,) = push_many(fake, 1)
    with running(tmp_path, postgresql_server, [name], *PATIENT) as (stalled, other):
        stalled.wait_for_image(name)
        with stalled.standing_still():
            push_again(fake, 0, 2)
            assert other.push(name, wait_seconds=WAIT_SECONDS).json()["Result"] == "fresh"
            other.wait(lambda: bool(other.lines("event=leading", "task=follow")), "it has all duties", WAIT_SECONDS)
        push_again(fake, 0, 3)
        assert stalled.push(name, wait_seconds=WAIT_SECONDS).json()["Result"] == "fresh"
        assert other.badge(f"layers/{name}") == "layers: 3"


def test_a_check_of_a_service_that_stands_still_is_taken_over_within_half_a_minute(
    tmp_path: Path, postgresql_server: PostgresqlServer, fake: FakeRegistry
) -> None:
    (name,) = push_many(fake, 1)
    gate, has_begun = threading.Event(), threading.Event()

    def wait(_: Request) -> None:
        if not has_begun.is_set():
            has_begun.set()
            gate.wait(WAIT_SECONDS)

    with running(tmp_path, postgresql_server, [name], *PATIENT) as services:
        services[0].wait_for_image(name)
        push_again(fake, 0, 2)
        fake.always("/tags/", wait)
        assert services[0].push(name).text == "OK"
        assert has_begun.wait(WAIT_SECONDS)
        stalled, other = sorted(services, key=lambda service: not holds_lease(service, name))
        with stalled.standing_still():
            other.wait_for_badge(f"layers/{name}", "layers: 2", 45.0)
        gate.set()
        stalled.wait(lambda: bool(stalled.lines("event=lease_lost")), "it is told", WAIT_SECONDS)
        assert other.badge(f"layers/{name}") == "layers: 2"


def holds_lease(service: RunningService, name: str) -> bool:
    """Return whether a worker of a service checks an image now."""
    with psycopg.connect(service.environment["DATABASE_URL"]) as connection:
        (row,) = connection.execute("SELECT holder FROM leases WHERE name = %s", [f"image:{name}"]).fetchall()
    return any(f" {pid}/" in row[0] for pid in service.workers)


def test_no_webhook_is_lost_when_all_services_are_killed_and_started_again(
    tmp_path: Path, postgresql_server: PostgresqlServer, fake: FakeRegistry
) -> None:
    names = push_many(fake, 6)
    with running(tmp_path, postgresql_server, names) as services:
        wait_for_all(services[0], names)
        slow_down(fake, 0.5)
        for number, name in enumerate(names):
            push_again(fake, number, 2)
            assert services[number % 2].push(name).text == "OK"
        for service in services:
            service.kill()
        for service in services:
            service.start()
        for name in names:
            services[0].wait_for_badge(f"layers/{name}", "layers: 2", WAIT_SECONDS)
