"""A container registry in memory, on a real port of this computer, that can misbehave in every known way.

    with FakeRegistry() as fake:
        digest = fake.push("team/app", "latest", image(labels={"a": "b"}, layers=[100, 20]))
        fake.push("team/app", "multi", index(image(), image(architecture="arm64"), attestations=True))
        fake.then("/manifests/", Response(status=503))     # the next such request gets this answer, once
        fake.always("/blobs/", lambda request: Response(b"not what you asked for"))
        registry_client().repository(Repository(fake.host, "team/app")).tags()
        assert fake.asked("HEAD", "/manifests/") == 0

What else differs between registries is an attribute, described where it is set. A `RawServer` sends what no HTTP
library would.
"""

import base64
import json
import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self

from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from microbadger.image.descriptors import digest_of
from microbadger.image.manifest import DOCKER_INDEX, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST

OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
Handler = Callable[[Request], Response | None]


@dataclass(frozen=True)
class FakeImage:
    """A manifest or an index with what it names; its layers have a digest and a size, and no content."""

    raw: bytes
    media_type: str
    blobs: Mapping[str, bytes] = field(default_factory=dict)
    children: tuple["FakeImage", ...] = ()
    platform: Mapping[str, str] | None = None

    @property
    def digest(self) -> str:
        return digest_of(self.raw)

    def descriptor(self, **fields: Any) -> dict[str, Any]:
        """Return how an index refers to this."""
        entry: dict[str, Any] = {"mediaType": self.media_type, "digest": self.digest, "size": len(self.raw)}
        return entry | ({"platform": dict(self.platform)} if self.platform else {}) | fields


def image(
    *,
    labels: Mapping[str, str] | None = None,
    layers: Iterable[int] = (1000,),
    commands: Iterable[str] | None = None,
    created: str | None = "2026-11-20T10:00:00Z",
    os: str = "linux",
    architecture: str = "amd64",
    variant: str | None = None,
    annotations: Mapping[str, str] | None = None,
    docker: bool = False,
    config: Mapping[str, Any] | None = None,
) -> FakeImage:
    """Return an image with layers of these sizes; `config` replaces fields of its config."""
    sizes = list(layers)
    platform = {"os": os, "architecture": architecture} | ({"variant": variant} if variant else {})
    steps = list(commands) if commands is not None else [f"RUN step {n}" for n in range(len(sizes))]
    content = to_json(
        {
            **platform,
            "created": created,
            "config": {"Labels": dict(labels or {})},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(b"%d" % n) for n in range(len(sizes))]},
            "history": [{"created": created, "created_by": step} for step in steps],
            **(config or {}),
        }
    )
    manifest: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": DOCKER_MANIFEST if docker else OCI_MANIFEST,
        "config": descriptor(content, DOCKER_CONFIG if docker else OCI_CONFIG),
        "layers": [layer(size, n) for n, size in enumerate(sizes)],
    } | ({"annotations": dict(annotations)} if annotations else {})
    return FakeImage(to_json(manifest), manifest["mediaType"], {digest_of(content): content}, (), platform)


def index(
    *images: FakeImage,
    attestations: bool = False,
    annotations: Mapping[str, str] | None = None,
    docker: bool = False,
) -> FakeImage:
    """Return an index of images, each with a BuildKit attestation beside it if asked."""
    entries = [image.descriptor() for image in images]
    children = list(images)
    if attestations:
        for subject in images:
            statement = _attestation(subject)
            children.append(statement)
            marks = {
                "vnd.docker.reference.type": "attestation-manifest",
                "vnd.docker.reference.digest": subject.digest,
            }
            entries.append(statement.descriptor(annotations=marks))
    media_type = DOCKER_INDEX if docker else OCI_INDEX
    document: dict[str, Any] = {"schemaVersion": 2, "mediaType": media_type, "manifests": entries}
    document |= {"annotations": dict(annotations)} if annotations else {}
    return FakeImage(to_json(document), media_type, {}, tuple(children))


def layer(size: int, number: int = 0) -> dict[str, Any]:
    """Return the descriptor of a layer that exists nowhere."""
    return {"mediaType": OCI_LAYER, "digest": digest_of(b"%d-%d" % (number, size)), "size": size}


def descriptor(content: bytes, media_type: str) -> dict[str, Any]:
    """Return what refers to this content."""
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}


