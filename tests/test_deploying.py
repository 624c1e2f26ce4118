"""The ways to deploy that the guide describes, each tried with its commands and files as they are written there."""

import json
import os
import re
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import yaml  # type: ignore[import-untyped]
from flask.testing import FlaskClient

from app import create_app
from microbadger.settings import Settings
from tests.child_processes import is_running
from tests.fakes.registry import FakeRegistry, image
from tests.postgresql import PostgresqlServer
from tests.readme import GUIDE, README, ROOT
from tests.real_registry import free_port, wait_until
from tests.running_service import COMMAND_SECONDS, START_SECONDS, STOP_SECONDS, badge_text

SECRET = "a secret for tests"
BASE_URL = "https://badges.example.org"
# As root these make a process that may do no more than any user, whoever owns the files.
AS_ANYBODY = ["setpriv", "--inh-caps=-all", "--bounding-set=-all"] if os.geteuid() == 0 else []


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with FakeRegistry() as fake:
        fake.push("team/web", "1.0", image(layers=[1000]))
        fake.push("team/other", "2.0", image(layers=[1000, 2000]))
        yield fake


def check_out(folder: Path, images: str = "") -> Path:
    """Return a folder with what a clean checkout holds, its list of images edited, and what it installs."""
    for name in ("app.py", "Procfile", "README.md", "requirements.txt", ".gitignore"):
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder)
    shutil.copytree(ROOT / "microbadger", folder / "microbadger", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "data").mkdir()
    (folder / "data/images.txt").write_text(images)
    (folder / "public").mkdir()
    (folder / "public/.gitkeep").touch()
    (folder / ".venv").symlink_to(sys.prefix)
    return folder


def environment(folder: Path, **settings: str) -> dict[str, str]:
    """Return an environment as bare as a platform's, with these settings; Docker Hub's web API is not used.

    A name in upper case is that of a variable that not only this service reads.
    """
    home = folder.parent / "home"
    home.mkdir(exist_ok=True)
    named = {name if name.isupper() else f"MICROBADGER_{name.upper()}": value for name, value in settings.items()}
    return {"PATH": os.environ["PATH"], "HOME": str(home), "MICROBADGER_HUB_URL": "", **named}


