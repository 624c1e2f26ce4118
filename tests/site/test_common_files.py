"""The files that every site has."""

import json
from collections.abc import Iterable

import pytest

from microbadger.site.common_files import common_files
from microbadger.site.options import SiteOptions
from tests.site.page import Page

BASE = "https://badges.example.org"
ASSETS = ["assets/icon.svg", "assets/page.js", "assets/rows.js", "assets/style.css"]


def test_the_service_has_assets_and_a_description_of_its_api() -> None:
    files = common_files(SiteOptions(BASE))
    assert without_guide(files) == [*ASSETS, "openapi.json", "api/index.html"]
    assert json.loads(files["openapi.json"]())["servers"] == [{"url": BASE}]
    assert "HTTP API" in Page(files["api/index.html"]()).text


def test_a_static_site_has_the_same_without_an_api() -> None:
    assert without_guide(common_files(SiteOptions(BASE, is_static=True))) == ASSETS


@pytest.mark.parametrize("is_static", [False, True])
def test_every_site_has_the_guide(is_static: bool) -> None:
    files = common_files(SiteOptions(BASE, is_static=is_static))
    assert "Behind nginx" in Page(files["guide/nginx/index.html"]()).text


def without_guide(files: Iterable[str]) -> list[str]:
    return [path for path in files if not path.startswith("guide/")]


def test_every_asset_has_content() -> None:
    assert all(make() for make in common_files(SiteOptions(BASE, is_static=True)).values())
