"""What it takes to know parents and copies of every version of 10,000 images, each of ten versions of ten layers.

Run with ``python -m tests.benchmarks.parents [images]``; it prints a table. One image in a hundred is official, and its
versions have the five layers that others are built on; the other images build on three versions of one of those. The
times are wall-clock times of one process.
"""

import hashlib
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from microbadger.freshness.relatives import LayerStacks
from microbadger.image.documents import PlatformDocument, TagDocument, VersionDocument
from microbadger.image.reference import Repository
from microbadger.store.database import Database

IMAGES = 10_000
VERSIONS = 10
BASE_LAYERS, OWN_LAYERS = 5, 5
IMAGES_ON_A_BASE = 100
SAMPLE = 1000
PLATFORM = PlatformDocument(OS="linux", Architecture="amd64", Digest="", DownloadSize=0, LayerCount=0)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else IMAGES
    sample = range(0, count, max(1, count // SAMPLE))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "microbadger.db"
        database = Database(f"sqlite:///{file}")
        stacks = LayerStacks(database, "https://badges.example.org")
        with database.read():
            memory_before = peak_memory_mib()
        first = [publish(database, stacks, number, range(VERSIONS)) for number in range(count)][-SAMPLE:]
        unchanged = [ask(database, stacks, number) for number in sample]
        moved = [publish(database, stacks, number, range(1, VERSIONS + 1)) for number in sample]
        memory = peak_memory_mib() - memory_before
        database.close()
        size = file.stat()
    with_parents = sum(timing.with_parents for timing in unchanged)
    print(f"| {count:,} images, {VERSIONS} versions each | figure |")
    print("| --- | --- |")
    print(f"| an image read for the first time, median | {median(first)} |")
    print(f"| an image with one new version in the place of another, median | {median(moved)} |")
    print(f"| an image that did not change, with the relatives of all its versions, median | {median(unchanged)} |")
    print(f"| versions with a parent, of {VERSIONS * len(sample):,} | {with_parents:,} |")
    print(f"| place on the disk | {size.st_blocks * 512 / 1024**2:.1f} MiB |")
    print(f"| growth of the process at its peak | {memory:.1f} MiB |")


@dataclass(frozen=True, slots=True)
class Timing:
    milliseconds: float
    with_parents: int


def publish(database: Database, stacks: LayerStacks, number: int, places: Iterable[int]) -> Timing:
    """Find the relatives of versions that were just read, and keep their layers."""
    repository, versions = name_of(number), [version_of(number, place, is_read=True) for place in places]
    start = time.perf_counter()
    with database.read() as connection:
        chains = stacks.chains_of(connection, repository, versions, lambda _: ())
        relatives = stacks.relatives(connection, repository, versions, chains)
    with database.write() as connection:
        stacks.write(connection, repository, versions, chains)
    milliseconds = 1000 * (time.perf_counter() - start)
    return Timing(milliseconds, sum(bool(found.parents) for found in relatives.values()))


def ask(database: Database, stacks: LayerStacks, number: int) -> Timing:
    """Find the relatives of versions that did not change, so their documents come without layers."""
    repository, versions = name_of(number), [version_of(number, place, is_read=False) for place in range(VERSIONS)]
    start = time.perf_counter()
    with database.read() as connection:
        chains = stacks.chains_of(connection, repository, versions, lambda _: ())
        relatives = stacks.relatives(connection, repository, versions, chains)
    milliseconds = 1000 * (time.perf_counter() - start)
    return Timing(milliseconds, sum(bool(found.parents) for found in relatives.values()))


def median(timings: list[Timing]) -> str:
    return f"{statistics.median(timing.milliseconds for timing in timings):.2f} ms"


def name_of(number: int) -> Repository:
    if number % IMAGES_ON_A_BASE == 0:
        return Repository.parse(f"library/base{number}")
    return Repository.parse(f"ghcr.io/owner{number % 997}/application{number}")


def version_of(number: int, place: int, *, is_read: bool) -> VersionDocument:
    sha = digits([number, place])
    version = VersionDocument(
        SHA=sha,
        Tags=[TagDocument(tag=tag) for tag in (f"1.{place}", f"1.{place}.0", *(["latest"] if place == 9 else []))],
        ImageName="",
        Author="",
        LayerCount=0,
        DownloadSize=0,
        Digest=f"sha256:{sha}",
        MediaType="",
        Platforms=[PLATFORM],
    )
    if is_read:
        version["DiffIDs"] = [f"sha256:{digits(layer)}" for layer in layers_of(number, place)]
    return version


def layers_of(number: int, place: int) -> Iterable[list[int]]:
    base = number - number % IMAGES_ON_A_BASE
    base_place = place if number == base else place // 4
    yield from ([base, base_place, layer] for layer in range(BASE_LAYERS))
    if number != base:
        yield from ([number, place, layer] for layer in range(BASE_LAYERS, BASE_LAYERS + OWN_LAYERS))


def digits(numbers: list[int]) -> str:
    return hashlib.sha256(repr(numbers).encode()).hexdigest()


def peak_memory_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
