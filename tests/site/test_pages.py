"""What any page keeps to, and what the pages that are not about an image say."""

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from microbadger.image.comparisons import comparison
from microbadger.image.documents import Reason, StatusDocument
from microbadger.site import templating
from microbadger.site.compare_page import compare_page
from microbadger.site.guide_pages import guide_page
from microbadger.site.image_page import image_page
from microbadger.site.options import SiteOptions
from microbadger.site.pages import LISTED_ON_HOME, STATES, absent_page, home_page
from microbadger.site.paths import ImagePaths
from tests.site.images import image_of, version
from tests.site.page import Page

ASSETS = Path(templating.__file__).parent / "assets"
BASE = "https://badges.example.org"
SITE, STATIC_SITE = SiteOptions(BASE), SiteOptions(BASE, is_static=True)


FAILING: StatusDocument = {
    "ImageName": "nobody/knows",
    "State": "failing",
    "Reason": "not_found",
    "Error": "docker.io has no such repository",
    "FailingSince": "2026-11-20T10:00:00Z",
    "NextCheckAt": "2026-11-25T10:00:00Z",
}
PENDING: StatusDocument = {"ImageName": "nobody/knows", "State": "pending"}

EVERY_PAGE = {
    "image": lambda site: image_page(image_of(version("1.0")), version=None, changes=[], site=site),
    "tag": lambda site: image_page(image_of(version("1.0")), tag="1.0", version=None, changes=[], site=site),
    "image without versions": lambda site: image_page(image_of(), version=None, changes=[], site=site),
    "home": lambda site: home_page([{"ImageName": "alpine", "State": "pending"}], 1, site),
    "empty home": lambda site: home_page([], 0, site),
    "not tracked": lambda site: absent_page("nobody/knows", site),
    "absent": lambda site: absent_page("nobody/knows", site, is_absent=True),
    "refused": lambda site: absent_page("nobody/knows", site, retry_after_seconds=61),
    "invalid": lambda site: absent_page("Nobody/", site),
    "pending": lambda site: absent_page("nobody/knows", site, PENDING),
    "failing": lambda site: absent_page("nobody/knows", site, FAILING),
    "comparison": lambda site: compare_page(
        comparison(version("1.0"), version("1.1")), "1.0", "1.1", ImagePaths("example/web"), site
    ),
    "guide": lambda site: guide_page("index", site),
    "chapter": lambda site: guide_page("settings", site),
    "no such tag": lambda site: absent_page("nobody/knows:9", site, {**PENDING, "State": "current"}, "9"),
}


@pytest.mark.parametrize("write", EVERY_PAGE.values(), ids=EVERY_PAGE)
def test_a_page_asks_no_other_host_and_has_no_script_or_style_of_its_own(write: Any) -> None:
    page = Page(write(SiteOptions(f"{BASE}/sub/folder")))
    policies = [meta["content"] for meta in page.all("meta") if "http-equiv" in meta]
    assert policies == [templating.CONTENT_SECURITY_POLICY]
    loaded = [*page.values("src"), *(link["href"] for link in page.all("link") if link["rel"] != "canonical")]
    assert loaded
    assert all(url and url.startswith("/sub/folder/") for url in loaded)
    assert {frozenset(script) for script in page.all("script")} == {frozenset({"src", "defer"})}
    assert not page.all("style")
    assert not [name for _, attributes in page.elements for name in attributes if name == "style" or name[:2] == "on"]


@pytest.mark.parametrize("write", EVERY_PAGE.values(), ids=EVERY_PAGE)
def test_it_says_which_language_and_how_wide_it_is(write: Any) -> None:
    page = Page(write(SITE))
    assert page.all("html")[0]["lang"] == "en"
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in page.all("meta")


@pytest.mark.parametrize("write", EVERY_PAGE.values(), ids=EVERY_PAGE)
def test_links_to_pages_end_in_a_slash_so_that_no_server_redirects(write: Any) -> None:
    page = Page(write(SITE))
    linked = [url.partition("#")[0] for url in page.values("href")]
    addresses = [url for url in linked if url.startswith(("/images/", f"{BASE}/images/"))]
    assert all(url.endswith(("/", "/feed.xml")) or "/-/compare/" in url for url in addresses)


@pytest.mark.parametrize(("site", "count"), [(SITE, 1), (STATIC_SITE, 0)])
def test_only_the_service_has_a_page_about_its_api(site: SiteOptions, count: int) -> None:
    assert Page(home_page([], 0, site)).values("href").count("/api/") == count


