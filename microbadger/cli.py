"""The commands of ``flask`` for operators: track and refresh images, publish again, and print webhooks and badges."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from pathlib import Path

import click
from flask import Flask

from microbadger.badges import BADGE_TYPES
from microbadger.cli_notifications import notifications
from microbadger.cli_tools import (
    EXTENSION,
    NAME_WITH_TAG,
    Tools,
    counted,
    current_tools,
    name_without_tag,
    operation,
    require_tracked,
    tools_as_served,
)
from microbadger.freshness import Check, NotTracked, Outcome, TrackedImage, is_served
from microbadger.image import Repository, image_name, is_tag
from microbadger.settings import database_address
from microbadger.site import FORMATS, STATES, PublishError, badge_link
from microbadger.store import StoreNotEmpty, copy_store, opened_source, trouble_with

_AT_ONCE = 8


def add_commands(app: Flask, tools: Tools) -> None:
    """Add the commands to an app."""
    app.extensions[EXTENSION] = tools
    for command in (refresh, publish, track, untrack, images, webhook, badges, notifications, copy):
        app.cli.add_command(command)


def _tag(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    """Return the tag if it is valid. An invalid one could name another file, or break out of the markup."""
    if value is not None and not is_tag(value):
        raise click.BadParameter(f"{value!r} is not a tag.")
    return value


@click.command()
@click.argument(
    "repositories", metavar="[IMAGE]...", type=name_without_tag("a refresh checks all tags, so write {name}"), nargs=-1
)
@operation
def refresh(repositories: Sequence[Repository]) -> None:
    """Check the named images now, or all images that are due."""
    tools = tools_as_served()
    freshness = tools.freshness
    _report_problems(tools)
    _follow_tracked(tools)
    if repositories:
        require_tracked(tools, repositories)
        count = len(repositories)
        failed = _check(freshness.refresher.refresh, repositories, count)
    else:
        count = freshness.checks.summary().due_count
        failed = _check(freshness.refresher.refresh_if_due, freshness.checks.due(), count)
    if tools.options.is_static:
        _publish_again(tools, repositories or freshness.checks.repositories())
    _finish(tools)
    if failed:
        raise click.ClickException(f"{failed} of {count} images could not be checked.")


def _follow_tracked(tools: Tools) -> None:
    """Follow the tracked images as the service does. For a static site, also remove files left by a lost database."""
    upkeep = tools.freshness.upkeep
    upkeep.follow_tracked()
    if tools.options.is_static:
        upkeep.strays.find_and_remove()


@click.command()
@operation
def publish() -> None:
    """Write all public files again from the database, without asking any registry."""
    tools = tools_as_served()
    _follow_tracked(tools)
    images, files = _publish_again(tools, tools.freshness.checks.repositories())
    _finish(tools)
    click.echo(f"{counted(images, 'image')}: {counted(files, 'file')} written or removed.")


@click.command("copy-store")
@click.argument("source")
@operation
def copy(source: str) -> None:
    """Copy everything from the database SOURCE (a file or a URL) to the configured one, which must be empty."""
    tools = current_tools()
    if tools.freshness.schedule.is_running():
        raise click.ClickException("A service uses the target database: stop it first.")
    with opened_source(_place_of(source)) as database:
        if is_served(database):
            raise click.ClickException("A service uses the source database: stop it first.")
        try:
            copied = copy_store(database, tools.database)
        except StoreNotEmpty as error:
            raise click.ClickException(f"The target database is not empty: {error}.") from error
    for name, count in sorted(copied.items()):
        if count:
            click.echo(f"{name}: {count}")


def _place_of(source: str) -> Path | str:
    """Return the file or the URL of the database that the operator named."""
    if "://" not in source or source.startswith("sqlite:///"):
        file = Path(source.removeprefix("sqlite:///"))
        if not file.is_file():
            raise click.ClickException(f"The file {file} does not exist.")
        return file
    try:
        return database_address(source)
    except ValueError as error:
        raise click.ClickException(f"Invalid SOURCE: {error}.") from None


@click.command()
@click.argument("images", metavar="IMAGE...", type=NAME_WITH_TAG, nargs=-1, required=True)
@click.option("--private", is_flag=True, help="Publish images that only credentials can read.")
@click.option("--no-wait", is_flag=True, help="Leave the first check to the service.")
@operation
def track(images: Sequence[TrackedImage], private: bool, no_wait: bool) -> None:
    """Track images and check them now; NAME:TAG keeps that tag fresh, however many newer tags there are."""
    tools = current_tools() if no_wait else tools_as_served()
    freshness = tools.freshness
    for image in images:
        is_new = freshness.tracked.track(TrackedImage(image.repository, image.kept_tags, private))
        freshness.checks.add([image.repository])
        click.echo(f"{image_name(image.repository)}: {'tracked' if is_new else 'already tracked'}")
    if no_wait:
        return
    repositories = list(dict.fromkeys(image.repository for image in images))
    failed = _check(freshness.refresher.refresh, repositories, len(repositories))
    if tools.options.is_static:
        _publish_again(tools, repositories)
    _finish(tools)
    if failed:
        raise click.ClickException(f"{failed} of {len(repositories)} images could not be read; they stay tracked.")


@click.command()
@click.argument("images", metavar="IMAGE...", type=NAME_WITH_TAG, nargs=-1, required=True)
@operation
def untrack(images: Sequence[TrackedImage]) -> None:
    """Stop tracking images and remove their public files; NAME:TAG only stops keeping that tag by name."""
    tools = tools_as_served()
    for image in images:
        if image.repository not in tools.freshness.tracked:
            raise click.ClickException(f"{image_name(image.repository)} is not tracked: see flask images.")
    for image in images:
        name = image_name(image.repository)
        for tag in image.kept_tags or [None]:
            try:
                tools.freshness.untrack(image.repository, tag)
            except NotTracked as error:
                raise click.ClickException(str(error)) from error
            kept_tag = f"{name}:{tag}: no longer kept by name; {name} stays tracked"
            click.echo(kept_tag if tag else f"{name}: no longer tracked")
    without_tag = dict.fromkeys(image.repository for image in images if image.kept_tags)
    repositories = [repository for repository in without_tag if repository in tools.freshness.tracked]
    failed = _check(tools.freshness.refresher.refresh, repositories, len(repositories)) if repositories else 0
    if tools.options.is_static:
        _publish_again(tools, repositories)
    _finish(tools)
    if failed:
        raise click.ClickException(f"{failed} of {len(repositories)} images could not be checked.")


@click.command()
@operation
def images() -> None:
    """List the tracked images with their state, their last and next check, and why checks fail."""
    tools = current_tools()
    _report_problems(tools)
    for folder in tools.folders:
        if trouble := trouble_with(folder):
            click.echo(f"The folder {folder} cannot be written: {trouble}.", err=True)
    checks = dict(tools.freshness.checks.all())
    now = tools.freshness.now()
    for image in tools.freshness.tracked:
        line = _state_line(image.repository, checks.get(image.repository, Check()), now)
        click.echo(f"{line}  tracked on request" if image.is_on_request else line)


@click.command()
@click.argument(
    "repository",
    metavar="[IMAGE]",
    type=name_without_tag("an image has one webhook, so write {name}, and post to its URL with ?tag={tag}"),
    required=False,
)
@operation
def webhook(repository: Repository | None) -> None:
    """Print the webhook URL of an image, or the one for all images."""
    tools = tools_as_served()
    if tools.options.is_static:
        raise click.ClickException("A static site has no webhooks: run flask refresh, or unset MICROBADGER_STATIC.")
    if repository is None:
        click.echo(tools.webhooks.for_all_images)
        return
    require_tracked(tools, [repository])
    click.echo(tools.webhooks.of(repository))


@click.command()
@click.argument("image", metavar="IMAGE", type=NAME_WITH_TAG)
@click.option("--format", "format_", type=click.Choice(list(FORMATS)), default="markdown", show_default=True)
@click.option("--tag", callback=_tag, help="Print the badges of this tag instead of the current version.")
@operation
def badges(image: TrackedImage, format_: str, tag: str | None) -> None:
    """Print the markup of every badge of an image, or of NAME:TAG."""
    tools = tools_as_served()
    tags = image.kept_tags | ({tag} if tag else set())
    if len(tags) > 1:
        raise click.UsageError(f"IMAGE and --tag name different tags: {' and '.join(sorted(tags))}.")
    if image.repository not in tools.freshness.tracked:
        name = image_name(image.repository)
        click.echo(f"{name} is not tracked: its badges say 'not found' until you run flask track {name}.", err=True)
    for badge_type in BADGE_TYPES:
        link = badge_link(tools.options.base_url, image.repository, badge_type, next(iter(tags), None))
        click.echo(FORMATS[format_](link))


def _check(
    check: Callable[[Repository], Outcome | None], repositories: Iterable[Repository], count: int
) -> int:
    """Check the images, show each outcome, and return how many failed."""
    failed = 0
    with _progress(count) as show:
        for outcome in _all(check, repositories):
            show(outcome)
            failed += bool(outcome and outcome.error)
    return failed


def _publish_again(tools: Tools, repositories: Iterable[Repository]) -> tuple[int, int]:
    """Write every public file that differs from the records; return the number of images and of changed files."""
    images = files = failed = 0
    for repository in repositories:
        images += 1
        try:
            paths = tools.freshness.refresher.publish_again(repository)
        except PublishError as error:
            click.echo(f"{image_name(repository)}: failed: {error}", err=True)
            failed += 1
            continue
        tools.cdn.add(paths)
        files += len(paths)
    if failed:
        _finish(tools)
        raise click.ClickException(f"{counted(failed, 'image')} could not be published.")
    return images, files


def _finish(tools: Tools) -> None:
    """Publish the lists, send all messages and purges, and report a purge that failed."""
    tools.freshness.catalogue.publish()
    tools.notifications.deliver_due()
    tools.cdn.wait()
    tools.notifications.wait()
    tools.counts.write()
    status = tools.cdn.status()
    if status and status.error:
        click.echo(f"The CDN could not purge {counted(status.waiting, 'URL')}: {status.error}.", err=True)


def _all(
    check: Callable[[Repository], Outcome | None], repositories: Iterable[Repository]
) -> Iterator[Outcome | None]:
    """Yield each outcome, or None if another process checks the image. After an interrupt, no further check begins."""
    waiting = iter(repositories)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        running = {pool.submit(check, repository) for repository in islice(waiting, _AT_ONCE)}
        while running:
            ended, running = wait(running, return_when=FIRST_COMPLETED)
            running |= {pool.submit(check, repository) for repository in islice(waiting, len(ended))}
            for future in ended:
                yield future.result()


@contextmanager
def _progress(count: int) -> Iterator[Callable[[Outcome | None], None]]:
    """Yield a function that shows an outcome: as a bar with the failures below on a terminal, else as a line."""
    if not sys.stdout.isatty():
        yield lambda outcome: click.echo(_line(outcome)) if outcome else None
        return
    failures: list[str] = []
    with click.progressbar(length=count, label="Refreshing", show_pos=True) as bar:

        def show(outcome: Outcome | None) -> None:
            bar.update(1)
            if outcome and outcome.error:
                failures.append(_line(outcome))

        yield show
    for failure in failures:
        click.echo(failure)


def _line(outcome: Outcome) -> str:
    result = f"failed: {outcome.error}" if outcome.error else f"{counted(outcome.tag_count, 'tag')}, {outcome.changes}"
    note = f" ({outcome.note})" if outcome.note else ""
    return f"{image_name(outcome.repository)}: {result}{note}"


def _state_line(repository: Repository, check: Check, now: datetime) -> str:
    state = check.reason or check.state(now)
    words = [image_name(repository), STATES.get(state, state), f"checked {_minute(check.ended_at, 'never')}"]
    words.append(f"next {_minute(check.due_at, 'now')}")
    if check.error:
        words.append(f"failing since {_minute(check.failing_since, 'now')}: {check.error}")
    elif check.note:
        words.append(check.note)
    return "  ".join(words)


def _minute(moment: datetime | None, otherwise: str) -> str:
    return f"{moment:%Y-%m-%dT%H:%MZ}" if moment else otherwise


def _report_problems(tools: Tools) -> None:
    for problem in tools.freshness.problems:
        click.echo(problem, err=True)
