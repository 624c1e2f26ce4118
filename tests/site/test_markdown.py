"""Markdown becomes a part of a page that keeps to the policy of pages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microbadger.site.markdown import Heading, anchor_of, html_of
from tests.site.page import Page


def html(text: str) -> str:
    return str(html_of(text, lambda url: url)[0])


@pytest.mark.parametrize(
    ("title", "anchor"),
    [
        ("Backups", "backups"),
        ("What has to last", "what-has-to-last"),
        ("Moving from microbadger.com", "moving-from-microbadgercom"),
        ("`?wait=`, and more", "wait-and-more"),
        ("Größe -- snake_case", "größe----snake_case"),
    ],
)
def test_a_heading_has_the_id_that_github_gives_it(title: str, anchor: str) -> None:
    assert anchor_of(title) == anchor


def test_headings_below_the_title_have_ids() -> None:
    body, headings = html_of("# Title\n\n## A `b`\n\ntext\n\n### C", str)
    assert '<h1>Title</h1>\n<h2 id="a-b">A <code>b</code></h2>' in body
    assert headings == [Heading(2, "a-b", "A b"), Heading(3, "c", "C")]


@pytest.mark.parametrize("text", ["<script>x</script>", "a <b onclick=x>b</b>", "`<i>`", "```\n<script>\n```"])
def test_html_is_shown_and_never_used(text: str) -> None:
    assert {name for name, _ in Page(html(text).encode()).elements} <= {"p", "code", "div", "pre", "button", "span"}
    assert "&lt;" in html(text)


def test_a_script_is_no_link() -> None:
    assert "<a" not in html("[x](javascript:alert(1))")


@given(st.text())
def test_no_text_gets_an_element_that_pages_forbid(text: str) -> None:
    elements = Page(html(text).encode("utf-8", "replace")).elements
    assert not {"script", "style", "iframe", "object", "form"} & {name for name, _ in elements}
    assert not [name for _, attributes in elements for name in attributes if name == "style" or name[:2] == "on"]


def test_every_address_is_replaced_and_a_foreign_one_learns_nothing() -> None:
    body, _ = html_of("[a](b.md) ![c](d.svg)", lambda url: f"/{url}")
    assert '<a href="/b.md">a</a> <img src="/d.svg" alt="c" />' in body
    assert 'href="https://example.org" rel="noopener"' in html("[a](https://example.org)")


def test_a_column_of_numbers_has_a_class_and_no_style() -> None:
    body = html("| a | b |\n| --- | ---: |\n| c | 1 |")
    assert '<th>a</th>\n<th class="number">b</th>' in body
    assert '<td>c</td>\n<td class="number">1</td>' in body
    assert "style" not in body


@pytest.mark.parametrize("text", ["| a |\n| --- |\n| b |", "```\ncode\n```"])
def test_what_may_be_wider_than_a_phone_can_be_scrolled_with_keys(text: str) -> None:
    assert html(text).count('tabindex="0"') == 1
