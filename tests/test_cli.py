"""The commands, as an operator types them."""

import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask import Flask
from werkzeug.wrappers import Response

from app import create_app
from microbadger.freshness.duties import FOLLOW, Duties
from microbadger.settings import Settings, database_address
from microbadger.store.database import Database
from tests.fakes.registry import FakeRegistry, image
from tests.postgresql import PostgresqlServer
from tests.running_service import ROOT, RunningService

LONG_AGO = (0, 0)
OTHER_SETTINGS: dict[str, Any] = {
    "base_url": "https://other.test",
    "hook_url": "https://other.test",
    "secret": "another secret",
    "admin_token": "the token of an administrator",
    "is_static": True,
    "images": "example/other",
    "max_tags": 7,
    "public_dir": Path("public"),
}


class Operator:
    """An operator at the keyboard of a service that reads a fake registry."""

    def __init__(self, folder: Path, fake: FakeRegistry) -> None:
        self.fake = fake
        self.name, self.missing = f"{fake.host}/team/web", f"{fake.host}/team/missing"
        self.settings = Settings(
            data_dir=folder / "data",
            public_dir=folder / "public",
            secret="a secret",
            base_url="https://badges.test",
            hook_url="https://hooks.test",
            mirrors={"docker.io": fake.url},
            hub_url="",
        )

    def app(self) -> Flask:
        return create_app(self.settings)

    def types(self, *arguments: str) -> Result:
        return self.app().test_cli_runner().invoke(args=arguments)

    def file(self, path: str) -> Path:
        return self.settings.public_dir / path

    def write_list(self, text: str) -> None:
        """Write ``images.txt``, long enough ago to be taken for whole."""
        file = self.settings.data_dir / "images.txt"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        os.utime(file, LONG_AGO)

    def state(self, name: str | None = None) -> str:
        """Return what the list of images says of one."""
        lines = self.types("images").output.splitlines()
        (line,) = (line for line in lines if line.startswith(f"{name or self.name}  "))
        return re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\dZ", "TIME", line.partition("  ")[2])

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Stand for a service that runs with the settings of now."""
        self.app().extensions["microbadger"].record_settings()
        duties = Duties(Database(self.settings.database))
        duties.begin()
        assert duties.take(FOLLOW)
        try:
            yield
        finally:
            duties.end()


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[Operator]:
    with FakeRegistry() as fake:
        fake.push("team/web", "1.0", image())
        yield Operator(tmp_path, fake)


def files_in(folder: Path) -> dict[Path, tuple[int, int]]:
    """Return every file with what changes when it is written."""
    stats = {file: file.stat() for file in folder.rglob("*") if file.is_file()}
    return {file: (stat.st_mtime_ns, stat.st_ino) for file, stat in stats.items()}


# track


def test_a_tracked_image_is_checked_and_published_at_once(operator: Operator) -> None:
    result = operator.types("track", operator.name)

    assert (result.exit_code, result.output.splitlines()) == (
        0,
        [f"{operator.name}: tracked", f"{operator.name}: 1 tag, no changes"],
    )
    assert operator.file(f"badges/image/{operator.name}.svg").exists()
    assert operator.name in operator.file("index.html").read_text()
    assert operator.file("assets/style.css").exists()


def test_an_image_that_cannot_be_read_stays_tracked_and_fails_the_command(operator: Operator) -> None:
    result = operator.types("track", operator.name, operator.missing)

    assert result.exit_code == 1
    assert f"{operator.missing}: failed: {operator.fake.host} has no list of tags of team/missing" in result.output
    assert result.output.endswith("Error: 1 of 2 images could not be read; they stay tracked.\n")
    assert operator.state(operator.missing).startswith("not found in registry  ")


def test_the_first_check_can_be_left_to_the_service(operator: Operator) -> None:
    result = operator.types("track", "--no-wait", operator.name, operator.missing)

    assert (result.exit_code, result.output) == (0, f"{operator.name}: tracked\n{operator.missing}: tracked\n")
    assert operator.fake.requests == []
    assert operator.state() == "not read yet  checked never  next now"


def test_an_image_that_is_tracked_again_is_said_to_be(operator: Operator) -> None:
    operator.write_list(f"{operator.name}\n")

    assert operator.types("track", "--no-wait", operator.name).output == f"{operator.name}: already tracked\n"
    assert operator.types("track", "--no-wait", f"{operator.name}:1.0").output == f"{operator.name}: tracked\n"


def test_an_image_named_twice_is_checked_once(operator: Operator) -> None:
    result = operator.types("track", f"{operator.name}:1.0", f"{operator.name}:2.0")

    assert result.output.count("1 tag, ") == 1


def test_a_tag_that_is_named_is_kept_whatever_the_limit(operator: Operator) -> None:
    operator.settings = replace(operator.settings, max_tags=1)
    operator.fake.push("team/web", "2.0", image(layers=[1, 2]))

    operator.types("track", f"{operator.name}:1.0")

    assert operator.file(f"badges/image/{operator.name}:1.0.svg").exists()


def test_the_list_of_the_operator_is_never_written(operator: Operator) -> None:
    operator.write_list("# mine\n")
    before = files_in(operator.settings.data_dir)

    operator.types("track", operator.name)
    operator.types("untrack", operator.name)

    file = operator.settings.data_dir / "images.txt"
    assert (file.read_text(), files_in(operator.settings.data_dir)[file]) == ("# mine\n", before[file])


# refresh


def test_only_images_that_are_due_are_checked(operator: Operator) -> None:
    operator.types("track", operator.name)

    assert operator.types("refresh").output == ""
    assert operator.types("refresh", operator.name).output == (
        f"{operator.name}: 1 tag, no changes\n"
    )


def test_a_refresh_that_fails_says_why_and_exits_non_zero(operator: Operator) -> None:
    operator.types("track", "--no-wait", operator.name, operator.missing)

    result = operator.types("refresh")

    assert result.exit_code == 1
    assert f"{operator.missing}: failed: " in result.output
    assert f"{operator.name}: 1 tag, " in result.output
    assert result.output.endswith("Error: 1 of 2 images could not be checked.\n")


@pytest.mark.parametrize("command", [["refresh"], ["webhook"], ["notifications", "add"]], ids=" ".join)
def test_an_image_that_is_not_tracked_is_refused_with_the_ways_to_track_it(
    operator: Operator, command: list[str]
) -> None:
    url = ["https://hooks.test/"] if "add" in command else []

    result = operator.types(*command, "example/unknown", *url)

    assert (result.exit_code, result.output) == (
        1,
        "Error: example/unknown is not tracked: add it to data/images.txt, or run flask track example/unknown.\n",
    )


def test_a_name_that_is_not_tracked_keeps_the_others_from_being_checked(operator: Operator) -> None:
    operator.types("track", "--no-wait", operator.name)

    assert operator.types("refresh", operator.name, "example/unknown").exit_code == 1
    assert operator.fake.requests == []


@pytest.mark.parametrize("arguments", [["refresh", "mañana"], ["track", "A/b"], ["untrack", "a/../b"]])
def test_an_invalid_name_is_explained(operator: Operator, arguments: list[str]) -> None:
    result = operator.types(*arguments)

    assert result.exit_code != 0
    assert arguments[-1] in result.output


@pytest.mark.parametrize(
    ("command", "advice"),
    [
        (["refresh", "example/web:1.0"], "a refresh checks all tags, so write example/web."),
        (
            ["webhook", "example/web:1.0"],
            "an image has one webhook, so write example/web, and post to its URL with ?tag=1.0.",
        ),
        (["notifications", "add", "example/web:1.0", "https://hooks.test/"], "write example/web and --tag 1.0."),
    ],
    ids=str,
)
def test_where_a_tag_has_no_place_the_right_one_is_named(operator: Operator, command: list[str], advice: str) -> None:
    result = operator.types(*command)

    assert result.exit_code == 2
    assert result.output.endswith(f"'example/web:1.0' has a tag: {advice}\n")


@pytest.mark.parametrize("odd", ["\ufeff", "\u200b"])
def test_invisible_characters_in_a_name_are_ignored(operator: Operator, odd: str) -> None:
    result = operator.types("track", "--no-wait", f"{odd}example/m{odd}ine")

    assert (result.exit_code, "example/mine" in operator.types("images").output) == (0, True)


def test_an_unreadable_line_is_reported_and_leaves_the_others_alone(operator: Operator) -> None:
    operator.write_list(f"{operator.name}\nNot/A/name\n")

    result = operator.types("refresh")

    assert "images.txt line 2" in result.stderr
    assert f"{operator.name}: 1 tag, " in result.stdout


# untrack, and what the list of the operator no longer names


def test_an_untracked_image_goes_with_all_its_files(operator: Operator) -> None:
    operator.types("track", operator.name)

    result = operator.types("untrack", operator.name)

    assert (result.exit_code, result.output) == (0, f"{operator.name}: no longer tracked\n")
    assert not list(operator.settings.public_dir.rglob("team/web*"))
    assert operator.name not in operator.file("index.html").read_text()
    assert operator.types("images").output == ""


def test_an_image_that_is_not_tracked_cannot_be_untracked(operator: Operator) -> None:
    operator.types("track", "--no-wait", operator.name)

    result = operator.types("untrack", operator.name, "library/unknown")

    assert (result.exit_code, result.output) == (1, "Error: unknown is not tracked: see flask images.\n")
    assert operator.name in operator.types("images").output


def test_a_tag_alone_is_untracked_with_its_files_and_the_image_stays(operator: Operator) -> None:
    operator.settings = replace(operator.settings, max_tags=1)
    operator.fake.push("team/web", "2.0", image(layers=[1, 2]))
    operator.types("track", f"{operator.name}:1.0")
    badges = [operator.file(f"badges/image/{operator.name}:{tag}.svg") for tag in ("1.0", "2.0")]
    before = [badge.exists() for badge in badges]

    result = operator.types("untrack", f"{operator.name}:1.0")

    assert (result.exit_code, result.output.splitlines()[0]) == (
        0,
        f"{operator.name}:1.0: no longer kept by name; {operator.name} stays tracked",
    )
    assert (before, [badge.exists() for badge in badges]) == ([True, False], [False, True])
    assert operator.state() == "current  checked TIME  next TIME"


def test_a_tag_is_untracked_while_the_registry_cannot_be_reached(operator: Operator) -> None:
    operator.types("track", f"{operator.name}:1.0")
    operator.fake.always("/v2/", lambda _: Response("mañana", 500))

    result = operator.types("untrack", f"{operator.name}:1.0")

    assert (result.exit_code, result.stderr) == (1, "Error: 1 of 1 images could not be checked.\n")
    assert operator.types("untrack", f"{operator.name}:1.0").output == (
        f"Error: {operator.name}:1.0 is not a tag that is kept by name; the newest tags are kept anyway.\n"
    )


def test_a_tag_that_the_operator_lists_is_untracked_there(operator: Operator) -> None:
    operator.write_list(f"{operator.name}:1.0\n")

    result = operator.types("untrack", f"{operator.name}:1.0")

    assert (result.exit_code, result.output) == (
        1,
        f"Error: {operator.name}:1.0 is listed in data/images.txt: remove it there.\n",
    )


@pytest.mark.parametrize("place", ["data/images.txt", "MICROBADGER_IMAGES"])
def test_an_image_that_the_operator_lists_is_untracked_there(operator: Operator, place: str) -> None:
    if place == "MICROBADGER_IMAGES":
        operator.settings = replace(operator.settings, images=operator.name)
    else:
        operator.write_list(f"{operator.name}\n")
    operator.types("refresh")

    result = operator.types("untrack", operator.name)

    assert result.exit_code == 1
    assert result.output == f"Error: {operator.name} is listed in {place}: remove it there.\n"
    assert operator.file(f"badges/image/{operator.name}.svg").exists()


def test_a_line_taken_out_of_the_list_takes_the_files_of_the_image_along(operator: Operator) -> None:
    operator.write_list(f"{operator.name}\n")
    operator.types("refresh")
    operator.write_list("# none\n")

    operator.types("refresh")

    assert not list(operator.settings.public_dir.rglob("team/web*"))


def test_an_emptied_list_takes_nothing_away_and_is_left_as_it_is(operator: Operator) -> None:
    operator.write_list(f"{operator.name}\n")
    operator.types("refresh")
    operator.write_list("")

    result = operator.types("refresh")

    assert "images.txt is empty" in result.stderr
    assert operator.file(f"badges/image/{operator.name}.svg").exists()
    assert (operator.settings.data_dir / "images.txt").read_bytes() == b""


def test_images_of_an_emptied_list_stay_tracked_beside_a_new_one(operator: Operator) -> None:
    operator.write_list(f"{operator.name}\n")
    operator.types("refresh")
    operator.write_list("")

    operator.types("track", "--no-wait", "example/web")

    assert operator.state() == "current  checked TIME  next TIME"
    assert operator.state("example/web") == "not read yet  checked never  next now"


def test_a_list_that_is_being_written_takes_nothing_away(operator: Operator) -> None:
    operator.write_list(f"{operator.name}\n")
    operator.types("refresh")
    (operator.settings.data_dir / "images.txt").write_text("# the first of two writes\n")

    operator.types("refresh")

    assert operator.file(f"badges/image/{operator.name}.svg").exists()


# publish


def test_an_emptied_public_folder_is_filled_again_without_a_request_to_a_registry(operator: Operator) -> None:
    operator.types("track", operator.name)
    before = {path: path.read_bytes() for path in files_in(operator.settings.public_dir)}
    for path in before:
        path.unlink()
    operator.fake.requests.clear()

    result = operator.types("publish")

    assert result.exit_code == 0
    assert re.fullmatch(r"1 image: \d+ files written or removed\.\n", result.output)
    assert {path: path.read_bytes() for path in files_in(operator.settings.public_dir)} == before
    assert operator.fake.requests == []


def test_publishing_again_writes_no_file_that_is_current(operator: Operator) -> None:
    operator.types("track", operator.name)
    before = files_in(operator.settings.public_dir)

    result = operator.types("publish")

    assert result.output == "1 image: 0 files written or removed.\n"
    assert files_in(operator.settings.public_dir) == before


def test_publishing_again_mends_a_file_that_somebody_changed(operator: Operator) -> None:
    operator.types("track", operator.name)
    badge = operator.file(f"badges/image/{operator.name}.svg")
    content = badge.read_bytes()
    badge.write_bytes(b"mine")

    operator.types("publish")

    assert badge.read_bytes() == content


def test_a_file_that_cannot_be_written_does_not_keep_other_images_from_being_published(operator: Operator) -> None:
    operator.fake.push("team/app", "1.0", image())
    operator.types("track", operator.name, f"{operator.fake.host}/team/app")
    for path in ("badges/image", "v1/images"):
        for file in operator.file(f"{path}/{operator.fake.host}/team").glob("*.*"):
            file.unlink()
    operator.file(f"v1/images/{operator.fake.host}/team/app.json").mkdir()

    result = operator.types("publish")

    assert (result.exit_code, result.stderr.splitlines()[-1]) == (1, "Error: 1 image could not be published.")
    assert f"{operator.fake.host}/team/app: failed: " in result.stderr
    assert operator.file(f"badges/image/{operator.name}.svg").exists()


# images


def test_the_list_says_how_images_stand(operator: Operator) -> None:
    operator.types("track", operator.name, operator.missing)

    assert operator.state() == "current  checked TIME  next TIME"
    assert operator.state(operator.missing) == (
        "not found in registry  checked TIME  next TIME  failing since TIME: "
        f"{operator.fake.host} has no list of tags of team/missing (NAME_UNKNOWN)"
    )


def test_the_list_says_why_a_check_failed_of_an_image_that_was_read_before(operator: Operator) -> None:
    operator.types("track", operator.name)
    operator.fake.always("/v2/", lambda _: Response("mañana"))
    operator.types("refresh", operator.name)

    assert operator.state().startswith("registry answer invalid  checked TIME  next TIME  failing since TIME: ")


# webhook and badges


def test_the_webhook_url_is_printed(operator: Operator) -> None:
    operator.types("track", "--no-wait", operator.name)

    assert operator.types("webhook", operator.name).output.startswith(f"https://hooks.test/images/{operator.name}/")
    assert operator.types("webhook").output.startswith("https://hooks.test/hooks/")


def test_a_static_site_has_no_webhook(operator: Operator) -> None:
    operator.settings = replace(operator.settings, is_static=True)

    result = operator.types("webhook")

    assert (result.exit_code, result.output) == (
        1,
        "Error: A static site has no webhooks: run flask refresh, or unset MICROBADGER_STATIC.\n",
    )


@pytest.mark.parametrize(
    ("format_", "start"),
    [("markdown", "[![alpine image]("), ("html", "<a "), ("restructuredtext", ".. image::"), ("asciidoc", "image:")],
)
def test_the_markup_of_badges_is_printed(operator: Operator, format_: str, start: str) -> None:
    output = operator.types("badges", "alpine", "--format", format_).stdout

    assert output.startswith(start)
    assert "https://badges.test/badges/version/alpine.svg" in output
    assert "https://badges.test/images/alpine" in output


def test_badges_of_an_image_that_is_not_tracked_are_printed_with_a_warning(operator: Operator) -> None:
    untracked = operator.types("badges", "library/alpine")
    operator.types("track", "--no-wait", "alpine")
    tracked = operator.types("badges", "library/alpine")

    warning = "alpine is not tracked: its badges say 'not found' until you run flask track alpine.\n"
    assert (untracked.exit_code, untracked.stderr, tracked.stderr) == (0, warning, "")
    assert untracked.stdout == tracked.stdout


def test_badges_of_a_tag_can_be_asked_for_by_its_name(operator: Operator) -> None:
    named = operator.types("badges", "alpine:3.20").stdout

    assert "https://badges.test/badges/version/alpine:3.20.svg" in named
    assert named == operator.types("badges", "alpine", "--tag", "3.20").stdout
    assert operator.types("badges", "alpine:3.20", "--tag", "3.20").stdout == named


def test_badges_of_two_tags_at_once_are_refused(operator: Operator) -> None:
    result = operator.types("badges", "alpine:3.20", "--tag", "edge")

    assert result.exit_code == 2
    assert result.output.endswith("Error: IMAGE and --tag name different tags: 3.20 and edge.\n")


@pytest.mark.parametrize("tag", ["", "a b", "-1", "../x", "1.0)](https://evil.test)", "1.0\n", "mañana", "x" * 129])
def test_no_markup_is_printed_for_what_is_not_a_tag(operator: Operator, tag: str) -> None:
    result = operator.types("badges", "alpine", "--tag", tag)

    assert result.exit_code == 2
    assert result.output.endswith(f"{tag!r} is not a tag.\n")
    assert "badges.test" not in result.output


# names


def test_every_command_calls_an_official_image_as_the_site_does(operator: Operator, tmp_path: Path) -> None:
    operator.settings = replace(operator.settings, hub_url="")
    operator.fake.push("library/alpine", "3.20", image())
    readme = tmp_path / "README.md"
    readme.write_text("https://images.microbadger.com/badges/image/library/busybox.svg\n")
    commands = [
        ["track", "library/alpine:3.20"],
        ["track", "library/alpine"],
        ["images"],
        ["refresh", "library/alpine"],
        ["refresh", "library/nginx"],
        ["webhook", "library/alpine"],
        ["notifications", "add", "library/alpine", "https://hooks.test/"],
        ["notifications", "list"],
        ["untrack", "library/alpine:edge"],
        ["untrack", "library/alpine:3.20"],
        ["untrack", "library/alpine"],
        ["badges", "library/alpine"],
        ["revive", "--dry-run", str(readme)],
    ]

    outputs = {" ".join(command): operator.types(*command).output for command in commands}

    printed = {command: output.replace("library/busybox.svg", "") for command, output in outputs.items()}
    assert [command for command, output in printed.items() if "library/" in output] == []
    assert printed["images"].startswith("alpine  current  ")


# What is in the way


@pytest.mark.parametrize(
    "command",
    [["refresh"], ["publish"], ["webhook"], ["track", "alpine"], ["untrack", "alpine"], ["badges", "alpine"]],
    ids=" ".join,
)
def test_a_command_with_other_settings_than_a_running_service_is_refused(
    operator: Operator, command: list[str]
) -> None:
    with operator.serving():
        operator.settings = replace(operator.settings, base_url="https://other.test")
        result = operator.types(*command)

    assert result.exit_code == 1
    assert result.output.startswith("Error: A service uses this database with other settings (PORT, ")


@pytest.mark.parametrize("setting", OTHER_SETTINGS)
def test_every_setting_that_changes_public_files_has_to_be_that_of_the_running_service(
    operator: Operator, setting: str
) -> None:
    with operator.serving():
        operator.settings = replace(operator.settings, **{setting: OTHER_SETTINGS[setting]})

        assert operator.types("refresh").exit_code == 1


def test_a_command_with_the_settings_of_the_running_service_works_beside_it(operator: Operator) -> None:
    with operator.serving():
        assert operator.types("track", operator.name).exit_code == 0


def test_a_command_that_publishes_nothing_works_with_any_settings(operator: Operator) -> None:
    with operator.serving():
        operator.settings = replace(operator.settings, base_url="https://other.test")

        assert operator.types("track", "--no-wait", operator.name).exit_code == 0
        assert operator.types("images").exit_code == 0


def test_settings_can_be_changed_once_no_service_runs(operator: Operator) -> None:
    with operator.serving():
        pass
    operator.settings = replace(operator.settings, base_url="https://other.test")

    assert operator.types("track", operator.name).exit_code == 0
    assert "https://other.test/" in operator.file(f"images/{operator.name}/index.html").read_text()


def test_another_file_can_be_the_database(operator: Operator, tmp_path: Path) -> None:
    operator.settings = replace(operator.settings, database_url=f"sqlite:///{tmp_path}/elsewhere/badges.db")

    operator.types("track", "--no-wait", operator.name)

    assert operator.state() == "not read yet  checked never  next now"
    assert (tmp_path / "elsewhere/badges.db").exists()
    assert list(operator.settings.data_dir.iterdir()) == []


# copy-store


def test_a_store_is_copied_to_a_server_and_back(
    operator: Operator, tmp_path: Path, postgresql_server: PostgresqlServer
) -> None:
    operator.types("track", "--no-wait", operator.name)
    file, url = operator.settings.data_dir / "microbadger.db", postgresql_server.new_schema()

    operator.settings = replace(operator.settings, database_url=database_address(url))
    there = operator.types("copy-store", str(file))
    assert (there.exit_code, operator.state()) == (0, "not read yet  checked never  next now")
    assert "tracked_images: 1\n" in there.output

    operator.settings = replace(operator.settings, database_url=f"sqlite:///{tmp_path}/copy.db")
    back = operator.types("copy-store", url)
    assert (back.exit_code, back.output) == (0, there.output)
    assert operator.state() == "not read yet  checked never  next now"


def test_a_store_is_copied_only_to_an_empty_one_without_a_service(operator: Operator, tmp_path: Path) -> None:
    with Database(f"sqlite:///{tmp_path}/other.db").read():
        pass
    with operator.serving():
        running = operator.types("copy-store", f"{tmp_path}/other.db")
    operator.types("track", "--no-wait", operator.name)
    full = operator.types("copy-store", f"sqlite:///{tmp_path}/other.db")

    assert running.output == "Error: A service uses the target database: stop it first.\n"
    assert full.output == "Error: The target database is not empty: its table checks has rows.\n"
    assert (running.exit_code, full.exit_code) == (1, 1)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("nowhere.db", "The file nowhere.db does not exist."),
        ("sqlite:////nowhere/x.db", "The file /nowhere/x.db does not exist."),
        ("mysql://host/db", "must be a URL such as postgresql://"),
        ("postgres://badger:hunter2@127.0.0.1:1/x", "The database 127.0.0.1/x cannot be used: "),
        ("README.md", "README.md cannot be used: it is damaged, or not a database."),
    ],
)
def test_a_store_is_copied_only_from_one_that_there_is(operator: Operator, source: str, reason: str) -> None:
    there = Path(source).exists()
    refused = operator.types("copy-store", source)
    assert (refused.exit_code, refused.output.count("\n")) == (1, 1)
    assert reason in refused.output
    assert "hunter2" not in refused.output
    assert Path(source).exists() is there
    assert not list(Path().glob("*.damaged-*"))


def test_a_store_is_not_copied_while_a_service_runs_with_it(operator: Operator, tmp_path: Path) -> None:
    file = operator.settings.data_dir / "microbadger.db"
    with operator.serving():
        operator.settings = replace(operator.settings, database_url=f"sqlite:///{tmp_path}/copy.db")
        refused = operator.types("copy-store", str(file))
    copied = operator.types("copy-store", str(file))

    assert refused.output == "Error: A service uses the source database: stop it first.\n"
    assert (refused.exit_code, copied.exit_code) == (1, 0)


def test_a_public_folder_that_cannot_be_written_is_one_sentence(operator: Operator) -> None:
    operator.settings.public_dir.mkdir()
    operator.file("index.html").mkdir()

    result = operator.types("refresh")

    assert (result.exit_code, result.output.count("\n")) == (1, 1)
    assert "index.html" in result.output


@pytest.mark.parametrize(
    "command",
    [
        ["track", "--no-wait", "example/web"],
        ["untrack", "example/app"],
        ["images"],
        ["notifications", "add", "example/app", "https://hooks.test/mañana"],
        ["notifications", "remove", "mañana"],
    ],
    ids=" ".join,
)
def test_a_database_that_cannot_be_used_is_one_sentence(operator: Operator, command: list[str]) -> None:
    app = operator.app()
    file = operator.settings.data_dir / "microbadger.db"
    file.unlink(missing_ok=True)
    file.mkdir()

    result = app.test_cli_runner().invoke(args=command)

    assert (result.exit_code, result.output.count("\n")) == (1, 1)
    assert result.output.startswith(f"Error: The database {file} cannot be used: ")


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


@pytest.mark.parametrize(
    ("name", "value"), [("MAX_TAGS", "many"), ("REFRESH_HOURS", "nan"), ("MIRRORS", "{"), ("SECRET", "too short")]
)
def test_an_invalid_setting_is_one_sentence(tmp_path: Path, name: str, value: str) -> None:
    done = RunningService(tmp_path / "service", **{name: value}).command("images")

    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert f"Invalid MICROBADGER_{name}: " in done.stderr


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("refresh_hour", "_REFRESH_HOUR is not a setting; did you mean MICROBADGER_REFRESH_HOURS?"),
        ("colour", "_COLOUR is not a setting: see microbadger/site/guide/settings.md."),
    ],
)
def test_an_unknown_setting_is_a_warning(tmp_path: Path, name: str, said: str) -> None:
    done = RunningService(tmp_path / "service", **{name: "6"}).command("images")

    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == f"MICROBADGER{said}\n"


def test_the_log_of_the_service_names_an_unknown_setting_once(tmp_path: Path) -> None:
    with RunningService(tmp_path / "service", refresh_hour="6") as service:
        warnings = [line for line in service.log.read_text().splitlines() if "event=unknown_setting" in line]

    assert [line.partition("event=")[2] for line in warnings] == [
        "unknown_setting name=MICROBADGER_REFRESH_HOUR nearest=MICROBADGER_REFRESH_HOURS"
    ]


def test_a_static_site_is_not_served(tmp_path: Path) -> None:
    service = RunningService(tmp_path / "service", static="1")
    done = subprocess.run(
        [sys.executable, "-m", "gunicorn", service.application],
        cwd=ROOT,
        env=service.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 3
    assert "MICROBADGER_STATIC publishes files without a service: run flask refresh, or unset it.\n" in done.stderr
