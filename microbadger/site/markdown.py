"""Converts the Markdown of the guide to HTML.

markdown-it-py follows https://spec.commonmark.org, as GitHub does, and gives tokens, in which addresses are changed
before they are rendered. HTML in the text is escaped.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from microbadger.site.templating import copy_button

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_CODE = Markup('<div class="copyable"><pre tabindex="0"><code>{}</code></pre>{}</div>\n')
_TABLE, _END_OF_TABLE = '<div class="scroll" tabindex="0">\n<table>\n', "</table>\n</div>\n"
_NUMBERS = "text-align:right"  # the content security policy of pages forbids style attributes


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading and its id."""

    level: int
    anchor: str
    title: str


def html_of(text: str, address: Callable[[str], str]) -> tuple[Markup, list[Heading]]:
    """Return Markdown as HTML, and the headings below its title.

    ``address`` returns the address of a link or a picture on the page. Wide tables and code get scrolling boxes, and
    code gets a button that copies it.
    """
    markdown = _markdown()
    tokens = markdown.parse(text)
    headings = list(_with_ids(tokens))
    for token in tokens:
        if token.attrs.pop("style", "") == _NUMBERS:
            token.attrSet("class", "number")
        for child in token.children or []:
            for name in {"href", "src"} & child.attrs.keys():
                _lead(child, name, address)
    html = markdown.renderer.render(tokens, markdown.options, {})
    return Markup(html), headings  # noqa: S704 - the parser escapes the text


def anchor_of(title: str) -> str:
    """Return the id that GitHub gives a heading.

    >>> anchor_of("Not found, and pending")
    'not-found-and-pending'
    """
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


@cache
def _markdown() -> "MarkdownIt":
    from markdown_it import MarkdownIt  # only commands that publish need to load it

    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    markdown.add_render_rule("fence", _code)
    markdown.add_render_rule("table_open", lambda *_: _TABLE)
    markdown.add_render_rule("table_close", lambda *_: _END_OF_TABLE)
    return markdown


def _code(_: object, tokens: "Sequence[Token]", place: int, *__: Any) -> str:
    return _CODE.format(tokens[place].content, copy_button("the example"))


def _with_ids(tokens: "Sequence[Token]") -> Iterator[Heading]:
    """Set the ids of all headings except for the title of the page, and yield these headings."""
    for token, inline in pairwise(tokens):
        if token.type == "heading_open" and token.tag != "h1":
            title = "".join(child.content for child in inline.children or [])
            heading = Heading(int(token.tag[1:]), anchor_of(title), title)
            token.attrSet("id", heading.anchor)
            yield heading


def _lead(token: "Token", name: str, address: Callable[[str], str]) -> None:
    url = address(str(token.attrs[name]))
    token.attrSet(name, url)
    if url.startswith("https:"):
        token.attrSet("rel", "noopener")
