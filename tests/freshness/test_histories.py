"""The history of an image: kept with its record, published as a file, and shown on its page."""

import json
import zlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from microbadger.freshness.stored_images import TrackedImage
from microbadger.image.documents import document_bytes
from microbadger.image.reference import Repository
from microbadger.site.paths import ImagePaths
from microbadger.store.tables import HISTORY, RECORDS
from tests.databases import needs_sqlite
from tests.fakes.registry import FakeRegistry, image
from tests.freshness.bench import Bench
from tests.site.page import Page


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with FakeRegistry() as fake:
        yield Bench(tmp_path, fake)


def push(bench: Bench, *tags: str, size: int) -> None:
    for tag in tags:
        bench.fake.push("team/web", tag, image(layers=[size]))


def move_twice(bench: Bench) -> None:
    """Check the image with one version, and a day later with another one."""
    push(bench, "1.0", "latest", size=1024)
    bench.refresh()
    push(bench, "1.1", "latest", size=2048)
    bench.check_later(hours=24)


def published(bench: Bench, paths: ImagePaths | None = None) -> Any:
    return json.loads(bench.publisher.read((paths or bench.paths).history) or b"null")


def points(series: Any) -> list[tuple[str, str, int]]:
    return [(point["Time"], point["Version"], point["DownloadSize"]) for point in series["Points"]]


def row(bench: Bench) -> bytes | None:
    with bench.database.read() as connection:
        document: bytes | None = connection.execute(select(HISTORY.c.document)).scalar_one_or_none()
    return document


def replace_row(bench: Bench, document: bytes | None) -> None:
    """Put something in the place of what is kept; None removes it."""
    with bench.database.write() as connection:
        connection.execute(HISTORY.delete() if document is None else HISTORY.update().values(document=document))


MOVED = [("2026-11-24T12:00:00Z", "1.0", 1024), ("2026-11-25T12:00:00Z", "1.1", 2048)]


def test_the_history_tells_what_a_tag_named_and_since_when(bench: Bench) -> None:
    move_twice(bench)

    history = published(bench)
    assert points(history["Current"]) == MOVED
    assert [(series["tag"], points(series)) for series in history["Tags"]] == [("latest", MOVED)]


def test_an_unchanged_image_writes_no_history(bench: Bench) -> None:
    move_twice(bench)
    stamps, kept = bench.stamps(), row(bench)

    bench.check_later()

    assert (bench.stamps(), row(bench)) == (stamps, kept)


def test_the_history_is_kept_as_it_is_published(bench: Bench) -> None:
    move_twice(bench)

    assert zlib.decompress(row(bench) or b"") == bench.files()[bench.paths.history]


@needs_sqlite
def test_a_change_of_something_else_does_not_write_the_history_again(bench: Bench) -> None:
    move_twice(bench)
    with bench.database.write() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER no_update BEFORE UPDATE ON history BEGIN SELECT RAISE(ABORT, 'it was written'); END"
        )
    push(bench, "0.9", size=512)

    assert bench.refresh() is None

    assert [change["New"][0]["tag"] for change in bench.changes] == ["0.9", "1.1"]


def test_an_official_image_has_its_history_under_both_names(tmp_path: Path) -> None:
    with FakeRegistry() as fake:
        fake.push("library/alpine", "latest", image())
        bench = Bench(tmp_path, fake, named="alpine")
        bench.repository = Repository.parse("alpine")
        bench.refresh()
        bare, familiar = (published(bench, ImagePaths(name)) for name in ("alpine", "library/alpine"))

    assert bare == familiar
    assert bare["ImageName"] == "alpine"


def test_the_page_of_the_image_and_of_a_moving_tag_show_it(bench: Bench) -> None:
    move_twice(bench)

    page = Page(bench.files()[bench.paths.page])
    assert {"History of the current version", "1.0 KiB", "2.0 KiB"} <= set(page.text.splitlines())
    assert "History of latest" in Page(bench.made(bench.paths.tag_page("latest"))).text
    assert "History" not in Page(bench.made(bench.paths.tag_page("1.0"))).text


def test_it_is_made_again_after_the_public_folder_was_emptied(bench: Bench) -> None:
    move_twice(bench)
    before = bench.files()
    for path in before:
        bench.publisher.remove(path)
    bench.fake.always("/", lambda _: pytest.fail("the registry was asked"))

    bench.refresher.publish_again(bench.repository)

    assert bench.files() == before


def test_a_static_site_has_it(tmp_path: Path) -> None:
    with FakeRegistry() as fake:
        bench = Bench(tmp_path, fake, is_static=True)
        move_twice(bench)

        assert points(published(bench)["Current"]) == MOVED
        assert "History of latest" in Page(bench.files()[bench.paths.tag_page("latest")]).text


