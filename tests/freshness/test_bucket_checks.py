"""Checks that publish into a bucket: what they write, and that they lose nothing while it is away."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from microbadger.image.documents import document_bytes
from microbadger.site.bucket import PublicBucket
from tests.clocks import Clock
from tests.fakes.object_store import FakeObjectStore
from tests.fakes.registry import FakeRegistry, image
from tests.freshness.bench import Bench


@pytest.fixture
def store() -> Iterator[FakeObjectStore]:
    with FakeObjectStore() as store:
        yield store


@pytest.fixture
def bench(tmp_path: Path, fake: FakeRegistry, store: FakeObjectStore, clock: Clock) -> Bench:
    fake.push("team/web", "latest", image(layers=[1000] * 1))
    fake.push("team/web", "1.0", image(layers=[1000] * 2))
    return Bench(tmp_path, fake, publisher=PublicBucket(store.address, clock=clock))


def test_a_bucket_gets_the_files_that_a_folder_gets(
    bench: Bench, store: FakeObjectStore, tmp_path: Path, fake: FakeRegistry
) -> None:
    folder = Bench(tmp_path / "other", fake)
    for each in (bench, folder):
        each.refresh()
        each.freshness.catalogue.publish()
    assert {key.removeprefix("public/"): found.content for key, found in store.objects.items()} == folder.files()


def test_an_unchanged_image_costs_the_bucket_nothing(bench: Bench, store: FakeObjectStore) -> None:
    bench.refresh()
    store.counts.clear()
    bench.check_later()
    assert store.counts == {}


def test_a_push_of_a_tag_writes_only_what_it_changes(bench: Bench, store: FakeObjectStore) -> None:
    bench.refresh()
    store.counts.clear()
    bench.fake.push("team/web", "latest", image(layers=[1000] * 3))
    bench.ask("latest")
    bench.refresher.refresh_requested(bench.repository)
    print(f"a push of a tag: {dict(store.counts)}")
    assert store.counts["PUT"] <= 20
    assert store.counts["LIST"] == 0


def test_a_check_whose_metadata_another_process_replaced_publishes_again(
    bench: Bench, store: FakeObjectStore
) -> None:
    bench.refresh()
    other = PublicBucket(store.address)
    replaced: list[str] = []

    def replace(key: str) -> None:
        if key.endswith("web.json") and "/v1/images/" in key and not replaced:
            replaced.append(key)
            other.write(bench.paths.metadata, b"of another process")

    store.before_put = replace
    bench.fake.push("team/web", "latest", image(layers=[1000] * 3))
    assert bench.refresh() == "another process has taken over the check"
    assert replaced
    assert bench.check_later(hours=0) is not None  # it is due at once
    assert store.file(bench.paths.metadata) == document_bytes(bench.record)
    assert bench.badge("layers") == "layers: 3"


@pytest.mark.parametrize(
    "status", [(503, "SlowDown"), (403, "QuotaExceeded"), (507, "QuotaExceeded"), (412, "PreconditionFailed")]
)
def test_nothing_is_lost_while_the_bucket_fails(
    bench: Bench, store: FakeObjectStore, clock: Clock, status: tuple[int, str]
) -> None:
    bench.refresh()
    store.fault = lambda method, _key: status if method in ("PUT", "DELETE") else None
    bench.fake.push("team/web", "latest", image(layers=[1000] * 3))
    bench.ask("latest")
    bench.refresher.refresh_requested(bench.repository)
    check = bench.freshness.checks.get(bench.repository)
    assert (check.reason, check.state(bench.time)) == ("local", "failing")
    assert "bucket" in (check.error or "")
    store.fault = lambda _method, _key: None
    clock.now += 60
    bench.check_later(hours=1)
    assert bench.freshness.checks.get(bench.repository).reason is None
    assert bench.badge("layers") == "layers: 3"


def test_what_is_requested_while_the_bucket_is_away_is_made_from_the_record(
    bench: Bench, store: FakeObjectStore, clock: Clock
) -> None:
    bench.refresh()
    whole = store.file(bench.paths.metadata)
    store.fault = lambda _method, _key: (503, "SlowDown")
    assert bench.publisher.read(bench.paths.metadata) is None
    assert bench.made(bench.paths.metadata) == whole
    assert len(bench.freshness.problems) == 1
    clock.now += 60
    store.fault = lambda _method, _key: None
    assert bench.freshness.problems == []


def test_an_emptied_bucket_is_filled_again(bench: Bench, store: FakeObjectStore) -> None:
    bench.refresh()
    before = {key: found.content for key, found in store.objects.items()}
    store.objects.clear()
    bench.refresher.publish_again(bench.repository)
    assert {key: found.content for key, found in store.objects.items()} == before


def test_a_bucket_that_a_lost_database_filled_is_put_right(
    bench: Bench, store: FakeObjectStore, tmp_path: Path, fake: FakeRegistry
) -> None:
    bench.refresh()
    bench.made(bench.paths.badge("layers", "1.0", "svg"))
    fake.push("team/web", "1.0", image(layers=[1000] * 4))
    again = Bench(tmp_path / "new", fake, publisher=PublicBucket(store.address))
    again.refresh()
    assert again.badge("layers", "1.0") == "layers: 4"


def test_an_image_that_is_not_tracked_any_more_leaves_no_object(bench: Bench, store: FakeObjectStore) -> None:
    bench.refresh()
    bench.made(bench.paths.badge("layers", "1.0", "svg"))
    bench.refresher.publication.remove_files(bench.repository)
    assert store.objects == {}


def test_no_stop_leaves_a_bucket_to_be_compared(bench: Bench) -> None:
    assert not bench.freshness.recovery.is_needed()


def test_a_bucket_needs_no_recovery_and_no_comparison_with_all_images(bench: Bench) -> None:
    bench.refresh()
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        assert not bench.freshness.recovery.is_needed()
        bench.freshness.recovery.recover()
        bench.freshness.upkeep.strays.find_and_remove()
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert not [statement for statement in statements if "FROM meta" not in statement and "INTO meta" not in statement]
