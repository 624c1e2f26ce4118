"""The config of a Helm chart: what is kept of it, and what strangers may write there."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microbadger.image.artifact_manifests import parse_artifact
from microbadger.image.bounds import size_bytes
from microbadger.image.charts import read_chart, tag_version
from microbadger.image.describe import describe_artifact, describe_image, is_incomplete, outline_version
from microbadger.image.documents import ChartDocument, VersionDocument
from microbadger.image.errors import InvalidManifest
from microbadger.image.reference import Repository
from microbadger.image.shapes import has_shape
from tests.fakes.charts import CHART_YAML, artifact, chart
from tests.fakes.registry import FakeImage
from tests.image.json_values import VALUES
from tests.image.test_describe import NOON, digest

OCI = "org.opencontainers.image"
WEB = Repository.parse("ghcr.io/example/charts/web")
FACTS: ChartDocument = {
    "Name": "web",
    "Version": "1.2.3+build.4",
    "AppVersion": "9.1.0",
    "Description": "Runs the web",
    "Home": "https://example.org/web",
    "Sources": ["https://github.com/example/web", "https://github.com/example/charts"],
    "Keywords": ["web", "http"],
}


def read(facts: Mapping[str, Any]) -> ChartDocument:
    return read_chart(json.dumps(dict(facts)).encode())


def described(pushed: FakeImage, facts: ChartDocument | None = None) -> VersionDocument:
    outline = outline_version(WEB, digest("a"), unsupported="this is a Helm chart, not a container image")
    return describe_artifact(outline, parse_artifact(pushed.raw), facts)


def test_the_facts_of_a_chart_are_read() -> None:
    assert read(CHART_YAML) == FACTS


def test_a_chart_that_is_deprecated_says_so() -> None:
    assert read({"deprecated": True}) == {"Deprecated": True}
    assert read({"deprecated": False}) == {}


@pytest.mark.parametrize("broken", [None, "", " \n", 7, 1.5, [], {}, ["a"], {"a": "b"}, True])
@pytest.mark.parametrize("key", ["name", "version", "appVersion", "description", "home"])
def test_a_broken_text_hides_no_other(key: str, broken: object) -> None:
    assert read({"name": "web", "version": "1.0", key: broken}) == read(
        {other: text for other, text in (("name", "web"), ("version", "1.0")) if other != key}
    )


@pytest.mark.parametrize("key", ["sources", "keywords"])
def test_a_list_is_read_without_its_broken_items(key: str) -> None:
    assert read({key: ["one", None, 7, "", ["two"], "three"]}) == {key.capitalize(): ["one", "three"]}
    assert read({key: "one"}) == {}


def test_a_text_of_a_chart_is_shown_on_one_line_without_hidden_characters() -> None:
    assert read({"description": "Runs\n the\t\u202eweb\x00"}) == {"Description": "Runs the web"}


@pytest.mark.parametrize("raw", [b"", b"[]", b'"web"', b"{", b'{"name": "web"', b"\xff\xfe", b"[" * 100_000])
def test_a_config_that_is_not_an_object_is_invalid(raw: bytes) -> None:
    with pytest.raises(InvalidManifest):
        read_chart(raw)


@pytest.mark.parametrize(
    "facts",
    [
        {"description": "x" * 1_000_000},
        {"sources": ["https://example.org/" + "ä" * 5000] * 100},
        {"keywords": ["<&>" * 600] * 1000, "sources": ["s" * 2000] * 50},
        {**dict.fromkeys(["name", "version", "appVersion", "description", "home"], "界" * 3000), "keywords": ["k"]},
    ],
    ids=range(4),
)
def test_a_large_chart_is_cut(facts: Mapping[str, Any]) -> None:
    assert 0 < size_bytes(read(facts)) < 9 * 1024


@given(st.dictionaries(st.sampled_from([*CHART_YAML, "deprecated", "other"]), VALUES))
def test_whatever_strangers_write_is_a_chart_or_nothing(facts: dict[str, Any]) -> None:
    document = read(facts)
    assert has_shape(document, ChartDocument)
    assert size_bytes(document) < 9 * 1024


@given(st.binary())
def test_whatever_bytes_strangers_send_are_read_or_refused(raw: bytes) -> None:
    try:
        document = read_chart(raw)
    except InvalidManifest:
        return
    assert has_shape(document, ChartDocument)


@pytest.mark.parametrize(
    ("tag", "version"), [("1.2.3", "1.2.3"), ("1.2.3_build.4", "1.2.3+build.4"), ("v1.0-rc1", "v1.0-rc1")]
)
def test_a_tag_names_the_version_of_a_chart(tag: str, version: str) -> None:
    assert tag_version(tag) == version


def test_a_chart_says_beside_its_facts_what_its_manifest_says() -> None:
    annotations = {
        f"{OCI}.created": "2026-11-20T10:00:00Z",
        f"{OCI}.authors": "Jo <jo@example.org>",
        f"{OCI}.source": "https://github.com/example/web",
        f"{OCI}.revision": "0123456789abcdef",
        f"{OCI}.licenses": "MIT",
    }
    version = described(chart(annotations=annotations, size=3000), FACTS)
    assert version["Unsupported"] == "this is a Helm chart, not a container image"
    assert (version["Chart"], version["Annotations"]) == (FACTS, annotations)
    assert (version["Created"], version["Author"]) == ("2026-11-20T10:00:00Z", "Jo <jo@example.org>")
    assert (version["DownloadSize"], version["LayerCount"], version["Platforms"]) == (3000, 0, [])
    assert (version["License"]["Code"], version["VersionControl"]["Commit"]) == ("MIT", "0123456789abcdef")


def test_the_size_of_an_artifact_is_the_sum_of_its_blobs_each_counted_once() -> None:
    assert described(artifact("application/vnd.example", 100, 20, 100))["DownloadSize"] == 120
    assert described(artifact("application/vnd.example"))["DownloadSize"] == 0


def test_an_artifact_that_says_nothing_of_itself_is_an_outline() -> None:
    outline = outline_version(WEB, digest("a"), unsupported="this is a Helm chart, not a container image")
    assert described(artifact("application/vnd.example")) == outline


def test_too_many_annotations_of_an_artifact_are_cut_and_the_version_says_so() -> None:
    version = described(artifact("application/vnd.example", annotations={f"key{n}": "x" * 9000 for n in range(200)}))
    assert size_bytes(version["Annotations"]) < 600_000
    assert "annotations are left out" in version["Cut"][0]


@pytest.mark.parametrize(
    ("annotations", "description"),
    [({}, "Runs the web"), ({f"{OCI}.description": "Serves the web"}, "Serves the web")],
)
def test_the_description_of_a_chart_is_that_of_its_annotations_else_its_own(
    annotations: dict[str, str], description: str
) -> None:
    version = described(chart(annotations=annotations), FACTS)
    image = describe_image(WEB, [version], updated_at=NOON)
    assert (image["Description"], image["Chart"]) == (description, FACTS)


@pytest.mark.parametrize(("facts", "expected"), [(FACTS, False), (None, False), ({}, True)])
def test_a_chart_without_facts_is_read_again(facts: ChartDocument | None, expected: bool) -> None:
    assert is_incomplete(described(chart(), facts)) is expected
