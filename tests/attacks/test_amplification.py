"""A webhook that anybody may know costs its registry little, however often it is posted."""

import itertools
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event
from urllib.parse import urlsplit

import pytest
import requests
from sqlalchemy import Connection

from microbadger.freshness import pace
from microbadger.freshness.requests import Requests
from microbadger.image.reference import Reference, Repository
from microbadger.store.database import Database
from microbadger.store.meta import write_value
from tests.fakes.registry import FakeRegistry, image
from tests.freshness.clock import NOON
from tests.running_service import WAIT_SECONDS, RunningService

SECONDS = 5.0
POSTERS = 4
PAUSE_SECONDS = 0.03  # dozens of posts in a second hold up no more than hundreds do, and leave time to other tests
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
        began = time.monotonic()
        until = began + SECONDS

        def post_on(_: int) -> int:
            count = 0
            while time.monotonic() < until:
                assert requests.post(webhook + query, timeout=WAIT_SECONDS).status_code in (200, 202)
                count += 1
                time.sleep(PAUSE_SECONDS)
            return count

        with ThreadPoolExecutor(POSTERS) as posters:
            posts = sum(posters.map(post_on, range(POSTERS)))
        checks, took = fake.asked("HEAD", "/manifests/latest"), time.monotonic() - began
        fake.push("team/web", "latest", image(labels={"version": "2"}))
        answer = requests.post(f"{webhook}?wait=50", timeout=WAIT_SECONDS)

        assert answer.json()["Result"] == "fresh"
        assert service.get(f"/v1/images/{name}").json()["Labels"]["version"] == "2"
    assert 1 <= checks <= 1 + took / 2 + 1, posts


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


@pytest.mark.parametrize(("seconds", "is_at_once"), [(1, False), (9, False), (11, True), (31, True)])
def test_who_is_in_no_hurry_needs_no_budget(database: Database, seconds: int, is_at_once: bool) -> None:
    now = NOON + timedelta(seconds=seconds)
    with database.write() as connection:
        pace.note_check(connection, ALPINE, NOON)
        assert (pace.earliest(connection, ALPINE, now) is None) is is_at_once


@pytest.mark.parametrize(("cost", "seconds"), [(0, 0), (10, 0), (20, 2), (100, 18), (10_000, 120)])
def test_a_check_of_many_requests_keeps_the_next_away_that_is_asked_for_on_and_on(
    database: Database, cost: int, seconds: int
) -> None:
    with database.write() as connection:
        pace.charge(connection, ALPINE, cost, NOON)
        assert pace.reserve(connection, ALPINE, NOON, NOON) == NOON + timedelta(seconds=seconds)
        elsewhere = Repository.parse("elsewhere.test/team/app")
        assert pace.reserve(connection, elsewhere, NOON, NOON) == NOON


def charge_much(connection: Connection, repository: Repository, now: datetime) -> None:
    pace.charge(connection, repository, 1000, now)


@pytest.mark.parametrize("spend", [pace.take_view, charge_much])
def test_a_budget_that_was_spent_before_the_clock_was_set_back_is_there(
    database: Database, spend: Callable[..., object]
) -> None:
    with database.write() as connection:
        for _ in range(20):
            spend(connection, ALPINE, NOON)
        before = NOON - timedelta(days=1)
        assert pace.take_view(connection, ALPINE, before)
        assert pace.reserve(connection, ALPINE, before, before) == before


