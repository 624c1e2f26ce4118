"""What goes wrong around the service: what was published stays as it is, the cause is told, and it heals by itself."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from os import utime
from pathlib import Path

import pytest
import requests
from microbadger.freshness.asked_tags import AskedTags
from werkzeug.wrappers import Response

from microbadger.image.reference import Reference, Repository
from microbadger.registry.client import Registry
from microbadger.registry.docker_hub import DockerHub
from microbadger.registry.transport import Limits
from microbadger.store.files import set_aside
from tests.fakes.proxy import Fault, FaultyProxy, cut_after, garbled, garbled_body, in_single_bytes, kept_back, whole
from tests.fakes.registry import FakeRegistry, Handler, image
from tests.freshness.test_refresh import Bench
from tests.running_service import RunningService

GARBAGE = [b"", b"\x00" * 200, b"\xff\xfe garbage", b'{"began_at": "2026', b"[" * 100_000, b"[[3]]", b"null"]
WAIT_SECONDS = 30.0


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with FakeRegistry() as fake:
        yield Bench(tmp_path, fake)


@pytest.fixture
def proxied(bench: Bench) -> Iterator[tuple[Bench, FaultyProxy]]:
    """A bench that reaches its registry through a proxy."""
    with FaultyProxy(int(bench.fake.host.rpartition(":")[2])) as proxy:
        bench.repository = Repository(proxy.host, "team/web")
        bench.refresher = bench.refresher_of()
        yield bench, proxy


@pytest.mark.parametrize(
    "fault",
    [cut_after(0), cut_after(20), cut_after(120), cut_after(300), garbled, garbled_body],
    ids=["hung up", "in the status", "in the headers", "in the body", "garbled", "garbled body"],
)
def test_a_spoilt_connection_leaves_all_files_and_is_made_good_later(
    proxied: tuple[Bench, FaultyProxy], fault: Fault
) -> None:
    bench, proxy = proxied
    bench.fake.push("team/web", "latest", image(layers=[1]))
    assert bench.refresh() is None
    before = contents(bench.public)
    bench.fake.push("team/web", "latest", image(layers=[1, 2]))
    proxy.spoil(fault)

    assert proxy.host in (bench.refresh() or "")

    assert contents(bench.public) == before
    assert bench.checks.get(bench.repository).error
    proxy.spoil(whole)
    bench.time += timedelta(minutes=2)
    outcome = bench.refresher.refresh_if_due(bench.repository)
    assert outcome
    assert outcome.error is None
    assert bench.badge("layers") == "layers: 2"


def test_an_answer_in_single_bytes_is_an_answer(proxied: tuple[Bench, FaultyProxy]) -> None:
    bench, proxy = proxied
    bench.fake.push("team/web", "latest", image(layers=[1, 2]))
    proxy.spoil(in_single_bytes)

    assert bench.refresh() is None

    assert bench.badge("layers") == "layers: 2"


def test_an_answer_that_is_kept_back_is_given_up_and_asked_for_later(proxied: tuple[Bench, FaultyProxy]) -> None:
    bench, proxy = proxied
    limits = Limits(connect_seconds=5, answer_seconds=0.3, body_seconds=0.3)
    registry = Registry(user_agent="tests", sleep=lambda _: None, limits=limits)
    bench.refresher = replace(bench.refresher, surveyor=replace(bench.refresher.surveyor, registry=registry))
    bench.fake.push("team/web", "latest", image(layers=[1]))
    is_over = threading.Event()
    proxy.spoil(kept_back(is_over))

    assert proxy.host in (bench.refresh() or "")

    is_over.set()
    proxy.spoil(whole)
    bench.time += timedelta(minutes=2)
    assert bench.refresher.refresh_if_due(bench.repository)
    assert bench.badge("layers") == "layers: 1"


OUTAGES: dict[str, Handler] = {
    "401 after a token change": lambda _: Response("{}", 401, {"WWW-Authenticate": 'Basic realm="other"'}),
    "403": lambda _: Response(status=403),
    "404 for everything": lambda _: Response(status=404),
    "429 storm": lambda _: Response(status=429, headers={"Retry-After": "0"}),
    "500": lambda _: Response(status=500),
    "half a document": lambda _: Response(b'{"name": "team/web", "tags": ["lat'),
    "another document": lambda _: Response(b'{"tags": {"latest": 1}}'),
    "a page of a provider": lambda _: Response("<html>Please log in</html>", content_type="text/html"),
}


@pytest.mark.parametrize("outage", OUTAGES.values(), ids=OUTAGES.keys())
def test_a_registry_that_is_out_of_order_for_days_is_asked_seldom_and_seen_when_it_is_back(
    bench: Bench, outage: Handler
) -> None:
    bench.fake.push("team/web", "latest", image(layers=[1]))
    bench.refresh()
    before = contents(bench.public)
    is_over = False
    bench.fake.always("/", lambda request: None if is_over else outage(request))
    looks = 0

    for _ in range(5 * 24):
        bench.time += timedelta(hours=1)
        if outcome := bench.refresher.refresh_if_due(bench.repository):
            looks += 1
            assert outcome.error

    assert contents(bench.public) == before
    assert 10 <= looks <= 40
    bench.fake.push("team/web", "latest", image(layers=[1, 2]))
    is_over = True
    bench.time += timedelta(hours=8)
    assert bench.refresher.refresh_if_due(bench.repository)
    assert bench.badge("layers") == "layers: 2"
    assert bench.checks.get(bench.repository).error is None


@pytest.mark.parametrize("outage", OUTAGES.values(), ids=OUTAGES.keys())
def test_a_tag_that_moved_to_what_cannot_be_read_stays_as_it_was_until_it_can(bench: Bench, outage: Handler) -> None:
    for tag in ("latest", "1.0"):
        bench.fake.push("team/web", tag, image(labels={"tag": tag}, layers=[1]))
    bench.refresh()
    before = contents(bench.public)
    bench.fake.push("team/web", "latest", image(layers=[1, 2]))
    is_over = False
    bench.fake.always("/manifests/", lambda asked: None if is_over or asked.method == "HEAD" else outage(asked))

    assert bench.refresh() is not None

    assert contents(bench.public) == before
    is_over = True
    bench.refresher = bench.refresher_of()  # as after a restart: what it was told to wait is forgotten
    assert bench.refresh() is None
    assert (bench.badge("layers"), bench.badge("layers", "1.0")) == ("layers: 2", "layers: 1")


def test_a_name_that_cannot_be_resolved_is_told_and_heals(bench: Bench) -> None:
    addresses: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        if not addresses:
            raise OSError(-2, "Name or service not known")
        return addresses

    port = bench.fake.host.rpartition(":")[2]
    bench.repository = Repository(f"registry.test:{port}", "team/web")
    registry = Registry(
        user_agent="tests", http_registries=[bench.repository.registry], resolve=resolve, sleep=lambda _: None
    )
    surveyor = replace(bench.refresher.surveyor, registry=registry, docker_hub=DockerHub(registry.transport, ""))
    bench.refresher = replace(bench.refresher_of(), surveyor=surveyor)
    bench.fake.push("team/web", "latest", image())
    assert "registry.test" in (bench.refresh() or "")
    addresses.append("127.0.0.1")
    bench.time += timedelta(minutes=2)

    outcome = bench.refresher.refresh_if_due(bench.repository)

    assert outcome
    assert outcome.error is None
    assert bench.badge("layers") == "layers: 1"


@pytest.mark.parametrize("jump", [timedelta(days=-4000), timedelta(days=-1), timedelta(hours=13), timedelta(days=4000)])
@pytest.mark.parametrize("fails", [False, True], ids=["after a success", "after a failure"])
def test_a_clock_that_jumps_and_jumps_back_delays_no_look(bench: Bench, jump: timedelta, fails: bool) -> None:
    bench.fake.push("team/web", "latest", image())
    bench.refresh()
    is_broken = fails
    bench.fake.always("/", lambda _: Response(status=404) if is_broken else None)
    for moved in (jump, -jump):
        bench.time += moved
        bench.refresher.refresh_if_due(bench.repository)
    is_broken = False
    asked = bench.fake.asked("GET", "/tags/")

    for _ in range(49):
        bench.time += timedelta(minutes=30)
        bench.refresher.refresh_if_due(bench.repository)

    assert 1 <= bench.fake.asked("GET", "/tags/") - asked <= 3
    assert bench.checks.get(bench.repository).error is None


def test_a_limit_told_before_the_clock_was_set_back_holds_up_nothing(bench: Bench) -> None:
    registry = Registry(user_agent="tests", sleep=lambda _: None, clock=lambda: bench.time.timestamp())
    bench.refresher = replace(bench.refresher, surveyor=replace(bench.refresher.surveyor, registry=registry))
    bench.fake.push("team/web", "latest", image())
    bench.fake.then("/tags/", Response(status=429, headers={"Retry-After": "3600"}))
    assert "fewer requests" in (bench.refresh() or "")
    assert "left alone" in (bench.refresh() or "")

    bench.time -= timedelta(days=4000)

    assert bench.refresh() is None


@pytest.mark.parametrize("damage", GARBAGE, ids=repr)
@pytest.mark.parametrize("folder", ["images", "layers", "content", "requests"])
def test_a_damaged_data_file_changes_nothing_public_and_is_made_good(bench: Bench, folder: str, damage: bytes) -> None:
    bench.fake.push("team/web", "latest", image(layers=[1, 2]))
    bench.refresh()
    AskedTags(bench.data, now=lambda: bench.time).is_worth_a_look(bench.repository, "nope")
    bench.requests.add(Reference(bench.repository, "latest", None))
    before = contents(bench.public)
    files = [file for file in (bench.data / folder).rglob("*") if file.is_file() and "lock" not in file.name]
    assert files
    for file in files:
        file.write_bytes(damage)

    assert bench.refresh() is None

    after = contents(bench.public)
    assert after.keys() == before.keys()
    assert {path for path in after if after[path] != before[path]} == set()
    bench.fake.push("team/web", "latest", image(layers=[1, 2, 3]))
    assert bench.refresh() is None
    assert bench.badge("layers") == "layers: 3"


@pytest.mark.parametrize("damage", GARBAGE, ids=repr)
def test_a_damaged_check_is_set_aside_and_said_so(
    bench: Bench, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    bench.fake.push("team/web", "latest", image())
    bench.refresh()
    (file,) = bench.data.rglob("checks.jsonl")
    file.write_bytes(damage)

    bench.refresher.refresh_if_due(bench.repository)

    (aside,) = file.parent.glob("checks.jsonl.damaged-*")
    assert aside.read_bytes() == damage
    assert f"file={file} aside={aside.name}" in caplog.text
    assert bench.checks.get(bench.repository).succeeded_at == bench.time


def test_few_damaged_files_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "check[1].json"
    for number in range(10):
        (tmp_path / f"{file.name}.damaged-2026010{number}T000000Z").write_bytes(b"")
    file.write_bytes(b"damaged")

    aside = set_aside(file)

    assert aside
    assert aside.read_bytes() == b"damaged"
    assert len(list(tmp_path.iterdir())) == 3


def test_a_file_that_is_not_there_cannot_be_set_aside(tmp_path: Path) -> None:
    assert set_aside(tmp_path / "none") is None


def test_damaged_subscriptions_keep_no_image_from_being_published(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image())

    def published() -> None:
        raise ValueError("subscriptions.json cannot be read")

    assert replace(bench.refresher, published=published).refresh(bench.repository).error is None


def test_a_message_that_cannot_be_kept_is_announced_at_the_next_look(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image(layers=[1]))
    bench.refresh()
    bench.fake.push("team/web", "latest", image(layers=[1, 2]))

    def announce(*_: object) -> None:
        raise OSError(28, "No space left on device")

    failed = replace(bench.refresher, announce=announce).refresh(bench.repository)

    assert (failed.cause, bench.badge("layers")) == ("data", "layers: 1")
    bench.refresh()
    assert len(bench.announced) == 1


@contextmanager
def mounted(folder: Path, *options: str) -> Iterator[None]:
    """Mount something at a folder while the block runs; skip where that is not allowed."""
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["mount", *options, str(folder)], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"mounting is not allowed here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Leave no byte on the disk of a folder, and return the file to remove again."""
    ballast = folder / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
    return ballast


