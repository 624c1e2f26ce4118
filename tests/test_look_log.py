"""The log of looks: what each reader is told, and when it is told that it cannot know."""

import os
from pathlib import Path

import pytest

from microbadger.look_log import LookLog, LookReader
from microbadger.reference import Repository

ALPINE, WEB = Repository.parse("alpine"), Repository.parse("ghcr.io/example/web")


@pytest.fixture
def log(tmp_path: Path) -> LookLog:
    return LookLog(tmp_path / "looks")


@pytest.fixture
def reader(log: LookLog) -> LookReader:
    reader = LookReader(log)
    reader.news()
    return reader


def test_at_first_anything_may_have_happened(log: LookLog) -> None:
    assert LookReader(log).news() is None
    log.add(ALPINE)
    assert LookReader(log).news() is None


def test_where_nothing_was_looked_at_there_is_no_news(log: LookLog, reader: LookReader) -> None:
    log.add(ALPINE)
    reader.news()

    assert reader.news() == set()


def test_before_the_first_look_of_all_there_is_no_news(reader: LookReader) -> None:
    assert reader.news() == set()


def test_each_reader_is_told_of_every_image_once(log: LookLog) -> None:
    log.add(ALPINE)
    readers = [LookReader(log), LookReader(log)]
    for reader in readers:
        reader.news()

    for repository in (WEB, ALPINE, WEB):
        log.add(repository)

    assert [reader.news() for reader in readers] == [{ALPINE, WEB}] * 2
    assert [reader.news() for reader in readers] == [set()] * 2


def test_a_line_that_is_being_written_is_told_when_it_is_whole(log: LookLog, reader: LookReader) -> None:
    log.add(WEB)
    reader.news()
    first, last = f"\n{ALPINE}"[:-3], f"{ALPINE}\n"[-4:]

    with log.file.open("a") as file:
        file.write(first)
    assert reader.news() == set()
    with log.file.open("a") as file:
        file.write(last)

    assert reader.news() == {ALPINE}


def test_what_another_process_adds_is_told_too(log: LookLog, reader: LookReader) -> None:
    log.add(WEB)
    reader.news()

    LookLog(log.file).add(ALPINE)

    assert reader.news() == {ALPINE}


def test_in_a_new_file_anything_may_have_happened(tmp_path: Path) -> None:
    log = LookLog(tmp_path / "looks", max_bytes=100)
    log.add(ALPINE)
    reader = LookReader(log)
    reader.news()

    for _ in range(10):
        log.add(ALPINE)

    assert reader.news() is None
    assert log.file.stat().st_size < 100 + len(f"\n{ALPINE}\n")


@pytest.mark.parametrize("shorten", [lambda file: os.truncate(file, 3), Path.unlink])
def test_in_a_file_that_was_cut_or_lost_anything_may_have_happened(log: LookLog, shorten: object) -> None:
    log.add(ALPINE)
    reader = LookReader(log)
    reader.news()

    assert callable(shorten)
    shorten(log.file)

    assert reader.news() is None
    log.add(WEB)
    assert reader.news() in (None, {WEB})


@pytest.mark.parametrize("damage", [b"docker.io/librar", b"\xff\xfe \x00", b"UPPER/\xc3\xa9\n", b"\n\n\n"])
def test_a_line_that_names_no_image_spoils_no_other(log: LookLog, damage: bytes) -> None:
    log.add(ALPINE)
    reader = LookReader(log)
    reader.news()

    with log.file.open("ab") as file:
        file.write(damage)
    log.add(WEB)

    assert WEB in (reader.news() or set())
