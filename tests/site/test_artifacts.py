"""The page of what is not an image: a Helm chart, and other artifacts."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microbadger.image.charts import read_chart
from microbadger.image.documents import ChartDocument, VersionDocument
from microbadger.image.reference import Repository
from microbadger.site.image_page import image_page
from microbadger.site.options import SiteOptions
from tests.site.images import image_of, version
from tests.site.page import Page

OCI = "org.opencontainers.image"
SITE = SiteOptions("https://badges.example.org")
GHCR, HUB = Repository.parse("ghcr.io/example/charts/web"), Repository.parse("example/web")
HOSTILE = "<script>alert(1)</script>"
TEXT = st.text() | st.sampled_from(["javascript:alert(1)", "//evil.example", "https://example.org", HOSTILE, "1.0; ls"])
TEXTS = TEXT | st.lists(TEXT)
CHART: ChartDocument = {
    "Name": "web",
    "Version": "1.2.3+build.4",
    "AppVersion": "9.1.0",
    "Description": "Runs the web",
    "Home": "https://example.org/web",
    "Sources": ["https://github.com/example/web", "git@example.org:web"],
    "Keywords": ["http", "proxy"],
}


def artifact(*tags: str, kind: str = "WebAssembly module", **fields: Any) -> Any:
    reason = f"this is a {kind}, not a container image"
    document = version(*tags, Platforms=[], LayerCount=0, DownloadSize=3000, Unsupported=reason, **fields)
    del document["Layers"]
    return document


def chart(*tags: str, **fields: Any) -> Any:
    return artifact(*tags, kind="Helm chart", **{"Chart": CHART, **fields})


def page_of(
    *versions: VersionDocument, repository: Repository = GHCR, tag: str | None = None, changes: Any = ()
) -> Page:
    image = image_of(*versions, repository=repository)
    return Page(image_page(image, tag=tag, version=None, changes=changes, site=SITE))


def test_a_chart_is_shown_with_its_facts() -> None:
    page = page_of(chart("1.2.3_build.4"))
    assert "Version 1.2.3+build.4 Download size 2.9 KiB App version 9.1.0 Created 20 November 2026" in page.words
    facts = "Name web Version 1.2.3+build.4 App version 9.1.0 Description Runs the web Keywords http, proxy"
    assert f"Chart {facts} Home https://example.org/web Sources https://github.com/example/web" in page.words


def test_a_chart_has_neither_layers_nor_platforms_on_its_page() -> None:
    page = page_of(chart("1.2.3_build.4"))
    assert not {"layers"} & set(page.values("id"))
    assert "Platforms" not in page.words.partition("Versions")[0].partition("Get the badges")[0]
    assert "#layers" not in page.values("href")
    assert "#chart" in page.values("href")


def test_only_safe_addresses_of_a_chart_become_links() -> None:
    odd = ["javascript:alert(1)", "https://user@127.0.0.1/", "data:text/html,x", 'https://example.org/"onclick="x']
    page = page_of(chart("1.0", Chart={"Home": "http://example.org", "Sources": [*odd, "https://example.org/source"]}))
    section = [href for href in page.values("href") if not href.startswith(("/", "#", "https://badges."))]
    assert [url for url in section if "example.org" in url] == ["https://example.org", "https://example.org/source"]
    assert "javascript:alert(1)" in page.words


def test_what_a_chart_says_is_escaped() -> None:
    facts = dict.fromkeys(("Name", "Version", "AppVersion", "Description", "Home"), HOSTILE)
    page = page_of(chart("1.0", Chart=facts))
    assert page.words.count(HOSTILE) >= 5
    assert not [script for script in page.all("script") if "src" not in script]


@given(st.dictionaries(st.sampled_from(["name", "version", "appVersion", "home", "sources"]), TEXTS))
def test_whatever_a_chart_says_its_page_is_sound_and_its_links_are_safe(facts: dict[str, object]) -> None:
    page = page_of(chart("1.0", Chart=read_chart(json.dumps(facts).encode())))
    assert all(href.startswith(("https://", "/", "#")) for href in page.values("href"))
    assert "helm pull oci://ghcr.io/example/charts/web --version 1.0Copy" in page.words


def test_a_deprecated_chart_says_so() -> None:
    assert "Chart deprecated" in page_of(chart("1.0", Chart={**CHART, "Deprecated": True})).words
    assert "deprecated" not in page_of(chart("1.0")).words


def test_a_chart_whose_facts_could_not_be_read_says_so_and_can_be_pulled() -> None:
    page = page_of(chart("1.0_a", Chart={}))
    assert "The metadata of this chart could not be read." in page.words
    assert "helm pull oci://ghcr.io/example/charts/web --version 1.0+a" in page.words


def test_a_chart_is_listed_among_the_versions_with_its_size_and_its_app() -> None:
    page = page_of(chart("2.0.0"), chart("1.2.3_build.4", Chart={}))
    assert "20 November 2026 2.9 KiB Helm chart, app version 9.1.0" in page.words
    assert "not a container image" not in page.words


@pytest.mark.parametrize(
    ("repository", "tags", "facts", "command"),
    [
        (GHCR, ["1.2.3_build.4"], CHART, "oci://ghcr.io/example/charts/web --version 1.2.3+build.4"),
        (HUB, ["1.2.3_build.4"], CHART, "oci://registry-1.docker.io/example/web --version 1.2.3+build.4"),
        (GHCR, ["latest", "1.2.3_build.4"], CHART, "oci://ghcr.io/example/charts/web --version 1.2.3+build.4"),
        (GHCR, ["2.0.0"], CHART, "oci://ghcr.io/example/charts/web --version 2.0.0"),
        (GHCR, ["2.0.0"], {"Version": "1; rm -rf ~"}, "oci://ghcr.io/example/charts/web --version 2.0.0"),
        (GHCR, ["main"], CHART, "oci://ghcr.io/example/charts/web --version main"),
    ],
)
def test_a_chart_is_pulled_with_helm(
    repository: Repository, tags: list[str], facts: ChartDocument, command: str
) -> None:
    page = page_of(chart(*tags, Chart=facts), repository=repository)
    assert f"helm pull {command}Copy" in page.words
    assert "docker pull" not in page.text


def test_the_page_of_a_tag_pulls_the_version_that_the_tag_names() -> None:
    page = page_of(chart("1.2.3_build.4", "1.2"), chart("2.0.0"), tag="1.2")
    assert "--version 1.2.3+build.4Copy" in page.words


@pytest.mark.parametrize(
    ("repository", "name"), [(GHCR, "ghcr.io/example/charts/web"), (HUB, "docker.io/example/web")]
)
def test_another_artifact_says_what_it_is_and_is_pulled_with_oras(repository: Repository, name: str) -> None:
    annotations = {f"{OCI}.title": "filter", "com.example.kind": "plugin"}
    page = page_of(artifact("1.0", Annotations=annotations), repository=repository)
    assert page.text.count("this is a WebAssembly module, not a container image") == 2
    assert f"oras pull {name}:1.0Copy" in page.words
    assert "Version 1.0 Download size 2.9 KiB Created 20 November 2026" in page.words
    assert "Annotations Title" in page.words
    assert {"filter", "plugin"} <= set(page.words.replace("plugin", " plugin ").replace("filter", " filter ").split())
    assert "layers" not in page.values("id")


def test_an_image_is_pulled_with_docker() -> None:
    page = page_of(version("1.0"), repository=Repository.parse("alpine"))
    assert "docker pull alpine:1.0Copy" in page.words
