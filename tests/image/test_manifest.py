import base64
import json
import re
from contextlib import suppress
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from microbadger.image.configs import LEFT_OUT, Config, parse_config
from microbadger.image.describe import describe_version
from microbadger.image.descriptors import Platform, digest_of, has_digest
from microbadger.image.documents import document_bytes
from microbadger.image.errors import InvalidManifest, ManifestError, UnsupportedManifest
from microbadger.image.labels import KNOWN_FIELDS
from microbadger.image.manifest import (
    ACCEPT,
    DOCKER_INDEX,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    BrokenEntry,
    Index,
    Manifest,
    Step,
    layer_steps,
    parse_manifest,
)
from microbadger.image.platforms import PlatformImage
from microbadger.image.reference import Repository
from tests.fakes.claims import attestation, attested_index
from tests.fakes.registry import DOCKER_CONFIG, OCI_CONFIG, OCI_LAYER, descriptor, image, index, layer, to_json

PATIENT = settings(suppress_health_check=[HealthCheck.too_slow])
DIGEST = digest_of(b"{}")
CONFIG = {"mediaType": OCI_CONFIG, "digest": DIGEST, "size": 2}
SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1+prettyjws"
HOSTILE_BYTES = [
    b"",
    b"\xff\xfe{\x00}\x00",
    b"\xef\xbb\xbf{}",
    "mañana".encode("latin-1"),
    b"<html>Too Many Requests</html>",
    b"[]",
    b"null",
    b'"{}"',
    b'{"layers": NaN}',
    b'{"size": -Infinity}',
    b"[" * 100_000,
    b'{"config":' * 100_000,
    b'{"a": [' + b"[]," * 600_000 + b"[]]}",
    b" " * (8 * 1024**2) + b"{}",
]
HOSTILE_SIZES = [-1, 2**50 + 1, 10**4000, 1e400, 1.0, True, "100", None, [1], {}]
HOSTILE_DIGESTS = [
    None,
    7,
    "",
    "latest",
    "sha256:",
    "sha256:" + "A" * 64,
    "sha256:" + "a" * 63,
    "sha256:../../../../etc/passwd",
    f"{DIGEST}\n",
    f" {DIGEST}",
    "x" * 100_000,
]
TOO_LONG_NAME = "x" * 256
TOO_MANY_TEXTS = {str(number): "" for number in range(1001)}
BROKEN_VALUES: list[object] = [
    *(None, True, 7, 1.5, [], ["a"], [None], {}, {"a": 1}, {"a": {"b": []}}),
    *("x" * (1024**2 + 1), TOO_MANY_TEXTS),
]

# What makes the size of an image a guess.
BROKEN_SIZES: list[tuple[str, object]] = [
    ("layers", {}),
    ("layers", "layers"),
    ("layers", 7),
    ("layers", [None]),
    ("layers", [[]]),
    ("layers", ["sha256:"]),
    ("layers", [layer(1)] * 1001),
    ("config", []),
    ("config", None),
    ("config", "config"),
]


def manifest(**fields: Any) -> bytes:
    return to_json({"schemaVersion": 2, "config": CONFIG, "layers": [layer(7), layer(5, 1)]} | fields)


def parsed_manifest(**fields: Any) -> Manifest:
    parsed = parse_manifest(manifest(**fields))
    assert isinstance(parsed, Manifest)
    return parsed


def parsed_index(*entries: object, **fields: Any) -> Index:
    parsed = parse_manifest(to_json({"schemaVersion": 2, "manifests": list(entries)} | fields))
    assert isinstance(parsed, Index)
    return parsed


def entry(media_type: str = OCI_MANIFEST, **fields: Any) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": DIGEST, "size": 2} | fields


def test_it_asks_for_indexes_and_manifests_of_both_kinds() -> None:
    assert set(ACCEPT.split(", ")) == {OCI_INDEX, OCI_MANIFEST, DOCKER_INDEX, DOCKER_MANIFEST}


def test_it_reads_a_manifest() -> None:
    parsed = parsed_manifest(annotations={"größe": "mañana"})
    assert [found.size_bytes for found in parsed.layers] == [7, 5]
    assert parsed.config.digest == DIGEST
    assert parsed.annotations == {"größe": "mañana"}


def test_it_reads_an_index_with_its_platforms() -> None:
    arm = {"os": "linux", "architecture": "arm", "variant": "v7"}
    windows = {"os": "windows", "architecture": "amd64", "os.version": "10.0.20348"}
    parsed = parsed_index(entry(platform=arm), entry(platform=windows), entry(), annotations={"a": "b"})
    assert [found.platform for found in parsed.images] == [
        Platform("linux", "arm", "v7"),
        Platform("windows", "amd64", None, "10.0.20348"),
        None,
    ]
    assert parsed.annotations == {"a": "b"}