@pytest.mark.parametrize("value", ["", "1", "[]", "2026-11-25", "2026-11-25T12:00:00", "9999-12-31T23:59:59+00:00"])
def test_what_is_kept_and_is_no_budget_holds_nothing_up(database: Database, value: str) -> None:
    with database.write() as connection:
        for key in ("views", "repeats"):
            write_value(connection, f"{key} {ALPINE.registry}", value)
        pace.charge(connection, ALPINE, 20, NOON)
        assert pace.take_view(connection, ALPINE, NOON)
        assert pace.reserve(connection, ALPINE, NOON, NOON) == NOON + timedelta(seconds=2)


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
        webhook, is_over = service.webhook(quiet), Event()
        fake.requests.clear()

        def post_on(url: str) -> None:
            while not is_over.is_set():
                assert requests.post(url, timeout=WAIT_SECONDS).ok
                time.sleep(PAUSE_SECONDS)

        with ThreadPoolExecutor(len(names)) as posters:
            looping = posters.map(post_on, webhooks)
            try:
                each = [f"/team/app{number}/manifests/" for number in range(len(names))]
                service.wait(lambda: all(fake.asked("HEAD", path) for path in each), "every image of theirs is checked")
                fake.push("team/web", "latest", image(labels={"version": "2"}))
                answer = requests.post(f"{webhook}?wait=50", timeout=WAIT_SECONDS)
            finally:
                is_over.set()
            list(looping)

    assert answer.json()["Result"] == "fresh"


IMAGES = 6
Attack = Callable[[RunningService, list[str], int], object]


def post_to(index: Callable[[int], int], query: str, timeout: float = WAIT_SECONDS) -> Attack:
    """Return what posts to the webhook of one of some images."""

    def attack(service: RunningService, names: list[str], number: int) -> object:
        return requests.post(service.webhook(names[index(number)]) + query.format(number), timeout=timeout)

    return attack


def post_for_all(service: RunningService, names: list[str], number: int) -> object:
    hook = service.environment["HOOK"]
    path = names[number % IMAGES].partition("/")[2]
    payload = {"repository": {"repo_name": path}, "push_data": {"tag": f"t{number}"}}
    return requests.post(hook, json=payload, timeout=WAIT_SECONDS)


def view_an_unknown_tag(service: RunningService, names: list[str], number: int) -> object:
    return service.get(f"/badges/size/{names[number % IMAGES]}:v{number}.svg")


FORTY = "&".join(f"tag=x{{0}}-{number}" for number in range(40))
ATTACKS: dict[str, tuple[Attack, int]] = {
    "another tag in each post": (post_to(lambda _: 0, "?tag={0}"), 130),
    "forty tags in each post": (post_to(lambda _: 0, f"?{FORTY}"), 250),
    "the webhooks of all images, unknown tags": (post_to(lambda number: number % IMAGES, "?tag={0}"), 250),
    "the webhook for all images, unknown tags": (post_for_all, 250),
    "badges of unknown tags": (view_an_unknown_tag, 60),
    "webhooks that wait": (post_to(lambda number: number % IMAGES, "?wait=120", timeout=9), 150),
}


@pytest.mark.parametrize(("attack", "most"), ATTACKS.values(), ids=ATTACKS)
def test_strangers_cost_a_registry_little_and_hold_up_no_push_of_another_image(
    fake: FakeRegistry, tmp_path: Path, attack: Attack, most: int
) -> None:
    names = [f"{fake.host}/team/app{number}" for number in range(IMAGES)]
    for name in names:
        fake.push(name.partition("/")[2], "latest", image())
    quiet = f"{fake.host}/team/web"
    with RunningService(tmp_path, [*names, quiet], "--workers", "2") as service:
        webhook = service.webhook(quiet)
        for name in names:
            service.wait_for_image(name)
        path = urlsplit(service.command("webhook").stdout.strip()).path
        service.environment["HOOK"] = service.url + path
        fake.requests.clear()
        numbers, until = itertools.count(), time.monotonic() + SECONDS

        def go_on(_: int) -> None:
            while time.monotonic() < until:
                with suppress(requests.Timeout):
                    attack(service, names, next(numbers))
                time.sleep(PAUSE_SECONDS)

        with ThreadPoolExecutor(IMAGES) as attackers:
            attacking = attackers.map(go_on, range(IMAGES))
            time.sleep(SECONDS / 2)
            fake.push("team/web", "latest", image(labels={"version": "2"}))
            answer = requests.post(f"{webhook}?wait=20", timeout=WAIT_SECONDS)
            list(attacking)
        asked = [request for request in fake.requests if "/team/app" in request.path]

    assert answer.json().get("Result") == "fresh"
    assert len(asked) <= most
