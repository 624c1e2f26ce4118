"""The index of layers: who is built on whom, kept up to date by many, cheap, and mended when it is damaged."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from microbadger.freshness.relatives import MOST_RELATIVES, LayerIndex, Relatives, chains_of
from microbadger.image.documents import PlatformDocument, RelativeDocument, TagDocument, VersionDocument
from microbadger.image.reference import Repository

BASE_URL = "https://badges.example.org"
PLATFORM = PlatformDocument(OS="linux", Architecture="amd64", Digest="", DownloadSize=0, LayerCount=0)
APP, OTHER = Repository.parse("owner/app"), Repository.parse("ghcr.io/owner/other")
DEBIAN, PYTHON = Repository.parse("debian"), Repository.parse("python")


def sha(letter: str) -> str:
    return letter * 64


def version(letter: str, layers: str | None, tags: str = "latest", *, described: bool = True) -> VersionDocument:
    """Return a version whose layers are named by a letter each; None where its document does not tell them."""
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
        document["DiffIDs"] = [f"sha256:{sha(layer)}" for layer in layers]
    return document


class Bench:
    """An index in a folder of its own, and what it asked for because it did not know."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.index = LayerIndex(folder, BASE_URL)
        self.asked: list[str] = []

    def update(self, repository: Repository, *versions: VersionDocument, published: str = "") -> dict[str, Relatives]:
        def diff_ids_of(asked: str) -> Sequence[str]:
            self.asked.append(asked)
            return [f"sha256:{sha(layer)}" for layer in published]

        return self.index.update(repository, versions, diff_ids_of)

    def parents(self, repository: Repository, layers: str, letter: str = "f") -> list[str]:
        return names(self.update(repository, version(letter, layers))[sha(letter)].parents)

    def identical(self, repository: Repository, layers: str, letter: str = "f") -> list[str]:
        return names(self.update(repository, version(letter, layers))[sha(letter)].identical)

    def files(self) -> dict[Path, bytes]:
        """Return what is listed, without the log of what processes tell each other."""
        files = (path for path in self.folder.rglob("*") if path.is_file() and path.name != "listed")
        return {path: path.read_bytes() for path in files}

    def written(self) -> dict[Path, int]:
        return {path: path.stat().st_ino for path in self.files()}


def names(relatives: list[RelativeDocument]) -> list[str]:
    return [relative["ImageName"] for relative in relatives]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "layers")


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

    assert bench.parents(APP, "123") == ["ghcr.io/library/debian", "owner/base"]


def test_identical_versions_have_the_same_layers(bench: Bench) -> None:
    bench.update(OTHER, version("a", "123", "1.0"))
    relatives = bench.update(APP, version("b", "123"), version("c", "123"), version("d", "12"))

    assert names(relatives[sha("b")].identical) == ["ghcr.io/owner/other", "owner/app"]
    assert [relative["SHA"] for relative in relatives[sha("b")].identical] == [sha("a"), sha("c")]


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


def test_more_layers_than_anyone_can_stack_are_not_looked_at(bench: Bench) -> None:
    bench.update(DEBIAN, version("a", "1"))

    assert bench.parents(APP, "1" * 128) == []


def test_it_names_ten_relatives_at_most(bench: Bench) -> None:
    for number in range(MOST_RELATIVES + 5):
        bench.update(Repository.parse(f"owner/base{number}"), version("a", "12"))

    assert len(bench.parents(APP, "123")) == MOST_RELATIVES
    assert len(bench.identical(APP, "12")) == MOST_RELATIVES


def test_a_crowd_of_copies_does_not_hide_the_official_one(bench: Bench) -> None:
    for number in range(150):
        bench.update(Repository.parse(f"aa/copy{number}"), version("a", "12"))
    bench.update(DEBIAN, version("b", "12"))

    assert bench.parents(APP, "123") == ["debian"]


def test_a_crowd_of_copies_is_not_written_again_and_again(bench: Bench) -> None:
    for number in range(150):
        bench.update(Repository.parse(f"aa/copy{number:03}"), version("a", "12"))
    before = bench.written()

    bench.update(Repository.parse("aa/copy149"), version("a", "12"))

    assert bench.written() == before


def test_tags_that_moved_are_told_anew(bench: Bench) -> None:
    bench.update(DEBIAN, version("a", "12", "12.1 latest"), version("b", "1", "12.0"))
    bench.update(DEBIAN, version("a", None, "12.1"), version("b", None, "12.0 latest"))

    parents = bench.update(APP, version("c", "123"))[sha("c")].parents

    assert [parent["Tags"] for parent in parents] == [[{"tag": "12.1"}], [{"tag": "12.0"}, {"tag": "latest"}]]


def test_a_version_that_is_gone_is_no_relative(bench: Bench) -> None:
    bench.update(DEBIAN, version("a", "12"))
    bench.update(DEBIAN, version("b", "19"))

    assert bench.parents(APP, "123") == []


def test_an_image_that_is_forgotten_leaves_no_line(bench: Bench) -> None:
    bench.update(DEBIAN, version("a", "12"), version("b", "13"))
    bench.update(APP, version("c", "12"))

    for repository in (DEBIAN, APP):
        bench.index.forget(repository)

    assert b"".join(bench.files().values()) == b""


def test_to_forget_what_is_not_known_does_nothing(bench: Bench) -> None:
    bench.index.forget(APP)

    assert bench.files() == {}


