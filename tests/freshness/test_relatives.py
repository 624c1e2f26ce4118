"""The relatives of a version: which tracked versions it is built on, and which have the same layers."""

import sqlite3
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from microbadger.freshness.relatives import MOST_RELATIVES, LayerStacks, Relatives
from microbadger.image.chains import chains_of
from microbadger.image.documents import PlatformDocument, RelativeDocument, TagDocument, VersionDocument
from microbadger.image.reference import Repository
from microbadger.store.database import Database
from microbadger.store.tables import LAYER_STACKS
from tests.databases import database_url

BASE_URL = "https://badges.example.org"
PLATFORM = PlatformDocument(OS="linux", Architecture="amd64", Digest="", DownloadSize=0, LayerCount=0)
APP, OTHER = Repository.parse("owner/app"), Repository.parse("ghcr.io/owner/other")
DEBIAN, PYTHON = Repository.parse("debian"), Repository.parse("python")


def sha(letter: str) -> str:
    return letter * 64


def version(letter: str, layers: str | None, tags: str = "latest", *, described: bool = True) -> VersionDocument:
    """Return a version whose layers are named by a letter each; None where its document does not name them."""
    document = VersionDocument(
        SHA=sha(letter),
        Tags=[TagDocument(tag=tag) for tag in tags.split()],
        ImageName="",
        Author="",
        LayerCount=0,
        DownloadSize=0,
        Digest=f"sha256:{sha(letter)}",
        MediaType="",
        Platforms=[PLATFORM] if described else [],
    )
    if layers is not None:
        document["DiffIDs"] = diff_ids(layers)
    return document


class Bench:
    """The layer stacks in a database of their own, and what they asked for because they did not know it."""

    def __init__(self, folder: Path) -> None:
        self.database = Database(database_url(folder))
        self.stacks = LayerStacks(self.database, BASE_URL)
        self.asked: list[str] = []

    def update(self, repository: Repository, *versions: VersionDocument, published: str = "") -> dict[str, Relatives]:
        """Return the relatives of the versions of an image, and keep them in the place of those it had."""

        def diff_ids_of(asked: str) -> Sequence[str]:
            self.asked.append(asked)
            return diff_ids(published)

        with self.database.write() as connection:
            chains = self.stacks.chains_of(connection, repository, versions, diff_ids_of)
            relatives = self.stacks.relatives(connection, repository, versions, chains)
            self.stacks.write(connection, repository, versions, chains)
        return relatives

    def parents(self, repository: Repository, layers: str, letter: str = "f") -> list[str]:
        return names(self.update(repository, version(letter, layers))[sha(letter)].parents)

    def identical(self, repository: Repository, layers: str, letter: str = "f") -> list[str]:
        return names(self.update(repository, version(letter, layers))[sha(letter)].identical)

    def rows(self) -> set[tuple[object, ...]]:
        with self.database.read() as connection:
            return {tuple(row) for row in connection.execute(LAYER_STACKS.select())}


def diff_ids(layers: Iterable[str]) -> list[str]:
    return [f"sha256:{sha(layer)}" for layer in layers]


def names(relatives: list[RelativeDocument]) -> list[str]:
    return [relative["ImageName"] for relative in relatives]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_parent_has_the_first_layers(bench: Bench) -> None:
    bench.update(DEBIAN, version("a", "12", "bookworm latest"))

    relatives = bench.update(APP, version("b", "123"))[sha("b")]

    assert relatives.identical == []
    assert relatives.parents == [
        {
            "SHA": sha("a"),
            "Tags": [{"tag": "bookworm"}, {"tag": "latest"}],
            "ImageName": "debian",
            "LayerCount": 2,
            "MicrobadgerURL": f"{BASE_URL}/images/debian",
        }
    ]


def test_the_parent_with_most_layers_comes_first(bench: Bench) -> None:
    bench.update(DEBIAN, version("a", "12"))
    bench.update(PYTHON, version("b", "123"))

    assert bench.parents(APP, "1234") == ["python", "debian"]


@pytest.mark.parametrize("layers", ["", "2", "11", "12", "13", "21", "123"])
def test_other_layers_make_no_parent(bench: Bench, layers: str) -> None:
    bench.update(DEBIAN, version("a", layers))

    assert bench.parents(APP, "12") == []


def test_an_image_is_no_parent_of_itself(bench: Bench) -> None:
    relatives = bench.update(APP, version("a", "12"), version("b", "123"))

    assert relatives[sha("b")].parents == []


def test_an_official_parent_drops_those_with_as_many_layers(bench: Bench) -> None:
    bench.update(OTHER, version("a", "12"))
    bench.update(DEBIAN, version("b", "12"))

    assert bench.parents(APP, "123") == ["debian"]


def test_an_official_parent_does_not_drop_one_with_more_layers(bench: Bench) -> None:
    bench.update(OTHER, version("a", "123"))
    bench.update(DEBIAN, version("b", "12"))

    assert bench.parents(APP, "1234") == ["ghcr.io/owner/other", "debian"]


