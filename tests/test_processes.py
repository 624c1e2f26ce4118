"""Several workers, services and commands on one folder: each check happens once, nothing hangs, nothing is lost."""

import json
import shutil
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from werkzeug.wrappers import Request

from tests.disks import fill, mounted, read_only
from tests.fakes.registry import FakeRegistry, image
from tests.running_service import WAIT_SECONDS, RunningService

STOP_SECONDS = 10.0
FOUR_WORKERS = [("--workers", "4"), ("--workers", "4", "--preload")]
REFRESHES = 8  # in a row, which are made two seconds apart; later ones have to wait


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with FakeRegistry() as fake:
        yield fake


def push_many(fake: FakeRegistry, count: int) -> list[str]:
    """Fill the registry with images of one layer and return their names."""
    for number in range(count):
        fake.push(f"team/image{number}", "latest", image(layers=[number + 1]))
    return [f"{fake.host}/team/image{number}" for number in range(count)]


def hang(fake: FakeRegistry, until: threading.Event) -> None:
    """Let the registry answer no question for tags before an event."""

    def wait(_: Request) -> None:
        until.wait(WAIT_SECONDS)

    fake.always("/tags/", wait)


def layers_of(service: RunningService, names: list[str]) -> set[str]:
    return {service.badge(f"layers/{name}") for name in names}


def lists_asked(fake: FakeRegistry, names: list[str]) -> list[int]:
    """Return how often the tags of each image were asked for."""
    return [fake.asked("GET", f"{name.partition('/')[2]}/tags/list") for name in names]


@pytest.mark.parametrize("options", FOUR_WORKERS, ids=" ".join)
def test_each_image_is_checked_once_a_round_with_commands_beside(
    tmp_path: Path, fake: FakeRegistry, options: tuple[str, ...]
) -> None:
    names = push_many(fake, 8)
    service = RunningService(tmp_path, names, *options)
    with service, ThreadPoolExecutor(2) as pool:
        commands = [pool.submit(service.command, "refresh") for _ in range(2)]
        for name in names:
            service.wait_for_image(name)

        assert [command.result().returncode for command in commands] == [0, 0]
        assert lists_asked(fake, names) == [1] * 8


def test_two_services_on_one_folder_share_the_work(tmp_path: Path, fake: FakeRegistry) -> None:
    names = push_many(fake, 8)
    first = RunningService(tmp_path, names, "--workers", "2")
    second = RunningService(tmp_path, names, "--workers", "2", base_url=first.url)
    second.log = tmp_path / "second.log"
    with first, second:
        for name in names:
            second.wait_for_image(name)
        assert lists_asked(fake, names) == [1] * 8

        first.stop()
        fake.push("team/image3", "latest", image(layers=[1, 2]))

        assert second.push(names[3], wait_seconds=WAIT_SECONDS).json()["Result"] == "fresh"
        assert second.badge(f"layers/{names[3]}") == "layers: 2"


def push_while_the_registry_hangs(
    service: RunningService, fake: FakeRegistry, names: list[str], hold: threading.Event
) -> None:
    """Announce a push of each image, and return when a check of one of them has begun that cannot end."""
    hang(fake, hold)
    for number, name in enumerate(names):
        fake.push(f"team/image{number}", "latest", image(layers=[1, 2]))
        assert service.push(name).text == "OK"
    service.wait(lambda: fake.asked("GET", "/tags/list") > len(names), "a check has begun")


@pytest.mark.parametrize("options", FOUR_WORKERS, ids=" ".join)
def test_a_stop_is_short_while_a_registry_hangs_and_loses_nothing(
    tmp_path: Path, fake: FakeRegistry, options: tuple[str, ...]
) -> None:
    names = push_many(fake, 6)
    hold = threading.Event()
    service = RunningService(tmp_path, names, *options)
    try:
        with service:
            for name in names:
                service.wait_for_image(name)
            push_while_the_registry_hangs(service, fake, names, hold)

            assert service.stop(within_seconds=STOP_SECONDS) == 0
            assert service.lines("Traceback") == []
    finally:
        hold.set()

    with service:
        service.wait(lambda: layers_of(service, names) == {"layers: 2"}, "all are done", WAIT_SECONDS)


