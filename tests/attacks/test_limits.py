"""Registries that are slow, and images that are large or kill what reads them: each of these has a total."""

import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import requests
from werkzeug.wrappers import Request

from microbadger.freshness.refresh import Times
from microbadger.image.reference import Repository
from microbadger.store.leases import Leases
from microbadger.webhooks.tokens import image_token
from tests.fakes.registry import FakeImage, FakeRegistry, RawServer, image, index, read_request
from tests.freshness.bench import Bench
from tests.real_registry import wait_until
from tests.running_service import ROOT, WAIT_SECONDS, RunningService

IMAGES_OF_A_REGISTRY = 8
SECONDS_TO_ANSWER = 8.0
SECONDS_TO_READ = 10.0


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with FakeRegistry() as fake:
        yield fake


# Time


def slow_registries(stack: ExitStack) -> list[str]:
    """Return the hosts of three registries: one accepts and says nothing, one drips its headers, one its body."""
    over = threading.Event()
    stack.callback(over.set)

    def drip(begin: bytes) -> RawServer:
        def handle(connection: socket.socket) -> None:
            read_request(connection)
            connection.sendall(begin)
            while not over.wait(1):
                if begin:
                    connection.sendall(b"a")

        return RawServer(handle)

    begins = (b"", b"HTTP/1.1 200 OK\r\nX-Drip: ", b'HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{"')
    return [f"127.0.0.1:{stack.enter_context(drip(begin)).port}" for begin in begins]


def test_while_24_images_hang_and_drip_a_healthy_webhook_is_answered_in_seconds(
    tmp_path: Path, fake: FakeRegistry
) -> None:
    fake.push("team/web", "latest", image(layers=[1]))
    healthy = f"{fake.host}/team/web"
    with ExitStack() as stack:
        hosts = slow_registries(stack)
        slow = [f"{host}/team/image{number}" for host in hosts for number in range(IMAGES_OF_A_REGISTRY)]
        service = stack.enter_context(RunningService(tmp_path, [*slow, healthy]))
        service.wait_for_image(healthy)
        fake.push("team/web", "latest", image(layers=[1, 2]))
        for name in slow:
            token = image_token(service.environment["MICROBADGER_SECRET"], Repository.parse(name))
            assert requests.post(f"{service.url}/images/{name}/{token}", timeout=WAIT_SECONDS).text == "OK"

        began = time.monotonic()
        answer = service.push(healthy, wait_seconds=WAIT_SECONDS)
        seconds = time.monotonic() - began

        assert answer.json()["Result"] == "fresh"
        assert seconds < SECONDS_TO_ANSWER
        print(f"a healthy webhook took {seconds:.2f} s while {len(slow)} images hung and dripped")


def test_a_check_whose_time_is_over_publishes_what_it_read_and_notes_the_rest(
    tmp_path: Path, fake: FakeRegistry
) -> None:
    for number in range(20):
        fake.push("team/web", f"1.{number}", image(labels={"number": f"{number}"}))

    def dawdle(_: Request) -> None:
        time.sleep(0.1)  # a registry that is always within the limits of a request

    fake.always("/manifests/", dawdle)
    bench = Bench(tmp_path, fake)
    bench.refresher = replace(bench.refresher, times=Times(seconds=2.0, after_push_seconds=2.0))

    began = time.monotonic()
    assert bench.refresh() is None
    assert time.monotonic() - began < SECONDS_TO_READ

    read = [version for version in bench.record["Versions"] if "Unread" not in version]
    assert 0 < len(read) < 20
    check = bench.freshness.checks.get(bench.repository)
    assert "is too slow: the check ran out of time" in (check.note or "")
    assert check.due_at
    assert (check.due_at - bench.time).total_seconds() < 120

    def is_read() -> bool:
        bench.refresh()
        return not [version for version in bench.record["Versions"] if "Unread" in version]

    wait_until(is_read, "each tag that one of the next checks reads", 6 * SECONDS_TO_READ)


