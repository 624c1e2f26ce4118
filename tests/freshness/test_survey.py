"""What a look at an image asks for, and whom: a registry, Docker Hub's web API, or nobody."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from microbadger.freshness.survey import Survey, Surveyor
from microbadger.freshness.tracked_images import TrackedImage
from microbadger.image.documents import VersionDocument, tags_of
from microbadger.image.reference import Repository
from microbadger.registry.client import Registry
from microbadger.registry.content import ContentCache
from microbadger.registry.docker_hub import DockerHub
from tests.fakes.docker_hub import FakeHub
from tests.fakes.registry import FakeImage, FakeRegistry, image, index

APP = TrackedImage(Repository("docker.io", "team/app"))


class Bench:
    """Docker Hub's two APIs, and one who looks at team/app there."""

    def __init__(self, folder: Path, fake: FakeRegistry, hub: FakeHub) -> None:
        self.fake, self.hub = fake, hub
        registry = Registry(user_agent="tests", mirrors={"docker.io": fake.url}, sleep=lambda _: None)
        self.surveyor = Surveyor(
            registry=registry,
            docker_hub=DockerHub(registry.transport, hub.url),
            cache=ContentCache(folder),
            max_tags=100,
        )

    def push(self, tag: str, pushed: FakeImage) -> str:
        self.hub.push("team/app", tag, pushed)
        return self.fake.push("team/app", tag, pushed)

    def look(self, known: list[VersionDocument] | None = None, *, is_requested: bool = False) -> Survey:
        by_digest = {version["Digest"]: version for version in known or []}
        self.fake.requests.clear()
        self.hub.requests.clear()
        return self.surveyor.survey(APP, by_digest, known or [], is_requested=is_requested)


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
    known = bench.look().versions

    again = bench.look(known)

    assert (len(bench.hub.requests), len(bench.fake.requests)) == (2, 0)
    assert again.versions == known


def test_a_changed_tag_is_asked_of_the_registry(bench: Bench) -> None:
    bench.push("1.0", image(layers=[1]))
    bench.push("latest", image(layers=[2]))
    known = bench.look().versions
    moved = bench.push("latest", image(layers=[3]))

    assert digests(bench.look(known))["latest"] == moved
    assert bench.fake.asked("HEAD", "/manifests/") == 1


def test_a_requested_look_asks_the_registry_whatever_the_list_says(bench: Bench) -> None:
    bench.push("latest", image(layers=[1]))
    known = bench.look().versions
    bench.hub.is_lagging = True
    moved = bench.push("latest", image(layers=[2]))

    assert digests(bench.look(known, is_requested=True)) == {"latest": moved}
    assert bench.hub.asked("/tags") == 0


def test_a_tag_that_the_list_forgot_is_kept_if_the_registry_knows_it(bench: Bench) -> None:
    bench.push("1.0", image(layers=[1]))
    bench.push("latest", image(layers=[2]))
    known = bench.look().versions
    bench.hub.delete("team/app", "1.0")

    assert set(digests(bench.look(known))) == {"1.0", "latest"}


def test_a_tag_that_both_forgot_is_gone(bench: Bench) -> None:
    bench.push("1.0", image(layers=[1]))
    bench.push("latest", image(layers=[2]))
    known = bench.look().versions
    bench.hub.delete("team/app", "1.0")
    bench.fake.delete("team/app", "1.0")

    assert set(digests(bench.look(known))) == {"latest"}


@pytest.mark.parametrize("trouble", ["is_down", "is_empty", "garbage", "limit", "tells_digests"])
def test_a_web_api_in_trouble_changes_nothing_of_what_is_found(bench: Bench, trouble: str) -> None:
    troubles = {"garbage": b"<html>", "limit": {"Retry-After": "3600"}, "tells_digests": False}
    setattr(bench.hub, trouble, troubles.get(trouble, True))
    expected = {"1.0": bench.push("1.0", image(layers=[1])), "latest": bench.push("latest", index(image(layers=[2])))}

    assert digests(bench.look()) == expected


def test_what_one_image_reads_serves_the_next(bench: Bench) -> None:
    bench.push("latest", index(image(layers=[1]), image(layers=[2], architecture="arm64")))
    bench.look()
    bench.push("latest", index(image(layers=[1]), image(layers=[2], architecture="arm64"), attestations=True))

    bench.look()

    assert (bench.fake.asked("GET", "/manifests/"), bench.fake.asked("GET", "/blobs/")) == (1, 0)


def test_the_last_pulls_are_kept_for_pushes(bench: Bench) -> None:
    bench.fake.manifest_headers = {"ratelimit-limit": "100;w=21600", "ratelimit-remaining": "10;w=21600"}
    bench.push("latest", image(layers=[4096]))

    scheduled = bench.look()
    pulls = bench.fake.asked("GET", "/manifests/")
    requested = bench.look(is_requested=True)

    assert pulls == 0
    assert scheduled.trouble is not None
    assert (scheduled.versions[0]["DownloadSize"], "Unread" in scheduled.versions[0]) == (4096, True)
    assert requested.trouble is None
    assert "Unread" not in requested.versions[0]


def test_with_pulls_to_spare_everything_is_read(bench: Bench) -> None:
    bench.fake.manifest_headers = {"ratelimit-limit": "100;w=21600", "ratelimit-remaining": "11;w=21600"}
    bench.push("latest", image())

    assert bench.look().trouble is None
