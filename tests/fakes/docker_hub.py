"""Docker Hub's web API in memory, on a real port of this computer, that can misbehave in every known way.

    with FakeHub() as hub:
        hub.push("team/app", "latest", index(image(), image(architecture="arm64"), attestations=True))
        hub.describe("team/app", pull_count=12)
        DockerHub(transport, hub.url).tags(Repository("docker.io", "team/app"), at_most=100)
        assert hub.asked("/tags") == 1
        hub.is_down = True

What it is pushed are the images of `tests.fakes.registry`, so that a registry and this can tell of the same ones.
"""

import json
import threading
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from microbadger.image.manifest import INDEX_TYPES
from tests.fakes.registry import FakeImage

_FIRST_PUSH = datetime(2026, 11, 20, 10, tzinfo=UTC)
_MAX_TAGS_A_PAGE = 100


class FakeHub:
    """A web API to talk to while its `with` block runs."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        """Every request that came in, in order."""
        self.is_down = False
        """Whether it answers with server errors only."""
        self.limit: dict[str, str] | None = None
        """Headers of the 429 that every request gets."""
        self.garbage: bytes | None = None
        """What every request gets with status 200 in place of an answer."""
        self.is_empty = False
        """Whether it says of every repository that it has no tag."""
        self.is_lagging = False
        """Whether pushes are not shown; they are once it no longer lags."""
        self.tells_digests = True
        """Whether tags have a digest: those that were pushed years ago have none."""
        self.anonymous_tags = 1000
        """How many tags are listed without a login; further pages are refused."""
        self.next = "http://127.0.0.1:1/v2/namespaces/team/repositories/app/tags?page=2"
        """What a page that is not the last one names as the next."""
        self._details: dict[str, dict[str, Any]] = {}
        self._rows: dict[str, dict[str, dict[str, Any]]] = {}
        self._shown: dict[str, list[dict[str, Any]]] = {}
        self._pushes = 0
        self._server = make_server("127.0.0.1", 0, self, threaded=True, request_handler=_Quiet)
        self.host = f"127.0.0.1:{self._server.server_port}"
        self.url = f"http://{self.host}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def describe(self, repository: str, **fields: Any) -> None:
        """Set what is told of a repository beside its tags."""
        self._details.setdefault(repository, {}).update(fields)

    def push(self, repository: str, tag: str, pushed: FakeImage, **fields: Any) -> str:
        """Let a tag name an image, as the tag pushed last, and return the digest; `fields` replace what is told."""
        self._pushes += 1
        pushed_at = (_FIRST_PUSH + timedelta(seconds=self._pushes)).isoformat().replace("+00:00", "Z")
        self._details.setdefault(repository, {})
        self._rows.setdefault(repository, {})[tag] = tag_row(tag, pushed, pushed_at) | fields
        return pushed.digest

    def delete(self, repository: str, tag: str) -> None:
        """Forget a tag."""
        del self._rows[repository][tag]

    def asked(self, path_end: str = "") -> int:
        """Return how many requests for a path with this end came in."""
        return sum(request.path.endswith(path_end) for request in self.requests)

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        request = Request(environ)
        self.requests.append(request)
        return (self._trouble() or self._answer(request))(environ, start_response)

    def _trouble(self) -> Response | None:
        if self.is_down:
            return Response("upstream connect error", status=503)
        if self.limit is not None:
            return Response("Too Many Requests", status=429, headers=self.limit)
        return None if self.garbage is None else Response(self.garbage)

    def _answer(self, request: Request) -> Response:
        parts = request.path.removeprefix("/v2/namespaces/").split("/")
        repository, rest = f"{parts[0]}/{parts[2]}" if parts[1:2] == ["repositories"] else "", parts[3:]
        if repository not in self._details:
            return _json({"message": "object not found", "errinfo": {}}, status=404)
        if rest == ["tags"]:
            return self._page(request, repository)
        return _json(self._details[repository]) if not rest else Response(status=404)

    def _page(self, request: Request, repository: str) -> Response:
        rows = self._listed(repository, request.args.get("ordering"))
        size = min(int(request.args.get("page_size", 10)), _MAX_TAGS_A_PAGE)
        start = size * (int(request.args.get("page", 1)) - 1)
        if start >= self.anonymous_tags:
            return _json({"message": "pagination offset too large for anonymous requests"}, status=403)
        if start and start >= len(rows):
            return _json({"message": "page not found"}, status=404)
        following = self.next if start + size < len(rows) else None
        page = {"count": len(rows), "next": following, "previous": None, "results": rows[start : start + size]}
        return _json(page)

    def _listed(self, repository: str, ordering: str | None) -> list[dict[str, Any]]:
        if not self.is_lagging:
            self._shown[repository] = list(self._rows.get(repository, {}).values())
        rows = [] if self.is_empty else self._shown.get(repository, [])
        if not self.tells_digests:
            rows = [{name: value for name, value in row.items() if name != "digest"} for row in rows]
        if ordering == "last_updated":
            return sorted(rows, key=lambda row: str(row["last_updated"]), reverse=True)
        return sorted(rows, key=lambda row: str(row["name"]))


def tag_row(name: str, pushed: FakeImage, pushed_at: str) -> dict[str, Any]:
    """Return how the list tells of a tag."""
    is_index = pushed.media_type in INDEX_TYPES
    images = [image_row(child) for child in (pushed.children if is_index else (pushed,))]
    return {
        "creator": 1,
        "id": 2,
        "images": images,
        "last_updated": pushed_at,
        "last_updater": 1,
        "last_updater_username": "team",
        "name": name,
        "repository": 3,
        "full_size": images[0]["size"] if images else 0,
        "v2": True,
        "tag_status": "active",
        "tag_last_pulled": None,
        "tag_last_pushed": pushed_at,
        "media_type": pushed.media_type if is_index else _config_type(pushed),
        "content_type": "image",
        "digest": pushed.digest,
    }


def image_row(image: FakeImage) -> dict[str, Any]:
    """Return how the list tells of an image for one platform."""
    platform = image.platform or {}
    return {
        "architecture": platform.get("architecture"),
        "features": "",
        "variant": platform.get("variant"),
        "digest": image.digest,
        "os": platform.get("os"),
        "os_features": "",
        "os_version": None,
        "size": sum(layer["size"] for layer in json.loads(image.raw)["layers"]),
        "status": "active",
        "last_pulled": None,
        "last_pushed": None,
    }


def _config_type(image: FakeImage) -> str:
    return str(json.loads(image.raw)["config"]["mediaType"])


def _json(document: object, status: int = 200) -> Response:
    return Response(json.dumps(document), status=status, content_type="application/json")


class _Quiet(WSGIRequestHandler):
    def log(self, *_: Any, **__: Any) -> None:
        """Write no line for each request."""
