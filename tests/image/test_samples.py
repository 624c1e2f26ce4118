"""Documents in the shapes that others publish: official images, Windows images, models, signatures, caches.

Each file in `tests/samples/images` has what a tag names, and the manifests and configs that follow, by their digests.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from microbadger.badges.text import badges_of
from microbadger.image.configs import Config, parse_config
from microbadger.image.describe import describe_image, describe_version, tagged
from microbadger.image.descriptors import Descriptor, digest_of
from microbadger.image.documents import ImageDocument, VersionDocument
from microbadger.image.errors import UnsupportedManifest
from microbadger.image.manifest import Index, Manifest, parse_manifest
from microbadger.image.platforms import PlatformImage
from microbadger.image.reference import Repository
from tests.fakes.registry import to_json
from tests.image.test_version_facts import NOON

KETTLE = Repository.parse("kettle")
SAMPLES = Path(__file__).parents[1] / "samples" / "images"
REVISION = "3f1c0de5a8b94c7d2e6f01a2b3c4d5e6f7a8b9c0"


class Sample:
    """The documents of one image, without the registry."""

    def __init__(self, name: str) -> None:
        self._documents: dict[str, Any] = json.loads((SAMPLES / f"{name}.json").read_text())
        self.top = parse_manifest(to_json(self._documents["index"]))

    def describe(self) -> VersionDocument:
        digest, annotations = digest_of(b""), self.top.annotations if isinstance(self.top, Index) else {}
        return describe_version(KETTLE, digest, self.top.media_type, self._images(digest), annotations)

    def image(self) -> ImageDocument:
        return describe_image(KETTLE, [tagged(self.describe(), ["latest"])], updated_at=NOON)

    def _images(self, digest: str) -> list[PlatformImage]:
        if isinstance(self.top, Manifest):
            return [PlatformImage(digest, None, self.top, self._config(self.top))]
        return [self._entry(entry) for entry in self.top.images]

    def _entry(self, entry: Descriptor) -> PlatformImage:
        manifest = parse_manifest(to_json(self._documents["manifests"][entry.digest]))
        assert isinstance(manifest, Manifest)
        return PlatformImage(entry.digest, entry.platform, manifest, self._config(manifest), entry.annotations)

    def _config(self, manifest: Manifest) -> Config:
        return parse_config(to_json(self._documents["configs"][manifest.config.digest]))


def says(name: str, badge_type: str) -> str:
    return badges_of(Sample(name).image(), None)[badge_type].message


@pytest.mark.parametrize(
    ("name", "badge_type", "text"),
    [
        ("official", "commit", "3f1c0de"),
        ("official", "version", "2.4.1-alpine"),
        ("official", "base", "alpine:3.22"),
        ("official", "created", "2026-11-18"),
        ("official", "size", "4.6 MiB"),
        ("official", "platforms", "linux/amd64, arm64/v8"),
        ("official", "license", "not given"),
        ("windows", "platforms", "windows/amd64 10.0.17763.6532, amd64 10.0.20348.2762"),
        ("windows", "created", "2026-11-12"),
        ("windows", "size", "1.6 GiB"),
        ("one-manifest-three-platforms", "platforms", "linux/amd64, arm64, arm/v7"),
        ("one-manifest-three-platforms", "created", "2026-11-20"),
        ("one-manifest-three-platforms", "license", "Apache-2.0"),
        ("zstd-and-nydus", "platforms", "linux/arm64"),
        ("zstd-and-nydus", "layers", "2"),
        ("zstd-and-nydus", "created", "2026-11-20"),
    ],
)
def test_a_badge_says_what_the_documents_do(name: str, badge_type: str, text: str) -> None:
    assert says(name, badge_type) == text


def test_an_official_image_names_its_source_and_commit_in_the_entries_of_its_index() -> None:
    version = Sample("official").describe()
    repository = "https://github.com/docker-library/kettle"
    assert version["Source"] == repository
    assert version["VersionControl"] == {"Type": "git", "URL": f"{repository}/commit/{REVISION}", "Commit": REVISION}
    assert version["Base"] == {"Name": "alpine:3.22", "Digest": "sha256:" + "6" * 64}


def test_each_platform_of_an_official_image_has_its_own_base() -> None:
    bases = [platform["Annotations"]["org.opencontainers.image.base.digest"] for platform in platforms("official")]
    assert bases == ["sha256:" + "6" * 64, "sha256:" + "7" * 64]


def test_the_time_of_the_manifest_counts_where_its_entry_has_a_placeholder() -> None:
    annotations = Sample("official").describe()["Annotations"]
    assert annotations["org.opencontainers.image.created"] == "2026-11-18T21:04:55Z"


def test_windows_platforms_have_their_versions() -> None:
    versions = [platform["OSVersion"] for platform in platforms("windows")]
    assert versions == ["10.0.17763.6532", "10.0.20348.2762"]


def test_one_manifest_can_be_three_platforms() -> None:
    assert len(platforms("one-manifest-three-platforms")) == 3


@pytest.mark.parametrize(
    ("name", "kind"), [("ollama-model", "Ollama model"), ("cosign-sbom", "SBOM"), ("build-cache", "BuildKit cache")]
)
def test_what_is_not_an_image_is_named(name: str, kind: str) -> None:
    with pytest.raises(UnsupportedManifest) as caught:
        Sample(name)
    assert caught.value.kind == kind


def platforms(name: str) -> list[Any]:
    return list(Sample(name).describe()["Platforms"])