@pytest.mark.parametrize("name", ["style.css", "page.js", "icon.svg"])
def test_an_asset_has_another_address_once_its_content_is_another(name: str) -> None:
    page = Page(home_page([], 0, SITE))
    addresses = [url for url in [*page.values("src"), *page.values("href")] if f"/assets/{name}?" in url]
    assert addresses
    assert all(len(url.partition("?")[2]) == 8 for url in addresses)


def test_script_and_style_are_under_20_kb_compressed() -> None:
    names = ("page.js", "badges.js", "search.js", "style.css")
    assets = [gzip.compress((ASSETS / name).read_bytes()) for name in names]
    assert sum(map(len, assets)) < 20_000


KNOWN = {
    "ImageName": "example/web",
    "Description": "<b>Bäckt</b>",
    "LatestVersion": "1.2",
    "DownloadSize": 2048,
    "UpdatedAt": "2026-11-24T12:30:00Z",
    "State": "current",
}


def test_home_lists_images_with_what_is_known_of_them() -> None:
    page = Page(home_page([KNOWN, {"ImageName": "example/new", "State": "pending"}], 2, SiteOptions(f"{BASE}/sub")))
    for text in ("<b>Bäckt</b>", "1.2", "2.0 KiB", "24 November 2026", "2 images"):
        assert text in page.text
    assert {"/sub/images/example/web/", "/sub/images/example/new/"} <= set(page.values("href"))


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"State": "pending"}, "not read yet"),
        ({"State": "overdue"}, "check overdue"),
        ({"State": "failing", "Reason": "not_found"}, "not found in registry"),
        ({"State": "failing", "Reason": "denied"}, "private or not found"),
        ({"State": "failing", "Reason": "unreachable"}, "registry unreachable"),
        ({"State": "failing", "Reason": "something new"}, "check failed"),
        ({"State": "failing"}, "check failed"),
    ],
)
def test_home_says_in_words_how_an_image_stands(state: Mapping[str, str], words: str) -> None:
    page = Page(home_page([{**KNOWN, **state}, {"ImageName": "example/new", **state}], 2, SITE))
    assert page.text.count(f"{words}\n") == 2


def test_home_names_what_is_not_an_image() -> None:
    page = Page(home_page([{**KNOWN, "Kind": "Helm chart"}], 1, SITE))
    assert "24 November 2026 Helm chart" in page.words


def test_home_shows_the_badges_of_the_first_image_that_is_current() -> None:
    listed: list[dict[str, object]] = [
        {**KNOWN, "ImageName": "a/failing", "State": "failing"},
        {**KNOWN, "ImageName": "b/chart", "Kind": "Helm chart"},
        {"ImageName": "c/new", "State": "pending"},
        {**KNOWN, "ImageName": "d/first"},
        {**KNOWN, "ImageName": "e/second"},
    ]
    page = Page(home_page(listed, 5, SiteOptions(f"{BASE}/sub")))
    badges = [image["src"] for image in page.all("img") if image["alt"]]
    assert badges == [f"/sub/badges/{kind}/d/first.svg" for kind in ("image", "version", "platforms", "created")]
    assert "The badges of d/first today" in page.words


def test_home_shows_no_badges_while_no_image_is_current() -> None:
    page = Page(home_page([{"ImageName": "c/new", "State": "pending"}], 1, SITE))
    assert not [image for image in page.all("img") if image["alt"]]


@pytest.mark.parametrize(("site", "has_webhooks"), [(SITE, True), (STATIC_SITE, False)])
def test_home_says_how_to_start(site: SiteOptions, has_webhooks: bool) -> None:
    words = Page(home_page([KNOWN], 1, site)).words
    assert "Choose Get the badges on its page" in words
    assert ("Choose Get the webhook" in words) == has_webhooks
    assert ("flask track" in words) == has_webhooks


def test_home_says_nothing_about_an_image_that_is_current() -> None:
    assert not [span for span in Page(home_page([KNOWN], 1, SITE)).all("span") if span == {"class": "tag"}]


@pytest.mark.parametrize(("site", "count"), [(SITE, 1), (STATIC_SITE, 0)])
def test_home_links_an_image_without_a_page_only_if_the_service_says_why(site: SiteOptions, count: int) -> None:
    page = Page(home_page([{"ImageName": "example/new", "State": "pending"}], 1, site))
    assert page.values("href").count("/images/example/new/") == count
    assert "example/new\n" in page.text


def test_the_script_words_states_as_the_page_does() -> None:
    assert json.loads(Page(home_page([KNOWN], 1, SITE)).values("data-states")[0]) == STATES


