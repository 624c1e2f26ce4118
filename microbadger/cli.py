"""The operator's commands: what is tracked, a refresh now, where webhooks and badges are."""

import errno
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import click
from flask import Flask, current_app
from flask.cli import with_appcontext

from microbadger.badges import BADGE_TYPES
from microbadger.cdn import CdnPurge
from microbadger.freshness import Check, Freshness, NotTracked, Outcome, TrackedImage, parse_image
from microbadger.image import InvalidReference, Repository, image_name
from microbadger.logs import EventLog
from microbadger.notifications import (
    DEFAULT_FORMAT,
    InvalidReceiver,
    InvalidSubscription,
    Notifications,
    Subscription,
)
from microbadger.notifications import FORMATS as MESSAGE_FORMATS
from microbadger.site import FORMATS, STATES, PublishError, SiteOptions, badge_link
from microbadger.store import Counts, Database, StoreError, read_value, trouble_with, write_value
from microbadger.webhooks import WebhookUrls

log = EventLog(__name__)

_AT_ONCE = 8
_EXTENSION = "microbadger"
_SETTINGS_IN_USE = "settings_in_use"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What the commands work with."""

    database: Database
    freshness: Freshness
    notifications: Notifications
    cdn: CdnPurge
    counts: Counts
    webhooks: WebhookUrls
    options: SiteOptions
    folders: Sequence[Path]
    """Those that have to be writable."""
    settings_digest: str
    """What tells these settings from others that would publish other files."""

    def say_settings(self) -> None:
        """Keep in the database which settings the service runs with, so that a command with others can tell."""
        with self.database.write() as connection:
            write_value(connection, _SETTINGS_IN_USE, self.settings_digest)

    @property
    def is_served_otherwise(self) -> bool:
        """Whether a service uses this database with settings by which it publishes other files."""
        with self.database.read() as connection:
            return read_value(connection, _SETTINGS_IN_USE) not in (None, self.settings_digest)


def add_commands(app: Flask, tools: Tools) -> None:
    """Give an app the commands."""
    app.extensions[_EXTENSION] = tools
    for command in (refresh, publish, track, untrack, images, webhook, badges, notifications):
        app.cli.add_command(command)


class _Command(click.Command):
    """A command that says in one sentence what this machine cannot do, as on a full disk."""

    def invoke(self, ctx: click.Context) -> Any:
        with _on_a_machine_that_may_fail():
            return super().invoke(ctx)


class _Group(click.Group):
    """Commands of which each does the same."""

    def invoke(self, ctx: click.Context) -> Any:
        with _on_a_machine_that_may_fail():
            return super().invoke(ctx)


@contextmanager
def _on_a_machine_that_may_fail() -> Iterator[None]:
    try:
        yield
    except StoreError as error:
        raise click.ClickException(str(error)) from error
    except PublishError as error:
        raise click.ClickException(f"{error}.") from error
    except OSError as error:
        if error.errno == errno.EPIPE:  # the reader of the output has read enough
            raise
        where = f": {error.filename}" if error.filename else ""
        raise click.ClickException(f"This cannot be done now: {error.strerror or error}{where}.") from error


class _Image(click.ParamType[Repository]):
    name = "image"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Repository:
        try:
            return Repository.parse(str(value))
        except InvalidReference as error:
            self.fail(str(error), param, ctx)


class _TaggedImage(click.ParamType[TrackedImage]):
    name = "image"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> TrackedImage:
        try:
            return parse_image(str(value))
        except InvalidReference as error:
            self.fail(str(error), param, ctx)


@click.command(cls=_Command)
@click.argument("repositories", metavar="[IMAGE]...", type=_Image(), nargs=-1)
@with_appcontext
def refresh(repositories: Sequence[Repository]) -> None:
    """Refresh the named images now, or all that are due."""
    tools = _tools_as_served()
    _report_problems(tools)
    freshness = tools.freshness
    freshness.upkeep.follow_tracked()
    check = freshness.refresher.refresh if repositories else freshness.refresher.refresh_if_due
    wanted = _tracked(tools, repositories) if repositories else freshness.checks.due()
    failed = _refresh(check, wanted)
    freshness.catalogue.publish()
    _finish(tools)
    if failed:
        raise click.ClickException(f"{failed} of {len(wanted)} images could not be refreshed.")


@click.command(cls=_Command)
@with_appcontext
def publish() -> None:
    """Make all public files again from the database, without asking a registry."""
    tools = _tools_as_served()
    freshness = tools.freshness
    repositories = freshness.records.repositories()
    written = 0
    for repository in repositories:
        paths = freshness.refresher.publish_again(repository)
        tools.cdn.add(paths)
        written += len(paths)
    freshness.catalogue.publish()
    _finish(tools)
    click.echo(f"{len(repositories)} images: {written} files were missing or out of date")


@click.command(cls=_Command)
@click.argument("images", metavar="IMAGE...", type=_TaggedImage(), nargs=-1, required=True)
@click.option("--private", is_flag=True, help="Publish them although only credentials can read them.")
@click.option("--no-wait", is_flag=True, help="Leave the first check to the service.")
@with_appcontext
def track(images: Sequence[TrackedImage], private: bool, no_wait: bool) -> None:
    """Keep images fresh from now on; NAME:TAG keeps that tag whatever the limit."""
    tools = _tools_as_served() if not no_wait else _tools()
    freshness = tools.freshness
    failed = 0
    for image in images:
        added = freshness.tracked.track(TrackedImage(image.repository, image.kept_tags, private))
        freshness.checks.add([image.repository])
        click.echo(f"{image.repository.familiar}: {'tracked' if added else 'was tracked before'}")
    if no_wait:
        return
    failed = _refresh(freshness.refresher.refresh, list(dict.fromkeys(image.repository for image in images)))
    freshness.catalogue.publish()
    _finish(tools)
    if failed:
        raise click.ClickException(f"{failed} of {len(images)} images could not be read; they stay tracked.")


@click.command(cls=_Command)
@click.argument("repositories", metavar="IMAGE...", type=_Image(), nargs=-1, required=True)
@with_appcontext
def untrack(repositories: Sequence[Repository]) -> None:
    """Stop tracking images and remove what is published of them."""
    tools = _tools_as_served()
    for repository in _tracked(tools, repositories):
        try:
            tools.freshness.untrack(repository)
        except NotTracked as error:
            raise click.ClickException(str(error)) from error
        click.echo(f"{repository.familiar}: no longer tracked")
    tools.freshness.catalogue.publish()
    _finish(tools)


@click.command(cls=_Command)
@with_appcontext
def images() -> None:
    """List the tracked images: their state, when each was read and when it is next, and what is wrong."""
    tools = _tools()
    _report_problems(tools)
    for folder in tools.folders:
        if trouble := trouble_with(folder):
            click.echo(f"The folder {folder} cannot be written: {trouble}.", err=True)
    checks = dict(tools.freshness.checks.all())
    for image in tools.freshness.tracked:
        check = checks.get(image.repository, Check())
        times = f"checked {_minute(check.succeeded_at)}  next {_minute(check.due_at)}"
        state = check.state(tools.freshness.now())
        line = f"{image.repository.familiar}  {STATES.get(check.reason or state, state)}  {times}"
        click.echo(f"{line}{'  ' + check.error if check.error else ''}")


@click.command(cls=_Command)
@click.argument("repository", metavar="[IMAGE]", type=_Image(), required=False)
@with_appcontext
def webhook(repository: Repository | None) -> None:
    """Print the webhook URL of an image, or without one the URL that serves all images."""
    tools = _tools_as_served()
    if repository is None:
        click.echo(tools.webhooks.for_all_images)
        return
    for tracked in _tracked(tools, [repository]):
        click.echo(tools.webhooks.of(tracked))


@click.command(cls=_Command)
@click.argument("repository", metavar="IMAGE", type=_Image())
@click.option("--format", "format_", type=click.Choice(list(FORMATS)), default="markdown", show_default=True)
@click.option("--tag", help="The badges of this tag instead of the current version.")
@with_appcontext
def badges(repository: Repository, format_: str, tag: str | None) -> None:
    """Print the markup of every badge of an image."""
    for badge_type in BADGE_TYPES:
        click.echo(FORMATS[format_](badge_link(_tools().options.base_url, repository, badge_type, tag)))


@click.group(cls=_Group)
def notifications() -> None:
    """Tell a URL when the tags of an image change."""


@notifications.command("list")
@with_appcontext
def list_notifications() -> None:
    """List the subscriptions, and how many messages wait for each."""
    for subscription in _tools().notifications.all():
        click.echo(_described(subscription))


@notifications.command("add")
@click.argument("repository", metavar="IMAGE", type=_Image())
@click.argument("url")
@click.option("--tag", "tags", multiple=True, metavar="PATTERN", help="Only of these tags, such as 1.*; repeatable.")
@click.option(
    "--format", "format_", type=click.Choice(list(MESSAGE_FORMATS)), default=DEFAULT_FORMAT, show_default=True
)
@with_appcontext
def add_notification(repository: Repository, url: str, tags: Sequence[str], format_: str) -> None:
    """Subscribe URL to the changes of IMAGE; prints the id and, only here, the secret that messages are signed with."""
    tools = _tools()
    _tracked(tools, [repository])
    wanted = {"tags": tuple(tags), "format": format_, "is_by_operator": True}
    try:
        subscription = tools.notifications.add(image_name(repository), url, **wanted)
    except InvalidReceiver as error:
        raise click.BadParameter(f"{url!r} is not a URL to post to. {error}", param_hint="URL") from error
    except InvalidSubscription as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{subscription.id}\n{subscription.secret}")


@notifications.command("remove")
@click.argument("subscription_id", metavar="ID")
@with_appcontext
def remove_notification(subscription_id: str) -> None:
    """End a subscription."""
    _tools().notifications.remove(_subscription(subscription_id).id)


@notifications.command("test")
@click.argument("subscription_id", metavar="ID")
@with_appcontext
def test_notification(subscription_id: str) -> None:
    """Send a test message to a subscriber and print the result."""
    attempt = _tools().notifications.send_test(_subscription(subscription_id))
    if not attempt.has_arrived:
        reason = attempt.error or f"it answered with status {attempt.status}"
        raise click.ClickException(f"The test message did not arrive: {reason}.")
    click.echo(f"The receiver answered with status {attempt.status}.")


@notifications.command("resend")
@click.argument("subscription_id", metavar="ID")
@with_appcontext
def resend_notifications(subscription_id: str) -> None:
    """Send the messages of a subscription again that were parked after five attempts."""
    tools = _tools()
    count = tools.notifications.resend(_subscription(subscription_id).id)
    tools.notifications.deliver_due()
    tools.notifications.wait()
    click.echo(f"{count} messages wait again: flask notifications list shows what became of them.")


def _subscription(subscription_id: str) -> Subscription:
    subscription = _tools().notifications.get(subscription_id)
    if subscription is None:
        raise click.ClickException(f"There is no subscription {subscription_id!r}: see flask notifications list.")
    return subscription


def _described(subscription: Subscription) -> str:
    words = [subscription.id, subscription.image_name, subscription.url, subscription.format, *subscription.tags]
    if not subscription.is_enabled:
        words.append("disabled")
    status = _tools().notifications.status(subscription.id)
    words += [f"{count} {what}" for count, what in ((status.waiting, "waiting"), (status.parked, "parked")) if count]
    return "  ".join(words)


def _tools() -> Tools:
    tools: Tools = current_app.extensions[_EXTENSION]
    return tools


def _tools_as_served() -> Tools:
    """Return the tools, unless they would publish what the service that uses this folder would not."""
    tools = _tools()
    if tools.is_served_otherwise:
        raise click.ClickException(
            "The service that uses this database runs with other settings (MICROBADGER_BASE_URL, _HOOK_URL, _SECRET,"
            " _ADMIN_TOKEN, _STATIC or _IMAGES): run this with the same environment."
        )
    return tools


def _tracked(tools: Tools, repositories: Iterable[Repository]) -> list[Repository]:
    for repository in repositories:
        if not tools.freshness.tracked.get(repository):
            raise click.ClickException(
                f"{repository.familiar} is not tracked: add it with flask track {repository.familiar}."
            )
    return list(repositories)


def _refresh(check: Callable[[Repository], Outcome | None], repositories: Sequence[Repository]) -> int:
    """Check images, show how each check went, and return how many failed."""
    failed = 0
    with _progress(len(repositories)) as show:
        for outcome in _all(check, repositories):
            show(outcome)
            failed += bool(outcome and outcome.error)
    return failed


def _finish(tools: Tools) -> None:
    """Send what is to leave the service, and say what a CDN did not take."""
    tools.notifications.deliver_due()
    tools.cdn.wait()
    tools.notifications.wait()
    tools.counts.write()
    status = tools.cdn.status()
    if status and status.error:
        click.echo(f"The CDN was not purged of {status.waiting} URLs: {status.error}.", err=True)


def _all(
    check: Callable[[Repository], Outcome | None], repositories: Iterable[Repository]
) -> Iterator[Outcome | None]:
    """Yield how each check went, None where another process is at it; when interrupted, begin no other."""
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
    """Show how far a refresh is: a bar on a terminal with the failures below, else a line an image."""
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
    result = f"failed: {outcome.error}" if outcome.error else f"{outcome.tag_count} tags, {outcome.changes}"
    return f"{outcome.repository.familiar}: {result}"


def _minute(moment: datetime | None) -> str:
    return moment.strftime("%Y-%m-%d %H:%M") if moment else "never"


def _report_problems(tools: Tools) -> None:
    for problem in tools.freshness.problems:
        click.echo(problem, err=True)
