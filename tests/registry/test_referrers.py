"""The list of what refers to a digest is read where a registry offers one; that it does not is remembered."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from werkzeug.wrappers import Request, Response

from microbadger.http.client import Network
from microbadger.http.deadline import all_within
from microbadger.image.descriptors import digest_of
from microbadger.image.reference import Repository
from microbadger.image.referrers import Referrers
from microbadger.registry.client import Registry
from microbadger.registry.credentials import Credential
from microbadger.registry.errors import BadAnswer, Denied, RegistryError, Unreachable
from microbadger.registry.remote import RemoteRepository
from microbadger.store.database import Database
from tests.databases import database_url
from tests.fakes.claims import bundle_referrer
from tests.fakes.counts import FakeCounts
from tests.fakes.referrers import ReferrerLists, entry_of
from tests.fakes.registry import FakeRegistry, image, to_json

APP = image()
DAY = 86400.0


class World:
    """One who reads ``team/web`` of a fake registry; another one in the same folder is another process."""

    def __init__(self, folder: Path, fake: FakeRegistry, clock: Callable[[], float] | None = None) -> None:
        self.fake, self.now = fake, 1_800_000_000.0
        fake.push("team/web", "latest", APP)
        self.registry = Registry(
            Database(database_url(folder)),
            FakeCounts(),
            Network("tests"),
            sleep=lambda _: None,
            clock=clock or (lambda: self.now),
        )

    @property
    def remote(self) -> RemoteRepository:
        return self.registry.repository(Repository(self.fake.host, "team/web"))

    def digests(self) -> list[str] | None:
        found = self.remote.referrers(APP.digest)
        return None if found is None else [artifact.digest for artifact in found.artifacts]

    @property
    def asked(self) -> int:
        return self.fake.asked("GET", "/referrers/")


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with FakeRegistry() as registry:
        yield registry


@pytest.fixture
def world(tmp_path: Path, fake: FakeRegistry) -> World:
    return World(tmp_path, fake)


def always(world: World, status: int, body: bytes = b"", content_type: str = "application/json") -> None:
    world.fake.referrers = lambda *_: Response(body, status, content_type=content_type)


def error(code: str) -> bytes:
    return to_json({"errors": [{"code": code}]})


def test_what_refers_to_a_digest_is_listed(world: World) -> None:
    ReferrerLists(world.fake)
    signature = world.fake.push("team/web", None, bundle_referrer(APP, None))

    assert world.digests() == [signature]


def test_an_index_is_asked_for(world: World) -> None:
    ReferrerLists(world.fake)

    world.digests()

    assert world.fake.requests[-1].headers["Accept"] == "application/vnd.oci.image.index.v1+json"


def test_nothing_may_refer_to_a_digest(world: World) -> None:
    ReferrerLists(world.fake)

    assert world.digests() == []


@pytest.mark.parametrize("size", [1, 3, 7])
def test_every_page_is_read(world: World, size: int) -> None:
    ReferrerLists(world.fake).page_size = size
    pushed = [world.fake.push("team/web", None, bundle_referrer(APP, None, created=f"202{n}-01-01")) for n in range(7)]

    assert world.digests() == pushed
    assert world.asked == -(-7 // size)


def test_a_link_leads_to_no_other_host(world: World) -> None:
    entries = [entry_of(bundle_referrer(APP, None))]
    link = '<https://elsewhere.test/v2/other/referrers/x?last=1>; rel="next"'
    index = to_json({"manifests": entries})

    def answer(request: Request, *_: str) -> Response:
        headers = {} if request.args else {"Link": link}
        return Response(index, headers=headers, content_type="application/vnd.oci.image.index.v1+json")

    world.fake.referrers = answer

    assert world.digests() == [entries[0]["digest"]]
    assert [request.query_string for request in world.fake.requests[-2:]] == [b"", b"last=1"]


@pytest.mark.parametrize("login", ["token", "basic"])
def test_a_registry_that_wants_a_login_gets_the_one_for_content(tmp_path: Path, fake: FakeRegistry, login: str) -> None:
    fake.login, fake.users = login, {"ada": "secret"}
    fake.push("team/web", "latest", APP)
    ReferrerLists(fake)
    signature = fake.push("team/web", None, bundle_referrer(APP, None))
    registry = Registry(
        Database(database_url(tmp_path)),
        FakeCounts(),
        Network("tests"),
        credentials=lambda _: Credential("ada", "secret"),
    )

    found = registry.repository(Repository(fake.host, "team/web"), private=True).referrers(APP.digest)

    assert found is not None
    assert [artifact.digest for artifact in found.artifacts] == [signature]


# Registries without lists


@pytest.mark.parametrize(
    ("status", "body", "content_type"),
    [
        (404, b"404 page not found", "text/plain"),
        (404, error("UNSUPPORTED"), "application/json"),
        (404, error("MANIFEST_UNKNOWN"), "application/json"),
        (400, b"", "text/plain"),
        (405, b"", "text/plain"),
        (406, b"", "text/plain"),
        (410, b"", "text/plain"),
        (501, b"", "text/plain"),
        (200, b"<html>", "text/html"),
        (200, b"{}", "application/json"),
    ],
)
def test_any_other_answer_means_that_a_registry_has_no_lists(
    world: World, status: int, body: bytes, content_type: str
) -> None:
    always(world, status, body, content_type)

    assert world.digests() is None


def test_a_registry_without_lists_is_not_asked_again_for_a_day_by_any_process(world: World, tmp_path: Path) -> None:
    world.digests()
    world.now += DAY - 1
    other = World(tmp_path, world.fake, lambda: world.now)

    assert (world.digests(), other.digests()) == (None, None)
    assert world.asked == 1


def test_it_is_asked_again_after_a_day(world: World) -> None:
    world.digests()
    world.now += DAY + 1
    ReferrerLists(world.fake)

    assert world.digests() == []


def test_it_is_asked_again_if_the_clock_was_set_back(world: World) -> None:
    world.digests()
    world.now -= 60
    ReferrerLists(world.fake)

    assert world.digests() == []


@pytest.mark.parametrize("code", ["NAME_UNKNOWN", "REPOSITORY_UNKNOWN"])
def test_the_lack_of_a_repository_says_nothing_of_the_others(world: World, code: str) -> None:
    always(world, 404, error(code))
    first = world.digests()
    ReferrerLists(world.fake)

    assert (first, world.digests()) == (None, [])


def test_a_registry_that_has_listed_something_is_believed_to_have_lists(world: World) -> None:
    ReferrerLists(world.fake)
    remote = world.remote
    first = remote.referrers(APP.digest)
    always(world, 404, b"under repair", "text/plain")
    second = remote.referrers(digest_of(b"other"))
    ReferrerLists(world.fake)

    assert (first, second, remote.referrers(APP.digest)) == (Referrers(), None, Referrers())


# What is odd, or fails


@pytest.mark.parametrize(
    ("status", "kind"), [(500, Unreachable), (503, Unreachable), (403, Denied), (418, BadAnswer)]
)
def test_a_failure_is_no_answer_and_is_not_tried_again_at_once(
    world: World, status: int, kind: type[RegistryError]
) -> None:
    always(world, status)

    with pytest.raises(kind):
        world.digests()
    assert world.asked == 1


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"{}", b'{"manifests": 7}', b"[" * 100_000])
def test_an_index_that_is_broken_is_refused(world: World, body: bytes) -> None:
    always(world, 200, body, "application/vnd.oci.image.index.v1+json")

    with pytest.raises(BadAnswer, match="its list of referrers is invalid"):
        world.digests()


def test_of_ten_thousand_referrers_a_thousand_are_read(world: World) -> None:
    lists = ReferrerLists(world.fake)
    lists.more = [{"digest": digest_of(b"%d" % number), "size": 1} for number in range(10_000)]

    found = world.remote.referrers(APP.digest)

    assert found is not None
    assert (len(found.artifacts), found.is_cut) == (1000, True)


def test_pages_end_with_a_thousand_referrers(world: World) -> None:
    lists = ReferrerLists(world.fake)
    lists.more, lists.page_size = [{"digest": digest_of(b"%d" % number), "size": 1} for number in range(10_000)], 100

    world.digests()

    assert world.asked == 11


def test_all_pages_together_are_bounded(world: World) -> None:
    lists = ReferrerLists(world.fake)
    lists.more = [{"digest": digest_of(b"%d" % number), "size": 1, "x": "x" * 100_000} for number in range(60)]
    lists.page_size = 1

    with pytest.raises(BadAnswer, match="sent more than"):
        world.digests()


def test_pages_that_lead_in_circles_end(world: World) -> None:
    headers = {"Link": '</v2/?last=1>; rel="next"'}
    world.fake.referrers = lambda *_: Response(
        b'{"manifests": []}', headers=headers, content_type="application/vnd.oci.image.index.v1+json"
    )

    with pytest.raises(BadAnswer, match="repeats a page"):
        world.digests()
    assert world.asked == 2


def test_pages_without_an_end_end(world: World) -> None:
    def answer(request: Request, *_: str) -> Response:
        link = f'</v2/?last={int(request.args.get("last", 0)) + 1}>; rel="next"'
        return Response(
            b'{"manifests": []}', headers={"Link": link}, content_type="application/vnd.oci.image.index.v1+json"
        )

    world.fake.referrers = answer

    with pytest.raises(BadAnswer, match="too many pages"):
        world.digests()
    assert world.asked == 100


def test_a_registry_that_does_not_answer_is_waited_for_as_long_as_is_allowed(world: World) -> None:
    is_over = threading.Event()

    def hang(*_: object) -> Response:
        is_over.wait(30)
        return Response(status=500)

    world.fake.referrers = hang
    try:
        with all_within(3.0), pytest.raises(Unreachable):
            world.digests()
    finally:
        is_over.set()
    assert world.asked == 1
