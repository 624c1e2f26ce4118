"""The panel in which one puts badges together, as its readers use it in a browser."""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests

from microbadger.badges.svg import draw
from microbadger.badges.text import BADGE_TYPES, badges_of
from microbadger.image.documents import PlatformDocument, VersionDocument
from microbadger.image.one_platform import on_platform, platform_named
from microbadger.site.image_page import CLASSIC_BADGES, image_page, platform_choices
from microbadger.site.markup import FORMATS, badge_link
from microbadger.site.media_types import media_type_of
from microbadger.site.options import SiteOptions
from tests.browser import PHONE, focused, pasted, reading, tab_to, violations
from tests.fakes.registry import FakeRegistry, image, index
from tests.running_service import badge_text
from tests.site.images import WEB, image_of, version
from tests.web.bench import Bench
from tests.web.world import running

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

SITE = "https://site.test"
HOSTILE = """"><script>document.title='x'</script>)](javascript:1) {tag} & 'a'++*"""

Open = Callable[..., "Page"]


def platform(name: str, size_bytes: int = 2048, **fields: Any) -> PlatformDocument:
    parts = dict(zip(("OS", "Architecture", "Variant"), name.split("/"), strict=False))
    return {"Digest": "", "DownloadSize": size_bytes, "LayerCount": 1, **parts, **fields}  # type: ignore[typeddict-item]


def on(*names: str) -> VersionDocument:
    """Return a version for platforms, each twice as large as the one before."""
    platforms = [platform(name, 2048 << place, Labels={}, Layers=[]) for place, name in enumerate(names)]
    return version("1.0", Platforms=platforms)


BOTH = on("linux/amd64", "linux/arm64")


@pytest.fixture
def opened(chromium: "Browser") -> Iterator[Open]:
    """Open the badges of an image with this version in tabs that close with the test."""
    with ExitStack() as tabs:

        def opened(
            shown: VersionDocument = BOTH, *others: VersionDocument, is_static: bool = False, **options: Any
        ) -> "Page":
            tab: AbstractContextManager[Page] = reading(chromium, SITE, **options)
            page = tabs.enter_context(tab)
            page.route("**/*", lambda route: answer(route, shown, *others, is_static=is_static))
            page.goto("/images/example/web/#badges")
            return page

        yield opened


def answer(route: "Route", shown: VersionDocument, *others: VersionDocument, is_static: bool) -> None:
    path, asked = urlsplit(route.request.url).path, dict(parse_qsl(urlsplit(route.request.url).query))
    if path.startswith("/assets/"):
        asset = resources.files("microbadger.site").joinpath(path.removeprefix("/"))
        route.fulfill(body=asset.read_bytes(), content_type=media_type_of(path))
    elif path.startswith("/badges/"):
        chosen = platform_named(shown, asked.get("platform", "linux/amd64"))
        seen = on_platform(shown, chosen) if chosen else shown
        badge = badges_of(image_of(seen), None)[path.split("/")[2]]
        drawn = draw(replace(badge, label=asked.get("label", badge.label)), asked.get("style", "flat"))
        route.fulfill(body=drawn, content_type="image/svg+xml")
    elif path.endswith("/-/status.json"):
        route.fulfill(json={"ImageName": "example/web", "State": "current"})
    else:
        image, site = image_of(shown, *others), SiteOptions(SITE, is_static=is_static)
        page = image_page(image, version=shown, changes=[], site=site)
        route.fulfill(body=page, content_type="text/html")


def markup(badge_type: str, query: str = "", markup_format: str = "markdown") -> str:
    link = badge_link(SITE, WEB, badge_type)
    return FORMATS[markup_format](replace(link, image_url=link.image_url + query))


def markup_shown(page: "Page") -> dict[str, str]:
    """Return the markup of each badge that the page shows, in its order, by type."""
    rows = page.locator("[data-type]")
    return dict(rows.evaluate_all("rows => rows.map((row) => [row.dataset.type, find('code', row).textContent])"))


