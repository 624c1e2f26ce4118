"""The address of a client as it arrives through gunicorn, with the options of the Procfile."""

import http.client
import json
import shlex
import socket
from pathlib import Path

from tests.fakes.registry import FakeRegistry
from tests.running_service import ROOT, RunningService

FORWARDED, OTHER_SPELLING = "X-Forwarded-For", "X_Forwarded_For"
# how the proxy connects, the headers that it sends, and the status of the request for a new image
REQUESTS = [
    ("tcp", [(FORWARDED, "203.0.113.1")], 202),
    ("tcp", [(FORWARDED, "192.0.2.1, 203.0.113.2")], 429),
    ("tcp", [(FORWARDED, "192.0.2.1"), (FORWARDED, "203.0.113.3")], 429),
    ("tcp", [(FORWARDED, "203.0.113.4"), (OTHER_SPELLING, "192.0.2.1")], 429),
    ("tcp", [(OTHER_SPELLING, "192.0.2.1")], 202),
    ("tcp", [(OTHER_SPELLING, "192.0.2.2")], 429),
    ("unix", [(FORWARDED, "192.0.2.1, 203.0.113.5")], 429),
    ("unix", [(FORWARDED, "198.51.100.1")], 202),
]


class UnixConnection(http.client.HTTPConnection):
    """A connection through a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=10)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def status(connection: http.client.HTTPConnection, path: str, headers: list[tuple[str, str]]) -> int:
    try:
        connection.putrequest("GET", path)
        for header in headers:
            connection.putheader(*header)
        connection.endheaders()
        return connection.getresponse().status
    finally:
        connection.close()


def procfile_options() -> list[str]:
    """Return the options of the Procfile about forwarded headers."""
    return [word for word in shlex.split((ROOT / "Procfile").read_text("utf-8")) if word.startswith("--forward")]


def test_clients_are_told_apart_by_what_the_proxy_adds_and_can_forge_nothing(tmp_path: Path) -> None:
    with FakeRegistry() as fake:
        unix = str(tmp_path / "socket")
        options = [*procfile_options(), "--bind", f"unix:{unix}"]
        service = RunningService(
            tmp_path,
            [],
            *options,
            mirrors=json.dumps({"docker.io": fake.url}),
            open="docker.io",
            open_per_hour="5",
            trusted_proxies="127.0.0.1 unix",
        )
        service.options = (*options, "--bind", f"127.0.0.1:{service.port}")
        with service:
            answers = []
            for place, (kind, headers, _) in enumerate(REQUESTS):
                tcp = http.client.HTTPConnection("127.0.0.1", service.port, timeout=10)
                connection = UnixConnection(unix) if kind == "unix" else tcp
                answers.append(status(connection, f"/v1/images/example/web{place}", headers))

    assert answers == [answered for *_, answered in REQUESTS]
