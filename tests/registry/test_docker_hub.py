"""What Docker Hub's web API tells, field by field, whatever it sends, and what asking it costs."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.wrappers import Response

from microbadger.http.client import Answer, Network
from microbadger.image.descriptors import digest_of
from microbadger.image.documents import HubDetails, document_bytes, format_time
from microbadger.image.manifest import OCI_INDEX, OCI_MANIFEST
from microbadger.image.reference import Repository, is_digest, is_tag
from microbadger.registry.docker_hub import DockerHub, HubImage, HubTag, HubTags, parse_details, parse_tags_page
from microbadger.registry.errors import NotFound, RateLimited
from microbadger.registry.transport import Request, Transport
from tests.fakes.counts import FakeCounts
from tests.fakes.docker_hub import FakeHub, tag_row
from tests.fakes.registry import FakeRegistry, image, index

APP = Repository("docker.io", "team/app")
NOW = 1_800_000_000.0
DIGEST = digest_of("mañana".encode())
OTHER_DIGEST = digest_of(b"another")
CONFIG_TYPE = "application/vnd.docker.container.image.v1+json"

# https://docs.docker.com/reference/api/hub/latest/
DETAILS = {
    "user": "owner",
    "name": "app",
    "namespace": "owner",
    "repository_type": "image",
    "status": 1,
    "description": "mañana",
    "is_private": False,
    "star_count": 3,
    "pull_count": 1_234_567,
    "last_updated": "2018-12-14T08:47:51.363852Z",
}
BROKEN = ["mañana".encode(), b"", b"\xff", b"[]", b"null", b"1", b'"x"', b"{", b"{}", b"[" * 100_000, b'{"a":NaN}']
GOOD = json.dumps({**DETAILS, "results": [{"name": "latest"}]}).encode()  # as details and as a list
TOO_MUCH = GOOD.ljust(4 * 1024**2 + 1)
TIMES = [
    ("mañana", None),
    ("", None),
    (None, None),
    (1544777271, None),
    ("\ud800", None),
    ("2018-12-14T08:47:51Z", datetime(2018, 12, 14, 8, 47, 51, tzinfo=UTC)),
    ("2018-12-14T10:47:51+02:00", datetime(2018, 12, 14, 8, 47, 51, tzinfo=UTC)),
    ("2018-12-14T08:47:51.363852123Z", datetime(2018, 12, 14, 8, 47, 51, 363852, UTC)),
    ("2018-12-14T08:47:51", datetime(2018, 12, 14, 8, 47, 51, tzinfo=UTC)),
    ("2018-12-14t08:47:51.363852123456z", datetime(2018, 12, 14, 8, 47, 51, 363852, UTC)),
    ("2013-03-20T00:00:00Z", datetime(2013, 3, 20, tzinfo=UTC)),
    ("2013-03-19T23:59:59Z", None),
    ("1970-01-01T00:00:00Z", None),
    ("1980-01-01T00:00:01Z", None),
    ("0001-01-01T00:00:00Z", None),
    ("0001-01-01T00:00:00+23:00", None),
    ("9999-12-31T23:59:59-23:00", None),
    ("2018-13-14T08:47:51Z", None),
]


class Bench:
    """Docker Hub as it is asked, with a clock that moves by hand and no waiting between tries."""

    def __init__(self, url: str) -> None:
        self.now = NOW
        self.counts = FakeCounts()
        self.transport = Transport(Network("tests"), self.counts, sleep=lambda _: None, clock=lambda: self.now)
        self.docker_hub = DockerHub(self.transport, url, clock=lambda: self.now)

    def tags(self, at_most: int = 100) -> HubTags | None:
        return self.docker_hub.tags(APP, at_most)

    def listed(self, at_most: int = 100) -> HubTags:
        """Return the tags of a list that must be there."""
        tags = self.tags(at_most)
        assert tags is not None
        return tags

    def send_to(self, registry: FakeRegistry) -> Answer:
        """Ask Docker Hub's registry, as its client does."""
        return self.transport.send(Request("GET", f"{registry.url}/v2/", "docker.io", registry.url, "ping", 1000))


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with FakeHub() as hub:
        hub.describe("team/app", **DETAILS)
        yield hub


@pytest.fixture
def bench(hub: FakeHub) -> Bench:
    return Bench(hub.url)


def push_many(hub: FakeHub, count: int) -> None:
    """Push tags, `t0` first; all name the same image."""
    pushed = image()
    for number in range(count):
        hub.push("team/app", f"t{number}", pushed)