@pytest.mark.parametrize(
    ("platform", "text"),
    [
        (Platform("línux", "arm64", "v8"), "línux/arm64/v8"),
        (Platform("linux", "amd64"), "linux/amd64"),
        (Platform("windows", "amd64", None, "10.0"), "windows/amd64"),
    ],
)
def test_it_writes_a_platform_as_docker_does(platform: Platform, text: str) -> None:
    assert str(platform) == text


@pytest.mark.parametrize(
    ("media_type", "content_type", "expected"),
    [
        (None, "", OCI_MANIFEST),
        (None, f"{DOCKER_MANIFEST}; charset=utf-8", DOCKER_MANIFEST),
        (None, f" {DOCKER_MANIFEST} ; charset=utf-8", DOCKER_MANIFEST),
        (DOCKER_MANIFEST, "", DOCKER_MANIFEST),
        (DOCKER_MANIFEST, DOCKER_MANIFEST.upper(), DOCKER_MANIFEST),
        (None, DOCKER_MANIFEST.upper(), DOCKER_MANIFEST),
        (OCI_MANIFEST, "text/plain", OCI_MANIFEST),
        (OCI_MANIFEST, "application/octet-stream", OCI_MANIFEST),
        (None, "mañana", OCI_MANIFEST),
    ],
)
def test_it_takes_the_type_from_the_document_or_else_from_how_it_was_sent(
    media_type: str | None, content_type: str, expected: str
) -> None:
    assert parse_manifest(manifest(mediaType=media_type), content_type).media_type == expected


@pytest.mark.parametrize(
    ("document", "content_type"),
    [
        ({"manifests": [], "layers": []}, ""),
        ({"manifests": [], "config": CONFIG}, ""),
        ({"manifests": [], "config": CONFIG, "layers": [], "mediaType": OCI_INDEX}, ""),
        ({"manifests": [], "mediaType": OCI_MANIFEST}, ""),
        ({"manifests": []}, OCI_MANIFEST),
        ({"config": CONFIG, "layers": [], "mediaType": OCI_INDEX}, ""),
        ({"config": CONFIG, "layers": []}, DOCKER_INDEX),
        ({"config": CONFIG, "layers": [], "mediaType": OCI_MANIFEST}, OCI_INDEX),
        ({"config": CONFIG, "layers": [], "mediaType": OCI_MANIFEST}, DOCKER_MANIFEST),
        ({"config": CONFIG, "layers": [], "mediaType": OCI_MANIFEST}, SCHEMA_1),
        ({}, ""),
        ({"manifests": None, "layers": None}, ""),
    ],
)
def test_it_refuses_what_could_be_read_in_two_ways_or_in_none(document: object, content_type: str) -> None:
    with pytest.raises(InvalidManifest):
        parse_manifest(to_json(document), content_type)


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"manifests": [], "layers": []}, "it is both an index and a manifest"),
        ({"manifests": [], "mediaType": OCI_MANIFEST}, "its fields contradict its mediaType"),
        ({"layers": [], "mediaType": OCI_INDEX}, "its fields contradict its mediaType"),
        ({"mediaType": OCI_INDEX}, "mediaType contradicts the Content-Type"),
        ({}, "it is neither an index nor a manifest"),
        ({"manifests": 7}, "manifests is not a list"),
        ({"config": CONFIG, "layers": 7}, "layers is not a list"),
    ],
)
def test_it_says_why_a_document_is_refused(document: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidManifest) as caught:
        parse_manifest(to_json(document), DOCKER_INDEX if document == {"mediaType": OCI_INDEX} else "")
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("document", "kind"),
    [
        ({"artifactType": "application/vnd.mañana"}, "artifact of unknown type"),
        ({"schemaVersion": 1, "fsLayers": []}, "legacy schema 1 manifest"),
        ({"mediaType": SCHEMA_1}, "legacy schema 1 manifest"),
        ({"config": entry("application/vnd.cncf.helm.config.v1+json")}, "Helm chart"),
        ({"config": entry("application/vnd.devcontainers")}, "dev container feature"),
        ({"config": entry("application/vnd.buildkit.cacheconfig.v0")}, "BuildKit cache"),
        ({"config": entry("application/vnd.oci.empty.v1+json")}, "artifact of type application/vnd.oci.empty.v1+json"),
        ({"artifactType": "application/vnd.example+json"}, "artifact of type application/vnd.example+json"),
        ({"artifactType": "<script>alert(1)</script>"}, "artifact of unknown type"),
        ({"artifactType": "application/vnd.cncf.notary.signature"}, "signature"),
        ({"layers": [entry("application/vnd.dev.cosign.simplesigning.v1+json")]}, "signature"),
        ({"layers": [entry("application/vnd.in-toto+json")]}, "attestation"),
        ({"config": entry("application/vnd.oci.empty.v1+json"), "layers": [entry("text/spdx+json")]}, "SBOM"),
        ({"layers": [entry("application/vnd.ollama.image.model")]}, "Ollama model"),
        (
            {"mediaType": "application/vnd.oci.artifact.manifest.v1+json", "blobs": []},
            "artifact of type application/vnd.oci.artifact.manifest.v1+json",
        ),
    ],
)
def test_it_names_what_is_not_a_container_image(document: dict[str, Any], kind: str) -> None:
    with pytest.raises(UnsupportedManifest) as caught:
        parse_manifest(manifest(**document))
    assert caught.value.kind == kind
    assert str(caught.value) == f"this is {'an' if kind[0] in 'aOS' else 'a'} {kind}, not a container image"


