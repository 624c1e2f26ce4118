"""What an open instance costs, and how soon an image is there that a reader asks for.

Run with ``python -m tests.benchmarks.open_instance``; it prints a table. Each process asks over loopback.
"""

import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

import requests

from tests.attacks.test_storm_of_names import resident_bytes
from tests.fakes.registry import FakeRegistry, image
from tests.running_service import RunningService, badge_text

IMAGES = 20
NAMES = 5000
CLIENTS = 4
BADGES = 3000
ROUNDS = 5
LONGEST_SECONDS = 60.0
MIB = 1024**2


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, FakeRegistry() as fake:
        fake.push("team/mine", "latest", image(layers=[10]))
        for number in range(IMAGES):
            fake.push(f"team/new{number}", "latest", image(layers=[10, 20]))
            fake.push(f"team/new{number}", f"1.{number}", image(layers=[10, 20]))
        print("| what | figure |")
        print("| --- | --- |")
        for what, figure in chain(open_instance(fake, Path(folder)), side_by_side(fake, Path(folder))):
            print(f"| {what} | {figure} |", flush=True)


def open_instance(fake: FakeRegistry, folder: Path) -> Iterator[tuple[str, str]]:
    """How soon images are there, and what unknown names cost, with the limits that are set by default."""
    service = instance(fake, folder / "open", open=fake.host, trusted_proxies="127.0.0.1")
    with service:
        waits = [seconds_until_right(service, fake, number) for number in range(IMAGES)]
        figures = f"{statistics.median(waits):.2f} s, {min(waits):.2f} s, {max(waits):.2f} s"
        yield f"first view of an unknown image's badge to the right one: median, least, most of {IMAGES}", figures
        ask_for_names(service, "closed.test", 500)
        before, asked = memory_bytes(service), len(fake.requests)
        took = ask_for_names(service, fake.host, NAMES)
        time.sleep(10)  # what was asked for last is read by then
        what = f"registry requests for {NAMES} unknown names, after {IMAGES} of the 120 new images of the hour"
        yield what, f"{len(fake.requests) - asked}"
        yield f"seconds for them, {CLIENTS} clients", f"{took:.1f} s"
        after = memory_bytes(service)
        yield "memory of both workers before and after them", f"{before / MIB:.1f} MiB, {after / MIB:.1f} MiB"


def seconds_until_right(service: RunningService, fake: FakeRegistry, number: int) -> float:
    badge = f"{service.url}/badges/layers/{fake.host}/team/new{number}.svg"
    headers = {"X-Forwarded-For": f"198.51.{number}.1"}
    began_at = time.perf_counter()
    with requests.Session() as session:
        while badge_text(session.get(badge, headers=headers, timeout=30).content) != "layers: 2":
            if time.perf_counter() - began_at > LONGEST_SECONDS:
                raise TimeoutError(badge)
            time.sleep(0.02)
    return time.perf_counter() - began_at


def ask_for_names(service: RunningService, registry: str, count: int) -> float:
    """Ask for badges of names that do not exist, each from another network; return how many seconds that took."""

    def ask(client: int) -> None:
        with requests.Session() as session:
            for number in range(client, count, CLIENTS):
                headers = {"X-Forwarded-For": f"2001:db8:{number:x}::1"}
                url = f"{service.url}/badges/size/{registry}/strange/name{number}.svg"
                session.get(url, headers=headers, timeout=60).raise_for_status()

    began_at = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as clients:
        list(clients.map(ask, range(CLIENTS)))
    return time.perf_counter() - began_at


def side_by_side(fake: FakeRegistry, folder: Path) -> Iterator[tuple[str, str]]:
    """How many badges of a tracked image are answered in a second, with and without the setting, by turns."""
    without = instance(fake, folder / "closed")
    with_it = instance(fake, folder / "opened", open=fake.host, trusted_proxies="127.0.0.1")
    figures: dict[RunningService, list[float]] = {without: [], with_it: []}
    with without, with_it:
        for service in figures:
            service.wait_for_badge(f"layers/{fake.host}/team/mine", "layers: 1")
            badges_a_second(service, fake)
        for _ in range(ROUNDS):
            for service, rates in figures.items():
                rates.append(badges_a_second(service, fake))
    for name, service in (("without", without), ("with", with_it)):
        rates = figures[service]
        what = f"badges of a tracked image a second {name} the setting: median, least, most of {ROUNDS}"
        yield what, f"{statistics.median(rates):.0f}, {min(rates):.0f}, {max(rates):.0f}"


def badges_a_second(service: RunningService, fake: FakeRegistry) -> float:
    badge = f"{service.url}/badges/layers/{fake.host}/team/mine.svg"

    def ask(_: int) -> None:
        with requests.Session() as session:
            for _number in range(BADGES // CLIENTS):
                session.get(badge, timeout=30).raise_for_status()

    began_at = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as clients:
        list(clients.map(ask, range(CLIENTS)))
    return BADGES / (time.perf_counter() - began_at)


def instance(fake: FakeRegistry, folder: Path, **settings: str) -> RunningService:
    return RunningService(folder, [f"{fake.host}/team/mine"], "--workers", "2", **settings)


def memory_bytes(service: RunningService) -> int:
    return sum(resident_bytes(pid) for pid in service.workers)


if __name__ == "__main__":
    main()