def seen_badges(service: RunningService, name: str) -> list[bytes]:
    """Return the badges that readers are served of an image."""
    paths = (f"/badges/layers/{name}.svg", f"/badges/image/{name}:latest.svg", f"/badges/image/{name}.json")
    return [service.get(path).content for path in paths]


def seen(service: RunningService, name: str) -> list[bytes]:
    """Return what readers are served of an image."""
    paths = (f"/v1/images/{name}", f"/images/{name}", f"/images/{name}/-/feed.xml")
    return seen_badges(service, name) + [service.get(path).content for path in paths]


def lines(service: RunningService, *words: str) -> list[str]:
    """Return the lines of the log that hold all these words."""
    return [line for line in service.log.read_text().splitlines() if all(word in line for word in words)]


def failures(service: RunningService) -> list[str]:
    """Return what /healthz says of the images that fail."""
    return [failure["Error"] for failure in service.get("/healthz").json()["Failures"]]


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with FakeRegistry() as fake:
        fake.push("team/web", "latest", image(layers=[1]))
        yield fake


def test_a_full_disk_leaves_what_is_served_and_is_told_and_heals(tmp_path: Path, fake: FakeRegistry) -> None:
    name = f"{fake.host}/team/web"
    with mounted(tmp_path / "disk", "-t", "tmpfs", "-o", "size=4m", "none"):
        service = RunningService(tmp_path / "disk", [name], refresh_hours="0.0005")
        service.log = tmp_path / "service.log"
        with service:
            service.wait_for_image(name)
            before = seen(service, name)
            ballast = fill(tmp_path / "disk")
            fake.push("team/web", "latest", image(layers=[1, 2]))

            service.wait(lambda: bool(lines(service, "refresh_failed", name, "No space left")), "a line says so")
            assert "No space left" in failures(service)[0]
            assert seen(service, name) == before
            assert service.badge(f"layers/{name}:nope") == "nope: not found"
            assert lines(service, "Traceback") == []
            assert requests.post(service.command("webhook", name).stdout.strip(), timeout=30).status_code >= 500

            ballast.unlink()
            service.wait_for_badge(f"layers/{name}", "layers: 2", WAIT_SECONDS)
            service.wait(lambda: failures(service) == [], "nothing fails any more")


