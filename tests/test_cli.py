"""The commands, as an operator types them."""

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask

from app import create_app
from microbadger.settings import Settings
from tests.fakes.registry import FakeRegistry, image
from tests.running_service import ROOT, RunningService


class Operator:
    """Someone at the keyboard of a service that reads a fake registry."""

    def __init__(self, folder: Path, fake: FakeRegistry) -> None:
        self.fake = fake
        self.name = f"{fake.host}/team/web"
        self.settings = Settings(
            data_dir=folder / "data", public_dir=folder / "public", secret="a secret", base_url="https://badges.test"
        )
        self.settings = replace(self.settings, hook_url="https://hooks.test")

    def app(self) -> Flask:
        return create_app(self.settings)

    def types(self, *arguments: str) -> Result:
        return self.app().test_cli_runner().invoke(args=arguments)

    def file(self, path: str) -> Path:
        return self.settings.public_dir / path


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[Operator]:
    with FakeRegistry() as fake:
        fake.push("team/web", "1.0", image())
        yield Operator(tmp_path, fake)


def test_a_tracked_image_is_refreshed_and_listed(operator: Operator) -> None:
    operator.types("track", operator.name)

    result = operator.types("refresh")

    assert (result.exit_code, result.output) == (0, f"{operator.name}: 1 tags, new=0 changed=0 deleted=0\n")
    assert operator.name in operator.file("index.html").read_text()
    assert operator.file("assets/style.css").exists()


def test_only_what_is_due_is_refreshed(operator: Operator) -> None:
    operator.types("track", operator.name)
    operator.types("refresh")

    assert operator.types("refresh").output == ""
    assert operator.name in operator.types("refresh", operator.name).output


def test_a_refresh_that_fails_says_why_and_exits_non_zero(operator: Operator) -> None:
    operator.types("track", operator.name, f"{operator.fake.host}/team/missing")

    result = operator.types("refresh")

    assert result.exit_code != 0
    assert f"{operator.fake.host}/team/missing: failed: " in result.output
    assert f"{operator.name}: 1 tags" in result.output


@pytest.mark.parametrize(
    "arguments",
    [["refresh", "mañana"], ["refresh", "example/unknown"], ["track", "A/b"], ["untrack", "example/unknown"]],
)
def test_a_name_that_does_not_fit_is_explained(operator: Operator, arguments: list[str]) -> None:
    result = operator.types(*arguments)

    assert result.exit_code != 0
    assert arguments[-1] in result.output


def test_an_untracked_image_goes_with_all_its_files(operator: Operator) -> None:
    operator.types("track", operator.name)
    operator.types("refresh")

    assert operator.types("untrack", operator.name).exit_code == 0

    assert not list(operator.settings.public_dir.rglob("*web*"))
    assert operator.types("images").output == ""


def test_a_line_taken_out_of_the_file_takes_the_images_files_along(operator: Operator) -> None:
    operator.types("track", operator.name)
    operator.types("refresh")
    images = operator.settings.data_dir / "images.txt"
    images.write_text("# none\n")
    os.utime(images, (0, 0))

    operator.types("refresh")

    assert not list(operator.settings.public_dir.rglob("*web*"))


def test_a_list_without_a_byte_takes_nothing_away_and_is_written_anew(operator: Operator) -> None:
    operator.types("track", operator.name)
    operator.types("refresh")
    images = operator.settings.data_dir / "images.txt"
    images.write_text("")
    os.utime(images, (0, 0))

    operator.types("refresh")

    assert operator.file(f"badges/image/{operator.name}.svg").exists()
    assert images.read_text() == f"{operator.name}\n"


def test_who_tracks_another_image_in_a_list_without_a_byte_brings_back_the_rest(operator: Operator) -> None:
    operator.types("track", operator.name)
    operator.types("refresh")
    images = operator.settings.data_dir / "images.txt"
    images.write_text("")

    operator.types("track", "example/web")

    assert images.read_text() == f"{operator.name}\nexample/web\n"


def test_a_list_that_is_being_written_takes_nothing_away(operator: Operator) -> None:
    operator.types("track", operator.name)
    operator.types("refresh")
    (operator.settings.data_dir / "images.txt").write_text("")

    operator.types("refresh")

    assert operator.file(f"badges/image/{operator.name}.svg").exists()