def run(folder: Path, command: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    """Run a command as typed in a folder."""
    return subprocess.run(
        ["bash", "-e", "-c", command],
        cwd=folder,
        env=environment(folder, **settings),
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
        check=False,
    )


def track(folder: Path, name: str, **settings: str) -> None:
    """Begin to track an image and check it at once."""
    done = run(folder, f".venv/bin/flask track {name}", **settings)
    assert done.returncode == 0, done.stderr


class Started:
    """A service that a command started, and what it wrote."""

    def __init__(self, url: str, log: Path) -> None:
        self.url = url
        self.log = log

    def get(self, path: str) -> requests.Response:
        return requests.get(f"{self.url}{path}", timeout=START_SECONDS)

    def badge(self, path: str) -> str:
        return badge_text(self.get(f"/badges/{path}.svg").content)

    def wait_for_image(self, name: str) -> dict[str, Any]:
        """Return the metadata of an image once it was read."""
        wait_until(lambda: self.get(f"/v1/images/{name}").status_code == 200, f"the metadata of {name}", START_SECONDS)
        document: dict[str, Any] = self.get(f"/v1/images/{name}").json()
        return document

    def answers(self) -> bool:
        try:
            return self.get("/healthcheck.txt").text == "HEALTH OK"
        except requests.ConnectionError:
            return False


@contextmanager
def started(folder: Path, *prefix: str, **settings: str) -> Iterator[Started]:
    """Run the service in a folder as the guide starts it the way a platform does, while the block runs."""
    port = free_port()
    command = GUIDE["paas"].block(holding="PORT=5001").replace("PORT=5001", f"PORT={port}")
    log = folder.parent / f"{port}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*prefix, "bash", "-c", command],
            cwd=folder,
            env=environment(folder, **settings),
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    service = Started(f"http://127.0.0.1:{port}", log)
    try:
        wait_until(lambda: service.answers() or process.poll() is not None, "an answer of the service", START_SECONDS)
        assert process.poll() is None, log.read_text()
        yield service
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(STOP_SECONDS)
        wait_until(lambda: not is_running(process.pid), "the end of the workers", STOP_SECONDS)


def test_a_platform_starts_it_on_its_port_with_its_number_of_workers(tmp_path: Path, fake: FakeRegistry) -> None:
    name = f"{fake.host}/team/web"
    with started(check_out(tmp_path / "app", name)) as service:
        service.wait_for_image(name)

        assert service.badge(f"version/{name}") == "version: 1.0"
        wait_until(lambda: service.log.read_text().count("Booting worker") == 2, "two workers", START_SECONDS)


def test_without_an_address_from_the_platform_links_lead_to_its_port(tmp_path: Path, fake: FakeRegistry) -> None:
    name = f"{fake.host}/team/web"
    with started(check_out(tmp_path / "app", name)) as service:
        url = service.wait_for_image(name)["WebhookURL"]

    told = re.findall(r"links lead to `(.*)`", GUIDE["paas"].text)
    assert told == ["http://localhost:5001"]
    assert url.startswith(f"http://localhost:{urlsplit(service.url).port}/")


def test_on_an_emptied_disk_published_files_come_back_and_webhook_urls_stay(tmp_path: Path, fake: FakeRegistry) -> None:
    listed, named, added = (f"{fake.host}/team/{name}" for name in ("web", "other", "added"))
    fake.push("team/added", "1.0", image())
    settings = {"secret": SECRET, "images": named, "base_url": BASE_URL}
    before = check_out(tmp_path / "before", listed)
    with started(before, **settings) as service:
        urls = [service.wait_for_image(name)["WebhookURL"] for name in (listed, named)]
        track(before, added, **settings)

    with started(check_out(tmp_path / "after", listed), **settings) as service:
        assert [service.wait_for_image(name)["WebhookURL"] for name in (listed, named)] == urls
        webhook = f"{service.url}{urlsplit(urls[0]).path}?wait=50"
        assert requests.post(webhook, timeout=START_SECONDS).json()["Result"] == "fresh"
        assert service.get(f"/v1/images/{added}").status_code == 404


def test_without_a_secret_an_emptied_disk_changes_webhook_urls(tmp_path: Path) -> None:
    command = ".venv/bin/flask webhook"

    urls = {run(check_out(tmp_path / name), command).stdout for name in ("before", "after")}

    assert len(urls) == 2


def test_the_command_for_a_secret_prints_one_that_is_accepted(tmp_path: Path) -> None:
    folder = check_out(tmp_path / "app")
    secret = run(folder, GUIDE["paas"].block(holding="secrets")).stdout.strip()

    assert len(secret) >= 43
    assert run(folder, ".venv/bin/flask webhook", secret=secret).returncode == 0


def test_code_may_be_read_only_and_its_user_anybody(tmp_path: Path, fake: FakeRegistry) -> None:
    name = f"{fake.host}/team/web"
    folder = check_out(tmp_path / "app", name)
    with only_writable(folder, "data", "public"), started(folder, *AS_ANYBODY) as service:
        service.wait_for_image(name)

        assert service.badge(f"version/{name}") == "version: 1.0"
        assert "ERROR" not in service.log.read_text()
    assert list((tmp_path / "home").iterdir()) == []


@contextmanager
def only_writable(folder: Path, *names: str) -> Iterator[None]:
    """Take the right to write into a folder away from everybody, but for some folders in it, while the block runs."""
    parts = [folder, *(path for path in folder.rglob("*") if not path.is_symlink())]
    read_only = [path for path in parts if path.relative_to(folder).parts[:1] not in [(name,) for name in names]]
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in read_only}
    for path, mode in modes.items():
        path.chmod(mode & 0o555)
    try:
        yield
    finally:
        for path, mode in modes.items():
            path.chmod(mode)


