"""Finding images: which fit, and which comes first."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, insert

from microbadger.image.documents import image_name
from microbadger.image.reference import Repository
from microbadger.site.search import search, searchable
from microbadger.store.database import Database
from microbadger.store.tables import CHECKS, RECORDS
from tests.databases import database_url

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



class Images:
    """A database of tracked images."""

    def __init__(self, folder: Path) -> None:
        self._database = Database(database_url(folder))

    def track(self, *names: str) -> None:
        rows = [
            {
                "image": str(repository),
                "name": image_name(repository),
                "registry": repository.registry,
                "due_at": 0,
                "failures": 0,
                "edition": "",
                "pushed_tags": "",
                "viewed_tags": "",
            }
            for repository in map(Repository.parse, names)
        ]
        with self._database.write() as connection:
            connection.execute(insert(CHECKS), rows)

    def record(self, name: str, description: str = "", pulls: int = 0) -> None:
        self.track(name)
        row = {
            "image": str(Repository.parse(name)),
            "description": searchable(description),
            "pull_count": pulls,
            "entry": "{}",
            "updated_at": "",
            "document": b"",
            "is_public": True,
        }
        with self._database.write() as connection:
            connection.execute(insert(RECORDS), row)

    def clear(self) -> None:
        with self._database.write() as connection:
            connection.execute(delete(CHECKS))
            connection.execute(delete(RECORDS))

    def find(self, term: str, at_most: int = 10) -> list[str]:
        with self._database.read() as connection:
            return search(connection, term, at_most)

    def close(self) -> None:
        self._database.close()


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Images]:
    images = Images(tmp_path_factory.mktemp("database"))
    yield images
    images.close()


@pytest.fixture
def images(database: Images) -> Images:
    database.clear()
    return database


def pulled(images: Images, names: Mapping[str, int]) -> None:
    for name, pulls in names.items():
        images.record(name, pulls=pulls)


def test_the_closest_names_come_first(images: Images) -> None:
    images.track(*NAMES)

    assert images.find("web") == [
        "web",
        "example/web",
        "ghcr.io/example/web",
        "web/app",
        "webserver",
        "example/webserver",
        "example/cobweb",
    ]


def test_among_equals_the_one_that_is_pulled_most_comes_first(images: Images) -> None:
    pulled(images, {"a/web": 1, "b/web": 3_000_000_000, "c/web": 2})
    images.track("0/web")

    assert images.find("web") == ["b/web", "c/web", "a/web", "0/web"]


def test_a_description_comes_last(images: Images) -> None:
    images.record("x/nginx", "A Web\nServer", pulls=5)
    images.record("a/cobweb")

    assert images.find("web") == ["a/cobweb", "x/nginx"]
    assert images.find("web  server") == ["x/nginx"]


def test_an_image_is_found_by_its_name_before_it_was_read(images: Images) -> None:
    images.track("a/web")

    assert images.find("web") == ["a/web"]


def test_an_image_that_is_no_longer_tracked_is_not_found(images: Images) -> None:
    images.record("a/web")
    images.clear()

    assert images.find("web") == []


@pytest.mark.parametrize("term", ["WEB", " web ", "Web", "w\0eb"])
def test_case_and_spaces_around_a_term_do_not_matter(images: Images, term: str) -> None:
    images.track("a/web")

    assert images.find(term) == ["a/web"]


def test_letters_beyond_ascii_are_compared_in_lower_case(images: Images) -> None:
    images.record("a/web", "Bäckt ÄPFEL \ud800")

    found = [images.find(term) for term in ("äpfel", "Äpfel", "apfel", "\ud800")]
    assert found == [["a/web"], ["a/web"], [], ["a/web"]]


@pytest.mark.parametrize(
    "term", ["", "  ", "\n", "\0", "nothing", "{0}", "%s", "%", "_", "a%b", "w_b", "!", "web\na", ".*", "w" * 100_000]
)
def test_a_term_that_no_text_contains_finds_nothing(images: Images, term: str) -> None:
    images.record("a/web", "serves pages")
    images.track("b/web")

    assert images.find(term) == []


@pytest.mark.parametrize("term", ["50%", "my_tool", "wow!"])
def test_characters_with_a_meaning_in_sql_stand_for_themselves(images: Images, term: str) -> None:
    images.record("a/web", f"it is {term}")

    assert images.find(term) == ["a/web"]


def test_an_image_is_found_once_however_often_it_fits(images: Images) -> None:
    images.record("web/web/web", "web web web")

    assert images.find("web") == ["web/web/web"]


def test_no_more_are_found_than_are_wanted(images: Images) -> None:
    images.track(*(f"a/web{number}" for number in range(50)))

    assert len(images.find("web", 10)) == 10


@given(
    described=st.dictionaries(st.from_regex(r"[ab]{1,3}/[ab]{1,3}", fullmatch=True), st.text("ab c%_", max_size=6)),
    term=st.text("ab/%_", max_size=4),
)
def test_every_image_that_contains_the_term_is_found(database: Images, described: dict[str, str], term: str) -> None:
    database.clear()
    for name, text in described.items():
        database.record(name, text)

    found = database.find(term, 1000)

    fitting = {name for name, text in described.items() if term and (term in name or term in " ".join(text.split()))}
    assert sorted(found) == sorted(fitting)
