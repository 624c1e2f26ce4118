"""First sights: when each digest, and each tag that names it, was first seen by our own clock; never rewritten."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from microbadger.freshness.sightings import MOST_SIGHTINGS
from microbadger.freshness.stored_images import TrackedImage
from microbadger.image.documents import ImageDocument
from microbadger.image.first_seen import FirstSeen, sights_in
from microbadger.image.reference import Repository
from microbadger.site.folder import PublicFolder
from microbadger.site.tree import PublishError
from microbadger.store.tables import FIRST_SEEN, RECORDS, UNTRACKED_IMAGES
from tests.fakes.registry import FakeRegistry, image
from tests.freshness.bench import START, Bench

AT_FIRST = timedelta(0)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with FakeRegistry() as fake:
        yield Bench(tmp_path, fake)


@pytest.fixture
def by_command(bench: Bench) -> Bench:
    """A process with one image, which is tracked by a command."""
    other = bench.again(named="")
    other.freshness.tracked.track(TrackedImage(bench.repository))
    return other


def kept(bench: Bench) -> dict[tuple[str, str], timedelta]:
    """Return how long after the start each tag was first seen to name a digest."""
    with bench.database.read() as connection:
        rows = connection.execute(FIRST_SEEN.select()).all()
    return {(row.tag, row.digest): timedelta(seconds=row.seen_at - START.timestamp()) for row in rows}


def published(bench: Bench) -> ImageDocument:
    document: ImageDocument = json.loads(bench.files()[bench.paths.metadata])
    return document


def seen(bench: Bench) -> dict[tuple[str, str], tuple[timedelta, bool]]:
    """Return what is published: how long after the start each was first seen, and whether that is exact."""
    return {
        sighting: (sight.seen_at - START, sight.is_exact) for sighting, sight in sights_in(published(bench)).items()
    }


def test_the_first_sight_of_each_tag_and_digest_is_kept(bench: Bench) -> None:
    old = bench.fake.push("team/web", "latest", image(layers=[1]))
    bench.fake.push("team/web", "1.0", image(layers=[1]))
    bench.refresh()
    new = bench.fake.push("team/web", "latest", image(layers=[2]))
    bench.check_later(hours=25)

    later = timedelta(hours=25)
    assert kept(bench) == {
        ("", old): AT_FIRST,
        ("latest", old): AT_FIRST,
        ("1.0", old): AT_FIRST,
        ("", new): later,
        ("latest", new): later,
    }


def test_it_is_published_and_an_upper_bound_of_what_was_there_at_the_first_check(bench: Bench) -> None:
    old = bench.fake.push("team/web", "1.0", image(layers=[1]))
    bench.fake.push("team/web", "latest", image(layers=[1]))
    bench.refresh()
    new = bench.fake.push("team/web", "latest", image(layers=[2]))
    bench.fake.push("team/web", "1.1", image(layers=[2]))
    bench.check_later(hours=25)

    at_first, later = (AT_FIRST, False), (timedelta(hours=25), True)
    assert seen(bench) == {
        ("", old): at_first, ("1.0", old): at_first,
        ("", new): later, ("1.1", new): later, ("latest", new): later,
    }  # fmt: skip
    assert published(bench)["FirstSeen"] == "2026-11-25T13:00:00Z"


def test_a_version_has_it_in_its_own_document_too(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image())
    bench.refresh()

    (version,) = published(bench)["Versions"]
    own = json.loads(bench.files()[bench.paths.version(version["SHA"])])
    assert own["FirstSeen"] == version["FirstSeen"] == "2026-11-24T12:00:00Z"
    assert own["Tags"] == version["Tags"]


def test_it_is_never_rewritten(bench: Bench) -> None:
    digest = bench.fake.push("team/web", "latest", image(layers=[1]))
    bench.refresh()
    for layers in ([2], [1]):
        bench.fake.push("team/web", "latest", image(layers=layers))
        bench.check_later()
    bench.again(edition="second edition").refresh()

    assert kept(bench)["latest", digest] == AT_FIRST
    assert seen(bench)["latest", digest] == (AT_FIRST, False)


def test_an_unchanged_image_writes_no_file(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image(layers=[1]))
    bench.refresh()
    bench.fake.push("team/web", "1.0", image(layers=[2]))
    bench.check_later()
    before = bench.stamps()

    for _ in range(3):
        bench.check_later()

    assert bench.stamps() == before


def test_a_tag_that_is_only_kept_from_now_on_is_an_upper_bound(bench: Bench) -> None:
    few = bench.again(max_tags=1)
    old = few.fake.push("team/web", "1.0", image(layers=[1]))
    few.fake.push("team/web", "2.0", image(layers=[2]))
    few.refresh()

    bench.check_later(hours=25)

    assert [seen(bench)[tag, old] for tag in ("", "1.0")] == [(timedelta(hours=25), False)] * 2


def test_a_digest_that_a_tag_may_have_named_that_is_not_kept_is_an_upper_bound(bench: Bench) -> None:
    few = bench.again(max_tags=1)
    few.fake.push("team/web", "latest", image(layers=[1]))
    old = few.fake.push("team/web", "1.0", image(layers=[2]))
    few.refresh()
    few.fake.push("team/web", "latest", image(layers=[2]))

    few.check_later(hours=25)

    later = timedelta(hours=25)
    assert [seen(few)[tag, old] for tag in ("", "latest")] == [(later, False), (later, True)]


def test_it_is_kept_before_a_file_shows_it(bench: Bench) -> None:
    digest = bench.fake.push("team/web", "latest", image())
    full = bench.again(publisher=FullFolder(bench.public))
    assert full.refresh() == "The disk is full."

    bench.time += timedelta(hours=1)
    assert bench.refresh() is None

    assert seen(bench) == dict.fromkeys([("", digest), ("latest", digest)], (AT_FIRST, False))


class FullFolder(PublicFolder):
    """A folder in which nothing can be written."""

    def publish(self, *_: object, **__: object) -> list[str]:
        raise PublishError("The disk is full.")


def test_of_a_table_that_was_lost_the_record_has_what_it_shows(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image(layers=[1]))
    bench.refresh()
    before = seen(bench)
    with bench.database.write() as connection:
        connection.execute(FIRST_SEEN.delete())
    bench.fake.push("team/web", "1.0", image(layers=[2]))

    bench.check_later()

    assert before.items() <= seen(bench).items()


def test_a_record_that_was_lost_is_made_again_with_the_times_that_are_kept(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image(layers=[1]))
    bench.refresh()
    bench.fake.push("team/web", "1.0", image(layers=[2]))
    bench.check_later()
    before = seen(bench)
    with bench.database.write() as connection:
        connection.execute(RECORDS.delete())

    bench.check_later()

    assert seen(bench) == before


# Images that are not tracked for a while


def away(bench: Bench, days: float) -> None:
    """Stop tracking the image, and track it again after some days."""
    bench.freshness.untrack(bench.repository)
    bench.time += timedelta(days=days)
    bench.freshness.track(TrackedImage(bench.repository))


def test_it_is_kept_while_an_image_is_not_tracked(by_command: Bench) -> None:
    digest = by_command.fake.push("team/web", "latest", image())
    by_command.refresh()

    away(by_command, days=89)
    by_command.refresh()
    away(by_command, days=89)
    by_command.refresh()

    assert seen(by_command) == dict.fromkeys([("", digest), ("latest", digest)], (AT_FIRST, False))


def test_what_appeared_meanwhile_is_an_upper_bound(by_command: Bench) -> None:
    old = by_command.fake.push("team/web", "latest", image(layers=[1]))
    by_command.refresh()
    new = by_command.fake.push("team/web", "1.0", image(layers=[2]))

    away(by_command, days=30)
    by_command.refresh()

    at_first, later = (AT_FIRST, False), (timedelta(days=30), False)
    assert seen(by_command) == {
        ("", old): at_first, ("latest", old): at_first, ("", new): later, ("1.0", new): later
    }  # fmt: skip


@pytest.mark.parametrize("cleans", [True, False])
def test_after_ninety_days_it_starts_anew(by_command: Bench, cleans: bool) -> None:
    digest = by_command.fake.push("team/web", "latest", image())
    by_command.refresh()

    by_command.freshness.untrack(by_command.repository)
    by_command.time += timedelta(days=91)
    if cleans:
        by_command.freshness.records.sightings.clean()
        assert (kept(by_command), untracked(by_command)) == ({}, [])
    by_command.freshness.track(TrackedImage(by_command.repository))
    by_command.refresh()
    by_command.check_later()

    assert seen(by_command) == dict.fromkeys([("", digest), ("latest", digest)], (timedelta(days=91), False))
    assert untracked(by_command) == []


def untracked(bench: Bench) -> list[str]:
    with bench.database.read() as connection:
        return list(connection.execute(select(UNTRACKED_IMAGES.c.image)).scalars())


def test_an_image_that_is_tracked_again_in_time_may_be_read_much_later(by_command: Bench) -> None:
    digest = by_command.fake.push("team/web", "latest", image())
    by_command.refresh()

    away(by_command, days=1)
    by_command.time += timedelta(days=95)  # in which the registry does not answer
    by_command.refresh()

    assert seen(by_command) == dict.fromkeys([("", digest), ("latest", digest)], (AT_FIRST, False))


def test_the_history_begins_no_earlier_than_what_was_seen(by_command: Bench) -> None:
    by_command.fake.push("team/web", "latest", image())
    by_command.refresh()
    away(by_command, days=91)
    by_command.refresh()

    (point,) = json.loads(by_command.files()[by_command.paths.history])["Current"]["Points"]
    assert point["Time"] == published(by_command)["FirstSeen"] == "2027-02-23T12:00:00Z"


def test_cleaning_up_leaves_what_was_seen_of_images_that_are_tracked_or_were_lately(by_command: Bench) -> None:
    by_command.fake.push("team/web", "latest", image())
    by_command.refresh()
    before = kept(by_command)

    by_command.freshness.untrack(by_command.repository)
    by_command.time += timedelta(days=89)
    by_command.freshness.records.sightings.clean()
    assert kept(by_command) == before

    by_command.freshness.track(TrackedImage(by_command.repository))  # which is not checked yet
    by_command.time += timedelta(days=2)
    by_command.freshness.records.sightings.clean()
    assert kept(by_command) == before


# How much is kept


def test_of_an_image_the_oldest_sights_go_beyond_ten_thousand_but_not_of_what_it_shows(bench: Bench) -> None:
    old = bench.fake.push("team/web", "old", image(layers=[1]))
    bench.refresh()
    other = Repository.parse("team/other")
    many = {("", f"sha256:{number:064}"): FirstSeen(START + timedelta(seconds=number), True) for number in range(9_999)}
    with bench.database.write() as connection:
        for repository in (bench.repository, other):
            bench.freshness.records.sightings.add(connection, repository, many, [("", old), ("old", old)])

    new = bench.fake.push("team/web", "new", image(layers=[2]))
    bench.check_later()

    there = kept_of(bench, bench.repository)
    assert len(there) == MOST_SIGHTINGS
    assert {("", old), ("old", old), ("", new), ("new", new)} <= there
    assert many.keys() - there == {("", f"sha256:{number:064}") for number in range(3)}
    assert len(kept_of(bench, other)) == len(many)


def kept_of(bench: Bench, repository: Repository) -> set[tuple[str, str]]:
    with bench.database.read() as connection:
        rows = connection.execute(FIRST_SEEN.select().where(FIRST_SEEN.c.image == str(repository))).all()
    return {(row.tag, row.digest) for row in rows}
