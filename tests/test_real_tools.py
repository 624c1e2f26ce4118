"""What tools of others write about an image into a real registry, and what the service says of it.

Buildah builds an image on another and names that one, Syft lists what is in it, and the libraries of Sigstore attach
the list and a provenance, as GitHub does. The registry has no lists of referrers, so they keep one under a tag.
"""

from collections.abc import Iterator

import pytest

from microbadger.image.sboms import read_sbom
from microbadger.image.statements import parse_statement
from tests.fakes.claims import statement
from tests.real_registry import RunningRegistry, need
from tests.real_tools import Buildah, Syft

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


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    need("docker-registry")
    with RunningRegistry(tmp_path_factory.mktemp("tools") / "registry") as registry:
        yield registry


@pytest.fixture(scope="module")
def app(registry: RunningRegistry, buildah: Buildah) -> str:
    """An image on a base, with the packages of an Alpine system."""
    base, app = f"{registry.host}/tools/base:3.22", f"{registry.host}/tools/app:1.0"
    lines = ["FROM scratch", "COPY installed /lib/apk/db/installed", "COPY release /etc/os-release"]
    release = b'ID=alpine\nVERSION_ID=3.22.1\nPRETTY_NAME="Alpine Linux v3.22"\n'
    buildah.build(lines, base, files={"installed": INSTALLED.encode(), "release": release})
    lines = [f"FROM {base}", "COPY app /app", "USER 1000", 'CMD ["/app"]']
    buildah.build(lines, app, files={"app": b"app"})
    return app


@pytest.mark.parametrize(
    ("sbom_format", "predicate_type", "name"),
    [
        ("spdx-json", "https://spdx.dev/Document", "SPDX"),
        ("cyclonedx-json", "https://cyclonedx.org/bom", "CycloneDX"),
    ],
)
def test_what_syft_lists_is_counted(app: str, syft: Syft, sbom_format: str, predicate_type: str, name: str) -> None:
    listed = syft.scan(app, sbom_format)
    digest = f"sha256:{'a' * 64}"

    claim = parse_statement(statement(listed, digest, predicate_type=predicate_type), [digest])
    sbom = read_sbom(claim, digest=digest, size_bytes=1)

    assert (sbom["Format"], sbom["PackageCount"]) == (name, 3)
    assert sbom["Licenses"] == {"GPL-2.0-only": 1, "MIT": 1, "Zlib": 1}