def names(tags: HubTags) -> list[str]:
    return [tag.name for tag in tags.tags]


def digests(tags: HubTags) -> dict[str, str | None]:
    return {tag.name: tag.digest for tag in tags.tags}


def details_of(**fields: object) -> HubDetails | None:
    return parse_details(json.dumps(fields).encode())


def tag_of(row: object) -> HubTag | None:
    """Return what the list would tell of the only tag on it."""
    page = parse_tags_page(json.dumps({"results": [row]}).encode())
    assert page is not None
    return page.tags[0] if page.tags else None


def row_with_images(*images: dict[str, Any], media_type: object = OCI_INDEX) -> dict[str, Any]:
    return {"name": "latest", "digest": None, "media_type": media_type, "images": list(images)}


def image_of(**fields: object) -> HubImage | None:
    """Return what is read of an image whose row differs in these fields."""
    row = {"os": "linux", "architecture": "arm", "variant": "v7", "digest": DIGEST, "size": 12} | fields
    tag = tag_of(row_with_images(row))
    assert tag is not None
    return tag.images[0] if tag.images else None


# Details


def test_it_reads_what_docker_hub_tells_of_a_repository() -> None:
    updated = datetime(2018, 12, 14, 8, 47, 51, 363852, UTC)
    assert details_of(**DETAILS) == HubDetails("mañana", updated, 1_234_567, 3)


@pytest.mark.parametrize("body", BROKEN)
def test_details_that_are_no_object_or_an_empty_one_tell_nothing(body: bytes) -> None:
    assert parse_details(body) is None


def test_an_answer_without_a_usable_field_is_none_so_that_what_was_known_is_kept() -> None:
    assert details_of(message="object not found", pull_count="many") is None


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (" mañana\n", "mañana"),
        ("two\r\n  lines\x00\x1b", "two lines"),
        ("half a \ud83d pair", "half a pair"),
        ("👩‍🚀", "👩‍🚀"),
        ("a" * 5000, "a" * 1000),
        ("", None),
        (" \n", None),
        ("\x00", None),
        (None, None),
        (1, None),
        (["a"], None),
        ({}, None),
    ],
)
def test_a_description_is_one_line_that_says_something(sent: object, told: str | None) -> None:
    assert details_of(description=sent, pull_count=1) == HubDetails(description=told, pull_count=1)


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ("siete", None),
        (0, 0),
        (7, 7),
        (2**63 - 1, 2**63 - 1),
        (2**63, None),
        (-1, None),
        (1.5, None),
        (True, None),
        ("7", None),
        (None, None),
        ([7], None),
    ],
)
def test_a_count_is_a_whole_number(sent: object, told: int | None) -> None:
    expected = HubDetails("x", pull_count=told, star_count=told)
    assert details_of(description="x", pull_count=sent, star_count=sent) == expected


@pytest.mark.parametrize(("sent", "told"), TIMES)
def test_a_time_is_one_in_utc(sent: object, told: datetime | None) -> None:
    assert details_of(last_updated=sent, pull_count=1) == HubDetails(last_updated=told, pull_count=1)


# Tags


def test_it_reads_what_docker_hub_tells_of_a_tag() -> None:
    arm = image(architecture="arm64", variant="v8", layers=[5, 7])
    pushed = index(arm, attestations=True)
    assert tag_of(tag_row("1.0", pushed, "2026-11-20T10:00:00Z")) == HubTag(
        "1.0",
        pushed.digest,
        (HubImage("linux", "arm64", "v8", arm.digest, 12),),
        datetime(2026, 11, 20, 10, tzinfo=UTC),
    )


@pytest.mark.parametrize(("sent", "told"), TIMES)
def test_it_knows_when_a_tag_was_pushed(sent: object, told: datetime | None) -> None:
    tag = tag_of({"name": "latest", "tag_last_pushed": sent})
    assert tag is not None
    assert tag.pushed_at == told


@pytest.mark.parametrize("sent", [None, "", "mañana", 7, "0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z"])
def test_a_tag_without_a_time_of_its_push_was_pushed_when_it_was_updated(sent: object) -> None:
    tag = tag_of({"name": "latest", "tag_last_pushed": sent, "last_updated": "2026-11-20T10:00:00Z"})
    assert tag is not None
    assert tag.pushed_at == datetime(2026, 11, 20, 10, tzinfo=UTC)


