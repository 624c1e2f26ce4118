"""A text with old addresses gets new ones, whatever its format, and nothing else of it changes."""

import re
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from microbadger.site import old_addresses
from microbadger.site.old_addresses import Standing, standing, successor
from microbadger.site.revival import Change, Reviver
from tests.old_addresses import BADGEN, DEAD, FORMS, GHCR, IMAGES, PAGES, SHIELDS, TEMPLATES, UNPLACED, Form

BASE, HOOKS = "https://badges.example.org", "https://hooks.example.org"
TOKEN = "KToFO4mXwId81ddvWhWdxivWAHU="
REVIVER, THOROUGH = Reviver(BASE, HOOKS), Reviver(BASE, HOOKS, are_foreign_meant=True)
FORMATS = {
    "Markdown": '[![size]({0})]({0} "Get your own badge on microbadger.com")',
    "Markdown by reference": "[badge]: {0}\n[page]: <{0}> 'title'",
    "HTML": "<a href=\"{1}\" title='x'><img alt=\"\" src='{1}'></a>",
    "HTML without quotes": "<img src={1}><p>{1}</p>",
    "reStructuredText": ".. image:: {0}\n   :target: {0}\n\n`page <{0}>`_",
    "AsciiDoc": "image:{0}[size,link={0}] {0}[page]",
    "Org": "[[{0}][{0}]] [[{0}]]",
    "plain text": "See {0}, {0}. ({0}) *{0}*\t{0}\r\n“{0}” 见{0}。{0}",
    "Markdown in angle brackets": "![](<{0}>) [![size](\n  <{0}>\n)](\n  {0}\n)",
    "a table of Markdown": "|{0}|![]({0})|`{0}`|**{0}**|~~{0}~~|",
    "a comment": "<!--{0}-->\n<!-- {0} -->",
    "a code block": "```\ncurl -s {0} | jq .\n```",
    "CSS": "<i style=\"background:url({1})\"><i style=\"background:url('{1}')\">",
    "srcset": '<picture><source srcset="{1} 1x, {1} 2x"><img src="{1}"></picture>',
    "escaped in HTML": "&lt;img src=&quot;{1}&quot;&gt; {1}&nbsp;{1}&nbsp;",
    "entities with digits": "<img src='{3}'>",
    "substitution of reStructuredText": ".. |size| image:: {0}\n   :target: {0}\n.. _page: {0}\n__ {0}\n``{0}``",
    "attributes of AsciiDoc": ":badge: {0}\nlink:++{0}++[page]\nimage:{0}[link=\"{0}\"]",
    "BBCode": "[url={1}][img]{0}[/img][/url]",
    "Textile": '"page":{0} !{0}!:{0}',
    "wikis": "[{0} page] [[{0}|page]] [page|{0}]",
    "LaTeX": "\\url{{{0}}} \\href{{{0}}}{{x}}",
    "RDoc and POD": "{{rdoc-image:{0}}}[{0}] L<page|{0}>",
    "YAML": "url: {0}\nbadge: '{0}'\nlist: [\"{0}\"]",
    "JSON with escaped slashes": '{{"badge": "{4}"}}',
    "JSON with escaped ampersands": '{{"badge": "{5}", "page": "text\\n{5}\\n"}}',
    "shell": "x=$(curl -s '{0}') y=`curl \"{0}\"`",
    "languages without spaces": "见{0}的页面（{0}）。{0}を見る {0}에서 {0}ครับ {0}🎉 «{0}» ‘{0}’ {0}…",
    "in the query of a picture of another service": "https://img.shields.io/badge/a-b-red?link={2}&link={2}",
    "JSON": '{{"badge": "{0}", "more": ["{0}\\n"]}}',
    "in the query of another address": "https://proxy.example/?url={0}",
    "quoted in another address": "https://proxy.example/?url={2}&label=x ({2}) url%3D{2}",
}


def in_format(name: str, url: str) -> str:
    entity, escaped = url.replace("&", "&#38;"), url.replace("&", "\\u0026")
    slashes = url.replace("/", "\\/")
    return FORMATS[name].format(url, url.replace("&", "&amp;"), quote(url, ""), entity, slashes, escaped)