def test_it_names_the_kind_of_an_index_that_is_an_artifact() -> None:
    with pytest.raises(UnsupportedManifest, match=r"artifact of type application/vnd\.example"):
        parsed_index(artifactType="application/vnd.example")


def test_it_names_the_kind_of_an_index_whose_entries_are_artifacts() -> None:
    with pytest.raises(UnsupportedManifest) as caught:
        parsed_index(entry(artifactType="application/spdx+json"))
    assert caught.value.kind == "SBOM"


def test_an_index_of_nothing_is_one() -> None:
    parsed = parse_manifest(to_json({"schemaVersion": 2, "mediaType": OCI_INDEX}))
    assert isinstance(parsed, Index)
    assert parsed.images == ()


@pytest.mark.parametrize("content_type", [SCHEMA_1, SCHEMA_1.replace("prettyjws", "json")])
def test_it_knows_schema_1_by_its_content_type_alone(content_type: str) -> None:
    with pytest.raises(UnsupportedManifest, match="legacy"):
        parse_manifest(b'{"name": "old"}', content_type)


@pytest.mark.parametrize("media_type", [DOCKER_CONFIG, "application/octet-stream", "text/html", "", None])
def test_it_reads_images_that_old_clients_pushed_under_odd_types(media_type: str | None) -> None:
    assert len(parsed_manifest(config=CONFIG | {"mediaType": media_type}).layers) == 2


def test_a_layer_of_another_kind_beside_those_of_a_file_system_is_one() -> None:
    layers = [layer(7), entry("application/vnd.in-toto+json"), {"digest": DIGEST, "size": 1}]
    assert [found.media_type for found in parsed_manifest(layers=layers).layers] == [
        OCI_LAYER, "application/vnd.in-toto+json", "",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("layers", "config", "is_image"),
    [
        ([layer(7)], b'{"os": "unknown"}', True),
        ([entry("application/vnd.example.layer"), layer(7)], b"{}", True),
        ([entry("application/vnd.example.layer")], b"{}", False),
        ([entry("application/vnd.example.layer")], None, True),
        ([entry("application/vnd.example.layer")], b'{"os": "linux"}', True),
        ([], b"{}", False),
        ([], b'{"architecture": "arm64"}', True),
    ],
    ids=range(7),
)
def test_a_layer_of_a_file_system_or_a_config_that_names_a_platform_makes_an_image(
    layers: list[dict[str, Any]], config: bytes | None, is_image: bool
) -> None:
    assert parsed_manifest(layers=layers).is_image(parse_config(config) if config else None) is is_image


@pytest.mark.parametrize("size", HOSTILE_SIZES)
def test_it_refuses_sizes_that_are_none(size: object) -> None:
    with pytest.raises(InvalidManifest):
        parse_manifest(manifest(layers=[layer(1) | {"size": size}]))


@pytest.mark.parametrize("digest", HOSTILE_DIGESTS)
def test_it_refuses_digests_that_are_none(digest: object) -> None:
    with pytest.raises(InvalidManifest, match="digest"):
        parse_manifest(manifest(config=CONFIG | {"digest": digest}))


@pytest.mark.parametrize(("name", "value"), BROKEN_SIZES)
def test_it_refuses_a_manifest_whose_size_would_be_a_guess(name: str, value: Any) -> None:
    with pytest.raises(InvalidManifest):
        parse_manifest(manifest(**{name: value}))


@pytest.mark.parametrize("value", BROKEN_VALUES, ids=range(len(BROKEN_VALUES)))
@pytest.mark.parametrize("name", ["annotations", "artifactType", "subject", "urls"])
def test_a_broken_field_of_a_manifest_hides_no_layer(name: str, value: Any) -> None:
    assert [found.size_bytes for found in parsed_manifest(**{name: value}).layers] == [7, 5]


@pytest.mark.parametrize("value", BROKEN_VALUES, ids=range(len(BROKEN_VALUES)))
@pytest.mark.parametrize("name", ["annotations", "platform", "data", "urls"])
@pytest.mark.parametrize("place", ["config", "layers"])
def test_a_broken_field_of_a_descriptor_hides_no_layer(place: str, name: str, value: Any) -> None:
    broken: dict[str, dict[str, Any]] = {
        "config": {"config": CONFIG | {name: value}},
        "layers": {"layers": [layer(7) | {name: value}, layer(5, 1)]},
    }
    assert [found.size_bytes for found in parsed_manifest(**broken[place]).layers] == [7, 5]


