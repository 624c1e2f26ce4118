"""The whole way: a real registry, the service under gunicorn, and what its users see over HTTP."""

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests
from werkzeug.wrappers import Request

from tests.fakes.registry import FakeRegistry
from tests.real_registry import ImageMaker, RunningRegistry, free_port, need
from tests.running_service import RunningService

LABEL_SCHEMA = {
    "org.label-schema.vcs-ref": "1a2b3c4d5e6f7890",
    "org.label-schema.vcs-url": "https://github.com/example/old.git",
    "org.label-schema.license": "mit",
}
OCI = {
    "org.opencontainers.image.revision": "9f8e7d6c5b4a",
    "org.opencontainers.image.source": "https://github.com/example/new",
    "org.opencontainers.image.licenses": "Apache-2.0",
    "org.opencontainers.image.version": "2.0.1",
}

Start = Callable[..., RunningService]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start services that end with the test."""
    with ExitStack() as running:

        def start(*images: str, folder: str = "service", options: tuple[str, ...] = (), **more: str) -> RunningService:
            return running.enter_context(RunningService(tmp_path / folder, images, *options, **more))

        yield start


@pytest.fixture
def notifying_registry(tmp_path: Path) -> Iterator[tuple[RunningRegistry, RunningService]]:
    """A registry whose notifications go to a service's webhook for all images."""
    need("docker-registry")
    service = RunningService(tmp_path / "service")
    with RunningRegistry(tmp_path / "registry", notify=service.command("webhook").stdout.strip()) as registry:
        yield registry, service


def test_it_publishes_images_with_either_kind_of_label(
    start: Start, real_registry: RunningRegistry, image_maker: ImageMaker
) -> None:
    old, new = f"{real_registry.host}/team/old", f"{real_registry.host}/team/new"
    image_maker.push(image_maker.make([{"a": b"1"}, {"b": b"2"}], labels=LABEL_SCHEMA), f"{old}:1.0")
    image_maker.push(image_maker.make([{"c": b"3"}], labels=OCI), f"{new}:latest")

    service = start(old, new)

    service.wait_for_image(old)
    document = service.wait_for_image(new)
    assert service.badge(f"commit/{old}") == "commit: 1a2b3c4"
    assert service.badge(f"commit/{new}") == "commit: 9f8e7d6"
    assert service.badge(f"license/{old}") == "license: MIT"
    assert service.badge(f"license/{new}:latest") == "license: Apache-2.0"
    assert service.badge(f"version/{old}:1.0") == "version: 1.0"
    assert service.badge(f"version/{new}") == "version: 2.0.1"
    assert service.badge(f"image/{old}").endswith("B: 2 layers")
    assert document["Labels"] == OCI
    assert document["Versions"][0]["VersionControl"]["URL"] == "https://github.com/example/new/commit/9f8e7d6c5b4a"
    assert "9f8e7d6c5b4a" in service.get(f"/v1/images/{new}/version/{document['LatestSHA']}").text
    assert new in service.get(f"/images/{new}").text
    service.wait(lambda: new in service.get("/").text, "the home page lists the image")


def test_the_registrys_own_notification_changes_the_badge(
    notifying_registry: tuple[RunningRegistry, RunningService], image_maker: ImageMaker
) -> None:
    registry, service = notifying_registry
    name = f"{registry.host}/team/web"
    image_maker.push(image_maker.make([{"a": b"1"}]), f"{name}:latest")
    service.environment["MICROBADGER_IMAGES"] = name
    with service:
        service.wait_for_image(name)

        image_maker.push(image_maker.make([{"a": b"1"}, {"b": b"2"}]), f"{name}:latest")

        service.wait_for_badge(f"layers/{name}", "layers: 2")


def test_the_daily_refresh_finds_a_push_that_nobody_announced(
    start: Start, real_registry: RunningRegistry, image_maker: ImageMaker
) -> None:
    name = f"{real_registry.host}/team/quiet"
    image_maker.push(image_maker.make([{"a": b"1"}]), f"{name}:latest")
    service = start(name, refresh_hours="0.0005")
    service.wait_for_image(name)

    image_maker.push(image_maker.make([{"a": b"1"}, {"b": b"2"}]), f"{name}:latest")

    service.wait_for_badge(f"layers/{name}", "layers: 2")


