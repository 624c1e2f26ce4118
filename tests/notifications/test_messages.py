"""Messages: the old payload to the letter, and for each chat what it shows, escaped and within its bounds."""

import json
from collections.abc import Callable
from email.header import decode_header, make_header
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from microbadger.image.base_moves import BaseMovedDocument
from microbadger.image.changes import NO_CHANGES, Changes, change_document, changes_between
from microbadger.image.documents import BaseDocument, ImageDocument, tags_of
from microbadger.image.reference import Repository
from microbadger.notifications.messages import (
    FORMATS,
    Announcement,
    announce_changes,
    matching,
    message_bytes,
    message_headers,
    without_rebuilds,
)
from microbadger.notifications.ntfy import ntfy_headers
from tests.notifications.bench import PAGE, SHAS, START, image, image_at, rebuilt, version

OLD, NEW, OTHER = SHAS[:3]
TEST = Announcement(image_name="example/web", registry="docker.io", page_url=PAGE, at="2026-11-24T12:00:00Z")
BEFORE = image(
    version(OLD, ["latest", "1.0"], size_bytes=19_500_000, labels={"kept": "x", "gone": "y", "changed": "mañana"}),
    version(OTHER, ["0.9"]),
)
AFTER = image(
    version(NEW, ["latest", "1.1"], size_bytes=21_000_000, labels={"kept": "x", "changed": "hoy", "new": "z"}),
    version(OLD, ["1.0"], size_bytes=19_500_000),
)

SHOWN: dict[str, Callable[[Any], str]] = {
    "slack": lambda sent: sent["text"],
    "discord": lambda sent: sent["embeds"][0]["description"],
    "teams": lambda sent: "\n".join(block["text"] for block in sent["attachments"][0]["content"]["body"]),
}


def tags_in(image: ImageDocument) -> set[str]:
    return {tag for version in image["Versions"] for tag in tags_of(version)}


def announced(before: ImageDocument, after: ImageDocument) -> Announcement:
    return announce_changes(before, after, changes_between(before, after, deleted=tags_in(before)), PAGE)


def message(format_: str, announcement: Announcement | None = None) -> Any:
    return json.loads(message_bytes(announcement or announced(BEFORE, AFTER), format_))


ALPINE, DEBIAN = BaseDocument(Name="alpine:3.22"), BaseDocument(Name="debian:13")
LOGGED_BEFORE = image(version(OLD, ["latest", "1", "1.0"], size_bytes=19_500_000, base=ALPINE))
LOGGED_AFTER = image(
    version(NEW, ["latest", "1", "1.1"], size_bytes=21_000_000, base=DEBIAN),
    version(OLD, ["1.0"], size_bytes=19_500_000, base=ALPINE),
)


def logged(before: ImageDocument = LOGGED_BEFORE, after: ImageDocument = LOGGED_AFTER) -> Announcement:
    """Return the announcement of changes with what the log says of them."""
    changes = changes_between(before, after, deleted=tags_in(before))
    return announce_changes(before, after, changes, PAGE, change_document(before, after, changes, START))


def many(count: int, letter: str = "t", labels: dict[str, str] | None = None) -> Announcement:
    """Return the announcement of many long tags that moved."""
    tags = [f"{number:04}{letter * 124}" for number in range(count)]
    return announced(image(version(OLD, tags, labels={"a": "b"})), image(version(NEW, tags, labels=labels)))


def test_the_message_is_what_subscribers_always_got() -> None:
    assert message("microbadger") == {
        "text": f"MicroBadger: Docker Hub image example/web has changed {PAGE}",
        "image_name": "example/web",
        "new_tags": [{"tag": "1.1", "SHA": NEW}],
        "changed_tags": [{"tag": "latest", "SHA": NEW}],
        "deleted_tags": [{"tag": "0.9", "SHA": OTHER}],
    }


def test_the_test_message_is_what_it_always_was() -> None:
    assert message("microbadger", TEST) == {
        "text": f"Hi, it's MicroBadger, sending you a test notification for example/web {PAGE}",
        "image_name": "example/web",
        "new_tags": [],
        "changed_tags": [],
        "deleted_tags": [],
    }


