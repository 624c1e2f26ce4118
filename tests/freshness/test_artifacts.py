"""What a check finds out about charts and other artifacts that are not images."""

import json
from dataclasses import replace

import pytest
from werkzeug.wrappers import Response

from microbadger.image.documents import VersionDocument, tags_of
from tests.fakes.charts import CHART_YAML, artifact, chart
from tests.fakes.registry import FakeImage, image, index
from tests.freshness.bench import Bench

CREATED = {"org.opencontainers.image.created": "2026-11-20T10:00:00Z"}


def version_of(bench: Bench, tag: str = "1.2.3_build.4") -> VersionDocument:
    return next(version for version in bench.record["Versions"] if tag in tags_of(version))


def push_chart(bench: Bench, version: str = "1.2.3+build.4", **options: object) -> FakeImage:
    pushed = chart({**CHART_YAML, "version": version}, annotations=CREATED, **options)  # type: ignore[arg-type]
    bench.fake.push("team/web", version.replace("+", "_"), pushed)
    return pushed


def test_a_chart_is_described_by_its_config_and_its_manifest(bench: Bench) -> None:
    push_chart(bench)

    assert bench.refresh() is None

    version = version_of(bench)
    assert version["Unsupported"] == "this is a Helm chart, not a container image"
    assert (version["Chart"]["Name"], version["Chart"]["AppVersion"]) == ("web", "9.1.0")
    assert (version["Created"], version["Annotations"]) == ("2026-11-20T10:00:00Z", CREATED)
    assert bench.record["DownloadSize"] == version["DownloadSize"] == 3000
    assert (bench.record["Chart"], bench.record["Description"]) == (version["Chart"], "Runs the web")


@pytest.mark.parametrize(
    ("badge_type", "says"),
    [
        ("version", "version: 1.2.3+build.4"),
        ("created", "created: 2026-11-20"),
        ("size", "size: 2.9 KiB"),
        ("image", "2.9 KiB: Helm chart"),
        ("layers", "layers: unknown"),
        ("license", "license: unknown"),
    ],
)
def test_the_badges_of_a_chart(bench: Bench, badge_type: str, says: str) -> None:
    push_chart(bench)

    bench.refresh()

    assert bench.badge(badge_type) == says


def test_the_current_version_of_a_chart_is_its_highest_release(bench: Bench) -> None:
    for number in ("1.9.0", "1.10.0", "2.0.0-rc.1", "1.2.0"):
        push_chart(bench, number, size=int(number.replace(".", "")[:3].replace("-", "")))

    bench.refresh()

    assert bench.record["LatestVersion"] == "1.10.0"
    assert bench.badge("version") == "version: 1.10.0"


def test_the_config_of_a_chart_costs_one_blob_and_an_unchanged_check_none(bench: Bench) -> None:
    push_chart(bench)
    bench.refresh()
    pulls, blobs = bench.fake.asked("GET", "/manifests/"), bench.fake.asked("GET", "/blobs/")

    bench.check_later()

    assert (pulls, blobs) == (1, 1)
    assert (bench.fake.asked("GET", "/manifests/"), bench.fake.asked("GET", "/blobs/")) == (pulls, blobs)


@pytest.mark.parametrize("config", [b"[]", b"\xff", b"{" * 3000, b"null"])
def test_a_chart_with_a_broken_config_is_described_by_its_manifest(bench: Bench, config: bytes) -> None:
    push_chart(bench, config=config)

    assert bench.refresh() is None

    version = version_of(bench)
    assert (version["Chart"], version["DownloadSize"], "Unread" in version) == ({}, 3000, False)
    assert bench.badge("version") == "version: 1.2.3+build.4"


def test_a_config_of_more_than_a_mebibyte_is_not_read(bench: Bench) -> None:
    push_chart(bench, config=json.dumps({"name": "x" * 1024**2}).encode())

    assert bench.refresh() is None

    assert version_of(bench)["Chart"] == {}
    assert bench.fake.asked("GET", "/blobs/") == 0


def test_a_chart_whose_config_is_missing_is_an_outline_and_the_check_succeeds(bench: Bench) -> None:
    bench.fake.push("team/web", "1.2.3_build.4", replace(chart(annotations=CREATED), blobs={}))

    assert bench.refresh() is None

    assert (version_of(bench)["Chart"], version_of(bench)["Created"]) == ({}, "2026-11-20T10:00:00Z")


def test_a_config_that_could_not_be_read_for_now_is_read_by_the_next_check(bench: Bench) -> None:
    push_chart(bench)
    is_down = True
    bench.fake.always("/blobs/", lambda _: Response(status=503) if is_down else None)
    assert bench.refresh() is None
    assert version_of(bench)["Chart"] == {}
    is_down = False

    bench.check_later()

    assert version_of(bench)["Chart"]["Version"] == "1.2.3+build.4"


@pytest.mark.parametrize(
    ("media_type", "what"),
    [
        ("application/vnd.wasm.config.v0+json", "a WebAssembly module"),
        ("application/vnd.cncf.flux.config.v1+json", "a Flux artifact"),
        ("application/vnd.cncf.model.manifest.v1+json", "a machine learning model"),
        ("application/vnd.cncf.openpolicyagent.config.v1+json", "a policy bundle"),
        ("application/vnd.example", "an artifact of type application/vnd.example"),
    ],
)
def test_another_artifact_says_what_it_is_and_what_its_manifest_says(bench: Bench, media_type: str, what: str) -> None:
    annotations = {**CREATED, "org.opencontainers.image.description": "Does something"}
    bench.fake.push("team/web", "latest", artifact(media_type, 700, 300, annotations=annotations))

    assert bench.refresh() is None

    version = version_of(bench, "latest")
    assert version["Unsupported"] == f"this is {what}, not a container image"
    assert (version["DownloadSize"], version["Annotations"]) == (1000, annotations)
    assert (bench.record["Description"], "Chart" in bench.record) == ("Does something", False)
    assert bench.badge("size") == "size: 1000 B"
    assert bench.badge("created") == "created: 2026-11-20"


def test_an_artifact_that_only_its_config_tells_from_an_image_says_what_its_manifest_says(bench: Bench) -> None:
    layer_type = "application/x-new.tar"
    odd = image(layers=(500,), annotations=CREATED, config={"os": None, "architecture": None})
    raw = odd.raw.replace(b"application/vnd.oci.image.layer.v1.tar+gzip", layer_type.encode())
    bench.fake.push("team/web", "latest", replace(odd, raw=raw))

    bench.refresh()

    version = version_of(bench, "latest")
    assert version["Unsupported"] == f"this is an artifact of type {layer_type}, not a container image"
    assert (version["DownloadSize"], version["Annotations"]) == (500, CREATED)


def test_an_index_of_artifacts_says_what_they_are(bench: Bench) -> None:
    child = artifact("application/vnd.wasm.config.v0+json", 10)
    listed = index(child, annotations=CREATED)
    raw = listed.raw.replace(b'"digest"', b'"artifactType": "application/vnd.wasm.config.v0+json", "digest"')
    bench.fake.push("team/web", "latest", replace(listed, raw=raw))

    bench.refresh()

    version = version_of(bench, "latest")
    assert (version["Unsupported"], version["Annotations"]) == (
        "this is a WebAssembly module, not a container image",
        CREATED,
    )
