"""Revocation fails closed: what may no longer be public goes at once, whatever else is broken, and at a start, too."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from werkzeug.wrappers import Response

from microbadger.freshness.stored_images import TrackedImage
from microbadger.image.reference import Repository
from microbadger.registry.credentials import Credential
from microbadger.site.folder import PublicFolder
from microbadger.site.paths import CATALOGUE, HOME, ImagePaths, image_in
from microbadger.site.tree import PublishError
from microbadger.store.tables import SCHEMA
from tests.fakes.registry import FakeRegistry, image
from tests.freshness.bench import Bench


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with FakeRegistry() as fake:
        yield fake


class Service:
    """A service that published ``team/web``, listed as private, and ``team/child`` that is built on it."""

    def __init__(self, folder: Path, fake: FakeRegistry) -> None:
        self.bench = Bench(folder, fake, named="")
        self.web, self.child = self.bench.repository, Repository(fake.host, "team/child")
        fake.push("team/web", "latest", image(layers=[10]))
        fake.push("team/child", "latest", image(layers=[10, 20]))
        self.bench.list_images(f"{self.web} private\n{self.child}\n")
        self.round()
        for repository in (self.web, self.child):
            assert self.bench.refresher.refresh(repository).error is None
        self.bench.freshness.catalogue.publish()
        assert self.holds(self.web)
        assert self.names(self.web)
        self.fake = fake

    def round(self) -> None:
        self.bench.freshness.upkeep.follow_tracked()

    def restart(self, **options: Any) -> None:
        self.bench = self.bench.again(named="", **options)

    def holds(self, repository: Repository) -> bool:
        """Return whether a file of an image is published, or would be on request."""
        paths = ImagePaths.of(repository)
        names = (
            *(paths.metadata, paths.page, paths.badge("version", None, "svg"), paths.changes),
            *(paths.feed, paths.history, paths.releases),
        )
        is_there = any(self.bench.publisher.has(name) for name in names)
        return is_there or any(self.bench.freshness.make(name) is not None for name in names)

    def names(self, repository: Repository) -> bool:
        """Return whether a file of another image names this one."""
        own = ImagePaths.of(repository).metadata.removesuffix(".json").removeprefix("v1/images/")
        others = {path: content for path, content in self.bench.files().items() if own not in path}
        return any(repository.path.encode() in content for path, content in others.items())

    def publish_lists(self) -> None:
        self.bench.freshness.catalogue.publish()


@pytest.fixture
def service(tmp_path: Path, fake: FakeRegistry) -> Iterator[Service]:
    service = Service(tmp_path, fake)
    yield service
    service.bench.database.close()


def lose_private(service: Service) -> None:
    service.bench.list_images(f"{service.web}\n{service.child}\n", seconds_ago=1800)


def lose_line(service: Service) -> None:
    service.bench.list_images(f"{service.child}\n", seconds_ago=1800)


def lose_line_beside_a_bad_one(service: Service) -> None:
    service.bench.list_images(f"{service.child}\n!!! what is this\nUPPER/case\n", seconds_ago=1800)


def lose_private_beside_a_bad_line(service: Service) -> None:
    service.bench.list_images(f"{service.web}\n{service.child}\n{service.web} privat\n", seconds_ago=1800)


REVOCATIONS = [lose_private, lose_line, lose_line_beside_a_bad_one, lose_private_beside_a_bad_line]


def nothing(service: Service) -> None:
    pass


def registry_is_down(service: Service) -> None:
    service.fake.always("/", lambda _: Response(status=503))


def registry_denies(service: Service) -> None:
    service.fake.always("/", lambda _: Response(status=403))


@pytest.mark.parametrize("trouble", [nothing, registry_is_down, registry_denies])
@pytest.mark.parametrize("is_start", [False, True], ids=["running", "start"])
@pytest.mark.parametrize("revoke", REVOCATIONS)
def test_what_may_no_longer_be_public_goes_in_one_round(
    service: Service, revoke: Callable[[Service], None], is_start: bool, trouble: Callable[[Service], None]
) -> None:
    trouble(service)
    revoke(service)
    if is_start:
        service.restart()

    service.round()
    service.publish_lists()

    assert not service.holds(service.web)
    assert not service.names(service.web)
    assert service.holds(service.child)


@pytest.mark.parametrize("revoke", [lose_line, lose_private])
def test_it_goes_although_another_image_cannot_be_removed(service: Service, revoke: Callable[[Service], None]) -> None:
    revoke(service)
    service.bench.freshness.checks.add([Repository.parse("ghcr.io/a/broken")])
    path = ImagePaths.of(Repository.parse("ghcr.io/a/broken")).status
    (service.bench.public / path / "a folder that is not empty").mkdir(parents=True)

    with pytest.raises(PublishError):
        service.round()

    assert not service.holds(service.web)


def put_folder(service: Service, path: str, *, is_empty: bool) -> None:
    """Put a folder where a public file was."""
    (service.bench.public / path).unlink(missing_ok=True)
    (service.bench.public / path / ("" if is_empty else "of somebody else")).mkdir(parents=True)


class StubbornFolder(PublicFolder):
    """A folder from which the files of badges cannot be removed."""

    def remove(self, path: str) -> bool:
        if path.startswith("badges/"):
            raise PublishError(f"cannot remove {path}")
        return super().remove(path)


def test_what_a_command_could_not_remove_goes_in_a_later_round(service: Service) -> None:
    service.bench.list_images(f"{service.child}\n", seconds_ago=1800)
    service.bench.freshness.track(TrackedImage(service.web, private=True))
    service.restart(publisher=StubbornFolder(service.bench.public))
    for revoke in (partial(service.bench.freshness.untrack, service.web), service.round):
        with pytest.raises(PublishError):
            revoke()
    assert service.holds(service.web)

    service.restart()
    service.round()

    assert not service.holds(service.web)


PLACES = [
    *("badges/size/{}.svg", "v1/images/{}.json", "images/{}/index.html"),
    *("v1/images/{}/-/changes.json", "v1/images/{}/-/releases.json"),
]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("revoke", [lose_line, lose_private])
def test_an_empty_folder_at_the_place_of_a_file_goes_with_the_other_files(
    service: Service, revoke: Callable[[Service], None], place: str
) -> None:
    path = place.format(service.web)
    put_folder(service, path, is_empty=True)
    revoke(service)
    service.round()
    service.publish_lists()

    assert not (service.bench.public / path).exists()
    assert not service.holds(service.web)
    assert not service.names(service.web)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("revoke", [lose_line, lose_private])
def test_a_file_that_cannot_be_removed_keeps_nothing_else_public(
    service: Service, revoke: Callable[[Service], None], place: str
) -> None:
    put_folder(service, place.format(service.web), is_empty=False)
    revoke(service)
    for _ in range(2):  # it is told again until somebody removes it
        with pytest.raises(PublishError):
            service.round()
    service.publish_lists()

    assert files_of(service, service.web) == {}
    assert not service.holds(service.web)
    assert not service.names(service.web)
    service.fake.always("/v2/team/web/", lambda _: Response(status=403))
    service.bench.refresh()
    with pytest.raises(PublishError):
        service.round()
    assert service.web not in [*service.bench.freshness.checks.due()]  # it does not begin its checks anew, either


def test_an_image_that_cannot_be_written_keeps_no_mention_in_others(service: Service) -> None:
    second = Repository(service.fake.host, "team/second")
    service.fake.push("team/second", "latest", image(layers=[10, 30]))
    service.bench.list_images(f"{service.web} private\n{service.child}\n{second}\n", seconds_ago=1800)
    service.round()
    assert service.bench.refresher.refresh(second).error is None
    assert service.web.path in service.bench.files()[ImagePaths.of(second).metadata].decode()
    put_folder(service, ImagePaths.of(service.child).page, is_empty=False)
    service.bench.list_images(f"{service.child}\n{second}\n", seconds_ago=1800)

    with pytest.raises(PublishError):
        service.round()

    assert service.web.path not in service.bench.files()[ImagePaths.of(second).metadata].decode()


def test_what_could_not_be_removed_goes_once_it_can_be(service: Service) -> None:
    path = f"badges/size/{service.web}.svg"
    put_folder(service, path, is_empty=False)
    lose_private(service)
    with pytest.raises(PublishError):
        service.round()
    (service.bench.public / path / "of somebody else").rmdir()
    service.round()

    assert not (service.bench.public / path).exists()
    assert service.bench.freshness.removal.hidden() == []


@pytest.mark.parametrize("revoke", [lose_line, lose_private])
def test_files_go_whose_paths_the_database_lost_while_the_service_runs(
    service: Service, revoke: Callable[[Service], None]
) -> None:
    lose_rows("public_files")(service)
    revoke(service)
    service.round()

    assert files_of(service, service.web) == {}


def test_an_image_that_is_public_after_all_comes_back_with_an_anonymous_read(service: Service) -> None:
    lose_private(service)
    service.round()

    assert [*service.bench.freshness.checks.due()] == [service.web]
    assert service.bench.refresh() is None

    service.publish_lists()
    assert service.holds(service.web)
    assert str(service.web).encode() in service.bench.files()[CATALOGUE]


@pytest.mark.parametrize("status", [401, 403, 404, 503])
def test_an_image_that_no_anonymous_reader_may_see_stays_away(service: Service, status: int) -> None:
    lose_private(service)
    service.round()
    service.fake.always("/", lambda _: Response(status=status))

    assert service.bench.refresh()

    service.publish_lists()
    assert not service.holds(service.web)
    assert not [path for path in (CATALOGUE, HOME) if service.web.path.encode() in service.bench.files()[path]]
    assert service.bench.freshness.catalogue.search("web", 10) == []
    assert not service.bench.freshness.checks.summary().failing
    assert json.loads(service.bench.files()[CATALOGUE])["ImageCount"] == 1


def test_a_check_that_comes_first_publishes_nothing_of_a_private_read(service: Service) -> None:
    service.fake.always("/", lambda _: Response(status=403))
    lose_private(service)

    assert service.bench.refresh()

    assert not service.holds(service.web)


def test_what_an_administrator_makes_private_no_more_goes_at_once(service: Service) -> None:
    other = Repository(service.fake.host, "team/other")
    service.fake.push("team/other", "latest", image(layers=[7]))
    service.bench.freshness.track(TrackedImage(other, private=True))
    assert service.bench.refresher.refresh(other).error is None
    assert service.holds(other)

    service.bench.freshness.track(TrackedImage(other))

    assert not service.holds(other)


@pytest.mark.parametrize("is_start", [False, True], ids=["running", "start"])
def test_an_image_that_was_untracked_as_a_private_one_is_named_only_after_an_anonymous_read(
    service: Service, is_start: bool
) -> None:
    service.fake.always("/v2/team/other/", lambda _: Response(status=403))
    other = Repository(service.fake.host, "team/other")
    service.bench.freshness.track(TrackedImage(other, private=True))
    assert service.bench.refresher.refresh(other).error
    service.bench.freshness.untrack(other)
    service.bench.freshness.track(TrackedImage(other))
    if is_start:
        service.restart()
    service.round()
    assert service.bench.refresher.refresh(other).error
    service.publish_lists()

    assert not service.names(other)
    assert service.bench.freshness.catalogue.search("other", 10) == []
    assert not service.bench.freshness.checks.summary().failing


def test_a_line_that_was_taken_out_and_comes_back_without_private_hides_its_image(service: Service) -> None:
    lose_line(service)
    service.round()
    lose_private(service)
    service.round()
    service.publish_lists()

    assert not service.holds(service.web)
    assert not service.names(service.web)


@pytest.mark.parametrize("text", ["{} privat", "{} private!", "{} private hook=x", "{} prívate"])
@pytest.mark.parametrize("is_start", [False, True], ids=["running", "start"])
def test_a_private_image_stays_as_it_was_while_its_line_cannot_be_read(
    service: Service, text: str, is_start: bool
) -> None:
    before = files_of(service, service.web)
    service.bench.list_images(f"{service.child}\n{text.format(service.web)}\n", seconds_ago=1800)
    if is_start:
        service.restart()
    service.round()
    asked = len(service.fake.requests)
    service.bench.refresh()

    assert files_of(service, service.web) == before
    assert len(service.fake.requests) == asked  # least of all is it read as one that is not private

    lose_private(service)
    service.round()
    assert not service.holds(service.web)


def test_nothing_is_published_of_an_image_whose_first_line_cannot_be_read(service: Service) -> None:
    other = Repository(service.fake.host, "team/other")
    service.fake.push("team/other", "latest", image(layers=[7]))
    service.bench.list_images(f"{service.web} private\n{service.child}\n{other} privat\n", seconds_ago=1800)
    service.round()
    assert service.bench.refresher.refresh(other).error
    service.publish_lists()

    assert not service.holds(other)
    assert not service.names(other)


def test_what_a_check_under_way_publishes_too_late_goes_in_the_next_round(service: Service) -> None:
    with service.bench.leases.hold(f"image:{service.web}"):
        lose_private(service)
        service.round()
        assert not service.holds(service.web)
    service.round()
    assert service.bench.freshness.records.image(service.web) is None


def test_a_public_image_that_was_never_private_stays(service: Service) -> None:
    before = ImagePaths.of(service.child)
    lose_private(service)
    service.round()
    assert service.bench.publisher.has(before.metadata)


# A database that was lost


def account_of(_: str) -> Credential:
    return Credential("reader", "password")


def lose_database(service: Service) -> None:
    for file in service.bench.folder.glob("data/microbadger.db*"):
        file.unlink()


def garble_database(service: Service) -> None:
    lose_database(service)
    (service.bench.folder / "data/microbadger.db").write_bytes(b"garbage " * 5000)


def lose_rows(condition: str) -> Callable[[Service], None]:
    def lose(service: Service) -> None:
        with service.bench.database.write() as connection:
            connection.execute(text(f"DELETE FROM {condition}"))
        service.bench.database.close()

    return lose


LOSSES = {
    "database": lose_database,
    "garbled database": garble_database,
    "private reads": lose_rows("meta WHERE key LIKE 'read_as%'"),
    **{table: lose_rows(table) for table in ("checks", "records", "versions", "public_files", "leases")},
}


def restart_after(service: Service, lose: Callable[[Service], None], **options: Any) -> None:
    service.bench.freshness.recovery.end_well()
    service.bench.database.close()
    lose(service)
    service.restart(**options)


def restart_without_database(service: Service) -> None:
    restart_after(service, lose_database)


def begin_to_lead(service: Service) -> None:
    """Do what the process that leads does after a stop that was clean: some rounds, and the comparison of files."""
    upkeep = service.bench.freshness.upkeep
    for _ in range(2):
        for task in upkeep.tasks.values():
            task()
        if upkeep.strays.are_unknown():
            upkeep.strays.find_and_remove()


def start(service: Service) -> None:
    """Do what a process does that begins to lead, and its first round."""
    recovery = service.bench.freshness.recovery
    assert recovery.is_needed()
    recovery.recover()
    for task in service.bench.freshness.upkeep.tasks.values():
        task()


def files_of(service: Service, repository: Repository) -> dict[str, bytes]:
    return {path: content for path, content in service.bench.files().items() if image_in(path) == repository}


@pytest.mark.parametrize("revoke", [lose_line, lose_private])
@pytest.mark.parametrize("lose", LOSSES.values(), ids=LOSSES)
def test_what_may_no_longer_be_public_goes_at_a_start_whatever_the_database_lost(
    service: Service, lose: Callable[[Service], None], revoke: Callable[[Service], None]
) -> None:
    service.fake.always("/v2/team/web/", lambda _: Response(status=403))
    revoke(service)
    restart_after(service, lose, credentials=account_of)
    begin_to_lead(service)
    assert service.bench.refresh()  # nor does a check bring it back
    begin_to_lead(service)

    assert files_of(service, service.web) == {}
    assert not service.holds(service.web)
    assert service.web.path.encode() not in b"".join(service.bench.files()[path] for path in (HOME, CATALOGUE))
    assert not service.bench.freshness.checks.summary().failing


ALL_ROWS = {name: lose_rows(name) for name in SCHEMA.tables if name != "meta"}
LOST_STACKS = {
    "of all": lose_rows("layer_stacks"),
    "of the one that goes": lose_rows("layer_stacks WHERE image LIKE '%/web'"),
    "of the one that names it": lose_rows("layer_stacks WHERE image LIKE '%/child'"),
}


@pytest.mark.parametrize("revoke", [lose_line, lose_private])
@pytest.mark.parametrize("lose", LOST_STACKS.values(), ids=LOST_STACKS)
def test_others_name_it_no_more_although_the_database_lost_what_it_is_built_on(
    service: Service, lose: Callable[[Service], None], revoke: Callable[[Service], None]
) -> None:
    service.fake.always("/", lambda _: Response(status=503))
    revoke(service)
    lose(service)

    service.round()
    service.publish_lists()

    assert not service.names(service.web)
    assert service.holds(service.child)


@pytest.mark.parametrize("revoke", [lose_line, lose_private])
@pytest.mark.parametrize("lose", ALL_ROWS.values(), ids=ALL_ROWS)
def test_others_name_it_no_more_whatever_the_database_lost(
    service: Service, lose: Callable[[Service], None], revoke: Callable[[Service], None]
) -> None:
    service.fake.always("/v2/team/web/", lambda _: Response(status=403))
    revoke(service)
    restart_after(service, lose, credentials=account_of)
    begin_to_lead(service)
    service.bench.freshness.refresher.refresh_if_due(service.child)
    begin_to_lead(service)

    assert not service.names(service.web)
    assert service.holds(service.child)


@pytest.mark.parametrize("lose", LOSSES.values(), ids=LOSSES)
def test_a_public_image_without_a_credential_stays_whatever_the_database_lost(
    service: Service, lose: Callable[[Service], None]
) -> None:
    before = files_of(service, service.child)
    restart_after(service, lose)
    begin_to_lead(service)

    assert files_of(service, service.child) == before


@pytest.mark.parametrize("lose", LOSSES.values(), ids=LOSSES)
def test_an_image_that_is_still_private_stays_whatever_the_database_lost(
    service: Service, lose: Callable[[Service], None]
) -> None:
    before = files_of(service, service.web)
    restart_after(service, lose, credentials=account_of)
    begin_to_lead(service)

    assert files_of(service, service.web) == before


@pytest.mark.parametrize("what", ["checks", "public_files", "meta WHERE key LIKE 'r%'"])
def test_a_record_vouches_for_a_public_image_although_there_is_a_credential(
    service: Service, what: str
) -> None:
    before = files_of(service, service.child)
    restart_after(service, lose_rows(what), credentials=account_of)
    begin_to_lead(service)

    assert files_of(service, service.child) == before


def test_a_public_image_of_a_lost_database_comes_back_with_its_first_anonymous_read(service: Service) -> None:
    restart_after(service, lose_database, credentials=account_of)
    begin_to_lead(service)
    assert files_of(service, service.child) == {}
    assert [*service.bench.freshness.checks.due()] == [service.child, service.web]

    assert service.bench.refresher.refresh(service.child).error is None
    begin_to_lead(service)

    assert service.holds(service.child)
    assert service.child.path.encode() in service.bench.files()[CATALOGUE]


def test_an_image_that_was_read_anonymously_before_files_are_compared_stays(service: Service) -> None:
    restart_after(service, lose_database, credentials=account_of)
    service.bench.freshness.upkeep.follow_tracked()
    assert service.bench.refresher.refresh(service.child).error is None
    before = files_of(service, service.child)
    begin_to_lead(service)

    assert files_of(service, service.child) == before


def test_an_image_that_is_being_checked_is_hidden_after_that(service: Service) -> None:
    service.fake.always("/v2/team/web/", lambda _: Response(status=403))
    lose_private(service)
    restart_after(service, lose_database, credentials=account_of)
    with service.bench.leases.hold(f"image:{service.web}"):
        begin_to_lead(service)
        assert files_of(service, service.web)
    begin_to_lead(service)

    assert files_of(service, service.web) == {}


@pytest.mark.parametrize("revoke", [lose_line, lose_line_beside_a_bad_one])
def test_what_was_untracked_before_the_database_was_lost_goes_at_the_start(
    service: Service, revoke: Callable[[Service], None]
) -> None:
    stays = files_of(service, service.child)
    revoke(service)
    restart_without_database(service)
    start(service)

    assert files_of(service, service.web) == {}
    assert files_of(service, service.child) == stays
    assert service.web.path.encode() not in b"".join(service.bench.files()[path] for path in (HOME, CATALOGUE))
    assert ImagePaths.of(service.web).metadata in service.bench.cdn.paths


def test_what_no_file_and_no_setting_lists_stays_when_the_database_was_lost(service: Service) -> None:
    before = [files_of(service, repository) for repository in (service.web, service.child)]
    service.bench.images_file.unlink()
    restart_without_database(service)
    start(service)

    assert [files_of(service, repository) for repository in (service.web, service.child)] == before


@pytest.mark.parametrize("text", ["", "{0}\n{1} privat\n", "{0}\n{1}:::\n"], ids=["emptied", "word", "tag"])
def test_a_list_that_may_name_an_image_lets_its_files_stay(service: Service, text: str) -> None:
    before = files_of(service, service.web)
    service.bench.list_images(text.format(service.child, service.web), seconds_ago=1800)
    restart_without_database(service)
    start(service)

    assert files_of(service, service.web) == before


def test_a_list_that_was_just_edited_settles_before_its_word_counts(service: Service) -> None:
    service.bench.list_images(f"{service.child}\n", seconds_ago=0)
    restart_without_database(service)
    start(service)
    assert files_of(service, service.web)

    lose_line(service)
    service.bench.freshness.upkeep.strays.remove()
    assert files_of(service, service.web) == {}


def test_files_of_an_image_that_is_tracked_again_meanwhile_stay(service: Service) -> None:
    before = files_of(service, service.web)
    lose_line(service)
    restart_without_database(service)
    recovery = service.bench.freshness.recovery
    recovery.recover()
    service.bench.freshness.tracked.put(TrackedImage(service.web))
    service.bench.freshness.upkeep.strays.remove()

    assert files_of(service, service.web) == before


def test_files_of_the_operator_stay_when_the_database_was_lost(service: Service) -> None:
    own = [service.bench.public / name for name in ("humans.txt", "images/logo.png", ".well-known/security.txt")]
    for file in own:
        file.parent.mkdir(exist_ok=True)
        file.write_text("mine")
    restart_without_database(service)
    start(service)

    assert [file.read_text() for file in own] == ["mine"] * 3
