"""A database, disks, and files that are damaged, lost, locked or full."""

import random
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

from tests.disks import is_disk, kept_full, read_only
from tests.endurance.fault import ALL_FOLDERS, NOTHING_TO_SEE, Begin, Fault, Trouble
from tests.endurance.process_faults import down_for_a_while, start, stop
from tests.endurance.world import TAGS, World

_GARBAGE = (b"\x00" * 300, b"\xff\xfe garbage \x00", b"[" * 100_000, b'{"a": [1, 2', b"null")


def disk_faults(world: World) -> list[Fault]:
    """Return what can go wrong with files; disks are filled only where they are the service's own."""
    faults = [
        *(Fault(f"database {kind}", _damaging(damage, trouble)) for kind, (damage, trouble) in _DAMAGES.items()),
        Fault("database locked", _locked),
        Fault("damaged: public lists and logs", _damaged_public),
        Fault("public/ emptied", _emptied_public),
        Fault("images.txt emptied", _emptied_list, is_long=True),
    ]
    if is_disk(world.service.folder):
        faults += [
            Fault("data disk full", _full_data),
            Fault("data folder read-only", _read_only_data, is_long=True),
            Fault("public disk full", _full_public),
            Fault("public/ read-only", _read_only_public),
        ]
    return faults


def _cut_to_half(file: Path, _: random.Random) -> None:
    with file.open("r+b") as database:
        database.truncate(file.stat().st_size // 2)


def _cut_to_nothing(file: Path, _: random.Random) -> None:
    file.write_bytes(b"")


def _fill_with_garbage(file: Path, dice: random.Random) -> None:
    with file.open("r+b") as database:
        database.write(dice.randbytes(file.stat().st_size))


def _delete(file: Path, dice: random.Random) -> None:
    suffixes = ["", "-wal", "-shm"] if dice.random() < 0.5 else [""]
    for suffix in suffixes:
        file.with_name(f"{file.name}{suffix}").unlink(missing_ok=True)


_SET_ASIDE = Trouble(words=["microbadger.db.damaged-"], logged=["event=damaged_file_set_aside"])
_MADE_ANEW = Trouble(logged=["event=database_"])
_DAMAGES: dict[str, tuple[Callable[[Path, random.Random], None], Trouble]] = {
    "cut to half": (_cut_to_half, _SET_ASIDE),
    "cut to nothing": (_cut_to_nothing, _MADE_ANEW),
    "filled with garbage": (_fill_with_garbage, _SET_ASIDE),
    "deleted": (_delete, _MADE_ANEW),
}


def _damaging(damage: Callable[[Path, random.Random], None], trouble: Trouble) -> Begin:
    @contextmanager
    def begin(world: World, dice: random.Random) -> Iterator[Trouble]:
        with _refusing(world):
            damage(world.database, dice)
            yield trouble
        for copy in world.data.glob("microbadger.db.damaged-*"):
            copy.unlink()  # as /healthz asks for

    return begin


@contextmanager
def _refusing(world: World) -> Iterator[None]:
    """Let the service refuse, while the block runs, what it cannot answer without its database."""
    world.is_refusing = True
    yield
    time.sleep(0.5)  # until what was asked before is answered
    world.is_refusing = False


@contextmanager
def _locked(world: World, dice: random.Random) -> Iterator[Trouble]:
    with closing(sqlite3.connect(world.database, isolation_level=None, timeout=20)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield Trouble(words=["another program has locked it"], logged=["another program has locked it"])
        connection.execute("ROLLBACK")


@contextmanager
def _full_data(world: World, dice: random.Random) -> Iterator[Trouble]:
    with kept_full(world.service.folder):
        yield Trouble(words=["disk is full"], logged=["disk is full"])


@contextmanager
def _read_only_data(world: World, dice: random.Random) -> Iterator[Trouble]:
    """Start the service on a disk that takes nothing: no disk becomes so while a database on it is open."""
    with _refusing(world), ExitStack() as disk:
        with down_for_a_while(world):
            stop(world)
            disk.enter_context(read_only(world.service.folder))
            start(world, dice)
        yield Trouble(logged=["Read-only"])
        with down_for_a_while(world):
            stop(world)
            disk.close()
            start(world, dice)


@contextmanager
def _full_public(world: World, dice: random.Random) -> Iterator[Trouble]:
    with kept_full(world.public):
        yield Trouble(world.images, words=["No space left"])


@contextmanager
def _read_only_public(world: World, dice: random.Random) -> Iterator[Trouble]:
    with read_only(world.public):
        yield Trouble(world.images, words=["Read-only"], frozen=ALL_FOLDERS)


def _damage(file: Path, dice: random.Random) -> None:
    """Cut a file short or fill it with garbage, as it stands there."""
    with suppress(OSError):
        content = file.read_bytes()
        file.write_bytes(dice.choice([b"", *_GARBAGE, content[: len(content) // 2]]))


@contextmanager
def _damaged_public(world: World, dice: random.Random) -> Iterator[Trouble]:
    moving = dice.choice(world.images)
    paths = [f"v1/images/{moving.name}/-/changes.json", f"images/{moving.name}/-/feed.xml", "v1/images.json"]
    world.spoilt.update(paths)
    for path in paths:
        _damage(world.public / path, dice)
    yield NOTHING_TO_SEE
    moving.push("latest")
    world.announce(moving)


@contextmanager
def _emptied_public(world: World, dice: random.Random) -> Iterator[Trouble]:
    """Remove every public file while the service runs; an operator then has them made again."""
    world.is_emptied = True
    for _ in range(3):
        for path in world.public.iterdir():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
    yield NOTHING_TO_SEE
    made = world.service.command("publish")
    if made.returncode:
        world.violate(f"flask publish ended with {made.returncode}: {made.stderr[-400:]}")
    for moving in world.images:
        for tag in TAGS:
            world.published(moving, tag)
    world.is_emptied = False


@contextmanager
def _emptied_list(world: World, dice: random.Random) -> Iterator[Trouble]:
    (world.data / "images.txt").write_bytes(b"")
    yield Trouble(words=["images.txt is empty"])
    world.write_list()
