"""The service as its users run it: gunicorn or a command, in a process of its own, on loopback."""

import os
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import requests

from tests.child_processes import children_of, is_running
from tests.real_registry import free_port, wait_until

ROOT = Path(__file__).parent.parent
WORKER = "microbadger.gunicorn_worker.Worker"
START_SECONDS = 60.0
STOP_SECONDS = 60.0
COMMAND_SECONDS = 120.0
WAIT_SECONDS = 60.0
PATIENT = ("--timeout", "300")
"""Has gunicorn's master keep workers that have stood still, which it would else end as soon as it goes on."""


class RunningService:
    """MicroBadger under gunicorn with folders of its own; Docker Hub's web API is never asked."""

    application = "app:serve()"
    launcher: tuple[str, ...] = ()
    """The command that starts gunicorn, if another one has to."""

    def __init__(self, folder: Path, images: Sequence[str] = (), *options: str, **settings: str) -> None:
        self.folder = folder
        self.data, self.public = folder / "data", folder / "public"
        self.data.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.options = options
        self.environment = {
            "PATH": os.environ["PATH"],
            "PORT": str(self.port),
            "MICROBADGER_BASE_URL": self.url,
            "MICROBADGER_IMAGES": " ".join(images),
            "MICROBADGER_DATA_DIR": str(self.data),
            "MICROBADGER_PUBLIC_DIR": str(self.public),
            "MICROBADGER_SECRET": "a secret for tests",
            "MICROBADGER_HUB_URL": "",
            **{f"MICROBADGER_{name.upper()}": value for name, value in settings.items()},
        }
        self.log = folder / "service.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Return once the service answers."""
        options = ["--worker-class", WORKER, "--threads", "8", "--no-control-socket", *self.options]
        command = [*self.launcher, sys.executable, "-m", "gunicorn", *options, self.application]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )
        wait_until(self._answers, "an answer of the service", START_SECONDS)

    def stop(self, within_seconds: float = STOP_SECONDS) -> int:
        """Ask the service to end and return its exit status; raise TimeoutExpired if that takes longer."""
        process, self._process = self._process, None
        if process is None:
            return 0
        process.terminate()
        try:
            status = process.wait(within_seconds)
            wait_until(lambda: not is_running(process.pid), "the end of the workers", STOP_SECONDS)
            return status
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def kill(self) -> None:
        """End the service and its workers at once, as a crash of the machine would."""
        process, self._process = self._process, None
        assert process is not None
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def send(self, number: signal.Signals) -> None:
        """Signal gunicorn's master, which goes on running."""
        assert self._process
        self._process.send_signal(number)

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """Stop the service and its workers where they are while the block runs; it should be `PATIENT`."""
        assert self._process
        os.killpg(self._process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(self._process.pid, signal.SIGCONT)

    @property
    def is_running(self) -> bool:
        return self._process is not None

    @property
    def workers(self) -> list[int]:
        """The process ids of gunicorn's workers."""
        assert self._process
        return children_of(self._process.pid)

    def command(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run one of the service's commands beside it."""
        return subprocess.run(
            [sys.executable, "-m", "flask", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )

    def get(self, path: str) -> requests.Response:
        return requests.get(f"{self.url}{path}", timeout=START_SECONDS)

    def badge(self, path: str) -> str:
        """Return what a badge says, as a screen reader reads it."""
        return badge_text(self.get(f"/badges/{path}.svg").content)

    def wait_for_badge(self, path: str, text: str, timeout_seconds: float = WAIT_SECONDS) -> None:
        """Return once a badge says this."""
        self.wait(lambda: self.badge(path) == text, f"{path} says {text!r}", timeout_seconds)

    def wait_for_image(self, name: str) -> dict[str, Any]:
        """Return the metadata of an image once it was read; they are published last."""
        self.wait(lambda: self.get(f"/v1/images/{name}").status_code == 200, f"the metadata of {name}")
        document: dict[str, Any] = self.get(f"/v1/images/{name}").json()
        return document

    def lines(self, *words: str) -> list[str]:
        """Return the lines of the log that hold all these words."""
        return [line for line in self.log.read_text().splitlines() if all(word in line for word in words)]

    def webhook(self, name: str) -> str:
        """Return where the webhook of an image that was read is posted to this service."""
        url: str = self.wait_for_image(name)["WebhookURL"]
        return self.url + urlsplit(url).path

    def push(self, name: str, wait_seconds: float = 0) -> requests.Response:
        """Announce a push of an image."""
        url = f"{self.webhook(name)}?wait={wait_seconds}"
        return requests.post(url, timeout=START_SECONDS + wait_seconds)

    def wait(self, happened: Callable[[], bool], what: str, timeout_seconds: float = WAIT_SECONDS) -> None:
        try:
            wait_until(happened, what, timeout_seconds)
        except TimeoutError as error:
            raise AssertionError(f"{error}\n{self.log.read_text()}") from None

    def _answers(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError(f"the service ended: {self.log.read_text()}")
        try:
            return self.get("/healthcheck.txt").text == "HEALTH OK"
        except requests.ConnectionError:
            return False


def badge_text(svg: bytes) -> str:
    """Return the title of a badge."""
    title = ET.fromstring(svg).find("{http://www.w3.org/2000/svg}title")
    assert title is not None
    return title.text or ""
