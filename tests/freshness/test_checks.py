"""How the last check of each image went: when the next one is due, what state the image is in, and how all stand."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, event

from microbadger.freshness.checks import Checks, mark_lists_stale
from microbadger.freshness.last_check import Check
from microbadger.image.documents import Reason, State
from microbadger.image.reference import Repository
from microbadger.store.database import Database
from tests.databases import database_url, needs_sqlite
from tests.freshness.clock import DAY, HOUR, MINUTE, NOON, SECOND, Clock

ALPINE, WEB = Repository.parse("alpine"), Repository.parse("ghcr.io/example/web")
IMAGES = [Repository.parse(f"example/web{number:03}") for number in range(200)]
ONE, TWO, THREE, *_ = IMAGES
REASONS: tuple[Reason, ...] = ("not_found", "denied", "rate_limited", "unreachable", "bad_answer", "local")


class World:
    """A database of checks, and a clock that a test moves."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self.database = Database(database_url(folder))
        self.checks = self.checks_of()

    def checks_of(self, interval: timedelta = DAY, edition: str = "this") -> Checks:
        """Return the checks as another process has them, perhaps with other settings."""
        return Checks(self.database, interval=interval, edition=edition, now=self.clock)

    def write(self, repository: Repository, check: Check) -> None:
        with self.database.write() as connection:
            self.checks.write(connection, repository, check)

    def succeed(self, *repositories: Repository, checks: Checks | None = None) -> None:
        for repository in repositories:
            self.write(repository, (checks or self.checks).succeeded(self.checks.get(repository), []))

    def fail(self, *repositories: Repository, reason: Reason = "unreachable", error: str = "mañana") -> None:
        for repository in repositories:
            self.write(repository, self.checks.failed(self.checks.get(repository), reason, error))

    @property
    def lists_version(self) -> str:
        with self.database.read() as connection:
            return self.checks.lists_version(connection)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.database.close()


# What a check says


def test_an_image_that_was_never_checked_has_a_blank_check(world: World) -> None:
    assert world.checks.get(ALPINE) == Check()


def test_a_check_is_read_as_it_was_written(world: World) -> None:
    check = Check(
        began_at=NOON,
        ended_at=NOON + SECOND,
        succeeded_at=NOON - DAY,
        failing_since=NOON - HOUR,
        due_at=NOON + HOUR,
        failures=3,
        reason="bad_answer",
        error='mañana "<b>",\n',
        edition="this",
        note="one of them",
        pushed=("edge", "1.0"),
        viewed={"0.9": 1000.0},
    )
    world.write(ALPINE, check)
    assert world.checks_of().get(ALPINE) == check


def test_an_image_below_another_has_a_check_of_its_own(world: World) -> None:
    world.succeed(Repository.parse("quay.io/a/b"))
    assert world.checks.get(Repository.parse("quay.io/a/b/c")) == Check()


def test_a_forgotten_image_was_never_checked(world: World) -> None:
    world.succeed(ALPINE)
    for _ in range(2):
        with world.database.write() as connection:
            world.checks.forget(connection, ALPINE)
    assert world.checks.get(ALPINE) == Check()


def test_a_success_ends_a_failure(world: World) -> None:
    world.fail(ALPINE)
    world.clock.now += MINUTE
    world.succeed(ALPINE)
    check = world.checks.get(ALPINE)
    assert (check.succeeded_at, check.edition, check.failures) == (world.clock.now, "this", 0)
    assert (check.reason, check.error, check.failing_since) == (None, None, None)


def test_a_failure_keeps_when_the_last_success_was(world: World) -> None:
    world.succeed(ALPINE)
    world.clock.now += MINUTE
    world.fail(ALPINE, reason="denied")
    check = world.checks.get(ALPINE)
    assert (check.succeeded_at, check.ended_at, check.edition) == (NOON, NOON + MINUTE, "this")
    assert (check.reason, check.error, check.failures) == ("denied", "mañana", 1)


def test_an_image_fails_since_its_first_failure_in_a_row(world: World) -> None:
    world.fail(ALPINE)
    world.clock.now += HOUR
    world.fail(ALPINE, reason="denied")
    assert world.checks.get(ALPINE).failing_since == NOON


def test_a_check_that_failed_answers_too(world: World) -> None:
    assert world.checks.failed(Check(began_at=NOON), "unreachable", "no answer").answers(NOON)


# State and status


