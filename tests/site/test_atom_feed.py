"""The feed: valid by RFC 4287 whatever the tags are, the same for the same log, and worth reading."""

import re
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microbadger.image.changes import (
    ChangeDocument,
    ChangedTagDocument,
    ChangeLogDocument,
    DeletedTagDocument,
    NewTagDocument,
)
from microbadger.image.documents import format_time
from microbadger.image.moves import change_title
from microbadger.site.atom_feed import MOST_ENTRIES, feed

BASE_URL = "https://badges.example.org"
ATOM = "{http://www.w3.org/2005/Atom}"
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
OLD, NEW, OTHER = (f"sha256:{letter * 64}" for letter in "abc")
SHORT = f"sha256:{'b' * 12}"


def change(
    *, new: tuple[str, ...] = (), gone: tuple[str, ...] = (), minutes: int = 0, **moved: tuple[str, ...]
) -> ChangeDocument:
    """Return a change; `moved` names the tags that moved to each digest."""
    digests = {"to_new": NEW, "to_old": OLD, "to_other": OTHER}
    return ChangeDocument(
        Time=format_time(NOON + timedelta(minutes=minutes)),
        New=[NewTagDocument(tag=tag, SHA="b" * 64, Digest=NEW) for tag in new],
        Changed=[
            ChangedTagDocument(tag=tag, OldDigest=OLD, NewDigest=digests[where])
            for where, tags in moved.items()
            for tag in tags
        ],
        Deleted=[DeletedTagDocument(tag=tag, Digest=OLD) for tag in gone],
    )


def log(*changes: ChangeDocument, name: str = "owner/app") -> ChangeLogDocument:
    return ChangeLogDocument(ImageName=name, Changes=list(changes))


def parsed(log: ChangeLogDocument, base_url: str = BASE_URL) -> ElementTree.Element:
    """Return a feed as a reader sees it, after checking what RFC 4287 demands of any."""
    root = ElementTree.fromstring(feed(log, base_url))
    assert root.tag == f"{ATOM}feed"
    assert root.findtext(f"{ATOM}author/{ATOM}name")
    assert links(root).keys() == {"self", "alternate"}
    entries = root.findall(f"{ATOM}entry")
    for element in [root, *entries]:
        check_once(element, "id", r"https?://[!-~]+")
        check_once(element, "title", r"(?s).*")
        check_once(element, "updated", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")
    for entry in entries:
        check_once(entry, "content", r"(?s).*")
        assert links(entry).keys() == {"alternate"}
    assert len({entry.findtext(f"{ATOM}id") for entry in entries}) == len(entries)
    return root


def check_once(element: ElementTree.Element, name: str, pattern: str) -> None:
    (child,) = element.findall(f"{ATOM}{name}")
    assert re.fullmatch(pattern, child.text or "")


def links(element: ElementTree.Element) -> dict[str, str]:
    found = [(link.attrib["rel"], link.attrib["href"]) for link in element.findall(f"{ATOM}link")]
    assert len(dict(found)) == len(found)
    return dict(found)


def texts(log: ChangeLogDocument, name: str) -> list[str]:
    return [entry.findtext(f"{ATOM}{name}", "") for entry in parsed(log).iter(f"{ATOM}entry")]


def test_it_names_its_image_and_its_addresses() -> None:
    root = parsed(log(change(new=("1.0",))))

    assert root.findtext(f"{ATOM}title") == "Changes of owner/app"
    assert links(root) == {
        "self": f"{BASE_URL}/images/owner/app/-/feed.xml",
        "alternate": f"{BASE_URL}/images/owner/app/",
    }


def test_it_is_of_the_time_of_the_newest_change() -> None:
    root = parsed(log(change(new=("2",), minutes=5), change(new=("1",))))

    assert root.findtext(f"{ATOM}updated") == "2026-11-20T12:05:00Z"


def test_without_a_change_it_is_valid_and_empty() -> None:
    assert parsed(log()).find(f"{ATOM}entry") is None


def test_an_entry_tells_what_happened_to_each_tag() -> None:
    (content,) = texts(log(change(new=("1.2.3",), gone=("1.0",), to_new=("latest",))), "content")

    assert content.split("\n") == [
        f"latest moved from {OLD} to {NEW}.",
        f"1.2.3 is new: {NEW}.",
        f"1.0 is gone. It was {OLD}.",
    ]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (change(new=("mañana",)), "mañana is new"),
        (change(new=("1", "1.2")), "1 and 1.2 are new"),
        (change(gone=("1", "1.2", "1.2.3")), "1, 1.2 and 1.2.3 are gone"),
        (change(gone=("1", "2", "3", "4")), "1, 2, 3 and 1 more are gone"),
        (change(to_new=("latest",)), f"latest moved to {SHORT}"),
        (change(to_new=("1", "latest")), f"1 and latest moved to {SHORT}"),
        (change(to_new=("latest",), to_old=("1",)), f"latest moved to {SHORT}, 1 moved to sha256:{'a' * 12}"),
        (change(to_new=("a", "b"), to_old=("c",), to_other=("d",)), "a, b, c and 1 more moved"),
        (
            change(to_new=("latest",), new=("1.2.3",), gone=("1.0",)),
            f"latest moved to {SHORT}, 1.2.3 is new, 1.0 is gone",
        ),
    ],
)
def test_a_title_says_it_in_a_few_words(entry: ChangeDocument, expected: str) -> None:
    assert change_title(entry) == expected


