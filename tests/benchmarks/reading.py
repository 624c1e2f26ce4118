"""What a check of an image costs its registry, and how fast unchanged images are checked, all on this machine.

Run with ``python -m tests.benchmarks.reading``; it prints two tables. The requests are counted by the servers of the
tests. Speed is measured against registries of one dictionary in a process of their own, so that neither their time nor
their interpreter's lock is counted; the clock of the checking process is real, and every image always due.
"""

import asyncio
import itertools
import multiprocessing
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from types import MappingProxyType
from typing import Self

from werkzeug.wrappers import Request

from app import _Service
from microbadger.freshness.outcome import Outcome
from microbadger.freshness.refresh import Refresher
from microbadger.image.reference import Reference, Repository
from microbadger.settings import Settings
from tests.benchmarks.fast_server import Host, Seen, http
from tests.fakes.docker_hub import FakeHub
from tests.fakes.registry import FakeImage, FakeRegistry, image, index, to_json

TAG_COUNTS = (1, 10, 100)

HOSTS = 4
IMAGES_A_HOST = 32
TAGS = 5
REQUESTS = TAGS + 1  # the list of tags, and what each names
THREADS = 8  # as the schedule has
AT_ONCE = 3  # requests to one host
DELAY_MS = 50
SLOW_MS = 250

Kind = Callable[[Refresher, Repository], Outcome | None]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        print("| registry | check | tags | requests | pulls | of indexes for two platforms | pulls |")
        print("| --- | --- | ---: | --- | ---: | --- | ---: |")
        for cells in costs(Path(folder) / "costs"):
            print(f"| {' | '.join(cells)} |", flush=True)
        print()
        print(
            f"| unchanged images of {TAGS} tags | images/s | allowed | reached | of each host | CPU per image "
            "| requests per image | connections so far | most at once to a host |"
        )
        print("| --- | ---: | ---: | ---: | --- | ---: | ---: | --- | ---: |")
        for cells in speeds(Path(folder) / "speeds"):
            print(f"| {' | '.join(cells)} |", flush=True)


def refresher_of(
    folder: Path, names: Sequence[str], *, hub_url: str = "", mirrors: Mapping[str, str] = MappingProxyType({})
) -> Refresher:
    """Return what a service checks images with, except that every image is always due."""
    service = _Service(
        Settings(
            data_dir=folder / "data",
            public_dir=folder / "public",
            images=" ".join(names),
            base_url="https://badges.test",
            refresh_interval=timedelta(microseconds=1),
            mirrors=mirrors,
            hub_url=hub_url,
        )
    )
    service.freshness.upkeep.follow_tracked()
    return service.freshness.refresher


def costs(folder: Path) -> Iterator[list[str]]:
    """Yield rows of what first and unchanged checks ask for."""
    kinds: dict[str, Kind] = {"scheduled": Refresher.refresh_if_due, "requested": _refresh_requested}
    for is_docker_hub, what, count in itertools.product((False, True), kinds, TAG_COUNTS):
        place = folder / f"{is_docker_hub}-{what}-{count}"
        single = _cost(place / "single", is_docker_hub, kinds[what], [_single(n) for n in range(count)])
        double = _cost(place / "double", is_docker_hub, kinds[what], [_double(n) for n in range(count)])
        for occasion, one, two in zip(("first check", "unchanged check"), single, double, strict=True):
            registry = "Docker Hub" if is_docker_hub else "generic"
            yield [registry, f"{what} {occasion}", str(count), *_listed(one), *_listed(two)]


def _cost(folder: Path, is_docker_hub: bool, check: Kind, images: list[FakeImage]) -> list[Counter[str]]:
    """Return the kinds of requests of a first check and of one after it."""
    counts = []
    with FakeRegistry() as fake, FakeHub() as hub:
        fake.login = "token" if is_docker_hub else None
        repository = Repository("docker.io" if is_docker_hub else fake.host, "team/app")
        hub.describe("team/app", pull_count=1)
        for number, pushed in enumerate(images):
            fake.push("team/app", f"1.{number}", pushed)
            hub.push("team/app", f"1.{number}", pushed)
        for _ in range(2):
            # One of its own for each check: a day later no token is valid any more.
            mirrors = {"docker.io": fake.url}
            refresher = refresher_of(folder, [repository.familiar], hub_url=hub.url, mirrors=mirrors)
            _must_succeed(check(refresher, repository))
            counts.append(Counter(map(_kind, fake.requests)) + Counter(map(_kind_at_hub, hub.requests)))
            fake.requests.clear()
            hub.requests.clear()
    return counts


