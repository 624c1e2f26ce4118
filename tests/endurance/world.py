"""What is around the service while it endures: registries where tags move all the time, and what is known of them."""

import random
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import requests
from werkzeug.wrappers import Request, Response

from tests.fakes.proxy import FaultyProxy, whole
from tests.fakes.registry import FakeRegistry, Handler, image
from tests.running_service import START_SECONDS, RunningService, badge_text

TAGS = ("latest", "1.0", "1.1-ma")
REVISION = "org.opencontainers.image.revision"
_LARGEST_LAYERS = 9

Row = tuple[object, ...]


class _Forgotten(list[Request]):
    """Keeps none of the requests, of which there are too many."""

    def append(self, _: Request) -> None:
        """Keep nothing."""


class MovingRegistry(FakeRegistry):
    """A registry that notes when checks begin, and can be in trouble."""

    def __init__(self) -> None:
        super().__init__()
        self.requests = _Forgotten()
        self.trouble: Handler = lambda _: None
        self.checks: dict[str, float] = {}
        """When the last check of each image began."""
        self.always("/tags/list", self._note)
        self.always("/", lambda request: self.trouble(request))

    def _note(self, request: Request) -> Response | None:
        self.checks[request.path.removeprefix("/v2/").removesuffix("/tags/list")] = time.time()
        return None


class Line(FaultyProxy):
    """The way to a registry, which can be down."""

    is_down = False

    def _pass_on(self, connection: socket.socket) -> None:
        if not self.is_down:
            super()._pass_on(connection)


class Origin:
    """A registry and the way to it."""

    def __init__(self) -> None:
        self.registry = MovingRegistry()
        self.line = Line(int(self.registry.host.rpartition(":")[2]))

    def heal(self) -> None:
        """Let everything be as it should."""
        self.line.is_down = False
        self.registry.trouble = lambda _: None
        self.line.spoil(whole)


@dataclass
class MovingImage:
    """An image whose tags move; the revision of each says how often it has."""

    origin: Origin
    path: str
    pushed: dict[str, int] = field(default_factory=dict)
    accepted_at: float = 0.0
    """When the last webhook was posted that was accepted."""
    webhook: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def name(self) -> str:
        return f"{self.origin.line.host}/{self.path}"

    def push(self, tag: str) -> None:
        """Move a tag to an image that never was."""
        with self._lock:
            revision = self.pushed.get(tag, 0) + 1
            self.pushed[tag] = revision  # first: no reader is to see a revision that is not known yet
            layers = range(1, 2 + revision % _LARGEST_LAYERS)
            labels = {REVISION: f"{revision:07}", "name": f"{self.name}:{tag}"}
            self.origin.registry.push(self.path, tag, image(labels=labels, layers=layers))


