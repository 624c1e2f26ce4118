"""The public files of an image: which are written, made on request, kept current, made again and removed."""

import json
import shutil
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from werkzeug.wrappers import Request

from microbadger.freshness.stored_images import TrackedImage
from microbadger.image.documents import sha_of, tags_of
from microbadger.image.reference import Repository
from microbadger.site.paths import ImagePaths
from microbadger.store.database import Database
from microbadger.store.tables import SCHEMA
from microbadger.web.files import PublicFiles
from microbadger.web.visitors import Visitors
from tests.databases import needs_sqlite
from tests.fakes.registry import FakeRegistry, image, index
from tests.freshness.bench import DEADLINE_SECONDS, Bench
from tests.running_service import badge_text


def tags_in(files: dict[str, bytes]) -> set[str]:
    """Return the tags whose badges are on disk."""
    return {path.rpartition(":")[2].removesuffix(".svg") for path in files if path.endswith(".svg") and "web:" in path}


# What a check writes


def test_the_files_of_other_tags_are_not_written(bench: Bench) -> None:
    bench.fake.push("team/web", "1.0", image(layers=[1]))
    for tag in ("2.0", "latest"):
        bench.fake.push("team/web", tag, image(layers=[2]))

    bench.refresh()

    assert tags_in(bench.files()) == {"2.0", "latest"}


def test_a_static_site_has_the_files_of_every_tag(tmp_path: Path, fake: FakeRegistry) -> None:
    static = Bench(tmp_path, fake, is_static=True)
    fake.push("team/web", "1.0", image(layers=[1]))
    fake.push("team/web", "latest", image(layers=[2]))

    static.refresh()

    assert tags_in(static.files()) == {"1.0", "latest"}
    assert static.paths.tag_page("1.0") in static.files()


def test_a_static_site_is_made_again_where_something_is_missing_and_nowhere_else(
    tmp_path: Path, fake: FakeRegistry
) -> None:
    static = Bench(tmp_path, fake, is_static=True)
    fake.push("team/web", "1.0", image(layers=[1]))
    fake.push("team/web", "latest", image(layers=[2]))
    static.refresh()
    static.refresher.publish_again(static.repository)
    files, stamps, lost = static.files(), static.stamps(), static.paths.badge("size", "1.0", "svg")
    (static.public / lost).unlink()

    assert static.refresher.publish_again(static.repository) == [lost]

    assert static.files() == files
    assert {path for path, stamp in static.stamps().items() if stamps[path] != stamp} == {lost}


def test_an_unchanged_check_of_a_static_site_writes_no_file(tmp_path: Path, fake: FakeRegistry) -> None:
    static = Bench(tmp_path, fake, is_static=True)
    fake.push("team/web", "latest", image())
    for _ in range(2):
        static.refresh()
        static.refresher.publish_again(static.repository)
        static.time += timedelta(hours=1)
    before = static.stamps()

    static.refresh()
    static.refresher.publish_again(static.repository)

    assert static.stamps() == before


def test_a_tag_that_vanished_takes_its_files_along(bench: Bench) -> None:
    bench.fake.push("team/web", "1", image(layers=[1], created="2026-11-20T10:00:00Z"))
    digest = bench.fake.push("team/web", "2", image(layers=[2], created="2026-11-21T10:00:00Z"))
    bench.refresh()
    assert bench.badge("version", "2") == "version: 2"
    bench.fake.delete("team/web", "2")

    bench.refresh()

    assert not [path for path in bench.files() if "web:2" in path or sha_of(digest) in path]
    assert bench.badge("version") == "version: 1"


def test_an_image_without_tags_keeps_its_page_and_loses_its_badges(bench: Bench) -> None:
    bench.fake.push("team/web", "1", image())
    bench.refresh()
    bench.fake.delete("team/web", "1")

    assert bench.refresh()
    bench.time += timedelta(minutes=1)
    assert bench.refresh() is None

    paths = bench.paths
    assert bench.files().keys() == {
        *(paths.metadata, paths.page, paths.changes, paths.history, paths.feed, paths.releases)
    }


