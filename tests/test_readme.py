"""The lists of the README and the guide are complete, and their examples do what they say."""

import argparse
import json
import re
import shlex
import string
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import requests
from click import Group
from flask.cli import run_command

from app import create_app
from microbadger.badges.text import badges_of
from microbadger.freshness.tracked_images import TrackedImages
from microbadger.settings import Settings
from microbadger.site.image_page import renovate_config
from microbadger.site.markdown import anchor_of
from microbadger.store.database import Database
from tests.fakes.registry import FakeRegistry, image
from tests.readme import DOCUMENTS, GUIDE, README, ROOT, Document
from tests.running_service import RunningService
from tests.site.images import image_of, version

TEXT = "\n".join(document.text for document in DOCUMENTS)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def test_the_readme_has_at_most_8000_bytes() -> None:
    assert len(README.file.read_bytes()) <= 8000


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.file.stem)
def test_every_link_to_a_file_or_a_heading_leads_somewhere(document: Document) -> None:
    prose = re.sub(r"^ *```.*?^ *```$", "", document.text, flags=re.MULTILINE | re.DOTALL)
    links = [link for link in LINK.findall(prose) if not link.startswith("https://")]

    for link in links:
        path, _, anchor = link.partition("#")
        file = document.file.parent / path if path else document.file
        assert file.is_file(), link
        assert not anchor or anchor in map(anchor_of, Document.read(file).titles), link


def test_the_readme_leads_to_every_chapter_of_the_guide() -> None:
    assert {f"microbadger/site/guide/{name}.md" for name in GUIDE} <= {*LINK.findall(README.text)}


def test_there_is_one_command_that_runs_the_tests() -> None:
    lines = [line for _, code in README.blocks for line in code.splitlines() if ".venv/bin/pytest" in line]

    assert [line.startswith("python3 -m venv .venv && ") for line in lines] == [True]


def test_every_command_that_is_mentioned_exists_with_its_options(tmp_path: Path) -> None:
    app = create_app(Settings(data_dir=tmp_path / "data", public_dir=tmp_path / "public"))
    commands = {**app.cli.commands, "run": run_command}
    mentioned = re.findall(r"\bflask ([a-z-]+)( [a-z]+\b)?([^`|;\n]*)", TEXT)

    assert len(mentioned) > 40
    for name, subcommand, rest in mentioned:
        command = commands[name]
        if isinstance(command, Group):
            command = command.commands[subcommand.strip()]
        options = {option for parameter in command.params for option in parameter.opts}
        assert {*re.findall(r"(?<!\w)--[a-z-]+", rest)} <= options, (name, rest)


def test_the_table_of_commands_names_each_that_there_is(tmp_path: Path) -> None:
    app = create_app(Settings(data_dir=tmp_path / "data", public_dir=tmp_path / "public"))
    there_are = set()
    for name, command in app.cli.commands.items():
        subcommands = command.commands if isinstance(command, Group) else {}
        there_are |= {f"{name} {subcommand}" for subcommand in subcommands} or {name}

    named = set()
    for cell, _ in GUIDE["commands"].rows("command"):
        group = ""
        for typed in re.findall(r"`([^`]*)`", cell):
            words = [word for word in typed.removeprefix("flask ").split() if word.islower()]
            named.add(" ".join([group, *words][-2:]).strip())
            group = words[0] if len(words) == 2 else group

    assert named == there_are


@pytest.mark.parametrize("command", ["track", "revive"])
def test_the_options_in_the_table_of_commands_are_those_of_the_command(tmp_path: Path, command: str) -> None:
    app = create_app(Settings(data_dir=tmp_path / "data", public_dir=tmp_path / "public"))
    rows = GUIDE["commands"].rows("command")
    (options,) = (re.findall(r"`(--[a-z-]+)`", what) for cell, what in rows if f"flask {command}" in cell)

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
    rows = GUIDE["settings"].rows("variable")
    named = {name for cells in rows for name in re.findall(r"`([A-Z_]+[A-Z0-9]+)`", cells[0])}

    assert named - {"WEB_CONCURRENCY"} == settings_read() - PLATFORMS


