"""A database that is damaged, lost, locked or cannot be written: nothing public is lost, it is said, and it heals."""

import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.disks import mounted, read_only
from tests.fakes.registry import FakeRegistry, image
from tests.running_service import WAIT_SECONDS, RunningService, badge_text


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with FakeRegistry() as fake:
        fake.push("team/web", "latest", image(layers=[1]))
        fake.push("team/web", "0.9", image(layers=[1, 2, 3, 4]))
        yield fake


def cut_to_half(file: Path) -> None:
    with file.open("r+b") as open_file:
        open_file.truncate(file.stat().st_size // 2)


def cut_to_nothing(file: Path) -> None:
    file.write_bytes(b"")


def fill_with_garbage(file: Path) -> None:
    file.write_bytes(b"\xff\x00{[garbage\n" * (file.stat().st_size // 12))


def replace_by_garbage(file: Path) -> None:
    new = file.with_name("new")
    new.write_bytes("mañana".encode() * 1000)
    new.replace(file)


def delete(file: Path) -> None:
    file.unlink()


def delete_with_log(file: Path) -> None:
    for path in file.parent.glob("microbadger.db*"):
        path.unlink()


Damage = Callable[[Path], None]
LOSSES: list[Damage] = [cut_to_nothing, delete, delete_with_log]
DAMAGES: list[Damage] = [cut_to_half, fill_with_garbage, replace_by_garbage, *LOSSES]


def badges(service: RunningService, name: str) -> list[bytes]:
    """Return the badges that readers are served of an image."""
    paths = (f"layers/{name}.svg", f"image/{name}:latest.svg", f"image/{name}.json", f"layers/{name}:0.9.svg")
    return [service.get(f"/badges/{path}").content for path in paths]


def first_badges(service: RunningService, name: str) -> list[bytes]:
    """Return the same once the image was read and its record kept: other tags' badges are made from that."""
    service.wait_for_badge(f"layers/{name}:0.9", "layers: 4")
    return badges(service, name)


def post(webhook: str) -> requests.Response:
    """Post a webhook as senders do: once more where it is refused for the moment."""
    answer = requests.post(webhook, timeout=WAIT_SECONDS)
    return requests.post(webhook, timeout=WAIT_SECONDS) if answer.status_code == 503 else answer


def database_of(service: RunningService) -> Path:
    return service.data / "microbadger.db"


def is_said(service: RunningService, damage: Damage) -> bool:
    """Return whether the log says what became of the database, and an operator is shown its damaged file."""
    if damage in LOSSES:
        return bool(service.lines("event=database_"))
    copies = [copy.name for copy in service.data.glob("microbadger.db.damaged-*Z")]
    shown = str(service.get("/healthz").json()["Problems"])
    return bool(service.lines("event=damaged_file_set_aside") and copies and all(copy in shown for copy in copies))


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_database_that_is_damaged_while_a_service_runs_changes_no_badge_and_is_made_anew(
    tmp_path: Path, fake: FakeRegistry, damage: Damage
) -> None:
    name = f"{fake.host}/team/web"
    with RunningService(tmp_path, [name], "--workers", "2") as service:
        webhook = service.webhook(name)
        before = first_badges(service, name)

        damage(database_of(service))

        assert badges(service, name) == before
        for tag, layers in (("latest", [1, 2]), ("0.9", [1, 2, 3])):
            fake.push("team/web", tag, image(layers=layers))
        assert post(f"{webhook}?wait=50").json()["Result"] == "fresh"
        assert service.badge(f"layers/{name}") == "layers: 2"
        assert service.badge(f"layers/{name}:0.9") == "layers: 3"
        assert is_said(service, damage)
        for copy in service.data.glob("microbadger.db.damaged-*"):
            copy.unlink()
        service.wait(lambda: service.get("/healthz").json()["Problems"] == [], "nothing is wrong any more")
        assert service.lines("Traceback") == []


@pytest.mark.parametrize("damage", [cut_to_half, cut_to_nothing])
def test_images_that_nobody_pushes_are_checked_again_once_the_database_was_damaged(
    tmp_path: Path, fake: FakeRegistry, damage: Damage
) -> None:
    name = f"{fake.host}/team/web"
    with RunningService(tmp_path, [name]) as service:
        first_badges(service, name)
        fake.push("team/web", "latest", image(layers=[1, 2]))

        damage(database_of(service))

        service.wait_for_badge(f"layers/{name}", "layers: 2")
        service.wait(lambda: "current" in service.get("/v1/images").text, "the lists are made anew")


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_service_starts_with_a_damaged_database_and_serves_what_it_published(
    tmp_path: Path, fake: FakeRegistry, damage: Damage
) -> None:
    name = f"{fake.host}/team/web"
    service = RunningService(tmp_path, [name])
    with service:
        before = first_badges(service, name)
    damage(database_of(service))

    with service:
        assert badges(service, name) == before
        service.wait(lambda: service.get("/healthz").json()["Pending"] == 0, "it is checked anew")
        assert badges(service, name) == before
        assert damage in LOSSES or is_said(service, damage)
        for tag, layers in (("latest", [1, 2]), ("0.9", [1, 2, 3])):
            fake.push("team/web", tag, image(layers=layers))
        assert service.push(name, wait_seconds=WAIT_SECONDS).json()["Result"] == "fresh"
        assert [service.badge(f"layers/{name}{tag}") for tag in ("", ":0.9")] == ["layers: 2", "layers: 3"]

    assert service.lines("Traceback") == []


def test_files_that_were_made_on_request_stay_and_are_kept_current_once_the_database_was_lost(
    tmp_path: Path, fake: FakeRegistry
) -> None:
    name = f"{fake.host}/team/web"
    service = RunningService(tmp_path, [name])
    with service:
        first_badges(service, name)
    delete_with_log(database_of(service))
    fake.push("team/web", "0.9", image(layers=[1, 2, 3]))
    file = service.public / f"badges/layers/{name}:0.9.svg"

    with service:
        service.wait(lambda: badge_text(file.read_bytes()) == "layers: 3", "the file is made anew")
        fake.delete("team/web", "0.9")
        assert service.push(name, wait_seconds=WAIT_SECONDS).json()["Result"] == "fresh"
        assert not file.exists()


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Keep a database to ourselves, as another program might."""
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.close()


def test_while_another_program_locks_the_database_it_is_read_and_that_is_said_and_it_heals(
    tmp_path: Path, fake: FakeRegistry
) -> None:
    name = f"{fake.host}/team/web"
    service = RunningService(tmp_path, [name], "--workers", "2", refresh_hours="0.0005")
    with service, ThreadPoolExecutor(4) as pool:
        before = first_badges(service, name)
        webhook = service.webhook(name)
        with locked(database_of(service)):
            asked = fake.asked("GET", "/tags/list")
            fake.push("team/web", "latest", image(layers=[1, 2]))
            killed = service.workers[0]
            os.kill(killed, signal.SIGKILL)

            refused = pool.submit(requests.post, webhook, timeout=WAIT_SECONDS)
            unknown = pool.submit(service.badge, f"layers/{name}:nope")
            metrics = pool.submit(service.get, "/metrics")
            assert badges(service, name) == before
            assert [service.get(path).status_code for path in (f"/v1/images/{name}", f"/images/{name}")] == [200, 200]
            assert (refused.result().status_code, "database cannot be used" in refused.result().text) == (503, True)
            assert service.lines("request_failed", "another program has locked it")
            assert unknown.result() == "nope: not found"
            assert "microbadger_images" in metrics.result().text
            service.wait(lambda: "locked" in str(service.get("/healthz").json()["Problems"]), "it is said")
            assert badges(service, name) == before
            assert fake.asked("GET", "/tags/list") <= asked + 1  # that of a check that was under way

        service.wait_for_badge(f"layers/{name}", "layers: 2", WAIT_SECONDS)
        service.wait(lambda: service.get("/healthz").json()["Problems"] == [], "nothing is wrong any more")
        service.wait(lambda: killed not in service.workers and len(service.workers) == 2, "a new worker")
        assert service.lines("Traceback") == []


def test_a_service_whose_data_folder_is_read_only_serves_what_it_published_and_refuses_webhooks(
    tmp_path: Path, fake: FakeRegistry
) -> None:
    name = f"{fake.host}/team/web"
    with mounted(tmp_path / "data"):
        service = RunningService(tmp_path, [name])
        with service:
            before = first_badges(service, name)
            webhook = service.webhook(name)
        with read_only(service.data), service:
            refused = requests.post(webhook, timeout=WAIT_SECONDS)

            assert (refused.status_code, "database cannot be used" in refused.text) == (503, True)
            assert service.lines("request_failed", "Read-only")
            assert badges(service, name) == before
            assert service.get(f"/images/{name}").status_code == 200
            assert "Read-only" in service.command("images").stderr
            assert service.lines("Traceback") == []
        with service:
            fake.push("team/web", "latest", image(layers=[1, 2]))
            assert service.push(name, wait_seconds=WAIT_SECONDS).json()["Result"] == "fresh"


@pytest.mark.parametrize("damage", [fill_with_garbage, cut_to_nothing, delete])
def test_a_secret_that_was_lost_is_made_anew_once(tmp_path: Path, damage: Damage) -> None:
    service = RunningService(tmp_path, ["127.0.0.1:9/team/web"])
    del service.environment["MICROBADGER_SECRET"]
    first = {service.command("webhook", "127.0.0.1:9/team/web").stdout for _ in range(2)}
    damage(database_of(service))

    second = {service.command("webhook", "127.0.0.1:9/team/web").stdout for _ in range(2)}

    assert (len(first), len(second), len(first | second)) == (1, 1, 2)
