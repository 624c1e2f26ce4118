"""Images that readers ask for: which are tracked, how many, and for how long."""

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from microbadger.freshness.admissions import ABSENT, NOT_TRACKED, TRACKED, Admission, Admissions, OpenOptions
from microbadger.freshness.checks import Checks
from microbadger.freshness.stored_images import TrackedImage
from microbadger.freshness.tracked_images import TrackedImages
from microbadger.image.reference import Repository
from microbadger.store.admission_tables import ADMISSIONS, CLIENT_NETWORKS
from microbadger.store.counts import Counts
from microbadger.store.tables import CHECKS, LEASES, TRACKED_IMAGES
from tests.freshness.clock import DAY, HOUR, MINUTE, NOON, SECOND, Clock
from tests.freshness.test_claims import explained
from tests.store.world import WAIT_SECONDS, Place, Process, database_at, wait_until

OPEN = "open.test"
HERE, THERE = "192.0.2.0/24", "198.51.100.0/24"
WIDE = 1_000_000


@dataclass
class Visitors:
    """The readers of one process, with a clock that a test moves."""

    place: Place
    registries: Sequence[str] = (OPEN,)
    per_hour: int = WIDE
    most_images: int = WIDE
    listed: str = ""
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.database = database_at(self.place)
        self.tracked = TrackedImages(Path("/none/images.txt"), self.listed, self.database, self.registries)
        self.checks = Checks(self.database, interval=DAY, edition="this", now=self.clock)
        self.admissions = Admissions(
            options=OpenOptions(
                registries=frozenset(self.registries), per_hour=self.per_hour, most_images=self.most_images
            ),
            database=self.database,
            tracked=self.tracked,
            checks=self.checks,
            counts=Counts(self.database),
            now=self.clock,
        )

    def ask(self, name: str, network: str = HERE) -> Admission:
        return self.admissions.ask_for(Repository.parse(name), network)

    def ask_for_many(self, count: int, network: str | None = None, begin: int = 0) -> int:
        """Ask for images, each as a client of another network unless that is given; return how many are tracked."""
        asked = (self.ask(image(number), network or f"network {number}") for number in range(begin, begin + count))
        return sum(admission.is_tracked for admission in asked)

    def wait(self, time: timedelta) -> None:
        self.clock.now += time

    def note(self, number: int) -> None:
        self.admissions.note(Repository.parse(image(number)))

    def drop_absent(self, name: str) -> None:
        """Find that a registry does not have an image."""
        with self.database.write() as connection:
            self.admissions.drop_absent(connection, Repository.parse(name))

    def succeed(self, number: int) -> None:
        """Note that an image was read."""
        repository = Repository.parse(image(number))
        with self.database.write() as connection:
            check = self.checks.succeeded(self.checks.read(connection, repository), [])
            self.checks.write(connection, repository, check)

    @property
    def names(self) -> list[str]:
        return sorted(str(each.repository) for each in self.tracked)


def image(number: int) -> str:
    return f"{OPEN}/team/image{number:04}"


