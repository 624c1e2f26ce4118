"""The guide's pages, made of its chapters: every link leads somewhere, and nothing in a chapter gets lost or runs."""

import re
from pathlib import Path

import pytest

from microbadger.badges.svg import draw
from microbadger.badges.text import BADGE_TYPES, badges_of
from microbadger.image.documents import ImageDocument, PlatformDocument
from microbadger.site import guide_pages
from microbadger.site.guide_pages import INDEX, guide_files, guide_page, parts
from microbadger.site.options import SiteOptions
from tests.site.images import image_of, version
from tests.site.page import Page

FOLDER = Path(guide_pages.__file__).parent / "guide"
SITE = SiteOptions("https://badges.example.org/sub")
CHAPTERS = [chapter for part in parts().values() for chapter in part]
NAMES = [INDEX, *(chapter.name for chapter in CHAPTERS)]


def page(name: str, site: SiteOptions = SITE) -> Page:
    return Page(guide_page(name, site))


def test_every_chapter_is_listed_and_every_listed_chapter_is_there() -> None:
    assert sorted(NAMES) == sorted(file.stem for file in FOLDER.glob("*.md"))


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.name)
def test_a_chapter_has_the_title_that_it_is_listed_with(chapter: guide_pages.Chapter) -> None:
    assert (FOLDER / f"{chapter.name}.md").read_text().startswith(f"# {chapter.title}\n\n")


@pytest.mark.parametrize("name", NAMES)
def test_a_page_has_a_title_and_a_description_of_its_own(name: str) -> None:
    descriptions = [meta["content"] or "" for meta in page(name).all("meta") if meta.get("name") == "description"]

    assert [20 < len(description) < 200 for description in descriptions] == [True]
    assert len(page(name).all("h1")) == 1


def test_no_two_pages_have_the_same_title() -> None:
    titles = {re.findall(b"<title>(.*)</title>", guide_page(name, SITE))[0] for name in NAMES}

    assert len(titles) == len(NAMES)


def test_every_address_in_the_guide_is_that_of_a_file_or_of_a_heading() -> None:
    files = guide_files(SITE)
    ids = {name: {*page(name).values("id")} for name in NAMES}
    for name in NAMES:
        for url in page(name).values("href") + page(name).values("src"):
            path, _, anchor = url.removeprefix("/sub/").partition("#")
            if url.startswith("#"):
                assert anchor in ids[name], f"{name}: {url}"
            elif path.startswith("guide/"):
                path = f"{path}index.html" if path.endswith("/") else path
                assert path in files, f"{name}: {url}"
                assert not anchor or anchor in ids[path.split("/")[1]], f"{name}: {url}"
            else:
                assert path.startswith(("https://", "assets/")) or path in ("", "api/", "v1/images.json"), url


@pytest.mark.parametrize("name", NAMES)
def test_no_two_headings_of_a_page_have_the_same_id(name: str) -> None:
    ids = page(name).values("id")

    assert len(ids) == len({*ids})


def test_the_pages_of_a_static_site_lead_to_nothing_that_only_a_service_has() -> None:
    for name in NAMES:
        assert "/api/" not in page(name, SiteOptions("https://badges.example.org", is_static=True)).values("href")


def test_every_line_of_code_is_on_the_page_as_it_is_in_the_chapter() -> None:
    for name in NAMES:
        text = (FOLDER / f"{name}.md").read_text()
        for code in re.findall(r"^( *)```\w*\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL):
            assert re.sub(f"^{code[0]}", "", code[1], flags=re.MULTILINE) in page(name).text, name


def test_every_table_is_a_table_on_the_page() -> None:
    for name in NAMES:
        rows = re.findall(r"^\|(?! ---).*\|$", (FOLDER / f"{name}.md").read_text(), re.MULTILINE)
        assert len(page(name).all("tr")) == len(rows), name


def test_chapters_lead_from_one_to_the_next() -> None:
    first, second, *_, last = CHAPTERS

    turned = {link["rel"]: link["href"] for link in page(second.name).all("a") if link.get("rel") in ("prev", "next")}

    assert turned == {"prev": f"/sub/guide/{first.name}/", "next": f"/sub/guide/{CHAPTERS[2].name}/"}
    assert [link.get("rel") for link in page(first.name).all("a")].count("prev") == 0
    assert [link.get("rel") for link in page(last.name).all("a")].count("next") == 0


def test_a_page_lists_all_chapters_and_says_which_it_is() -> None:
    here = [link["href"] for link in page("nginx").all("a") if link.get("aria-current")]

    assert here == ["/sub/guide/nginx/"]
    assert {f"/sub/guide/{chapter.name}/" for chapter in CHAPTERS} <= {*page("nginx").values("href")}


def example() -> ImageDocument:
    """An image of which every badge says something."""
    platforms = [
        PlatformDocument(OS="linux", Architecture=name, Digest="", DownloadSize=19_503_514, LayerCount=9)
        for name in ("amd64", "arm64")
    ]
    labels = {"revision": "1a2b3c4d5e6f7a8b", "licenses": "Apache-2.0"}
    current = version(
        *("1.4.2", "1.4", "latest"),
        DownloadSize=19_503_514,
        LayerCount=9,
        Platforms=platforms,
        Labels={f"org.opencontainers.image.{name}": value for name, value in labels.items()},
        Base={"Name": "docker.io/library/alpine:3.22", "State": "current"},
        Config={"User": "app"},
        Provenance={"BuilderName": "GitHub Actions"},
        SBOM={"Format": "SPDX"},
        Signatures=[{"Kind": "cosign"}],
    )
    return {**image_of(current), "PullCount": 1_234_000, "StarCount": 340}


@pytest.mark.parametrize("badge_type", BADGE_TYPES)
def test_a_picture_of_a_badge_is_one_as_it_is_drawn(badge_type: str) -> None:
    badge = badges_of(example(), None)[badge_type]

    assert (FOLDER / f"pictures/{badge_type}.svg").read_bytes() == draw(badge)
    assert f"![{badge.label}: {badge.message}](pictures/{badge_type}.svg)" in (FOLDER / "badges.md").read_text()
