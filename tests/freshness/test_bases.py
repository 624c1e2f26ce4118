"""Whether bases have moved, from a registry to what is published, and what finding it out costs."""

import json
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from werkzeug.wrappers import Response

from microbadger.freshness.bases import MOST_TAGS
from microbadger.freshness.last_check import Check
from microbadger.freshness.requests import CheckRequest
from microbadger.freshness.stored_images import TrackedImage
from microbadger.freshness.tag_choice import Question
from microbadger.freshness.turns import Turn
from microbadger.http import all_within
from microbadger.image.base_moves import BaseMovedDocument
from microbadger.image.changes import ChangeDocument, Changes
from microbadger.image.descriptors import digest_of
from microbadger.image.documents import BaseDocument, VersionDocument, format_time, versions_by_tag
from microbadger.image.reference import Reference, Repository
from microbadger.registry.credentials import Credential
from microbadger.store.leases import Lease
from microbadger.store.tables import CONTENT
from tests.fakes.allowance import Allowance
from tests.fakes.registry import FakeImage, FakeRegistry, RawServer, image, index
from tests.freshness.bench import START, Bench

OCI = "org.opencontainers.image."
ALPINE = "library/alpine"
ALICE = Credential("alice", "a secret")


def stack(letters: str, base: str = "", recorded: str = "", **fields: Any) -> FakeImage:
    """Return an image with a layer for each letter, which names a base in its labels."""
    labels = {key: text for key, text in ((f"{OCI}base.name", base), (f"{OCI}base.digest", recorded)) if text}
    diff_ids = [digest_of(letter.encode()) for letter in letters]
    config = {"rootfs": {"type": "layers", "diff_ids": diff_ids}}
    return image(labels={**labels, **fields.pop("labels", {})}, layers=map(ord, letters), config=config, **fields)


def both(letters: str, others: str = "AB", attestations: bool = False, **fields: Any) -> FakeImage:
    """Return an index for two platforms, the second of which has other layers."""
    second = stack(others, architecture="arm64", variant="v8", **fields)
    return index(stack(letters, **fields), second, attestations=attestations)


def push_base(fake: FakeRegistry, letters: str = "ab", **fields: Any) -> str:
    return fake.push(ALPINE, "3.22", both(letters, **fields))


def base_of(bench: Bench, tag: str = "latest") -> BaseDocument:
    return versions_by_tag(bench.record)[tag].get("Base", {})


def checked(bench: Bench) -> BaseDocument:
    assert bench.refresh() is None
    return base_of(bench)


def checked_later(bench: Bench, hours: float = 25) -> BaseDocument:
    outcome = bench.check_later(hours)
    assert outcome
    assert not outcome.error
    return base_of(bench)


def asked(fake: FakeRegistry, method: str = "", repository: str = ALPINE) -> int:
    """Return how many requests about a repository came in."""
    return fake.asked(method, repository) if method else sum(repository in each.path for each in fake.requests)


def moves(bench: Bench) -> list[Any]:
    return [move for change in bench.changes for move in change.get("BaseMoved", [])]


# What is found


def test_a_base_with_an_unqualified_name_is_current_by_its_layers(bench: Bench) -> None:
    push_base(bench.fake)
    bench.fake.push("team/web", "latest", stack("abx", "alpine:3.22"))

    assert checked(bench) == {"Name": "alpine:3.22", "State": "current", "LayerCount": 2}


def test_a_base_that_moves_is_outdated_and_a_change_once(bench: Bench) -> None:
    old = push_base(bench.fake)
    for tag in ("1.0", "latest"):
        bench.fake.push("team/web", tag, stack("abx", "alpine:3.22", old))
    checked(bench)
    new = push_base(bench.fake, "cd")

    base = checked_later(bench)
    checked_later(bench)

    moved_at = format_time(START + timedelta(hours=25))
    name = {"Name": "alpine:3.22", "Digest": old}
    assert base == {**name, "State": "outdated", "TagDigest": new, "MovedAt": moved_at, "LayerCount": 2}
    assert moves(bench) == [
        {
            "Kind": "base_moved",
            "Name": "alpine:3.22",
            "OldDigest": old,
            "NewDigest": new,
            "MovedAt": moved_at,
            "Tags": ["1.0", "latest"],
        }
    ]


