"""The log of changes: what is told of each tag, what is kept, and what becomes of a damaged one."""

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microbadger.image.changes import MOST_CHANGES, ChangeLogDocument, extended, parse_log
from microbadger.image.describe import describe_image, outline_version, tagged
from microbadger.image.documents import ImageDocument, document_bytes
from microbadger.image.reference import Repository

APP = Repository.parse("owner/app")
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def digest(letter: str) -> str:
    return f"sha256:{letter * 64}"


def image(repository: Repository = APP, **tags_by_letter: str) -> ImageDocument:
    versions = [
        tagged(outline_version(repository, digest(letter)), tags.split()) for letter, tags in tags_by_letter.items()
    ]
    return describe_image(repository, versions, updated_at=NOON)


def log_of(changes: int) -> ChangeLogDocument:
    log = extended(None, None, image(a="0"), NOON)
    for number in range(changes):
        before, after = image(a=str(number)), image(a=str(number + 1))
        log = extended(log, before, after, NOON + timedelta(minutes=number))
    return log


def test_a_log_begins_empty() -> None:
    assert extended(None, None, image(a="latest"), NOON) == ChangeLogDocument(ImageName="owner/app", Changes=[])


def test_it_tells_which_tags_are_new_moved_and_gone() -> None:
    log = extended(None, image(a="1.0 latest", b="old"), image(a="1.0", c="1.1 latest"), NOON)

    assert log["Changes"] == [
        {
            "Time": "2026-11-20T12:00:00Z",
            "New": [{"tag": "1.1", "SHA": "c" * 64, "Digest": digest("c")}],
            "Changed": [{"tag": "latest", "OldDigest": digest("a"), "NewDigest": digest("c")}],
            "Deleted": [{"tag": "old", "Digest": digest("b")}],
        }
    ]


def test_its_lists_are_never_null() -> None:
    (change,) = extended(None, image(a="latest"), image(b="latest"), NOON)["Changes"]

    assert (change["New"], change["Deleted"]) == ([], [])


def test_its_tags_stand_in_order() -> None:
    (change,) = extended(None, image(a="latest"), image(a="latest b", b="c a"), NOON)["Changes"]

    assert [new["tag"] for new in change["New"]] == ["a", "b", "c"]


def test_an_official_image_has_its_bare_name() -> None:
    alpine = Repository.parse("alpine")

    assert extended(None, None, image(alpine, a="latest"), NOON)["ImageName"] == "alpine"


def test_it_is_the_same_log_if_nothing_changed() -> None:
    log = log_of(3)

    assert extended(log, image(a="latest"), image(a="latest"), NOON) is log


def test_the_newest_change_comes_first() -> None:
    assert [change["New"][0]["tag"] for change in log_of(3)["Changes"]] == ["3", "2", "1"]


def test_the_oldest_changes_are_dropped() -> None:
    changes = log_of(MOST_CHANGES + 5)["Changes"]

    assert len(changes) == MOST_CHANGES
    assert changes[-1]["New"][0]["tag"] == "6"


def test_a_change_that_is_found_again_after_a_crash_is_told_once() -> None:
    before, after = image(a="latest"), image(b="latest")
    log = extended(None, before, after, NOON)

    assert extended(log, before, after, NOON + timedelta(hours=1)) is log


def test_a_tag_that_moves_to_and_fro_is_told_each_time() -> None:
    there, back = image(a="latest"), image(b="latest")
    log = extended(extended(None, there, back, NOON), back, there, NOON)

    assert len(extended(log, there, back, NOON)["Changes"]) == 3


def test_the_log_of_another_image_is_not_continued() -> None:
    other = image(Repository.parse("owner/other"), a="latest")

    assert extended(log_of(3), None, other, NOON) == ChangeLogDocument(ImageName="owner/other", Changes=[])


def test_what_was_published_is_read_back() -> None:
    log = log_of(3)

    assert parse_log(document_bytes(log)) == log


@pytest.mark.parametrize(
    "damage",
    [
        b"\xff\xfe",
        None,
        b"",
        b"null",
        b"[]",
        b"{}",
        document_bytes(log_of(3))[:-20],
        b"[" * 100_000,
        b'{"ImageName": 1, "Changes": []}',
        b'{"ImageName": "owner/app", "Changes": {}}',
        b'{"ImageName": "owner/app", "Changes": [null]}',
    ],
)
def test_a_damaged_log_is_none(damage: bytes | None) -> None:
    assert parse_log(damage) is None


@pytest.mark.parametrize(
    ("field", "damage"),
    [
        ("Time", "gestern"),
        ("Time", None),
        ("Time", "2026-11-20T12:00:00"),
        ("Time", "20261120T120000Z"),
        ("Time", "0001-01-01T00:00:00+23:00"),
        ("New", None),
        ("New", {}),
        ("New", [{}]),
        ("New", [{"tag": "a", "SHA": "b", "Digest": None}]),
        ("Changed", ["latest"]),
        ("Deleted", [{"tag": 1, "Digest": "x"}]),
    ],
)
def test_a_log_with_a_damaged_change_is_none(field: str, damage: object) -> None:
    change = {**log_of(1)["Changes"][0], field: damage}

    assert parse_log(json.dumps({"ImageName": "owner/app", "Changes": [change]}).encode()) is None


def test_a_log_with_a_change_of_nothing_is_none() -> None:
    nothing = {"Time": "2026-11-20T12:00:00Z", "New": [], "Changed": [], "Deleted": []}

    assert parse_log(json.dumps({"ImageName": "owner/app", "Changes": [nothing]}).encode()) is None


histories = st.lists(st.dictionaries(st.sampled_from("vwxyz"), st.sampled_from("abc")), min_size=2, max_size=5)


@given(histories)
def test_the_changes_lead_from_the_first_tags_to_the_last(history: list[dict[str, str]]) -> None:
    def document(tags: dict[str, str]) -> ImageDocument:
        tags_by_letter = {letter: " ".join(tag for tag, of in tags.items() if of == letter) for letter in "abc"}
        return image(APP, **tags_by_letter)

    log = extended(None, None, document(history[0]), NOON)
    for before, after in pairwise(history):
        log = extended(log, document(before), document(after), NOON)

    tags = {tag: digest(letter) for tag, letter in history[0].items()}
    for change in reversed(log["Changes"]):
        tags.update({new["tag"]: new["Digest"] for new in change["New"]})
        tags.update({moved["tag"]: moved["NewDigest"] for moved in change["Changed"]})
        for gone in change["Deleted"]:
            assert tags.pop(gone["tag"]) == gone["Digest"]
    assert tags == {tag: digest(letter) for tag, letter in history[-1].items()}


anything_in_json = st.recursive(
    st.none() | st.integers() | st.text(),
    lambda part: st.lists(part) | st.dictionaries(st.text() | st.sampled_from(["ImageName", "Changes", "Time"]), part),
)


@given(anything_in_json)
def test_whatever_stands_in_the_file_is_a_log_or_none(anything: object) -> None:
    log = parse_log(json.dumps(anything).encode())

    assert log is None or isinstance(log["Changes"], list)
