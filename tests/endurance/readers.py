"""Readers that read all the time, over HTTP and from the disk, and see whether what they get is whole and true."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree as ET

import requests

from tests.endurance.world import TAGS, MovingImage, World, revision_of

_PAUSE_SECONDS = 0.01
_TIMEOUT_SECONDS = 20.0
_LISTS = ("v1/images.json", "index.html", "openapi.json")
_FROM_DATABASE = ("healthz", "metrics", "v1/images?page=1", "v1/images/search/image")
_ASKED = (*_FROM_DATABASE, "healthcheck.txt")


@dataclass
class Readings:
    """How often something was read, and how often it was not whole."""

    over_http: int = 0
    from_disk: int = 0
    partial: int = 0
    unanswered: int = 0
    refused: int = 0
    last_seen: dict[tuple[object, str], int] = field(default_factory=dict)


class Reader:
    """Reads what is published of an image drawn by lot, again and again."""

    def __init__(self, world: World, readings: Readings, dice: random.Random) -> None:
        self._world = world
        self._readings = readings
        self._dice = dice

    def read_over_http(self) -> None:
        """Ask the service until it is over."""
        with requests.Session() as session:
            while not self._world.is_over.wait(_PAUSE_SECONDS):
                moving, path = self._draw(TAGS)
                self._ask(session, moving, path)
                self._ask(session, None, self._dice.choice(_ASKED + _LISTS))

    def read_from_disk(self) -> None:
        """Read files, as another web server would, until it is over."""
        while not self._world.is_over.wait(_PAUSE_SECONDS):
            # The badges of other tags than the current version's are made when they are requested.
            self._read(*self._draw(["latest"]))
            self._read(None, self._dice.choice(_LISTS))

    def _read(self, moving: MovingImage | None, path: str) -> None:
        was_emptied = self._world.is_emptied
        try:
            content = (self._world.public / path).read_bytes()
        except OSError as error:
            if not was_emptied and not self._world.is_emptied:
                self._violate(path, f"it cannot be read: {error.strerror}")
            return
        self._readings.from_disk += 1
        self._examine(moving, path, content)

    def _ask(self, session: requests.Session, moving: MovingImage | None, path: str) -> None:
        was_disturbed, was_refusing = self._world.is_disturbed, self._world.is_refusing
        try:
            answer = session.get(f"{self._world.service.url}/{path}", timeout=_TIMEOUT_SECONDS)
        except requests.RequestException as error:
            self._readings.unanswered += 1
            if not was_disturbed and not self._world.is_disturbed:
                self._world.violate(f"{path.partition('/')[0]} was not answered: {type(error).__name__}")
            return
        self._readings.over_http += 1
        if answer.status_code == 503 and path in _FROM_DATABASE and (was_refusing or self._world.is_refusing):
            self._readings.refused += 1
        elif answer.status_code != 200 and path not in self._world.spoilt:
            self._world.violate(f"GET {path} was answered {answer.status_code}: {answer.text[:200]}")
        elif answer.status_code == 200:
            self._examine(moving, path, answer.content)

    def _draw(self, tags: Sequence[str]) -> tuple[MovingImage, str]:
        moving, tag = self._dice.choice(self._world.images), self._dice.choice(tags)
        name = moving.name
        return moving, self._dice.choice(
            [
                f"badges/commit/{name}:{tag}.svg",
                f"badges/commit/{name}.svg",
                f"badges/layers/{name}:{tag}.svg",
                f"badges/image/{name}.json",
                f"v1/images/{name}.json",
                f"v1/images/{name}/-/changes.json",
                f"images/{name}/index.html",
                f"images/{name}/-/feed.xml",
            ]
        )

    def _examine(self, moving: MovingImage | None, path: str, content: bytes) -> None:
        try:
            _check_whole(path, content)
            if moving and path.startswith("badges/commit/"):
                self._check_true(moving, path, content)
        except (ValueError, KeyError, ET.ParseError, AssertionError, RecursionError) as error:
            self._violate(path, f"{type(error).__name__} {error}: {content[:80]!r}")

    def _violate(self, path: str, sentence: str) -> None:
        if path not in self._world.spoilt:
            self._readings.partial += 1
            self._world.violate(f"{path}: {sentence}")

    def _check_true(self, moving: MovingImage, path: str, content: bytes) -> None:
        """Raise ValueError if a badge shows a state that never was, or an older one than it showed before."""
        tag = path.rpartition(":")[2].removesuffix(".svg") if path.count(":") == 2 else "latest"
        revision, key = revision_of(content), (self, path)
        if not 1 <= revision <= moving.pushed[tag]:
            raise ValueError(f"revision {revision} was never pushed, the last one is {moving.pushed[tag]}")
        if revision < self._readings.last_seen.get(key, 0):
            raise ValueError(f"revision {revision} came after {self._readings.last_seen[key]}")
        self._readings.last_seen[key] = revision


def _check_whole(path: str, content: bytes) -> None:
    """Raise ValueError or the like where a file is not whole."""
    suffix = Path(path).suffix
    if suffix == ".svg":
        if ET.fromstring(content).tag != "{http://www.w3.org/2000/svg}svg":
            raise ValueError("it is not a badge")
    elif suffix == ".xml":
        ET.fromstring(content)
    elif suffix == ".json" or path.startswith(("v1/", "healthz")):
        document = json.loads(content)
        if path.startswith("v1/images/1") and "/-/" not in path and not document["Versions"]:
            raise ValueError("it has no version")
    elif suffix == ".html" and not content.rstrip().endswith(b"</html>"):
        raise ValueError("it has no end")
