"""What goes wrong: each fault begins, lasts while its `with` block runs, and is over."""

import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from werkzeug.wrappers import Request, Response

from tests.endurance.world import MovingImage, Origin, World
from tests.fakes.proxy import Fault as Spoiling
from tests.fakes.proxy import cut_after, garbled, garbled_body, in_single_bytes, kept_back
from tests.fakes.registry import Handler

STOP_SECONDS = 10.0
_ALL = ("badges", "images", "v1")
_GARBAGE = (b"", b"\x00" * 300, b"\xff\xfe garbage \x00", b"[" * 100_000, b'{"a": [1, 2', b"null")


@dataclass(frozen=True)
class Trouble:
    """What is to be seen of a fault: the images that fail meanwhile, and the words of which /healthz says one."""

    failing: Sequence[MovingImage] = ()
    words: Sequence[str] = ()
    frozen: Sequence[str] = ()
    """The folders in which nothing that is published of these images can change meanwhile."""


NOTHING_TO_SEE = Trouble()


@dataclass(frozen=True)
class Fault:
    """A kind of fault and how to bring it about."""

    kind: str
    begin: Callable[[World, random.Random], AbstractContextManager[Trouble]]
    is_long: bool = False
    """Whether it takes longer than a short run has."""


def all_faults(world: World) -> list[Fault]:
    """Return the faults that can be brought about on this machine."""
    faults = [
        Fault("registry down", _down),
        *(Fault(f"registry: {kind}", _answering(handler)) for kind, handler in _ANSWERS.items()),
        *(Fault(f"connections {kind}", _spoiling(spoiling)) for kind, spoiling in _SPOILINGS.items()),
        Fault("connections in single bytes", _spoiling(in_single_bytes, Trouble()), is_long=True),
        Fault("connections delayed", _delayed, is_long=True),
        *(Fault(f"damaged: {kind}", _damaging(*patterns)) for kind, patterns in _DATA_FILES.items()),
        Fault("damaged: subscriptions", _damaged_subscriptions),
        Fault("damaged: public lists and logs", _damaged_public),
        Fault("images.txt emptied", _emptied_list, is_long=True),
        Fault("worker killed", _worker_killed),
        Fault("all killed", _all_killed),
        Fault("SIGHUP", _reloaded),
        Fault("SIGTERM and start", _stopped),
    ]
    if os.path.ismount(world.service.folder):
        faults += [Fault("disk full", _full_disk), Fault("public/ read-only", _read_only)]
    return faults


def _half_manifest(request: Request) -> Response | None:
    is_asked = request.method == "GET" and "/manifests/" in request.path
    return Response(b'{"schemaVersion": 2, "med') if is_asked else None


_ANSWERS: dict[str, Handler] = {
    "401 for all": lambda _: Response("{}", 401, {"WWW-Authenticate": 'Basic realm="other"'}),
    "429 with Retry-After": lambda _: Response(status=429, headers={"Retry-After": "2"}),
    "500": lambda _: Response(status=500),
    "half a manifest": _half_manifest,
    "half a document": lambda _: Response(b'{"name": "team/web", "tags": ["lat'),
    "a page of a provider": lambda _: Response("<html>Please log in</html>", content_type="text/html"),
}
_SPOILINGS: dict[str, Spoiling] = {
    "cut at once": cut_after(0),
    "cut in headers": cut_after(120),
    "cut in bodies": cut_after(300),
    "garbled": garbled,
    "with garbled bodies": garbled_body,
}
_DATA_FILES: dict[str, tuple[str, ...]] = {
    "checks": ("images/**/checks.jsonl",),
    "index of layers": ("layers/chains/*", "layers/images/*"),
    "notes of requests": ("requests/pending/*/*", "requests/running/*/*"),
    "kept content": ("content/*/*",),
    "metrics": ("metrics/*.json",),
    "deliveries": ("notifications/history/*", "notifications/waiting/*/*"),
    "asked tags and settings": ("images/**/asked.json", "settings-in-use"),
}


def _images_of(world: World, origin: Origin) -> list[MovingImage]:
    return [moving for moving in world.images if moving.origin is origin]


