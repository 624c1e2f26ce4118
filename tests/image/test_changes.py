"""The changes between two documents: which tags moved, and how they are written in the log."""

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microbadger.image.changes import (
    MOST_LEFT_VERSIONS,
    NO_CHANGES,
    ChangeDocument,
    ChangedTagDocument,
    Changes,
    change_document,
    changes_between,
    left_versions,
)
from microbadger.image.describe import describe_image, outline_version, tagged
from microbadger.image.documents import (
    ImageDocument,
    LayerDocument,
    PlatformDocument,
    VersionDocument,
    document_bytes,
    tags_of,
)
from microbadger.image.reference import Repository

APP = Repository.parse("owner/app")
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def digest(letter: str) -> str:
    return f"sha256:{letter * 64}"


def image(**tags_by_letter: str) -> ImageDocument:
    versions = [
        tagged(outline_version(APP, digest(letter)), tags.split()) for letter, tags in tags_by_letter.items()
    ]
    return describe_image(APP, versions, updated_at=NOON)


def all_changes(before: ImageDocument, after: ImageDocument) -> Changes:
    """Return the changes where every tag that is not there any more was deleted."""
    return changes_between(
        before, after, deleted={tag for version in before["Versions"] for tag in tags_of(version)}
    )


def entry(before: ImageDocument, after: ImageDocument) -> ChangeDocument | None:
    return change_document(before, after, all_changes(before, after), NOON)


def test_an_entry_names_the_tags_that_are_new_moved_and_gone() -> None:
    assert entry(image(a="1.0 latest", b="old"), image(a="1.0", c="1.1 latest")) == {
        "Time": "2026-11-20T12:00:00Z",
        "New": [{"tag": "1.1", "SHA": "c" * 64, "Digest": digest("c"), "Kind": "new", "NewTags": ["latest"]}],
        "Changed": [
            {
                "tag": "latest",
                "OldDigest": digest("a"),
                "NewDigest": digest("c"),
                "OldTags": ["1.0"],
                "NewTags": ["1.1"],
                "Kind": "moved",
            }
        ],
        "Deleted": [{"tag": "old", "Digest": digest("b"), "Kind": "deleted"}],
        "BaseMoved": [],
    }


def large_version(sha: str) -> VersionDocument:
    """Return a version all of whose labels, layers and variables are long and its own."""
    version = outline_version(APP, f"sha256:{sha}")
    version["Platforms"] = [PlatformDocument(OS="linux", Digest=f"sha256:{sha}", DownloadSize=1, LayerCount=1)]
    version["Labels"] = {f"{sha}{number}": "ñ" * 500 for number in range(100)}
    version["Config"] = {"Env": [f"{sha}{number}={'ñ' * 500}" for number in range(100)]}
    version["Layers"] = [
        LayerDocument(BlobSum=f"{sha}{number}", Command="ñ" * 500, DownloadSize=1) for number in range(100)
    ]
    return version


@pytest.mark.parametrize("is_one_version", [True, False])
def test_a_change_of_many_tags_is_bounded(is_one_version: bool) -> None:
    def tags(letter: str) -> ImageDocument:
        shas = [letter * 64] * 500 if is_one_version else [f"{number:063x}{letter}" for number in range(500)]
        named: dict[str, list[str]] = {}
        for number, sha in enumerate(shas):
            named.setdefault(sha, []).append(f"{number:03}{'t' * 120}")
        versions = [tagged(outline_version(APP, f"sha256:{sha}"), names) for sha, names in named.items()]
        return describe_image(APP, versions, updated_at=NOON)

    before, after = tags("a"), tags("b")
    change = change_document(before, after, all_changes(before, after), NOON, large_version)

    assert change is not None
    assert len(change["Changed"]) == 500
    assert any("Difference" in moved for moved in change["Changed"])
    assert len(document_bytes(change)) < 300_000


def detailed(letter: str, *tags: str, layers: str = "x", size_bytes: int = 1) -> VersionDocument:
    version = tagged(outline_version(APP, digest(letter), size_bytes=size_bytes), tags)
    version["Platforms"] = [
        PlatformDocument(OS="linux", Digest=digest(letter), DownloadSize=size_bytes, LayerCount=1)
    ]
    version["ConfigDigest"] = digest(layers[0])
    version["Layers"] = [LayerDocument(BlobSum=layer, Command=f"RUN {layer}", DownloadSize=1) for layer in layers]
    return version


def moves(*pairs: tuple[VersionDocument, VersionDocument]) -> list[ChangedTagDocument]:
    """Return how tags moved between the versions of each pair."""
    before, after = (
        describe_image(APP, [pair[number] for pair in pairs], updated_at=NOON) for number in (0, 1)
    )
    by_sha = {version["SHA"]: version for pair in pairs for version in pair}
    change = change_document(before, after, all_changes(before, after), NOON, by_sha.get)
    assert change is not None
    return change["Changed"]


def test_a_tag_whose_version_differs_has_moved_and_names_the_difference() -> None:
    (moved,) = moves((detailed("a", "latest", size_bytes=1), detailed("b", "latest", layers="xy", size_bytes=2)))

    assert moved["Kind"] == "moved"
    assert moved["Difference"]["DownloadSize"] == {"Old": 1, "New": 2}


def test_all_of_a_hundred_tags_were_rebuilt_at_once() -> None:
    def built(number: int, letter: str) -> VersionDocument:
        sha = f"{number:063}{letter}"
        version = {**detailed("a", f"1.{number}"), "SHA": sha, "Digest": f"sha256:{sha}"}
        version["Platforms"] = [PlatformDocument(OS="linux", Digest=f"sha256:{sha}", DownloadSize=1, LayerCount=1)]
        return version  # type: ignore[return-value]

    moved = moves(*((built(number, "a"), built(number, "b")) for number in range(100)))

    assert [each["Kind"] for each in moved] == ["rebuilt"] * 100