def test_an_endless_list_of_tags_leaves_time_to_read_the_tags_that_are_known(
    tmp_path: Path, fake: FakeRegistry
) -> None:
    fake.push("team/web", "latest", image(labels={"number": "1"}))
    bench = Bench(tmp_path, fake)
    assert bench.refresh() is None
    bench.refresher = replace(bench.refresher, times=Times(seconds=5.0, after_push_seconds=5.0))
    pages = iter(range(10**6))

    def dawdle(_: Request) -> None:
        time.sleep(0.1)
        fake.link = lambda url: f'<{url}&page={next(pages)}>; rel="next"'

    for number in range(50):
        fake.push("team/web", f"old-{number}", image())
    fake.page_size = 1
    fake.always("/tags/", dawdle)
    fake.push("team/web", "latest", image(labels={"number": "2"}))

    assert bench.refresh() is None
    assert bench.record["Labels"] == {"number": "2"}
    assert "The list of tags is not complete" in (bench.freshness.checks.get(bench.repository).note or "")


# What kills the process that reads it


def test_an_image_whose_checks_kill_the_process_is_left_alone_for_longer_each_time(
    tmp_path: Path, fake: FakeRegistry
) -> None:
    for name in ("web", "poison"):
        fake.push(f"team/{name}", "latest", image(layers=[1]))
    healthy, poison = f"{fake.host}/team/web", f"{fake.host}/team/poison"
    kills: list[float] = []
    with RunningService(tmp_path, [healthy]) as service:
        service.wait_for_image(healthy)

        def kill(_: Request) -> None:
            kills.append(time.monotonic())
            os.kill(service.workers[0], signal.SIGKILL)

        fake.always("/team/poison/", kill)
        (service.data / "images.txt").write_text(f"{poison}\n")
        service.wait(lambda: len(kills) >= 2, "the image kills a worker, and the next one")
        service.wait(lambda: status_of(service, poison).get("State") == "failing", "it is held back")

        assert status_of(service, poison)["Reason"] == "local"
        assert "cut short, because the process that made them died" in status_of(service, poison)["Error"]
        fake.push("team/web", "latest", image(layers=[1, 2]))
        assert service.push(healthy, wait_seconds=WAIT_SECONDS).json()["Result"] == "fresh"
        assert len(kills) == 2


def status_of(service: RunningService, name: str) -> dict[str, str]:
    """Return the state of an image; an empty one while no worker answers."""
    try:
        status: dict[str, str] = service.get(f"/v1/images/{name}/-/status.json").json()
    except requests.RequestException:
        return {}
    return status


def test_in_75_seconds_a_check_that_kills_its_process_is_made_four_times(
    tmp_path: Path, fake: FakeRegistry
) -> None:
    fake.push("team/web", "latest", image())
    bench = Bench(tmp_path, fake)
    bench.ask()
    fake.always("/team/web/", lambda _: time.sleep(WAIT_SECONDS))
    killed = 0
    for _ in range(25):
        pid = os.fork()
        if pid == 0:
            bench.refresher.refresh_requested(bench.repository)
            os._exit(0)
        while not os.waitpid(pid, os.WNOHANG)[0]:
            if lease_is_held(bench):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                killed += 1
                break
        bench.time += timedelta(seconds=3)
    assert killed == 4
    assert bench.freshness.requests.repositories() == [bench.repository]


def lease_is_held(bench: Bench) -> bool:
    return Leases(bench.database).is_held(f"image:{bench.repository}")


# Bytes

MEASURED = """
import sys
from pathlib import Path
from tests.freshness.bench import Bench

class Fake:
    host, url = sys.argv[2], f"http://{sys.argv[2]}"

def peak():
    # getrusage would count what the parent had when it began this process.
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) // 1024

before = peak()
error = Bench(Path(sys.argv[1]), Fake()).refresh()
print(str(error).replace(" ", "-"), before, peak())
"""
MEBIBYTE = 1024**2
MOST_MEBIBYTES = 300
WORKER_BYTES = 512 * MEBIBYTE
READING_SECONDS = 180.0


def labels_of_megabytes(count: int, seed: str) -> dict[str, str]:
    return {f"{seed}-{number}": f"<{seed}>" + "&" * 60_000 for number in range(count)}


def one_config_under_60_platforms() -> FakeImage:
    only = image(labels=labels_of_megabytes(115, "label"))
    platforms = ({"os": "linux", "architecture": "arm", "variant": f"v{number}"} for number in range(60))
    return index(*(replace(only, platform=platform) for platform in platforms))


