"""The records of images: their documents as published and their changes, all committed together."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from microbadger.image.documents import document_bytes, sha_of
from microbadger.image.reference import Repository
from microbadger.notifications.notifications import Notifications
from microbadger.store.database import StoreError
from microbadger.store.tables import CHANGES, RECORDS, VERSIONS
from tests.fakes.docker_hub import FakeHub
from tests.fakes.registry import FakeRegistry, image, index
from tests.freshness.bench import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with FakeRegistry() as fake:
        yield Bench(tmp_path, fake)


def test_the_record_is_what_is_published(bench: Bench) -> None:
    digest = bench.fake.push("team/web", "latest", index(image(), image(architecture="arm64"), attestations=True))
    bench.refresh()

    files, records = bench.files(), bench.freshness.records
    version = records.version(bench.repository, sha_of(digest))
    assert version
    assert document_bytes(bench.record) == files[bench.paths.metadata]
    assert document_bytes(version) == files[bench.paths.version(sha_of(digest))]
    assert document_bytes(records.changes(bench.repository)) == files[bench.paths.changes]


def test_an_image_that_was_never_read_has_no_record(bench: Bench) -> None:
    records = bench.freshness.records

    assert records.image(bench.repository) is None
    assert records.updated_at(bench.repository) is None
    assert records.version(bench.repository, "a" * 64) is None
    assert records.changes(bench.repository)["Changes"] == []
    assert records.repositories() == []


def test_a_record_says_when_it_changed(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image())
    bench.refresh()

    assert bench.freshness.records.updated_at(bench.repository) == bench.record["UpdatedAt"] == "2026-11-24T12:00:00Z"
    assert bench.freshness.records.repositories() == [bench.repository]


@pytest.mark.parametrize("document", [b"", b"not compressed", b"\x00"])
def test_a_damaged_document_counts_as_none(bench: Bench, document: bytes) -> None:
    digest = bench.fake.push("team/web", "latest", image())
    bench.refresh()
    with bench.database.write() as connection:
        for table in (RECORDS, VERSIONS):
            connection.execute(table.update().values(document=document))

    assert bench.freshness.records.image(bench.repository) is None
    assert bench.freshness.records.version(bench.repository, sha_of(digest)) is None


def test_versions_whose_tags_were_deleted_are_forgotten(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image())
    deleted = bench.fake.push("team/web", "1.0", image(layers=[1]))
    bench.refresh()
    bench.fake.delete("team/web", "1.0")
    bench.refresh()

    assert bench.freshness.records.version(bench.repository, sha_of(deleted)) is None


def test_versions_that_tags_moved_away_from_are_kept_to_be_compared(bench: Bench) -> None:
    old = bench.fake.push("team/web", "latest", image(layers=[1]))
    bench.refresh()
    new = bench.fake.push("team/web", "latest", image(layers=[2]))
    bench.refresh()

    assert bench.freshness.records.version(bench.repository, sha_of(old))
    assert bench.freshness.records.version(bench.repository, sha_of(new))


def test_the_list_of_all_images_has_what_the_record_says(bench: Bench) -> None:
    labels = {"org.opencontainers.image.description": "Serves\n  PAGES"}
    bench.fake.push("team/web", "latest", image(layers=[1024], labels=labels))
    bench.refresh()

    with bench.database.read() as connection:
        row = connection.execute(RECORDS.select()).one()
    assert '"DownloadSize":1024' in row.entry
    assert row.description == "serves pages"


def test_text_that_no_encoding_has_is_the_same_at_the_next_check(tmp_path: Path) -> None:
    with FakeRegistry() as fake, FakeHub() as hub:
        fake.push("team/web", "latest", image(labels={"odd": "\ud800"}))
        hub.push("team/web", "latest", image(labels={"odd": "\ud800"}))
        hub.describe("team/web", description="odd \ud800", pull_count=3, star_count=1)
        bench = Bench(tmp_path, fake, named="team/web", hub_url=hub.url)
        bench.repository = Repository.parse("team/web")
        bench.refresh()
        before = bench.stamps()

        bench.check_later()
        bench.refresh()

        assert "Description" in bench.record
        assert bench.stamps() == before


# Changes


def test_changes_are_kept_with_the_newest_first(bench: Bench) -> None:
    for number in range(3):
        bench.fake.push("team/web", f"1.{number}", image())
        bench.refresh()
        bench.time += timedelta(hours=1)

    assert [change["New"][0]["tag"] for change in bench.changes] == ["1.2", "1.1"]
    assert bench.changes[0]["Time"] == "2026-11-24T14:00:00Z"


def old_change(number: int) -> str:
    new = [{"tag": f"0.{number}", "SHA": "", "Digest": ""}]
    return json.dumps({"Time": "2026-11-24T11:00:00Z", "New": new, "Changed": [], "Deleted": []})


def test_only_the_last_changes_are_kept(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image())
    bench.refresh()
    rows = [{"image": str(bench.repository), "document": old_change(number)} for number in range(100)]
    with bench.database.write() as connection:
        connection.execute(CHANGES.insert(), [*rows, {"image": "docker.io/team/other", "document": "{}"}])
    bench.fake.push("team/web", "1.0", image())

    bench.refresh()

    tags = [change["New"][0]["tag"] for change in bench.changes]
    with bench.database.read() as connection:
        count = len(connection.execute(CHANGES.select()).all())
    assert (tags[0], tags[-1], len(tags)) == ("1.0", "0.1", 100)
    assert count == 101


def test_the_record_the_change_and_the_message_are_committed_together(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    subscription = bench.subscribe()
    bench.fake.push("team/web", "latest", image(layers=[1]))
    bench.refresh()
    before = bench.record
    bench.fake.push("team/web", "latest", image(layers=[2]))
    full = bench.again(notifications_kind=NotificationsOnAFullDisk)

    assert full.refresh() == "The disk is full.", "everybody may read it"
    assert 'event=database_failed image=' in caplog.text
    assert 'error="The disk of 192.0.2.1 is full."' in caplog.text
    assert (bench.record, bench.changes) == (before, [])

    assert bench.refresh() is None
    assert len(bench.changes) == 1
    assert bench.notifications.status(subscription).waiting == 1


class NotificationsOnAFullDisk(Notifications):
    """Notifications that can keep no message."""

    def announce(self, *_: Any) -> None:
        raise StoreError("The disk of 192.0.2.1 is full.", in_public="The disk is full.")
