"""The lists of all images: when they are written, what they say, and what is made when it is missing."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from microbadger.freshness.catalogue import Catalogue
from microbadger.image.reference import Repository
from microbadger.registry.errors import Denied, NotFound, RateLimited, RegistryError, Unreachable
from microbadger.site.folder import PublicFolder
from microbadger.site.options import SiteOptions
from microbadger.site.paths import CATALOGUE, HOME
from microbadger.site.tree import PublishError
from microbadger.store.files import stamp_of
from tests.freshness.clock import DAY, MINUTE
from tests.freshness.world import BASE_URL, World

IMAGES = [Repository.parse(f"example/web{number:04}") for number in range(1100)]
ONE, TWO, *MANY = IMAGES


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    world.track(ONE, TWO)
    world.check(ONE)
    world.catalogue.publish_if_stale()
    world.cdn.paths.clear()
    yield world
    world.database.close()


def describe(world: World, repository: Repository, description: str) -> None:
    """Publish a check that finds another description."""
    world.registries.descriptions.of[repository] = description
    world.check(repository)


def fail(world: World, repository: Repository, error: RegistryError) -> None:
    """Let a check fail."""

    def raise_error(asked: Repository) -> None:
        if asked == repository:
            raise error

    world.registries.on_ask = raise_error
    world.check(repository)
    world.registries.on_ask = lambda _: None


def listed(world: World) -> dict[str, dict[str, Any]]:
    """Return the published list by name."""
    return {image["ImageName"]: image for image in json.loads(world.publisher.read(CATALOGUE) or b"")["Images"]}


def states(world: World) -> list[str]:
    return [image["State"] for image in listed(world).values()]


def home(world: World) -> str:
    return (world.publisher.read(HOME) or b"").decode()


def stamp(world: World) -> object:
    return [stamp_of(world.publisher.folder / path) for path in (CATALOGUE, HOME)]


# What the lists say


def test_every_image_is_listed_whether_it_was_read_or_not(world: World) -> None:
    assert [*listed(world)] == ["example/web0000", "example/web0001"]


def test_the_list_says_the_state_of_each_image(world: World) -> None:
    assert states(world) == ["current", "pending"]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (NotFound("no such image", host="docker.io"), "not_found"),
        (Denied("denied", host="docker.io"), "denied"),
        (RateLimited("too many requests", host="docker.io"), "rate_limited"),
        (Unreachable("no answer", host="docker.io"), "unreachable"),
    ],
)
def test_the_list_says_why_a_check_failed(world: World, error: RegistryError, reason: str) -> None:
    fail(world, TWO, error)
    world.catalogue.publish_if_stale()
    assert listed(world)["example/web0001"] == {"ImageName": "example/web0001", "State": "failing", "Reason": reason}


def test_the_home_page_says_the_state_of_each_image(world: World) -> None:
    fail(world, TWO, NotFound("no such image", host="docker.io"))
    world.track(MANY[0])
    world.catalogue.publish_if_stale()
    assert "not found in registry" in home(world)
    assert "not read yet" in home(world)


def test_the_list_says_when_a_check_is_overdue(world: World) -> None:
    world.clock.now += 2 * DAY
    world.catalogue.publish_if_stale()
    assert states(world) == ["overdue", "pending"]


# When they are written


def test_while_nothing_happens_nothing_is_written(world: World) -> None:
    before = stamp(world)
    world.seconds += 1000
    world.catalogue.publish_if_stale()
    assert stamp(world) == before


def test_a_check_that_finds_the_same_writes_nothing(world: World) -> None:
    before = stamp(world)
    world.clock.now += DAY
    world.check(ONE)
    world.catalogue.publish_if_stale()
    assert (stamp(world), world.cdn.paths) == (before, set())


def test_lists_that_say_the_same_are_not_written_again(world: World) -> None:
    before = stamp(world)
    world.catalogue.publish()
    assert (stamp(world), world.cdn.paths) == (before, set())


def test_a_change_is_listed_and_the_cdn_forgets_the_lists(world: World) -> None:
    describe(world, ONE, "mañana")
    world.cdn.paths.clear()
    world.catalogue.publish_if_stale()
    assert listed(world)["example/web0000"]["Description"] == "mañana"
    assert world.cdn.paths == {CATALOGUE, HOME}


def test_an_image_that_comes_is_listed(world: World) -> None:
    world.track(MANY[0])
    world.catalogue.publish_if_stale()
    assert states(world) == ["current", "pending", "pending"]


def test_an_image_that_goes_is_not_listed(world: World) -> None:
    world.freshness.untrack(ONE)
    world.catalogue.publish_if_stale()
    assert [*listed(world)] == ["example/web0001"]


def test_each_change_of_state_is_listed(world: World) -> None:
    seen = []
    for _ in range(2):
        world.check(TWO)
        world.catalogue.publish_if_stale()
        seen.append(states(world)[1])
        fail(world, TWO, Unreachable("no answer", host="docker.io"))
        world.catalogue.publish_if_stale()
        seen.append(states(world)[1])
    assert seen == ["current", "failing"] * 2


def test_another_reason_of_a_failure_is_listed(world: World) -> None:
    for error in (Unreachable("no answer", host="docker.io"), NotFound("no such image", host="docker.io")):
        fail(world, TWO, error)
        world.catalogue.publish_if_stale()
    assert listed(world)["example/web0001"]["Reason"] == "not_found"


def test_an_image_that_is_no_longer_overdue_is_listed_as_current(world: World) -> None:
    world.clock.now += 2 * DAY
    world.catalogue.publish_if_stale()
    world.check(ONE)
    world.catalogue.publish_if_stale()
    assert states(world) == ["current", "pending"]


def test_a_service_of_another_edition_writes_them_again(world: World, tmp_path: Path) -> None:
    (world.publisher.folder / HOME).write_text("as an older program made it")
    world.catalogue.publish_if_stale()
    assert home(world) == "as an older program made it"
    World(tmp_path, edition="that").catalogue.publish_if_stale()
    assert home(world) != "as an older program made it"


class CountedWrites:
    """Counts how often a file was replaced."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._inodes: list[int] = []
        self.look()

    def look(self) -> int:
        inode = (self._world.publisher.folder / CATALOGUE).stat().st_ino
        if self._inodes[-1:] != [inode]:
            self._inodes.append(inode)
        return len(self._inodes) - 1


