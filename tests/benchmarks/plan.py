"""What ten million images take: rows and bytes in PostgreSQL, objects and bytes in a bucket, requests, and their price.

Run with ``python -m tests.benchmarks.plan [--images 10000] [--tags 10]``; it starts everything itself and prints two
tables. A few images of a simulated Docker Hub are read into a database and a bucket; the rows of one of them are then
copied as those of so many others, and PostgreSQL is asked how much room they take.
"""

import argparse
import math
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psycopg

from app import _Service
from microbadger.image.reference import Reference, Repository
from microbadger.settings import database_address
from tests.benchmarks.simulated_hub import CHANGED_EVERY, FIRST, PUSHES, UNCHANGED, SimulatedHub, name_of
from tests.fakes.object_store import FakeObjectStore
from tests.postgresql import running_postgresql

ALL = 10_000_000
PUSHED_PER_DAY = 0.03
READ = range(CHANGED_EVERY, CHANGED_EVERY + 10)  # the first of them is pushed later
TYPICAL = CHANGED_EVERY + 1
REGISTRY_SECONDS = 0.3
"""How long the two requests of an unchanged check take to Docker Hub, both together."""
BOUNDED = "content"
AT_ONCE = 12
"""How many checks of one registry all processes make at once."""

# https://aws.amazon.com/s3/pricing/, us-east-1, in dollars
PUTS_PRICE, GETS_PRICE, GIB_PRICE = 5e-6, 0.4e-6, 0.023


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--tags", type=int, default=10)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        running_postgresql() as server,
        FakeObjectStore() as store,
        SimulatedHub(options.tags) as hub,
    ):
        url = server.new_database()
        service = service_over(Path(folder), url, store, hub)
        bucket = Bucket(service, store, hub)
        print(f"| of an image of {options.tags} tags | |\n| --- | ---: |")
        for name, value in bucket.measured():
            print(f"| {name} | {value} |", flush=True)
        print("\n| table | rows an image | bytes an image, indexes included |\n| --- | ---: | ---: |")
        with psycopg.connect(url, autocommit=True) as connection:
            size = sum(print_tables(connection, options.images))
    print(f"\n| {ALL:,} images | |\n| --- | ---: |")
    for name, value in planned(size, bucket):
        print(f"| {name} | {value} |")


def service_over(folder: Path, url: str, store: FakeObjectStore, hub: SimulatedHub) -> _Service:
    (folder / "data").mkdir()
    (folder / "data/images.txt").write_text("".join(f"{name_of(number).familiar}\n" for number in READ))
    settings = replace(
        hub.settings(folder, timedelta(microseconds=1)),
        bucket=store.address,
        database_url=database_address(url),
    )
    service = _Service(settings)
    service.freshness.upkeep.follow_tracked()
    return service


def until_tomorrow(service: _Service) -> _Service:
    """Return the same service, whose images are due a day after their check and not at once."""
    return _Service(replace(service.settings, refresh_interval=timedelta(days=1)))


class Bucket:
    """What checks of an image do with the bucket and the registry."""

    def __init__(self, service: _Service, store: FakeObjectStore, hub: SimulatedHub) -> None:
        self._service, self._store, self._hub = service, store, hub
        self.objects = self.bytes = self.first_puts = self.push_puts = self.push_heads = self.requests = 0.0

    def measured(self) -> Iterator[tuple[str, str]]:
        """Yield what is said of one image. A first check lays everything down; later ones change what they must."""
        images = [name_of(number) for number in READ]
        self._hub.begin(FIRST)
        self.first_puts = self._puts_of(images) / len(images)
        mine = {key: each for key, each in self._store.objects.items() if name_of(TYPICAL).path in key}
        self.objects, self.bytes = len(mine), sum(len(each.content) for each in mine.values())
        yield "requests to the registry, first check", f"{self._hub.begin(UNCHANGED) / len(images):.0f}"
        yield "objects, and bytes in them", f"{self.objects:.0f}, {self.bytes:,.0f}"
        yield "objects written by the first check", f"{self.first_puts:.0f}"
        before = self._store.counts.total()
        written = self._puts_of(images)
        self.requests = self._hub.begin(UNCHANGED) / len(images)
        yield "objects written by an unchanged check", f"{written}"
        yield "requests of an unchanged check to the bucket", f"{self._store.counts.total() - before}"
        yield "requests of an unchanged check to the registry", f"{self.requests:.1f}"
        self._service = until_tomorrow(self._service)
        self._service.freshness.refresher.refresh(images[0])
        self._hub.begin(PUSHES)
        heads = self._store.counts["HEAD"]
        self._service.freshness.requests.add(Reference(images[0], "latest", None))
        self.push_puts = self._puts_of(images[:1])
        self.push_heads = self._store.counts["HEAD"] - heads
        yield "objects written by a push", f"{self.push_puts:.0f}"
        yield "objects that a push compares", f"{self.push_heads:.0f}"
        yield "requests of a push of one tag to the registry", f"{self._hub.begin(PUSHES)}"

    def _puts_of(self, images: Sequence[Repository]) -> int:
        """Check images and return how many objects were written."""
        before = self._store.counts["PUT"]
        for image in images:
            outcome = self._service.freshness.refresher.refresh_if_due(image)
            if outcome is None or outcome.error:
                raise SystemExit(f"this measures nothing: {outcome}")
        return self._store.counts["PUT"] - before


