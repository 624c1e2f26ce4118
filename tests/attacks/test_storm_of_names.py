"""Attack: strangers ask an open instance for thousands of names that do not exist, from many networks, in every way."""

import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests

from tests.fakes.registry import FakeRegistry, image
from tests.fakes.wire import Wire
from tests.running_service import RunningService

NAMES = 5000
PER_HOUR = 60
CLIENTS = 6
OF_STORM = "storm-of-names"
MOST_GROWTH_BYTES = 24 * 1024**2
MOST_DATABASE_BYTES = 8 * 1024**2
PATHS = (
    "/badges/size/{}.svg",
    "/v1/images/{}",
    "/images/{}",
    "/badges/version/{}:1.0.json",
    "/v1/images/{}/-/status.json",
)
PUBLIC = (
    *("/", "/v1/images.json", "/v1/images?page=1", "/v1/images?query=recent", "/v1/images/search/storm", "/feed.xml"),
    *("/healthz", "/metrics", "/robots.txt", "/sitemap.xml"),
)
UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"


@dataclass
class Open:
    """An open instance, the registry that it reads through a wire, and what a storm of names was answered."""

    service: RunningService
    fake: FakeRegistry
    wire: Wire
    answers: Counter[int] = field(default_factory=Counter)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.wire.port}"

    @property
    def tracked(self) -> str:
        return f"{self.host}/team/mine"

    def storm(self, names: Sequence[str]) -> None:
        """Ask for names, each by another path and from another network."""

        def ask(client: int) -> None:
            with requests.Session() as session:
                for number in range(client, len(names), CLIENTS):
                    path = PATHS[number % len(PATHS)].format(f"{self.host}/{names[number]}")
                    headers = {"X-Forwarded-For": f"192.0.2.1, 2001:db8:{number % 97:x}:{number:x}::1"}
                    answer = session.get(f"{self.service.url}{path}", headers=headers, timeout=60)
                    answers.append(answer.status_code)

        answers: list[int] = []
        with ThreadPoolExecutor(CLIENTS) as clients:
            list(clients.map(ask, range(CLIENTS)))
        self.answers += Counter(answers)

    @property
    def memory_bytes(self) -> int:
        """What the workers have in memory."""
        return sum(resident_bytes(pid) for pid in self.service.workers)

    @property
    def storm_requests(self) -> list[str]:
        """What the registry was asked about names of a storm."""
        return [request.path for request in self.fake.requests if OF_STORM in request.path]


def resident_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return 1024 * next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))


def names_of(kind: str, count: int) -> list[str]:
    return [f"{OF_STORM}/{kind}{number}" for number in range(count)]


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Open]:
    folder = tmp_path_factory.mktemp("open")
    with FakeRegistry() as fake, Wire(int(fake.host.rpartition(":")[2])) as wire:
        fake.push("team/mine", "latest", image(layers=[10]))
        host = f"127.0.0.1:{wire.port}"
        settings = {"open": host, "open_per_hour": str(PER_HOUR), "trusted_proxies": "127.0.0.1"}
        service = RunningService(folder, [f"{host}/team/mine"], "--workers", "2", **settings)
        with service:
            service.wait_for_badge(f"layers/{host}/team/mine", "layers: 1")
            yield Open(service, fake, wire)


@contextmanager
def meanwhile(work: threading.Thread) -> Iterator[None]:
    work.start()
    try:
        yield
    finally:
        work.join()


def test_a_storm_costs_the_registry_little_and_holds_up_no_tracked_image(instance: Open) -> None:
    service, fake = instance.service, instance.fake
    webhook = service.webhook(instance.tracked)
    instance.storm(names_of("warm", 300))
    before_bytes = instance.memory_bytes
    with meanwhile(threading.Thread(target=instance.storm, args=[names_of("name", NAMES)])):
        for layers in (2, 3):
            fake.push("team/mine", "latest", image(layers=range(10, 10 + layers)))
            pushed = requests.post(f"{webhook}?wait=30", timeout=60)
            assert (pushed.status_code, pushed.json()["Result"]) == (200, "fresh")
            assert service.badge(f"layers/{instance.tracked}") == f"layers: {layers}"
            time.sleep(0.2)

    assert instance.answers.keys() <= {200, 202, 404, 429}
    assert instance.answers.total() == NAMES + 300
    assert len(instance.storm_requests) <= PER_HOUR
    assert max(Counter(instance.storm_requests).values(), default=0) <= 1
    assert instance.memory_bytes - before_bytes < MOST_GROWTH_BYTES


def test_no_name_of_it_is_public_afterwards(instance: Open) -> None:
    service = instance.service
    shown = [service.get(path).text for path in PUBLIC]
    assert [text for text in shown if OF_STORM in text] == []
    assert [path for path in service.public.rglob("*") if OF_STORM in str(path)] == []


def test_it_leaves_little_in_the_database(instance: Open) -> None:
    files = instance.service.data.glob("microbadger.db*")
    assert sum(file.stat().st_size for file in files) < MOST_DATABASE_BYTES
    with closing(sqlite3.connect(instance.service.data / "microbadger.db")) as database:
        (kept,) = database.execute("SELECT count(*) FROM admissions").fetchone()
    assert 0 < kept <= PER_HOUR


def test_while_the_registry_is_down_tracked_images_stay_as_they_are(tmp_path: Path) -> None:
    with FakeRegistry() as fake, Wire(int(fake.host.rpartition(":")[2])) as wire:
        host = f"127.0.0.1:{wire.port}"
        fake.push("team/mine", "latest", image(layers=[10]))
        fake.push("team/new", "latest", image(layers=[10, 20]))
        settings = {"open": host, "trusted_proxies": "127.0.0.1"}
        with RunningService(tmp_path, [f"{host}/team/mine"], "--workers", "2", **settings) as service:
            instance = Open(service, fake, wire)
            service.wait_for_badge(f"layers/{instance.tracked}", "layers: 1")
            before = service.get(f"/v1/images/{instance.tracked}").content
            wire.refuse(UNAVAILABLE)
            pending = service.badge(f"layers/{host}/team/new")
            instance.storm(names_of("down", 300))
            states = [service.get(f"/v1/images/{instance.tracked}/-/status.json").json()["State"]]
            after = service.get(f"/v1/images/{instance.tracked}").content
            asked_of_storm = len(instance.storm_requests)
            wire.mend()
            service.command("refresh", f"{host}/team/new").check_returncode()
            service.wait_for_badge(f"layers/{host}/team/new", "layers: 2")

    assert (pending, states, before == after, asked_of_storm) == ("layers: pending", ["current"], True, 0)
    assert instance.answers.keys() <= {200, 202, 404, 429}