def test_a_message_does_not_call_an_image_of_another_registry_a_docker_hub_image() -> None:
    repository = Repository.parse("ghcr.io/example/web")
    before = image(version(OLD, ["latest"], repository=repository), repository=repository)
    after = image(version(NEW, ["latest"], repository=repository), repository=repository)

    assert message("microbadger", announced(before, after))["text"].startswith(
        "MicroBadger: image ghcr.io/example/web has"
    )


def test_slack_gets_one_text() -> None:
    assert message("slack")["text"].split("\n") == [
        f"MicroBadger: Docker Hub image example/web has changed: <{PAGE}>",
        "• `1.1` new, bbbbbbbbbbbb, 20.0 MiB",
        "• `latest` changed, aaaaaaaaaaaa → bbbbbbbbbbbb, 18.6 MiB → 20.0 MiB",
        "• `0.9` deleted, cccccccccccc",
    ]


def test_discord_gets_an_embed_that_mentions_nobody() -> None:
    sent = message("discord")

    assert sent["allowed_mentions"] == {"parse": []}
    assert sent["embeds"][0]["url"] == PAGE
    assert sent["embeds"][0]["description"].split("\n")[1] == (
        "• latest changed, aaaaaaaaaaaa → bbbbbbbbbbbb, 18.6 MiB → 20.0 MiB"
    )


def test_teams_gets_a_card() -> None:
    attachment = message("teams")["attachments"][0]

    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert attachment["content"]["type"] == "AdaptiveCard"
    assert [block["text"] for block in attachment["content"]["body"]][:2] == [
        "MicroBadger: Docker Hub image example/web has changed",
        "• 1.1 new, bbbbbbbbbbbb, 20.0 MiB",
    ]
    assert attachment["content"]["actions"][0]["url"] == PAGE


def test_ntfy_gets_a_text_with_its_title_and_link_in_headers() -> None:
    announcement = announced(BEFORE, AFTER)

    assert message_headers(announcement, "ntfy") == {
        "Content-Type": "text/plain; charset=utf-8",
        "Title": "example/web has changed",
        "Tags": "package",
        "Click": PAGE,
    }
    assert message_bytes(announcement, "ntfy").decode().splitlines() == [
        f"• 1.1 new, {NEW[:12]}, 20.0 MiB",
        f"• latest changed, {OLD[:12]} → {NEW[:12]}, 18.6 MiB → 20.0 MiB",
        f"• 0.9 deleted, {OTHER[:12]}",
    ]


@pytest.mark.parametrize("format_", sorted(FORMATS.keys() - {"ntfy"}))
def test_only_what_is_not_json_has_headers_of_its_own(format_: str) -> None:
    assert message_headers(TEST, format_) == {}


def test_a_header_beyond_ascii_is_encoded() -> None:
    title = ntfy_headers("mañana\r\nX: y", PAGE)["Title"]

    assert title.isascii()
    assert str(make_header(decode_header(title))) == "mañana\r\nX: y"


def test_json_has_the_old_and_the_new_version() -> None:
    sent = message("json")

    assert (sent["type"], sent["timestamp"]) == ("image.changed", AFTER["UpdatedAt"])
    assert sent["data"]["ImageName"] == "example/web"
    assert sent["data"]["Tags"][1] == {
        "Tag": "latest",
        "Change": "changed",
        "Old": {"Digest": f"sha256:{OLD}", "DownloadSize": 19_500_000, "LayerCount": 1, "Platforms": ["linux/arm/v7"]},
        "New": {"Digest": f"sha256:{NEW}", "DownloadSize": 21_000_000, "LayerCount": 1, "Platforms": ["linux/arm/v7"]},
        "Labels": {"changed": {"Old": "mañana", "New": "hoy"}, "gone": {"Old": "y"}, "new": {"New": "z"}},
    }


