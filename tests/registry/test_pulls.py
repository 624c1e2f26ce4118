"""What registries say of the pulls that are left counts until its time is over, whatever a clock did."""

from pathlib import Path

import pytest

from microbadger.registry.pulls import PullLimits
from microbadger.store.counts import Counts
from microbadger.store.database import Database

HUB = "registry-1.docker.io"
HOUR = 3600.0
NOW = 1_800_000_000.0


class World:
    """The limits that one process knows, and a clock that a test moves."""

    def __init__(self, folder: Path) -> None:
        self.now = NOW
        self.limits = PullLimits(Counts(Database(f"sqlite:///{folder / 'microbadger.db'}")), lambda: self.now)

    def hear(self, remaining: str, limit: str = "100;w=21600", user: str | None = None) -> None:
        self.limits.read(HUB, user, {"ratelimit-remaining": remaining, "ratelimit-limit": limit})


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.mark.parametrize(
    ("remaining", "hours_later", "left"),
    [
        ("76;w=21600", 0, 76),
        ("76;w=21600", 5.9, 76),
        ("76;w=21600", 6, None),
        ("76", 5.9, 76),
        ("76", 6, None),
        ("0;w=3600", 0.9, 0),
        ("76;w=86400", 0, 76),
        ("76;w=2592000", 23.9, 76),
        ("76;w=2592000", 24, None),
        ("76;w=21600", -17.9, 76),
        ("76;w=21600", -18.1, None),
        ("76;w=21600", -10 * 365 * 24, None),
        ("many", 0, None),
        ("", 0, None),
        ("7" * 10, 0, None),
    ],
)
def test_the_pulls_that_are_left_are_known_until_their_window_is_over(
    world: World, remaining: str, hours_later: float, left: int | None
) -> None:
    world.hear(remaining)

    world.now += hours_later * HOUR

    assert world.limits.left(HUB, None) == left


@pytest.mark.parametrize(
    ("remaining", "limit", "are_low"),
    [("10", "100", True), ("11", "100", False), ("0", "", True), ("1", "", False), ("19;w=60", "200;w=60", True)],
)
def test_pulls_are_low_where_a_tenth_is_left(world: World, remaining: str, limit: str, are_low: bool) -> None:
    world.hear(remaining, limit)

    assert world.limits.are_above(HUB, None, 0.1) is not are_low


def test_the_pulls_of_an_account_are_its_own(world: World) -> None:
    world.hear("5", user="robot")
    world.hear("90")

    assert (world.limits.left(HUB, "robot"), world.limits.left(HUB, None), world.limits.left(HUB, "x")) == (5, 90, None)
