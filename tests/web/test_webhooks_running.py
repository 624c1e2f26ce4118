"""Webhooks of the service as it runs: none is lost, however it dies, and a storm for one image costs two checks."""

import os
import random
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests
from sqlalchemy import func, select
from werkzeug.wrappers import Request

from microbadger.store.database import Database
from microbadger.store.tables import REQUESTS
from tests.fakes.registry import FakeRegistry, image
from tests.real_registry import OCI_MANIFEST, ImageMaker, RunningRegistry, need
from tests.running_service import START_SECONDS, RunningService

IMAGES = 12
SENDERS = 8
WEBHOOKS = 200
STORM = 1000
COMMANDS = 3
FAR_AWAY_SECONDS = 0.02
HELD_BACK_SECONDS = 90.0  # an image whose checks happen to be killed three or four times in a row is left alone
LONGEST_CHECK_SECONDS = 15.0  # a client gives up after 20


class Service(RunningService):
    """A service whose requests for checks can be seen."""

    def is_idle(self) -> bool:
        """Return whether every check that was requested has ended."""
        with Database(f"sqlite:///{self.data}/microbadger.db").read() as connection:
            waiting = select(func.count()).where(REQUESTS.c.follow_ups == 0)
            return connection.execute(waiting).scalar_one() == 0

    def version(self, name: str) -> int:
        """Return which version of an image is published."""
        return int(self.get(f"/v1/images/{name}").json()["Labels"]["version"])


