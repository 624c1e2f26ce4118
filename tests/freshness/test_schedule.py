"""The schedule: what is asked for runs at once, what is due runs in one process, and nothing holds up the rounds."""

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, text

from microbadger.freshness.schedule import _Scheduler
from microbadger.freshness.stored_images import TrackedImage
from microbadger.image.reference import Repository
from microbadger.registry.errors import Unreachable
from microbadger.store.database import StoreError
from microbadger.store.tables import LEASES
from tests.freshness.world import World
from tests.real_registry import wait_until

WEB, API = Repository.parse("example/web"), Repository.parse("example/api")
EVENTS = "leading", "leading_ended"
DEADLINE_SECONDS = 60.0  # four interpreters start slowly on a busy machine
ROOT = Path(__file__).parents[2]

# Notes each check in a file, and hangs while there is a file named "hang".
PROCESS = """
import logging, os, sys, time
from pathlib import Path
from tests.freshness.world import World

logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
folder = Path(sys.argv[1])
world = World(folder)

def note(repository):
    with (folder / "asked").open("a") as file:
        file.write(f"{os.getpid()} {repository}\\n")
    while (folder / "hang").exists():
        time.sleep(0.05)

world.registries.on_ask = note
"""
UNTIL_STOPPED = "world.schedule.start(); sys.stdin.read(); world.schedule.stop()"
FORKED = """
import threading
os.register_at_fork(before=world.schedule.stop, after_in_child=world.schedule.start)
if sys.argv[2] == "started":
    world.schedule.start()
    while not world.schedule.is_running():
        time.sleep(0.05)
for _ in range(2):
    if os.fork() == 0:
        break
sys.stdin.read()
"""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.schedule.stop()
    world.database.close()


def images_of(registry: str, count: int) -> list[Repository]:
    return [Repository.parse(f"{registry}/team/image{number:03}") for number in range(count)]


def wait(happened: Callable[[], bool], what: str) -> None:
    wait_until(happened, what, DEADLINE_SECONDS)


def wait_for_asked(world: World, *repositories: Repository) -> None:
    wait(lambda: set(repositories) <= set(world.registries.asked), f"{repositories[:3]} … are asked for")


def wait_for_rounds(world: World, count: int) -> None:
    """Let so many more rounds begin now instead of in five seconds each."""
    for _ in range(count):
        last, scheduler = world.counts.rounds, world.schedule._scheduler
        assert scheduler
        scheduler.get_job("round").modify(next_run_time=datetime.now(UTC))
        wait(lambda last=last: world.counts.rounds > last, "another round")  # type: ignore[misc]


@contextmanager
def hanging(world: World, *registries: str) -> Iterator[threading.Event]:
    """Let registries hang until the end, or until the event is set."""
    free = threading.Event()
    world.registries.on_ask = lambda asked: asked.registry in registries and free.wait(DEADLINE_SECONDS)
    try:
        yield free
    finally:
        free.set()


def fail(_: Repository) -> None:
    raise Unreachable("no answer", host="example.test")


# What is asked for


def test_what_is_asked_for_is_checked(world: World) -> None:
    world.track(WEB)
    world.check(WEB)
    with world.running():
        world.check_soon(WEB)
        wait(lambda: world.registries.asked == [WEB, WEB], "the check")
        wait(lambda: world.requests.repositories() == [], "the request is answered")


def test_a_process_that_does_not_lead_checks_what_it_is_asked_for(world: World, tmp_path: Path) -> None:
    world.track(WEB)
    world.check(WEB)
    other = World(tmp_path)
    with world.running():
        wait(world.schedule.is_running, "a leader")
        with other.running():
            while not other.registries.asked:  # the leader may see a request first
                other.check_soon(WEB)
                wait(lambda: other.requests.repositories() == [], "the request is answered")
    assert other.registries.asked == [WEB]