def test_many_checks_share_one_writing(world: World) -> None:
    writes = CountedWrites(world)
    for number, repository in enumerate(MANY[:20]):
        world.track(repository)
        describe(world, repository, f"{number}")
    world.catalogue.publish_if_stale()
    world.catalogue.publish_if_stale()
    assert (writes.look(), len(listed(world))) == (1, 22)


def test_a_long_list_rests_after_it_was_written(world: World) -> None:
    world.track(*MANY)
    world.catalogue.publish_if_stale()
    describe(world, ONE, "first")
    world.catalogue.publish_if_stale()
    assert "Description" not in listed(world)["example/web0000"]

    world.seconds += 3
    world.catalogue.publish_if_stale()

    assert listed(world)["example/web0000"]["Description"] == "first"


def test_a_short_list_does_not_rest(world: World) -> None:
    for description in ("first", "second"):
        describe(world, ONE, description)
        world.catalogue.publish_if_stale()
        assert listed(world)["example/web0000"]["Description"] == description


def test_what_another_process_has_written_is_not_written_again(world: World, tmp_path: Path) -> None:
    describe(world, ONE, "mañana")
    world.catalogue.publish_if_stale()
    before = stamp(world)
    other = World(tmp_path)
    other.catalogue.publish_if_stale()
    assert (stamp(world), other.cdn.paths) == (before, set())


def test_a_failure_is_logged_and_tried_again_a_little_later(world: World, caplog: pytest.LogCaptureFixture) -> None:
    in_the_way = world.publisher.folder / CATALOGUE / "in the way"
    (world.publisher.folder / CATALOGUE).unlink()
    in_the_way.mkdir(parents=True)
    describe(world, ONE, "mañana")
    for _ in range(3):
        world.catalogue.publish_if_stale()
    (logged,) = [r.getMessage() for r in caplog.records if "lists_not_published" in r.getMessage()]
    assert f"cannot write {CATALOGUE}" in logged

    in_the_way.rmdir()
    in_the_way.parent.rmdir()
    world.catalogue.publish_if_stale()
    assert not (world.publisher.folder / CATALOGUE).exists()
    world.seconds += 60
    world.catalogue.publish_if_stale()

    assert listed(world)["example/web0000"]["Description"] == "mañana"


def test_a_failure_on_command_is_raised(world: World) -> None:
    (world.publisher.folder / CATALOGUE).unlink()
    (world.publisher.folder / CATALOGUE / "in the way").mkdir(parents=True)
    with pytest.raises(PublishError, match=CATALOGUE):
        world.catalogue.publish()


# What is made when it is missing


@pytest.mark.parametrize("path", [CATALOGUE, HOME, "openapi.json", "assets/page.js", "guide/nginx/index.html"])
def test_a_file_that_is_missing_is_made(world: World, path: str) -> None:
    before = world.publisher.read(path)
    (world.publisher.folder / path).unlink()
    assert world.catalogue.make(path) == world.publisher.read(path) == before != b""


@pytest.mark.parametrize("path", ["", "mañana", "v1/images", "assets/../index.html", "assets/none.css"])
def test_a_file_that_there_is_not_is_not_made(world: World, path: str) -> None:
    assert world.catalogue.make(path) is None