def print_tables(connection: "psycopg.Connection[tuple[object, ...]]", count: int) -> Iterator[float]:
    """Copy the rows of one image for so many, print what they take, and yield the bytes an image of each table."""
    name = name_of(TYPICAL)
    columns: dict[str, list[str]] = {}
    for table, column in connection.execute(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema()"
        " AND is_identity = 'NO' AND column_default IS NULL ORDER BY table_name, ordinal_position"
    ):
        columns.setdefault(str(table), []).append(str(column))
    total_rows = 0.0
    for table, names in columns.items():
        if "image" not in names:
            continue
        values = ", ".join(_copied(each) for each in names)
        statement = f"SELECT {values} FROM {table} AS t, generate_series(1, %(count)s) AS n WHERE image = %(image)s"
        given = {"count": count, "image": str(name), "familiar": name.familiar}
        connection.execute(f"CREATE TEMPORARY TABLE copied AS {statement}".encode(), given)
        connection.execute(f"TRUNCATE {table}".encode())
        inserted = f"INSERT INTO {table} ({', '.join(names)}) SELECT * FROM copied ORDER BY image"
        rows = connection.execute(inserted.encode()).rowcount / count
        connection.execute(b"DROP TABLE copied")
        connection.execute(f"VACUUM ANALYZE {table}".encode())
        (size,) = connection.execute("SELECT pg_total_relation_size(%s)", [table]).fetchone() or (0,)
        if rows:
            print(f"| `{table}` | {rows:.0f} | {int(str(size)) / count:,.0f} |")
            if table != BOUNDED:
                total_rows += rows
                yield int(str(size)) / count
    print(f"| without `{BOUNDED}`, which is bounded | {total_rows:.0f} | |")


def _copied(column: str) -> str:
    """Return the value of a column for the copy of an image: its name is another one, and so are its layers."""
    familiar = "'owner' || n / 10 || '/application' || n"
    if column == "image":
        return f"'docker.io/' || {familiar} AS image"
    if column in ("name", "path", "entry"):
        return f"replace(t.{column}, %(familiar)s, {familiar}) AS {column}"
    if column == "chain":
        return "left(t.chain, -8) || lpad(to_hex(n), 8, '0') AS chain"
    if column == "due_at":
        return "t.due_at + n AS due_at"
    return f"t.{column}"


def planned(size: float, bucket: Bucket) -> Iterator[tuple[str, str]]:
    """Yield what so many images take, a day or a month."""
    pushes = PUSHED_PER_DAY * ALL
    stored_gib = ALL * bucket.bytes / 1024**3
    yield "database", f"{ALL * size / 1024**3:,.0f} GiB"
    yield "objects", f"{ALL * bucket.objects / 1e6:,.0f} million"
    yield "bytes in them", f"{stored_gib:,.0f} GiB"
    yield "first publication", f"${ALL * (bucket.first_puts * PUTS_PRICE + bucket.objects * GETS_PRICE):,.0f}"
    yield f"pushes a day, {PUSHED_PER_DAY:.0%}", f"{pushes:,.0f}"
    per_push = bucket.push_puts * PUTS_PRICE + bucket.push_heads * GETS_PRICE
    yield "pushes, a month", f"${30 * pushes * per_push:,.0f}"
    yield "storage, a month", f"${stored_gib * GIB_PRICE:,.0f}"
    for hours in (24, 72, 168):
        rate = ALL / hours / 3600
        asked = bucket.requests * ALL * 24 / hours / 1e6
        yield f"checks a second, every {hours} hours", f"{rate:.0f}"
        yield f"requests a day to Docker Hub, every {hours} hours", f"{asked:.1f} million"
    most = AT_ONCE / REGISTRY_SECONDS
    yield f"checks a second of one registry whose answers take {REGISTRY_SECONDS} s", f"{most:.0f}"
    yield "hours until it was asked for all of them", f"{math.ceil(ALL / most / 3600)}"


if __name__ == "__main__":
    main()