def wait_for_pictures(page: "Page", query: str) -> None:
    page.wait_for_function(
        "query => all('[data-type] img').every((image) => image.getAttribute('src').endsWith(`.svg${query}`))",
        arg=query,
    )


def fill(page: "Page", field: str, value: str) -> None:
    control = page.locator("#badges").get_by_label(re.compile(rf"^\s*{field}\b"))
    if control.evaluate("control => control.matches('select')"):
        control.select_option(value)
    else:
        control.fill(value)


@pytest.mark.parametrize("markup_format", FORMATS)
@pytest.mark.parametrize(
    ("field", "value", "query"),
    [
        ("Style", "flat", ""),
        ("Style", "plastic", "?style=plastic"),
        ("Label", "my web", "?label=my%20web"),
        ("Label", "a_b--c", "?label=a_b--c"),
        ("Label", "  ", ""),
        ("Color", "blueviolet", "?color=blueviolet"),
        ("Color", "#0af", "?color=%230af"),
        ("Platform", "linux/arm64", "?platform=linux%2Farm64"),
    ],
)
def test_each_field_changes_the_pictures_and_the_markup(
    opened: Open, field: str, value: str, query: str, markup_format: str
) -> None:
    page = opened()
    fill(page, "Format", markup_format)

    fill(page, field, value)

    assert markup_shown(page) == {kind: markup(kind, query, markup_format) for kind in BADGE_TYPES}
    wait_for_pictures(page, query)


@pytest.mark.parametrize("markup_format", FORMATS)
def test_the_order_of_the_parameters_is_fixed(opened: Open, markup_format: str) -> None:
    page = opened()
    fields = {"Platform": "linux/arm64", "Color": "red", "Label": "a&b", "Style": "plastic", "Format": markup_format}
    for field, value in fields.items():
        fill(page, field, value)
    query = "?style=plastic&label=a%26b&color=red&platform=linux%2Farm64"
    assert markup_shown(page)["size"] == markup("size", query, markup_format)
    wait_for_pictures(page, query)


def test_emptied_fields_leave_the_page_as_it_was(opened: Open) -> None:
    page = opened()
    before = page.locator(".badge-list").inner_text()
    words = page.locator(".badge-list img").evaluate_all("images => images.map((image) => image.alt)")
    for field, value in (("Label", "x"), ("Color", "red"), ("Platform", "linux/arm64")):
        fill(page, field, value)
        fill(page, field, "")
    assert page.locator(".badge-list").inner_text() == before
    assert page.locator(".badge-list img").evaluate_all("images => images.map((image) => image.alt)") == words
    wait_for_pictures(page, "")


def test_the_picture_is_of_the_chosen_platform(opened: Open) -> None:
    page = opened()
    with page.expect_response("**/badges/size/example/web.svg?platform=linux%2Farm64") as answered:
        fill(page, "Platform", "linux/arm64")
    assert "4.0 KiB" in answered.value.text()
    assert page.locator("[data-type='size'] img").get_attribute("alt") == "size of the current version for linux/arm64"


def test_pictures_wait_until_one_stops_typing(opened: Open) -> None:
    page = opened()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(urlsplit(request.url).query))
    page.evaluate("""() => {
        const field = find("#badges [name=label]");
        for (const text of ["s", "si", "siz"]) {
          field.value = text;
          field.dispatchEvent(new Event("input", { bubbles: true }));
        }
    }""")
    wait_for_pictures(page, "?label=siz")
    assert {"label=s", "label=si"}.isdisjoint(asked)


@pytest.mark.parametrize("markup_format", FORMATS)
def test_all_four_are_copied_as_they_are_shown(opened: Open, markup_format: str) -> None:
    page = opened()
    fill(page, "Format", markup_format)
    fill(page, "Label", "web")
    button = page.get_by_role("button", name="Copy all four badges")
    button.click()
    page.get_by_text("Copied").first.wait_for()
    expected = "\n".join(markup(kind, "?label=web", markup_format) for kind in CLASSIC_BADGES)
    assert pasted(page) == expected
    assert page.locator("#badges > .copyable code").text_content() == expected
    button.wait_for()  # once it says again what it does


