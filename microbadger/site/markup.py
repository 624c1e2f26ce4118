"""Writes the markup that shows a badge in a README, with a link to the page of the image."""

from collections.abc import Callable
from dataclasses import dataclass
from html import escape

from microbadger.image import Repository, image_name
from microbadger.site.paths import ImagePaths


@dataclass(frozen=True, slots=True)
class BadgeLink:
    """The address of a badge, the address of its page, and the alternative text."""

    alt: str
    image_url: str
    page_url: str


def badge_link(base_url: str, repository: Repository, badge_type: str, tag: str | None = None) -> BadgeLink:
    """Return the addresses of a badge and of its page, and the alternative text.

    As in microbadger.com's snippets, a tag is part of both addresses.
    """
    paths, suffix = ImagePaths(image_name(repository)), f":{tag}" if tag else ""
    return BadgeLink(
        alt=f"{paths.name}{suffix} {badge_type}",
        image_url=f"{base_url}/{paths.badge(badge_type, tag, 'svg')}",
        page_url=f"{base_url}/{paths.page_url}{suffix}",
    )


def _markdown(link: BadgeLink) -> str:
    alt = link.alt.replace("_", r"\_")  # or _x_ would be emphasis
    return f"[![{alt}]({link.image_url})]({link.page_url})"


def _html(link: BadgeLink) -> str:
    return f'<a href="{escape(link.page_url)}"><img src="{escape(link.image_url)}" alt="{escape(link.alt)}"></a>'


def _restructuredtext(link: BadgeLink) -> str:
    return f".. image:: {link.image_url}\n   :alt: {link.alt}\n   :target: {link.page_url}"


def _asciidoc(link: BadgeLink) -> str:
    # AsciiDoc leaves text between ++ as it is. Otherwise -- would become a dash, and __x__ emphasis.
    return f'image:++{link.image_url}++["++{link.alt}++",link="++{link.page_url}++"]'


FORMATS: dict[str, Callable[[BadgeLink], str]] = {
    "markdown": _markdown,
    "html": _html,
    "restructuredtext": _restructuredtext,
    "asciidoc": _asciidoc,
}
