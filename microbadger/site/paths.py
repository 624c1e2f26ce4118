"""The paths of all files under ``public/``, which are also their URLs, and the images that paths belong to.

No component of a repository can begin with ``-``, so ``/-/`` is never part of a name. An official image has two names,
``library/alpine`` and ``alpine``, and all its files exist under both.
"""

import re
from dataclasses import dataclass

from microbadger.image import SEPARATOR, InvalidReference, Reference, Repository

_SHA = "[0-9a-f]{64}(?:[0-9a-f]{64})?"
_TAKEN = re.compile(rf".+/version/{_SHA}|.+\.(?:json|svg)/.+|.+/index\.html(?:/.+)?")
# The service also answers at these paths without the ending: pages, and documents of images, but not those below /-/.
_SHORTENED = re.compile(r"(.+)/index\.html|(v1/images(?:/(?!-/|.*/-/).+)?)\.json")
# The first pattern that matches counts. A name can have a tag only in the groups called name_and_tag.
_OF_IMAGES = [
    re.compile(pattern)
    for pattern in (
        r"badges/[^/]+/(?P<name_and_tag>.+)\.(?:svg|json)",
        r"(?:v1/)?images/(?P<name>.+)/-/[^/]+",
        r"images/(?P<name_and_tag>.+)/index\.html",
        rf"v1/images/(?P<name>.+)/version/{_SHA}\.json",
        r"v1/images/(?P<name>.+)\.json",
    )
]

HOME = "index.html"
CATALOGUE = "v1/images.json"
API = "openapi.json"
FEED_OF_ALL = "feed.xml"
API_PAGE = "api/index.html"
ASSETS = "assets"
ROBOTS = "robots.txt"
FAVICON = "favicon.ico"
GUIDE = "guide"
_LIST_PAGE = re.compile(r"v1/images/-/page-([1-9][0-9]{0,6})\.json")


def list_page_path(number: int) -> str:
    """Return the path of a page of the list of all images.

    >>> [list_page_path(1), list_page_path(2)]
    ['v1/images.json', 'v1/images/-/page-2.json']
    """
    return CATALOGUE if number == 1 else f"v1/images/-/page-{number}.json"


def list_page_number(path: str) -> int | None:
    """Return the number of the page of the list at a path, or None if the path is another file."""
    match = _LIST_PAGE.fullmatch(path)
    number = int(match[1]) if match else 1
    return number if list_page_path(number) == path else None


def guide_page_path(chapter: str) -> str:
    """Return the path of the page of a chapter of the guide. ``index`` is the list of chapters.

    >>> [guide_page_path("index"), guide_page_path("nginx")]
    ['guide/index.html', 'guide/nginx/index.html']
    """
    return f"{GUIDE}/{HOME}" if chapter == "index" else f"{GUIDE}/{chapter}/{HOME}"


def has_own_paths(repository: Repository) -> bool:
    """Return whether no path of an image can be a path of another image: its name must not look like a file's path."""
    return not _TAKEN.fullmatch(repository.familiar)


def image_in(path: str) -> Repository | None:
    """Return the image that a path below ``public/`` belongs to, or None if it belongs to no image.

    The image need not be tracked, and need not have the tag, the version or the type of badge in the path.

    >>> str(image_in("badges/size/alpine:3.22.svg"))
    'docker.io/library/alpine'
    """
    match = next(filter(None, (pattern.fullmatch(path) for pattern in _OF_IMAGES)), None)
    if match is None:
        return None
    try:
        reference = Reference.parse(match[1])
    except InvalidReference:
        return None
    tag = reference.tag if "name_and_tag" in match.re.groupindex else None
    names = [_with_tag(paths.name, tag) for paths in ImagePaths.all_of(reference.repository)]
    return reference.repository if match[1] in names else None


def addresses(path: str) -> list[str]:
    """Return all addresses of a file, below the base URL: its path, and others at which the service answers with it.

    >>> addresses("images/alpine/index.html")
    ['/images/alpine/index.html', '/images/alpine', '/images/alpine/']
    """
    if path == HOME:
        return [f"/{path}", "/"]
    if shortened := _SHORTENED.fullmatch(path):
        short = shortened[1] or shortened[2]
        return [f"/{path}", f"/{short}", f"/{short}/"]
    return [f"/{path}"]


@dataclass(frozen=True, slots=True)
class ImagePaths:
    """The paths of one image under one of its names, relative to ``public/``.

    >>> ImagePaths("microscaling/microscaling").badge("image", "1.2", "svg")
    'badges/image/microscaling/microscaling:1.2.svg'
    """

    name: str

    @classmethod
    def of(cls, repository: Repository) -> "ImagePaths":
        return cls(repository.familiar)

    @classmethod
    def all_of(cls, repository: Repository) -> "list[ImagePaths]":
        """Return the paths under each name of the image, the familiar one first."""
        names = [repository.familiar, repository.bare]
        return [cls(name) for name in names if name]

    @property
    def metadata(self) -> str:
        return f"v1/images/{self.name}.json"

    @property
    def page(self) -> str:
        return f"{self.page_url}/index.html"

    @property
    def page_url(self) -> str:
        return f"images/{self.name}"

    def tag_page(self, tag: str) -> str:
        return f"{self.tag_page_url(tag)}/index.html"

    def tag_page_url(self, tag: str) -> str:
        return f"{self.page_url}:{tag}"

    @property
    def feed(self) -> str:
        return f"{self.page_url}/-/feed.xml"

    @property
    def changes(self) -> str:
        return f"v1/images/{self.name}/-/changes.json"

    @property
    def history(self) -> str:
        return f"v1/images/{self.name}/-/history.json"

    @property
    def releases(self) -> str:
        return f"v1/images/{self.name}/-/releases.json"

    @property
    def status(self) -> str:
        return f"v1/images/{self.name}/-/status.json"

    def compare(self, old: str, new: str) -> str:
        """Return the path of the page that compares two versions, named by tags or digests. It is never a file."""
        return f"{self.page_url}/-/compare/{old}{SEPARATOR}{new}"

    def comparison(self, old: str, new: str) -> str:
        return f"v1/images/{self.name}/-/compare/{old}{SEPARATOR}{new}"

    def version(self, sha: str) -> str:
        if not sha:
            raise ValueError("a version without a digest has no file")
        return f"v1/images/{self.name}/version/{sha}.json"

    def badge(self, badge_type: str, tag: str | None, suffix: str) -> str:
        return f"badges/{badge_type}/{_with_tag(self.name, tag)}.{suffix}"


def _with_tag(name: str, tag: str | None) -> str:
    return f"{name}:{tag}" if tag else name