def test_all_four_are_there_before_anything_is_chosen(opened: Open) -> None:
    text = opened().locator("#badges > .copyable code").text_content()
    assert text == "\n".join(map(markup, CLASSIC_BADGES))


@pytest.mark.parametrize("markup_format", FORMATS)
def test_a_hostile_label_stays_a_part_of_the_address(opened: Open, markup_format: str) -> None:
    page = opened()
    fill(page, "Format", markup_format)
    fill(page, "Label", HOSTILE)
    query = markup_shown(page)["size"].partition("?label=")[2]
    value = query.partition(markup("size", "|", markup_format).partition("|")[2])[0]
    assert dict(parse_qsl(f"label={value}")) == {"label": HOSTILE}
    assert not set(value) & set("\"'<>()[]{}+*& ")
    assert page.locator("#badges script").count() == 0


def test_half_a_character_does_not_stop_the_page(opened: Open) -> None:
    assert opened().evaluate("encoded('a\\ud800b')") == "a%EF%BF%BDb"


def test_a_platform_is_offered_only_where_there_are_several(opened: Open) -> None:
    page = opened(on("linux/amd64"))
    assert page.locator("#badges [name]").evaluate_all("fields => fields.map((field) => field.name)") == [
        "tag",
        "style",
        "label",
        "color",
        "format",
    ]


OLDER = version("0.9", Platforms=[platform("linux/arm64"), platform("linux/s390x")])
OLDEST = version("0.8", Platforms=[platform("linux/amd64")])


def platforms_offered(page: "Page") -> list[str]:
    return page.locator("#badges [name=platform] option").all_text_contents()


def test_the_platforms_are_those_of_the_chosen_tag(opened: Open) -> None:
    page = opened(BOTH, OLDER, OLDEST)
    assert platforms_offered(page) == ["main platform", "linux/amd64", "linux/arm64"]
    fill(page, "Tag", "0.9")
    assert platforms_offered(page) == ["main platform", "linux/arm64", "linux/s390x"]
    fill(page, "Tag", "0.8")
    assert page.locator("#badges [name=platform]").is_hidden()
    fill(page, "Tag", "1.0")
    assert platforms_offered(page) == ["main platform", "linux/amd64", "linux/arm64"]


@pytest.mark.parametrize(("name", "query"), [("linux/arm64", "?platform=linux%2Farm64"), ("linux/amd64", "")])
def test_a_platform_stays_chosen_only_if_the_next_tag_has_it(opened: Open, name: str, query: str) -> None:
    page = opened(BOTH, OLDER)
    fill(page, "Platform", name)
    fill(page, "Tag", "0.9")
    link = badge_link(SITE, WEB, "size", "0.9")
    assert markup_shown(page)["size"] == FORMATS["markdown"](replace(link, image_url=link.image_url + query))


def test_a_platform_can_be_chosen_where_only_an_older_tag_has_several(opened: Open) -> None:
    page = opened(on("linux/amd64"), OLDER)
    assert page.locator("#badges [name=platform]").is_hidden()
    fill(page, "Tag", "0.9")
    fill(page, "Platform", "linux/s390x")
    assert "0.9.svg?platform=linux%2Fs390x" in markup_shown(page)["size"]


def test_what_is_copied_shows_in_the_service_what_was_chosen(chromium: "Browser", tmp_path: Path) -> None:
    with FakeRegistry() as fake:
        fake.push("example/web", "1.0", index(image(layers=[2048]), image(layers=[4096], architecture="arm64")))
        bench = Bench(tmp_path, "example/web", fake)
        bench.refresh("example/web")
        with running(bench.app) as url, reading(chromium, url) as page:
            page.goto("/images/example/web#badges")
            for field, value in {"Tag": "1.0", "Platform": "linux/arm64", "Label": "a&b", "Style": "plastic"}.items():
                fill(page, field, value)
            page.locator("[data-type=size] button").click()
            page.get_by_text("Copied").first.wait_for()
            copied = re.findall(r"\((http[^ )]+\.svg[^ )]*)\)", pasted(page))[0]
            badge = requests.get(copied.replace(bench.settings.base_url, url), timeout=10)
    assert (badge.status_code, badge_text(badge.content)) == (200, "a&b: 4.0 KiB")
    assert b'height="18"' in badge.content


