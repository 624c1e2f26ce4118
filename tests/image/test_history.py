"""Which versions tags named over time: what begins a series, what continues it, and what is left out of a long one."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microbadger.image.describe import describe_image
from microbadger.image.documents import ImageDocument, VersionDocument, format_time
from microbadger.image.history import (
    MOST_POINTS,
    MOST_SERIES,
    HistoryDocument,
    PointDocument,
    begin_history,
    continue_history,
    points_of,
    thinned,
)
from tests.site.images import WEB, version

START = datetime(2026, 11, 24, 12, tzinfo=UTC)
OLD = version("1.1.4", "latest", DownloadSize=2048)
NEW = version("1.1.5", "latest", DownloadSize=4096, LayerCount=2)


def image(*versions: VersionDocument, day: float = 0) -> ImageDocument:
    """Return the document of an image that changed so many days after the start."""
    return describe_image(WEB, versions, updated_at=START + timedelta(days=day))


def after(*images: ImageDocument, deleted: Sequence[str] = ()) -> HistoryDocument:
    """Return the history of an image that had these documents, of which the last lacks the deleted tags."""
    history = begin_history(images[0])
    for last, now in pairwise(images):
        history = continue_history(history, last, now, deleted=deleted)
    return history


def sizes(points: Sequence[PointDocument]) -> list[int | None]:
    return [point.get("DownloadSize") for point in points]


def tags(history: HistoryDocument) -> list[str]:
    return [series["tag"] for series in history["Tags"]]


def at(day: int) -> str:
    return f"2026-11-{24 + day}T12:00:00Z"


# Series


def test_a_history_begins_with_what_the_image_is_now() -> None:
    point = {
        "Time": at(0),
        "TimeIsExact": False,
        "Version": "1.1.4",
        "Digest": OLD["Digest"],
        "DownloadSize": 2048,
        "LayerCount": 1,
        "Created": "2026-11-20T10:00:00Z",
    }
    assert after(image(OLD)) == {
        "ImageName": "example/web",
        "Current": {"PointCount": 1, "Points": [point]},
        "Tags": [{"tag": "latest", "PointCount": 1, "Points": [point]}],
    }


def test_a_tag_that_names_another_version_gets_a_point_from_then_on() -> None:
    history = after(image(OLD), image(NEW, day=1))

    for points in (points_of(history, None), points_of(history, "latest")):
        assert [(point["Time"], point["Version"]) for point in points] == [(at(0), "1.1.4"), (at(1), "1.1.5")]
        assert "TimeIsExact" not in points[-1]


def test_what_did_not_move_gets_no_further_point() -> None:
    history = after(image(OLD), image(OLD, version("0.1"), day=1))

    assert history == after(image(OLD))


def test_a_tag_has_a_series_once_it_named_two_versions() -> None:
    first, second = version("1.2", "1", DownloadSize=10), version("1.3", "1", DownloadSize=20)
    still = version("1.2", SHA=first["SHA"], Digest=first["Digest"], DownloadSize=10)

    history = after(image(first), image(second, still, day=1))

    assert tags(history) == ["1"]
    assert [(point["Version"], point.get("TimeIsExact", True)) for point in points_of(history, "1")] == [
        ("1.2", False),
        ("1.3", True),
    ]


def test_a_tag_that_never_moved_has_no_points_of_its_own() -> None:
    assert points_of(after(image(OLD), image(NEW, day=1)), "1.1.4") == []


def test_latest_has_a_series_from_the_check_on_that_finds_it() -> None:
    old, new = version("1.0"), version("1.1", "latest")

    history = after(image(old), image(old, new, day=1))

    assert [point["Time"] for point in points_of(history, "latest")] == [at(1)]
    assert "TimeIsExact" not in points_of(history, "latest")[0]


def test_the_current_version_is_followed_where_no_tag_moves() -> None:
    old, new = version("1.0", DownloadSize=10), version("1.1", DownloadSize=20)

    history = after(image(old), image(old, new, day=1))

    assert sizes(points_of(history, None)) == [10, 20]
    assert tags(history) == []


def test_a_version_that_comes_back_is_a_new_point() -> None:
    points = points_of(after(image(OLD), image(NEW, day=1), image(OLD, day=2)), "latest")

    assert [point["Digest"] for point in points] == [OLD["Digest"], NEW["Digest"], OLD["Digest"]]


def test_a_deleted_tag_is_gone_from_then_on() -> None:
    history = after(image(OLD), image(version("1.1.4"), day=1), image(version("1.1.4"), day=2), deleted=["latest"])

    assert points_of(history, "latest")[1:] == [{"Time": at(1)}]


def test_a_tag_that_is_only_no_longer_kept_is_not_gone() -> None:
    history = after(image(OLD), image(version("1.1.4"), day=1))

    assert len(points_of(history, "latest")) == 1


def test_an_image_without_versions_has_no_current_one_from_then_on() -> None:
    history = after(image(OLD), image(day=1), image(NEW, day=2))

    assert [point.get("DownloadSize") for point in points_of(history, None)] == [2048, None, 4096]


def test_an_image_that_begins_without_versions_has_no_points() -> None:
    assert after(image())["Current"] == {"PointCount": 0, "Points": []}
    assert tags(after(image())) == []


def test_the_first_points_are_as_old_as_the_tags_are_known() -> None:
    history = begin_history(image(OLD, day=5), {"latest": at(2), "1.1.4": at(1)})
    assert [points_of(history, tag)[0]["Time"] for tag in (None, "latest")] == [at(2), at(2)]

    without_latest = begin_history(image(version("1.1.4"), day=5), {"1.1.4": at(1)})
    assert points_of(without_latest, None)[0]["Time"] == at(1)


# What is not known


UNREAD = version("latest", DownloadSize=0, LayerCount=0, Platforms=[], Unread="It will be read at the next check.")
CHART = version("latest", DownloadSize=0, LayerCount=0, Platforms=[], Unsupported="This is a Helm chart.")


@pytest.mark.parametrize("unknown", [UNREAD, CHART])
def test_a_version_whose_size_is_unknown_has_none(unknown: VersionDocument) -> None:
    point = points_of(after(image(OLD), image(unknown, day=1)), "latest")[-1]

    assert (point["Digest"], "DownloadSize" in point, "LayerCount" in point) == (unknown["Digest"], False, False)


def test_a_version_that_is_read_later_gets_its_size_then() -> None:
    read = {**UNREAD, "DownloadSize": 3072, "LayerCount": 3}
    points = points_of(after(image(OLD), image(UNREAD, day=1), image(read, day=2)), "latest")  # type: ignore[arg-type]

    assert [(point["Time"], point.get("DownloadSize"), point.get("LayerCount")) for point in points] == [
        (at(0), 2048, 1),
        (at(1), 3072, 3),
    ]


def test_a_version_that_gets_its_release_tag_later_is_named_by_it() -> None:
    alone = {**NEW, "Tags": [{"tag": "latest"}]}

    history = after(image(OLD), image(alone, day=1), image(NEW, day=2))  # type: ignore[arg-type]

    assert [point["Version"] for point in points_of(history, None)] == ["1.1.4", "1.1.5"]


@pytest.mark.parametrize("tag", [None, "latest"])
def test_a_tag_whose_digest_could_not_be_asked_keeps_its_last_point(tag: str | None) -> None:
    nothing: dict[str, Any] = {"SHA": "", "Digest": "", "DownloadSize": 0, "LayerCount": 0, "Platforms": []}
    unasked = version("latest", **nothing, Unread="registry.example.org answered 403.")

    history = after(image(OLD), image(unasked, day=1))

    assert points_of(history, tag) == points_of(after(image(OLD)), tag)


def test_a_point_is_never_older_than_the_one_before() -> None:
    points = points_of(after(image(OLD, day=3), image(NEW, day=1)), "latest")

    assert [point["Time"] for point in points] == [at(3), at(3)]


def test_times_have_whole_seconds() -> None:
    history = begin_history(describe_image(WEB, [OLD], updated_at=START + timedelta(microseconds=7)))

    assert points_of(history, None)[0]["Time"] == at(0)


# Bounds


def test_a_long_series_says_how_many_points_there_were() -> None:
    history = after(*(image(version("latest"), day=day) for day in range(MOST_POINTS + 20)))

    for series in (history["Current"], *history["Tags"]):
        assert (series["PointCount"], len(series["Points"])) == (MOST_POINTS + 20, MOST_POINTS)


def test_of_too_many_tags_those_stay_that_moved_last_and_latest() -> None:
    def moved(number: int, day: int) -> VersionDocument:
        return version(f"nightly-{number:02}", DownloadSize=day + 1)

    count = MOST_SERIES + 5
    latest = version("latest")
    history = begin_history(image(latest, *(moved(number, 0) for number in range(count))))
    for number in range(count):
        before, now = (image(latest, moved(number, day), day=number + day) for day in (0, 1))
        history = continue_history(history, before, now)

    assert tags(history) == ["latest", *(f"nightly-{number:02}" for number in reversed(range(6, count)))]


def test_of_thousands_of_tags_that_move_at_once_latest_and_the_first_by_name_stay() -> None:
    def pushed(day: int) -> ImageDocument:
        return image(*(version(name, DownloadSize=day + 1) for name in names), day=day)

    names = ["latest", *(f"{'nightly' * 15}-{number:04}" for number in range(2000))]

    assert tags(after(*map(pushed, range(3)))) == names[:MOST_SERIES]


def points_at(seconds: Sequence[int]) -> list[PointDocument]:
    return [
        {"Time": format_time(START + timedelta(seconds=second)), "Digest": f"sha256:{number}"}
        for number, second in enumerate(sorted(seconds))
    ]


many_seconds = st.lists(st.integers(0, 10**8), max_size=40)


@given(many_seconds, st.integers(2, 20))
def test_thinning_keeps_the_order_the_first_point_and_the_newer_half(seconds: list[int], most: int) -> None:
    points = points_at(seconds)
    kept = thinned(points, most)

    assert len(kept) == min(len(points), most)
    assert kept == [point for point in points if point in kept]
    assert kept[:1] == points[:1]
    assert kept[-max(most // 2, 1) :] == points[-max(most // 2, 1) :]


@given(many_seconds, st.integers(2, 20))
def test_a_series_that_is_short_enough_stays_as_it_is(seconds: list[int], most: int) -> None:
    points = points_at(seconds[:most])
    assert thinned(points, most) == points == thinned(thinned(points, most), most)


@given(st.integers(30, 300))
def test_older_points_are_spaced_out(count: int) -> None:
    kept: list[PointDocument] = []
    for point in points_at(range(0, count * 86400, 86400)):
        kept = thinned([*kept, point], 20)

    days = [(datetime.fromisoformat(point["Time"]) - START).days for point in kept]
    distances = [later - earlier for earlier, later in pairwise(days[:11])]
    assert max(distances) <= 4 * min(distances[:-1])
