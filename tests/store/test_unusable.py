"""A database that cannot be used: one sentence says why and what to do, and it heals without a restart."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy import URL

from microbadger.store.database import Database, StoreError
from microbadger.store.tables import CONTENT, META
from microbadger.store.upserts import upsert
from tests.store.world import WAIT_SECONDS, Process, database_at, fill, get, locked, mounted, put

WRITERS = 5


def error_of(action: Callable[..., object], *arguments: object) -> str:
    with pytest.raises(StoreError) as caught:
        action(*arguments)
    return str(caught.value)


def sentence(file: Path, reason: str) -> str:
    return f"The database {file} cannot be used: {reason}."


@pytest.fixture
def file() -> Iterator[Path]:
    """The file of a database on a disk: in memory, an unchangeable one that is open can still be written."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "data" / "microbadger.db"
        yield file
        database_at(file).close()


@pytest.fixture
def hasty(file: Path) -> Iterator[Database]:
    """A database that waits only shortly for others."""
    database = Database(URL.create("sqlite", database=str(file)).render_as_string(), busy_seconds=0.2)
    yield database
    database.close()


@contextmanager
def unchangeable(path: Path) -> Iterator[None]:
    """Let nobody change a file or folder, not even who has it open; skip the test where that is not allowed."""
    done = subprocess.run(["chattr", "+i", path], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"files cannot be made unchangeable here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", path], check=True)


def write(database: Database, key: str) -> None:
    with database.write() as connection:
        upsert(connection, META, {"key": key, "value": "value"}, update=("value",))


def test_a_locked_database_is_read_and_refuses_writers(file: Path, hasty: Database) -> None:
    put(file, "key", "value")
    with locked(file):
        assert get(file, "key") == "value"
        assert error_of(write, hasty, "a") == sentence(file, "another program has locked it; end that program")
    write(hasty, "b")
    assert (get(file, "a"), get(file, "b")) == (None, "value")


def test_all_writers_of_a_locked_database_are_refused_in_time(file: Path, hasty: Database) -> None:
    put(file, "key", "value")
    with locked(file), ThreadPoolExecutor(WRITERS) as pool:
        errors = list(pool.map(lambda _: error_of(write, hasty, "a"), range(WRITERS), timeout=WAIT_SECONDS))
    assert errors == [sentence(file, "another program has locked it; end that program")] * WRITERS


def test_a_database_that_is_locked_at_the_start_is_read(file: Path, hasty: Database, other: Process) -> None:
    other.run(put, file, "key", "value")
    with locked(file), hasty.read():
        assert get(file, "key") == "value"


def test_a_writer_waits_for_one_of_another_process(file: Path) -> None:
    put(file, "key", "value")
    with ThreadPoolExecutor(1) as pool:
        with locked(file):
            writing = pool.submit(put, file, "key", "new")
            assert not writing.done()
        writing.result()
    assert get(file, "key") == "new"


def test_a_transaction_within_a_writing_one_is_refused(file: Path, hasty: Database) -> None:
    with hasty.write():
        assert "another program has locked it" in error_of(write, hasty, "a")


def write_until_full(file: Path) -> None:
    for number in range(1000):
        with database_at(file).write() as connection:
            row = {"image": "web", "size_bytes": 1, "used_at": 1.0, "body": bytes(50_000)}
            connection.execute(CONTENT.insert(), [{"digest": f"{number}/{part}", **row} for part in range(3)])


def test_a_full_disk_loses_nothing_and_heals(tmp_path: Path, other: Process) -> None:
    file = tmp_path / "disk" / "microbadger.db"
    with mounted(tmp_path / "disk", "-t", "tmpfs", "-o", "size=4m", "none"):
        put(file, "key", "value")

        error = error_of(write_until_full, file)

        assert error == sentence(file, "the disk is full; free some space")
        assert get(file, "key") == "value"
        with database_at(file).read() as connection:
            assert len(connection.execute(CONTENT.select()).all()) % 3 == 0
        subprocess.run(["mount", "-o", "remount,size=8m", str(tmp_path / "disk")], check=True)
        put(file, "key", "new")
        assert other.run(get, file, "key") == "new"
        database_at(file).close()
        other.run(close, file)


def close(file: Path) -> None:
    database_at(file).close()


def test_a_disk_that_is_full_from_the_start_leaves_no_part_of_a_database(tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    file = folder / "microbadger.db"
    with mounted(folder, "-t", "tmpfs", "-o", "size=1m", "none"):
        ballast = fill(folder)

        error = error_of(put, file, "key", "value")

        assert "cannot be used: " in error
        assert [path.name for path in folder.iterdir() if "lock" not in path.name] == ["ballast"]
        ballast.unlink()
        put(file, "key", "value")
        assert get(file, "key") == "value"
        database_at(file).close()


def test_a_read_only_disk_is_named_and_heals(tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    file = folder / "microbadger.db"
    with mounted(folder, "-t", "tmpfs", "none"):
        put(file, "key", "value")
        database_at(file).close()
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)

        errors = {error_of(put, file, "key", "new"), error_of(get, file, "key")}

        assert errors == {sentence(file, "Read-only file system; make its folder writable")}
        subprocess.run(["mount", "-o", "remount,rw", str(folder)], check=True)
        put(file, "key", "new")
        assert get(file, "key") == "new"
        database_at(file).close()


def test_a_log_that_cannot_be_written_any_more_is_read_and_heals(file: Path) -> None:
    put(file, "key", "value")
    with unchangeable(file.with_name("microbadger.db-wal")):
        assert error_of(put, file, "key", "new") == sentence(
            file, "the disk is full or broken; free some space, or check the disk"
        )
        assert get(file, "key") == "value"
    put(file, "key", "newer")
    assert get(file, "key") == "newer"


@pytest.mark.parametrize("name", ["microbadger.db", "."])
def test_a_file_or_folder_that_becomes_unchangeable_disturbs_no_open_database(file: Path, name: str) -> None:
    put(file, "key", "value")
    with unchangeable(file.parent / name):
        put(file, "key", "new")
        assert get(file, "key") == "new"


@pytest.mark.parametrize("name", ["microbadger.db", "."])
def test_files_that_are_unchangeable_at_the_start_are_named_and_heal(file: Path, name: str) -> None:
    put(file, "key", "value")
    database_at(file).close()
    with unchangeable(file.parent / name):
        assert str(file) in error_of(put, file, "key", "new")
    put(file, "other", "value")
    assert (get(file, "key"), get(file, "other")) == ("value", "value")


def test_a_folder_at_the_path_is_left_alone(file: Path) -> None:
    (file / "folder").mkdir(parents=True)

    error = error_of(put, file, "key", "value")

    assert error == sentence(
        file, "it cannot be opened; make the path a file, and the file and its folder writable"
    )
    shutil.rmtree(file)
    put(file, "key", "value")
    assert get(file, "key") == "value"


def test_a_file_in_the_place_of_the_folder_is_named_and_heals(file: Path) -> None:
    file.parent.write_bytes(b"")
    assert str(file) in error_of(put, file, "key", "value")
    file.parent.unlink()
    put(file, "key", "value")
    shutil.rmtree(file.parent)
    file.parent.write_bytes(b"")
    assert str(file) in error_of(put, file, "key", "value")
    file.parent.unlink()
    put(file, "key", "value")
    assert get(file, "key") == "value"
