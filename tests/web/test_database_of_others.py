"""The service over a database whose names another program has taken: it says so everywhere, and nothing breaks."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from app import create_app
from microbadger.settings import Settings, database_address
from tests.postgresql import PostgresqlServer
from tests.store.test_ownership import TAKEN, execute
from tests.store.world import Place, database_at

PATHS = ["/healthz", "/metrics", "/", "/v1/images", "/images/alpine", "/badges/size/alpine.svg"]
COMMANDS = [["images"], ["refresh"], ["publish"], ["track", "alpine"], ["webhook"], ["copy-store", "nowhere.db"]]


@dataclass
class Taken:
    """A service with the name of a table of its own taken, before its first start."""

    app: Flask
    name: str


@pytest.fixture(params=["sqlite", "postgresql"])
def taken(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Taken]:
    folders: dict[str, Any] = {"data_dir": tmp_path / "data", "public_dir": tmp_path / "public"}
    file = tmp_path / "data" / "microbadger.db"
    place: Place = file
    url, name = "", str(file)
    if request.param == "postgresql":
        server: PostgresqlServer = request.getfixturevalue("postgresql_server")
        place = server.new_schema()
        url, name = database_address(place), "127.0.0.1/postgres"
    execute(place, TAKEN["other columns"][0])
    yield Taken(create_app(Settings(**folders, database_url=url, secret="a secret", hub_url="")), name)
    database_at(place).close()


@pytest.mark.parametrize("path", PATHS)
def test_no_request_breaks(taken: Taken, path: str, caplog: pytest.LogCaptureFixture) -> None:
    answer = taken.app.test_client().get(path)
    assert answer.status_code in (200, 404, 503)
    assert answer.status_code == 503 or path not in ("/healthz", "/metrics", "/v1/images")
    assert "_broke" not in caplog.text


def test_monitors_are_told(taken: Taken) -> None:
    answer = taken.app.test_client().get("/healthz")
    assert 'it contains the table "messages" of another program' in answer.get_json()["Problems"][0]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_commands_end_with_the_sentence(taken: Taken, command: list[str]) -> None:
    ended = taken.app.test_cli_runner().invoke(args=command)
    assert ended.exit_code == 1
    assert ended.output.startswith(f"Error: The database {taken.name} cannot be used: it contains the table")
    assert ended.output.count("\n") == 1
