"""Rows of another type: whatever another program writes into SQLite's columns, everything answers, and it heals."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from sqlalchemy import Table, select

from microbadger.image import InvalidReference, Repository, kept_repositories
from microbadger.store.database import Database
from microbadger.store.guards import are_complete
from microbadger.store.tables import CHECKS, COUNTS, MESSAGES, META, SCHEMA
from tests.fakes.registry import FakeRegistry, image
from tests.web.bench import Bench

ADMIN_TOKEN = "an admin token of tests"
ADMIN = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
TABLES = [*SCHEMA.tables.values()]
OTHERS_OF = {META: " WHERE key <> 'schema_version'"}  # another version is another program's
VALUES: list[Any] = [
    *("x", "", "\0", "[1]", '{"a":1}', "null", "9" * 400),
    *(b"\xff\x00\xfe", b"", None, -1, 1e308, float("inf"), float("-inf"), 2**62, -(2**63)),
]
PATHS = [
    *("/healthz", "/metrics", "/", "/v1/images", "/v1/images/search/web"),
    *("/images/example/web", "/v1/images/example/web:1.0", "/v1/images/example/web/-/status.json"),
    *("/badges/size/example/web.svg", "/badges/size/example/web:other.svg", "/v1/notifications/"),
]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with FakeRegistry() as fake:
        for tag in ("1.0", "latest"):
            fake.push("example/web", tag, image(layers=[1, 2]))
        fake.push("example/child", "latest", image(layers=[1, 2, 3]))
        folder = tmp_path_factory.mktemp("rows")
        bench = Bench(folder, "example/web example/child", fake, admin_token=ADMIN_TOKEN)
        bench.refresh()
        bench.command("track", "example/child")
        bench.command("notifications", "add", "example/web", "http://127.0.0.1:9/x")
        fake.push("example/web", "latest", image(layers=[5]))
        bench.refresh("example/web")
        bench.client.post(bench.webhook("example/web") + "?tag=1.0")
        bench.round()
        yield bench


def change(bench: Bench, statement: str, *values: object) -> None:
    """Have another program change rows; it may be refused by a rule of the table, such as that a key is unique."""
    with closing(sqlite3.connect(bench.data / "microbadger.db", timeout=10)) as other, other:
        other.execute(statement, values)


def spoil(bench: Bench, table: Table) -> int:
    """Write every value into every column of a table, and return how many it took."""
    taken = 0
    for column in table.columns:
        for value in VALUES:
            try:
                change(bench, f"UPDATE {table.name} SET {column.name} = ?{OTHERS_OF.get(table, '')}", value)
            except sqlite3.Error:
                continue
            taken += 1
    return taken


def statuses(bench: Bench) -> dict[str, int]:
    return {path: bench.client.get(path, headers=ADMIN).status_code for path in PATHS}


def assert_all_is_well(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """Expect that nothing breaks, and that after a check everything is as it was."""
    assert not [path for path, status in statuses(bench).items() if status >= 500]
    assert bench.client.post(bench.webhook("example/web")).status_code == 200
    bench.round()
    for arguments in (["refresh", "example/web"], ["images"], ["notifications", "list"]):
        result = bench.command(*arguments)
        assert (result.exit_code, result.exception) == (0, None), result.output
    assert statuses(bench) == dict.fromkeys(PATHS, 200)
    assert "a defect" not in str(bench.freshness.problems)
    assert not [record for record in caplog.records if "_broke" in record.getMessage()]


@pytest.mark.parametrize("table", TABLES, ids=str)
def test_every_value_in_every_column_of_a_table_leaves_everything_answered(
    bench: Bench, table: Table, caplog: pytest.LogCaptureFixture
) -> None:
    assert spoil(bench, table)
    assert_all_is_well(bench, caplog)


@pytest.mark.parametrize("value", [b"\xff\x00", b"", -1])
def test_the_values_that_processes_share_stay_texts(
    bench: Bench, value: object, caplog: pytest.LogCaptureFixture
) -> None:
    change(bench, "UPDATE meta SET value = ? WHERE key <> 'schema_version' OR ?", value, isinstance(value, bytes))
    assert_all_is_well(bench, caplog)


@pytest.mark.parametrize("key", ["read_as_private:???", "read_as_private:", "named_by:???", "named_by:UPPER/x", "\0"])
def test_keys_that_name_no_image_are_left_out(bench: Bench, key: str, caplog: pytest.LogCaptureFixture) -> None:
    change(bench, "INSERT OR REPLACE INTO meta VALUES (?, '[7]')", key)
    assert_all_is_well(bench, caplog)


NAMES = [
    *("UPPER", "x", "", "x y", "a/b", "docker.io/A/b", "docker.io//b", "docker.io/a/../b"),
    *("docker.io/-a", "docker.io/a_", "docker.io/a___b", "docker.io/a:b", "docker.io/a@b"),
]
IMAGES = ["docker.io/library/alpine", "[::1]:5000/web", "localhost/a", "x:5000/a--b/c__d.e_f/9"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("table", ["checks", "tracked_images", "layer_stacks", "requests", "records", "public_files"])
def test_rows_of_names_that_are_not_images_hide_no_other(bench: Bench, table: str, name: str) -> None:
    columns = [column.name for column in SCHEMA.tables[table].columns if column.name != "image"]
    copied = f"INSERT OR REPLACE INTO {table} (image, {', '.join(columns)}) SELECT ?, {', '.join(columns)} FROM {table}"
    change(bench, f"{copied} LIMIT 1", name)

    assert bench.client.get("/healthz").get_json()["Images"] == 2
    assert bench.command("images").exit_code == 0
    bench.round()
    change(bench, f"DELETE FROM {table} WHERE image = ?", name)


def test_names_that_are_kept_are_images() -> None:
    for name in [*NAMES, *IMAGES, "a.b:70000/x"]:
        try:
            is_image = str(Repository.parse(name)) == name
        except InvalidReference:
            is_image = False
        assert bool(kept_repositories([name])) == is_image


@pytest.mark.parametrize("name", IMAGES)
def test_the_guards_leave_names_of_images(bench: Bench, name: str) -> None:
    change(bench, "INSERT INTO layer_stacks VALUES (?, 'a', 'b', '', '')", name)
    with closing(sqlite3.connect(bench.data / "microbadger.db", timeout=10)) as other, other:
        assert other.execute("DELETE FROM layer_stacks WHERE image = ?", (name,)).rowcount == 1


def unguarded(bench: Bench, *statements: tuple[str, object]) -> None:
    """Change rows as it could be done before there were guards."""
    for table in SCHEMA.tables:
        for event in ("insert", "update"):
            change(bench, f"DROP TRIGGER {table}_guard_{event}")
    for statement, value in statements:
        change(bench, statement, value)


def test_what_was_there_before_the_guards_is_healed(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    unguarded(
        bench,
        ("UPDATE counts SET value = ?", "x"),
        ("UPDATE leases SET fence = ?", "x"),
        ("UPDATE messages SET due_at = ?, attempts = ''", float("inf")),
        ("UPDATE checks SET failures = ? WHERE name LIKE '%child'", b"x"),
        ("UPDATE content SET size_bytes = ?", 2**62),
    )

    assert_all_is_well(bench, caplog)
    bench.refresh("example/child")  # its row is one of those that cannot be healed

    with Database(f"sqlite:///{bench.data}/microbadger.db").read() as connection:
        assert are_complete(connection)
        assert connection.execute(select(COUNTS.c.value)).scalars().all()
        assert {*map(type, connection.execute(select(MESSAGES.c.due_at)).scalars())} == {float}
        assert len(connection.execute(select(CHECKS)).all()) == 2
    assert "unsound_rows_removed table=content" in caplog.text


@pytest.mark.parametrize(
    ("column", "value"), [("secret", "x"), ("secret", ""), ("format", "y"), ("image_name", "UPPER"), ("image_name", "")]
)
def test_a_subscription_that_cannot_be_used_is_shown_as_disabled(
    bench: Bench, column: str, value: str, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(sqlite3.connect(bench.data / "microbadger.db", timeout=10)) as other:
        (before,) = other.execute(f"SELECT {column} FROM subscriptions").fetchone()
    change(bench, f"UPDATE subscriptions SET {column} = ?, is_enabled = 1", value)

    assert not bench.tools.notifications.all()[0].is_enabled
    assert_all_is_well(bench, caplog)
    change(bench, f"UPDATE subscriptions SET {column} = ?", before)


def test_text_that_is_not_utf_8_is_read_all_the_same(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    change(bench, "UPDATE checks SET error = CAST(? AS TEXT), note = CAST(x'ff41' AS TEXT)", b"\xff\xfe")
    change(bench, "UPDATE subscriptions SET tags = CAST(? AS TEXT)", b"\xff\xfe")
    assert_all_is_well(bench, caplog)
    assert bench.tools.notifications.all()[0].tags == ("-",)