def test_the_document_of_a_version_has_the_tags_it_has_now(bench: Bench) -> None:
    digest = bench.fake.push("team/web", "latest", image())
    bench.refresh()
    bench.fake.push("team/web", "1.0", image())

    bench.refresh()

    version = bench.freshness.records.version(bench.repository, sha_of(digest))
    assert version
    assert tags_of(version) == ["1.0", "latest"]
    assert json.loads(bench.files()[bench.paths.version(sha_of(digest))]) == version


def test_an_official_image_stands_under_both_names(tmp_path: Path, fake: FakeRegistry) -> None:
    fake.push("library/alpine", "3.20", image())
    alpine = Bench(tmp_path, fake, named="alpine")
    alpine.refresher.refresh(Repository.parse("alpine"))

    files = alpine.files()
    familiar = {path: content for path, content in files.items() if "/library/" in path}
    assert {path.replace("/library/", "/"): content for path, content in familiar.items()} == {
        path: content for path, content in files.items() if path not in familiar
    }


def test_what_a_failure_left_half_done_is_put_right_although_the_image_is_as_it_was(bench: Bench) -> None:
    before, after = image(layers=[1024]), image(layers=[2048])
    bench.fake.push("team/web", "latest", before)
    bench.refresh()
    bench.fake.push("team/web", "latest", after)
    page = bench.public / bench.paths.page
    page.unlink()
    page.mkdir()  # so that the badges are replaced, and the page and the record are not
    outcome = bench.check_later()
    assert outcome
    assert bench.paths.page in str(outcome.error)
    assert bench.badge("size") == "size: 2.0 KiB"

    page.rmdir()
    bench.fake.push("team/web", "latest", before)
    bench.check_later()

    assert bench.badge("size") == "size: 1.0 KiB"
    assert bench.changes == []


# Files that are made when they are requested


def test_a_file_of_another_tag_is_made_without_asking_the_registry(bench: Bench) -> None:
    bench.fake.push("team/web", "1.0", image(layers=[1024]))
    bench.fake.push("team/web", "latest", image(layers=[2048]))
    bench.refresh()
    bench.fake.requests.clear()

    made = {
        path: bench.made(path)
        for path in (
            bench.paths.badge("size", "1.0", "svg"),
            bench.paths.badge("size", "1.0", "json"),
            bench.paths.tag_page("1.0"),
        )
    }

    assert bench.fake.requests == []
    assert bench.badge("size", "1.0") == "size: 1.0 KiB"
    assert made.items() <= bench.files().items()


def test_a_file_of_a_tag_that_the_image_does_not_have_is_not_made(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image())
    bench.refresh()
    before = bench.files()

    for path in (bench.paths.badge("size", "9.9", "svg"), bench.paths.tag_page("9.9"), bench.paths.version("a" * 64)):
        assert bench.freshness.make(path) is None

    assert bench.files() == before


def test_nothing_is_made_of_an_image_that_was_never_read(bench: Bench) -> None:
    assert bench.freshness.make(bench.paths.page) is None
    assert bench.files() == {}


def test_nothing_is_made_of_an_image_that_is_no_longer_tracked(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image())
    bench.refresh()
    untracked = bench.again(named="")

    assert untracked.freshness.make(bench.paths.badge("size", None, "svg")) is None


def test_a_file_that_was_made_is_kept_current(bench: Bench) -> None:
    bench.fake.push("team/web", "1.0", image(layers=[1024]))
    bench.fake.push("team/web", "latest", image(layers=[2048]))
    bench.refresh()
    bench.made(bench.paths.badge("size", "1.0", "svg"))
    bench.fake.push("team/web", "1.0", image(layers=[4096]))

    bench.refresh()

    assert bench.badge("size", "1.0") == "size: 4.0 KiB"
    assert bench.paths.badge("layers", "1.0", "svg") not in bench.files()


def test_a_release_outdates_the_badges_of_other_tags_that_were_made(bench: Bench) -> None:
    for number, tag in enumerate(("1.3.1", "1.3.2", "1.3.2-alpine")):
        bench.fake.push("team/web", tag, image(layers=[number + 1]))
    bench.refresh()
    outdated, kept = (bench.paths.badge("update", tag, "svg") for tag in ("1.3.1", "1.3.2-alpine"))
    assert badge_text(bench.made(outdated)) == "update: 1.3.2 available"
    assert badge_text(bench.made(kept)) == "update: up to date"
    stamps = bench.stamps()
    bench.fake.push("team/web", "1.4.0", image(layers=[9]))

    bench.refresh()

    assert bench.badge("update", "1.3.1") == "update: 1.4.0 available"
    assert bench.stamps()[kept] == stamps[kept]


