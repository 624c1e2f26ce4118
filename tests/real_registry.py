"""A real registry and real images for tests: Debian's docker-registry, filled by skopeo with umoci's images.

A fake answers as we believe that a registry answers; these tools answer as registries do. Everything lives in
a temporary folder and on loopback, takes a free port, and ends with the fixture that started it. Where a tool
is not installed, the tests that need it are skipped with the command that installs it.
"""

import base64
import hashlib
import http.client
import io
import itertools
import json
import re
import shutil
import socket
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import environ
from pathlib import Path
from typing import Any, Self

import pytest

from tests.fakes.registry import FakeRegistry

INSTALL = "apt-get install --no-install-recommends docker-registry skopeo umoci"
ANSWER_SECONDS = 60.0
STOP_SECONDS = 60.0
TOOL_SECONDS = 60.0

# Who may read a private registry. The password is awkward on purpose: it holds a colon, spaces and an umlaut.
USER = "reader"
PASSWORD = "öffne dich: Sesam"
PASSWORD_BCRYPT = "$2y$04$microbadgertestsaltOOuv2QTtUrFBy0jAOkpCDIoWFLg/lijBrC"

CREATED = "2026-11-20T10:00:00Z"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
IN_TOTO = "application/vnd.in-toto+json"
UNKNOWN_PLATFORM = {"architecture": "unknown", "os": "unknown"}

Document = dict[str, Any]


def need(*packages: str) -> None:
    """Skip the test that asks, naming each Debian package whose tool of the same name is not installed."""
    missing = [package for package in packages if shutil.which(package) is None]
    if missing:
        pytest.skip(f"Debian's {', '.join(missing)} not installed: {INSTALL}")


def free_port() -> int:
    """Tell a loopback port on which nobody listens at this moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def wait_until(happened: Callable[[], bool], what: str, timeout_seconds: float) -> None:
    """Return as soon as it happened; a TimeoutError says what did not happen in time."""
    deadline = time.monotonic() + timeout_seconds
    while not happened():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {timeout_seconds:g} s")
        time.sleep(0.01)


class RunningRegistry:
    """A docker-registry process; stopped and started again it has the same address and content.

    ``private`` lets in only USER with PASSWORD (HTTP Basic). ``token_realm`` sends a Bearer challenge that
    names this realm and then accepts any token. To ``notify``, a URL, the registry posts its notifications.
    """

    AGENT = "running-registry-fixture"
    LISTENING = re.compile(r"listening on (127\.0\.0\.1:\d+)", re.ASCII)
    ACCESS = re.compile(r'"([A-Z]+) (\S+) HTTP/[0-9.]+" [0-9]+ [0-9]+ "[^"]*" "([^"]*)"$', re.ASCII)

    def __init__(
        self,
        folder: Path,
        *,
        private: bool = False,
        token_realm: str | None = None,
        notify: str | None = None,
    ) -> None:
        self.folder = folder
        self.host = ""
        self.private = private
        self.token_realm = token_realm
        self.notify = notify
        self.access_log = folder / "access.log"
        self.error_log = folder / "error.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._forgotten_bytes = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Return once the registry answers; RuntimeError with its log if it ends instead."""
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "config.yml"
        config.write_text(json.dumps(self._config()), "utf-8")  # JSON is YAML
        with self.access_log.open("ab") as access, self.error_log.open("wb") as error:
            command = ["docker-registry", "serve", str(config)]
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=access, stderr=error)
        try:
            wait_until(self._answers, "an answer of docker-registry", ANSWER_SECONDS)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the process and return when it has ended; what was pushed stays in the folder."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def requests(self) -> list[tuple[str, str]]:
        """List (method, path with query) of every answered request since the last ``forget_requests``."""
        self._ping()
        with self.access_log.open("rb") as log:
            log.seek(self._forgotten_bytes)
            lines = log.read().decode().splitlines()
        matches = [match for line in lines if (match := self.ACCESS.search(line))]
        return [(match[1], match[2]) for match in matches if match[3] != self.AGENT]

    def stored(self, digest: str) -> Path:
        """Return the file in which the registry keeps the content of a digest, to be broken or removed."""
        encoded = digest.removeprefix("sha256:")
        return next(self.folder.rglob(f"blobs/sha256/{encoded[:2]}/{encoded}/data"))

    def forget_requests(self) -> None:
        """Make ``requests`` tell only of what is asked from now on, not of a push just made, say."""
        self._ping()
        self._forgotten_bytes = self.access_log.stat().st_size

    def _ping(self) -> None:
        """Ask for /v2/; so small an answer is sent after its log line, so the log is complete up to here."""
        connection = http.client.HTTPConnection(self.host, timeout=ANSWER_SECONDS)
        try:
            connection.request("GET", "/v2/", headers={"User-Agent": self.AGENT})
            connection.getresponse().read()
        finally:
            connection.close()

    def _answers(self) -> bool:
        log = self.error_log.read_text("utf-8")
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError(f"docker-registry ended: {log}")
        if listening := self.LISTENING.search(log):
            self.host = listening[1]
            self._ping()
        return listening is not None

    def _config(self) -> Document:
        """Say it as https://distribution.github.io/distribution/about/configuration/ names it."""
        storage = {"rootdirectory": str(self.folder / "storage")}
        # Port 0 lets the kernel choose, so that no two registries can want the same port.
        config: Document = {
            "version": "0.1",
            "log": {"level": "info", "formatter": "json"},
            "storage": {"filesystem": storage, "delete": {"enabled": True}},
            "http": {"addr": self.host or "127.0.0.1:0", "secret": "shared by one process"},
        }
        if self.private:
            htpasswd = self.folder / "htpasswd"
            htpasswd.write_text(f"{USER}:{PASSWORD_BCRYPT}\n", "utf-8")
            config["auth"] = {"htpasswd": {"realm": "real", "path": str(htpasswd)}}
        if self.token_realm:
            config["auth"] = {"silly": {"realm": self.token_realm, "service": "real-registry"}}
        if self.notify:
            endpoint = {"name": "test", "url": self.notify}
            patience = {"timeout": "5s", "threshold": 3, "backoff": "100ms"}
            config["notifications"] = {"endpoints": [endpoint | patience]}
        return config