@pytest.mark.parametrize("value", [None, True, 7, [], {}, TOO_LONG_NAME], ids=range(6))
@pytest.mark.parametrize("place", ["document", "config", "layers"])
def test_a_broken_media_type_hides_no_layer(place: str, value: object) -> None:
    broken: dict[str, dict[str, Any]] = {
        "document": {"mediaType": value},
        "config": {"config": CONFIG | {"mediaType": value}},
        "layers": {"layers": [layer(7) | {"mediaType": value}, layer(5, 1)]},
    }
    assert [found.size_bytes for found in parsed_manifest(**broken[place]).layers] == [7, 5]


@pytest.mark.parametrize("raw", HOSTILE_BYTES, ids=range(len(HOSTILE_BYTES)))
def test_it_refuses_bytes_that_are_not_a_json_object_within_bounds(raw: bytes) -> None:
    with pytest.raises(InvalidManifest):
        parse_manifest(raw)
    with pytest.raises(InvalidManifest):
        parse_config(raw)


def test_a_manifest_may_have_a_thousand_layers_and_diff_ids() -> None:
    assert len(parsed_manifest(layers=[layer(1)] * 1000).layers) == 1000
    assert len(parse_config(to_json({"rootfs": {"diff_ids": [DIGEST] * 1001}})).diff_ids) == 1000


def test_of_an_index_with_too_many_entries_the_first_are_read_and_the_others_are_reported() -> None:
    parsed = parsed_index(*[entry()] * 1001)
    assert (len(parsed.images), [broken.reason for broken in parsed.broken]) == (
        1000, ["the index has more than 1000 entries"],
    )  # fmt: skip


def test_an_index_may_have_a_thousand_entries() -> None:
    parsed = parsed_index(*[entry()] * 1000)
    assert (len(parsed.images), parsed.broken) == (1000, ())


def test_an_index_of_an_artifact_and_a_broken_image_is_one() -> None:
    parsed = parsed_index(entry(artifactType="application/spdx+json"), entry(digest="latest"))
    assert (parsed.images, len(parsed.broken)) == ((), 1)


@pytest.mark.parametrize("entries", ["text", 7, True, {}, {"digest": DIGEST}])
def test_an_index_whose_entries_are_no_list_is_refused(entries: object) -> None:
    with pytest.raises(InvalidManifest):
        parse_manifest(to_json({"mediaType": OCI_INDEX, "manifests": entries}))


ARM = {"os": "linux", "architecture": "arm64"}


@pytest.mark.parametrize("broken", [None, True, 7, "text", [], {}, *({"digest": digest} for digest in HOSTILE_DIGESTS)])
def test_a_broken_entry_hides_no_other_platform(broken: object) -> None:
    parsed = parsed_index(entry(), broken, entry(platform=ARM))
    assert [found.platform for found in parsed.images] == [None, Platform("linux", "arm64")]
    assert parsed.broken == (BrokenEntry(None, "its entry in the index is invalid: a digest is missing or invalid"),)


@pytest.mark.parametrize("fields", [{"digest": None}, {"digest": "x"}, {"size": -1}, {"size": "2"}, {"size": None}])
def test_a_broken_entry_keeps_its_platform(fields: dict[str, Any]) -> None:
    parsed = parsed_index(entry(platform=ARM, **fields))
    assert (parsed.images, [broken.platform for broken in parsed.broken]) == ((), [Platform("linux", "arm64")])


@pytest.mark.parametrize(
    "fields",
    [
        {"annotations": {"vnd.docker.reference.type": "attestation-manifest"}},
        {"platform": {"os": "unknown", "architecture": "unknown"}},
        {"artifactType": "application/vnd.example"},
        {"mediaType": "application/vnd.example"},
    ],
)
def test_a_broken_entry_that_is_no_image_is_left_out(fields: dict[str, Any]) -> None:
    assert parsed_index(entry(), entry(digest="latest", **fields)).broken == ()


@pytest.mark.parametrize("value", BROKEN_VALUES, ids=range(len(BROKEN_VALUES)))
@pytest.mark.parametrize("name", ["annotations", "data", "urls"])
def test_a_broken_field_of_an_entry_leaves_it_an_image(name: str, value: Any) -> None:
    parsed = parsed_index(entry(platform=ARM, **{name: value}))
    assert [str(found.platform) for found in parsed.images] == ["linux/arm64"]


@pytest.mark.parametrize("value", [None, True, 7, [], {}, TOO_LONG_NAME, " "], ids=range(7))
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("os", Platform("unknown", "arm", "v7", "1")),
        ("architecture", Platform("linux", "unknown", "v7", "1")),
        ("variant", Platform("linux", "arm", None, "1")),
        ("os.version", Platform("linux", "arm", "v7")),
        ("os.features", Platform("linux", "arm", "v7", "1")),
    ],
)
def test_a_broken_field_of_a_platform_hides_no_other(name: str, expected: Platform, value: object) -> None:
    platform = {"os": "linux", "architecture": "arm", "variant": "v7", "os.version": "1", name: value}
    assert parsed_index(entry(platform=platform)).images[0].platform == expected
    assert parse_config(to_json(platform)).platform == expected


