"""The lists of the README are complete, and its examples do what it says."""

import argparse
import json
import re
import shlex
import string
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import requests
from click import Group

from app import create_app
from microbadger.freshness.tracked_images import TrackedImages
from microbadger.settings import Settings
from microbadger.site.image_page import renovate_config
from microbadger.store.database import Database
from tests.fakes.registry import FakeRegistry, image
from tests.readme import README, ROOT, block, rows, section
from tests.running_service import RunningService


def test_the_table_of_commands_names_each_that_there_is(tmp_path: Path) -> None:
    app = create_app(Settings(data_dir=tmp_path / "data", public_dir=tmp_path / "public"))
    there_are = set()
    for name, command in app.cli.commands.items():
        subcommands = command.commands if isinstance(command, Group) else {}
        there_are |= {f"{name} {subcommand}" for subcommand in subcommands} or {name}

    named = set()
    for cell, _ in rows("Commands"):
        group = ""
        for typed in re.findall(r"`([^`]*)`", cell):
            words = [word for word in typed.removeprefix("flask ").split() if word.islower()]
            named.add(" ".join([group, *words][-2:]).strip())
            group = words[0] if len(words) == 2 else group

    assert named == there_are


@pytest.mark.parametrize("command", ["track", "revive"])
def test_the_options_in_the_table_of_commands_are_those_of_the_command(tmp_path: Path, command: str) -> None:
    app = create_app(Settings(data_dir=tmp_path / "data", public_dir=tmp_path / "public"))
    (options,) = (re.findall(r"`(--[a-z-]+)`", what) for cell, what in rows("Commands") if f"flask {command}" in cell)

    there_are = {option for parameter in app.cli.commands[command].params for option in parameter.opts}
    assert {*options} == {option for option in there_are if option.startswith("--")}


class Recording(dict[str, str]):
    """An environment that records the names it is asked for."""

    def __init__(self, **variables: str) -> None:
        super().__init__(variables)
        self.names: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.names.add(name)
        return super().get(name, default)


def settings_read() -> set[str]:
    environment = Recording(MICROBADGER_PUBLIC_DIR="s3://badges")
    Settings.from_environment(environment)
    return {name for name in environment.names if name.isupper()} - {"HOME"}


ADMIN_TOKEN = "the token of an administrator"
PLATFORMS = {"RENDER_EXTERNAL_URL", "RAILWAY_PUBLIC_DOMAIN", "HEROKU_APP_DEFAULT_DOMAIN_NAME", "FLY_APP_NAME"}


def test_the_table_of_settings_names_each_that_is_read() -> None:
    named = {name for cells in rows("Settings") for name in re.findall(r"`([A-Z_]+[A-Z0-9]+)`", cells[0])}

    assert named - {"WEB_CONCURRENCY"} == settings_read() - PLATFORMS


def test_the_defaults_in_the_table_of_settings_are_those_of_the_service() -> None:
    defaults = {name: default.strip("`") for name, default, _ in rows("Settings")}

    for name, value in (("REFRESH_HOURS", "24"), ("MAX_TAGS", "100"), ("HUB_URL", "https://hub.docker.com")):
        assert defaults[f"`MICROBADGER_{name}`"] == value
        with_it = Settings.from_environment({f"MICROBADGER_{name}": value})
        assert with_it == Settings.from_environment({})
    assert defaults["`DATABASE_URL`"] == "sqlite:///<data>/microbadger.db"
    data = Path("data").absolute()
    assert Settings().database == defaults["`DATABASE_URL`"].replace("<data>", str(data))


def test_the_platforms_named_are_those_whose_address_is_known() -> None:
    assert {name for name in settings_read() if name in section("On a PaaS")} >= PLATFORMS
    assert settings_read() >= PLATFORMS


def test_every_setting_that_is_mentioned_exists() -> None:
    mentioned = set(re.findall(r"\bMICROBADGER_[A-Z_]*[A-Z]\b", README))

    assert mentioned <= settings_read()


def events_logged() -> set[str]:
    """Return the name of every event that the code can log."""
    source = "".join(file.read_text() for file in [ROOT / "app.py", *(ROOT / "microbadger").rglob("*.py")])
    return {*re.findall(r'\b(?:log\.\w+\(\s*|write\(\s+|_write\(logging\.ERROR, )"(\w+)"', source), "log"}


def test_the_table_of_events_names_each_that_is_logged() -> None:
    tables = section("Logs and metrics").split("`/metrics` answers")[0]

    assert {*re.findall(r"`([a-z_]+)`", tables.partition("| events |")[2])} - {"traceback"} == events_logged()


