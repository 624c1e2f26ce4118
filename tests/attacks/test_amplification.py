"""A webhook that anybody may know costs its registry little, however often it is posted."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
import requests

from microbadger.freshness import pace
from microbadger.freshness.requests import Requests
from microbadger.image.reference import Reference, Repository
from microbadger.store.database import Database
from microbadger.store.meta import write_value
from tests.fakes.registry import FakeRegistry, image
from tests.freshness.clock import NOON
from tests.running_service import RunningService

SECONDS = 7.0
POSTERS = 4
ALPINE = Repository.parse("alpine")


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(f"sqlite:///{tmp_path / 'microbadger.db'}")


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with FakeRegistry() as fake:
        fake.push("team/web", "latest", image(labels={"version": "1"}))
        yield fake


@pytest.mark.parametrize("query", ["", "?tag=latest", "?wait=5"])
def test_a_loop_of_posts_leads_to_a_check_every_two_seconds_and_the_last_push_is_seen(
    fake: FakeRegistry, tmp_path: Path, query: str
) -> None:
    name = f"{fake.host}/team/web"
    with RunningService(tmp_path, [name], "--workers", "2") as service:
        webhook = service.webhook(name)
        fake.requests.clear()
        until = time.monotonic() + SECONDS

        def post_on(_: int) -> int:
            count = 0
            while time.monotonic() < until:
                assert requests.post(webhook + query, timeout=20).status_code in (200, 202)
                count += 1
            return count

        with ThreadPoolExecutor(POSTERS) as posters:
            posts = sum(posters.map(post_on, range(POSTERS)))
        checks = fake.asked("HEAD", "/manifests/latest")
        fake.push("team/web", "latest", image(labels={"version": "2"}))
        answer = requests.post(f"{webhook}?wait=20", timeout=30)

        assert answer.json()["Result"] == "fresh"
        assert service.get(f"/v1/images/{name}").json()["Labels"]["version"] == "2"
    assert 1 <= checks <= 1 + SECONDS / 2 + 1, posts


def test_those_who_go_on_are_answered_more_slowly_until_they_stop(database: Database) -> None:
    now, pauses = NOON, []
    with database.write() as connection:
        for _ in range(16):
            pace.note_check(connection, ALPINE, now)
            begins_at = pace.earliest(connection, ALPINE, now)
            assert begins_at
            pauses.append((begins_at - now).total_seconds())
            now = begins_at
        after_a_while = pace.earliest(connection, ALPINE, now + timedelta(seconds=31))
        pace.note_check(connection, ALPINE, now + timedelta(seconds=31))
        again = pace.earliest(connection, ALPINE, now + timedelta(seconds=31))

    assert (pauses[:8], pauses[-1]) == ([2.0] * 8, 20.0)
    assert pauses == sorted(pauses)
    assert after_a_while is None
    assert again == now + timedelta(seconds=33)


@pytest.mark.parametrize("value", ["", "1", "[]", "[1]", '["x", "y"]', "[1, 2]", "null", '{"a": 1}', "[1e999, 1]"])
def test_what_is_kept_and_is_no_pace_holds_nothing_up(database: Database, value: str) -> None:
    with database.write() as connection:
        write_value(connection, f"pace {ALPINE}", value)

        assert pace.earliest(connection, ALPINE, NOON) is None


def test_a_clock_set_back_holds_nothing_up(database: Database) -> None:
    with database.write() as connection:
        pace.note_check(connection, ALPINE, NOON)

        assert pace.earliest(connection, ALPINE, NOON - timedelta(days=1)) is None


def test_who_loops_over_many_images_of_a_registry_shares_one_budget_and_others_are_checked_at_once(
    database: Database,
) -> None:
    clock = [NOON]
    requests_kept = Requests(database, now=lambda: clock[0])
    images = [Repository.parse(f"registry.test/team/app{number}") for number in range(20)]
    begun = 0
    for _ in range(60):
        requests_kept.add_paced(*(Reference(each, None, None) for each in images))
        with database.write() as connection:
            for each in images:
                waiting = requests_kept.waiting(connection, each)
                if waiting:
                    requests_kept.begin(connection, each, waiting)
                    requests_kept.end(connection, each, waiting)
                    begun += 1
        clock[0] += timedelta(seconds=1)

    assert len(images) + 25 <= begun <= len(images) + 31  # each once, and one every two seconds
    for left_alone in ("registry.test/team/other", "elsewhere.test/team/app"):
        repository = Repository.parse(left_alone)
        assert requests_kept.add_paced(Reference(repository, None, None)) == {repository: None}


def test_while_others_loop_over_a_registry_a_push_to_it_is_seen(fake: FakeRegistry, tmp_path: Path) -> None:
    names = [f"{fake.host}/team/app{number}" for number in range(6)]
    for name in names:
        for tag in ("1", "2", "3"):
            fake.push(name.partition("/")[2], tag, image())
    quiet = f"{fake.host}/team/web"
    with RunningService(tmp_path, [*names, quiet], "--workers", "2") as service:
        webhooks = [service.webhook(name) for name in names]
        webhook, until = service.webhook(quiet), time.monotonic() + SECONDS

        def post_on(url: str) -> None:
            while time.monotonic() < until:
                assert requests.post(url, timeout=20).ok

        with ThreadPoolExecutor(len(names)) as posters:
            looping = posters.map(post_on, webhooks)
            time.sleep(SECONDS / 3)  # by then every image of theirs was checked once
            fake.push("team/web", "latest", image(labels={"version": "2"}))
            began = time.monotonic()
            answer = requests.post(f"{webhook}?wait=20", timeout=30)
            took = time.monotonic() - began
            list(looping)

    assert answer.json()["Result"] == "fresh"
    assert took < SECONDS
