"""What several machines have in common: one PostgreSQL, one bucket, a network to each, and a registry."""

import itertools
import random
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit, urlunsplit

import psycopg
import requests

from tests.endurance.world import TAGS, MovingImage, Origin, revision_of
from tests.fakes.wire import Wire
from tests.object_stores import BUCKET, ObjectStore, environment_of
from tests.postgresql import PostgresqlServer
from tests.real_registry import wait_until
from tests.running_service import RunningService

ACCEPT_SECONDS = 60.0
"""How long a sender goes on posting a webhook that no machine accepts."""
_POST_SECONDS = 5.0
_FIRST_SECONDS = 240.0
_QUIET_SECONDS = 20.0
_REGISTRIES = 12
_AT_A_TIME = 3  # an image that is posted on and on is checked ever more rarely
_HOURS = "24"  # only webhooks lead to checks: a lost one is not made up for


@dataclass
class Machine:
    """A service with a data folder of its own, and its network."""

    service: RunningService
    to_database: Wire


@dataclass
class Sent:
    """What senders of webhooks have seen."""

    accepted: int = 0
    refused: int = 0
    unanswered: int = 0
    seconds: list[float] = field(default_factory=list)
    """How long each 200 took."""
    accepted_at: dict[str, float] = field(default_factory=dict)
    """When the last webhook of each image was sent that was accepted, by its path."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, moving: MovingImage, status: int, sent_at: float, seconds: float) -> None:
        """Note an answer."""
        with self.lock:
            if status == 200:
                self.accepted += 1
                self.seconds.append(seconds)
                self.accepted_at[moving.path] = max(self.accepted_at.get(moving.path, 0.0), sent_at)
            elif status:
                self.refused += 1
            else:
                self.unanswered += 1


class Cluster:
    """Machines over one database and one bucket; `violations` is what must not be."""

    def __init__(
        self, folder: Path, server: PostgresqlServer, store: ObjectStore, *, count: int, image_count: int
    ) -> None:
        self.server = server
        self.store = store
        self.origins = [Origin() for _ in range(_REGISTRIES)]
        self.images = [
            MovingImage(self.origins[number % _REGISTRIES], f"team/image{number}") for number in range(image_count)
        ]
        self._turns = itertools.cycle(self.images)
        self._posted: list[MovingImage] = []
        self.address = store.address()
        self.database_url = server.new_database()
        self.sent = Sent()
        self.kills = self.stalls = self.cuts = 0
        self.violations: list[str] = []
        self.began_at = time.time()
        self.may_push = threading.Event()
        self.is_over = threading.Event()
        self._busy = 0
        self._pushed: dict[str, int] = {}
        """The revisions that badges are to show, by their paths."""
        self._stack = ExitStack()
        self.to_bucket = Wire(int(store.url.rpartition(":")[2]))
        self.machines = [self._machine(folder / f"machine{number}") for number in range(count)]

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._start(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self.is_over.set()
        self._stack.close()

    def _start(self, stack: ExitStack) -> None:
        """Start everything, and return once every image was read and every badge was requested."""
        for origin in self.origins:
            stack.enter_context(origin.registry)
            stack.enter_context(origin.line)
        stack.enter_context(self.to_bucket)
        for moving in self.images:
            for tag in TAGS:
                moving.push(tag)
        for machine in self.machines:
            stack.enter_context(machine.to_database)
            stack.callback(_end, machine.service)
            machine.service.start()
        first = self.machines[0].service
        first.wait(self._is_read, "a check of each image", _FIRST_SECONDS)
        for moving in self.images:
            moving.webhook = urlsplit(first.webhook(moving.name)).path
            for tag in TAGS:
                first.badge(f"commit/{moving.name}:{tag}")  # it is kept current from then on

    @property
    def services(self) -> list[RunningService]:
        return [machine.service for machine in self.machines]

    def place(self, folder: Path) -> RunningService:
        """Return a place without a service, from which commands are typed."""
        return self._with_settings(RunningService(folder), self.database_url)

    def violate(self, sentence: str) -> None:
        """Note what must not be."""
        self.violations.append(sentence)
        print(f"{time.time() - self.began_at:7.1f} s VIOLATION: {sentence}", flush=True)

    def send(self, dice: random.Random) -> None:
        """Move tags and announce each until a machine accepts it, whenever that is wanted, until it is over."""
        while not self.is_over.wait(dice.uniform(0.01, 0.15)):
            with self._pushing() as may:
                if may:
                    moving, tag = dice.choice(self._posted), dice.choice(TAGS)
                    moving.push(tag)
                    self._note_pushed(moving, tag)
                    self._announce(moving, dice)

    def _note_pushed(self, moving: MovingImage, tag: str) -> None:
        with self.sent.lock:
            self._pushed[f"badges/commit/{moving.name}:{tag}.svg"] = moving.pushed[tag]

    @contextmanager
    def _pushing(self) -> Iterator[bool]:
        with self.sent.lock:
            may = self.may_push.is_set()
            self._busy += may
        try:
            yield may
        finally:
            with self.sent.lock:
                self._busy -= may

    def quiet(self) -> None:
        """Return once no sender has anything left to announce."""
        with self.sent.lock:
            self.may_push.clear()
        wait_until(lambda: self._busy == 0, "all that was pushed is announced", ACCEPT_SECONDS + _QUIET_SECONDS)

    def _announce(self, moving: MovingImage, dice: random.Random) -> None:
        deadline = time.monotonic() + ACCEPT_SECONDS
        while time.monotonic() < deadline:
            sent_at, began_at = time.time(), time.monotonic()
            try:
                url = f"{dice.choice(self.services).url}{moving.webhook}"
                status = requests.post(url, timeout=_POST_SECONDS).status_code
            except requests.RequestException:
                status = 0
            self.sent.note(moving, status, sent_at, time.monotonic() - began_at)
            if status == 200:
                return
            if status not in (0, 503):
                self.violate(f"a webhook was answered {status}")
            time.sleep(0.1)
        self.violate(f"no machine accepted a webhook for {ACCEPT_SECONDS:.0f} s")

    def lost(self) -> list[str]:
        """Return the images of which no check has begun since a webhook was accepted."""
        checks = {path: began_at for origin in self.origins for path, began_at in origin.registry.checks.items()}
        return [path for path, sent_at in self.sent.accepted_at.items() if checks.get(path, 0.0) < sent_at]

    def stale(self) -> list[str]:
        """Return the badges in the bucket, of tags that were pushed since the last time, that do not show it yet."""
        return [path for path, revision in self._pushed.items() if self._in_bucket(path) != revision]

    def _is_read(self) -> bool:
        health = self.machines[0].service.get("/healthz").json()
        return {health.get(state) for state in ("Pending", "Failing", "Due")} == {0}

    def turn_to_others(self) -> None:
        """Let tags of other images move from now on, and begin anew to note which did."""
        self._posted = [next(self._turns) for _ in range(_AT_A_TIME)]
        self._pushed.clear()

    def differences(self) -> list[str]:
        """Return what is not the same on each machine and in the bucket, or does not show the last push."""
        different = []
        for moving in self.images:
            badges = {f"badges/commit/{moving.name}:{tag}.svg": moving.pushed[tag] for tag in TAGS}
            for path in [*badges, f"badges/layers/{moving.name}.svg", f"v1/images/{moving.name}.json"]:
                contents = [service.get(f"/{path}").content for service in self.services]
                if {*contents} != {self.content_in_bucket(path)}:
                    different.append(f"{path} differs")
                if path in badges and revision_of(contents[0]) != badges[path]:
                    different.append(f"{path} shows {revision_of(contents[0])}, not {badges[path]}")
        return different

    def etags(self) -> dict[str, str]:
        """Return what is in the bucket now."""
        pages = self.store.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=self.address.prefix)
        return {item["Key"]: item["ETag"] for page in pages for item in page.get("Contents", [])}

    def content_in_bucket(self, path: str) -> bytes:
        """Return an object of the bucket; empty if there is none."""
        try:
            key = f"{self.address.prefix}/{path}"
            content: bytes = self.store.client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        except self.store.client.exceptions.NoSuchKey:
            return b""
        return content

    def expire(self, holders: Sequence[int]) -> None:
        """Let the leases and claims of processes expire, as if more than their time had passed."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            for pid in holders:
                pattern = f"% {pid}/%"
                connection.execute("UPDATE leases SET expires_at = 0 WHERE holder LIKE %s", [pattern])
                connection.execute("UPDATE claims SET until = 0 WHERE holder LIKE %s", [pattern])

    def _in_bucket(self, path: str) -> int:
        content = self.content_in_bucket(path)
        return revision_of(content) if content else -1

    def _machine(self, folder: Path) -> Machine:
        to_database = Wire(self.server.port)
        service = RunningService(folder, (), "--workers", "2", refresh_hours=_HOURS)
        return Machine(self._with_settings(service, _through(self.database_url, to_database)), to_database)

    def _with_settings(self, service: RunningService, database_url: str) -> RunningService:
        service.environment |= environment_of(self.address)
        service.environment |= {
            "DATABASE_URL": database_url,
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.to_bucket.port}",
            "MICROBADGER_BASE_URL": "https://badges.test",
            "MICROBADGER_IMAGES": " ".join(moving.name for moving in self.images),
        }
        return service


def _through(url: str, wire: Wire) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{parts.username}@127.0.0.1:{wire.port}"))


def _end(service: RunningService) -> None:
    if service.is_running:
        service.kill()
