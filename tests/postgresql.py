"""A PostgreSQL server for the tests: Debian's, started once for all of them, on loopback, in a folder of its own."""

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from tests.child_processes import ENDS_WITH_US, children_of
from tests.memory import folder_in_memory
from tests.real_registry import free_port, wait_until

INSTALL = "apt-get install --no-install-recommends postgresql"
_DEBIANS = Path("/usr/lib/postgresql")
_ACCOUNTS = ("postgres", "nobody")
_START_SECONDS = 60.0
_USER = "badger"
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "60",
    "shared_buffers": "16MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum": "off",
}


class PostgresqlServer:
    """A server that can be killed and started again with the same address and databases."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._programs = _programs()
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)

    def initialize(self) -> None:
        """Make the data folder; Debian's program refuses to run as root."""
        options = ("--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", f"--username={_USER}")
        self._run("initdb", *options, f"--pgdata={self.folder / 'data'}").wait(_START_SECONDS)

    def start(self) -> None:
        """Return once the server takes connections."""
        settings = [f"-c{name}={value}" for name, value in _SETTINGS.items()]
        self._process = self._run("postgres", f"-D{self.folder / 'data'}", f"-p{self.port}", *settings)
        wait_until(self.answers, "an answer of PostgreSQL", _START_SECONDS)

    def kill(self) -> None:
        """End all processes of the server at once, as a power failure does."""
        self._signal(signal.SIGKILL)
        assert self._process
        self._process.wait()

    def stop(self) -> None:
        """End the server in order; who is connected is disconnected."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(_START_SECONDS)

    @contextmanager
    def stalled(self) -> Iterator[None]:
        """Let the whole server stand still: the kernel still takes what is sent to it."""
        self._signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._signal(signal.SIGCONT)

    @property
    def processes(self) -> list[int]:
        """The server, and the process that it has for each connection."""
        assert self._process
        return [self._process.pid, *children_of(self._process.pid)]

    def answers(self) -> bool:
        try:
            self.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://{_USER}@127.0.0.1:{self.port}/{database}"

    def new_database(self, options: str = "") -> str:
        """Return the URL of a new, empty database."""
        name = f"badger{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} {options}")
        return self.url(name)

    def new_schema(self) -> str:
        """Return the URL of a new, empty schema, which is to the service a database of its own and made faster."""
        name = f"badger{next(self._numbers)}"
        self.execute(f"CREATE SCHEMA {name}")
        return f"{self.url()}?options=-csearch_path%3D{name}"

    def disconnect_all(self) -> None:
        """End every connection from the side of the server, as a pooler or an administrator may."""
        self.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")

    def execute(self, statement: str) -> None:
        with psycopg.connect(self.url(), autocommit=True, connect_timeout=2) as connection:
            connection.execute(statement.encode())

    def _signal(self, number: signal.Signals) -> None:
        """Send a signal to the server, and to the process that it has for each connection."""
        for pid in self.processes:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def _run(self, program: str, *arguments: str) -> "subprocess.Popen[bytes]":
        user, group = _account()
        with self.folder.joinpath("log").open("ab") as log:
            return subprocess.Popen(
                [*ENDS_WITH_US, self._programs / program, *arguments],
                user=user,
                group=group,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,
            )


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgresqlServer]:
    """A server for every test that leaves it running."""
    with running_postgresql() as server:
        yield server


@pytest.fixture
def own_postgresql_server() -> Iterator[PostgresqlServer]:
    """A server for one test, which may kill it."""
    with running_postgresql() as server:
        yield server


@contextmanager
def running_postgresql() -> Iterator[PostgresqlServer]:
    """Run a server with a data folder that its account can enter; the folders of pytest are closed to others."""
    folder = Path(tempfile.mkdtemp(prefix="microbadger-postgresql-", dir=folder_in_memory()))
    try:
        user, group = _account()
        if user is not None and group is not None:
            os.chown(folder, user, group)
        server = PostgresqlServer(folder)
        server.initialize()
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


def _programs() -> Path:
    """Return the folder of the programs, which Debian does not put on the PATH; skip the test without them."""
    folders = sorted(_DEBIANS.glob("*/bin"), key=lambda folder: int(folder.parent.name), reverse=True)
    found = shutil.which("initdb")
    for folder in [*folders, *([Path(found).parent] if found else [])]:
        if folder.joinpath("initdb").exists():
            return folder
    pytest.skip(f"Debian's postgresql not installed: {INSTALL}")


def _account() -> tuple[int | None, int | None]:
    """Return the user and the group to run the server as, if this is root."""
    if os.geteuid():
        return None, None
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = next(names[name] for name in _ACCOUNTS if name in names)
    return entry.pw_uid, entry.pw_gid