@pytest.fixture
def visitors(place: Place) -> Iterator[Callable[..., Visitors]]:
    made: list[Visitors] = []

    def make(**options: object) -> Visitors:
        made.append(Visitors(place, **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for each in made:
        each.database.close()


Make = Callable[..., Visitors]


def test_an_image_on_an_open_registry_is_tracked(visitors: Make) -> None:
    reader = visitors()
    assert (reader.ask(image(1)), reader.names) == (TRACKED, [image(1)])


def test_it_is_due_at_once(visitors: Make) -> None:
    reader = visitors()
    reader.ask(image(1))
    assert [str(due) for due in reader.checks.due()] == [image(1)]


@pytest.mark.parametrize(
    "name",
    [
        "closed.test/team/web",
        "localhost:5000/web",
        "sub.open.test/team/web",
        "open.test:8443/team/web",
        "docker.io/team/web",
    ],
)
def test_an_image_elsewhere_is_not(visitors: Make, name: str) -> None:
    reader = visitors()
    assert (reader.ask(name), reader.names) == (NOT_TRACKED, [])


@pytest.mark.parametrize(
    ("name", "is_tracked"),
    [("alpine", True), ("library/alpine", True), ("team/web", True), ("team/web/extra", False), ("a/b/c/d", False)],
)
def test_a_name_at_docker_hub_has_two_parts(visitors: Make, name: str, is_tracked: bool) -> None:
    reader = visitors(registries=["docker.io"])
    assert reader.ask(name).is_tracked is is_tracked


def test_no_registry_is_open_by_default(visitors: Make) -> None:
    reader = visitors(registries=[])
    assert (reader.ask("alpine"), reader.ask(image(1)), reader.names) == (NOT_TRACKED, NOT_TRACKED, [])


def test_to_see_whether_an_image_is_tracked_tracks_nothing(visitors: Make) -> None:
    reader = visitors()
    assert (reader.admissions.of(Repository.parse(image(1))), reader.names) == (NOT_TRACKED, [])


# How many are tracked in an hour.


@pytest.mark.parametrize("per_hour", [1, 2, 7, 40])
def test_so_many_new_images_are_tracked_in_an_hour(visitors: Make, per_hour: int) -> None:
    reader = visitors(per_hour=per_hour)
    assert reader.ask_for_many(per_hour + 20) == per_hour


def test_what_is_tracked_already_is_not_new(visitors: Make) -> None:
    reader = visitors(per_hour=2)
    reader.ask_for_many(2)
    assert reader.ask_for_many(2) == 2


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 4000)), min_size=1, max_size=12), st.integers(1, 30))
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_in_no_hour_are_more_tracked(tmp_path: Path, asked: list[tuple[int, int]], per_hour: int) -> None:
    place = tmp_path / f"{os.urandom(4).hex()}.db"
    reader, tracked_at, begin = Visitors(place, per_hour=per_hour), list[datetime](), 0
    for count, seconds in asked:
        tracked_at += [reader.clock.now] * reader.ask_for_many(count, begin=begin)
        begin += count
        reader.wait(seconds * SECOND)
    reader.database.close()
    most = max((sum(first <= at < first + HOUR for at in tracked_at) for first in tracked_at), default=0)
    assert 1 <= most <= per_hour


def test_several_threads_track_no_more(visitors: Make) -> None:
    reader = visitors(per_hour=10)
    with ThreadPoolExecutor(4) as threads:
        tracked = threads.map(lambda number: reader.ask_for_many(20, begin=20 * number), range(4))
    assert sum(tracked) == len(reader.names) == 10


def ask_in_another_process(place: Place, begin: int) -> int:
    return Visitors(place, per_hour=10).ask_for_many(30, begin=begin)


def test_several_processes_track_no_more(visitors: Make, place: Place) -> None:
    reader = visitors(per_hour=10)
    processes = [Process() for _ in range(2)]
    asking = [each.start(ask_in_another_process, place, 30 * n) for n, each in enumerate(processes)]
    tracked = sum(each.result(60) for each in asking)
    for process in processes:
        process.end()
    assert tracked == len(reader.names) == 10


def test_an_image_that_was_dropped_for_another_is_not_tracked_again_within_the_hour(visitors: Make) -> None:
    reader = visitors(per_hour=6, most_images=1)
    reader.ask(image(0))
    reader.wait(MINUTE)
    reader.ask(image(1))
    answers = [reader.ask(image(0))]
    reader.wait(59 * MINUTE)
    answers.append(reader.ask(image(0)))
    assert answers == [Admission(retry_after_seconds=59 * 60), TRACKED]