def test_json_has_only_the_new_version_of_a_new_tag_and_only_the_old_one_of_a_deleted_tag() -> None:
    tags = message("json")["data"]["Tags"]

    assert [(tag["Change"], sorted(tag.keys() & {"Old", "New"})) for tag in tags] == [
        ("new", ["New"]),
        ("changed", ["New", "Old"]),
        ("deleted", ["Old"]),
    ]


def test_the_message_that_subscribers_always_got_says_nothing_more() -> None:
    sent = message("microbadger", logged())

    assert sent.keys() == {"text", "image_name", "new_tags", "changed_tags", "deleted_tags"}
    assert sent["changed_tags"] == [{"tag": "1", "SHA": NEW}, {"tag": "latest", "SHA": NEW}]


DIFFERENCE = {
    "DownloadSize": {"Old": 19_500_000, "New": 21_000_000},
    "Base": {"Old": {"Name": "alpine:3.22"}, "New": {"Name": "debian:13"}},
}


def test_json_has_what_the_log_of_changes_says_of_a_tag() -> None:
    new, _, latest = message("json", logged())["data"]["Tags"]

    assert (new["Change"], new["Kind"], new["NewTags"]) == ("new", "new", ["1", "latest"])
    assert (latest["Change"], latest["Kind"]) == ("changed", "moved")
    assert (latest["OldTags"], latest["NewTags"]) == (["1.0", "1"], ["1.1", "1"])
    assert latest["Difference"] == DIFFERENCE


@pytest.mark.parametrize(
    ("format_", "tag", "more"),
    [("slack", "`{}`", "(+1.4 MiB)"), ("discord", "{}", r"\(+1.4 MiB\)"), ("teams", "{}", r"\(+1.4 MiB\)")],
)
def test_a_chat_gets_what_differs_once_for_tags_that_moved_together(format_: str, tag: str, more: str) -> None:
    lines = SHOWN[format_](message(format_, logged())).split("\n")
    moved = "moved from 1.0 to 1.1, aaaaaaaaaaaa → bbbbbbbbbbbb, 18.6 MiB → 20.0 MiB"

    assert lines[-5:] == [
        f"• {tag.format('1.1')} new, bbbbbbbbbbbb, 20.0 MiB",
        f"• {tag.format('1')} {moved}",
        f"   Size: 18.6 MiB → 20.0 MiB {more}",
        "   Base image: alpine:3.22 → debian:13",
        f"• {tag.format('latest')} {moved}",
    ]


def test_a_chat_is_told_of_a_rebuild() -> None:
    before, after = (rebuilt(sha) for sha in (OLD, NEW))

    assert "`latest` rebuilt, aaaaaaaaaaaa → bbbbbbbbbbbb" in message("slack", logged(before, after))["text"]


@pytest.mark.parametrize(
    ("format_", "shown"),
    [
        ("slack", "Base image: &lt;!channel&gt; &amp; → *b*"),
        ("discord", r"Base image: \<!channel\> & → \*b\*"),
        ("teams", r"Base image: \<!channel\> & → \*b\*"),
    ],
)
def test_what_strangers_write_is_shown_as_it_is(format_: str, shown: str) -> None:
    before = image(version(OLD, ["latest"], base={"Name": "<!channel> &\n"}))
    after = image(version(NEW, ["latest"], base={"Name": "*b*\u202e"}))

    text = SHOWN[format_](message(format_, logged(before, after)))

    assert f"{shown}\ufffd" in text


@pytest.mark.parametrize(
    ("format_", "most_bytes"),
    [("microbadger", 128 * 1024), ("json", 64 * 1024), ("slack", 6000), ("discord", 9000), ("teams", 16_000)],
)
def test_a_message_with_differences_is_bounded(format_: str, most_bytes: int) -> None:
    def versions(letter: str) -> ImageDocument:
        long = f"{letter}{'ñ<' * 5000}"
        shas = [f"{number:063}{letter}" for number in range(300)]
        tags = {sha: f"{number:04}{'t' * 100}" for number, sha in enumerate(shas)}
        return image(*(version(sha, [tag], labels={long: long}, base={"Name": long}) for sha, tag in tags.items()))

    assert len(message_bytes(logged(versions("a"), versions("b")), format_)) <= most_bytes


