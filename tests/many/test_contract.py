"""The same contract over a folder with SQLite, and over a bucket with PostgreSQL."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fakes.registry import FakeRegistry, image
from tests.object_stores import BUCKET, ObjectStore, environment_of
from tests.running_service import WAIT_SECONDS, RunningService


@dataclass
class Engines:
    """Where a site keeps its state and its public files."""

    environment: Mapping[str, str]
    files: Callable[[], dict[str, bytes]]
    """Returns what is published, by its path."""
    empty: Callable[[], None]


@dataclass
class Services:
    """Two services that publish the same, and a place without one from which commands are typed."""

    one: RunningService
    other: RunningService
    elsewhere: RunningService
    engines: Engines


@dataclass
class Site:
    """The services, with an image of a test."""

    services: tuple[RunningService, RunningService]
    elsewhere: RunningService
    files: Callable[[], dict[str, bytes]]
    empty: Callable[[], None]
    fake: FakeRegistry
    path: str

    @property
    def name(self) -> str:
        return f"{self.fake.host}/{self.path}"


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeRegistry]:
    with FakeRegistry() as fake:
        yield fake


def on_one_machine(folder: Path, request: pytest.FixtureRequest) -> Engines:
    public = folder / "public"

    def files() -> dict[str, bytes]:
        found = (path for path in public.rglob("*") if path.is_file())
        return {str(path.relative_to(public)): path.read_bytes() for path in found}

    def empty() -> None:
        for path in public.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    database = f"sqlite:///{folder / 'microbadger.db'}"
    return Engines({"DATABASE_URL": database, "MICROBADGER_PUBLIC_DIR": str(public)}, files, empty)


def on_many_machines(folder: Path, request: pytest.FixtureRequest) -> Engines:
    store: ObjectStore = request.getfixturevalue("moto_store")
    address = store.address()

    def key(path: str) -> str:
        return f"{address.prefix}/{path}"

    def files() -> dict[str, bytes]:
        paths = store.keys(address.prefix)
        return {path: store.client.get_object(Bucket=BUCKET, Key=key(path))["Body"].read() for path in paths}

    def empty() -> None:
        for path in store.keys(address.prefix):
            store.client.delete_object(Bucket=BUCKET, Key=key(path))

    database = request.getfixturevalue("postgresql_server").new_schema()
    return Engines({"DATABASE_URL": database, **environment_of(address)}, files, empty)


@pytest.fixture(scope="module", params=[on_one_machine, on_many_machines])
def services(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Services]:
    folder = tmp_path_factory.mktemp("services")
    engines: Engines = request.param(folder, request)
    one, other, elsewhere = (RunningService(folder / name) for name in ("one", "other", "elsewhere"))
    for each in (one, other, elsewhere):
        each.environment |= engines.environment
        each.environment["MICROBADGER_BASE_URL"] = one.url
    with one, other:
        yield Services(one, other, elsewhere, engines)


@pytest.fixture
def site(services: Services, fake: FakeRegistry, request: pytest.FixtureRequest) -> Site:
    path = f"team/{request.function.__name__.replace('_', '-')}"
    site = Site(
        (services.one, services.other),
        services.elsewhere,
        services.engines.files,
        services.engines.empty,
        fake,
        path,
    )
    fake.push(path, "latest", image(layers=[1]))
    fake.push(path, "0.9", image(layers=[1, 2, 3, 4]))
    services.elsewhere.command("track", site.name).check_returncode()
    for service in site.services:
        service.wait_for_image(site.name)
    return site


def test_a_push_that_one_service_is_told_of_is_seen_on_the_other(site: Site) -> None:
    one, other = site.services
    site.fake.push(site.path, "latest", image(layers=[1, 2]))
    pushed = one.push(site.name, WAIT_SECONDS)
    assert (pushed.status_code, pushed.json()["Result"]) == (200, "fresh")
    for path in (f"/badges/layers/{site.name}.svg", f"/v1/images/{site.name}", f"/images/{site.name}/"):
        answers = [service.get(path) for service in site.services]
        assert (answers[0].status_code, answers[0].content) == (200, answers[1].content)
    assert other.badge(f"layers/{site.name}") == "layers: 2"


def test_a_badge_that_one_service_made_is_the_same_on_the_other(site: Site) -> None:
    one, other = site.services
    path = f"badges/layers/{site.name}:0.9.svg"
    assert path not in site.files()
    made = one.get(f"/{path}")
    one.wait(lambda: path in site.files(), "it is published")
    assert (other.get(f"/{path}").content, site.files()[path]) == (made.content, made.content)
    site.fake.push(site.path, "0.9", image(layers=[1, 2, 3]))
    assert other.push(site.name, WAIT_SECONDS).status_code == 200
    assert (one.badge(f"layers/{site.name}:0.9"), b"layers: 3" in site.files()[path]) == ("layers: 3", True)


def test_an_image_that_is_untracked_in_one_place_is_gone_everywhere(site: Site) -> None:
    for service in site.services:
        service.wait_for_badge(f"layers/{site.name}:0.9", "layers: 4")
    assert site.elsewhere.command("untrack", site.name).returncode == 0
    assert [path for path in site.files() if site.path in path and "none" not in path] == []
    for service in site.services:
        assert service.get(f"/v1/images/{site.name}").status_code == 404
        assert service.badge(f"layers/{site.name}") == "image: not found"


def test_commands_work_in_a_place_that_has_nothing_but_the_settings(site: Site) -> None:
    site.fake.push(site.path, "latest", image(layers=[1, 2, 3]))
    for command in (["refresh", site.name], ["images"], ["webhook", site.name], ["badges", site.name]):
        done = site.elsewhere.command(*command)
        assert (done.returncode, site.path in done.stdout) == (0, True), (command, done.stderr)
    assert [service.badge(f"layers/{site.name}") for service in site.services] == ["layers: 3"] * 2


def test_everything_can_be_published_again_from_the_database(site: Site) -> None:
    site.services[0].wait(lambda: "v1/images.json" in site.files(), "the list of all images")
    assert site.elsewhere.command("publish").returncode == 0
    before = site.files()
    site.empty()
    published = site.elsewhere.command("publish")
    assert (published.returncode, site.files()) == (0, before), published.stderr
