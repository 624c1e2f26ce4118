"""Names the public files that are the same whatever images are tracked, and makes their content."""

from collections.abc import Callable
from functools import partial
from importlib import resources
from urllib.parse import urlsplit

from microbadger.site.guide_pages import guide_files
from microbadger.site.openapi import api_document
from microbadger.site.options import SiteOptions
from microbadger.site.pages import api_page
from microbadger.site.paths import API, API_PAGE, ASSETS, FAVICON, ROBOTS

# What a crawler has no use for, and would keep images alive or have something drawn, read or compared.
_NOT_FOR_CRAWLERS = (
    *("/badges/", "/v1/", "/hooks/", "/images/?"),
    *("/images/*/-/compare/", "/images/*/-/feed.xml?", "/feed.xml?"),
)


def common_files(site: SiteOptions) -> dict[str, Callable[[], bytes]]:
    """Return what pages load, the icon, the rules for crawlers, the guide, and what describes the API if there is one.

    Browsers and crawlers look for an icon at the root where no page names one. Not all of them draw an SVG.
    """
    folder = resources.files("microbadger.site").joinpath("assets")
    assets = sorted((file for file in folder.iterdir() if file.is_file()), key=lambda file: file.name)
    files: dict[str, Callable[[], bytes]] = {
        file.name if file.name == FAVICON else f"{ASSETS}/{file.name}": file.read_bytes for file in assets
    }
    files[ROBOTS] = partial(robots_file, site)
    files |= guide_files(site)
    if not site.is_static:
        files[API] = partial(api_document, site.base_url)
        files[API_PAGE] = partial(api_page, site.base_url)
    return files


def robots_file(site: SiteOptions) -> bytes:
    """Return the rules for crawlers, https://www.rfc-editor.org/rfc/rfc9309: they may read pages.

    A static site is only files, all of which they may read. Crawlers ask for the rules at the root of a host: where the
    base URL has a path, they are right for the file there.
    """
    root = urlsplit(site.base_url).path
    barred = [""] if site.is_static else [f" {root}{path}" for path in _NOT_FOR_CRAWLERS]
    return "".join(["User-agent: *\n", *(f"Disallow:{path}\n" for path in barred)]).encode()
