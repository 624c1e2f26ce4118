"""What is remembered of the last look at an image: when the next is due, and what survives."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from microbadger.freshness.checks import Check, Checks
from microbadger.image.reference import Repository
from microbadger.store.files import replace_file

ALPINE = Repository.parse("alpine")
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def checks(tmp_path: Path, clock: Clock) -> Checks:
    return Checks(tmp_path, interval=DAY, edition="this", now=clock)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "images" / "library" / "alpine" / "-" / "checks.jsonl"


def due_after(checks: Checks) -> timedelta:
    due_at = checks.get(ALPINE).due_at
    assert due_at is not None
    return due_at - NOON


def due_after_failures(checks: Checks, count: int) -> timedelta:
    for _ in range(count):
        checks.failed(ALPINE, "no answer")
    return due_after(checks)


def test_an_image_that_was_never_checked_is_due(checks: Checks, clock: Clock) -> None:
    assert (checks.get(ALPINE), checks.get(ALPINE).is_due(clock())) == (Check(), True)


def test_an_image_is_due_an_interval_after_its_last_success(checks: Checks, clock: Clock) -> None:
    checks.succeeded(ALPINE, [])
    clock.now = NOON + DAY
    assert checks.get(ALPINE).is_due(clock())


def test_an_image_is_due_at_most_a_tenth_of_the_interval_earlier(checks: Checks, clock: Clock) -> None:
    checks.succeeded(ALPINE, [])
    clock.now = NOON + DAY * 0.9 - MINUTE
    assert not checks.get(ALPINE).is_due(clock())


def test_images_that_were_checked_together_drift_apart(checks: Checks) -> None:
    images = [Repository.parse(f"a/{number}") for number in range(20)]
    for image in images:
        checks.succeeded(image, [])
    assert len({checks.get(image).due_at for image in images}) > 1


def test_an_interval_that_became_shorter_counts_at_once(tmp_path: Path, checks: Checks, clock: Clock) -> None:
    checks.succeeded(ALPINE, [])
    clock.now = NOON + HOUR
    assert Checks(tmp_path, interval=HOUR, edition="this", now=clock).get(ALPINE).is_due(clock())


@pytest.mark.parametrize(
    ("due_at", "is_due"), [(None, True), (NOON - MINUTE, True), (NOON, True), (NOON + MINUTE, False)]
)
def test_a_check_knows_whether_its_time_has_come(due_at: datetime | None, is_due: bool) -> None:
    assert Check(due_at=due_at).is_due(NOON) is is_due


def test_a_success_is_remembered(checks: Checks) -> None:
    checks.failed(ALPINE, "mañana")
    checks.succeeded(ALPINE, [])
    check = checks.get(ALPINE)
    assert (check.succeeded_at, check.edition, check.failures, check.error) == (NOON, "this", 0, None)


def test_a_failure_is_remembered(checks: Checks) -> None:
    checks.succeeded(ALPINE, [])
    checks.failed(ALPINE, "mañana")
    check = checks.get(ALPINE)
    assert (check.succeeded_at, check.edition, check.failures, check.error) == (NOON, "this", 1, "mañana")


@pytest.mark.parametrize(("failures", "delay"), [(1, MINUTE), (2, 2 * MINUTE), (3, 4 * MINUTE), (9, 256 * MINUTE)])
def test_the_delay_doubles_with_each_failure(checks: Checks, failures: int, delay: timedelta) -> None:
    assert 0.8 * delay <= due_after_failures(checks, failures) <= 1.2 * delay


@pytest.mark.parametrize("failures", [10, 30])
def test_the_delay_has_an_end(checks: Checks, failures: int) -> None:
    assert 0.8 * 6 * HOUR <= due_after_failures(checks, failures) <= 1.2 * 6 * HOUR


def test_the_delay_is_no_longer_than_the_interval(tmp_path: Path, clock: Clock) -> None:
    checks = Checks(tmp_path, interval=MINUTE, edition="this", now=clock)
    assert due_after_failures(checks, 10) <= 1.2 * MINUTE


def test_a_registry_that_asks_for_a_delay_gets_it(checks: Checks) -> None:
    checks.failed(ALPINE, "too many requests", retry_after=5 * HOUR)
    assert due_after(checks) == 5 * HOUR


def test_a_registry_that_asks_for_too_short_a_delay_does_not_get_it(checks: Checks) -> None:
    checks.failed(ALPINE, "too many requests", retry_after=timedelta(seconds=1))
    assert due_after(checks) >= 0.8 * MINUTE


def test_a_failure_keeps_its_delay_whatever_the_interval(tmp_path: Path, clock: Clock) -> None:
    checks = Checks(tmp_path, interval=MINUTE, edition="this", now=clock)
    checks.succeeded(ALPINE, [])
    checks.failed(ALPINE, "too many requests", retry_after=5 * HOUR)
    assert due_after(checks) == 5 * HOUR


def test_checks_survive_a_restart(tmp_path: Path, checks: Checks) -> None:
    checks.began(ALPINE, {"1.0"})
    checks.failed(ALPINE, "mañana")
    assert Checks(tmp_path, interval=DAY, edition="this", now=Clock()).get(ALPINE) == checks.get(ALPINE)


CORRUPT = [
    "mañana".encode(),
    b"",
    b"\x00" * 100,
    b"\xff",
    b"null",
    b"[]",
    b'"began_at"',
    b"{}",
    b'{"began_at": null}',
    json.dumps({"began_at": 1, "ended_at": None, "succeeded_at": None, "due_at": None, "wanted": []}).encode(),
    json.dumps({"began_at": "x", "ended_at": None, "succeeded_at": None, "due_at": None, "wanted": []}).encode(),
    json.dumps({"began_at": None, "ended_at": None, "succeeded_at": None, "due_at": None, "wanted": 1}).encode(),
    json.dumps(dict.fromkeys(("began_at", "ended_at", "succeeded_at"), "0001-01-01T00:00:00+23:00")).encode(),
]


@pytest.mark.parametrize("content", CORRUPT)
def test_a_file_that_cannot_be_read_is_an_image_that_was_never_checked(
    checks: Checks, file: Path, content: bytes
) -> None:
    replace_file(file, content)
    assert checks.get(ALPINE) == Check()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(cut=st.integers(min_value=0))
def test_half_a_file_is_an_image_that_was_never_checked(checks: Checks, file: Path, cut: int) -> None:
    checks.succeeded(ALPINE, [])
    content = file.read_bytes()
    replace_file(file, content[: cut % len(content)])
    assert checks.get(ALPINE) == Check()


def test_the_file_stays_within_a_page_however_often_an_image_is_looked_at(checks: Checks, file: Path) -> None:
    for _ in range(50):
        checks.succeeded(ALPINE, [])
    assert file.stat().st_size <= 4096


def test_a_file_whose_end_was_cut_off_is_an_image_that_was_never_checked(checks: Checks, file: Path) -> None:
    checks.succeeded(ALPINE, [])
    checks.failed(ALPINE, "no answer")
    replace_file(file, file.read_bytes()[:-1])
    assert checks.get(ALPINE) == Check()


def test_a_file_that_cannot_be_read_is_made_anew(checks: Checks, file: Path) -> None:
    replace_file(file, b"{")
    checks.succeeded(ALPINE, [])
    assert checks.get(ALPINE).succeeded_at == NOON


def test_the_tags_asked_for_last_come_first(checks: Checks) -> None:
    checks.began(ALPINE, {"1", "2"})
    assert checks.began(ALPINE, {"3", "2"}).wanted == ("2", "3", "1")


def test_no_more_than_twenty_tags_are_wanted(checks: Checks) -> None:
    for number in range(100, 130):
        checks.began(ALPINE, {str(number)})
    assert checks.get(ALPINE).wanted == tuple(str(number) for number in range(129, 109, -1))


def test_what_is_wanted_survives_a_success_if_it_exists(checks: Checks) -> None:
    checks.began(ALPINE, {"1.0", "never-was"})
    checks.succeeded(ALPINE, ["1.0", "latest"])
    assert checks.began(ALPINE).wanted == ("1.0",)


def test_an_image_published_by_another_edition_is_due(tmp_path: Path, checks: Checks, clock: Clock) -> None:
    checks.succeeded(ALPINE, [])
    assert not checks.get(ALPINE).is_due(clock())
    assert Checks(tmp_path, interval=DAY, edition="that", now=clock).get(ALPINE).is_due(clock())


def test_a_clock_that_was_ahead_delays_nothing(tmp_path: Path, checks: Checks, clock: Clock) -> None:
    ahead = Checks(tmp_path, interval=DAY, edition="this", now=lambda: NOON + 1000 * DAY)
    ahead.succeeded(ALPINE, [])
    assert checks.get(ALPINE).is_due(clock())
    ahead.failed(ALPINE, "no answer")
    assert checks.get(ALPINE).is_due(clock())


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
def test_only_a_look_that_began_later_and_ended_answers(
    began_at: datetime | None, ended_at: datetime | None, answers: bool
) -> None:
    assert Check(began_at=began_at, ended_at=ended_at).answers(NOON) is answers


def test_a_look_that_failed_answers_too(checks: Checks) -> None:
    checks.began(ALPINE)
    checks.failed(ALPINE, "no answer")
    assert checks.get(ALPINE).answers(NOON)


def test_a_forgotten_image_was_never_checked(checks: Checks) -> None:
    checks.succeeded(ALPINE, [])
    checks.forget(ALPINE)
    assert checks.get(ALPINE) == Check()


def test_an_image_can_be_forgotten_twice(checks: Checks) -> None:
    checks.forget(ALPINE)
    checks.forget(ALPINE)
    assert checks.get(ALPINE) == Check()


def test_forgetting_an_image_keeps_it_locked(checks: Checks) -> None:
    with checks.lock(ALPINE):
        checks.succeeded(ALPINE, [])
        checks.forget(ALPINE)
        assert checks.try_lock(ALPINE) is None


def test_each_image_has_a_lock_of_its_own(checks: Checks) -> None:
    with checks.lock(ALPINE):
        other = checks.try_lock(Repository.parse("a/b"))
    assert other is not None
    os.close(other)


def test_an_image_below_another_has_a_check_of_its_own(checks: Checks) -> None:
    checks.succeeded(Repository.parse("quay.io/a/b"), "")
    assert checks.get(Repository.parse("quay.io/a/b/c")) == Check()