@pytest.mark.parametrize("body", [*BROKEN, b'{"results":null}', b'{"results":{}}', b'{"results":"latest"}'])
def test_what_is_no_page_is_none(body: bytes) -> None:
    assert parse_tags_page(body) is None


@pytest.mark.parametrize(
    "row",
    ["mañana", None, 1, [], {}, {"name": None}, {"name": 1}, {"name": ["a"]}]
    + [{"name": name} for name in ("mañana", "", "../etc", "a/b", ".a", "-a", "a b", "latest\n", "a" * 129)],
)
def test_what_is_no_tag_is_left_out(row: object) -> None:
    assert tag_of(row) is None


def test_a_tag_that_nobody_pulled_for_a_month_is_one_all_the_same() -> None:
    assert tag_of({"name": "latest", "tag_status": "inactive", "status": "inactive"}) is not None


@pytest.mark.parametrize(
    "sent",
    ["mañana", "", None, 1, [DIGEST], {}, "sha256:", DIGEST[:-1], DIGEST.upper(), f"{DIGEST}\n", f"app@{DIGEST}"],
)
def test_a_digest_of_a_tag_is_one_or_is_not_known(sent: object) -> None:
    tag = tag_of({"name": "latest", "digest": sent})
    assert tag == HubTag("latest", None, ())


AMD64: dict[str, Any] = {"os": "linux", "architecture": "amd64", "digest": DIGEST, "size": 12}
ATTESTATION: dict[str, Any] = {"os": "unknown", "architecture": "unknown", "digest": OTHER_DIGEST, "size": 1}


@pytest.mark.parametrize("media_type", [CONFIG_TYPE, OCI_MANIFEST, "application/vnd.oci.image.config.v1+json"])
def test_the_only_image_of_a_tag_without_an_index_has_the_digest_of_the_tag(media_type: str) -> None:
    tag = tag_of(row_with_images(AMD64, media_type=media_type))
    assert tag is not None
    assert tag.digest == DIGEST


@pytest.mark.parametrize(
    "row",
    [
        row_with_images(AMD64, media_type="mañana"),
        row_with_images(AMD64, media_type=None),
        row_with_images(AMD64, media_type=[CONFIG_TYPE]),
        row_with_images(AMD64, media_type=OCI_INDEX),
        row_with_images(AMD64, ATTESTATION, media_type=CONFIG_TYPE),
        row_with_images(AMD64, AMD64 | {"architecture": "arm64"}, media_type=CONFIG_TYPE),
        row_with_images(ATTESTATION, media_type=CONFIG_TYPE),
        row_with_images(AMD64 | {"digest": None}, media_type=CONFIG_TYPE),
        row_with_images(media_type=CONFIG_TYPE),
        {"name": "latest", "media_type": CONFIG_TYPE, "images": AMD64},
    ],
)
def test_the_digest_of_a_tag_that_may_name_an_index_is_not_guessed(row: dict[str, Any]) -> None:
    tag = tag_of(row)
    assert tag is not None
    assert tag.digest is None


def test_the_digest_of_the_tag_counts_more_than_that_of_its_image() -> None:
    tag = tag_of(row_with_images(AMD64, media_type=CONFIG_TYPE) | {"digest": OTHER_DIGEST})
    assert tag is not None
    assert tag.digest == OTHER_DIGEST


@pytest.mark.parametrize(
    "fields",
    [
        {"os": "mañana"},
        {"os": "unknown", "architecture": "unknown"},
        {"os": None},
        {"architecture": None},
        {"architecture": ""},
        {"os": 1},
        {"os": ["linux"]},
        {"os": "<linux>"},
        {"os": "linux\n"},
        {"architecture": "a" * 65},
    ],
)
def test_what_runs_nowhere_is_no_image(fields: dict[str, object]) -> None:
    assert image_of(**fields) is None


def test_an_unusual_platform_is_one() -> None:
    assert image_of(os="windows", architecture="loong64") == HubImage("windows", "loong64", "v7", DIGEST, 12)


@pytest.mark.parametrize("sent", ["mañana", "", None, 7, ["v7"]])
def test_a_variant_that_is_none_is_left_out(sent: object) -> None:
    assert image_of(variant=sent) == HubImage("linux", "arm", None, DIGEST, 12)


@pytest.mark.parametrize("sent", ["doce", -1, 0, 2**50 + 1, 10**30, 1.5, True, "12", None, [12]])
def test_a_size_that_is_none_is_not_known(sent: object) -> None:
    assert image_of(size=sent) == HubImage("linux", "arm", "v7", DIGEST, None)