def test_a_tag_that_vanished_takes_its_files_along(
    start: Start, real_registry: RunningRegistry, image_maker: ImageMaker
) -> None:
    name = f"{real_registry.host}/team/web"
    image_maker.push(image_maker.make([{"a": b"1"}]), f"{name}:1")
    image_maker.push(image_maker.make([{"b": b"2"}]), f"{name}:2")
    service = start(name)
    service.wait_for_image(name)

    image_maker.delete_tag(f"{name}:2")
    answer = requests.post(f"{service.command('webhook', name).stdout.strip()}?wait=60", timeout=70)

    assert answer.status_code == 200
    assert [path.name for path in service.public.rglob("web:2.*")] == []
    assert service.badge(f"version/{name}:2") == "2: not found"
    assert service.badge(f"version/{name}") == "version: 1"


def test_an_old_webhook_url_works_on_an_empty_disk_with_the_same_secret(
    start: Start, real_registry: RunningRegistry, image_maker: ImageMaker
) -> None:
    name = f"{real_registry.host}/team/web"
    image_maker.push(image_maker.make([{"a": b"1"}]), f"{name}:latest")
    first = start(name, folder="first")
    old_path = first.wait_for_image(name)["WebhookURL"].removeprefix(first.url)
    first.stop()

    second = start(name, folder="second")
    answer = requests.post(f"{second.url}{old_path}?wait=60", timeout=70)

    assert (answer.status_code, answer.json()["Result"]) == (200, "fresh")


@pytest.mark.parametrize("options", [("--workers", "4"), ("--workers", "4", "--preload")], ids=" ".join)
def test_each_image_is_read_by_one_worker_only(
    start: Start, real_registry: RunningRegistry, image_maker: ImageMaker, options: tuple[str, ...]
) -> None:
    image = image_maker.make([{"a": b"1"}])
    names = [f"{real_registry.host}/team/image{number}" for number in range(6)]
    for name in names:
        image_maker.push(image, f"{name}:latest")
    real_registry.forget_requests()

    service = start(*names, options=options)

    for name in names:
        service.wait_for_image(name)
    lists = [path for _, path in real_registry.requests() if "/tags/list" in path]
    assert len(lists) == len(names)


def test_an_unchanged_image_with_five_tags_costs_one_list_and_five_heads(
    real_registry: RunningRegistry, image_maker: ImageMaker, tmp_path: Path
) -> None:
    name = f"{real_registry.host}/team/web"
    for number in range(5):
        image_maker.push(image_maker.make([{"a": str(number).encode()}]), f"{name}:1.{number}")
    service = RunningService(tmp_path / "service", [name])
    assert service.command("refresh").returncode == 0
    real_registry.forget_requests()

    assert service.command("refresh", name).returncode == 0

    methods = [(method, path.split("/")[-2]) for method, path in real_registry.requests() if path != "/v2/"]
    assert sorted(methods) == [("GET", "tags"), *[("HEAD", "manifests")] * 5]


def test_a_webhook_that_was_accepted_outlives_the_process(
    start: Start, real_registry: RunningRegistry, image_maker: ImageMaker
) -> None:
    name = f"{real_registry.host}/team/web"
    image_maker.push(image_maker.make([{"a": b"1"}]), f"{name}:latest")
    service = start(name)
    service.wait_for_image(name)
    image_maker.push(image_maker.make([{"a": b"1"}, {"b": b"2"}]), f"{name}:latest")
    webhook = service.command("webhook", name).stdout.strip()
    real_registry.stop()

    assert requests.post(webhook, timeout=60).text == "OK"
    service.kill()
    real_registry.start()
    service.start()

    service.wait_for_badge(f"layers/{name}", "layers: 2", 60)


@pytest.mark.parametrize("what", ["manifest", "config"])
@pytest.mark.parametrize("damage", ["gone", "garbled", "empty"])
def test_a_registry_that_lost_a_part_of_one_platform_still_shows_the_others(
    start: Start, real_registry: RunningRegistry, image_maker: ImageMaker, what: str, damage: str
) -> None:
    amd64 = image_maker.make([{"a": b"1"}])
    arm64 = image_maker.make([{"b": b"2" * 5000}], architecture="arm64")
    name = f"{real_registry.host}/team/web"
    image_maker.push_index([amd64, arm64], f"{name}:latest")
    image_maker.push(amd64, f"{name}:1.0")
    lost = real_registry.stored(arm64.digest if what == "manifest" else arm64.manifest["config"]["digest"])
    if damage == "gone":
        lost.unlink()
    else:
        lost.write_bytes(b"" if damage == "empty" else lost.read_bytes()[::-1])

    document = start(name).wait_for_image(name)

    assert document["DownloadSize"] == sum(amd64.layer_sizes)
    whole, broken = document["Platforms"]
    assert (whole["Architecture"], "Unread" in whole) == ("amd64", False)
    assert (broken["Architecture"], bool(broken["Unread"])) == ("arm64", True)
    assert broken["DownloadSize"] == (0 if what == "manifest" else sum(arm64.layer_sizes))
    assert {tag["tag"] for version in document["Versions"] for tag in version["Tags"]} == {"latest", "1.0"}