def many_platforms_with_large_configs() -> FakeImage:
    labels = [labels_of_megabytes(115, f"{number}") for number in range(20)]
    return index(*(image(labels=each, architecture="arm", variant=f"v{number}") for number, each in enumerate(labels)))


def one_huge_label() -> FakeImage:
    return image(labels={"bill of materials": "x" * 7 * MEBIBYTE}, commands=["y" * 200_000] * 2, layers=[1, 2])


def many_layers_under_many_platforms() -> FakeImage:
    layers = range(1, 900)
    return index(*(image(layers=layers, architecture="arm", variant=f"v{number}") for number in range(40)))


WORST_IMAGES = [
    one_config_under_60_platforms,
    many_platforms_with_large_configs,
    one_huge_label,
    many_layers_under_many_platforms,
]


@pytest.mark.parametrize("make", WORST_IMAGES)
def test_no_image_makes_a_large_document_or_takes_much_memory(
    tmp_path: Path, fake: FakeRegistry, make: Callable[[], FakeImage]
) -> None:
    fake.push("team/web", "latest", make())
    measured = subprocess.run(
        [sys.executable, "-c", MEASURED, str(tmp_path), fake.host],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        timeout=READING_SECONDS,
    )
    error, before, peak = measured.stdout.split()
    print(f"{make.__name__}: {before} MiB before, {peak} MiB at the most")

    assert error == "None"
    assert int(peak) < MOST_MEBIBYTES
    files = [file for file in (tmp_path / "public").rglob("*.json") if file.is_file()]
    assert max(file.stat().st_size for file in files) <= 4 * MEBIBYTE
    (whole,) = (tmp_path / "public/v1/images" / fake.host / "team/web/version").iterdir()
    assert "left out" in whole.read_text() or "(cut after 64 KiB)" in whole.read_text()


def peak_mebibytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) // 1024


def test_a_worker_with_half_a_gibibyte_reads_and_serves_all_the_worst_images(
    tmp_path: Path, fake: FakeRegistry
) -> None:
    names = [f"team/{make.__name__.replace('_', '-')}" for make in WORST_IMAGES]
    for name, make in zip(names, WORST_IMAGES, strict=True):
        fake.push(name, "latest", make())
    with RunningService(tmp_path) as service:
        (worker,) = service.workers
        resource.prlimit(worker, resource.RLIMIT_DATA, (WORKER_BYTES, WORKER_BYTES))
        (service.data / "images.txt").write_text("".join(f"{fake.host}/{name}\n" for name in names))
        documents = [f"/v1/images/{fake.host}/{name}" for name in names]
        service.wait(
            lambda: all(service.get(path).status_code == 200 for path in documents), "all images", READING_SECONDS
        )
        with ThreadPoolExecutor(8) as strangers:
            answers = list(strangers.map(service.get, documents * 4))

        assert {answer.status_code for answer in answers} == {200}
        assert max(len(answer.content) for answer in answers) <= 4 * MEBIBYTE
        service.wait(
            lambda: all(status_of(service, f"{fake.host}/{name}")["State"] == "current" for name in names),
            "the end of all checks",
            READING_SECONDS,
        )
        assert service.workers == [worker]
        print(f"a worker that read and served {len(names)} of the worst images had {peak_mebibytes(worker)} MiB")
        assert peak_mebibytes(worker) < WORKER_BYTES // MEBIBYTE


def test_the_document_of_an_image_with_many_large_versions_is_bounded_and_stays_as_it_is(
    tmp_path: Path, fake: FakeRegistry
) -> None:
    for number in range(20):
        fake.push("team/web", f"1.{number}", image(labels={"number": f"{number}", **labels_of_megabytes(6, "large")}))
    bench = Bench(tmp_path, fake)

    assert bench.refresh() is None
    files = bench.files()
    assert bench.refresh() is None

    assert bench.files() == files
    assert max(map(len, files.values())) <= 4 * MEBIBYTE
    assert bench.record["Labels"]["number"] == "19"
    why = "labels are left out: there are too many, or they are too large"
    assert bench.record["Cut"] == [f"5 of 7 {why}", f"1 of 2 {why}"]