def test_a_stop_is_short_while_someone_waits_for_a_webhook(tmp_path: Path, fake: FakeRegistry) -> None:
    (name,) = push_many(fake, 1)
    hold = threading.Event()
    with RunningService(tmp_path, [name], "--graceful-timeout", "5") as service, ThreadPoolExecutor(1) as pool:
        service.wait_for_image(name)
        hang(fake, hold)
        waiting = pool.submit(service.push, name, wait_seconds=60)
        service.wait(lambda: fake.asked("GET", "/tags/list") > 1, "the check has begun")
        try:
            service.stop(within_seconds=STOP_SECONDS)
        finally:
            hold.set()
        assert waiting.exception() or waiting.result().status_code == 202


@pytest.mark.parametrize("options", FOUR_WORKERS, ids=" ".join)
def test_a_service_goes_on_with_other_workers_when_it_is_reloaded(
    tmp_path: Path, fake: FakeRegistry, options: tuple[str, ...]
) -> None:
    (name,) = push_many(fake, 1)
    with RunningService(tmp_path, [name], *options) as service:
        service.wait_for_image(name)
        before = set(service.workers)

        service.send(signal.SIGHUP)
        service.wait(
            lambda: len(now := service.workers) == 4 and not before & set(now), "other workers", WAIT_SECONDS
        )

        fake.push("team/image0", "latest", image(layers=[1, 2]))
        assert service.push(name, wait_seconds=WAIT_SECONDS).json()["Result"] == "fresh"
        assert service.badge(f"layers/{name}") == "layers: 2"
        assert fake.asked("GET", "/tags/list") == 2
        assert service.stop(within_seconds=STOP_SECONDS) == 0
        assert service.lines("Traceback") == []


def test_a_reader_never_sees_a_part_of_a_file(tmp_path: Path, fake: FakeRegistry) -> None:
    (name,) = push_many(fake, 1)
    with RunningService(tmp_path, [name], "--workers", "4") as service:
        service.wait_for_image(name)
        files = [
            service.public / f"badges/layers/{name}.svg",
            service.public / f"badges/layers/{name}:latest.svg",
            service.public / f"v1/images/{name}.json",
        ]
        is_over = threading.Event()
        seen: dict[Path, set[bytes]] = {file: set() for file in files}

        def read() -> int:
            count = 0
            while not is_over.is_set():
                for file in files:
                    seen[file].add(file.read_bytes())
                    count += 1
            return count

        with ThreadPoolExecutor(1) as pool:
            reading = pool.submit(read)
            try:
                for number in range(REFRESHES):
                    fake.push("team/image0", "latest", image(layers=[1] * (number % 7 + 1)))
                    assert service.push(name, wait_seconds=WAIT_SECONDS).json()["Result"] == "fresh"
            finally:
                is_over.set()
            assert reading.result() > REFRESHES

    for file, contents in seen.items():
        for content in contents:
            if file.suffix == ".svg":
                ET.fromstring(content)
            else:
                assert json.loads(content)["Versions"]
    assert len(seen[files[0]]) == 7


def test_commands_beside_a_service_publish_what_it_would(tmp_path: Path, fake: FakeRegistry) -> None:
    first, second = push_many(fake, 2)
    with RunningService(tmp_path, [first], "--workers", "2") as service:
        service.wait_for_image(first)
        fake.push("team/image0", "latest", image(layers=[1, 2]))

        assert service.command("refresh", first).returncode == 0
        assert service.badge(f"layers/{first}") == "layers: 2"
        assert service.command("track", second).returncode == 0
        assert service.badge(f"layers/{second}") == "layers: 1"
        listed = service.command("images")
        assert [line.split()[0] for line in listed.stdout.splitlines()] == [first, second], listed.stderr
        assert {entry["ImageName"] for entry in service.get("/v1/images").json()["Images"]} == {first, second}
        assert service.command("untrack", second).returncode == 0
        assert service.badge(f"layers/{second}") == "image: not found"
        assert service.lines("level=error") == []


