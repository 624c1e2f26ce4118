"""The command that brings old badges back, as an operator types it."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result

from app import create_app
from microbadger.freshness.duties import FOLLOW, Duties
from microbadger.settings import Settings
from microbadger.store.database import Database
from microbadger.store.files import stamp_of
from tests.disks import mounted
from tests.fakes.registry import FakeRegistry, image
from tests.readme import ROOT

OLD, NEW = "https://images.microbadger.com/badges/image/example/web.svg", "https://b.test/badges/image/example/web.svg"
PAGE, NEW_PAGE = "https://microbadger.com/images/example/web", "https://b.test/images/example/web"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
TOKEN = "KToFO4mXwId81ddvWhWdxivWAHU="


class Operator:
    """An operator with a service that reads a fake registry, and a folder with files of a project."""

    def __init__(self, folder: Path, fake: FakeRegistry) -> None:
        self.project = folder / "project"
        self.project.mkdir()
        self.settings = Settings(
            data_dir=folder / "data",
            public_dir=folder / "public",
            secret="a secret",
            base_url="https://b.test",
            hook_url="https://hooks.test",
            mirrors={"docker.io": fake.url},
            hub_url="",
        )

    def types(self, *arguments: str | Path) -> Result:
        runner = create_app(self.settings).test_cli_runner()
        return runner.invoke(args=["revive", *map(str, arguments)], terminal_width=500)

    def write(self, name: str, content: str | bytes) -> Path:
        file = self.project / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    @property
    def tracked(self) -> list[str]:
        tools = create_app(self.settings).extensions["microbadger"]
        return [image.repository.familiar for image in tools.freshness.tracked]


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[Operator]:
    with FakeRegistry() as fake:
        fake.push("example/web", "1.0", image())
        yield Operator(tmp_path, fake)


def test_addresses_are_replaced_and_printed_with_what_to_track(operator: Operator) -> None:
    file = operator.write("README.md", f"[![]({OLD})]({PAGE})\n")

    result = operator.types(file)

    assert file.read_text() == f"[![]({NEW})]({NEW_PAGE})\n"
    assert (result.exit_code, result.output.splitlines()) == (
        0,
        [
            str(file),
            f"  {OLD} → {NEW}",
            f"  {PAGE} → {NEW_PAGE}",
            "2 addresses in 1 file replaced.",
            "Images that are not tracked here:",
            "  example/web",
        ],
    )


def test_a_dry_run_changes_nothing(operator: Operator) -> None:
    file = operator.write("README.md", OLD)
    before = stamp_of(file)

    result = operator.types("--dry-run", "--track", file)

    assert f"  {OLD} → {NEW}\n1 address in 1 file would be replaced.\n" in result.output
    assert (file.read_text(), stamp_of(file)) == (OLD, before)
    assert operator.tracked == []


def test_the_images_are_tracked_and_read_if_that_is_asked_for(operator: Operator) -> None:
    result = operator.types("--track", operator.write("README.md", OLD))

    assert result.exit_code == 0
    assert result.output.endswith("example/web: tracked\nexample/web: 1 tag, no changes\n")
    assert operator.tracked == ["example/web"]
    assert (operator.settings.public_dir / "badges/image/example/web.svg").exists()


def test_an_image_that_cannot_be_read_fails_the_command_and_the_file_is_changed(operator: Operator) -> None:
    file = operator.write("README.md", PAGE.replace("web", "missing"))

    result = operator.types("--track", file)

    assert result.exit_code == 1
    assert "1 of 1 images could not be read; they stay tracked." in result.output
    assert file.read_text() == NEW_PAGE.replace("web", "missing")


def test_images_that_are_tracked_are_not_listed(operator: Operator) -> None:
    operator.settings = replace(operator.settings, images="example/web")

    assert "not tracked" not in operator.types(operator.write("README.md", OLD)).output


def test_a_second_run_writes_no_file(operator: Operator) -> None:
    file = operator.write("README.md", OLD)
    operator.types(file)
    before = stamp_of(file)

    result = operator.types(operator.project)

    assert (result.exit_code, result.output) == (0, "0 addresses in 0 files replaced.\n")
    assert stamp_of(file) == before


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f"a\r\n{OLD}\r\nb\n\r", f"a\r\n{NEW}\r\nb\n\r"),
        (OLD, NEW),
        (f"\u2028{OLD}\x0c\x85{OLD}", f"\u2028{NEW}\x0c\x85{NEW}"),
        (BYTE_ORDER_MARK + f"{OLD}\n".encode(), BYTE_ORDER_MARK + f"{NEW}\n".encode()),
    ],
)
def test_the_other_bytes_stay(operator: Operator, before: str | bytes, after: str | bytes) -> None:
    file = operator.write("README.md", before)

    operator.types(file)

    assert file.read_bytes() == (after.encode() if isinstance(after, str) else after)


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o664, 0o755])
def test_the_mode_stays(operator: Operator, mode: int) -> None:
    file = operator.write("README.md", OLD)
    file.chmod(mode)

    operator.types(file)

    assert (file.read_text(), file.stat().st_mode & 0o7777) == (NEW, mode)


def test_the_owner_stays(operator: Operator) -> None:
    file = operator.write("README.md", OLD)
    if os.getuid():
        pytest.skip("only root may give files to others")
    os.chown(file, 1234, 2345)
    file.chmod(0o640)

    operator.types(file)

    status = file.stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (1234, 2345, 0o640)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (f"größe {OLD}".encode("latin-1"), "it is not in UTF-8"),
        (OLD.encode("utf-16"), "it is binary, or not in UTF-8"),
        (b"\0" + OLD.encode(), "it is binary, or not in UTF-8"),
        (OLD.encode() + b" " * 8 * 1024 * 1024, "it is larger than 8 MiB"),
    ],
)
def test_a_file_that_is_no_text_is_left_alone_and_named(operator: Operator, content: bytes, reason: str) -> None:
    file, other = operator.write("README.md", content), operator.write("other.md", OLD)

    result = operator.types(operator.project)

    assert (result.exit_code, file.read_bytes(), other.read_text()) == (0, content, NEW)
    assert f"Files left alone:\n  {file}: {reason}\n" in result.output


def test_what_is_no_file_is_left_alone(operator: Operator) -> None:
    pipe = operator.project / "README.md"
    os.mkfifo(pipe)

    assert f"{pipe}: it is not a regular file" in operator.types(pipe).output


@pytest.mark.parametrize(
    "name",
    [
        *(
            "README",
            "readme.1st",
            "README.md",
            "docs/a/b.markdown",
            "page.HTML",
            "page.htm",
            "a.rst",
            "a.adoc",
            "a.org",
        ),
        *("a.txt", ".github/README.md", "a.mdx"),
    ],
)
def test_text_files_below_a_folder_are_found(operator: Operator, name: str) -> None:
    file = operator.write(name, OLD)

    operator.types(operator.project)

    assert file.read_text() == NEW


@pytest.mark.parametrize(
    "name", [".git/README.md", "node_modules/a/README.md", "a/node_modules/b.md", ".venv/a.txt", "a.py", "Makefile"]
)
def test_other_files_below_a_folder_are_not_touched(operator: Operator, name: str) -> None:
    file = operator.write(name, OLD)

    operator.types(operator.project)

    assert file.read_text() == OLD


def test_links_below_a_folder_are_not_followed(operator: Operator) -> None:
    outside = operator.project.parent / "outside"
    outside.mkdir()
    (outside / "a.md").write_text(OLD)
    (operator.project / "README.md").symlink_to(outside / "a.md")
    (operator.project / "folder").symlink_to(outside)
    (operator.project / "gone.md").symlink_to(outside / "gone.md")

    result = operator.types(operator.project)

    assert (result.exit_code, (outside / "a.md").read_text()) == (0, OLD)


def test_a_link_that_is_named_stays_one(operator: Operator) -> None:
    file, link = operator.write("docs/README.md", OLD), operator.project / "README.md"
    link.symlink_to(file)

    operator.types(link)

    assert link.is_symlink()
    assert file.read_text() == NEW


def test_any_file_that_is_named_is_read(operator: Operator) -> None:
    file = operator.write("ci.yml", f"curl -X POST https://hooks.microbadger.com/images/example/web/{TOKEN}")

    result = operator.types(file)

    assert file.read_text() == f"curl -X POST https://hooks.test/images/example/web/{TOKEN}"
    assert "need hook= with the token of the old address:\n  example/web\n" in result.output
    assert TOKEN not in result.output


def test_a_static_site_has_nothing_in_the_place_of_a_webhook(operator: Operator) -> None:
    operator.settings = replace(operator.settings, is_static=True)
    webhook = f"https://hooks.microbadger.com/images/example/web/{TOKEN}"
    file = operator.write("ci.yml", webhook)

    result = operator.types(file)

    assert file.read_text() == webhook
    assert f"{file}:1: https://hooks.microbadger.com/images/example/web/…\n" in result.output
    assert TOKEN not in result.output


def test_a_name_that_is_no_text_can_be_printed(operator: Operator) -> None:
    name = os.fsdecode(b"\xff.md")
    file = operator.write(name, f"{OLD} https://microbadger.com/account")

    result = operator.types(operator.project)

    assert result.exit_code == 0
    assert file.read_text().startswith(NEW)


def test_it_is_refused_beside_a_service_that_stands_elsewhere(operator: Operator) -> None:
    file = operator.write("README.md", OLD)
    create_app(operator.settings).extensions["microbadger"].record_settings()
    duties = Duties(Database(operator.settings.database))
    duties.begin()
    assert duties.take(FOLLOW)
    operator.settings = replace(operator.settings, base_url="https://other.test")

    result = operator.types(file)
    duties.end()

    assert (result.exit_code, file.read_text()) == (1, OLD)
    assert "use the same environment, or stop the service" in result.output


def test_an_address_without_successor_is_named_with_its_line(operator: Operator) -> None:
    file = operator.write("README.md", "\nhttps://microbadger.com/account\n")

    result = operator.types(file)

    assert (result.exit_code, file.read_text()) == (0, "\nhttps://microbadger.com/account\n")
    assert (
        f"Addresses with no counterpart here:\n  {file}:2: https://microbadger.com/account\n" in result.output
    )


def test_of_a_template_the_host_is_replaced_and_it_is_named_with_its_line(operator: Operator) -> None:
    file = operator.write("README.md", "\n![](https://images.microbadger.com/badges/image/$ORG/$NAME.svg)\n")

    result = operator.types(file)

    assert file.read_text() == "\n![](https://b.test/badges/image/$ORG/$NAME.svg)\n"
    assert (
        "Addresses with placeholders, of which only the host was replaced:\n"
        f"  {file}:2: https://images.microbadger.com/badges/image/$ORG/$NAME.svg\n" in result.output
    )


def test_badges_of_services_that_work_are_replaced_only_if_that_is_asked_for(operator: Operator) -> None:
    file = operator.write("README.md", "https://img.shields.io/docker/v/example/web?sort=semver")

    kept = operator.types(file)
    replaced = operator.types("--foreign", file)

    assert "Kept 1 address of services that still work: use --foreign to replace them.\n" in kept.output
    assert file.read_text() == "https://b.test/badges/version/example/web.svg?sort=semver"
    assert "--foreign" not in replaced.output


def test_on_a_full_disk_the_command_fails_with_a_sentence_and_the_file_stays(operator: Operator) -> None:
    with mounted(operator.project, size="64k"):
        file = operator.write("README.md", OLD + " " * 20_000)
        operator.write("full", b"x" * 40_000)

        result = operator.types(operator.project)

        assert result.exit_code == 1
        assert f"Files that could not be read or changed:\n  {file}: No space left on device\n" in result.output
        assert result.output.endswith("Error: 1 file could not be changed.\n")
        assert file.read_text().rstrip() == OLD
        assert {each.name for each in operator.project.iterdir()} == {"README.md", "full"}


def test_a_path_that_is_not_there_is_said_to_be_so(operator: Operator) -> None:
    result = operator.types(operator.project / "README.md")

    assert result.exit_code == 2
    assert "does not exist" in result.output


def test_it_is_said_that_nobody_else_reaches_a_base_url_of_this_computer(operator: Operator) -> None:
    operator.settings = replace(operator.settings, base_url="http://localhost:8000")

    result = operator.types(operator.write("README.md", OLD))

    assert "Only this computer can reach http://localhost:8000: set MICROBADGER_BASE_URL." in result.output


def test_the_readme_of_the_service_holds_no_old_address(operator: Operator) -> None:
    assert operator.types("--dry-run", ROOT / "README.md").output.startswith("0 addresses in 0 files")