def test_each_new_digest_of_a_base_is_a_change_and_the_first_one_says_since_when(bench: Bench) -> None:
    push_base(bench.fake)
    bench.fake.push("team/web", "latest", stack("abx", "alpine:3.22"))
    checked(bench)
    digests = []
    for letters in ("cd", "ef"):
        digests.append(push_base(bench.fake, letters))
        base = checked_later(bench)

    assert (base["TagDigest"], base["MovedAt"]) == (digests[1], format_time(START + timedelta(hours=25)))
    assert [move["NewDigest"] for move in moves(bench)] == digests[::-1]


def test_a_base_that_had_moved_before_the_first_look_is_no_change(bench: Bench) -> None:
    old = push_base(bench.fake)
    push_base(bench.fake, "cd")
    bench.fake.push("team/web", "latest", stack("abx", "alpine:3.22", old))

    base = checked(bench)
    checked_later(bench)

    assert (base["State"], base["MovedAtIsExact"]) == ("outdated", False)
    assert bench.changes == []


@pytest.mark.parametrize(
    "moved", [both("ab", attestations=True), both("ab", "CD"), index(stack("ab"), stack("Z", architecture="s390x"))]
)
def test_an_index_that_moves_without_our_platform_is_current(bench: Bench, moved: FakeImage) -> None:
    push_base(bench.fake)
    bench.fake.push("team/web", "latest", stack("abx", "alpine:3.22"))
    checked(bench)
    bench.fake.push(ALPINE, "3.22", moved)

    assert checked_later(bench)["State"] == "current"
    assert bench.changes == []


def test_a_recorded_digest_may_be_that_of_a_platform(bench: Bench) -> None:
    """As official images have it: in an annotation of the manifest, and of the index entry, with squashed layers."""
    platform = both("ab").children[0].digest
    annotations = {f"{OCI}base.name": "alpine:3.22", f"{OCI}base.digest": platform}
    push_base(bench.fake)
    bench.fake.push("team/web", "latest", index(stack("z", annotations=annotations)))

    assert checked(bench)["State"] == "current"


def test_a_platform_that_was_recorded_has_moved_with_its_layers(bench: Bench) -> None:
    platform = both("ab").children[0].digest
    push_base(bench.fake)
    push_base(bench.fake, "cd")
    bench.fake.push("team/web", "latest", stack("abx", "alpine:3.22", platform))

    assert checked(bench)["State"] == "outdated"


def test_of_a_squashed_image_nothing_is_known(bench: Bench) -> None:
    push_base(bench.fake)
    bench.fake.push("team/web", "latest", stack("z", "alpine:3.22", digest_of(b"wrong")))

    assert checked(bench)["State"] == "unknown"


def test_a_version_that_is_pushed_anew_is_current_again(bench: Bench) -> None:
    push_base(bench.fake)
    bench.fake.push("team/web", "latest", stack("abx", "alpine:3.22"))
    checked(bench)
    push_base(bench.fake, "cd")
    checked_later(bench)
    bench.fake.push("team/web", "latest", stack("cdx", "alpine:3.22"))

    assert checked_later(bench)["State"] == "current"
    assert [(len(each["Changed"]), len(each["BaseMoved"])) for each in bench.changes] == [(1, 0), (0, 1)]


