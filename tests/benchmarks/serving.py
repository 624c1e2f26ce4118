"""How many requests a second the service answers, and nginx from the same files, on this machine.

Run with ``python -m tests.benchmarks.serving``; it needs Debian's nginx and wrk, and prints a table.
"""

import gzip
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import requests

from microbadger.image.descriptors import digest_of
from tests.fakes.registry import FakeRegistry, image, index
from tests.running_service import RunningService
from tests.web.test_nginx import running_nginx

NAME = "example/web"
TAGS = 100
SECONDS = 5
CONNECTIONS = 16
_RATE = re.compile(r"Requests/sec:\s+([\d.]+)")
_LATENCY = re.compile(r"^\s+99%\s+([\d.]+\w+)$", re.MULTILINE)


@dataclass(frozen=True)
class Row:
    """What one server made of one kind of request."""

    server: str
    request: str
    per_second: float
    slowest_percent: str


def main() -> None:
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is not installed: apt-get install --no-install-recommends wrk")
    with tempfile.TemporaryDirectory() as folder, FakeRegistry() as fake:
        Path(folder).chmod(0o755)
        push(fake)
        rows = list(measured(Path(folder), fake))
    print("| server | request | per second | 99 % are faster than |")
    print("| --- | --- | ---: | ---: |")
    for row in rows:
        print(f"| {row.server} | {row.request} | {row.per_second:,.0f} | {row.slowest_percent} |")


def push(fake: FakeRegistry) -> None:
    """Push a hundred tags as a maintainer's CI does: two platforms and the usual labels."""
    for number in range(TAGS):
        labels = {
            "org.opencontainers.image.title": "web",
            "org.opencontainers.image.description": "Serves pages from a folder, small and fast",
            "org.opencontainers.image.licenses": "Apache-2.0",
            "org.opencontainers.image.source": f"https://github.com/{NAME}",
            "org.opencontainers.image.revision": f"{number:040x}",
            "org.opencontainers.image.version": f"1.{number}.0",
            "org.opencontainers.image.created": "2026-11-20T10:00:00Z",
        }
        layers = [3_628_000, 1_800_000 + number, 4_000]
        platforms = [
            image(labels=labels, layers=layers, architecture=name, config=rootfs(f"{name} {number}"))
            for name in ("amd64", "arm64")
        ]
        fake.push(NAME, f"1.{number}.0", index(*platforms))


def rootfs(name: str) -> dict[str, object]:
    """Return which layers an image has by their content, of which it shares none with another one."""
    return {"rootfs": {"type": "layers", "diff_ids": [digest_of(f"{name} {n}".encode()) for n in range(3)]}}


def measured(folder: Path, fake: FakeRegistry) -> Iterator[Row]:
    mirrors = f'{{"docker.io": "{fake.url}"}}'
    for workers in (1, 2):
        options = ("--workers", str(workers))
        with RunningService(folder / "service", [NAME], *options, mirrors=mirrors) as service:
            service.wait_for_image(NAME)
            url = f"{service.url}/v1/images/{NAME}.json"
            told = "1 worker" if workers == 1 else f"{workers} workers"
            yield from asked(f"gunicorn, {told}", url, compresses=True)
    tell_size(service.public / f"v1/images/{NAME}.json")
    with running_nginx(folder / "nginx", service.public) as nginx:
        yield from asked("nginx, 1 worker", f"{nginx}/v1/images/{NAME}.json", compresses=False)


def asked(server: str, url: str, *, compresses: bool) -> Iterator[Row]:
    tag = requests.get(url, headers={"Accept-Encoding": "identity"}, timeout=10).headers["ETag"]
    yield load(server, "the JSON", url)
    if compresses:
        yield load(server, "the JSON, gzip", url, "Accept-Encoding: gzip")
    yield load(server, "304", url, f"If-None-Match: {tag}")


def load(server: str, request: str, url: str, *headers: str) -> Row:
    """Ask for the same thing on a few connections for a few seconds."""
    command = ["wrk", "--latency", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s"]
    for header in headers:
        command += ["-H", header]
    told = subprocess.run([*command, url], capture_output=True, text=True, check=True, timeout=10 * SECONDS).stdout
    rate, latency = _RATE.search(told), _LATENCY.search(told)
    if rate is None or latency is None or "Non-2xx" in told or "Socket errors" in told:
        raise RuntimeError(told)
    return Row(server, request, float(rate[1]), latency[1])


def tell_size(file: Path) -> None:
    content = file.read_bytes()
    print(f"JSON of an image with {TAGS} tags: {len(content):,} bytes, {len(gzip.compress(content, 6)):,} with gzip\n")


if __name__ == "__main__":
    main()
