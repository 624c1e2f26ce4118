"""The files that every site has."""

import json
import re
import struct
from collections.abc import Iterable

import pytest

from microbadger.site.common_files import common_files
from microbadger.site.options import SiteOptions
from tests.site.page import Page

BASE = "https://badges.example.org"
SCRIPTS = ["badges.js", "page.js", "rows.js", "search.js"]
ASSETS = [f"assets/{name}" for name in ("icon.png", "icon.svg", "style.css", *SCRIPTS)]


def test_the_service_has_assets_and_a_description_of_its_api() -> None:
    files = common_files(SiteOptions(BASE))
    assert without_guide(files) == {"favicon.ico", *ASSETS, "robots.txt", "openapi.json", "api/index.html"}
    assert json.loads(files["openapi.json"]())["servers"] == [{"url": BASE}]
    assert "HTTP API" in Page(files["api/index.html"]()).text


def test_a_static_site_has_the_same_without_an_api() -> None:
    files = common_files(SiteOptions(BASE, is_static=True))
    assert without_guide(files) == {"favicon.ico", *ASSETS, "robots.txt"}


@pytest.mark.parametrize("is_static", [False, True])
def test_every_site_has_the_guide(is_static: bool) -> None:
    files = common_files(SiteOptions(BASE, is_static=is_static))
    assert "Behind nginx" in Page(files["guide/nginx/index.html"]()).text


def without_guide(files: Iterable[str]) -> set[str]:
    return {path for path in files if not path.startswith("guide/")}


def test_every_asset_has_content() -> None:
    assert all(make() for make in common_files(SiteOptions(BASE, is_static=True)).values())


def rules(site: SiteOptions) -> list[str]:
    return common_files(site)["robots.txt"]().decode().splitlines()


def may_read(site: SiteOptions, path: str) -> bool:
    """Return what https://www.rfc-editor.org/rfc/rfc9309#section-2.2.2 says, with * for any text as it has it."""
    barred = [line.removeprefix("Disallow:").strip() for line in rules(site) if line.startswith("Disallow:")]
    return not any(re.match(re.escape(rule).replace(r"\*", ".*"), path) for rule in barred if rule)


PAGES = ["/", "/images/alpine/", "/images/ghcr.io/example/web:1.0", "/images/alpine/-/feed.xml", "/api/"]
NOT_FOR_CRAWLERS = [
    "/badges/size/alpine.svg",
    "/badges/size/alpine.svg?style=plastic",
    "/v1/images/alpine",
    "/v1/images/alpine/-/status.json",
    "/hooks/token",
    "/images/?image=alpine",
    "/images/example/web/-/compare/1.0...1.1",
    "/images/alpine/-/feed.xml?tag=1.*",
    "/feed.xml?kind=moved",
]


@pytest.mark.parametrize("root", ["", "/below/this"])
@pytest.mark.parametrize("path", PAGES)
def test_crawlers_may_read_pages(path: str, root: str) -> None:
    assert may_read(SiteOptions(f"{BASE}{root}"), f"{root}{path}")


@pytest.mark.parametrize("registries", [(), ("docker.io",)])
@pytest.mark.parametrize("root", ["", "/below/this"])
@pytest.mark.parametrize("path", NOT_FOR_CRAWLERS)
def test_crawlers_leave_alone_what_keeps_images_alive_or_costs_something(
    path: str, root: str, registries: tuple[str, ...]
) -> None:
    assert not may_read(SiteOptions(f"{BASE}{root}", open_registries=registries), f"{root}{path}")


@pytest.mark.parametrize("path", [*PAGES, *NOT_FOR_CRAWLERS])
def test_crawlers_may_read_all_of_a_static_site(path: str) -> None:
    assert may_read(SiteOptions(BASE, is_static=True), path)


def test_the_rules_are_for_every_crawler() -> None:
    assert rules(SiteOptions(BASE))[0] == "User-agent: *"
    assert rules(SiteOptions(BASE, is_static=True)) == ["User-agent: *", "Disallow:"]


def test_the_icon_for_browsers_and_crawlers_has_a_picture_of_each_size() -> None:
    icon = common_files(SiteOptions(BASE))["favicon.ico"]()

    kind, count = struct.unpack("<HH", icon[2:6])
    entries = [struct.unpack("<BBBBHHII", icon[start : start + 16]) for start in range(6, 6 + 16 * count, 16)]
    pictures = {size: icon[offset : offset + length] for size, *_, length, offset in entries}
    assert (kind, [*pictures]) == (1, [16, 32, 48])
    assert {picture[:8] for picture in pictures.values()} == {b"\x89PNG\r\n\x1a\n"}
    assert [struct.unpack(">II", picture[16:24]) for picture in pictures.values()] == [(16, 16), (32, 32), (48, 48)]
