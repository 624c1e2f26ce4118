"""What stands between strangers and the service: Debian's varnish and caddy, each with the least that makes it work."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from tests.real_registry import free_port, wait_until

READY_SECONDS = 60.0

VCL = """
vcl 4.1;
backend default {{ .host = "127.0.0.1"; .port = "{port}"; }}
"""
CADDYFILE = """
{{
    admin off
    auto_https off
}}
:{listen} {{
    bind 127.0.0.1
    reverse_proxy 127.0.0.1:{port}
}}
"""

Front = Callable[[Path, str], Iterator[str]]


def nothing(_folder: Path, url: str) -> Iterator[str]:
    """Let strangers reach the service itself."""
    yield url


def varnish(folder: Path, url: str) -> Iterator[str]:
    """Keep answers as their headers allow."""
    program, listen = _installed("varnishd", "varnish"), free_port()
    configuration = folder / "default.vcl"
    configuration.write_text(VCL.format(port=urlsplit(url).port))
    at = ["-a", f"127.0.0.1:{listen}", "-f", str(configuration), "-n", str(folder / "work")]
    with _running([program, "-F", "-j", "none", "-s", "malloc,16m", *at], folder, listen) as address:
        yield address


def caddy(folder: Path, url: str) -> Iterator[str]:
    """Pass everything on."""
    program, listen = _installed("caddy", "caddy"), free_port()
    configuration = folder / "Caddyfile"
    configuration.write_text(CADDYFILE.format(listen=listen, port=urlsplit(url).port))
    command = [program, "run", "--config", str(configuration), "--adapter", "caddyfile"]
    with _running(command, folder, listen) as address:
        yield address


def _installed(program: str, package: str) -> str:
    found = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        pytest.skip(f"Debian's {package} not installed: apt-get install --no-install-recommends {package}")
    return found


@contextmanager
def _running(command: Sequence[str], folder: Path, port: int) -> Iterator[str]:
    url, log = f"http://127.0.0.1:{port}", folder / "log"
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)

    def answers() -> bool:
        if process.poll() is not None:
            raise RuntimeError(f"{command[0]} ended: {log.read_text()}")
        try:
            return requests.get(f"{url}/healthcheck.txt", timeout=READY_SECONDS).ok
        except requests.ConnectionError:
            return False

    try:
        wait_until(answers, command[0], READY_SECONDS)
        yield url
    finally:
        process.terminate()
        process.wait(READY_SECONDS)
