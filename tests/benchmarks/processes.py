"""How many checks a second one, two and four services make together over one PostgreSQL, of registries 20 ms away.

Run with ``python -m tests.benchmarks.processes [--images 600]``; it starts everything itself and prints a table.
"""

import argparse
import json
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psycopg

from tests.many.services import running
from tests.postgresql import PostgresqlServer, running_postgresql

REGISTRIES = 12
AWAY_SECONDS = 0.02
COUNTS = (1, 2, 4)
DEADLINE_SECONDS = 300.0


class Registry(BaseHTTPRequestHandler):
    """A registry some milliseconds away that has every image, each without a tag: a check is one request."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        time.sleep(AWAY_SECONDS)
        body = json.dumps({"name": "any", "tags": []}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=600)
    images = parser.parse_args().images
    print("| services | checks a second | each made |\n| ---: | ---: | --- |")
    with registries() as hosts, running_postgresql() as server:
        names = [f"{hosts[number % len(hosts)]}/team/image{number}" for number in range(images)]
        for count in COUNTS:
            rate, shares = measure(server, names, count)
            print(f"| {count} | {rate:.0f} | {', '.join(map(str, shares))} |", flush=True)


@contextmanager
def registries() -> Iterator[list[str]]:
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), Registry) for _ in range(REGISTRIES)]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield [f"127.0.0.1:{server.server_port}" for server in servers]
    finally:
        for server in servers:
            server.shutdown()


def measure(server: PostgresqlServer, names: list[str], count: int) -> tuple[float, list[int]]:
    """Return how many checks a second so many services make, and how many each of them made.

    All images are checked once, and then become due again at the same time, while the services run.
    """
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), server, names, count) as services:
        url = services[0].environment["DATABASE_URL"]
        with psycopg.connect(url, autocommit=True) as connection:
            wait_until_all_ended(connection, len(names), 0.0)
            before = [len(service.lines("refresh=")) for service in services]
            began_at = time.time()
            connection.execute("UPDATE checks SET due_at = 0")
            wait_until_all_ended(connection, len(names), began_at)
            seconds = time.time() - began_at
        after = [len(service.lines("refresh=")) for service in services]
        return len(names) / seconds, [now - then for now, then in zip(after, before, strict=True)]


def wait_until_all_ended(connection: "psycopg.Connection[tuple[int]]", count: int, since: float) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        row = connection.execute("SELECT count(*) FROM checks WHERE ended_at > %s AND due_at > 0", [since]).fetchone()
        if row and row[0] >= count:
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"{row} of {count} images were checked")
        time.sleep(0.05)


if __name__ == "__main__":
    main()
