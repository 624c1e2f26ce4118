"""Records which versions tags named over time, with their sizes and numbers of layers.

The history of an image is published in ``v1/images/<repository>/-/history.json``. It has a *series* of points for the
current version, and one for each moving tag: ``latest``, and each tag that was seen to name more than one digest. A
*point* is a version, and the time from which the tag named it according to this service's clock. Unknown fields are
left out.

The history is bounded. If a series grows too long, its first point and its newer half are kept, and the older half is
thinned out. If there are too many series, the tags that moved last are kept.
"""

from collections.abc import Container, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import NotRequired, TypedDict

from microbadger.image.describe import current_version
from microbadger.image.documents import ImageDocument, VersionDocument, tags_of, versions_by_tag
from microbadger.image.tags import LATEST, most_specific

MOST_POINTS = 150
"""How many points of a series are kept."""
MOST_SERIES = 50
"""How many tags of an image have a series."""

_NO_TIMES: Mapping[str, str] = MappingProxyType({})


class PointDocument(TypedDict):
    """A version that a tag named from ``Time`` on. Without a ``Digest``, the tag did not exist from then on.

    ``TimeIsExact`` is false if the tag may have named the version earlier, because it already did so when the tag was
    first seen, and left out otherwise. ``Version`` is the most specific tag of the version, if that is another tag.
    """

    Time: str
    TimeIsExact: NotRequired[bool]
    Version: NotRequired[str]
    Digest: NotRequired[str]
    DownloadSize: NotRequired[int]
    LayerCount: NotRequired[int]
    Created: NotRequired[str]


class SeriesDocument(TypedDict):
    """The versions that a tag named, or that were current, oldest first.

    ``PointCount`` is the number of points that there ever were, including those that were thinned out.
    """

    tag: NotRequired[str]
    PointCount: int
    Points: list[PointDocument]


class HistoryDocument(TypedDict):
    """The series of the current version and of moving tags: ``latest`` first, then by the last move, newest first."""

    ImageName: str
    Current: SeriesDocument
    Tags: list[SeriesDocument]


def begin_history(image: ImageDocument, named_since: Mapping[str, str] = _NO_TIMES) -> HistoryDocument:
    """Return a new history for an image, made from its document alone.

    ``named_since`` is when tags were first seen to name their versions, if that was before the last change of the
    document.
    """
    current = _current_version(image)
    latest = versions_by_tag(image).get(LATEST)
    current_tag = LATEST if current is latest else image.get("LatestVersion", "")
    since = {tag: named_since.get(tag, image["UpdatedAt"]) for tag in (LATEST, current_tag)}
    return HistoryDocument(
        ImageName=image["ImageName"],
        Current=_begun("", current, image, since[current_tag]) if current else _series("", []),
        Tags=[_begun(LATEST, latest, image, since[LATEST])] if latest else [],
    )


def continue_history(
    history: HistoryDocument,
    before: ImageDocument,
    after: ImageDocument,
    *,
    deleted: Container[str] = (),
    named_since: Mapping[str, str] = _NO_TIMES,
) -> HistoryDocument:
    """Return the history after a check that replaced the document ``before`` by the document ``after``.

    A missing tag counts as deleted only if it is in ``deleted``, the tags that the registry no longer has.
    ``named_since`` is as for `begin_history`.
    """
    versions = versions_by_tag(after)
    series = {each["tag"]: each for each in history["Tags"]}
    moved = moved_tags(before, after)
    begin_now = sorted(moved.keys() - series.keys(), key=lambda tag: (tag != LATEST, tag))
    for tag in begin_now[:MOST_SERIES]:  # more could not be kept anyway
        series[tag] = _begun(tag, moved[tag], before, named_since.get(tag, before["UpdatedAt"]))
    if LATEST in versions:
        series.setdefault(LATEST, _series(LATEST, []))
    current = _current_version(after)
    return HistoryDocument(
        ImageName=after["ImageName"],
        Current=_continued(history["Current"], current, after, is_gone=not after["Versions"]),
        Tags=_bounded(
            [_continued(each, versions.get(tag), after, is_gone=tag in deleted) for tag, each in series.items()]
        ),
    )


def is_sound(history: HistoryDocument) -> bool:
    """Return whether a stored history with the right fields also has usable values, so that it can be continued."""
    points = [point for each in (history["Current"], *history["Tags"]) for point in each["Points"]]
    numbers = (point.get(field, 1) for point in points for field in ("DownloadSize", "LayerCount"))
    return (
        all(each.get("tag") and each["Points"] for each in history["Tags"])
        and all(_is_time(point["Time"]) for point in points)
        and all(isinstance(number, int) and number > 0 for number in numbers)
    )


