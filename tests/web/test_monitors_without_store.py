"""Monitors are answered whatever is wrong with the database: with what can be read, one sentence, and soon."""

import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest

from microbadger.store.tables import SCHEMA
from tests.fakes.registry import FakeRegistry, image
from tests.web.bench import Bench

SECONDS = 2.0


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with FakeRegistry() as fake:
        fake.push("example/web", "latest", image())
        bench = Bench(tmp_path_factory.mktemp("monitors"), "example/web", fake)
        bench.refresh()
        yield bench


def other(bench: Bench, *statements: str) -> sqlite3.Connection:
    connection = sqlite3.connect(bench.data / "microbadger.db", timeout=10, isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    return connection


@contextmanager
def locked(bench: Bench) -> Iterator[None]:
    with closing(other(bench, "BEGIN IMMEDIATE")):
        yield


@contextmanager
def locked_for_readers(bench: Bench) -> Iterator[None]:
    bench.tools.database.close()
    with closing(other(bench, "PRAGMA locking_mode = EXCLUSIVE", "BEGIN EXCLUSIVE")):
        yield


def without_writes_of(table: str) -> Callable[[Bench], AbstractContextManager[None]]:
    @contextmanager
    def refused(bench: Bench) -> Iterator[None]:
        for event in ("INSERT", "UPDATE"):
            rule = f"CREATE TRIGGER no_{event} BEFORE {event} ON {table} BEGIN SELECT RAISE(ABORT, 'no'); END"
            other(bench, rule).close()
        yield
        other(bench, "DROP TRIGGER no_INSERT", "DROP TRIGGER no_UPDATE").close()

    return refused


def renamed(table: str) -> Callable[[Bench], AbstractContextManager[None]]:
    @contextmanager
    def gone(bench: Bench) -> Iterator[None]:
        other(bench, f"ALTER TABLE {table} RENAME TO elsewhere").close()
        yield
        other(bench, f"ALTER TABLE elsewhere RENAME TO {table}").close()

    return gone


@contextmanager
def a_folder_in_its_place(bench: Bench) -> Iterator[None]:
    file: Path = bench.data / "microbadger.db"
    bench.tools.database.close()
    file.rename(bench.data / "away")
    file.mkdir()
    yield
    file.rmdir()
    (bench.data / "away").rename(file)


HOLD_ITS_LOCK = """
import fcntl, sys
file = open(sys.argv[1], "rb")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def brought_up_to_date_by_another(bench: Bench) -> Iterator[None]:
    """Have another process hold what it holds while it migrates a database, or carries a damaged one over."""
    bench.tools.database.close()
    command = [sys.executable, "-c", HOLD_ITS_LOCK, str(bench.data / ".microbadger.db.lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        yield
        process.communicate(timeout=60)


Trouble = Callable[[Bench], AbstractContextManager[None]]
PARTLY: dict[str, Trouble] = {
    "locked for writers": locked,
    **{f"no writes of {table}": without_writes_of(table) for table in SCHEMA.tables},
    **{f"{table} is gone": renamed(table) for table in SCHEMA.tables if table != "meta"},
}
WHOLLY: dict[str, Trouble] = {
    "locked for readers": locked_for_readers,
    "meta is gone": renamed("meta"),
    "being brought up to date": brought_up_to_date_by_another,
    "a folder in its place": a_folder_in_its_place,
}


def asked(bench: Bench, trouble: Trouble, path: str) -> tuple[int, str]:
    with trouble(bench):
        begin = time.monotonic()
        answer = bench.client.get(path)
        took = time.monotonic() - begin
    assert took < SECONDS
    assert str(bench.data) not in answer.text
    return answer.status_code, answer.text


@pytest.mark.parametrize("path", ["/healthz", "/metrics"])
@pytest.mark.parametrize("trouble", PARTLY.values(), ids=PARTLY)
def test_what_can_be_read_is_said(bench: Bench, trouble: Trouble, path: str) -> None:
    status, text = asked(bench, trouble, path)
    assert status == 200
    assert "Problems" in text or "microbadger_build_info" in text


@pytest.mark.parametrize("path", ["/healthz", "/metrics"])
@pytest.mark.parametrize("trouble", WHOLLY.values(), ids=WHOLLY)
def test_that_nothing_can_be_read_is_said(bench: Bench, trouble: Trouble, path: str) -> None:
    status, text = asked(bench, trouble, path)
    assert status == 503
    assert "This cannot be done now: the database cannot be used." in text
    assert "Problems" in text or "microbadger_build_info" in text


@pytest.mark.parametrize("table", ["checks", "counts", "messages"])
def test_one_sentence_says_what_is_missing(bench: Bench, table: str) -> None:
    with renamed(table)(bench):
        problems = bench.client.get("/healthz").get_json()["Problems"]
    assert problems == [f"The database microbadger.db cannot be used: no such table: {table}."]
    assert bench.client.get("/healthz").get_json()["Problems"] == []


def test_a_rule_of_another_program_is_no_defect(bench: Bench) -> None:
    hook = bench.webhook("example/web")
    with without_writes_of("requests")(bench):
        assert bench.client.post(hook).status_code == 503
        assert bench.client.get("/badges/size/example/web:none.svg").status_code == 200
    assert bench.client.post(hook).status_code == 200


def test_a_check_that_fails_names_no_folder(tmp_path: Path) -> None:
    with FakeRegistry() as fake:
        fake.push("example/web", "latest", image())
        bench = Bench(tmp_path, "example/web", fake)
        bench.round()
        with without_writes_of("records")(bench):
            assert bench.command("refresh").exit_code == 1
    (failure,) = bench.client.get("/healthz").get_json()["Failures"]
    status = bench.client.get("/v1/images/example/web/-/status.json").get_json()
    assert failure["Error"].startswith("The database microbadger.db cannot be used: ")
    assert status["Error"] == failure["Error"]


def test_a_symbolic_link_to_itself_is_not_found(bench: Bench) -> None:
    (bench.public / "loop").symlink_to(bench.public / "loop")
    assert [bench.client.get(path).status_code for path in ("/loop", "/loop/x", "/loop/")] == [404] * 3