def new_url(form: Form) -> str:
    return f"{BASE}{form.new}"


def is_possible(name: str, form: Form) -> bool:
    """Return whether a format can hold an address: without a scheme some cannot, and in a query it has none with &."""
    if form.old.startswith("//"):
        return not any(before in FORMATS[name] for before in (":{0}", "\\n{5}", "{2}"))
    return name != "in the query of another address" or "&" not in form.old


def with_plain_ampersands(text: str) -> str:
    return re.sub(r"&amp;|&#38;|\\u0026", "&", text)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.old)
def test_an_old_address_is_replaced_in_every_format(form: Form) -> None:
    names = [name for name in FORMATS if is_possible(name, form)]

    revived = {name: with_plain_ampersands(THOROUGH.revive(in_format(name, form.old)).text) for name in names}

    assert revived == {name: with_plain_ampersands(in_format(name, new_url(form))) for name in names}


@pytest.mark.parametrize("ampersand", ["&", "&amp;", "&#38;", "&#x26;", "\\u0026"])
def test_ampersands_are_written_as_they_were(ampersand: str) -> None:
    old = f"{SHIELDS}/microbadger/layers/a/b?colorA=1{ampersand}colorB=2"

    assert REVIVER.revive(old).text == f"{BASE}/badges/layers/a/b.svg?labelColor=1{ampersand}color=2"


@pytest.mark.parametrize("form", [form for form in FORMS if form.old.startswith("http")], ids=lambda form: form.old)
def test_an_address_of_githubs_proxy_of_pictures_is_replaced_by_that_of_the_picture(form: Form) -> None:
    proxied = f"https://camo.githubusercontent.com/{'0a' * 32}/{form.old.encode().hex()}"

    assert THOROUGH.revive(f"![]({proxied})").text == f"![]({new_url(form)})"


@pytest.mark.parametrize("proxied", ["https://microbadger.com[/images/a/b", "http://[::1", "https://example.org/a.svg"])
def test_any_other_address_of_that_proxy_stays(proxied: str) -> None:
    text = f"https://camo.githubusercontent.com/{'0a' * 20}/{proxied.encode().hex()}"

    revival = THOROUGH.revive(text)

    assert (revival.text, revival.changes, revival.unplaced) == (text, [], [])


@pytest.mark.parametrize(("address", "below"), TEMPLATES.items())
def test_of_a_template_only_the_host_is_replaced_and_it_is_named(address: str, below: str) -> None:
    base = HOOKS if "hooks." in address else BASE
    text = f'first\nurl = "{address}"'

    revival = THOROUGH.revive(text)

    assert revival.text == re.sub("(https?:)?//[^/]+", f"{base}{below}", text)
    assert [named.line for named in revival.unfinished] == [2]
    assert (revival.unplaced, revival.images, len(revival.changes)) == ([], [], 1)


@pytest.mark.parametrize("address", TEMPLATES)
def test_a_revived_template_stays_as_it_is(address: str) -> None:
    revived = THOROUGH.revive(address).text

    assert THOROUGH.revive(revived).text == revived


def test_nothing_takes_the_place_of_a_webhook_to_be_filled_in_where_none_is_taken() -> None:
    text = "https://hooks.microbadger.com/images/$REPOSITORY/$TOKEN"

    assert Reviver(BASE, None).revive(text).text == text


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.old)
def test_a_revived_text_stays_as_it_is(form: Form) -> None:
    revived = THOROUGH.revive("\n".join(in_format(name, form.old) for name in FORMATS)).text

    again = THOROUGH.revive(revived)

    assert (again.text, again.changes, again.unplaced) == (revived, [], [])


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.old)
def test_what_is_dead_is_replaced_and_what_works_only_if_asked_for(form: Form) -> None:
    is_replaced = REVIVER.revive(form.old).text != form.old

    assert is_replaced is (form in DEAD)


def test_what_works_and_has_no_counterpart_is_named_only_if_it_is_to_be_replaced() -> None:
    address = f"{BADGEN}/metadata/version/example/web"

    kept, named = REVIVER.revive(address), THOROUGH.revive(address)

    assert (kept.text, kept.foreign_count, kept.unplaced) == (address, 0, [])
    assert (named.text, [each.address for each in named.unplaced]) == (address, [address])


