"""Makes the public files that are the same whatever the images are: assets, and the description of the HTTP API."""

from functools import cache
from importlib import resources

from microbadger.site.openapi import api_document
from microbadger.site.options import SiteOptions
from microbadger.site.pages import api_page
from microbadger.site.paths import API, API_PAGE, ASSETS


@cache
def common_files(site: SiteOptions) -> dict[str, bytes]:
    """Return these files by their paths; a static site has no API to describe."""
    assets = resources.files("microbadger.site").joinpath("assets")
    files = {f"{ASSETS}/{file.name}": file.read_bytes() for file in assets.iterdir() if file.is_file()}
    if not site.is_static:
        files |= {API: api_document(site.base_url), API_PAGE: api_page(site.base_url)}
    return files
