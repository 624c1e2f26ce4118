"""A change in a few words: which tag is new or gone, and from which version to which one moved."""

from typing import Any, cast

import pytest

from microbadger.image.changes import ChangeDocument
from microbadger.image.moves import change_title, moves_of
from microbadger.image.shapes import has_shape
from tests.image.versions import digest

SHORT = f"sha256:{'b' * 12}"


def moved(tag: str, old: str = "a", new: str = "b", **fields: Any) -> dict[str, Any]:
    return {"tag": tag, "OldDigest": digest(old), "NewDigest": digest(new), "Kind": "moved", **fields}


def change(*entries: dict[str, Any], new: str = "", gone: str = "") -> ChangeDocument:
    document: Any = {
        "Time": "2026-11-20T12:00:00Z",
        "New": [{"tag": tag, "SHA": "b" * 64, "Digest": digest("b"), "Kind": "new"} for tag in new.split()],
        "Changed": list(entries),
        "Deleted": [{"tag": tag, "Digest": digest("a"), "Kind": "deleted"} for tag in gone.split()],
    }
    assert has_shape(document, ChangeDocument)
    return cast(ChangeDocument, document)


@pytest.mark.parametrize(
    ("entry", "title"),
    [
        (change(new="mañana"), "mañana is new"),
        (change(new="1.3"), "1.3 is new"),
        (change(moved("latest", OldTags=["1.2"], NewTags=["1.3"])), "latest moved from 1.2 to 1.3"),
        (change(moved("latest", NewTags=["1.3"])), "latest moved to 1.3"),
        (change(moved("latest", OldTags=["1.2"])), f"latest moved from 1.2 to {SHORT}"),
        (change(moved("latest")), f"latest moved to {SHORT}"),
        (change(moved("latest", OldTags=["1", "1.2"], NewTags=["1", "1.3"]), moved("1", OldTags=["1.2", "latest"])),
         "latest and 1 moved from 1.2 to 1.3"),
        (change(moved("latest", NewTags=["1.3"]), new="1.3"), "latest moved to 1.3, 1.3 is new"),
        (change(moved("latest", Kind="rebuilt", NewTags=["1.3"])), "latest was rebuilt"),
        (change(moved("1", Kind="rebuilt"), moved("latest", Kind="rebuilt")), "1 and latest were rebuilt"),
        (change(moved("2", "c", "d", Kind="rebuilt"), moved("1", Kind="rebuilt")), "1 and 2 were rebuilt"),
        (change(moved("1"), moved("2", "c", "d", Kind="rebuilt")), f"1 moved to {SHORT}, 2 was rebuilt"),
        (change(moved("1"), moved("2", "c"), moved("3", "d"), moved("4", "e")), "1, 2, 3 and 1 more moved"),
        (change(new="1 1.2", gone="0 0.1 0.2 0.3"), "1 and 1.2 are new, 0, 0.1, 0.2 and 1 more are gone"),
    ],
)  # fmt: skip
def test_a_title_says_what_happened(entry: ChangeDocument, title: str) -> None:
    assert change_title(entry) == title


def test_a_tag_that_moved_with_another_one_names_no_version() -> None:
    (move,) = moves_of(change(moved("latest", OldTags=["1"], NewTags=["1"]), moved("1", OldTags=["latest"])))

    assert (move.tags, move.old_name, move.new_name) == (["latest", "1"], "", "")


def test_tags_that_moved_together_share_the_difference_that_one_of_them_has() -> None:
    differs = {"User": {"Old": "root", "New": "app"}}
    (move,) = moves_of(change(moved("1"), moved("latest", Difference=differs)))

    assert move.difference == differs


def test_a_change_that_an_older_program_kept_has_moves_too() -> None:
    entry = moved("latest")
    del entry["Kind"]
    (move,) = moves_of(change(entry))

    assert (move.is_rebuild, move.difference) == (False, {})
