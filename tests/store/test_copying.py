"""Copies of a whole database, between a file and a server and both ways."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Boolean, Float, Integer, LargeBinary, Table, select
from sqlalchemy.types import TypeEngine

from microbadger.store.copying import StoreNotEmpty, copy_store
from microbadger.store.database import Database
from microbadger.store.meta import kept_secret
from microbadger.store.migrations import VERSION_KEY
from microbadger.store.tables import LEASES, MESSAGES, META, SCHEMA, ImageName, Labels
from tests.postgresql import PostgresqlServer

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