@pytest.mark.parametrize("command", [["refresh"], ["webhook"], ["untrack", "alpine"]])
def test_a_command_with_other_settings_than_the_services_is_refused(operator: Operator, command: list[str]) -> None:
    (operator.settings.data_dir).mkdir()
    (operator.settings.data_dir / "settings-in-use").write_text("those of a service")

    result = operator.types(*command)

    assert result.exit_code != 0
    assert "other settings" in result.output


def test_a_public_folder_that_cannot_be_written_is_one_sentence(operator: Operator) -> None:
    operator.settings.public_dir.mkdir()
    operator.file("index.html").mkdir()

    result = operator.types("refresh")

    assert (result.exit_code, result.output.count("\n")) == (1, 1)
    assert "index.html" in result.output


@pytest.mark.parametrize(
    "command",
    [
        ["track", "example/web"],
        ["untrack", "example/app"],
        ["notifications", "add", "example/app", "https://hooks.test/mañana"],
        ["notifications", "remove", "mañana"],
    ],
    ids=" ".join,
)
def test_a_data_folder_that_cannot_be_used_is_one_sentence(operator: Operator, command: list[str]) -> None:
    operator.types("track", "example/app")
    for lock in (".images.txt.lock", "notifications/lock"):
        file = operator.settings.data_dir / lock
        file.unlink(missing_ok=True)
        file.mkdir(parents=True)
    (operator.settings.data_dir / "notifications" / "subscriptions.json").write_bytes(b"[")

    result = operator.types(*command)

    assert (result.exit_code, result.output.count("\n")) == (1, 1)
    assert "This cannot be done now: " in result.output


def test_an_unreadable_line_is_told_and_leaves_the_others_alone(operator: Operator) -> None:
    operator.types("track", operator.name)
    with (operator.settings.data_dir / "images.txt").open("a") as file:
        file.write("Not/A/name\n")

    result = operator.types("refresh")

    assert "images.txt line 2" in result.output
    assert f"{operator.name}: 1 tags" in result.output


def test_images_tells_what_is_wrong(operator: Operator) -> None:
    operator.types("track", f"{operator.fake.host}/team/missing")
    operator.types("refresh")

    output = operator.types("images").output

    assert "checked never" in output
    assert "has no" in output


def test_the_webhook_url_is_told(operator: Operator) -> None:
    operator.types("track", operator.name)

    assert operator.types("webhook", operator.name).output.startswith(f"https://hooks.test/images/{operator.name}/")
    assert operator.types("webhook").output.startswith("https://hooks.test/hooks/")


@pytest.mark.parametrize(
    ("format_", "start"),
    [("markdown", "[![alpine image]("), ("html", "<a "), ("restructuredtext", ".. image::"), ("asciidoc", "image:")],
)
def test_the_markup_of_badges_is_told(operator: Operator, format_: str, start: str) -> None:
    output = operator.types("badges", "alpine", "--format", format_).output

    assert output.startswith(start)
    assert "https://badges.test/badges/version/alpine.svg" in output
    assert "https://badges.test/images/alpine" in output


def test_a_terminal_sees_a_progress_bar(operator: Operator, tmp_path: Path) -> None:
    service = RunningService(tmp_path / "service", [operator.name])
    here, there = pty.openpty()
    command = [sys.executable, "-m", "flask", "refresh"]
    environment = {**service.environment, "TERM": "xterm"}
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=there, stderr=there, timeout=60)
    os.close(there)

    output = b""
    try:
        while part := os.read(here, 10_000):
            output += part
    except OSError:  # how Linux says that the other end is closed
        os.close(here)

    assert done.returncode == 0
    assert b"Refreshing" in output
    assert b"1/1" in output


@pytest.mark.parametrize(("name", "value"), [("MAX_TAGS", "many"), ("REFRESH_HOURS", "nan"), ("MIRRORS", "{")])
def test_an_impossible_setting_is_one_sentence(tmp_path: Path, name: str, value: str) -> None:
    done = RunningService(tmp_path / "service", **{name: value}).command("images")

    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert f"MICROBADGER_{name}" in done.stderr
