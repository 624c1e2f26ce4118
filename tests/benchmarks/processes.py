"""How many checks a second one, two and four services make over one PostgreSQL, and one over SQLite.

Run with ``python -m tests.benchmarks.processes [--images 600] [--away-ms 20]``; it starts everything itself and prints
a table. Checks are of unchanged images, in registries so far away. The CPU time of each part shows whether the cores
are full: then more services cannot make more checks.
"""

import argparse
import json
import os
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psycopg

from microbadger.image.descriptors import digest_of
from tests.fakes.registry import FakeImage, image
from tests.many.services import running
from tests.postgresql import PostgresqlServer, running_postgresql
from tests.running_service import RunningService

REGISTRIES = 12
COUNTS = (1, 2, 4)
DEADLINE_SECONDS = 300.0
ENDED = "SELECT count(*) FROM checks WHERE ended_at > {:f} AND due_at > 0"
DUE = "UPDATE checks SET due_at = 0.0"

Execute = Callable[[str], Sequence[tuple[int, ...]]]


class Registry(BaseHTTPRequestHandler):
    """A registry some milliseconds away that has an image of its own under every name."""

    protocol_version = "HTTP/1.1"
    away_seconds: float

    def do_GET(self) -> None:
        time.sleep(self.away_seconds)
        _, _, team, name, kind, last = self.path.partition("?")[0].split("/")
        found = image_of(f"{self.headers['Host']}/{team}/{name}")
        if kind == "tags":
            self.answer(json.dumps({"name": "any", "tags": ["latest"]}).encode(), "application/json", "")
        elif kind == "manifests":
            self.answer(found.raw, found.media_type, found.digest)
        else:
            self.answer(found.blobs.get(last, b"{}"), "application/octet-stream", last)

    do_HEAD = do_GET  # noqa: N815 - as the library wants it

    def answer(self, body: bytes, media_type: str, digest: str) -> None:
        self.send_response(200)
        headers = {"Content-Type": media_type, "Content-Length": len(body), "Docker-Content-Digest": digest}
        for name, value in headers.items():
            self.send_header(name, str(value))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@cache
def image_of(name: str) -> FakeImage:
    """Return an image that shares no layer with another one: checks of those find each other anew."""
    return image(config={"rootfs": {"type": "layers", "diff_ids": [digest_of(name.encode())]}})


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=600)
    parser.add_argument("--away-ms", type=int, default=20)
    given = parser.parse_args()
    images = given.images
    print("| services | checks a second | each made | CPU ms a check: services | database | registries | cores busy |")
    print("| --- | ---: | --- | ---: | ---: | ---: | ---: |")
    away = registries(given.away_ms / 1000)
    with away as hosts, running_postgresql() as server, tempfile.TemporaryDirectory() as folder:
        names = [f"{hosts[number % len(hosts)]}/team/image{number}" for number in range(images)]
        measure_sqlite(Path(folder), names)
        for count in COUNTS:
            measure_postgresql(Path(folder) / str(count), server, names, count)


@contextmanager
def registries(away_seconds: float) -> Iterator[list[str]]:
    registry = type("Away", (Registry,), {"away_seconds": away_seconds})
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), registry) for _ in range(REGISTRIES)]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield [f"127.0.0.1:{server.server_port}" for server in servers]
    finally:
        for server in servers:
            server.shutdown()


def measure_sqlite(folder: Path, names: list[str]) -> None:
    service = RunningService(folder / "sqlite", names)
    file = service.data / "microbadger.db"
    with service, closing(sqlite3.connect(file, isolation_level=None, timeout=30)) as connection:
        measure("1, SQLite", [service], lambda statement: connection.execute(statement).fetchall(), len(names))


def measure_postgresql(folder: Path, server: PostgresqlServer, names: list[str], count: int) -> None:
    with running(folder, server, names, count=count) as services:
        url = services[0].environment["DATABASE_URL"]
        with psycopg.connect(url, autocommit=True) as connection:

            def execute(statement: str) -> Sequence[tuple[int, ...]]:
                cursor = connection.execute(statement.encode())
                return cursor.fetchall() if cursor.description else []

            measure(f"{count}, PostgreSQL", services, execute, len(names), server)


def measure(
    name: str, services: Sequence[RunningService], execute: Execute, images: int, server: PostgresqlServer | None = None
) -> None:
    """Print what services do with images that were checked once, and all become due again at the same time."""
    wait_until_all_ended(execute, images, 0.0)
    before = [len(service.lines("refresh=")) for service in services]
    used, began_at = cpu_seconds(services, server), time.time()
    execute(DUE)
    wait_until_all_ended(execute, images, began_at)
    seconds = time.time() - began_at
    spent = [now - then for now, then in zip(cpu_seconds(services, server), used, strict=True)]
    made = [len(service.lines("refresh=")) - then for service, then in zip(services, before, strict=True)]
    costs = " | ".join(f"{1000 * each / images:.1f}" for each in spent)
    shares = ", ".join(map(str, made))
    busy = f"{sum(spent) / seconds:.1f} of {os.cpu_count()}"
    print(f"| {name} | {images / seconds:.0f} | {shares} | {costs} | {busy} |", flush=True)


def cpu_seconds(services: Sequence[RunningService], server: PostgresqlServer | None) -> tuple[float, float, float]:
    """Return what the services, the database and the registries, which are this process, have used so far."""
    of_services = sum(used_by(pid) for service in services for pid in service.workers)
    return of_services, sum(map(used_by, server.processes)) if server else 0.0, time.process_time()


def used_by(pid: int) -> float:
    """Return the CPU time of a process, and of those of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def wait_until_all_ended(execute: Execute, count: int, since: float) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while (ended := execute(ENDED.format(since))[0][0]) < count:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{ended} of {count} images were checked")
        time.sleep(0.05)


if __name__ == "__main__":
    main()
