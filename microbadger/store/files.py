"""Replaces files as a whole, and takes locks that the kernel releases when their holder dies.

A reader of a file written here sees the old bytes or the new ones, never a part of them, even after a power failure. A
lock is an ``flock`` on a separate file. It works between threads, gunicorn workers and the command line, and needs no
clean-up after a crash.
"""

import errno
import fcntl
import glob
import math
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import NamedTuple

from microbadger.logs import EventLog

log = EventLog(__name__)

PUBLIC_MODE = 0o644
PRIVATE_MODE = 0o600
_LONGEST_WRITE_SECONDS = 3600
_TEMPORARY_PREFIX = ".new-"
_ATTEMPTS = 100
_LEAST_ROOM_BYTES = 4096
_MOST_SET_ASIDE = 3
_POLL_SECONDS = 0.01
_NO_FILE_THERE = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP}


def read_if_any(path: Path | str, *, below: Path | None = None) -> bytes | None:
    """Return the bytes of a file, or None if there is no such file.

    Also return None if symbolic links point outside the folder ``below``. This function makes half as many system calls
    as `Path.read_bytes`.
    """
    file = open_if_any(path, below=below)
    if file is None:
        return None
    with file:
        return file.read(os.fstat(file.fileno()).st_size)


def open_if_any(path: Path | str, *, below: Path | None = None) -> FileIO | None:
    """Open a file for reading and return it, or return None as `read_if_any` does. The caller closes the file."""
    try:
        file = open(path, "rb", buffering=0)  # noqa: PTH123, SIM115 - a `Path` costs more than the call
    except OSError as error:
        if error.errno not in _NO_FILE_THERE:
            raise
        return None
    if below and not _is_below(below, file.fileno(), path):
        file.close()
        return None
    return file


def _is_below(folder: Path, descriptor: int, path: Path | str) -> bool:
    """Return whether an open file is below a folder once all symbolic links are resolved."""
    try:
        real = os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115 - a `Path` costs more than the call
    except OSError:  # this is not Linux
        real = os.path.realpath(path)
    return any(real.startswith(f"{where(folder)}/") for where in (str, os.path.realpath))


class FileStamp(NamedTuple):
    """Properties of a file that change when it is written or replaced."""

    written_at_ns: int
    size_bytes: int
    inode: int