@pytest.mark.parametrize("reason", REASONS)
def test_the_status_says_why_a_check_failed_and_since_when(world: World, reason: Reason) -> None:
    world.fail(ALPINE, reason=reason)
    world.clock.now += HOUR
    status = world.checks.get(ALPINE).status(ALPINE, world.clock())
    assert (status["State"], status["Reason"], status["Error"]) == ("failing", reason, "mañana")
    assert status["FailingSince"] == "2026-11-24T12:00:00Z"


# When the next check is due


def due_after(check: Check) -> timedelta:
    assert check.due_at is not None
    return check.due_at - NOON


def due_after_failures(checks: Checks, count: int) -> timedelta:
    check = Check()
    for _ in range(count):
        check = checks.failed(check, "unreachable", "no answer")
    return due_after(check)


def test_an_image_that_was_never_checked_is_due(world: World) -> None:
    assert world.checks.is_due(Check())


@pytest.mark.parametrize(
    ("due_at", "is_due"), [(None, True), (NOON - MINUTE, True), (NOON, True), (NOON + MINUTE, False)]
)
def test_a_check_is_due_when_its_time_has_come(world: World, due_at: datetime | None, is_due: bool) -> None:
    assert world.checks.is_due(Check(due_at=due_at)) is is_due


def test_an_image_is_due_an_interval_after_its_last_success_or_up_to_a_tenth_earlier(world: World) -> None:
    delays = {due_after(world.checks.succeeded(Check(), [])) for _ in range(100)}
    assert DAY * 0.9 <= min(delays) < max(delays) <= DAY


def test_an_interval_that_became_shorter_counts_at_once(world: World) -> None:
    world.succeed(ALPINE)
    assert [*world.checks_of(interval=HOUR).due()] == [ALPINE]


def test_an_interval_that_became_longer_counts_after_the_next_check(world: World) -> None:
    world.succeed(ALPINE, checks=world.checks_of(interval=HOUR))
    assert [*world.checks.due()] == []
    world.clock.now += HOUR
    assert [*world.checks.due()] == [ALPINE]


@pytest.mark.parametrize(
    ("failures", "delay"),
    [(1, MINUTE), (2, 2 * MINUTE), (3, 4 * MINUTE), (9, 256 * MINUTE), (10, 6 * HOUR), (30, 6 * HOUR), (999, 6 * HOUR)],
)
def test_the_delay_doubles_with_each_failure_up_to_six_hours(world: World, failures: int, delay: timedelta) -> None:
    assert 0.8 * delay <= due_after_failures(world.checks, failures) <= 1.2 * delay


def test_the_delay_is_no_longer_than_the_interval(world: World) -> None:
    assert due_after_failures(world.checks_of(interval=MINUTE), 10) <= 1.2 * MINUTE


def test_a_failure_of_this_machine_can_have_a_shorter_longest_delay(world: World) -> None:
    check = world.checks.failed(Check(failures=20), "local", "the disk is full", longest=10 * MINUTE)
    assert due_after(check) <= 12 * MINUTE


@pytest.mark.parametrize(("failures", "delay"), [(0, 10 * SECOND), (3, 80 * SECOND)])
def test_a_failure_of_this_machine_can_have_a_shorter_first_delay(
    world: World, failures: int, delay: timedelta
) -> None:
    check = world.checks.failed(Check(failures=failures), "local", "the bucket is away", first=10 * SECOND)
    assert 0.8 * delay <= due_after(check) <= 1.2 * delay


@pytest.mark.parametrize("interval", [DAY, MINUTE])
def test_a_registry_that_asks_for_a_delay_gets_it(world: World, interval: timedelta) -> None:
    checks = world.checks_of(interval=interval)
    check = checks.failed(Check(), "rate_limited", "too many requests", retry_after=5 * HOUR)
    assert (due_after(check), checks.is_due(check)) == (5 * HOUR, False)


def test_a_registry_that_asks_for_too_short_a_delay_does_not_get_it(world: World) -> None:
    check = world.checks.failed(Check(), "rate_limited", "too many requests", retry_after=SECOND)
    assert due_after(check) >= 0.8 * MINUTE


@pytest.mark.parametrize(("failures", "delay"), [(0, MINUTE), (1, 2 * MINUTE), (5, 32 * MINUTE), (20, 6 * HOUR)])
def test_what_may_pass_is_checked_again_soon_and_ever_later(world: World, failures: int, delay: timedelta) -> None:
    before = Check(failures=failures)
    check = world.checks.succeeded(before, [], note="1.0 is unread", retry_after=timedelta(0))
    assert 0.8 * delay <= due_after(check) <= 1.2 * delay
    assert (check.note, check.reason, check.failures) == ("1.0 is unread", None, failures + 1)


