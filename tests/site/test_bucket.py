"""A bucket that is away, slow, full or refuses, and what is asked of one that is well."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Barrier

import pytest
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from microbadger.site.bucket import PublicBucket
from microbadger.site.tree import Overtaken, PublishError, remove_all
from tests.clocks import Clock
from tests.fakes.object_store import FakeObjectStore

ANSWER_SECONDS = 60.0


@pytest.fixture
def store() -> Iterator[FakeObjectStore]:
    with FakeObjectStore() as store:
        yield store


@pytest.fixture
def bucket(store: FakeObjectStore, clock: Clock) -> PublicBucket:
    return PublicBucket(store.address, clock=clock)


FILES: dict[str, Callable[[], bytes]] = {f"badges/{number}.svg": partial(bytes, number) for number in range(20)}


def test_what_is_there_already_costs_a_question_each_and_nothing_lists_the_bucket(
    store: FakeObjectStore, bucket: PublicBucket
) -> None:
    bucket.publish(FILES)
    assert store.counts == {"HEAD": 20, "PUT": 20}
    bucket.publish(FILES)
    assert store.counts == {"HEAD": 40, "PUT": 20}
    bucket.publish({}, FILES)
    assert store.counts == {"HEAD": 60, "PUT": 20, "DELETE": 20}
    assert store.objects == {}


def test_contents_are_compared_where_an_etag_is_no_digest_of_them(
    store: FakeObjectStore, bucket: PublicBucket
) -> None:
    store.etags_are_md5 = False
    assert [bucket.write("a", content) for content in (b"1", b"1", b"2")] == [True, False, True]
    assert bucket.publish({"a": lambda: b"3"}, (), bucket.seen("a")) == ["a"]


REFUSED = "the bucket refuses the request: a right is missing, or a quota is used up"
FAULTS = {
    "full": ((403, "QuotaExceeded"), REFUSED),
    "refused": ((403, "AccessDenied"), REFUSED),
    "unknown key": ((401, "InvalidAccessKeyId"), REFUSED),
    "no room": ((507, "InsufficientStorage"), "the bucket does not answer in time, or fails"),
    "slow down": ((503, "SlowDown"), "the bucket does not answer in time, or fails"),
    "no bucket": ((404, "NoSuchBucket"), "there is no such bucket"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_cannot_be_written_is_said_in_a_sentence_until_it_can(
    store: FakeObjectStore, bucket: PublicBucket, clock: Clock, fault: str
) -> None:
    answer, sentence = FAULTS[fault]
    store.fault = lambda method, _key: answer if method == "PUT" else None
    with pytest.raises(PublishError, match=f"^cannot write a into the bucket: {sentence}$"):
        bucket.write("a", b"1")
    assert len(bucket.problems) == 1
    assert not any(secret in bucket.problems[0] for secret in (store.url, "secret", "/"))
    store.fault = lambda _method, _key: None
    clock.now += 10
    assert bucket.write("a", b"1")
    assert bucket.problems == []


def test_an_object_that_may_not_be_asked_for_counts_as_missing(store: FakeObjectStore, bucket: PublicBucket) -> None:
    """S3 refuses a request for an object that is missing unless one may list the bucket."""
    there = store.objects
    store.fault = lambda method, key: (403, "AccessDenied") if method in ("GET", "HEAD") and key not in there else None
    assert (bucket.read("a"), bucket.has("a"), bucket.problems) == (None, False, [])
    assert bucket.publish({"a": lambda: b"1"}, ["gone"], bucket.seen("a")) == ["a"]
    assert bucket.read("a") == b"1"


def test_a_bucket_that_fails_is_left_alone_for_a_moment(
    store: FakeObjectStore, bucket: PublicBucket, clock: Clock
) -> None:
    bucket.write("a", b"1")
    store.fault = lambda _method, _key: (500, "InternalError")
    assert bucket.read("a") is None
    asked = store.counts.total()
    with pytest.raises(PublishError, match="a moment ago"):
        bucket.write("a", b"2")
    bucket.write_if_possible("a", b"2")
    assert (bucket.read("a"), store.counts.total()) == (None, asked)
    store.fault = lambda _method, _key: None
    clock.now += 10
    assert bucket.read("a") == b"1"


@pytest.mark.parametrize("trouble", ["away", "dripping"])
def test_nobody_waits_long_for_a_bucket(store: FakeObjectStore, trouble: str) -> None:
    bucket, began = PublicBucket(store.address), time.monotonic()
    bucket.write("a", bytes(1000))
    if trouble == "away":
        store.__exit__()
    store.drip_seconds = 0.1
    assert [bucket.read("a") for _ in range(3)] == [None] * 3
    assert bucket.problems
    assert time.monotonic() - began < ANSWER_SECONDS
    if trouble == "away":
        store.__enter__()


def test_a_publication_does_not_outlast_its_lease(store: FakeObjectStore, clock: Clock) -> None:
    def slow(_key: str) -> None:
        clock.now += 10

    store.before_put = slow
    bucket = PublicBucket(store.address, publish_seconds=100, clock=clock)
    files = {f"badges/{number}.svg": partial(bytes, number) for number in range(200)}
    with pytest.raises(PublishError, match="too slow"):
        bucket.publish(files)
    store.before_put = lambda _key: None
    assert len(bucket.publish(files)) < 200  # what was written stays


def test_a_record_whose_answer_was_lost_is_known_again(store: FakeObjectStore, bucket: PublicBucket) -> None:
    lost: list[str] = []

    def write_and_fail(method: str, key: str) -> tuple[int, str] | None:
        if method != "PUT" or lost:
            return None
        lost.append(key)
        writer.write("record", b"new")  # the store has it, and the client gets an error
        return 503, "SlowDown"

    writer = PublicBucket(store.address)
    seen = bucket.seen("record")
    store.fault = write_and_fail
    assert bucket.publish({"record": lambda: b"new"}, (), seen) == ["record"]


def test_a_process_that_was_forked_after_the_first_use_says_so(bucket: PublicBucket) -> None:
    bucket.write("a", b"1")
    if (child := os.fork()) == 0:
        try:
            bucket.write("a", b"2")
        except PublishError as error:
            os._exit(0 if "before this process was forked" in str(error) else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_store_may_want_an_etag_with_or_without_its_quotes(store: FakeObjectStore, bucket: PublicBucket) -> None:
    bucket.write("a", b"old")
    seen = bucket.seen("a")
    store.wants_quotes = True
    assert bucket.publish({"a": lambda: b"new"}, over=seen) == ["a"]
    with pytest.raises(Overtaken):
        bucket.publish({"a": lambda: b"newer"}, over=seen)
    assert bucket.read("a") == b"new"


@pytest.mark.parametrize("there", [b"old", b""], ids=["replaced", "new"])
@pytest.mark.parametrize("status", [(412, "PreconditionFailed"), (409, "ConditionalRequestConflict")])
def test_a_store_that_refuses_every_condition_is_no_other_process(
    store: FakeObjectStore, bucket: PublicBucket, status: tuple[int, str], there: bytes
) -> None:
    if there:
        bucket.write("a", there)
    seen = bucket.seen("a")
    store.fault = lambda method, _key: status if method == "PUT" else None
    for over, reason in ((seen, "must support If-Match"), (None, "without a condition")):
        with pytest.raises(PublishError, match=reason):
            bucket.publish({"a": lambda: b"new"}, over=over)
        assert reason in bucket.problems[0]


def test_certificate_authorities_are_those_of_a_file_or_of_a_folder(store: FakeObjectStore, tmp_path: Path) -> None:
    folder, missing = tmp_path / "authorities", tmp_path / "none.pem"
    folder.mkdir()
    shutil.copy(DEFAULT_CA_BUNDLE_PATH, folder)
    for bundle in (DEFAULT_CA_BUNDLE_PATH, str(folder), f"{folder}{os.pathsep}{DEFAULT_CA_BUNDLE_PATH}"):
        assert PublicBucket(replace(store.address, ca_bundle=bundle)).problems == []
    problems = PublicBucket(replace(store.address, ca_bundle=str(missing))).problems
    assert "the certificate authorities cannot be read: No such file or directory" in problems[0]


def test_many_objects_are_removed_at_once(store: FakeObjectStore, bucket: PublicBucket) -> None:
    bucket.publish(FILES)
    together = Barrier(8, timeout=ANSWER_SECONDS)
    first_ones = iter(range(together.parties))

    def wait_for_others(method: str, _key: str) -> None:
        if method == "DELETE" and next(first_ones, None) is not None:
            together.wait()

    store.fault = wait_for_others
    assert remove_all(bucket, FILES) == sorted(FILES)
    assert store.objects == {}
