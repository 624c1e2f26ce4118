"""An object store in memory that counts requests, keeps its rules of conditional writes, and fails as a test wants."""

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import unquote, urlsplit

from microbadger.site.bucket_address import BucketAddress

_ERROR = "<?xml version='1.0'?><Error><Code>{code}</Code><Message>{code}</Message></Error>"


@dataclass
class StoredObject:
    """The content of an object, and the headers that were given with it."""

    content: bytes
    headers: dict[str, str]

    @property
    def etag(self) -> str:
        return f'"{hashlib.md5(self.content).hexdigest()}"'


@dataclass
class FakeObjectStore:
    """A server that has one bucket; whoever asks may do everything unless ``fault`` says otherwise.

    ``fault`` is given the method and the key of each request, and returns a status and a code, or None.
    ``drip_seconds`` is how long each byte of an answer takes. ``before_put`` is called with the key.
    """

    objects: dict[str, StoredObject] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    fault: Callable[[str, str], tuple[int, str] | None] = lambda _method, _key: None
    drip_seconds: float = 0.0
    before_put: Callable[[str], object] = lambda _key: None
    etags_are_md5: bool = True
    wants_quotes: bool = False
    """Whether an ETag is to be given as HTTP spells it, not as radosgw 16 wants it."""

    def __enter__(self) -> Self:
        self.lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"fake": self}))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def address(self) -> BucketAddress:
        return BucketAddress(bucket="badges", prefix="public", endpoint=self.url, key_id="key", secret_key="secret")

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which a service uses it."""
        return {
            "MICROBADGER_PUBLIC_DIR": "s3://badges/public",
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
        }

    def file(self, path: str) -> bytes | None:
        """Return what is at a path of the public tree."""
        found = self.objects.get(f"public/{path}")
        return found.content if found else None


class _Handler(BaseHTTPRequestHandler):
    fake: FakeObjectStore
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def do_GET(self) -> None:
        self._answer_object(with_body=True)

    def do_HEAD(self) -> None:
        self._answer_object(with_body=False)

    def do_PUT(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if (key := self._begin()) is None:
            return
        self.fake.before_put(key)
        with self.fake.lock:
            there = self.fake.objects.get(key)
            if not self._may_write(there):
                self._error(412, "PreconditionFailed")
                return
            kept = {name: self.headers[name] for name in ("Content-Type", "Cache-Control") if self.headers[name]}
            self.fake.objects[key] = StoredObject(content, kept)
        self._send(200, {"ETag": self._etag(self.fake.objects[key])})

    def do_DELETE(self) -> None:
        if (key := self._begin()) is not None:
            self.fake.objects.pop(key, None)
            self._send(204, {})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if self._begin() is not None:
            self._error(501, "NotImplemented")

    def _begin(self) -> str | None:
        """Count the request and return its key; answer it and return None where it is to fail."""
        url = urlsplit(self.path)
        key = unquote(url.path.removeprefix("/badges/"))
        self.fake.counts["LIST" if "list-type" in url.query or key == "/badges" else self.command] += 1
        if fault := self.fake.fault(self.command, key):
            self._error(*fault)
            return None
        return key

    def _may_write(self, there: StoredObject | None) -> bool:
        if self.headers["If-None-Match"] == "*":
            return there is None
        if (wanted := self.headers["If-Match"]) is None:
            return True
        etag = self._etag(there) if there else ""
        return wanted == (etag if self.fake.wants_quotes else etag.strip('"'))

    def _etag(self, there: StoredObject) -> str:
        return there.etag if self.fake.etags_are_md5 else f'"{hashlib.sha256(there.content).hexdigest()}"'

    def _answer_object(self, *, with_body: bool) -> None:
        if (key := self._begin()) is None:
            return
        there = self.fake.objects.get(key)
        if there is None:
            self._error(404, "NoSuchKey")
            return
        headers = {**there.headers, "ETag": self._etag(there), "Last-Modified": "Tue, 24 Nov 2026 12:00:00 GMT"}
        self._send(200, headers, there.content if with_body else b"", len(there.content))

    def _error(self, status: int, code: str) -> None:
        body = b"" if self.command == "HEAD" else _ERROR.format(code=code).encode()
        self._send(status, {"Content-Type": "application/xml"}, body)

    def _send(self, status: int, headers: dict[str, str], body: bytes = b"", length: int | None = None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        try:
            for byte in body if self.fake.drip_seconds else []:
                time.sleep(self.fake.drip_seconds)
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
            if not self.fake.drip_seconds:
                self.wfile.write(body)
        except OSError:  # the client has waited long enough
            self.close_connection = True