def test_the_defaults_in_the_table_of_settings_are_those_of_the_service() -> None:
    defaults = {name: default.strip("`") for name, default, _ in GUIDE["settings"].rows("variable")}

    for name, value in (("REFRESH_HOURS", "24"), ("MAX_TAGS", "100"), ("HUB_URL", "https://hub.docker.com")):
        assert defaults[f"`MICROBADGER_{name}`"] == value
        with_it = Settings.from_environment({f"MICROBADGER_{name}": value})
        assert with_it == Settings.from_environment({})
    assert defaults["`DATABASE_URL`"] == "sqlite:///<data>/microbadger.db"
    data = Path("data").absolute()
    assert Settings().database == defaults["`DATABASE_URL`"].replace("<data>", str(data))


def test_the_platforms_named_are_those_whose_address_is_known() -> None:
    assert {name for name in settings_read() if name in GUIDE["paas"].text} >= PLATFORMS
    assert settings_read() >= PLATFORMS


def test_every_setting_that_is_mentioned_exists() -> None:
    mentioned = set(re.findall(r"\bMICROBADGER_[A-Z_]*[A-Z]\b", TEXT))

    assert mentioned <= settings_read()


def events_logged() -> set[str]:
    """Return the name of every event that the code can log."""
    source = "".join(file.read_text() for file in [ROOT / "app.py", *(ROOT / "microbadger").rglob("*.py")])
    return {*re.findall(r'\b(?:log\.\w+\(\s*|write\(\s+|_write\(logging\.ERROR, )"(\w+)"', source), "log"}


def test_the_table_of_events_names_each_that_is_logged() -> None:
    rows = GUIDE["monitoring"].rows("events")
    named = {name for cells in rows for name in re.findall(r"`([a-z_]+)`", " ".join(cells))}

    assert named - {"traceback"} == events_logged()


def test_every_command_that_starts_the_service_is_that_of_the_procfile() -> None:
    arguments = (ROOT / "Procfile").read_text().partition("gunicorn ")[2].strip()

    assert re.findall(r"(?:bin/|exec )gunicorn (.*)", TEXT) == [arguments] * 3
    assert "--no-control-socket" in arguments


@pytest.mark.parametrize("document", [README, GUIDE["images"]], ids=["README", "guide"])
def test_the_example_of_a_list_of_images_is_one(tmp_path: Path, document: Document) -> None:
    (tmp_path / "images.txt").write_text(document.block(holding="private"))
    tracked = TrackedImages(tmp_path / "images.txt", "", Database(f"sqlite:///{tmp_path / 'microbadger.db'}"))

    assert tracked.problems == ()
    assert [image.repository.familiar for image in tracked][:4] == [
        "library/alpine", "example/web", "ghcr.io/example/api", "registry.example.org/team/app"
    ]  # fmt: skip


def test_the_example_of_servers_of_a_registry_is_a_setting() -> None:
    (value,) = shlex.split(GUIDE["registries"].block().partition("=")[2])

    servers = Settings.from_environment({"MICROBADGER_REGISTRY_SERVERS": value}).registry_servers
    assert {*servers} == {"registry.example.org"}


def test_the_example_of_a_bucket_is_settings() -> None:
    lines = GUIDE["bucket"].block(holding="MICROBADGER_PUBLIC_DIR").splitlines()

    bucket = Settings.from_environment(dict(line.split("=", 1) for line in lines)).bucket
    assert bucket is not None
    assert (str(bucket), bucket.endpoint) == ("s3://bucket/prefix", "https://s3.example.org")


def test_the_rights_of_the_example_are_for_the_bucket_of_the_example() -> None:
    (statement,) = json.loads(GUIDE["bucket"].block("json"))["Statement"]

    assert statement["Resource"] == "arn:aws:s3:::bucket/prefix/*"
    assert statement["Action"] == ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]


