"""Charts and other artifacts as their tools push them, to be put into a fake registry."""

import json
from collections.abc import Mapping
from typing import Any

from microbadger.image.descriptors import digest_of
from microbadger.image.manifest import OCI_MANIFEST
from tests.fakes.registry import FakeImage, descriptor, to_json

HELM_CONFIG = "application/vnd.cncf.helm.config.v1+json"
HELM_CONTENT = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
HELM_PROVENANCE = "application/vnd.cncf.helm.chart.provenance.v1.prov"
CHART_YAML: Mapping[str, Any] = {
    "name": "web",
    "home": "https://example.org/web",
    "sources": ["https://github.com/example/web", "https://github.com/example/charts"],
    "version": "1.2.3+build.4",
    "description": "Runs the web",
    "keywords": ["web", "http"],
    "apiVersion": "v2",
    "appVersion": "9.1.0",
    "type": "application",
}


def chart(
    facts: Mapping[str, Any] = CHART_YAML,
    *,
    config: bytes | None = None,
    annotations: Mapping[str, str] | None = None,
    size: int = 3000,
) -> FakeImage:
    """Return a chart as `helm push` writes it; ``config`` replaces its ``Chart.yaml``."""
    content = json.dumps(dict(facts)).encode() if config is None else config
    blob = {"mediaType": HELM_CONTENT, "digest": digest_of(b"chart-%d" % size), "size": size}
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor(content, HELM_CONFIG),
        "layers": [blob],
    } | ({"annotations": dict(annotations)} if annotations else {})
    return FakeImage(to_json(document), OCI_MANIFEST, {digest_of(content): content})


def artifact(
    artifact_type: str, *sizes: int, annotations: Mapping[str, str] | None = None, layer_type: str = ""
) -> FakeImage:
    """Return an artifact as ``oras push`` writes it, with blobs of these sizes."""
    empty = b"{}"
    layers = [
        {"mediaType": layer_type or artifact_type, "digest": digest_of(b"blob-%d" % size), "size": size}
        for size in sizes
    ]
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": artifact_type,
        "config": descriptor(empty, "application/vnd.oci.empty.v1+json"),
        "layers": layers,
    } | ({"annotations": dict(annotations)} if annotations else {})
    return FakeImage(to_json(document), OCI_MANIFEST, {digest_of(empty): empty})
