"""The markup authors paste: four formats, with words for who cannot see the badge."""

import shutil
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
from docutils.core import publish_parts
from markdown_it import MarkdownIt

from microbadger.badges.text import BADGE_TYPES
from microbadger.image.reference import Repository
from microbadger.site.markup import FORMATS, BadgeLink, badge_link

BASE = "https://badges.example.org"
APP, ALPINE = Repository.parse("example/app"), Repository.parse("library/alpine")

# Names and tags that one format or another could take for markup.
ODD_NAMES = [
    ("owner/my_tool-3.8", None),
    ("owner/my__tool__x", "_1_"),
    ("a--b/c--d__e", "1.0--x"),
    ("[::1]:5000/web", "_"),
    ("localhost:5000/a/b/c", "v1.0_"),
]


def _read_asciidoc(markup: str) -> str:
    tests = Path(__file__).parents[1]
    if not shutil.which("node") or not (tests / "node_modules/@asciidoctor/core").is_dir():
        pytest.skip("Node or @asciidoctor/core is not installed: npm ci --prefix tests")
    script = """import('@asciidoctor/core').then(async asciidoctor => {
        console.log(await asciidoctor.convert(process.argv[1], {doctype: 'inline'}))
    })"""
    return subprocess.run(
        ["node", "-e", script, markup], cwd=tests, stdout=subprocess.PIPE, text=True, check=True
    ).stdout


READERS: dict[str, Callable[[str], str]] = {
    "markdown": lambda markup: MarkdownIt().render(markup),
    "html": lambda markup: markup,
    "restructuredtext": lambda markup: publish_parts(markup, writer="html5")["body"],
    "asciidoc": _read_asciidoc,
}


class Elements(HTMLParser):
    """The elements of a piece of HTML with their attributes."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(markup)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize(("name", "tag"), ODD_NAMES)
def test_who_reads_the_format_sees_the_badge_its_words_and_the_link(name: str, tag: str | None, format_: str) -> None:
    link = badge_link(BASE, Repository.parse(name), "image", tag)

    found = Elements(READERS[format_](FORMATS[format_](link))).found

    ((_, anchor), (_, picture)) = [element for element in found if element[0] in ("a", "img")]
    addresses = [unquote(address or "") for address in (anchor["href"], picture["src"])]  # brackets may be escaped
    assert (addresses, picture["alt"]) == ([link.page_url, link.image_url], link.alt)


def test_an_official_image_goes_by_its_bare_name() -> None:
    assert badge_link(BASE, ALPINE, "size") == BadgeLink(
        "alpine size", f"{BASE}/badges/size/alpine.svg", f"{BASE}/images/alpine"
    )


def test_an_image_of_another_registry_goes_by_its_host() -> None:
    link = badge_link(BASE, Repository.parse("ghcr.io/owner/app"), "size")
    assert link.image_url == f"{BASE}/badges/size/ghcr.io/owner/app.svg"


def test_the_badge_of_a_tag_is_that_of_the_tag() -> None:
    link = badge_link(BASE, ALPINE, "version", "3.20")
    assert link == BadgeLink(
        "alpine:3.20 version", f"{BASE}/badges/version/alpine:3.20.svg", f"{BASE}/images/alpine:3.20"
    )


@pytest.mark.parametrize("badge_type", sorted(BADGE_TYPES))
@pytest.mark.parametrize("name", sorted(FORMATS))
def test_no_badge_is_without_words(name: str, badge_type: str) -> None:
    assert f"example/app {badge_type}" in FORMATS[name](badge_link(BASE, APP, badge_type))


def test_html_stays_html_whatever_it_is_given() -> None:
    link = BadgeLink(alt='"><script>', image_url='https://x.example/"&<', page_url="https://x.example/?a=1&b='2'")
    assert Elements(FORMATS["html"](link)).found == [
        ("a", {"href": link.page_url}),
        ("img", {"src": link.image_url, "alt": link.alt}),
    ]
