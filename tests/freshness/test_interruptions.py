"""Checks that are killed, that stall, and that meet requests: what is published and said in the end is right, once."""

import logging
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text
from werkzeug.wrappers import Request

from microbadger.freshness.outcome import Outcome
from microbadger.freshness.refresh import Refresher
from microbadger.freshness.stored_images import TrackedImage
from microbadger.image.reference import Repository
from microbadger.site.folder import PublicFolder
from microbadger.store.database import Database
from microbadger.store.tables import LEASES, RECORDS
from tests.databases import database_url, needs_sqlite
from tests.fakes.registry import FakeRegistry, image
from tests.freshness.bench import DEADLINE_SECONDS, Bench

FILES_A_KILL = 25  # of the steps that write or remove a file one in so many is tried; of the others all


@pytest.fixture
def bench(tmp_path: Path, fake: FakeRegistry) -> Bench:
    return Bench(tmp_path / "bench", fake)


# Processes that are killed


@dataclass
class Steps:
    """Counts the steps of a process but for those of threads that send messages, and kills it before one of them."""

    fatal: int = 0
    done: list[str] = field(default_factory=list)

    def __call__(self, name: str) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        self.done.append(name)
        if len(self.done) == self.fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    @property
    def worth_a_kill(self) -> list[int]:
        """The numbers of the steps before which a process is killed."""
        numbered = list(enumerate(self.done, start=1))
        files = [number for number, name in numbered if name == "file"]
        return sorted({*files[::FILES_A_KILL], *files[-1:], *(n for n, name in numbered if name != "file")})


class SteppingDatabase(Database):
    """A database each of whose writing transactions has two steps: to commit, and to go on."""

    def __init__(self, url: str, step: Steps) -> None:
        super().__init__(url)
        self._step = step

    @contextmanager
    def write(self, *, durable: bool = False) -> Iterator[Connection]:
        with super().write(durable=durable) as connection:
            yield connection
            self._step("commit")
        self._step("go on")


class SteppingFolder(PublicFolder):
    """A folder for which each file is a step."""

    def __init__(self, folder: Path, step: Steps) -> None:
        super().__init__(folder)
        self._step = step

    def write(self, path: str, content: bytes) -> bool:
        self._step("file")
        return super().write(path, content)

    def remove(self, path: str) -> bool:
        self._step("file")
        return super().remove(path)


def stepping(folder: Path, fake: FakeRegistry, step: Steps, named: str | None = None) -> Bench:
    """Return a process whose steps are counted."""
    database = SteppingDatabase(database_url(folder / "data"), step)
    return Bench(folder, fake, named=named, database=database, publisher=SteppingFolder(folder / "public", step))


def check_requested(bench: Bench) -> object:
    return bench.refresher.refresh_requested(bench.repository)


def remove(bench: Bench) -> None:
    bench.removal.remove(bench.repository)