def test_a_registry_that_is_down_leaves_the_last_good_files_and_is_named(
    start: Start, real_registry: RunningRegistry, image_maker: ImageMaker
) -> None:
    name = f"{real_registry.host}/team/web"
    image_maker.push(image_maker.make([{"a": b"1"}]), f"{name}:latest")
    service = start(name)
    service.wait_for_image(name)
    before = service.get(f"/v1/images/{name}").content
    real_registry.stop()

    answer = requests.post(f"{service.command('webhook', name).stdout.strip()}?wait=60", timeout=70)

    assert answer.status_code == 502
    assert service.get(f"/v1/images/{name}").content == before
    assert [failure["ImageName"] for failure in service.get("/healthz").json()["Failures"]] == [name]
    assert real_registry.host in service.command("images").stdout


def test_a_service_that_reaches_no_registry_starts_and_says_so_in_a_line_an_image(start: Start) -> None:
    port = free_port()
    service = start(f"127.0.0.1:{port}/one", f"127.0.0.1:{port}/two")

    def lines() -> list[str]:
        return [line for line in service.log.read_text().splitlines() if "refresh_failed" in line]

    service.wait(lambda: len(lines()) >= 2, "two lines that say so", 60)
    assert service.badge(f"image/127.0.0.1:{port}/one") == "image: pending"


@pytest.mark.parametrize(
    ("name", "value"), [("MAX_TAGS", "zero"), ("MIRRORS", "[]"), ("BASE_URL", "example.org"), ("REFRESH_HOURS", "-1")]
)
def test_an_invalid_setting_refuses_to_start_and_says_why(tmp_path: Path, name: str, value: str) -> None:
    service = RunningService(tmp_path / "service", **{name: value})

    with pytest.raises(RuntimeError, match="the service ended"):
        service.start()

    sentences = [line for line in service.log.read_text().splitlines() if f"MICROBADGER_{name}" in line]
    assert len(sentences) == 1
    assert "Traceback" not in service.log.read_text()


def test_an_image_that_only_credentials_can_read_is_published_if_its_line_says_private(
    tmp_path: Path, image_maker: ImageMaker
) -> None:
    need("docker-registry")
    with RunningRegistry(tmp_path / "registry", private=True) as registry:
        name = f"{registry.host}/team/secret"
        image_maker.login(registry.host)
        image_maker.push(image_maker.make([{"a": b"1"}]), f"{name}:latest")
        service = RunningService(tmp_path / "service")
        service.environment["DOCKER_AUTH_CONFIG"] = image_maker.auth_file.read_text()

        refused = service.command("track", name)
        published = service.command("track", "--private", name)

    assert (refused.returncode, published.returncode) == (1, 0)
    assert "write 'private' after its name" in refused.stdout
    assert (service.public / f"badges/image/{name}.svg").exists()


@pytest.mark.parametrize(
    "body",
    [
        b"Content-Length: 1000\r\n\r\nslow",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nslow",
        b"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"Content-Length: 0\r\n\r\n",
    ],
    ids=["short", "short chunk", "no chunk", "chunked", "none"],
)
def test_a_webhook_is_accepted_however_its_body_comes(start: Start, body: bytes) -> None:
    service = start("127.0.0.1:9/team/web")
    path = service.command("webhook", "127.0.0.1:9/team/web").stdout.strip().removeprefix(service.url)

    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as connection:
        connection.sendall(f"POST {path} HTTP/1.1\r\nHost: test\r\n".encode() + body)
        answer = b""
        while not answer.endswith(b"\r\n\r\nOK"):
            part = connection.recv(10_000)
            assert part, f"the connection ended behind {answer!r}"
            answer += part

    assert answer.startswith(b"HTTP/1.1 200 OK")


def test_those_who_wait_leave_room_for_everybody_else(start: Start) -> None:
    hold = threading.Event()

    def hang(_: Request) -> None:
        hold.wait(60)

    with FakeRegistry() as fake, ThreadPoolExecutor(20) as pool:
        name = f"{fake.host}/team/web"
        fake.always("/tags/", hang)
        service = start(name)
        webhook = service.command("webhook", name).stdout.strip()
        try:
            waiting = [pool.submit(requests.post, f"{webhook}?wait=60", timeout=70) for _ in range(20)]
            service.wait(lambda: sum(each.done() for each in waiting) == 16, "all but four are answered")

            assert service.get("/healthcheck.txt").text == "HEALTH OK"
            assert {each.result().status_code for each in waiting if each.done()} == {202}
        finally:
            hold.set()