def test_what_is_asked_for_during_a_check_leads_to_one_more(world: World) -> None:
    world.track(WEB)
    world.check(WEB)
    world.registries.asked.clear()
    with hanging(world, "docker.io") as free, world.running():
        world.check_soon(WEB)
        wait_for_asked(world, WEB)
        for _ in range(50):
            world.check_soon(WEB)
        free.set()
        wait(lambda: world.requests.repositories() == [], "the requests are answered")
    assert world.registries.asked == [WEB, WEB]


def test_what_is_asked_for_is_checked_at_once_while_much_is_due(world: World) -> None:
    world.track(*images_of("docker.io", 150), WEB)
    world.check(WEB)
    world.registries.asked.clear()
    free = threading.Event()
    world.registries.on_ask = lambda asked: asked == WEB or free.wait(DEADLINE_SECONDS)
    with world.running():
        wait(lambda: len(world.registries.asked) == 3, "the due checks take their threads")
        world.check_soon(WEB)
        wait(lambda: world.requests.repositories() == [], "the request is answered")
        assert Counter(world.registries.asked)[WEB] == 1
        free.set()


def test_a_registry_that_hangs_holds_up_no_request_for_another(world: World) -> None:
    slow = images_of("slow.test", 50)
    world.track(WEB)
    world.check(WEB)
    with hanging(world, "slow.test"), world.running():
        world.track(*slow)
        for repository in slow:
            world.check_soon(repository)
        world.check_soon(WEB)
        wait(lambda: WEB not in world.requests.repositories(), "the request is answered")


def test_everything_that_was_asked_for_of_one_registry_is_checked(world: World) -> None:
    images = images_of("slow.test", 50)
    world.track(*images)
    with world.running():
        for repository in images:
            world.check_soon(repository)
        wait(lambda: world.requests.repositories() == [], "the requests are answered")
    assert set(world.registries.asked) == set(images)


def test_a_stopped_schedule_leaves_requests_to_others(world: World, tmp_path: Path) -> None:
    world.track(WEB)
    world.check(WEB)
    with world.running():
        pass
    world.check_soon(WEB)
    assert (world.registries.asked, world.requests.repositories()) == ([WEB], [WEB])

    other = World(tmp_path)
    with other.running():
        wait_for_asked(other, WEB)


def test_a_check_that_breaks_is_followed_by_the_next(world: World) -> None:
    def break_for_web(asked: Repository) -> None:
        if asked == WEB:
            raise RuntimeError("broken on purpose")

    world.registries.on_ask = break_for_web
    world.track(WEB, API)
    with world.running():
        for _ in range(20):
            world.check_soon(WEB)
        world.check_soon(API)
        wait_for_asked(world, WEB, API)
        wait(lambda: world.checks.get(WEB).reason == "local", "the defect is kept")


# What is due


def test_what_is_due_and_what_was_left_undone_is_checked(world: World) -> None:
    world.track(API)
    world.check(API)
    world.ask(API)  # of a process that died
    world.track(WEB)
    with world.running():
        wait(lambda: world.registries.asked.count(API) == 2 and WEB in world.registries.asked, "both checks")


def test_what_becomes_due_later_is_checked(world: World) -> None:
    with world.running():
        wait(world.schedule.is_running, "a leader")
        world.track(WEB)
        wait_for_rounds(world, 1)
        wait_for_asked(world, WEB)


def test_however_many_images_are_due_each_is_checked_once(world: World) -> None:
    images = [*images_of("one.test", 250), *images_of("two.test", 250)]
    world.registries.on_ask = fail
    world.track(*images)
    with world.running():
        wait_for_asked(world, *images)
        wait(lambda: [*world.checks.due()] == [], "nothing is due")
    assert Counter(world.registries.asked) == Counter(images)


@pytest.mark.parametrize("count", [60, 130])
@pytest.mark.parametrize("registries", [["a.test"], ["a.test", "b.test"]])
def test_registries_that_hang_hold_up_no_other(world: World, registries: list[str], count: int) -> None:
    """Whatever hangs could fill the threads, or the beginning of what is due."""
    last = Repository.parse("z.test/team/web")
    world.track(*[image for registry in registries for image in images_of(registry, count)], last)
    with hanging(world, *registries), world.running():
        wait_for_asked(world, last)


