"""How all images stand: what is due, what fails, and that it is noticed without reading everything again."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from microbadger.freshness.checks import Checks
from microbadger.freshness.look_log import LookLog
from microbadger.freshness.overview import Overview
from microbadger.freshness.tracked_images import TrackedImages
from microbadger.image.reference import Repository
from microbadger.site.paths import ImagePaths
from microbadger.site.publisher import Publisher

DAY = timedelta(days=1)
IMAGES = [Repository.parse(f"example/web{number}") for number in range(200)]
ONE, TWO, *OTHERS = IMAGES


class CountedChecks(Checks):
    """Checks that count how many were read."""

    read = 0

    def get(self, repository: Repository) -> object:  # type: ignore[override]
        self.read += 1
        return super().get(repository)


class World:
    """Some images with their checks, and the clocks on the wall and within."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.time = datetime(2026, 11, 24, 12, tzinfo=UTC)
        self.seconds = 1000.0
        self.looks = LookLog(folder / "looks")
        self.tracked = TrackedImages(folder / "images.txt")
        self.publisher = Publisher(folder / "public")
        self.checks = self.own_checks()
        self.overview = self.own_overview()

    def own_checks(self) -> CountedChecks:
        return CountedChecks(self.folder, interval=DAY, edition="this", now=lambda: self.time)

    def own_overview(self) -> Overview:
        """Return what another process would have."""
        return Overview(
            self.tracked,
            self.checks,
            self.publisher,
            self.looks,
            now=lambda: self.time,
            clock=lambda: self.seconds,
        )

    def track(self, repositories: Iterable[Repository]) -> None:
        lines = "".join(f"{repository.familiar}\n" for repository in repositories)
        (self.folder / "images.txt").write_text(lines)

    def look(self, *repositories: Repository, error: str | None = None) -> None:
        """Look at images in another process, with success unless there is an error."""
        for repository in repositories:
            if error:
                self.own_checks().failed(repository, error)
            else:
                self.publisher.write(ImagePaths.of(repository).metadata, b"{}")
                self.own_checks().succeeded(repository, [])
            self.looks.add(repository)

    def pass_time(self, time: timedelta) -> None:
        self.time += time
        self.seconds += time.total_seconds()

    def count_read(self, ask: Callable[[], object]) -> int:
        self.checks.read = 0
        ask()
        return self.checks.read


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_images_that_were_never_looked_at_are_due_in_the_order_they_are_listed(world: World) -> None:
    world.track([TWO, ONE])
    assert world.overview.due() == [TWO, ONE]


def test_an_image_is_due_until_it_was_looked_at_whoever_does(world: World) -> None:
    world.track([ONE, TWO])
    assert world.overview.due() == world.overview.due() == [ONE, TWO]

    world.look(ONE)

    assert world.overview.due() == [TWO]


def test_what_waits_longest_is_due_first(world: World) -> None:
    world.track([ONE, TWO])
    world.look(TWO)
    world.pass_time(DAY / 2)
    world.look(ONE)
    assert world.overview.due() == []

    world.pass_time(DAY)

    assert world.overview.due() == [TWO, ONE]


def test_it_agrees_with_what_stands_on_disk(world: World) -> None:
    world.track([ONE, TWO])
    world.look(ONE)

    assert [world.overview.is_due(repository) for repository in (ONE, TWO)] == [False, True]


def test_only_the_checks_of_images_that_were_looked_at_and_a_few_in_turn_are_read_again(world: World) -> None:
    world.track(IMAGES)
    world.look(*IMAGES)
    assert world.count_read(world.overview.due) == len(IMAGES)

    world.look(ONE, TWO)

    assert world.count_read(world.overview.due) <= 52


def test_what_nobody_told_is_seen_when_its_turn_comes(world: World) -> None:
    world.track(IMAGES)
    world.look(*IMAGES)
    world.overview.due()

    for repository in IMAGES:
        (world.publisher.folder / ImagePaths.of(repository).metadata).unlink()
    for _ in range(4):
        world.overview.due()

    assert set(world.overview.due()) == set(IMAGES)


