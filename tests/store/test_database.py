"""Transactions, with real threads and real processes."""

import errno
import os
import signal
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from microbadger.store.database import Database, StoreError
from microbadger.store.tables import META
from microbadger.store.upserts import upsert
from tests.store.world import Place, Process, database_at, get, put

TRANSACTIONS = 50


def count_up(file: Path, threads: int) -> None:
    """Add to a counter in many transactions that read it and then write it."""

    def count(_: int) -> None:
        for number in range(TRANSACTIONS):
            with database_at(file).write(durable=number % 10 == 0) as connection:
                value = connection.execute(select(META.c.value).where(META.c.key == "counter")).scalar() or 0
                upsert(connection, META, {"key": "counter", "value": str(int(value) + 1)}, update=("value",))
            get(file, "counter")

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(count, range(threads)))


def open_files(file: Path) -> list[str]:
    """Return which files of a database this process has open."""
    names = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            names.append(str(descriptor.readlink()))
    return [name for name in names if name.startswith(str(file))]


@pytest.mark.parametrize("name", ["mañana", "a b", "100%?#&mode=ro", "'; drop"])
def test_what_was_written_is_read_by_another_process(tmp_path: Path, other: Process, name: str) -> None:
    file = tmp_path / f"{name}.db"
    put(file, "key", name)
    assert other.run(get, file, "key") == name
    assert file.exists()
    database_at(file).close()


def test_a_transaction_that_raises_writes_nothing(place: Place) -> None:
    def fail() -> None:
        with database_at(place).write() as connection:
            upsert(connection, META, {"key": "key", "value": "value"})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert get(place, "key") is None


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("mañana 🦡", "mañana 🦡"),
        ("a\0b", "a\N{REPLACEMENT CHARACTER}b"),
        ("ñ\0", "ñ\N{REPLACEMENT CHARACTER}"),
        ("half \ud83e", "half ?"),
    ],
)
def test_text_that_cannot_be_kept_is_replaced(place: Place, text: str, kept: str) -> None:
    put(place, text, text)
    assert get(place, text) == get(place, kept) == kept


def test_text_is_ordered_by_its_code_points(place: Place) -> None:
    keys = ["B", "a", "a-b", "a/b", "ab", "_", "ä", "🦡"]
    for key in keys:
        put(place, key, "")
    with database_at(place).read() as connection:
        found = connection.execute(select(META.c.key).order_by(META.c.key)).scalars().all()
    assert [key for key in found if key in keys] == sorted(keys)


def write_and_die(place: Place) -> None:
    with database_at(place).write(durable=True) as connection:
        upsert(connection, META, [{"key": f"key{number}", "value": "x" * 100} for number in range(1000)])
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_process_that_is_killed_within_a_transaction_writes_nothing_and_locks_nothing(place: Place) -> None:
    put(place, "key", "value")
    killed = Process()
    with pytest.raises(BrokenProcessPool):
        killed.run(write_and_die, place)
    put(place, "key", "new")
    assert (get(place, "key"), get(place, "key0")) == ("new", None)
    killed.end()


def test_a_mistake_in_a_statement_is_not_an_unusable_database(place: Place) -> None:
    with pytest.raises(IntegrityError), database_at(place).write() as connection:
        connection.execute(META.insert().values(key="key", value=None))


def test_a_reading_transaction_cannot_write(place: Place) -> None:
    with pytest.raises(StoreError), database_at(place).read() as connection:
        upsert(connection, META, {"key": "key", "value": "value"})
    put(place, "other", "value")
    assert (get(place, "key"), get(place, "other")) == (None, "value")


def test_a_reader_does_not_wait_for_a_writer_and_sees_what_was_committed(place: Place, other: Process) -> None:
    put(place, "key", "old")
    with database_at(place).write() as connection:
        upsert(connection, META, {"key": "key", "value": "new"}, update=("value",))
        assert (get(place, "key"), other.run(get, place, "key")) == ("old", "old")
    assert (get(place, "key"), other.run(get, place, "key")) == ("new", "new")


