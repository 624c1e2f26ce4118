"""The list of all images: its entries, its bytes and its pages."""

import json
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microbadger.image.documents import ImageDocument, document_bytes
from microbadger.image.reference import Repository
from microbadger.site.image_list import entry_of, list_page, listed
from microbadger.site.list_pages import list_file
from tests.site.images import image_of, version

ALPINE, WEB = Repository.parse("alpine"), Repository.parse("ghcr.io/example/web")
IMAGE = cast(
    ImageDocument,
    {
        "Description": 'mañana "<b>",\n',
        "LatestVersion": "1.0",
        "DownloadSize": 1,
        "PullCount": 5,
        "LastUpdated": "2026-11-23T12:00:00Z",
        "UpdatedAt": "2026-11-24T12:00:00Z",
        "Versions": [],
    },
)


def entry(repository: Repository = ALPINE, /, **fields: object) -> bytes:
    kept = document_bytes(entry_of(repository, cast(ImageDocument, {**IMAGE, **fields}))).decode()
    return listed(kept, "current")


def whole(*entries: bytes) -> bytes:
    return list_file(entries, 1, "https://badges.test", has_next=False, counts=(1, len(entries)))


def names(document: Any) -> list[str]:
    return [image["ImageName"] for image in document["Images"]]


def test_an_entry_has_what_the_list_says_of_an_image_by_its_familiar_name() -> None:
    image = cast(ImageDocument, {**IMAGE, "StarCount": 1})
    listed_fields = {field: value for field, value in IMAGE.items() if field != "Versions"}
    assert entry_of(ALPINE, image) == {"ImageName": "alpine", **listed_fields}


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({}, None),
        ({"Unsupported": "It is a model."}, "not an image"),
        ({"Unsupported": "It is a chart.", "Chart": {"Name": "web"}}, "Helm chart"),
    ],
)
def test_what_is_not_an_image_is_named(fields: dict[str, Any], kind: str | None) -> None:
    assert entry_of(WEB, image_of(version("1.0", **fields))).get("Kind") == kind


def test_an_image_without_a_record_has_only_its_name() -> None:
    assert entry_of(WEB, None) == {"ImageName": "ghcr.io/example/web"}


@pytest.mark.parametrize("end", ["", "\n"])
def test_the_state_of_an_image_is_added_to_its_entry(end: str) -> None:
    kept = '{"ImageName":"a/b","Description":"mañana }"}' + end
    assert listed(kept, "failing", "not_found").decode() == (
        '{"ImageName":"a/b","Description":"mañana }","State":"failing","Reason":"not_found"}'
    )
    assert json.loads(listed(kept, "current"))["State"] == "current"


def test_the_list_is_one_document_of_a_single_page() -> None:
    document = json.loads(whole(entry(ALPINE), entry(WEB)))

    assert {**document, "Images": []} == {"CurrentPage": 1, "PageCount": 1, "ImageCount": 2, "Images": []}
    assert names(document) == ["alpine", "ghcr.io/example/web"]


def test_a_list_of_no_image_has_only_its_number() -> None:
    assert whole() == list_page([], 1, 50, 0) == b'{"CurrentPage":1}\n'


def test_a_page_is_a_document_of_its_own() -> None:
    document = json.loads(list_page([entry(Repository.parse(f"a/{number}")) for number in (2, 3)], 2, 2, 5))

    assert {**document, "Images": []} == {"CurrentPage": 2, "PageCount": 3, "ImageCount": 5, "Images": []}
    assert names(document) == ["a/2", "a/3"]


def test_a_page_beyond_the_last_one_has_no_image() -> None:
    assert json.loads(list_page([], 4, 2, 5)) == {"CurrentPage": 4, "PageCount": 3, "ImageCount": 5, "Images": []}


@given(st.lists(st.text(), max_size=5))
def test_no_description_spoils_the_list(descriptions: list[str]) -> None:
    content = whole(*[entry(Description=text) for text in descriptions])

    found = [image["Description"] for image in json.loads(content).get("Images", [])]
    assert found == [text.encode("utf-8", "replace").decode() for text in descriptions]
    assert content.count(b"\n") == (len(descriptions) + 2 if descriptions else 1)
