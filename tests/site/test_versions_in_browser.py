"""The list of versions as its readers use it in a browser."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from importlib import resources
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from microbadger.image.documents import VersionDocument
from microbadger.site.image_page import image_page
from microbadger.site.media_types import media_type_of
from microbadger.site.options import SiteOptions
from tests.browser import DESKTOP, PHONE, focused, pasted, reading, violations
from tests.site.images import image_of, version

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

SITE = "https://site.test"
TABLET = {"width": 1024, "height": 768}
OLD_TAGS = ("1.3", "1.3.2", "v1.3-alpine", "11.3", "1.1.3", "1.30", "3.1.3-bookworm", "nightly", "sha-1a2b3c4")
COMMIT = "4912345fa8cbd"

Open = Callable[..., "Page"]


def aged(number: int, *tags: str, **fields: Any) -> VersionDocument:
    return version(*tags, Created=f"20{10 + number}-11-20T10:00:00Z", **fields)


def versions_named(tags: Sequence[str]) -> list[VersionDocument]:
    return [aged(20 - number, tag) for number, tag in enumerate(tags)]


FEW = [aged(99, "9.0", "9", "latest", Labels={"org.opencontainers.image.revision": COMMIT}), *versions_named(OLD_TAGS)]
MANY = versions_named([f"1.{number}.0" for number in range(12)])


@pytest.fixture
def opened(chromium: "Browser") -> Iterator[Open]:
    """Open the page of an image with these versions in tabs that close with the test."""
    with ExitStack() as tabs:

        def opened(versions: Sequence[VersionDocument] = FEW, **options: Any) -> "Page":
            tab: AbstractContextManager[Page] = reading(chromium, SITE, **options)
            page = tabs.enter_context(tab)
            page.route("**/*", lambda route: answer(route, versions))
            page.goto("/images/example/web/")
            return page

        yield opened


def answer(route: "Route", versions: Sequence[VersionDocument]) -> None:
    path = urlsplit(route.request.url).path
    if path.startswith("/assets/"):
        asset = resources.files("microbadger.site").joinpath(path.removeprefix("/"))
        route.fulfill(body=asset.read_bytes(), content_type=media_type_of(path))
    elif path.startswith("/badges/"):
        route.fulfill(body='<svg xmlns="http://www.w3.org/2000/svg"/>', content_type="image/svg+xml")
    elif path.endswith("/-/status.json"):
        route.fulfill(json={"ImageName": "example/web", "State": "current"})
    else:
        image = image_of(*versions)
        page = image_page(image, version=versions[0], changes=[], site=SiteOptions(SITE))
        route.fulfill(body=page, content_type="text/html")


def tags_shown(page: "Page") -> list[str]:
    """Return the first tag of each version that is shown."""
    rows = page.locator("#versions tbody > tr:visible")
    return [row.locator(".tag").first.text_content() or "" for row in rows.all()]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("1.3", ["1.3", "1.3.2", "v1.3-alpine"]),
        ("1.1.3", ["1.1.3"]),
        ("1", ["1.3", "1.3.2", "v1.3-alpine", "1.1.3", "1.30", "sha-1a2b3c4"]),
        ("v1", ["v1.3-alpine"]),
        ("alp", ["v1.3-alpine"]),
        ("pine", []),
        ("-alpine", ["v1.3-alpine"]),
        ("3.1 book", ["3.1.3-bookworm"]),
        ("LATEST", ["9.0"]),
        ("4912", ["9.0"]),
        (COMMIT, ["9.0"]),
        (FEW[6]["Digest"], ["1.30"]),
        (FEW[6]["SHA"][:9], ["1.30"]),
        ("amd64 9", ["9.0"]),
        ("1a2b3c4", ["sha-1a2b3c4"]),
        ("docker", []),
        (".*", []),
        ("(", []),
    ],
)
def test_the_filter_fits_at_the_borders_of_parts(opened: Open, query: str, found: list[str]) -> None:
    page = opened()
    page.get_by_label("Filter").fill(query)
    assert tags_shown(page) == found


def test_a_filter_that_fits_nothing_says_so(opened: Open) -> None:
    page = opened()
    page.get_by_label("Filter").fill("1.9")
    assert page.locator("#versions output").text_content() == "No versions match."
    assert page.locator("#versions table").is_hidden()
    page.get_by_label("Filter").fill("")
    assert page.locator("#versions output").text_content() == ""
    assert len(tags_shown(page)) == len(FEW)


def test_ten_versions_are_shown_until_one_asks_for_all(opened: Open) -> None:
    page = opened(MANY)
    assert tags_shown(page) == [f"1.{number}.0" for number in range(10)]
    page.get_by_role("button", name="Show all 12").click()
    assert len(tags_shown(page)) == 12
    assert focused(page) == "1.10.0"
    assert page.get_by_role("button", name="Show all").count() == 0


def test_the_filter_finds_versions_that_are_not_shown_yet(opened: Open) -> None:
    page = opened(MANY)
    page.get_by_label("Filter").fill("1.11")
    assert tags_shown(page) == ["1.11.0"]
    assert page.get_by_role("button", name="Show all").count() == 0
    page.get_by_label("Filter").fill("")
    assert len(tags_shown(page)) == 10


def test_ten_versions_are_all_shown_at_once(opened: Open) -> None:
    page = opened(MANY[:10])
    assert len(tags_shown(page)) == 10
    assert page.get_by_role("button", name="Show all").count() == 0


def test_without_a_script_all_versions_are_there_with_their_dates_and_commands(opened: Open) -> None:
    page = opened(MANY, java_script_enabled=False)
    assert len(tags_shown(page)) == 12
    row = page.locator("#versions tbody > tr").last
    assert "20 November 2019" in row.inner_text()
    row.locator("summary").click()
    assert row.locator("code:visible").all_text_contents() == ["docker pull example/web:1.11.0", MANY[11]["Digest"]]


def test_the_age_stands_beside_the_date(opened: Open) -> None:
    text = opened(MANY).locator("#versions tbody > tr").first.inner_text()
    assert "20 November 2030" in text
    assert "just now" in text or "ago" in text


def test_the_command_of_a_tag_is_copied(opened: Open) -> None:
    page = opened(MANY)
    row = page.locator("#versions tbody > tr").nth(1)
    row.locator("summary").click()
    row.get_by_role("button", name="Copy the command that pulls 1.1.0").click()
    row.get_by_text("Copied").wait_for()
    assert pasted(page) == "docker pull example/web:1.1.0"
    row.get_by_role("button", name="Copy the digest of 1.1.0").click()
    page.wait_for_function("document.querySelectorAll('.copy.done').length === 2")
    assert pasted(page) == MANY[1]["Digest"]


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE, TABLET], ids=["desktop", "phone", "tablet"])
def test_opening_a_command_moves_no_column_and_nothing_is_too_wide(opened: Open, viewport: dict[str, int]) -> None:
    page = opened([aged(30, "1.2.3-" + "x" * 100, "1.2.3"), *MANY], viewport=viewport)
    left = "find('#versions tbody > tr').cells[1].getBoundingClientRect().left"
    before = page.evaluate(left)
    page.locator(".pull").first.evaluate("fold => { fold.open = true; }")
    assert page.evaluate(left) == before
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    assert page.evaluate("find('.scroll').scrollWidth <= find('.scroll').clientWidth")
    assert violations(page) == []
    page.emulate_media(color_scheme="dark")
    assert violations(page) == []