def test_every_command_that_starts_the_service_is_that_of_the_procfile() -> None:
    arguments = (ROOT / "Procfile").read_text().partition("gunicorn ")[2].strip()

    assert re.findall(r"bin/gunicorn (.*)", README) == [arguments] * 2
    assert "--no-control-socket" in arguments


def test_the_example_of_a_list_of_images_is_one(tmp_path: Path) -> None:
    (tmp_path / "images.txt").write_text(block("Start", holding="private"))
    tracked = TrackedImages(tmp_path / "images.txt", "", Database(f"sqlite:///{tmp_path / 'microbadger.db'}"))

    assert tracked.problems == ()
    assert [image.repository.familiar for image in tracked] == [
        "library/alpine", "example/web", "ghcr.io/example/api", "registry.example.org/team/app"
    ]  # fmt: skip


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service for administrators, which reads Docker Hub's images from a fake registry."""
    with FakeRegistry() as fake:
        fake.push("example/web", "1.0", image())
        folder = tmp_path_factory.mktemp("service")
        mirrors = json.dumps({"docker.io": fake.url})
        with RunningService(folder, mirrors=mirrors, admin_token=ADMIN_TOKEN) as service:
            yield service


def curl(service: RunningService, command: str, **variables: str) -> requests.Response:
    """Send what a curl command would, to a service instead of the README's host."""
    parser = argparse.ArgumentParser()
    parser.add_argument("-X", default="GET")
    parser.add_argument("-H", action="append", default=[])
    parser.add_argument("-d")
    parser.add_argument("url")
    asked = parser.parse_args(shlex.split(string.Template(command).substitute(variables))[1:])
    headers = dict(header.split(": ", 1) for header in asked.H)
    url = asked.url.replace("https://badges.example.org", service.url)
    return requests.request(asked.X, url, headers=headers, data=asked.d, timeout=30)


def test_the_examples_for_administrators_and_of_the_webhook_work(service: RunningService) -> None:
    given, put, get, delete = block("Metadata", holding="curl").splitlines()
    (given,) = shlex.split(string.Template(given).substitute(MICROBADGER_ADMIN_TOKEN=ADMIN_TOKEN))
    auth = given.removeprefix("AUTH=")
    post = block("Fresh at once: the webhook", holding="curl")

    assert curl(service, put, AUTH=auth).status_code == 201
    service.wait_for_image("example/web")
    token = curl(service, get, AUTH=auth).json()["WebhookURL"].rpartition("/")[2]
    assert curl(service, post, TOKEN=token).text == "OK"
    assert service.command(*typed("When tags move: notifications")).returncode == 0
    assert curl(service, delete, AUTH=auth).status_code == 204
    assert curl(service, post, TOKEN=token).status_code == 404


def typed(title: str) -> list[str]:
    """Return the arguments of the only example of a command in a section."""
    command, *arguments = shlex.split(block(title))
    assert command == ".venv/bin/flask"
    return arguments


def test_the_examples_of_badges_are_what_the_command_prints(tmp_path: Path) -> None:
    service = RunningService(tmp_path, base_url="https://badges.example.org")
    printed = service.command("badges", "example/web").stdout

    assert block("Badges in a README", holding="badges/version").strip() in printed


def test_the_command_that_brings_old_badges_back_does_so(service: RunningService, tmp_path: Path) -> None:
    setting, command, name, *options, folder = shlex.split(block("Moving from microbadger.com"))
    (tmp_path / "README.md").write_text("![](https://images.microbadger.com/badges/version/example/web.svg)\n")
    mirrors = service.environment["MICROBADGER_MIRRORS"]
    beside = RunningService(tmp_path, mirrors=mirrors, base_url=setting.partition("=")[2])

    done = beside.command(name, *options, str(tmp_path))

    assert (setting.partition("=")[0], command, name, folder) == (
        "MICROBADGER_BASE_URL", ".venv/bin/flask", "revive", "~/project"
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    badge = "https://badges.example.org/badges/version/example/web.svg"
    assert (tmp_path / "README.md").read_text() == f"![]({badge})\n"
    assert "version: 1.0" in (beside.public / "badges/version/example/web.svg").read_text()


def test_the_config_of_renovate_is_that_of_the_page() -> None:
    config = json.loads(block("Updates by Renovate"))

    assert config == json.loads(renovate_config("example/web", "https://badges.example.org"))


def test_every_action_of_a_workflow_is_pinned_by_its_commit() -> None:
    used = re.findall(r"uses: (\S+)", README)

    assert used
    assert [action for action in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action)] == []


def test_the_optional_packages_are_those_that_the_tests_use() -> None:
    named = {tuple(each) for each in re.findall(r"([\w\[\]]+)==([\d.]+)", README)}

    assert {package for package, _ in named} == {"psycopg[binary]", "obstore"}
    assert named == {(package, version(package.partition("[")[0])) for package, _ in named}