def test_an_untracked_image_has_no_history_any_longer(bench: Bench) -> None:
    by_command = bench.again(named="")
    by_command.freshness.tracked.track(TrackedImage(bench.repository))
    move_twice(by_command)

    by_command.freshness.untrack(bench.repository)

    assert by_command.files().keys().isdisjoint({bench.paths.history})
    with bench.database.read() as connection:
        assert connection.execute(HISTORY.select()).all() == []


# Where nothing is kept


@pytest.mark.parametrize("kept", [None, b"", b"{", zlib.compress(b"[]"), zlib.compress(b'{"ImageName": "team/other"}')])
def test_without_a_history_it_begins_with_the_record(bench: Bench, kept: bytes | None) -> None:
    move_twice(bench)
    replace_row(bench, kept)
    push(bench, "1.2", "latest", size=4096)

    bench.check_later(hours=24)

    assert points(published(bench)["Current"]) == [*MOVED[1:], ("2026-11-26T12:00:00Z", "1.2", 4096)]
    assert published(bench)["Current"]["Points"][0]["TimeIsExact"] is False


POINT = {"Time": "2026-11-24T12:00:00Z", "Digest": "sha256:a", "DownloadSize": 1024, "LayerCount": 1}


@pytest.mark.parametrize(
    ("current", "series"),
    [
        ([], [{"tag": "old", "Points": []}]),
        ([], [{"Points": [POINT]}]),
        ([{**POINT, "Time": "yesterday"}, POINT], []),
        ([{**POINT, "Time": "2026-11-24T12:00:00"}, POINT], []),
        ([{**POINT, "DownloadSize": -1}, POINT], []),
        ([POINT, {**POINT, "LayerCount": 0}], []),
    ],
)
def test_a_history_that_makes_no_sense_begins_anew(bench: Bench, current: Any, series: Any) -> None:
    move_twice(bench)
    tags = [{"PointCount": 1, **each} for each in series]
    kept = {"ImageName": bench.repository.familiar, "Current": {"PointCount": 2, "Points": current}, "Tags": tags}
    replace_row(bench, zlib.compress(json.dumps(kept).encode()))
    push(bench, "1.2", "latest", size=4096)

    bench.check_later(hours=24)

    assert points(published(bench)["Current"]) == [*MOVED[1:], ("2026-11-26T12:00:00Z", "1.2", 4096)]


def test_an_image_that_an_older_program_recorded_gets_its_first_point_with_its_next_files(bench: Bench) -> None:
    push(bench, "1.0", "latest", size=1024)
    bench.refresh()
    replace_row(bench, None)
    newer = bench.again(edition="second edition")
    newer.time += timedelta(days=3)

    newer.refresh()

    assert points(published(newer)["Current"]) == MOVED[:1]
    assert zlib.decompress(row(newer) or b"") == newer.files()[newer.paths.history]


def test_the_history_of_a_record_without_first_sight_begins_when_the_record_changed(bench: Bench) -> None:
    push(bench, "latest", size=1024)
    bench.refresh()
    with bench.database.write() as connection:
        for table in ("history", "first_seen"):
            connection.exec_driver_sql(f"DELETE FROM {table}")

    assert json.loads(bench.made(bench.paths.history))["Current"]["Points"][0]["Time"] == "2026-11-24T12:00:00Z"


def test_a_lost_record_leaves_the_history(bench: Bench) -> None:
    move_twice(bench)
    with bench.database.write() as connection:
        connection.execute(RECORDS.update().values(document=b""))

    bench.check_later(hours=24)

    assert points(published(bench)["Current"]) == MOVED


def test_a_damaged_history_is_logged(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    move_twice(bench)
    replace_row(bench, b"damaged")

    bench.made(bench.paths.history)

    assert "event=history_damaged" in caplog.text


def test_the_history_of_an_image_begins_anew_with_the_first_sight_of_its_tags(bench: Bench) -> None:
    by_command = bench.again(named="")
    by_command.freshness.tracked.track(TrackedImage(bench.repository))
    move_twice(by_command)
    by_command.freshness.untrack(bench.repository)
    by_command.time += timedelta(days=30)

    by_command.freshness.track(TrackedImage(bench.repository))
    by_command.refresh()

    assert points(published(by_command)["Current"]) == MOVED[1:]


def test_the_document_is_written_as_all_others_are(bench: Bench) -> None:
    move_twice(bench)

    assert bench.files()[bench.paths.history] == document_bytes(published(bench))
