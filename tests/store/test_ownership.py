"""Tables of another program are not taken for ours, and nothing is made or changed beside them."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import select

from microbadger.store.database import StoreError
from microbadger.store.tables import MESSAGES, SCHEMA
from tests.postgresql import PostgresqlServer
from tests.store.world import Place, database_at, get, put

TAKEN = {
    "other columns": ("CREATE TABLE messages (id int, txt text)", 'table "messages"'),
    "fewer columns": ("CREATE TABLE checks (image text primary key)", 'table "checks"'),
    "a view": ("CREATE VIEW changes AS SELECT 1 AS number", 'view "changes"'),
    "a view of values": ("CREATE VIEW meta AS SELECT 'a' AS key, 'b' AS value", 'view "meta"'),
    "an index": ("CREATE TABLE foo (x int); CREATE INDEX checks_by_due_at ON foo (x)", 'index "checks_by_due_at"'),
    "a table named as an index": ("CREATE TABLE checks_by_due_at (x int)", 'table "checks_by_due_at"'),
    "values in other columns": ("CREATE TABLE meta (id int, value int)", 'table "meta"'),
    "values without a version": ("CREATE TABLE meta (key text, value text)", 'table "meta"'),
    "values with another version": (
        "CREATE TABLE meta (key text, value text); INSERT INTO meta VALUES ('schema_version', '2019-x')",
        'table "meta"',
    ),
    "values with a version such as ours": (
        "CREATE TABLE meta (key text, value text); INSERT INTO meta VALUES ('schema_version', '3')",
        'table "meta"',
    ),
}
TAKEN_ON_SERVERS = {
    "a sequence": ("CREATE SEQUENCE leases", 'sequence "leases"'),
    "a type of columns": ("CREATE TYPE counts AS (a int)", 'type "counts"'),
    "a type of words": ("CREATE TYPE counts AS ENUM ('a')", 'type "counts"'),
    "a view with its rows": ("CREATE MATERIALIZED VIEW changes AS SELECT 1 AS number", 'view "changes"'),
}


def execute(place: Place, script: str) -> None:
    """Have another program do something."""
    if isinstance(place, str):
        with psycopg.connect(place, autocommit=True) as server:
            server.execute(script.encode())
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(place)) as other:
        other.executescript(script)


def refusal_of(place: Place) -> str:
    with pytest.raises(StoreError) as refused:
        put(place, "key", "value")
    return str(refused.value)


def tables_at(place: Place) -> set[str]:
    if isinstance(place, str):
        with psycopg.connect(place) as server:
            rows = server.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()").fetchall()
    else:
        with closing(sqlite3.connect(place)) as other:
            rows = other.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    return {name for (name,) in rows}


@pytest.mark.parametrize(("script", "what"), TAKEN.values(), ids=TAKEN)
def test_a_name_that_another_program_uses_is_named_and_nothing_is_made(place: Place, script: str, what: str) -> None:
    execute(place, script)
    before = tables_at(place)

    sentence = refusal_of(place)

    elsewhere = "use another database or schema" if isinstance(place, str) else "use another file"
    wanted = rf"The database \S+ cannot be used: it contains the {what} of another program[^;]*; {elsewhere}\."
    assert re.fullmatch(wanted, sentence)
    assert refusal_of(place) == sentence
    assert tables_at(place) == before


@pytest.mark.parametrize(("script", "what"), TAKEN_ON_SERVERS.values(), ids=TAKEN_ON_SERVERS)
def test_a_name_of_anything_on_a_server_is_named(postgresql_server: PostgresqlServer, script: str, what: str) -> None:
    place = postgresql_server.new_schema()
    execute(place, script)
    assert f"cannot be used: it contains the {what} of another program" in refusal_of(place)
    assert tables_at(place) == set()
    database_at(place).close()


def test_once_the_table_of_the_other_program_is_gone_the_database_is_used(place: Place) -> None:
    execute(place, "CREATE TABLE messages (id int)")
    assert 'has no column "number"' in refusal_of(place)
    execute(place, "DROP TABLE messages")
    put(place, "key", "value")
    assert get(place, "key") == "value"


@pytest.mark.parametrize("mode", [0o600, 0o644])
@pytest.mark.parametrize("script", ["CREATE TABLE t (x)", TAKEN["other columns"][0], TAKEN["a view"][0]])
def test_a_file_of_another_program_stays_as_it_is(file: Path, script: str, mode: int) -> None:
    execute(file, script)
    file.chmod(mode)
    before = file.read_bytes()
    assert "of another program" in refusal_of(file)
    assert file.read_bytes() == before
    assert file.stat().st_mode & 0o777 == mode


def test_a_server_is_shared_with_tables_of_other_names(postgresql_server: PostgresqlServer) -> None:
    place = postgresql_server.new_schema()
    execute(place, "CREATE TABLE t (x int); CREATE TABLE users (id int)")
    put(place, "key", "value")
    assert tables_at(place) == {*SCHEMA.tables, "t", "users"}
    database_at(place).close()


@pytest.fixture
def used(place: Place) -> Place:
    """A database of ours that was closed."""
    put(place, "key", "value")
    database_at(place).close()
    return place


@pytest.mark.parametrize(
    ("script", "value"),
    [
        ("DROP TABLE meta", None),
        ("DELETE FROM meta", None),
        ("DROP TABLE messages", "value"),
        ("DROP TABLE messages; DROP TABLE checks; DROP TABLE claims", "value"),
        ("; ".join(f"DROP TABLE {name}" for name in SCHEMA.tables if name != "meta"), "value"),
        ("; ".join(f"DROP TABLE {name}" for name in SCHEMA.tables), None),
        ("CREATE TABLE t (x int)", "value"),
        ("ALTER TABLE messages ADD COLUMN x int", "value"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_what_is_left_of_a_database_of_ours_is_made_whole(used: Place, script: str, value: str | None) -> None:
    execute(used, script)
    assert get(used, "key") == value
    put(used, "key", "new")
    assert tables_at(used) >= set(SCHEMA.tables)


def test_a_table_that_another_program_has_replaced_is_named_without_a_restart(place: Place) -> None:
    put(place, "key", "value")
    execute(place, "DROP TABLE messages; CREATE TABLE messages (id int)")
    with pytest.raises(StoreError):
        messages_at(place)
    with pytest.raises(StoreError, match='it contains the table "messages" of another program'):
        messages_at(place)


def messages_at(place: Place) -> list[str]:
    with database_at(place).read() as connection:
        return list(connection.execute(select(MESSAGES.c.body)).scalars())