def _failing(world: World, origin: Origin) -> Trouble:
    return Trouble(_images_of(world, origin), frozen=_ALL)


@contextmanager
def _down(world: World, dice: random.Random) -> Iterator[Trouble]:
    origin = dice.choice(world.origins)
    origin.line.is_down = True
    origin.line.spoil(cut_after(0))
    yield _failing(world, origin)
    origin.heal()


def _answering(handler: Handler) -> Callable[[World, random.Random], AbstractContextManager[Trouble]]:
    @contextmanager
    def begin(world: World, dice: random.Random) -> Iterator[Trouble]:
        origin = dice.choice(world.origins)
        origin.registry.trouble = handler
        # Of an image that did not move no manifest is asked for: it is seen to be the same, which its record tells.
        yield replace(_failing(world, origin), frozen=["badges"] if handler is _half_manifest else _ALL)
        origin.heal()

    return begin


def _spoiling(
    spoiling: Spoiling, trouble: Trouble | None = None
) -> Callable[[World, random.Random], AbstractContextManager[Trouble]]:
    @contextmanager
    def begin(world: World, dice: random.Random) -> Iterator[Trouble]:
        origin = dice.choice(world.origins)
        origin.line.spoil(spoiling)
        yield _failing(world, origin) if trouble is None else trouble
        origin.heal()

    return begin


@contextmanager
def _delayed(world: World, dice: random.Random) -> Iterator[Trouble]:
    origin, is_over = dice.choice(world.origins), threading.Event()
    origin.line.spoil(kept_back(is_over))
    yield NOTHING_TO_SEE  # a look waits
    is_over.set()
    origin.heal()