def test_a_library_of_another_registry_is_not_official(bench: Bench) -> None:
    bench.update(Repository.parse("ghcr.io/library/debian"), version("a", "12"))
    bench.update(Repository.parse("owner/base"), version("b", "12"))

    assert bench.parents(APP, "123") == ["owner/base", "ghcr.io/library/debian"]


def test_identical_versions_have_the_same_layers(bench: Bench) -> None:
    bench.update(OTHER, version("a", "123", "1.0"))
    relatives = bench.update(APP, version("b", "123"), version("c", "123"), version("d", "12"))

    assert names(relatives[sha("b")].identical) == ["owner/app", "ghcr.io/owner/other"]
    assert [relative["SHA"] for relative in relatives[sha("b")].identical] == [sha("c"), sha("a")]


def test_one_digest_in_two_images_is_identical(bench: Bench) -> None:
    bench.update(OTHER, version("a", "12"))

    assert bench.identical(APP, "12", letter="a") == ["ghcr.io/owner/other"]


def test_an_official_copy_drops_the_others(bench: Bench) -> None:
    bench.update(OTHER, version("a", "12"))
    bench.update(DEBIAN, version("b", "12"))

    assert bench.identical(APP, "12") == ["debian"]


def test_a_version_without_layers_has_no_relatives(bench: Bench) -> None:
    bench.update(OTHER, version("a", ""))

    assert bench.update(APP, version("b", ""))[sha("b")] == Relatives([], [])


def test_a_version_that_was_not_described_has_none_either(bench: Bench) -> None:
    bench.update(OTHER, version("a", "12", described=False))

    assert bench.identical(APP, "12") == []


def test_a_version_of_more_layers_than_docker_can_stack_has_no_relatives(bench: Bench) -> None:
    bench.update(DEBIAN, version("a", "1"))

    assert bench.parents(APP, "1" * 128) == []


def test_it_names_ten_relatives_at_most(bench: Bench) -> None:
    for number in range(MOST_RELATIVES + 5):
        bench.update(Repository.parse(f"owner/base{number}"), version("a", "12"))

    assert len(bench.parents(APP, "123")) == MOST_RELATIVES
    assert len(bench.identical(APP, "12")) == MOST_RELATIVES


def copy(bench: Bench, layers: str, count: int) -> None:
    """Have so many images with these layers."""
    *lower, chain = chains_of(diff_ids(layers))
    row = {"sha": sha("a"), "chain": chain, "lower_chains": " ".join(lower), "tags": ""}
    rows = [{**row, "image": f"docker.io/aa/copy{number:04}"} for number in range(count)]
    with bench.database.write() as connection:
        connection.execute(LAYER_STACKS.insert(), rows)


def test_a_crowd_of_copies_does_not_hide_the_official_one(bench: Bench) -> None:
    copy(bench, "12", 150)
    bench.update(DEBIAN, version("b", "12"))

    assert bench.parents(APP, "123") == ["debian"]
    assert bench.identical(APP, "12") == ["debian"]


def test_a_crowd_of_copies_does_not_hide_one_in_the_same_image(bench: Bench) -> None:
    copy(bench, "12", 150)

    relatives = bench.update(Repository.parse("zz/app"), version("b", "12"), version("c", "12"))

    assert len(relatives[sha("b")].identical) == MOST_RELATIVES


def test_two_thousand_copies_of_an_image_keep_it_fast(bench: Bench) -> None:
    copy(bench, "12", 2000)

    began_at = time.process_time()
    for _ in range(10):
        bench.update(APP, version("b", "123"), version("c", "12"))

    assert (time.process_time() - began_at) / 10 < 0.1


def test_more_layers_are_no_trouble_than_a_question_to_a_database_can_name(bench: Bench) -> None:
    bench.update(DEBIAN, version("a", "12"))
    versions = [version(chr(0x4E00 + number), None) for number in range(400)]
    chains = {
        each["SHA"]: chains_of([*diff_ids("12"), *(f"{number} of {each['SHA']}" for number in range(120))])
        for each in versions
    }

    with bench.database.read() as connection:
        driver = connection.connection.driver_connection
        if isinstance(driver, sqlite3.Connection):
            driver.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 32766)  # its default, which Debian raises
        relatives = bench.stacks.relatives(connection, APP, versions, chains)

    assert all(names(found.parents) == ["debian"] for found in relatives.values())


def test_tags_that_moved_are_shown(bench: Bench) -> None:
    bench.update(DEBIAN, version("a", "12", "12.1 latest"), version("b", "1", "12.0"))
    bench.update(DEBIAN, version("a", None, "12.1"), version("b", None, "12.0 latest"))

    parents = bench.update(APP, version("c", "123"))[sha("c")].parents

    assert [parent["Tags"] for parent in parents] == [[{"tag": "12.1"}], [{"tag": "12.0"}, {"tag": "latest"}]]


def test_a_version_that_is_gone_is_no_relative(bench: Bench) -> None:
    bench.update(DEBIAN, version("a", "12"))
    bench.update(DEBIAN, version("b", "19"))

    assert bench.parents(APP, "123") == []


