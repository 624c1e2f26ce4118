"""Another reader's browser: Debian's Firefox without a window, driven by the protocol that it has built in.

https://firefox-source-docs.mozilla.org/testing/marionette/Protocol.html
"""

import json
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.real_registry import wait_until

START_SECONDS = 60.0
ANSWER_SECONDS = 60.0
_PREFERENCES = {"marionette.port": 0, "browser.startup.page": 0}


class Firefox:
    """A tab of a browser that runs."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), ANSWER_SECONDS)
        self._incoming = self._socket.makefile("rb")
        self._receive()  # it says who it is
        self._ask("WebDriver:NewSession", {"timeouts": {"script": int(1000 * ANSWER_SECONDS)}})

    def goto(self, url: str) -> None:
        """Open an address, and return once its page has loaded."""
        self._ask("WebDriver:Navigate", {"url": url})

    def evaluate(self, function: str, argument: Any) -> Any:
        """Return what a function of JavaScript makes of an argument, as Playwright's method of this name does."""
        script = f"const [argument, done] = arguments; ({function})(argument).then(done, done);"
        return self._ask("WebDriver:ExecuteAsyncScript", {"script": script, "args": [argument]})["value"]

    def close(self) -> None:
        """End the browser."""
        with suppress(OSError):
            self._ask("Marionette:Quit", {"flags": ["eForceQuit"]})
        self._incoming.close()
        self._socket.close()

    def _ask(self, command: str, parameters: dict[str, Any]) -> Any:
        message = json.dumps([0, 1, command, parameters]).encode()
        self._socket.sendall(b"%d:%b" % (len(message), message))
        _, _, error, result = self._receive()
        assert error is None, f"{command}: {error}"
        return result

    def _receive(self) -> Any:
        length = b""
        while (digit := self._incoming.read(1)) != b":":
            if not digit:
                raise ConnectionError("Firefox has ended")
            length += digit
        return json.loads(self._incoming.read(int(length)))


@contextmanager
def running_firefox() -> Iterator[Firefox]:
    """Run the browser with a new profile; its preferences for tests keep it from asking any host on its own account."""
    path = shutil.which("firefox-esr")
    if path is None:
        pytest.skip("Debian's firefox-esr not installed: apt-get install --no-install-recommends firefox-esr")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in _PREFERENCES.items()]
        profile, active_port = Path(folder), Path(folder, "MarionetteActivePort")
        (profile / "user.js").write_text("".join(lines))
        command = [path, "--headless", "--no-remote", "--marionette", "--profile", folder]
        process = subprocess.Popen(
            command, env={"HOME": folder, "MOZ_HEADLESS": "1"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            wait_until(lambda: active_port.exists() and active_port.read_text() != "", "Firefox", START_SECONDS)
            firefox = Firefox(int(active_port.read_text()))
            yield firefox
            firefox.close()
        finally:
            process.kill()
            process.wait()