def test_a_public_folder_that_cannot_be_written_is_told_and_heals(tmp_path: Path, fake: FakeRegistry) -> None:
    name = f"{fake.host}/team/web"
    public = tmp_path / "service" / "public"
    with mounted(public, "-t", "tmpfs", "none"):
        service = RunningService(tmp_path / "service", [name], refresh_hours="0.0005")
        with service:
            service.wait_for_image(name)
            service.wait(lambda: name in service.get("/").text, "the list is published")
            before = seen(service, name)
            subprocess.run(["mount", "-o", "remount,ro", str(public)], check=True)
            fake.push("team/web", "latest", image(layers=[1, 2]))

            answer = requests.post(f"{service.command('webhook', name).stdout.strip()}?wait=20", timeout=30)

            assert (answer.status_code, "Read-only" in answer.json()["Error"]) == (502, True)
            service.wait(lambda: bool(lines(service, "refresh_failed", name, "Read-only")), "a line says so")
            assert "Read-only file system" in failures(service)[0]
            assert "Read-only file system" in service.command("images").stdout
            assert seen(service, name) == before
            assert lines(service, "Traceback") == []

            subprocess.run(["mount", "-o", "remount,rw", str(public)], check=True)
            service.wait_for_badge(f"layers/{name}", "layers: 2", WAIT_SECONDS)


