"""How the last check of an image went: what it answers, the state after it, and the tags that were named lately."""

from datetime import datetime

import pytest

from microbadger.freshness.last_check import Check, with_named
from microbadger.freshness.requests import CheckRequest
from microbadger.image.documents import Reason, State
from microbadger.image.reference import Repository
from tests.freshness.clock import DAY, HOUR, MINUTE, NOON

ALPINE, WEB = Repository.parse("alpine"), Repository.parse("ghcr.io/example/web")
REASONS: tuple[Reason, ...] = ("not_found", "denied", "rate_limited", "unreachable", "bad_answer", "local")


@pytest.mark.parametrize(
    ("began_at", "ended_at", "answers"),
    [
        (None, None, False),
        (NOON, None, False),
        (NOON - MINUTE, NOON, False),
        (NOON - MINUTE, NOON + MINUTE, False),
        (NOON, NOON - MINUTE, False),
        (NOON, NOON, True),
        (NOON, NOON + MINUTE, True),
        (NOON + MINUTE, NOON + 2 * MINUTE, True),
    ],
)
def test_only_a_check_that_began_later_and_ended_answers(
    began_at: datetime | None, ended_at: datetime | None, answers: bool
) -> None:
    assert Check(began_at=began_at, ended_at=ended_at).answers(NOON) is answers


@pytest.mark.parametrize(
    ("check", "state"),
    [
        (Check(), "pending"),
        (Check(began_at=NOON - HOUR), "pending"),
        (Check(due_at=NOON - DAY), "pending"),
        (Check(succeeded_at=NOON - HOUR, due_at=NOON + HOUR), "current"),
        (Check(succeeded_at=NOON - HOUR), "current"),
        (Check(succeeded_at=NOON - HOUR, due_at=NOON - 10 * MINUTE), "current"),
        (Check(succeeded_at=NOON - HOUR, due_at=NOON - 11 * MINUTE), "overdue"),
        (Check(succeeded_at=NOON + DAY, due_at=NOON + 2 * DAY), "current"),
        *((Check(reason=reason, due_at=NOON - DAY), "failing") for reason in REASONS),
        *((Check(reason=reason, succeeded_at=NOON - DAY, due_at=NOON + HOUR), "failing") for reason in REASONS),
    ],
)
def test_the_state_of_an_image(check: Check, state: State) -> None:
    assert check.state(NOON) == state


def test_the_status_of_an_image_that_waits_for_its_first_check_has_no_time() -> None:
    assert Check().status(ALPINE, NOON) == {"ImageName": "alpine", "State": "pending"}


def test_the_status_says_when_an_image_was_checked_and_when_it_is_next() -> None:
    check = Check(ended_at=NOON, succeeded_at=NOON, due_at=NOON + DAY)
    assert check.status(WEB, NOON) == {
        "ImageName": "ghcr.io/example/web",
        "State": "current",
        "CheckedAt": "2026-11-24T12:00:00Z",
        "NextCheckAt": "2026-11-25T12:00:00Z",
    }


def pushed(check: Check, *tags: str) -> Check:
    return with_named(check, [CheckRequest(tag, 1, "") for tag in tags], NOON)


def viewed(check: Check, tag: str, at: datetime = NOON) -> Check:
    return with_named(check, [CheckRequest(tag, 1, "", is_view=True)], at)


def test_the_tags_pushed_last_come_first() -> None:
    assert pushed(pushed(Check(), "1", "2"), "3", "2").pushed == ("2", "3", "1")


def test_a_pushed_tag_is_kept_until_ten_others_were_pushed() -> None:
    check = Check()
    for number in range(100, 130):
        check = pushed(check, str(number))
    assert check.pushed == tuple(str(number) for number in range(129, 119, -1))


def test_the_twenty_tags_viewed_last_are_kept() -> None:
    check = Check()
    for number in range(100, 130):
        check = viewed(check, str(number))
    assert set(check.viewed) == {str(number) for number in range(110, 130)}


def test_a_view_displaces_no_tag_that_was_pushed() -> None:
    check = pushed(Check(), "1.0")
    for number in range(100):
        check = viewed(check, str(number))
    assert check.pushed == ("1.0",)


def test_a_tag_that_is_viewed_again_counts_from_then() -> None:
    assert viewed(viewed(Check(), "0.9", NOON - 31 * DAY), "0.9").viewed == {"0.9": NOON.timestamp()}