@pytest.mark.parametrize(
    ("platforms", "choices"),
    [
        ([], []),
        ([platform("linux/amd64")], []),
        ([platform("linux/amd64"), platform("linux/arm/v7")], ["linux/amd64", "linux/arm/v7"]),
        ([platform("linux/arm"), platform("linux/arm/v6")], ["linux/arm", "linux/arm/v6"]),
        ([platform("linux/arm"), platform("linux/arm/v7")], []),
        ([platform("windows/amd64", OSVersion="1"), platform("windows/amd64", OSVersion="2")], []),
        ([platform("linux/amd64"), platform("linux/arm64"), platform("", OS="")], ["linux/amd64", "linux/arm64"]),
        ([platform("linux/amd64"), platform("linux/arm"), platform("linux/a&b/<c")], [
            "linux/amd64", "linux/arm", "linux/a&b/<c"]),
    ],
)  # fmt: skip
def test_the_choices_are_the_platforms_that_an_address_reaches(
    platforms: list[PlatformDocument], choices: list[str]
) -> None:
    assert platform_choices(version("1.0", Platforms=platforms)) == choices


def test_badges_that_say_nothing_come_last(opened: Open) -> None:
    page = opened()
    blank = {kind for kind, badge in badges_of(image_of(BOTH), None).items() if badge.is_blank}
    kinds = list(markup_shown(page))
    assert {"license", "pulls"} <= blank
    assert kinds == sorted(BADGE_TYPES, key=lambda kind: kind in blank)
    shown = page.locator(".badge-row img").evaluate_all("images => images.map((image) => image.src.split('/')[4])")
    assert shown == list(CLASSIC_BADGES)


def test_a_static_site_offers_no_field_that_needs_the_service(opened: Open) -> None:
    page = opened(is_static=True)
    assert page.locator("#badges [name]").evaluate_all("fields => fields.map((field) => field.name)") == [
        "tag",
        "format",
    ]
    fill(page, "Format", "html")
    page.get_by_role("button", name="Copy all four badges").click()
    page.get_by_text("Copied").first.wait_for()
    assert pasted(page) == "\n".join(markup(kind, "", "html") for kind in CLASSIC_BADGES)


def test_without_a_script_there_is_nothing_to_fill_in(opened: Open) -> None:
    page = opened(java_script_enabled=False)
    page.get_by_text("Get the badges").click()
    assert page.locator("#badges :is(button, select, input):visible").count() == 0
    assert "Copy all four" not in page.locator("#badges").inner_text()
    assert markup("size") in page.locator("#badges code:visible").all_text_contents()


def test_the_fields_are_reached_with_the_keyboard(opened: Open) -> None:
    page = opened()
    page.locator("#badges summary").first.focus()
    names = []
    for _ in range(6):
        page.keyboard.press("Tab")
        names.append(page.evaluate("document.activeElement.name"))
    assert names == ["tag", "style", "label", "color", "platform", "format"]
    fill(page, "Label", "web")
    page.get_by_label("Label", exact=True).press("Enter")
    tab_to(page, lambda words: words == "Copy all four badges")
    page.keyboard.press("Enter")
    assert focused(page).endswith("badges")
    page.get_by_text("Copied").first.wait_for()
    assert pasted(page) == "\n".join(markup(kind, "?label=web") for kind in CLASSIC_BADGES)


def test_axe_finds_no_violation_in_the_panel_and_a_long_label_fits_on_a_phone(opened: Open) -> None:
    page = opened(viewport=PHONE)
    fill(page, "Label", "wide " * 51)
    wait_for_pictures(page, "?label=" + "%20".join(["wide"] * 51))
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert violations(page) == []
    page.emulate_media(color_scheme="dark")
    assert violations(page) == []
