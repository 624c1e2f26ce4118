"""The cache of what digests name: read once, checked always, bounded."""

import os
from pathlib import Path

import pytest

from microbadger.image.manifest import digest_of
from microbadger.registry.content import ContentCache


class Source:
    """Counts how often content is fetched."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.fetched = 0

    def __call__(self) -> bytes:
        self.fetched += 1
        return self.content


def read(cache: ContentCache, source: Source) -> bytes:
    return cache.read(digest_of(source.content), source)


def test_content_is_fetched_once(tmp_path: Path) -> None:
    source = Source(b"a manifest")

    contents = [read(ContentCache(tmp_path), source) for _ in range(3)]

    assert contents == [b"a manifest"] * 3
    assert source.fetched == 1


@pytest.mark.parametrize("damage", [b"", b"a manifes", b"another manifest"])
def test_a_damaged_file_is_fetched_again_and_mended(tmp_path: Path, damage: bytes) -> None:
    source = Source(b"a manifest")
    read(ContentCache(tmp_path), source)
    (file,) = tmp_path.glob("*/*")
    file.write_bytes(damage)

    assert read(ContentCache(tmp_path), source) == b"a manifest"
    assert file.read_bytes() == b"a manifest"


def test_a_fetch_that_fails_keeps_nothing(tmp_path: Path) -> None:
    def fail() -> bytes:
        raise LookupError

    with pytest.raises(LookupError):
        ContentCache(tmp_path).read(digest_of(b"x"), fail)

    assert list(tmp_path.rglob("*")) == []


def test_what_was_used_longest_ago_goes_first(tmp_path: Path) -> None:
    cache = ContentCache(tmp_path)
    sources = [Source(str(number).encode() * 1000) for number in range(5)]
    for age, source in enumerate(sources):
        read(cache, source)
        os.utime(max(tmp_path.glob("*/*"), key=lambda file: file.stat().st_mtime), (1000 + age, 1000 + age))
    read(cache, sources[0])

    ContentCache(tmp_path, max_bytes=3000).clean()

    for source in sources:
        read(cache, source)
    assert [source.fetched for source in sources] == [1, 2, 2, 2, 1]


def test_what_fits_stays(tmp_path: Path) -> None:
    cache = ContentCache(tmp_path, max_bytes=3000)
    for number in range(3):
        read(cache, Source(str(number).encode() * 1000))

    cache.clean()

    assert len(list(tmp_path.glob("*/*"))) == 3


def test_it_is_bounded_however_much_is_read(tmp_path: Path) -> None:
    cache = ContentCache(tmp_path, max_bytes=10_000)

    for number in range(100):
        read(cache, Source(f"{number:03}".encode() * 100))

    assert sum(file.stat().st_size for file in tmp_path.glob("*/*")) <= 10_500
