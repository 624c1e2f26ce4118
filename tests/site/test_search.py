"""Finding images: which fit, which comes first, and that a list that was replaced is searched."""

from collections.abc import Mapping
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microbadger.image.documents import ImageDocument
from microbadger.image.reference import Repository
from microbadger.site.image_list import entry_of, list_parts
from microbadger.site.search import Listing, SearchIndex
from tests.real_registry import wait_until

NAMES = [
    "web",
    "example/web",
    "web/app",
    "webserver",
    "example/webserver",
    "example/cobweb",
    "ghcr.io/example/web",
    "example/other",
]


def entry(name: str, pulls: int = 0, description: str = "") -> bytes:
    fields = {"Description": description, "PullCount": pulls}
    return entry_of(Repository.parse(name), cast(ImageDocument, fields))


def index(names: Mapping[str, int], **described: str) -> SearchIndex:
    pulled = [entry(name, pulls) for name, pulls in names.items()]
    return SearchIndex([*pulled, *(entry(f"x/{name}", description=text) for name, text in described.items())])


def write(file: Path, *entries: bytes) -> None:
    file.with_suffix(".new").write_bytes(b"".join(list_parts(len(entries), entries)))
    file.with_suffix(".new").replace(file)


def test_the_closest_names_come_first() -> None:
    assert index(dict.fromkeys(NAMES, 0)).find("web", 10) == [
        "web",
        "example/web",
        "ghcr.io/example/web",
        "web/app",
        "webserver",
        "example/webserver",
        "example/cobweb",
    ]


def test_among_equals_what_is_pulled_most_comes_first() -> None:
    assert index({"a/web": 1, "b/web": 3, "c/web": 2}).find("web", 2) == ["b/web", "c/web"]


def test_a_description_comes_last() -> None:
    assert index({"a/cobweb": 0}, nginx="A Web\nServer").find("web", 10) == ["a/cobweb", "x/nginx"]
    assert index({"a/cobweb": 0}, nginx="A Web\nServer").find("web server", 10) == ["x/nginx"]


@pytest.mark.parametrize("term", ["WEB", " web ", "Web"])
def test_case_and_spaces_around_a_term_do_not_matter(term: str) -> None:
    assert index({"a/web": 0}).find(term, 10) == ["a/web"]


@pytest.mark.parametrize("term", ["", "  ", "\n", "nothing", "{0}", "%s", "web\na", ".*"])
def test_what_fits_nothing_finds_nothing(term: str) -> None:
    assert index({"a/web": 0, "b/web": 0}).find(term, 10) == []


def test_an_image_is_found_once_however_often_it_fits() -> None:
    assert index({"web/web/web": 0}, web="web web web").find("web", 10) == ["web/web/web", "x/web"]


def test_no_more_are_found_than_are_wanted() -> None:
    assert len(index({f"a/web{number}": 0 for number in range(50)}).find("web", 10)) == 10


def test_a_damaged_entry_spoils_no_other() -> None:
    damaged = [b'{"ImageName":"a/b"', b'{"ImageName":"\xff"}', b'{"ImageName":"a/c","Description":"\\u12"}']
    assert SearchIndex([*damaged, entry("a/web")]).find("a", 10) == ["a/web"]


@given(
    st.dictionaries(st.from_regex(r"[ab]{1,3}/[ab]{1,3}", fullmatch=True), st.text("ab c", max_size=6)),
    st.text("ab/"),
)
def test_whatever_holds_the_term_is_found(described: dict[str, str], term: str) -> None:
    entries = [entry(name, description=text) for name, text in described.items()]

    found = SearchIndex(entries).find(term, 1000)

    fitting = {name for name, text in described.items() if term and (term in name or term in " ".join(text.split()))}
    assert sorted(found) == sorted(fitting)


def test_before_a_list_was_published_nothing_is_found(tmp_path: Path) -> None:
    assert Listing(tmp_path / "images.json").search("web", 10) == []


def test_a_list_that_was_replaced_is_searched(tmp_path: Path) -> None:
    listing = Listing(tmp_path / "images.json")
    write(tmp_path / "images.json", entry("a/web"))
    assert listing.search("web", 10) == ["a/web"]

    write(tmp_path / "images.json", entry("a/web"), entry("b/web"))

    assert listing.search("web", 10) == ["a/web", "b/web"]


def test_a_long_list_that_was_replaced_is_read_beside_the_requests(tmp_path: Path) -> None:
    many = [entry(f"a/app{number}", description="x" * 100) for number in range(3000)]
    listing = Listing(tmp_path / "images.json")
    write(tmp_path / "images.json", *many)
    assert listing.search("web", 10) == []

    write(tmp_path / "images.json", *many, entry("a/web"))

    wait_until(lambda: listing.search("web", 10) == ["a/web"], "the new list", 10)