def test_on_a_volume_everything_outlasts_the_code(tmp_path: Path, fake: FakeRegistry) -> None:
    name = f"{fake.host}/team/web"
    volume = tmp_path / "volume"
    settings = {"data_dir": str(volume / "data"), "public_dir": str(volume / "public"), "base_url": BASE_URL}
    before = check_out(tmp_path / "before")
    with started(before, **settings) as service:
        track(before, name, **settings)
        url = service.wait_for_image(name)["WebhookURL"]
        added = run(before, f".venv/bin/flask notifications add {name} https://hooks.example.org/x", **settings)
    fake.requests.clear()

    after = check_out(tmp_path / "after")
    with started(after, **settings) as service:
        assert service.wait_for_image(name)["WebhookURL"] == url
        assert added.stdout.split()[0] in run(after, ".venv/bin/flask notifications list", **settings).stdout
        assert fake.asked("GET", "/manifests/") == 0
    assert [path.name for path in (after / "public").iterdir()] == [".gitkeep"]


def test_with_a_database_of_its_own_an_emptied_disk_loses_nothing(
    tmp_path: Path, fake: FakeRegistry, postgresql_server: PostgresqlServer
) -> None:
    name, added = f"{fake.host}/team/web", f"{fake.host}/team/other"
    url = postgresql_server.new_schema().replace("postgresql:", "postgres:")
    settings = {"images": name, "base_url": BASE_URL, "DATABASE_URL": url}
    before = check_out(tmp_path / "before")
    with started(before, **settings) as service:
        track(before, added, **settings)
        run(before, f".venv/bin/flask notifications add {name} https://hooks.example.org/x", **settings)
        published = what_is_published(service, name, added)
        subscriptions = run(before, ".venv/bin/flask notifications list", **settings).stdout
    assert not (before / "data/microbadger.db").exists()
    shutil.rmtree(before / "data")
    shutil.rmtree(before / "public")
    fake.requests.clear()

    with started(check_out(tmp_path / "after"), **settings) as service:
        assert what_is_published(service, name, added) == published
        assert run(tmp_path / "after", ".venv/bin/flask notifications list", **settings).stdout == subscriptions != ""
        done = run(tmp_path / "after", ".venv/bin/flask publish", **settings)
        assert done.returncode == 0, done.stderr
        assert what_is_published(service, name, added) == published
    assert fake.requests == []


def what_is_published(service: Started, *names: str) -> list[object]:
    """Return the metadata of images, with their webhook URLs, and their badges."""
    documents = [service.wait_for_image(name) for name in names]
    assert all("WebhookURL" in document for document in documents)
    badges = [service.get(f"/badges/{kind}/{name}.svg").content for kind in ("version", "layers") for name in names]
    return [*documents, *badges]


def test_a_store_moves_from_a_file_to_postgresql_and_back(
    tmp_path: Path, fake: FakeRegistry, postgresql_server: PostgresqlServer
) -> None:
    name, folder = f"{fake.host}/team/web", check_out(tmp_path / "app")
    url = postgresql_server.new_schema().replace("postgresql:", "postgres:")
    with started(folder, base_url=BASE_URL) as service:
        track(folder, name, base_url=BASE_URL)
        published = what_is_published(service, name)

    there = GUIDE["postgresql"].block(holding="copy-store").strip()
    copied = run(folder, re.sub(r"postgres://\S+", f"'{url}'", there), base_url=BASE_URL)
    assert (copied.returncode, copied.stderr) == (0, "")
    assert "tracked_images: 1" in copied.stdout.splitlines()
    fake.requests.clear()
    shutil.rmtree(folder / "public")
    (folder / "data/microbadger.db").rename(tmp_path / "old.db")
    with started(folder, base_url=BASE_URL, DATABASE_URL=url) as service:
        assert what_is_published(service, name) == published

    back = run(folder, f".venv/bin/flask copy-store '{url}'", base_url=BASE_URL)
    assert (back.returncode, back.stderr) == (0, "")
    with started(folder, base_url=BASE_URL) as service:
        assert what_is_published(service, name) == published
    assert fake.requests == []