def test_nothing_is_written_if_nothing_changed(bench: Bench) -> None:
    bench.update(DEBIAN, version("a", "12"))
    bench.update(APP, version("b", "123"), version("c", ""))
    before = bench.written()

    bench.update(APP, version("b", None), version("c", None))

    assert bench.written() == before


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


@pytest.mark.parametrize(
    "damage",
    [b"\xff\x00\xfe", b"", b"\n\n", b"0" * 32 + b" \n", b"{chain} ../../etc/passwd {sha} latest\n", None],
)
def test_a_damaged_index_is_mended_by_refreshes(bench: Bench, damage: bytes | None) -> None:
    bench.update(DEBIAN, version("a", "12"))
    chain = chains_of([f"sha256:{sha(layer)}" for layer in "12"])[-1]
    for file in (bench.folder / "chains").iterdir():
        if damage is None:
            file.unlink()
        else:
            file.write_bytes(damage.replace(b"{chain}", chain.encode()).replace(b"{sha}", sha("a").encode()))
    assert bench.parents(APP, "123") == []

    bench.update(DEBIAN, version("a", None))

    assert bench.parents(APP, "123") == ["debian"]
    assert bench.asked == []


@pytest.mark.parametrize("damage", [b"\xff\x00\xfe", b"", sha("a").encode() + b" 0123"])
def test_what_was_forgotten_of_an_image_is_asked_for(bench: Bench, damage: bytes) -> None:
    bench.update(DEBIAN, version("a", "12"))
    for file in (bench.folder / "images").iterdir():
        file.write_bytes(damage)

    bench.update(DEBIAN, version("a", None), published="12")

    assert bench.parents(APP, "123") == ["debian"]
    assert bench.asked == [sha("a")]


def test_a_lost_index_is_made_again_by_refreshes(bench: Bench) -> None:
    bench.update(DEBIAN, version("a", "12"))
    before = bench.files()
    shutil.rmtree(bench.folder)

    bench.update(DEBIAN, version("a", None), published="12")

    assert bench.files() == before


def test_a_process_that_died_in_between_leaves_nothing_behind(bench: Bench, tmp_path: Path) -> None:
    """Every state a crash can leave is tried: some of the lists as they were before an update, the others as after."""
    old, new = [version("a", "12"), version("b", "3")], [version("b", "3", "moved"), version("c", "45")]
    bench.update(DEBIAN, version("d", "12"), version("e", "4"))
    bench.update(APP, *old)
    before = bench.files()
    bench.update(APP, *new)
    after = bench.files()
    both = Bench(tmp_path / "both")
    both.update(APP, *old, version("c", "45"))
    (image,) = (both.folder / "images").iterdir()

    for changed in subsets([path for path in {**before, **after} if before.get(path) != after.get(path)]):
        restore({path: (before if path in changed else after).get(path, b"") for path in {**before, **after}})
        (bench.folder / "images" / image.name).write_bytes(image.read_bytes())
        bench.update(APP, *new)
        assert {path: content for path, content in bench.files().items() if content} == {
            path: content for path, content in after.items() if content
        }


def subsets(paths: Sequence[Path]) -> Iterator[set[Path]]:
    assert 1 < len(paths) < 8
    for bits in range(2 ** len(paths)):
        yield {path for place, path in enumerate(paths) if bits >> place & 1}


def restore(files: Mapping[Path, bytes]) -> None:
    for path, content in files.items():
        path.write_bytes(content)


def test_images_updated_at_once_all_stay_listed(bench: Bench) -> None:
    repositories = [Repository.parse(f"owner/base{number}") for number in range(40)]

    def update(repository: Repository) -> None:
        Bench(bench.folder).update(repository, version("a", "12"), version("b", "1"), version("c", "13"))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(update, repositories))

    listed = b"".join(file.read_bytes() for file in (bench.folder / "chains").iterdir())
    assert len(listed.splitlines()) == 3 * len(repositories)


def test_a_thousand_images_share_few_files(bench: Bench) -> None:
    for number in range(20):
        bench.update(Repository.parse(f"owner/base{number}"), version("a", "12"))

    assert len(list((bench.folder / "chains").iterdir())) == 1


@pytest.mark.parametrize("stranger", ["sha256:\ud800", "\n", "../../etc", ""])
def test_a_chain_is_a_plain_name_whatever_a_diff_id_is(stranger: str) -> None:
    assert all(chain.isalnum() and len(chain) == 32 for chain in chains_of([stranger, stranger]))


def test_a_chain_tells_the_order_of_layers() -> None:
    assert len({chains_of(diff_ids)[-1] for diff_ids in ("ab", "ba", "a", "b", "aa", ["ab"])}) == 6


@dataclass(frozen=True)
class Tracked:
    """A version in the simplest of all indexes: a list that is looked through."""

    name: str
    sha: str
    layers: str


NAMES = ("aa/app", "library/base", "library/lang", "zz/app")
layers_of_versions = st.text("12", max_size=4)
updates = st.tuples(
    st.sampled_from(NAMES), st.dictionaries(st.sampled_from("abc"), layers_of_versions, max_size=3)
)


@settings(max_examples=60, deadline=None)
@given(st.lists(updates, min_size=1, max_size=8))
def test_it_knows_what_a_look_at_everything_would_find(
    tmp_path_factory: pytest.TempPathFactory, history: list[tuple[str, dict[str, str]]]
) -> None:
    bench = Bench(tmp_path_factory.mktemp("layers"))
    tracked: list[Tracked] = []
    for name, layers_by_letter in history:
        repository = Repository.parse(name)
        versions = [version(letter, layers) for letter, layers in layers_by_letter.items()]
        relatives = bench.update(repository, *versions)
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
