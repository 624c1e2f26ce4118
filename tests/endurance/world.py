"""What is around the service while it endures: registries where tags move all the time, and what is known of them."""

import json
import random
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
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


class _Forgotten(list[Request]):
    """Keeps none of the requests, of which there are too many."""

    def append(self, _: Request) -> None:
        """Keep nothing."""


class MovingRegistry(FakeRegistry):
    """A registry that notes when looks begin, and can be in trouble."""

    def __init__(self) -> None:
        super().__init__()
        self.requests = _Forgotten()
        self.trouble: Handler = lambda _: None
        self.looks: dict[str, float] = {}
        """When the last look at each image began."""
        self.always("/tags/list", self._note)
        self.always("/", lambda request: self.trouble(request))

    def _note(self, request: Request) -> Response | None:
        self.looks[request.path.removeprefix("/v2/").removesuffix("/tags/list")] = time.time()
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
    """An image whose tags move; the revision of each tells how often it has."""

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
            self.pushed[tag] = revision  # first: whoever reads it is not to be surprised
            layers = range(1, 2 + revision % _LARGEST_LAYERS)
            labels = {REVISION: f"{revision:07}", "name": f"{self.name}:{tag}"}
            self.origin.registry.push(self.path, tag, image(labels=labels, layers=layers))

    def look_began_at(self, data: Path) -> float:
        """Return when the last look began, as the registry saw it or as the service noted it."""
        return max(self.origin.registry.looks.get(self.path, 0.0), self._noted(data, "began_at"))

    def is_looked_at(self, data: Path) -> bool:
        """Tell whether a look is noted to have begun and not to have ended."""
        return self._noted(data, "began_at") > self._noted(data, "ended_at")

    def _noted(self, data: Path, name: str) -> float:
        try:
            noted = json.loads((data / "images" / self.name / "-/checks.jsonl").read_bytes().splitlines()[-1])
            return datetime.fromisoformat(noted[name]).timestamp()
        except (OSError, ValueError, TypeError, LookupError, RecursionError):
            return 0.0


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

    def violate(self, sentence: str) -> None:
        """Note what must not be."""
        if sentence not in self.violations:
            self.violations.append(sentence)
            print(f"{time.time() - self.began_at:7.1f} s VIOLATION: {sentence}", flush=True)

    def published(self, moving: MovingImage, tag: str) -> int:
        """Return the revision that the badge of a tag tells; 0 where there is none."""
        try:
            content = (self.public / f"badges/commit/{moving.name}:{tag}.svg").read_bytes()
        except OSError:
            return 0
        return revision_of(content)

    def health(self) -> dict[str, object]:
        """Return what /healthz says; nothing while nobody answers."""
        try:
            answer: dict[str, object] = self.service.get("/healthz").json()
        except requests.RequestException:
            return {}
        return answer

    def failing(self) -> dict[str, str]:
        """Return the errors that /healthz tells, by image."""
        failures: list[dict[str, str]] = self.health().get("Failures", [])  # type: ignore[assignment]
        return {failure["ImageName"]: failure["Error"] for failure in failures}

    def paths(self, images: Sequence[MovingImage]) -> Iterator[Path]:
        """Yield the public files of images."""
        for moving in images:
            name = moving.name
            patterns = [f"badges/*/{name}.*", f"badges/*/{name}:*", f"v1/images/{name}.json", f"v1/images/{name}/*/*"]
            for pattern in [*patterns, f"images/{name}/index.html", f"images/{name}/-/*"]:
                yield from self.public.glob(pattern)

    def take_webhooks(self) -> None:
        """Learn the webhook of every image, once each was read."""
        for moving in self.images:
            url: str = self.service.wait_for_image(moving.name)["WebhookURL"]
            moving.webhook = urlsplit(url).path

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
    """Return the revision that a badge tells; raise ValueError if it is no whole badge of one."""
    label, _, revision = badge_text(svg).partition(": ")
    if label != "commit":
        raise ValueError(f"the badge says {label!r}")
    return int(revision)
