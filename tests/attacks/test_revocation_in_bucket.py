"""What may no longer be public goes from a bucket, too, however the bucket fails when it is revoked."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from microbadger.freshness.stored_images import TrackedImage
from microbadger.image.reference import Repository
from microbadger.site.bucket import PublicBucket
from microbadger.site.tree import PublishError
from tests.fakes.object_store import FakeObjectStore
from tests.fakes.registry import FakeRegistry, image
from tests.freshness.bench import Bench

Fault = Callable[[str, str], tuple[int, str] | None]


class Clock:
    """A clock that a test moves."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def store() -> Iterator[FakeObjectStore]:
    with FakeObjectStore() as store:
        yield store


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def bench(tmp_path: Path, store: FakeObjectStore, clock: Clock) -> Iterator[Bench]:
    """A process that has published ``team/web``, tracked by a command as a private image."""
    with FakeRegistry() as fake:
        fake.push("team/web", "latest", image(layers=[10]))
        bench = Bench(tmp_path, fake, named="", publisher=PublicBucket(store.address, clock=clock))
        bench.list_images(f"{fake.host}/team/other")  # names the registry
        bench.freshness.track(TrackedImage(bench.repository, private=True))
        assert bench.refresh() is None
        assert left(store)
        yield bench
        bench.database.close()


def left(store: FakeObjectStore) -> list[str]:
    return [key for key in store.objects if "team/web" in key]


def untrack(bench: Bench) -> None:
    bench.freshness.untrack(bench.repository)


def make_public(bench: Bench) -> None:
    bench.freshness.track(TrackedImage(bench.repository))
    bench.fake.login = "token"
    bench.freshness.upkeep.follow_tracked()


def always(status: int, code: str, *methods: str) -> Callable[[], Fault]:
    return lambda: lambda method, _key: (status, code) if not methods or method in methods else None


def once(status: int, code: str, method: str) -> Callable[[], Fault]:
    def fault() -> Fault:
        rest = [(status, code)]
        return lambda asked, _key: rest.pop() if asked == method and rest else None

    return fault


FAULTS = {
    "refuses everything": always(403, "AccessDenied"),
    "refuses to delete": always(403, "AccessDenied", "DELETE"),
    "is not there": always(404, "NoSuchBucket"),
    "is not there to delete from": always(404, "NoSuchBucket", "DELETE"),
    "is away": always(503, "SlowDown"),
    "is away for deletions": always(503, "SlowDown", "DELETE"),
    "fails": always(500, "InternalError"),
    "fails one deletion": once(400, "BadRequest", "DELETE"),
    "wants a login": always(401, "Unauthorized"),
}


@pytest.mark.parametrize("is_restarted", [False, True], ids=["goes on", "restarted"])
@pytest.mark.parametrize("revoke", [untrack, make_public])
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_what_may_no_longer_be_public_goes_as_soon_as_the_bucket_can_be_used(
    bench: Bench,
    store: FakeObjectStore,
    clock: Clock,
    fault: Callable[[], Fault],
    revoke: Callable[[Bench], None],
    is_restarted: bool,
) -> None:
    store.fault = fault()
    with suppress(PublishError):
        revoke(bench)
    for _ in range(2):
        with suppress(PublishError):
            bench.freshness.upkeep.follow_tracked()
    store.fault = lambda _method, _key: None
    clock.seconds += 60
    if is_restarted:
        bench = bench.again(named="", publisher=PublicBucket(store.address, clock=clock))

    bench.freshness.upkeep.follow_tracked()

    assert left(store) == []


def named_by_others(store: FakeObjectStore) -> list[str]:
    return [key for key, found in store.objects.items() if "team/child" in key and b"team/web" in found.content]


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_its_name_goes_from_other_images_as_soon_as_the_bucket_can_be_used(
    bench: Bench, store: FakeObjectStore, clock: Clock, fault: Callable[[], Fault]
) -> None:
    child = Repository(bench.repository.registry, "team/child")
    bench.fake.push("team/child", "latest", image(layers=[10, 20]))
    bench.freshness.track(TrackedImage(child))
    assert bench.refresher.refresh(child).error is None
    assert named_by_others(store)
    wanted: Fault = fault()
    store.fault = lambda method, key: wanted(method, key) or (wanted("DELETE", key) if method == "PUT" else None)
    works: list[Callable[[], None]] = [partial(untrack, bench), *[bench.freshness.upkeep.follow_tracked] * 2]
    for work in works:
        with suppress(PublishError):
            work()
    store.fault = lambda _method, _key: None
    clock.seconds += 60

    bench.freshness.upkeep.follow_tracked()

    assert (left(store), named_by_others(store)) == ([], [])


def test_a_store_that_denies_what_is_missing_keeps_no_image_from_going(bench: Bench, store: FakeObjectStore) -> None:
    home = "public/index.html"
    bench.freshness.catalogue.publish()
    assert home in store.objects
    store.fault = lambda method, key: (404, "NoSuchKey") if method == "DELETE" and key not in store.objects else None
    untrack(bench)
    assert left(store) == []