def test_an_unchanged_image_keeps_its_update_badges_as_they_are(bench: Bench) -> None:
    for number, tag in enumerate(("1.3.2", "1.4.0")):
        bench.fake.push("team/web", tag, image(layers=[number + 1]))
    bench.refresh()
    bench.made(bench.paths.badge("update", "1.3.2", "svg"))
    stamps = bench.stamps()

    assert bench.refresh() is None

    assert bench.stamps() == stamps


def test_a_file_that_was_made_is_removed_with_its_tag(bench: Bench) -> None:
    bench.fake.push("team/web", "1.0", image(layers=[1]))
    bench.fake.push("team/web", "latest", image(layers=[2]))
    bench.refresh()
    for path in (bench.paths.badge("size", "1.0", "svg"), bench.paths.tag_page("1.0")):
        bench.made(path)
    bench.fake.delete("team/web", "1.0")

    bench.refresh()

    assert not [path for path in bench.files() if "web:1.0" in path]


def test_a_version_that_is_no_longer_the_current_one_keeps_its_badges_current(bench: Bench) -> None:
    for tag in ("1.0", "latest"):
        bench.fake.push("team/web", tag, image(layers=[1024]))
    bench.refresh()
    for tag in ("2.0", "latest"):
        bench.fake.push("team/web", tag, image(layers=[2048]))
    bench.refresh()
    assert bench.badge("size", "1.0") == "size: 1.0 KiB"

    bench.fake.push("team/web", "1.0", image(layers=[4096]))
    bench.refresh()

    assert bench.badge("size", "1.0") == "size: 4.0 KiB"