def test_the_addresses_of_services_that_work_are_counted() -> None:
    text = f"{SHIELDS}/docker/v/example/web {BADGEN}/size/example/web {GHCR}/example/web/size {SHIELDS}/github/x/y"

    assert REVIVER.revive(text).foreign_count == 3
    assert THOROUGH.revive(text).foreign_count == 0


@pytest.mark.parametrize("address", UNPLACED)
def test_what_has_no_successor_stays_and_is_named_with_its_line(address: str) -> None:
    revival = REVIVER.revive(f"first\n![]({address})\n")

    assert revival.text == f"first\n![]({address})\n"
    assert [(unplaced.line, unplaced.address[:30]) for unplaced in revival.unplaced] == [(2, address[:30])]
    assert (revival.changes, revival.images) == ([], [])


@pytest.mark.parametrize(
    "text",
    [
        "https://microbadger.community/images/example/web",
        "https://microbadger.com.example/images/example/web",
        "https://notmicrobadger.com/images/example/web",
        "https://blog.microbadger.com/images/example/web",
        "https://microbadger.com:8443/images/example/web",
        "https://user@microbadger.com/images/example/web",
        "ftp://microbadger.com/images/example/web",
        "git+https://microbadger.com/images/example/web",
        "microbadger.com/images/example/web",
        "Get your own badge on microbadger.com",
        "https://web.archive.org/web/2019/https://microbadger.com/images/example/web",
        "https://archive.example/https%3A%2F%2Fmicrobadger.com%2Fimages%2Fexample%2Fweb",
        "https%3A%2F%2Fa%2Fhttps%3A%2F%2Fmicrobadger.com%2Fimages%2Fexample%2Fweb",
        "https%3A%2F%2Fmicrobadger.com.example%2Fimages%2Fexample%2Fweb",
        f"{SHIELDS}/github/license/example/web",
        f"{SHIELDS}/badge/microbadger-web-blue",
        "https://badgen.net/badge/docker/web",
        "https://docs.badge.imagelayers.io/example/web:latest.svg",
        "//",
        "https://",
        "",
    ],
)
def test_other_texts_stay_and_are_not_spoken_of(text: str) -> None:
    revival = THOROUGH.revive(text)

    assert (revival.text, revival.changes, revival.unplaced) == (text, [], [])


