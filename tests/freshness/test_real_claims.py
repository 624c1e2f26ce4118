"""What is claimed of images in a real registry, which has no lists of referrers: clients keep them under tags."""

import http.client
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from microbadger.image.documents import VersionDocument
from microbadger.image.manifest import OCI_MANIFEST
from microbadger.image.referrers import fallback_tag
from tests.fakes.claims import (
    SPDX,
    attestation,
    attested_index,
    buildkit_provenance,
    bundle_referrer,
    cosign_attestations,
    cosign_tag,
    github_provenance,
    referrer,
    spdx,
    statement,
)
from tests.fakes.referrers import lifecycle, referrer_list
from tests.fakes.registry import FakeImage, to_json
from tests.freshness.bench import Bench
from tests.real_registry import ImageMaker, RealAddress, RunningRegistry

SOURCE = "https://github.com/owner/app.git#refs/heads/main"


class Shelf:
    """A real registry with an image in it, and a process that checks the image."""

    def __init__(self, folder: Path, registry: RunningRegistry, maker: ImageMaker) -> None:
        self.registry = registry
        self.bench = Bench(folder, RealAddress(registry))
        name = f"{registry.host}/team/web:latest"
        maker.push(maker.make([{"a": b"1"}]), name)
        platform = {"os": "linux", "architecture": "amd64"}
        self.app = FakeImage(maker.raw_manifest(name), OCI_MANIFEST, platform=platform)

    def push(self, pushed: FakeImage, tag: str = "") -> None:
        """Send what is not there yet, and name it."""
        for child in pushed.children:
            self.push(child)
        for digest, content in pushed.blobs.items():
            place = self._send("POST", "/v2/team/web/blobs/uploads/", b"", "").split("?")
            self._send("PUT", f"{place[0]}?{place[1]}&digest={digest}", content, "application/octet-stream")
        self._send("PUT", f"/v2/team/web/manifests/{tag or pushed.digest}", pushed.raw, pushed.media_type)

    def check(self) -> VersionDocument:
        """Check the image, and return its only version."""
        assert self.bench.refresh() is None
        (version,) = self.bench.record["Versions"]
        return version

    def asked(self) -> list[str]:
        """Return the kinds of requests since this was asked last."""
        asked = [f"{method} {path.split('/')[4]}" for method, path in self.registry.requests() if path != "/v2/"]
        self.registry.forget_requests()
        return asked

    def _send(self, method: str, path: str, body: bytes, media_type: str) -> str:
        connection = http.client.HTTPConnection(self.registry.host, timeout=10)
        try:
            connection.request(method, path, body, {"Content-Type": media_type} if media_type else {})
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        assert answer.status in (201, 202), text
        location = urlsplit(answer.headers.get("Location", ""))
        return f"{location.path}?{location.query}"


@pytest.fixture
def shelf(tmp_path: Path, real_registry: RunningRegistry, image_maker: ImageMaker) -> Shelf:
    return Shelf(tmp_path, real_registry, image_maker)


@pytest.mark.parametrize("as_artifact", [False, True])
def test_attestations_beside_an_image_are_read_once(shelf: Shelf, as_artifact: bool) -> None:
    built = statement(buildkit_provenance(source=SOURCE, inputs=()), shelf.app)
    listed = statement(spdx(), shelf.app, predicate_type=SPDX)
    made = attestation(shelf.app, built, listed, as_artifact=as_artifact)
    shelf.push(replace(attested_index((shelf.app, made)), children=(made,)), "latest")
    shelf.asked()

    version = shelf.check()
    first = shelf.asked()
    again = shelf.check()

    assert version["Provenance"]["Source"] == "https://github.com/owner/app"
    assert (version["SBOM"]["PackageCount"], version["Signatures"]) == (1, [])
    assert first == [
        *("GET tags", "HEAD manifests", "GET manifests", "GET manifests", "GET blobs"),
        *("GET manifests", "GET blobs", "GET blobs", "GET referrers"),
    ]
    assert (again, shelf.asked()) == (version, ["GET tags", "HEAD manifests"])


def test_a_fallback_tag_lists_signatures_and_statements(shelf: Shelf) -> None:
    signed, built = bundle_referrer(shelf.app, None), statement(github_provenance(), shelf.app)
    bill = referrer(shelf.app, "text/spdx+json", {"text/spdx+json": to_json(spdx())})
    artifacts = signed, bundle_referrer(shelf.app, built), bill, lifecycle(shelf.app, "2027-06-30")
    shelf.push(referrer_list(*artifacts), fallback_tag(shelf.app.digest))
    shelf.asked()

    version = shelf.check()
    first = shelf.asked()
    again = shelf.check()

    assert [each["Kind"] for each in version["Signatures"]] == ["cosign", "sigstore"]
    assert version["Provenance"]["BuilderName"] == "GitHub Actions"
    assert (version["SBOM"]["Format"], version["EndOfLife"]) == ("SPDX", "2027-06-30")
    assert first.count("GET manifests") == 1 + 3
    assert (again, shelf.asked()) == (version, ["GET tags", "HEAD manifests"])


def test_tags_of_cosign_are_found(shelf: Shelf) -> None:
    built = statement(github_provenance(), shelf.app)
    shelf.push(cosign_attestations(built), cosign_tag(shelf.app, "att"))
    shelf.push(cosign_attestations(built), cosign_tag(shelf.app, "sig"))

    version = shelf.check()

    assert version["Provenance"]["BuilderName"] == "GitHub Actions"
    assert version["Signatures"] == [{"Kind": "cosign"}]