class WatchedRegistry(FakeRegistry):
    """A registry that remembers when it is asked what the only tag names, which every check of an image does once.

    It may go on with the request of a worker that was killed, which is no check any more: its connection is closed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.hold: Callable[[], object] = lambda: None
        self.checks: list[tuple[str, float]] = []
        self.most_at_once = 0
        self._checking: dict[Request, str] = {}
        self._counting = threading.Lock()
        self.always("/manifests/latest", lambda request: self._watch(request) if request.method == "HEAD" else None)

    def name(self, number: int) -> str:
        return f"{self.host}/team/image{number}"

    def put(self, name: str, version: int) -> None:
        """Push a version of an image; it can be told from its layers and its label."""
        layers = range(1, 2 + version % 9)
        self.push(name.partition("/")[2], "latest", image(labels={"version": str(version)}, layers=layers))

    def checks_of(self, name: str) -> list[float]:
        """Return when each check of an image began."""
        return [at for checked, at in self.checks if checked == name]

    def _watch(self, request: Request) -> None:
        name = f"{self.host}/{request.path.removeprefix('/v2/').removesuffix('/manifests/latest')}"
        with self._counting:
            self.checks.append((name, time.monotonic()))
            self._checking[request] = name
            at_once = Counter(checked for each, checked in self._checking.items() if awaits_its_answer(each))
            self.most_at_once = max([self.most_at_once, *at_once.values()])
        try:
            self.hold()
        finally:
            with self._counting:
                del self._checking[request]


def awaits_its_answer(request: Request) -> bool:
    """Return whether the connection of a request is open, as that of a process that was killed is not."""
    connection: socket.socket = request.environ["werkzeug.socket"]
    try:
        return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) != b""
    except BlockingIOError:
        return True
    except ConnectionError:
        return False


@dataclass
class Announcer:
    """Pushes versions of images and posts a webhook for each; remembers what was accepted last of every image."""

    registry: WatchedRegistry
    webhooks: dict[str, str]
    sent: int = 0
    accepted: int = 0
    last_accepted: dict[str, tuple[int, float]] = field(default_factory=dict)
    is_up: threading.Event = field(default_factory=threading.Event)
    _versions: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def announce(self, name: str) -> None:
        with self._lock:
            self._versions[name] += 1
            version, sent_at = self._versions[name], time.monotonic()
            self.registry.put(name, version)
            self.sent += 1
        try:
            requests.post(self.webhooks[name], timeout=START_SECONDS).raise_for_status()
        except requests.RequestException:
            self.is_up.wait(START_SECONDS)
            return
        with self._lock:
            self.accepted += 1
            self.last_accepted[name] = max((version, sent_at), self.last_accepted.get(name, (0, 0.0)))


Crash = Callable[[Service, Announcer, random.Random], None]


def crash_of_all(service: Service, announcer: Announcer, _: random.Random) -> None:
    announcer.is_up.clear()
    service.kill()
    service.start()
    announcer.is_up.set()


def crash_of_a_worker(service: Service, announcer: Announcer, dice: random.Random) -> None:
    """Kill one worker, and at last all, so that what they had begun is left to those that gunicorn starts anew."""
    service.wait(lambda: bool(service.workers), "a worker")
    workers = service.workers
    for worker in [dice.choice(workers)] if announcer.sent < WEBHOOKS else workers:
        with suppress(ProcessLookupError):  # it died of the kill before, and gunicorn had not yet heard of that
            os.kill(worker, signal.SIGKILL)


@pytest.fixture
def registry() -> Iterator[WatchedRegistry]:
    with WatchedRegistry() as registry:
        yield registry


def webhooks_of(service: Service, names: Sequence[str]) -> dict[str, str]:
    """Return the webhook of each image, once the first check of each has ended."""
    service.wait(lambda: len(service.lines("event=refreshed image")) == len(names), "every image was read")
    return {name: str(service.wait_for_image(name)["WebhookURL"]) for name in names}


@pytest.mark.parametrize(
    ("workers", "crash", "times"),
    [("1", crash_of_all, 4), ("3", crash_of_all, 4), ("3", crash_of_a_worker, 12)],
    ids=["one worker, killed", "three workers, killed", "three workers, each killed alone"],
)
def test_every_accepted_webhook_leads_to_a_check_after_it_whatever_is_killed(
    tmp_path: Path, registry: WatchedRegistry, workers: str, crash: Crash, times: int
) -> None:
    names, quiet = [registry.name(number) for number in range(IMAGES)], registry.name(IMAGES)
    for name in (*names, quiet):
        registry.put(name, 0)
    dice = random.Random(times)
    with Service(tmp_path, [*names, quiet], "--workers", workers) as service, ThreadPoolExecutor(SENDERS) as senders:
        announcer = Announcer(registry, webhooks_of(service, [*names, quiet]))
        announcer.is_up.set()
        registry.hold = lambda: time.sleep(FAR_AWAY_SECONDS)
        sending = [senders.submit(announcer.announce, dice.choice(names)) for _ in range(WEBHOOKS)]
        for moment in [*sorted(dice.sample(range(SENDERS, WEBHOOKS), times - 1)), WEBHOOKS]:
            service.wait(lambda moment=moment: announcer.sent >= moment, f"{moment} webhooks")  # type: ignore[misc]
            crash(service, announcer, dice)
        for each in sending:
            each.result(START_SECONDS)
        service.wait(service.is_idle, "nothing is left to do", HELD_BACK_SECONDS)

        lasts = announcer.last_accepted
        assert announcer.accepted > WEBHOOKS // 2
        assert {name: service.version(name) >= lasts[name][0] for name in names} == dict.fromkeys(names, True)
        assert {name: registry.checks_of(name)[-1] > lasts[name][1] for name in names} == dict.fromkeys(names, True)
        assert len(registry.checks_of(quiet)) == 1  # no start checks what nobody announced
        assert registry.most_at_once == 1


def test_a_webhook_outlives_all_processes_that_are_killed_right_after_its_answer(
    tmp_path: Path, registry: WatchedRegistry
) -> None:
    name, killed = registry.name(0), threading.Event()
    registry.put(name, 0)
    with Service(tmp_path, [name], "--workers", "2") as service:
        webhook = webhooks_of(service, [name])[name]
        registry.put(name, 1)
        registry.hold = lambda: killed.wait(LONGEST_CHECK_SECONDS)  # so that no check ends before

        answer = requests.post(webhook, timeout=START_SECONDS)
        service.kill()
        killed.set()
        service.start()

        service.wait(lambda: service.version(name) == 1, "a check after the restart")
        assert answer.text == "OK"


def test_a_storm_for_one_image_costs_two_checks_and_holds_up_no_other(
    tmp_path: Path, registry: WatchedRegistry
) -> None:
    free, given_up = threading.Event(), list[float]()

    def hold() -> None:
        if not free.wait(LONGEST_CHECK_SECONDS):  # on a busy machine: that check ends, and another one begins
            given_up.append(time.monotonic())

    with WatchedRegistry() as other:
        slow, quick = registry.name(0), [other.name(number) for number in range(IMAGES)]
        registry.put(slow, 0)
        for name in quick:
            other.put(name, 0)
        with Service(tmp_path, [slow, *quick], "--workers", "3") as service, ThreadPoolExecutor(SENDERS) as senders:
            webhooks = webhooks_of(service, [slow, *quick])
            registry.checks.clear()
            registry.put(slow, 1)
            registry.hold = hold

            def post(name: str) -> str:
                return requests.post(webhooks[name], timeout=START_SECONDS).text

            try:
                answers = list(senders.map(post, [slow] * STORM))
                for name in quick:
                    other.put(name, 1)
                    post(name)
                for name in quick:
                    service.wait_for_badge(f"layers/{name}", "layers: 2")

                assert Counter(answers) == {"OK": STORM}
                assert 1 <= len(registry.checks) <= 1 + len(given_up)
            finally:
                free.set()
            service.wait(service.is_idle, "nothing is left to do")
            assert service.badge(f"layers/{slow}") == "layers: 2"
            assert 2 <= len(registry.checks) <= 2 + len(given_up)


def test_the_command_line_and_the_workers_check_one_after_the_other(
    tmp_path: Path, registry: WatchedRegistry
) -> None:
    name = registry.name(0)
    registry.put(name, 0)
    with Service(tmp_path, [name], "--workers", "3") as service, ThreadPoolExecutor(SENDERS) as pool:
        announcer = Announcer(registry, webhooks_of(service, [name]))
        registry.hold = lambda: time.sleep(FAR_AWAY_SECONDS)
        commands = [pool.submit(service.command, "refresh", name) for _ in range(COMMANDS)]
        while announcer.sent < STORM and not all(command.done() for command in commands):
            announcer.announce(name)
        service.wait(service.is_idle, "nothing is left to do")

        assert [command.result().returncode for command in commands] == [0] * COMMANDS
        assert registry.most_at_once == 1
        assert service.version(name) == announcer.accepted


@pytest.fixture
def sender(tmp_path: Path) -> Iterator[tuple[RunningRegistry, Service]]:
    """A registry whose notifications go to the webhook for all images of a service that is not running."""
    need("docker-registry")
    service = Service(tmp_path / "service")
    with RunningRegistry(tmp_path / "registry", notify=service.command("webhook").stdout.strip()) as registry:
        yield registry, service


def test_a_registry_sends_again_what_it_pushed_while_the_service_was_down(
    sender: tuple[RunningRegistry, Service], image_maker: ImageMaker
) -> None:
    registry, service = sender
    name = f"{registry.host}/team/web"
    service.environment["MICROBADGER_IMAGES"] = name
    image_maker.push(image_maker.make([{"a": b"1"}]), f"{name}:latest")
    assert service.command("refresh", name).returncode == 0
    image_maker.push(image_maker.make([{"a": b"1"}, {"b": b"2"}]), f"{name}:latest")

    with service:
        service.wait_for_badge(f"layers/{name}", "layers: 2")
        service.wait(lambda: len(service.lines("event=refreshed image")) > 0, "the check has ended")
        log = service.log.read_text()
        assert log.index("event=hook sender=distribution") < log.index("event=refreshed image")  # it was not due


def test_the_many_notifications_of_one_push_lead_to_few_checks(
    sender: tuple[RunningRegistry, Service], image_maker: ImageMaker
) -> None:
    registry, service = sender
    name = f"{registry.host}/team/web"
    service.environment["MICROBADGER_IMAGES"] = name
    images = [image_maker.make([{"a": b"1"}, {"b": b"2"}], architecture=arch) for arch in ("amd64", "arm64", "s390x")]
    image_maker.push(images[0], f"{name}:latest")
    with service:
        service.wait_for_image(name)
        service.wait(lambda: len(service.lines("event=hook", f"{name}:latest")) == 1, "the first push is announced")
        service.wait(service.is_idle, "nothing is left to do")
        registry.forget_requests()
        image_maker.push_index(images, f"{name}:latest", attested=True)
        pushed = registry.requests()
        service.wait_for_badge(f"platforms/{name}", "platforms: linux/amd64, arm64, s390x")
        service.wait(lambda: len(service.lines("event=hook", f"{name}:latest")) == 2, "the second push is announced")
        service.wait(service.is_idle, "nothing is left to do")

        checks = [path for _, path in registry.requests() if "/tags/list" in path]
        manifests = [path for method, path in pushed if method == "PUT" and "/manifests/" in path]
        assert len(pushed) > 2 * len(manifests)
        assert 1 <= len(checks) <= len(manifests) + 1  # one more if the last was announced before the tag moved


def test_a_push_that_is_announced_before_its_tag_moves_is_seen_soon(tmp_path: Path, registry: WatchedRegistry) -> None:
    name = registry.name(0)
    registry.put(name, 0)
    target = {"mediaType": OCI_MANIFEST, "repository": "team/image0", "tag": "latest"}
    event = {"action": "push", "target": target, "request": {"host": registry.host}}
    with Service(tmp_path, [name]) as service:
        webhook = webhooks_of(service, [name])[name]
        requests.post(webhook, json={"events": [event]}, timeout=START_SECONDS)
        service.wait(lambda: len(registry.checks) == 2 and service.is_idle(), "a check that sees nothing")

        registry.put(name, 1)

        service.wait_for_badge(f"layers/{name}", "layers: 2")
