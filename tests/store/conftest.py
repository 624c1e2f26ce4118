"""What the tests of the store share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

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
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A new database of each kind, which is begun when it is first used."""
    if request.param == "sqlite":
        place: Place = tmp_path / "data" / "microbadger.db"
    else:
        place = request.getfixturevalue("postgresql_server").new_schema()
    yield place
    database_at(place).close()
