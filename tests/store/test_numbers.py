"""Numbers that count up for ever pass what 32 bits hold, in each kind of database and in one of the first version."""

from typing import Any

import pytest
from sqlalchemy import Boolean, Float, Integer, Table, func, inspect, select

from microbadger.store.copying import continue_numbers
from microbadger.store.tables import CHANGES, DELIVERIES, MESSAGES, REQUESTS, SUBSCRIPTIONS, TRACKED_IMAGES, ImageName
from tests.store.test_migrations import begin_as_version_1
from tests.store.world import Place, database_at

LAST_OF_32_BITS = 2**31 - 1
LARGEST = 2**53
NUMBERED = [CHANGES, SUBSCRIPTIONS, MESSAGES, DELIVERIES]
COUNTED = [(TRACKED_IMAGES, "number"), (REQUESTS, "asked"), *((table, "number") for table in NUMBERED)]


def row_of(table: Table, which: str) -> dict[str, Any]:
    values: dict[type, object] = {Boolean: True, Float: 7.0, Integer: 7, ImageName: f"docker.io/library/{which}"}
    return {
        column.name: next((value for kind, value in values.items() if isinstance(column.type, kind)), which)
        for column in table.columns
    }


@pytest.mark.parametrize("was_there", [False, True], ids=["new", "of version 1"])
@pytest.mark.parametrize("table", NUMBERED, ids=str)
def test_rows_are_numbered_beyond_32_bits(place: Place, table: Table, was_there: bool) -> None:
    if was_there:
        begin_as_version_1(place)
    with database_at(place).write() as connection:
        connection.execute(table.insert(), row_of(table, "last") | {"number": LAST_OF_32_BITS})
        continue_numbers(connection, table)
    for which in ("a", "b"):
        row = row_of(table, which)
        del row["number"]
        with database_at(place).write() as connection:
            connection.execute(table.insert(), row)
    with database_at(place).read() as connection:
        numbers = connection.execute(select(table.c.number).order_by(table.c.number)).scalars().all()
    assert numbers == [LAST_OF_32_BITS, LAST_OF_32_BITS + 1, LAST_OF_32_BITS + 2]


@pytest.mark.parametrize("number", [LAST_OF_32_BITS + 1, LARGEST])
@pytest.mark.parametrize(("table", "column"), COUNTED, ids=str)
def test_a_large_number_is_kept_and_counted_on(place: Place, table: Table, column: str, number: int) -> None:
    counted = table.c[column]
    with database_at(place).write() as connection:
        connection.execute(table.insert(), row_of(table, "web") | {column: number - 1})
        connection.execute(table.update().where(counted == number - 1).values({column: counted + 1}))
    with database_at(place).read() as connection:
        assert connection.execute(select(func.max(counted))).scalar_one() == number


def test_each_number_that_a_table_counts_is_large(place: Place) -> None:
    with database_at(place).read() as connection:
        inspector = inspect(connection)
        kinds = {
            (table.name, column): str(each["type"])
            for table, column in COUNTED
            for each in inspector.get_columns(table.name)
            if each["name"] == column
        }
    wanted = "BIGINT" if isinstance(place, str) else "INTEGER"  # SQLite's has 64 bits
    assert set(kinds.values()) == {wanted}