@pytest.mark.parametrize("jump", [timedelta(days=-400), timedelta(days=400)])
def test_a_clock_that_was_set_is_noticed_at_once(world: World, jump: timedelta) -> None:
    world.track(IMAGES)
    world.look(*IMAGES)
    world.overview.due()

    world.time += jump

    assert set(world.overview.due()) == set(IMAGES)


def test_what_was_due_only_by_a_clock_that_was_wrong_is_not_due(world: World) -> None:
    world.track([ONE])
    world.look(ONE)
    world.time += 2 * DAY
    assert world.overview.due() == [ONE]

    world.time -= 2 * DAY

    assert world.overview.due() == []


def test_a_check_that_cannot_be_read_for_a_while_hides_no_other(world: World) -> None:
    world.track([ONE, TWO])
    world.look(TWO)
    file = world.folder / "images" / ONE.familiar / "-" / "checks.jsonl"
    file.parent.mkdir(parents=True)
    file.symlink_to(file)
    assert world.overview.due() == [ONE]
    assert world.overview.summary().image_count == 2

    file.unlink()
    world.look(ONE)

    assert world.overview.due() == []


def test_a_check_that_could_not_be_read_is_read_at_the_next_question(world: World) -> None:
    world.track(IMAGES)
    world.look(*IMAGES)
    file = world.folder / "images" / ONE.familiar / "-" / "checks.jsonl"
    whole = file.rename(file.with_name("elsewhere"))
    file.symlink_to(file)
    world.overview.due()

    whole.replace(file)

    assert world.overview.due() == []


def test_images_come_and_go_with_the_list(world: World) -> None:
    world.track([ONE, TWO])
    world.look(ONE, error="mañana")
    world.overview.due()

    world.track([TWO, OTHERS[0]])

    assert world.overview.due() == [TWO, OTHERS[0]]
    assert (world.overview.summary().image_count, world.overview.summary().failing_count) == (2, 0)


def test_an_image_that_was_taken_out_after_a_look_is_no_news(world: World) -> None:
    world.track([ONE])
    world.overview.due()
    world.look(TWO)

    assert world.overview.due() == [ONE]


def test_the_summary_counts_each_state(world: World) -> None:
    world.track([ONE, TWO, OTHERS[0]])
    world.look(ONE)
    world.look(TWO, error="mañana")

    summary = world.overview.summary()

    counts = summary.image_count, summary.pending_count, summary.due_count, summary.failing_count
    assert counts == (3, 2, 1, 1)
    assert [(repository, check.error) for repository, check in summary.failing] == [(TWO, "mañana")]


def test_the_summary_tells_the_oldest_successful_check(world: World) -> None:
    world.track([ONE, TWO])
    assert world.overview.summary().oldest_check is None
    world.look(ONE)
    first = world.time
    world.pass_time(DAY / 2)
    world.look(TWO)
    assert world.overview.summary().oldest_check == first

    world.look(ONE)

    assert world.overview.summary().oldest_check == world.time


def test_a_failure_that_is_over_fails_no_longer(world: World) -> None:
    world.track([ONE])
    world.look(ONE, error="mañana")
    assert world.overview.summary().failing_count == 1

    world.look(ONE)

    assert world.overview.summary().failing_count == 0


def test_of_many_that_fail_the_first_hundred_are_named(world: World) -> None:
    world.track(IMAGES)
    world.look(*IMAGES, error="no answer")

    summary = world.overview.summary()

    assert (summary.failing_count, len(summary.failing)) == (200, 100)


def test_an_image_looked_at_all_the_time_needs_no_more_memory(world: World) -> None:
    world.track([ONE])
    for _ in range(100):
        world.pass_time(timedelta(seconds=1))
        world.look(ONE)
        world.overview.due()

    assert len(world.overview._coming) <= 3
