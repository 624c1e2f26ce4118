"""The database of a folder of a test: a file in it, or a schema of a PostgreSQL server.

``MICROBADGER_TEST_DATABASE=postgresql .venv/bin/pytest tests/freshness`` runs tests over a server that use a file
otherwise.
"""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

IS_POSTGRESQL = os.environ.get("MICROBADGER_TEST_DATABASE") == "postgresql"
_SERVER = "MICROBADGER_TEST_SERVER"

needs_sqlite = pytest.mark.skipif(IS_POSTGRESQL, reason="this is about the file of SQLite")


def database_url(folder: Path, name: str = "microbadger.db") -> str:
    """Return the URL of the database of a folder, the same in every process."""
    if not IS_POSTGRESQL:
        return f"sqlite:///{folder / name}"
    schema = f"folder_{hashlib.sha256(str(folder / name).encode()).hexdigest()[:24]}"
    with psycopg.connect(os.environ[_SERVER], autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}".encode())
    return f"{os.environ[_SERVER]}?options=-csearch_path%3D{schema}"


@pytest.fixture(scope="session", autouse=True)
def database_server(request: pytest.FixtureRequest) -> Iterator[None]:
    """Have a server run where tests are to use one."""
    if IS_POSTGRESQL:
        os.environ[_SERVER] = request.getfixturevalue("postgresql_server").url()
    yield
    os.environ.pop(_SERVER, None)
