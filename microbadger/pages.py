"""Writes the pages: a document in, HTML out."""

from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader

from microbadger.badge_markup import FORMATS, badge_link
from microbadger.badge_text import platform_text, size_text
from microbadger.documents import ImageDocument
from microbadger.metadata import current_version, tags_of
from microbadger.public_tree import ASSETS, ImagePaths
from microbadger.reference import Repository

CLASSIC_BADGES = ("image", "version", "commit", "license")

_templates = Environment(
    loader=PackageLoader("microbadger"), autoescape=True, trim_blocks=True, lstrip_blocks=True
)
_templates.filters |= {"size": size_text, "platform": platform_text, "tags": tags_of}


def image_page(image: ImageDocument, base_url: str) -> bytes:
    """Return the page of an image."""
    repository = Repository(image["Registry"], image["Repository"])
    markdown = [FORMATS["markdown"](badge_link(base_url, repository, kind)) for kind in CLASSIC_BADGES]
    return _page(
        "image.html",
        base_url,
        image=image,
        current=current_version(image["Versions"]),
        paths=ImagePaths.of(repository),
        badge_types=CLASSIC_BADGES,
        markdown="\n".join(markdown),
    )


def home_page(images: Sequence[Mapping[str, object]], base_url: str) -> bytes:
    """Return the home page with the entries of the catalogue."""
    return _page("home.html", base_url, images=images)


def not_found_page(name: str, base_url: str) -> bytes:
    """Return the page for an image that is not tracked, or not read yet."""
    return _page("not_found.html", base_url, name=name)


def _page(template: str, base_url: str, **context: object) -> bytes:
    root = urlsplit(base_url).path
    page = _templates.get_template(template).render(root=root, assets=f"{root}/{ASSETS}", **context)
    return page.encode("utf-8", "replace")
