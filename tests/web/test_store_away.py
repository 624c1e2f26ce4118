"""While the database cannot be used, what is published is served, and no webhook is accepted that would be lost."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.fakes.registry import FakeRegistry, image
from tests.running_service import badge_text
from tests.web.bench import Bench

LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()
"""

Trouble = Callable[[Bench], AbstractContextManager[None]]


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeRegistry]:
    with FakeRegistry() as fake:
        fake.push("library/alpine", "1.0", image(layers=[512]))
        fake.push("library/alpine", "latest", image(layers=[1024]))
        yield fake


@pytest.fixture(scope="module")
def bench(fake: FakeRegistry, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A service that has read alpine, and example/unread not yet."""
    return bench_in(tmp_path_factory.mktemp("service"), fake)


@pytest.fixture
def own(fake: FakeRegistry, tmp_path: Path) -> Bench:
    """The same, for a single test."""
    return bench_in(tmp_path, fake)


def bench_in(folder: Path, fake: FakeRegistry) -> Bench:
    Bench(folder, "alpine", fake).refresh()
    bench = Bench(folder, "alpine example/unread", fake)
    bench.round()
    return bench


@contextmanager
def replaced_by_a_folder(bench: Bench) -> Iterator[None]:
    file = bench.data / "microbadger.db"
    file.rename(bench.data / "elsewhere")
    file.mkdir()
    yield
    file.rmdir()
    (bench.data / "elsewhere").rename(file)


@contextmanager
def locked(bench: Bench) -> Iterator[None]:
    """Have another process write for as long as it likes: readers need not wait for it."""
    command = [sys.executable, "-c", LOCK, str(bench.data / "microbadger.db")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "locked\n"
        yield
        process.communicate(timeout=60)


@contextmanager
def without_its_folder(bench: Bench) -> Iterator[None]:
    """Have a file where the data folder was, as after a wrong restore."""
    bench.data.rename(bench.data.with_name("elsewhere"))
    bench.data.write_text("größe")
    yield
    bench.data.unlink()
    bench.data.with_name("elsewhere").rename(bench.data)


AWAY: list[Trouble] = [replaced_by_a_folder, without_its_folder]
away = pytest.mark.parametrize("trouble", AWAY, ids=lambda trouble: trouble.__name__)
# It takes seconds until a locked database is given up.
away_or_locked = pytest.mark.parametrize("trouble", [*AWAY, locked], ids=lambda trouble: trouble.__name__)


@away_or_locked
def test_every_published_file_is_served(bench: Bench, trouble: Trouble) -> None:
    files = bench.files()

    with trouble(bench):
        different = [path for path, content in files.items() if bench.client.get(f"/{path}").data != content]

    assert (len(files) > 50, different) == (True, [])


@away_or_locked
@pytest.mark.parametrize(
    "address", ["/", "/v1/images", "/v1/images/alpine", "/images/alpine", "/images/alpine:latest/"]
)
def test_it_is_served_whatever_the_address(bench: Bench, trouble: Trouble, address: str) -> None:
    with trouble(bench):
        assert bench.client.get(address).status_code == 200


@away
@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("size/alpine.svg", "size: 1.0 KiB"),
        ("size/alpine.svg?style=plastic", "size: 1.0 KiB"),
        ("size/alpine:latest.svg", "size: 1.0 KiB"),
        ("size/alpine:1.0.svg", "size: pending"),
        ("size/alpine:nope.svg", "size: pending"),
        ("size/example/unread.svg", "size: pending"),
        ("size/example/unknown.svg", "size: pending"),
        ("size/Große.svg", "image: not found"),
    ],
)
def test_a_badge_is_a_picture_all_the_same(bench: Bench, trouble: Trouble, path: str, text: str) -> None:
    with trouble(bench):
        answer = bench.client.get(f"/badges/{path}")

    assert (answer.status_code, answer.mimetype) == (200, "image/svg+xml")
    assert badge_text(answer.data) == text


@away_or_locked
@pytest.mark.parametrize("image", [(), ("alpine",)], ids=["for all images", "of an image"])
def test_a_webhook_is_answered_so_that_it_is_sent_again(own: Bench, trouble: Trouble, image: tuple[str, ...]) -> None:
    payload = {"push_data": {"tag": "latest"}, "repository": {"repo_name": "library/alpine"}}
    path = own.webhook(*image)

    with trouble(own):
        answer = own.client.post(path, json=payload)
    again = own.client.post(path, json=payload)

    assert (answer.status_code, again.status_code, own.requested) == (503, 200, ["library/alpine"])


@away
@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("/healthz", "application/json"),
        ("/metrics", "text/plain"),
        ("/v1/images/example/unread", "application/json"),
        ("/v1/images/alpine/-/status.json", "application/json"),
        ("/v1/images/search/alpine", "application/json"),
        ("/images/example/unread", "text/plain"),
    ],
)
def test_what_only_the_database_has_is_refused_for_now_without_a_path(
    bench: Bench, trouble: Trouble, path: str, media_type: str
) -> None:
    with trouble(bench):
        answer = bench.client.get(path)

    assert (answer.status_code, answer.mimetype, answer.headers["Cache-Control"]) == (503, media_type, "no-store")
    assert "This cannot be done now: " in answer.text
    assert str(bench.data.parent) not in answer.text


def test_a_badge_that_would_have_to_be_kept_current_is_pending_while_the_database_is_locked(bench: Bench) -> None:
    with locked(bench):
        answer = bench.client.get("/badges/size/alpine:1.0.svg")

    assert (answer.status_code, badge_text(answer.data)) == (200, "size: pending")


@away
def test_what_was_accepted_before_is_there_for_everybody_afterwards(
    own: Bench, fake: FakeRegistry, trouble: Trouble
) -> None:
    own.client.post(own.webhook("alpine"))

    with trouble(own):
        own.client.get("/healthz")

    assert own.requested == ["library/alpine"]
    assert Bench(own.data.parent, "alpine", fake).requested == ["library/alpine"]


@away_or_locked
def test_it_still_runs(bench: Bench, trouble: Trouble) -> None:
    with trouble(bench):
        assert bench.client.get("/healthcheck.txt").text == "HEALTH OK"


@pytest.mark.parametrize("path", ["/none", "/none.ico", "/assets/none.css"])
def test_what_is_not_a_file_is_not_found_without_the_database(bench: Bench, path: str) -> None:
    with replaced_by_a_folder(bench):
        assert bench.client.get(path).status_code == 404


def test_what_has_gone_wrong_is_logged(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    path = bench.webhook("alpine")

    with replaced_by_a_folder(bench):
        bench.client.post(path)

    (message,) = [message for message in caplog.messages if message.startswith("event=request_failed method=POST ")]
    assert re.search(r' status=503 error="The database \S+/microbadger.db cannot be used: .+"$', message)


@pytest.mark.parametrize("path", ["/healthz", "/v1/images/alpine/-/status.json", "/v1/images/search/alpine"])
def test_while_another_process_writes_everything_is_read(bench: Bench, path: str) -> None:
    with locked(bench):
        assert bench.client.get(path).status_code == 200


def test_while_another_process_writes_the_metrics_are_those_of_before(own: Bench) -> None:
    def webhooks() -> float:
        families = text_string_to_metric_families(own.client.get("/metrics").text)
        samples = (sample for family in families for sample in family.samples)
        return sum(sample.value for sample in samples if sample.name == "microbadger_webhooks_total")

    own.client.post(own.webhook("alpine"))
    before = webhooks()
    own.tools.counts.add("webhooks", sender="zot", outcome="read")

    with locked(own):
        during = webhooks()

    assert (before, during, webhooks()) == (1, 1, 2)


def test_a_missing_file_is_made_while_another_process_writes(own: Bench) -> None:
    before = own.files()
    (own.public / "badges/size/alpine.svg").unlink()

    with locked(own):
        answer = own.client.get("/badges/size/alpine.svg")

    assert (answer.status_code, answer.data) == (200, before["badges/size/alpine.svg"])