def moved_tags(before: ImageDocument, after: ImageDocument) -> dict[str, VersionDocument]:
    """Return the tags that name another digest now, each with the version that it named before."""
    now = versions_by_tag(after)
    last = versions_by_tag(before).items()
    return {tag: version for tag, version in last if tag in now and now[tag]["Digest"] != version["Digest"]}


def points_of(history: HistoryDocument, tag: str | None) -> list[PointDocument]:
    """Return the points of a tag, or of the current version if ``tag`` is None; empty if the tag has no series."""
    if tag is None:
        return history["Current"]["Points"]
    return next((series["Points"] for series in history["Tags"] if series["tag"] == tag), [])


def thinned(points: Sequence[PointDocument], most: int = MOST_POINTS) -> list[PointDocument]:
    """Return at most ``most`` points: the first, the newer half, and those in between that are furthest apart."""
    kept = list(points)
    while len(kept) > most:
        times = [datetime.fromisoformat(point["Time"]) for point in kept]
        older_half = range(1, len(kept) - most // 2)
        del kept[min(older_half, key=lambda place: times[place + 1] - times[place - 1])]
    return kept


def _continued(
    series: SeriesDocument, version: VersionDocument | None, image: ImageDocument, *, is_gone: bool
) -> SeriesDocument:
    """Return a series with the version that its tag names now, and with its points updated from the image."""
    tag, points, count = series.get("tag", ""), list(series["Points"]), series["PointCount"]
    last: PointDocument = points[-1] if points else {"Time": ""}
    now: PointDocument = {"Time": max(_whole_second(image["UpdatedAt"]), last["Time"])}
    if (version and version["Digest"] != last.get("Digest")) or (is_gone and "Digest" in last):
        points, count = [*points, now], count + 1
    known = {each["Digest"]: each for each in image["Versions"] if each["Digest"]}
    points = [_described(point, known.get(point.get("Digest", ""))) for point in points]
    if version:
        points[-1] = _named(_described(points[-1], version), version, image, tag)
    return _series(tag, thinned(points), count)


def _begun(tag: str, version: VersionDocument, image: ImageDocument, time: str) -> SeriesDocument:
    point: PointDocument = {"Time": _whole_second(time), "TimeIsExact": False}
    return _series(tag, [_named(_described(point, version), version, image, tag)])


def _bounded(series: list[SeriesDocument]) -> list[SeriesDocument]:
    by_tag = sorted(series, key=lambda each: each["tag"])
    moved_last_first = sorted(by_tag, key=lambda each: each["Points"][-1]["Time"], reverse=True)
    return sorted(moved_last_first, key=lambda each: each["tag"] != LATEST)[:MOST_SERIES]


def _series(tag: str, points: list[PointDocument], count: int | None = None) -> SeriesDocument:
    of_all: SeriesDocument = {"PointCount": len(points) if count is None else count, "Points": points}
    return {"tag": tag, **of_all} if tag else of_all


def _described(point: PointDocument, version: VersionDocument | None) -> PointDocument:
    """Return a point with the fields that are known of its version."""
    if version is None:
        return point
    facts = {
        "Digest": version["Digest"],
        "DownloadSize": version["DownloadSize"],
        "LayerCount": version["LayerCount"],
        "Created": version.get("Created"),
    }
    return _ordered({**point, **{field: fact for field, fact in facts.items() if fact}})


def _named(point: PointDocument, version: VersionDocument, image: ImageDocument, tag: str) -> PointDocument:
    """Return a point with the most specific tag of its version, unless that is the tag of the series."""
    all_tags = [each for version in image["Versions"] for each in tags_of(version)]
    name = most_specific(tags_of(version), all_tags)
    return _ordered({**point, "Version": name}) if name and name != tag else point


def _ordered(point: Mapping[str, object]) -> PointDocument:
    return {field: point[field] for field in PointDocument.__annotations__ if field in point}  # type: ignore[return-value]


def _current_version(image: ImageDocument) -> VersionDocument | None:
    current = current_version(image["Versions"])
    return current if current and current["Digest"] else None


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return text.endswith("Z")


def _whole_second(time: str) -> str:
    """Return a time from `format_time` without its fraction, so that times can be compared as texts.

    >>> _whole_second("2018-12-14T08:47:51.363852Z")
    '2018-12-14T08:47:51Z'
    """
    return f"{time[:19]}Z"