def _refresh_requested(refresher: Refresher, repository: Repository) -> Outcome | None:
    refresher.turns.requests.add(Reference(repository, None, None))
    return refresher.refresh_requested(repository)


def _single(number: int) -> FakeImage:
    return image(layers=[1000, number + 1], labels=_labels(number))


def _double(number: int) -> FakeImage:
    return index(_single(number), image(layers=[2000, number + 1], labels=_labels(number), architecture="arm64"))


def _labels(number: int) -> dict[str, str]:
    # Else all would have the same config, which is read once.
    return {"org.opencontainers.image.version": str(number), "org.opencontainers.image.licenses": "Apache-2.0"}


_KINDS = {
    "/token": "token",
    "/tags/list": "tag list",
    "HEAD /manifests/": "HEAD",
    "GET /manifests/": "manifest",
    "/blobs/": "config",
}


def _kind(request: Request) -> str:
    part = next(part for part in ("/token", "/tags/list", "/manifests/", "/blobs/") if part in request.path)
    return _KINDS.get(part) or _KINDS[f"{request.method} {part}"]


def _kind_at_hub(request: Request) -> str:
    return "Hub tags" if request.path.endswith("/tags") else "Hub details"


def _listed(kinds: Counter[str]) -> list[str]:
    by_kind = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    return [f"{kinds.total()}: {by_kind}", str(kinds["manifest"])]


def speeds(folder: Path) -> Iterator[list[str]]:
    """Yield rows of how fast unchanged images are checked, and with how much work."""
    with Registries() as registries:
        images = [[Repository(host, f"team/app{n}") for n in range(IMAGES_A_HOST)] for host in registries.hosts]
        everything = list(itertools.chain(*images))
        names = [repository.familiar for repository in everything]
        refresher = refresher_of(folder, names)
        for repository in everything:
            _must_succeed(refresher.refresh(repository))
        for what, queue, delays_ms in _scenarios(images):
            registries.restart(delays_ms)
            speed = _measure(refresher, queue)
            seen = registries.restart([])
            hosts = registries.hosts[: delays_ms.count(delays_ms[0])]
            yield [what, *_speed_row(speed, hosts, _allowed(delays_ms)), *_seen_row(seen, len(queue))]


