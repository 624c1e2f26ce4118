"""What a look at an image costs its registry, and how fast unchanged images are refreshed, all on this machine.

Run with ``python -m tests.benchmarks.reading``; it prints two tables. The requests are counted by the servers of the
tests. Speed is measured against registries of one dictionary in a process of their own, so that neither their time nor
their interpreter's lock is counted; the clock of the refreshing process is real, and every image always due.
"""

import asyncio
import itertools
import multiprocessing
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Self

from werkzeug.wrappers import Request

from microbadger.freshness.checks import Checks
from microbadger.freshness.refresh import Outcome, Refresher
from microbadger.freshness.survey import Surveyor
from microbadger.freshness.tracked_images import TrackedImages
from microbadger.image.reference import Reference, Repository
from microbadger.registry.client import Registry
from microbadger.registry.docker_hub import DockerHub
from microbadger.site.publisher import Publisher
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

Look = Callable[[Refresher, Repository], Outcome | None]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        print("| registry | look | tags | requests | pulls | of indexes for two platforms | pulls |")
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


def refresher_of(folder: Path, names: Sequence[str], registry: Registry, hub_url: str = "") -> Refresher:
    """Return what the service refreshes with, except that every image is always due."""
    looks = LookLog(folder / "data/looks")
    return Refresher(
        tracked=TrackedImages(folder / "data/images.txt", " ".join(names)),
        surveyor=Surveyor(
            registry=registry,
            docker_hub=DockerHub(registry.transport, hub_url),
            cache=ContentCache(folder / "data/content"),
            max_tags=max(TAG_COUNTS),
        ),
        publisher=Publisher(folder / "public"),
        checks=Checks(folder / "data", interval=timedelta(0), edition="benchmark", now=_now),
        requests=RefreshRequests(folder / "data/requests"),
        layer_index=LayerIndex(folder / "data/layers", "https://badges.test"),
        announce=lambda _before, _after, _changes: None,
        changed=lambda _: None,
        recorded=lambda _repository, _image: None,
        published=lambda: None,
        ended=lambda outcome: looks.add(outcome.repository),
        is_due=lambda _: True,
        webhook_url=lambda repository: f"https://badges.test/images/{repository.familiar}/{'t' * 43}",
        base_url="https://badges.test",
        now=_now,
    )


def costs(folder: Path) -> Iterator[list[str]]:
    """Yield rows of what first readings and unchanged refreshes ask for."""
    looks: dict[str, Look] = {"scheduled": Refresher.refresh_if_due, "requested": _refresh_requested}
    for is_docker_hub, what, count in itertools.product((False, True), looks, TAG_COUNTS):
        place = folder / f"{is_docker_hub}-{what}-{count}"
        single = _cost(place / "single", is_docker_hub, looks[what], [_single(n) for n in range(count)])
        double = _cost(place / "double", is_docker_hub, looks[what], [_double(n) for n in range(count)])
        for occasion, one, two in zip(("first reading", "unchanged refresh"), single, double, strict=True):
            kind = "Docker Hub" if is_docker_hub else "generic"
            yield [kind, f"{what} {occasion}", str(count), *_told(one), *_told(two)]


def _cost(folder: Path, is_docker_hub: bool, look: Look, images: list[FakeImage]) -> list[Counter[str]]:
    """Return the kinds of requests of a first reading and of a refresh after it."""
    counts = []
    with FakeRegistry() as fake, FakeHub() as hub:
        fake.login = "token" if is_docker_hub else None
        repository = Repository("docker.io" if is_docker_hub else fake.host, "team/app")
        hub.describe("team/app", pull_count=1)
        for number, pushed in enumerate(images):
            fake.push("team/app", f"1.{number}", pushed)
            hub.push("team/app", f"1.{number}", pushed)
        for _ in range(2):
            # One of its own for each look: a day later no token is valid any more.
            registry = Registry(user_agent="benchmark", mirrors={"docker.io": fake.url})
            _must_succeed(look(refresher_of(folder, [repository.familiar], registry, hub.url), repository))
            counts.append(Counter(map(_kind, fake.requests)) + Counter(map(_kind_at_hub, hub.requests)))
            fake.requests.clear()
            hub.requests.clear()
    return counts


def _refresh_requested(refresher: Refresher, repository: Repository) -> Outcome | None:
    refresher.requests.add(Reference(repository, None, None))
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


def _told(kinds: Counter[str]) -> list[str]:
    by_kind = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    return [f"{kinds.total()}: {by_kind}", str(kinds["manifest"])]


def speeds(folder: Path) -> Iterator[list[str]]:
    """Yield rows of how fast unchanged images are refreshed, and with how much work."""
    with Registries() as registries:
        images = [[Repository(host, f"team/app{n}") for n in range(IMAGES_A_HOST)] for host in registries.hosts]
        everything = list(itertools.chain(*images))
        names = [repository.familiar for repository in everything]
        refresher = refresher_of(folder, names, Registry(user_agent="benchmark"))
        for repository in everything:
            _must_succeed(refresher.refresh(repository))
        for what, queue, delays_ms in _scenarios(images):
            registries.restart(delays_ms)
            speed = _measure(refresher, queue)
            seen = registries.restart([])
            hosts = registries.hosts[: delays_ms.count(delays_ms[0])]
            yield [what, *_speed_told(speed, hosts, _allowed(delays_ms)), *_seen_told(seen, len(queue))]