def test_a_service_starts_and_serves_with_damaged_data_files(tmp_path: Path, fake: FakeRegistry) -> None:
    name = f"{fake.host}/team/web"
    service = RunningService(tmp_path, [name])
    with service:
        service.wait_for_image(name)
        service.badge(f"layers/{name}:nope")
        before = seen_badges(service, name)
    for file in [file for file in service.data.rglob("*") if file.is_file()]:
        file.write_bytes(b"\xff\x00{[garbage\n" * 20)

    with service:
        assert seen_badges(service, name) == before
        service.wait(lambda: bool(lines(service, "set_aside", "checks.jsonl")), "the damage is told")
        service.wait(lambda: service.get("/healthz").json()["Pending"] == 0, "the check is made anew")
        assert seen_badges(service, name) == before
        assert "microbadger_images" in service.get("/metrics").text
        fake.push("team/web", "latest", image(layers=[1, 2]))
        answer = requests.post(f"{service.command('webhook', name).stdout.strip()}?wait=20", timeout=30)
        assert (answer.json()["Result"], service.badge(f"layers/{name}")) == ("fresh", "layers: 2")

    assert lines(service, "Traceback") == []


def test_lines_that_name_no_image_take_nothing_away_and_are_told(tmp_path: Path, fake: FakeRegistry) -> None:
    name = f"{fake.host}/team/web"
    service = RunningService(tmp_path)
    images = service.data / "images.txt"
    images.write_text(f"{name}\n")
    assert service.command("refresh").returncode == 0
    before = contents(service.public / "badges")
    images.write_bytes(b"\xff\x00garbage\n\x01\x02\n")
    utime(images, (0, 0))

    told = service.command("refresh")

    assert "images.txt line 1 is left out" in told.stdout + told.stderr
    assert contents(service.public / "badges") == before


def test_a_check_that_cannot_be_written_is_remembered_and_leads_to_few_looks(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image())
    bench.refresh()
    (file,) = bench.data.rglob("checks.jsonl")
    file.unlink()
    (file / "in the way").mkdir(parents=True)
    looks = 0

    for _ in range(3600 // 5):
        bench.time += timedelta(seconds=5)
        looks += bench.refresher.refresh_if_due(bench.repository) is not None

    assert 6 <= looks <= 14
    assert "data folder" in (bench.checks.get(bench.repository).error or "")
    (file / "in the way").rmdir()
    file.rmdir()
    bench.time += timedelta(minutes=12)
    assert bench.refresher.refresh_if_due(bench.repository)
    assert bench.checks.get(bench.repository).error is None
