"""What a check of an image asks for, and whom: a registry, Docker Hub's web API, or nobody."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from werkzeug.wrappers import Request, Response

from microbadger.freshness.broken_content import BrokenContent
from microbadger.freshness.findings import Survey
from microbadger.freshness.stored_images import TrackedImage
from microbadger.freshness.survey import Surveyor
from microbadger.freshness.tag_choice import Question, TagChooser
from microbadger.freshness.tag_lists import TagLists
from microbadger.http.client import Network
from microbadger.image.documents import VersionDocument, tags_of
from microbadger.image.reference import Repository
from microbadger.registry.client import Registry
from microbadger.registry.servers import Servers
from microbadger.store.database import Database
from tests.databases import database_url
from tests.fakes.counts import FakeCounts
from tests.fakes.docker_hub import FakeHub
from tests.fakes.registry import FakeImage, FakeRegistry, image, index

APP = TrackedImage(Repository("docker.io", "team/app"))


class Bench:
    """Docker Hub's two APIs, and one who reads team/app there."""

    def __init__(self, folder: Path, fake: FakeRegistry, hub: FakeHub) -> None:
        self.fake, self.hub = fake, hub
        database = Database(database_url(folder))
        registry = Registry(
            database,
            FakeCounts(),
            Network("tests"),
            servers=Servers({"docker.io": fake.url}, hub_url=hub.url),
            sleep=lambda _: None,
        )
        chooser = TagChooser(
            docker_hub=registry.docker_hub, lists=TagLists(database), max_tags=100, now=lambda: datetime.now(UTC)
        )
        broken = BrokenContent(database, now=chooser.now)
        self.surveyor = Surveyor(registry=registry, chooser=chooser, broken=broken)

    def push(self, tag: str, pushed: FakeImage) -> str:
        self.hub.push("team/app", tag, pushed)
        return self.fake.push("team/app", tag, pushed)

    def survey(self, known: list[VersionDocument] | None = None, **options: Any) -> Survey:
        by_digest = {version["Digest"]: version for version in known or []}
        self.fake.requests.clear()
        self.hub.requests.clear()
        question = Question(**{"image": APP, "known": by_digest, "last": known or [], "is_requested": False, **options})
        return self.surveyor.survey(question)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with FakeRegistry() as fake, FakeHub() as hub:
        yield Bench(tmp_path, fake, hub)


def digests(survey: Survey) -> dict[str, str]:
    return {tag: version["Digest"] for version in survey.versions for tag in tags_of(version)}


@pytest.mark.parametrize("count", [1, 10, 100])
def test_an_unchanged_image_of_docker_hub_costs_two_requests_and_no_pull(bench: Bench, count: int) -> None:
    for number in range(count):
        bench.push(f"1.{number}", index(image(layers=[number + 1]), attestations=True))
    known = bench.survey().versions

    again = bench.survey(known)

    assert (len(bench.hub.requests), len(bench.fake.requests)) == (2, 0)
    assert again.versions == known


def test_a_changed_tag_is_asked_of_the_registry(bench: Bench) -> None:
    bench.push("1.0", image(layers=[1]))
    bench.push("latest", image(layers=[2]))
    known = bench.survey().versions
    moved = bench.push("latest", image(layers=[3]))

    assert digests(bench.survey(known))["latest"] == moved
    assert bench.fake.asked("HEAD", "/manifests/") == 1


def test_a_requested_check_asks_the_registry_whatever_the_list_says(bench: Bench) -> None:
    bench.push("latest", image(layers=[1]))
    known = bench.survey().versions
    bench.hub.is_lagging = True
    moved = bench.push("latest", image(layers=[2]))

    assert digests(bench.survey(known, is_requested=True)) == {"latest": moved}
    assert bench.hub.asked("/tags") == 0


def test_a_tag_that_the_list_forgot_is_kept_if_the_registry_knows_it(bench: Bench) -> None:
    bench.push("1.0", image(layers=[1]))
    bench.push("latest", image(layers=[2]))
    known = bench.survey().versions
    bench.hub.delete("team/app", "1.0")

    assert set(digests(bench.survey(known))) == {"1.0", "latest"}


def test_a_tag_that_neither_knows_any_more_is_gone(bench: Bench) -> None:
    bench.push("1.0", image(layers=[1]))
    bench.push("latest", image(layers=[2]))
    known = bench.survey().versions
    bench.hub.delete("team/app", "1.0")
    bench.fake.delete("team/app", "1.0")

    assert set(digests(bench.survey(known))) == {"latest"}


