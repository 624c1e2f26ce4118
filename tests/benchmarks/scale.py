"""What ten thousand images cost on one machine: time, memory, files, and how long a reader waits.

Run with ``python -m tests.benchmarks.scale [--images 10000] [--tags 10] [--minutes 0]``; it prints three tables. Docker
Hub, registry and web API, is played by a process that makes up every answer from what is asked for, so an image that
did not change costs two requests. The service is that of `app`, with its schedule; each step runs it in a process of
its own, whose memory and processor time are therefore those of the step. Hub and registry are 20 ms away, except at the
first publication.

That everything is due again is brought about by an interval that is shorter in each step, so no clock is turned. With
``--minutes`` the first publication is given up after as many; what is left gets a copy of the record and the check of
another image, which is all that lists and rounds read. So 100,000 images can be tried without reading them for hours.
"""

import argparse
import asyncio
import json
import logging
import math
import multiprocessing
import os
import re
import resource
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Self, TypeVar

from app import _Service
from microbadger.image.documents import format_time
from microbadger.image.reference import Repository
from microbadger.logs.events import Event, LineFormatter
from microbadger.settings import Settings
from microbadger.site.paths import ImagePaths
from microbadger.store.files import replace_file
from tests.benchmarks.parents import digits, layers_of
from tests.benchmarks.reading import _Host as Host
from tests.benchmarks.reading import _http as http
from tests.fakes.docker_hub import tag_row
from tests.fakes.registry import FakeImage, image, to_json

OFFICIAL_EVERY, MOST_OFFICIAL = 100, 170  # Docker Hub has about so many official images
IMAGES_AN_OWNER = 10
CHANGED_EVERY = 50
LAYER_SIZES = tuple(range(1_000_000, 11_000_000, 1_000_000))
ASKED = 50
DELAY_MS = 20

FIRST, UNCHANGED, MORE_PULLS, PUSHES = range(4)
DAYS = {
    FIRST: "first publication",
    UNCHANGED: "nothing changed",
    MORE_PULLS: "every image was pulled, none pushed",
    PUSHES: f"a push to one image in {CHANGED_EVERY}",
}
INTERVALS = (timedelta(days=300), timedelta(days=100), timedelta(days=30), timedelta(days=10))

T = TypeVar("T")
Key = tuple[bytes, bytes]


def main() -> None:
    parser = argparse.ArgumentParser(description="What many images cost on one machine.")
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--tags", type=int, default=10)
    parser.add_argument("--minutes", type=float, default=0, help="give up the first publication after as many")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), options.images, options.tags, 60 * options.minutes or None)


