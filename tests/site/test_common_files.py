"""The files that every site has."""

import json
import struct

from microbadger.site.common_files import common_files
from microbadger.site.options import SiteOptions
from tests.site.page import Page

BASE = "https://badges.example.org"
ASSETS = ["assets/icon.svg", "assets/page.js", "assets/rows.js", "assets/style.css"]


def test_the_service_has_assets_and_a_description_of_its_api() -> None:
    files = common_files(SiteOptions(BASE))
    assert [*files] == ["favicon.ico", *ASSETS, "openapi.json", "api/index.html"]
    assert json.loads(files["openapi.json"]())["servers"] == [{"url": BASE}]
    assert "HTTP API" in Page(files["api/index.html"]()).text


def test_a_static_site_has_only_assets() -> None:
    assert [*common_files(SiteOptions(BASE, is_static=True))] == ["favicon.ico", *ASSETS]


def test_every_asset_has_content() -> None:
    assert all(make() for make in common_files(SiteOptions(BASE, is_static=True)).values())


def test_the_icon_for_browsers_and_crawlers_has_a_picture_of_each_size() -> None:
    icon = common_files(SiteOptions(BASE))["favicon.ico"]()

    kind, count = struct.unpack("<HH", icon[2:6])
    entries = [struct.unpack("<BBBBHHII", icon[start : start + 16]) for start in range(6, 6 + 16 * count, 16)]
    pictures = {size: icon[offset : offset + length] for size, *_, length, offset in entries}
    assert (kind, [*pictures]) == (1, [16, 32, 48])
    assert {picture[:8] for picture in pictures.values()} == {b"\x89PNG\r\n\x1a\n"}
    assert [struct.unpack(">II", picture[16:24]) for picture in pictures.values()] == [(16, 16), (32, 32), (48, 48)]
