"""Tables that are gone are made again, at a start and when they are met, unless they have another name for now."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import func, inspect, select

from microbadger.store.database import StoreError
from microbadger.store.tables import FIRST_SEEN, SCHEMA
from tests.store.world import database_at, get, put

TABLES = [*SCHEMA.tables]
OTHERS = [name for name in TABLES if name != "meta"]


def execute(file: Path, statement: str) -> int:
    with closing(sqlite3.connect(file, timeout=10)) as other, other:
        return other.execute(statement).rowcount


def tables_of(file: Path) -> set[str]:
    with database_at(file).read() as connection:
        return set(inspect(connection).get_table_names())


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("runs", [True, False], ids=["when it is met", "at a start"])
def test_a_table_that_is_gone_is_made_again(file: Path, name: str, runs: bool) -> None:
    put(file, "key", "value")
    if not runs:
        database_at(file).close()
    execute(file, f"DROP TABLE {name}")

    with database_at(file).write() as connection:
        assert connection.execute(select(func.count()).select_from(SCHEMA.tables[name])).scalar_one() in (0, 2)

    assert tables_of(file) == set(TABLES)
    assert get(file, "key") == (None if name == "meta" else "value")


@pytest.mark.parametrize("name", OTHERS)
def test_a_table_with_another_name_keeps_its_rows_for_its_own(file: Path, name: str) -> None:
    put(file, "key", "value")
    execute(file, f"ALTER TABLE {name} RENAME TO elsewhere")

    assert get(file, "key") == "value"
    with pytest.raises(StoreError, match=f"no such table: {name}"), database_at(file).read() as connection:
        connection.execute(select(SCHEMA.tables[name]))

    execute(file, f"ALTER TABLE elsewhere RENAME TO {name}")
    assert tables_of(file) == set(TABLES)


def test_a_table_whose_guard_has_another_table_is_made_again(file: Path) -> None:
    put(file, "key", "value")
    execute(file, "ALTER TABLE leases RENAME TO elsewhere")
    execute(file, "DROP TRIGGER leases_guard_update")

    assert get(file, "key") == "value"
    assert tables_of(file) == {*TABLES, "elsewhere"}


def test_a_table_of_single_values_that_was_emptied_is_begun_anew(file: Path) -> None:
    put(file, "key", "value")
    execute(file, "DELETE FROM meta")
    database_at(file).close()
    put(file, "key", "new")
    assert get(file, "key") == "new"


def test_a_renamed_table_of_single_values_is_named(file: Path) -> None:
    put(file, "key", "value")
    execute(file, "ALTER TABLE meta RENAME TO elsewhere")
    with pytest.raises(StoreError, match="its table meta was renamed to elsewhere; rename it back"):
        get(file, "key")
    execute(file, "ALTER TABLE elsewhere RENAME TO meta")
    assert get(file, "key") == "value"


def test_a_row_of_another_type_stays_as_it_was(file: Path) -> None:
    put(file, "key", "value")
    row = {"image": "web", "tag": "1", "digest": "a", "seen_at": 7.0, "is_exact": True}
    with database_at(file).write() as connection:
        connection.execute(FIRST_SEEN.insert(), row)

    for value in ("'x'", "9e999", "-1", "x'00'", "1e300"):
        assert execute(file, f"UPDATE first_seen SET seen_at = {value}, digest = 'b'") == 1
        execute(file, f"INSERT INTO first_seen VALUES ('web', '2', 'b', {value}, 1)")

    with database_at(file).read() as connection:
        assert [each._asdict() for each in connection.execute(select(FIRST_SEEN))] == [row]


@pytest.mark.parametrize(
    ("table", "row"),
    [
        ("claims", "'docker.io/mañana', 1, 'docker.io', 'a process', 7.0"),
        ("claims", "'docker.io/library/web', 1, 'docker.io', 'a process', 1e12"),
        ("claims", "'docker.io/library/web', 1, 'docker.io', 'a process', 'x'"),
        ("hosts", "'docker.io', -1.0"),
        ("hosts", "'docker.io', 1e12"),
        ("pulls", "'docker.io', '', '', 7, 100, 1e12, 7.0"),
        ("pulls", "'docker.io', '', '', 7, 100, 7.0, -1.0"),
    ],
)
def test_what_processes_share_of_registries_has_times_and_names_that_can_be(file: Path, table: str, row: str) -> None:
    put(file, "key", "value")
    execute(file, f"INSERT INTO {table} VALUES ({row})")
    with database_at(file).read() as connection:
        assert not connection.execute(select(SCHEMA.tables[table])).all()