def _scenarios(images: list[list[Repository]]) -> Iterator[tuple[str, list[Repository], list[int]]]:
    """Yield what to refresh in which order, and the delay of each host; figures are of the hosts like the first."""
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
    """How many images of each host were refreshed, when its last one was done, and with how much work in all."""

    images: Counter[str]
    ended_seconds: dict[str, float]
    cpu_seconds: float


def _measure(refresher: Refresher, queue: Sequence[Repository]) -> Speed:
    """Refresh the images of a queue in the order it has, as many at a time as the schedule does."""
    images: Counter[str] = Counter()
    ended_seconds: dict[str, float] = {}

    def refresh(repository: Repository) -> None:
        outcome = refresher.refresh_if_due(repository)
        ended_seconds[repository.registry] = time.perf_counter() - began
        if outcome is not None:  # as when all others of the queue overtook this one and it is at it still
            _must_succeed(outcome)
            images[repository.registry] += 1

    began, cpu_began = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(refresh, queue))
    return Speed(images, ended_seconds, time.process_time() - cpu_began)


def _speed_told(speed: Speed, hosts: Sequence[str], allowed: float | None) -> list[str]:
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


def _seen_told(seen: "Sequence[Seen]", images: int) -> list[str]:
    busy = [host for host in seen if host.requests]
    return [
        f"{sum(host.requests for host in busy) / images:.1f}",
        ", ".join(str(host.connections) for host in busy),
        str(max(host.most_at_once for host in busy)),
    ]


def _must_succeed(outcome: Outcome | None) -> None:
    if outcome is None or outcome.error or outcome.changes:
        raise SystemExit(f"this measures nothing: {outcome}")


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Seen:
    """What a registry saw; the connections are those opened since it started."""

    requests: int = 0
    most_at_once: int = 0
    connections: int = 0


class Registries:
    """Registries in another process while the `with` block runs, each on a port of its own and as slow as told."""

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
    loop = asyncio.get_running_loop()
    answers = _answers()
    hosts = [_Host(answers) for _ in range(HOSTS)]
    servers = [await loop.create_server(host.connected, "127.0.0.1", 0) for host in hosts]

    def restart() -> None:
        delays_ms = itertools.chain(connection.recv(), itertools.repeat(0))
        connection.send([host.restart(next(delays_ms)) for host in hosts])

    loop.add_reader(connection.fileno(), restart)
    connection.send([f"127.0.0.1:{server.sockets[0].getsockname()[1]}" for server in servers])
    await asyncio.Event().wait()


class _Host:
    """One registry, and what it has seen."""

    def __init__(self, answers: dict[tuple[bytes, bytes], bytes]) -> None:
        self.answers = answers
        self.delay_seconds = 0.0
        self.seen = Seen()
        self.at_once = 0

    def connected(self) -> "_KeptConnection":
        self.seen.connections += 1
        return _KeptConnection(self)

    def restart(self, delay_ms: float) -> Seen:
        seen, self.seen = self.seen, Seen(connections=self.seen.connections)
        self.delay_seconds = delay_ms / 1000
        return seen


class _KeptConnection(asyncio.Protocol):
    """Answers one request after the other, each from the dictionary by its method and path."""

    def __init__(self, host: _Host) -> None:
        self._host = host
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._received.endswith(b"\r\n\r\n"):
            return
        method, target, _ = self._received.split(b" ", 2)
        self._received = b""
        self._host.at_once += 1
        self._host.seen.requests += 1
        self._host.seen.most_at_once = max(self._host.seen.most_at_once, self._host.at_once)
        answer = self._host.answers[method, target.partition(b"?")[0]]
        if self._host.delay_seconds:
            asyncio.get_running_loop().call_later(self._host.delay_seconds, self._answer, answer)
        else:
            self._answer(answer)

    def _answer(self, answer: bytes) -> None:
        self._host.at_once -= 1
        self._transport.write(answer)


def _answers() -> dict[tuple[bytes, bytes], bytes]:
    """Return what a registry answers to each method and path: images of five tags, each for one platform."""
    answers: dict[tuple[bytes, bytes], bytes] = {}
    for app in range(IMAGES_A_HOST):
        path = f"/v2/team/app{app}"
        tags = {f"1.{number}": _single(100 * app + number) for number in range(TAGS)}
        answers[b"GET", f"{path}/tags/list".encode()] = _http(to_json({"name": f"team/app{app}", "tags": [*tags]}))
        for tag, pushed in tags.items():
            for reference in (tag, pushed.digest):
                full = _http(pushed.raw, pushed.media_type, pushed.digest)
                answers[b"GET", f"{path}/manifests/{reference}".encode()] = full
                answers[b"HEAD", f"{path}/manifests/{reference}".encode()] = full[: -len(pushed.raw)]
            for digest, blob in pushed.blobs.items():
                answers[b"GET", f"{path}/blobs/{digest}".encode()] = _http(blob)
    return answers


def _http(body: bytes, media_type: str = "application/json", digest: str = "") -> bytes:
    headers = [
        "HTTP/1.1 200 OK",
        f"Content-Type: {media_type}",
        f"Content-Length: {len(body)}",
        *([f"Docker-Content-Digest: {digest}"] if digest else []),
    ]
    return "\r\n".join([*headers, "", ""]).encode() + body


if __name__ == "__main__":
    main()
