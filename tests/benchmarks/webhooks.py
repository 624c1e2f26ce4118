"""How fast webhooks are answered and how soon they show, when a hundred senders post at once, and what a storm costs.

Run with ``python -m tests.benchmarks.webhooks``; it prints a table. The registry is a fake in a process of its own on
this machine, so that pushing costs nothing that is measured: a push is a number in memory that both processes share.
"""

import asyncio
import multiprocessing
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from werkzeug.wrappers import Request

from tests.fakes.registry import FakeRegistry, image
from tests.running_service import RunningService, badge_text

IMAGES = 50
SENDERS = 100
ROUNDS = 10
STORM = 1000
PAUSE_SECONDS = 4
STEADY_SECONDS = 8
OPTIONS = (("--workers", "2", "--threads", "8"), ("--workers", "1"))
WATCH_SECONDS = 0.005
LONGEST_SECONDS = 20.0
VERSION, COPY = "org.opencontainers.image.version", "copy"


class Numbers(Protocol):
    """Numbers in memory that processes share, one for each image."""

    def __getitem__(self, image: int, /) -> int: ...

    def __setitem__(self, image: int, number: int, /) -> None: ...


@dataclass(frozen=True)
class SharedRegistry:
    """A registry in another process: what is pushed to it here, and how often it was asked there."""

    host: str
    versions: Numbers
    checks: Numbers

    def name(self, image: int) -> str:
        return f"{self.host}/team/image{image}"

    def count(self) -> int:
        """Return how many checks there were, of all images."""
        return sum(self.checks[image] for image in range(IMAGES))


def serve(versions: Numbers, checks: Numbers, starter: Connection) -> None:
    """Be the registry until the process that started this one ends it."""
    counting = threading.Lock()

    def number_of(request: Request) -> int:
        return int(request.path.split("/")[3].removeprefix("image"))

    def count(request: Request) -> None:
        with counting:
            checks[number_of(request)] += 1

    def push_version(request: Request) -> None:
        number = number_of(request)
        labels = {VERSION: str(versions[number]), COPY: str(number)}
        fake.push(f"team/image{number}", "latest", image(labels=labels, layers=range(1, 10)))

    with FakeRegistry() as fake:
        fake.always("/tags/list", count)
        fake.always("/tags/list", push_version)
        fake.always("/manifests/latest", push_version)
        starter.send(fake.host)
        starter.recv()


@contextmanager
def shared_registry() -> Iterator[SharedRegistry]:
    context = multiprocessing.get_context("spawn")
    versions, checks = (context.Array("L", IMAGES, lock=False) for _ in range(2))
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(versions, checks, there), daemon=True)
    process.start()
    try:
        yield SharedRegistry(here.recv(), versions, checks)
    finally:
        here.send("enough")
        process.join(LONGEST_SECONDS)


@dataclass
class Sender:
    """Posts webhooks on one connection, and on a new one where the service closed it meanwhile."""

    port: int
    seconds: list[float] = field(default_factory=list)
    _connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, url: str) -> None:
        """Post, and remember how long the answer took."""
        began = time.perf_counter()
        try:
            answer = await self._exchange(url)
        except (ConnectionError, asyncio.IncompleteReadError):
            self.close()
            answer = await self._exchange(url)
        self.seconds.append(time.perf_counter() - began)
        if not (answer.startswith(b"HTTP/1.1 200") and answer.endswith(b"OK")):
            raise RuntimeError(f"the service answered {answer!r}")

    async def _exchange(self, url: str) -> bytes:
        if self._connection is None:
            self._connection = await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = self._connection
        writer.write(f"POST {urlsplit(url).path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n".encode())
        return await reader.readuntil(b"\r\n\r\n") + await reader.readexactly(len(b"OK"))

    def close(self) -> None:
        if self._connection:
            self._connection[1].close()
        self._connection = None


