"""Spells the path of every file under ``public/``, which is also its URL.

No component of a repository can begin with ``-``, so what stands behind ``/-/`` can never be part of a name. An
official image stands under two names, ``library/alpine`` and ``alpine``: each has the whole set of files.
"""

import glob
import re
from dataclasses import dataclass

from microbadger.image import Repository

_TAKEN = re.compile(r".+/version/[0-9a-f]{64}|.+\.(?:json|svg)/.+|.+/index\.html(?:/.+)?")
# A page, and a document that is no feed or log, are also answered under a name without an ending.
_SHORTENED = re.compile(r"(.+)/index\.html|(v1/images(?:/(?!.*/-/).+)?)\.json")

HOME = "index.html"
CATALOGUE = "v1/images.json"
API = "openapi.json"
API_PAGE = "api/index.html"
ASSETS = "assets"


def has_own_paths(repository: Repository) -> bool:
    """Tell whether an image's paths can be no other image's: not those of one named like a file of the tree."""
    return not _TAKEN.fullmatch(repository.familiar)


def addresses(path: str) -> list[str]:
    """Return where readers reach a file, below the base URL: at its path, and where the service also answers with it.

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

    @property
    def feed(self) -> str:
        return f"{self.page_url}/-/feed.xml"

    @property
    def changes(self) -> str:
        return f"v1/images/{self.name}/-/changes.json"

    def version(self, sha: str) -> str:
        return f"v1/images/{self.name}/version/{sha}.json"

    def patterns(self) -> list[str]:
        """Return patterns that fit every path of the image that depends on its tags and versions."""
        name = glob.escape(self.name)
        badges = [f"badges/*/{name}{tag}.{suffix}" for tag in ("", ":*") for suffix in ("svg", "json")]
        documents = [f"v1/images/{name}/version/*.json", f"v1/images/{name}/-/*.json"]
        return [*badges, *documents, f"{glob.escape(self.page_url)}/-/*"]

    def badge(self, badge_type: str, tag: str | None, suffix: str) -> str:
        return f"badges/{badge_type}/{self.name}{':' + tag if tag else ''}.{suffix}"
