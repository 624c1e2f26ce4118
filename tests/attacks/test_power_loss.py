"""Fault: the power fails, and what the kernel had not yet sent to the disk is gone.

Each round copies the disk in a file at some moment, and looks at what a machine finds that starts with the copy.
"""

import json
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import count
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import requests

from microbadger.image.reference import Repository
from microbadger.webhooks.tokens import image_token
from tests.disks import Drive
from tests.fakes.registry import FakeRegistry, image
from tests.running_service import PATIENT, WAIT_SECONDS, RunningService

IMAGES = 8
ROUNDS = 8
KINDS = pytest.mark.parametrize("kind", ["ext4", "xfs"])


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with FakeRegistry() as fake:
        for number in range(IMAGES):
            fake.push(f"team/web{number}", "latest", image(layers=[1]))
        yield fake


def repositories(fake: FakeRegistry) -> list[Repository]:
    return [Repository(fake.host, f"team/web{number}") for number in range(IMAGES)]


def accepted(service: RunningService, repository: Repository, tag: str) -> tuple[str, str]:
    """Post a webhook and return what was accepted."""
    token = image_token(service.environment["MICROBADGER_SECRET"], repository)
    url = f"{service.url}/images/{repository.familiar}/{token}?tag={tag}"
    assert requests.post(url, timeout=WAIT_SECONDS).text == "OK"
    return str(repository), tag


def requests_in(data: Path) -> set[tuple[str, str]]:
    """Return the webhooks that a database knows of, with their tags."""
    with closing(sqlite3.connect(data / "microbadger.db")) as connection:
        return {(str(row[0]), str(row[1])) for row in connection.execute("SELECT image, tag FROM requests")}


@KINDS
def test_no_webhook_that_was_answered_is_lost(tmp_path: Path, fake: FakeRegistry, kind: str) -> None:
    images = [repository.familiar for repository in repositories(fake)]
    goes_on = threading.Event()
    lost: set[tuple[str, str]] = set()
    with Drive(tmp_path, kind) as drive, RunningService(drive.folder, images, *PATIENT) as service:
        for name in images:
            service.wait_for_image(name)
        fake.always("/v2/", lambda request: wait(goes_on))
        posted: set[tuple[str, str]] = set()
        try:
            for number in range(ROUNDS):
                with ThreadPoolExecutor(IMAGES) as pool:
                    posting = [pool.submit(accepted, service, each, f"1.{number}") for each in repositories(fake)]
                posted.update(each.result() for each in posting)
                with service.standing_still():
                    lost |= posted - requests_in(drive.after_power_loss() / "data")
        finally:
            goes_on.set()
    assert len(posted) == IMAGES * ROUNDS
    assert lost == set()


def wait(goes_on: threading.Event) -> None:
    goes_on.wait(10 * WAIT_SECONDS)  # a webhook is forgotten when its check has ended


@KINDS
def test_public_files_are_whole(tmp_path: Path, fake: FakeRegistry, kind: str) -> None:
    images = [repository.familiar for repository in repositories(fake)]
    pushed, is_over, seen = threading.Semaphore(0), threading.Event(), 0
    with (
        Drive(tmp_path, kind) as drive,
        RunningService(drive.folder, images, *PATIENT) as service,
        ThreadPoolExecutor() as pool,
    ):
        for name in images:
            service.wait_for_image(name)
        pushing = pool.submit(push_until, is_over, service, fake, pushed)
        try:
            for _ in range(ROUNDS):
                assert pushed.acquire(timeout=WAIT_SECONDS)
                with service.standing_still():
                    after = drive.after_power_loss()
                files = files_in(after / "public")
                assert [file for file in files if not is_whole(file)] == []
                seen += len(files)
        finally:
            is_over.set()
        pushing.result()
    assert seen > IMAGES * ROUNDS


def push_until(
    is_over: threading.Event, service: RunningService, fake: FakeRegistry, pushed: threading.Semaphore
) -> None:
    """Push another version of each image, again and again, and say so each time."""
    numbers = count(2)
    while not is_over.is_set():
        layers = [1] * next(numbers)
        for repository in repositories(fake):
            fake.push(repository.path, "latest", image(layers=layers))
            accepted(service, repository, "latest")
        pushed.release()


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]


def is_whole(file: Path) -> bool:
    content = file.read_bytes()
    if file.suffix == ".json":
        return isinstance(json.loads(content), dict)
    if file.suffix in (".svg", ".xml"):
        return ET.fromstring(content).tag != ""
    return content.rstrip().endswith(b"</html>") if file.suffix == ".html" else bool(content)
