"""Checks and stores subscriptions: which URLs get messages about an image.

Every function works within the transaction of its caller. Locks matter only in PostgreSQL, where other transactions can
write at the same time.
"""

import json
import re
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, bindparam, func, select

from microbadger.image import InvalidPatterns, InvalidReference, Repository, check_patterns, image_name, parse_kept
from microbadger.notifications.messages import FORMATS
from microbadger.notifications.receivers import Scope
from microbadger.notifications.signing import is_secret
from microbadger.site import ImagePaths
from microbadger.store import SUBSCRIPTIONS

DEFAULT_FORMAT = "microbadger"
MOST_SUBSCRIPTIONS = 1000
_NO_TAG = ("-",)  # a pattern that matches no tag
_MOST_AUTHORIZATION = 2048
_AUTHORIZATION = re.compile(rf"(?:[!-~](?:[ -~]{{0,{_MOST_AUTHORIZATION - 2}}}[!-~])?)?")


class InvalidSubscription(ValueError):
    """A subscription is invalid. The message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A URL that gets a message when tags of an image change. ``tags`` are patterns such as ``1.*``; empty means all.

    ``is_by_operator`` means that it was made at the command line and may name a private host. ``wants_rebuilt`` also
    asks for messages about tags whose version was only rebuilt, and ``wants_base_moved`` for messages about tags whose
    base image has moved. ``authorization_header`` is a secret that is sent to the receiver.
    """

    id: str
    image_name: str
    url: str
    secret: str = field(repr=False)
    tags: tuple[str, ...] = ()
    format: str = DEFAULT_FORMAT
    is_enabled: bool = True
    is_by_operator: bool = False
    wants_rebuilt: bool = False
    wants_base_moved: bool = False
    authorization_header: str = field(default="", repr=False)

    def scope(self, base_url: str) -> Scope:
        """Return the addresses to which messages may be sent."""
        return Scope.of(is_by_operator=self.is_by_operator, base_url=base_url)

    def page_url(self, base_url: str) -> str:
        """Return the URL of the image's page."""
        return f"{base_url}/{ImagePaths(self.image_name).page_url}"

    def check(self, base_url: str) -> None:
        """Raise InvalidReceiver or InvalidSubscription if a field other than the tag patterns is invalid."""
        self.scope(base_url).check(self.url)
        if self.format not in FORMATS:
            raise InvalidSubscription(f"{self.format!r} is not a format: use one of {', '.join(FORMATS)}.")
        if not _AUTHORIZATION.fullmatch(self.authorization_header):
            raise InvalidSubscription(
                f"An authorization must be one line of at most {_MOST_AUTHORIZATION} printable ASCII characters, such"
                " as Bearer followed by a token."
            )

    def check_patterns(self) -> None:
        """Raise InvalidSubscription if a tag pattern is invalid, or if the patterns can match no tag."""
        try:
            check_patterns(self.tags)
        except InvalidPatterns as error:
            raise InvalidSubscription(str(error)) from error


def read_all(connection: Connection) -> list[Subscription]:
    """Return every subscription, oldest first."""
    return [_subscription(row) for row in connection.execute(_ALL)]


def read(connection: Connection, subscription_id: str) -> Subscription | None:
    """Return the subscription with an id, or None."""
    row = connection.execute(_ONE, {"subscription": subscription_id}).one_or_none()
    return _subscription(row) if row else None


def lock(connection: Connection, subscription_id: str) -> Subscription | None:
    """Lock and return the subscription with an id, or None.

    Until this transaction ends, no other transaction can change the subscription or its messages.
    """
    row = connection.execute(_ONE_LOCKED, {"subscription": subscription_id}).one_or_none()
    return _subscription(row) if row else None


def lock_interested(connection: Connection, name: str) -> list[Subscription]:
    """Return the enabled subscriptions of an image, locked as by `lock`."""
    interested = map(_subscription, connection.execute(_INTERESTED, {"image": name}))
    return [subscription for subscription in interested if subscription.is_enabled]


def insert(connection: Connection, subscription: Subscription) -> None:
    """Add a subscription. Raises InvalidSubscription if there are too many."""
    if connection.execute(_COUNT).scalar_one() >= MOST_SUBSCRIPTIONS:
        raise InvalidSubscription(f"There are already {MOST_SUBSCRIPTIONS} notifications: remove one first.")
    connection.execute(SUBSCRIPTIONS.insert(), _row(subscription))


def update(connection: Connection, subscription: Subscription) -> None:
    """Write the fields of a subscription."""
    connection.execute(SUBSCRIPTIONS.update().where(SUBSCRIPTIONS.c.id == subscription.id).values(_row(subscription)))


def delete(connection: Connection, subscription_id: str) -> bool:
    """Delete a subscription. Return False if the id is unknown."""
    return connection.execute(_DELETE, {"subscription": subscription_id}).rowcount == 1


def _row(subscription: Subscription) -> dict[str, Any]:
    return {**asdict(subscription), "tags": json.dumps(subscription.tags)}


def _subscription(row: Any) -> Subscription:
    fields = row._asdict()
    del fields["number"]
    subscription = Subscription(**{**fields, "tags": _patterns(row.tags)})
    return subscription if _can_be_used(subscription) else replace(subscription, is_enabled=False)


def _can_be_used(subscription: Subscription) -> bool:
    """Return whether messages can be made and signed. If not, the stored row is damaged, and treated as disabled."""
    is_named = subscription.image_name == _name_in(subscription.image_name)
    return is_named and is_secret(subscription.secret) and subscription.format in FORMATS


def _name_in(text: str) -> str | None:
    try:
        return image_name(Repository.parse(text))
    except InvalidReference:
        return None


def _patterns(text: str) -> tuple[str, ...]:
    """Return stored tag patterns. Damaged ones become a pattern that matches no tag, as no pattern means all tags."""
    patterns = parse_kept(text, list[str])
    return _NO_TAG if patterns is None else tuple(patterns)


_ALL = select(SUBSCRIPTIONS).order_by(SUBSCRIPTIONS.c.number)
_COUNT = select(func.count()).select_from(SUBSCRIPTIONS)
_IS_THIS = SUBSCRIPTIONS.c.id == bindparam("subscription")
_ONE = select(SUBSCRIPTIONS).where(_IS_THIS)
_ONE_LOCKED = _ONE.with_for_update()
_INTERESTED = _ALL.where(SUBSCRIPTIONS.c.image_name == bindparam("image"), SUBSCRIPTIONS.c.is_enabled).with_for_update()
_DELETE = SUBSCRIPTIONS.delete().where(_IS_THIS)