def was_killed(work: Callable[[], object]) -> bool:
    """Do something in a process of its own, and return whether that was killed by SIGKILL."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert code in (0, -signal.SIGKILL)
    return code != 0


@pytest.mark.parametrize("task", [Refresher.publish_again, Refresher.publish_again_if_idle])
def test_a_killed_check_counts_although_another_task_takes_the_lease_first(
    bench: Bench, task: Callable[[Refresher, Repository], object]
) -> None:
    bench.ask()
    for _ in range(2):
        assert was_killed(lambda: die_in_a_check(bench))
        task(bench.refresher, bench.repository)
    assert bench.refresher.refresh_requested(bench.repository) is None
    assert "2 checks in a row were cut short" in (bench.freshness.checks.get(bench.repository).error or "")


def die_in_a_check(bench: Bench) -> None:
    assert bench.refresher.turns.begin(bench.repository, lambda _check, requests: bool(requests))
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("column", ["times", "retry_at"])
def test_a_damaged_count_of_killed_checks_is_begun_anew(bench: Bench, column: str) -> None:
    values = {"image": str(bench.repository), "times": 9, "retry_at": bench.time.timestamp() + 60, column: "x"}
    with bench.database.write() as connection:
        names = ", ".join(f":{name}" for name in values)
        connection.execute(text(f"INSERT INTO interrupted_checks ({', '.join(values)}) VALUES ({names})"), values)
    bench.fake.push("team/web", "latest", image())
    outcome = bench.refresher.refresh_if_due(bench.repository)
    assert outcome
    assert outcome.error is None


def after_each_kill(
    begun: Bench, work: Callable[[Bench], object], named: str | None = None
) -> Iterator[tuple[int, Bench]]:
    """Kill a process at each step of some work, each time in a copy of a folder, and yield a process that comes after.

    The first one yielded, of number 0, comes after a process that was not killed.
    """
    for thread in threading.enumerate():
        if thread.name == "notifications":
            thread.join(DEADLINE_SECONDS)  # it would open the database again
    begun.database.close()

    def folder(number: int) -> Path:
        copy = begun.folder.with_name(f"killed-{number}")
        shutil.copytree(begun.folder, copy)
        return copy

    steps = Steps()
    work(stepping(folder(0), begun.fake, steps, named))
    for number in [0, *steps.worth_a_kill]:
        copy = folder(number) if number else begun.folder.with_name("killed-0")
        killed = stepping(copy, begun.fake, Steps(number), named)
        if number:
            assert was_killed(lambda killed=killed: work(killed)), number  # type: ignore[misc]
        yield number, Bench(copy, begun.fake, named=named)


def push_what_changes_everything(bench: Bench) -> str:
    """Check an image, then push a change that writes, rewrites, keeps and removes files; return its subscription."""
    subscription = bench.subscribe()
    fake = bench.fake
    for tag in ("1.0", "latest"):
        fake.push("team/web", tag, image(layers=[1024]))
    for tag in ("0.8", "0.9"):
        fake.push("team/web", tag, image(layers=[512]))
    bench.refresh()
    bench.made(bench.paths.badge("size", "0.8", "svg"))
    bench.made(bench.paths.badge("size", "0.9", "svg"))
    for tag in ("2.0", "latest"):
        fake.push("team/web", tag, image(layers=[2048]))
    fake.delete("team/web", "0.8")
    bench.ask()
    return subscription


@needs_sqlite
def test_a_check_that_was_killed_at_any_step_is_done_by_the_next_one(bench: Bench) -> None:
    subscription = push_what_changes_everything(bench)
    expected: dict[str, bytes] = {}

    for number, after in after_each_kill(bench, check_requested):
        check_requested(after)

        expected = expected or after.files()
        assert after.files() == expected, number
        assert len(after.changes) == 1, number
        assert after.notifications.status(subscription).waiting == 1, number
        assert after.freshness.requests.repositories() == [], number
        assert after.refresher.publish_again(after.repository) == [], number


def test_a_check_of_a_process_that_died_is_taken_over_at_once(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image())
    bench.ask()
    the_lease_is_taken = Steps(fatal=3)

    assert was_killed(lambda: check_requested(stepping(bench.folder, bench.fake, the_lease_is_taken)))
    assert check_requested(bench)

    assert bench.badge("layers") == "layers: 1"


def test_after_a_kill_a_check_is_due_at_once_until_one_has_ended(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image(layers=[1]))
    bench.refresh()
    bench.fake.push("team/web", "latest", image(layers=[2]))

    for number, after in after_each_kill(bench, lambda process: process.check_later()):
        after.check_later()

        assert after.badge("size") == "size: 2 B", number
        assert after.freshness.checks.get(after.repository).edition == "first edition", number
        assert after.refresher.refresh_if_due(after.repository) is None, number


def test_what_a_killed_check_wrote_goes_if_the_next_one_finds_it_gone(bench: Bench) -> None:
    bench.fake.push("team/web", "1.0", image(layers=[1]))
    bench.refresh()
    before = bench.files()
    bench.fake.push("team/web", "2.0", image(layers=[2], created="2026-11-22T10:00:00Z"))
    bench.ask()

    for number, after in after_each_kill(bench, check_requested):
        bench.fake.delete("team/web", "2.0")
        after.ask()
        check_requested(after)
        bench.fake.push("team/web", "2.0", image(layers=[2], created="2026-11-22T10:00:00Z"))

        assert not [path for path in after.files() if ":2.0" in path], number
        if not after.changes:
            assert after.files() == before, number


@needs_sqlite
def test_what_a_killed_first_check_wrote_goes_if_the_image_is_no_longer_tracked(bench: Bench) -> None:
    bench.fake.push("team/web", "1.0", image(layers=[1]))
    bench.ask()

    for number, after in after_each_kill(bench, check_requested):
        remove(after.again(named=""))

        assert after.files() == {}, number


@needs_sqlite
def test_a_removal_that_was_killed_at_any_step_can_be_repeated(bench: Bench) -> None:
    push_what_changes_everything(bench)

    for number, after in after_each_kill(bench, remove, named=""):
        after.list_images("# no image")
        after.freshness.upkeep.follow_tracked()

        assert after.files() == {}, number
        assert after.freshness.records.image(after.repository) is None, number
        assert {*after.freshness.checks.repositories()} == set(), number


@needs_sqlite
def test_making_everything_again_that_was_killed_at_any_step_can_be_repeated(bench: Bench) -> None:
    push_what_changes_everything(bench)
    check_requested(bench)
    expected = bench.files()
    shutil.rmtree(bench.public)

    for number, after in after_each_kill(bench, lambda process: process.refresher.publish_again(process.repository)):
        after.refresher.publish_again(after.repository)

        assert after.files() == expected, number


# Requests that meet a check


class HookedFolder(PublicFolder):
    """A folder that does something once, before a file is written."""

    def __init__(self, folder: Path, path: str, action: Callable[[], object]) -> None:
        super().__init__(folder)
        self._hook: tuple[str, Callable[[], object]] | None = (path, action)

    def write(self, path: str, content: bytes) -> bool:
        self._act_before(path)
        return super().write(path, content)

    def put(self, path: str, file: Path) -> None:
        self._act_before(path)
        super().put(path, file)

    def _act_before(self, path: str) -> None:
        if self._hook and self._hook[0] == path:
            action, self._hook = self._hook[1], None
            action()


def hooked(bench: Bench, path: str, action: Callable[[], object]) -> Bench:
    """Return a process that does something once, before it writes a file."""
    return bench.again(publisher=HookedFolder(bench.public, path, action))


def push_two_versions(bench: Bench) -> None:
    """Check an image of two versions, then move both."""
    bench.fake.push("team/web", "1.0", image(layers=[1024]))
    bench.fake.push("team/web", "latest", image(layers=[1, 1]))
    bench.refresh()
    bench.fake.push("team/web", "1.0", image(layers=[2048]))
    bench.fake.push("team/web", "latest", image(layers=[2048]))
    bench.time = bench.time.replace(minute=30)


def test_a_file_that_is_made_while_a_check_replaces_the_record_is_made_again(bench: Bench) -> None:
    push_two_versions(bench)
    path = bench.paths.badge("size", "1.0", "svg")

    content = hooked(bench, path, bench.refresh).made(path)

    assert b"size: 2.0 KiB" in content
    assert bench.badge("size", "1.0") == "size: 2.0 KiB"


def test_a_file_of_a_tag_that_goes_while_it_is_made_goes_too(bench: Bench) -> None:
    push_two_versions(bench)
    bench.fake.delete("team/web", "1.0")
    path = bench.paths.badge("size", "1.0", "svg")

    assert hooked(bench, path, bench.refresh).freshness.make(path) is None

    assert path not in bench.files()


def test_a_file_of_an_image_that_is_removed_while_it_is_made_goes_too(bench: Bench) -> None:
    push_two_versions(bench)
    path = bench.paths.badge("size", "1.0", "svg")

    assert hooked(bench, path, lambda: remove(bench.again(named=""))).freshness.make(path) is None

    assert bench.files() == {}


def test_a_file_that_a_check_has_just_written_is_left_alone_by_a_request_that_did_not_find_it(bench: Bench) -> None:
    push_two_versions(bench)
    bench.fake.push("team/web", "2.0", image(layers=[2048]))
    path = bench.paths.badge("size", "2.0", "svg")
    stamps: list[tuple[int, int] | None] = []

    def request() -> None:
        stamps.append(bench.stamps().get(path))
        bench.freshness.make(path)
        stamps.append(bench.stamps().get(path))

    hooked(bench, bench.paths.metadata, request).refresh()

    before, after = stamps
    assert before
    assert after == before


@pytest.mark.parametrize("is_emptied", [False, True], ids=["", "the public folder was emptied"])
def test_what_is_made_from_the_old_record_while_a_check_writes_is_put_right(bench: Bench, is_emptied: bool) -> None:
    push_two_versions(bench)
    paths = bench.paths
    requested = [paths.tag_page("1.0"), paths.badge("size", "1.0", "svg"), paths.badge("size", "1.0", "json")]
    if is_emptied:
        requested += bench.files()
        bench.made(paths.badge("size", "1.0", "svg"))
        shutil.rmtree(bench.public)

    def request() -> None:
        for path in requested:
            bench.made(path)

    check = hooked(bench, paths.metadata, request)  # when all other files are written, and the old record stands
    check.refresh()

    assert bench.badge("size", "1.0") == "size: 2.0 KiB"
    assert bench.refresher.publish_again(bench.repository) == []
    assert set(requested) <= check.cdn.paths


def test_what_is_made_of_a_tag_while_a_check_removes_it_goes(bench: Bench) -> None:
    push_two_versions(bench)
    requested = [bench.paths.badge("size", "1.0", "svg"), bench.paths.tag_page("1.0")]
    bench.made(requested[0])
    bench.fake.delete("team/web", "1.0")

    check = hooked(bench, bench.paths.metadata, lambda: [bench.made(path) for path in requested])
    check.refresh()

    assert not [path for path in bench.files() if "web:1.0" in path]


# Processes that stall


LEASE_SECONDS = 0.4


class Stall:
    """Holds a process up until it is over."""

    def __init__(self) -> None:
        self.has_begun, self.is_over = threading.Event(), threading.Event()
        self._lock = threading.Lock()

    def __call__(self, *_: object) -> None:
        """Hold up whoever comes first."""
        with self._lock:
            is_first = not self.has_begun.is_set()
            self.has_begun.set()
        if is_first:
            self.is_over.wait(DEADLINE_SECONDS)


@contextmanager
def stalled(bench: Bench, stall: Stall) -> Iterator[list[Outcome]]:
    """Check an image in a thread that stalls while the block runs; give what came of it in the end."""
    outcomes: list[Outcome] = []
    thread = threading.Thread(target=lambda: outcomes.append(bench.refresher.refresh(bench.repository)))
    thread.start()
    assert stall.has_begun.wait(DEADLINE_SECONDS)
    try:
        yield outcomes
    finally:
        stall.is_over.set()
        thread.join()


def test_a_process_that_stalled_for_longer_than_its_lease_publishes_nothing(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image(layers=[1]))
    slow, other = (bench.again(lease_seconds=LEASE_SECONDS) for _ in range(2))
    slow.refresh()
    stall = Stall()

    def answer(request: Request) -> None:
        if request.method == "GET":
            stall()

    bench.fake.push("team/web", "latest", image(layers=[2]))
    bench.fake.always("/manifests/", answer)
    with stalled(slow, stall) as outcomes:
        bench.fake.push("team/web", "latest", image(layers=[3]))
        assert other.refresh() is None
        before = other.stamps()

    assert [outcome.error for outcome in outcomes] == ["another process has taken over the check"]
    assert other.stamps() == before
    assert len(other.changes) == 1


def test_a_process_that_lost_its_lease_leaves_the_state_of_the_image_alone(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.fake.push("team/web", "latest", image())
    slow, other = (bench.again(lease_seconds=LEASE_SECONDS) for _ in range(2))
    stall = Stall()
    bench.fake.always("/tags/", stall)
    with stalled(slow, stall):
        other.refresh()
        bench.fake.delete("team/web", "latest")
        check = other.freshness.checks.get(other.repository)

    assert other.freshness.checks.get(other.repository) == check
    assert other.badge("layers") == "layers: 1"
    (logged,) = [line for line in map(logging.LogRecord.getMessage, caplog.records) if "lease_lost" in line]
    assert f'error="another thread or process has taken the lease image:{bench.repository}"' in logged


def push_and_stall(bench: Bench, stall: Stall, **options: Any) -> Bench:
    """Return a process that will stall in the midst of writing what it found: a new tag, and another without files."""
    bench.fake.push("team/web", "latest", image(layers=[1]))
    bench.fake.push("team/web", "0.9", image(layers=[9]))
    bench.refresh()
    bench.made(bench.paths.badge("size", "0.9", "svg"))
    for tag in ("1.9", "latest"):
        bench.fake.push("team/web", tag, image(layers=[2]))
    bench.fake.delete("team/web", "0.9")
    publisher = HookedFolder(bench.public, bench.paths.badge("size", None, "svg"), stall)
    return bench.again(lease_seconds=LEASE_SECONDS, publisher=publisher, **options)


def test_what_a_process_wrote_after_it_lost_its_lease_is_put_right(bench: Bench) -> None:
    subscription = bench.subscribe()
    stall = Stall()
    slow = push_and_stall(bench, stall)
    other = bench.again(lease_seconds=LEASE_SECONDS)
    with stalled(slow, stall):
        bench.fake.push("team/web", "0.9", image(layers=[9]))
        bench.fake.push("team/web", "latest", image(layers=[1024]))
        bench.fake.delete("team/web", "1.9")
        assert other.refresh() is None
        before = {path: content for path, content in other.files().items() if "/.new-" not in path}

    assert other.files() == before
    assert other.badge("size") == "size: 1.0 KiB"
    assert other.notifications.status(subscription).waiting == 1


def test_what_a_process_wrote_after_the_image_was_removed_is_removed(bench: Bench) -> None:
    stall = Stall()
    slow = push_and_stall(bench, stall, named="")
    slow.freshness.tracked.track(TrackedImage(bench.repository))
    with stalled(slow, stall):
        other = bench.again(lease_seconds=LEASE_SECONDS, named="")
        other.freshness.tracked.untrack(bench.repository)
        remove(other)

    assert bench.files() == {}


def test_a_process_that_lost_its_lease_with_the_database_leaves_the_files(bench: Bench) -> None:
    stall = Stall()
    slow = push_and_stall(bench, stall)
    with stalled(slow, stall), bench.database.write() as connection:
        for lost in (LEASES, RECORDS):
            connection.execute(lost.delete())

    assert {slow.paths.metadata, slow.paths.page, slow.paths.badge("size", "latest", "svg")} <= slow.files().keys()


def test_the_cdn_forgets_what_was_put_right(bench: Bench) -> None:
    stall = Stall()
    slow = push_and_stall(bench, stall)
    other = bench.again(lease_seconds=LEASE_SECONDS)
    with stalled(slow, stall):
        bench.fake.push("team/web", "latest", image(layers=[1024]))
        other.refresh()
        other.cdn.paths.clear()

    assert slow.paths.metadata in slow.cdn.paths