def forget(bench: Bench, repository: Repository) -> None:
    with bench.database.write() as connection:
        bench.stacks.forget(connection, repository)


def test_an_image_that_is_forgotten_leaves_no_row(bench: Bench) -> None:
    bench.update(DEBIAN, version("a", "12"), version("b", "13"))
    bench.update(APP, version("c", "12"))

    for repository in (DEBIAN, APP):
        forget(bench, repository)

    assert bench.rows() == set()


def test_forgetting_what_is_not_known_does_nothing(bench: Bench) -> None:
    forget(bench, APP)

    assert bench.rows() == set()


def test_a_version_keeps_its_layers_where_its_document_does_not_name_them(bench: Bench) -> None:
    bench.update(APP, version("b", "123"), version("c", ""))
    before = bench.rows()

    bench.update(APP, version("b", None), version("c", None))

    assert bench.rows() == before


def test_it_does_not_ask_for_diff_ids_it_knows(bench: Bench) -> None:
    bench.update(APP, version("a", "12"), version("b", ""))

    bench.update(APP, version("a", None), version("b", None))

    assert bench.asked == []


def test_it_asks_for_diff_ids_it_does_not_know(bench: Bench) -> None:
    bench.update(DEBIAN, version("a", "12"))

    relatives = bench.update(APP, version("b", None), published="123")

    assert bench.asked == [sha("b")]
    assert names(relatives[sha("b")].parents) == ["debian"]


def test_diff_ids_read_now_count_more_than_what_was_known(bench: Bench) -> None:
    bench.update(DEBIAN, version("a", "12"))
    bench.update(DEBIAN, version("a", "45"))

    assert bench.parents(APP, "456") == ["debian"]
    assert bench.parents(OTHER, "123") == []


def test_images_updated_at_once_are_all_kept(bench: Bench) -> None:
    repositories = [Repository.parse(f"owner/base{number}") for number in range(40)]

    def update(repository: Repository) -> None:
        bench.update(repository, version("a", "12"), version("b", "1"), version("c", "13"))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(update, repositories))

    assert len(bench.rows()) == 3 * len(repositories)


@pytest.mark.parametrize("stranger", ["sha256:\ud800", "\n", "../../etc", ""])
def test_a_chain_is_a_plain_name_whatever_a_diff_id_is(stranger: str) -> None:
    assert all(chain.isalnum() and len(chain) == 32 for chain in chains_of([stranger, stranger]))


def test_a_chain_depends_on_the_order_of_layers() -> None:
    assert len({chains_of(diff_ids)[-1] for diff_ids in ("ab", "ba", "a", "b", "aa", ["ab"])}) == 6


@dataclass(frozen=True)
class Tracked:
    """A version in the simplest of all indexes: a list that is searched."""

    name: str
    sha: str
    layers: str


NAMES = ("aa/app", "library/base", "library/lang", "zz/app")
layers_of_versions = st.text("12", max_size=4)
updates = st.tuples(
    st.sampled_from(NAMES), st.dictionaries(st.sampled_from("abc"), layers_of_versions, max_size=3)
)


@pytest.fixture(scope="module")
def used_bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("layers"))


@settings(max_examples=60)
@given(st.lists(updates, min_size=1, max_size=8))
def test_it_finds_what_a_search_through_everything_would_find(
    used_bench: Bench, history: list[tuple[str, dict[str, str]]]
) -> None:
    for name in NAMES:
        forget(used_bench, Repository.parse(name))
    tracked: list[Tracked] = []
    for name, layers_by_letter in history:
        repository = Repository.parse(name)
        versions = [version(letter, layers) for letter, layers in layers_by_letter.items()]
        relatives = used_bench.update(repository, *versions)
        tracked = [other for other in tracked if other.name != name]
        tracked += [Tracked(name, sha(letter), layers) for letter, layers in layers_by_letter.items()]
        for one in tracked:
            if one.name == name:
                found = relatives[one.sha]
                assert keys(found.parents) == parents_of(one, tracked)
                assert keys(found.identical) == copies_of(one, tracked)


def keys(relatives: list[RelativeDocument]) -> list[tuple[str, str]]:
    return [(relative["ImageName"], relative["SHA"]) for relative in relatives]


def parents_of(one: Tracked, tracked: list[Tracked]) -> list[tuple[str, str]]:
    found = []
    for count in range(len(one.layers) - 1, 0, -1):
        found += preferred([each for each in tracked if each.layers == one.layers[:count] and each.name != one.name])
    return found[:MOST_RELATIVES]


def copies_of(one: Tracked, tracked: list[Tracked]) -> list[tuple[str, str]]:
    return preferred([each for each in tracked if one.layers and each.layers == one.layers and each != one])


def preferred(found: list[Tracked]) -> list[tuple[str, str]]:
    official = [one for one in found if one.name.startswith("library/")]
    return sorted((one.name.removeprefix("library/"), one.sha) for one in official or found)
