"""Processes that are killed, stopped, reloaded and started."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.endurance.fault import NOTHING_TO_SEE, Fault, Trouble
from tests.endurance.world import World

STOP_SECONDS = 10.0
_TEN_YEARS_SECONDS = 10 * 365 * 86400


def process_faults() -> list[Fault]:
    """Return what can happen to processes, and to their clock."""
    return [
        Fault("worker killed", _worker_killed),
        Fault("leader killed", _leader_killed),
        Fault("all killed", _all_killed),
        Fault("SIGHUP", _reloaded),
        Fault("SIGTERM and start", _stopped),
        Fault("clock was ten years ahead", _clock_set_back),
    ]


@contextmanager
def disturbed(world: World) -> Iterator[None]:
    """Let connections break while the block runs."""
    world.is_disturbed = True
    yield
    time.sleep(0.5)  # until those who had a connection know that it broke
    world.is_disturbed = False


@contextmanager
def down_for_a_while(world: World) -> Iterator[None]:
    """Let nobody answer while the block runs."""
    world.is_up.clear()
    with disturbed(world):
        yield
        world.is_up.set()


def _kill(world: World, pid: int) -> None:
    before = world.service.workers
    os.kill(pid, signal.SIGKILL)
    world.kills += 1
    world.service.wait(lambda: len(now := world.service.workers) == len(before) and pid not in now, "a new worker")


@contextmanager
def _worker_killed(world: World, dice: random.Random) -> Iterator[Trouble]:
    with disturbed(world):
        _kill(world, dice.choice(world.service.workers))
        yield NOTHING_TO_SEE


@contextmanager
def _leader_killed(world: World, dice: random.Random) -> Iterator[Trouble]:
    with disturbed(world):
        world.service.wait(lambda: leader_of(world) in world.service.workers, "one leads")
        first = leader_of(world)
        _kill(world, first)
        world.service.wait(lambda: leader_of(world) not in (first, 0), "another one leads", 10)
        yield NOTHING_TO_SEE


def leader_of(world: World) -> int:
    """Return the process id of the worker that leads, or 0 where none does."""
    holders = world.rows("SELECT holder FROM leases WHERE name = 'leader' AND expires_at > 0")
    return int(str(holders[0][0]).split()[1].partition("/")[0]) if holders else 0


@contextmanager
def _all_killed(world: World, dice: random.Random) -> Iterator[Trouble]:
    with down_for_a_while(world):
        world.service.kill()
        world.kills += 1
        start(world, dice)
        yield NOTHING_TO_SEE


@contextmanager
def _reloaded(world: World, dice: random.Random) -> Iterator[Trouble]:
    before = set(world.service.workers)
    with disturbed(world):  # gunicorn lets the old workers finish, but closes connections that are kept open
        world.service.send(signal.SIGHUP)
        world.service.wait(lambda: not before & set(world.service.workers), "other workers", 40)
        yield NOTHING_TO_SEE


@contextmanager
def _stopped(world: World, dice: random.Random) -> Iterator[Trouble]:
    with down_for_a_while(world):
        stop(world)
        start(world, dice)
        yield NOTHING_TO_SEE


@contextmanager
def _clock_set_back(world: World, dice: random.Random) -> Iterator[Trouble]:
    """Leave in the database what a clock that was far ahead would have left there."""
    ahead = time.time() + _TEN_YEARS_SECONDS
    world.alter("UPDATE checks SET due_at = ?, began_at = ?, ended_at = ?", ahead, ahead, ahead)
    world.alter("UPDATE leases SET holder = 'another-machine 1/1', expires_at = ?", ahead)
    yield NOTHING_TO_SEE
    world.alter("UPDATE checks SET began_at = NULL WHERE began_at = ?", ahead)  # which says when a check began


def stop(world: World) -> None:
    """Ask the service to end and note how long that takes."""
    asked_at = time.monotonic()
    try:
        if status := world.service.stop(within_seconds=STOP_SECONDS):
            world.violate(f"a stop ended with status {status}")
    except subprocess.TimeoutExpired:
        world.violate(f"a stop took longer than {STOP_SECONDS:.0f} s")
    world.stops.append(time.monotonic() - asked_at)


def start(world: World, dice: random.Random) -> None:
    """Start the service, each time the other way."""
    world.starts += 1
    world.service.options = ("--workers", str(dice.choice([2, 4])), *(["--preload"] if world.starts % 2 else []))
    world.service.start()
