"""Claims: of several processes each has images of its own, no registry is asked too much, and nothing is lost."""

import re
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, event, text

from microbadger.freshness.checks import Checks
from microbadger.freshness.claims import CLAIM_SECONDS, Claim, Claims
from microbadger.freshness.last_check import Check, columns_of
from microbadger.freshness.stored_images import TrackedImage, store
from microbadger.image.reference import Repository
from microbadger.store.database import Database
from microbadger.store.leases import this_process
from microbadger.store.tables import CHECKS, CLAIMS, HOSTS
from microbadger.store.upserts import upsert
from tests.freshness.clock import DAY, Clock
from tests.store.world import Place, database_at

REGISTRY = "one.test"
NOW = 1_800_000_000.0


class World:
    """A database with images that are due, and the claims of a process whose clock a test moves."""

    def __init__(self, place: Place) -> None:
        self.database = database_at(place)
        self.now = NOW
        self.claims = Claims(self.database, clock=lambda: self.now)
        self.clock = Clock()
        self.checks = Checks(self.database, interval=DAY, edition="this", now=self.clock)

    def add(self, count: int, registry: str = REGISTRY) -> list[Repository]:
        images = [Repository.parse(f"{registry}/team/image{number:03}") for number in range(count)]
        self.checks.add(images)
        return images

    def add_on_request(self, count: int) -> list[Repository]:
        """Have images be due that only readers asked for, for longer than others."""
        images = [Repository.parse(f"{REGISTRY}/strange/image{number:03}") for number in range(count)]
        self.checks.add(images)
        with self.database.write() as connection:
            for image in images:
                store(connection, TrackedImage(image), requested_at=NOW)
        return images

    def take(self, at_most: int = 3) -> list[Repository]:
        return self.claims.take_due(REGISTRY, at_most, self.clock().timestamp())

    def be_another(self, holder: str = "another-machine 1/1") -> None:
        """Have the claims that there are be those of a process of another machine."""
        with self.database.write() as connection:
            connection.execute(CLAIMS.update().values(holder=holder))


@pytest.fixture
def world(place: Place) -> Iterator[World]:
    world = World(place)
    yield world
    world.database.close()


def test_an_image_is_claimed_once(world: World) -> None:
    images = world.add(5)
    assert (set(world.take()) | set(world.take()), world.take()) == (set(images), [])


def test_many_who_claim_at_once_have_different_images(world: World) -> None:
    images = [image for number in range(9) for image in world.add(12, f"r{number}.test")]

    def work(_: int) -> list[Repository]:
        return [
            image
            for _attempt in range(12)
            for number in range(9)
            for image in world.claims.take_due(f"r{number}.test", 2, world.clock().timestamp())
        ]

    with ThreadPoolExecutor(4) as pool:
        taken = [image for mine in pool.map(work, range(4)) for image in mine]
    assert Counter(taken) == Counter(images)


def test_no_more_than_twelve_images_of_a_registry_are_claimed(world: World) -> None:
    world.add(20)
    world.add(20, "two.test")
    assert len(world.take(at_most=50)) == 12
    assert world.take() == []
    assert len(world.claims.take_due("two.test", 50, world.clock().timestamp())) == 12


def test_what_was_asked_for_has_room_of_its_own(world: World) -> None:
    images = world.add(30)
    world.take(at_most=50)
    assert world.claims.take_asked(REGISTRY, images) == images[:12]
    assert world.claims.asked_for() == set(images[:12])
    assert world.claims.take_asked(REGISTRY, images[12:]) == []


def test_of_images_that_only_readers_asked_for_two_are_claimed_after_all_others(world: World) -> None:
    requested, others = world.add_on_request(5), world.add(3)
    assert world.take(at_most=50)[:3] == others
    assert len(set(world.take(at_most=50)) & set(requested)) == 0
    world.claims.end([Claim(image, is_asked=False) for image in others])
    assert set(world.take(at_most=50)) == set(others)


def test_however_many_of_them_hang_others_are_claimed(world: World) -> None:
    requested = world.add_on_request(30)
    assert [len(world.take(at_most=50)) for _ in range(3)] == [2, 0, 0]
    assert len(world.claims.take_asked(REGISTRY, requested)) == 2
    assert world.claims.take_asked(REGISTRY, requested[5:]) == []
    others = world.add(3)
    assert world.take(at_most=50) == others
    assert world.claims.take_asked(REGISTRY, [*others, *requested]) == others


def test_what_another_process_has_claimed_is_free_when_that_falls_silent(world: World) -> None:
    images = world.add(1)
    world.take()
    world.claims.take_asked(REGISTRY, images)
    world.be_another()
    world.claims.renew()
    world.now += CLAIM_SECONDS - 1
    assert (world.take(), world.claims.take_asked(REGISTRY, images)) == ([], [])
    world.now += 1
    assert (world.take(), world.claims.take_asked(REGISTRY, images)) == (images, images)