def test_a_base_that_moves_is_no_move_of_a_tag(bench: Bench) -> None:
    push_base(bench.fake)
    bench.fake.push("team/web", "latest", stack("abx", "alpine:3.22"))
    checked(bench)
    before = bench.record["Versions"][0], bench.made(bench.paths.history)
    push_base(bench.fake, "cd")
    checked_later(bench)

    after = bench.record["Versions"][0], bench.publisher.read(bench.paths.history)
    assert [each["FirstSeen"] for each in (before[0], after[0])] == [format_time(START)] * 2
    assert (before[0]["Tags"], before[1]) == (after[0]["Tags"], after[1])


def test_what_is_published_says_so(bench: Bench) -> None:
    push_base(bench.fake)
    bench.fake.push("team/web", "latest", stack("abx", "docker.io/library/alpine:3.22"))
    checked(bench)
    first = json.loads(bench.files()[bench.paths.changes])
    push_base(bench.fake, "cd")
    checked_later(bench)

    changes = json.loads(bench.files()[bench.paths.changes])
    assert (first["Changes"], changes["Changes"][0]["BaseMoved"]) == ([], moves(bench))
    assert b"base image alpine:3.22 has moved" in bench.made(bench.paths.feed)
    assert b"base image <b>alpine:3.22</b> has moved" in bench.made(bench.paths.page)


def test_an_older_change_is_published_with_an_empty_list(bench: Bench) -> None:
    older: ChangeDocument = {"Time": format_time(START), "New": [], "Changed": [], "Deleted": []}
    bench.fake.push("team/web", "latest", stack("a"))
    checked(bench)
    with bench.database.write() as connection:
        bench.freshness.records.write(connection, bench.repository, bench.record, [], older, is_public=True)
    bench.refresher.publish_again(bench.repository)

    assert json.loads(bench.files()[bench.paths.changes])["Changes"] == [{**older, "BaseMoved": []}]


def test_only_those_who_want_it_get_a_message(bench: Bench) -> None:
    wishes: dict[str, dict[str, Any]] = {
        "all": {"wants_base_moved": True},
        "none": {},
        "others": {"wants_base_moved": True, "tags": ("1.*",)},
    }
    for name, wanted in wishes.items():
        url = f"{bench.fake.url}/{name}"
        bench.notifications.add(bench.repository.familiar, url, is_by_operator=True, format="json", **wanted)
    push_base(bench.fake)
    bench.fake.push("team/web", "latest", stack("abx", "alpine:3.22"))
    checked(bench)
    push_base(bench.fake, "cd")
    checked_later(bench)
    bench.notifications.wait()

    sent = {subscription.url.rpartition("/")[2]: message for subscription, message in bench.postman.sent}
    assert sent.keys() == {"all"}
    assert json.loads(sent["all"].body)["data"]["BaseMoved"] == moves(bench)


# What it costs


def test_a_base_costs_one_head_a_day_and_is_read_once_for_all_images_on_it(bench: Bench) -> None:
    push_base(bench.fake)
    repositories = [Repository(bench.fake.host, f"team/web{number}") for number in range(5)]
    for repository in repositories:
        bench.fake.push(repository.path, "latest", stack(f"ab{repository.path[-1]}", "alpine:3.22"))
        bench.freshness.track(TrackedImage(repository))
    for _ in range(3):
        for repository in repositories:
            assert bench.refresher.refresh(repository).error is None
        bench.time += timedelta(hours=25)

    assert (asked(bench.fake, "HEAD"), asked(bench.fake, "GET")) == (3, 3)


def test_a_new_digest_with_the_manifest_that_is_known_costs_its_index_only(bench: Bench) -> None:
    push_base(bench.fake)
    bench.fake.push("team/web", "latest", stack("abx", "alpine:3.22"))
    checked(bench)
    push_base(bench.fake, attestations=True)
    bench.fake.requests.clear()
    checked_later(bench)

    assert (asked(bench.fake, "HEAD"), asked(bench.fake, "GET")) == (1, 1)


