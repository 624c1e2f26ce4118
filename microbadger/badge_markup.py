"""Writes the markup that shows a badge in a README and leads from it to the image's page."""

from collections.abc import Callable
from dataclasses import dataclass
from html import escape

from microbadger.metadata import image_name
from microbadger.public_tree import ImagePaths
from microbadger.reference import Repository


@dataclass(frozen=True, slots=True)
class BadgeLink:
    """A badge as an author refers to it: three plain texts."""

    alt: str
    image_url: str
    page_url: str


def badge_link(base_url: str, repository: Repository, badge_type: str, tag: str | None = None) -> BadgeLink:
    """Return where a badge and the page behind it are, and the words for who cannot see it."""
    paths = ImagePaths(image_name(repository))
    subject = f"{image_name(repository)}:{tag}" if tag else image_name(repository)
    return BadgeLink(
        alt=f"{subject} {badge_type}",
        image_url=f"{base_url}/{paths.badge(badge_type, tag, 'svg')}",
        page_url=f"{base_url}/{paths.page_url}",
    )


def _markdown(link: BadgeLink) -> str:
    return f"[![{link.alt}]({link.image_url})]({link.page_url})"


def _html(link: BadgeLink) -> str:
    return f'<a href="{escape(link.page_url)}"><img src="{escape(link.image_url)}" alt="{escape(link.alt)}"></a>'


def _restructuredtext(link: BadgeLink) -> str:
    return f".. image:: {link.image_url}\n   :alt: {link.alt}\n   :target: {link.page_url}"


def _asciidoc(link: BadgeLink) -> str:
    return f'image:{link.image_url}["{link.alt}",link="{link.page_url}"]'


FORMATS: dict[str, Callable[[BadgeLink], str]] = {
    "markdown": _markdown,
    "html": _html,
    "restructuredtext": _restructuredtext,
    "asciidoc": _asciidoc,
}
"""Format → what writes it. A name or tag holds no character that any of the formats reads as markup."""
