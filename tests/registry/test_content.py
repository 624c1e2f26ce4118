"""Content by its digest: read once, checked always, bounded."""

import random
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from microbadger.image.descriptors import digest_of
from microbadger.registry.content import Content
from microbadger.store.database import Database, StoreError
from microbadger.store.tables import CONTENT
from tests.databases import database_url, needs_sqlite

NOW = 1_800_000_000.0
DAY = 86400.0


class Source:
    """Counts how often content is fetched."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.fetched = 0

    def __call__(self) -> bytes:
        self.fetched += 1
        return self.content


class Bench:
    """Content in a database, with a clock that a test moves."""

    def __init__(self, folder: Path) -> None:
        self.now = NOW
        self.database = Database(database_url(folder))
        self.content = self.open()

    def open(self, max_bytes: int = 10**9) -> Content:
        """Return the content as another process would have it."""
        return Content(self.database, max_bytes, clock=lambda: self.now)

    def read(self, source: Source, image: str = "docker.io/library/alpine") -> bytes:
        return self.content.read(image, digest_of(source.content), source)

    def keep(self, source: Source) -> None:
        self.read(source)
        self.content.write()

    def rows(self) -> dict[str, float]:
        """Return when each digest was used last."""
        with self.database.read() as connection:
            return {row.digest: row.used_at for row in connection.execute(select(CONTENT))}

    @property
    def size_bytes(self) -> int:
        with self.database.read() as connection:
            return int(connection.execute(select(func.coalesce(func.sum(func.length(CONTENT.c.body)), 0))).scalar_one())


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.database.close()


def noise(number: int) -> Source:
    """Return a thousand bytes that cannot be compressed."""
    return Source(random.Random(number).randbytes(1000))


def test_content_is_fetched_once(bench: Bench) -> None:
    source = Source("mañana".encode())
    for _ in range(3):
        assert bench.read(source) == "mañana".encode()
        bench.content.write()
        bench.content = bench.open()

    assert source.fetched == 1


def test_content_is_fetched_once_before_it_is_written_too(bench: Bench) -> None:
    source = Source(b"a manifest")

    assert [bench.read(source) for _ in range(3)] == [b"a manifest"] * 3
    assert (source.fetched, bench.rows()) == (1, {})


def test_much_that_was_read_is_written_without_being_asked(bench: Bench) -> None:
    for number in range(300):
        bench.read(noise(number))

    assert len(bench.rows()) > 200


def test_a_row_says_how_much_it_takes(bench: Bench) -> None:
    bench.keep(Source(b"x" * 10_000))

    with bench.database.read() as connection:
        row = connection.execute(select(CONTENT)).one()
    assert row.size_bytes == len(row.body) < 100


@pytest.mark.parametrize("damage", [b"", b"no zlib", zlib.compress(b"another manifest")])
def test_a_damaged_row_is_fetched_again_and_mended(bench: Bench, damage: bytes) -> None:
    source = Source(b"a manifest")
    bench.keep(source)
    with bench.database.write() as connection:
        connection.execute(update(CONTENT).values(body=damage))

    for _ in range(2):
        assert bench.read(source) == b"a manifest"
        bench.content.write()
    assert source.fetched == 2


def test_what_one_image_read_is_not_shown_for_another(bench: Bench) -> None:
    private, public = Source(b"a secret"), Source(b"a secret")
    bench.keep(private)

    bench.read(public, "docker.io/stranger/app")

    assert public.fetched == 1


def test_a_fetch_that_fails_keeps_nothing(bench: Bench) -> None:
    def fail() -> bytes:
        raise LookupError

    with pytest.raises(LookupError):
        bench.content.read("docker.io/library/alpine", digest_of(b"x"), fail)

    bench.content.write()
    assert bench.rows() == {}


@pytest.mark.parametrize(("hours", "is_noted"), [(0, False), (23, False), (25, True), (-25, True)])
def test_that_content_is_used_is_noted_once_a_day(bench: Bench, hours: float, is_noted: bool) -> None:
    source = noise(1)
    bench.keep(source)
    bench.now += hours * 3600
    bench.keep(source)

    assert list(bench.rows().values()) == [bench.now if is_noted else NOW]


def test_what_was_used_longest_ago_goes_first(bench: Bench) -> None:
    sources = [noise(number) for number in range(5)]
    for source in sources:
        bench.keep(source)
        bench.now += DAY
    bench.keep(sources[0])

    bench.open(max_bytes=3700).clean()

    left = bench.rows().keys()
    assert [digest_of(source.content) in left for source in sources] == [True, False, False, True, True]


def test_what_fits_stays(bench: Bench) -> None:
    for number in range(3):
        bench.keep(noise(number))

    bench.open(max_bytes=3100).clean()

    assert len(bench.rows()) == 3


def test_content_of_one_moment_does_not_go_all_at_once(bench: Bench) -> None:
    for number in range(10):
        bench.read(noise(number))
    bench.content.write()

    bench.open(max_bytes=8000).clean()

    assert len(bench.rows()) == 7


def test_it_is_bounded_however_much_is_read(bench: Bench) -> None:
    bench.content = bench.open(max_bytes=50_000)
    for number in range(200):
        bench.keep(noise(number))

    assert 40_000 < bench.size_bytes < 55_000


@needs_sqlite
def test_content_that_cannot_be_kept_is_returned_all_the_same(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(tmp_path)
    bench.read(noise(1))
    bench.database.close()
    (tmp_path / "microbadger.db").unlink()
    (tmp_path / "microbadger.db").mkdir()
    bench.content.write()

    assert "event=content_not_kept digests=1" in caplog.text
    with pytest.raises(StoreError):
        bench.read(noise(2))
