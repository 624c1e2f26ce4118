"""The list of changes on a page: what moved from where to where, what differs, and where both are compared."""

from typing import Any

import pytest

from microbadger.image.base_moves import BaseMovedDocument
from microbadger.image.changes import ChangeDocument
from microbadger.image.documents import VersionDocument
from microbadger.site.change_rows import ROWS_SHOWN
from microbadger.site.image_page import image_page
from microbadger.site.options import SiteOptions
from tests.site.images import image_of, version
from tests.site.page import Page

BASE = "https://badges.example.org"
OLD, NEW = version("1.0"), version("1.1", "latest")


def change(*tags: str, old: VersionDocument = OLD, **fields: Any) -> ChangeDocument:
    """Return a change in which tags moved to another version."""
    moved = {"OldDigest": old["Digest"], "NewDigest": NEW["Digest"], "Kind": "moved", **fields}
    entries = [{"tag": tag, **moved} for tag in tags]
    return {"Time": "2026-11-20T10:00:00Z", "New": [], "Changed": entries, "Deleted": []}  # type: ignore[typeddict-item]


def page_of(*changes: ChangeDocument, is_static: bool = False) -> Page:
    image = image_of(OLD, NEW)
    return Page(image_page(image, version=NEW, changes=changes, site=SiteOptions(BASE, is_static=is_static)))


def words(*changes: ChangeDocument) -> str:
    return " ".join(page_of(*changes).text.split())


def test_tags_that_moved_together_share_a_row_with_the_names_of_both_versions() -> None:
    text = words(change("latest", "1", OldTags=["1.0"], NewTags=["1.1"]))

    assert f"latest 1 moved from 1.0 {OLD['SHA'][:12]} to 1.1 {NEW['SHA'][:12]}" in text


def test_new_tags_of_one_version_share_a_row() -> None:
    both = change()
    both["New"] = [{"tag": tag, "SHA": NEW["SHA"], "Digest": NEW["Digest"]} for tag in ("1", "1.1")]

    assert f"1 1.1 are new: {NEW['SHA'][:12]}" in words(both)


def test_only_the_difference_of_the_last_change_is_open() -> None:
    differs = {"User": {"New": "app"}}
    page = page_of(change("latest", Difference=differs), change("latest", Difference=differs))

    assert ["open" in each for each in page.all("details") if each.get("class") == "differences"] == [True, False]


def test_a_row_says_what_differs() -> None:
    differs = {"User": {"Old": "root", "New": "señor"}, "DownloadSize": {"Old": 1024, "New": 2048}}

    assert "Size: 1.0 KiB → 2.0 KiB (+1.0 KiB)User: root → señor" in words(change("latest", Difference=differs))


def test_a_row_calls_a_rebuild_one() -> None:
    assert "latest rebuilt without change from" in words(change("latest", Kind="rebuilt"))


def test_a_row_names_a_base_that_moved_with_the_tags_under_which_it_did() -> None:
    base = BaseMovedDocument(
        Kind="base_moved",
        Name="docker.io/library/alpine:3.22",
        OldDigest=OLD["Digest"],
        NewDigest=NEW["Digest"],
        MovedAt="2026-11-20T10:00:00Z",
        Tags=["1.0"],
    )
    text = words({**change(), "BaseMoved": [base]})

    assert f"1.0 base image alpine:3.22 has moved from {OLD['SHA'][:12]} to {NEW['SHA'][:12]}" in text


def test_a_long_difference_is_shortened() -> None:
    labels = {f"label{number:02}": {"New": "x"} for number in range(20)}
    text = words(change("latest", Difference={"Labels": labels}))

    assert "label11" in text
    assert "label12" not in text
    assert "and 8 more" in text


def test_many_rows_and_many_tags_are_counted() -> None:
    many = change(*(f"t{number}" for number in range(9)))
    many["New"] = [{"tag": f"n{n}", "SHA": f"{n}", "Digest": f"sha256:{n}"} for n in range(ROWS_SHOWN + 2)]

    assert "and 3 more" in words(many)
    assert "t4 and 4 more moved" in words(change(*(f"t{number}" for number in range(9))))


def compare_links(page: Page) -> list[str]:
    return [url for url in page.values("href") if "/-/compare/" in url]


def test_a_row_leads_to_the_comparison_of_its_versions() -> None:
    expected = f"/images/example/web/-/compare/{OLD['SHA']}...{NEW['SHA']}"

    assert compare_links(page_of(change("latest"))) == [expected]


def test_a_version_that_only_the_moved_tag_had_is_compared_unless_its_tag_was_deleted() -> None:
    left = version("0.9")
    assert compare_links(page_of(change("latest", old=left)))
    deletion: ChangeDocument = {**change(), "Deleted": [{"tag": "0.9", "Digest": left["Digest"]}]}
    assert compare_links(page_of(deletion, change("latest", old=left))) == []


def test_a_version_that_an_older_program_did_not_keep_is_not_compared() -> None:
    moved = change("latest", old=version("0.9"))
    del moved["Changed"][0]["Kind"]
    assert compare_links(page_of(moved)) == []


def test_a_static_site_compares_nothing() -> None:
    assert compare_links(page_of(change("latest"), is_static=True)) == []


@pytest.mark.parametrize("hostile", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7 * 7 }}"])
def test_what_strangers_write_is_text(hostile: str) -> None:
    differs = {"Labels": {hostile: {"New": hostile}}, "User": {"New": hostile}}
    page = page_of(change("latest", OldTags=[hostile], Difference=differs))

    assert page.text.count(hostile) == 3
    assert len(page.all("script")) == 3
    assert not page.all("img") or all("onerror" not in attributes for attributes in page.all("img"))


def test_a_hidden_character_of_a_label_is_spelt_out() -> None:
    page = page_of(change("latest", Difference={"Labels": {"a": {"New": "x\u202ey"}}}))

    assert "x\\u{202e}y" in page.text
