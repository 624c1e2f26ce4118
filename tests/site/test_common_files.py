"""The files that every site has."""

import json

from microbadger.site.common_files import common_files
from microbadger.site.options import SiteOptions
from tests.site.page import Page

BASE = "https://badges.example.org"
ASSETS = ["assets/icon.png", "assets/icon.svg", "assets/page.js", "assets/rows.js", "assets/style.css"]


def test_the_service_has_assets_and_a_description_of_its_api() -> None:
    files = common_files(SiteOptions(BASE))
    assert [*files] == [*ASSETS, "openapi.json", "api/index.html"]
    assert json.loads(files["openapi.json"]())["servers"] == [{"url": BASE}]
    assert "HTTP API" in Page(files["api/index.html"]()).text


def test_a_static_site_has_only_assets() -> None:
    assert [*common_files(SiteOptions(BASE, is_static=True))] == ASSETS


def test_every_asset_has_content() -> None:
    assert all(make() for make in common_files(SiteOptions(BASE, is_static=True)).values())
