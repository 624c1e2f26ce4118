"""Whatever strangers write as claims, a version gets sound fields, few manifests are read, and nothing is raised."""

import json
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from microbadger.freshness.reading import Reader, Unreadable
from microbadger.freshness.tag_choice import TagsBeside
from microbadger.freshness.version_claims import VersionClaims
from microbadger.image.claims import with_claims
from microbadger.image.describe import outline_version
from microbadger.image.descriptors import Descriptor, digest_of
from microbadger.image.documents import VersionDocument
from microbadger.image.manifest import OCI_INDEX, Index, Manifest, parse_manifest
from microbadger.image.reference import Repository
from microbadger.image.referrers import Referrers, attestation_tag, fallback_tag, parse_referrers, sbom_tag
from microbadger.image.shapes import has_shape
from tests.fakes.claims import BUNDLE, CYCLONEDX, DSSE, IN_TOTO, SLSA_0_2, SLSA_1, SPDX
from tests.fakes.registry import image, index
from tests.image.json_values import VALUES

APP = image()
INDEX = index(APP)
DIGESTS = [INDEX.digest, APP.digest, digest_of(b"other"), "sha256:no"]

anything = VALUES | st.sampled_from(DIGESTS)
types = st.sampled_from([BUNDLE, IN_TOTO, DSSE, "text/spdx+json", "application/vnd.in-toto.provenance+dsse", "", "x"])
predicate_types = st.sampled_from([SLSA_1, SLSA_0_2, SPDX, CYCLONEDX, "https://example.com/x"])
annotations = st.dictionaries(
    st.sampled_from(
        [
            *("in-toto.io/predicate-type", "dev.sigstore.bundle.predicateType", "dev.sigstore.bundle.content"),
            *("org.opencontainers.image.created", "vnd.microsoft.artifact.lifecycle.end-of-life.date"),
        ]
    ),
    predicate_types | st.text(max_size=5) | st.just("2026-11-20T10:00:00Z"),
)
descriptors = st.fixed_dictionaries(
    {"digest": st.sampled_from(DIGESTS), "size": st.sampled_from([0, 10, 40 * 1024**2, -1]), "mediaType": types},
    optional={"artifactType": types | anything, "annotations": annotations | anything},
)
entries = st.lists(descriptors | anything, max_size=8)
artifacts = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("layers", "config", "subject", "manifests"), entries | descriptors | anything)
)
statements = st.fixed_dictionaries(
    {
        "_type": st.just("https://in-toto.io/Statement/v1"),
        "subject": st.just([{"digest": {"sha256": digest.partition(":")[2]}} for digest in DIGESTS]),
        "predicateType": predicate_types | anything,
        "predicate": anything,
    }
)
documents = artifacts | statements | anything


class Shelf:
    """Content that strangers wrote: the same for every manifest, blob and list."""

    def __init__(self, manifest: object, blob: object, referrers: list[object], *, has_lists: bool) -> None:
        self.limits_pulls = False
        self.read = 0
        self.kept_bytes = 0
        self._manifest, self._blob = json.dumps(manifest).encode(), json.dumps(blob).encode()
        self._referrers, self._has_lists = json.dumps({"manifests": referrers}).encode(), has_lists

    def manifest(self, _digest: str) -> Index | Manifest:
        return parse_manifest(INDEX.raw)

    def raw_manifest(self, digest: str) -> bytes:
        self.read += 1
        return self._referrers if digest == "list" else self._manifest

    def blob(self, descriptor: Descriptor, max_bytes: int, *, is_kept: bool) -> bytes:
        if descriptor.size_bytes > max_bytes:
            raise Unreadable("it is too large")
        self.kept_bytes += is_kept * len(self._blob)
        return self._blob

    def referrers(self, _digest: str) -> Referrers | None:
        return parse_referrers(self._referrers) if self._has_lists else None

    def tagged(self, tag: str) -> str:
        return "list" if "." not in tag else tag


@given(manifest=documents, blob=documents, referrers=entries, has_lists=st.booleans(), is_whole=st.booleans())
def test_claims_are_sound_whatever_they_are_made_of(
    manifest: Any, blob: Any, referrers: list[object], has_lists: bool, is_whole: bool
) -> None:
    shelf = Shelf(manifest, blob, referrers, has_lists=has_lists)
    version = outline_version(Repository("example.com", "team/web"), INDEX.digest, OCI_INDEX)
    version["Platforms"] = [{"Digest": APP.digest, "DownloadSize": 1, "LayerCount": 1}]
    tags = {name(digest): None for digest in DIGESTS[:2] for name in (fallback_tag, attestation_tag, sbom_tag)}
    claims = VersionClaims(cast(Reader, shelf), TagsBeside(tags, is_whole), version, None)

    claims.read()

    claimed = with_claims(version, claims.fields())
    assert has_shape(claimed, VersionDocument)
    assert json.dumps(claimed).encode()
    assert shelf.read <= 4