def test_an_unchanged_check_within_the_day_asks_about_no_base_and_writes_nothing(bench: Bench) -> None:
    push_base(bench.fake)
    bench.fake.push("team/web", "latest", stack("abx", "alpine:3.22", digest_of(b"gone")))
    checked(bench)
    stamps = bench.stamps()
    bench.fake.requests.clear()
    checked(bench)

    assert (asked(bench.fake), bench.stamps()) == (0, stamps)


def test_a_thousand_images_on_one_base_ask_about_it_once(bench: Bench) -> None:
    push_base(bench.fake)
    version = described(stack("abx", "alpine:3.22"))
    for number in range(1000):
        survey(bench, version, repository=Repository.parse(f"owner/app{number}"))

    assert [request.method for request in bench.fake.requests] == ["HEAD", "GET", "GET", "GET"]


def test_images_that_are_checked_at_once_ask_about_their_base_once(bench: Bench) -> None:
    push_base(bench.fake)
    version = described(stack("abx", "alpine:3.22"))
    states: list[Any] = []

    def work(number: int) -> None:
        repository = Repository.parse(f"owner/app{number}")
        survey(bench, version, repository=repository)
        states.append(judged(bench, version, repository)["State"])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert states == ["current"] * 8
    assert [request.method for request in bench.fake.requests] == ["HEAD", "GET", "GET", "GET"]


def test_a_push_asks_about_the_base_of_its_tag_only(bench: Bench) -> None:
    push_base(bench.fake)
    bench.fake.push("library/debian", "12", both("de"))
    bench.fake.push("team/web", "1.0", stack("abx", "alpine:3.22"))
    checked_once = bench.refresh()
    bench.time += timedelta(hours=13)
    bench.fake.push("team/web", "2.0", stack("dex", "debian:12"))
    bench.fake.requests.clear()
    bench.freshness.requests.add(Reference(bench.repository, "2.0", None))
    bench.refresher.refresh_requested(bench.repository)

    assert checked_once is None
    assert (asked(bench.fake), asked(bench.fake, "HEAD", "library/debian")) == (0, 1)
    assert base_of(bench, "2.0")["State"] == "current"


def test_a_tracked_base_costs_nothing_and_is_as_its_last_check_found_it(bench: Bench) -> None:
    alpine = Repository.parse("alpine")
    old = push_base(bench.fake)
    bench.freshness.track(TrackedImage(alpine))
    bench.refresher.refresh(alpine)
    bench.fake.push("team/web", "latest", stack("abx", "alpine:3.22", old))
    bench.fake.requests.clear()
    assert checked(bench)["State"] == "current"
    assert asked(bench.fake) == 0

    push_base(bench.fake, "cd")
    bench.time += timedelta(hours=2)
    bench.refresher.refresh(alpine)
    bench.fake.requests.clear()
    bench.time += timedelta(hours=1)

    base = checked(bench)
    assert (base["State"], base["MovedAt"]) == ("outdated", format_time(START + timedelta(hours=2)))
    assert asked(bench.fake) == 0


def test_a_tracked_base_that_fails_is_asked_about_like_others(bench: Bench) -> None:
    alpine = Repository.parse("alpine")
    push_base(bench.fake)
    bench.freshness.track(TrackedImage(alpine))
    bench.refresher.refresh(alpine)
    bench.fake.push("team/web", "latest", stack("abx", "alpine:3.22"))
    checked(bench)
    push_base(bench.fake, "cd")

    assert checked_later(bench, 49)["State"] == "outdated"


def test_on_low_pulls_a_base_is_read_later(tmp_path: Path, fake: FakeRegistry) -> None:
    bench = Bench(tmp_path, fake)
    push_base(fake)
    fake.push("team/web", "latest", stack("abx", "alpine:3.22"))
    checked(bench)
    allowance = Allowance(fake, 100)
    allowance.left = 25
    push_base(fake, "cd")
    survey(bench, described(stack("abx", "alpine:3.22")))
    assert checked_later(bench)["State"] == "current"
    assert allowance.left == 25

    allowance.left = 90
    assert checked_later(bench)["State"] == "outdated"
    assert moves(bench)[0]["MovedAt"] == format_time(START + timedelta(hours=25))


