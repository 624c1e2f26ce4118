"""A process that may start no more threads says so where it needs one, and goes on with those that it has."""

import json
import os
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.fakes.registry import FakeRegistry, image
from tests.running_service import ROOT, WAIT_SECONDS, RunningService

WHY = "this machine allows the service no more threads"


def limited(user: str) -> tuple[str, ...]:
    """Return what starts a process with limits; they count all processes of a user, so it is one without others."""
    return () if os.getuid() else ("setpriv", "--ruid", user, "--bounding-set", "-sys_resource,-sys_admin")


class LimitedService(RunningService):
    application = "tests.attacks.limited:serve()"
    launcher = limited("61943")

    def limit(self, signal_number: int, words: str) -> None:
        """Have the worker limit its threads, or lift the limit, and return once that is done."""
        (worker,) = self.workers
        os.kill(worker, signal_number)
        limits = Path(f"/proc/{worker}/limits")
        self.wait(lambda: re.search(f"Max processes +{words} ", limits.read_text()) is not None, "a limit")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LimitedService]:
    """A service that has asked no registry yet, and so has no thread that watches the time."""
    with LimitedService(tmp_path_factory.mktemp("service"), admin_token="an administrator's") as service:
        yield service


@contextmanager
def no_more_threads(service: LimitedService) -> Iterator[None]:
    service.limit(signal.SIGRTMIN, "1")
    yield
    before, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    service.limit(signal.SIGRTMIN + 1, "unlimited" if before == resource.RLIM_INFINITY else str(before))


def test_a_webhook_whose_body_nobody_can_watch_is_to_be_sent_again(service: LimitedService) -> None:
    hook = service.url + service.command("webhook").stdout.strip().removeprefix(service.url)
    with no_more_threads(service):
        refused = requests.post(hook, data=b"{}", timeout=WAIT_SECONDS)
        health = service.get("/healthz")
    accepted = requests.post(hook, data=b"{}", timeout=WAIT_SECONDS)

    assert (refused.status_code, refused.text) == (503, f"This cannot be done now: {WHY}.")
    assert re.fullmatch("[0-9]+", refused.headers["Retry-After"])
    assert (health.status_code, accepted.status_code) == (200, 200)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/badges/size/example/web.svg", 200),
        ("GET", "/healthz", 200),
        ("GET", "/metrics", 200),
        ("POST", "/hooks/wrong", 403),
        ("PUT", "/v1/images/example/web", 401),
        ("POST", "/none", 405),
    ],
)
def test_everything_else_is_answered(service: LimitedService, method: str, path: str, status: int) -> None:
    with no_more_threads(service):
        answers = [requests.request(method, service.url + path, data=b"body", timeout=WAIT_SECONDS) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [status] * 3


def test_a_check_says_why_it_could_not_be_made(tmp_path: Path) -> None:
    with FakeRegistry() as fake:
        fake.push("team/web", "latest", image())
        name = f"{fake.host}/team/web"
        with LimitedService(tmp_path) as service, no_more_threads(service):
            (service.data / "images.txt").write_text(f"{name}\n")
            service.wait(lambda: WHY in service.get("/healthz").text, "it is said")
            assert service.lines("thread_not_started")
            assert service.lines("Traceback") == []


def test_a_service_with_fewer_threads_than_it_wants_answers(tmp_path: Path) -> None:
    class FewThreads(LimitedService):
        launcher = (*limited("61944"), "prlimit", "--nproc=8")

    if os.getuid():
        pytest.skip("only root can become a user without other processes")
    with FewThreads(tmp_path) as service:
        answers = [service.get("/badges/size/example/web.svg").status_code for _ in range(20)]
        assert answers == [200] * 20
        assert service.lines("threads could be started")


def test_nothing_is_lost_that_waits_for_a_thread(tmp_path: Path) -> None:
    command = [*limited("61945"), sys.executable, "-m", "tests.attacks.threadless", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "cut off": WHY,
        "name": WHY,
        "purge waits": 2,
        "sent": 0,
        "purged": ["PURGE /", "PURGE /index.html", *(f"PURGE /v1/images{end}" for end in ("", ".json", "/"))],
        "sent later": 1,
    }


def test_nothing_of_that_is_a_defect(service: LimitedService) -> None:
    assert service.lines("Traceback") == []
    assert service.lines("_broke") == []
