"""Every public file: its path, its content, and how it is replaced."""

from microbadger.site.common_files import common_files
from microbadger.site.image_files import ImageFiles, Maker, status_files
from microbadger.site.image_list import ListEntry, entry_of, list_page, list_parts, listed
from microbadger.site.markup import FORMATS, badge_link
from microbadger.site.options import SiteOptions
from microbadger.site.pages import LISTED_ON_HOME, STATES, absent_page, home_page
from microbadger.site.paths import API, API_PAGE, CATALOGUE, HOME, ImagePaths, addresses, has_own_paths, image_in
from microbadger.site.publisher import NotRemoved, Publisher, PublishError
from microbadger.site.search import search, searchable
from microbadger.site.templating import CONTENT_SECURITY_POLICY

__all__ = [
    "API",
    "API_PAGE",
    "CATALOGUE",
    "CONTENT_SECURITY_POLICY",
    "FORMATS",
    "HOME",
    "LISTED_ON_HOME",
    "STATES",
    "ImageFiles",
    "ImagePaths",
    "ListEntry",
    "Maker",
    "NotRemoved",
    "PublishError",
    "Publisher",
    "SiteOptions",
    "absent_page",
    "addresses",
    "badge_link",
    "common_files",
    "entry_of",
    "has_own_paths",
    "home_page",
    "image_in",
    "list_page",
    "list_parts",
    "listed",
    "search",
    "searchable",
    "status_files",
]