@pytest.mark.parametrize("value", [True, 7, "text", [], ["a"], {"os": 7}], ids=range(6))
def test_an_entry_whose_platform_is_broken_is_an_image(value: object) -> None:
    assert [found.platform for found in parsed_index(entry(platform=value)).images] == [None]


@pytest.mark.parametrize("value", [None, True, 7, [], {}, TOO_LONG_NAME], ids=range(6))
@pytest.mark.parametrize("name", ["mediaType", "artifactType"])
def test_an_entry_whose_type_is_broken_may_be_an_image(name: str, value: Any) -> None:
    assert len(parsed_index(entry(**{name: value})).images) == 1


@pytest.mark.parametrize("value", BROKEN_VALUES, ids=range(len(BROKEN_VALUES)))
@pytest.mark.parametrize("name", ["annotations", "artifactType", "subject"])
def test_a_broken_field_of_an_index_hides_no_platform(name: str, value: Any) -> None:
    assert len(parsed_index(entry(), **{name: value}).images) == 1


@pytest.mark.parametrize("name", ["Unknown", "UNKNOWN"])
def test_unknown_is_no_platform_however_it_is_spelt(name: str) -> None:
    assert parsed_index(entry(platform={"os": name, "architecture": name, "variant": "v8"})).images == ()


def test_the_index_of_a_build_cache_is_named() -> None:
    cache = entry("application/vnd.buildkit.cacheconfig.v0")
    with pytest.raises(UnsupportedManifest, match="this is a BuildKit cache"):
        parsed_index(entry("application/vnd.docker.image.rootfs.diff.tar.gzip"), cache)


@pytest.mark.parametrize("layers", [[7, 7, 5], [7, 5, 7], [5, 7]])
def test_a_layer_that_is_there_twice_is_transferred_once(layers: list[int]) -> None:
    assert parsed_manifest(layers=[layer(size) for size in layers]).size_bytes == 12


def test_the_last_of_two_equal_keys_counts() -> None:
    raw = manifest().replace(b'"layers"', b'"layers": 7, "layers"')
    assert len(parse_manifest(raw).layers) == 2  # type: ignore[union-attr]


def test_nulls_are_the_same_as_nothing() -> None:
    nulls = dict.fromkeys(["mediaType", "artifactType", "annotations", "layers"])
    assert parsed_manifest(**nulls) == parsed_manifest(layers=[])
    assert parsed_index(mediaType=OCI_INDEX).manifests == ()
    assert parsed_index(entry(platform=None, annotations=None, data=None)).images[0].platform is None


def test_the_urls_of_layers_are_forgotten() -> None:
    foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
    found = parsed_manifest(layers=[layer(3) | {"mediaType": foreign, "urls": ["http://169.254.169.254/"]}]).layers[0]
    assert found.size_bytes == 3
    assert "169.254" not in repr(found)


@pytest.mark.parametrize(
    "left_out",
    [
        entry(annotations={"vnd.docker.reference.type": "attestation-manifest"}),
        entry(platform={"os": "unknown", "architecture": "unknown"}),
        entry(artifactType="application/vnd.example"),
        entry("application/vnd.example.mañana"),
        entry(SCHEMA_1),
    ],
)
def test_entries_that_are_not_images_are_left_out(left_out: dict[str, Any]) -> None:
    parsed = parsed_index(left_out, entry(platform={"os": "linux", "architecture": "amd64"}), left_out)
    assert [str(found.platform) for found in parsed.images] == ["linux/amd64"]
    assert len(parsed.manifests) == 3


def attesting(about: object, *, kind: object = "attestation-manifest", number: int = 0) -> dict[str, Any]:
    marks = {"vnd.docker.reference.type": kind, "vnd.docker.reference.digest": about}
    return entry(digest=digest_of(b"%d" % number), annotations=marks)


def test_attestations_are_found_by_the_digest_of_their_image() -> None:
    images = [image(), image(architecture="arm64"), image(architecture="s390x")]
    made = [attestation(images[0]), attestation(images[1], as_artifact=True), None]
    parsed = parse_manifest(attested_index(*zip(images, made, strict=True)).raw)
    assert isinstance(parsed, Index)
    assert [found.digest for found in parsed.images] == [each.digest for each in images]
    assert {about: found.digest for about, found in parsed.attestations.items()} == {
        subject.digest: each.digest for subject, each in zip(images, made, strict=True) if each
    }


def test_the_first_attestation_of_a_digest_counts() -> None:
    parsed = parsed_index(entry(), attesting(DIGEST, number=1), attesting(DIGEST, number=2))
    assert [found.digest for found in parsed.attestations.values()] == [digest_of(b"1")]


