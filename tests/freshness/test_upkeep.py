"""What the leading process does in each round: it follows the tracked images, and cleans up once a day."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from microbadger.freshness.stored_images import TrackedImage
from microbadger.freshness.tracked_images import NotTracked
from microbadger.image.reference import Repository
from microbadger.site.paths import ImagePaths
from microbadger.store.database import StoreError
from microbadger.store.meta import write_value
from tests.freshness.clock import DAY
from tests.freshness.world import World

ONE, TWO, THREE = (Repository.parse(f"example/web{number}") for number in range(3))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.database.close()


def follow(world: World, content: str) -> None:
    world.write_images_file(content)
    world.upkeep.follow_tracked()


def is_published(world: World, repository: Repository) -> bool:
    return world.publisher.has(ImagePaths.of(repository).metadata)


def test_an_image_that_the_file_names_is_due(world: World) -> None:
    follow(world, "example/web0\n")
    assert [*world.checks.due()] == [ONE]


def test_an_image_that_the_settings_name_is_due(tmp_path: Path) -> None:
    world = World(tmp_path, named="example/web0 example/web1")
    world.upkeep.follow_tracked()
    assert [*world.checks.due()] == [ONE, TWO]
    world.database.close()


def test_an_image_that_was_tracked_before_a_crash_is_due(world: World) -> None:
    follow(world, "example/web0\n")
    world.tracked.track(TrackedImage(TWO))  # and then the process died
    world.upkeep.follow_tracked()
    assert [*world.checks.due()] == [ONE, TWO]


def test_an_image_that_was_untracked_before_a_crash_is_removed(world: World) -> None:
    follow(world, "example/web0\n")
    world.track(TWO)
    world.check(TWO)
    world.upkeep.follow_tracked()
    assert is_published(world, TWO)
    world.tracked.untrack(TWO)  # and then the process died
    world.upkeep.follow_tracked()
    assert ({*world.checks.repositories()}, is_published(world, TWO)) == ({ONE}, False)


def test_an_image_that_was_taken_out_of_the_file_is_removed(world: World) -> None:
    follow(world, "example/web0\nexample/web1\n")
    world.check(ONE, TWO)
    world.cdn.paths.clear()
    follow(world, "example/web1\n")
    assert ({*world.checks.repositories()}, world.records.image(ONE)) == ({TWO}, None)
    assert (is_published(world, ONE), is_published(world, TWO)) == (False, True)
    assert ImagePaths.of(ONE).metadata in world.cdn.paths


def test_an_image_that_is_checked_again_keeps_its_record(world: World) -> None:
    follow(world, "example/web0\n")
    world.check(ONE)
    before = world.checks.get(ONE)
    follow(world, "example/web0 # why\nexample/web1\n")
    assert (world.checks.get(ONE), [*world.checks.due()]) == (before, [TWO])


def test_an_image_under_way_is_removed_when_its_check_has_ended(world: World) -> None:
    follow(world, "example/web0\nexample/web1\n")
    with world.leases.hold(f"image:{ONE}"):
        follow(world, "example/web1\n")
        assert {*world.checks.repositories()} == {ONE, TWO}
    world.upkeep.follow_tracked()
    assert {*world.checks.repositories()} == {TWO}


@pytest.mark.parametrize(
    "line",
    [
        "example/wéb0",
        "Example/Web0",
        "example/web0:",
        "example/web0 privat",
        "example /web0",
        "https://hub.docker.com/r/example/web0",
        "example/web0@sha256:1",
        "exmple/web0!",
        "web0 private yes",
    ],
)
def test_an_image_is_not_removed_while_a_line_that_cannot_be_read_may_have_named_it(world: World, line: str) -> None:
    follow(world, "example/web0\nexample/web1\n")
    follow(world, f"example/web1\n{line}\n")
    assert {*world.checks.repositories()} == {ONE, TWO}
    follow(world, "example/web1\n")
    assert {*world.checks.repositories()} == {TWO}


def test_nothing_is_removed_while_the_file_may_be_half_written(world: World) -> None:
    follow(world, "example/web0\nexample/web1\n")
    world.write_images_file("example/web1\n", written_at=round(time.time()))
    world.upkeep.follow_tracked()
    assert {*world.checks.repositories()} == {ONE, TWO}


def test_nothing_is_removed_because_the_file_was_emptied(world: World, tmp_path: Path) -> None:
    follow(world, "example/web0\nexample/web1:1.0\n")
    follow(world, "")
    other = World(tmp_path)
    other.upkeep.follow_tracked()
    assert {*other.checks.repositories()} == {ONE, TWO}


def test_nothing_is_removed_because_the_file_is_gone(world: World, tmp_path: Path) -> None:
    follow(world, "example/web0\nexample/web1\n")
    world.images_file.unlink()
    for process in (world, World(tmp_path)):
        process.upkeep.follow_tracked()
    assert {*world.checks.repositories()} == {ONE, TWO}


@pytest.mark.parametrize("content", [None, "", "example/web1\n"], ids=["no file", "emptied", "file"])
def test_an_image_that_no_file_ever_named_is_removed_although_the_file_is_lost(
    world: World, tmp_path: Path, content: str | None
) -> None:
    follow(world, "example/web1\n")
    world.track(ONE)
    world.check(ONE)
    world.tracked.untrack(ONE)  # and then the process died
    if content is None:
        world.images_file.unlink()
    else:
        world.write_images_file(content, written_at=900_000_000)
    after_start = World(tmp_path)
    after_start.upkeep.follow_tracked()
    assert ({*after_start.checks.repositories()}, is_published(world, ONE)) == ({TWO}, False)
    after_start.database.close()


def test_an_image_is_removed_where_there_never_was_a_file(world: World) -> None:
    world.track(ONE, TWO)
    world.check(ONE, TWO)
    world.tracked.untrack(ONE)  # and then the process died
    world.upkeep.follow_tracked()
    assert ({*world.checks.repositories()}, is_published(world, ONE)) == ({TWO}, False)


def test_files_are_removed_although_the_store_cannot_be_written(world: World) -> None:
    follow(world, "example/web0\nexample/web1\n")
    world.check(ONE, TWO)
    world.write_images_file("# none\n")
    world.leases.error = StoreError("the disk is full")
    with pytest.raises(StoreError):
        world.upkeep.follow_tracked()
    assert not is_published(world, ONE)
    assert not is_published(world, TWO)
    world.leases.error = None
    world.upkeep.follow_tracked()
    assert {*world.checks.repositories()} == set()


def test_a_file_of_a_comment_alone_has_everything_removed(world: World) -> None:
    follow(world, "example/web0\nexample/web1\n")
    follow(world, "# no image\n")
    assert {*world.checks.repositories()} == set()


def test_an_image_that_is_not_removed_yet_is_not_checked_again_and_again(world: World) -> None:
    follow(world, "example/web0\nexample/web1\n")
    follow(world, "example/web1\nexample/web0:\n")
    for repository in [*world.checks.due()]:
        world.refresher.refresh_if_due(repository)
    assert ([*world.checks.due()], world.registries.asked) == ([], [TWO])


def test_new_images_are_checked_while_nothing_can_be_removed(world: World) -> None:
    follow(world, "example/web0\n")
    follow(world, "example/web1\nexample/web0:\n")
    world.track(THREE)
    world.upkeep.follow_tracked()
    assert {*world.checks.due()} == {ONE, TWO, THREE}


def test_an_image_that_is_tracked_again_before_it_could_be_removed_stays(world: World) -> None:
    follow(world, "example/web0\nexample/web1\n")
    world.check(ONE)
    follow(world, "example/web1\nexample/web0:\n")
    world.track(ONE)
    follow(world, "example/web1\n")
    assert ({*world.checks.repositories()}, is_published(world, ONE)) == ({ONE, TWO}, True)


def test_what_a_service_of_another_edition_published_is_checked_at_once(world: World, tmp_path: Path) -> None:
    follow(world, "example/web0\n")
    world.check(ONE)
    assert [*world.checks.due()] == []
    World(tmp_path, edition="that").upkeep.follow_tracked()
    assert [*world.checks.due()] == [ONE]


def test_an_image_of_the_file_cannot_be_untracked_and_stays(world: World) -> None:
    follow(world, "example/web0\n")
    with pytest.raises(NotTracked):
        world.freshness.untrack(ONE)
    assert {*world.checks.repositories()} == {ONE}


def test_it_is_time_to_clean_up_once_a_day(world: World, tmp_path: Path) -> None:
    assert [process.upkeep.cleaning.begins() for process in (world, world, World(tmp_path))] == [True, False, False]


@pytest.mark.parametrize("days", [-2, 2])
def test_it_is_time_to_clean_up_a_day_later_or_when_the_clock_was_set_back(world: World, days: int) -> None:
    world.upkeep.cleaning.begins()
    with world.database.write() as connection:
        write_value(connection, "cleaned_at", str(time.time() + days * DAY.total_seconds()))
    assert world.upkeep.cleaning.begins()


def test_cleaning_up_removes_what_a_killed_process_left(world: World) -> None:
    left = world.publisher.folder / "badges" / ".new-abc"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half a file")
    os.utime(left, (1, 1))
    world.upkeep.cleaning.clean()
    assert not left.exists()


def test_cleaning_up_leaves_alone_what_is_being_written(world: World) -> None:
    written = world.publisher.folder / ".new-abc"
    written.parent.mkdir(parents=True)
    written.write_bytes(b"half a file")
    world.upkeep.cleaning.clean()
    assert written.exists()


def test_a_round_publishes_the_lists(world: World) -> None:
    world.upkeep.tasks["publish the lists"]()
    assert world.publisher.has("v1/images.json")


@pytest.mark.parametrize("value", ["", "x", "NaN", "[]", "[" * 100_000], ids=range(5))
def test_it_cleans_up_where_it_is_not_known_when_it_last_did(world: World, value: str) -> None:
    with world.database.write() as connection:
        write_value(connection, "cleaned_at", value)
    assert world.upkeep.cleaning.begins()
    assert not world.upkeep.cleaning.begins()
