"""What tests of the store do with a database, in their own process and in others."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import ParamSpec, TypeVar

import pytest
from sqlalchemy import URL, select

from microbadger.store.database import Database
from microbadger.store.tables import META
from microbadger.store.upserts import upsert

WAIT_SECONDS = 60.0
P = ParamSpec("P")
T = TypeVar("T")
LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
"""


Place = Path | str
"""Where a database is: the path of a file, or a URL."""


@cache
def database_at(place: Place) -> Database:
    """Return the one database object that a process has for a place."""
    return Database(url_of(place))


def url_of(place: Place) -> str:
    return place if isinstance(place, str) else URL.create("sqlite", database=str(place)).render_as_string()


def put(place: Place, key: str, value: str, *, durable: bool = False) -> None:
    with database_at(place).write(durable=durable) as connection:
        upsert(connection, META, {"key": key, "value": value}, update=("value",))


def get(place: Place, key: str) -> str | None:
    with database_at(place).read() as connection:
        return connection.execute(select(META.c.value).where(META.c.key == key)).scalar()


class Process:
    """Another process, in which functions of test modules run one after another."""

    def __init__(self) -> None:
        self._pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))

    def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return self.start(function, *args, **kwargs).result(WAIT_SECONDS)

    def start(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        return self._pool.submit(function, *args, **kwargs)

    def kill(self) -> None:
        pid = self.run(os.getpid)
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(BrokenProcessPool):
            self.run(os.getpid)
        self.end()

    def end(self) -> None:
        self._pool.shutdown()


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Let another program hold the database exclusively."""
    with subprocess.Popen(
        [sys.executable, "-c", LOCK, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout
        assert program.stdout.readline() == "locked\n"
        try:
            yield
        finally:
            program.send_signal(signal.SIGKILL)


@contextmanager
def mounted(folder: Path, *options: str) -> Iterator[None]:
    """Mount something at a folder; skip the test where that is not allowed."""
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["mount", *options, str(folder)], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"mounting is not allowed here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Leave no byte on the disk of a folder, and return the file to remove again."""
    ballast = folder / "ballast"
    for chunk in (4096, 1):
        with suppress(OSError), ballast.open("ab", buffering=0) as file:
            while True:
                file.write(b"x" * chunk)
    return ballast


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for a condition, but not for ever."""
    end = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
