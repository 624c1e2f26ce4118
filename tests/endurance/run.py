"""A run from its start to its end: the faults one after the other, and what is asked after each."""

import os
import random
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from microbadger.store.database import Database
from microbadger.store.leases import Leases
from tests.endurance.fault import Fault, Trouble
from tests.endurance.faults import all_faults
from tests.endurance.process_faults import start, stop
from tests.endurance.processes import Watch, run_commands
from tests.endurance.readers import Reader, Readings
from tests.endurance.report import Result, Survived
from tests.endurance.world import TAGS, MovingImage, Row, World
from tests.fakes.receiver import Receiver

_STEP_SECONDS = 0.25
_SHOWN_SECONDS = 20.0
_DISK_BYTES = 256 * 1024**2
_LONG_AGO = 7200


@dataclass(frozen=True)
class Length:
    """How long a run is and how much there is to do in it."""

    seconds: float
    image_count: int = 24
    interval_seconds: float = 18.0
    hold_seconds: float = 3.0
    is_short: bool = False
    only: str = ""
    """What the kind of a fault has to hold to be brought about."""


def endure(folder: Path, length: Length, seed: int) -> Result:
    """Bring about faults drawn by lot, as long as it takes, and return what came of it."""
    with World(folder, length.image_count, interval_seconds=length.interval_seconds) as world, ExitStack() as stack:
        stack.enter_context(_disks(world))
        receiver = stack.enter_context(Receiver())
        run = _Run(world, length, random.Random(seed), receiver)
        try:
            return run.result()
        finally:
            world.is_over.set()
            if world.service._process:
                world.service.kill()


