"""What ten thousand images cost on one machine: time, memory, files, and how long a reader waits.

Run with ``python -m tests.benchmarks.scale [--images 10000] [--tags 10] [--minutes 0]``; it prints three tables. Docker
Hub, registry and web API, is played by a process that makes up every answer from what is asked for, so an image that
did not change costs two requests. The service is that of `app`, with its schedule; each step runs it in a process of
its own, whose memory and processor time are therefore those of the step. Hub and registry are 20 ms away, except at the
first publication.

That everything is due again is brought about by an interval that is shorter in each step, so no clock is turned. With
``--minutes`` the first publication is given up after as many; what is left gets a copy of the record and the check of
another image, which is all that lists, searches and rounds read. So 100,000 images can be tried without reading them
for hours.
"""

import argparse
import logging
import math
import multiprocessing
import os
import resource
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, select

from app import _Service
from microbadger.freshness.checks import mark_lists_stale
from microbadger.image.documents import image_name
from microbadger.image.reference import Repository
from microbadger.logs.events import Event, LineFormatter
from microbadger.settings import Settings
from microbadger.store.database import Database
from microbadger.store.tables import CHECKS, RECORDS
from microbadger.store.upserts import upsert
from tests.benchmarks.simulated_hub import CHANGED_EVERY, FIRST, MORE_PULLS, PUSHES, UNCHANGED, SimulatedHub, name_of

ASKED = 50
ROWS_AT_ONCE = 1000

DAYS = {
    FIRST: "first publication",
    UNCHANGED: "nothing changed",
    MORE_PULLS: "every image was pulled, none pushed",
    PUSHES: f"a push to one image in {CHANGED_EVERY}",
}
INTERVALS = (timedelta(days=300), timedelta(days=100), timedelta(days=30), timedelta(days=10))

T = TypeVar("T")


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
        for cells in days(folder, hub, images, limit_seconds):
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


def days(folder: Path, hub: SimulatedHub, images: int, limit_seconds: float | None) -> Iterator[list[str]]:
    """Yield a row for each day on which every image that was published is checked again."""
    for day, what in DAYS.items():
        hub.begin(day)
        settings = hub.settings(folder, INTERVALS[day])
        checked = in_own_process(check_all, settings, images, limit_seconds)
        yield [what, *_row(checked, hub.begin(day))]
        if day == FIRST:
            images, limit_seconds = checked.images, None
            lay_down_the_rest(settings)


@dataclass(frozen=True, slots=True)
class Checked:
    """How many images were checked, and with how much work, that of the schedule's rounds included."""

    images: int
    wall_seconds: float
    cpu_seconds: float
    peak_mib: float


def check_all(settings: Settings, images: int, limit_seconds: float | None) -> Checked:
    """Let the schedule do what is due, until so many images are checked."""
    service, refreshed = _Service(settings), RefreshesLogged(images)
    # What a start costs is in the last table, not in a day of a service that runs for years.
    service.freshness.upkeep.follow_tracked()
    service.freshness.catalogue.publish()
    began, cpu_began = time.perf_counter(), time.process_time()
    service.freshness.schedule.start()
    refreshed.all_done.wait(limit_seconds)
    service.freshness.schedule.stop()
    wall_seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu_began
    return Checked(refreshed.count, wall_seconds, cpu_seconds, peak_mib())


def _row(checked: Checked, requests: int) -> list[str]:
    return [
        f"{checked.images:,}",
        f"{checked.wall_seconds:.0f} s",
        f"{1000 * checked.cpu_seconds / checked.images:.2f} ms",
        f"{requests / checked.images:.1f}",
        f"{checked.peak_mib:.0f} MiB",
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


def lay_down_the_rest(settings: Settings) -> None:
    """Give every image that was not published a copy of the record and the check of one that was."""
    database = Database(settings.database)
    with database.write() as connection:
        record = connection.execute(select(RECORDS).where(RECORDS.c.image.contains("/application")).limit(1)).one()
        check = connection.execute(select(CHECKS).where(CHECKS.c.image == record.image)).one()
        read = set(connection.execute(select(RECORDS.c.image)).scalars())
        left = [image for image in connection.execute(select(CHECKS.c.image)).scalars() if image not in read]
        for begin in range(0, len(left), ROWS_AT_ONCE):
            _copy(connection, record, check, [Repository.parse(image) for image in left[begin : begin + ROWS_AT_ONCE]])
        mark_lists_stale(connection)
    database.close()


def _copy(connection: Connection, record: "Row[Any]", check: "Row[Any]", repositories: Iterable[Repository]) -> None:
    """Write the record and the check of one image as those of others."""
    due_at = (datetime.now(UTC) + INTERVALS[PUSHES] / 2).timestamp()
    name = Repository.parse(record.image).familiar
    records, checks = [], []
    for repository in repositories:
        entry = record.entry.replace(name, repository.familiar)
        records.append({**record._mapping, "image": str(repository), "entry": entry})
        checks.append({**check._mapping, "image": str(repository), "name": image_name(repository), "due_at": due_at})
    upsert(connection, RECORDS, records)
    upsert(connection, CHECKS, checks, update=[column.name for column in CHECKS.columns if column.name != "image"])


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


def _due(service: _Service) -> Sequence[Callable[[], object]]:
    return [lambda: service.freshness.checks.registries_due()] * ASKED


def _publish(service: _Service) -> Sequence[Callable[[], object]]:
    return [service.freshness.catalogue.publish] * 3


def _round(service: _Service) -> Sequence[Callable[[], object]]:
    upkeep, checks = service.freshness.upkeep, service.freshness.checks

    def do_round() -> None:
        upkeep.count()
        for task in upkeep.tasks.values():
            task()
        checks.registries_due()

    return [do_round] * 5


def _health(service: _Service) -> Sequence[Callable[[], object]]:
    return _asked(service, ["/healthz"] * 5)


def _list(service: _Service) -> Sequence[Callable[[], object]]:
    pages = math.ceil(service.freshness.checks.summary().image_count / 50)
    return _asked(service, [f"/v1/images?page={1 + pages * number // ASKED}" for number in range(ASKED)])


def _search(service: _Service) -> Sequence[Callable[[], object]]:
    kinds = ("application{}", "owner{}/", "base", "Number {} of", "no such thing {}")
    terms = [kind.format(number) for number in range(ASKED // len(kinds)) for kind in kinds]
    return _asked(service, [f"/v1/images/search/{term}" for term in terms])


def _everything(service: _Service) -> Sequence[Callable[[], object]]:
    return [call for step in (_start, _round, _publish, _health, _list, _search) for call in step(service)]


def _asked(service: _Service, paths: Iterable[str]) -> Sequence[Callable[[], object]]:
    client = service.app.test_client()

    def ask(path: str) -> None:
        if client.get(path).status_code != 200:
            raise SystemExit(f"this measures nothing: {path}")

    return [partial(ask, path) for path in paths]


STEPS: dict[str, Step] = {
    "a service at rest answering `/healthcheck.txt`": _start,
    "finding what is due": _due,
    "publishing the lists": _publish,
    "a round of the schedule, nothing due (the slowest is the first, which cleans up)": _round,
    "`/healthz`": _health,
    f"`/v1/images?page=…`, {ASKED} pages": _list,
    f"`/v1/images/search/…`, {ASKED} terms": _search,
    "a single worker that did all this": _everything,
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


if __name__ == "__main__":
    main()
