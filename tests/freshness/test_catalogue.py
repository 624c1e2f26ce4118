"""The lists over all images: when they are published, what is read for them, and what is taken away."""

import json
import os
from collections.abc import Iterable, Set
from datetime import UTC, datetime
from pathlib import Path

import pytest
from microbadger.freshness.look_log import LookLog

from microbadger.freshness.catalogue import Catalogue
from microbadger.freshness.tracked_images import TrackedImages
from microbadger.image.describe import describe_image
from microbadger.image.documents import ImageDocument, image_name
from microbadger.image.reference import Repository
from microbadger.site.paths import CATALOGUE, HOME, ImagePaths
from microbadger.site.publisher import Publisher

LONG_AGO = 1_000_000_000
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
ONE, TWO, *MANY = (Repository.parse(f"example/web{number}") for number in range(1100))


class CountedPublisher(Publisher):
    """A publisher that notes which images' documents were read."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.read_images: list[Repository] = []

    def read_image(self, repository: Repository) -> ImageDocument | None:
        self.read_images.append(repository)
        return super().read_image(repository)


class World:
    """A catalogue over some images, and a clock that a test moves."""

    def __init__(self, folder: Path) -> None:
        self.seconds = 0.0
        self.file = folder / "images.txt"
        self.looks = LookLog(folder / "looks")
        self.publisher = CountedPublisher(folder / "public")
        self.removed: list[Repository] = []
        self.changed: set[str] = set()
        self.busy: set[Repository] = set()
        self.catalogue = Catalogue(
            TrackedImages(self.file),
            self.publisher,
            self.looks,
            lock=folder / "lock",
            base_url="https://badges.test",
            remove_if_idle=self.remove_if_idle,
            changed=self.changed.update,
            clock=lambda: self.seconds,
        )

    def remove_if_idle(self, repository: Repository) -> bool:
        if repository not in self.busy:
            self.removed.append(repository)
        return repository not in self.busy

    def track(self, *repositories: Repository) -> None:
        self.file.with_suffix(".new").write_text("".join(f"{repository}\n" for repository in repositories))
        self.file.with_suffix(".new").replace(self.file)
        os.utime(self.file, (LONG_AGO, LONG_AGO))

    def look(self, repository: Repository, version: str = "1.0", checked: str = "2026-11-24T12:00:00Z") -> None:
        """Publish what a look by another process found, and tell."""
        self._look(repository, version, checked)
        self.looks.add(repository)

    def look_here(self, repository: Repository, version: str) -> None:
        """Publish what a look by this process found, and tell."""
        self.catalogue.note(repository, self._look(repository, version, "2026-11-24T12:00:00Z"))
        self.looks.add(repository)

    def _look(self, repository: Repository, version: str, checked: str) -> ImageDocument:
        document = describe_image(repository, [], updated_at=NOON)
        document["LatestVersion"], document["UpdatedAt"] = version, checked
        self.publisher.write(ImagePaths.of(repository).metadata, json.dumps(document).encode())
        return document

    def publish(self) -> list[Repository]:
        """Let a round pass, and return the images whose documents were read."""
        self.publisher.read_images.clear()
        self.changed.clear()
        self.catalogue.publish_if_stale()
        return self.publisher.read_images

    def versions(self) -> dict[str, str]:
        document = json.loads(self.publisher.read(CATALOGUE) or b"")
        return {image["ImageName"]: image.get("LatestVersion", "") for image in document.get("Images", [])}


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.track(ONE, TWO)
    world.look(ONE)
    world.publish()
    return world


def names(repositories: Iterable[Repository]) -> Set[str]:
    return {image_name(repository) for repository in repositories}


def test_it_lists_every_tracked_image_whether_it_was_read_or_not(world: World) -> None:
    assert world.versions() == {"example/web0": "1.0", "example/web1": ""}


def test_where_nothing_was_looked_at_nothing_is_written(world: World) -> None:
    before = (world.publisher.folder / CATALOGUE).stat()

    assert world.publish() == []

    assert (world.publisher.folder / CATALOGUE).stat() == before


def test_only_images_that_were_looked_at_are_read(world: World) -> None:
    world.look(TWO, "2.0")

    assert world.publish() == [TWO]

    assert world.versions() == {"example/web0": "1.0", "example/web1": "2.0"}


def test_what_this_process_published_of_an_image_is_not_read_again(world: World) -> None:
    world.look_here(TWO, "2.0")

    assert world.publish() == []

    assert world.versions() == {"example/web0": "1.0", "example/web1": "2.0"}


def test_what_another_process_published_since_is_read(world: World) -> None:
    world.look_here(TWO, "2.0")
    world.look(TWO, "2.1")

    assert world.publish() == [TWO]

    assert world.versions()["example/web1"] == "2.1"


def test_a_process_that_never_writes_the_lists_remembers_few_images(world: World) -> None:
    many = [Repository.parse(f"example/many{number}") for number in range(2100)]
    world.track(ONE, TWO, *many)
    for repository in many:
        world.look_here(repository, "1.0")

    assert world.publish() == many[2000:]


def test_a_list_that_grew_long_is_not_rewritten_all_the_time(world: World) -> None:
    world.track(ONE, TWO, *MANY)
    world.publish()
    world.look(TWO, "3.0")
    assert world.publish() == []

    world.seconds += 3

    assert world.publish() == [TWO]
    assert world.versions()["example/web1"] == "3.0"


def test_an_image_that_comes_or_goes_is_listed_at_once(world: World) -> None:
    world.track(ONE, *MANY)
    world.publish()

    world.track(TWO, *MANY)
    world.publish()

    assert next(iter(world.versions())) == "example/web1"
    assert world.removed == [TWO, ONE]


def test_an_image_that_is_looked_at_stays_listed_until_it_can_be_removed(world: World) -> None:
    world.busy.add(ONE)
    world.track(TWO)
    world.publish()
    assert names([ONE]) <= world.versions().keys()

    world.busy.clear()
    world.publish()

    assert [*world.versions()] == ["example/web1"]


@pytest.mark.parametrize("damage", [b"", b"garbage", b'{}\n{"ImageName":"exam', b'{}\n{"ImageName":"example/web0","De'])
@pytest.mark.parametrize("is_edited", [False, True])
def test_a_list_that_was_damaged_is_written_anew(world: World, damage: bytes, is_edited: bool) -> None:
    (world.publisher.folder / CATALOGUE).write_bytes(damage)
    if is_edited:
        world.track(ONE, TWO, MANY[0])
        world.track(ONE, TWO)

    world.publish()

    assert world.versions() == {"example/web0": "1.0", "example/web1": ""}


def test_a_list_that_another_process_wrote_is_not_carried_over(world: World) -> None:
    others = b'{"Images":[\n{"ImageName":"example/web0","LatestVersion":"9"}\n]}\n'
    (world.publisher.folder / CATALOGUE).write_bytes(others)
    world.look(TWO)

    world.publish()

    assert world.versions()["example/web0"] == "1.0"


def test_a_change_is_told_to_the_cdn(world: World) -> None:
    world.look(TWO, "2.0")
    world.publish()
    assert world.changed == {CATALOGUE, HOME}


def test_that_an_image_was_checked_again_is_not_told_to_the_cdn(world: World) -> None:
    world.look(ONE, checked="2026-11-25T12:00:00Z")
    world.publish()
    assert world.changed == set()


def test_an_emptied_folder_is_filled_again(world: World) -> None:
    for file in [*world.publisher.folder.rglob("*")]:
        if file.is_file():
            file.unlink()

    world.publish()

    assert {HOME, CATALOGUE, "openapi.json", "assets/page.js"} <= set(world.publisher.find(["*", "v1/*", "assets/*"]))


def test_what_cannot_be_published_is_published_later(world: World) -> None:
    (world.publisher.folder / CATALOGUE).unlink()
    (world.publisher.folder / CATALOGUE / "in the way").mkdir(parents=True)
    world.look(TWO, "2.0")
    world.publish()

    (world.publisher.folder / CATALOGUE / "in the way").rmdir()
    (world.publisher.folder / CATALOGUE).rmdir()
    world.seconds += 60
    world.publish()

    assert world.versions()["example/web1"] == "2.0"


def test_publishing_on_command_reads_every_image_that_others_looked_at(world: World) -> None:
    world.publisher.read_images.clear()
    world.catalogue.publish()
    assert world.publisher.read_images == [ONE, TWO]