@pytest.mark.parametrize(
    "text",
    [
        f"{PAGES}/example/my\\.tool",
        f"{PAGES}/example/größe",
        f"{PAGES}/example/web(1)",
        f"{IMAGES}/image/example/web.svg?label=größe",
        f"{IMAGES}/image/example/web.svg?label=https%3A%2F%2Fa.example",
        f"{IMAGES}/image/example/web.svg?link=//a.example",
        f"{SHIELDS}/microbadger/layers/example/web.svg?link=https://a.example",
    ],
)
def test_an_address_whose_end_is_not_clear_stays_and_is_named(text: str) -> None:
    revival = REVIVER.revive(f"See {text} .")

    assert (revival.text, len(revival.unplaced), revival.images) == (f"See {text} .", 1, [])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (f"{PAGES}/example/web&quot; {PAGES}/alpine&lt;", f"{BASE}/images/example/web&quot; {BASE}/images/alpine&lt;"),
        (f"\\href{{{PAGES}/example/web}}{{web}}", f"\\href{{{BASE}/images/example/web}}{{web}}"),
        (f"**{PAGES}/example/web** _{PAGES}/alpine_", f"**{BASE}/images/example/web** _{BASE}/images/alpine_"),
        (f"{PAGES}/example/my\\_tool", f"{BASE}/images/example/my\\_tool"),
        (f"{PAGES}/a/b,{PAGES}/a/b;{PAGES}/a/b", f"{BASE}/images/a/b,{BASE}/images/a/b;{BASE}/images/a/b"),
        (f"image::{IMAGES}/image/a/b.svg[x,link={PAGES}/a/b,window=_blank]", f"image::{BASE}/badges/image/a/b.svg"
         f"[x,link={BASE}/images/a/b,window=_blank]"),
        (f"curl {PAGES}/a/b|x {PAGES}/a/b;x {PAGES}/a/b&&x {PAGES}/a/b>x", f"curl {BASE}/images/a/b|x "
         f"{BASE}/images/a/b;x {BASE}/images/a/b&&x {BASE}/images/a/b>x"),
        (f"<img src={PAGES}/a/b/><br>", f"<img src={BASE}/images/a/b><br>"),
        (f"{PAGES}/example/web?", f"{BASE}/images/example/web?"),
        (f"{PAGES}/example/web#layers", f"{BASE}/images/example/web"),
        (
            f"{SHIELDS}/microbadger/layers/a/b.svg?link={PAGES}/a/b&link=x",
            f"{SHIELDS}/microbadger/layers/a/b.svg?link={BASE}/images/a/b&link=x",
        ),
        (
            "https://img.shields.io/badge/dynamic/json.svg?url=https://api.microbadger.com/v1/images/a/b&query=$.Id",
            f"https://img.shields.io/badge/dynamic/json.svg?url={BASE}/v1/images/a/b&query=$.Id",
        ),
        (
            "?url=https%3A%2F%2Fapi.microbadger.com%2Fv1%2Fimages%2Fa%2Fb%3A1.0&query=%24.Id",
            f"?url={quote(BASE, '')}%2Fv1%2Fimages%2Fa%2Fb%3A1.0&query=%24.Id",
        ),
        ("?url=https%3A//microbadger.com/images/a/b", "?url=https%3A//badges.example.org/images/a/b"),
        (f"{IMAGES}/image/a/b.svg?label=a%26b%3Dc", f"{BASE}/badges/image/a/b.svg?label=a%26b%3Dc"),
    ],
)
def test_what_stands_around_an_address_stays(old: str, new: str) -> None:
    assert REVIVER.revive(old).text == new


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (f"https://hooks.microbadger.com/images/example/web/{TOKEN}", f"{HOOKS}/images/example/web/{TOKEN}"),
        (f"https://hooks.microbadger.com/images/alpine/{TOKEN}", f"{HOOKS}/images/alpine/{TOKEN}"),
        (f"https://hooks.microbadger.com/images/library/alpine/{TOKEN}", f"{HOOKS}/images/library/alpine/{TOKEN}"),
        (f"https://api.microbadger.com/images/example/web/{TOKEN}", f"{HOOKS}/images/example/web/{TOKEN}"),
        ("https://hooks.microbadger.com/images/example/web/$TOKEN", f"{HOOKS}/images/example/web/$TOKEN"),
        ("https://hooks.microbadger.com/images/example/web/${TOKEN}", f"{HOOKS}/images/example/web/${{TOKEN}}"),
        ("https://hooks.microbadger.com/images/example/web/$(TOKEN)", f"{HOOKS}/images/example/web/$(TOKEN)"),
        (
            "https://hooks.microbadger.com/images/example/web/${{ secrets.TOKEN }}",
            f"{HOOKS}/images/example/web/${{{{ secrets.TOKEN }}}}",
        ),
        ('"https://hooks.microbadger.com/images/example/web/" + token', f'"{HOOKS}/images/example/web/" + token'),
    ],
)
def test_a_webhook_leads_to_where_webhooks_are_taken_with_its_old_token(old: str, new: str) -> None:
    revival = REVIVER.revive(f"curl -X POST {old}")

    assert revival.text == f"curl -X POST {new}"
    assert [repository.path.removeprefix("library/") for repository in revival.hooked] == [
        "alpine" if "alpine" in old else "example/web"
    ]


def test_a_token_is_not_told() -> None:
    revival = REVIVER.revive(
        f"https://hooks.microbadger.com/images/example/web/{TOKEN} https://hooks.microbadger.com/images/A%/{TOKEN}"
    )

    assert revival.changes == [
        Change("https://hooks.microbadger.com/images/example/web/…", f"{HOOKS}/images/example/web/…")
    ]
    assert TOKEN not in str([revival.changes, revival.unplaced])