def stamp_of(path: Path) -> FileStamp | None:
    """Return the stamp of a file, or None if there is no such file."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return FileStamp(status.st_mtime_ns, status.st_size, status.st_ino)


@contextmanager
def written_beside(path: Path, content: bytes, mode: int = PRIVATE_MODE) -> Iterator[Path]:
    """Write bytes to a new file beside ``path``, and yield it for renaming. It is removed if the block raises.

    The caller must sync the file before renaming it. Otherwise the name can survive a power failure without the bytes.
    """
    descriptor, temporary = _temporary_beside(path)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)  # mkstemp gives 0600, and a rename would keep it
            file.write(content)
        yield Path(temporary)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(temporary).unlink()
        raise


def replace_file(
    path: Path, content: bytes, mode: int = PRIVATE_MODE, *, sync: Callable[[Path], None] | None = None
) -> None:
    """Replace a file in one step. If that fails, the old file stays and no temporary file is left."""
    with written_beside(path, content, mode) as new:
        (sync or sync_content)(new)
        new.replace(path)


def trouble_with(folder: Path) -> str | None:
    """Return in a few words why no file can be written in a folder, or None if files can be written."""
    try:
        make_folder(folder)
        with tempfile.NamedTemporaryFile(prefix=_TEMPORARY_PREFIX, dir=folder) as file:
            file.write(bytes(_LEAST_ROOM_BYTES))
            file.flush()
    except OSError as error:
        return error.strerror or str(error)
    return None


def remove_file(path: Path, below: Path) -> bool:
    """Remove a file and the parent folders that become empty, up to ``below``. Return False if there was no such file.

    If the path is an empty folder, that folder is removed.
    """
    try:
        path.unlink()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (IsADirectoryError, PermissionError):  # for a folder, Linux raises the first, POSIX specifies the second
        if path.is_symlink() or not path.is_dir() or not remove_if_empty(path):
            raise
    for folder in path.parents:
        if folder == below or not remove_if_empty(folder):
            break
    return True


def remove_if_empty(folder: Path) -> bool:
    """Remove a folder if it is empty. Return whether the folder is gone."""
    try:
        folder.rmdir()
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT):
            return error.errno == errno.ENOENT
        raise
    return True


def set_aside(path: Path) -> Path | None:
    """Rename a damaged file to ``<name>.damaged-<UTC time>`` and log it; return None if there is no such file.

    The three latest damaged copies of each file are kept for an operator to examine; older copies are removed.
    """
    aside = path.with_name(f"{path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}")
    try:
        path.replace(aside)
    except FileNotFoundError:
        return None
    for old in sorted(path.parent.glob(f"{glob.escape(path.name)}.damaged-*Z"))[:-_MOST_SET_ASIDE]:
        for part in path.parent.glob(f"{glob.escape(old.name)}*"):
            part.unlink(missing_ok=True)
    log.warning("damaged_file_set_aside", file=path, aside=aside.name)
    return aside


def copies_set_aside(path: Path) -> list[Path]:
    """Return the damaged copies of a file that were set aside and still exist, oldest first."""
    return sorted(path.parent.glob(f"{glob.escape(path.name)}.damaged-*Z"))


def sweep(folder: Path) -> None:
    """Remove the temporary files that killed processes have left below a folder."""
    long_ago = time.time() - _LONGEST_WRITE_SECONDS
    for parent, _, names in os.walk(folder):
        for name in names:
            if name.startswith(_TEMPORARY_PREFIX):
                file = Path(parent, name)
                with suppress(FileNotFoundError):
                    if file.stat().st_mtime < long_ago:
                        file.unlink()


def make_folder(folder: Path) -> None:
    """Create a folder and its parents, readable by everybody whatever the umask is."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    with suppress(FileExistsError):
        folder.mkdir()
        folder.chmod(0o755)


class StillLocked(Exception):
    """Another thread or process has held the lock of a file for too long."""


@contextmanager
def lock_file(path: Path, *, seconds: float = math.inf) -> Iterator[None]:
    """Wait for the lock at ``path``, and hold it within the block. Raises StillLocked after ``seconds``."""
    make_folder(path.parent)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, PRIVATE_MODE)
    try:
        _wait_for_lock(descriptor, seconds)
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)  # a process forked meanwhile may hold a copy of the descriptor
        os.close(descriptor)


def _wait_for_lock(descriptor: int, seconds: float) -> None:
    if math.isinf(seconds):
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return
    ends_at = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= ends_at:
                raise StillLocked from None
            time.sleep(_POLL_SECONDS)
        else:
            return


def _temporary_beside(path: Path) -> tuple[int, str]:
    for _ in range(_ATTEMPTS):
        # The folder may not exist yet, or another process may have just removed it or a parent because it was empty.
        with suppress(FileNotFoundError):
            return tempfile.mkstemp(prefix=_TEMPORARY_PREFIX, dir=path.parent)
        with suppress(FileNotFoundError):
            make_folder(path.parent)
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path.parent))


def sync(path: Path) -> None:
    """Wait until the current content of a file or folder is on the disk."""
    _sync(path, os.fsync)


def sync_content(path: Path) -> None:
    """Wait until the bytes of a file are on the disk. Waiting for its times as well would take twice as long."""
    _sync(path, getattr(os, "fdatasync", os.fsync))


def _sync(path: Path, wait: Callable[[int], None]) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        wait(descriptor)
    finally:
        os.close(descriptor)
