"""Strangers that fetch large documents slowly: no copy of a document is kept for each of them."""

import gzip
import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests
from werkzeug.test import TestResponse

from tests.running_service import WAIT_SECONDS, RunningService
from tests.web.bench import Bench

MEBIBYTE = 1024**2
DOCUMENT_BYTES = 4 * MEBIBYTE
STRANGERS = 8
MOST_GROWTH_MEBIBYTES = 12
PATH = "v1/images/example/web.json"
OF_NO_IMAGE = "large.json"  # an image that is not tracked would be removed
PLAIN, PACKED = {"Accept-Encoding": "identity"}, {"Accept-Encoding": "gzip"}


def large_document() -> bytes:
    """Return a document that can hardly be compressed."""
    return b'{"Labels": {"a": "%s"}}' % os.urandom(DOCUMENT_BYTES // 2).hex().encode()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path, "example/web")
    file = bench.public / PATH
    file.parent.mkdir(parents=True)
    file.write_bytes(large_document())
    yield bench
    bench.tools.database.close()


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def ask(bench: Bench, headers: dict[str, str], method: str = "GET") -> TestResponse:
    """Return a whole answer, after which the server has closed what it sent."""
    return bench.client.open(f"/{PATH}", method=method, headers=headers, buffered=True)


@pytest.mark.parametrize("headers", [PLAIN, PACKED], ids=["plain", "gzip"])
def test_a_large_file_is_answered_like_a_small_one(bench: Bench, headers: dict[str, str]) -> None:
    content, before = (bench.public / PATH).read_bytes(), open_files()

    whole, head = (ask(bench, headers, method) for method in ("GET", "HEAD"))
    tag = whole.headers["ETag"]
    known, unknown = (ask(bench, {**headers, "If-None-Match": each}) for each in (tag, '"another"'))

    assert (gzip.decompress(whole.data) if headers is PACKED else whole.data) == content
    assert whole.data == unknown.data == ask(bench, headers).data
    assert [answer.status_code for answer in (whole, head, known, unknown)] == [200, 200, 304, 200]
    assert (head.data, known.data) == (b"", b"")
    assert int(whole.headers["Content-Length"]) == int(head.headers["Content-Length"]) == len(whole.data)
    for answer in (head, known):
        assert {name: answer.headers.get(name) for name in ("ETag", "Vary", "Cache-Control")} == {
            name: whole.headers[name] for name in ("ETag", "Vary", "Cache-Control")
        }
    assert open_files() == before


def test_plain_and_compressed_answers_have_tags_of_their_own(bench: Bench) -> None:
    plain, packed = (ask(bench, headers) for headers in (PLAIN, PACKED))

    assert packed.headers["ETag"] == f'{plain.headers["ETag"][:-1]}-gzip"'
    assert packed.headers["Content-Encoding"] == "gzip"


def test_a_file_that_is_replaced_while_it_is_sent_is_sent_as_it_was(bench: Bench) -> None:
    content = (bench.public / PATH).read_bytes()
    answer = bench.client.get(f"/{PATH}", headers=PLAIN)
    parts = answer.iter_encoded()
    begin = next(parts)
    new = bench.public / "new"
    new.write_bytes(b"{}")
    new.replace(bench.public / PATH)

    assert begin + b"".join(parts) == content
    answer.close()
    assert ask(bench, PLAIN).data == b"{}"


def memory_mebibytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) // 1024


def slow_stranger(port: int, encoding: str) -> socket.socket:
    """Return the connection of a client that has asked for the document, and has read its begin only."""
    stranger = socket.socket()
    stranger.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stranger.settimeout(WAIT_SECONDS)
    stranger.connect(("127.0.0.1", port))
    stranger.sendall(f"GET /{OF_NO_IMAGE} HTTP/1.1\r\nHost: a\r\nAccept-Encoding: {encoding}\r\n\r\n".encode())
    assert stranger.recv(12) == b"HTTP/1.1 200"
    return stranger


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_strangers_who_fetch_a_large_document_slowly_hold_no_copy_each(tmp_path: Path, encoding: str) -> None:
    with RunningService(tmp_path) as service, ExitStack() as strangers:
        file = service.public / OF_NO_IMAGE
        file.write_bytes(large_document())
        requests.get(f"{service.url}/{OF_NO_IMAGE}", headers={"Accept-Encoding": encoding}, timeout=WAIT_SECONDS)
        (worker,) = service.workers
        before = memory_mebibytes(worker)

        for _ in range(STRANGERS):
            strangers.enter_context(slow_stranger(service.port, encoding))
        growth, until = 0, time.monotonic() + 1
        while time.monotonic() < until:
            growth = max(growth, memory_mebibytes(worker) - before)

        print(f"{STRANGERS} slow strangers took {growth} MiB ({encoding})")
        assert growth < MOST_GROWTH_MEBIBYTES
