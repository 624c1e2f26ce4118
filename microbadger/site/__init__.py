"""Every public file: its path, its content, and how it is replaced."""

from microbadger.site.image_files import (
    change_files,
    checked_files,
    content_files,
    paths_of,
    record_files,
    sampled_paths,
)
from microbadger.site.image_list import (
    EntriesByName,
    digest_with,
    entries_in,
    entry_of,
    list_page,
    list_parts,
    repositories_in,
)
from microbadger.site.markup import FORMATS, badge_link
from microbadger.site.openapi import api_document
from microbadger.site.pages import CONTENT_SECURITY_POLICY, LISTED_ON_HOME, api_page, home_page, not_found_page
from microbadger.site.paths import API, API_PAGE, ASSETS, CATALOGUE, HOME, ImagePaths, addresses, has_own_paths
from microbadger.site.publisher import Publisher, PublishError
from microbadger.site.search import Listing

__all__ = [
    "API",
    "API_PAGE",
    "ASSETS",
    "CATALOGUE",
    "CONTENT_SECURITY_POLICY",
    "FORMATS",
    "HOME",
    "LISTED_ON_HOME",
    "EntriesByName",
    "ImagePaths",
    "Listing",
    "PublishError",
    "Publisher",
    "addresses",
    "api_document",
    "api_page",
    "badge_link",
    "change_files",
    "checked_files",
    "content_files",
    "digest_with",
    "entries_in",
    "entry_of",
    "has_own_paths",
    "home_page",
    "list_page",
    "list_parts",
    "not_found_page",
    "paths_of",
    "record_files",
    "repositories_in",
    "sampled_paths",
]
