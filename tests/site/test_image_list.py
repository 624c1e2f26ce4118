"""The list of all images: its bytes, its pages, and its entries as they are carried over."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microbadger.image.documents import ImageDocument
from microbadger.image.reference import Repository
from microbadger.site.image_list import EntriesByName, digest_with, entries_in, entry_of, list_page, list_parts

ALPINE, WEB = Repository.parse("alpine"), Repository.parse("ghcr.io/example/web")
IMAGE = cast(
    ImageDocument,
    {"Description": 'mañana "<b>",\n', "LatestVersion": "1.0", "DownloadSize": 1, "UpdatedAt": "2026-11-24T12:00:00Z"},
)


def entry(repository: Repository = ALPINE, /, **fields: object) -> bytes:
    return entry_of(repository, cast(ImageDocument, {**IMAGE, **fields}))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "images.json"


@pytest.fixture
def lines(file: Path) -> Iterator[BinaryIO]:
    write(file, entry(ALPINE), entry(WEB))
    with file.open("rb") as lines:
        yield lines


def write(file: Path, *entries: bytes) -> None:
    file.write_bytes(b"".join(list_parts(len(entries), entries)))


def page(file: Path, number: int, size: int) -> Any:
    return json.loads(list_page(file, number, size))


def names(document: Any) -> list[str]:
    return [image["ImageName"] for image in document["Images"]]


def test_an_entry_tells_an_image_by_the_name_people_use() -> None:
    assert json.loads(entry(ALPINE)) == {"ImageName": "alpine", **IMAGE}
    assert json.loads(entry_of(WEB, None)) == {"ImageName": "ghcr.io/example/web"}


def test_the_list_is_one_document_of_a_single_page(file: Path) -> None:
    write(file, entry(ALPINE), entry(WEB))

    document = json.loads(file.read_bytes())

    assert {**document, "Images": []} == {"CurrentPage": 1, "PageCount": 1, "ImageCount": 2, "Images": []}
    assert names(document) == ["alpine", "ghcr.io/example/web"]


def test_a_list_of_no_image_has_only_its_number(file: Path) -> None:
    write(file)
    assert file.read_bytes() == list_page(file, 1, 50) == b'{"CurrentPage":1}\n'


@pytest.mark.parametrize(
    ("number", "size", "expected"),
    [(1, 2, ["a/0", "a/1"]), (2, 2, ["a/2", "a/3"]), (3, 2, ["a/4"]), (4, 2, []), (1, 9, [f"a/{n}" for n in range(5)])],
)
def test_a_page_is_a_document_of_its_own(file: Path, number: int, size: int, expected: list[str]) -> None:
    write(file, *(entry(Repository.parse(f"a/{number}")) for number in range(5)))

    document = page(file, number, size)

    assert names(document) == expected
    assert (document["CurrentPage"], document["PageCount"], document["ImageCount"]) == (number, -(-5 // size), 5)


def test_before_a_list_was_published_a_page_is_empty(file: Path) -> None:
    assert page(file, 1, 50) == {"CurrentPage": 1}
    assert [*entries_in(file)] == []


def test_entries_are_carried_over_as_the_bytes_they_are(lines: BinaryIO) -> None:
    entries = EntriesByName(lines)

    found = [entries.get(name) for name in ("ghcr.io/example/web", "alpine", "ghcr.io/example/web", "ghcr.io/example")]

    assert found == [entry(WEB), entry(ALPINE), entry(WEB), None]


@given(st.lists(st.text(), max_size=5))
def test_no_description_spoils_the_list(descriptions: list[str]) -> None:
    entries = [entry(Description=description) for description in descriptions]

    content = b"".join(list_parts(len(entries), entries))

    told = [image["Description"] for image in json.loads(content).get("Images", [])]
    assert told == [text.encode("utf-8", "replace").decode() for text in descriptions]
    assert content.count(b"\n") == (len(entries) + 2 if entries else 1)


def test_that_an_image_was_checked_again_is_no_difference() -> None:
    assert digest_with(0, entry()) == digest_with(0, entry(UpdatedAt="2026-11-25T12:00:00Z"))


@pytest.mark.parametrize("field", [{"Description": ',"UpdatedAt":'}, {"LatestVersion": "1.1"}, {"DownloadSize": 2}])
def test_anything_else_is_a_difference(field: dict[str, object]) -> None:
    assert digest_with(0, entry()) != digest_with(0, entry(**field))
    assert digest_with(0, entry()) != digest_with(1, entry())
