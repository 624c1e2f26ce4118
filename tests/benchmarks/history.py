"""How much the store grows with an image that is pushed every day for a year, and how large its page is then.

Run with ``python -m tests.benchmarks.history [--days 365]``; it prints tables. A registry is played in the same
process. Each day something is pushed, and the image is checked. Bytes are those of SQLite's pages that are in use.
"""

import argparse
import gzip
import random
import tempfile
from collections.abc import Callable
from pathlib import Path

from microbadger.image.descriptors import digest_of
from tests.fakes.registry import FakeImage, FakeRegistry, image
from tests.freshness.bench import Bench

OCI = "org.opencontainers.image"
LAYERS = 20
_BYTES = (
    "SELECT tbl_name AS name, sum(pgsize - unused) AS bytes FROM dbstat"
    " JOIN sqlite_master ON dbstat.name = sqlite_master.name GROUP BY tbl_name"
)

Push = Callable[[FakeRegistry, int], None]


def main() -> None:
    parser = argparse.ArgumentParser(description="What a year of daily pushes leaves in the store and on the page.")
    parser.add_argument("--days", type=int, default=365)
    days = parser.parse_args().days
    for name, push in (("`latest` moves", push_latest), ("`latest` moves to a new release", push_release)):
        with tempfile.TemporaryDirectory() as folder, FakeRegistry() as fake:
            bench = Bench(Path(folder), fake)
            at_first = bytes_after(bench, push, range(1))
            after = bytes_after(bench, push, range(1, days))
            print_growth(f"Each day {name}, {days} days", at_first, after)
            print_files(bench)
            bench.database.close()


def push_latest(fake: FakeRegistry, day: int) -> None:
    fake.push("team/web", "latest", image_of(day))


def push_release(fake: FakeRegistry, day: int) -> None:
    for tag in (f"1.{day}.0", "latest"):
        fake.push("team/web", tag, image_of(day))


def image_of(day: int) -> FakeImage:
    """Return the image of a day, of which the upper half of the layers is new."""
    numbers = random.Random(day)
    sizes = [1_000_000 + number for number in range(LAYERS // 2)]
    sizes += [numbers.randrange(10**6) for _ in range(LAYERS // 2)]
    revision = digest_of(b"%d" % day).partition(":")[2]
    labels = {
        f"{OCI}.revision": revision[:40],
        f"{OCI}.source": "https://github.com/team/web",
        f"{OCI}.licenses": "Apache-2.0",
        f"{OCI}.version": f"1.{day}.0",
    }
    commands = [f"RUN make part-{number} COMMIT={revision} # buildkit" for number in range(LAYERS)]
    return image(layers=sizes, labels=labels, commands=commands, created=f"{2020 + day}-01-01T10:00:00Z")


def bytes_after(bench: Bench, push: Push, days: range) -> dict[str, int]:
    """Push and check once a day, and return how many bytes each table takes then."""
    for day in days:
        push(bench.fake, day)
        outcome = bench.check_later(hours=24)
        if outcome is None or outcome.error or (day and not outcome.changes):
            raise SystemExit(f"this measures nothing: {outcome}")
    with bench.database.read() as connection:
        return {row.name: row.bytes for row in connection.exec_driver_sql(_BYTES)}


def print_growth(title: str, at_first: dict[str, int], after: dict[str, int]) -> None:
    growth = {name: after[name] - at_first.get(name, 0) for name in after}
    print(f"\n| {title} | bytes after the first | growth |\n| --- | ---: | ---: |")
    for name, more in sorted(growth.items(), key=lambda item: -item[1]):
        if more:
            print(f"| {name} | {at_first.get(name, 0):,} | {more:,} |")
    print(f"| all tables | {sum(at_first.values()):,} | {sum(growth.values()):,} |")


def print_files(bench: Bench) -> None:
    files = {"page": bench.paths.page, "history.json": bench.paths.history}
    count = len(bench.record["Versions"])
    print(f"\n| {count} version{'s' if count > 1 else ''} | bytes | gzip -6 |\n| --- | ---: | ---: |")
    for name, path in files.items():
        content = bench.files()[path]
        has_chart = " with its chart" if b'class="chart"' in content else ""
        print(f"| {name}{has_chart} | {len(content):,} | {len(gzip.compress(content, 6)):,} |")


if __name__ == "__main__":
    main()