def test_a_thousand_tags_do_not_make_a_book() -> None:
    (content,) = texts(log(change(new=tuple(map(str, range(1000))))), "content")

    assert content.split("\n")[-1] == "900 more tags changed."


def test_it_tells_the_last_changes_only() -> None:
    changes = [change(new=(str(number),), minutes=number) for number in range(MOST_ENTRIES + 5, 0, -1)]

    assert texts(log(*changes), "title") == [f"{number} is new" for number in range(MOST_ENTRIES + 5, 5, -1)]


def test_an_entry_keeps_its_id_when_others_come() -> None:
    first, second = change(new=("1",)), change(new=("2",), minutes=1)

    assert texts(log(second, first), "id")[1:] == texts(log(first), "id")


def test_the_id_of_an_entry_is_what_it_was_when_the_feed_was_first_published() -> None:
    entry = change(new=("1.2.3",), gone=("1.0",), to_new=("latest",))
    assert texts(log(entry), "id") == [f"{BASE_URL}/images/owner/app/-/feed.xml#beda6bcef890c6d06b0f9acf31d1033f"]

    entry["New"][0] |= {"Kind": "new", "NewTags": ["latest"]}
    entry["Changed"][0] |= {"Kind": "moved", "OldTags": ["1.2.2"], "Difference": {"User": {"Old": "root"}}}
    entry["Deleted"][0] |= {"Kind": "deleted", "OldTags": ["0"]}
    assert texts(log(entry), "id")[0].endswith("#beda6bcef890c6d06b0f9acf31d1033f")


def test_an_entry_names_the_versions_and_what_differs_between_them() -> None:
    entry = change(to_new=("1", "latest"))
    for moved in entry["Changed"]:
        moved |= {"Kind": "moved", "OldTags": ["1.2"], "NewTags": ["1.3"], "Difference": {"User": {"New": "señor"}}}

    (content,) = texts(log(entry), "content")

    assert content.split("\n") == [
        f"1 moved from 1.2 ({OLD}) to 1.3 ({NEW}).",
        f"latest moved from 1.2 ({OLD}) to 1.3 ({NEW}).",
        "- User: not set → señor",
    ]


def test_an_entry_calls_a_rebuild_one() -> None:
    entry = change(to_new=("latest",))
    entry["Changed"][0]["Kind"] = "rebuilt"

    assert texts(log(entry), "title") == ["latest was rebuilt"]
    assert texts(log(entry), "content") == [f"latest was rebuilt and moved from {OLD} to {NEW}."]


@pytest.mark.parametrize("hostile", ["\x00\x1b", "\ud800", "]]>", '"><script>', "a\rb"])
def test_what_strangers_write_into_labels_leaves_the_feed_valid(hostile: str) -> None:
    entry = change(to_new=("latest",))
    entry["Changed"][0]["Difference"] = {"Labels": {hostile: {"New": hostile}}}

    (content,) = texts(log(entry), "content")
    assert content.count("\n") == 1


def test_the_same_log_gives_the_same_bytes() -> None:
    assert feed(log(change(new=("1",))), BASE_URL) == feed(log(change(new=("1",))), BASE_URL)


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("[::1]:5000/web", "images/%5B::1%5D:5000/web/"),
        ("alpine", "images/alpine/"),
        ("localhost:5000/web", "images/localhost:5000/web/"),
    ],
)
def test_its_addresses_are_addresses_whatever_the_name(name: str, address: str) -> None:
    assert links(parsed(log(name=name)))["alternate"] == f"{BASE_URL}/{address}"


texts_of_strangers = st.text(max_size=10) | st.text("<>&\"']\n\r\t\x00\x1b\x85\u2028\ud800\uffff1.-", max_size=10)
strangers_changes = st.lists(
    st.builds(
        ChangeDocument,
        Time=st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC)).map(format_time),
        New=st.lists(st.builds(NewTagDocument, **dict.fromkeys(("tag", "SHA", "Digest"), texts_of_strangers))),
        Changed=st.lists(
            st.builds(ChangedTagDocument, **dict.fromkeys(("tag", "OldDigest", "NewDigest"), texts_of_strangers))
        ),
        Deleted=st.lists(st.builds(DeletedTagDocument, **dict.fromkeys(("tag", "Digest"), texts_of_strangers))),
    ),
    max_size=2,
    unique_by=lambda change: change["Time"],
)


@given(strangers_changes)
def test_it_is_valid_whatever_strangers_call_their_tags(changes: list[ChangeDocument]) -> None:
    parsed(log(*changes))


@pytest.mark.parametrize("hostile", ["\x00\x1b\ud800\ufffe<b>&amp;", "]]>", '"><script>', "a\rb", "\u202e"])
def test_a_hostile_text_is_shown_without_what_xml_forbids(hostile: str) -> None:
    (shown,) = texts(log(change(new=(hostile,))), "title")

    assert shown == re.sub("[\x00\x1b\r\ud800\ufffe]", "", hostile) + " is new"
