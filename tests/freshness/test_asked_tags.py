"""Looks at tags that a badge was asked for: soon, seldom, few."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from microbadger.freshness.asked_tags import AskedTags
from microbadger.image.reference import Repository

ALPINE, NGINX = Repository.parse("alpine"), Repository.parse("nginx")


class Clock:
    def __init__(self) -> None:
        self.time = datetime(2026, 11, 24, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def asked(tmp_path: Path, clock: Clock) -> AskedTags:
    return AskedTags(tmp_path, now=clock)


def test_a_tag_is_worth_one_look_an_hour(asked: AskedTags, clock: Clock) -> None:
    looks = []
    for _ in range(5):
        looks.append(asked.is_worth_a_look(ALPINE, "3.20"))
        clock.time += timedelta(minutes=20)

    assert looks == [True, False, False, True, False]


def test_an_image_has_twenty_such_tags_at_most(asked: AskedTags) -> None:
    assert sum(asked.is_worth_a_look(ALPINE, f"{number}") for number in range(100)) == 20
    assert asked.is_worth_a_look(NGINX, "1.0")


def test_all_processes_share_what_was_asked(asked: AskedTags, tmp_path: Path, clock: Clock) -> None:
    asked.is_worth_a_look(ALPINE, "3.20")

    assert not AskedTags(tmp_path, now=clock).is_worth_a_look(ALPINE, "3.20")


def test_a_clock_that_was_ahead_blocks_nothing(asked: AskedTags, clock: Clock) -> None:
    clock.time += timedelta(days=1000)
    asked.is_worth_a_look(ALPINE, "3.20")
    clock.time -= timedelta(days=1000)

    assert asked.is_worth_a_look(ALPINE, "3.20")


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"a": 3}', b'{"a": "soon"}', b"\xff"])
def test_a_damaged_file_is_begun_anew(asked: AskedTags, tmp_path: Path, damage: bytes) -> None:
    asked.is_worth_a_look(ALPINE, "3.20")
    (tmp_path / "images/library/alpine/-/asked.json").write_bytes(damage)

    assert asked.is_worth_a_look(ALPINE, "3.20")
