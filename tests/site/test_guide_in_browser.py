"""The guide as a reader's browser shows it, from a plain file server."""

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from microbadger.site.common_files import common_files
from microbadger.site.folder import PublicFolder
from microbadger.site.guide_pages import parts
from microbadger.site.options import SiteOptions
from tests.browser import pasted, reading, violations

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ADDRESSES = ["/guide/", *(f"/guide/{chapter.name}/" for part in parts().values() for chapter in part)]


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Write nothing."""


@pytest.fixture(scope="module")
def site_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("public")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        url = f"http://127.0.0.1:{server.server_port}"
        PublicFolder(folder).publish(common_files(SiteOptions(url)))
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield url
        server.shutdown()


@pytest.mark.parametrize(("width", "scheme"), [(320, "light"), (1280, "dark")])
def test_every_page_fits_and_can_be_read_by_everybody(
    chromium: "Browser", site_url: str, width: int, scheme: str
) -> None:
    with reading(chromium, site_url, viewport={"width": width, "height": 800}, color_scheme=scheme) as tab:
        for address in ADDRESSES:
            tab.goto(address)
            assert tab.evaluate("document.documentElement.scrollWidth") == width, address
            assert violations(tab) == [], address


def test_wide_tables_and_code_scroll_in_their_boxes_on_a_phone(chromium: "Browser", site_url: str) -> None:
    with reading(chromium, site_url, viewport={"width": 320, "height": 800}) as tab:
        for address, box in (("/guide/settings/", ".scroll"), ("/guide/nginx/", "pre")):
            tab.goto(address)
            tab.locator(box).first.focus()
            tab.keyboard.press("End")
            tab.keyboard.press("ArrowRight")
            tab.wait_for_function("box => document.querySelector(box).scrollLeft > 0", arg=box)


def test_code_can_be_copied(chromium: "Browser", site_url: str) -> None:
    with reading(chromium, site_url) as tab:
        tab.goto("/guide/docker/")
        tab.get_by_role("button", name="Copy the example").last.click()
        tab.get_by_role("button", name="Copied").wait_for()
        assert pasted(tab) == "docker compose exec microbadger flask webhook example/web\n"
