"""A broken part never hides the whole: what is published of an image of which a registry refuses or breaks a part.

Each table has a row for each way to be broken, and each row is checked twice: at the first check of the image, and at
the second one, after a push of something else.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from werkzeug.wrappers import Request, Response

from microbadger.image.descriptors import digest_of
from microbadger.image.documents import PlatformDocument, VersionDocument, tags_of
from microbadger.image.manifest import OCI_INDEX, OCI_MANIFEST
from tests.fakes.registry import OCI_CONFIG, FakeImage, FakeRegistry, descriptor, image, index, layer, to_json
from tests.freshness.bench import Bench

ABSENT = (404, 410)
REFUSED = (400, 401, 402, 403, 405, 406, 409, 415, 418, 422, 451, 501)
FAILED = (500, 502, 503, 504)
BROKEN = (*REFUSED, *FAILED)
KINDS_OF_GARBAGE = (b"", b"not JSON", b"[]", b"null", b"<html></html>", b'{"schemaVersion": 2}', b"\xff\xfe")


def with_config(content: bytes) -> FakeImage:
    """Return an image with a config of these bytes."""
    document = {"schemaVersion": 2, "config": descriptor(content, OCI_CONFIG), "layers": [layer(1024)]}
    return FakeImage(to_json(document), OCI_MANIFEST, {digest_of(content): content})


def answers(status: int, *methods: str) -> Callable[[Request], Response | None]:
    return lambda request: Response(status=status) if not methods or request.method in methods else None


def sends(content: bytes) -> Callable[[Request], Response | None]:
    return lambda request: Response(content) if request.method == "GET" else None


def two_platforms(size: int) -> tuple[FakeImage, FakeImage, FakeImage]:
    """Return an index and what it holds: linux/amd64 and linux/arm64."""
    amd64, arm64 = image(layers=[size]), image(layers=[2 * size], architecture="arm64")
    return index(amd64, arm64), amd64, arm64


def version_of(bench: Bench, tag: str) -> VersionDocument:
    return next(version for version in bench.record["Versions"] if tag in tags_of(version))


def platform_of(bench: Bench, tag: str, architecture: str) -> PlatformDocument:
    platforms = version_of(bench, tag)["Platforms"]
    return next(platform for platform in platforms if platform.get("Architecture") == architecture)


def sizes(bench: Bench) -> dict[str, int]:
    """Return the size that is published of each tag."""
    return {tag: version["DownloadSize"] for version in bench.record["Versions"] for tag in tags_of(version)}


def check_while(bench: Bench, part: str, status: int) -> None:
    """Check an image while a part of it is refused."""
    is_refused = [True]
    bench.fake.always(part, lambda _: Response(status=status) if is_refused else None)
    assert bench.refresh() is None
    is_refused.clear()


def check_twice(bench: Bench, *tags: str) -> Iterator[None]:
    """Check an image, then push a tag and check it again."""
    assert bench.refresh() is None
    yield
    bench.fake.push("team/web", "pushed-later", image(layers=[77]))
    bench.fake.requests.clear()
    assert bench.refresh() is None
    assert sizes(bench)["pushed-later"] == 77
    yield


# Tags


@pytest.mark.parametrize("status", [*BROKEN, *ABSENT])
def test_a_tag_that_is_refused_leaves_the_others_alone_and_says_why(bench: Bench, status: int) -> None:
    bench.fake.push("team/web", "latest", image(layers=[1024]))
    broken = bench.fake.push("team/web", "1.0", image(layers=[2048]))
    for part in ("/manifests/1.0", broken):
        bench.fake.always(part, answers(status))

    for _ in check_twice(bench):
        assert sizes(bench)["latest"] == 1024
        unread = version_of(bench, "1.0")
        assert unread["Unread"]
        assert (unread["Digest"], unread["DownloadSize"]) == ("", 0)


@pytest.mark.parametrize("status", [*BROKEN, *ABSENT])
def test_a_tag_that_is_refused_later_keeps_its_last_version(bench: Bench, status: int) -> None:
    bench.fake.push("team/web", "latest", image(layers=[1024]))
    bench.fake.push("team/web", "1.0", image(layers=[2048]))
    bench.refresh()
    bench.fake.always("/manifests/1.0", answers(status))

    for _ in check_twice(bench):
        assert sizes(bench).items() >= {"latest": 1024, "1.0": 2048}.items()
        assert all(not change["Deleted"] for change in bench.changes)


@pytest.mark.parametrize("status", ABSENT)
@pytest.mark.parametrize("code", ["MANIFEST_UNKNOWN", "TAG_UNKNOWN", "TAG_EXPIRED", "NOT_FOUND", "NAME_UNKNOWN"])
def test_a_tag_of_which_the_registry_says_that_it_is_absent_is_gone(bench: Bench, status: int, code: str) -> None:
    bench.fake.push("team/web", "latest", image(layers=[1024]))
    bench.fake.push("team/web", "1.0", image(layers=[2048]))
    bench.refresh()
    bench.fake.always("/manifests/1.0", lambda _: Response(to_json({"errors": [{"code": code}]}), status))

    assert bench.refresh() is None

    assert sizes(bench) == {"latest": 1024}
    assert [change["tag"] for change in bench.changes[0]["Deleted"]] == ["1.0"]


@pytest.mark.parametrize("status", [*BROKEN, *ABSENT])
def test_a_head_that_is_refused_changes_nothing(bench: Bench, status: int) -> None:
    bench.fake.push("team/web", "latest", image(layers=[1024]))
    bench.fake.push("team/web", "1.0", index(image(layers=[2048]), image(architecture="arm64")))
    bench.fake.always("/manifests/", answers(status, "HEAD"))

    for _ in check_twice(bench):
        assert sizes(bench).items() >= {"latest": 1024, "1.0": 2048}.items()
        assert not any("Unread" in version for version in bench.record["Versions"])


@pytest.mark.parametrize("digest", [None, "", "sha256:", "sha256:" + "a" * 64, "md5:" + "a" * 32, "nonsense"])
def test_a_head_with_a_wrong_digest_changes_nothing(bench: Bench, digest: str | None) -> None:
    bench.fake.push("team/web", "latest", image(layers=[1024]))
    bench.fake.manifest_headers = {"Docker-Content-Digest": digest}

    for _ in check_twice(bench):
        assert sizes(bench)["latest"] == 1024


@pytest.mark.parametrize("status", [*REFUSED, *ABSENT, 500])
def test_a_registry_that_offers_no_manifest_by_digest_is_read_by_tag(bench: Bench, status: int) -> None:
    bench.fake.push("team/web", "latest", image(layers=[1024]))
    bench.fake.always("/manifests/sha256:", answers(status))

    for _ in check_twice(bench):
        assert sizes(bench)["latest"] == 1024


# Platforms


@pytest.mark.parametrize("status", [*BROKEN, *ABSENT])
@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
def test_a_platform_that_is_broken_leaves_the_others_alone(bench: Bench, architecture: str, status: int) -> None:
    whole, amd64, arm64 = two_platforms(1024)
    bench.fake.push("team/web", "latest", whole)
    bench.fake.always((amd64 if architecture == "amd64" else arm64).digest, answers(status))
    readable, size = ("arm64", 2048) if architecture == "amd64" else ("amd64", 1024)

    for _ in check_twice(bench):
        version = version_of(bench, "latest")
        assert (version["Digest"], version["DownloadSize"], "Unread" in version) == (whole.digest, size, False)
        assert platform_of(bench, "latest", architecture)["Unread"]
        assert "Unread" not in platform_of(bench, "latest", readable)


@pytest.mark.parametrize("garbage", KINDS_OF_GARBAGE)
def test_a_platform_whose_manifest_is_not_what_its_digest_names_is_unread(bench: Bench, garbage: bytes) -> None:
    whole, amd64, _ = two_platforms(1024)
    bench.fake.push("team/web", "latest", whole)
    bench.fake.always(amd64.digest, sends(garbage))

    for _ in check_twice(bench):
        assert version_of(bench, "latest")["DownloadSize"] == 2048
        assert platform_of(bench, "latest", "amd64")["Unread"]


@pytest.mark.parametrize("status", [*BROKEN, *ABSENT])
def test_a_config_that_is_broken_leaves_size_and_layers(bench: Bench, status: int) -> None:
    pushed = image(layers=[1024, 1024])
    bench.fake.push("team/web", "1.0", pushed)
    bench.fake.push("team/web", "latest", image(layers=[5]))
    bench.fake.always(f"/blobs/{next(iter(pushed.blobs))}", answers(status))

    for _ in check_twice(bench):
        version = version_of(bench, "1.0")
        assert (version["Digest"], version["LayerCount"]) == (pushed.digest, 2)
        assert version["Unread"]


def test_a_tag_moves_to_a_version_of_which_a_platform_is_broken(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", two_platforms(1024)[0])
    bench.refresh()
    whole, _, arm64 = two_platforms(4096)
    bench.fake.push("team/web", "latest", whole)
    bench.fake.always(arm64.digest, answers(404))

    assert bench.refresh() is None

    assert version_of(bench, "latest")["Digest"] == whole.digest
    assert [change["tag"] for change in bench.changes[0]["Changed"]] == ["latest"]


@pytest.mark.parametrize("status", [*REFUSED, *ABSENT])
def test_a_tag_moves_to_a_version_of_which_every_platform_is_broken_for_good(bench: Bench, status: int) -> None:
    bench.fake.push("team/web", "latest", two_platforms(1024)[0])
    bench.refresh()
    whole, amd64, arm64 = two_platforms(4096)
    bench.fake.push("team/web", "latest", whole)
    for part in (amd64, arm64):
        bench.fake.always(part.digest, answers(status))

    assert bench.refresh() is None

    version = version_of(bench, "latest")
    assert (version["Digest"], bool(version["Unread"])) == (whole.digest, True)


@pytest.mark.parametrize("status", FAILED)
def test_a_tag_keeps_its_last_version_while_every_platform_of_the_new_one_fails(bench: Bench, status: int) -> None:
    bench.fake.push("team/web", "latest", two_platforms(1024)[0])
    bench.refresh()
    whole, amd64, arm64 = two_platforms(4096)
    bench.fake.push("team/web", "latest", whole)
    for part in (amd64, arm64):
        bench.fake.always(part.digest, answers(status))

    bench.refresh()

    assert sizes(bench) == {"latest": 1024}


@pytest.mark.parametrize("value", [b"caf\xe9", b"\xff\xfe", b"\xed\xa0\x80"])
def test_a_label_that_is_not_utf_8_leaves_the_others_alone(bench: Bench, value: bytes) -> None:
    content = to_json({"architecture": "amd64", "os": "linux", "config": {"Labels": {"a": "X", "b": "whole"}}})
    bench.fake.push("team/web", "latest", with_config(content.replace(b"X", value)))

    assert bench.refresh() is None

    assert version_of(bench, "latest")["Labels"]["b"] == "whole"


def test_a_tag_that_could_not_be_read_at_first_is_not_new_once_it_can(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image(layers=[1024]))
    digest = bench.fake.push("team/web", "1.0", image(layers=[2048]))
    is_broken = [True]
    for part in ("/manifests/1.0", digest):
        bench.fake.always(part, lambda _: Response(status=500) if is_broken else None)
    bench.refresh()
    is_broken.clear()

    bench.refresh()

    assert sizes(bench) == {"latest": 1024, "1.0": 2048}
    assert bench.changes == []


def test_blobs_that_are_silent_leave_the_sizes_of_all_tags(bench: Bench) -> None:
    for number in range(10):
        bench.fake.push("team/web", f"1.{number}", image(layers=[number + 1], labels={"number": str(number)}))
    bench.fake.storage = f"{bench.fake.url[:-1]}x/"  # where nobody answers

    bench.refresh()

    assert sorted(sizes(bench).values()) == list(range(1, 11))


def test_an_index_of_a_thousand_broken_entries_is_bounded(bench: Bench) -> None:
    entries = [{"mediaType": OCI_MANIFEST, "digest": "nonsense", "size": 1}] * 999
    indexes = [
        FakeImage(to_json({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries, "n": n}), OCI_INDEX)
        for n in range(5)
    ]
    bench.fake.push("team/web", "latest", index(image(), *indexes))

    bench.refresh()

    assert len(version_of(bench, "latest")["Platforms"]) <= 501


def test_a_manifest_that_is_invalid_in_itself_is_read_once(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image(layers=[1024]))
    broken = FakeImage(to_json({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "layers": [{"size": -1}]}), OCI_MANIFEST)
    bench.fake.push("team/web", "1.0", broken)

    for _ in check_twice(bench):
        version = version_of(bench, "1.0")
        assert (version["Digest"], bool(version["Unread"])) == (broken.digest, True)

    assert bench.fake.asked("GET", broken.digest) == bench.fake.asked("GET", "/manifests/1.0") == 0


# What is broken for good


@pytest.mark.parametrize("status", [*REFUSED, *ABSENT])
def test_what_is_broken_for_good_is_not_asked_for_at_every_check(bench: Bench, status: int) -> None:
    whole, amd64, arm64 = two_platforms(1024)
    bench.fake.push("team/web", "latest", whole)
    config = next(iter(arm64.blobs))
    for part in (amd64.digest, config):
        bench.fake.always(part, answers(status))

    for _ in check_twice(bench):
        pass

    assert bench.fake.asked("GET", amd64.digest) == bench.fake.asked("GET", config) == 0
    assert bench.freshness.checks.get(bench.repository).state(bench.time) == "current"


def test_what_is_broken_for_good_is_asked_for_again_an_hour_later(bench: Bench) -> None:
    whole, amd64, _ = two_platforms(1024)
    bench.fake.push("team/web", "latest", whole)
    check_while(bench, amd64.digest, 404)

    bench.refresh()
    early = version_of(bench, "latest")["DownloadSize"]
    bench.check_later()

    assert (early, version_of(bench, "latest")["DownloadSize"]) == (2048, 1024)
    assert "Unread" not in platform_of(bench, "latest", "amd64")


def test_what_is_broken_is_asked_for_at_once_when_its_tag_is_pushed_again(bench: Bench) -> None:
    whole, amd64, _ = two_platforms(1024)
    bench.fake.push("team/web", "latest", whole)
    check_while(bench, amd64.digest, 404)

    bench.ask("latest")
    bench.refresher.refresh_requested(bench.repository)

    assert version_of(bench, "latest")["DownloadSize"] == 1024


@pytest.mark.parametrize("status", FAILED)
def test_what_may_pass_is_checked_again_soon(bench: Bench, status: int) -> None:
    whole, amd64, _ = two_platforms(1024)
    bench.fake.push("team/web", "latest", whole)
    check_while(bench, amd64.digest, status)

    assert bench.check_later(hours=0.1)

    assert version_of(bench, "latest")["DownloadSize"] == 1024


# Lists


LISTS: dict[str, Callable[[Request], Response | None]] = {
    **{f"{status}": answers(status) for status in (*BROKEN, *ABSENT)},
    **{f"{garbage!r}": sends(garbage) for garbage in KINDS_OF_GARBAGE},
    "empty": sends(b'{"name": "team/web", "tags": []}'),
    "null": sends(b'{"name": "team/web", "tags": null}'),
}
LAGGING = sends(b'{"name": "team/web", "tags": ["gone"]}')


@pytest.mark.parametrize("listing", [*LISTS.values(), LAGGING], ids=[*LISTS, "lagging"])
def test_without_a_list_the_tags_that_are_named_are_read(
    tmp_path: Path, fake: FakeRegistry, listing: Callable[[Request], Response | None]
) -> None:
    bench = Bench(tmp_path, fake, named=f"{fake.host}/team/web:1.0")
    fake.always("/tags/list", listing)
    for size in (1024, 2048):
        fake.push("team/web", "1.0", image(layers=[size]))
        assert bench.refresh() is None
        assert sizes(bench) == {"1.0": size}


@pytest.mark.parametrize("listing", LISTS.values(), ids=LISTS)
def test_without_a_list_and_a_name_latest_is_read(
    bench: Bench, listing: Callable[[Request], Response | None]
) -> None:
    bench.fake.always("/tags/list", listing)
    for size in (1024, 2048):
        bench.fake.push("team/web", "latest", image(layers=[size]))
        assert bench.refresh() is None
        assert sizes(bench) == {"latest": size}


@pytest.mark.parametrize("listing", [*LISTS.values(), LAGGING], ids=[*LISTS, "lagging"])
def test_without_a_list_the_tags_that_were_read_before_stay(
    bench: Bench, listing: Callable[[Request], Response | None]
) -> None:
    for tag in ("latest", "1.0"):
        bench.fake.push("team/web", tag, image(layers=[len(tag)]))
    bench.refresh()
    bench.fake.always("/tags/list", listing)

    assert bench.refresh() is None

    assert sizes(bench) == {"latest": 6, "1.0": 3}
    assert bench.changes == []


def test_of_a_list_of_which_a_page_is_broken_the_others_count(bench: Bench) -> None:
    for tag in ("1.0", "2.0", "3.0", "4.0"):
        bench.fake.push("team/web", tag, image(layers=[1024]))
    bench.fake.page_size = 2
    bench.fake.always("/tags/list", lambda request: Response(status=500) if "last" in request.args else None)

    assert bench.refresh() is None

    assert set(sizes(bench)) == {"1.0", "2.0"}
    assert "TagCount" not in bench.record
    assert "list of tags" in (bench.freshness.checks.get(bench.repository).note or "")


# Nothing at all


@pytest.mark.parametrize(("status", "reason"), [(404, "not_found"), (403, "denied"), (503, "unreachable")])
def test_an_image_of_which_nothing_can_be_read_fails(bench: Bench, status: int, reason: str) -> None:
    bench.fake.push("team/web", "latest", image())
    bench.fake.always("/v2/", answers(status))

    assert bench.refresh() is not None

    assert bench.freshness.checks.get(bench.repository).reason == reason
    assert bench.freshness.records.image(bench.repository) is None


@pytest.mark.parametrize("status", [*BROKEN, *ABSENT])
def test_an_image_of_which_nothing_can_be_read_any_more_keeps_its_last_files(bench: Bench, status: int) -> None:
    bench.fake.push("team/web", "latest", image(layers=[1024]))
    bench.refresh()
    before = bench.files()
    bench.fake.always("/v2/", answers(status))

    assert bench.refresh() is not None

    assert bench.files() == before