def test_no_more_bases_are_followed_than_is_decent(bench: Bench) -> None:
    versions = [described(stack("ab", f"owner/base{number}")) for number in range(MOST_TAGS + 10)]
    for number in range(MOST_TAGS + 10):
        bench.fake.push(f"owner/base{number}", "latest", stack("a"))
    survey(bench, *versions)

    assert bench.fake.asked("HEAD", "owner/base") == MOST_TAGS


def test_bases_that_no_image_has_any_more_are_forgotten(bench: Bench) -> None:
    push_base(bench.fake)
    version = described(stack("abx", "alpine:3.22"))
    survey(bench, version)
    bench.time += timedelta(days=100)
    bench.refresher.bases.records.clean()

    assert "State" not in judged(bench, version)


# Whose base it is


def test_the_input_of_a_build_with_our_layers_is_the_base(bench: Bench) -> None:
    """The frontend, the stage that only compiles and the base are read by the digests that the build read."""
    digests = {
        "docker/dockerfile@1": bench.fake.push("docker/dockerfile", "1", both("f")),
        "golang@1.25": bench.fake.push("library/golang", "1.25", both("gh")),
        "alpine@3.22": push_base(bench.fake),
    }
    push_base(bench.fake, "cd")
    version = described(stack("abx"), digests)
    survey(bench, version)

    assert judged(bench, version)["State"] == "outdated"
    assert bench.fake.asked("HEAD", "golang") + bench.fake.asked("HEAD", "dockerfile") == 0


def test_a_label_that_the_base_has_too_is_not_ours(bench: Bench) -> None:
    golang = bench.fake.push("library/golang", "1.25", both("abg", base="alpine:3.22"))
    push_base(bench.fake)
    version = described(stack("abgx", "alpine:3.22"), {"golang@1.25": golang})
    survey(bench, version)

    assert judged(bench, version) == {"Name": "golang:1.25", "Digest": golang, "State": "current", "LayerCount": 3}


# Whom it concerns


@pytest.fixture
def private(tmp_path: Path, fake: FakeRegistry) -> Bench:
    """A process of an operator who tracks a private base, which has moved."""
    fake.login, fake.users, fake.private = "token", {"alice": "a secret"}, {"team/base", "team/inside"}
    bench = Bench(tmp_path, fake, named="", credentials=lambda _: ALICE)
    bench.list_images(f"{fake.host}/team/base private\n{fake.host}/team/web\n{fake.host}/team/inside private\n")
    for path in ("team/web", "team/inside"):
        old = fake.push("team/base", "1", stack("ab"))
        fake.push(path, "latest", stack("abx", f"{fake.host}/team/base:1", old))
    bench.refresher.refresh(Repository(fake.host, "team/base"))
    return bench


def test_nothing_is_said_of_a_private_base_to_public_images(private: Bench) -> None:
    first = checked(private)
    private.fake.push("team/base", "1", stack("cd"))
    private.time += timedelta(hours=25)
    private.refresher.refresh(Repository(private.fake.host, "team/base"))

    assert (first["State"], checked(private)["State"]) == ("unknown", "unknown")


def test_private_images_know_a_private_base(private: Bench) -> None:
    private.repository = Repository(private.fake.host, "team/inside")
    first = checked(private)
    private.fake.push("team/base", "1", stack("cd"))
    private.time += timedelta(hours=25)
    private.refresher.refresh(Repository(private.fake.host, "team/base"))

    assert (first["State"], checked(private)["State"]) == ("current", "outdated")


def test_what_private_images_knew_is_not_said_when_the_base_is_tracked_no_more(private: Bench) -> None:
    private.refresher.refresh(Repository(private.fake.host, "team/inside"))
    private.list_images(f"{private.fake.host}/team/web\n", seconds_ago=1800)

    assert checked(private)["State"] == "unknown"