class _Run:
    def __init__(self, world: World, length: Length, dice: random.Random, receiver: Receiver) -> None:
        self._world = world
        self._length = length
        self._dice = dice
        self._receiver = receiver
        self._readings = Readings()
        self._survived: dict[str, Survived] = {}
        self._watch = Watch(world)
        self._commands: Counter[int] = Counter()
        self._log_at = 0

    def result(self) -> Result:
        """Run, and return what came of it."""
        world, began_at = self._world, time.monotonic()
        world.write_list()
        start(world, self._dice)
        world.take_webhooks()
        self._subscribe()
        world.service.wait(lambda: (world.public / "v1/images.json").exists(), "the list of all images")
        world.is_up.set()
        with ThreadPoolExecutor(8) as pool:
            others = [pool.submit(work) for work in self._others()]
            try:
                self._bring_about(began_at + self._length.seconds)
            finally:
                world.is_over.set()
            for each in others:
                each.result()
        return self._result(began_at, self._end())

    def _subscribe(self) -> None:
        """Have a receiver subscribed, which it is no longer where the database was lost."""
        service = self._world.service
        if self._receiver.url in service.command("notifications", "list").stdout:
            return
        added = service.command("notifications", "add", self._world.images[0].name, self._receiver.url)
        if added.returncode:
            self._world.violate(f"no receiver can be subscribed: {added.stderr[-400:]}")

    def _others(self) -> Iterator[Callable[[], None]]:
        """Yield what goes on beside the faults."""
        world = self._world
        readers = [Reader(world, self._readings, random.Random(self._dice.random())) for _ in range(3)]
        yield from (readers[0].read_over_http, readers[1].read_over_http, readers[2].read_from_disk)
        for _ in range(2):
            dice = random.Random(self._dice.random())
            yield lambda dice=dice: world.send(dice)  # type: ignore[misc]
        operator = random.Random(self._dice.random())
        yield lambda: run_commands(world, operator, self._commands)
        yield self._watch.measure

    def _bring_about(self, end_at: float) -> None:
        faults = [
            fault
            for fault in all_faults(self._world)
            if self._length.only in fault.kind and not (fault.is_long and self._length.is_short)
        ]
        waiting: list[Fault] = []
        while time.monotonic() < end_at:
            waiting = waiting or self._dice.sample(faults, len(faults))
            self._undergo(waiting.pop())

    def _undergo(self, fault: Fault) -> None:
        survived = self._survived.setdefault(fault.kind, Survived())
        survived.times += 1
        violations = len(self._world.violations)
        self._log_at = self._world.service.log.stat().st_size
        under_way = self._world.checks_under_way()
        try:
            with fault.begin(self._world, self._dice) as trouble:
                self._check_shown(fault, trouble)
                self._check_frozen(fault, trouble, under_way)
        except AssertionError as error:  # something did not happen in time
            self._world.violate(f"{fault.kind}: {str(error).splitlines()[0]}")
        over_at = time.time()
        self._wait_until_healed(fault, over_at)
        self._subscribe()
        survived.longest_seconds = max(survived.longest_seconds, time.time() - over_at)
        survived.survived += len(self._world.violations) == violations
        now = time.time()
        print(f"{now - self._world.began_at:7.1f} s {fault.kind}: healed after {now - over_at:.1f} s", flush=True)

    def _check_shown(self, fault: Fault, trouble: Trouble) -> None:
        """See whether /healthz, the commands and the log name what is wrong."""
        names = {moving.name for moving in trouble.failing}
        if trouble.failing:
            self._expect(lambda: bool(names & self._world.failing().keys()), f"{fault.kind}: /healthz names an image")
            self._expect(lambda: self._is_logged(names, trouble), f"{fault.kind}: the log names an image and the cause")
            self._expect(lambda: self._is_listed(names), f"{fault.kind}: flask images shows it")
        if trouble.words:
            shown = f"{fault.kind}: /healthz shows it"
            self._expect(lambda: any(word in str(self._world.health()) for word in trouble.words), shown)
        if trouble.logged:
            logged = f"{fault.kind}: the log says so"
            self._expect(lambda: any(word in line for line in self._new_lines() for word in trouble.logged), logged)

    def _is_logged(self, names: set[str], trouble: Trouble) -> bool:
        lines = [line for line in self._new_lines() if "error=" in line or "note=" in line]
        named = [line for line in lines if any(f"image={name}" in line for name in names)]
        return any(word in line for line in named for word in trouble.words or [""])

    def _is_listed(self, names: set[str]) -> bool:
        """Return whether ``flask images`` names an image with an error behind its state and times."""
        lines = (line.split("  ") for line in self._world.service.command("images").stdout.splitlines())
        return any(len(parts) > 4 for parts in lines if parts[0] in names)

    def _new_lines(self) -> list[str]:
        with self._world.service.log.open("rb") as log:
            log.seek(self._log_at)
            return log.read().decode("utf-8", "replace").splitlines()

    def _check_frozen(self, fault: Fault, trouble: Trouble, under_way: set[Row]) -> None:
        """See whether what is served stays the same to the byte while a fault lasts.

        A check that was under way may have all that it needs; a file that was not there may be requested meanwhile.
        """
        world = self._world
        if not trouble.frozen:
            world.is_over.wait(self._length.hold_seconds)
            return
        self._expect(lambda: not under_way & world.checks_under_way(), f"{fault.kind}: checks go on")
        before = self._published(trouble)
        world.is_over.wait(self._length.hold_seconds)
        after = self._published(trouble)
        changed = {path for path, content in before.items() if after.get(path) != content}
        if changed:
            first = min(changed)
            was, is_now = (contents.get(first, b"")[:300] for contents in (before, after))
            world.violate(f"{fault.kind}: {len(changed)} files changed, such as {first}: {was!r} is {is_now!r}")

    def _published(self, trouble: Trouble) -> dict[Path, bytes]:
        public = self._world.public
        paths = self._world.paths(trouble.failing)
        return {path: path.read_bytes() for path in paths if path.relative_to(public).parts[0] in trouble.frozen}

    def _wait_until_healed(self, fault: Fault, over_at: float) -> None:
        """Wait until everything is as it should be, to the state that the registries had when the fault was over."""
        world = self._world
        wanted = {(moving.path, tag): moving.pushed[tag] for moving in world.images for tag in TAGS}
        accepted = {moving.path: min(moving.accepted_at, over_at) for moving in world.images}
        limit = self._length.interval_seconds * 1.3 + 15

        def is_fresh(moving: MovingImage) -> bool:
            return all(world.published(moving, tag) >= wanted[moving.path, tag] for tag in TAGS)

        self._expect(lambda: not self._unanswered(accepted), f"{fault.kind}: every accepted webhook led to a check")
        self._expect(lambda: all(map(is_fresh, world.images)), f"{fault.kind}: every image is up to date", limit)
        self._expect(self._is_well, f"{fault.kind}: /healthz shows nothing", limit)
        if world.spoilt:
            self._expect(self._is_mended, f"{fault.kind}: damaged public files are mended", limit)
            world.spoilt.clear()
        if broken := [line for line in self._new_lines() if "Traceback" in line]:
            world.violate(f"{fault.kind}: the log has {len(broken)} tracebacks")

    def _unanswered(self, accepted: Mapping[str, float]) -> list[str]:
        """Return the images of which no check has begun since a webhook was accepted."""
        began_at = self._world.checks_began_at()
        return [path for path, accepted_at in accepted.items() if began_at[path] < accepted_at]

    def _is_well(self) -> bool:
        health = self._world.health()
        return health.get("Failures") == health.get("Notes") == health.get("Problems") == []

    def _is_mended(self) -> bool:
        return all(_is_readable(self._world.public / path) for path in self._world.spoilt if "?" not in path)

    def _expect(self, is_so: Callable[[], bool], what: str, seconds: float = _SHOWN_SECONDS) -> None:
        deadline = time.monotonic() + seconds
        while not is_so():
            if time.monotonic() > deadline:
                self._world.violate(f"{what}: not within {seconds:.0f} s")
                return
            time.sleep(_STEP_SECONDS)

    def _end(self) -> int:
        """Stop everything, see what is left, and return how many temporary files the kills left."""
        world = self._world
        last = {moving.path: moving.accepted_at for moving in world.images}
        self._expect(lambda: not self._unanswered(last), "the last webhooks led to checks")
        world.webhooks["lost"] = len(self._unanswered(last))
        self._expect(lambda: not self._leases_held(), "the last checks ended")
        stop(world)
        self._check_no_lease_is_held()
        leftovers = list(world.service.folder.rglob(".new-*"))
        if leftovers and not world.kills:
            world.violate(f"{len(leftovers)} temporary files were left without a kill, such as {leftovers[0]}")
        if leftovers:
            self._check_swept(leftovers)
        return len(leftovers)

    def _check_no_lease_is_held(self) -> None:
        for name in self._leases_held("%"):
            self._world.violate(f"the lease {name} is held though no process is left")

    def _leases_held(self, like: str = "image:%") -> list[str]:
        leases = Leases(Database(f"sqlite:///{self._world.database}"))
        names = [str(name) for (name,) in self._world.rows(f"SELECT name FROM leases WHERE name LIKE '{like}'")]
        return [name for name in names if leases.is_held(name)]

    def _check_swept(self, leftovers: list[Path]) -> None:
        for file in leftovers:
            os.utime(file, (time.time() - _LONG_AGO,) * 2)
        self._world.alter("DELETE FROM meta WHERE key = 'cleaned_at'")  # as if it had been a day since the last time
        start(self._world, self._dice)
        self._expect(lambda: not any(file.exists() for file in leftovers), "what kills left is swept")
        stop(self._world)

    def _result(self, began_at: float, leftovers: int) -> Result:
        world, readings = self._world, self._readings
        if self._watch.growth["MiB"] > 60 or self._watch.growth["files open"] > 60:
            world.violate(f"a worker grew: {dict(self._watch.growth)}")
        reads = {
            "over HTTP": readings.over_http,
            "from disk": readings.from_disk,
            "partial": readings.partial,
            "refused without a database": readings.refused,
            "broken off by kills and stops": readings.unanswered,
        }
        return Result(
            seconds=time.monotonic() - began_at,
            faults=self._survived,
            kills=world.kills,
            stops=world.stops,
            webhooks=world.webhooks,
            pushes=sum(sum(moving.pushed.values()) for moving in world.images),
            messages=len(self._receiver.received),
            commands=self._commands.total(),
            reads=reads,
            growth=self._watch.growth,
            leftovers=leftovers,
            violations=world.violations,
        )


def _is_readable(file: Path) -> bool:
    if not file.suffix:
        return True
    content = file.read_bytes()
    return content.endswith((b"}", b"}\n", b">", b">\n")) and b"\0" not in content


@contextmanager
def _disks(world: World) -> Iterator[None]:
    """Give the service small disks of its own, where that is allowed."""
    mounted: list[Path] = []
    for folder in (world.service.folder, world.public):
        folder.mkdir(parents=True, exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={_DISK_BYTES}", "none", str(folder)]
        if shutil.which("mount") and not subprocess.run(command, capture_output=True, check=False).returncode:
            mounted.append(folder)
    world.data.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        for folder in reversed(mounted):
            subprocess.run(["umount", "--lazy", str(folder)], check=False)
