"""Tools of others that write charts, statements and signatures into registries, so that what they write is read.

A fake writes what we believe that they write; these write what they do.
"""

import json
import os
import shutil
import subprocess
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

NODE_MODULES = Path(__file__).parent / "node_modules"
TOOL_SECONDS = 60.0

_HELM_ARCHIVE = NODE_MODULES / "@aws-cdk/asset-kubectl-v20/lib/layer.zip"


class Helm:
    """Helm 3, whose state stays in a folder."""

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
        return run([str(self._program), *arguments], self.folder)


def run(command: list[str], folder: Path, **environment: str) -> str:
    """Run a command in a folder that is its home, and return what it prints; RuntimeError if it fails."""
    given = {"PATH": os.environ["PATH"], "HOME": str(folder), **environment}
    done = subprocess.run(command, cwd=folder, env=given, capture_output=True, text=True, timeout=TOOL_SECONDS)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:3])}: {done.stderr.strip()}")
    return done.stdout


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Helm, which an npm package brings along."""
    if not _HELM_ARCHIVE.exists():
        pytest.skip("npm's @aws-cdk/asset-kubectl-v20 not installed: npm ci --prefix tests")
    return Helm(tmp_path_factory.mktemp("helm"))