def test_home_lists_some_of_ten_thousand_images_and_says_where_the_others_are() -> None:
    page = Page(home_page([{"ImageName": f"example/web{number}"} for number in range(300)], 10_000, SITE))
    assert len(page.all("tr")) == LISTED_ON_HOME + 1
    assert "These are the first 200 of 10000 images." in page.text
    assert "/v1/images.json" in page.values("href")


def test_an_empty_home_says_how_to_track_the_first_image() -> None:
    page = Page(home_page([], 0, SITE))
    assert "flask track alpine" in page.text
    assert not page.all("table")


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("nobody/knows", "flask track nobody/knows"),
        ("nobody/knows:1.2", "flask track nobody/knows"),
        ("library/alpine", "flask track alpine"),
        ("ghcr.io/a/b", "flask track ghcr.io/a/b"),
    ],
)
def test_an_unknown_name_leads_to_the_command_that_tracks_it(name: str, command: str) -> None:
    page = Page(absent_page(name, SITE))
    assert "not tracked" in page.text
    assert command in page.text
    assert name in page.text


@pytest.mark.parametrize(
    "name", ["Große/Bäcker", "x; rm -rf ~", "$(reboot)", "a\nb", "<script>", "../etc", "x" * 100_000, ""]
)
def test_what_cannot_be_a_name_is_never_put_into_a_command(name: str) -> None:
    page = Page(absent_page(name, SITE))
    assert "flask track" not in page.text
    assert "not a valid image name" in page.text
    assert len(page.text) < 2000


def test_an_image_that_was_not_read_yet_says_so_and_waits_for_its_page() -> None:
    page = Page(absent_page("nobody/knows", SITE, PENDING))
    assert "being read for the first time" in page.text
    waiting = [div for div in page.all("div") if "data-pending" in div]
    assert [div["data-status"] for div in waiting] == ["/v1/images/nobody/knows/-/status.json"]


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("not_found", "Not found in registry"),
        ("denied", "Private or not found"),
        ("rate_limited", "Rate limited by registry"),
        ("unreachable", "Registry unreachable"),
    ],
)
def test_an_image_that_cannot_be_read_says_why_and_never_that_it_will_be_read(reason: Reason, words: str) -> None:
    page = Page(absent_page("nobody/knows", SITE, {**FAILING, "Reason": reason}))
    assert words in page.text
    assert "it could not be read: docker.io has no such repository." in page.words
    assert "Failing since 20 November 2026" in page.words
    assert "Next check 25 November 2026" in page.words
    assert "first time" not in page.text
    assert not [div for div in page.all("div") if "data-pending" in div]


def test_a_tag_that_does_not_exist_leads_to_the_image() -> None:
    page = Page(absent_page("nobody/knows:9", SITE, {**PENDING, "State": "current"}, "9"))
    assert "The tag 9 of the image nobody/knows is not known here." in page.words
    assert "/images/nobody/knows/" in page.values("href")
    assert "flask track" not in page.text


def test_a_tag_that_is_missing_because_checks_fail_says_that_too() -> None:
    page = Page(absent_page("nobody/knows:9", SITE, FAILING, "9"))
    assert "The tag 9 of the image nobody/knows is not known here." in page.words
    assert "Its last check failed: docker.io has no such repository." in page.words


@pytest.mark.parametrize(
    ("seconds", "words"), [(1, "1 minute"), (60, "1 minute"), (61, "2 minutes"), (3600, "60 minutes")]
)
def test_a_page_says_in_how_many_minutes_an_image_can_be_tracked(seconds: int, words: str) -> None:
    page = Page(absent_page("nobody/knows", SITE, retry_after_seconds=seconds))

    assert f"Open this page again in {words}." in page.words


@pytest.mark.parametrize(
    ("registries", "words"),
    [
        (["ghcr.io"], "on ghcr.io"),
        (["a.io", "b.io"], "on a.io or b.io"),
        (["a.io", "b.io", "c.io"], "on a.io, b.io or c.io"),
    ],
)
def test_a_page_names_the_registries_that_are_open(registries: list[str], words: str) -> None:
    page = Page(absent_page("quay.io/nobody/knows", SiteOptions(BASE, open_registries=tuple(registries))))

    assert f"This service tracks public images {words} as soon as someone opens their page." in page.words


def test_a_page_about_an_image_on_an_open_registry_names_no_command_of_the_operator() -> None:
    page = Page(absent_page("nobody/knows", SiteOptions(BASE, open_registries=("docker.io",))))

    assert "flask track" not in page.words


def test_the_box_keeps_what_was_entered() -> None:
    page = Page(absent_page('Nobody"/<b>', SiteOptions(BASE, open_registries=("docker.io",))))

    assert [field["value"] for field in page.all("input") if field["name"] == "image"] == ['Nobody"/<b>']
