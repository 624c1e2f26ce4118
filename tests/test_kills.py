"""Processes that are killed at any moment: no accepted webhook is lost, no file is half, no lease is stuck."""

import json
import os
import random
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families
from werkzeug.wrappers import Request

from tests.fakes.registry import FakeRegistry, image
from tests.running_service import WAIT_SECONDS, RunningService, badge_text

REVISION = "org.opencontainers.image.revision"
WORKERS: list[tuple[str, ...]] = [(), ("--workers", "4"), ("--workers", "4", "--preload")]
KILLS = 4
IMAGES = 3


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with FakeRegistry() as fake:
        yield fake


def rows(service: RunningService, statement: str, *parameters: object) -> list[tuple[object, ...]]:
    """Run a statement in the database of a service, as another program might, and return the rows it gives."""
    with closing(sqlite3.connect(service.data / "microbadger.db", timeout=10)) as connection, connection:
        return connection.execute(statement, parameters).fetchall()


def leader_of(service: RunningService) -> int | None:
    """Return the process id that holds the lease of the leader, or None where nobody does."""
    holders = rows(service, "SELECT holder FROM leases WHERE name = 'leader' AND expires_at > 0")
    return int(str(holders[0][0]).split()[1].partition("/")[0]) if holders else None


def hang(fake: FakeRegistry, until: threading.Event) -> None:
    """Let the registry answer no question for tags before an event."""

    def wait(_: Request) -> None:
        until.wait(WAIT_SECONDS)

    fake.always("/tags/", wait)


class Pushes:
    """Moves tags and posts webhooks until it is over, and remembers the last push of each image that was accepted."""

    def __init__(self, service: RunningService, fake: FakeRegistry, count: int) -> None:
        self._service = service
        self._fake = fake
        self.paths = [f"team/image{number}" for number in range(count)]
        self.names = [f"{fake.host}/{path}" for path in self.paths]
        self.pushed = dict.fromkeys(self.paths, 0)
        self.accepted = dict.fromkeys(self.paths, 0)
        self.webhooks: dict[str, str] = {}
        self.is_over = threading.Event()
        for path in self.paths:
            self.push(path)

    def push(self, path: str) -> int:
        """Move the tag of an image, and return its revision."""
        self.pushed[path] += 1
        revision = self.pushed[path]
        pushed = image(labels={REVISION: f"{revision:07}"}, layers=range(1, 2 + revision % 9))
        self._fake.push(path, "latest", pushed)
        return revision

    def run(self, path: str) -> None:
        """Move the tag of one image again and again."""
        with requests.Session() as session:
            while not self.is_over.wait(0.02):
                revision = self.push(path)
                try:
                    answer = session.post(self.webhooks[path], timeout=WAIT_SECONDS)
                except requests.RequestException:
                    continue
                if answer.text == "OK":
                    self.accepted[path] = revision

    def shown(self, path: str) -> int:
        """Return the revision that the badge of an image shows, as it stands on the disk."""
        svg = (self._service.public / f"badges/commit/{self._fake.host}/{path}.svg").read_bytes()
        return int(badge_text(svg).removeprefix("commit: "))

    @property
    def are_shown(self) -> bool:
        return all(self.shown(path) >= self.accepted[path] for path in self.paths)


def kill(service: RunningService, dice: random.Random) -> None:
    """Kill a worker or, more rarely, everything, and return once the service answers again."""
    if dice.random() < 0.3:
        service.kill()
        service.start()
        return
    os.kill(dice.choice(service.workers), signal.SIGKILL)


def broken_files(public: Path) -> list[Path]:
    """Return the public files that are not whole; what was being written when its writer was killed is not public."""
    files = (file for file in public.rglob("*") if file.is_file() and not file.name.startswith(".new-"))
    return [file for file in files if not is_whole(file)]


def is_whole(file: Path) -> bool:
    content = file.read_bytes()
    try:
        if file.suffix in (".svg", ".xml"):
            ET.fromstring(content)
        elif file.suffix == ".json":
            json.loads(content)
    except (ValueError, ET.ParseError):
        return False
    return bool(content)


def stuck_leases(service: RunningService) -> list[tuple[object, ...]]:
    """Return the leases of work that is done, beside those of duties, which go on."""
    is_other = "expires_at > 0 AND name != 'leader' AND name NOT LIKE 'duty:%'"
    return rows(service, f"SELECT name, holder FROM leases WHERE {is_other}")


@pytest.mark.parametrize("options", WORKERS, ids=lambda options: " ".join(options) or "one worker")
def test_kills_at_any_moment_lose_no_webhook_and_leave_no_half_file_and_no_lease(
    tmp_path: Path, fake: FakeRegistry, options: Sequence[str]
) -> None:
    dice = random.Random(20)
    service = RunningService(tmp_path, [], *options)
    pushes = Pushes(service, fake, IMAGES)
    service.environment["MICROBADGER_IMAGES"] = " ".join(pushes.names)
    with service, ThreadPoolExecutor(IMAGES) as pool:
        pushes.webhooks = dict(zip(pushes.paths, map(service.webhook, pushes.names), strict=True))
        pushing = [pool.submit(pushes.run, path) for path in pushes.paths]
        try:
            for _ in range(KILLS):
                pushes.is_over.wait(dice.uniform(0.2, 0.8))  # the moment is drawn by lot
                kill(service, dice)
        finally:
            pushes.is_over.set()
        for each in pushing:
            each.result()

        service.wait(lambda: pushes.are_shown, f"{pushes.accepted} are shown", WAIT_SECONDS)
        assert min(pushes.accepted.values()) > 1
        service.wait(lambda: not rows(service, "SELECT * FROM requests"), "no request waits")
        service.wait(lambda: not stuck_leases(service), "no lease is held")
        assert broken_files(service.public) == []
        assert service.lines("Traceback") == []
        for path, name in zip(pushes.paths, pushes.names, strict=True):
            revision = pushes.push(path)
            assert service.push(name, wait_seconds=WAIT_SECONDS).json()["Result"] == "fresh"
            assert pushes.shown(path) == revision


