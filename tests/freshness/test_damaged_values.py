"""Values that are kept beside the records, damaged: each is treated as absent and holds nothing up."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from microbadger.freshness import pace
from microbadger.freshness.mentions import mentions
from microbadger.image.reference import Repository
from microbadger.site.paths import CATALOGUE
from microbadger.store.database import Database
from microbadger.store.meta import write_value
from tests.freshness.clock import NOON
from tests.freshness.world import World

ALPINE = Repository.parse("alpine")
DAMAGED = ["", "x", "[", "[" * 100_000, "{}", '[7, "x"]', '["../x"]', '{"Count": "3", "BeganAt": 1}']


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'microbadger.db'}")
    yield database
    database.close()


@pytest.mark.parametrize("value", DAMAGED, ids=range(len(DAMAGED)))
def test_a_damaged_pace_lets_a_check_begin_at_once(database: Database, value: str) -> None:
    with database.write() as connection:
        write_value(connection, f"pace {ALPINE}", value)
        assert pace.earliest(connection, ALPINE, NOON) is None


@pytest.mark.parametrize("value", [*DAMAGED, "0", "-1", "9" * 30, "\u0663"], ids=range(len(DAMAGED) + 4))
def test_a_damaged_number_of_pages_keeps_no_list_from_being_written(tmp_path: Path, value: str) -> None:
    world = World(tmp_path)
    with world.database.write() as connection:
        write_value(connection, "list_pages", value)
    world.catalogue.publish()
    assert world.publisher.has(CATALOGUE)
    world.database.close()


@pytest.mark.parametrize("value", DAMAGED, ids=range(len(DAMAGED)))
def test_a_damaged_list_of_mentions_names_no_image(database: Database, value: str) -> None:
    with database.write() as connection:
        write_value(connection, f"named_by:{ALPINE}", value)
        assert mentions(connection) == {ALPINE: []}