def measure(folder: Path, images: int, tags: int, limit_seconds: float | None) -> None:
    """Print the tables of so many images, kept below a folder."""
    (folder / "data").mkdir()
    names = "".join(f"{name_of(number).familiar}\n" for number in range(images))
    (folder / "data/images.txt").write_text(names)
    print(f"| {images:,} images of {tags} tags | refreshed | wall | CPU an image | requests an image | peak memory |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    with SimulatedHub(tags) as hub:
        for cells in looks(folder, hub, images, limit_seconds):
            print(f"| {' | '.join(cells)} |", flush=True)
        settings = hub.settings(folder, INTERVALS[PUSHES])
    print("\n| folder | files | bytes | on the disk | folders | entries of the largest |")
    print("| --- | ---: | ---: | ---: | ---: | --- |")
    for cells in folders(folder):
        print(f"| {' | '.join(cells)} |", flush=True)
    print("\n| step | median | slowest | CPU | memory | at its peak |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for cells in steps(settings):
        print(f"| {' | '.join(cells)} |", flush=True)


def looks(folder: Path, hub: "SimulatedHub", images: int, limit_seconds: float | None) -> Iterator[list[str]]:
    """Yield a row for each day on which every image that was published is looked at again."""
    for day, what in DAYS.items():
        hub.begin(day)
        look = in_own_process(look_at_all, hub.settings(folder, INTERVALS[day]), images, limit_seconds)
        yield [what, *_look_told(look, hub.begin(day))]
        if day == FIRST:
            images, limit_seconds = look.images, None
            lay_down_the_rest(folder)


@dataclass(frozen=True, slots=True)
class Look:
    """How many images were refreshed, and with how much work, that of the schedule's rounds included."""

    images: int
    wall_seconds: float
    cpu_seconds: float
    peak_mib: float


def look_at_all(settings: Settings, images: int, limit_seconds: float | None) -> Look:
    """Let the schedule do what is due, until so many images are refreshed."""
    service, refreshed = _Service(settings), RefreshesLogged(images)
    service.freshness.upkeep.follow_tracked()  # what a start costs is in the last table, not in a day of a service that runs for years
    service.freshness.catalogue.publish()
    began, cpu_began = time.perf_counter(), time.process_time()
    service.freshness.schedule.start()
    refreshed.all_done.wait(limit_seconds)
    service.freshness.schedule.stop()
    wall_seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu_began
    return Look(refreshed.count, wall_seconds, cpu_seconds, peak_mib())


def _look_told(look: Look, requests: int) -> list[str]:
    return [
        f"{look.images:,}",
        f"{look.wall_seconds:.0f} s",
        f"{1000 * look.cpu_seconds / look.images:.2f} ms",
        f"{requests / look.images:.1f}",
        f"{look.peak_mib:.0f} MiB",
    ]


class RefreshesLogged(logging.StreamHandler[Any]):
    """Writes what the service logs, as it does when it serves, and counts the images that it refreshed."""

    def __init__(self, expected: int) -> None:
        super().__init__(Path(os.devnull).open("w"))  # noqa: SIM115 - closed with the process
        self.setFormatter(LineFormatter())
        self.count, self._expected = 0, expected
        self.all_done = threading.Event()
        logging.basicConfig(level=logging.INFO, handlers=[self])
        logging.getLogger("apscheduler").setLevel(logging.WARNING)

    def emit(self, record: logging.LogRecord) -> None:
        super().emit(record)
        if record.levelno >= logging.WARNING:
            os.write(2, f"this measures nothing: {record.getMessage()}\n".encode())
            os._exit(1)
        self.count += isinstance(record.msg, Event) and record.msg.name == "refreshed"
        if self.count >= self._expected:
            self.all_done.set()


def lay_down_the_rest(folder: Path) -> None:
    """Give every image that was not published a copy of the record and the check of one that was."""
    names = (folder / "data/images.txt").read_text().split()
    models = (name for name in names if "/application" in name and record_file(folder, name).exists())
    model = next(models)
    record = record_file(folder, model).read_bytes()
    check = json.loads(check_file(folder, model).read_bytes().splitlines()[-1])
    check |= {"due_at": format_time(datetime.now(UTC) + INTERVALS[PUSHES] / 2)}
    for name in names:
        if not record_file(folder, name).exists():
            replace_file(record_file(folder, name), record.replace(model.encode(), name.encode()))
            replace_file(check_file(folder, name), json.dumps(check).encode())


def record_file(folder: Path, name: str) -> Path:
    return folder / "public" / ImagePaths(name).metadata


def check_file(folder: Path, name: str) -> Path:
    return folder / "data/images" / name / "-/checks.jsonl"


def folders(folder: Path) -> Iterator[list[str]]:
    """Yield a row of what there is in the public folder, and in that of what is not public."""
    for name in ("public", "data"):
        files = bytes_ = on_disk = count = 0
        largest = (0, "")
        for parent, below, entries in os.walk(folder / name):
            status = [(Path(parent) / entry).stat() for entry in entries]
            files, bytes_ = files + len(status), bytes_ + sum(one.st_size for one in status)
            on_disk += 512 * sum(one.st_blocks for one in status)
            count += 1
            largest = max(largest, (len(below) + len(entries), os.path.relpath(parent, folder)))
        sizes = [f"{size / 1024**2:,.0f} MiB" for size in (bytes_, on_disk)]
        yield [f"{name}/", f"{files:,}", *sizes, f"{count:,}", f"{largest[0]:,} in {largest[1]}"]


def steps(settings: Settings) -> Iterator[list[str]]:
    """Yield a row for each thing that is done for all images at once, or asked by a reader."""
    for what, step in STEPS.items():
        timings = in_own_process(timed, step, settings)
        yield [
            what,
            *(f"{1000 * seconds:,.1f} ms" for seconds in (timings.median_seconds, timings.slowest_seconds)),
            f"{1000 * timings.cpu_seconds:,.1f} ms",
            f"{timings.resident_mib:.0f} MiB",
            f"{timings.peak_mib:.0f} MiB",
        ]


@dataclass(frozen=True, slots=True)
class Timings:
    """How long calls took, and the processor time of one."""

    median_seconds: float
    slowest_seconds: float
    cpu_seconds: float
    resident_mib: float
    peak_mib: float


Step = Callable[[_Service], Sequence[Callable[[], object]]]


def timed(step: Step, settings: Settings) -> Timings:
    """Time the calls of a step, made one after the other."""
    wall, cpu = [], []
    for call in step(_Service(settings)):
        began, cpu_began = time.perf_counter(), time.process_time()
        call()
        wall.append(time.perf_counter() - began)
        cpu.append(time.process_time() - cpu_began)
    return Timings(statistics.median(wall), max(wall), statistics.median(cpu), resident_mib(), peak_mib())


def _start(service: _Service) -> Sequence[Callable[[], object]]:
    return [lambda: service.app.test_client().get("/healthcheck.txt")] * ASKED


def _read(service: _Service) -> Sequence[Callable[[], object]]:
    return [service.overview.due]


def _publish(service: _Service) -> Sequence[Callable[[], object]]:
    return [service.freshness.catalogue.publish] * 3


def _publish_again(service: _Service) -> Sequence[Callable[[], object]]:
    service.freshness.catalogue.publish()
    repository = next(iter(service.tracked)).repository

    def publish_after_a_look() -> None:
        service.looks.add(repository)
        service.freshness.catalogue._rest_until = 0
        service.freshness.catalogue.publish_if_stale()

    service.freshness.catalogue.publish_if_stale()
    return [publish_after_a_look] * 5


def _round(service: _Service) -> Sequence[Callable[[], object]]:
    return [lambda: service.freshness.schedule._round(threading.Event())] * 5


def _clean(service: _Service) -> Sequence[Callable[[], object]]:
    (service.data / "cleaned").unlink()
    return [service._clean]


def _health(service: _Service) -> Sequence[Callable[[], object]]:
    return _asked(service, ["/healthz"] * 5)


def _list(service: _Service) -> Sequence[Callable[[], object]]:
    pages = math.ceil(len(service.tracked) / 50)
    return _asked(service, [f"/v1/images?page={1 + pages * number // ASKED}" for number in range(ASKED)])


def _search(service: _Service) -> Sequence[Callable[[], object]]:
    kinds = ("application{}", "owner{}/", "base", "Number {} of", "no such thing {}")
    terms = [kind.format(number) for number in range(ASKED // len(kinds)) for kind in kinds]
    return _asked(service, [f"/v1/images/search/{term}" for term in terms])


def _everything(service: _Service) -> Sequence[Callable[[], object]]:
    return [call for step in (_start, _round, _publish_again, _health, _list, _search) for call in step(service)]


def _asked(service: _Service, paths: Iterable[str]) -> Sequence[Callable[[], object]]:
    client = service.app.test_client()

    def ask(path: str) -> None:
        if client.get(path).status_code != 200:
            raise SystemExit(f"this measures nothing: {path}")

    return [partial(ask, path) for path in paths]


STEPS: dict[str, Step] = {
    "a service at rest answering `/healthcheck.txt`": _start,
    "reading how all images stand, at its start": _read,
    "publishing the lists, all anew": _publish,
    "publishing the lists after one look": _publish_again,
    "a round of the schedule, nothing due": _round,
    "cleaning up when it begins to lead": _clean,
    "`/healthz`": _health,
    f"`/v1/images?page=…`, {ASKED} pages": _list,
    f"`/v1/images/search/…`, {ASKED} terms": _search,
    "a single worker that did all this, but for cleaning up": _everything,
}


def in_own_process(work: Callable[..., T], *arguments: Any) -> T:
    """Return what a call returns that is made in a new process, which ends with it."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        return process.submit(work, *arguments).result()


def resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1024**2


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class SimulatedHub:
    """Docker Hub in another process while the `with` block runs."""

    def __init__(self, tags: int) -> None:
        self._connection, its_end = multiprocessing.Pipe()
        spawn = multiprocessing.get_context("spawn")
        self._process = spawn.Process(target=_serve, args=[its_end, tags], daemon=True)

    def __enter__(self) -> Self:
        self._process.start()
        self._urls: list[str] = self._connection.recv()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.join()

    def settings(self, folder: Path, interval: timedelta) -> Settings:
        """Return the settings of a service that asks here."""
        registry_url, hub_url = self._urls
        return Settings(
            data_dir=folder / "data",
            public_dir=folder / "public",
            base_url="https://badges.test",
            refresh_interval=interval,
            mirrors={"docker.io": registry_url},
            hub_url=hub_url,
        )

    def begin(self, day: int) -> int:
        """Let it be another day and return how many requests came in before."""
        self._connection.send(day)
        requests: int = self._connection.recv()
        return requests


def _serve(connection: "Connection[Any, Any]", tags: int) -> None:
    asyncio.run(_answer_until_terminated(connection, tags))


async def _answer_until_terminated(connection: "Connection[Any, Any]", tags: int) -> None:
    loop, answers = asyncio.get_running_loop(), Answers(tags)
    hosts = [Host(answers), Host(answers)]
    servers = [await loop.create_server(host.connected, "127.0.0.1", 0) for host in hosts]

    def begin() -> None:
        answers.day = connection.recv()
        delay_ms = 0 if answers.day == FIRST else DELAY_MS
        connection.send(sum(host.restart(delay_ms).requests for host in hosts))

    loop.add_reader(connection.fileno(), begin)
    connection.send([f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}" for server in servers])
    await asyncio.Event().wait()


class Answers(dict[Key, bytes]):
    """What is answered to each method and path, made up when it is asked for and not kept."""

    _NUMBER = re.compile(rb"/(?:base|application)(\d+)")

    def __init__(self, tags: int) -> None:
        super().__init__()
        self._tags = tags
        self.day = FIRST

    def __missing__(self, key: Key) -> bytes:
        number = self._NUMBER.search(key[1])
        return answers_of(int(number[1]), self._tags, self.day)[key] if number else http(b"{}")


@lru_cache(maxsize=100)
def answers_of(number: int, tags: int, day: int) -> dict[Key, bytes]:
    """Return what is answered about one image."""
    name = name_of(number).path
    pushed = {f"1.{place}": version_of(number, place) for place in range(tags - 1)}
    is_pushed = day >= PUSHES and number % CHANGED_EVERY == 0
    pushed["latest"] = version_of(number, tags if is_pushed else tags - 1)
    namespace, _, last = name.partition("/")
    at_hub = f"/v2/namespaces/{namespace}/repositories/{last}"
    answers = {
        (b"GET", at_hub.encode()): http(to_json(_details(number, day))),
        (b"GET", f"{at_hub}/tags".encode()): http(to_json(_tags_page(pushed))),
        (b"GET", f"/v2/{name}/tags/list".encode()): http(to_json({"name": name, "tags": [*pushed]})),
    }
    for tag, version in pushed.items():
        full = http(version.raw, version.media_type, version.digest)
        answers[b"HEAD", f"/v2/{name}/manifests/{tag}".encode()] = full[: -len(version.raw)]
        answers[b"GET", f"/v2/{name}/manifests/{version.digest}".encode()] = full
        for digest, blob in version.blobs.items():
            answers[b"GET", f"/v2/{name}/blobs/{digest}".encode()] = http(blob)
    return answers


def _details(number: int, day: int) -> dict[str, object]:
    return {
        "description": f"Number {number} of the applications that were made up to see how many there can be.",
        "last_updated": "2026-11-20T10:00:00Z",
        "pull_count": 1000 * number + (day >= MORE_PULLS),
        "star_count": number % 100,
    }


def _tags_page(pushed: Mapping[str, FakeImage]) -> dict[str, object]:
    rows = [tag_row(tag, version, "2026-11-20T10:00:00Z") for tag, version in pushed.items()]
    return {"count": len(rows), "next": None, "previous": None, "results": rows}


def version_of(number: int, place: int) -> FakeImage:
    """Return a version of an image, built on those of an official one as `parents` has it."""
    diff_ids = [f"sha256:{digits(layer)}" for layer in layers_of(number, place)]
    return image(
        layers=LAYER_SIZES,
        labels={
            "org.opencontainers.image.version": f"1.{place}",
            "org.opencontainers.image.licenses": "Apache-2.0",
            "org.opencontainers.image.source": f"https://git.test/{name_of(number).path}",
            "org.opencontainers.image.revision": digits([number, place])[:40],
        },
        created=f"2026-11-{1 + place % 28:02}T10:00:00Z",
        config={"rootfs": {"type": "layers", "diff_ids": diff_ids}},
    )


def name_of(number: int) -> Repository:
    is_official = number % OFFICIAL_EVERY == 0 and number < OFFICIAL_EVERY * MOST_OFFICIAL
    name = f"library/base{number}" if is_official else f"owner{number // IMAGES_AN_OWNER}/application{number}"
    return Repository("docker.io", name)


if __name__ == "__main__":
    main()
