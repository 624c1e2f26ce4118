"""What is asked for costs only what was asked for, in requests and in pulls, and displaces nothing else."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from werkzeug.wrappers import Response

from microbadger.image.documents import tags_of
from microbadger.image.reference import Reference
from tests.fakes.allowance import Allowance
from tests.fakes.registry import FakeImage, FakeRegistry, image, index
from tests.freshness.bench import Bench

PLATFORMS = ("amd64", "arm64", "arm", "386", "ppc64le", "s390x", "riscv64")


@pytest.fixture
def bench(tmp_path: Path, fake: FakeRegistry) -> Bench:
    return Bench(tmp_path, fake, max_tags=10)


def push_releases(fake: FakeRegistry, count: int) -> None:
    for number in range(1, count + 1):
        fake.push("team/web", f"1.0.{number}", version(number))


def version(size: int) -> FakeImage:
    """Return an image of this size with a config of its own."""
    return image(layers=[size], labels={"size": str(size)})


def tags(bench: Bench) -> set[str]:
    return {tag for version in bench.record["Versions"] for tag in tags_of(version)}


def asked(fake: FakeRegistry) -> list[str]:
    """Return the requests since this was asked last, with `…` for a digest."""
    requests = [f"{request.method} {request.path.rpartition('/team/web/')[2]}" for request in fake.requests]
    fake.requests.clear()
    return [request.partition("sha256:")[0] + "…" if "sha256:" in request else request for request in requests]


def do_requested(bench: Bench) -> None:
    bench.refresher.refresh_requested(bench.repository)


def push(bench: Bench, tag: str, size: int) -> None:
    """Push a tag and have its webhook answered."""
    bench.fake.push("team/web", tag, version(size))
    bench.ask(tag)
    do_requested(bench)


def view(bench: Bench, tag: str) -> None:
    """View the badge of a tag that is not known, and have the check done that follows."""
    bench.freshness.check_if_unknown(Reference(bench.repository, tag, None))
    do_requested(bench)


def test_a_push_reads_its_tag_and_nothing_else(bench: Bench) -> None:
    push_releases(bench.fake, 10)
    bench.refresh()
    asked(bench.fake)

    push(bench, "1.0.7", 700)

    assert asked(bench.fake) == ["HEAD manifests/1.0.7", "GET manifests/…", "GET blobs/…"]


def test_a_push_of_what_is_known_reads_nothing(bench: Bench) -> None:
    push_releases(bench.fake, 10)
    bench.refresh()
    asked(bench.fake)

    push(bench, "1.0.7", 7)

    assert asked(bench.fake) == ["HEAD manifests/1.0.7"]


def test_a_push_of_several_tags_reads_these(bench: Bench) -> None:
    push_releases(bench.fake, 10)
    bench.refresh()
    asked(bench.fake)
    for tag in ("1.0.7", "1.0", "latest"):
        bench.fake.push("team/web", tag, version(700))
        bench.ask(tag)

    do_requested(bench)

    assert sorted(asked(bench.fake)) == [
        *("GET blobs/…", "GET manifests/…"),
        *("HEAD manifests/1.0", "HEAD manifests/1.0.7", "HEAD manifests/latest"),
    ]


def test_a_push_of_an_image_without_a_tag_checks_all_of_it(bench: Bench) -> None:
    push_releases(bench.fake, 3)
    bench.refresh()
    bench.fake.push("team/web", "1.0.4", image(layers=[4]))
    bench.ask()

    do_requested(bench)

    assert tags(bench) == {"1.0.1", "1.0.2", "1.0.3", "1.0.4"}


def test_a_view_of_a_tag_that_does_not_exist_costs_two_requests(bench: Bench) -> None:
    push_releases(bench.fake, 10)
    bench.refresh()
    before = bench.record
    asked(bench.fake)

    view(bench, "9.9")

    assert asked(bench.fake) == ["HEAD manifests/9.9", "GET manifests/9.9"]
    assert bench.record == before


def test_a_view_of_an_old_tag_reads_just_that(bench: Bench) -> None:
    push_releases(bench.fake, 30)
    bench.refresh()
    asked(bench.fake)

    view(bench, "1.0.3")

    assert asked(bench.fake) == ["HEAD manifests/1.0.3", "GET manifests/…", "GET blobs/…"]
    assert "1.0.3" in tags(bench)


def test_views_displace_nothing_and_are_no_change(bench: Bench) -> None:
    push_releases(bench.fake, 30)
    bench.refresh()
    before = tags(bench)

    for number in range(1, 6):
        view(bench, f"1.0.{number}")
    bench.refresh()

    assert tags(bench) == before | {f"1.0.{number}" for number in range(1, 6)}
    assert bench.changes == []


@pytest.mark.parametrize("at_once", [1, 5, 10, 11, 40])
def test_however_many_old_tags_webhooks_name_ten_are_kept_beside_the_limit_and_nothing_goes(
    bench: Bench, at_once: int
) -> None:
    push_releases(bench.fake, 60)
    bench.refresh()
    before = tags(bench)
    old = [f"1.0.{number}" for number in range(1, 41)]

    for first in range(0, len(old), at_once):
        for tag in old[first : first + at_once]:
            bench.ask(tag)
        bench.refresher.refresh_requested(bench.repository)
        assert len(tags(bench) - before) <= 10
        assert tags(bench) >= before

    assert bench.changes == []


def test_however_many_old_tags_are_viewed_twenty_are_kept_beside_the_limit(bench: Bench) -> None:
    push_releases(bench.fake, 60)
    bench.refresh()
    before = tags(bench)

    for number in range(1, 31):
        view(bench, f"1.0.{number}")
        bench.time += timedelta(minutes=4)

    assert tags(bench) == before | {f"1.0.{number}" for number in range(11, 31)}
    assert bench.changes == []


def test_a_tag_within_the_limit_stays_when_others_were_pushed_since(bench: Bench) -> None:
    push_releases(bench.fake, 60)
    bench.refresh()
    before = tags(bench)

    for tag in [*sorted(before), *(f"1.0.{number}" for number in range(1, 31))]:
        bench.ask(tag)
        bench.refresher.refresh_requested(bench.repository)

    assert tags(bench) >= before
    assert len(tags(bench) - before) <= 10


def test_a_viewed_tag_is_kept_for_a_month(bench: Bench) -> None:
    push_releases(bench.fake, 30)
    bench.refresh()
    view(bench, "1.0.3")

    bench.check_later(hours=24 * 29)
    kept = tags(bench)
    bench.check_later(hours=24 * 3)
    bench.check_later(hours=25)

    assert ("1.0.3" in kept, "1.0.3" in tags(bench)) == (True, False)
    assert bench.changes == []


def test_a_view_does_not_use_the_pulls_that_are_kept_for_pushes(bench: Bench) -> None:
    push_releases(bench.fake, 30)
    allowance = Allowance(bench.fake, 20)
    bench.refresh()
    allowance.left = 2
    bench.refresh()  # which reads how many are left

    view(bench, "1.0.3")
    after_view = allowance.left
    push(bench, "1.0.30", 3000)

    assert (after_view, allowance.left) == (2, 1)


def test_a_view_that_fails_says_nothing_of_the_image(bench: Bench) -> None:
    push_releases(bench.fake, 30)
    bench.refresh()
    bench.fake.always("/manifests/1.0.3", lambda _: Response(status=403))

    view(bench, "1.0.3")

    assert bench.freshness.checks.get(bench.repository).state(bench.time) == "current"


def limited(bench: Bench) -> None:
    """Check an image for the first time with one pull more than are kept for pushes: most tags stay unread."""
    for tag in ("1.0", "1.1", "1.2", "latest"):
        bench.fake.push("team/web", tag, version(len(tag) + ord(tag[-1])))
    allowance = Allowance(bench.fake, 100)
    allowance.left = 11
    bench.fake.manifest_headers = {"ratelimit-limit": "100;w=21600", "ratelimit-remaining": "11;w=21600"}
    bench.freshness.checks.add([bench.repository])
    bench.refresher.refresh_if_due(bench.repository)


def push_again(bench: Bench) -> None:
    bench.ask("latest")
    do_requested(bench)


def view_unknown(bench: Bench) -> None:
    view(bench, "9.9")


@pytest.mark.parametrize("ask", [push_again, view_unknown])
def test_a_push_or_a_view_leaves_tags_alone_that_are_still_unread(
    bench: Bench, ask: Callable[[Bench], object]
) -> None:
    limited(bench)
    unread = {tag for each in bench.record["Versions"] if "Unread" in each for tag in tags_of(each)}

    ask(bench)

    assert unread
    assert tags(bench) >= {"1.0", "1.1", "1.2", "latest"}
    assert bench.changes == []


@pytest.mark.parametrize("suffix", ["", ".sig", ".att", ".sbom"])
def test_a_push_of_a_signature_is_no_version(bench: Bench, suffix: str) -> None:
    push_releases(bench.fake, 3)
    bench.refresh()
    before = bench.record

    push(bench, f"sha256-{'a' * 64}{suffix}", 5)

    assert bench.record == before
    assert bench.changes == []


def test_a_push_to_an_image_that_is_due_reads_its_tag_first_and_leaves_the_other_pulls(bench: Bench) -> None:
    push_releases(bench.fake, 5)
    bench.refresh()
    for number in range(1, 6):
        bench.fake.push("team/web", f"1.0.{number}", version(100 + number))
    allowance = Allowance(bench.fake, 100)
    allowance.left = 9
    bench.time += timedelta(days=2)

    push(bench, "1.0.1", 900)

    assert allowance.left == 8
    assert 900 in {each["DownloadSize"] for each in bench.record["Versions"]}


def test_a_push_without_a_tag_leaves_the_last_pulls_where_nothing_moved(bench: Bench) -> None:
    limited(bench)
    left = int((bench.fake.manifest_headers["ratelimit-remaining"] or "").partition(";")[0])
    bench.ask()

    do_requested(bench)

    assert bench.fake.manifest_headers["ratelimit-remaining"] == f"{left};w=21600"


def test_a_view_does_not_hasten_the_next_check_of_a_failing_image(bench: Bench) -> None:
    push_releases(bench.fake, 5)
    bench.refresh()
    is_down = [True]
    bench.fake.always("/v2/", lambda _: Response(status=403) if is_down else None)
    bench.refresh()
    is_down.clear()
    asked(bench.fake)

    view(bench, "9.9")

    assert asked(bench.fake) == ["HEAD manifests/9.9", "GET manifests/9.9"]
    assert bench.freshness.checks.get(bench.repository).reason == "denied"


def test_a_push_displaces_nothing_and_stays_until_ten_newer_ones_came(bench: Bench) -> None:
    push_releases(bench.fake, 30)
    bench.refresh()
    before = tags(bench)

    push(bench, "nightly-0", 5000)
    assert tags(bench) == before | {"nightly-0"}
    for number in range(1, 11):
        assert "nightly-0" in tags(bench)
        push(bench, f"nightly-{number}", 5000 + number)
    bench.refresh()

    assert tags(bench) == before | {f"nightly-{number}" for number in range(1, 11)}


def test_a_tag_that_is_no_longer_kept_is_no_change(bench: Bench) -> None:
    push_releases(bench.fake, 10)
    bench.refresh()
    for number in range(11, 14):
        bench.fake.push("team/web", f"1.0.{number}", image(layers=[number]))

    bench.refresh()

    change = bench.changes[0]
    assert [new["tag"] for new in change["New"]] == ["1.0.11", "1.0.12", "1.0.13"]
    assert (change["Deleted"], change["Changed"]) == ([], [])
    assert "1.0.1" not in tags(bench)


def test_a_tag_that_is_kept_again_is_no_change(bench: Bench, fake: FakeRegistry) -> None:
    push_releases(fake, 11)
    bench.refresh()
    fake.delete("team/web", "1.0.11")

    bench.refresh()
    bench.refresh()

    assert "1.0.1" in tags(bench)
    assert [(change["New"], [gone["tag"] for gone in change["Deleted"]]) for change in bench.changes] == [
        ([], ["1.0.11"])
    ]


@pytest.mark.parametrize("limit", [2, 20])
def test_another_limit_is_no_change(bench: Bench, limit: int) -> None:
    push_releases(bench.fake, 30)
    bench.refresh()

    other = bench.again(max_tags=limit)
    other.refresh()

    assert len(tags(other)) == limit
    assert other.changes == []


def test_the_number_of_all_tags_is_known(bench: Bench) -> None:
    push_releases(bench.fake, 30)
    bench.fake.push("team/web", f"sha256-{'a' * 64}.sig", image())
    bench.refresh()
    first = bench.record.get("TagCount")
    push(bench, "nightly", 5000)

    assert (first, bench.record.get("TagCount")) == (30, 31)


def test_the_newest_of_tags_that_are_no_releases_is_kept(bench: Bench) -> None:
    for number in range(30):
        bench.fake.push("team/web", f"sha-{number * 7919 % 65536:04x}a", image(layers=[number + 1]))
    bench.refresh()
    bench.fake.push("team/web", "sha-0000a1", image(layers=[99]))

    bench.refresh()

    assert "sha-0000a1" in tags(bench)
    assert [new["tag"] for new in bench.changes[0]["New"]] == ["sha-0000a1"]


# A first check with few pulls


@pytest.fixture
def big(tmp_path: Path, fake: FakeRegistry) -> Bench:
    """Return a bench with an image of 100 tags for seven platforms each."""
    for number in range(100):
        images = [image(layers=[number * 10 + n + 1], architecture=each) for n, each in enumerate(PLATFORMS)]
        fake.push("team/web", "latest" if number == 99 else f"1.{number}", index(*images, attestations=True))
    return Bench(tmp_path, fake)


def test_a_first_check_with_few_pulls_reads_what_matters_first(big: Bench, fake: FakeRegistry) -> None:
    allowance = Allowance(fake, 100)

    big.freshness.checks.add([big.repository])
    outcome = big.refresher.refresh_if_due(big.repository)

    assert outcome
    assert outcome.error is None
    assert allowance.left == 10
    whole = {tag for version in big.record["Versions"] for tag in tags_of(version) if "Unread" not in version}
    assert whole == {"latest", *(f"1.{number}" for number in range(98, 57, -1))}
    latest = next(version for version in big.record["Versions"] if "latest" in tags_of(version))
    assert all("Unread" not in platform for platform in latest["Platforms"])
    assert len(tags(big)) == 100


def test_it_is_completed_when_the_registry_allows_it(big: Bench, fake: FakeRegistry) -> None:
    allowance = Allowance(fake, 100)
    big.freshness.checks.add([big.repository])
    big.refresher.refresh_if_due(big.repository)
    pulls = 0

    for _ in range(20):
        allowance.left = 100
        if big.check_later(hours=7):
            pulls += allowance.used

    versions = big.record["Versions"]
    assert not any("Unread" in part for version in versions for part in (version, *version["Platforms"]))
    assert pulls == 800 + 100 - 90  # one more for each version: the attestations of its main platform
    assert big.changes == []