class RealAddress(FakeRegistry):
    """The address of a real registry, for what takes a fake one."""

    def __init__(self, registry: RunningRegistry) -> None:
        self.host, self.url = registry.host, f"http://{registry.host}"


@dataclass(frozen=True)
class Image:
    """One platform's image in an OCI layout; what it tells is read from the layout's files."""

    layout: Path
    platform: Mapping[str, str]

    @property
    def descriptor(self) -> Document:
        (entry,) = json.loads((self.layout / "index.json").read_bytes())["manifests"]
        return {key: entry[key] for key in ("mediaType", "digest", "size")}

    @property
    def digest(self) -> str:
        return str(self.descriptor["digest"])

    @property
    def manifest(self) -> Document:
        return self._read(self.descriptor)

    @property
    def config(self) -> Document:
        return self._read(self.manifest["config"])

    @property
    def layer_sizes(self) -> list[int]:
        """The sizes in bytes of the compressed layers, measured on disk."""
        return [blob_path(self.layout, layer["digest"]).stat().st_size for layer in self.manifest["layers"]]

    def _read(self, descriptor: Document) -> Document:
        document: Document = json.loads(blob_path(self.layout, descriptor["digest"]).read_bytes())
        return document


class ImageMaker:
    """Builds images with umoci and moves them with skopeo; all state of both tools stays in the folder.

    The same arguments give the same digest.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.auth_file = folder / "auth.json"
        self._numbers = itertools.count(1)
        homes = {"HOME": str(folder), "XDG_RUNTIME_DIR": str(folder)}
        self._environment = {"PATH": environ["PATH"], "REGISTRY_AUTH_FILE": str(self.auth_file), **homes}
        folder.mkdir(parents=True, exist_ok=True)

    def make(
        self,
        layers: Sequence[Mapping[str, bytes]],
        *,
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        created: str = CREATED,
        author: str | None = None,
        architecture: str = "amd64",
        os: str = "linux",
        variant: str | None = None,
        commands: Sequence[str] = (),
        cmd: str | None = None,
    ) -> Image:
        """Build an image of one layer for each mapping of path to content.

        ``commands`` are the layers' lines of the history, in order; ``cmd`` is the command to run and makes a
        step of the history without a layer. The variant is told by an index that holds the image, not by it.
        """
        layout = self._new_folder() / "layout"
        self._umoci("init", "--layout", str(layout))
        self._umoci("new", "--image", f"{layout}:image")
        for content, command in itertools.zip_longest(layers, commands[: len(layers)], fillvalue=None):
            self._add_layer(layout, content or {}, command or "ADD layer /", created)
        options = [f"--created={created}", f"--architecture={architecture}", f"--os={os}"]
        options += [f"--author={author}"] if author else []
        options += [f"--config.label={key}={value}" for key, value in (labels or {}).items()]
        options += [f"--manifest.annotation={key}={value}" for key, value in (annotations or {}).items()]
        step = [f"--history.created={created}", f"--history.created_by=CMD {json.dumps([cmd])}"]
        options += [f"--config.cmd={cmd}", *step] if cmd else ["--no-history"]
        self._umoci("config", "--image", f"{layout}:image", *options)
        platform = {"architecture": architecture, "os": os} | ({"variant": variant} if variant else {})
        return Image(layout, platform)

    def push(self, image: Image, reference: str, *, schema2: bool = False) -> str:
        """Push to ``host:port/name:tag``, as Docker schema 2 if wanted, and return the digest pushed."""
        return self._copy(image.layout, "image", reference, [_format(schema2)])

    def push_index(
        self,
        images: Sequence[Image],
        reference: str,
        *,
        annotations: Mapping[str, str] | None = None,
        attested: bool = False,
        schema2: bool = False,
    ) -> str:
        """Push the images with an index of their platforms and return the index's digest.

        ``attested`` adds an attestation of each image as BuildKit does; ``schema2`` makes a manifest list.
        """
        layout = self._new_folder() / "layout"
        for image in images:
            shutil.copytree(image.layout, layout, dirs_exist_ok=True)
        entries = [image.descriptor | {"platform": dict(image.platform)} for image in images]
        attestations = [_attestation(layout, image.digest) for image in images if attested]
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries + attestations}
        index |= {"annotations": dict(annotations)} if annotations else {}
        name = {"org.opencontainers.image.ref.name": "index"}
        root = _put_blob(layout, OCI_INDEX, _json(index)) | {"annotations": name}
        (layout / "index.json").write_bytes(_json({"schemaVersion": 2, "manifests": [root]}))
        return self._copy(layout, "index", reference, ["--all", _format(schema2)])

    def delete_tag(self, reference: str) -> None:
        """Delete what the tag points to, and with it every tag that points to the same digest."""
        self._skopeo("delete", "--tls-verify=false", f"docker://{reference}")

    def raw_manifest(self, reference: str) -> bytes:
        """Return the manifest or index as skopeo receives it."""
        return self._skopeo("inspect", "--tls-verify=false", "--raw", f"docker://{reference}")

    def login(self, host: str, user: str = USER, password: str = PASSWORD) -> None:
        """Use the credential for later requests to the host; ``auth_file`` is written as Docker's config."""
        auth = base64.b64encode(f"{user}:{password}".encode()).decode()
        known = json.loads(self.auth_file.read_bytes())["auths"] if self.auth_file.exists() else {}
        self.auth_file.write_bytes(_json({"auths": known | {host: {"auth": auth}}}))

    def _add_layer(self, layout: Path, content: Mapping[str, bytes], command: str, created: str) -> None:
        archive = layout.with_name("layer.tar")
        with tarfile.open(archive, "w") as tar:
            for path, data in content.items():
                entry = tarfile.TarInfo(path)
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))
        history = [f"--history.created={created}", f"--history.created_by={command}"]
        self._umoci("raw", "add-layer", "--image", f"{layout}:image", *history, str(archive))

    def _copy(self, layout: Path, name: str, reference: str, options: Sequence[str]) -> str:
        digest = self._new_folder() / "digest"
        paths = [f"oci:{layout}:{name}", f"docker://{reference}"]
        self._skopeo("copy", "--quiet", "--dest-tls-verify=false", f"--digestfile={digest}", *options, *paths)
        return digest.read_text("ascii")

    def _new_folder(self) -> Path:
        folder = self.folder / str(next(self._numbers))
        folder.mkdir()
        return folder

    def _umoci(self, *arguments: str) -> bytes:
        return self._run(["umoci", *arguments])

    def _skopeo(self, *arguments: str) -> bytes:
        return self._run(["skopeo", "--insecure-policy", *arguments])

    def _run(self, command: Sequence[str]) -> bytes:
        done = subprocess.run(command, env=self._environment, capture_output=True, timeout=TOOL_SECONDS)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command[:3])}: {done.stderr.decode('utf-8', 'replace').strip()}")
        return done.stdout