def _damage(file: Path, dice: random.Random) -> None:
    """Cut a file short or fill it with garbage, as it stands there."""
    with suppress(OSError):
        content = file.read_bytes()
        file.write_bytes(dice.choice([*_GARBAGE, content[: len(content) // 2]]))


def _damaging(*patterns: str) -> Callable[[World, random.Random], AbstractContextManager[Trouble]]:
    @contextmanager
    def begin(world: World, dice: random.Random) -> Iterator[Trouble]:
        for _ in range(5):
            with suppress(OSError):
                files = [file for pattern in patterns for file in world.data.glob(pattern) if file.is_file()]
                whole = [file for file in files if "lock" not in file.name and "damaged" not in file.name]
                for file in dice.sample(whole, min(3, len(whole))):
                    _damage(file, dice)
            time.sleep(0.2)
        yield NOTHING_TO_SEE
        if "settings-in-use" in patterns:
            (world.data / "settings-in-use").unlink(missing_ok=True)  # as the commands say

    return begin


@contextmanager
def _damaged_subscriptions(world: World, dice: random.Random) -> Iterator[Trouble]:
    file = world.data / "notifications" / "subscriptions.json"
    whole = file.read_bytes()
    file.write_bytes(dice.choice([b"", b"\x00" * 300, b"[" * 100_000, whole[: len(whole) // 2]]))
    yield Trouble(words=["subscriptions.json.damaged-"])
    for aside in file.parent.glob("subscriptions.json.damaged-*"):
        aside.unlink()
    file.write_bytes(whole)


@contextmanager
def _damaged_public(world: World, dice: random.Random) -> Iterator[Trouble]:
    name = dice.choice(world.images).name
    paths = [f"v1/images/{name}/-/changes.json", f"images/{name}/-/feed.xml", "v1/images.json"]
    world.spoilt.update([*paths, "v1/images?page=1", "v1/images/search/image"])
    for path in paths:
        _damage(world.public / path, dice)
    yield NOTHING_TO_SEE
    moving = next(moving for moving in world.images if moving.name == name)
    moving.push("latest")
    world.announce(moving)


@contextmanager
def _emptied_list(world: World, dice: random.Random) -> Iterator[Trouble]:
    file, names = world.data / "images.txt", {moving.name for moving in world.images}

    def is_whole() -> bool:
        return names <= set(file.read_text().split())

    file.write_bytes(b"")
    # A command that tracks an image writes it anew at once.
    world.service.wait(lambda: is_whole() or "images.txt is empty" in str(world.health()), "it is told", 10)
    yield NOTHING_TO_SEE
    world.service.wait(is_whole, "the list is written anew", 40)


@contextmanager
def _full_disk(world: World, dice: random.Random) -> Iterator[Trouble]:
    ballasts = [world.service.folder / f"ballast-{number}" for number in range(2)]
    is_over = threading.Event()
    filling = threading.Thread(target=_keep_full, args=[ballasts, is_over])
    filling.start()
    try:
        yield Trouble(world.images, words=["No space left"])
    finally:
        is_over.set()
        filling.join()
        for ballast in ballasts:
            ballast.unlink(missing_ok=True)


def _keep_full(ballasts: Sequence[Path], is_over: threading.Event) -> None:
    """Leave no byte on a disk, also where something makes room."""
    while not is_over.wait(0.02):
        for ballast, size in zip(ballasts, (1 << 20, 4096), strict=True):
            with suppress(OSError), ballast.open("ab", buffering=0) as file:
                while not is_over.is_set():
                    file.write(b"x" * size)


@contextmanager
def _read_only(world: World, dice: random.Random) -> Iterator[Trouble]:
    _remount(world.public, "ro")
    try:
        yield Trouble(world.images, words=["Read-only"], frozen=_ALL)
    finally:
        _remount(world.public, "rw")


def _remount(folder: Path, mode: str) -> None:
    """Have a folder mounted so, as soon as nobody writes there just then."""
    command = ["mount", "-o", f"remount,{mode}", str(folder)]
    deadline = time.monotonic() + 20
    while (done := subprocess.run(command, capture_output=True, text=True, check=False)).returncode:
        if time.monotonic() > deadline:
            raise RuntimeError(done.stderr)


@contextmanager
def _disturbed(world: World) -> Iterator[None]:
    world.is_disturbed = True
    yield
    time.sleep(0.5)  # until whoever had a connection knows that it broke
    world.is_disturbed = False


@contextmanager
def _down_for_a_while(world: World) -> Iterator[None]:
    world.is_up.clear()
    with _disturbed(world):
        yield
        world.is_up.set()


def workers_of(world: World) -> list[int]:
    """Return the process ids of gunicorn's workers."""
    process = world.service._process
    assert process
    return list(map(int, Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()))


@contextmanager
def _worker_killed(world: World, dice: random.Random) -> Iterator[Trouble]:
    with _disturbed(world):
        before = workers_of(world)
        os.kill(dice.choice(before), signal.SIGKILL)
        world.kills += 1
        world.service.wait(lambda: len(workers_of(world)) == len(before), "a new worker")
        yield NOTHING_TO_SEE


@contextmanager
def _all_killed(world: World, dice: random.Random) -> Iterator[Trouble]:
    with _down_for_a_while(world):
        world.service.kill()
        world.kills += 1
        start(world, dice)
        yield NOTHING_TO_SEE


@contextmanager
def _reloaded(world: World, dice: random.Random) -> Iterator[Trouble]:
    before, process = set(workers_of(world)), world.service._process
    assert process
    with _disturbed(world):  # gunicorn lets the old workers finish, but closes connections that are kept open
        process.send_signal(signal.SIGHUP)
        world.service.wait(lambda: not before & set(workers_of(world)), "other workers", 40)
        yield NOTHING_TO_SEE


@contextmanager
def _stopped(world: World, dice: random.Random) -> Iterator[Trouble]:
    with _down_for_a_while(world):
        stop(world)
        start(world, dice)
        yield NOTHING_TO_SEE


def stop(world: World) -> None:
    """Ask the service to end and note how long that takes."""
    process, world.service._process = world.service._process, None
    assert process
    asked_at = time.monotonic()
    process.terminate()
    try:
        status = process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        world.violate(f"a stop took longer than {STOP_SECONDS:.0f} s")
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    else:
        if status:
            world.violate(f"a stop ended with status {status}")
    world.stops.append(time.monotonic() - asked_at)


def start(world: World, dice: random.Random) -> None:
    """Start the service, each time the other way."""
    world.starts += 1
    world.service.options = ("--workers", str(dice.choice([2, 4])), *(["--preload"] if world.starts % 2 else []))
    world.service.start()
