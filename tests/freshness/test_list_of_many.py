"""The list of very many images, which is in several files."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from microbadger.freshness.catalogue import Catalogue
from microbadger.image.reference import Repository
from microbadger.site.options import SiteOptions
from microbadger.site.paths import CATALOGUE, addresses
from tests.freshness.world import BASE_URL, World

IMAGES = [Repository.parse(f"example/web{number:04}") for number in range(200)]
MOST = 20


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    world.track(*IMAGES)
    yield world
    world.database.close()


@pytest.fixture
def catalogue(world: World) -> Catalogue:
    options = SiteOptions(BASE_URL)
    catalogue = Catalogue(
        world.database, world.leases, world.checks, world.publisher, options, world.cdn, most_on_a_page=MOST
    )
    catalogue.publish()
    return catalogue


def read(world: World, path: str) -> Any:
    content = world.publisher.read(path)
    return json.loads(content) if content else None


def pages(world: World) -> dict[str, bytes]:
    """Return the content of each page by its path, as a client finds them."""
    path, found = CATALOGUE, dict[str, bytes]()
    while path:
        found[path] = world.publisher.read(path) or b""
        path = read(world, path).get("Next", "").removeprefix(f"{BASE_URL}/")
    return found


def test_a_client_finds_every_image_from_page_to_page(world: World, catalogue: Catalogue) -> None:
    found = pages(world)
    first = read(world, CATALOGUE)
    assert (first["CurrentPage"], first["PageCount"], first["ImageCount"]) == (1, len(found), len(IMAGES))
    assert [*found][1] == "v1/images/-/page-2.json"
    listed = [image["ImageName"] for content in found.values() for image in json.loads(content)["Images"]]
    assert listed == [repository.familiar for repository in IMAGES]


def test_an_image_that_changes_rewrites_its_page_alone(world: World, catalogue: Catalogue) -> None:
    before = pages(world)
    world.cdn.paths.clear()
    world.check(IMAGES[150])
    catalogue.publish()
    changed = {path for path, content in pages(world).items() if content != before[path]}
    assert len(changed) == 1
    assert world.cdn.paths & {*before} == changed


def test_an_image_that_comes_rewrites_its_page_and_the_count(world: World, catalogue: Catalogue) -> None:
    before = pages(world)
    world.track(Repository.parse("example/web0150-new"))
    catalogue.publish()
    assert len({path for path, content in pages(world).items() if content != before.get(path)}) <= 3


def test_pages_that_a_shorter_list_does_not_have_are_removed(world: World, catalogue: Catalogue) -> None:
    before = pages(world)
    with world.database.write() as connection:
        for repository in IMAGES[10:]:
            world.checks.forget(connection, repository)
    catalogue.publish()
    assert "Next" not in read(world, CATALOGUE)
    assert [path for path in before if world.publisher.has(path)] == [CATALOGUE]


def test_a_page_that_is_missing_is_made_as_it_was(world: World, catalogue: Catalogue) -> None:
    before = pages(world)
    for path in before:
        world.publisher.remove(path)
    assert {path: catalogue.make(path) for path in before} == before == pages(world)


@pytest.mark.parametrize("number", ["ñ", "0", "1", "01", "99", "1000000", "99999999", "-2", "2.json"])
def test_there_is_no_other_page(catalogue: Catalogue, number: str) -> None:
    assert catalogue.make(f"v1/images/-/page-{number}.json") is None


def test_a_page_has_one_address() -> None:
    assert addresses("v1/images/-/page-2.json") == ["/v1/images/-/page-2.json"]