@pytest.mark.parametrize(
    "left_out",
    [
        *map(attesting, [*HOSTILE_DIGESTS, [DIGEST], {}]),
        attesting(DIGEST, kind="x"),
        attesting(DIGEST, kind=None),
        entry(annotations={"vnd.docker.reference.digest": DIGEST}),
        entry(annotations=[DIGEST]),
        attesting(DIGEST) | {"size": -1},
        attesting(DIGEST) | {"digest": "latest"},
    ],
)
def test_an_entry_that_does_not_say_what_it_attests_is_no_attestation(left_out: dict[str, Any]) -> None:
    assert parsed_index(entry(), left_out).attestations == {}


@pytest.mark.parametrize("media_type", [OCI_INDEX, DOCKER_INDEX, OCI_MANIFEST, DOCKER_MANIFEST])
def test_entries_that_can_be_images_or_indexes_stay(media_type: str) -> None:
    assert [found.media_type for found in parsed_index(entry(media_type)).images] == [media_type]


@pytest.mark.parametrize("docker", [True, False])
def test_it_reads_what_the_fake_registry_serves(docker: bool) -> None:
    images = [image(docker=docker), image(docker=docker, architecture="arm64")]
    parsed = parse_manifest(index(*images, attestations=True, docker=docker).raw)
    assert isinstance(parsed, Index)
    assert (len(parsed.manifests), len(parsed.images)) == (4, 2)
    assert len(parse_manifest(images[0].raw).layers) == 1  # type: ignore[union-attr]


def test_content_that_came_along_is_kept() -> None:
    config = descriptor(b"{}", OCI_CONFIG) | {"data": "e30="}
    assert parsed_manifest(config=config).config.data == b"{}"


@pytest.mark.parametrize(
    "fields",
    [
        {"data": "mañana"},
        {"data": "e30"},
        {"data": "e3 0="},
        {"data": "e30=", "size": 3},
        {"size": 0, "digest": digest_of(b"")},
        {"data": base64.b64encode(b"[]").decode()},
        {"data": "e30=", "digest": "blake3:" + "0" * 64},
    ],
)
def test_content_that_came_along_is_ignored_if_it_is_not_what_its_digest_names(fields: dict[str, Any]) -> None:
    assert parsed_manifest(config=CONFIG | fields).config.data is None


@pytest.mark.parametrize(
    ("digest", "expected"),
    [
        (DIGEST, True),
        (DIGEST.upper(), False),
        ("sha512:" + "0" * 128, False),
        ("sha512:27c74670adb75075fad058d5ceaf7b20c4e7786c83bae8a32f626f9782af34c9"
         "a33c2046ef60fd2a7878d378e29fec851806bbd9a67878f3a9f1cda4830763fd", True),
        ("blake3:" + "0" * 64, False),
        ("mañana", False),
    ],
)  # fmt: skip
def test_it_checks_whether_a_digest_names_bytes(digest: str, expected: bool) -> None:
    assert has_digest(b"{}", digest) is expected


def test_it_reads_a_config() -> None:
    config = parse_config(
        to_json(
            {
                "os": "linux",
                "architecture": "arm64",
                "variant": "v8",
                "author": "Máñana <a@b.test>",
                "created": "2026-11-20T12:00:00.123456789+02:00",
                "config": {"Labels": {"größe": "ja", "": "empty key"}},
                "history": [{"created_by": "RUN x"}, {"empty_layer": True}],
                "rootfs": {"type": "layers", "diff_ids": [DIGEST]},
            }
        )
    )
    assert config.platform == Platform("linux", "arm64", "v8")
    assert config.created == datetime(2026, 11, 20, 10, 0, 0, 123456, UTC)
    assert config.author == "Máñana <a@b.test>"
    assert config.labels == {"größe": "ja", "": "empty key"}
    assert [(step.created_by, step.empty_layer) for step in config.history] == [("RUN x", False), ("", True)]
    assert config.diff_ids == (DIGEST,)


@pytest.mark.parametrize(
    "raw",
    [b"{}", b'{"config": null, "history": null, "rootfs": null, "author": null, "created": null}'],
)
def test_a_config_can_be_silent_about_everything(raw: bytes) -> None:
    config = parse_config(raw)
    assert config.platform == Platform("unknown", "unknown")
    assert (config.created, config.author, config.labels, config.history) == (None, None, {}, ())
    assert config.cut == ()


def test_a_config_says_what_was_cut_of_it() -> None:
    labels = {str(number): "" for number in range(1003)}
    config = parse_config(to_json({"config": {"Labels": labels}, "history": [{"created_by": "x" * 60_000}] * 10}))
    assert config.cut == (
        "3 of 1003 labels are left out: there are too many, or they are too large",
        "2 of 10 commands are left out: they are too large",
    )


