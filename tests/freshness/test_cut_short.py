"""Checks whose process died: the more of them in a row, the longer their image is left alone."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection

from microbadger.freshness.interruptions import Interruption, Interruptions
from microbadger.image.reference import Repository
from microbadger.store.database import Database
from tests.freshness.clock import DAY, HOUR, NOON, SECOND, Clock

ALPINE, NGINX = Repository.parse("alpine"), Repository.parse("nginx")


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    with Database(f"sqlite:///{tmp_path / 'microbadger.db'}").write() as connection:
        yield connection


def cut_short(connection: Connection, times: int) -> Interruption:
    """Return what is kept at noon once so many checks were cut short."""
    interruptions = Interruptions(now=Clock())
    for _ in range(times):
        interruptions.add(connection, ALPINE)
    return interruptions.read(connection, ALPINE)


def test_an_image_is_not_held_back_where_no_check_was_cut_short(connection: Connection) -> None:
    found = cut_short(connection, 0)

    assert (found, found.holds_back(NOON)) == (Interruption(), False)


@pytest.mark.parametrize(
    ("times", "pause"),
    [
        (1, 0 * SECOND),
        (2, 10 * SECOND),
        (3, 20 * SECOND),
        (4, 40 * SECOND),
        (13, 20_480 * SECOND),
        (14, 6 * HOUR),
        (99, 6 * HOUR),
    ],
)
def test_the_more_checks_are_cut_short_the_longer_is_the_pause(
    connection: Connection, times: int, pause: timedelta
) -> None:
    found = cut_short(connection, times)

    assert (found.times, found.due_at) == (times, NOON + pause)


@pytest.mark.parametrize("times", [2, 3, 10, 99])
def test_an_image_is_held_back_until_the_pause_is_over(connection: Connection, times: int) -> None:
    found = cut_short(connection, times)

    assert found.holds_back(NOON)
    assert found.holds_back(found.due_at - SECOND)
    assert not found.holds_back(found.due_at)
    assert not found.holds_back(found.due_at + DAY)


@pytest.mark.parametrize("times", [2, 3, 10, 99])
@pytest.mark.parametrize("back", [SECOND, HOUR, 40 * DAY])
def test_a_clock_set_back_holds_no_image_back(connection: Connection, times: int, back: timedelta) -> None:
    assert not cut_short(connection, times).holds_back(NOON - back)


def test_a_check_that_ended_begins_the_count_anew(connection: Connection) -> None:
    cut_short(connection, 5)
    Interruptions(now=Clock()).forget(connection, NGINX)
    assert cut_short(connection, 0).times == 5

    Interruptions(now=Clock()).forget(connection, ALPINE)

    assert cut_short(connection, 1).times == 1