def test_a_base_that_only_a_credential_opens_is_not_read_with_it(private: Bench) -> None:
    private.fake.push("team/secret", "1", stack("ab"))
    private.fake.private.add("team/secret")
    private.fake.push("team/web", "latest", stack("aby", f"{private.fake.host}/team/secret:1"))

    assert checked(private)["State"] == "unknown"


# What goes wrong


def test_a_base_that_is_not_there_is_asked_about_after_an_hour_and_then_daily(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", stack("abx", "alpine:3.22"))
    heads = []
    for hours in (0, 0.5, 0.6, 5, 24, 24):
        bench.time += timedelta(hours=hours)
        assert checked(bench)["State"] == "unknown"
        heads.append(asked(bench.fake, "HEAD"))

    assert heads == [1, 1, 2, 2, 3, 4]


def test_a_base_whose_registry_fails_stays_as_it_was(bench: Bench) -> None:
    push_base(bench.fake)
    bench.fake.push("team/web", "latest", stack("abx", "alpine:3.22"))
    before = checked(bench)
    bench.fake.always(f"/v2/{ALPINE}/", lambda _: Response(status=503))

    assert checked_later(bench) == before
    assert bench.freshness.checks.get(bench.repository).note is None


def test_content_that_cannot_be_read_leaves_a_base_as_it_was_until_it_can(bench: Bench) -> None:
    push_base(bench.fake)
    bench.fake.push("team/web", "latest", stack("abx", "alpine:3.22"))
    checked(bench)
    new = push_base(bench.fake, "cd")
    broken = [True]
    bench.fake.always(f"manifests/{new}", lambda _: Response(status=404) if broken[0] else None)
    assert checked_later(bench)["State"] == "current"

    broken[0] = False
    assert checked_later(bench)["State"] == "outdated"


def test_a_digest_that_a_registry_makes_up_changes_nothing(bench: Bench) -> None:
    push_base(bench.fake)
    bench.fake.push("team/web", "latest", stack("abx", "alpine:3.22"))
    checked(bench)
    invented = Response(headers={"Docker-Content-Digest": digest_of(b"invented")})
    bench.fake.always(f"{ALPINE}/manifests/3.22", lambda request: invented if request.method == "HEAD" else None)

    assert checked_later(bench)["State"] == "current"


@pytest.mark.parametrize(
    "name",
    ["127.0.0.1:{port}/x", "localhost:{port}/x", "10.0.0.1/x", "169.254.169.254/latest", "metadata.google.internal/x"],
)
def test_no_private_address_is_asked_that_nobody_named(bench: Bench, name: str) -> None:
    with RawServer(lambda _: None) as server:
        bench.fake.push("team/web", "latest", stack("abx", name.format(port=server.port)))

        assert checked(bench)["State"] == "unknown"
        assert server.connections == 0


def test_a_base_that_answers_slowly_takes_a_part_of_the_time(bench: Bench) -> None:
    over = threading.Event()
    bench.fake.always(ALPINE, lambda _: Response(status=503) if over.wait(60) else None)
    version = described(stack("abx", "alpine:3.22"))
    try:
        with all_within(4):
            survey(bench, version)
    finally:
        over.set()

    assert judged(bench, version)["State"] == "unknown"


def test_bases_that_are_gone_do_not_keep_others_from_being_judged(bench: Bench) -> None:
    push_base(bench.fake)
    gone = [described(stack("ab", f"gone{number}", digest_of(b"%d" % number))) for number in range(5)]
    version = described(stack("abx", "alpine:3.22"))
    survey(bench, *gone, version)

    assert judged(bench, version)["State"] == "current"


def test_a_digest_alone_is_not_followed(bench: Bench) -> None:
    version = described(stack("abx", f"alpine@{push_base(bench.fake)}"))
    survey(bench, version)

    assert (judged(bench, version)["State"], bench.fake.requests) == ("unknown", [])


def test_what_is_no_image_is_no_base_with_layers(bench: Bench) -> None:
    legacy = FakeImage(b'{"schemaVersion": 1}', "application/vnd.docker.distribution.manifest.v1+json")
    bench.fake.push(ALPINE, "3.22", legacy)
    bench.fake.push("team/web", "latest", stack("abx", "alpine:3.22"))

    assert checked(bench)["State"] == "unknown"


def test_a_record_that_is_damaged_is_as_none(bench: Bench) -> None:
    push_base(bench.fake)
    version = described(stack("abx", "alpine:3.22"))
    survey(bench, version)
    with bench.database.write() as connection:
        connection.exec_driver_sql("UPDATE base_tags SET sights = '[{\"Digest\": 1}]'")
        connection.exec_driver_sql("UPDATE base_contents SET document = 'mañana'")
    assert judged(bench, version)["State"] == "unknown"

    bench.time += timedelta(hours=25)
    survey(bench, version)
    assert judged(bench, version)["State"] == "current"


def test_content_of_a_base_is_kept_once(bench: Bench) -> None:
    push_base(bench.fake)
    survey(bench, described(stack("abx", "alpine:3.22")))
    bench.freshness.track(TrackedImage(Repository.parse("alpine")))
    bench.fake.requests.clear()
    bench.refresher.refresh(Repository.parse("alpine"))

    with bench.database.read() as connection:
        digests = connection.execute(CONTENT.select()).all()
    assert len(digests) == len({row.digest for row in digests})
    assert bench.fake.asked("GET", f"{ALPINE}/manifests/") == 1  # that of the platform that nobody asked about


def test_a_push_of_which_nothing_is_seen_yet_is_followed_up_although_the_base_moved() -> None:
    repository, push = Repository.parse("owner/app"), CheckRequest(tag=None, asked=1, asked_by="")
    turn = Turn(repository, cast(Lease, None), None, Check(), [push], None, is_asked_for=False, is_hidden=False)
    moved = BaseMovedDocument(Kind="base_moved", Name="alpine", NewDigest="", MovedAt="", Tags=[])

    assert turn.late(Changes({}, {}, {}, (moved,))) == [push]


def survey(bench: Bench, *versions: VersionDocument, repository: Repository | None = None) -> None:
    """Survey the bases of versions as a check of an image with these versions does."""
    bench.refresher.bases.survey(Question(image=TrackedImage(repository or bench.repository)), versions)


def judged(bench: Bench, version: VersionDocument, repository: Repository | None = None) -> BaseDocument:
    """Return the base of a version as a check would publish it now."""
    versions, _ = bench.freshness.publication.relations.of(repository or bench.repository, [version], is_private=False)
    return versions[0].get("Base", {})


def described(pushed: FakeImage, inputs: dict[str, str] | None = None) -> VersionDocument:
    """Return the document of an image for one platform, with what its build read."""
    config = json.loads(next(iter(pushed.blobs.values())))
    version: dict[str, Any] = {
        "SHA": pushed.digest.removeprefix("sha256:"),
        "Tags": [{"tag": "latest"}],
        "ImageName": "",
        "Author": "",
        "Labels": config["config"]["Labels"],
        "LayerCount": 1,
        "DownloadSize": 1,
        "Digest": pushed.digest,
        "MediaType": "",
        "Platforms": [{"OS": "linux", "Architecture": "amd64", "Digest": "", "DownloadSize": 1, "LayerCount": 1}],
        "DiffIDs": config["rootfs"]["diff_ids"],
    }
    if inputs:
        entries = [{"URI": f"pkg:docker/{name}?platform=linux", "Digest": each} for name, each in inputs.items()]
        version["Provenance"] = {"PredicateType": "https://slsa.dev/provenance/v1", "Inputs": entries}
    return version  # type: ignore[return-value]
