"""Files that are replaced whole and locks that free themselves, with real threads and real processes."""

import fcntl
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from microbadger.store.files import (
    PRIVATE_MODE,
    PUBLIC_MODE,
    lock_file,
    make_folder,
    read_if_any,
    remove_file,
    replace_file,
    trouble_with,
)

REPLACEMENTS = 200
HOLD_A_LOCK = """
import sys
from pathlib import Path
from microbadger.store.files import lock_file
with lock_file(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""
PUBLISH_UNDER_UMASK = """
import os, sys
from pathlib import Path
from microbadger.store.files import replace_file
os.umask(int(sys.argv[3], 8))
replace_file(Path(sys.argv[1]), b"x", int(sys.argv[2], 8))
"""


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def is_free(lock: Path) -> bool:
    with lock.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


@contextmanager
def process_that_holds(lock: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD_A_LOCK, lock],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        close_fds=False,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def in_threads(count: int, work: Callable[[int], object]) -> None:
    with ThreadPoolExecutor(count) as pool:
        list(pool.map(work, range(count)))


@pytest.mark.parametrize("content", ["mañana".encode(), b"", b"\x00\xff", b"x" * 1_000_000])
def test_it_reads_back_what_it_wrote(tmp_path: Path, content: bytes) -> None:
    replace_file(tmp_path / "file", content)
    assert read_if_any(tmp_path / "file") == content


@pytest.mark.parametrize("path", ["mañana", "missing", "file/below", "folder", "x" * 300, "file/below/a/file", "loop"])
def test_it_reads_none_where_no_file_is(tmp_path: Path, path: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    assert read_if_any(tmp_path / path) is None


def test_it_does_not_hide_that_a_file_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # for a whole path may be too long for a socket
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
    with pytest.raises(OSError, match="No such device"):
        read_if_any(tmp_path / "socket")


def test_a_reader_sees_the_old_bytes_or_the_new_ones(tmp_path: Path) -> None:
    file, versions = tmp_path / "file", [bytes([letter]) * 100_000 for letter in b"ab"]
    replace_file(file, versions[0])
    done = threading.Event()

    def read_until_done() -> set[bytes | None]:
        seen = {read_if_any(file)}
        while not done.is_set():
            seen.add(read_if_any(file))
        return seen

    with ThreadPoolExecutor() as pool:
        reading = [pool.submit(read_until_done) for _ in range(2)]
        for turn in range(REPLACEMENTS):
            replace_file(file, versions[turn % 2])
        done.set()
        assert set().union(*(reader.result() for reader in reading)) <= set(versions)


@pytest.mark.parametrize("umask", ["077", "022", "000"])
@pytest.mark.parametrize("wanted", [PUBLIC_MODE, PRIVATE_MODE])
def test_a_file_has_the_mode_it_was_given_whatever_the_umask(tmp_path: Path, wanted: int, umask: str) -> None:
    file = tmp_path / "folder" / "below" / "file"
    subprocess.run([sys.executable, "-c", PUBLISH_UNDER_UMASK, file, oct(wanted), umask], check=True)
    assert (mode(file), mode(file.parent), mode(file.parent.parent)) == (wanted, 0o755, 0o755)


def test_it_changes_the_mode_of_a_file_that_was_there(tmp_path: Path) -> None:
    (tmp_path / "file").touch(mode=0o600)
    replace_file(tmp_path / "file", b"", PUBLIC_MODE)
    assert mode(tmp_path / "file") == PUBLIC_MODE


def test_it_leaves_the_mode_of_a_folder_that_was_there(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir(mode=0o700)
    make_folder(tmp_path / "folder")
    assert mode(tmp_path / "folder") == 0o700


def test_a_failed_write_leaves_no_other_file(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        replace_file(tmp_path / "folder", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    replace_file(tmp_path / "file", b"old")
    with pytest.raises(TypeError):
        replace_file(tmp_path / "file", "no bytes")  # type: ignore[arg-type]
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"file": b"old"}


def test_a_write_below_a_file_fails(tmp_path: Path) -> None:
    replace_file(tmp_path / "file", b"old")
    with pytest.raises(NotADirectoryError):
        replace_file(tmp_path / "file" / "below", b"new")


def test_a_write_into_a_folder_that_is_a_link_to_nothing_fails(tmp_path: Path) -> None:
    (tmp_path / "folder").symlink_to(tmp_path / "missing")
    with pytest.raises(FileNotFoundError, match="folder"):
        replace_file(tmp_path / "folder" / "file", b"new")


def test_it_removes_a_file_with_the_folders_this_leaves_empty(tmp_path: Path) -> None:
    replace_file(tmp_path / "a" / "b" / "file", b"")
    assert remove_file(tmp_path / "a" / "b" / "file", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_it_keeps_a_folder_that_holds_something_else(tmp_path: Path) -> None:
    replace_file(tmp_path / "a" / "b" / "file", b"")
    replace_file(tmp_path / "a" / "other", b"")
    remove_file(tmp_path / "a" / "b" / "file", tmp_path)
    assert list((tmp_path / "a").iterdir()) == [tmp_path / "a" / "other"]


@pytest.mark.parametrize("path", ["mañana", "missing/file", "file/below"])
def test_it_tells_that_there_was_nothing_to_remove(tmp_path: Path, path: str) -> None:
    replace_file(tmp_path / "file", b"")
    assert not remove_file(tmp_path / path, tmp_path)


def test_files_come_and_go_in_one_folder_without_a_failure(tmp_path: Path) -> None:
    def come_and_go(number: int) -> None:
        file = tmp_path / "a" / "b" / "c" / str(number)
        for _ in range(REPLACEMENTS):
            replace_file(file, b"x")
            assert remove_file(file, tmp_path)

    in_threads(4, come_and_go)
    assert list(tmp_path.iterdir()) == []


def test_a_lock_lets_one_thread_in_at_a_time(tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    replace_file(counter, b"0")

    def count(_: int) -> None:
        for _ in range(20):
            with lock_file(tmp_path / "lock"):
                counter.write_bytes(b"%d" % (int(counter.read_bytes()) + 1))

    in_threads(4, count)
    assert counter.read_bytes() == b"80"


def test_a_lock_is_free_after_its_block(tmp_path: Path) -> None:
    with lock_file(tmp_path / "lock"):
        pass
    assert is_free(tmp_path / "lock")


def test_a_lock_is_free_after_its_block_failed(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), lock_file(tmp_path / "lock"):
        1 / 0  # noqa: B018
    assert is_free(tmp_path / "lock")


def test_a_lock_can_be_read_by_its_owner_only(tmp_path: Path) -> None:
    with lock_file(tmp_path / "lock"):
        assert mode(tmp_path / "lock") == PRIVATE_MODE


def test_a_lock_holds_off_other_processes(tmp_path: Path) -> None:
    with process_that_holds(tmp_path / "lock"):
        assert not is_free(tmp_path / "lock")


def test_a_killed_process_frees_its_lock(tmp_path: Path) -> None:
    with process_that_holds(tmp_path / "lock") as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert is_free(tmp_path / "lock")


def test_a_folder_that_takes_files_has_no_trouble_and_holds_none(tmp_path: Path) -> None:
    assert trouble_with(tmp_path / "mañana") is None
    assert list((tmp_path / "mañana").iterdir()) == []


def test_a_folder_that_takes_no_file_is_in_trouble(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert trouble_with(tmp_path / "file") == "Not a directory"