def test_ntfy_counts_the_bytes_of_what_differs() -> None:
    def versions(shas: list[str], letter: str) -> ImageDocument:
        labels = {f"{number}": letter * 100 for number in range(10)}
        return image(*(version(sha, [f"1.{place}"], labels=labels) for place, sha in enumerate(shas)))

    sent = message_bytes(logged(versions(SHAS[:3], "漢"), versions(SHAS[3:6], "字")), "ntfy")

    assert 3000 < len(sent) <= 4096


def test_json_leaves_out_an_unknown_size() -> None:
    unread = version(NEW, ["latest"])
    unread["Platforms"] = []

    tag = message("json", announced(image_at(OLD), image(unread)))["data"]["Tags"][0]

    assert tag["New"] == {"Digest": f"sha256:{NEW}"}
    assert "Labels" not in tag


@pytest.mark.parametrize("format_", FORMATS)
def test_each_format_has_a_test_message(format_: str) -> None:
    assert "example/web" in message_bytes(TEST, format_).decode()


@pytest.mark.parametrize(
    ("format_", "shown"),
    [("slack", "• `_x-1_` changed"), ("discord", r"• \_x-1\_ changed"), ("teams", r"• \_x-1\_ changed")],
)
def test_a_tag_is_shown_as_it_is(format_: str, shown: str) -> None:
    announcement = announced(image_at(OLD, tags=["_x-1_"]), image_at(NEW, tags=["_x-1_"]))

    assert shown in SHOWN[format_](message(format_, announcement))


@pytest.mark.parametrize("letter", ["t", "_"])
@pytest.mark.parametrize(
    ("format_", "most_bytes"),
    [
        *(("microbadger", 128 * 1024), ("json", 64 * 1024)),
        *(("slack", 6000), ("discord", 7000), ("teams", 14_000), ("ntfy", 4096)),
    ],
)
def test_a_message_is_bounded(format_: str, most_bytes: int, letter: str) -> None:
    labels = {f"{number:03}{'ñ' * 5000}": "<" * 5000 for number in range(100)}

    assert len(message_bytes(many(3000, letter, labels), format_)) <= most_bytes


@pytest.mark.parametrize("letter", ["t", "_"])
@pytest.mark.parametrize(("format_", "most_characters"), [("slack", 4000), ("discord", 4096), ("teams", 5000)])
def test_chats_get_what_they_show_and_the_number_of_the_rest(format_: str, most_characters: int, letter: str) -> None:
    text = SHOWN[format_](message(format_, many(3000, letter)))

    assert len(text) <= most_characters
    assert text.count("•") > 5
    assert text.endswith(f"and {3000 - text.count('•')} more")


def test_json_says_how_many_tags_it_left_out() -> None:
    data = message("json", many(3000))["data"]

    assert len(data["Tags"]) + data["TagsLeftOut"] == 3000
    assert len(data["Tags"]) > 50


@given(st.text(st.characters()), st.text(st.characters(), max_size=300))
@settings(max_examples=50)
def test_any_label_can_be_sent_as_json(name: str, value: str) -> None:
    announcement = announced(image(version(OLD, ["1"])), image(version(NEW, ["1"], labels={name: value})))

    ((sent_name, sent_value),) = message("json", announcement)["data"]["Tags"][0]["Labels"].items()

    assert (sent_name[:199], sent_value["New"][:199]) == (name[:199], value[:199])


