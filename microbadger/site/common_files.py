"""Names the public files that are the same whatever images are tracked, and makes their content."""

from collections.abc import Callable
from functools import partial
from importlib import resources

from microbadger.site.guide_pages import guide_files
from microbadger.site.openapi import api_document
from microbadger.site.options import SiteOptions
from microbadger.site.pages import api_page
from microbadger.site.paths import API, API_PAGE, ASSETS


def common_files(site: SiteOptions) -> dict[str, Callable[[], bytes]]:
    """Return what pages load, the guide, and what describes the API if there is one."""
    folder = resources.files("microbadger.site").joinpath("assets")
    assets = sorted((file for file in folder.iterdir() if file.is_file()), key=lambda file: file.name)
    files: dict[str, Callable[[], bytes]] = {f"{ASSETS}/{file.name}": file.read_bytes for file in assets}
    files |= guide_files(site)
    if not site.is_static:
        files[API] = partial(api_document, site.base_url)
        files[API_PAGE] = partial(api_page, site.base_url)
    return files