LOST: dict[str, Callable[[ImagePaths, str], str]] = {
    "metadata": lambda paths, _: paths.metadata,
    "page": lambda paths, _: paths.page,
    "feed": lambda paths, _: paths.feed,
    "changes": lambda paths, _: paths.changes,
    "history": lambda paths, _: paths.history,
    "releases": lambda paths, _: paths.releases,
    "version": lambda paths, digest: paths.version(sha_of(digest)),
    "badge": lambda paths, _: paths.badge("size", None, "svg"),
    "badge as JSON": lambda paths, _: paths.badge("size", "latest", "json"),
}
DAMAGE: dict[str, Callable[[Path], object]] = {
    "lost": lambda file: file.unlink(),
    "left empty by a power failure": lambda file: file.write_bytes(b""),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
@pytest.mark.parametrize("path_of", LOST.values(), ids=LOST)
def test_a_damaged_file_is_made_again_when_it_is_requested(
    bench: Bench, path_of: Callable[[ImagePaths, str], str], damage: Callable[[Path], object]
) -> None:
    digest = bench.fake.push("team/web", "latest", index(image(), image(architecture="arm64")))
    bench.refresh()
    before, path = bench.files(), path_of(bench.paths, digest)
    damage(bench.public / path)

    files = PublicFiles(bench.freshness, bench.publisher, Visitors(bench.freshness.admissions))
    assert files.find(path) == before[path]

    assert bench.files() == before


def test_a_file_that_cannot_be_written_is_made_all_the_same(bench: Bench) -> None:
    bench.fake.push("team/web", "1.0", image(layers=[1]))
    bench.fake.push("team/web", "latest", image(layers=[2]))
    bench.refresh()
    (bench.public / "images" / f"{bench.repository.familiar}:1.0").write_text("a file where a folder belongs")

    assert b"<html" in bench.made(bench.paths.tag_page("1.0"))


# Making everything again


def push_a_history(bench: Bench) -> None:
    """Publish several tags that move, with files that were made on request."""
    for layers in ([1], [1, 2]):
        bench.fake.push("team/web", "1.0", image(layers=layers, labels={"org.opencontainers.image.licenses": "MIT"}))
        bench.fake.push("team/web", "2.0", index(image(layers=layers), image(architecture="arm64"), attestations=True))
        bench.fake.push("team/web", "latest", index(image(layers=layers), image(architecture="arm64")))
        bench.refresh()
        bench.time = bench.time.replace(minute=30)
    bench.made(bench.paths.badge("license", "1.0", "svg"))
    bench.made(bench.paths.tag_page("2.0"))


def test_an_emptied_public_folder_is_made_again_byte_for_byte_without_a_request(bench: Bench) -> None:
    push_a_history(bench)
    before = bench.files()
    shutil.rmtree(bench.public)
    bench.fake.requests.clear()

    paths = bench.again().refresher.publish_again(bench.repository)

    assert bench.files() == before
    assert set(paths) == before.keys()
    assert bench.fake.requests == []


def test_an_official_image_is_made_again_under_both_names(tmp_path: Path, fake: FakeRegistry) -> None:
    fake.push("library/alpine", "3.20", image(layers=[1]))
    fake.push("library/alpine", "latest", image(layers=[2]))
    alpine = Bench(tmp_path, fake, named="alpine")
    alpine.refresher.refresh(Repository.parse("alpine"))
    alpine.made("badges/size/library/alpine:3.20.svg")
    before = alpine.files()
    shutil.rmtree(alpine.public)

    alpine.refresher.publish_again(Repository.parse("alpine"))

    assert alpine.files() == before


def test_making_what_is_whole_again_writes_nothing(bench: Bench) -> None:
    push_a_history(bench)
    before = bench.stamps()

    assert bench.refresher.publish_again(bench.repository) == []

    assert bench.stamps() == before


def test_making_an_image_again_removes_what_it_does_not_have(bench: Bench) -> None:
    push_a_history(bench)
    before, stray = bench.files(), bench.paths.badge("size", "9.9", "svg")
    with bench.database.write() as connection:
        bench.freshness.records.add_files(connection, bench.repository, [stray])
    bench.publisher.write(stray, b"what a process wrote before it died")

    assert bench.refresher.publish_again(bench.repository) == [stray]

    assert bench.files() == before


def test_of_an_image_that_was_never_read_nothing_is_made_again(bench: Bench) -> None:
    assert bench.refresher.publish_again(bench.repository) == []
    assert bench.files() == {}


# Another edition of the service


def test_another_edition_publishes_everything_anew(bench: Bench) -> None:
    push_a_history(bench)
    before = bench.files()
    for path in before:
        bench.publisher.write(path, b"what an older edition wrote")

    other = bench.again(edition="second edition")
    other.freshness.upkeep.follow_tracked()
    assert other.refresher.refresh_if_due(other.repository)

    assert other.files() == before


def test_another_edition_leaves_alone_what_it_would_write_in_the_same_way(bench: Bench) -> None:
    push_a_history(bench)
    before, record = bench.stamps(), bench.record

    bench.again(edition="second edition").refresh()

    assert (bench.stamps(), bench.record) == (before, record)


def test_another_edition_reads_nothing_from_the_registry_that_was_read_before(bench: Bench) -> None:
    push_a_history(bench)
    bench.fake.requests.clear()

    bench.again(edition="second edition").refresh()

    assert (bench.fake.asked("GET", "/manifests/"), bench.fake.asked("GET", "/blobs/")) == (0, 0)


def test_another_edition_describes_the_layers_of_versions_anew(bench: Bench) -> None:
    digest = bench.fake.push("team/web", "latest", image(commands=["RUN make"]))
    bench.refresh()
    version = bench.freshness.records.version(bench.repository, sha_of(digest))
    assert version
    older = {**version, "Layers": [{**version["Layers"][0], "Command": "as an older edition described it"}]}
    with bench.database.write() as connection:
        bench.freshness.records.write(connection, bench.repository, bench.record, [older], None, is_public=True)  # type: ignore[list-item]

    bench.again(edition="second edition").refresh()

    described = bench.freshness.records.version(bench.repository, sha_of(digest))
    assert described
    assert described["Layers"][0]["Command"] == "RUN make"
    assert b"RUN make" in bench.files()[bench.paths.version(sha_of(digest))]


def test_a_service_keeps_current_what_was_a_static_site(tmp_path: Path, fake: FakeRegistry) -> None:
    fake.push("team/web", "1.0", image(layers=[1024]))
    fake.push("team/web", "0.9", image(layers=[1]))
    fake.push("team/web", "latest", image(layers=[2048]))
    static = Bench(tmp_path, fake, is_static=True)
    static.refresh()
    fake.push("team/web", "1.0", image(layers=[4096]))
    fake.delete("team/web", "0.9")

    service = static.again(edition="a service")
    service.refresh()

    assert service.badge("size", "1.0") == "size: 4.0 KiB"
    assert tags_in(service.files()) == {"1.0", "latest"}
    assert service.paths.status not in service.files()


@needs_sqlite
def test_files_of_which_a_lost_database_knew_are_kept_current(bench: Bench) -> None:
    bench.fake.push("team/web", "1.0", image(layers=[1]))
    bench.fake.push("team/web", "latest", image(layers=[2]))
    bench.refresh()
    bench.made(bench.paths.badge("size", "1.0", "svg"))
    bench.database.close()
    shutil.rmtree(bench.folder / "data")
    bench.fake.push("team/web", "1.0", image(layers=[1024]))

    bench.again().refresh()

    assert bench.badge("size", "1.0") == "size: 1.0 KiB"
    assert bench.paths.tag_page("1.0") not in bench.files()


# Removing


def test_what_is_no_longer_tracked_leaves_no_file_and_no_row(bench: Bench) -> None:
    push_a_history(bench)
    bench.ask()
    untracked = bench.again(named="")

    untracked.removal.remove(bench.repository)

    assert bench.files() == {}
    assert rows_about(bench.database, bench.repository) == {"first_seen", "leases", "untracked_images"}


def test_the_cdn_forgets_what_is_removed(bench: Bench) -> None:
    push_a_history(bench)
    before, untracked = bench.files(), bench.again(named="")

    untracked.removal.remove(bench.repository)

    assert untracked.cdn.paths == before.keys()


def test_an_image_with_a_longer_name_stays(bench: Bench) -> None:
    longer = Repository(bench.fake.host, "team/web-2")
    for path in ("team/web", "team/web-2"):
        bench.fake.push(path, "latest", image())
    bench.refresh()
    other = bench.again(named=str(longer))
    other.refresher.refresh(longer)

    other.removal.remove(bench.repository)

    assert {path.name.partition(":")[0] for path in bench.public.rglob("*.svg")} == {"web-2.svg", "web-2"}


def test_a_removal_waits_for_a_check_under_way(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image())
    untracked = bench.again(named="")
    began, may_end = threading.Event(), threading.Event()

    def hold(_: Request) -> None:
        began.set()
        may_end.wait(DEADLINE_SECONDS)

    bench.fake.always("/tags/", hold)
    check = threading.Thread(target=bench.refresh)
    check.start()
    assert began.wait(DEADLINE_SECONDS)
    removal = threading.Thread(target=untracked.removal.remove, args=[bench.repository])
    removal.start()

    assert not untracked.removal.remove_if_idle(bench.repository)
    may_end.set()
    check.join()
    removal.join()

    assert bench.files() == {}
    assert bench.freshness.records.image(bench.repository) is None


def test_an_image_that_was_tracked_again_meanwhile_is_not_forgotten(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image())
    bench.refresh()

    bench.removal.remove(bench.repository)

    assert bench.repository in bench.freshness.checks.repositories()
    assert bench.made(bench.paths.badge("layers", None, "svg"))


def test_an_image_that_is_not_tracked_any_more_can_be_tracked_again(bench: Bench) -> None:
    other = bench.again(named="")
    bench.fake.push("team/web", "latest", image())
    other.freshness.tracked.track(TrackedImage(bench.repository))  # which names its registry
    for _ in range(2):
        other.freshness.track(TrackedImage(bench.repository))
        assert other.refresher.refresh_if_due(bench.repository)
        assert other.badge("layers") == "layers: 1"
        other.freshness.untrack(bench.repository)
        assert other.files() == {}


def rows_about(database: Database, repository: Repository) -> set[str]:
    """Return the tables that have a row about an image."""
    found = set()
    with database.read() as connection:
        for table in SCHEMA.sorted_tables:
            for row in connection.execute(table.select()):
                if str(repository) in map(str, row) or f"image:{repository}" in map(str, row):
                    found.add(table.name)
    return found