@pytest.mark.parametrize("sent", ["mañana", None, 1, [], {}])
def test_images_that_are_none_are_left_out(sent: object) -> None:
    assert tag_of({"name": "latest", "images": [sent]}) == HubTag("latest", None, ())


# Whatever a stranger sends

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.datetimes().map(str),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(), values, max_size=3),
    max_leaves=8,
)


def altered(good: dict[str, Any], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Replace some fields of a good object, by values that are likely or by anything."""
    likely = st.fixed_dictionaries({}, optional=fields)
    anything = st.dictionaries(st.sampled_from(sorted(good)), json_values, max_size=3)
    return st.builds(lambda some, others: good | some | others, likely, anything)


image_rows = altered(AMD64, os=st.sampled_from(["linux", "unknown"]), size=st.integers())
media_types = st.sampled_from([CONFIG_TYPE, OCI_INDEX, OCI_MANIFEST])
tag_rows = altered(
    tag_row("latest", image(), "2026-11-20T10:00:00Z"),
    images=st.lists(image_rows | json_values, max_size=3),
    media_type=media_types,
    name=st.from_regex(r"[a-z.:-]{1,5}"),
)
pages = altered({"count": 1, "next": None, "results": []}, results=st.lists(tag_rows | json_values, max_size=3))


@given(pages | json_values)
def test_whatever_the_list_holds_is_a_tag_or_is_left_out(page: object) -> None:
    read = parse_tags_page(json.dumps(page).encode())
    for tag in read.tags if read else ():
        assert is_tag(tag.name)
        assert tag.digest is None or is_digest(tag.digest)
        assert all(image.size_bytes is None or image.size_bytes > 0 for image in tag.images)
        assert all((image.os, image.architecture) != ("unknown", "unknown") for image in tag.images)


@given(altered(DETAILS) | json_values)
def test_whatever_is_told_of_a_repository_can_be_published(fields: object) -> None:
    details = parse_details(json.dumps(fields).encode()) or HubDetails()
    assert details.last_updated is None or format_time(details.last_updated).endswith("Z")
    assert json.loads(document_bytes({"Description": details.description}))["Description"] == details.description


@given(st.binary())
def test_no_bytes_break_it(body: bytes) -> None:
    assert parse_details(body) is None
    assert parse_tags_page(body) is None


# Asking


def test_an_image_costs_two_requests(hub: FakeHub, bench: Bench) -> None:
    digest = hub.push("team/app", "latest", index(image()))
    details = bench.docker_hub.details(APP)
    assert details is not None
    assert digests(bench.listed()) == {"latest": digest}
    asked = [f"{request.path}?{request.query_string.decode()}" for request in hub.requests]
    assert asked == [
        "/v2/namespaces/team/repositories/app?",
        "/v2/namespaces/team/repositories/app/tags?page=1&page_size=100&ordering=last_updated",
    ]


def test_requests_are_counted_under_the_host_that_is_asked(hub: FakeHub, bench: Bench) -> None:
    bench.docker_hub.details(APP)
    bench.tags()
    assert bench.counts.requests == [(hub.host, "details", "200"), (hub.host, "tags", "200")]


def test_an_official_image_is_one_of_the_library(hub: FakeHub, bench: Bench) -> None:
    hub.push("library/alpine", "3", image())
    assert bench.docker_hub.tags(Repository.parse("alpine"), 100) is not None


@pytest.mark.parametrize("repository", [Repository("ghcr.io", "team/app"), Repository("docker.io", "team/app/tags")])
def test_it_asks_nothing_of_what_is_not_on_docker_hub(hub: FakeHub, bench: Bench, repository: Repository) -> None:
    assert bench.docker_hub.details(repository) is None
    assert bench.docker_hub.tags(repository, 100) is None
    assert hub.requests == []


def test_without_a_url_it_asks_nothing_and_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    bench = Bench("")
    assert bench.docker_hub.details(APP) is None
    assert bench.tags() is None
    assert (bench.counts.requests, caplog.records) == ([], [])


def test_it_says_that_docker_hub_does_not_have_a_repository(bench: Bench) -> None:
    stranger = Repository("docker.io", "team/stranger")
    assert bench.docker_hub.details(stranger) is None
    with pytest.raises(NotFound, match=r"^Docker Hub has no repository team/stranger$"):
        bench.docker_hub.tags(stranger, 100)


def test_it_gives_the_digests_of_indexes_and_of_single_images(hub: FakeHub, bench: Bench) -> None:
    single, multi, attested = (
        image(docker=True),
        index(image(), image(architecture="arm64")),
        index(image(), attestations=True),
    )
    pushed = {"single": single, "multi": multi, "attested": attested}
    for tag, what in pushed.items():
        hub.push("team/app", tag, what)
    assert digests(bench.listed()) == {tag: what.digest for tag, what in pushed.items()}


def test_of_old_tags_without_a_digest_it_knows_only_those_of_single_images(hub: FakeHub, bench: Bench) -> None:
    hub.tells_digests = False
    digest = hub.push("team/app", "single", image())
    hub.push("team/app", "attested", index(image(), attestations=True))
    hub.push("team/app", "bare", index(image()))
    assert digests(bench.listed()) == {"single": digest, "attested": None, "bare": None}


def test_a_list_that_lags_tells_what_it_knows(hub: FakeHub, bench: Bench) -> None:
    old = hub.push("team/app", "latest", image())
    bench.tags()
    hub.is_lagging = True
    hub.push("team/app", "latest", image(layers=[1]))
    assert digests(bench.listed()) == {"latest": old}


def test_a_repository_that_seems_empty_is_none(hub: FakeHub, bench: Bench) -> None:
    hub.push("team/app", "latest", image())
    hub.is_empty = True
    assert bench.tags() is None


# Pages


@pytest.mark.parametrize(
    ("pushed", "at_most", "read", "requests", "is_complete"),
    [
        (1, 100, 1, 1, True),
        (100, 100, 100, 1, True),
        (101, 100, 100, 1, False),
        (3, 2, 2, 1, False),
        (101, 101, 101, 2, True),
        (250, 150, 150, 2, False),
        (250, 1000, 250, 3, True),
        (1, 0, 0, 0, False),
    ],
)
def test_it_reads_no_more_pages_than_are_wanted(
    hub: FakeHub, bench: Bench, pushed: int, at_most: int, read: int, requests: int, is_complete: bool
) -> None:
    push_many(hub, pushed)
    tags = bench.tags(at_most) or HubTags((), is_complete=False)
    assert (len(tags.tags), hub.asked("/tags"), tags.is_complete) == (read, requests, is_complete)


def test_the_tag_pushed_last_comes_first(hub: FakeHub, bench: Bench) -> None:
    push_many(hub, 120)
    hub.push("team/app", "t5", image(layers=[1]))
    assert names(bench.listed(at_most=3)) == ["t5", "t119", "t118"]


def test_it_never_goes_where_a_page_names_the_next_one(hub: FakeHub, bench: Bench) -> None:
    push_many(hub, 150)
    bench.tags(at_most=150)
    assert [request.args["page"] for request in hub.requests] == ["1", "2"]


def test_what_it_read_before_docker_hub_refuses_to_page_on_is_kept(hub: FakeHub, bench: Bench) -> None:
    push_many(hub, 250)
    hub.anonymous_tags = 200
    tags = bench.listed(at_most=1000)
    assert (len(tags.tags), tags.is_complete) == (200, False)


def test_a_push_between_two_pages_makes_the_list_incomplete(hub: FakeHub) -> None:
    push_many(hub, 150)
    transport = Transport(Network("tests"), FakeCounts(lambda _: hub.push("team/app", "t10", image(layers=[1]))))
    tags = DockerHub(transport, hub.url).tags(APP, 1000)
    assert tags is not None
    assert len(names(tags)) == len(set(names(tags))) == 149
    assert not tags.is_complete


@pytest.mark.parametrize(
    ("count", "following", "is_complete"),
    [
        ("uno", None, False),
        (1, None, True),
        (1, "", True),
        (2, None, False),
        (0, None, False),
        (-1, None, False),
        (True, None, False),
        (None, None, False),
        (1, "http://127.0.0.1:1/", False),
        (1, [1], False),
    ],
)
def test_a_list_is_complete_if_the_count_and_the_end_agree(
    hub: FakeHub, bench: Bench, count: object, following: object, is_complete: bool
) -> None:
    hub.garbage = json.dumps({"count": count, "next": following, "results": [{"name": "latest"}]}).encode()
    assert bench.listed().is_complete is is_complete


def test_a_list_with_something_that_is_no_tag_is_not_complete(hub: FakeHub, bench: Bench) -> None:
    hub.garbage = json.dumps({"count": 2, "next": None, "results": [{"name": "latest"}, {"name": "no tag"}]}).encode()
    assert bench.listed() == HubTags((HubTag("latest", None, ()),), is_complete=False)


def test_a_list_without_an_end_is_read_only_as_far_as_wanted(hub: FakeHub, bench: Bench) -> None:
    hub.garbage = json.dumps({"count": 9**9, "next": "/again", "results": [{"name": "latest"}]}).encode()
    assert names(bench.listed(at_most=500)) == ["latest"]
    assert len(hub.requests) == 5


# Trouble


@pytest.mark.parametrize("body", [*BROKEN, b"<html>maintenance</html>", TOO_MUCH], ids=range(len(BROKEN) + 2))
def test_garbage_is_no_answer_and_no_reason_to_stop_asking(hub: FakeHub, bench: Bench, body: bytes) -> None:
    hub.garbage = body
    assert bench.docker_hub.details(APP) is None
    assert bench.tags() is None
    assert len(hub.requests) == 2


def test_when_it_is_down_the_next_images_do_not_wait_for_it(hub: FakeHub, bench: Bench) -> None:
    hub.is_down = True
    assert bench.docker_hub.details(APP) is None
    tried = len(hub.requests)
    assert bench.tags() is None
    assert len(hub.requests) == tried


def test_when_nobody_answers_the_next_images_do_not_wait_either(hub: FakeHub, bench: Bench) -> None:
    hub.__exit__()
    assert bench.tags() is None
    tried = len(bench.counts.requests)
    assert bench.docker_hub.details(APP) is None
    assert len(bench.counts.requests) == tried


def test_after_a_minute_it_is_asked_again(hub: FakeHub, bench: Bench) -> None:
    hub.push("team/app", "latest", image())
    hub.is_down = True
    bench.tags()
    hub.is_down = False
    bench.now += 59
    assert bench.tags() is None
    bench.now += 1
    assert bench.tags() is not None


@pytest.mark.parametrize(("status", "is_told"), [(200, True), (203, False), (401, False), (403, False), (410, False)])
def test_only_a_successful_answer_tells_something(status: int, is_told: bool) -> None:
    with FakeRegistry() as server:
        server.always("/", lambda request: Response(GOOD, status=status))
        bench = Bench(server.url)
        assert (bench.docker_hub.details(APP) is not None) is is_told
        assert (bench.tags() is not None) is is_told


def test_a_repository_it_does_not_have_is_no_reason_to_stop_asking(bench: Bench) -> None:
    bench.docker_hub.details(Repository("docker.io", "team/stranger"))
    assert bench.docker_hub.details(APP) is not None


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Retry-After": str(int(NOW) + 600)},
        {"Retry-After": "600"},
        {"Retry-After": "Fri, 15 Jan 2027 08:10:00 GMT"},
    ],
)
def test_when_it_asks_for_fewer_requests_it_is_left_alone_as_long_as_it_says(
    hub: FakeHub, bench: Bench, headers: dict[str, str]
) -> None:
    hub.limit = headers
    assert bench.docker_hub.details(APP) is None
    hub.limit = None
    bench.now += 599
    assert bench.docker_hub.details(APP) is None
    assert len(hub.requests) == 1


@pytest.mark.parametrize(
    "headers", [{"X-Retry-After": "mañana".encode().decode("latin-1")}, {"X-Retry-After": "0"}, {}]
)
def test_when_it_asks_for_fewer_requests_and_says_no_time_it_is_left_alone_for_a_minute(
    hub: FakeHub, bench: Bench, headers: dict[str, str]
) -> None:
    hub.limit = headers
    bench.docker_hub.details(APP)
    tried = len(hub.requests)
    bench.now += 59
    assert bench.docker_hub.details(APP) is None
    assert len(hub.requests) == tried


def test_its_limit_does_not_hold_up_the_registry(hub: FakeHub, bench: Bench) -> None:
    hub.limit = {"Retry-After": "600"}
    assert bench.docker_hub.details(APP) is None
    with FakeRegistry() as registry:
        registry.then("/v2/", Response(b"{}"))
        assert bench.send_to(registry).status == 200


def test_the_registrys_limit_does_not_hold_it_up(bench: Bench) -> None:
    with FakeRegistry() as registry:
        registry.always("/v2/", lambda request: Response(status=429, headers={"Retry-After": "600"}))
        with pytest.raises(RateLimited):
            bench.send_to(registry)
    assert bench.docker_hub.details(APP) is not None
