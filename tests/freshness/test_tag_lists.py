"""When the tags of an image with many tags were first listed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from microbadger.freshness.tag_lists import TagLists, listed_since
from microbadger.image.reference import Repository
from microbadger.store.database import Database
from microbadger.store.tables import TAG_LISTS
from tests.databases import database_url

ALPINE, NGINX = Repository.parse("alpine"), Repository.parse("nginx")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(database_url(tmp_path))
    yield database
    database.close()


@pytest.mark.parametrize(
    ("before", "listed", "since"),
    [
        ({}, ["a", "b"], {"a": 0.0, "b": 0.0}),
        ({"a": 0.0}, ["a", "b"], {"a": 0.0, "b": 9.0}),
        ({"a": 0.0, "b": 5.0}, ["b", "c"], {"b": 5.0, "c": 9.0}),
        ({"a": 0.0}, [], {}),
    ],
)
def test_a_tag_keeps_when_it_was_first_listed(
    before: dict[str, float], listed: list[str], since: dict[str, float]
) -> None:
    assert listed_since(before, listed, 9.0) == since


def test_a_list_is_read_as_it_was_written(database: Database) -> None:
    lists = TagLists(database)
    for first_listed in ({"a": 1.0}, {"a": 1.0, "b": 2.0}):
        with database.write() as connection:
            lists.write(connection, ALPINE, first_listed)
        assert lists.of(ALPINE) == first_listed
    assert lists.of(NGINX) == {}


@pytest.mark.parametrize("document", [b"", b"{", b"\xff", b"[]"])
def test_a_damaged_list_counts_as_none(database: Database, document: bytes) -> None:
    with database.write() as connection:
        connection.execute(TAG_LISTS.insert(), {"image": str(ALPINE), "document": document})
    assert TagLists(database).of(ALPINE) == {}