def test_a_file_that_is_missing_is_given_also_where_it_cannot_be_written(world: World, tmp_path: Path) -> None:
    before = home(world)
    (world.publisher.folder / HOME).unlink()
    (world.publisher.folder / HOME / "in the way").mkdir(parents=True)
    assert world.catalogue.make(HOME) == before.encode()


def test_every_common_file_is_written_with_the_lists(world: World) -> None:
    for file in [file for file in world.publisher.folder.rglob("*") if file.is_file()]:
        file.unlink()
    world.catalogue.publish()
    assert {HOME, CATALOGUE, "openapi.json", "assets/page.js"} <= {
        str(file.relative_to(world.publisher.folder)) for file in world.publisher.folder.rglob("*")
    }


def test_what_is_the_same_for_all_images_is_written_by_each_edition_once(world: World, tmp_path: Path) -> None:
    page = world.publisher.folder / "guide/index.html"
    page.write_text("as an older program made it")
    describe(world, ONE, "Another description")
    world.catalogue.publish_if_stale()
    assert page.read_text() == "as an older program made it"
    World(tmp_path, edition="that").catalogue.publish_if_stale()
    assert "<h1" in page.read_text()


def test_a_list_that_is_made_does_not_replace_one_that_is_being_written(world: World) -> None:
    """A reader gets it at once, for all lists of very many images take minutes."""
    before = world.publisher.read(CATALOGUE)
    (world.publisher.folder / CATALOGUE).unlink()
    with world.leases.hold("lists"):
        assert world.catalogue.make(CATALOGUE) == before
        assert world.publisher.read(CATALOGUE) is None
    assert world.catalogue.make(CATALOGUE) == before == world.publisher.read(CATALOGUE)


def test_no_process_publishes_the_lists_until_another_one_has_written_all_of_its_own(world: World) -> None:
    """An older home page would replace a newer one."""
    held: list[bool] = []

    class Watched(PublicFolder):
        def publish(self, *arguments: Any, **named: Any) -> list[str]:
            held.append(world.leases.is_held("lists"))
            return super().publish(*arguments, **named)

    folder = Watched(world.publisher.folder)
    Catalogue(world.database, world.leases, world.checks, folder, SiteOptions(BASE_URL), world.cdn).publish()

    assert held == [True]
    assert not world.leases.is_held("lists")


# Pages of the list and search, which need no file


@pytest.fixture
def unpublished(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    world.track(*MANY[:5])
    yield world
    assert not world.publisher.read(CATALOGUE)
    world.database.close()


@pytest.mark.parametrize(
    ("number", "size", "expected"), [(1, 2, [0, 1]), (2, 2, [2, 3]), (3, 2, [4]), (4, 2, []), (1, 9, [0, 1, 2, 3, 4])]
)
def test_the_list_has_pages_while_nothing_is_published(
    unpublished: World, number: int, size: int, expected: list[int]
) -> None:
    document = json.loads(unpublished.catalogue.page(number, size))
    assert [image["ImageName"] for image in document.get("Images", [])] == [MANY[n].familiar for n in expected]
    assert (document["CurrentPage"], document["ImageCount"]) == (number, 5)


def test_a_page_says_the_state_of_each_image(unpublished: World) -> None:
    unpublished.check(MANY[0])
    fail(unpublished, MANY[1], NotFound("no such image", host="docker.io"))
    images = json.loads(unpublished.catalogue.page(1, 3))["Images"]
    assert [(image["State"], image.get("Reason")) for image in images] == [
        ("current", None),
        ("failing", "not_found"),
        ("pending", None),
    ]


def test_images_are_found_while_nothing_is_published(unpublished: World) -> None:
    assert unpublished.catalogue.search("WEB0003", 10) == ["example/web0003"]


def test_an_image_is_found_by_its_description(unpublished: World) -> None:
    unpublished.registries.descriptions.of[MANY[4]] = "Prüft Bäume"
    unpublished.check(MANY[4])
    assert unpublished.catalogue.search("bäume", 10) == [MANY[4].familiar]


def test_no_more_images_are_found_than_are_wanted(unpublished: World) -> None:
    assert unpublished.catalogue.search("example", 2) == ["example/web0002", "example/web0003"]


def test_the_lists_of_no_image(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.catalogue.publish()
    assert json.loads(world.publisher.read(CATALOGUE) or b"") == {"CurrentPage": 1}
    assert world.catalogue.page(1, 50) == world.publisher.read(CATALOGUE)
    assert world.catalogue.search("web", 10) == []
    world.database.close()


def test_a_failing_image_that_was_read_keeps_what_is_known_of_it(world: World) -> None:
    describe(world, ONE, "mañana")
    world.clock.now += MINUTE
    fail(world, ONE, Unreachable("no answer", host="docker.io"))
    world.catalogue.publish_if_stale()
    image = listed(world)["example/web0000"]
    assert (image["Description"], image["State"], image["Reason"]) == ("mañana", "failing", "unreachable")
