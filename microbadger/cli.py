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
from microbadger.freshness import (
    Catalogue,
    Checks,
    NotTracked,
    Outcome,
    Overview,
    Refresher,
    TrackedImage,
    TrackedImages,
    parse_image,
)
from microbadger.image import InvalidReference, Repository, image_name
from microbadger.notifications import (
    DEFAULT_FORMAT,
    Delivery,
    InvalidReceiver,
    InvalidSubscription,
    Notifications,
    Subscription,
)
from microbadger.notifications import FORMATS as MESSAGE_FORMATS
from microbadger.site import FORMATS, PublishError, badge_link
from microbadger.store import trouble_with

_AT_ONCE = 8
_EXTENSION = "microbadger"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What the commands work with."""

    tracked: TrackedImages
    checks: Checks
    overview: Overview
    refresher: Refresher
    catalogue: Catalogue
    notifications: Notifications
    delivery: Delivery
    purge: CdnPurge | None
    webhook_url: Callable[[Repository], str]
    hooks_url: str
    base_url: str
    folders: Sequence[Path]
    """Those that have to be writable: a failure to write one cannot be noted there."""
    differs_from: Path | None
    """The file that tells that a service uses this folder with other settings than these."""


def add_commands(app: Flask, tools: Tools) -> None:
    """Give an app the commands."""
    app.extensions[_EXTENSION] = tools
    for command in (refresh, track, untrack, images, webhook, badges, notifications):
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
    except OSError as error:
        if error.errno == errno.EPIPE:  # whoever reads the output has read enough
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
    look = tools.refresher.refresh if repositories else tools.refresher.refresh_if_due
    repositories = _tracked(tools, repositories) if repositories else tools.overview.due()
    failed = 0
    with _progress(len(repositories)) as show:
        for outcome in _all(look, repositories):
            show(outcome)
            failed += bool(outcome and outcome.error)
    with _publishing():
        tools.catalogue.publish()
    tools.delivery.deliver_due()
    _purge(tools)
    tools.delivery.wait()
    if failed:
        raise click.ClickException(f"{failed} of {len(repositories)} images could not be refreshed.")


def _purge(tools: Tools) -> None:
    """Have the CDN forget what changed, or say why it does not."""
    if tools.purge is None:
        return
    tools.purge.purge_due()
    tools.purge.wait()
    status = tools.purge.status()
    if status.error:
        click.echo(f"The CDN was not purged of {status.waiting} URLs: {status.error}.", err=True)


@click.command(cls=_Command)
@click.argument("images", metavar="IMAGE...", type=_TaggedImage(), nargs=-1, required=True)
@click.option("--private", is_flag=True, help="Publish them although only credentials can read them.")
@with_appcontext
def track(images: Sequence[TrackedImage], private: bool) -> None:
    """Keep images fresh from now on; NAME:TAG keeps that tag whatever the limit."""
    for image in images:
        added = _tools().tracked.track(TrackedImage(image.repository, image.kept_tags, private))
        click.echo(f"{image.repository.familiar}: {'tracked' if added else 'was tracked before'}")


@click.command(cls=_Command)
@click.argument("repositories", metavar="IMAGE...", type=_Image(), nargs=-1, required=True)
@with_appcontext
def untrack(repositories: Sequence[Repository]) -> None:
    """Stop tracking images and remove what is published of them."""
    tools = _tools_as_served()
    for repository in _tracked(tools, repositories):
        try:
            tools.tracked.untrack(repository)
        except NotTracked as error:
            raise click.ClickException(str(error)) from error
        with _publishing():
            tools.refresher.remove(repository)
        click.echo(f"{repository.familiar}: no longer tracked")
    with _publishing():
        tools.catalogue.publish()


@click.command(cls=_Command)
@with_appcontext
def images() -> None:
    """List the tracked images: when each was read, when it is next, and what is wrong."""
    tools = _tools()
    _report_problems(tools)
    for folder in tools.folders:
        if trouble := trouble_with(folder):
            click.echo(f"The folder {folder} cannot be written: {trouble}.", err=True)
    for image in tools.tracked:
        check = tools.checks.get(image.repository)
        times = f"checked {_minute(check.succeeded_at)}  next {_minute(check.due_at)}"
        click.echo(f"{image.repository.familiar}  {times}{'  ' + check.error if check.error else ''}")


@click.command(cls=_Command)
@click.argument("repository", metavar="[IMAGE]", type=_Image(), required=False)
@with_appcontext
def webhook(repository: Repository | None) -> None:
    """Print the webhook URL of an image, or without one the URL that serves all images."""
    tools = _tools_as_served()
    if repository is None:
        click.echo(tools.hooks_url)
        return
    for tracked in _tracked(tools, [repository]):
        click.echo(tools.webhook_url(tracked))


@click.command(cls=_Command)
@click.argument("repository", metavar="IMAGE", type=_Image())
@click.option("--format", "format_", type=click.Choice(list(FORMATS)), default="markdown", show_default=True)
@click.option("--tag", help="The badges of this tag instead of the current version.")
@with_appcontext
def badges(repository: Repository, format_: str, tag: str | None) -> None:
    """Print the markup of every badge of an image."""
    for badge_type in BADGE_TYPES:
        click.echo(FORMATS[format_](badge_link(_tools().base_url, repository, badge_type, tag)))


@click.group(cls=_Group)
def notifications() -> None:
    """Tell a URL when the tags of an image change."""


@notifications.command("list")
@with_appcontext
def list_notifications() -> None:
    """List the subscriptions, and what is wrong with them."""
    for subscription in _tools().notifications.all():
        click.echo(_told(subscription))
    for problem in _tools().notifications.problems:
        click.echo(problem, err=True)


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
        raise click.BadParameter(f"{url!r} is no URL to post to. {error}", param_hint="URL") from error
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
    """Send a test message to a subscriber and tell what came of it."""
    attempt = _tools().delivery.test(_subscription(subscription_id))
    if not attempt.has_arrived:
        reason = attempt.error or f"it answered with status {attempt.status}"
        raise click.ClickException(f"The test message did not arrive: {reason}.")
    click.echo(f"The receiver answered with status {attempt.status}.")


@notifications.command("resend")
@click.argument("subscription_id", metavar="ID")
@with_appcontext
def resend_notifications(subscription_id: str) -> None:
    """Send the messages of a subscription again that were given up after five attempts."""
    tools = _tools()
    count = tools.notifications.resend(_subscription(subscription_id).id)
    tools.delivery.deliver_due()
    tools.delivery.wait()
    click.echo(f"{count} messages wait again: flask notifications list tells how they fare.")


def _subscription(subscription_id: str) -> Subscription:
    subscription = _tools().notifications.get(subscription_id)
    if subscription is None:
        raise click.ClickException(f"There is no subscription {subscription_id!r}: see flask notifications list.")
    return subscription


def _told(subscription: Subscription) -> str:
    outbox = _tools().notifications.outbox
    told = [subscription.id, subscription.image_name, subscription.url, subscription.format, *subscription.tags]
    if not subscription.enabled:
        told.append("disabled")
    for count, what in ((outbox.waiting(subscription.id), "waiting"), (outbox.parked(subscription.id), "given up")):
        if count:
            told.append(f"{count} {what}")
    return "  ".join(told)


def _tools() -> Tools:
    tools: Tools = current_app.extensions[_EXTENSION]
    return tools


def _tools_as_served() -> Tools:
    """Return the tools, unless they would publish what the service that uses this folder would not."""
    tools = _tools()
    if tools.differs_from:
        raise click.ClickException(
            "The service that uses this data folder runs with other settings (MICROBADGER_BASE_URL, _HOOK_URL, _SECRET,"
            " _ADMIN_TOKEN or _IMAGES): run this with the same environment. If there is no such service any more,"
            f" remove {tools.differs_from}."
        )
    return tools


def _tracked(tools: Tools, repositories: Iterable[Repository]) -> list[Repository]:
    for repository in repositories:
        if not tools.tracked.get(repository):
            raise click.ClickException(
                f"{repository.familiar} is not tracked: add it with flask track {repository.familiar}."
            )
    return list(repositories)


def _all(
    look: Callable[[Repository], Outcome | None], repositories: Iterable[Repository]
) -> Iterator[Outcome | None]:
    """Yield how each look went, None where another process is at it; when interrupted, begin no other."""
    waiting = iter(repositories)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        running = {pool.submit(look, repository) for repository in islice(waiting, _AT_ONCE)}
        while running:
            ended, running = wait(running, return_when=FIRST_COMPLETED)
            running |= {pool.submit(look, repository) for repository in islice(waiting, len(ended))}
            for future in ended:
                yield future.result()


@contextmanager
def _publishing() -> Iterator[None]:
    try:
        yield
    except PublishError as error:
        raise click.ClickException(f"{error}.") from error


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
    told = f"failed: {outcome.error}" if outcome.error else f"{outcome.tag_count} tags, {outcome.changes}"
    return f"{outcome.repository.familiar}: {told}"


def _minute(moment: datetime | None) -> str:
    return moment.strftime("%Y-%m-%d %H:%M") if moment else "never"


def _report_problems(tools: Tools) -> None:
    for problem in tools.tracked.problems:
        click.echo(problem, err=True)