class Badges:
    """The badges on disk, and when each was first seen to show which version."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = files
        self._stamps = [0] * len(files)
        self._shown: list[list[tuple[int, float]]] = [[] for _ in files]

    def read(self) -> None:
        """Remember what is new, and when."""
        for number, file in enumerate(self._files):
            stamp = file.stat().st_mtime_ns
            if stamp != self._stamps[number]:
                version = int(badge_text(file.read_bytes()).removeprefix("version: "))
                self._shown[number].append((version, time.perf_counter()))
                self._stamps[number] = stamp

    def shown_at(self, number: int, version: int) -> float | None:
        """Return when a version, or a later one, was first seen."""
        return next((at for shown, at in self._shown[number] if shown >= version), None)


@dataclass(frozen=True)
class Pushed:
    """A version of an image, and when its webhook was about to be sent."""

    number: int
    version: int
    at: float


@dataclass(frozen=True)
class Figures:
    """How many seconds each answer took and each new badge, and how many checks there were."""

    answered: list[float]
    fresh: list[float]
    checks: int


@dataclass
class Load:
    """A hundred senders of webhooks to a service, and what they measure."""

    registry: SharedRegistry
    urls: Sequence[str]
    badges: Badges
    senders: Sequence[Sender]
    dice: random.Random = field(default_factory=lambda: random.Random(1))
    pushed: list[Pushed] = field(default_factory=list)

    async def at_once(self) -> None:
        """Have all senders post in the same instant, each for a new version of any image; again when all is shown."""
        for _ in range(ROUNDS):
            await asyncio.gather(*(self._push(sender, self.dice.randrange(IMAGES)) for sender in self.senders))
            await self.until_shown()

    async def steadily(self) -> None:
        """Have each sender post every few seconds for a while."""

        async def post_now_and_then(sender: Sender) -> None:
            end, pause = time.perf_counter() + STEADY_SECONDS, self.dice.uniform(0, 2 * PAUSE_SECONDS)
            while time.perf_counter() + pause < end:
                await asyncio.sleep(pause)
                await self._push(sender, self.dice.randrange(IMAGES))
                pause = self.dice.uniform(0, 2 * PAUSE_SECONDS)

        watching = asyncio.ensure_future(self._watch())
        await asyncio.gather(*map(post_now_and_then, self.senders))
        await self.until_shown()
        watching.cancel()

    async def storm(self) -> None:
        """Have all senders post for one image as fast as they are answered."""
        left = iter(range(STORM))

        async def post_often(sender: Sender) -> None:
            for _ in left:
                await self._push(sender, 0)

        watching = asyncio.ensure_future(self._watch())
        await asyncio.gather(*map(post_often, self.senders))
        await self.until_shown()
        watching.cancel()

    async def until_shown(self) -> None:
        """Return when the badges on disk show everything that was pushed."""
        deadline = time.perf_counter() + LONGEST_SECONDS
        while any(self.badges.shown_at(each.number, each.version) is None for each in self.pushed):
            if time.perf_counter() > deadline:
                raise TimeoutError("a pushed version is not shown")
            await self._glance()

    async def _watch(self) -> None:
        while True:
            await self._glance()

    async def _glance(self) -> None:
        self.badges.read()
        await asyncio.sleep(WATCH_SECONDS)

    async def _push(self, sender: Sender, number: int) -> None:
        self.registry.versions[number] += 1
        self.pushed.append(Pushed(number, self.registry.versions[number], time.perf_counter()))
        await sender.post(self.urls[number])

    async def figures(self, run: Callable[["Load"], Awaitable[None]]) -> Figures:
        """Return what a run measures."""
        checks = self.registry.count()
        await run(self)
        shown = ((self.badges.shown_at(each.number, each.version), each.at) for each in self.pushed)
        for sender in self.senders:
            sender.close()
        answered = [seconds for sender in self.senders for seconds in sender.seconds]
        return Figures(answered, [at - began for at, began in shown if at], self.registry.count() - checks)


LOADS = {
    f"{SENDERS} senders post at once to {IMAGES} images, {ROUNDS} times": Load.at_once,
    f"each posts every {PAUSE_SECONDS} s or so, to {IMAGES} images": Load.steadily,
    f"they post {STORM} times to one image, as fast as they can": Load.storm,
}


def measured(options: Sequence[str]) -> Iterator[str]:
    """Yield the rows of the table for a service with these options."""
    with tempfile.TemporaryDirectory() as folder, shared_registry() as registry:
        names = [registry.name(number) for number in range(IMAGES)]
        with RunningService(Path(folder), names, *options) as service:
            urls = [str(service.wait_for_image(name)["WebhookURL"]) for name in names]
            badges = Badges([service.public / "badges/version" / f"{name}.svg" for name in names])
            for words, run in LOADS.items():
                load = Load(registry, urls, badges, [Sender(service.port) for _ in range(SENDERS)])
                yield row(options, words, asyncio.run(load.figures(run)))


def row(options: Sequence[str], load: str, figures: Figures) -> str:
    counts = f"{figures.checks} | {len(figures.fresh)}"
    cells = (load, percentiles(figures.answered), percentiles(figures.fresh), counts)
    return f"| {' '.join(options)} | {' | '.join(cells)} |"


def percentiles(seconds: Sequence[float]) -> str:
    cuts = statistics.quantiles(seconds, n=100)
    return f"{1000 * cuts[49]:.0f} / {1000 * cuts[98]:.0f} ms"


def main() -> None:
    print("| gunicorn | load | answer p50 / p99 | new badge on disk p50 / p99 | checks | webhooks |")
    print("| --- | --- | --- | --- | ---: | ---: |")
    for options in OPTIONS:
        for line in measured(options):
            print(line, flush=True)


if __name__ == "__main__":
    main()