def test_two_schedules_check_each_due_image_once_and_share_them(world: World, tmp_path: Path) -> None:
    images, other = [*images_of("one.test", 60), *images_of("two.test", 60)], World(tmp_path)
    with world.running(), other.running():
        world.track(*images)
        wait(lambda: [*world.checks.due()] == [], "nothing is due")
    assert Counter([*world.registries.asked, *other.registries.asked]) == Counter(images)
    assert min(len(world.registries.asked), len(other.registries.asked)) >= len(images) / 5


def test_what_a_process_cannot_begin_itself_is_done_by_another(world: World, tmp_path: Path) -> None:
    images, other = images_of("one.test", 6), World(tmp_path)
    world.track(*images)
    world.check(*images)
    with hanging(world, "one.test"), world.running():
        world.check_soon(images[0])
        world.check_soon(images[1])
        world.check_soon(images[2])
        wait(lambda: len(world.registries.asked) == 9, "all of its threads for the registry hang")
        for image in images[3:]:
            world.check_soon(image)
        with other.running():
            wait_for_asked(other, *images[3:])


def test_all_processes_together_check_no_more_than_twelve_due_images_of_a_registry_at_once(
    world: World, tmp_path: Path
) -> None:
    worlds = [world, *(World(tmp_path) for _ in range(5))]
    world.track(*images_of("one.test", 30))
    with ExitStack() as stack:
        for each in worlds:
            stack.enter_context(hanging(each, "one.test"))
        for each in worlds:
            stack.enter_context(each.running())
        wait(lambda: sum(len(each.registries.asked) for each in worlds) == 12, "twelve checks")
        for each in worlds:
            wait_for_rounds(each, 1)
        assert sum(len(each.registries.asked) for each in worlds) == 12


def test_an_image_that_another_process_checks_is_tried_again_only_in_the_next_round(world: World) -> None:
    lease = f"image:{WEB}"
    world.track(WEB, *images_of("one.test", 30))
    with world.leases.hold(lease):
        world.leases.wanted.clear()
        with world.running():
            wait_for_asked(world, *images_of("one.test", 30))
            wait(lambda: [*world.checks.due()] == [WEB], "the others are checked")
            tried = world.leases.wanted[lease]
            wait_for_rounds(world, 1)
    assert (tried, world.leases.wanted[lease]) <= (1, 2)


