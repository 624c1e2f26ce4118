"""What is broken in a registry is not asked for at every check, and not given up either."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from microbadger.freshness.broken_content import Broken, BrokenContent
from microbadger.image.reference import Repository
from microbadger.store.database import Database
from tests.databases import database_url
from tests.freshness.clock import DAY, HOUR, SECOND, Clock

ALPINE, NGINX = Repository.parse("alpine"), Repository.parse("nginx")
DIGEST = "sha256:" + "a" * 64


class World:
    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self.database = Database(database_url(folder))
        self.broken = BrokenContent(self.database, now=self.clock)

    def fail(self, digest: str = DIGEST, error: str = "it is gone") -> Broken:
        self.broken.write(ALPINE, self.broken.of(ALPINE), {digest: error}, ())
        return self.broken.of(ALPINE)[digest]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.database.close()


def test_what_is_broken_is_remembered_with_the_reason(world: World) -> None:
    assert world.fail(error="mañana").error == "mañana"


def test_it_is_broken_for_one_image(world: World) -> None:
    world.fail()
    assert world.broken.of(NGINX) == {}


def test_it_is_tried_again_ever_later_and_at_least_every_three_days(world: World) -> None:
    for pause in (HOUR, 8 * HOUR, 64 * HOUR, 3 * DAY, 3 * DAY):
        broken = world.fail()
        world.clock.now += pause - SECOND
        assert not world.broken.is_worth_a_try(broken)
        world.clock.now += SECOND
        assert world.broken.is_worth_a_try(broken)


def test_it_is_tried_again_if_the_clock_was_set_back(world: World) -> None:
    broken = world.fail()
    world.clock.now -= 40 * DAY
    assert world.broken.is_worth_a_try(broken)


def test_what_is_mended_is_forgotten(world: World) -> None:
    world.fail()
    world.broken.write(ALPINE, world.broken.of(ALPINE), {}, [DIGEST])
    assert world.broken.of(ALPINE) == {}


def test_no_image_has_more_of_it_than_can_be_kept(world: World) -> None:
    for count in (2500, 2500, 2500, 60_000):
        failed = {f"sha256:{count}-{number}": "gone" for number in range(count)}
        world.broken.write(ALPINE, world.broken.of(ALPINE), failed, ())
        assert len(world.broken.of(ALPINE)) <= 5000
