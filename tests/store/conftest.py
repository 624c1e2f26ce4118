"""What the tests of the store share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.store.world import Process, database_at


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
