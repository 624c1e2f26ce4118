"""The pages of charts as their readers use them: Helm pushes the charts, and pulls what a page tells it to."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser import PHONE, pasted, reading, violations
from tests.real_registry import RunningRegistry, need
from tests.real_tools import Helm
from tests.running_service import RunningService

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

FACTS = {
    "name": "web",
    "version": "1.2.3+build.4",
    "appVersion": "9.1.0",
    "description": "Runs the web",
    "home": "https://example.org/web",
    "sources": ["https://github.com/example/web", "https://github.com/example/charts"],
    "keywords": ["http", "proxy"],
    "maintainers": [{"name": "Jo", "email": "jo@example.org"}],
}


class Charts:
    """A service that has read the chart ``charts/web`` in two versions from a registry."""

    def __init__(self, service: RunningService, host: str) -> None:
        self.service, self.url = service, service.url
        self.name = f"{host}/charts/web"

    def document(self) -> Any:
        return self.service.get(f"/v1/images/{self.name}.json").json()


@pytest.fixture(scope="module")
def charts(helm: Helm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Charts]:
    need("docker-registry")
    folder = tmp_path_factory.mktemp("charts")
    with RunningRegistry(folder / "registry") as registry:
        for facts in ({**FACTS, "version": "1.1.0", "appVersion": "9.0.2", "deprecated": True}, FACTS):
            helm.push(facts, f"{registry.host}/charts")
        with RunningService(folder / "service", [f"{registry.host}/charts/web"]) as service:
            charts = Charts(service, registry.host)
            service.wait_for_image(charts.name)
            yield charts


@pytest.fixture
def page(chromium: "Browser", charts: Charts) -> Iterator["Page"]:
    """The page of the chart, which is checked when the test has ended."""
    with ExitStack() as tabs:
        page = tabs.enter_context(reading(chromium, charts.url))
        page.goto(f"/images/{charts.name}")
        yield page


def test_what_helm_pushes_is_read(charts: Charts) -> None:
    document = charts.document()
    assert document["Chart"] == {
        "Name": "web",
        "Version": "1.2.3+build.4",
        "AppVersion": "9.1.0",
        "Description": "Runs the web",
        "Home": "https://example.org/web",
        "Sources": ["https://github.com/example/web", "https://github.com/example/charts"],
        "Keywords": ["http", "proxy"],
    }
    assert (document["LatestVersion"], document["Description"]) == ("1.2.3_build.4", "Runs the web")
    assert [version["Chart"].get("Deprecated", False) for version in document["Versions"]].count(True) == 1
    assert 0 < document["DownloadSize"] < 10_000


@pytest.mark.parametrize(("tag", "version"), [("", "1.2.3+build.4"), (":1.2.3_build.4", "1.2.3+build.4")])
def test_the_badge_says_the_version_of_the_chart(charts: Charts, tag: str, version: str) -> None:
    assert f"version: {version}" in charts.service.get(f"/badges/version/{charts.name}{tag}.svg").text


def test_the_command_of_the_page_pulls_the_chart(page: "Page", helm: Helm, tmp_path: Path) -> None:
    page.get_by_role("button", name="Copy the pull command").click()
    page.locator(".get-it").get_by_text("Copied").wait_for()
    program, *arguments = pasted(page).split()

    helm.run(*arguments, "--destination", str(tmp_path))

    assert (program, [file.name for file in tmp_path.iterdir()]) == ("helm", ["web-1.2.3+build.4.tgz"])


def test_the_list_has_the_chart_with_its_version_and_its_size(charts: Charts) -> None:
    charts.service.wait(lambda: "LatestVersion" in charts.service.get("/v1/images.json").text, "the list")
    [entry] = charts.service.get("/v1/images.json").json()["Images"]
    assert (entry["LatestVersion"], entry["Description"]) == ("1.2.3_build.4", "Runs the web")
    assert charts.service.get("/v1/images/search/runs").json()["Images"] == [charts.name]


def test_another_version_opens_with_what_is_known_of_it(page: "Page") -> None:
    page.locator("#versions").get_by_role("button", name="1.1.0").click()
    details = page.locator("#versions tr", has_text="This version as JSON")
    details.wait_for()
    assert "this is a Helm chart, not a container image" in details.inner_text()
    assert details.get_by_role("link", name="Page of 1.1.0").is_visible()


@pytest.mark.parametrize("options", [{}, {"color_scheme": "dark"}, {"viewport": PHONE}], ids=["light", "dark", "phone"])
def test_axe_finds_no_violation(chromium: "Browser", charts: Charts, options: dict[str, Any]) -> None:
    with reading(chromium, charts.url, **options) as page:
        for path in (charts.name, f"{charts.name}:1.1.0"):
            page.goto(f"/images/{path}")
            assert violations(page) == []
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
