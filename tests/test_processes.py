"""Several workers, services and commands on one folder: each look happens once, nothing hangs, nothing is lost."""

import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import pytest
import requests
from werkzeug.wrappers import Request

from tests.fakes.registry import FakeRegistry, image
from tests.running_service import START_SECONDS, RunningService
from tests.test_faults import fill, mounted
from tests.web.test_metrics import die_counting

STOP_SECONDS = 10.0
WAIT_SECONDS = 30.0
WORKERS = [("--workers", "4"), ("--workers", "4", "--preload")]
REFRESHES = 50


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


def post_webhook(service: RunningService, name: str, wait_seconds: int = 0) -> requests.Response:
    path = urlsplit(service.get(f"/v1/images/{name}").json()["WebhookURL"]).path
    return requests.post(f"{service.url}{path}?wait={wait_seconds}", timeout=START_SECONDS + wait_seconds)


def send(service: RunningService, number: signal.Signals) -> None:
    """Signal the master of a service, which goes on running."""
    assert service._process
    service._process.send_signal(number)


def workers_of(service: RunningService) -> list[int]:
    assert service._process
    pid = service._process.pid
    return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def stop_in_time(service: RunningService) -> int:
    """Ask a service to end and return its exit status; raise TimeoutExpired if it takes ten seconds."""
    process, service._process = service._process, None
    assert process
    process.terminate()
    try:
        return process.wait(STOP_SECONDS)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.mark.parametrize("options", WORKERS, ids=" ".join)
def test_each_image_is_looked_at_once_a_round_with_a_command_beside(
    tmp_path: Path, fake: FakeRegistry, options: tuple[str, ...]
) -> None:
    names = push_many(fake, 8)
    service = RunningService(tmp_path, names, *options)
    with service, ThreadPoolExecutor(2) as pool:
        commands = [pool.submit(service.command, "refresh") for _ in range(2)]
        for name in names:
            service.wait_for_image(name)

        assert [command.result().returncode for command in commands] == [0, 0]
        assert [fake.asked("GET", f"/image{number}/tags/list") for number in range(8)] == [1] * 8


def test_two_services_on_one_folder_share_the_work(tmp_path: Path, fake: FakeRegistry) -> None:
    names = push_many(fake, 8)
    first = RunningService(tmp_path, names, "--workers", "2")
    second = RunningService(tmp_path, names, "--workers", "2", base_url=first.url)
    second.log = tmp_path / "second.log"
    with first, second:
        for name in names:
            second.wait_for_image(name)

        assert [fake.asked("GET", f"/image{number}/tags/list") for number in range(8)] == [1] * 8
        stop_in_time(first)
        fake.push("team/image3", "latest", image(layers=[1, 2]))
        assert post_webhook(second, names[3], wait_seconds=20).json()["Result"] == "fresh"
        assert second.badge(f"layers/{names[3]}") == "layers: 2"


def push_while_the_registry_hangs(
    service: RunningService, fake: FakeRegistry, names: list[str], hold: threading.Event
) -> None:
    """Announce a push of each image, and return when a look at one of them has begun that cannot end."""
    hang(fake, hold)
    for number, name in enumerate(names):
        fake.push(f"team/image{number}", "latest", image(layers=[1, 2]))
        assert post_webhook(service, name).text == "OK"
    service.wait(lambda: fake.asked("GET", "/tags/list") > len(names), "a look has begun")


def test_workers_that_are_killed_lose_nothing(tmp_path: Path, fake: FakeRegistry) -> None:
    names = push_many(fake, 4)
    hold = threading.Event()
    with RunningService(tmp_path, names, "--workers", "4", "--preload") as service:
        for name in names:
            service.wait_for_image(name)
        push_while_the_registry_hangs(service, fake, names, hold)

        for pid in workers_of(service):
            os.kill(pid, signal.SIGKILL)
        hold.set()

        service.wait(lambda: layers_of(service, names) == {"layers: 2"}, "all are done", WAIT_SECONDS)


def test_what_workers_that_died_counted_is_gathered_while_another_leads(tmp_path: Path) -> None:
    with RunningService(tmp_path) as service:
        service.wait(lambda: "event=leading " in service.log.read_text(), "it leads")
        die_counting(service.data / "metrics")

        service.wait(lambda: (service.data / "metrics" / "dead.json").exists(), "the dead are buried")

        assert 'microbadger_webhooks_total{sender="zot"} 3\n' in service.get("/metrics").text