def test_the_labels_of_the_example_fill_badges() -> None:
    lines = GUIDE["badges"].block(holding="LABEL").replace("\\\n", "")
    labels = dict(label.split("=", 1) for label in shlex.split(lines)[1:])

    badges = badges_of(image_of(version("latest", Labels=labels)), None)

    texts = [badges[badge_type].message for badge_type in ("commit", "version", "license")]
    assert texts == ["$COMMIT", "$VERSION", "LICENSE-ID"]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service for administrators, which reads Docker Hub's images from a fake registry."""
    with FakeRegistry() as fake:
        fake.push("example/web", "1.0", image())
        fake.push("library/alpine", "3.22", image())
        folder = tmp_path_factory.mktemp("service")
        mirrors = json.dumps({"docker.io": fake.url})
        with RunningService(folder, mirrors=mirrors, admin_token=ADMIN_TOKEN) as service:
            yield service


def curl(service: RunningService, command: str, **variables: str) -> requests.Response:
    """Send what a curl command would, to a service instead of the host in the example."""
    parser = argparse.ArgumentParser()
    parser.add_argument("-X", default="GET")
    parser.add_argument("-H", action="append", default=[])
    parser.add_argument("-d")
    parser.add_argument("url")
    asked = parser.parse_args(shlex.split(string.Template(command).substitute(variables))[1:])
    headers = dict(header.split(": ", 1) for header in asked.H)
    url = asked.url.replace("https://badges.example.org", service.url)
    return requests.request(asked.X, url, headers=headers, data=asked.d, timeout=30)


def test_the_examples_for_administrators_of_metadata_and_of_the_webhook_work(service: RunningService) -> None:
    given, put, get, delete = GUIDE["api"].block(holding="AUTH").splitlines()
    (given,) = shlex.split(string.Template(given).substitute(MICROBADGER_ADMIN_TOKEN=ADMIN_TOKEN))
    auth = given.removeprefix("AUTH=")
    post, post_and_wait = (document.block(holding="$TOKEN") for document in (GUIDE["webhook"], README))

    assert curl(service, put, AUTH=auth).status_code == 201
    service.wait_for_image("example/web")
    assert curl(service, README.section("Metadata").block()).json()["ImageName"] == "example/web"
    token = curl(service, get, AUTH=auth).json()["WebhookURL"].rpartition("/")[2]
    assert curl(service, post, TOKEN=token).text == "OK"
    assert curl(service, post_and_wait, TOKEN=token).json()["Result"] == "fresh"
    assert service.command(*typed(GUIDE["notifications"].block())).returncode == 0
    assert curl(service, delete, AUTH=auth).status_code == 204
    assert curl(service, post, TOKEN=token).status_code == 404


def test_the_first_commands_do_what_the_readme_says(service: RunningService) -> None:
    lines = README.section("Start").block(holding="flask track").splitlines()

    track, images, badges = (service.command(*typed(line)) for line in lines)

    assert (track.returncode, images.returncode, badges.returncode) == (0, 0, 0), track.stderr
    assert "alpine" in images.stdout
    assert "/badges/version/alpine.svg" in badges.stdout


def typed(line: str) -> list[str]:
    """Return the arguments of an example of a command."""
    command, *arguments = shlex.split(line)
    assert command == ".venv/bin/flask"
    return arguments


def test_the_examples_of_badges_are_what_the_command_prints(tmp_path: Path) -> None:
    service = RunningService(tmp_path, base_url="https://badges.example.org")
    printed = service.command("badges", "example/web").stdout

    for document in (README, GUIDE["badges"]):
        assert document.block(holding="badges/version").strip() in printed


def test_the_command_that_brings_old_badges_back_does_so(service: RunningService, tmp_path: Path) -> None:
    typed_as = GUIDE["moving"].block()
    assert README.section("Moving from microbadger.com").block() == typed_as
    setting, command, name, *options, folder = shlex.split(typed_as)
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
    config = json.loads(GUIDE["renovate"].block())

    assert config == json.loads(renovate_config("example/web", "https://badges.example.org"))


def test_every_action_of_a_workflow_is_pinned_by_its_commit() -> None:
    used = re.findall(r"uses: (\S+)", TEXT)

    assert used
    assert [action for action in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action)] == []


def test_the_optional_packages_are_those_that_the_tests_use() -> None:
    named = {tuple(each) for each in re.findall(r"([\w\[\]]+)==([\d.]+)", TEXT)}

    assert {package for package, _ in named} == {"psycopg[binary]", "obstore"}
    assert named == {(package, metadata.version(package.partition("[")[0])) for package, _ in named}