def test_the_details_of_a_config_are_its_labels_and_its_commands() -> None:
    config = parse_config(to_json({"config": {"Labels": {"a": "ñ"}}, "history": [{"created_by": "RUN x"}, {}]}))
    assert config.details_bytes == len('{"a":"ñ"}'.encode()) + len('"RUN x"') + len('""')
    assert config.without_details().labels == {}
    assert [step.created_by for step in config.without_details().history] == ["", ""]
    assert config.without_details().cut == (LEFT_OUT,)


WHOLE_CONFIG = {
    "os": "linux",
    "architecture": "amd64",
    "author": "Ana",
    "created": "2026-11-20T10:00:00Z",
    "config": {"Labels": {"a": "b"}},
    "history": [{"created_by": "RUN a"}, {"empty_layer": True}],
    "rootfs": {"diff_ids": [DIGEST, DIGEST]},
}
FACTS_OF = {
    "os": "platform", "architecture": "platform", "variant": "platform", "os.version": "platform", "author": "author",
    "created": "created", "config": "labels", "history": "history", "rootfs": "diff_ids", "docker_version": "",
}  # fmt: skip


@pytest.mark.parametrize("value", BROKEN_VALUES, ids=range(len(BROKEN_VALUES)))
@pytest.mark.parametrize("name", FACTS_OF)
def test_a_broken_field_of_a_config_hides_no_other(name: str, value: Any) -> None:
    whole, broken = parse_config(to_json(WHOLE_CONFIG)), parse_config(to_json(WHOLE_CONFIG | {name: value}))
    others = {field.name for field in fields(Config)} - {FACTS_OF[name]}
    assert {other: getattr(broken, other) for other in others} == {other: getattr(whole, other) for other in others}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"config": []}, {}),
        ({"config": {"Labels": ["a"]}}, {}),
        ({"config": {"Labels": "a=b"}}, {}),
        ({"config": {"Labels": {"a": "b", "c": 1, "d": None, "e": ["f"], "g": {}, "h": True}}}, {"a": "b"}),
        ({"config": {"Labels": {"a": "x" * 65_536}}}, {"a": "x" * 65_536}),
        ({"config": {"Labels": {"a": "x" * 65_537}}}, {"a": f"{'x' * 65_536} … (cut after 64 KiB)"}),
        ({"config": {"Labels": {"a": "ñ" * 32_769}}}, {"a": f"{'ñ' * 32_768} … (cut after 64 KiB)"}),
    ],
    ids=range(7),
)
def test_a_broken_label_hides_no_other(document: object, expected: dict[str, str]) -> None:
    assert parse_config(to_json(document)).labels == expected


@pytest.mark.parametrize("key", [key for keys in KNOWN_FIELDS.values() for key in keys if key])
def test_of_too_many_labels_those_that_mean_something_stay(key: str) -> None:
    labels = parse_config(to_json({"config": {"Labels": {**TOO_MANY_TEXTS, key: "mañana"}}})).labels
    assert (len(labels), labels[key]) == (1000, "mañana")


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ({}, []),
        ("RUN", []),
        (["RUN", {"created_by": "RUN b"}], ["", "RUN b"]),
        ([None, 7, [], {}], ["", "", "", ""]),
        ([{"created_by": 7}, {"created_by": ["x"]}], ["", ""]),
        ([{"created_by": "RUN a", "empty_layer": "yes"}], ["RUN a"]),
        ([{"created_by": "RUN a"}] * 4001, ["RUN a"] * 4000),
    ],
    ids=range(7),
)
def test_a_broken_step_of_a_history_hides_no_other(history: object, expected: list[str]) -> None:
    config = parse_config(to_json({"history": history}))
    assert [(step.created_by, step.empty_layer) for step in config.history] == [(text, False) for text in expected]


@pytest.mark.parametrize("diff_ids", [["mañana"], [DIGEST, None], [DIGEST, "latest"], {}, "x", 7])
def test_diff_ids_are_all_there_or_none(diff_ids: object) -> None:
    assert parse_config(to_json({"rootfs": {"diff_ids": diff_ids}})).diff_ids == ()


def test_labels_that_are_not_texts_are_left_out() -> None:
    labels = {"a": "b", "c": 1, "d": None, "e": ["f"]}
    assert parse_config(to_json({"config": {"Labels": labels}})).labels == {"a": "b"}


def test_half_a_character_does_not_come_through() -> None:
    config = parse_config(rb'{"author": "\ud83d", "config": {"Labels": {"\udca9": "\ud83d\udca9"}}}')
    assert (config.author, config.labels) == ("\N{REPLACEMENT CHARACTER}", {"\N{REPLACEMENT CHARACTER}": "💩"})


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        (["FROM mañana", "RUN b"], [("FROM mañana", 7), ("RUN b", 5)]),
        (["FROM a", None, "RUN b", None], [("FROM a", 7), (None, 0), ("RUN b", 5), (None, 0)]),
        (["FROM a"], [("FROM a", 7), (None, 5)]),
        ([], [(None, 7), (None, 5)]),
        ([None], [(None, 0), (None, 7), (None, 5)]),
        (["FROM a", "RUN b", "RUN c"], [("FROM a", 7), ("RUN b", 5), ("RUN c", 0)]),
        (["", "RUN b"], [(None, 7), ("RUN b", 5)]),
    ],
)
def test_steps_meet_their_layers_from_the_base_image_up(
    history: list[str | None], expected: list[tuple[str | None, int]]
) -> None:
    steps = [{"empty_layer": True} if step is None else {"created_by": step} for step in history]
    found = layer_steps(parsed_manifest(), parse_config(to_json({"history": steps})))
    assert [(step.command, step.layer.size_bytes if step.layer else 0) for step in found] == expected


