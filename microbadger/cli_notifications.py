"""The commands for subscriptions to the changes of an image."""

from collections.abc import Sequence

import click

from microbadger.cli_tools import counted, current_tools, name_without_tag, operation, require_tracked
from microbadger.image import Repository, image_name
from microbadger.notifications import DEFAULT_FORMAT, FORMATS, InvalidReceiver, InvalidSubscription, Subscription


@click.group()
def notifications() -> None:
    """Post to a URL when the tags of an image change."""


@notifications.command("list")
@operation
def list_notifications() -> None:
    """List the subscriptions and the number of messages waiting for each."""
    for subscription in current_tools().notifications.all():
        click.echo(_described(subscription))


@notifications.command("add")
@click.argument("repository", metavar="IMAGE", type=name_without_tag("write {name} and --tag {tag}"))
@click.argument("url")
@click.option(
    "--tag",
    "tags",
    multiple=True,
    metavar="PATTERN",
    help="Only tags that match, such as 1.*, or that do not match, such as !*-rc*; can be repeated.",
)
@click.option(
    "--format", "format_", type=click.Choice(list(FORMATS)), default=DEFAULT_FORMAT, show_default=True
)
@click.option("--rebuilt", is_flag=True, help="Also send a message when a version was rebuilt with the same layers.")
@click.option("--base-moved", is_flag=True, help="Also send a message when the tag of a base image has moved.")
@click.option(
    "--authorization", default="", help="The Authorization header to send, such as 'Bearer TOKEN'; kept secret."
)
@operation
def add_notification(
    repository: Repository,
    url: str,
    tags: Sequence[str],
    format_: str,
    rebuilt: bool,
    base_moved: bool,
    authorization: str,
) -> None:
    """Subscribe URL to the changes of IMAGE, and print the id and the signing secret, which is shown only once."""
    tools = current_tools()
    require_tracked(tools, [repository])
    wanted = {
        "tags": tuple(tags),
        "format": format_,
        "is_by_operator": True,
        "wants_rebuilt": rebuilt,
        "wants_base_moved": base_moved,
        "authorization_header": authorization,
    }
    try:
        subscription = tools.notifications.add(image_name(repository), url, **wanted)
    except InvalidReceiver as error:
        raise click.BadParameter(f"{url!r} cannot receive messages. {error}", param_hint="URL") from error
    except InvalidSubscription as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{subscription.id}\n{subscription.secret}")


@notifications.command("remove")
@click.argument("subscription_id", metavar="ID")
@operation
def remove_notification(subscription_id: str) -> None:
    """Remove a subscription."""
    current_tools().notifications.remove(_subscription(subscription_id).id)


@notifications.command("test")
@click.argument("subscription_id", metavar="ID")
@operation
def test_notification(subscription_id: str) -> None:
    """Send a test message to a subscriber and print the result."""
    attempt = current_tools().notifications.send_test(_subscription(subscription_id))
    if not attempt.has_arrived:
        reason = attempt.error or f"it answered with status {attempt.status}"
        raise click.ClickException(f"The test message did not arrive: {reason}.")
    click.echo(f"The receiver answered with status {attempt.status}.")


@notifications.command("resend")
@click.argument("subscription_id", metavar="ID")
@operation
def resend_notifications(subscription_id: str) -> None:
    """Send the parked messages of a subscription again, and its waiting messages at once."""
    tools = current_tools()
    count = tools.notifications.resend(_subscription(subscription_id).id)
    tools.notifications.deliver_due()
    tools.notifications.wait()
    click.echo(f"{counted(count, 'message')} retried: flask notifications list shows how many still wait.")


def _subscription(subscription_id: str) -> Subscription:
    subscription = current_tools().notifications.get(subscription_id)
    if subscription is None:
        raise click.ClickException(f"There is no subscription {subscription_id!r}: see flask notifications list.")
    return subscription


def _described(subscription: Subscription) -> str:
    words = [subscription.id, subscription.image_name, subscription.url, subscription.format, *subscription.tags]
    words += ["rebuilt"] if subscription.wants_rebuilt else []
    words += ["base-moved"] if subscription.wants_base_moved else []
    words += ["authorized"] if subscription.authorization_header else []
    if not subscription.is_enabled:
        words.append("disabled")
    status = current_tools().notifications.status(subscription.id)
    words += [f"{count} {what}" for count, what in ((status.waiting, "waiting"), (status.parked, "parked")) if count]
    return "  ".join(words)