def to_json(document: object) -> bytes:
    """Return a document as bytes."""
    return json.dumps(document).encode()


def _attestation(subject: FakeImage) -> FakeImage:
    config = b"{}"
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor(config, OCI_CONFIG),
        "layers": [descriptor(subject.raw, "application/vnd.in-toto+json")],
    }
    platform = {"os": "unknown", "architecture": "unknown"}
    return FakeImage(to_json(document), OCI_MANIFEST, {digest_of(config): config}, (), platform)


class FakeRegistry:
    """A registry to talk to while its `with` block runs."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        """Every request that came in, in order."""
        self.login: str | None = None
        """What it takes to read: None, `"token"` or `"basic"`."""
        self.users: dict[str, str] = {}
        """Passwords. Repositories in `private` are for these users only."""
        self.private: set[str] = set()
        self.action_for_tags = "pull"
        """What the scope must allow for listing tags: `metadata_read` at ACR."""
        self.page_size = 0
        """Tags a page, 0 for all, and how the path of the next page becomes a Link header."""
        self.link: Callable[[str], str] = lambda path: f'<{path}>; rel="next"'
        self.odd_tags: list[object] = []
        """What else the list of tags holds: null, digests."""
        self.manifest_headers: dict[str, str | None] = {}
        """Headers of manifests that differ; None leaves one out."""
        self.grants: dict[str, tuple[str, list[str]]] = {}
        """The user, empty for nobody, and the scopes of each token that was given."""
        self.referrers: Callable[[Request, str, str], Response] = lambda *_: Response("404 page not found", 404)
        """Answers what refers to a digest in a repository: no registry of its own offers that."""
        self.storage: str | None = None
        """Where blobs are redirected to; their digest is appended."""
        self._manifests: dict[tuple[str, str], FakeImage] = {}
        self._tags: dict[str, dict[str, None]] = {}
        self._blobs: dict[str, bytes] = {}
        self._once: list[tuple[str, Response]] = []
        self._always: list[tuple[str, Handler]] = []
        self._lock = threading.Lock()
        self._server = make_server("127.0.0.1", 0, self, threaded=True, request_handler=_Quiet)
        self.host = f"127.0.0.1:{self._server.server_port}"
        self.url = f"http://{self.host}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def push(self, repository: str, tag: str | None, pushed: FakeImage) -> str:
        """Store an image with all it names, tag it, and return its digest."""
        for child in pushed.children:
            self.push(repository, None, child)
        self._blobs |= pushed.blobs
        self._manifests[repository, pushed.digest] = pushed
        self._tags.setdefault(repository, {})
        if tag is not None:
            self._manifests[repository, tag] = pushed
            self._tags[repository][tag] = None
        return pushed.digest

    def images(self, repository: str) -> list[FakeImage]:
        """Return everything that was pushed to a repository, each once."""
        return list({each.digest: each for (name, _), each in self._manifests.items() if name == repository}.values())

    def delete(self, repository: str, tag: str) -> None:
        """Forget a tag."""
        del self._manifests[repository, tag], self._tags[repository][tag]

    def then(self, path_part: str, *answers: Response) -> None:
        """Give these answers, one each, to the next requests whose path contains a text."""
        self._once += [(path_part, answer) for answer in answers]

    def always(self, path_part: str, handler: Handler) -> None:
        """Let a function answer every request whose path contains a text; None means as usual."""
        self._always.append((path_part, handler))

    def asked(self, method: str, path_part: str) -> int:
        """Return how many requests with this method and path came in."""
        return sum(request.method == method and path_part in request.path for request in self.requests)

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        request = Request(environ)
        request.get_data()
        self.requests.append(request)
        answer = self._interference(request)
        return (answer or self._answer(request))(environ, start_response)

    def _interference(self, request: Request) -> Response | None:
        with self._lock:
            for number, (part, answer) in enumerate(self._once):
                if part in request.path:
                    del self._once[number]
                    return answer
        handled = (handler(request) for part, handler in self._always if part in request.path)
        return next((answer for answer in handled if answer is not None), None)

    def _answer(self, request: Request) -> Response:
        if request.path == "/token":
            return self._token(request)
        repository, _, rest = request.path.removeprefix("/v2/").partition("/tags/")
        action = self.action_for_tags
        if not rest:
            action = "pull"
            repository, kind, reference = _split(request.path.removeprefix("/v2/"))
        if (refusal := self._refusal(request, repository, action)) is not None:
            return refusal
        if rest:
            return self._list(request, repository)
        if kind == "referrers":
            return self.referrers(request, repository, reference)
        return self._blob(reference) if kind == "blobs" else self._manifest(repository, reference)

    def _list(self, request: Request, repository: str) -> Response:
        if repository not in self._tags:
            return _error(404, "NAME_UNKNOWN")
        tags: list[object] = [*self._tags[repository], *self.odd_tags]
        start, size = int(request.args.get("last", 0)), self.page_size or len(tags)
        answer = Response(to_json({"name": repository, "tags": tags[start : start + size] or None}))
        if start + size < len(tags):
            answer.headers["Link"] = self.link(f"{request.path}?n={size}&last={start + size}")
        return answer

    def _manifest(self, repository: str, reference: str) -> Response:
        found = self._manifests.get((repository, reference))
        if found is None:
            return _error(404, "MANIFEST_UNKNOWN")
        headers = {"Content-Type": found.media_type, "Docker-Content-Digest": found.digest} | self.manifest_headers
        return Response(found.raw, headers={name: value for name, value in headers.items() if value is not None})

    def _blob(self, digest: str) -> Response:
        if self.storage:
            return Response(status=307, headers={"Location": self.storage + digest})
        content = self._blobs.get(digest)
        return _error(404, "BLOB_UNKNOWN") if content is None else Response(content)

    def _refusal(self, request: Request, repository: str, action: str) -> Response | None:
        if self.login is None:
            return None
        scheme, _, value = request.headers.get("Authorization", "").partition(" ")
        if self.login == "basic":
            allowed = scheme == "Basic" and self._user(value) is not None
        else:
            user, scopes = self.grants.get(value, ("", []))
            allowed = f"repository:{repository}:{action}" in scopes and (
                repository not in self.private or user in self.users
            )
        return None if allowed else self.unauthorized(repository, action)

    def unauthorized(self, repository: str, action: str) -> Response:
        """Return the answer to those who have yet to log in."""
        answer = _error(401, "UNAUTHORIZED")
        bearer = f'Bearer realm="{self.url}/token",service="fake",scope="repository:{repository}:{action}"'
        answer.headers["WWW-Authenticate"] = 'Basic realm="fake"' if self.login == "basic" else bearer
        return answer

    def _token(self, request: Request) -> Response:
        scheme, _, value = request.headers.get("Authorization", "").partition(" ")
        user = self._user(value) if scheme == "Basic" else ""
        if request.method == "POST":
            user = self._user(request.form["refresh_token"])
        if user is None:
            return _error(401, "UNAUTHORIZED")
        scopes = request.args.getlist("scope") or request.form.get("scope", "").split()
        token = f"token-{len(self.grants)}"
        self.grants[token] = (user, scopes)
        return Response(to_json({"token": token, "expires_in": 300}))

    def _user(self, encoded: str) -> str | None:
        name, _, password = base64.b64decode(encoded).decode().partition(":")
        return name if password and self.users.get(name) == password else None


class RawServer:
    """A server that hands each connection to a function, for what no HTTP library would send."""

    def __init__(self, handle: Callable[[socket.socket], object]) -> None:
        self._handle = handle
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        self.connections = 0

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection = self._listener.accept()[0]
                self.connections += 1
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            self._handle(connection)


def read_request(connection: socket.socket) -> bytes:
    """Return the next request on a connection, empty if there is none."""
    received = b""
    while not received.endswith(b"\r\n\r\n"):
        more = connection.recv(65536)
        if not more:
            return b""
        received += more
    return received


def answering(*parts: bytes) -> Callable[[socket.socket], None]:
    """Serve: read a request, send these bytes, hang up."""

    def handle(connection: socket.socket) -> None:
        read_request(connection)
        for part in parts:
            connection.sendall(part)

    return handle


def _split(path: str) -> tuple[str, str, str]:
    for kind in ("manifests", "blobs", "referrers"):
        repository, slash, reference = path.rpartition(f"/{kind}/")
        if slash:
            return repository, kind, reference
    return path, "", ""


def _error(status: int, code: str) -> Response:
    return Response(to_json({"errors": [{"code": code, "message": "the fake says no"}]}), status=status)


class _Quiet(WSGIRequestHandler):
    def log(self, *_: Any, **__: Any) -> None:
        """Write no line for each request."""