def _scenarios(images: list[list[Repository]]) -> Iterator[tuple[str, list[Repository], list[int]]]:
    """Yield what to check in which order, and the delay of each host; figures are of the hosts like the first."""
    in_turn = list(itertools.chain(*zip(*images, strict=True)))
    in_blocks = list(itertools.chain(*(block[: IMAGES_A_HOST // 2] for block in images)))
    yield "one host, 0 ms", images[0] * 8, [0]
    yield f"one host, {DELAY_MS} ms", images[0] * 2, [DELAY_MS]
    yield f"{HOSTS} hosts in turn, 0 ms", in_turn * 2, [0] * HOSTS
    yield f"{HOSTS} hosts in turn, {DELAY_MS} ms", in_turn * 2, [DELAY_MS] * HOSTS
    yield f"{HOSTS} hosts one after the other, {DELAY_MS} ms", in_blocks, [DELAY_MS] * HOSTS
    one_slow = [*[DELAY_MS] * (HOSTS - 1), SLOW_MS]
    yield f"{HOSTS - 1} hosts, {DELAY_MS} ms, in turn with one of {SLOW_MS} ms", in_turn[: 12 * HOSTS], one_slow


@dataclass(frozen=True)
class Speed:
    """How many images of each host were checked, when its last one was done, and with how much work in all."""

    images: Counter[str]
    ended_seconds: dict[str, float]
    cpu_seconds: float


def _measure(refresher: Refresher, queue: Sequence[Repository]) -> Speed:
    """Check the images of a queue in the order it has, as many at a time as the schedule does."""
    images: Counter[str] = Counter()
    ended_seconds: dict[str, float] = {}

    def refresh(repository: Repository) -> None:
        outcome = refresher.refresh_if_due(repository)
        ended_seconds[repository.registry] = time.perf_counter() - began
        if outcome is not None:  # else all others of the queue overtook this one, which is still checked
            _must_succeed(outcome)
            images[repository.registry] += 1

    began, cpu_began = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(refresh, queue))
    return Speed(images, ended_seconds, time.process_time() - cpu_began)


def _speed_row(speed: Speed, hosts: Sequence[str], allowed: float | None) -> list[str]:
    rate = sum(speed.images[host] for host in hosts) / max(speed.ended_seconds[host] for host in hosts)
    each = [f"{speed.images[host] / speed.ended_seconds[host]:.1f}" for host in hosts]
    return [
        f"{rate:.1f}",
        f"{allowed:.1f}" if allowed else "",
        f"{100 * rate / allowed:.0f} %" if allowed else "",
        ", ".join(each),
        f"{1000 * speed.cpu_seconds / speed.images.total():.1f} ms",
    ]


def _allowed(delays_ms: Sequence[int]) -> float | None:
    """Return how many images a second of the hosts like the first the threads allow, and the requests at once."""
    if not delays_ms[0]:
        return None
    hosts = delays_ms.count(delays_ms[0])
    threads = THREADS - AT_ONCE * (len(delays_ms) - hosts)
    return min(threads, AT_ONCE * hosts) / (REQUESTS * delays_ms[0] / 1000)


def _seen_row(seen: Sequence[Seen], images: int) -> list[str]:
    busy = [host for host in seen if host.requests]
    return [
        f"{sum(host.requests for host in busy) / images:.1f}",
        ", ".join(str(host.connections) for host in busy),
        str(max(host.most_at_once for host in busy)),
    ]


def _must_succeed(outcome: Outcome | None) -> None:
    if outcome is None or outcome.error or outcome.changes:
        raise SystemExit(f"this measures nothing: {outcome}")


class Registries:
    """Registries in another process while the `with` block runs, each on a port of its own and as slow as wanted."""

    def __init__(self) -> None:
        self._connection, its_end = multiprocessing.Pipe()
        # Not forked: that would take the threads' locks along.
        self._process = multiprocessing.get_context("spawn").Process(target=_serve, args=[its_end], daemon=True)

    def __enter__(self) -> Self:
        self._process.start()
        self.hosts: list[str] = self._connection.recv()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.join()

    def restart(self, delays_ms: Sequence[int]) -> list[Seen]:
        """Return what each has seen since it was asked last, and let the first ones answer this much later."""
        self._connection.send(list(delays_ms))
        seen: list[Seen] = self._connection.recv()
        return seen


def _serve(connection: "Connection[list[str] | list[Seen], list[int]]") -> None:
    asyncio.run(_answer_until_terminated(connection))


async def _answer_until_terminated(connection: "Connection[list[str] | list[Seen], list[int]]") -> None:
    answers = _answers()
    hosts = [Host(answers) for _ in range(HOSTS)]

    def restart() -> None:
        delays_ms = itertools.chain(connection.recv(), itertools.repeat(0))
        connection.send([host.restart(next(delays_ms)) for host in hosts])

    asyncio.get_running_loop().add_reader(connection.fileno(), restart)
    connection.send([await host.listen() for host in hosts])
    await asyncio.Event().wait()


def _answers() -> dict[tuple[bytes, bytes], bytes]:
    """Return what a registry answers to each method and path: images of five tags, each for one platform."""
    answers: dict[tuple[bytes, bytes], bytes] = {}
    for app in range(IMAGES_A_HOST):
        path = f"/v2/team/app{app}"
        tags = {f"1.{number}": _single(100 * app + number) for number in range(TAGS)}
        answers[b"GET", f"{path}/tags/list".encode()] = http(to_json({"name": f"team/app{app}", "tags": [*tags]}))
        for tag, pushed in tags.items():
            for reference in (tag, pushed.digest):
                full = http(pushed.raw, pushed.media_type, pushed.digest)
                answers[b"GET", f"{path}/manifests/{reference}".encode()] = full
                answers[b"HEAD", f"{path}/manifests/{reference}".encode()] = full[: -len(pushed.raw)]
            for digest, blob in pushed.blobs.items():
                answers[b"GET", f"{path}/blobs/{digest}".encode()] = http(blob)
    return answers


if __name__ == "__main__":
    main()