@pytest.mark.parametrize("options", WORKERS, ids=" ".join)
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

            assert stop_in_time(service) == 0
            assert "Traceback" not in service.log.read_text()
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
        waiting = pool.submit(post_webhook, service, name, wait_seconds=60)
        service.wait(lambda: fake.asked("GET", "/tags/list") > 1, "the look has begun")
        try:
            stop_in_time(service)
        finally:
            hold.set()
        assert waiting.exception() or waiting.result().status_code == 202


@pytest.mark.parametrize("options", WORKERS, ids=" ".join)
def test_a_service_that_is_told_to_reload_goes_on(tmp_path: Path, fake: FakeRegistry, options: tuple[str, ...]) -> None:
    (name,) = push_many(fake, 1)
    with RunningService(tmp_path, [name], *options) as service:
        service.wait_for_image(name)
        before = set(workers_of(service))

        send(service, signal.SIGHUP)
        service.wait(
            lambda: len(now := workers_of(service)) == 4 and not before & set(now), "other workers", WAIT_SECONDS
        )

        fake.push("team/image0", "latest", image(layers=[1, 2]))
        assert post_webhook(service, name, wait_seconds=20).json()["Result"] == "fresh"
        assert service.badge(f"layers/{name}") == "layers: 2"
        assert fake.asked("GET", "/tags/list") == 2
        assert stop_in_time(service) == 0
        assert "Traceback" not in service.log.read_text()


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
                    assert post_webhook(service, name, wait_seconds=20).json()["Result"] == "fresh"
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


def test_a_service_that_starts_on_a_full_disk_serves_and_tells_and_refuses_webhooks(
    tmp_path: Path, fake: FakeRegistry
) -> None:
    (name,) = push_many(fake, 1)
    with mounted(tmp_path / "disk", "-t", "tmpfs", "-o", "size=4m", "none"):
        service = RunningService(tmp_path / "disk", [name])
        service.log = tmp_path / "service.log"
        with service:
            service.wait_for_image(name)
        ballast = fill(tmp_path / "disk")

        with service:
            answer = post_webhook(service, name)
            assert (answer.status_code, "No space left" in answer.text) == (503, True)
            assert service.badge(f"layers/{name}") == "layers: 1"
            service.wait(lambda: "No space left" in str(service.get("/healthz").json()["Problems"]), "it is told")
            ballast.unlink()
            service.wait(lambda: service.get("/healthz").json()["Problems"] == [], "it is over")
            assert post_webhook(service, name, wait_seconds=20).json()["Result"] == "fresh"

        assert "Traceback" not in service.log.read_text()


@pytest.mark.parametrize("trouble", ["No space left", "Read-only"])
def test_a_command_on_a_disk_that_takes_nothing_is_one_sentence(tmp_path: Path, trouble: str) -> None:
    name = "127.0.0.1:9/team/web"
    with mounted(tmp_path / "disk", "-t", "tmpfs", "-o", "size=1m", "none"):
        service = RunningService(tmp_path / "disk", [name])
        assert service.command("track", "example/app").returncode == 0
        fill(tmp_path / "disk")
        if trouble == "Read-only":
            subprocess.run(["mount", "-o", "remount,ro", str(tmp_path / "disk")], check=True)
        for command in (
            ["track", "example/web"],
            ["untrack", "example/app"],
            ["notifications", "add", name, "https://hooks.test/ma\u00f1ana"],
        ):
            done = service.command(*command)
            assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
            assert trouble in done.stderr
        assert trouble in service.command("images").stderr


def test_subscriptions_that_were_damaged_are_set_aside_and_told(tmp_path: Path, fake: FakeRegistry) -> None:
    (name,) = push_many(fake, 1)
    service = RunningService(tmp_path, [name])
    file = service.data / "notifications" / "subscriptions.json"
    file.parent.mkdir()
    file.write_bytes(b'[{"id": "a')
    with service:
        service.wait_for_image(name)

        assert f"{file}.damaged-" in service.get("/healthz").json()["Problems"][0]
    assert [aside.read_bytes() for aside in file.parent.glob(f"{file.name}.damaged-*")] == [b'[{"id": "a']
    assert "Traceback" not in service.log.read_text()


@pytest.mark.parametrize("damage", [b"", b"\x00" * 43, b"\xff\xfe", b"short"])
def test_a_damaged_secret_is_made_anew(tmp_path: Path, damage: bytes) -> None:
    service = RunningService(tmp_path, ["127.0.0.1:9/team/web"])
    del service.environment["MICROBADGER_SECRET"]
    file = service.data / "secret"
    file.write_bytes(damage)

    urls = {service.command("webhook", "127.0.0.1:9/team/web").stdout for _ in range(2)}

    assert len(urls) == 1
    assert len(file.read_bytes()) == 43
    assert [aside.read_bytes() for aside in file.parent.glob("secret.damaged-*")] == [damage]