def test_a_backup_made_beside_the_service_brings_everything_back(tmp_path: Path, fake: FakeRegistry) -> None:
    name = f"{fake.host}/team/web"
    before, after = check_out(tmp_path / "before"), check_out(tmp_path / "after")
    with started(before, base_url=BASE_URL) as service:
        track(before, name, base_url=BASE_URL)
        url = service.wait_for_image(name)["WebhookURL"]
        added = run(before, f".venv/bin/flask notifications add {name} https://hooks.example.org/x", base_url=BASE_URL)
        done = run(before, GUIDE["disk"].block(holding="backup"))
        assert done.returncode == 0, done.stderr
    fake.requests.clear()

    shutil.copy(before / "backup.db", after / "data/microbadger.db")
    done = run(after, ".venv/bin/flask publish", base_url=BASE_URL)

    assert done.returncode == 0, done.stderr
    assert json.loads((after / f"public/v1/images/{name}.json").read_text())["WebhookURL"] == url
    assert added.stdout.split()[0] in run(after, ".venv/bin/flask notifications list").stdout
    assert fake.requests == []


def test_the_unit_starts_it_as_the_procfile_does() -> None:
    unit = GUIDE["systemd"].block("ini")
    (command,) = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)

    assert command == (ROOT / "Procfile").read_text().strip().replace("web: ", "/srv/microbadger/.venv/bin/")
    assert "ReadWritePaths=/srv/microbadger/data /srv/microbadger/public\n" in unit


def test_start_and_static_hosting_install_the_same_way() -> None:
    install = README.section("Start").block(holding="pip install").split(" && .venv/bin/gunicorn")[0]

    assert install in [step.get("run") for step in steps()]


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder as `python -m http.server` does while the block runs, and give its address."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            """Write no line for each request."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def test_cron_publishes_what_a_web_server_shows(tmp_path: Path, fake: FakeRegistry) -> None:
    name = f"{fake.host}/team/web"
    folder = check_out(tmp_path / "app", name)
    fake.push("team/web", "0.9", image(layers=[1, 2]))
    line = GUIDE["static"].block(holding="flask refresh")
    command = line.split(maxsplit=5)[5].replace("/srv/microbadger", str(folder))

    done = run(folder, command)

    assert done.returncode == 0, done.stderr
    with served(folder / "public") as url:
        assert badge_text(requests.get(f"{url}/badges/version/{name}:1.0.svg", timeout=60).content) == "version: 1.0"
        assert requests.get(f"{url}/images/{name}:0.9/", timeout=60).status_code == 200
    assert "WebhookURL" not in (folder / f"public/v1/images/{name}.json").read_text()
    assert "https://badges.example.org/images/" in (folder / f"public/images/{name}/index.html").read_text()


def workflow() -> dict[Any, Any]:
    """Return the workflow; its key ``on`` is read as true, which it means in YAML 1.1."""
    document: dict[Any, Any] = yaml.safe_load(GUIDE["static"].block("yaml"))
    return document


def steps() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = workflow()["jobs"]["badges"]["steps"]
    return found


@dataclass
class Actions:
    """GitHub's runner, as far as the workflow needs it: checkout, cache, commands, conditions and Pages."""

    folder: Path
    origin: Path
    url: str
    cache: Path | None = None
    runs: int = 0
    failed: list[str] = field(default_factory=list)

    @property
    def site(self) -> Path:
        return self.folder / "site"

    def run(self, image: str = "") -> bool:
        """Run the workflow for a push of an image, or as the clock does; return whether every step succeeded."""
        self.runs, self.failed = self.runs + 1, []
        clone = self.folder / f"run{self.runs}"
        variables = environment(clone)
        variables |= {name: str(value) for name, value in workflow()["jobs"]["badges"]["env"].items()}
        variables |= {"IMAGE": image, "GITHUB_ENV": str(clone.with_suffix(".env"))}
        for step in steps():
            if self._is_wanted(step, clone, variables):
                self._do(step, clone, variables)
        return not self.failed

    def _is_wanted(self, step: Mapping[str, Any], clone: Path, variables: Mapping[str, str]) -> bool:
        values = {
            None: not self.failed,
            "env.IMAGE": not self.failed and bool(variables["IMAGE"]),
            "${{ !cancelled() && env.MICROBADGER_BASE_URL }}": "MICROBADGER_BASE_URL" in variables,
            "${{ !cancelled() && hashFiles('public/index.html') }}": (clone / "public/index.html").exists(),
        }
        return values[step.get("if")]

    def _do(self, step: dict[str, Any], clone: Path, variables: dict[str, str]) -> None:
        action = str(step.get("uses", "")).partition("@")[0]
        if action == "actions/checkout":
            subprocess.run(["git", "clone", "--quiet", self.origin, clone], check=True, env=variables)
            (clone / ".venv").symlink_to(sys.prefix)
        elif action == "actions/cache/restore" and self.cache:
            self._copy(step, self.cache, clone)
        elif action == "actions/cache/save":
            self.cache = self.folder / f"cache{self.runs}"
            self._copy(step, clone, self.cache)
        elif action == "actions/deploy-pages":
            shutil.rmtree(self.site, ignore_errors=True)
            shutil.copytree(clone / "public", self.site / "project", ignore=shutil.ignore_patterns(".*"))
        elif "run" in step and not step["run"].startswith("python3 -m venv"):
            self._execute(step["run"], clone, variables)

    def _copy(self, step: dict[str, Any], source: Path, target: Path) -> None:
        for name in step["with"]["path"].split():
            shutil.copytree(source / name, target / name, dirs_exist_ok=True)

    def _execute(self, script: str, clone: Path, variables: dict[str, str]) -> None:
        script = script.replace("${{ steps.pages.outputs.base_url }}", self.url)
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
        done = subprocess.run(command, cwd=clone, env=variables, capture_output=True, text=True, timeout=60)
        if done.returncode:
            self.failed.append(f"{script}\n{done.stdout}\n{done.stderr}")
        if (file := Path(variables["GITHUB_ENV"])).exists():
            variables |= dict(line.split("=", 1) for line in file.read_text().splitlines())


