"""A round: it follows the operator's list, publishes the lists, sends messages, and cleans up once a day."""

import os
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from werkzeug.wrappers import Response

from microbadger.freshness.tracked_images import TrackedImage
from microbadger.image.reference import Repository
from tests.fakes.registry import FakeRegistry, image
from tests.freshness.bench import Bench

HOUR_SECONDS = 3600


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with FakeRegistry() as fake:
        fake.push("team/web", "latest", image())
        fake.push("team/api", "latest", image())
        yield fake


@pytest.fixture
def bench(tmp_path: Path, fake: FakeRegistry) -> Bench:
    """A process whose images are those of the operator's list, each checked once."""
    bench = Bench(tmp_path, fake, named="")
    bench.list_images(f"{fake.host}/team/web\n{fake.host}/team/api\n")
    follow(bench)
    check_all(bench)
    return bench


def follow(bench: Bench) -> None:
    bench.freshness.upkeep.tasks["follow the tracked images"]()


def check_all(bench: Bench) -> None:
    for repository in bench.freshness.checks.due():
        bench.refresher.refresh_if_due(repository)


def paths(bench: Bench) -> set[str]:
    """Return the paths of the images that have a record and a page."""
    pages = {page.parent.name for page in bench.public.rglob("index.html") if ":" not in page.parent.name}
    assert {repository.path.rpartition("/")[2] for repository in bench.freshness.records.repositories()} == pages
    return pages


# Following the operator's list


def test_what_is_new_in_the_list_is_due_at_once(bench: Bench) -> None:
    bench.fake.push("team/new", "latest", image())
    bench.list_images(f"{bench.fake.host}/team/web\n{bench.fake.host}/team/api\n{bench.fake.host}/team/new\n")

    follow(bench)

    assert bench.freshness.checks.due() == [Repository(bench.fake.host, "team/new")]


def test_what_is_taken_out_of_the_list_is_removed_in_the_next_round(bench: Bench) -> None:
    bench.list_images(f"{bench.fake.host}/team/api\n", seconds_ago=60)

    follow(bench)

    assert paths(bench) == {"api"}
    assert bench.freshness.checks.repositories() == {Repository(bench.fake.host, "team/api")}


def test_nothing_is_removed_until_the_list_is_settled(bench: Bench) -> None:
    bench.list_images(f"{bench.fake.host}/team/api\n", seconds_ago=1)
    follow(bench)
    assert paths(bench) == {"web", "api"}

    then = time.time() - 60
    os.utime(bench.images_file, (then, then))
    follow(bench)

    assert paths(bench) == {"api"}


def test_nothing_is_removed_while_a_line_cannot_be_read(bench: Bench) -> None:
    bench.list_images(f"{bench.fake.host}/team/api\n{bench.fake.host}/team/w eb\n")
    follow(bench)
    assert paths(bench) == {"web", "api"}

    bench.list_images(f"{bench.fake.host}/team/api\n", seconds_ago=60)
    follow(bench)

    assert paths(bench) == {"api"}


def test_an_emptied_list_keeps_everything(bench: Bench) -> None:
    bench.list_images("")

    for process in (bench, bench.again(named="")):
        follow(process)

    assert paths(bench) == {"web", "api"}


def test_a_lost_list_keeps_everything(bench: Bench) -> None:
    bench.images_file.unlink()

    for process in (bench, bench.again(named="")):
        follow(process)

    assert paths(bench) == {"web", "api"}


def test_a_list_of_a_comment_alone_removes_everything(bench: Bench) -> None:
    bench.list_images("# no image\n")

    follow(bench)

    assert paths(bench) == set()


def test_an_image_whose_check_is_under_way_is_removed_in_a_later_round(bench: Bench) -> None:
    web = Repository(bench.fake.host, "team/web")
    with bench.leases.hold(f"image:{web}"):
        bench.list_images(f"{bench.fake.host}/team/api\n")
        follow(bench)
        assert paths(bench) == {"web", "api"}

    follow(bench)

    assert paths(bench) == {"api"}


def test_an_image_that_is_not_removed_yet_is_not_checked_again_and_again(bench: Bench) -> None:
    bench.list_images(f"{bench.fake.host}/team/api\n", seconds_ago=1)
    follow(bench)
    bench.time += timedelta(hours=25)
    bench.fake.requests.clear()

    check_all(bench)

    assert bench.freshness.checks.due() == []
    assert bench.fake.asked("GET", "team/web") == 0


def test_an_image_that_a_command_tracked_before_it_died_is_checked(bench: Bench) -> None:
    new = Repository(bench.fake.host, "team/new")
    bench.freshness.tracked.put(TrackedImage(new))  # and no more

    follow(bench)

    assert bench.freshness.checks.due() == [new]


def test_an_image_that_a_command_untracked_before_it_died_is_removed(bench: Bench) -> None:
    new = Repository(bench.fake.host, "team/new")
    bench.fake.push("team/new", "latest", image())
    bench.freshness.track(TrackedImage(new))
    check_all(bench)
    follow(bench)
    assert paths(bench) == {"web", "api", "new"}
    bench.freshness.tracked.untrack(new)  # and no more

    follow(bench)

    assert paths(bench) == {"web", "api"}


def test_another_edition_checks_every_image_at_once_but_those_that_fail(bench: Bench) -> None:
    bench.fake.always("team/api", lambda _: Response(status=503))
    bench.refresher.refresh(Repository(bench.fake.host, "team/api"))
    other = bench.again(named="", edition="second edition")

    follow(other)

    assert other.freshness.checks.due() == [Repository(bench.fake.host, "team/web")]


# The other tasks


def test_a_round_publishes_the_lists(bench: Bench) -> None:
    bench.freshness.upkeep.tasks["publish the lists"]()

    assert bench.files().keys() >= {"index.html", "v1/images.json"}


def test_a_round_sends_what_is_due(bench: Bench) -> None:
    bench.repository = Repository(bench.fake.host, "team/web")
    bench.subscribe()
    bench.fake.push("team/web", "latest", image(layers=[2]))
    bench.refresh()
    bench.notifications.wait()
    assert len(bench.postman.sent) == 1

    bench.time += timedelta(minutes=1)
    bench.freshness.upkeep.tasks["send messages"]()
    bench.notifications.wait()

    assert len(bench.postman.sent) == 2


def left_by_a_killed_process(folder: Path, hours_ago: float) -> Path:
    file = folder / f".new-{hours_ago}"
    file.write_bytes(b"half")
    then = time.time() - hours_ago * HOUR_SECONDS
    os.utime(file, (then, then))
    return file


def test_what_killed_processes_left_is_cleaned_up(bench: Bench) -> None:
    old, new = (left_by_a_killed_process(bench.public, hours) for hours in (2, 0.01))
    before = bench.files().keys() - {old.name}

    bench.freshness.upkeep.tasks["clean up"]()

    assert bench.files().keys() == before
    assert new.exists()


def test_it_is_cleaned_up_once_a_day(bench: Bench) -> None:
    bench.freshness.upkeep.tasks["clean up"]()
    file = left_by_a_killed_process(bench.public, 2)

    bench.again(named="").freshness.upkeep.tasks["clean up"]()

    assert file.exists()
