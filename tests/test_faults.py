"""What goes wrong around the service: what was published stays as it is, the cause is said, and it heals by itself."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from os import utime
from pathlib import Path
from typing import Any

import pytest
import requests
from sqlalchemy import text
from werkzeug.wrappers import Response

from microbadger.freshness.stored_images import TrackedImage
from microbadger.http.client import Limits, Network
from microbadger.image.reference import Repository
from microbadger.registry.client import Registry
from microbadger.registry.servers import Servers
from microbadger.store.files import set_aside
from microbadger.store.tables import CHECKS, PUBLIC_FILES
from tests.disks import kept_full, mounted, read_only
from tests.fakes.proxy import Fault, FaultyProxy, cut_after, garbled, garbled_body, in_single_bytes, kept_back, whole
from tests.fakes.registry import FakeRegistry, Handler, image
from tests.freshness.bench import Bench
from tests.running_service import WAIT_SECONDS, RunningService

GARBAGE = [b"", b"\x00" * 200, b"\xff\xfe garbage", b'{"began_at": "2026', b"[" * 100_000, b"[[3]]", b"null"]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with FakeRegistry() as fake:
        yield Bench(tmp_path, fake)


@pytest.fixture
def proxied(tmp_path: Path) -> Iterator[tuple[Bench, FaultyProxy]]:
    """A bench that reaches its registry through a proxy."""
    with FakeRegistry() as fake, FaultyProxy(int(fake.host.rpartition(":")[2])) as proxy:
        bench = Bench(tmp_path, fake, named=f"{proxy.host}/team/web")
        bench.repository = Repository(proxy.host, "team/web")
        yield bench, proxy


def use_registry(bench: Bench, network: Network | None = None, **options: Any) -> None:
    """Have images read by another client of registries, as a process does that was just started."""
    registry = Registry(
        bench.database,
        bench.freshness.refresher.aftermath.counts,
        network or Network("tests"),
        **{"sleep": lambda _: None, **options},
    )
    bench.refresher = replace(bench.refresher, surveyor=replace(bench.refresher.surveyor, registry=registry))


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
    before = bench.files()
    bench.fake.push("team/web", "latest", image(layers=[1, 2]))
    proxy.spoil(fault)

    assert proxy.host in (bench.refresh() or "")

    assert bench.files() == before
    assert bench.freshness.checks.get(bench.repository).error
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
    use_registry(bench, limits=Limits(connect_seconds=5, answer_seconds=0.3, total_seconds=0.3))
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
    before = bench.files()
    is_over = False
    bench.fake.always("/", lambda request: None if is_over else outage(request))
    checks = 0

    for _ in range(5 * 24):
        bench.time += timedelta(hours=1)
        if outcome := bench.refresher.refresh_if_due(bench.repository):
            checks += 1
            assert outcome.error

    assert bench.files() == before
    assert 10 <= checks <= 40
    bench.fake.push("team/web", "latest", image(layers=[1, 2]))
    is_over = True
    bench.time += timedelta(hours=8)
    assert bench.refresher.refresh_if_due(bench.repository)
    assert bench.badge("layers") == "layers: 2"
    assert bench.freshness.checks.get(bench.repository).error is None


@pytest.mark.parametrize("outage", OUTAGES.values(), ids=OUTAGES.keys())
def test_a_tag_that_moved_to_what_cannot_be_read_stays_as_it_was_until_it_can(bench: Bench, outage: Handler) -> None:
    for tag in ("latest", "1.0"):
        bench.fake.push("team/web", tag, image(labels={"tag": tag}, layers=[1]))
    bench.refresh()
    bench.made(bench.paths.badge("layers", "1.0", "svg"))
    before = bench.files()
    bench.fake.push("team/web", "latest", image(layers=[1, 2]))
    is_over = False
    bench.fake.always("/manifests/", lambda asked: None if is_over or asked.method == "HEAD" else outage(asked))

    assert bench.refresh() is None

    assert "latest" in (bench.freshness.checks.get(bench.repository).note or "")
    assert bench.files() == before
    is_over = True
    use_registry(bench)  # it forgets how long it was to wait
    assert bench.refresh() is None
    assert (bench.badge("layers"), bench.badge("layers", "1.0")) == ("layers: 2", "layers: 1")


def test_a_name_that_cannot_be_resolved_is_said_and_heals(bench: Bench) -> None:
    addresses: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        if not addresses:
            raise OSError(-2, "Name or service not known")
        return addresses

    bench.repository = Repository(f"registry.test:{bench.fake.host.rpartition(':')[2]}", "team/web")
    bench.freshness.tracked.track(TrackedImage(bench.repository))
    servers = Servers(http_registries=[bench.repository.registry])
    use_registry(bench, Network("tests", resolve=resolve), servers=servers)
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
def test_a_clock_that_jumps_and_jumps_back_delays_no_check(bench: Bench, jump: timedelta, fails: bool) -> None:
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
    assert bench.freshness.checks.get(bench.repository).error is None


def test_a_limit_from_before_the_clock_was_set_back_holds_up_nothing(bench: Bench) -> None:
    use_registry(bench, clock=lambda: bench.time.timestamp())
    bench.fake.push("team/web", "latest", image())
    bench.fake.then("/tags/", Response(status=429, headers={"Retry-After": "3600"}))
    assert "fewer requests" in (bench.refresh() or "")
    assert "is paused" in (bench.refresh() or "")

    bench.time -= timedelta(days=4000)

    assert bench.refresh() is None


@pytest.mark.parametrize("damage", GARBAGE, ids=repr)
@pytest.mark.parametrize("column", ["records.document", "versions.document", "content.body"])
def test_a_damaged_document_in_the_database_changes_no_badge_and_is_made_good(
    bench: Bench, column: str, damage: bytes
) -> None:
    bench.fake.push("team/web", "latest", image(layers=[1, 2]))
    bench.refresh()
    before = bench.files()
    table, _, name = column.partition(".")
    with bench.database.write() as connection:
        assert connection.execute(text(f"UPDATE {table} SET {name} = :damage"), {"damage": damage}).rowcount

    assert bench.refresh() is None

    after = bench.files()
    assert after.keys() == before.keys()
    assert {path for path in after if after[path] != before[path] and path.startswith("badges/")} == set()
    bench.fake.push("team/web", "latest", image(layers=[1, 2, 3]))
    assert bench.refresh() is None
    assert bench.badge("layers") == "layers: 3"
    assert all(bench.made(path) == content for path, content in bench.files().items())


def test_files_of_which_a_database_lost_the_paths_are_kept_current(bench: Bench) -> None:
    for tag in ("latest", "0.9"):
        bench.fake.push("team/web", tag, image(labels={"tag": tag}, layers=[1]))
    bench.refresh()
    bench.made(bench.paths.badge("layers", "0.9", "svg"))
    with bench.database.write() as connection:
        connection.execute(CHECKS.delete())
        lost = PUBLIC_FILES.c.path.like("%:0.9.%")
        assert connection.execute(PUBLIC_FILES.delete().where(lost)).rowcount == 1
    bench.fake.push("team/web", "0.9", image(layers=[1, 2]))

    assert bench.refresh() is None

    assert bench.badge("layers", "0.9") == "layers: 2"


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


def test_a_message_that_cannot_be_kept_is_announced_at_the_next_check(bench: Bench) -> None:
    bench.subscribe()
    bench.fake.push("team/web", "latest", image(layers=[1]))
    bench.refresh()
    bench.fake.push("team/web", "latest", image(layers=[1, 2]))
    refuse = "CREATE TRIGGER refuse BEFORE INSERT ON messages BEGIN SELECT RAISE(ABORT, 'no room'); END"
    with bench.database.write() as connection:
        connection.execute(text(refuse))

    failed = bench.refresher.refresh(bench.repository)

    assert (failed.reason, bench.notifications.lengths()["waiting"]) == ("local", 0)
    with bench.database.write() as connection:
        connection.execute(text("DROP TRIGGER refuse"))
    assert bench.refresh() is None
    assert bench.notifications.lengths()["waiting"] == 1


def seen_badges(service: RunningService, name: str) -> list[bytes]:
    """Return the badges that readers are served of an image."""
    paths = (f"/badges/layers/{name}.svg", f"/badges/image/{name}:latest.svg", f"/badges/image/{name}.json")
    return [service.get(path).content for path in paths]


def seen(service: RunningService, name: str) -> list[bytes]:
    """Return what readers are served of an image."""
    paths = (f"/v1/images/{name}", f"/images/{name}", f"/images/{name}/-/feed.xml")
    return seen_badges(service, name) + [service.get(path).content for path in paths]


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with FakeRegistry() as fake:
        fake.push("team/web", "latest", image(layers=[1]))
        yield fake


@pytest.mark.parametrize("what", ["public", "data"])
def test_a_full_disk_leaves_what_is_served_and_is_said_and_heals(
    tmp_path: Path, fake: FakeRegistry, what: str
) -> None:
    name, disk = f"{fake.host}/team/web", tmp_path / what
    with mounted(disk):
        service = RunningService(tmp_path, [name], "--workers", "2", refresh_hours="0.0005")
        with service:
            service.wait_for_image(name)
            before = seen(service, name)
            with kept_full(disk):
                fake.push("team/web", "latest", image(layers=[1, 2]))

                service.wait(lambda: "full" in said(service) or "No space left" in said(service), "it is said")
                assert seen(service, name) == before
                assert service.badge(f"layers/{name}:nope") == "nope: not found"
                assert "microbadger_images" in service.get("/metrics").text
                assert service.lines("Traceback") == []

            service.wait_for_badge(f"layers/{name}", "layers: 2", WAIT_SECONDS)
            service.wait(lambda: said(service) == "[][]", "nothing fails any more")


def said(service: RunningService) -> str:
    """Return what /healthz says is wrong."""
    health = service.get("/healthz").json()
    return f"{health['Failures']}{health['Problems']}"


def test_a_webhook_that_cannot_be_kept_is_refused(tmp_path: Path, fake: FakeRegistry) -> None:
    name = f"{fake.host}/team/web"
    with mounted(tmp_path / "data"), RunningService(tmp_path, [name]) as service:
        url = service.webhook(name)
        with kept_full(tmp_path / "data"):
            answer = requests.post(url, timeout=WAIT_SECONDS)

            assert (answer.status_code, "database cannot be used" in answer.text) == (503, True)
            assert service.lines("request_failed", "disk is full")


def test_a_public_folder_that_cannot_be_written_is_said_and_heals(tmp_path: Path, fake: FakeRegistry) -> None:
    name, public = f"{fake.host}/team/web", tmp_path / "public"
    with mounted(public), RunningService(tmp_path, [name], refresh_hours="0.0005") as service:
        service.wait_for_image(name)
        service.wait(lambda: '"current"' in service.get("/v1/images.json").text, "the list is published")
        before = seen(service, name)
        with read_only(public):
            fake.push("team/web", "latest", image(layers=[1, 2]))

            answer = service.push(name, wait_seconds=WAIT_SECONDS)

            assert (answer.status_code, "Read-only" in answer.json()["Error"]) == (502, True)
            service.wait(lambda: bool(service.lines("refresh_failed", name, "Read-only")), "a line says so")
            assert "Read-only file system" in said(service)
            assert "Read-only file system" in service.command("images").stdout
            assert seen(service, name) == before
            assert service.lines("Traceback") == []

        service.wait_for_badge(f"layers/{name}", "layers: 2", WAIT_SECONDS)


def test_lines_that_name_no_image_take_nothing_away_and_are_said(tmp_path: Path, fake: FakeRegistry) -> None:
    name = f"{fake.host}/team/web"
    service = RunningService(tmp_path)
    images = service.data / "images.txt"
    images.write_text(f"{name}\n")
    assert service.command("refresh").returncode == 0
    before = badges(service)
    images.write_bytes(b"\xff\x00garbage\n\x01\x02\n")
    utime(images, (0, 0))

    done = service.command("refresh")

    assert "images.txt line 1 is left out" in done.stderr
    assert badges(service) == before


def badges(service: RunningService) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in (service.public / "badges").rglob("*.svg")}
