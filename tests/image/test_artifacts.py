"""What is a container image, and what else is stored like one: by the types of layers, and by the config."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microbadger.image.artifacts import can_be_file_system, is_file_system, kind_of
from microbadger.image.configs import parse_config
from microbadger.image.describe import describe_version
from microbadger.image.descriptors import digest_of
from microbadger.image.documents import VersionDocument
from microbadger.image.errors import UnsupportedManifest
from microbadger.image.manifest import OCI_MANIFEST, Manifest, parse_manifest
from microbadger.image.platforms import PlatformImage
from microbadger.image.reference import Repository
from tests.fakes.registry import DOCKER_CONFIG, OCI_CONFIG, OCI_LAYER, layer, to_json

APP = Repository.parse("owner/app")
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"
AMD64 = {"os": "linux", "architecture": "amd64"}
# What signing tools put beside a signature: a config with all fields and nothing in them.
NOTHING = {"os": "", "architecture": "", "created": "0001-01-01T00:00:00Z", "rootfs": {"diff_ids": []}, "config": {}}

FILE_SYSTEMS = [
    *("application/vnd.oci.image.layer.v1.tar", OCI_LAYER, "application/vnd.oci.image.layer.v1.tar+zstd"),
    *("application/vnd.oci.image.layer.v1.tar+gzip+encrypted", "application/vnd.oci.image.layer.v1.tar+encrypted"),
    *("application/vnd.oci.image.layer.nondistributable.v1.tar", "application/vnd.oci.image.layer.nydus.blob.v1"),
    *("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", "application/vnd.oci.image.layer.v1.erofs"),
    *(DOCKER_LAYER, f"{DOCKER_LAYER}.gzip", f"{DOCKER_LAYER}.zstd", f"{DOCKER_LAYER}.gzip+encrypted"),
    *("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "application/vnd.oci.image.rootfs.tar.gzip"),
    *("application/vnd.docker.container.image.rootfs.diff+x-gtar", OCI_LAYER.upper()),
    *("", "application/octet-stream", "application/x-tar", "application/tar", "application/gzip", "application/x-gzip"),
    *("application/tar+gzip", "application/x-gtar", "application/x-tgz", "application/zstd"),
    *("application/vnd.oci.image.serialization.rootfs.tar.gzip", "application/tar+zstd", "application/tar; x=y"),
]
SOUND_LIKE_ONE = [
    *("application/vnd.example.layer.v1+lz4", "application/vnd.example.rootfs", "application/x.tar.xz"),
    *("application/vnd.example.tar+br", "application/vnd.example.layers", "application/vnd.example.squashfs"),
    *("application/vnd.example.tgz", "application/vnd.example.erofs"),
]
KINDS = [
    ("application/vnd.ollama.image.model", "Ollama model"),
    ("application/vnd.ollama.image.template; name=chat", "Ollama model"),
    ("application/vnd.ollama.image.license", "Ollama model"),
    ("text/spdx", "SBOM"),
    ("text/spdx+json", "SBOM"),
    ("text/spdx+xml", "SBOM"),
    ("application/spdx+json", "SBOM"),
    ("application/vnd.cyclonedx", "SBOM"),
    ("application/vnd.cyclonedx+json", "SBOM"),
    ("application/vnd.cyclonedx+xml", "SBOM"),
    ("application/vnd.syft+json", "SBOM"),
    ("application/vnd.dev.cosign.artifact.sbom.v1+json", "SBOM"),
    ("application/vnd.dev.cosign.simplesigning.v1+json", "signature"),
    ("application/vnd.dev.cosign.artifact.sig.v1+json", "signature"),
    ("application/vnd.dev.sigstore.bundle.v0.3+json", "signature"),
    ("application/vnd.cncf.notary.signature", "signature"),
    ("application/jose+json", "signature"),
    ("application/cose", "signature"),
    ("application/vnd.dsse.envelope.v1+json", "attestation"),
    ("application/vnd.in-toto+json", "attestation"),
    ("application/vnd.in-toto.provenance+dsse", "attestation"),
    ("application/vnd.docker.attestation.manifest.v1+json", "attestation"),
    ("application/vnd.cncf.helm.config.v1+json", "Helm chart"),
    ("application/vnd.cncf.helm.chart.content.v1.tar+gzip", "Helm chart"),
    ("application/vnd.cncf.flux.content.v1.tar+gzip", "Flux artifact"),
    ("application/vnd.cncf.openpolicyagent.layer.v1.tar+gzip", "policy bundle"),
    ("application/vnd.cncf.falco.rulesfile.layer.v1+tar.gz", "Falco artifact"),
    ("application/vnd.cncf.model.weight.v1.tar", "machine learning model"),
    ("application/vnd.docker.ai.gguf.v3", "machine learning model"),
    ("application/wasm", "WebAssembly module"),
    ("application/vnd.wasm.config.v0+json", "WebAssembly module"),
    ("application/vnd.wasm.content.layer.v1+wasm", "WebAssembly module"),
    ("application/vnd.module.wasm.content.layer.v1+wasm", "WebAssembly module"),
    ("application/vnd.bytecodealliance.wasm.component.layer.v0+wasm", "WebAssembly module"),
    ("application/vnd.devcontainers", "dev container feature"),
    ("application/vnd.devcontainers.layer.v1+tar", "dev container feature"),
    ("application/vnd.buildkit.cacheconfig.v0", "BuildKit cache"),
    ("application/vnd.docker.plugin.v1+json", "Docker plugin"),
    ("application/vnd.docker.compose.project", "Compose application"),
    ("application/vnd.sylabs.sif.layer.v1.sif", "Singularity image"),
    ("application/vnd.amazon.soci.index.v1+json", "SOCI index"),
    ("application/vnd.ms.bicep.module.layer.v1+json", "Bicep module"),
    ("application/vnd.example.blob", "artifact of type application/vnd.example.blob"),
    ("application/starlark", "artifact of type application/starlark"),
    ("text/plain", "artifact of type text/plain"),
    ("application/x", "artifact of type application/x"),
    (f"a/{'b' * 127}", f"artifact of type a/{'b' * 127}"),
    (f"a/{'b' * 128}", "artifact of unknown type"),
    (f"{'a' * 127}/b", f"artifact of type {'a' * 127}/b"),
    (f"{'a' * 128}/b", "artifact of unknown type"),
    ("mañana", "artifact of unknown type"),
]


def manifest(*layer_types: str, config_type: str = OCI_CONFIG) -> Manifest:
    layers = [layer(size, size) | {"mediaType": media_type} for size, media_type in enumerate(layer_types, 1)]
    config = {"mediaType": config_type, "digest": digest_of(b"{}"), "size": 2}
    parsed = parse_manifest(to_json({"schemaVersion": 2, "config": config, "layers": layers}))
    assert isinstance(parsed, Manifest)
    return parsed


def described(config: Mapping[str, object] | None, *layer_types: str) -> VersionDocument:
    parsed = parse_config(to_json(config)) if config is not None else None
    image = PlatformImage(digest_of(b"a"), None, manifest(*layer_types), parsed, unread="" if config else "gone")
    return describe_version(APP, digest_of(b"a"), OCI_MANIFEST, [image])


@pytest.mark.parametrize("config", [AMD64, NOTHING, {}])
@pytest.mark.parametrize("layer_type", FILE_SYSTEMS)
def test_a_layer_of_a_file_system_makes_an_image(layer_type: str, config: Mapping[str, object]) -> None:
    assert "Unsupported" not in described(config, layer_type)


@pytest.mark.parametrize("layer_type", SOUND_LIKE_ONE)
@pytest.mark.parametrize(("config", "is_image"), [(AMD64, True), (NOTHING, False), ({}, False), (None, True)])
def test_of_a_layer_that_sounds_like_a_file_system_the_config_decides(
    layer_type: str, config: Mapping[str, object] | None, is_image: bool
) -> None:
    assert ("Unsupported" not in described(config, layer_type)) is is_image


@pytest.mark.parametrize(("config", "is_image"), [(AMD64, True), (NOTHING, False), ({}, False), (None, True)])
def test_without_layers_the_config_decides(config: Mapping[str, object] | None, is_image: bool) -> None:
    assert ("Unsupported" not in described(config)) is is_image


CONFIG_TYPES = [OCI_CONFIG, DOCKER_CONFIG, "application/octet-stream", "application/json", "text/html", ""]


@pytest.mark.parametrize("config_type", CONFIG_TYPES)
@pytest.mark.parametrize(("layer_type", "kind"), KINDS)
def test_what_has_the_config_of_an_image_and_other_layers_is_named(
    layer_type: str, kind: str, config_type: str
) -> None:
    with pytest.raises(UnsupportedManifest) as caught:
        manifest(layer_type, layer_type, config_type=config_type)
    assert caught.value.kind == kind


@pytest.mark.parametrize(("layer_type", "_kind"), KINDS)
def test_one_layer_of_a_file_system_among_others_makes_an_image(layer_type: str, _kind: str) -> None:
    assert "Unsupported" not in described({}, layer_type, OCI_LAYER)


@pytest.mark.parametrize(("config_type", "kind"), [row for row in KINDS if row[0] != "mañana"])
def test_another_config_makes_it_something_else_whatever_its_layers(config_type: str, kind: str) -> None:
    with pytest.raises(UnsupportedManifest) as caught:
        manifest(OCI_LAYER, config_type=config_type)
    assert caught.value.kind == kind


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("SBOM", "an SBOM"),
        ("Ollama model", "an Ollama model"),
        ("attestation", "an attestation"),
        ("SOCI index", "a SOCI index"),
        ("Helm chart", "a Helm chart"),
        ("signature", "a signature"),
    ],
)
def test_it_is_named_in_a_sentence(kind: str, words: str) -> None:
    assert str(UnsupportedManifest(kind)) == f"this is {words}, not a container image"


@given(st.lists(st.text()))
def test_whatever_the_types_are_there_is_a_name(media_types: list[str]) -> None:
    assert kind_of(media_types)


@given(st.text())
def test_every_file_system_can_be_one(media_type: str) -> None:
    assert can_be_file_system(media_type) or not is_file_system(media_type)
