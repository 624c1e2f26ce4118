"""Makes the public files that do not depend on the tracked images."""

from collections.abc import Callable
from functools import partial
from importlib import resources
from urllib.parse import urlsplit

from microbadger.site.guide_pages import guide_files
from microbadger.site.openapi import api_document
from microbadger.site.options import SiteOptions
from microbadger.site.pages import api_page
from microbadger.site.paths import API, API_PAGE, ASSETS, FAVICON, ROBOTS

# Addresses that are of no use to a crawler, and that cost work or keep images tracked when they are requested.
_NOT_FOR_CRAWLERS = (
    *("/badges/", "/v1/", "/hooks/", "/images/?"),
    *("/images/*/-/compare/", "/images/*/-/feed.xml?", "/feed.xml?"),
)


def common_files(site: SiteOptions) -> dict[str, Callable[[], bytes]]:
    """Return the makers of the assets, the icon, the rules for crawlers, the guide and the description of the API.

    A static site has no API. There is an icon at the root that is not an SVG, because browsers and crawlers look there
    if a page names no icon, and not all of them can draw an SVG.
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

    They may read all files of a static site. The rules have full paths, because crawlers look for them at the root of
    the host: if the base URL has a path, the operator can copy them there.
    """
    root = urlsplit(site.base_url).path
    barred = [""] if site.is_static else [f" {root}{path}" for path in _NOT_FOR_CRAWLERS]
    return "".join(["User-agent: *\n", *(f"Disallow:{path}\n" for path in barred)]).encode()