def test_what_a_dead_process_of_this_machine_has_claimed_is_free_at_once(world: World) -> None:
    images = world.add(1)
    world.take()
    world.be_another(dead_holder())
    world.claims.renew()
    assert world.take() == images


def test_claims_that_are_renewed_last(world: World) -> None:
    world.add(1)
    world.take()
    for _ in range(5):
        world.now += CLAIM_SECONDS - 1
        world.claims.renew()
        assert world.take() == []


@pytest.mark.parametrize("days", [1, 365])
def test_claims_from_before_a_clock_was_set_back_do_not_count(world: World, days: int) -> None:
    images = world.add(1)
    world.take()
    world.now -= days * 86400
    assert world.take() == images


@pytest.mark.parametrize(
    "end", [lambda world, claim: world.claims.end([claim]), lambda world, _: world.claims.end_all()]
)
def test_an_image_whose_claim_has_ended_can_be_claimed(world: World, end: Callable[[World, Claim], None]) -> None:
    images = world.add(1)
    world.take()
    end(world, Claim(images[0], is_asked=False))
    assert world.take() == images


def test_a_claim_of_another_process_is_not_ended(world: World) -> None:
    images = world.add(1)
    world.take()
    world.be_another()
    world.claims.end([Claim(images[0], is_asked=False)])
    world.claims.end_all()
    assert world.take() == []


def test_of_a_registry_that_wants_a_pause_only_what_was_asked_for_is_claimed(world: World) -> None:
    images = world.add(2)
    with world.database.write() as connection:
        upsert(connection, HOSTS, {"host": REGISTRY, "paused_until": NOW + 60})
    assert (world.take(), world.claims.take_asked(REGISTRY, images)) == ([], images)
    world.now += 60
    assert world.take() == images


def test_those_that_have_waited_longest_come_first(world: World) -> None:
    one, two, three = world.add(3)
    for seconds, image in enumerate([three, one, two]):
        with world.database.write() as connection:
            connection.execute(CHECKS.update().where(CHECKS.c.image == str(image)).values(due_at=1.0 + seconds))
    assert [world.take(1), world.take(1), world.take(1)] == [[three], [one], [two]]


def test_the_registries_of_which_something_is_due_are_found(world: World) -> None:
    world.add(3)
    world.add(3, "two.test")
    (later,) = world.add(1, "three.test")
    with world.database.write() as connection:
        connection.execute(CHECKS.update().where(CHECKS.c.image == str(later)).values(due_at=NOW * 2))
    assert world.checks.registries_due() == ["one.test", "two.test"]


def test_nothing_that_is_asked_every_second_reads_or_sorts_all_images(world: World) -> None:
    fill(world.database, 20_000)
    with explained(world.database) as plans:
        assert len(world.take()) == 3
        assert world.checks.registries_due() == [REGISTRY]
    plan = "\n".join(plans)
    assert plan.count("checks_by_registry") >= 2
    assert not re.search(r"Seq Scan on checks|SCAN checks(?! USING)|\bSort\b|TEMP B-TREE", plan), plan


def fill(database: Database, count: int) -> None:
    """Have many images that all are due."""
    row = {**columns_of(Check()), "registry": REGISTRY, "due_at": 1.0}
    names = [f"{REGISTRY}/team/image{number}" for number in range(count)]
    with database.write() as connection:
        upsert(connection, CHECKS, [{**row, "image": name, "name": name} for name in names])
        connection.execute(text("ANALYZE checks" if connection.dialect.name == "postgresql" else "ANALYZE"))


@contextmanager
def explained(database: Database) -> Iterator[list[str]]:
    """Give how the database does each statement about checks within the block, once that is over."""
    statements: list[tuple[str, Any]] = []
    plans: list[str] = []

    def keep(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if "FROM checks" in statement:
            statements.append((statement, parameters))

    event.listen(Engine, "before_cursor_execute", keep)
    try:
        yield plans
    finally:
        event.remove(Engine, "before_cursor_execute", keep)
    with database.read() as connection:
        explain = "EXPLAIN" if connection.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
        for statement, parameters in statements:
            plans += [str(row) for row in connection.exec_driver_sql(f"{explain} {statement}", parameters)]


def dead_holder() -> str:
    """Return the name of a process of this machine that has ended."""
    process = subprocess.Popen(["true"])
    process.wait()
    return f"{this_process().partition(' ')[0]} {process.pid}/1"


def test_a_row_of_a_name_that_is_no_image_keeps_no_image_from_being_claimed(world: World) -> None:
    images = world.add(2)
    with world.database.write() as connection:
        times = {"holder": this_process(), "until": NOW + CLAIM_SECONDS}
        row = {"image": "x!", "is_asked": True, "registry": REGISTRY, **times}
        upsert(connection, CLAIMS, row)

    assert world.claims.asked_for() == set()
    assert set(world.take()) == set(images)
