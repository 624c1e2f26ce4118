"""How fast due images are claimed of very many, and how much memory that takes.

Run with ``python -m tests.benchmarks.claims [--images 2000000]``; it starts a PostgreSQL server and prints a table.
"""

import argparse
import resource
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, text

from microbadger.freshness.checks import Checks
from microbadger.freshness.claims import Claim, Claims
from microbadger.image.reference import Repository
from microbadger.store.database import Database
from tests.postgresql import running_postgresql

REGISTRIES = 20
SECONDS = 10.0
THREADS = 4
FILL = (
    "INSERT INTO checks (image, name, registry, due_at, failures, edition, pushed_tags, viewed_tags, succeeded_at)"
    " SELECT 'r' || n % :registries || '.test/team/image' || n, 'r' || n % :registries || '.test/team/image' || n,"
    " 'r' || n % :registries || '.test', n::float / :images, 0, 'this', '[]', '{}', 1"
    " FROM generate_series(:first, :last) AS n"
)
STEP = 50_000


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=2_000_000)
    images = parser.parse_args().images
    with running_postgresql() as server:
        database = Database(server.new_database())
        checks = Checks(database, interval=timedelta(days=1), edition="this", now=lambda: datetime.now(UTC))
        checks.add([Repository.parse("r0.test/team/first")])
        fill(database, images)
        print(f"| {images:,} images, all due | |\n| --- | ---: |")
        before = memory_in_mib()
        claimed = claim_for(database, checks, SECONDS)
        print(f"| claims a second, {THREADS} threads, three at a time, each check ended | {claimed / SECONDS:,.0f} |")
        print(f"| what is due, of {REGISTRIES} registries | {milliseconds(checks.registries_due):.1f} ms |")
        print(f"| how all images stand, first | {milliseconds(checks.summary):.0f} ms |")
        print(f"| the same a moment later | {milliseconds(checks.summary):.3f} ms |")
        print(f"| memory of the process, before and after | {before:.0f} and {memory_in_mib():.0f} MiB |")


def fill(database: Database, images: int) -> None:
    for first in range(0, images, STEP):
        with database.write() as connection:
            last = min(first + STEP, images) - 1
            given = {"registries": REGISTRIES, "images": images, "first": first, "last": last}
            connection.execute(text(FILL), given)
    with database.write() as connection:
        connection.execute(text("ANALYZE checks"))


def claim_for(database: Database, checks: Checks, seconds: float) -> int:
    """Claim and end checks for so long, and return how many."""
    ends_at = time.monotonic() + seconds

    def work(number: int) -> int:
        claims, count = Claims(database), 0
        while time.monotonic() < ends_at:
            registry = f"r{(number + count) % REGISTRIES}.test"
            taken = claims.take_due(registry, 3, checks.now().timestamp())
            with database.write() as connection:
                end(connection, taken)
            claims.end([Claim(repository, is_asked=False) for repository in taken])
            count += len(taken) or 1
        return count

    with ThreadPoolExecutor(THREADS) as pool:
        return sum(pool.map(work, range(THREADS)))


def end(connection: Connection, repositories: list[Repository]) -> None:
    """Have images due tomorrow, as the end of a check does."""
    for repository in repositories:
        statement = "UPDATE checks SET due_at = :due_at WHERE image = :image"
        connection.execute(text(statement), {"image": str(repository), "due_at": time.time() + 86400})


def milliseconds(work: Callable[[], object]) -> float:
    began_at = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - began_at)


def memory_in_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
