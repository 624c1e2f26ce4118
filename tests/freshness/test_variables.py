"""The values of variables are published of a public image, and never of a private one."""

from datetime import timedelta

import pytest
from werkzeug.wrappers import Response

from microbadger.image.documents import VersionDocument, format_time
from tests.fakes.registry import image
from tests.freshness.bench import Bench

SECRET = "TOKEN=hunter2"


@pytest.fixture
def listed(bench: Bench) -> Bench:
    pushed = image(config={"config": {"Env": [SECRET, "MODE=fast"]}}, commands=[f"ENV {SECRET} # buildkit"])
    bench.fake.push("team/web", "latest", pushed)
    return bench.again(named="")


def published(bench: Bench) -> VersionDocument:
    version = bench.freshness.records.version(bench.repository, bench.record["LatestSHA"])
    assert version
    return version


def test_a_public_image_shows_its_variables(listed: Bench) -> None:
    listed.list_images(f"{listed.repository}\n")
    listed.refresh()

    assert published(listed)["Config"] == {"Env": [SECRET, "MODE=fast"]}


def test_a_private_image_shows_their_names(listed: Bench) -> None:
    listed.list_images(f"{listed.repository} private\n")
    listed.refresh()

    assert published(listed)["Config"] == {"Env": ["TOKEN", "MODE"]}
    assert not any(b"hunter2" in content for content in listed.files().values())


def test_an_image_that_becomes_private_loses_their_values(listed: Bench) -> None:
    listed.list_images(f"{listed.repository}\n")
    listed.refresh()
    listed.list_images(f"{listed.repository} private\n", seconds_ago=1800)
    listed.refresh()

    assert published(listed)["Config"] == {"Env": ["TOKEN", "MODE"]}
    assert not any(b"hunter2" in content for content in listed.files().values())


def test_its_changes_and_the_versions_that_its_tags_left_lose_them_too(listed: Bench) -> None:
    listed.list_images(f"{listed.repository}\n")
    listed.refresh()
    for command in ("ENV TOKEN=hunter22 # buildkit", "RUN make"):
        pushed = image(config={"config": {"Env": ["TOKEN=hunter22", "NEW=hunter23"]}}, commands=[command])
        listed.fake.push("team/web", "latest", pushed)
        listed.check_later()
    assert any(b"hunter22" in content for content in listed.files().values())

    listed.list_images(f"{listed.repository} private\n", seconds_ago=1800)
    listed.refresh()

    left = [entry["OldDigest"].partition(":")[2] for change in listed.changes for entry in change["Changed"]]
    versions = [listed.freshness.records.version(listed.repository, sha) for sha in left]
    names = [version["Config"]["Env"] for version in versions if version]
    assert names == [["TOKEN", "NEW"], ["TOKEN", "MODE"]]
    assert listed.changes[-1]["Changed"][0]["Difference"]["Env"] == {"MODE": {"Old": ""}, "NEW": {"New": ""}}
    assert not any(b"hunter" in content for content in listed.files().values())


def test_a_private_image_is_not_described_again_at_each_check(listed: Bench) -> None:
    listed.list_images(f"{listed.repository} private\n")
    listed.refresh()
    before = listed.stamps()
    listed.check_later()

    assert listed.stamps() == before


def test_they_are_gone_even_if_the_registry_is_down(listed: Bench) -> None:
    listed.list_images(f"{listed.repository}\n")
    listed.refresh()
    assert listed.record["Config"] == {"Env": [SECRET, "MODE=fast"]}
    listed.fake.always("/v2/", lambda _: Response(status=503))
    listed.list_images(f"{listed.repository} private\n", seconds_ago=1800)
    listed.time += timedelta(hours=1)

    listed.refresh()

    assert listed.record["Config"] == listed.record["Versions"][0]["Config"] == {"Env": ["TOKEN", "MODE"]}
    assert listed.record["UpdatedAt"] == format_time(listed.time)
    assert not any(b"hunter2" in content for content in listed.files().values())
    assert listed.paths.metadata in listed.cdn.paths
