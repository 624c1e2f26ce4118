"""Writes the pages of the guide from the Markdown files in ``guide/``, one for each chapter.

People also read these files at GitHub, so the links between them are relative. The list in ``index.md`` gives the
order of the chapters and the description of each.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from importlib import resources
from urllib.parse import urlsplit

from microbadger.site.markdown import html_of
from microbadger.site.options import SiteOptions
from microbadger.site.paths import GUIDE, HOME, guide_page_path
from microbadger.site.templating import render

INDEX = "index"

_FOLDER = resources.files("microbadger.site").joinpath("guide")
_PICTURES = "pictures"
_LISTED = re.compile(r"^## (?P<part>.+)|^\* \[(?P<title>.+)\]\((?P<name>.+)\.md\): (?P<description>.+)", re.MULTILINE)
_CHAPTER = re.compile(r"([a-z-]+)\.md(#.*)?")
_MOST_KEPT = 64  # pages; the guide has fewer


@dataclass(frozen=True, slots=True)
class Chapter:
    """A chapter in the list of chapters. ``name`` is the name of its file without ``.md``."""

    name: str
    title: str
    description: str


def guide_files(site: SiteOptions) -> dict[str, Callable[[], bytes]]:
    """Return the makers of all pages and pictures of the guide, by their paths."""
    names = [INDEX, *(chapter.name for part in parts().values() for chapter in part)]
    pictures = sorted(_FOLDER.joinpath(_PICTURES).iterdir(), key=lambda file: file.name)
    return {
        **{guide_page_path(name): partial(guide_page, name, site) for name in names},
        **{f"{GUIDE}/{_PICTURES}/{file.name}": file.read_bytes for file in pictures},
    }


@lru_cache(_MOST_KEPT)
def guide_page(name: str, site: SiteOptions) -> bytes:
    """Return the page of a chapter."""
    body, headings = html_of(_text(name), partial(_address, urlsplit(site.base_url).path))
    if name == INDEX:
        return render("guide.html", site, body=body)
    listed = [chapter for part in parts().values() for chapter in part]
    place = [chapter.name for chapter in listed].index(name)
    return render(
        "guide.html",
        site,
        body=body,
        chapter=listed[place],
        parts=parts(),
        headings=[heading for heading in headings if heading.level == 2],
        before=listed[place - 1] if place else None,
        after=listed[place + 1] if place + 1 < len(listed) else None,
    )


@cache
def parts() -> dict[str, list[Chapter]]:
    """Return the chapters below each heading of the list, in order."""
    found: dict[str, list[Chapter]] = {}
    for match in _LISTED.finditer(_text(INDEX)):
        if match["part"]:
            found[match["part"]] = below = []
        else:
            below.append(Chapter(match["name"], match["title"], match["description"].replace("`", "")))
    return found


def _text(name: str) -> str:
    return _FOLDER.joinpath(f"{name}.md").read_text("utf-8")


def _address(root: str, url: str) -> str:
    """Return the address of a link or a picture in a chapter as it is on the page.

    >>> _address("/sub", "nginx.md#caches")
    '/sub/guide/nginx/#caches'
    """
    if match := _CHAPTER.fullmatch(url):
        page = guide_page_path(match[1]).removesuffix(HOME)
        return f"{root}/{page}{match[2] or ''}"
    return f"{root}/{GUIDE}/{url}" if url.startswith(f"{_PICTURES}/") else url