@given(st.integers(1, 60), st.lists(st.integers(0, 1800), min_size=1, max_size=5))
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_when_to_ask_again_is_true(tmp_path: Path, per_hour: int, pauses: list[int]) -> None:
    reader = Visitors(tmp_path / f"{os.urandom(4).hex()}.db", per_hour=per_hour)
    for number, seconds in enumerate(pauses):
        reader.ask_for_many(per_hour // 2 + 1, begin=1000 * number)
        reader.wait(seconds * SECOND)
    reader.ask_for_many(per_hour, begin=500_000)
    refused = reader.ask(image(999_999), THERE)
    reader.wait((refused.retry_after_seconds - 1) * SECOND)
    too_soon = reader.ask(image(999_999), THERE)
    reader.wait(SECOND)
    in_time = reader.ask(image(999_999), THERE)
    reader.database.close()
    assert (refused.is_tracked, too_soon.is_tracked, in_time.is_tracked) == (False, False, True)
    assert 0 < refused.retry_after_seconds <= 3600


def test_when_to_ask_again_is_true_after_the_limit_was_lowered(visitors: Make) -> None:
    before, reader = visitors(per_hour=9), visitors(per_hour=3)
    for number in range(9):
        before.ask(image(number), f"network {number}")
        before.wait(MINUTE)
    reader.clock.now = before.clock.now
    refused = reader.ask(image(50), THERE)
    reader.wait((refused.retry_after_seconds - 1) * SECOND)
    assert not reader.ask(image(50), THERE).is_tracked
    reader.wait(SECOND)
    assert reader.ask(image(50), THERE).is_tracked


# The share of a network.


@pytest.mark.parametrize("per_hour", [3, 10, 100, 120, 121])
def test_a_network_may_add_a_third_of_them_at_once(visitors: Make, per_hour: int) -> None:
    reader = visitors(per_hour=per_hour)
    assert reader.ask_for_many(per_hour // 3 + 2, HERE) == per_hour // 3


def test_another_network_still_can_then(visitors: Make) -> None:
    reader = visitors(per_hour=30)
    reader.ask_for_many(30, HERE)
    assert reader.ask(image(100), THERE).is_tracked


def test_its_share_comes_back_image_by_image_within_an_hour(visitors: Make) -> None:
    reader = visitors(per_hour=120)  # forty of them, one in ninety seconds
    reader.ask_for_many(40, HERE)
    reader.wait(89 * SECOND)
    assert not reader.ask(image(100), HERE).is_tracked
    reader.wait(SECOND)
    assert (reader.ask(image(100), HERE).is_tracked, reader.ask(image(101), HERE).is_tracked) == (True, False)
    reader.wait(HOUR)
    assert reader.ask_for_many(60, HERE, begin=200) == 40


def test_a_network_that_goes_on_asking_is_told_when_to_ask_again(visitors: Make) -> None:
    reader = visitors(per_hour=120)
    reader.ask_for_many(41, HERE)
    assert reader.ask(image(100), HERE) == Admission(retry_after_seconds=90)


def test_the_share_of_a_small_limit_is_one_image(visitors: Make) -> None:
    reader = visitors(per_hour=1)
    assert [reader.ask(image(number), HERE).is_tracked for number in range(2)] == [True, False]


def test_a_refusal_costs_a_network_nothing(visitors: Make) -> None:
    reader = visitors(per_hour=120)
    reader.ask_for_many(60, HERE)
    reader.wait(90 * SECOND)
    assert reader.ask(image(600), HERE).is_tracked


def test_a_clock_that_is_set_back_holds_up_nobody(visitors: Make) -> None:
    reader = visitors(per_hour=30)
    reader.ask_for_many(30)
    reader.ask_for_many(30, HERE)
    reader.wait(-400 * DAY)
    assert reader.ask(image(100), HERE).is_tracked


def test_nor_does_it_let_more_in_than_in_an_hour(visitors: Make) -> None:
    reader = visitors(per_hour=30)
    reader.ask_for_many(30)
    reader.wait(-DAY)
    assert reader.ask_for_many(60, begin=100) == 30


@pytest.mark.parametrize("places", ["postgresql"], indirect=True)  # of those who write to a file, one does at a time
def test_images_that_are_requested_while_others_are_dropped_hold_up_nobody(visitors: Make) -> None:
    reader = visitors(most_images=2)
    reader.ask_for_many(1)
    reader.wait(MINUTE)
    reader.ask_for_many(1, begin=1)
    reader.wait(MINUTE)
    reader.note(1)
    rows = [TRACKED_IMAGES.update().where(TRACKED_IMAGES.c.image == image(number)) for number in range(2)]
    with ThreadPoolExecutor(1) as thread:
        with reader.database.write() as connection:
            connection.execute(rows[0].values(requested_at=NOON.timestamp()))
            admission = thread.submit(reader.ask, image(2))
            wait_until(lambda: is_any_waiting(reader))
            connection.execute(rows[1].values(requested_at=NOON.timestamp()))
        assert admission.result(WAIT_SECONDS) == TRACKED


def is_any_waiting(reader: Visitors) -> bool:
    with reader.database.read() as connection:
        return connection.exec_driver_sql("SELECT 1 FROM pg_locks WHERE NOT granted").first() is not None


# How many are tracked in all.


def test_so_many_are_tracked_in_all(visitors: Make) -> None:
    reader = visitors(most_images=5)
    reader.ask_for_many(12)
    assert len(reader.names) == 5


def test_the_least_recently_requested_go_first(visitors: Make) -> None:
    reader = visitors(most_images=3)
    for number in range(5):
        reader.ask(image(number))
        reader.wait(MINUTE)
    assert reader.names == [image(2), image(3), image(4)]


def test_a_limit_that_was_lowered_is_reached_little_by_little(visitors: Make) -> None:
    visitors().ask_for_many(250)
    reader, counts = visitors(most_images=10), []
    for number in range(3):
        reader.ask(image(1000 + number))
        counts.append(len(reader.names))
    assert counts == [151, 52, 10]


@pytest.mark.parametrize("is_kept_before", [True, False])
def test_an_image_that_was_requested_again_stays(visitors: Make, is_kept_before: bool) -> None:
    reader = visitors(most_images=3)
    for number in range(3):
        reader.ask(image(number))
        reader.wait(MINUTE)
    reader.note(0)
    if is_kept_before:
        reader.admissions.write_notes()
    reader.ask(image(3))
    assert reader.names == [image(0), image(2), image(3)]


def test_an_image_that_the_operator_tracks_is_never_dropped_for_others(visitors: Make) -> None:
    reader = visitors(most_images=1, listed=image(0))
    reader.tracked.track(TrackedImage(Repository.parse(image(1))))
    reader.ask_for_many(5, begin=2)
    assert reader.names == [image(0), image(1), image(6)]


@pytest.mark.parametrize("how", ["track", "put"])
def test_an_image_that_is_tracked_later_stays(visitors: Make, how: str) -> None:
    reader = visitors(most_images=1)
    reader.ask(image(0))
    getattr(reader.tracked, how)(TrackedImage(Repository.parse(image(0))))
    reader.ask_for_many(3, begin=1)
    reader.wait(200 * DAY)
    reader.admissions.drop_unrequested()
    reader.drop_absent(image(0))
    assert reader.names == [image(0)]


def test_an_image_that_the_file_names_later_is_no_longer_one_of_the_readers(visitors: Make) -> None:
    visitors().ask(image(0))
    later = visitors(listed=image(0))
    later.tracked.take_over()
    assert [each.is_on_request for each in later.tracked] == [False]
    with later.database.read() as connection:
        assert connection.execute(select(TRACKED_IMAGES)).all() == []


# How long they are tracked.


@pytest.mark.parametrize(("days", "is_dropped"), [(89, False), (91, True)])
def test_an_image_that_nobody_requested_for_ninety_days_is_dropped(
    visitors: Make, days: int, is_dropped: bool
) -> None:
    reader = visitors()
    reader.ask(image(0))
    reader.succeed(0)
    reader.wait(days * DAY)
    reader.admissions.drop_unrequested()
    assert reader.names == ([] if is_dropped else [image(0)])


def test_requests_keep_it(visitors: Make) -> None:
    reader = visitors()
    reader.ask_for_many(2)
    reader.succeed(0)
    reader.succeed(1)
    for _ in range(3):
        reader.wait(60 * DAY)
        reader.note(1)
        reader.admissions.write_notes()
        reader.admissions.drop_unrequested()
    assert reader.names == [image(1)]


def test_requests_count_on_after_a_clock_was_set_back(visitors: Make) -> None:
    reader = visitors(most_images=2)
    reader.wait(4000 * DAY)
    reader.ask_for_many(2)
    reader.wait(-4000 * DAY)
    reader.note(0)
    reader.wait(MINUTE)
    reader.note(1)
    reader.ask(image(2))
    assert reader.names == [image(1), image(2)]


@pytest.mark.parametrize(("hours", "is_dropped"), [(23, False), (25, True)])
def test_an_image_that_could_not_be_read_for_a_day_is_dropped(visitors: Make, hours: int, is_dropped: bool) -> None:
    reader = visitors()
    reader.ask_for_many(2)
    reader.succeed(1)
    reader.wait(hours * HOUR)
    reader.admissions.drop_unrequested()
    assert reader.names == ([image(1)] if is_dropped else [image(0), image(1)])


def test_very_many_are_dropped_little_by_little(visitors: Make) -> None:
    reader = visitors()
    reader.ask_for_many(120)
    reader.wait(2 * DAY)
    counts = []
    for _ in range(2):
        reader.admissions.drop_unrequested()
        counts.append(len(reader.names))
    assert counts == [20, 0]


def test_an_absent_image_is_remembered_for_a_day_from_when_that_was_found(visitors: Make) -> None:
    reader = visitors()
    reader.ask(image(0))
    reader.wait(20 * HOUR)
    reader.drop_absent(image(0))
    answers = [reader.ask(image(0))]
    for hours in (23, 2):
        reader.wait(hours * HOUR)
        answers.append(reader.ask(image(0)))
    assert answers == [ABSENT, ABSENT, TRACKED]


def test_what_was_asked_for_long_ago_is_forgotten(visitors: Make) -> None:
    reader = visitors()
    reader.ask_for_many(20)
    for number in range(20):
        reader.drop_absent(image(number))
    reader.wait(3 * DAY)
    reader.admissions.clean()
    with reader.database.read() as connection:
        rows = [connection.execute(select(table)).all() for table in (ADMISSIONS, CLIENT_NETWORKS)]
    assert rows == [[], []]


def test_leases_of_images_that_are_gone_are_forgotten(visitors: Make) -> None:
    reader = visitors()
    reader.ask(image(0))
    rows = [(f"image:{image(0)}", ""), (f"image:{image(1)}", ""), (f"image:{image(2)}", "somebody"), ("lists", "")]
    with reader.database.write() as connection:
        for name, holder in rows:
            connection.execute(LEASES.insert(), {"name": name, "fence": 1, "holder": holder, "expires_at": 0})
    reader.admissions.clean()
    with reader.database.read() as connection:
        names = connection.execute(select(LEASES.c.name).order_by(LEASES.c.name)).scalars().all()
    assert names == [f"image:{image(0)}", f"image:{image(2)}", "lists"]


def test_the_check_of_a_lease_is_found_by_its_index(visitors: Make) -> None:
    reader = visitors()
    reader.ask(image(0))
    with explained(reader.database) as plans:
        reader.admissions.clean()
    assert plans
    assert not [plan for plan in plans if "SCAN checks" in plan]  # as SQLite says it, which plans nothing better


# Processes that die.


def die_while_tracking(place: Place) -> None:
    reader = Visitors(place)
    reader.ask(image(0))
    upsert_of = reader.checks.write

    def write_and_die(*arguments: object) -> None:
        upsert_of(*arguments)  # type: ignore[arg-type]
        os.kill(os.getpid(), signal.SIGKILL)

    object.__setattr__(reader.checks, "write", write_and_die)
    reader.ask(image(1))


def test_a_process_that_dies_leaves_an_image_tracked_with_its_check_or_not_at_all(
    visitors: Make, place: Place
) -> None:
    process = Process()
    with pytest.raises(Exception, match="terminated"):
        process.start(die_while_tracking, place).result(60)
    process.end()
    reader = visitors()
    with reader.database.read() as connection:
        checked = connection.execute(select(CHECKS.c.image)).scalars().all()
    assert (reader.names, checked) == ([image(0)], [image(0)])
    assert reader.ask(image(1)) == TRACKED


def test_every_image_of_a_crowd_is_tracked_once(visitors: Make) -> None:
    reader = visitors()
    with ThreadPoolExecutor(4) as threads:
        admissions = list(threads.map(lambda number: reader.ask(image(number % 5), f"n{number}"), range(40)))
    assert (Counter(admissions), len(reader.names)) == ({TRACKED: 40}, 5)


def test_the_time_of_a_request_is_kept(visitors: Make) -> None:
    reader = visitors()
    reader.ask(image(0))
    with reader.database.read() as connection:
        assert connection.execute(select(TRACKED_IMAGES.c.requested_at)).scalar() == NOON.timestamp()
