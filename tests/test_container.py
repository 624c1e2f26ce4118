"""The container of the guide: Debian's buildah builds it, and it runs as its image says.

There is no network, so another image stands in for Python's: it has this machine's Python, and the packages that the
service needs, for pip to find them installed.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml  # type: ignore[import-untyped]

from tests.readme import GUIDE, ROOT
from tests.real_registry import free_port, need, wait_until
from tests.running_service import COMMAND_SECONDS, START_SECONDS, STOP_SECONDS

BASE, APP = "localhost/python", "localhost/microbadger"
MOUNTED = {"/usr": "/usr", sys.base_prefix: sys.base_prefix, str(Path(pytest.__file__).parents[1]): "/packages"}
STAND_IN = f"""\
FROM scratch
COPY . /
ENV PATH=/scripts:{sys.base_prefix}/bin:/usr/bin:/bin PYTHONPATH=/packages
ENV PIP_NO_INDEX=1 PIP_DISABLE_PIP_VERSION_CHECK=1
"""
GUNICORN = '#!/bin/sh\nexec python3 -m gunicorn "$@"\n'
"""What pip would have written beside the Python of the container, had it installed gunicorn."""


class Buildah:
    """Buildah with a store of its own, which runs steps and containers without namespaces."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "XDG_RUNTIME_DIR": str(folder)}
        self.mounts = [f"--volume={here}:{there}:ro" for here, there in MOUNTED.items()]
        (folder / "policy.json").write_text(json.dumps({"default": [{"type": "insecureAcceptAnything"}]}))

    def command(self, name: str, *arguments: str) -> list[str]:
        store = [f"--root={self.folder / 'root'}", f"--runroot={self.folder / 'run'}", "--storage-driver=vfs"]
        return ["buildah", *store, name, *arguments]

    def run(self, name: str, *arguments: str) -> str:
        """Return what a command prints; AssertionError with what it complains of if it fails."""
        command = self.command(name, *arguments)
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=COMMAND_SECONDS)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def build(self, lines: str, folder: Path, name: str, *options: str) -> None:
        file = self.folder / "Dockerfile"
        file.write_text(lines)
        named = [f"--file={file}", f"--signature-policy={self.folder / 'policy.json'}", f"--tag={name}"]
        self.run("build", "--isolation=chroot", "--pull-never", *named, *options, str(folder))

    def config(self, name: str) -> dict[str, Any]:
        config: dict[str, Any] = json.loads(self.run("inspect", "--type=image", name))["OCIv1"]["config"]
        return config


@pytest.fixture(scope="module")
def buildah(tmp_path_factory: pytest.TempPathFactory) -> Buildah:
    """Buildah with the image of the guide, built in a folder with what a clean checkout holds."""
    need("buildah")
    folder = tmp_path_factory.mktemp("container")
    buildah = Buildah(folder)
    base, checkout = folder / "base", folder / "checkout"
    for name in ("tmp", "scripts"):
        (base / name).mkdir(parents=True)
    (base / "tmp").chmod(0o1777)
    (base / "scripts/gunicorn").write_text(GUNICORN)
    (base / "scripts/gunicorn").chmod(0o755)
    for link in (link for link in Path("/").iterdir() if link.is_symlink() and (Path("/usr") / link.name).is_dir()):
        (base / link.name).symlink_to(f"usr/{link.name}")
    buildah.build(STAND_IN, base, BASE)
    checkout.mkdir()
    for name in ("app.py", "Procfile", "requirements.txt"):
        shutil.copy2(ROOT / name, checkout)
    shutil.copytree(ROOT / "microbadger", checkout / "microbadger", ignore=shutil.ignore_patterns("__pycache__"))
    buildah.build(GUIDE["docker"].block("dockerfile"), checkout, APP, f"--from={BASE}", *buildah.mounts)
    return buildah


@contextmanager
def running(buildah: Buildah, port: int) -> Iterator[None]:
    """Run the image as it says, but on another port."""
    container = buildah.run("from", "--pull-never", APP).strip()
    options = [f"--env=PORT={port}", "--isolation=chroot", *buildah.mounts]
    command = buildah.command("run", *options, container, "--", *buildah.config(APP)["Cmd"])
    log = buildah.folder / "container.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=buildah.environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        wait_until(lambda: is_healthy(port) or process.poll() is not None, "an answer", START_SECONDS)
        assert process.poll() is None, log.read_text()
        yield
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(STOP_SECONDS)


def is_healthy(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/healthcheck.txt", timeout=5).text == "HEALTH OK"
    except requests.ConnectionError:
        return False


def test_it_is_built_and_serves_its_guide(buildah: Buildah) -> None:
    port = free_port()
    with running(buildah, port):
        page = requests.get(f"http://127.0.0.1:{port}/guide/docker/", timeout=START_SECONDS)

    assert (page.status_code, "In a container" in page.text) == (200, True)


def test_it_starts_as_the_procfile_says_and_as_nobody_special(buildah: Buildah) -> None:
    config = buildah.config(APP)

    command = (ROOT / "Procfile").read_text().strip().removeprefix("web: ")
    assert config["Cmd"] == ["/bin/sh", "-c", f"exec {command}"]
    assert (config["User"], [*config["ExposedPorts"]]) == ("1000", ["8000/tcp"])


def test_the_volumes_of_the_compose_file_are_those_of_the_image(buildah: Buildah) -> None:
    document = yaml.safe_load(GUIDE["docker"].block("yaml"))

    (service,) = document["services"].values()
    mounts = dict(mount.split(":") for mount in service["volumes"])
    assert {*mounts.values()} == {*buildah.config(APP)["Volumes"]}
    assert {*mounts} == {*document["volumes"]}


def test_the_port_of_the_compose_file_is_that_of_the_image(buildah: Buildah) -> None:
    (service,) = yaml.safe_load(GUIDE["docker"].block("yaml"))["services"].values()

    (port,) = service["ports"]
    environment = buildah.config(APP)["Env"]
    assert f"PORT={port.rpartition(':')[2]}" in environment
    assert service["environment"]["MICROBADGER_BASE_URL"] == "https://badges.example.org"
