"""The schedule: what is asked for runs at once, what is due runs in one process, a fork begins anew."""

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from microbadger.freshness.schedule import Schedule
from microbadger.image.reference import Repository
from microbadger.store.files import try_lock
from tests.real_registry import wait_until

WEB, API = Repository.parse("example/web"), Repository.parse("example/api")
DEADLINE_SECONDS = 10.0


class Work:
    """Notes what a schedule does."""

    def __init__(self) -> None:
        self.done: list[tuple[str, Repository]] = []
        self.requested: Iterable[Repository] = []
        self.due: Iterable[Repository] = []
        self.rounds = 0
        self.led = 0
        self.hold: Callable[[Repository], object] = lambda _: None

    def refresh_requested(self, repository: Repository) -> None:
        self.hold(repository)
        self.done.append(("requested", repository))

    def resume(self, repository: Repository) -> None:
        self.done.append(("resumed", repository))

    def refresh_if_due(self, repository: Repository) -> None:
        self.hold(repository)
        self.done.append(("due", repository))

    def begin_leading(self) -> None:
        self.led += 1

    def end_round(self) -> None:
        self.rounds += 1

    def wait_for(self, *expected: tuple[str, Repository]) -> None:
        wait_until(lambda: set(expected) <= set(self.done), f"{expected}", DEADLINE_SECONDS)


@contextmanager
def running(folder: Path, work: Work) -> Iterator[Schedule]:
    def all_requested() -> Iterable[Repository]:
        return work.requested

    schedule = Schedule(
        folder / "leader.lock",
        refresh_requested=work.refresh_requested,
        resume=work.resume,
        refresh_if_due=work.refresh_if_due,
        requested=all_requested,
        due=lambda: work.due,
        begin_round=lambda: None,
        begin_leading=work.begin_leading,
        end_round=work.end_round,
    )
    schedule.start()
    try:
        yield schedule
    finally:
        schedule.stop()


@pytest.fixture
def work() -> Work:
    return Work()


def test_it_refreshes_what_is_asked_for(tmp_path: Path, work: Work) -> None:
    with running(tmp_path, work) as schedule:
        schedule.refresh_soon(WEB)
        work.wait_for(("requested", WEB))


def test_a_registry_that_hangs_holds_up_no_other(tmp_path: Path, work: Work) -> None:
    free = threading.Event()
    work.hold = lambda repository: free.wait(DEADLINE_SECONDS) if repository.registry == "slow.test" else None
    with running(tmp_path, work) as schedule:
        for number in range(50):
            schedule.refresh_soon(Repository.parse(f"slow.test/image{number}"))
        schedule.refresh_soon(WEB)
        work.wait_for(("requested", WEB))
        assert work.done == [("requested", WEB)]
        free.set()


def test_everything_that_waited_for_a_registry_is_done(tmp_path: Path, work: Work) -> None:
    images = [Repository.parse(f"slow.test/image{number}") for number in range(50)]
    with running(tmp_path, work) as schedule:
        for image in images:
            schedule.refresh_soon(image)
        work.wait_for(*(("requested", image) for image in images))


def test_whoever_begins_to_lead_does_so_once(tmp_path: Path, work: Work) -> None:
    with running(tmp_path, work):
        wait_until(lambda: work.rounds > 1, "two rounds", DEADLINE_SECONDS)
        wait_until(lambda: work.led > 0, "the beginning", DEADLINE_SECONDS)

    assert work.led == 1


def test_a_round_does_what_is_due_and_what_was_left_undone(tmp_path: Path, work: Work) -> None:
    work.due, work.requested = [WEB], [API]
    with running(tmp_path, work):
        work.wait_for(("due", WEB), ("resumed", API))
        wait_until(lambda: work.rounds > 0, "the end of a round", DEADLINE_SECONDS)