def test_an_image_that_is_no_longer_tracked_and_cannot_be_removed_is_not_tried_all_the_time(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.write_images_file(f"example/api\n{WEB.familiar.upper()}\n")  # a line that cannot be read, and may mean it
    world.checks.add([WEB])
    with world.running():
        wait_for_asked(world, API)
        wait(lambda: "it is not tracked" in caplog.text, "the image is tried")
        wait_for_rounds(world, 1)
    assert caplog.text.count("it is not tracked") == 1
    assert {*world.checks.repositories()} == {WEB, API}


def test_an_image_whose_check_cannot_begin_is_tried_again_only_in_the_next_round(world: World) -> None:
    world.leases.error = StoreError("The disk of db.internal is full.", "The disk is full.")
    world.track(WEB)
    with world.running():
        wait(lambda: world.schedule.troubles == [f"{WEB}: The disk is full."], "the trouble")
        wait_for_rounds(world, 2)
        assert world.leases.wanted[f"image:{WEB}"] <= 3
        world.leases.error = None
        wait_for_rounds(world, 1)
        wait_for_asked(world, WEB)


# Rounds


def test_a_round_follows_the_tracked_images_and_writes_the_lists(world: World) -> None:
    world.write_images_file("example/web\n")
    with world.running():
        wait_for_asked(world, WEB)
        wait(lambda: world.publisher.has("index.html"), "the home page")


def test_what_a_round_cannot_do_keeps_it_from_nothing_else_and_is_said_once(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "microbadger")
    world.counts.error = StoreError("The disk of db.internal is full.", "The disk is full.")
    world.track(WEB)
    with world.running():
        wait_for_asked(world, WEB)
        wait_for_rounds(world, 1)
        assert world.schedule.troubles == ["count: The disk is full."]
        world.counts.error = None
        wait_for_rounds(world, 1)
        wait(lambda: world.schedule.troubles == [], "the trouble is over")
    lines = [record.getMessage() for record in caplog.records if record.getMessage().startswith("event=schedule_")]
    assert lines == [
        'event=schedule_failed work=count error="The disk of db.internal is full."',
        "event=schedule_works_again work=count",
    ]


def test_a_duty_that_cannot_be_taken_is_said_once_while_others_can(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    with world.database.write() as connection:
        refuse = "BEGIN SELECT RAISE(ABORT, 'not now'); END"
        connection.execute(text(f"CREATE TRIGGER broken BEFORE INSERT ON leases WHEN NEW.name = 'duty:lists' {refuse}"))
    with world.running():
        wait_for_rounds(world, 3)
        assert [trouble.partition(":")[0] for trouble in world.schedule.troubles] == ["take the duty lists"]
    assert caplog.text.count("event=schedule_failed") == 1


def test_cleaning_up_holds_up_no_round(world: World) -> None:
    left = world.publisher.folder / ".new-left"
    left.parent.mkdir()
    left.write_bytes(b"half a file")
    os.utime(left, (1, 1))
    with world.running():
        wait(lambda: not left.exists(), "it is removed")


@contextmanager
def rounds_planned_for(planned: datetime) -> Iterator[list[datetime]]:
    """Run rounds of which the next one was planned by a clock that was set since."""
    rounds: list[datetime] = []
    scheduler = _Scheduler(timezone=UTC, job_defaults={"misfire_grace_time": None, "coalesce": True})
    scheduler.add_job(
        lambda: rounds.append(datetime.now(UTC)), "interval", seconds=5, id="round", next_run_time=planned
    )
    scheduler.start()
    try:
        yield rounds
    finally:
        scheduler.shutdown()


@pytest.mark.parametrize("days", [1, 36500])
def test_rounds_go_on_when_the_clock_was_set_back(days: int) -> None:
    with rounds_planned_for(datetime.now(UTC) + timedelta(days=days)) as rounds:
        wait(lambda: len(rounds) == 1, "a round")


@pytest.mark.parametrize("days", [1, 36500])
def test_rounds_go_on_when_the_clock_was_set_forward(days: int) -> None:
    with rounds_planned_for(datetime.now(UTC) - timedelta(days=days)) as rounds:
        wait(lambda: len(rounds) == 1, "a round")


def test_a_clock_that_is_set_back_while_rounds_run_does_not_stop_them(world: World) -> None:
    with world.running():
        wait(lambda: world.counts.rounds == 1, "the first round")
        scheduler = world.schedule._scheduler
        assert scheduler
        scheduler.get_job("round").modify(next_run_time=datetime.now(UTC) + timedelta(days=1))
        wait(lambda: world.counts.rounds == 2, "another round")


# Leading


def test_the_next_process_leads_when_the_leader_stops(world: World, tmp_path: Path) -> None:
    other = World(tmp_path)
    with other.running():
        wait(other.schedule.is_running, "a leader")
        world.schedule.start()
        wait_for_rounds(world, 1)
        world.tracked.put(TrackedImage(WEB))
        wait_for_rounds(other, 1)
        wait(lambda: WEB in {*other.registries.asked, *world.registries.asked}, "one of them checks it")
    world.tracked.put(TrackedImage(API))  # which only the process that leads finds
    wait_for_rounds(world, 1)
    wait_for_asked(world, API)


def test_a_schedule_that_stopped_leads_no_more(world: World) -> None:
    with world.running():
        wait(world.schedule.is_running, "a leader")
    assert not world.schedule.is_running()


def test_the_log_says_which_process_begins_and_ends_to_lead(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "microbadger")
    with world.running():
        wait(lambda: "task=messages" in caplog.text, "all duties")
        with (other := World(tmp_path)).running():
            wait_for_rounds(other, 1)
    lines = [record.getMessage() for record in caplog.records if "event=leading" in record.getMessage()]
    tasks = "follow", "lists", "messages"
    assert lines == [f"event={event} task={task} pid={os.getpid()}" for event in EVENTS for task in tasks]


# Real processes


class Processes:
    """Processes that run a schedule each, and what they did."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.running: list[subprocess.Popen[bytes]] = []
        self._open = ExitStack()

    def start(self, code: str, *arguments: str) -> None:
        with (self.world.folder / f"log{len(self.running)}").open("wb") as log:
            command = [sys.executable, "-c", f"{PROCESS}\n{code}", str(self.world.folder), *arguments]
            self.running.append(subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=log))

    def stop(self) -> None:
        for process in self.running:
            with process:
                process.kill()

    @property
    def leader(self) -> int | None:
        """The process that holds the lease of the leader."""
        with self.world.database.read() as connection:
            row = connection.execute(select(LEASES).where(LEASES.c.name == "leader")).one_or_none()
        return int(row.holder.split()[1].partition("/")[0]) if row and row.holder else None

    @property
    def checks(self) -> list[tuple[int, str]]:
        """Which process checked which image."""
        file = self.world.folder / "asked"
        lines = file.read_text().splitlines() if file.exists() else []
        return [(int(pid), image) for pid, image in map(str.split, lines)]

    def count_in_logs(self, text: str) -> int:
        return sum(log.read_text().count(text) for log in self.world.folder.glob("log*"))


@pytest.fixture
def processes(world: World) -> Iterator[Processes]:
    processes = Processes(world)
    yield processes
    processes.stop()


def test_of_several_processes_one_leads_and_another_one_at_once_when_it_is_killed(
    world: World, processes: Processes
) -> None:
    hang = world.folder / "hang"
    hang.touch()
    world.track(WEB)
    for _ in range(4):
        processes.start(UNTIL_STOPPED)
    wait(lambda: len(processes.checks) == 1, "the leader begins a check")
    (checking, _), = processes.checks
    wait(lambda: processes.leader is not None, "a leader")
    killed = processes.leader
    assert killed
    assert processes.count_in_logs("event=leading task=follow") == 1

    for pid in {killed, checking}:
        os.kill(pid, signal.SIGKILL)
    hang.unlink()

    wait(lambda: processes.leader not in (killed, None), "another leader")
    wait(lambda: world.checks.get(WEB).succeeded_at is not None, "the check is made again")
    assert next(pid for pid, _ in processes.checks) == checking
    assert len(processes.checks) == 2
    assert processes.count_in_logs("event=leading task=follow") == 2


@pytest.mark.parametrize("before", ["not started", "started"])
def test_of_the_processes_that_were_forked_one_leads_and_their_parent_does_not(
    world: World, processes: Processes, before: str
) -> None:
    """As with gunicorn --preload, which loads the app before it forks its workers."""
    world.track(WEB)
    world.check(WEB)
    processes.start(FORKED, before)
    wait(lambda: processes.leader not in (None, processes.running[0].pid), "a child leads")
    world.ask(WEB)
    wait(lambda: world.requests.repositories() == [], "the request is answered")
    ((pid, image),) = processes.checks
    assert (pid != processes.running[0].pid, image) == (True, str(WEB))


def test_what_a_killed_process_was_asked_for_is_checked_by_another(world: World, processes: Processes) -> None:
    world.track(WEB)
    world.check(WEB)
    hang = world.folder / "hang"
    hang.touch()
    processes.start(UNTIL_STOPPED)
    world.ask(WEB)
    wait(lambda: len(processes.checks) == 1, "a check begins")
    os.kill(processes.running[0].pid, signal.SIGKILL)
    hang.unlink()
    processes.start(UNTIL_STOPPED)
    wait(lambda: world.requests.repositories() == [], "the request is answered")
    assert [image for _, image in processes.checks] == [str(WEB)] * 2
