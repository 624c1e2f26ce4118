"""What those see who see a link to a page: in a chat, on a social network, among the results of a search."""

from typing import Any

import pytest

from microbadger.image.documents import ImageDocument
from microbadger.site.common_files import common_files
from microbadger.site.image_page import image_page
from microbadger.site.link_preview import preview_text
from microbadger.site.options import SiteOptions
from microbadger.site.pages import absent_page, api_page, home_page
from tests.site.images import image_of, version
from tests.site.page import Page

BASE = "https://badges.example.org/sub"
SITE = SiteOptions(BASE)


def image(shown: Any, description: str = "") -> ImageDocument:
    described = image_of(shown)
    return {**described, "Description": description} if description else described


def properties(page: bytes) -> dict[str, str]:
    found = [(meta.get("property") or meta.get("name"), meta["content"]) for meta in Page(page).all("meta")[1:]]
    return {name: content or "" for name, content in found if name}


def test_a_page_has_a_title_a_description_an_address_and_a_picture() -> None:
    shown = version("1.0")
    page = properties(image_page(image(shown, 'Says "hello"'), version=shown, changes=[], site=SITE))
    text = 'Version 1.0: 2.0 KiB in 1 layer for linux/amd64. Says "hello"'
    assert {name: page[name] for name in ("description", "og:title", "og:description", "og:url", "twitter:card")} == {
        "description": text,
        "og:title": "example/web · MicroBadger",
        "og:description": text,
        "og:url": f"{BASE}/images/example/web/",
        "twitter:card": "summary",
    }
    assert page["og:image"].startswith(f"{BASE}/assets/icon.png?")


def test_the_page_of_a_tag_is_previewed_with_the_tag() -> None:
    shown = version("1.0")
    page = properties(image_page(image(shown), tag="1.0", version=shown, changes=[], site=SITE))
    assert (page["og:title"], page["og:url"]) == (
        "example/web:1.0 · MicroBadger",
        f"{BASE}/images/example/web:1.0/",
    )


PAGES = {"home": home_page([], 0, SITE), "absent": absent_page("nobody/knows", SITE), "API": api_page(BASE)}


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_every_page_has_one_title_one_description_and_a_picture(page: bytes) -> None:
    names = [meta.get("property") or meta.get("name") for meta in Page(page).all("meta")]
    for name in ("description", "og:title", "og:description", "og:image"):
        assert names.count(name) == 1
        assert properties(page)[name]


def test_the_picture_is_one_that_chats_draw() -> None:
    content = common_files(SITE)["assets/icon.png"]()
    width, height = (int.from_bytes(content[begin : begin + 4], "big") for begin in (16, 20))
    assert content.startswith(b"\x89PNG")
    assert (width, height) == (400, 400)
    assert len(content) < 20_000


MANY = [{"OS": "linux", "Architecture": name} for name in ("amd64", "arm64", "arm", "s390x")]


@pytest.mark.parametrize(
    ("fields", "description", "text"),
    [
        ({}, "", "Version 1.0: 2.0 KiB in 1 layer for linux/amd64."),
        ({}, "Answers\n  requests", "Version 1.0: 2.0 KiB in 1 layer for linux/amd64. Answers requests"),
        ({"Platforms": MANY}, "", "Version 1.0: 2.0 KiB in 1 layer for 4 platforms."),
        ({"Platforms": [], "Unread": "It could not be read."}, "Answers requests", "Version 1.0. Answers requests"),
        ({"Platforms": [], "Unsupported": "this is x", "Chart": {}}, "Runs the web", "Helm chart 1.0. Runs the web"),
    ],
)
def test_a_description_begins_with_the_facts(fields: dict[str, Any], description: str, text: str) -> None:
    shown = version("1.0", **fields)
    assert preview_text(image(shown, description), shown, "1.0") == text


def test_a_long_description_is_cut() -> None:
    shown = version("1.0")
    text = preview_text(image(shown, "wide " * 1000), shown, "1.0")
    assert len(text) == 200
    assert text.endswith("…")


def test_an_image_without_versions_says_so() -> None:
    assert preview_text(image_of(), None, "unknown") == "No version of this image is known yet."
