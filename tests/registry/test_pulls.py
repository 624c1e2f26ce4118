"""How many pulls are left, to whom, and for how long."""

import pytest

from microbadger.registry.pulls import PullLimits
from tests.fakes.counts import FakeCounts

NOW = 1_800_000_000.0


class Bench:
    def __init__(self) -> None:
        self.now = NOW
        self.counts = FakeCounts()
        self.pulls = PullLimits(self.counts, lambda: self.now)

    def read(self, user: str | None, left: int, *, host: str = "a.test", window_seconds: int = 60) -> None:
        headers = {
            "ratelimit-limit": f"100;w={window_seconds}", "ratelimit-remaining": f"{left};w={window_seconds}"
        }  # fmt: skip
        self.pulls.read(host, user, headers)

    @property
    def shown(self) -> list[float]:
        return [value for _, value, *_ in self.counts.last_set]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_each_user_of_each_registry_has_pulls_of_its_own(bench: Bench) -> None:
    for number, (host, user) in enumerate([("a.test", None), ("a.test", "x"), ("a.test", "y"), ("b.test", "x")]):
        bench.read(user, number, host=host)
    assert [bench.pulls.left("a.test", user) for user in (None, "x", "y", "z")] == [0, 1, 2, None]
    assert [bench.pulls.left("b.test", user) for user in (None, "x")] == [None, 3]


@pytest.mark.parametrize(("left", "are_low"), [(0, True), (10, True), (11, False), (100, False)])
def test_a_tenth_is_low(bench: Bench, left: int, are_low: bool) -> None:
    bench.read("x", left)
    assert bench.pulls.are_low("a.test", "x") is are_low
    assert not bench.pulls.are_low("a.test", None)


def test_what_was_left_is_forgotten_when_its_window_is_over(bench: Bench) -> None:
    bench.read(None, 0)
    bench.now += 61
    assert bench.pulls.left("a.test", None) is None
    assert not bench.pulls.are_low("a.test", None)


def test_the_gauge_shows_the_pulls_of_the_account(bench: Bench) -> None:
    bench.read(None, 7)
    assert bench.shown == [7]
    bench.read("x", 90)
    bench.read(None, 6)
    assert bench.shown == [7, 90]


def test_the_gauge_shows_anonymous_pulls_once_the_window_of_the_account_is_over(bench: Bench) -> None:
    bench.read("x", 90)
    bench.now += 61
    bench.read(None, 6)
    assert bench.shown == [90, 6]
