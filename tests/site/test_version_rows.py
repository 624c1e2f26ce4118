"""The versions of an image as its page lists them."""

from typing import Any

import pytest

from microbadger.image.reference import Repository
from microbadger.site.image_page import image_page
from microbadger.site.options import SiteOptions
from microbadger.site.version_rows import ranked_tags, version_rows
from tests.site.images import image_of, version
from tests.site.page import Page

SITE = SiteOptions("https://badges.example.org")
OCI = "org.opencontainers.image"
COMMIT = "4fa8cbd1234567"
COMMIT_URL = f"https://github.com/example/web/commit/{COMMIT}"
OLDER = version("0.9", Created="2026-01-01T00:00:00Z")


def words_of(*versions: Any) -> str:
    return table_of(*versions).words


def table_of(*versions: Any) -> Page:
    page = image_page(image_of(*versions), version=versions[0], changes=[], site=SITE)
    begin, end = (page.index(text) for text in (b'<table class="versions">', b"</table>"))
    return Page(page[begin : end + len(b"</table>")])


def test_tags_come_with_the_most_specific_first() -> None:
    image = image_of(version("3", "3.1", "3.1.2", "3.1.2-alpine", "latest"), OLDER)
    assert version_rows(image)[0].tags == ["3.1.2", "3.1", "3", "3.1.2-alpine", "latest"]
    assert ranked_tags(image, image["Versions"][0]) == version_rows(image)[0].tags


@pytest.mark.parametrize("tag", ["sha256-" + "ab" * 32, "x", "_"])
def test_no_tag_is_left_out(tag: str) -> None:
    assert version_rows(image_of(version("1.0", tag)))[0].tags == ["1.0", tag]


def test_each_tag_has_a_command_and_a_page_and_each_version_its_digest() -> None:
    shown = version("1.2", "1")
    page = table_of(shown)
    for text in ("docker pull example/web:1.2", "docker pull example/web:1", shown["Digest"]):
        assert f"{text}Copy" in page.words
    assert {"/images/example/web:1.2/", "/images/example/web:1/"} <= set(page.values("href"))
    assert page.all("details") == [{"class": "pull"}]


def test_a_tag_of_which_the_digest_is_unknown_has_its_command() -> None:
    rows = version_rows(image_of(version("1.0", SHA="", Digest="", Platforms=[], Unread="It was not asked.")))
    assert rows[0].pulls == {"1.0": "docker pull example/web:1.0"}


def test_commit_and_license_have_columns_of_their_own() -> None:
    control = {"Type": "git", "URL": COMMIT_URL, "Commit": COMMIT}
    page = table_of(version("1.0", VersionControl=control, License={"Code": "MIT"}), OLDER)
    assert "Tags Created Size Platforms Commit License" in page.words
    assert "linux/amd64 4fa8cbd MIT 0.9 Pull" in page.words
    assert COMMIT_URL in page.values("href")
    assert COMMIT in page.values("title")


def test_a_commit_without_a_known_source_is_shown_without_a_link() -> None:
    page = table_of(version("1.0", Labels={f"{OCI}.revision": COMMIT}))
    assert page.words.endswith("linux/amd64 4fa8cbd")
    assert COMMIT_URL not in page.values("href")


def test_the_commit_of_the_base_image_is_not_that_of_the_version() -> None:
    key = f"{OCI}.revision"
    assert version_rows(image_of(version("1.0", Labels={key: COMMIT}, InheritedLabels=[key])))[0].commit == ""


def test_a_date_stands_in_the_table_without_a_script_and_stays_there_with_one() -> None:
    page = table_of(version("1.0"))
    assert "20 November 2026 2.0 KiB" in page.words
    assert ["data-dated" in time for time in page.all("time")] == [True]


def test_a_long_commit_and_a_long_license_are_cut() -> None:
    page = table_of(version("1.0", Labels={f"{OCI}.revision": "a" * 4000}, License={"Code": "b" * 4000}))
    assert page.words.endswith(f"aaaaaaa {'b' * 40}")
    assert not [title for title in page.values("title") if len(title) > 64]


def test_an_image_is_pulled_from_its_registry() -> None:
    image = image_of(version("1.0"), repository=Repository.parse("ghcr.io/example/web"))
    assert version_rows(image)[0].pulls == {"1.0": "docker pull ghcr.io/example/web:1.0"}
