"""An open instance as readers use it: they enter an image, and its page appears without a click, or why it does not."""

import json
import re
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from werkzeug.wrappers import Response

from tests.browser import reading, violations
from tests.fakes.registry import FakeRegistry, image
from tests.running_service import RunningService

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NO_SUCH_NAME = '{"errors":[{"code":"NAME_UNKNOWN","message":"repository name not known to registry"}]}'


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with FakeRegistry() as fake:
        for name in ("example/web", "example/plain"):
            fake.push(name, "1.0", image())
        fake.always("example/gone", lambda _: Response(NO_SUCH_NAME, 404))
        mirrors = json.dumps({"docker.io": fake.url})
        with RunningService(tmp_path_factory.mktemp("open"), mirrors=mirrors, open="docker.io") as service:
            service.wait(lambda: service.get("/").status_code == 200, "the home page")
            yield service.url


def test_what_is_entered_becomes_the_page_of_the_image(chromium: "Browser", url: str) -> None:
    with reading(chromium, url) as page:
        page.goto("/")
        assert violations(page) == []
        page.get_by_label("Image", exact=True).fill("docker pull Example/Web:1.0")
        page.get_by_role("button", name="Show its page").click()

        page.locator("#layers .layers").wait_for()

        assert page.url == f"{url}/images/example/web:1.0/"


def test_what_is_entered_becomes_the_page_of_the_image_without_a_script(chromium: "Browser", url: str) -> None:
    with reading(chromium, url, java_script_enabled=False) as page:
        page.goto("/")
        page.get_by_label("Image", exact=True).fill("https://hub.docker.com/r/example/plain")
        page.get_by_role("button", name="Show its page").click()

        page.locator("#layers .layers").wait_for()


def test_the_page_that_waits_for_an_image_that_is_not_there_says_so(chromium: "Browser", url: str) -> None:
    with closing(chromium.new_context(base_url=url)) as context:  # the browser notes that the state is not found
        page = context.new_page()
        page.goto("/images/example/gone")

        page.get_by_text("The registry has no public image with this name.").wait_for()


def test_the_page_that_waits_for_an_image_that_is_refused_ends_waiting(chromium: "Browser", url: str) -> None:
    with closing(chromium.new_context(base_url=url)) as context:
        page = context.new_page()
        page.route(re.compile(r"/-/status\.json"), lambda route: route.fulfill(status=429))
        page.route(re.compile(r"/images/example/refused\?again="), lambda route: route.fulfill(body="asked again"))
        page.goto("/images/example/refused")

        page.get_by_text("asked again").wait_for()
