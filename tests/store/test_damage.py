"""Database files that are cut, overwritten, deleted or replaced: a new one is begun, by all processes, and said so."""

import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import func, select

from microbadger.store.database import StoreError
from microbadger.store.leases import LeaseLost, Leases
from microbadger.store.tables import CONTENT, FIRST_SEEN, REQUESTS
from tests.store.world import WAIT_SECONDS, Process, database_at, fill, get, mounted, put, wait_until

ROWS = 2000


def cut_to_half(file: Path) -> None:
    with file.open("r+b") as stream:
        stream.truncate(file.stat().st_size // 2)


def empty(file: Path) -> None:
    with file.open("r+b") as stream:
        stream.truncate()


def overwrite(file: Path) -> None:
    with file.open("r+b") as stream:
        stream.write(b"garbage!" * (file.stat().st_size // 8))


def delete(file: Path) -> None:
    file.unlink()


DAMAGES = [cut_to_half, empty, overwrite]


def see(file: Path, count: int = ROWS) -> None:
    """Write many rows, so that the file has many pages."""
    with database_at(file).write() as connection:
        row = {"tag": "", "digest": "sha256:" + "0" * 64, "seen_at": 1.0, "is_exact": True}
        rows = [{**row, "image": f"image{n}"} for n in range(count)]
        connection.execute(FIRST_SEEN.insert(), rows)


def count(file: Path) -> int:
    with database_at(file).read() as connection:
        return connection.execute(select(func.count()).select_from(FIRST_SEEN)).scalar_one()


def close(file: Path) -> None:
    database_at(file).close()


def asides(file: Path) -> list[Path]:
    return sorted(file.parent.glob(f"{file.name}.damaged-*Z"))


def outcome(action: Callable[..., object], *arguments: object) -> str:
    try:
        action(*arguments)
    except StoreError as error:
        return str(error).partition("cannot be used: ")[2]
    return "done"


def is_whole(file: Path) -> bool:
    with sqlite3.connect(file) as connection:
        (answer,) = connection.execute("PRAGMA integrity_check").fetchone()
    connection.close()
    return str(answer) == "ok"


def overwrite_table(file: Path, name: str) -> None:
    """Write garbage over the first page of a table."""
    with sqlite3.connect(file) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (name,)).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    connection.close()
    with file.open("r+b") as stream:
        stream.seek((page - 1) * size)
        stream.write(b"\xff" * size)


@pytest.mark.parametrize("damage", [*DAMAGES, delete])
def test_two_processes_go_on_with_one_new_database_when_the_file_is_damaged_while_they_use_it(
    file: Path, other: Process, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    see(file)
    other.run(put, file, "before", "value")
    inode = file.stat().st_ino
    damage(file)

    put(file, "key", "here")
    other.run(put, file, "other key", "there")

    assert file.stat().st_ino != inode
    assert (get(file, "other key"), other.run(get, file, "key")) == ("there", "here")
    assert len(asides(file)) == (0 if damage is delete else 1)
    assert ("database_replaced" if damage is delete else "damaged_file_set_aside") in caplog.text
    assert is_whole(file)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_database_that_is_damaged_at_the_start_is_set_aside(
    file: Path, other: Process, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    see(file)
    close(file)
    damage(file)
    damaged = file.read_bytes()

    put(file, "key", "value")

    assert other.run(get, file, "key") == "value"
    (aside,) = asides(file)
    assert aside.read_bytes() == damaged
    assert f"damaged_file_set_aside file={file} aside={aside.name}" in caplog.text


@pytest.mark.parametrize("damage", [cut_to_half, empty, delete])
def test_what_was_read_or_written_lately_outlives_the_damage(
    file: Path, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    put(file, "secret", "value")
    see(file, 3)
    damage(file)

    assert (get(file, "secret"), count(file)) == ("value", 3)
    assert "database_carried_over rows=4" in caplog.text


def test_no_check_that_has_begun_goes_on_with_a_database_of_which_a_part_was_lost(file: Path) -> None:
    see(file)
    leases = Leases(database_at(file))
    lease = leases.try_take("image:example/web")
    assert lease
    close(file)
    overwrite_table(file, FIRST_SEEN.name)
    outcome(count, file)

    assert not leases.is_held("image:example/web")
    with pytest.raises(LeaseLost), database_at(file).write() as connection:
        lease.prove(connection)


def test_what_can_be_read_of_a_damaged_database_is_carried_over(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put(file, "secret", "value")
    see(file)
    with database_at(file).write() as connection:
        asked = {"asked": 1, "asked_at": 1.0, "asked_by": "hub", "is_view": False, "due_at": 0.0, "follow_ups": 0}
        row = {"image": "web", "tag": "latest", **asked}
        connection.execute(REQUESTS.insert(), row)
    close(file)
    overwrite_table(file, "first_seen")
    with pytest.raises(StoreError, match="it is damaged, and will be set aside; try again"):
        count(file)

    assert count(file) == 0

    assert get(file, "secret") == "value"
    with database_at(file).read() as connection:
        assert dict(connection.execute(select(REQUESTS)).mappings().one()) == row
    assert "damaged_tables=first_seen" in caplog.text
    assert len(asides(file)) == 1
    assert is_whole(file)


def test_rows_before_the_damage_are_carried_over(file: Path) -> None:
    with database_at(file).write() as connection:
        row = {"image": "web", "body": bytes(500), "size_bytes": 1, "used_at": 1.0}
        rows = [{**row, "digest": f"{n:04}"} for n in range(ROWS)]
        connection.execute(CONTENT.insert(), rows)
    close(file)
    cut_to_half(file)

    with database_at(file).read() as connection:
        digests = set(connection.execute(select(CONTENT.c.digest)).scalars())

    assert "0000" in digests
    assert digests < {f"{n:04}" for n in range(ROWS)}


def test_a_process_that_finds_the_damage_later_joins_the_new_database(file: Path, other: Process) -> None:
    put(file, "secret", "value")
    see(file)
    close(file)
    assert other.run(get, file, "secret") == "value"
    overwrite_table(file, "first_seen")
    with pytest.raises(StoreError):
        count(file)
    put(file, "key", "value")

    assert (other.run(count, file), other.run(get, file, "key")) == (0, "value")


def test_a_replaced_database_is_used_by_all_processes_from_then_on(
    file: Path, tmp_path: Path, other: Process, caplog: pytest.LogCaptureFixture
) -> None:
    backup = tmp_path / "backup.db"
    put(backup, "key", "from the backup")
    close(backup)
    put(file, "key", "old")
    see(file)
    other.run(put, file, "old key", "old")
    backup.replace(file)

    assert (other.run(get, file, "key"), get(file, "key")) == ("from the backup", "from the backup")

    assert (get(file, "old key"), count(file)) == (None, 0)
    other.run(put, file, "key", "new")
    assert get(file, "key") == "new"
    assert "database_replaced" in caplog.text
    assert asides(file) == []
    assert is_whole(file)


def test_the_log_of_a_process_that_was_killed_is_read_although_the_file_was_cut(file: Path) -> None:
    put(file, "key", "value")
    see(file)
    close(file)
    killed = Process()
    killed.run(put, file, "secret", "value", durable=True)
    killed.kill()
    cut_to_half(file)
    with suppress(StoreError):  # damage is found when the file is opened, or when the table is read
        count(file)

    assert (get(file, "secret"), get(file, "key")) == ("value", "value")
    assert asides(file)[0].with_name(f"{asides(file)[0].name}-wal").exists()


def test_a_database_that_another_program_makes_shorter_loses_nothing(file: Path, other: Process) -> None:
    put(file, "secret", "value")
    see(file)
    with database_at(file).write() as connection:
        connection.execute(FIRST_SEEN.delete())
    with sqlite3.connect(file, isolation_level=None) as program:
        program.execute("VACUUM")
        program.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    program.close()

    assert (get(file, "secret"), other.run(get, file, "secret"), count(file)) == ("value", "value", 0)


def test_a_damaged_database_on_a_full_disk_stays_until_there_is_room(tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    file = folder / "microbadger.db"
    with mounted(folder, "-t", "tmpfs", "-o", "size=2m", "none"):
        put(file, "secret", "value")
        see(file)
        close(file)
        overwrite_table(file, "first_seen")
        ballast = fill(folder)
        ballast.write_bytes(bytes(ballast.stat().st_size - 50_000))
        with pytest.raises(StoreError, match="it is damaged"):
            count(file)

        assert outcome(get, file, "secret") == "the disk is full; free some space."

        assert asides(file) == []
        ballast.unlink()
        assert get(file, "secret") == "value"
        assert len(asides(file)) == 1
        close(file)


@pytest.mark.parametrize(
    ("suffix", "damage"),
    [*(("-wal", damage) for damage in [*DAMAGES, delete]), ("-shm", overwrite), ("-shm", delete)],
)
def test_a_damaged_log_keeps_no_process_from_going_on(
    file: Path, other: Process, damage: Callable[[Path], None], suffix: str
) -> None:
    put(file, "key", "value")
    other.run(see, file)
    log = file.with_name(f"{file.name}{suffix}")
    damage(log)

    possible = {"done", "it is damaged, and will be set aside; try again."}
    for _ in range(2):
        assert {outcome(put, file, "key", "new"), outcome(other.run, put, file, "key", "new")} <= possible

    put(file, "key", "new")
    assert other.run(get, file, "key") == "new"
    other.run(put, file, "key", "newer")
    assert get(file, "key") == "newer"


def write_until_stopped(file: Path, name: str) -> tuple[int, int]:
    """Count up in the database until it says to stop; return how many transactions were made and how many refused."""
    made = refused = 0
    end = time.monotonic() + 2 * WAIT_SECONDS
    while time.monotonic() < end:
        try:
            if get(file, "stop"):
                break
            put(file, name, str(made + 1))
            made += 1
        except StoreError:
            refused += 1
    return made, refused


@pytest.mark.parametrize("damage", [*DAMAGES, delete])
def test_damage_amid_the_work_of_many_threads_and_two_processes_stops_none_of_them(
    file: Path, other: Process, damage: Callable[[Path], None]
) -> None:
    names = ["there", "here", "and here", "here too"]

    def all_go_on() -> bool:
        with suppress(StoreError):
            return all(int(get(file, name) or 0) > reached[name] + 20 for name in names)
        return False

    with ThreadPoolExecutor(3) as pool:
        work = [other.start(write_until_stopped, file, names[0])]
        work += [pool.submit(write_until_stopped, file, name) for name in names[1:]]
        reached = dict.fromkeys(names, 0)
        for _ in range(3):
            wait_until(all_go_on)
            reached = {name: int(get(file, name) or 0) for name in names}
            wait_until(file.exists)
            damage(file)
        wait_until(all_go_on)
        wait_until(lambda: outcome(put, file, "stop", "now") == "done")
        results = [each.result() for each in work]

    assert all(refused < made for made, refused in results)
    assert [get(file, name) for name in names] == [str(made) for made, _ in results]
    close(file)
    assert is_whole(file)