class NotDone(list[Repository]):
    """Images that are due until they were looked at."""

    def __init__(self, work: Work, repositories: Iterable[Repository]) -> None:
        super().__init__(repositories)
        self._done = work.done

    def __iter__(self) -> Iterator[Repository]:
        done = {repository for _, repository in self._done}
        return (repository for repository in super().__iter__() if repository not in done)


def images_at(registry: str) -> list[Repository]:
    """Return more images than a schedule takes in hand of one registry."""
    return [Repository(registry, f"team/image{number}") for number in range(5100)]


def test_however_many_images_are_due_all_are_looked_at(tmp_path: Path, work: Work) -> None:
    images = images_at("example.test")
    work.due = NotDone(work, images)
    with running(tmp_path, work):
        wait_until(lambda: {repository for _, repository in work.done} == {*images}, "all", 2 * DEADLINE_SECONDS)


def test_however_many_images_are_due_where_a_registry_hangs_others_are_looked_at(tmp_path: Path, work: Work) -> None:
    free = threading.Event()
    work.hold = lambda repository: free.wait(DEADLINE_SECONDS) if repository.registry == "slow.test" else None
    work.due = NotDone(work, [*images_at("slow.test"), WEB])
    with running(tmp_path, work):
        work.wait_for(("due", WEB))
        assert work.done == [("due", WEB)]
        free.set()


class Unreadable(list[Repository]):
    """A list on a disk that cannot be read."""

    def __iter__(self) -> Iterator[Repository]:
        raise PermissionError(13, "Permission denied", "images.txt")


def test_what_a_round_cannot_read_keeps_it_from_nothing_else(tmp_path: Path, work: Work) -> None:
    work.due, work.requested = [WEB], Unreadable()
    with running(tmp_path, work) as schedule:
        work.wait_for(("due", WEB))
        assert "Permission denied" in str(schedule.troubles)

        work.due = Unreadable()
        wait_until(lambda: work.rounds > 1, "the end of another round", DEADLINE_SECONDS)


def test_only_the_leader_does_what_is_due(tmp_path: Path, work: Work) -> None:
    leading = Work()
    with running(tmp_path, leading):
        wait_until(lambda: leading.rounds > 0, "a leader", DEADLINE_SECONDS)
        work.due = [WEB]
        with running(tmp_path, work) as schedule:
            schedule.refresh_soon(API)
            work.wait_for(("requested", API))
            leading.due = [WEB]
            leading.wait_for(("due", WEB))
        assert ("due", WEB) not in work.done


def test_the_next_process_leads_when_the_leader_stops(tmp_path: Path, work: Work) -> None:
    with running(tmp_path, work):
        wait_until(lambda: work.rounds > 0, "a leader", DEADLINE_SECONDS)

    lease = try_lock(tmp_path / "leader.lock")

    assert lease is not None
    os.close(lease)


def test_a_stopped_schedule_leaves_requests_to_the_disk(tmp_path: Path, work: Work) -> None:
    with running(tmp_path, work) as schedule:
        pass

    schedule.refresh_soon(WEB)

    assert work.done == []


def test_a_job_that_fails_is_followed_by_the_next(tmp_path: Path, work: Work) -> None:
    def fail_for_web(repository: Repository) -> None:
        if repository == WEB:
            raise RuntimeError("broken on purpose")

    work.hold = fail_for_web
    with running(tmp_path, work) as schedule:
        for _ in range(20):
            schedule.refresh_soon(WEB)
        schedule.refresh_soon(API)
        work.wait_for(("requested", API))


def test_the_log_tells_which_process_begins_and_ends_to_lead(
    tmp_path: Path, work: Work, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "microbadger")
    with running(tmp_path, work):
        wait_until(lambda: work.rounds > 0, "a leader", DEADLINE_SECONDS)
        with running(tmp_path, Work()):
            pass

    told = [record.getMessage() for record in caplog.records if record.name.startswith("microbadger")]
    assert told == [f"event=leading pid={os.getpid()}", f"event=leading_ended pid={os.getpid()}"]
