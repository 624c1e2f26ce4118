"""Rows that are inserted or updated, and the statements for both databases."""

from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import Dialect, bindparam, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from microbadger.store.tables import META, REQUESTS, SCHEMA
from microbadger.store.upserts import excluded, statement_for, upsert
from tests.store.world import Place, database_at, get

DIALECTS: list[Dialect] = [sqlite.dialect(), postgresql.dialect()]  # type: ignore[no-untyped-call]
MORE = {"is_view": False, "due_at": 0.0, "follow_ups": 0}
ROW = {"image": "web", "tag": "mañana", "asked": 1, "asked_at": 1.0, "asked_by": "hub"} | MORE
AGAIN = {"asked": REQUESTS.c.asked + excluded(REQUESTS.c.asked), "asked_at": excluded(REQUESTS.c.asked_at)}
IS_AS_SEEN = REQUESTS.c.asked == bindparam("seen")
STATEMENTS = [
    ((), None, "ON CONFLICT DO NOTHING"),
    (("asked",), None, "ON CONFLICT (image, tag) DO UPDATE SET asked = excluded.asked"),
    ((("asked", None),), None, "DO UPDATE SET asked = "),
    ((*AGAIN.items(),), None, "SET asked = (requests.asked + excluded.asked), asked_at = excluded.asked_at"),
    (("asked",), IS_AS_SEEN, "SET asked = excluded.asked WHERE requests.asked = "),
]


def requests_after(place: Place, *rows: Mapping[str, Any], **options: Any) -> tuple[list[int], list[tuple[str, int]]]:
    """Upsert rows one after another; return how many rows each changed, and what is in the table then."""
    with database_at(place).write() as connection:
        counts = [upsert(connection, REQUESTS, row, **options) for row in rows]
        found = connection.execute(select(REQUESTS.c.tag, REQUESTS.c.asked)).all()
        return counts, [(row.tag, row.asked) for row in found]


def test_a_new_row_is_inserted_and_an_existing_one_stays(place: Place) -> None:
    assert requests_after(place, ROW, {**ROW, "asked": 5}) == ([1, 0], [("mañana", 1)])


def test_named_columns_take_the_new_values(place: Place) -> None:
    assert requests_after(place, ROW, {**ROW, "asked": 5}, update=("asked",)) == ([1, 1], [("mañana", 5)])


def test_an_expression_can_use_the_old_and_the_new_value(place: Place) -> None:
    assert requests_after(place, ROW, {**ROW, "asked": 5}, update=AGAIN) == ([1, 1], [("mañana", 6)])


@pytest.mark.parametrize(("seen", "expected"), [(1, ([1, 1], [("mañana", 5)])), (2, ([1, 0], [("mañana", 1)]))])
def test_only_rows_that_fulfil_a_condition_are_updated(place: Place, seen: int, expected: object) -> None:
    rows = [{**ROW, "asked": asked, "seen": seen} for asked in (1, 5)]
    assert requests_after(place, *rows, update=("asked",), where=IS_AS_SEEN) == expected


def test_many_rows_are_one_statement(place: Place) -> None:
    with database_at(place).write() as connection:
        rows = [{"key": key, "value": key} for key in "aba"]
        assert upsert(connection, META, rows, update=("value",)) == 3
        assert upsert(connection, META, [{"key": "a", "value": "new"}, {"key": "c", "value": "c"}]) == 1
    assert [get(place, key) for key in "abc"] == ["a", "b", "c"]


def test_no_rows_are_nothing(place: Place) -> None:
    with database_at(place).write() as connection:
        assert upsert(connection, META, [], update=("value",)) == 0


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
@pytest.mark.parametrize(("update", "condition", "expected"), STATEMENTS)
def test_both_databases_have_the_statement(dialect: Dialect, update: Any, condition: Any, expected: str) -> None:
    statement = statement_for(dialect.name, REQUESTS, update, condition)
    assert expected in str(statement.compile(dialect=dialect, column_keys=[*ROW]))


def test_a_statement_is_built_once() -> None:
    one, other = (statement_for("sqlite", REQUESTS, (*AGAIN.items(),), IS_AS_SEEN) for _ in range(2))
    assert one is other


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_both_databases_can_have_the_tables(dialect: Dialect) -> None:
    for table in SCHEMA.sorted_tables:
        assert f"CREATE TABLE {table.name} (" in str(CreateTable(table).compile(dialect=dialect))
        for index in table.indexes:
            assert f"INDEX {index.name} ON" in str(CreateIndex(index).compile(dialect=dialect))
