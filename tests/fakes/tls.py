"""Certificates made for a run of the tests, and servers that speak TLS with them."""

import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Certificate:
    """A certificate that vouches for itself, for these names."""

    file: Path
    key: Path
    asked: list[str | None] = field(default_factory=list)
    """The server names that clients asked for."""

    def wrapped(self, handle: Callable[[socket.socket], object]) -> Callable[[socket.socket], None]:
        """Return a handler of a `RawServer` that speaks TLS before it hands a connection on."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file, self.key)
        context.sni_callback = lambda _, name, __: self.asked.append(name)

        def serve(connection: socket.socket) -> None:
            with context.wrap_socket(connection, server_side=True) as encrypted:
                handle(encrypted)

        return serve


def make_certificate(folder: Path, *names: str) -> Certificate:
    """Make a certificate for host names or addresses; the test is skipped where openssl is not installed."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder.mkdir(parents=True, exist_ok=True)
    made = Certificate(folder / "certificate.pem", folder / "key.pem")
    options = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test"
    kinds = [f"{'IP' if name[0].isdigit() else 'DNS'}:{name}" for name in names]
    extensions = [f"subjectAltName={','.join(kinds)}", "keyUsage=critical,digitalSignature,keyCertSign"]
    command = ["openssl", *options.split(), "-keyout", str(made.key), "-out", str(made.file)]
    command += [part for extension in extensions for part in ("-addext", extension)]
    subprocess.run(command, check=True, capture_output=True)
    return made