def commit(repository: Path, images: str) -> None:
    """Commit the list of images."""
    (repository / "data/images.txt").write_text(images)
    author = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    subprocess.run(["git", *author, "commit", "--quiet", "-am", "edit"], cwd=repository, check=True)


@pytest.fixture
def actions(tmp_path: Path) -> Iterator[Actions]:
    """A repository on GitHub, whose Pages are served."""
    origin = check_out(tmp_path / "origin")
    (origin / ".venv").unlink()
    subprocess.run(["git", "init", "--quiet"], cwd=origin, check=True)
    subprocess.run(["git", "add", "."], cwd=origin, check=True)
    (tmp_path / "site").mkdir()
    with served(tmp_path / "site") as url:
        yield Actions(tmp_path, origin, f"{url}/project")


def test_a_scheduled_job_publishes_without_a_service(actions: Actions, fake: FakeRegistry) -> None:
    web, other, missing = (f"{fake.host}/team/{name}" for name in ("web", "other", "missing"))
    commit(actions.origin, f"{web}\n{missing}\n")

    def answer(path: str) -> requests.Response:
        return requests.get(f"{actions.url}/{path}", timeout=START_SECONDS)

    assert not actions.run()
    assert [("missing: failed" in failure) for failure in actions.failed] == [True]
    assert badge_text(answer(f"badges/version/{web}:1.0.svg").content) == "version: 1.0"
    assert f"/project/badges/image/{web}.svg" in answer(f"images/{web}/").text

    fake.requests.clear()
    commit(actions.origin, f"{web}\n{other}\n")
    assert actions.run(image=web), actions.failed
    assert fake.asked("HEAD", "/team/web/manifests/") > 0
    assert fake.asked("GET", "/team/web/manifests/") == 0
    assert badge_text(answer(f"badges/layers/{other}.svg").content) == "layers: 2"
    assert missing not in answer("v1/images.json").text

    fake.push("team/web", "1.1", image(layers=[1, 2, 3]))
    assert actions.run(image=web), actions.failed
    assert badge_text(answer(f"badges/layers/{web}:1.1.svg").content) == "layers: 3"
    newest = answer(f"v1/images/{web}/-/changes.json").json()["Changes"][0]
    assert [new["tag"] for new in newest["New"]] == ["1.1"]
    assert fake.asked("GET", "/team/web/manifests/") == 1


def test_a_ci_job_sends_what_the_workflow_listens_for() -> None:
    command = GUIDE["static"].block(holding="curl")
    posted = json.loads(shlex.split(command.replace("\\\n", ""))[-1])

    assert [posted["event_type"]] == workflow()[True]["repository_dispatch"]["types"]
    assert workflow()["jobs"]["badges"]["env"]["IMAGE"] == "${{ github.event.client_payload.image }}"
    assert list(posted["client_payload"]) == ["image"]


