"""What tools of others write about an image into a real registry, and what the service says of it.

Buildah builds an image on another and names that one, Syft lists what is in it, and the libraries of Sigstore attach
the list and a provenance, as GitHub does. The registry has no lists of referrers, so they keep one under a tag.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from oras.client import OrasClient

from microbadger.image.documents import ImageDocument
from microbadger.image.manifest import ACCEPT
from microbadger.image.reference import Repository
from microbadger.image.referrers import fallback_tag
from microbadger.image.sboms import read_sbom
from microbadger.image.statements import parse_statement
from tests.fakes.claims import COMMIT, CYCLONEDX, SPDX, github_provenance, statement
from tests.fakes.referrers import ReferrerLists
from tests.fakes.registry import FakeImage, FakeRegistry
from tests.freshness.bench import Bench
from tests.real_registry import RealAddress, RunningRegistry, need
from tests.real_tools import Buildah, Syft, attest

INSTALLED = """\
P:musl
V:1.2.5-r9
A:x86_64
L:MIT

P:busybox
V:1.37.0-r12
A:x86_64
L:GPL-2.0-only

P:zlib
V:1.3.1-r2
A:x86_64
L:Zlib
"""
RELEASE = 'ID=alpine\nVERSION_ID=3.22.1\nPRETTY_NAME="Alpine Linux v3.22"\n'


@dataclass(frozen=True)
class Images:
    """An image, ``team/web:1.0``, and the one that it was built on, in a registry."""

    registry: RunningRegistry
    base: str
    base_digest: str
    app: str
    app_digest: str


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory, buildah: Buildah) -> Iterator[Images]:
    need("docker-registry")
    with RunningRegistry(tmp_path_factory.mktemp("tools") / "registry") as registry:
        base, app = f"{registry.host}/team/base:3.22", f"{registry.host}/team/web:1.0"
        lines = ["FROM scratch", "COPY installed /lib/apk/db/installed", "COPY release /etc/os-release"]
        base_digest = buildah.build(lines, base, files={"installed": INSTALLED.encode(), "release": RELEASE.encode()})
        lines = [f"FROM {base}", "COPY app /app", "USER 1000", 'CMD ["/app"]']
        app_digest = buildah.build(lines, app, files={"app": b"app"})
        yield Images(registry, base, base_digest, app, app_digest)


@pytest.fixture(scope="module")
def bench(images: Images, syft: Syft, sigstore: None, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A process that has read the image after a provenance and an SBOM were attached to it."""
    folder = tmp_path_factory.mktemp("attest")
    listed = syft.scan(images.app, "spdx-json")
    for claim in (
        statement(github_provenance(), images.app_digest),
        statement(listed, images.app_digest, predicate_type=SPDX),
    ):
        attest(images.app.partition(":1.0")[0], images.app_digest, claim, folder)
    bench = Bench(folder, RealAddress(images.registry))
    assert bench.refresh() is None
    return bench


@pytest.fixture
def record(bench: Bench) -> ImageDocument:
    return bench.record


def copied(url: str, reference: str) -> FakeImage:
    """Return what a tag or digest names in a real registry, with all that it names."""
    answer = requests.get(f"{url}/manifests/{reference}", headers={"Accept": ACCEPT}, timeout=10)
    manifest = answer.json()
    children = [copied(url, entry["digest"]) for entry in manifest.get("manifests", [])]
    named = [manifest["config"], *manifest["layers"]] if "config" in manifest else []
    blobs = {each["digest"]: requests.get(f"{url}/blobs/{each['digest']}", timeout=10).content for each in named}
    return FakeImage(answer.content, answer.headers["Content-Type"], blobs, tuple(children))