def test_a_reader_sees_one_state_as_long_as_it_reads(place: Place, other: Process) -> None:
    put(place, "key", "old")
    value = select(META.c.value).where(META.c.key == "key")
    with database_at(place).read() as connection:
        before = connection.execute(value).scalar()
        other.run(put, place, "key", "new")
        assert (before, connection.execute(value).scalar()) == ("old", "old")


def test_threads_of_several_processes_write_one_after_another(file: Path, other: Process) -> None:
    counting = other.start(count_up, file, 4)
    count_up(file, 4)
    counting.result()
    assert get(file, "counter") == str(8 * TRANSACTIONS)


@pytest.mark.parametrize("durable", [True, False])
def test_only_a_durable_transaction_waits_for_the_disk(file: Path, durable: bool) -> None:
    """What was committed is in the log, whose name SQLite chooses: https://www.sqlite.org/tempfiles.html."""
    synced: list[Path] = []
    database = Database(f"sqlite:///{file}", sync=synced.append)
    with database.write(durable=durable) as connection:
        upsert(connection, META, {"key": "key", "value": "value"})
        assert synced == []
    database.close()
    assert synced == ([file.with_name(f"{file.name}-wal")] if durable else [])


def test_others_write_while_a_durable_transaction_waits_for_the_disk(file: Path) -> None:
    """Then many webhooks wait at once, instead of one after the other."""
    with database_at(file).read():
        pass
    database = Database(f"sqlite:///{file}", sync=lambda _: put(file, "key", "new"))
    with database.write(durable=True) as connection:
        upsert(connection, META, {"key": "key", "value": "old"})
    assert get(file, "key") == "new"


def test_a_durable_transaction_that_the_disk_refuses_is_an_error(file: Path) -> None:
    def refuse(_: Path) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    database = Database(f"sqlite:///{file}", sync=refuse)
    with pytest.raises(StoreError, match="Input/output error; check the disk"), database.write(durable=True):
        pass


def test_each_transaction_can_be_recovered_whole(file: Path) -> None:
    """The number stands for NORMAL: https://www.sqlite.org/pragma.html#pragma_synchronous."""
    with database_at(file).write() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 1
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"


def test_only_the_owner_can_read_the_files(file: Path) -> None:
    put(file, "secret", "value")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in file.parent.glob(f"{file.name}*")}
    assert modes == dict.fromkeys([file.name, f"{file.name}-wal", f"{file.name}-shm"], 0o600)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o666])
def test_files_that_others_could_read_are_closed_again_and_that_is_said(
    file: Path, mode: int, caplog: pytest.LogCaptureFixture
) -> None:
    other = Process()
    try:
        other.run(put, file, "secret", "value")
        files = [*file.parent.glob(f"{file.name}*")]
        for path in files:
            path.chmod(mode)

        assert get(file, "secret") == "value"
        modes = {stat.S_IMODE(path.stat().st_mode) for path in files}
    finally:
        other.end()

    assert modes == {0o600}
    assert len([line for line in caplog.messages if "event=secret_file_was_open" in line]) == len(files) == 3


def test_few_connections_stay_open(file: Path) -> None:
    database, everybody_reads = database_at(file), threading.Barrier(20)

    def read(_: int) -> None:
        with database.read():
            everybody_reads.wait()

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(read, range(20)))
    assert open_files(file).count(f"{file}-wal") == 8


def test_a_closed_database_has_no_file_open_and_can_be_used_again(file: Path) -> None:
    with database_at(file).read():
        put(file, "key", "value")
        database_at(file).close()
    assert open_files(file) == []
    assert get(file, "key") == "value"


def test_a_path_is_taken_from_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    database = Database("sqlite:///microbadger.db")
    monkeypatch.chdir("/")
    with database.read():
        assert (tmp_path / "microbadger.db").exists()
    database.close()
