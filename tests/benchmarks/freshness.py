"""How long a webhook takes to show, and what a check costs a registry, against a real one on this machine.

Run with ``python -m tests.benchmarks.freshness``; it prints a table.
"""

import statistics
import tempfile
import time
from collections import Counter
from pathlib import Path

import requests

from tests.real_registry import ImageMaker, RunningRegistry
from tests.running_service import RunningService, badge_text

PUSHES = 20
TAGS = 5
LONGEST_SECONDS = 10.0


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, RunningRegistry(Path(folder) / "registry") as registry:
        maker = ImageMaker(Path(folder) / "images")
        print("| what | figure |")
        print("| --- | --- |")
        for what, figure in (*freshness(registry, maker, Path(folder)), *cost(registry, maker, Path(folder))):
            print(f"| {what} | {figure} |")


def freshness(registry: RunningRegistry, maker: ImageMaker, folder: Path) -> list[tuple[str, str]]:
    """Time from the webhook's answer to the new badge on disk."""
    name = f"{registry.host}/team/web"
    versions = [maker.make([{"file": str(n).encode()}] * (1 + n % 9)) for n in range(PUSHES + 1)]
    maker.push(versions[0], f"{name}:latest")
    milliseconds = []
    with RunningService(folder / "freshness", [name]) as service:
        webhook = service.wait_for_image(name)["WebhookURL"]
        badge = service.public / "badges/layers" / f"{name}.svg"
        for number, version in enumerate(versions[1:], start=1):
            maker.push(version, f"{name}:latest")
            expected = f"layers: {1 + number % 9}"
            requests.post(webhook, timeout=10).raise_for_status()
            answered = time.perf_counter()
            wait_for(badge, expected)
            milliseconds.append(1000 * (time.perf_counter() - answered))
    return [
        (f"webhook's answer to the new badge on disk, median of {PUSHES}", f"{statistics.median(milliseconds):.0f} ms"),
        ("the slowest of them", f"{max(milliseconds):.0f} ms"),
    ]


def wait_for(badge: Path, text: str) -> None:
    """Return within a millisecond after a badge says this."""
    deadline = time.perf_counter() + LONGEST_SECONDS
    while badge_text(badge.read_bytes()) != text:
        if time.perf_counter() > deadline:
            raise TimeoutError(f"{badge} does not say {text!r}")
        time.sleep(0.001)


def cost(registry: RunningRegistry, maker: ImageMaker, folder: Path) -> list[tuple[str, str]]:
    """Requests the registry received for an image with five tags."""
    name = f"{registry.host}/team/five"
    for number in range(TAGS):
        maker.push(maker.make([{"file": str(number).encode()}]), f"{name}:1.{number}")
    service = RunningService(folder / "cost", [name])
    rows = []
    for what in (f"first check of {TAGS} tags", f"unchanged check of {TAGS} tags"):
        registry.forget_requests()
        service.command("refresh", name).check_returncode()
        rows.append((what, counted(registry.requests())))
    return rows


def counted(asked: list[tuple[str, str]]) -> str:
    kinds = Counter(f"{method} {path.split('/')[-2]}" for method, path in asked)
    return f"{sum(kinds.values())} requests: " + ", ".join(f"{n} {kind}" for kind, n in sorted(kinds.items()))


if __name__ == "__main__":
    main()
