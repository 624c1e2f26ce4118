"""The service and its commands over a bucket: the same answers as over a folder, whatever the bucket does."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.fakes.object_store import FakeObjectStore
from tests.fakes.registry import FakeRegistry, image
from tests.object_stores import ObjectStore, environment_of
from tests.running_service import RunningService

TAG = "1.0"
HEADERS = (
    *("Content-Type", "ETag", "Cache-Control", "Access-Control-Allow-Origin", "Cross-Origin-Resource-Policy"),
    *("Content-Security-Policy", "X-Content-Type-Options", "Vary"),
)
PATHS = (
    *("/", "/index.html", "/openapi.json", "/api/", "/v1/images", "/v1/images.json", "/assets/page.css"),
    *("/images/{0}", "/images/{0}/", "/images/{0}/index.html", "/images/{0}:1.0", "/images/{0}/-/feed.xml"),
    *("/v1/images/{0}", "/v1/images/{0}.json", "/v1/images/{0}:1.0"),
    *(f"/v1/images/{{0}}/-/{name}.json" for name in ("changes", "history", "releases")),
    *("/badges/size/{0}.svg", "/badges/size/{0}.json", "/badges/size/{0}:1.0.svg"),
    *("/badges/size/{0}.svg?style=plastic", "/badges/size/{0}:none.svg", "/badges/size/none.svg", "/none"),
    *("/.none", "/v1/images/none", "/images/{0}:none"),
)


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with FakeRegistry() as fake:
        fake.push("team/web", "latest", image())
        fake.push("team/web", TAG, image(layers=[1000, 2000]))
        yield fake


@pytest.fixture
def store() -> Iterator[FakeObjectStore]:
    with FakeObjectStore() as store:
        yield store


def over_bucket(folder: Path, fake: FakeRegistry, environment: dict[str, str], *options: str) -> RunningService:
    service = RunningService(folder, [f"{fake.host}/team/web"], *options)
    service.environment |= environment
    return service


def answers(service: RunningService, name: str) -> dict[str, object]:
    """Return what each address answers, but for the address of the service itself."""
    found: dict[str, object] = {}
    for path in PATHS:
        answer = requests.get(service.url + path.format(name), timeout=60, allow_redirects=False)
        headers = {header: answer.headers.get(header) for header in HEADERS}
        found[path] = (answer.status_code, answer.content, headers)
    return found


def test_the_service_answers_over_a_bucket_as_over_a_folder(
    tmp_path: Path, fake: FakeRegistry, store: FakeObjectStore
) -> None:
    name = f"{fake.host}/team/web"
    service = RunningService(tmp_path, [name], base_url="https://badges.test")
    with service:
        service.wait_for_image(name)
        service.command("publish")
        over_folder = answers(service, name)
    service.environment |= store.environment
    with service:
        published = service.command("publish")
        assert published.returncode == 0, published.stderr
        first, again = answers(service, name), answers(service, name)
    assert first == again == over_folder
    assert store.counts["LIST"] == 0


@pytest.mark.parametrize("options", [(), ("--workers", "3", "--preload")])
def test_every_worker_uses_the_bucket(
    tmp_path: Path, fake: FakeRegistry, moto_store: ObjectStore, options: tuple[str, ...]
) -> None:
    address, name = moto_store.address(), f"{fake.host}/team/web"
    with over_bucket(tmp_path, fake, environment_of(address), *options) as service:
        service.wait_for_image(name)
        for _ in range(20):
            service.wait_for_badge(f"layers/{name}:{TAG}", "layers: 2")
        fake.push("team/web", "latest", image(layers=[1, 2, 3]))
        assert service.push(name, 60).status_code == 200
        assert service.badge(f"layers/{name}") == "layers: 3"
        service.wait(lambda: "index.html" in moto_store.keys(address.prefix), "a home page in the bucket")
    assert f"badges/layers/{name}:{TAG}.svg" in moto_store.keys(address.prefix)


def test_the_service_and_the_bucket_have_the_same_etag_for_a_file(
    tmp_path: Path, fake: FakeRegistry, moto_store: ObjectStore
) -> None:
    address, name = moto_store.address(), f"{fake.host}/team/web"
    with over_bucket(tmp_path, fake, environment_of(address)) as service:
        service.wait_for_image(name)
        for path in (f"v1/images/{name}.json", f"badges/size/{name}.svg", f"images/{name}/index.html"):
            answer = requests.get(f"{service.url}/{path}", headers={"Accept-Encoding": "identity"}, timeout=20)
            assert answer.headers["ETag"] == moto_store.etag(address.prefix, path), path


def test_the_commands_work_with_a_bucket(tmp_path: Path, fake: FakeRegistry, ceph_store: ObjectStore) -> None:
    address, name = ceph_store.address(), f"{fake.host}/team/web"
    service = over_bucket(tmp_path, fake, environment_of(address))
    service.environment["MICROBADGER_IMAGES"] = ""
    for command in (["track", name], ["refresh", name], ["publish"], ["images"], ["webhook", name], ["badges", name]):
        done = service.command(*command)
        assert (done.returncode, done.stderr) == (0, ""), command
    assert f"v1/images/{name}.json" in ceph_store.keys(address.prefix)
    assert service.command("untrack", name).returncode == 0
    assert {key for key in ceph_store.keys(address.prefix) if "team/web" in key} == set()


def test_the_service_starts_and_answers_while_the_bucket_is_away(
    tmp_path: Path, fake: FakeRegistry, store: FakeObjectStore
) -> None:
    name = f"{fake.host}/team/web"
    service = over_bucket(tmp_path, fake, store.environment)
    with service:
        service.wait_for_image(name)
        before = service.get(f"/v1/images/{name}").content
    store.fault = lambda _method, _key: (503, "SlowDown")
    with service:
        assert service.get(f"/v1/images/{name}").content == before
        assert service.badge(f"layers/{name}") == "layers: 1"
        problems = service.get("/healthz").json()["Problems"]
        assert any("bucket" in problem for problem in problems)
        assert store.url not in str(problems)
        fake.push("team/web", "latest", image(layers=[1, 2, 3]))
        assert service.push(name, 60).status_code == 502
        assert service.command("publish").returncode == 1
        store.fault = lambda _method, _key: None
        service.wait(lambda: service.push(name, 10).status_code == 200, "a check that publishes")
        service.wait(lambda: not service.get("/healthz").json()["Problems"], "no problem any more")
    assert b"layers: 3" in (store.file(f"badges/layers/{name}.svg") or b"")
