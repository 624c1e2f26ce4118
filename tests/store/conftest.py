"""What the tests of the store share."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.postgresql import PostgresqlServer
from tests.store.world import Place, Process, database_at


@pytest.fixture(scope="package")
def other() -> Iterator[Process]:
    """Another process."""
    process = Process()
    yield process
    process.end()


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    """The file of a database that is begun when it is first used."""
    file = tmp_path / "data" / "microbadger.db"
    yield file
    database_at(file).close()


@pytest.fixture(params=["sqlite", "postgresql"])
def places(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Place]:
    """Return a new database of each kind at each call, which is begun when it is first used."""
    if request.param == "postgresql":
        server: PostgresqlServer = request.getfixturevalue("postgresql_server")
        return server.new_schema
    numbers = itertools.count()
    return lambda: tmp_path / f"data{next(numbers)}" / "microbadger.db"


@pytest.fixture
def place(places: Callable[[], Place]) -> Iterator[Place]:
    """A new database of each kind."""
    place = places()
    yield place
    database_at(place).close()