def test_what_a_limit_left_unread_is_checked_again_when_the_registry_allows_it(world: World) -> None:
    check = world.checks.succeeded(Check(), [], note="1.0 is unread", retry_after=5 * HOUR)
    assert due_after(check) == 5 * HOUR


def test_what_is_broken_for_good_does_not_hasten_the_next_check(world: World) -> None:
    check = world.checks.succeeded(Check(), [], note="1.0 is unread")
    assert (check.note, check.failures) == ("1.0 is unread", 0)
    assert due_after(check) >= 0.9 * DAY


def test_a_check_of_a_few_tags_does_not_put_off_the_next_whole_one(world: World) -> None:
    before = Check(succeeded_at=NOON - HOUR, due_at=NOON + HOUR, note="1.0 is unread")
    check = world.checks.succeeded_for_tags(before, [])
    assert (check.succeeded_at, check.due_at, check.note) == (before.succeeded_at, before.due_at, before.note)
    assert check.ended_at == NOON


# The tags that are kept beside the others


def test_a_tag_stays_if_the_check_found_it(world: World) -> None:
    check = Check(pushed=("1.0", "never-was"), viewed={"0.8": NOON.timestamp(), "0.9": NOON.timestamp()})
    after = world.checks.succeeded(check, ["0.9", "1.0", "latest"])
    assert (after.pushed, set(after.viewed)) == (("1.0",), {"0.9"})


def test_a_check_of_a_few_tags_leaves_a_failure_to_the_next_whole_one(world: World) -> None:
    before = world.checks.failed(Check(), "denied", "no entry")
    check = world.checks.succeeded_for_tags(before, [])
    assert (check.reason, check.error, check.due_at) == (before.reason, before.error, before.due_at)


def test_a_viewed_tag_stays_for_a_month(world: World) -> None:
    check = Check(viewed={"0.8": (NOON - 31 * DAY).timestamp(), "0.9": (NOON - 29 * DAY).timestamp()})
    assert set(world.checks.succeeded(check, ["0.8", "0.9"]).viewed) == {"0.9"}


def test_a_failure_leaves_these_tags_as_they_are(world: World) -> None:
    check = Check(pushed=("1.0",), viewed={"0.9": NOON.timestamp()})
    after = world.checks.failed(check, "unreachable", "no answer")
    assert (after.pushed, after.viewed) == (check.pushed, check.viewed)


# What is due


def test_images_that_are_new_are_due_at_once(world: World) -> None:
    world.checks.add([ONE, TWO])
    assert [*world.checks.due()] == [ONE, TWO]


def test_an_image_that_is_added_again_keeps_its_check(world: World) -> None:
    world.succeed(ONE)
    before = world.checks.get(ONE)
    world.checks.add([ONE, TWO])
    assert (world.checks.get(ONE), [*world.checks.due()]) == (before, [TWO])


def test_an_image_is_due_until_a_check_has_ended(world: World) -> None:
    world.checks.add([ONE, TWO])
    assert [*world.checks.due()] == [*world.checks.due()] == [ONE, TWO]
    world.succeed(ONE)
    assert [*world.checks.due()] == [TWO]


def test_what_waits_longest_is_due_first(world: World) -> None:
    for repository in (TWO, THREE, ONE):
        world.succeed(repository)
        world.clock.now += HOUR * 3
    world.clock.now += DAY
    assert [*world.checks.due()] == [TWO, THREE, ONE]


@pytest.mark.parametrize("jump", [-400 * DAY, 400 * DAY])
def test_a_clock_that_was_set_makes_everything_due(world: World, jump: timedelta) -> None:
    world.succeed(ONE)
    world.fail(TWO)
    world.clock.now += jump
    assert {*world.checks.due()} == {ONE, TWO}


def test_a_clock_that_was_set_back_again_makes_nothing_due(world: World) -> None:
    world.succeed(ONE)
    world.clock.now += 2 * DAY
    assert [*world.checks.due()] == [ONE]
    world.clock.now -= 2 * DAY
    assert [*world.checks.due()] == []


