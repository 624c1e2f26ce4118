"""The log of news: what each reader is told, and when it is told that it cannot know."""

import os
from pathlib import Path

import pytest

from microbadger.freshness.news_log import NewsLog, NewsReader

ALPINE, WEB = "docker.io/library/alpine", "ghcr.io/example/mañana"


@pytest.fixture
def log(tmp_path: Path) -> NewsLog:
    return NewsLog(tmp_path / "news")


@pytest.fixture
def reader(log: NewsLog) -> NewsReader:
    reader = NewsReader(log)
    reader.news()
    return reader


def test_at_first_anything_may_have_happened(log: NewsLog) -> None:
    assert NewsReader(log).news() is None
    log.add([ALPINE])
    assert NewsReader(log).news() is None


def test_where_nothing_was_added_there_is_no_news(log: NewsLog, reader: NewsReader) -> None:
    log.add([ALPINE])
    reader.news()

    assert reader.news() == set()


def test_before_anything_was_added_there_is_no_news(reader: NewsReader) -> None:
    assert reader.news() == set()


def test_each_reader_is_told_of_everything_once(log: NewsLog) -> None:
    log.add([ALPINE])
    readers = [NewsReader(log), NewsReader(log)]
    for reader in readers:
        reader.news()

    log.add([WEB, ALPINE])
    log.add([WEB])

    assert [reader.news() for reader in readers] == [{ALPINE, WEB}] * 2
    assert [reader.news() for reader in readers] == [set()] * 2


def test_what_another_process_adds_is_told_too(log: NewsLog, reader: NewsReader) -> None:
    log.add([WEB])
    reader.news()

    NewsLog(log.file).add([ALPINE])

    assert reader.news() == {ALPINE}


def test_in_a_new_file_anything_may_have_happened(tmp_path: Path) -> None:
    log = NewsLog(tmp_path / "news", max_bytes=100)
    log.add([ALPINE])
    reader = NewsReader(log)
    reader.news()

    for _ in range(10):
        log.add([ALPINE])

    assert reader.news() is None
    assert log.file.stat().st_size < 100 + len(f"\n{ALPINE}\n")


@pytest.mark.parametrize("shorten", [lambda file: os.truncate(file, 3), Path.unlink])
def test_in_a_file_that_was_cut_or_lost_anything_may_have_happened(log: NewsLog, shorten: object) -> None:
    log.add([ALPINE])
    reader = NewsReader(log)
    reader.news()

    assert callable(shorten)
    shorten(log.file)

    assert reader.news() is None
    log.add([WEB])
    assert reader.news() in (None, {WEB})


@pytest.mark.parametrize("damage", [b"docker.io/librar", b"\xff\xfe \x00", b"UPPER/\xc3\xa9\n", b"\n\n\n"])
def test_a_line_that_was_cut_short_spoils_no_other(log: NewsLog, damage: bytes) -> None:
    log.add([ALPINE])
    reader = NewsReader(log)
    reader.news()

    with log.file.open("ab") as file:
        file.write(damage)
    log.add([WEB])

    assert WEB in (reader.news() or set())


def test_a_line_that_is_being_written_is_told_when_it_is_whole(log: NewsLog, reader: NewsReader) -> None:
    log.add([WEB])
    reader.news()

    with log.file.open("a") as file:
        file.write(f"\n{ALPINE}"[:-3])
    assert reader.news() == set()
    with log.file.open("a") as file:
        file.write(f"{ALPINE}\n"[-4:])

    assert reader.news() == {ALPINE}
