"""Small disks of their own for a service, which can be filled, be made read-only, or lose their power."""

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

import pytest

_DRIVE_BYTES = {"ext4": 48 << 20, "xfs": 320 << 20}
_REMOUNT_SECONDS = 60.0
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


class Drive:
    """A disk in a file, mounted at `folder`, of which can be seen what a power failure would leave at any moment.

    What the kernel has not yet sent to a disk is not in that file.
    """

    def __init__(self, base: Path, kind: str) -> None:
        self.folder = base / "disk"
        self._base, self._kind = base, kind
        self._image = base / "image"
        self._mounted: list[Path] = []

    def __enter__(self) -> Self:
        with self._image.open("wb") as image:
            image.truncate(_DRIVE_BYTES[self._kind])
        _run_or_skip(f"mkfs.{self._kind}", "-q", str(self._image))
        self._mount(self._image, self.folder)
        return self

    def __exit__(self, *_: object) -> None:
        for folder in reversed(self._mounted):
            subprocess.run(["umount", "--lazy", str(folder)], check=True)

    def after_power_loss(self) -> Path:
        """Return a folder that has what this disk would have if its power failed now."""
        folder = self._base / f"after-{len(self._mounted)}"
        image = folder.with_suffix(".image")
        subprocess.run(["cp", "--sparse=always", str(self._image), str(image)], check=True)
        self._mount(image, folder)
        return folder

    def _mount(self, image: Path, folder: Path) -> None:
        folder.mkdir(parents=True)
        options = "loop,nouuid" if self._kind == "xfs" else "loop"
        _run_or_skip("mount", "-o", options, str(image), str(folder))
        self._mounted.append(folder)


def _run_or_skip(*command: str) -> None:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"{command[0]} is not allowed here: {done.stderr.strip()}")


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
