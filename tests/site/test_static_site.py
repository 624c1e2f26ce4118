"""A static site as a plain file server and a browser show it: every address is answered, and the state is shown."""

import json
import re
import threading
from collections.abc import Iterator, Mapping
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

import pytest
import requests

from microbadger.image.changes import ChangeLogDocument
from microbadger.image.documents import StatusDocument, document_bytes
from microbadger.image.history import begin_history
from microbadger.site.common_files import common_files
from microbadger.site.feed_filters import feed_of_all
from microbadger.site.folder import PublicFolder
from microbadger.site.image_files import ImageFiles, status_files
from microbadger.site.image_list import entry_of, listed
from microbadger.site.list_pages import list_file
from microbadger.site.options import SiteOptions
from microbadger.site.pages import absent_page, home_page
from microbadger.site.paths import CATALOGUE, FEED_OF_ALL, HOME
from tests.browser import reading
from tests.site.images import WEB, image_of, layer, version
from tests.site.page import Page

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from playwright.sync_api import Page as Tab

FAILING: StatusDocument = {
    "ImageName": "example/web",
    "State": "failing",
    "Reason": "unreachable",
    "Error": "example.org cannot be reached",
    "FailingSince": "2020-11-20T10:00:00Z",
}
STATUS = "**/-/status.json*"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Write no line for each request."""


@pytest.fixture(scope="module")
def site_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("static")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        publish(PublicFolder(folder), SiteOptions(url, is_static=True))
        yield url
        server.shutdown()


def publish(publisher: PublicFolder, site: SiteOptions) -> None:
    current = version("2.0", "latest", Created="2026-11-20T10:00:00Z")
    old = version("1.0", Created="2026-11-01T10:00:00Z", Layers=[layer("COPY old /", 2048)])
    image = image_of(current, old)
    files = ImageFiles(
        image=image,
        changes=ChangeLogDocument(ImageName="example/web", Changes=[]),
        history=lambda: begin_history(image),
        version={version["SHA"]: version for version in (current, old)}.get,
        site=site,
    )
    publisher.publish(files.written() | status_files(WEB, FAILING))
    entries = [listed(document_bytes(entry_of(WEB, image)).decode(), "failing", "unreachable")]
    publisher.write(CATALOGUE, list_file(entries, 1, site.base_url, has_next=False, counts=(1, 1)))
    publisher.write(HOME, home_page([json.loads(entry) for entry in entries], 1, site))
    publisher.write(FEED_OF_ALL, feed_of_all([], site.base_url))
    publisher.publish(common_files(site))
    # What the service answers for an image that it has not read: no static site has such a page.
    publisher.write("images/example/new/index.html", absent_page("example/new", site, {**FAILING, "State": "pending"}))


@pytest.fixture
def tab(chromium: "Browser", site_url: str) -> Iterator["Tab"]:
    with reading(chromium, site_url) as page:
        yield page


def test_every_address_that_a_reader_can_follow_is_answered(site_url: str) -> None:
    found, unread = {f"{site_url}/"}, [f"{site_url}/"]
    while unread:
        url = unread.pop()
        answer = requests.get(url, timeout=10)
        assert (answer.status_code, answer.history) == (200, []), url
        if answer.headers["Content-Type"].startswith("text/html"):
            page = Page(answer.content)
            linked = {urljoin(url, address).partition("#")[0] for address in page.values("href") + page.values("src")}
            new = {address for address in linked if urlsplit(address).netloc == urlsplit(site_url).netloc} - found
            found |= new
            unread += new
    assert f"{site_url}/images/example/web/" in found


def test_the_page_behind_the_badge_of_a_tag_is_answered(tab: "Tab") -> None:
    tab.goto("/images/example/web:1.0")  # as badge markup links it
    assert tab.locator("h1").text_content() == "example/web:1.0"
    assert tab.locator("#layers .layers code").all_text_contents() == ["COPY old /"]


def test_an_opened_version_leads_to_the_pages_of_its_tags(tab: "Tab") -> None:
    tab.goto("/images/example/web/")
    tab.get_by_role("button", name="1.0").click()
    tab.get_by_role("link", name="Page of 1.0").click()
    tab.wait_for_url("**/images/example/web:1.0/")


def test_the_markup_of_the_badges_of_a_tag_is_offered_first_on_its_page(tab: "Tab") -> None:
    tab.goto("/images/example/web:1.0/#badges")
    preview = tab.locator("[data-type='version'] img")
    assert tab.locator("select[name=tag]").input_value() == "1.0"
    tab.locator("select[name=tag]").select_option("")
    assert preview.get_attribute("alt") == "version of the current version"
    tab.locator("select[name=tag]").select_option("1.0")
    assert preview.get_attribute("alt") == "version: 1.0"
    assert "?" not in (preview.get_attribute("src") or "")


def test_a_reader_finds_an_image_with_its_state(tab: "Tab") -> None:
    tab.goto("/")
    tab.get_by_label("Find").fill("web")
    tab.get_by_text("1 image found").wait_for()
    assert "registry unreachable" in tab.locator("table.images tbody").inner_text()
    tab.get_by_label("Find").press("Enter")
    tab.wait_for_url("**/images/example/web/")


def test_a_page_says_what_fails_and_since_when(tab: "Tab") -> None:
    tab.goto("/images/example/web/")
    assert (tab.locator("[data-status] p").text_content() or "").endswith(" years ago: example.org cannot be reached.")
    assert tab.locator("#checked").text_content() == ""


def answer_with(tab: "Tab", status: Mapping[str, str]) -> None:
    """Have the status be as the service would answer it."""
    tab.route(STATUS, lambda route: route.fulfill(json=dict(status)))


def test_a_page_says_when_the_image_was_checked(tab: "Tab") -> None:
    answer_with(tab, {"State": "current", "CheckedAt": "2020-11-20T10:00:00Z"})
    tab.goto("/images/example/web/")
    tab.locator("#checked time").wait_for()
    assert re.fullmatch(r"checked \d+ years ago", tab.locator("#checked").text_content() or "")
    assert tab.locator("[data-status]").text_content() == ""


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ({"State": "overdue", "NextCheckAt": "2020-11-20T10:00:00Z"}, r"This image should .* checked \d+ years ago\."),
        ({"State": "overdue", "Error": "It is late."}, r"The next check is overdue\. It is late\."),
        ({"State": "failing"}, r"Failing\."),
        ({"State": "failing", "Error": "<b>\u202e"}, r"Failing: <b>\\u\{202e\}\."),
    ],
)
def test_a_state_that_is_not_current_is_a_sentence(tab: "Tab", status: Mapping[str, str], words: str) -> None:
    answer_with(tab, status)
    tab.goto("/images/example/web/")
    trouble = tab.locator("[data-status] p")
    trouble.wait_for()
    assert re.fullmatch(words, trouble.text_content() or "")


def test_a_page_without_an_answer_about_the_state_stays_as_it_is(chromium: "Browser", site_url: str) -> None:
    context = chromium.new_context(base_url=site_url)
    tab = context.new_page()
    tab.route(STATUS, lambda route: route.abort())
    with tab.expect_request(STATUS):
        tab.goto("/images/example/web/")
    assert tab.locator("[data-status]").text_content() == ""
    context.close()


def test_the_page_of_an_image_that_is_being_read_is_loaded_again_when_it_was(tab: "Tab") -> None:
    status = {"State": "pending"}
    answer_with(tab, status)
    with tab.expect_request(STATUS):
        tab.goto("/images/example/new/")
    assert "being read for the first time" in tab.locator("main").inner_text()

    status["State"] = "current"
    answer_with(tab, status)

    with tab.expect_navigation():
        pass
