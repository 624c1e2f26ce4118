"""Every public file: its path, its content, and how it is replaced."""

from microbadger.site.image_list import entry_of, list_page, list_parts
from microbadger.site.markup import FORMATS, badge_link
from microbadger.site.openapi import api_document
from microbadger.site.pages import LISTED_ON_HOME, api_page, home_page
from microbadger.site.paths import API, API_PAGE, ASSETS, CATALOGUE, HOME, ImagePaths, addresses, has_own_paths
from microbadger.site.publisher import Publisher, PublishError
from microbadger.site.templating import CONTENT_SECURITY_POLICY

__all__ = [
    "API",
    "API_PAGE",
    "ASSETS",
    "CATALOGUE",
    "CONTENT_SECURITY_POLICY",
    "FORMATS",
    "HOME",
    "LISTED_ON_HOME",
    "ImagePaths",
    "PublishError",
    "Publisher",
    "addresses",
    "api_document",
    "api_page",
    "badge_link",
    "entry_of",
    "has_own_paths",
    "home_page",
    "list_page",
    "list_parts",
]