@pytest.mark.parametrize(
    ("sbom_format", "predicate_type", "name"), [("spdx-json", SPDX, "SPDX"), ("cyclonedx-json", CYCLONEDX, "CycloneDX")]
)
def test_the_packages_that_syft_lists_are_counted(
    images: Images, syft: Syft, sbom_format: str, predicate_type: str, name: str
) -> None:
    listed = statement(syft.scan(images.app, sbom_format), images.app_digest, predicate_type=predicate_type)

    sbom = read_sbom(parse_statement(listed, [images.app_digest]), digest=images.app_digest, size_bytes=1)

    assert (sbom["Format"], sbom["PackageCount"]) == (name, 3)
    assert sbom["Licenses"] == {"GPL-2.0-only": 1, "MIT": 1, "Zlib": 1}


def test_the_base_that_buildah_records_is_known(record: ImageDocument, images: Images) -> None:
    assert (record["Base"]["Name"], record["Base"]["Digest"]) == (images.base, images.base_digest)


def test_the_provenance_that_sigstore_attaches_is_read(record: ImageDocument) -> None:
    provenance = record["Provenance"]
    assert (provenance["BuilderName"], provenance["Commit"]) == ("GitHub Actions", COMMIT)
    assert provenance["Source"] == "https://github.com/owner/app"


def test_the_sbom_that_sigstore_attaches_is_counted(record: ImageDocument) -> None:
    sbom = record["SBOM"]
    assert (sbom["Format"], sbom["FormatVersion"], sbom["PackageCount"]) == ("SPDX", "2.3", 3)
    assert sbom["Licenses"] == {"GPL-2.0-only": 1, "MIT": 1, "Zlib": 1}


def test_bundles_that_sigstore_attaches_are_signatures(record: ImageDocument) -> None:
    assert [signature["Kind"] for signature in record["Signatures"]] == ["sigstore", "sigstore"]
    assert all("CreatedAt" in signature for signature in record["Signatures"])


def test_the_same_is_read_where_the_registry_lists_referrers(
    record: ImageDocument, images: Images, tmp_path: Path
) -> None:
    with FakeRegistry() as fake:
        ReferrerLists(fake)
        url = f"http://{images.registry.host}/v2/team/web"
        fake.push("team/web", "1.0", copied(url, images.app_digest))
        fake.push("team/web", None, copied(url, fallback_tag(images.app_digest)))
        other = Bench(tmp_path, fake)

        assert other.refresh() is None

        claims = ("Provenance", "SBOM", "Signatures")
        assert [other.record[claim] for claim in claims] == [record[claim] for claim in claims]  # type: ignore[literal-required]
        assert "UnreadClaims" not in other.record


def test_tags_of_referrers_are_no_versions(record: ImageDocument) -> None:
    assert [[tag["tag"] for tag in version["Tags"]] for version in record["Versions"]] == [["1.0"]]
    assert "UnreadClaims" not in record


def test_an_unchanged_check_reads_none_of_it_again(bench: Bench, images: Images) -> None:
    images.registry.forget_requests()

    bench.check_later()

    asked = [(method, path.partition("/team/web/")[2]) for method, path in images.registry.requests()]
    assert ("HEAD", "manifests/1.0") in asked
    assert not [(method, path) for method, path in asked if "sha256" in path or "referrers" in path]


def test_what_oras_pushes_says_what_it_is(images: Images, tmp_path: Path) -> None:
    name, file = f"{images.registry.host}/team/filter", tmp_path / "filter.wasm"
    file.write_bytes(b"\0asm")
    OrasClient(insecure=True).push(
        target=f"{name}:1.0",
        files=[f"{file}:application/wasm"],
        manifest_annotations={"org.opencontainers.image.description": "Filters requests"},
        disable_path_validation=True,
    )
    bench = Bench(tmp_path, RealAddress(images.registry), named=name)
    bench.repository = Repository.parse(name)

    assert bench.refresh() is None

    assert bench.record["Versions"][0]["Unsupported"] == "this is a WebAssembly module, not a container image"
    assert (bench.record["Description"], bench.record["DownloadSize"]) == ("Filters requests", 4)
