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

from microbadger.freshness.relatives import LayerStacks as LayerIndex
from microbadger.image.documents import PlatformDocument, TagDocument, VersionDocument
from microbadger.image.reference import Repository

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
        index = LayerIndex(Path(folder), "https://badges.example.org")
        memory_before = peak_memory_mib()
        first = [update(index, number, range(VERSIONS)) for number in range(count)][-SAMPLE:]
        unchanged = [update(index, number, range(VERSIONS), are_read=False) for number in sample]
        moved = [update(index, number, range(1, VERSIONS + 1)) for number in sample]
        memory = peak_memory_mib() - memory_before
        files = [file.stat() for file in Path(folder).rglob("*") if file.is_file()]
    with_parents = sum(timing.with_parents for timing in unchanged)
    print(f"| {count} images, {VERSIONS} versions each | figure |")
    print("| --- | --- |")
    print(f"| an image read for the first time, median | {median(first)} |")
    print(f"| an image with one new version in the place of another, median | {median(moved)} |")
    print(f"| an image that did not change, with the relatives of all its versions, median | {median(unchanged)} |")
    print(f"| versions with a parent, of {VERSIONS * len(sample)} | {with_parents} |")
    print(f"| files | {len(files)} |")
    print(f"| bytes in them | {sum(file.st_size for file in files) / 1024**2:.1f} MiB |")
    print(f"| place on the disk | {sum(file.st_blocks for file in files) * 512 / 1024**2:.1f} MiB |")
    print(f"| growth of the process at its peak | {memory:.1f} MiB |")


@dataclass(frozen=True, slots=True)
class Timing:
    milliseconds: float
    with_parents: int


def update(index: LayerIndex, number: int, places: Iterable[int], *, are_read: bool = True) -> Timing:
    """Update the index with these versions of an image; only those read now tell their diff IDs."""
    versions = [version_of(number, place, is_read=are_read) for place in places]
    start = time.perf_counter()
    relatives = index.update(name_of(number), versions, lambda sha: ())
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