class World:
    """Two registries, the images in them, and a service that tracks these; `violations` is what must not be."""

    def __init__(self, folder: Path, image_count: int, *, interval_seconds: float) -> None:
        self.origins = [Origin(), Origin()]
        self.images = [MovingImage(self.origins[n % 2], f"team/image{n}") for n in range(image_count)]
        self.extra = MovingImage(self.origins[0], "team/extra")
        self.interval_seconds = interval_seconds
        self.is_over = threading.Event()
        self.is_up = threading.Event()
        self.is_disturbed = False
        """Whether connections may break, because processes are being killed or stopped."""
        self.is_refusing = False
        """Whether what is answered from the database may be refused, because that cannot be used."""
        self.is_emptied = False
        """Whether files may be missing in ``public/`` until they are requested."""
        self.spoilt: set[str] = set()
        """Public files that were damaged on purpose."""
        self.violations: list[str] = []
        self.kills = 0
        self.starts = 0
        self.stops: list[float] = []
        """How many seconds each took."""
        self.webhooks = {"accepted": 0, "refused": 0, "lost": 0}
        self.began_at = time.time()
        self.service = RunningService(folder / "disk", refresh_hours=str(interval_seconds / 3600))
        self.service.log = folder / "service.log"
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        for origin in self.origins:
            self._stack.enter_context(origin.registry)
            self._stack.enter_context(origin.line)
        for moving in [*self.images, self.extra]:
            for tag in TAGS:
                moving.push(tag)
        return self

    def __exit__(self, *_: object) -> None:
        self.is_over.set()
        self._stack.close()

    @property
    def data(self) -> Path:
        return self.service.data

    @property
    def public(self) -> Path:
        return self.service.public

    @property
    def database(self) -> Path:
        return self.data / "microbadger.db"

    def write_list(self) -> None:
        """Write which images are tracked, as an operator does."""
        (self.data / "images.txt").write_text("".join(f"{moving.name}\n" for moving in self.images))

    def violate(self, sentence: str) -> None:
        """Note what must not be."""
        if sentence not in self.violations:
            self.violations.append(sentence)
            print(f"{time.time() - self.began_at:7.1f} s VIOLATION: {sentence}", flush=True)

    def rows(self, statement: str, *parameters: object) -> list[Row]:
        """Return what a statement finds in the database; nothing where it cannot be read."""
        try:
            with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as connection:
                return connection.execute(statement, parameters).fetchall()
        except sqlite3.Error:
            return []

    def alter(self, statement: str, *parameters: object) -> None:
        """Run a statement in the database, as another program might."""
        with closing(sqlite3.connect(self.database, timeout=20)) as connection, connection:
            connection.execute(statement, parameters)

    def checks_began_at(self) -> dict[str, float]:
        """Return when the last check of each image began by its path, as a registry saw it or the database has it."""
        found = self.rows("SELECT image, began_at FROM checks WHERE began_at IS NOT NULL")
        recorded = {str(image): float(str(began_at)) for image, began_at in found}
        return {
            moving.path: max(moving.origin.registry.checks.get(moving.path, 0.0), recorded.get(moving.name, 0.0))
            for moving in self.images
        }

    def checks_under_way(self) -> set[Row]:
        """Return the leases that checks hold now."""
        return set(self.rows("SELECT name, fence FROM leases WHERE name LIKE 'image:%' AND expires_at > 0"))

    def published(self, moving: MovingImage, tag: str) -> int:
        """Return the revision that the badge of a tag shows; 0 where there is none."""
        path = f"badges/commit/{moving.name}:{tag}.svg"
        try:
            return revision_of((self.public / path).read_bytes())
        except OSError:  # it is made when it is requested
            return self._requested(path)

    def _requested(self, path: str) -> int:
        try:
            return revision_of(self.service.get(f"/{path}").content)
        except (requests.RequestException, ValueError):
            return 0

    def health(self) -> dict[str, object]:
        """Return what /healthz says; nothing while nobody answers, or it cannot be known."""
        try:
            answer: dict[str, object] = self.service.get("/healthz").json()
        except requests.RequestException:
            return {}
        return answer

    def failing(self) -> dict[str, str]:
        """Return what /healthz says is wrong, by image."""
        health: dict[str, list[dict[str, str]]] = self.health()  # type: ignore[assignment]
        notes = {noted["ImageName"]: noted["Note"] for noted in health.get("Notes", [])}
        return notes | {failure["ImageName"]: failure["Error"] for failure in health.get("Failures", [])}

    def paths(self, images: Sequence[MovingImage]) -> Iterator[Path]:
        """Yield the public files of images."""
        for moving in images:
            name = moving.name
            patterns = [f"badges/*/{name}.*", f"badges/*/{name}:*", f"v1/images/{name}.json", f"v1/images/{name}/*/*"]
            for pattern in [*patterns, f"images/{name}/index.html", f"images/{name}:*/*", f"images/{name}/-/*"]:
                yield from self.public.glob(pattern)

    def take_webhooks(self) -> None:
        """Learn the webhook of every image, once each was read."""
        for moving in self.images:
            moving.webhook = urlsplit(self.service.webhook(moving.name)).path

    def send(self, dice: random.Random) -> None:
        """Move tags and announce most of it, until it is over."""
        while not self.is_over.wait(dice.uniform(0.05, 0.4)):
            moving = dice.choice(self.images)
            moving.push(dice.choice(TAGS))
            if dice.random() < 0.7:  # the others are seen when they are due
                self.announce(moving)

    def announce(self, moving: MovingImage) -> None:
        """Post the webhook of an image and remember whether it was accepted."""
        sent_at = time.time()
        try:
            answer = requests.post(f"{self.service.url}{moving.webhook}", timeout=START_SECONDS)
        except requests.RequestException:
            self.is_up.wait(START_SECONDS)
            return
        if answer.status_code == 200:
            self.webhooks["accepted"] += 1
            moving.accepted_at = max(moving.accepted_at, sent_at)
        else:
            self.webhooks["refused"] += 1
            if answer.status_code != 503:
                self.violate(f"a webhook was answered {answer.status_code}: {answer.text[:200]}")


def revision_of(svg: bytes) -> int:
    """Return the revision that a badge shows; raise ValueError if it is not a whole badge of one."""
    label, _, revision = badge_text(svg).partition(": ")
    if label != "commit":
        raise ValueError(f"the badge says {label!r}")
    return int(revision)