OLD_README = """\
[![](https://images.microbadger.com/badges/image/example/web.svg)](https://microbadger.com/images/example/web "Get your
own image badge on microbadger.com")
![größe](https://images.microbadger.com/badges/image/example/my_tool-3.8.svg)
[![](https://images.microbadger.com/badges/version/example/web:1.0.svg)](https://microbadger.com/images/example/web:1.0)
[![](https://images.microbadger.com/badges/commit/example/web:1.0.svg)](https://microbadger.com/images/example//web)
<a href="http://microbadger.com/images/alpine" title="Get your own license badge on microbadger.com"><img
src="https://images.microbadger.com/badges/license/library/alpine.svg" width="116" height="20"></a>
.. image:: https://images.microbadger.com/badges/version/alpine.svg
![](https://images.microbadger.com/badges/version/example/web.svg?style=flat-square),
https://microbadger.com/images/example/web/ and https://www.microbadger.com/#/images/library/alpine
![](https://images.microbadger.com/badges/version/ghcr.io/example/web:1.0.svg)
![](https://images.microbadger.com/badges/image/example/web_TEMPLATE.svg)
![](https://img.shields.io/microbadger/layers/_/alpine.svg)![](https://img.shields.io/microbadger/image-size/example/web/1.0.svg)
![](https://img.shields.io/docker/pulls/example/web.svg), https://api.microbadger.com/v1/images/example/web
"""
# What the addresses of that README lead to: a badge with this text, or a page or document about this image or tag.
MOVED_TO = [
    "1000 B: 1 layer", "example/web", "3.0 KiB: 2 layers", "version: 1.0", "example/web:1.0", "commit: 1a2b3c4",
    "example/web", "alpine", "license: Apache-2.0", "version: 3.20", "version: 1.0", "example/web", "alpine",
    "version: 1.0", "image: not found", "layers: 3", "size: 1000 B", "example/web",
]  # fmt: skip


@pytest.fixture
def client(tmp_path: Path) -> Iterator[FlaskClient]:
    """A service that tracks the images of the old README."""
    with FakeRegistry() as fake:
        labels = {"org.label-schema.vcs-ref": "1a2b3c4d5e6f", "org.label-schema.license": "Apache-2.0"}
        fake.push("example/web", "1.0", image(labels=labels))
        fake.push("example/my_tool-3.8", "latest", image(layers=[1024, 2048]))
        fake.push("library/alpine", "3.20", image(labels=labels, layers=[1, 2, 3]))
        settings = Settings(
            images="example/web example/my_tool-3.8 alpine ghcr.io/example/web",
            data_dir=tmp_path / "data",
            public_dir=tmp_path / "public",
            base_url="https://badges.example.org",
            mirrors={"docker.io": fake.url, "ghcr.io": fake.url},
            hub_url="",
        )
        app = create_app(settings)
        assert app.test_cli_runner().invoke(args=["refresh"]).exit_code == 0
        yield app.test_client()


def test_one_command_moves_a_readme_here(tmp_path: Path, client: FlaskClient) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(OLD_README)

    assert client.application.test_cli_runner().invoke(args=["revive", str(readme)]).exit_code == 0

    moved = readme.read_text()
    targets = re.findall(r"https://badges\.example\.org(/[^\s)\"]*)", moved)
    assert [what_stands_at(client, target) for target in targets] == MOVED_TO
    assert re.findall(r"\bhttps?://(?!badges\.example\.org/)[^\s)]*", moved) == [
        "https://img.shields.io/docker/pulls/example/web.svg"
    ]


def what_stands_at(client: FlaskClient, address: str) -> str:
    """Return the text of a badge, or the image or tag that a page or a document is about."""
    answer = client.get(address, follow_redirects=True)
    assert answer.status_code == 200, address
    if answer.mimetype == "image/svg+xml":
        return badge_text(answer.data)
    if answer.mimetype == "application/json":
        return str(json.loads(answer.data)["ImageName"])
    (heading,) = re.findall(r"<h1[^>]*>(.*?)</h1>", answer.text, re.DOTALL)
    return re.sub(r"<[^>]*>", "", str(heading)).strip()
