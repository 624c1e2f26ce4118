"""What a check costs beyond its requests: one of an image that did not change, and the first one.

Run with ``python -m tests.benchmarks.unchanged [--images 100] [--tags 10] [--profile]``; it prints a table. Docker Hub,
registry and web API, is played by a process of its own. Checks and the two requests that a check makes, sent alone
through the same client, are timed in turn in one run, so that their ratio holds on a machine whose speed drifts.
"""

import argparse
import cProfile
import pstats
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

from app import _Service
from microbadger.image.reference import Repository
from tests.benchmarks.simulated_hub import FIRST, UNCHANGED, SimulatedHub, name_of

ROUNDS = 10

Work = Callable[[_Service, Sequence[Repository]], None]


def main() -> None:
    parser = argparse.ArgumentParser(description="What a check costs beyond its requests.")
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--tags", type=int, default=10)
    parser.add_argument("--profile", action="store_true", help="print where the time of unchanged checks goes")
    options = parser.parse_args()
    images = [name_of(number) for number in range(1, options.images + 1)]
    with tempfile.TemporaryDirectory() as folder, SimulatedHub(options.tags) as hub:
        (Path(folder) / "data").mkdir()
        (Path(folder) / "data/images.txt").write_text("".join(f"{image.familiar}\n" for image in images))
        service = _Service(hub.settings(Path(folder), timedelta(microseconds=1)))
        service.freshness.upkeep.follow_tracked()
        hub.begin(FIRST)
        first_ms = [cpu_ms(check, service, [image]) for image in images]
        requests = hub.begin(UNCHANGED)
        files = len(public_files(Path(folder)))
        print("| check of an image | CPU, median | requests | files written |")
        print("| --- | ---: | ---: | ---: |")
        counts = f"{requests / len(images):.1f} | {files / len(images):.1f}"
        print(f"| the first | {statistics.median(first_ms):.2f} ms | {counts} |")
        if options.profile:
            profile(service, images)
        else:
            compare(service, hub, images, Path(folder))


def compare(service: _Service, hub: SimulatedHub, images: Sequence[Repository], folder: Path) -> None:
    """Print what unchanged checks cost, and what their requests cost alone."""
    check(service, images)
    before, _ = stamps(folder), hub.begin(UNCHANGED)
    checks_ms, requests_ms = [], []
    for _ in range(ROUNDS):
        checks_ms.append(cpu_ms(check, service, images) / len(images))
        requests_ms.append(cpu_ms(ask, service, images) / len(images))
    requests = hub.begin(UNCHANGED) / (2 * ROUNDS * len(images))
    written = len(before ^ stamps(folder))
    ratios = [one / other for one, other in zip(checks_ms, requests_ms, strict=True)]
    print(f"| unchanged | {statistics.median(checks_ms):.2f} ms | {requests:.1f} | {written} |")
    print(f"| its requests alone | {statistics.median(requests_ms):.2f} ms | {requests:.1f} | |")
    spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    print(f"| ratio, with the least and the most of {ROUNDS} rounds | {spread} | | |")


def profile(service: _Service, images: Sequence[Repository]) -> None:
    check(service, images)
    profiler = cProfile.Profile()
    profiler.runcall(check, service, [*images] * ROUNDS)
    pstats.Stats(profiler).sort_stats("tottime").print_stats(45)
    pstats.Stats(profiler).sort_stats("cumtime").print_stats(60)


def check(service: _Service, images: Sequence[Repository]) -> None:
    """Check images that are due."""
    for image in images:
        outcome = service.freshness.refresher.refresh_if_due(image)
        if outcome is None or outcome.error:
            raise SystemExit(f"this measures nothing: {outcome}")


def ask(service: _Service, images: Sequence[Repository]) -> None:
    """Make the two requests of unchanged checks."""
    docker_hub = service.freshness.refresher.surveyor.registry.docker_hub
    for image in images:
        if not docker_hub.tags(image, 100) or not docker_hub.details(image):
            raise SystemExit("this measures nothing: Docker Hub does not answer")


def cpu_ms(work: Work, service: _Service, images: Sequence[Repository]) -> float:
    began = time.process_time()
    work(service, images)
    return 1000 * (time.process_time() - began)


def stamps(folder: Path) -> set[tuple[Path, int, int]]:
    """Return what tells apart each public file from one that is written in its place."""
    status = ((file, file.stat()) for file in public_files(folder))
    return {(file, one.st_ino, one.st_mtime_ns) for file, one in status}


def public_files(folder: Path) -> list[Path]:
    return [file for file in (folder / "public").rglob("*") if file.is_file()]


if __name__ == "__main__":
    main()