@pytest.mark.parametrize(
    ("patterns", "tags"),
    [
        (["mañana"], []),
        ([], ["latest", "1.0", "1.1", "v2"]),
        (["latest"], ["latest"]),
        (["1.*"], ["1.0", "1.1"]),
        (["1.[1-9]", "v?"], ["1.1", "v2"]),
        (["LATEST", "1", "late"], []),
        (["!1.*"], ["latest", "v2"]),
        (["1.*", "!*.1"], ["1.0"]),
    ],
)
def test_patterns_choose_the_tags(patterns: list[str], tags: list[str]) -> None:
    changes = Changes(new={"latest": NEW}, changed={"1.0": NEW, "1.1": NEW}, deleted={"v2": OLD})

    chosen = matching(changes, patterns)

    assert [*chosen.new, *chosen.changed, *chosen.deleted] == tags


def test_tags_whose_version_was_only_rebuilt_are_left_out_by_the_log() -> None:
    before, after = (rebuilt(sha, "latest", "1.0") for sha in (OLD, NEW))
    changes = changes_between(before, after, deleted=())

    assert without_rebuilds(changes, change_document(before, after, changes, START)) == NO_CHANGES
    assert without_rebuilds(changes, None) == changes


BASE = BaseMovedDocument(
    Kind="base_moved",
    Name="docker.io/library/alpine:3.22",
    OldDigest=f"sha256:{OLD}",
    NewDigest=f"sha256:{NEW}",
    MovedAt="2026-11-24T12:00:00Z",
    Tags=["1.0", "latest"],
)
BASE_MOVED = Changes({}, {}, {}, (BASE,))


def base_moved(format_: str, *bases: BaseMovedDocument) -> bytes:
    """Return the message about bases that moved under tags that stayed."""
    same = image(version(OLD, ["1.0", "latest"]))
    return message_bytes(announce_changes(same, same, Changes({}, {}, {}, bases or (BASE,)), PAGE), format_)


@pytest.mark.parametrize(
    ("format_", "line"),
    [
        ("slack", "• base image alpine:3.22 of 1.0 and latest has moved, aaaaaaaaaaaa → bbbbbbbbbbbb"),
        ("discord", "• base image alpine:3.22 of 1.0 and latest has moved, aaaaaaaaaaaa → bbbbbbbbbbbb"),
        ("teams", "• base image alpine:3.22 of 1.0 and latest has moved, aaaaaaaaaaaa → bbbbbbbbbbbb"),
        ("ntfy", "• base image alpine:3.22 of 1.0 and latest has moved, aaaaaaaaaaaa → bbbbbbbbbbbb"),
    ],
)
def test_people_read_which_base_has_moved_under_which_tags(format_: str, line: str) -> None:
    sent = base_moved(format_).decode()

    assert line in (sent if format_ == "ntfy" else json.loads(sent).__str__())


def test_programs_read_what_the_log_of_changes_says() -> None:
    data = json.loads(base_moved("json"))["data"]

    assert (data["Tags"], data["BaseMoved"]) == ([], [BASE])


def test_the_message_that_subscribers_always_got_names_no_base() -> None:
    assert json.loads(base_moved("microbadger")) == {
        "text": f"MicroBadger: Docker Hub image example/web has changed {PAGE}",
        "image_name": "example/web",
        "new_tags": [],
        "changed_tags": [],
        "deleted_tags": [],
    }


@pytest.mark.parametrize("format_", ["slack", "discord", "teams", "ntfy", "json"])
def test_a_message_about_very_many_bases_is_bounded_and_says_so(format_: str) -> None:
    many = [BaseMovedDocument({**BASE, "Name": f"{number}<@here>" + "x" * 1000}) for number in range(50)]
    sent = base_moved(format_, *many)

    assert len(sent) < 16 * 1024
    assert format_ == "json" or b"and 45 more" in sent


@pytest.mark.parametrize(("patterns", "tags"), [([], ["1.0", "latest"]), (["1.*"], ["1.0"]), (["2.*"], None)])
def test_patterns_choose_the_tags_of_a_base(patterns: list[str], tags: list[str] | None) -> None:
    chosen = matching(BASE_MOVED, patterns).base_moved

    assert [move["Tags"] for move in chosen] == ([] if tags is None else [tags])


def test_no_change_fits_no_pattern() -> None:
    assert not matching(NO_CHANGES, ["*"])