def test_an_emptied_public_folder_is_made_again_as_it_was_without_a_request_to_a_registry(
    tmp_path: Path, fake: FakeRegistry
) -> None:
    (name,) = push_many(fake, 1)
    fake.push("team/image0", "0.9", image(layers=[1, 2, 3]))
    paths = [
        *(f"/badges/layers/{name}.svg", f"/badges/layers/{name}:latest.svg", f"/badges/size/{name}:0.9.svg"),
        *(f"/badges/image/{name}.json", f"/v1/images/{name}.json", f"/v1/images/{name}/-/changes.json"),
        *(f"/images/{name}", f"/images/{name}:0.9", f"/images/{name}/-/feed.xml"),
        *("/v1/images.json", "/", "/assets/style.css", "/openapi.json"),
    ]
    with RunningService(tmp_path, [name], "--workers", "2") as service:
        service.wait_for_image(name)
        service.wait(lambda: '"current"' in service.get("/v1/images.json").text, "the lists are published")
        before = [service.get(path).content for path in paths]
        files = public_files(service)
        asked = len(fake.requests)

        for folder in service.public.iterdir():
            shutil.rmtree(folder) if folder.is_dir() else folder.unlink()
        assert [service.get(path).content for path in paths] == before
        for folder in service.public.iterdir():
            shutil.rmtree(folder) if folder.is_dir() else folder.unlink()
        assert service.command("publish").returncode == 0

        assert public_files(service) == files
        assert len(fake.requests) == asked


def public_files(service: RunningService) -> dict[str, bytes]:
    files = (file for file in service.public.rglob("*") if file.is_file())
    return {str(file.relative_to(service.public)): file.read_bytes() for file in files}


def test_a_service_that_starts_on_a_full_disk_serves_and_says_so_and_refuses_webhooks(
    tmp_path: Path, fake: FakeRegistry
) -> None:
    (name,) = push_many(fake, 1)
    with mounted(tmp_path / "disk"):
        service = RunningService(tmp_path / "disk", [name])
        service.log = tmp_path / "service.log"
        with service:
            service.wait_for_image(name)
        ballast = fill(tmp_path / "disk")

        with service:
            answer = service.push(name)
            assert (answer.status_code, "database cannot be used" in answer.text) == (503, True)
            assert service.lines("request_failed", "disk is full")
            assert service.badge(f"layers/{name}") == "layers: 1"
            service.wait(lambda: "disk is full" in str(service.get("/healthz").json()["Problems"]), "it is said")
            ballast.unlink()
            service.wait(lambda: service.get("/healthz").json()["Problems"] == [], "it is over")
            assert service.push(name, wait_seconds=WAIT_SECONDS).json()["Result"] == "fresh"

        assert service.lines("Traceback") == []


@pytest.mark.parametrize("trouble", ["disk is full", "Read-only"])
def test_a_command_on_a_disk_that_takes_nothing_is_one_sentence(tmp_path: Path, trouble: str) -> None:
    name = "127.0.0.1:9/team/web"
    with mounted(tmp_path / "disk", size="1m"):
        service = RunningService(tmp_path / "disk", [name])
        assert service.command("track", "--no-wait", "example/app").returncode == 0
        fill(tmp_path / "disk")
        with read_only(tmp_path / "disk") if trouble == "Read-only" else mounted(tmp_path / "other"):
            for command in (
                ["track", "example/web"],
                ["untrack", "example/app"],
                ["notifications", "add", name, "https://hooks.test/ma\u00f1ana"],
            ):
                done = service.command(*command)
                assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
                assert trouble in done.stderr
            assert trouble.removeprefix("disk is ") in service.command("images").stderr