def test_an_image_that_was_checked_by_a_clock_that_was_ahead_is_due_once(world: World) -> None:
    world.clock.now += 1000 * DAY
    world.succeed(ONE)
    world.clock.now -= 1000 * DAY
    assert [*world.checks.due()] == [ONE]
    world.succeed(ONE)
    assert [*world.checks.due()] == []


def test_an_image_that_fails_is_due_when_it_is_tried_again(world: World) -> None:
    world.fail(ONE)
    assert [*world.checks.due()] == []
    world.clock.now += 1.2 * MINUTE
    assert [*world.checks.due()] == [ONE]


def test_an_image_whose_files_are_being_replaced_is_due(world: World) -> None:
    world.succeed(ONE)
    with world.database.write() as connection:
        world.checks.publishing(connection, ONE)
    check = world.checks.get(ONE)
    assert ([*world.checks.due()], world.checks.is_of_this_edition(check)) == ([ONE], False)


def test_an_image_that_another_edition_published_is_checked_at_once(world: World) -> None:
    world.succeed(ONE)
    world.succeed(TWO, checks=world.checks_of(edition="that"))
    world.checks.check_all_of_other_editions()
    assert [*world.checks.due()] == [TWO]


def test_an_image_that_another_edition_published_and_that_fails_keeps_its_time(world: World) -> None:
    world.succeed(ONE)
    world.fail(ONE)
    before = world.checks.get(ONE).due_at
    world.checks_of(edition="that").check_all_of_other_editions()
    assert world.checks.get(ONE).due_at == before


moments = st.one_of(st.none(), st.integers(-3000, 3000).map(lambda minutes: NOON + minutes * MINUTE))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    due_ats=st.lists(st.tuples(moments, st.sampled_from([None, *REASONS])), min_size=10, max_size=10),
    interval=st.sampled_from([MINUTE, HOUR, DAY]),
)
def test_the_query_and_the_rule_agree_on_what_is_due(
    world: World, due_ats: list[tuple[datetime | None, Reason | None]], interval: timedelta
) -> None:
    checks = world.checks_of(interval=interval)
    for image, (due_at, reason) in zip(IMAGES[:10], due_ats, strict=True):
        world.write(image, Check(due_at=due_at, reason=reason))
    expected = {image for image, check in checks.all() if checks.is_due(check)}
    assert ({*checks.due()}, checks.summary().due_count) == (expected, len(expected))


def plan_of_due(world: World) -> list[str]:
    """Return how SQLite searches for what is due, one line for each step."""
    statements: list[tuple[str, tuple[object, ...]]] = []

    def remember(_connection: object, _cursor: object, statement: str, parameters: object, *_: object) -> None:
        if "FROM checks" in statement:  # rather than of a file that is opened anew because it has grown
            statements.append((statement, cast("tuple[object, ...]", parameters)))

    event.listen(Engine, "before_cursor_execute", remember)
    try:
        next(world.checks.due())
    finally:
        event.remove(Engine, "before_cursor_execute", remember)
    ((statement, parameters),) = statements
    with world.database.read() as connection:
        return [row.detail for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]


@needs_sqlite
def test_what_is_due_is_found_by_its_index_however_many_images_there_are(world: World) -> None:
    world.checks.add(Repository.parse(f"example/many{number}") for number in range(20_000))
    plan = plan_of_due(world)
    searched = [step for step in plan if "checks" in step]
    assert [step.replace("COVERING ", "") for step in searched] == [
        "SEARCH checks USING INDEX checks_by_due_at (due_at>? AND due_at<?)",
        "SEARCH checks USING INDEX checks_by_due_at (due_at>?)",
    ]
    assert not [step for step in plan if "SCAN" in step or "TEMP B-TREE" in step]


def test_of_more_images_than_are_read_at_once_each_comes_once(world: World) -> None:
    many = [Repository.parse(f"example/many{number:05}") for number in range(20_001)]
    world.checks.add(many)
    world.succeed(many[0])
    assert [*world.checks.due()] == many[1:]
    assert [*world.checks.repositories()] == many


# How all images stand


def test_every_image_comes_with_its_check(world: World) -> None:
    world.checks.add([WEB, TWO, ONE])
    world.succeed(TWO)
    assert dict(world.checks.all()) == {ONE: Check(), TWO: world.checks.get(TWO), WEB: Check()}
    assert {*world.checks.repositories()} == {ONE, TWO, WEB}


