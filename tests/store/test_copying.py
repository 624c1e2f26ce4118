"""Copies of a whole database, between a file and a server and both ways."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Boolean, Float, Integer, LargeBinary, Table, select
from sqlalchemy.types import TypeEngine

from microbadger.store.copying import StoreNotEmpty, copy_store, opened_source
from microbadger.store.database import Database, StoreError
from microbadger.store.meta import kept_secret
from microbadger.store.migrations import VERSION_KEY
from microbadger.store.tables import LEASES, MESSAGES, META, REQUESTS, SCHEMA, ImageName, Labels
from tests.postgresql import PostgresqlServer
from tests.store.test_migrations import begin_as_version_1
from tests.store.test_ownership import TAKEN, execute, tables_at
from tests.store.world import Place, database_at, put

ROWS = 1203
TABLES = [table for table in SCHEMA.sorted_tables if table not in (META, LEASES)]
Pair = tuple[Database, Database]


@pytest.fixture(params=["to a server", "to a file"])
def pair(request: pytest.FixtureRequest, tmp_path: Path, postgresql_server: PostgresqlServer) -> Iterator[Pair]:
    """A database that is full and one that is new."""
    file, server = Database(f"sqlite:///{tmp_path}/store.db"), Database(postgresql_server.new_schema())
    source, target = (file, server) if request.param == "to a server" else (server, file)
    with source.write() as connection:
        for table in TABLES:
            connection.execute(table.insert(), [row_of(table, number) for number in range(1, ROWS)])
    yield source, target
    source.close()
    target.close()


def row_of(table: Table, number: int) -> dict[str, Any]:
    return {column.name: value_of(column.type, number) for column in table.columns}


def value_of(kind: TypeEngine[Any], number: int) -> object:
    values: dict[type, object] = {
        Boolean: number % 2 == 0,
        Float: number / 7,
        Integer: number,
        LargeBinary: bytes([number % 256, 0]),
        ImageName: f"docker.io/example/web{number}",
        Labels: f'[["host", "mañana {number}"]]',
    }
    return next((value for type_, value in values.items() if isinstance(kind, type_)), f"mañana {number}")


def content_of(database: Database) -> dict[str, set[tuple[Any, ...]]]:
    with database.read() as connection:
        return {
            table.name: {tuple(row) for row in connection.execute(select(table))}
            for table in SCHEMA.sorted_tables
            if table is not LEASES
        }


def test_everything_is_copied_with_the_secret(pair: Pair) -> None:
    source, target = pair
    secret = kept_secret(source)
    assert kept_secret(target) != secret

    copied = copy_store(source, target)

    assert content_of(target) == content_of(source)
    assert kept_secret(target) == secret
    assert copied == {table.name: ROWS - 1 for table in TABLES} | {"meta": len(content_of(source)["meta"]) - 1}


def test_further_rows_are_numbered_after_those_that_were_copied(pair: Pair) -> None:
    source, target = pair
    copy_store(source, target)
    with target.write() as connection:
        row = {**row_of(MESSAGES, ROWS), "id": "new"}
        del row["number"]
        connection.execute(MESSAGES.insert(), row)
        number = connection.execute(select(MESSAGES.c.number).where(MESSAGES.c.id == "new")).scalar_one()
    assert number == ROWS


def test_a_database_that_holds_something_is_left_alone(pair: Pair) -> None:
    source, target = pair
    with target.write() as connection:
        connection.execute(MESSAGES.insert(), row_of(MESSAGES, 1))
    before = content_of(target)
    with pytest.raises(StoreNotEmpty, match="its table messages has rows"):
        copy_store(source, target)
    assert content_of(target) == before


def test_the_version_of_the_schema_is_the_own_one(pair: Pair) -> None:
    source, target = pair
    with source.write() as connection:
        connection.execute(META.update().where(META.c.key == VERSION_KEY).values(value="3"))
    copy_store(source, target)
    with target.read() as connection:
        assert connection.execute(select(META.c.value).where(META.c.key == VERSION_KEY)).scalar_one() != "3"


def source_of(place: Place) -> Path | str:
    return place.replace("postgresql:", "postgresql+psycopg:") if isinstance(place, str) else place


def state_of(place: Place) -> object:
    """Return what must not change: the tables of a server, or each file of a folder with its bytes.

    SQLite puts an empty log beside a file that is read, and its index.
    """
    if isinstance(place, str):
        return tables_at(place)
    files = {path.name: path.read_bytes() for path in place.parent.iterdir() if not path.name.endswith("-shm")}
    return {name: content for name, content in files.items() if content or not name.endswith("-wal")}


def refusal_of(place: Place) -> str:
    with pytest.raises(StoreError) as refused, opened_source(source_of(place)):
        pass
    return str(refused.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is not a database of MicroBadger"),
        (b"hello", "it is damaged, or not a database"),
        (b"\xff\x00{[garbage\n" * 1000, "it is damaged, or not a database"),
        (b"SQLite format 3\0" + bytes(84), "it is damaged, or not a database"),
    ],
    ids=["empty", "text", "garbage", "a cut header"],
)
def test_a_file_that_is_not_a_database_is_refused_and_left_alone(tmp_path: Path, content: bytes, reason: str) -> None:
    file = tmp_path / "typed.db"
    file.write_bytes(content)
    assert refusal_of(file) == f"The database {file} cannot be used: {reason}."
    assert state_of(file) == {file.name: content}


SCRIPTS = {
    "nothing": "SELECT 1",
    "one table": "CREATE TABLE t (x int)",
    **{name: script for name, (script, _) in TAKEN.items()},
    "a newer one": (
        "CREATE TABLE meta (key text, value text); INSERT INTO meta VALUES ('schema_version', '99'), ('identity', 'x')"
    ),
}


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_a_database_that_is_not_ours_is_refused_and_left_alone(place: Place, script: str) -> None:
    execute(place, script)
    before = state_of(place)
    reasons = ("of another program", "it is not a database of MicroBadger", "a newer version has migrated it")
    assert any(reason in refusal_of(place) for reason in reasons)
    assert state_of(place) == before


def test_a_source_is_read_and_left_as_it_is(place: Place) -> None:
    put(place, "key", "value")
    database_at(place).close()
    before = state_of(place)
    with opened_source(source_of(place)) as source:
        assert ("key", "value") in content_of(source)["meta"]
        with pytest.raises(StoreError), source.write() as connection:
            connection.execute(META.delete())
    assert state_of(place) == before


def test_what_only_the_log_of_a_file_holds_is_copied(file: Path) -> None:
    put(file, "key", "value")  # and the connection stays open
    with opened_source(file) as source:
        assert ("key", "value") in content_of(source)["meta"]


def test_a_file_of_an_older_program_is_copied_and_stays_as_it_is(file: Path, tmp_path: Path) -> None:
    begin_as_version_1(file)
    before = state_of(file)
    target = Database(f"sqlite:///{tmp_path}/new/store.db")
    with opened_source(file) as source:
        copy_store(source, target)
    with target.read() as connection:
        assert connection.execute(select(REQUESTS.c.tag)).scalar_one() == "3.20"
    assert state_of(file) == before
    target.close()


def test_a_file_that_lacks_a_table_is_copied_and_stays_as_it_is(file: Path, tmp_path: Path) -> None:
    put(file, "key", "value")
    database_at(file).close()
    execute(file, "DROP TABLE messages")
    before = state_of(file)
    with opened_source(file) as source:
        assert ("key", "value") in content_of(source)["meta"]
    assert state_of(file) == before


def test_the_database_of_an_older_program_on_a_server_is_left_to_the_service(
    postgresql_server: PostgresqlServer,
) -> None:
    place = postgresql_server.new_schema()
    begin_as_version_1(place)
    before = state_of(place)
    assert "an older version created it; start the current service with it once" in refusal_of(place)
    assert state_of(place) == before


def test_a_database_is_not_copied_to_itself(place: Place) -> None:
    put(place, "key", "value")
    with opened_source(source_of(place)) as source, pytest.raises(StoreNotEmpty, match="it is the source database"):
        copy_store(source, database_at(place))
