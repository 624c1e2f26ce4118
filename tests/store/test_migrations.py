"""The schema of a database: its version, and how an older one is brought up to date."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Connection, NullPool, create_engine, inspect, select, text

from microbadger.store.database import Database, StoreError
from microbadger.store.migrations import MIGRATIONS, Migration, tell_exact_first_sights
from microbadger.store.tables import (
    FIRST_SEEN,
    MESSAGES,
    META,
    RECORDS,
    REQUESTS,
    SCHEMA,
    SUBSCRIPTIONS,
    TAG_LISTS,
    TRACKED_IMAGES,
    UNTRACKED_IMAGES,
)
from tests.store.world import WAIT_SECONDS, Place, Process, database_at, put, url_of

SAMPLES = Path(__file__).parents[1] / "samples" / "store"


def add_column(connection: Connection) -> None:
    connection.execute(text("ALTER TABLE meta ADD COLUMN note TEXT"))


def add_table(connection: Connection) -> None:
    connection.execute(text("CREATE TABLE notes (note TEXT)"))


def fail(connection: Connection) -> None:
    connection.execute(text("CREATE TABLE rest (note TEXT)"))
    raise RuntimeError


def state_after(place: Place, *migrations: Migration) -> tuple[str, set[str], set[str]]:
    """Open a database with these migrations; return its version, its new tables and the columns of one table."""
    database = Database(url_of(place), [*MIGRATIONS, *migrations])
    with database.read() as connection:
        version = connection.execute(select(META.c.value).where(META.c.key == "schema_version")).scalar_one()
        tables = set(inspect(connection).get_table_names()) & {"notes", "rest"}
        columns = {column["name"] for column in inspect(connection).get_columns("meta")}
    database.close()
    return version, tables, columns


def newest_with(count: int) -> str:
    return str(len(MIGRATIONS) + 1 + count)


def test_a_new_database_has_the_newest_version(place: Place) -> None:
    assert state_after(place, add_column) == (newest_with(1), set(), {"key", "value"})


def test_an_older_database_is_migrated_step_by_step(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    put(place, "key", "value")
    caplog.set_level("INFO")

    assert state_after(place, add_column, add_table) == (newest_with(2), {"notes"}, {"key", "value", "note"})

    assert f"database_migrated before={newest_with(0)} now={newest_with(2)}" in caplog.text


def test_only_the_missing_migrations_run(place: Place) -> None:
    put(place, "key", "value")
    state_after(place, add_column)

    assert state_after(place, add_column, add_table) == (newest_with(2), {"notes"}, {"key", "value", "note"})


@pytest.fixture(scope="module")
def crowd() -> Iterator[list[Process]]:
    """Eight processes."""
    processes = [Process() for _ in range(8)]
    yield processes
    for process in processes:
        process.end()


def test_of_processes_that_start_at_once_one_migrates(
    place: Place, crowd: list[Process], caplog: pytest.LogCaptureFixture
) -> None:
    put(place, "key", "value")
    database_at(place).close()

    starting = [process.start(state_after, place, add_column, add_table) for process in crowd]

    states = [each.result(WAIT_SECONDS) for each in starting]
    assert states == [(newest_with(2), {"notes"}, {"key", "value", "note"})] * len(crowd)


def test_processes_create_one_new_database_at_once(place: Place, crowd: list[Process]) -> None:
    starting = [process.start(state_after, place) for process in crowd]

    states = [each.result(WAIT_SECONDS) for each in starting]
    assert states == [(newest_with(0), set(), {"key", "value"})] * len(crowd)


def test_a_migration_that_fails_leaves_the_older_database(place: Place) -> None:
    put(place, "key", "value")

    with pytest.raises(RuntimeError):
        state_after(place, add_column, fail)

    assert state_after(place) == (newest_with(0), set(), {"key", "value"})


def begin_as_version_1(place: Place) -> None:
    """Make the tables that the first version made."""
    script = (SAMPLES / "version-1.sql").read_text()
    if isinstance(place, str):
        for following in ("image", "id", "subscription_id"):
            column = f"number {{}} NOT NULL,\n    {following} TEXT"
            script = script.replace(column.format("INTEGER"), column.format("SERIAL"))
        script = script.replace("WITHOUT ROWID", "").replace("BLOB", "BYTEA")
    else:
        place.parent.mkdir()
    script += """
        INSERT INTO meta VALUES ('schema_version', '1'), ('identity', 'old');
        INSERT INTO requests VALUES ('docker.io/library/alpine', '3.20', 2, 1000.0, 'me');
    """
    engine = create_engine(url_of(place).replace("postgresql:", "postgresql+psycopg:"), poolclass=NullPool)
    with engine.begin() as connection:
        for statement in filter(str.strip, script.split(";")):
            connection.execute(text(statement))


def test_a_database_of_the_first_version_becomes_what_a_new_one_is(places: Callable[[], Place]) -> None:
    old, new = places(), places()
    begin_as_version_1(old)
    put(new, "key", "value")

    put(old, "key", "value")

    assert shape_of(old) == shape_of(new)
    with database_at(old).read() as connection:
        request = connection.execute(select(REQUESTS)).one()
    assert (request.tag, request.asked, request.is_view, request.due_at, request.follow_ups) == ("3.20", 2, False, 0, 0)
    for place in (old, new):
        database_at(place).close()


def test_all_images_of_an_older_database_are_the_operators(file: Path) -> None:
    make_older(file, 1)

    put(file, "key", "value")

    with database_at(file).read() as connection:
        assert connection.execute(select(TRACKED_IMAGES.c.image, TRACKED_IMAGES.c.requested_at)).all() == [
            ("ghcr.io/a/put", None)
        ]


def make_older(file: Path, version: int) -> None:
    """Make a database of an older version that has a record."""
    begin_as_version_1(file)
    engine = create_engine(url_of(file), poolclass=NullPool)
    with engine.begin() as connection:
        for row in (
            "tracked_images VALUES ('ghcr.io/a/put', 'a/put', '[]', true, 1)",
            "records VALUES ('ghcr.io/a/put', '', 0, '{}', '', x'00')",
        ):
            connection.execute(text(f"INSERT INTO {row}"))
        for migrate in MIGRATIONS[: version - 1]:
            migrate(connection)
        connection.execute(META.update().where(META.c.key == "schema_version").values(value=str(version)))


TABLES = sorted(SCHEMA.tables.keys() - {"meta"})


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS) + 1))
@pytest.mark.parametrize("lost", [*([table] for table in TABLES), TABLES], ids=lambda lost: ",".join(lost[:2]))
def test_an_older_database_is_migrated_whatever_table_it_has_lost(
    file: Path, tmp_path: Path, version: int, lost: list[str]
) -> None:
    make_older(file, version)
    with closing(sqlite3.connect(file)) as old:
        for table in lost:
            old.execute(f"DROP TABLE IF EXISTS {table}")
    put(tmp_path / "new.db", "key", "value")

    put(file, "key", "value")

    assert shape_of(file) == shape_of(tmp_path / "new.db")


def shape_of(place: Place) -> dict[str, set[tuple[str, str, bool]]]:
    """Return the columns of each table: their names, their types and whether they may be empty."""
    with database_at(place).read() as connection:
        inspector = inspect(connection)
        return {
            table: {(each["name"], str(each["type"]), each["nullable"]) for each in inspector.get_columns(table)}
            for table in inspector.get_table_names()
        }


def test_subscriptions_and_messages_of_an_older_database_are_kept(file: Path) -> None:
    begin_as_version_1(file)
    with closing(sqlite3.connect(file)) as old:
        old.execute("INSERT INTO subscriptions VALUES (1, 'a', 'alpine', 'https://a.test/', 's', '[]', 'json', 1, 0)")
        old.execute("INSERT INTO messages VALUES (1, 'm', 'a', '{}', 2, 1000.0, 0)")
        old.commit()

    with database_at(file).read() as connection:
        subscription = connection.execute(select(SUBSCRIPTIONS)).one()
        message = connection.execute(select(MESSAGES)).one()

    assert (subscription.url, subscription.authorization_header) == ("https://a.test/", "")
    assert (message.attempts, message.headers) == (2, "{}")


def test_records_of_an_older_database_are_public_unless_something_says_private(file: Path) -> None:
    file.parent.mkdir(exist_ok=True)
    old = sqlite3.connect(file)
    old.executescript((SAMPLES / "version-1.sql").read_text())
    old.execute("INSERT INTO meta VALUES ('schema_version', '1'), ('identity', 'old')")
    old.execute("INSERT INTO meta VALUES ('images.txt', ?)", ["ghcr.io/a/listed:1.0 private\nalpine\nbash  private"])
    old.execute("INSERT INTO meta VALUES ('read_as_private:ghcr.io/a/read', '')")
    old.execute("INSERT INTO tracked_images VALUES ('ghcr.io/a/put', 'a/put', '[]', true, 1)")
    of_ghcr = [f"ghcr.io/a/{name}" for name in ("listed", "put", "read", "web")]
    images = ["docker.io/library/alpine", "docker.io/library/bash", *of_ghcr]
    old.executemany("INSERT INTO records VALUES (?, '', 0, '{}', '', x'00')", [[image] for image in images])
    old.commit()
    old.close()

    with database_at(file).read() as connection:
        public = connection.execute(select(RECORDS.c.image).where(RECORDS.c.is_public)).scalars().all()

    assert sorted(public) == ["docker.io/library/alpine", "ghcr.io/a/web"]


def test_of_an_older_database_what_later_checks_saw_first_is_exact(places: Callable[[], Place]) -> None:
    place = places()
    begin_as_version_1(place)
    engine = create_engine(url_of(place).replace("postgresql:", "postgresql+psycopg:"), poolclass=NullPool)
    with engine.begin() as connection:
        number = MIGRATIONS.index(tell_exact_first_sights)
        for migrate in MIGRATIONS[:number]:
            migrate(connection)
        connection.execute(META.update().where(META.c.key == "schema_version").values(value=str(number + 1)))
        few = "('few', '', 'a', 1.5), ('few', '1', 'a', 1.5), ('few', '', 'b', 2.5), ('other', '', 'c', 9.5)"
        many = "('many', '', 'a', 1.5), ('many', '', 'b', 2.5)"
        connection.execute(text(f"INSERT INTO first_seen VALUES {few}, {many}"))
        connection.execute(TAG_LISTS.insert(), {"image": "many", "document": b""})
        check = "(image, name, registry, due_at, failures, edition, pushed_tags) VALUES ('few', '', '', 0, 0, '', '')"
        connection.execute(text(f"INSERT INTO checks {check}"))

    with database_at(place).read() as connection:
        seen = connection.execute(select(FIRST_SEEN).order_by(FIRST_SEEN.c.image, FIRST_SEEN.c.digest)).all()
        untracked = connection.execute(select(UNTRACKED_IMAGES.c.image)).scalars().all()

    assert [(row.image, row.digest, row.seen_at) for row in seen if row.is_exact] == [("few", "b", 2.5)]
    assert len(seen) == 6
    assert sorted(untracked) == ["many", "other"]
    database_at(place).close()


@pytest.mark.parametrize(
    ("version", "reason"),
    [
        ("1000", "a newer version has migrated it to schema 1000; use that version"),
        ("mañana", "it contains tables of another program; use another database"),
    ],
)
def test_a_database_of_another_program_is_left_alone(file: Path, version: str, reason: str) -> None:
    put(file, "schema_version", version)
    database_at(file).close()
    before = file.read_bytes()

    with pytest.raises(StoreError) as refused:
        put(file, "key", "value")

    assert str(refused.value) == f"The database {file} cannot be used: {reason}."
    assert file.read_bytes() == before