def test_without_a_config_there_are_layers_without_commands() -> None:
    parsed = parsed_manifest()
    assert layer_steps(parsed, None) == tuple(Step(None, layer) for layer in parsed.layers)


@PATIENT
@given(st.lists(st.booleans(), max_size=12), st.integers(0, 12))
def test_no_layer_is_ever_lost(empty: list[bool], layers: int) -> None:
    parsed = parsed_manifest(layers=[layer(n, n) for n in range(layers)])
    config = parse_config(to_json({"history": [{"created_by": "x", "empty_layer": flag} for flag in empty]}))
    steps: tuple[Step, ...] = layer_steps(parsed, config)
    assert tuple(step.layer for step in steps if step.layer is not None) == parsed.layers
    assert sum(step.command is not None for step in steps) == len(empty)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just(DIGEST),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELDS = [
    *("schemaVersion", "mediaType", "artifactType", "manifests", "layers", "config", "annotations", "digest"),
    *("size", "data", "platform", "os", "os.version", "architecture", "variant", "created", "author"),
    *("history", "rootfs", "diff_ids", "Labels", "empty_layer", "created_by"),
]
DOCUMENTS = st.recursive(
    JSON | st.sampled_from([OCI_INDEX, OCI_MANIFEST, OCI_CONFIG, OCI_LAYER, "e30="]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=6),
    max_leaves=20,
)


@PATIENT
@given(st.one_of(DOCUMENTS, st.dictionaries(st.sampled_from(FIELDS), DOCUMENTS)).map(json.dumps), st.text())
def test_whatever_json_a_stranger_sends_is_read_or_refused(text: str, content_type: str) -> None:
    _read_or_refuse(text.encode(), content_type)


@PATIENT
@given(st.binary(max_size=200), st.text(max_size=20))
def test_whatever_bytes_a_stranger_sends_are_read_or_refused(raw: bytes, content_type: str) -> None:
    _read_or_refuse(raw, content_type)


@PATIENT
@given(st.sampled_from([image().raw, index(image()).raw]), st.data())
def test_whatever_is_done_to_a_good_document_it_is_read_or_refused(raw: bytes, data: st.DataObject) -> None:
    document = json.loads(raw)
    target = data.draw(st.sampled_from([document, *_objects_in(document)]))
    target[data.draw(st.sampled_from([*target, *FIELDS]))] = data.draw(DOCUMENTS)
    _read_or_refuse(json.dumps(document).encode(), "")


@PATIENT
@given(st.data())
def test_whatever_is_done_to_one_entry_the_other_platforms_stay(data: st.DataObject) -> None:
    document = json.loads(index(image(), image(architecture="arm64"), image(architecture="riscv64")).raw)
    entries = document["manifests"]
    place = data.draw(st.integers(0, 2))
    target = data.draw(st.sampled_from(_objects_in(entries[place])))
    target[data.draw(st.sampled_from([*target, *FIELDS]))] = data.draw(DOCUMENTS.filter(_is_json))
    others = [entry["digest"] for entry in entries if entry is not entries[place]]
    parsed = parse_manifest(to_json(document))
    assert isinstance(parsed, Index)
    assert [found.digest for found in parsed.images if found.digest in others] == others


def _is_json(value: object) -> bool:
    return not {"NaN", "Infinity", "-Infinity"} & set(re.findall(r"[-\w]+", json.dumps(value)))


def _objects_in(value: object) -> list[dict[str, Any]]:
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    nested = [found for item in items for found in _objects_in(item)]
    return [value, *nested] if isinstance(value, dict) else nested


def _read_or_refuse(raw: bytes, content_type: str) -> None:
    parsed, config = None, None
    with suppress(ManifestError):
        parsed = parse_manifest(raw, content_type)
    with suppress(InvalidManifest):
        config = parse_config(raw)
    for read in (parsed, config):
        _write(read)
    if not isinstance(parsed, Index):
        found = PlatformImage(DIGEST, None, parsed, config, config.labels if config else {})
        document_bytes(describe_version(Repository("docker.io", "a/b"), DIGEST, OCI_MANIFEST, [found]))


def _write(parsed: Index | Manifest | Config | None) -> None:
    json.dumps(asdict(parsed) if parsed else None, ensure_ascii=False, default=str).encode()
