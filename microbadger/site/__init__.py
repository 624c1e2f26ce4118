"""Public files: their paths, their content, and how they are published in a folder or a bucket."""

from microbadger.site.bucket_address import BucketAddress, open_bucket, parse_bucket_url
from microbadger.site.common_files import common_files
from microbadger.site.compare_page import compare_page
from microbadger.site.feed_filters import KINDS, MOST_ENTRIES_OF_ALL, feed_of_all, filtered_feed
from microbadger.site.folder import PublicFolder
from microbadger.site.image_files import ImageFiles, Maker, status_files
from microbadger.site.image_list import ListEntry, entry_of, list_page, listed
from microbadger.site.list_pages import MOST_ON_A_PAGE, in_pages, list_file
from microbadger.site.markup import FORMATS, badge_link
from microbadger.site.media_types import HTML, ICON, JSON, KEPT_BY_CACHES, MEDIA_TYPES, SVG, etag_of, media_type_of
from microbadger.site.old_addresses import HERE, successor
from microbadger.site.options import SiteOptions
from microbadger.site.pages import LISTED_ON_HOME, STATES, absent_page, home_page, unnamed_page
from microbadger.site.paths import (
    API,
    API_PAGE,
    CATALOGUE,
    FEED_OF_ALL,
    HOME,
    ImagePaths,
    addresses,
    has_own_paths,
    image_in,
    list_page_number,
    list_page_path,
)
from microbadger.site.revival import Revival, Reviver
from microbadger.site.search import search, searchable
from microbadger.site.templating import CONTENT_SECURITY_POLICY
from microbadger.site.tree import NotRemoved, Overtaken, PublicTree, PublishError, Seen, remove_all

__all__ = [
    "API",
    "API_PAGE",
    "CATALOGUE",
    "CONTENT_SECURITY_POLICY",
    "FEED_OF_ALL",
    "FORMATS",
    "HERE",
    "HOME",
    "HTML",
    "ICON",
    "JSON",
    "KEPT_BY_CACHES",
    "KINDS",
    "LISTED_ON_HOME",
    "MEDIA_TYPES",
    "MOST_ENTRIES_OF_ALL",
    "MOST_ON_A_PAGE",
    "STATES",
    "SVG",
    "BucketAddress",
    "ImageFiles",
    "ImagePaths",
    "ListEntry",
    "Maker",
    "NotRemoved",
    "Overtaken",
    "PublicFolder",
    "PublicTree",
    "PublishError",
    "Revival",
    "Reviver",
    "Seen",
    "SiteOptions",
    "absent_page",
    "addresses",
    "badge_link",
    "common_files",
    "compare_page",
    "entry_of",
    "etag_of",
    "feed_of_all",
    "filtered_feed",
    "has_own_paths",
    "home_page",
    "image_in",
    "in_pages",
    "list_file",
    "list_page",
    "list_page_number",
    "list_page_path",
    "listed",
    "media_type_of",
    "open_bucket",
    "parse_bucket_url",
    "remove_all",
    "search",
    "searchable",
    "status_files",
    "successor",
    "unnamed_page",
]
