"""Public files that a power failure left empty, cut, old or without their name."""

import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from microbadger.freshness.recovery import Recovery
from tests.fakes.registry import FakeRegistry, image
from tests.freshness.bench import DEADLINE_SECONDS, Bench
from tests.real_registry import wait_until
from tests.running_service import RunningService

DAMAGES: dict[str, Callable[[Path], object]] = {
    "empty": lambda file: file.write_bytes(b""),
    "cut": lambda file: file.write_bytes(file.read_bytes()[:100]),
    "of zeros": lambda file: file.write_bytes(bytes(file.stat().st_size)),
    "old": lambda file: file.write_bytes(b"<svg/>"),
    "gone": lambda file: file.unlink(),
}


@pytest.fixture
def recovery(bench: Bench) -> Recovery:
    bench.fake.push("team/web", "latest", image())
    bench.refresh()
    bench.freshness.catalogue.publish()
    return bench.freshness.recovery


@pytest.mark.parametrize("damage", DAMAGES)
def test_every_file_is_rewritten_that_is_not_as_it_was(bench: Bench, recovery: Recovery, damage: str) -> None:
    before = bench.files()
    for path in before:
        DAMAGES[damage](bench.public / path)
    recovery.recover()
    assert bench.files() == before


def test_what_is_whole_is_not_written(bench: Bench, recovery: Recovery) -> None:
    before = bench.stamps()
    recovery.recover()
    assert bench.stamps() == before


def test_an_empty_file_that_no_record_has_is_removed(bench: Bench, recovery: Recovery) -> None:
    lost = bench.public / bench.paths.badge("layers", "lost", "svg")
    lost.write_bytes(b"")
    recovery.recover()
    assert not lost.exists()


def test_a_file_of_the_operator_stays(bench: Bench, recovery: Recovery) -> None:
    for name in (".gitkeep", "robots.txt"):
        (bench.public / name).write_bytes(b"")
    recovery.recover()
    assert {".gitkeep", "robots.txt"} <= {path.name for path in bench.public.iterdir()}


def test_an_image_whose_files_cannot_be_written_leaves_the_lists_alone(bench: Bench, recovery: Recovery) -> None:
    badge = bench.public / bench.paths.badge("layers", None, "svg")
    badge.unlink()
    (badge / "in-the-way").mkdir(parents=True)
    (bench.public / "index.html").write_bytes(b"")
    recovery.recover()
    assert (bench.public / "index.html").read_bytes()


def test_an_image_that_is_being_checked_holds_up_no_other(bench: Bench, recovery: Recovery) -> None:
    home = bench.public / "index.html"
    badge = bench.public / bench.paths.badge("layers", None, "svg")
    home.write_bytes(b"")
    badge.write_bytes(b"")
    lease = bench.leases.try_take(f"image:{bench.repository}")
    assert lease
    with ThreadPoolExecutor() as pool:
        recovering = pool.submit(recovery.recover)
        wait_until(lambda: home.read_bytes() != b"", "a whole home page", DEADLINE_SECONDS)
        assert not badge.exists()
        bench.leases.give_back(lease)
        recovering.result(10)
    assert badge.read_bytes()


def test_the_next_start_is_told_only_after_everything_was_whole(recovery: Recovery) -> None:
    assert recovery.is_needed()
    recovery.end_well()
    assert recovery.is_needed()
    recovery.recover()
    recovery.end_well()
    assert not recovery.is_needed()
    recovery.end_well()
    assert not recovery.is_needed()


# Running


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with FakeRegistry() as fake:
        fake.push("team/web", "latest", image())
        yield fake


def last_stop(service: RunningService) -> str:
    with closing(sqlite3.connect(service.data / "microbadger.db")) as connection:
        return str(connection.execute("SELECT value FROM meta WHERE key = 'last_stop'").fetchone()[0])


def test_a_service_that_was_killed_makes_its_files_whole_when_it_starts_again(
    tmp_path: Path, fake: FakeRegistry
) -> None:
    service = RunningService(tmp_path, [f"{fake.host}/team/web"])
    with service:
        service.wait_for_image(f"{fake.host}/team/web")
        badge = service.public / f"badges/layers/{fake.host}/team/web.svg"
        whole = badge.read_bytes()
        service.kill()
        badge.write_bytes(b"")
        service.start()
        service.wait(lambda: badge.exists() and badge.read_bytes() == whole, "a whole badge")


@pytest.mark.parametrize("options", [(), ("--workers", "2", "--preload")])
def test_a_service_that_is_stopped_says_that_all_is_well(
    tmp_path: Path, fake: FakeRegistry, options: tuple[str, ...]
) -> None:
    service = RunningService(tmp_path, [f"{fake.host}/team/web"], *options)
    with service:
        service.wait(lambda: bool(service.lines("public_files_recovered")), "the end of the recovery")
        service.stop()
    assert last_stop(service) == "clean"