def test_images_are_named_once_in_the_order_of_the_text() -> None:
    revival = REVIVER.revive(f"{PAGES}/example/web {PAGES}/alpine:3.20 {IMAGES}/size/example/web.svg {PAGES}")

    assert [repository.familiar for repository in revival.images] == ["example/web", "library/alpine"]


def test_lines_are_counted_across_addresses() -> None:
    text = f"{PAGES}/a/b\n\n{PAGES}/%\n{PAGES}/a/b {PAGES}/-\n"

    assert [unplaced.line for unplaced in REVIVER.revive(text).unplaced] == [3, 4]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.old)
def test_on_the_host_that_was_microbadgers_a_new_address_stays(form: Form) -> None:
    reviver = Reviver("https://microbadger.com", "https://microbadger.com", are_foreign_meant=True)
    revived = reviver.revive(form.old).text

    assert reviver.revive(revived).text == revived


PIECES = st.sampled_from(
    [form.old for form in FORMS]
    + [*UNPLACED, f"https://hooks.microbadger.com/images/example/web/{TOKEN}", "https%3A%2F%2Fmicrobadger.com%2F"]
    + [
        "https://",
        "//microbadger.com",
        "%2F",
        "%3A",
        "?url=",
        "&amp;",
        "&label=",
        "#",
        "?",
        "/",
        ".",
        "(",
        "}",
        "$",
        "{",
    ]
    + [" ", "\n", "\r\n", "\ufeff", "é", "的", "\0", "<a>", "\\_", "%C3%BC", "https%3A//images.microbadger.com/badges"]
)
TEXTS = st.lists(PIECES | st.text(max_size=4), max_size=8).map("".join)


@given(TEXTS)
@example("https://images.microbadger.com/badges/image/example/web.svg$" * 2)
def test_a_second_time_changes_nothing_more_whatever_the_text(text: str) -> None:
    revived = THOROUGH.revive(text)
    again = THOROUGH.revive(revived.text)

    assert (again.text, again.changes) == (revived.text, [])
    assert len(again.unplaced) == len(revived.unplaced)


@given(TEXTS)
def test_nothing_but_the_addresses_named_changes_whatever_the_text(text: str) -> None:
    revival = THOROUGH.revive(text)

    rest, new_rest = text.replace(TOKEN, "…"), revival.text.replace(TOKEN, "…")
    for change in revival.changes:
        starts = (match.start() for match in re.finditer(f"(?={re.escape(change.old)})", rest))
        start = next(start for start in starts if new_rest.startswith(f"{rest[:start]}{change.new}"))
        rest, new_rest = rest[start + len(change.old) :], new_rest[start + len(change.new) :]
    assert new_rest == rest


@given(st.sampled_from(["", *old_addresses.HOSTS]) | st.text(), st.text("/aA.:_-%") | st.text(), st.text(), st.text())
def test_no_address_is_too_much_and_a_new_one_is_a_path(host: str, path: str, query: str, fragment: str) -> None:
    found = successor(host, f"/{path}", query, fragment)

    assert found is None or (found.path.startswith("/") and not found.path.startswith("//"))
    assert found is None or not {".", ".."} & set(found.path.split("/"))


@pytest.mark.parametrize("host", old_addresses.HOSTS)
def test_every_host_is_of_a_service_that_is_known(host: str) -> None:
    assert {standing(host, "/docker/v/a/b"), standing(host, "/microbadger/layers/a/b")} & {*Standing}


def test_a_long_line_takes_no_longer_than_many_short_ones() -> None:
    for part in ("example/web ", "a", "-", "a/", "?a=b&", "$a", "(a", "%2F", "@a", "<a "):
        text = f"{PAGES}/{part * 200_000}"

        assert THOROUGH.revive(text).text.partition("/images/")[2] == text.partition("/images/")[2]


def test_what_is_longer_than_any_address_has_no_successor() -> None:
    assert successor("microbadger.com", f"/images/{'a/' * 2000}") is None


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.old)
def test_the_new_address_is_a_path_with_a_query_and_no_host(form: Form) -> None:
    new = urlsplit(form.new)

    assert (new.scheme, new.netloc, new.fragment) == ("", "", "")