def test_another_worker_leads_before_the_lease_of_a_dead_leader_expires(tmp_path: Path, fake: FakeRegistry) -> None:
    fake.push("team/web", "latest", image(layers=[1]))
    with RunningService(tmp_path, [], "--workers", "2") as service:
        service.wait(lambda: leader_of(service) in service.workers, "one leads")
        first = leader_of(service)
        assert first

        os.kill(first, signal.SIGKILL)
        ((expires_at,),) = rows(service, "SELECT expires_at FROM leases WHERE name = 'leader'")
        service.wait(lambda: leader_of(service) not in (first, None), "another one leads")

        assert time.time() < float(str(expires_at))
        (service.data / "images.txt").write_text(f"{fake.host}/team/web\n")
        service.wait_for_badge(f"layers/{fake.host}/team/web", "layers: 1")


def test_what_is_due_is_checked_though_a_clock_was_years_ahead_when_leases_and_times_were_set(
    tmp_path: Path, fake: FakeRegistry
) -> None:
    name = f"{fake.host}/team/web"
    fake.push("team/web", "latest", image(layers=[1]))
    service = RunningService(tmp_path, [name])
    with service:
        service.wait_for_image(name)
    later = time.time() + 10 * 365 * 86400
    rows(service, "UPDATE checks SET due_at = ?, began_at = ?, ended_at = ?", later, later, later)
    for lease in ("leader", "lists", f"image:{name}"):
        rows(service, "INSERT OR REPLACE INTO leases VALUES (?, 1, 'another-machine 1/1', ?)", lease, later)
    fake.push("team/web", "latest", image(layers=[1, 2]))

    with service:
        service.wait_for_badge(f"layers/{name}", "layers: 2")
        fake.push("team/web", "latest", image(layers=[1, 2, 3]))
        assert service.push(name, wait_seconds=WAIT_SECONDS).json()["Result"] == "fresh"


def test_a_worker_that_lost_its_lease_publishes_nothing(tmp_path: Path, fake: FakeRegistry) -> None:
    name = f"{fake.host}/team/web"
    fake.push("team/web", "latest", image(layers=[1]))
    hold, is_held = threading.Event(), threading.Event()
    with RunningService(tmp_path, [name]) as service:
        service.wait_for_image(name)
        old = fake.push("team/web", "latest", image(layers=[1, 2]))

        def hang_once(request: Request) -> None:
            if request.path.endswith(old) and not is_held.is_set():
                is_held.set()
                hold.wait(WAIT_SECONDS)

        fake.always("/manifests/", hang_once)
        try:
            service.push(name)
            assert is_held.wait(WAIT_SECONDS)
            fake.push("team/web", "latest", image(layers=[1, 2, 3]))
            rows(service, "UPDATE leases SET expires_at = ? WHERE name LIKE 'image:%'", time.time() - 1)
            assert service.command("refresh", name).returncode == 0
            assert service.badge(f"layers/{name}") == "layers: 3"
        finally:
            hold.set()
        service.wait(lambda: bool(service.lines("event=lease_lost")), "it gives way")

        service.wait(lambda: not stuck_leases(service), "it is done")
        assert service.badge(f"layers/{name}") == "layers: 3"
        assert fake.asked("GET", old) == 1


def test_workers_that_are_killed_amid_checks_lose_nothing(tmp_path: Path, fake: FakeRegistry) -> None:
    hold = threading.Event()
    service = RunningService(tmp_path, [], "--workers", "4", "--preload")
    pushes = Pushes(service, fake, 4)
    service.environment["MICROBADGER_IMAGES"] = " ".join(pushes.names)
    with service:
        for name in pushes.names:
            service.wait_for_image(name)
        hang(fake, hold)
        for path, name in zip(pushes.paths, pushes.names, strict=True):
            pushes.accepted[path] = pushes.push(path)
            assert service.push(name).text == "OK"
        service.wait(lambda: fake.asked("GET", "/tags/list") > len(pushes.paths), "a check has begun")

        for pid in service.workers:
            os.kill(pid, signal.SIGKILL)
        hold.set()

        service.wait(lambda: pushes.are_shown, "all are done", WAIT_SECONDS)


def test_what_a_killed_worker_counted_is_counted_by_those_that_live(tmp_path: Path, fake: FakeRegistry) -> None:
    name = f"{fake.host}/team/web"
    fake.push("team/web", "latest", image())

    def accepted() -> float:
        families = text_string_to_metric_families(service.get("/metrics").text)
        return sum(sample.value for each in families for sample in each.samples if "webhooks_total" in sample.name)

    with RunningService(tmp_path, [name], "--workers", "2") as service:
        for _ in range(5):
            service.push(name)
        service.wait(lambda: accepted() == 5, "every worker has written what it counted")

        killed = set(service.workers)
        for pid in killed:
            os.kill(pid, signal.SIGKILL)

        service.wait(lambda: not killed & set(service.workers), "other workers")
        assert accepted() == 5
