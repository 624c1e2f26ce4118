"""Feeds of a part of the changes of an image, and of all images: what they show, and that entries keep their ids."""

from xml.etree import ElementTree

import pytest

from microbadger.image.base_moves import BaseMovedDocument
from microbadger.image.changes import ChangeDocument
from microbadger.site.atom_feed import feed
from microbadger.site.feed_filters import KINDS, feed_of_all, filtered_feed
from tests.site.test_atom_feed import ATOM, BASE_URL, change, log

NEW_AND_MOVED = change(new=("1.3", "2.0-rc1"), to_new=("latest", "1"), minutes=3)
MOVED = change(to_other=("edge",), minutes=2)
GONE = change(gone=("1.2",), minutes=1)
LOG = log(NEW_AND_MOVED, MOVED, GONE)


def root(content: bytes) -> ElementTree.Element:
    return ElementTree.fromstring(content)


def texts(content: bytes, name: str) -> list[str]:
    return [entry.findtext(f"{ATOM}{name}", "") for entry in root(content).iter(f"{ATOM}entry")]


def part(tags: str = "", *kinds: str) -> bytes:
    """Return the feed of the tags that fit one of these patterns, with these kinds of changes or with all."""
    return filtered_feed(LOG, tags.split(), kinds or KINDS, BASE_URL)


def as_rebuilt(change: ChangeDocument) -> ChangeDocument:
    return {**change, "Changed": [{**entry, "Kind": "rebuilt"} for entry in change["Changed"]]}


@pytest.mark.parametrize(
    ("tags", "titles"),
    [
        ("1.3", ["1.3 is new"]),
        ("1.2 1.3", ["1.3 is new", "1.2 is gone"]),
        ("unknown", []),
    ],
)
def test_a_feed_of_some_tags_has_only_those(tags: str, titles: list[str]) -> None:
    assert texts(part(tags), "title") == titles


@pytest.mark.parametrize(
    ("kinds", "times"), [(["new"], [3]), (["moved"], [3, 2]), (["deleted"], [1]), (["new", "deleted"], [3, 1])]
)
def test_a_feed_of_some_kinds_has_only_those(kinds: list[str], times: list[int]) -> None:
    assert texts(part("", *kinds), "updated") == [f"2026-11-20T12:0{minute}:00Z" for minute in times]


BASE = BaseMovedDocument(
    Kind="base_moved",
    Name="docker.io/library/alpine:3.22",
    OldDigest="sha256:" + "1" * 64,
    NewDigest="sha256:" + "2" * 64,
    MovedAt="2026-11-20T12:04:00Z",
    Tags=["1.3", "latest"],
)


def with_base(change: ChangeDocument) -> ChangeDocument:
    return {**change, "BaseMoved": [BASE]}


@pytest.mark.parametrize(
    ("tags", "kinds", "titles"),
    [
        ("", [], ["edge moved to sha256:cccccccccccc, base image alpine:3.22 has moved"]),
        ("", ["base_moved"], ["base image alpine:3.22 has moved"]),
        ("", ["moved"], ["edge moved to sha256:cccccccccccc"]),
        ("1.*", [], ["base image alpine:3.22 has moved"]),
        ("2.*", [], []),
    ],
)
def test_a_base_that_moved_is_a_kind_of_change(tags: str, kinds: list[str], titles: list[str]) -> None:
    content = filtered_feed(log(with_base(MOVED)), tags.split(), kinds or KINDS, BASE_URL)

    assert texts(content, "title") == titles


def test_a_base_is_shown_with_the_tags_that_were_asked_for() -> None:
    content = filtered_feed(log(with_base(MOVED)), ["1.*"], KINDS, BASE_URL)

    old, new = BASE["OldDigest"], BASE["NewDigest"]
    assert texts(content, "content") == [f"alpine:3.22, the base image of 1.3, moved from {old} to {new}."]


def test_an_entry_is_known_by_the_bases_that_moved_only_if_there_are_some() -> None:
    def ids(change: ChangeDocument) -> list[str]:
        return texts(feed(log(change), BASE_URL), "id")

    assert ids(MOVED) == ids({**MOVED, "BaseMoved": []}) != ids(with_base(MOVED))


def test_a_rebuilt_tag_did_not_move() -> None:
    rebuilt = log(as_rebuilt(MOVED))

    def titles(kind: str) -> list[str]:
        return texts(filtered_feed(rebuilt, [], [kind], BASE_URL), "title")

    assert (titles("moved"), titles("rebuilt")) == ([], ["edge was rebuilt"])


def test_the_text_of_an_entry_names_only_the_tags_that_were_asked_for() -> None:
    (text,) = texts(part("1.3"), "content")

    assert "1.3" in text
    assert "2.0-rc1" not in text
    assert "latest" not in text


def test_an_entry_has_the_same_id_in_each_feed() -> None:
    whole = texts(feed(LOG, BASE_URL), "id")

    assert texts(part("1.3 edge 1.2"), "id") == whole
    assert texts(part("edge", "moved"), "id") == whole[1:2]
    assert texts(feed_of_all((("owner/app", change) for change in LOG["Changes"]), BASE_URL), "id") == whole


@pytest.mark.parametrize(
    ("tags", "kinds", "query"),
    [
        ("1.*", [], "?tag=1.*"),
        ("1.* !*-rc*", ["moved", "new"], "?tag=1.*&tag=!*-rc*&kind=new,moved"),
        ("v[0-9]?", [], "?tag=v%5B0-9%5D%3F"),
        ("", ["rebuilt"], "?kind=rebuilt"),
        ("", list(KINDS), ""),
    ],
)
def test_the_address_of_a_feed_is_its_id(tags: str, kinds: list[str], query: str) -> None:
    found = root(part(tags, *kinds))
    itself = [link.get("href") for link in found.findall(f"{ATOM}link") if link.get("rel") == "self"]

    assert [found.findtext(f"{ATOM}id")] == itself == [f"{BASE_URL}/images/owner/app/-/feed.xml{query}"]


def test_a_feed_says_what_part_it_is() -> None:
    assert root(part("1.*", "new")).findtext(f"{ATOM}title") == "Changes of owner/app (1.*, new)"


def test_the_feed_of_all_images_names_the_image_of_each_entry() -> None:
    found = feed_of_all([("alpine", MOVED), ("owner/app", GONE)], BASE_URL)

    (moved,) = texts(feed(log(MOVED), BASE_URL), "title")
    assert texts(found, "title") == [f"alpine: {moved}", "owner/app: 1.2 is gone"]
    assert root(found).findtext(f"{ATOM}id") == f"{BASE_URL}/feed.xml"
    assert root(found).findtext(f"{ATOM}updated") == MOVED["Time"]


def test_the_feed_of_all_images_is_bounded() -> None:
    many = change(new=tuple(f"{number:04}{'x' * 124}" for number in range(3000)))

    assert len(texts(feed_of_all([("alpine", GONE)] * 200, BASE_URL), "id")) == 100
    assert len(feed_of_all([("alpine", many)] * 100, BASE_URL)) < 1024 * 1024


def test_the_feed_of_no_images_is_a_feed() -> None:
    assert texts(feed_of_all([], BASE_URL), "id") == []
