"""Names the public files that are the same whatever images are tracked, and makes their content."""

from collections.abc import Callable
from functools import partial
from importlib import resources

from microbadger.site.openapi import api_document
from microbadger.site.options import SiteOptions
from microbadger.site.pages import api_page
from microbadger.site.paths import API, API_PAGE, ASSETS, FAVICON


def common_files(site: SiteOptions) -> dict[str, Callable[[], bytes]]:
    """Return the style sheet, the scripts and the icons of the pages, and what describes the API if there is one.

    Browsers and crawlers look for an icon at the root where no page names one. Not all of them draw an SVG.
    """
    folder = resources.files("microbadger.site").joinpath("assets")
    assets = sorted((file for file in folder.iterdir() if file.is_file()), key=lambda file: file.name)
    files: dict[str, Callable[[], bytes]] = {
        file.name if file.name == FAVICON else f"{ASSETS}/{file.name}": file.read_bytes for file in assets
    }
    if not site.is_static:
        files[API] = partial(api_document, site.base_url)
        files[API_PAGE] = partial(api_page, site.base_url)
    return files
