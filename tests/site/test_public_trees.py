"""What every place for the public tree does alike: a folder, a bucket of moto, a bucket of a real store."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import cast

import pytest

from microbadger.site.bucket import PublicBucket
from microbadger.site.folder import PublicFolder
from microbadger.site.tree import Overtaken, PublicTree, PublishError, Seen
from tests.object_stores import BUCKET, ObjectStore

STORES = ("moto_store", "ceph_store")
BADGE, RECORD = "badges/size/example/web:1.0.svg", "v1/images/example/web.json"


@pytest.fixture(params=["folder", *STORES])
def tree(request: pytest.FixtureRequest, tmp_path: Path) -> PublicTree:
    if request.param == "folder":
        return PublicFolder(tmp_path / "public")
    return PublicBucket(store_of(request).address())


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest) -> ObjectStore:
    return store_of(request)


def store_of(request: pytest.FixtureRequest) -> ObjectStore:
    return cast(ObjectStore, request.getfixturevalue(request.param))


def makers(**contents: bytes) -> dict[str, Callable[[], bytes]]:
    return {path: partial(bytes, content) for path, content in contents.items()}


def test_it_publishes_bytes_at_a_path(tree: PublicTree) -> None:
    tree.write(BADGE, "mañana".encode())
    assert (tree.read(BADGE), tree.has(BADGE)) == ("mañana".encode(), True)


@pytest.mark.parametrize(
    "path", ["ñ?%41", "none", "badges", "v1/images", "n" * 300, "n" * 3000, "a//b", "../etc", "a/../b"]
)
def test_it_has_nothing_where_nothing_was_published(tree: PublicTree, path: str) -> None:
    tree.write(BADGE, b"1")
    assert (tree.read(path), tree.has(path)) == (None, False)


def test_it_returns_whether_something_changed(tree: PublicTree) -> None:
    assert [tree.write("a", content) for content in (b"1", b"1", b"2", b"22")] == [True, False, True, True]
    assert [tree.remove("a"), tree.remove("a"), tree.read("a")] == [True, False, None]


def test_it_publishes_a_long_content_whole(tree: PublicTree) -> None:
    long = bytes(6 * 1024**2)
    assert [tree.write("a/list", content) for content in (long, long, b"1" + long)] == [True, False, True]
    assert tree.read("a/list") == b"1" + long


def test_it_finds_those_of_many_paths_that_are_there_and_not_empty(tree: PublicTree) -> None:
    tree.publish(makers(a=b"1", empty=b"", b=b"2"))
    assert tree.find(["a", "b", "c", "empty"]) == {"a", "b"}


def test_it_returns_the_paths_that_changed_in_their_order(tree: PublicTree) -> None:
    tree.publish(makers(same=b"same", old=b"old"))
    changed = tree.publish(makers(same=b"same", badge=b"new", record=b"new"), gone={"old", "missing"})
    assert changed == ["badge", "old", "record"]
    assert {path: tree.read(path) for path in changed} == {"badge": b"new", "old": None, "record": b"new"}
    assert tree.publish(makers(same=b"same", badge=b"new", record=b"new")) == []


def test_it_publishes_more_files_than_are_written_at_once(tree: PublicTree) -> None:
    files = makers(**{f"v1/{number}.json": b"%d" % number for number in range(150)})
    assert tree.publish(files) == [*files]
    assert tree.publish({}, gone=files) == sorted(files)


def test_the_last_file_is_not_written_if_one_before_it_cannot_be_made(tree: PublicTree) -> None:
    def fail() -> bytes:
        raise PublishError("no")

    with pytest.raises(PublishError, match=r"^no$"):
        tree.publish({"badge": fail, **makers(record=b"new")})
    assert not tree.has("record")


def test_the_last_file_replaces_what_was_seen(tree: PublicTree) -> None:
    for content in (b"first", b"second", b"second", b"third"):
        tree.publish(makers(record=content), (), tree.seen("record"))
        assert tree.read("record") == content


@pytest.mark.parametrize("before", [None, b"old"])
def test_a_bucket_keeps_a_record_that_another_process_wrote_meanwhile(store: ObjectStore, before: bytes | None) -> None:
    address = store.address()
    slow, fast = PublicBucket(address), PublicBucket(address)
    if before:
        fast.write("record", before)
    seen = slow.seen("record")
    fast.publish(makers(record=b"newer"), (), fast.seen("record"))
    with pytest.raises(Overtaken, match=r"^another process has replaced record$"):
        slow.publish(makers(badge=b"late", record=b"late"), (), seen)
    assert (fast.read("record"), fast.read("badge")) == (b"newer", b"late")


def test_a_record_that_was_removed_meanwhile_is_not_brought_back(store: ObjectStore) -> None:
    tree = PublicBucket(store.address())
    tree.write("record", b"old")
    seen = tree.seen("record")
    tree.remove("record")
    with pytest.raises(Overtaken):
        tree.publish(makers(record=b"late"), (), seen)


def test_a_record_that_says_the_same_already_is_no_trouble(store: ObjectStore) -> None:
    address = store.address()
    tree, other = PublicBucket(address), PublicBucket(address)
    seen = tree.seen("record")
    other.write("record", b"same")
    assert tree.publish(makers(record=b"same"), (), seen) == ["record"]


def test_what_is_made_on_request_does_not_replace_what_was_published_meanwhile(store: ObjectStore) -> None:
    tree = PublicBucket(store.address())
    tree.write(BADGE, b"newer")
    tree.write_if_possible(BADGE, b"late", is_missing=True)
    assert tree.read(BADGE) == b"newer"
    tree.write_if_possible(BADGE, b"newest")
    tree.write_if_possible(RECORD, b"first", is_missing=True)
    assert (tree.read(BADGE), tree.read(RECORD)) == (b"newest", b"first")


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        (BADGE, "image/svg+xml"),
        (RECORD, "application/json"),
        ("images/example/web/index.html", "text/html; charset=utf-8"),
        ("images/example/web/-/feed.xml", "application/atom+xml; charset=utf-8"),
        ("assets/style.css", "text/css; charset=utf-8"),
        ("assets/page.js", "text/javascript; charset=utf-8"),
    ],
)
def test_an_object_keeps_the_headers_that_the_service_answers_with(
    store: ObjectStore, path: str, media_type: str
) -> None:
    address = store.address()
    PublicBucket(address).write(path, b"content")
    answer = store.client.get_object(Bucket=BUCKET, Key=f"{address.prefix}/{path}")
    assert (answer["ContentType"], answer["CacheControl"], answer["Body"].read()) == (
        media_type,
        "public, max-age=300, s-maxage=300, stale-while-revalidate=86400, stale-if-error=604800",
        b"content",
    )


def test_the_keys_are_the_paths_below_the_prefix(store: ObjectStore) -> None:
    address = store.address()
    tree = PublicBucket(address)
    paths = {BADGE, RECORD, "index.html", "images/localhost:5000/web:1/index.html", "v1/images/web/-/changes.json"}
    tree.publish({path: partial(bytes, b"1") for path in paths})
    assert store.keys(address.prefix) == paths
    assert tree.seen(RECORD) == Seen("c4ca4238a0b923820dcc509a6f75849b", 1)
