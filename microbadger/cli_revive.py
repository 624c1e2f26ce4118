"""``flask revive``, the command that replaces old addresses in files with those of this service."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_IMODE, S_ISREG
from urllib.parse import urlsplit

import click

from microbadger.cli import track
from microbadger.cli_tools import Tools, counted, operation, tools_as_served
from microbadger.freshness import TrackedImage
from microbadger.image import Repository, image_name
from microbadger.site import Revival, Reviver
from microbadger.store import replace_file, sync_content

_LARGEST_BYTES = 8 * 1024 * 1024
_ENDINGS = frozenset(
    (
        *(".md", ".markdown", ".mdown", ".mkd", ".mdx", ".qmd", ".rmd", ".html", ".htm", ".xhtml"),
        *(".rst", ".rest", ".adoc", ".asciidoc", ".asc", ".org", ".txt", ".text"),
    )
)
_SKIPPED_FOLDERS = frozenset({".git", ".hg", ".svn", ".venv", "node_modules"})
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class LeftAlone(Exception):
    """A file must not be changed; the message says why."""


@dataclass(slots=True)
class _Findings:
    """What was found in all files."""

    addresses: int = 0
    files: int = 0
    foreign_count: int = 0
    images: dict[Repository, None] = field(default_factory=dict)
    hooked: dict[Repository, None] = field(default_factory=dict)
    unplaced: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    left_alone: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def fail(self, error: OSError) -> None:
        """Record that a file or folder cannot be read or written."""
        self.failures.append(f"{_shown(Path(os.fsdecode(error.filename)))}: {error.strerror}")

    def add(self, file: Path, revival: Revival) -> None:
        """Add what was found in a file."""
        self.addresses += len(revival.changes)
        self.files += bool(revival.changes)
        self.foreign_count += revival.foreign_count
        self.images |= dict.fromkeys(revival.images)
        self.hooked |= dict.fromkeys(revival.hooked)
        for names, found in ((self.unplaced, revival.unplaced), (self.unfinished, revival.unfinished)):
            names += [f"{_shown(file)}:{named.line}: {named.address}" for named in found]


@click.command()
@click.argument("paths", metavar="PATH...", type=click.Path(exists=True, path_type=Path), nargs=-1, required=True)
@click.option("--dry-run", is_flag=True, help="Only print what would change.")
@click.option("--track", "is_tracking", is_flag=True, help="Track the images in the addresses.")
@click.option("--foreign", is_flag=True, help="Also replace badges of shields.io, badgen.net and ghcr-badge.")
@click.pass_context
@operation
def revive(context: click.Context, paths: Sequence[Path], dry_run: bool, is_tracking: bool, foreign: bool) -> None:
    """Replace old badge and page addresses with those of this service, in files and in the text files of folders."""
    tools = tools_as_served()
    base_url = tools.options.base_url
    reviver = Reviver(base_url, None if tools.options.is_static else tools.webhooks.base_url, foreign)
    findings = _Findings()
    for file in dict.fromkeys(file for path in paths for file in _text_files(path, findings)):
        _revive_file(file, reviver, findings, is_dry=dry_run)
    if findings.addresses and urlsplit(base_url).hostname in _LOOPBACK:
        click.echo(f"Only this computer can reach {base_url}: set MICROBADGER_BASE_URL.", err=True)
    missing = _report(findings, tools, is_dry=dry_run, are_foreign_meant=foreign)
    if is_tracking and missing and not dry_run:
        images = [TrackedImage(repository) for repository in missing]
        context.invoke(track, images=images, private=False, no_wait=False)
    if findings.failures:
        raise click.ClickException(f"{counted(len(findings.failures), 'file')} could not be changed.")


def _text_files(path: Path, findings: _Findings) -> Iterator[Path]:
    """Yield the file at a path, or the text files in the folder at that path, without symbolic links."""
    if not path.is_dir():
        yield path
        return
    for folder, folders, names in os.walk(path, onerror=findings.fail):
        folders[:] = sorted(set(folders) - _SKIPPED_FOLDERS)
        for name in sorted(names):
            file = Path(folder, name)
            is_text = file.suffix.lower() in _ENDINGS or name.lower().startswith("readme")
            if is_text and not file.is_symlink():
                yield file


def _revive_file(file: Path, reviver: Reviver, findings: _Findings, *, is_dry: bool) -> None:
    """Replace the addresses in a file, and print the changes."""
    try:
        text = _text_of(file)
        revival = reviver.revive(text)
        if revival.text != text and not is_dry:
            _write(file, revival.text)
    except LeftAlone as reason:
        findings.left_alone.append(f"{_shown(file)}: {reason}")
    except OSError as error:
        findings.failures.append(f"{_shown(file)}: {error.strerror or error}")
    else:
        findings.add(file, revival)
        if revival.changes:
            click.echo(_shown(file))
        for change in revival.changes:
            click.echo(f"  {change.old} → {change.new}")


def _text_of(file: Path) -> str:
    """Return the text of a file, with its line endings and its byte order mark. Raises LeftAlone."""
    status = file.stat()
    if not S_ISREG(status.st_mode):
        raise LeftAlone("it is not a regular file")
    if status.st_size > _LARGEST_BYTES:
        raise LeftAlone(f"it is larger than {_LARGEST_BYTES // 1024**2} MiB")
    content = file.read_bytes()
    if b"\0" in content:
        raise LeftAlone("it is binary, or not in UTF-8")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise LeftAlone("it is not in UTF-8") from None


def _write(file: Path, text: str) -> None:
    """Replace a file atomically, or the target of a link, and keep its mode and its owner."""
    file = file.resolve()
    status = file.stat()

    def finish(new: Path) -> None:
        written = new.stat()
        if (written.st_uid, written.st_gid) != (status.st_uid, status.st_gid):
            os.chown(new, status.st_uid, status.st_gid)
            new.chmod(S_IMODE(status.st_mode))
        sync_content(new)

    replace_file(file, text.encode(), S_IMODE(status.st_mode), sync=finish)


def _report(findings: _Findings, tools: Tools, *, is_dry: bool, are_foreign_meant: bool) -> list[Repository]:
    """Print what was found, and return the images that are not tracked."""
    verb = "would be replaced" if is_dry else "replaced"
    click.echo(f"{counted(findings.addresses, 'address')} in {counted(findings.files, 'file')} {verb}.")
    tracked = tools.freshness.tracked
    missing = [repository for repository in findings.images if repository not in tracked]
    _list("Images that are not tracked here:", map(image_name, missing))
    _list(
        "Webhooks: the lines of these images in data/images.txt need hook= with the token of the old address:",
        map(image_name, findings.hooked),
    )
    replaced = "would be replaced" if is_dry else "was replaced"
    _list(
        f"Addresses with placeholders, of which only the host {replaced}:",
        findings.unfinished,
    )
    _list("Addresses with no counterpart here:", findings.unplaced)
    if findings.foreign_count and not are_foreign_meant:
        kept = counted(findings.foreign_count, "address")
        click.echo(f"Kept {kept} of services that still work: use --foreign to replace them.")
    _list("Files left alone:", findings.left_alone)
    _list("Files that could not be read or changed:", findings.failures)
    return missing


def _list(title: str, lines: Iterable[str]) -> None:
    for number, line in enumerate(lines):
        if number == 0:
            click.echo(title)
        click.echo(f"  {line}")


def _shown(file: Path) -> str:
    """Return the name of a file for printing, even if it is not valid UTF-8."""
    return click.format_filename(file)