def test_the_summary_counts_each_state(world: World) -> None:
    world.checks.add([ONE, TWO, THREE])
    world.succeed(ONE)
    world.fail(TWO)
    summary = world.checks.summary()
    counts = summary.image_count, summary.pending_count, summary.due_count, summary.failing_count
    assert counts == (3, 1, 1, 1)
    assert [(repository, check.error) for repository, check in summary.failing] == [(TWO, "mañana")]


def states(world: World, state: State) -> int:
    return sum(check.state(world.clock()) == state for _, check in world.checks.all())


def test_the_summary_agrees_with_the_state_of_each_image(world: World) -> None:
    world.checks.add([ONE, TWO, THREE, WEB])
    world.succeed(ONE)
    world.fail(TWO, reason="not_found")
    world.succeed(THREE)
    world.fail(THREE)
    summary = world.checks.summary()
    assert (summary.pending_count, summary.failing_count) == (states(world, "pending"), states(world, "failing"))


def test_the_summary_of_no_image(world: World) -> None:
    summary = world.checks.summary()
    assert (summary.image_count, summary.failing, summary.oldest_check) == (0, [], None)


def test_the_summary_knows_the_oldest_successful_check(world: World) -> None:
    world.checks.add([ONE, TWO])
    assert world.checks.summary().oldest_check is None
    world.succeed(ONE)
    world.clock.now += DAY / 2
    world.succeed(TWO)
    world.fail(TWO)
    assert world.checks.summary().oldest_check == NOON
    world.succeed(ONE)
    assert world.checks.summary().oldest_check == world.clock.now


def test_a_failure_that_is_over_fails_no_longer(world: World) -> None:
    world.fail(ONE)
    assert world.checks.summary().failing_count == 1
    world.succeed(ONE)
    assert (world.checks.summary().failing_count, world.checks.summary().failing) == (0, [])


def test_of_many_that_fail_the_first_hundred_are_named(world: World) -> None:
    world.fail(*reversed(IMAGES))
    summary = world.checks.summary()
    assert (summary.failing_count, [repository for repository, _ in summary.failing]) == (200, IMAGES[:100])


def test_an_image_that_was_forgotten_is_counted_no_more(world: World) -> None:
    world.fail(ONE, TWO)
    with world.database.write() as connection:
        world.checks.forget(connection, ONE)
    assert (world.checks.summary().image_count, world.checks.summary().failing_count) == (1, 1)


# When the lists of all images are stale


def test_the_lists_are_stale_when_an_image_is_new(world: World) -> None:
    before = world.lists_version
    world.checks.add([ONE])
    assert world.lists_version != before


def test_the_lists_are_not_stale_when_an_image_is_known(world: World) -> None:
    world.checks.add([ONE])
    before = world.lists_version
    world.checks.add([ONE])
    assert world.lists_version == before


def test_each_mark_makes_the_lists_stale(world: World) -> None:
    versions = [world.lists_version]
    for _ in range(3):
        with world.database.write() as connection:
            mark_lists_stale(connection)
        versions.append(world.lists_version)
    assert len(set(versions)) == 4


def test_the_lists_are_stale_when_a_check_becomes_overdue_just_because_time_passes(world: World) -> None:
    world.succeed(ONE, TWO)
    before = world.lists_version
    world.clock.now += 2 * DAY
    assert world.lists_version != before


def test_the_lists_are_stale_when_one_check_becomes_overdue_and_another_is_made(world: World) -> None:
    world.succeed(ONE)
    world.clock.now += 12 * HOUR
    world.succeed(TWO)
    world.clock.now += 13 * HOUR
    before = world.lists_version  # one is overdue
    world.succeed(ONE)
    world.clock.now += 12 * HOUR
    assert world.lists_version != before  # two is


@pytest.mark.parametrize("passed", [timedelta(0), 20 * HOUR])
def test_the_lists_are_not_stale_while_every_image_is_current(world: World, passed: timedelta) -> None:
    world.succeed(ONE)
    before = world.lists_version
    world.clock.now += passed
    assert world.lists_version == before


def test_an_image_that_is_postponed_keeps_its_state(world: World) -> None:
    world.succeed(ONE)
    world.clock.now += 2 * DAY
    before = world.checks.get(ONE)
    with world.database.write() as connection:
        world.checks.postpone(connection, ONE)
        world.checks.postpone(connection, TWO)
    assert ([*world.checks.due()], {*world.checks.repositories()}) == ([], {ONE})
    assert replace(world.checks.get(ONE), due_at=before.due_at) == before