@pytest.mark.parametrize("trouble", ["is_down", "is_empty", "garbage", "limit", "tells_digests"])
def test_a_web_api_in_trouble_changes_nothing_of_what_is_found(bench: Bench, trouble: str) -> None:
    troubles = {"garbage": b"<html>", "limit": {"Retry-After": "3600"}, "tells_digests": False}
    setattr(bench.hub, trouble, troubles.get(trouble, True))
    expected = {"1.0": bench.push("1.0", image(layers=[1])), "latest": bench.push("latest", index(image(layers=[2])))}

    assert digests(bench.survey()) == expected


def test_what_one_image_reads_serves_the_next(bench: Bench) -> None:
    bench.push("latest", index(image(layers=[1]), image(layers=[2], architecture="arm64")))
    bench.survey()
    bench.push("latest", index(image(layers=[1]), image(layers=[2], architecture="arm64"), attestations=True))

    bench.survey()

    asked = bench.fake.asked("GET", "/manifests/"), bench.fake.asked("GET", "/blobs/")
    assert asked == (2, 0)  # the index and its attestations


def test_the_last_pulls_are_kept_for_pushes(bench: Bench) -> None:
    bench.fake.manifest_headers = {"ratelimit-limit": "100;w=21600", "ratelimit-remaining": "10;w=21600"}
    bench.push("latest", image(layers=[4096]))

    scheduled = bench.survey()
    pulls = bench.fake.asked("GET", "/manifests/")
    requested = bench.survey(is_requested=True, just_pushed=["latest"])

    assert pulls == 0
    assert scheduled.trouble is not None
    assert (scheduled.versions[0]["DownloadSize"], "Unread" in scheduled.versions[0]) == (4096, True)
    assert requested.trouble is None
    assert "Unread" not in requested.versions[0]


def test_with_pulls_to_spare_everything_is_read(bench: Bench) -> None:
    bench.fake.manifest_headers = {"ratelimit-limit": "100;w=21600", "ratelimit-remaining": "11;w=21600"}
    bench.push("latest", image())

    assert bench.survey().trouble is None


def test_an_unchanged_image_of_another_registry_costs_one_request_a_tag_and_one_for_their_list(bench: Bench) -> None:
    for tag in ("1.0", "latest"):
        bench.push(tag, image(layers=[len(tag)]))
    known = bench.survey().versions

    bench.survey(known, is_requested=True)

    assert [request.method for request in bench.fake.requests] == ["GET", "HEAD", "HEAD"]


def test_a_tag_that_was_pushed_is_read_although_the_list_does_not_name_it(bench: Bench) -> None:
    bench.push("latest", image(layers=[1]))
    known = bench.survey().versions
    digest = bench.fake.push("team/app", "1.0", image(layers=[2]))  # which Docker Hub's list does not show yet

    assert digests(bench.survey(known, pushed=["1.0"]))["1.0"] == digest


def test_what_a_failing_registry_sent_before_is_not_read_again(bench: Bench) -> None:
    bench.push("1.0", image(layers=[1]))
    digest = bench.push("latest", image(layers=[2]))
    is_broken = [True]

    def fail(request: Request) -> Response | None:
        return Response(status=503) if is_broken and request.method == "GET" else None

    for reference in (digest, "latest"):
        bench.fake.always(f"/manifests/{reference}", fail)
    assert bench.survey().note
    is_broken.clear()

    assert bench.survey().note is None
    assert bench.fake.asked("GET", "/manifests/") == 1


def test_the_lease_is_renewed_all_the_time(bench: Bench) -> None:
    for number in range(5):
        bench.push(f"1.{number}", image(layers=[number + 1]))
    bench.fake.page_size = 1
    renewed: list[int] = []

    bench.survey(renew=lambda: renewed.append(len(bench.fake.requests)), is_requested=True)

    requests_in_a_row = [after - before for before, after in pairwise([*renewed, len(bench.fake.requests)])]
    assert max(requests_in_a_row) == 1


@pytest.mark.parametrize("is_requested", [False, True])
def test_of_more_tags_than_are_kept_the_newest_are_kept_as_docker_hub_dates_them(
    bench: Bench, is_requested: bool
) -> None:
    names = [f"sha-{number * 7919 % 65536:04x}{number:03}" for number in range(150)]
    for number, name in enumerate(names):
        bench.push(name, image(layers=[number + 1]))

    assert set(digests(bench.survey(is_requested=is_requested))) == set(names[50:])


def test_the_tags_of_an_image_whose_list_was_never_kept_are_not_new(bench: Bench) -> None:
    """So that nothing is announced after an upgrade."""
    names = [f"sha-{number * 7919 % 65536:04x}{number:03}" for number in range(150)]
    for number, name in enumerate(names):
        bench.fake.push("team/app", name, image(layers=[number + 1]))
    bench.hub.is_down = True
    last = [version for version in bench.survey().versions if tags_of(version)[0] in names[50:100]]

    survey = bench.survey(last)

    assert survey.known >= set(names)
    assert (survey.first_listed or {}).keys() == set(names)
