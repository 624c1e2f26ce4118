"""Small disks of their own for a service, which can be filled, or be made read-only."""

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

_REMOUNT_SECONDS = 20.0
_REFILL_SECONDS = 0.02


@contextmanager
def mounted(folder: Path, size: str = "4m") -> Iterator[None]:
    """Mount a disk of this size at a folder while the block runs; skip the test where that is not allowed."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"mounting is not allowed here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Leave no byte on the disk of a folder, and return the file to remove again."""
    ballast = folder / "ballast"
    _grow(ballast, 1 << 20)
    _grow(ballast, 4096)
    return ballast


@contextmanager
def kept_full(folder: Path) -> Iterator[None]:
    """Leave no byte on the disk of a folder while the block runs, also where something makes room."""
    is_over = threading.Event()

    def refill() -> None:
        while not is_over.wait(_REFILL_SECONDS):
            fill(folder)

    filling = threading.Thread(target=refill)
    ballast = fill(folder)
    filling.start()
    try:
        yield
    finally:
        is_over.set()
        filling.join()
        ballast.unlink()


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Have the disk at a folder take nothing while the block runs."""
    _remount(folder, "ro")
    try:
        yield
    finally:
        _remount(folder, "rw")


def _grow(file: Path, piece_bytes: int) -> None:
    with suppress(OSError), file.open("ab", buffering=0) as open_file:
        while True:
            open_file.write(b"x" * piece_bytes)


def _remount(folder: Path, mode: str) -> None:
    """Have a disk mounted so, as soon as no file on it is open for writing."""
    command = ["mount", "-o", f"remount,{mode}", str(folder)]
    deadline = time.monotonic() + _REMOUNT_SECONDS
    while (done := subprocess.run(command, capture_output=True, text=True, check=False)).returncode:
        if time.monotonic() > deadline:
            raise RuntimeError(done.stderr)
        time.sleep(_REFILL_SECONDS)


def is_disk(folder: Path) -> bool:
    """Return whether a folder is a disk of its own."""
    return os.path.ismount(folder)
