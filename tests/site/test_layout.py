"""That every page fits: on phones and wide screens, in two browsers, with and without its script."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

import pytest

from tests.firefox import running_firefox
from tests.site.layout_pages import PAGES, served_pages

if TYPE_CHECKING:
    from playwright.sync_api import Browser

WIDTHS = [320, 360, 768, 1024, 1280, 1920]
MEASURE = (Path(__file__).parent / "measure.js").read_text("utf-8")


class Tab(Protocol):
    def evaluate(self, function: str, argument: Any) -> Any: ...


@pytest.fixture(scope="module")
def site_url() -> Iterator[str]:
    with served_pages() as url:
        yield url


@pytest.fixture(scope="module", params=["chromium", "firefox"])
def tab(request: pytest.FixtureRequest, site_url: str) -> Iterator[Tab]:
    """A tab of a browser, on an empty page of the site."""
    if request.param == "firefox":
        with running_firefox() as firefox:
            firefox.goto(site_url)
            yield firefox
    else:
        chromium: Browser = request.getfixturevalue("chromium")
        page = chromium.new_page()
        page.goto(site_url)
        yield page
        page.close()


def test_what_does_not_fit_is_found(tab: Tab) -> None:
    found = tab.evaluate(MEASURE, {"url": "/page/misfit", "widths": [320], "hasScript": True})
    for fault in ("the page is", "is cut above or below", "is cut at a side", "“unbroken” is broken in p"):
        assert any(fault in each for each in found)


@pytest.mark.parametrize("has_script", [True, False], ids=["with script", "without script"])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_every_width(tab: Tab, name: str, has_script: bool) -> None:
    subject = {"url": f"/page/{quote(name)}", "widths": WIDTHS, "hasScript": has_script}
    assert tab.evaluate(MEASURE, subject) == []