def blob_path(layout: Path, digest: str) -> Path:
    """Tell where an OCI layout keeps a blob."""
    return layout / "blobs" / digest.replace(":", "/")


def _format(schema2: bool) -> str:
    return "--format=v2s2" if schema2 else "--preserve-digests"


def _put_blob(layout: Path, media_type: str, data: bytes) -> Document:
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    blob_path(layout, digest).write_bytes(data)
    return {"mediaType": media_type, "digest": digest, "size": len(data)}


def _attestation(layout: Path, subject: str) -> Document:
    """Write an attestation of the subject and return its entry in an index.

    https://github.com/moby/buildkit/blob/master/docs/attestations/attestation-storage.md
    """
    algorithm, _, encoded = subject.partition(":")
    statement = {"_type": "https://in-toto.io/Statement/v0.1", "subject": [{"digest": {algorithm: encoded}}]}
    layer = _put_blob(layout, IN_TOTO, _json(statement))
    rootfs = {"type": "layers", "diff_ids": [layer["digest"]]}
    config = _put_blob(layout, OCI_CONFIG, _json({**UNKNOWN_PLATFORM, "config": {}, "rootfs": rootfs}))
    manifest = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [layer]}
    attests = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": subject}
    entry = _put_blob(layout, OCI_MANIFEST, _json(manifest))
    return entry | {"platform": UNKNOWN_PLATFORM, "annotations": attests}


def _json(document: Document) -> bytes:
    return json.dumps(document, ensure_ascii=False, sort_keys=True).encode()


@pytest.fixture(scope="session")
def image_maker(tmp_path_factory: pytest.TempPathFactory) -> ImageMaker:
    """What builds and pushes real images, shared by the whole run."""
    need("skopeo", "umoci")
    return ImageMaker(tmp_path_factory.mktemp("images"))


@pytest.fixture
def real_registry(tmp_path: Path) -> Iterator[RunningRegistry]:
    """An empty real registry that everybody may read and write."""
    need("docker-registry")
    with RunningRegistry(tmp_path / "registry") as registry:
        yield registry
