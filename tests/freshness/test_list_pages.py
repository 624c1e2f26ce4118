"""The pages of the list as they are written: few, with little memory, and by one process however long that takes."""

import gc
import json
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from microbadger.freshness.catalogue import Catalogue
from microbadger.freshness.checks import mark_lists_stale
from microbadger.image.documents import image_name
from microbadger.image.reference import Repository
from microbadger.site.bucket import PublicBucket
from microbadger.site.folder import PublicFolder
from microbadger.site.list_pages import MOST_ON_A_PAGE
from microbadger.site.options import SiteOptions
from microbadger.site.paths import CATALOGUE
from microbadger.site.tree import PublicTree, PublishError
from microbadger.store.leases import Leases
from microbadger.store.tables import CHECKS, RECORDS
from tests.fakes.object_store import FakeObjectStore
from tests.freshness.world import BASE_URL, World

COUNT = 25_000
IMAGES = [Repository.parse(f"example/web{number:05}") for number in range(COUNT)]
LEASE_SECONDS = 100.0


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.database.close()


def read_all(world: World, images: list[Repository], description: str = "An image") -> None:
    """Have images in the database as after their first check."""
    with world.database.write() as connection:
        check = {"due_at": 9e9, "began_at": 1.0, "ended_at": 2.0, "succeeded_at": 2.0, "failures": 0, "edition": "this"}
        lists = {"pushed_tags": "[]", "viewed_tags": "{}"}
        names = [{"image": str(image), "name": image_name(image), "registry": image.registry} for image in images]
        connection.execute(CHECKS.insert(), [{**name, **check, **lists} for name in names])
        record = {"pull_count": 0, "updated_at": "", "is_public": True, "document": b"{}", "description": ""}
        records = [{"image": name["image"], "entry": entry(name["name"], description), **record} for name in names]
        connection.execute(RECORDS.insert(), records)
        mark_lists_stale(connection)


def entry(name: str, description: str) -> str:
    return json.dumps({"ImageName": name, "Description": description, "LatestVersion": "1.2.3"})


def describe(world: World, image: Repository, description: str) -> None:
    """Change what the list says of an image."""
    with world.database.write() as connection:
        is_it = RECORDS.c.image == str(image)
        connection.execute(RECORDS.update().where(is_it).values(entry=entry(image_name(image), description)))
        mark_lists_stale(connection)


def catalogue_of(
    world: World, publisher: PublicTree, leases: Leases | None = None, most: int = MOST_ON_A_PAGE
) -> Catalogue:
    options = SiteOptions(BASE_URL)
    leases = leases or world.leases
    return Catalogue(world.database, leases, world.checks, publisher, options, world.cdn, most_on_a_page=most)


def test_an_image_that_changes_rewrites_one_page_in_a_bucket_that_nothing_lists(world: World) -> None:
    read_all(world, IMAGES)
    put: list[str] = []
    with FakeObjectStore(before_put=put.append) as store:
        catalogue = catalogue_of(world, PublicBucket(store.address))
        catalogue.publish()
        pages = [key for key in put if "v1/images" in key]
        assert (len(pages), pages[-1]) == (len(set(pages)), f"public/{CATALOGUE}")
        assert len(pages) >= COUNT / MOST_ON_A_PAGE
        put.clear()

        describe(world, IMAGES[-1], "changed")
        catalogue.publish()
        assert put == [f"public/v1/images/-/page-{len(pages)}.json"]
        put.clear()
        with world.database.write() as connection:
            world.checks.forget(connection, IMAGES[-2])
        catalogue.publish()
        assert [key for key in put if "v1/images" in key] == [
            f"public/v1/images/-/page-{len(pages)}.json",
            f"public/{CATALOGUE}",
        ], "the first page says how many images there are"
    assert store.counts["LIST"] == 0


def test_a_list_takes_the_memory_of_a_few_pages(world: World, tmp_path: Path) -> None:
    read_all(world, IMAGES[:8000], "An image that has much to say about itself. " * 40)
    public = PublicFolder(tmp_path / "pages")
    catalogue = catalogue_of(world, public, most=200)
    gc.collect()
    tracemalloc.start()
    try:
        catalogue.publish()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    sizes = [(public.folder / path).stat().st_size for path in public.paths() if path.startswith("v1/images")]
    assert (len(sizes) > 20, sum(sizes) > 10_000_000) == (True, True)
    assert peak < sum(sizes) / 2


class SlowFolder(PublicFolder):
    """A public tree in which something happens before each page is written."""

    before: Callable[[str], object] = staticmethod(lambda _path: None)

    def write(self, path: str, content: bytes) -> bool:
        if path.startswith("v1/images"):
            self.before(path)
        return super().write(path, content)


@pytest.fixture
def slow(world: World, tmp_path: Path) -> SlowFolder:
    read_all(world, IMAGES[:500])
    return SlowFolder(tmp_path / "public")


def test_the_lease_is_kept_while_pages_are_written_for_longer_than_it_lasts(
    world: World, slow: SlowFolder
) -> None:
    seconds, written, taken = [1000.0], list[str](), list[object]()
    others = Leases(world.database, seconds=LEASE_SECONDS, clock=lambda: seconds[0])

    def write_slowly(path: str) -> None:
        seconds[0] += 0.6 * LEASE_SECONDS
        written.append(path)
        taken.append(others.try_take("lists"))

    slow.before = write_slowly
    catalogue_of(world, slow, Leases(world.database, seconds=LEASE_SECONDS, clock=lambda: seconds[0]), 50).publish()
    assert len(written) > 5
    assert taken == [None] * len(written)


def test_pages_are_left_to_the_process_that_has_taken_the_lease(world: World, slow: SlowFolder) -> None:
    seconds, written = [1000.0], list[str]()
    others = Leases(world.database, seconds=LEASE_SECONDS, clock=lambda: seconds[0])
    catalogue = catalogue_of(world, slow, Leases(world.database, seconds=LEASE_SECONDS, clock=lambda: seconds[0]), 50)

    def stall(path: str) -> None:
        written.append(path)
        if len(written) == 2:
            seconds[0] += 2 * LEASE_SECONDS
            assert others.try_take("lists")

    slow.before = stall
    with pytest.raises(PublishError, match="written by another process"):
        catalogue.publish()
    assert len(written) == 2
    seconds[0] += 2 * LEASE_SECONDS
    catalogue.publish_if_stale()
    assert slow.has(CATALOGUE), "what was not written is still to be written"
