"""The markup authors paste: four formats, with words for who cannot see the badge."""

from html.parser import HTMLParser

import pytest

from microbadger.badge_markup import FORMATS, BadgeLink, badge_link
from microbadger.badge_text import BADGE_TYPES
from microbadger.reference import Repository

BASE = "https://badges.example.org"
APP, ALPINE = Repository.parse("owner/my_tool-3.8"), Repository.parse("library/alpine")

# format, what it writes for the image badge of the app
MARKUP = [
    (
        "markdown",
        f"[![owner/my_tool-3.8 image]({BASE}/badges/image/owner/my_tool-3.8.svg)]({BASE}/images/owner/my_tool-3.8)",
    ),
    (
        "html",
        f'<a href="{BASE}/images/owner/my_tool-3.8"><img src="{BASE}/badges/image/owner/my_tool-3.8.svg"'
        ' alt="owner/my_tool-3.8 image"></a>',
    ),
    (
        "restructuredtext",
        f".. image:: {BASE}/badges/image/owner/my_tool-3.8.svg\n   :alt: owner/my_tool-3.8 image\n"
        f"   :target: {BASE}/images/owner/my_tool-3.8",
    ),
    (
        "asciidoc",
        f'image:{BASE}/badges/image/owner/my_tool-3.8.svg["owner/my_tool-3.8 image",'
        f'link="{BASE}/images/owner/my_tool-3.8"]',
    ),
]


class Elements(HTMLParser):
    """The elements of a piece of HTML with their attributes."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(markup)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.mark.parametrize(("name", "markup"), MARKUP)
def test_each_format_shows_the_badge_and_leads_to_the_page(name: str, markup: str) -> None:
    assert FORMATS[name](badge_link(BASE, APP, "image")) == markup


def test_there_is_a_row_for_each_format() -> None:
    assert [name for name, _ in MARKUP] == list(FORMATS)


def test_an_official_image_goes_by_its_bare_name() -> None:
    assert badge_link(BASE, ALPINE, "size") == BadgeLink(
        "alpine size", f"{BASE}/badges/size/alpine.svg", f"{BASE}/images/alpine"
    )


def test_an_image_of_another_registry_goes_by_its_host() -> None:
    link = badge_link(BASE, Repository.parse("ghcr.io/owner/app"), "size")
    assert link.image_url == f"{BASE}/badges/size/ghcr.io/owner/app.svg"


def test_the_badge_of_a_tag_is_that_of_the_tag() -> None:
    link = badge_link(BASE, ALPINE, "version", "3.20")
    assert (link.alt, link.image_url) == ("alpine:3.20 version", f"{BASE}/badges/version/alpine:3.20.svg")


@pytest.mark.parametrize("badge_type", sorted(BADGE_TYPES))
@pytest.mark.parametrize("name", sorted(FORMATS))
def test_no_badge_is_without_words(name: str, badge_type: str) -> None:
    assert f"owner/my_tool-3.8 {badge_type}" in FORMATS[name](badge_link(BASE, APP, badge_type))


def test_html_stays_html_whatever_it_is_given() -> None:
    link = BadgeLink(alt='"><script>', image_url='https://x.example/"&<', page_url="https://x.example/?a=1&b='2'")
    assert Elements(FORMATS["html"](link)).found == [
        ("a", {"href": link.page_url}),
        ("img", {"src": link.image_url, "alt": link.alt}),
    ]