def test_a_tag_whose_version_has_the_same_config_and_layers_was_rebuilt() -> None:
    (moved,) = moves((detailed("a", "latest"), detailed("b", "latest")))

    assert moved["Kind"] == "rebuilt"
    assert "Difference" not in moved


def test_tags_that_moved_together_have_the_same_difference() -> None:
    first, second = moves((detailed("a", "1", "latest"), detailed("b", "1", "latest", layers="y")))

    assert first["Difference"] == second["Difference"]
    assert (first["OldTags"], second["OldTags"]) == (["latest"], ["1"])


def test_of_its_siblings_a_tag_names_the_ten_most_specific() -> None:
    tags = ["latest", *(".".join("1" * length) for length in range(1, 14))]
    (first, *_) = moves((detailed("a", "latest"), detailed("b", *tags, layers="y")))

    assert first["NewTags"] == [".".join("1" * length) for length in range(13, 3, -1)]


def test_a_version_without_details_that_is_not_known_to_be_the_same_has_moved() -> None:
    change = entry(image(a="latest"), image(b="latest"))

    assert change is not None
    assert change["Changed"] == [
        {"tag": "latest", "OldDigest": digest("a"), "NewDigest": digest("b"), "Kind": "moved"}
    ]


def test_of_the_versions_that_tags_moved_away_from_the_last_are_kept() -> None:
    letters = [chr(number) for number in range(0x100, 0x103 + MOST_LEFT_VERSIONS)]
    images = [image(**{letter: "latest"}) for letter in letters]
    log = [change for before, after in pairwise(images) if (change := entry(before, after))][::-1]

    assert left_versions(log) == {digest(letter) for letter in letters[2:-1]}


def test_the_lists_of_an_entry_are_never_null() -> None:
    change = entry(image(a="latest"), image(b="latest"))

    assert change is not None
    assert (change["New"], change["Deleted"]) == ([], [])


def test_the_tags_of_an_entry_are_in_order() -> None:
    change = entry(image(a="y u", b="x w v"), image(a="x b z", b="y a c"))

    assert change is not None
    assert [new["tag"] for new in change["New"]] == ["a", "b", "c", "z"]
    assert [moved["tag"] for moved in change["Changed"]] == ["x", "y"]
    assert [gone["tag"] for gone in change["Deleted"]] == ["u", "v", "w"]


def test_there_is_no_entry_if_no_tag_moved() -> None:
    assert entry(image(a="latest"), image(a="latest")) is None


BEFORE = image(a="1.0", b="latest")


@pytest.mark.parametrize(
    ("after", "changes"),
    [
        (BEFORE, NO_CHANGES),
        (image(), Changes({}, {}, {"1.0": "a" * 64, "latest": "b" * 64})),
        (image(b="1.0 latest"), Changes({}, {"1.0": "b" * 64}, {})),
        (image(a="1.0", c="latest 2.0"), Changes({"2.0": "c" * 64}, {"latest": "c" * 64}, {})),
    ],
)
def test_it_finds_which_tags_moved(after: ImageDocument, changes: Changes) -> None:
    assert all_changes(BEFORE, after) == changes


@pytest.mark.parametrize(
    ("changes", "is_any"),
    [(NO_CHANGES, False), (Changes({"a": "b"}, {}, {}), True), (Changes({}, {"a": "b"}, {}), True),
     (Changes({}, {}, {"a": "b"}), True)],
)  # fmt: skip
def test_changes_are_true_if_there_are_any(changes: Changes, is_any: bool) -> None:
    assert bool(changes) is is_any


def test_changes_are_counted_in_the_log() -> None:
    after = image(a="0.8 0.9", b="1.0")
    assert str(all_changes(image(a="1.0", b="latest", c="old"), after)) == "2 new, 1 changed, 2 deleted"


def test_a_tag_that_the_registry_still_has_is_not_deleted() -> None:
    assert changes_between(BEFORE, image(b="latest"), deleted=()) == NO_CHANGES


def test_a_tag_that_the_registry_had_before_is_not_new() -> None:
    after = image(a="1.0 0.8 0.9", b="latest")
    assert changes_between(BEFORE, after, deleted=(), known={"0.9"}).new == {"0.8": "a" * 64}


def test_a_tag_of_which_nobody_knows_what_it_names_has_not_moved() -> None:
    unknown = describe_image(APP, [tagged(outline_version(APP, "", unread="denied"), ["1.0", "2.0"])], updated_at=NOON)
    assert changes_between(BEFORE, unknown, deleted=()) == changes_between(unknown, unknown, deleted=()) == NO_CHANGES


histories = st.lists(st.dictionaries(st.sampled_from("vwxyz"), st.sampled_from("abc")), min_size=2, max_size=5)


@given(histories)
def test_the_entries_lead_from_the_first_tags_to_the_last(history: list[dict[str, str]]) -> None:
    def document(tags: dict[str, str]) -> ImageDocument:
        return image(**{letter: " ".join(tag for tag, of in tags.items() if of == letter) for letter in "abc"})

    tags = {tag: digest(letter) for tag, letter in history[0].items()}
    for before, after in pairwise(history):
        change = entry(document(before), document(after))
        if change is None:
            continue
        tags.update({new["tag"]: new["Digest"] for new in change["New"]})
        tags.update({moved["tag"]: moved["NewDigest"] for moved in change["Changed"]})
        for gone in change["Deleted"]:
            assert tags.pop(gone["tag"]) == gone["Digest"]
    assert tags == {tag: digest(letter) for tag, letter in history[-1].items()}
