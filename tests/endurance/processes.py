"""What runs beside and within the service: commands that an operator types, and the workers, which are not to grow."""

import random
from collections import Counter
from pathlib import Path

from tests.endurance.world import World

_WARM_AFTER_MEASUREMENTS = 3  # until its modules are loaded and its pools are full
_MEASURE_SECONDS = 2.0


def run_commands(world: World, dice: random.Random, statuses: Counter[int]) -> None:
    """Type commands until it is over: none may break, and an image that is untracked leaves nothing."""
    while not world.is_over.wait(dice.uniform(1, 3)):
        name = dice.choice(world.images).name
        command = dice.choice(
            [["refresh"], ["refresh", name], ["images"], ["notifications", "list"], ["webhook", name], ["track"]]
        )
        if command == ["track"]:
            _track_and_untrack(world, statuses)
        else:
            _run(world, statuses, *command)


def _track_and_untrack(world: World, statuses: Counter[int]) -> None:
    name = world.extra.name
    if _run(world, statuses, "track", name):
        return
    if _run(world, statuses, "untrack", name) == 0 and (left := list(world.paths([world.extra]))):
        world.violate(f"flask untrack left {len(left)} files, such as {left[0]}")


def _run(world: World, statuses: Counter[int], *command: str) -> int:
    done = world.service.command(*command)
    statuses[done.returncode] += 1
    if "Traceback" in done.stderr or done.returncode not in (0, 1):
        world.violate(f"flask {command[0]} ended with {done.returncode}: {done.stderr[-400:]}")
    return done.returncode


class Watch:
    """Measures the workers; `growth` is by how much one grew at most once it was warm."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._first: dict[int, dict[str, float]] = {}
        self._measured: Counter[int] = Counter()
        self.growth = {"MiB": 0.0, "files open": 0.0}

    def measure(self) -> None:
        """Measure until it is over."""
        while not self._world.is_over.wait(_MEASURE_SECONDS):
            try:
                for pid in self._world.service.workers:
                    self._note(pid, _measured(pid))
            except (OSError, AssertionError):
                continue  # it ended, or there is no service just now

    def _note(self, pid: int, measured: dict[str, float]) -> None:
        self._measured[pid] += 1
        if self._measured[pid] <= _WARM_AFTER_MEASUREMENTS:
            return
        first = self._first.setdefault(pid, measured)
        for what, amount in measured.items():
            self.growth[what] = max(self.growth[what], amount - first[what])


def _measured(pid: int) -> dict[str, float]:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return {"MiB": pages * 4096 / 1024**2, "files open": float(len(list(Path(f"/proc/{pid}/fd").iterdir())))}
