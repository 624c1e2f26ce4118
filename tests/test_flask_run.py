"""The service under Flask's own server, as somebody starts it who knows Flask: `flask run`."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.registry import FakeRegistry, image
from tests.real_registry import wait_until
from tests.running_service import ROOT, START_SECONDS, RunningService


class FlaskRun(RunningService):
    """MicroBadger under `flask run`, which no setting tells where it is reached."""

    def start(self) -> None:
        del self.environment["PORT"], self.environment["MICROBADGER_BASE_URL"]
        # A shell has what it runs in the background ignore Ctrl-C, as the tests may be.
        interruptible = ["env", "--default-signal=INT"]
        command = [*interruptible, sys.executable, "-m", "flask", "run", "--port", str(self.port), *self.options]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )
        wait_until(self._answers, "an answer of the service", START_SECONDS)

    def press_ctrl_c(self) -> int:
        """Return the exit status; the log is complete then."""
        assert self._process
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(START_SECONDS)


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeRegistry]:
    with FakeRegistry() as fake:
        fake.push("team/web", "latest", image(layers=[1024]))
        yield fake


@pytest.fixture(scope="module")
def service(fake: FakeRegistry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskRun]:
    with FlaskRun(tmp_path_factory.mktemp("service"), [f"{fake.host}/team/web"]) as service:
        yield service


def test_images_are_read_and_served_under_the_address_that_flask_says(service: FlaskRun, fake: FakeRegistry) -> None:
    document = service.wait_for_image(f"{fake.host}/team/web")

    assert document["WebhookURL"].startswith(f"http://localhost:{service.port}/images/")


def test_no_line_about_a_request_holds_the_token_of_a_webhook(service: FlaskRun, fake: FakeRegistry) -> None:
    name = f"{fake.host}/team/web"

    assert service.push(name, wait_seconds=30).status_code == 200

    assert service.lines("event=webhook ", f"image={name}")
    assert not service.lines(service.webhook(name).rpartition("/")[2])


def test_ctrl_c_ends_the_schedule_and_the_server(fake: FakeRegistry, tmp_path: Path) -> None:
    with FlaskRun(tmp_path, [f"{fake.host}/team/web"]) as service:
        service.wait(lambda: bool(service.lines("event=leading ", "task=follow")), "the schedule runs")

        assert service.press_ctrl_c() == 0
        assert service.lines("event=leading_ended", "task=follow")


def test_a_reloader_has_one_schedule(fake: FakeRegistry, tmp_path: Path) -> None:
    with FlaskRun(tmp_path, [f"{fake.host}/team/web"], "--reload") as service:
        service.wait_for_image(f"{fake.host}/team/web")

        assert len(service.lines("event=started ")) == 1


def test_a_static_site_is_not_served(tmp_path: Path) -> None:
    done = RunningService(tmp_path, static="1").command("run")

    assert (done.returncode, done.stderr) == (
        1,
        "Error: MICROBADGER_STATIC publishes files without a service: run flask refresh, or unset it.\n",
    )
