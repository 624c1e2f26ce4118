"""Keeps messages until they are delivered, and the last deliveries of each subscription.

Messages of a subscription are sent in the order of their numbers. A message that failed too often is *parked*: it stays
until an administrator has it sent again, or too many newer messages are parked. Every function works within the
transaction of its caller. Before calling a function that writes, the caller must lock the subscription with
`microbadger.notifications.subscriptions.lock`.
"""

import json
import random
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Literal, NotRequired, TypedDict

from sqlalchemy import ColumnElement, Connection, FromClause, Table, bindparam, func, select

from microbadger.image import format_time, parse_kept
from microbadger.store import DELIVERIES, END_OF_TIME, MESSAGES, SUBSCRIPTIONS

# The example schedule in https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
_DELAYS = (
    *(timedelta(seconds=5), timedelta(minutes=5), timedelta(minutes=30)),
    *(timedelta(hours=hours) for hours in (2, 5, 10, 14, 20, 24)),
)
_MOST_ATTEMPTS = len(_DELAYS) + 1
_JITTER = 0.1
_LONGEST_DELAY = timedelta(hours=48)  # a message that is due later was written when the clock was wrong
_MOST_WAITING = 100
_MOST_PARKED = 100
_MOST_DELIVERIES = 10

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})

State = Literal["waiting", "delivered", "parked", "failed"]


class DeliveryDocument(TypedDict):
    """The state of the delivery of one message: the fields of microbadger.com's ``History``, then our own."""

    WebhookURL: str
    Message: object
    Attempts: int
    StatusCode: int
    Response: str
    SentAt: str
    ID: str
    State: State
    Error: NotRequired[str]
    NextAttempt: NotRequired[str]


@dataclass(frozen=True, slots=True)
class Message:
    """A message to send. ``body`` is sent exactly as it is; a message that is not JSON has ``headers``."""

    id: str
    body: str
    attempts: int
    due_at: datetime
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Attempt:
    """The result of one attempt to send a message: the status and the start of the answer, or an error."""

    status: int = 0
    response: str = ""
    error: str = ""
    retry_after_seconds: float | None = None

    @property
    def has_arrived(self) -> bool:
        return 200 <= self.status < 300

    def document(self, message: Message, url: str, state: State, sent_at: datetime) -> DeliveryDocument:
        """Return the history entry of the message after this attempt."""
        delivery = DeliveryDocument(
            WebhookURL=url,
            Message=message.body if message.headers else parse_kept(message.body, object),
            Attempts=message.attempts,
            StatusCode=self.status,
            Response=self.response,
            SentAt=format_time(sent_at),
            ID=message.id,
            State=state,
        )
        if self.error:
            delivery["Error"] = self.error
        if state == "waiting":
            delivery["NextAttempt"] = format_time(message.due_at)
        return delivery


def new_id() -> str:
    """Return an id for a new message, which stays the same in every attempt. It contains no full stop."""
    return f"msg_{secrets.token_hex(16)}"


def put(
    connection: Connection, subscription_id: str, body: str, now: datetime, headers: Mapping[str, str] = _NO_HEADERS
) -> None:
    """Append a message. If too many messages wait, park the oldest; if too many are parked, remove the oldest."""
    row = {"id": new_id(), "subscription_id": subscription_id, "body": body, "attempts": 0, "is_parked": False}
    connection.execute(_PUT, {**row, "due_at": now.timestamp(), "headers": json.dumps(dict(headers))})
    connection.execute(_PARK_OLDEST, {"subscription": subscription_id})
    connection.execute(_DROP_OLDEST_PARKED, {"subscription": subscription_id})


def due(connection: Connection, now: datetime) -> list[str]:
    """Return the ids of the enabled subscriptions whose first message is due."""
    return [row.subscription_id for row in connection.execute(_FIRSTS) if _is_due(_time(row.due_at), now)]


def first_due(connection: Connection, subscription_id: str, now: datetime) -> Message | None:
    """Return the first message that waits for a subscription if it is due, else None."""
    row = connection.execute(_FIRST, {"subscription": subscription_id}).one_or_none()
    message = Message(row.id, row.body, row.attempts, _time(row.due_at), _headers(row.headers)) if row else None
    return message if message and _is_due(message.due_at, now) else None


def settle(
    connection: Connection, subscription_id: str, url: str, message: Message, attempt: Attempt, now: datetime
) -> State:
    """Record the result of an attempt, and return the new state of the message."""
    attempts = message.attempts + 1
    message = replace(message, attempts=attempts, due_at=now + _delay(attempts, attempt))
    state = _settle(connection, message, attempt)
    connection.execute(_DROP_OLDEST_PARKED, {"subscription": subscription_id})
    remember(connection, subscription_id, attempt.document(message, url, state, now))
    return state


def remember(connection: Connection, subscription_id: str, delivery: DeliveryDocument) -> None:
    """Put a delivery first in the history. It replaces the previous entry of the same message."""
    connection.execute(_FORGET_DELIVERY, {"subscription": subscription_id, "message": delivery["ID"]})
    row = {"subscription_id": subscription_id, "message_id": delivery["ID"], "document": json.dumps(delivery)}
    connection.execute(_REMEMBER, row)
    connection.execute(_DROP_OLDEST_DELIVERIES, {"subscription": subscription_id})


def resend(connection: Connection, subscription_id: str, now: datetime) -> int:
    """Make all messages due now, including the parked ones, in their old order. Return how many there are."""
    values = {"subscription": subscription_id, "now": now.timestamp()}
    waiting = connection.execute(_HASTEN, values).rowcount
    return waiting + connection.execute(_UNPARK, values).rowcount


def history(connection: Connection, subscription_id: str) -> list[DeliveryDocument]:
    """Return the last deliveries, latest first."""
    documents = connection.execute(_HISTORY, {"subscription": subscription_id}).scalars()
    return [document for text in documents if (document := parse_kept(text, DeliveryDocument))]


def lengths(connection: Connection, subscription_id: str) -> tuple[int, int]:
    """Return how many messages of a subscription wait, and how many are parked."""
    return _lengths(connection, _LENGTHS.where(MESSAGES.c.subscription_id == subscription_id))


def all_lengths(connection: Connection) -> tuple[int, int]:
    """Return how many messages of all subscriptions wait, and how many are parked."""
    return _lengths(connection, _LENGTHS)


def forget(connection: Connection, subscription_id: str) -> None:
    """Remove the messages and the history of a subscription."""
    for table in (MESSAGES, DELIVERIES):
        connection.execute(table.delete().where(table.c.subscription_id == subscription_id))


def _settle(connection: Connection, message: Message, attempt: Attempt) -> State:
    if attempt.has_arrived:
        connection.execute(_DROP, {"message": message.id})
        return "delivered"
    if message.attempts >= _MOST_ATTEMPTS:
        connection.execute(_PARK, {"message": message.id})
        return "parked"
    later = {"message": message.id, "tried": message.attempts, "later": message.due_at.timestamp()}
    # While this message was being sent, newer messages may have caused it to be parked or removed.
    return "waiting" if connection.execute(_POSTPONE, later).rowcount else "parked"


def _delay(attempts: int, attempt: Attempt) -> timedelta:
    own = _DELAYS[min(attempts, len(_DELAYS)) - 1] * random.uniform(1, 1 + _JITTER)
    return max(own, timedelta(seconds=attempt.retry_after_seconds or 0))


def _is_due(due_at: datetime, now: datetime) -> bool:
    return due_at <= now or due_at > now + _LONGEST_DELAY


def _time(seconds: float) -> datetime:
    """Return a stored time. A damaged one becomes a time in the past."""
    return datetime.fromtimestamp(seconds if 0 <= seconds < END_OF_TIME else 0, UTC)


def _headers(text: str) -> dict[str, str]:
    """Return stored headers, or none if they are damaged."""
    return parse_kept(text, dict[str, str]) or {}


def _lengths(connection: Connection, statement: Any) -> tuple[int, int]:
    found = {row.is_parked: row.length for row in connection.execute(statement)}
    return found.get(False, 0), found.get(True, 0)


Condition = Callable[[FromClause], ColumnElement[bool]]


def _is_beyond(most: int, table: Table, condition: Condition) -> ColumnElement[bool]:
    """Return the condition for all rows that meet ``condition``, except the ``most`` newest of them."""
    other = table.alias()
    numbers = select(other.c.number).where(condition(other)).order_by(other.c.number.desc())
    return condition(table) & (table.c.number <= numbers.limit(1).offset(most).scalar_subquery())


def _belongs(table: FromClause) -> ColumnElement[bool]:
    return table.c.subscription_id == bindparam("subscription")


def _waits(table: FromClause) -> ColumnElement[bool]:
    return _belongs(table) & ~table.c.is_parked


def _is_parked(table: FromClause) -> ColumnElement[bool]:
    return _belongs(table) & table.c.is_parked


_PUT = MESSAGES.insert()
_FIRST = select(MESSAGES).where(_waits(MESSAGES)).order_by(MESSAGES.c.number).limit(1)
_FIRST_NUMBERS = select(func.min(MESSAGES.c.number)).where(~MESSAGES.c.is_parked).group_by(MESSAGES.c.subscription_id)
_FIRSTS = (
    select(MESSAGES.c.subscription_id, MESSAGES.c.due_at)
    .join(SUBSCRIPTIONS, SUBSCRIPTIONS.c.id == MESSAGES.c.subscription_id)
    .where(MESSAGES.c.number.in_(_FIRST_NUMBERS), SUBSCRIPTIONS.c.is_enabled)
)
_IS_MESSAGE = MESSAGES.c.id == bindparam("message")
_DROP = MESSAGES.delete().where(_IS_MESSAGE)
_PARK = MESSAGES.update().where(_IS_MESSAGE).values(is_parked=True)
_POSTPONE = (
    MESSAGES.update()
    .where(_IS_MESSAGE, ~MESSAGES.c.is_parked)
    .values(attempts=bindparam("tried"), due_at=bindparam("later"))
)
_PARK_OLDEST = MESSAGES.update().where(_is_beyond(_MOST_WAITING, MESSAGES, _waits)).values(is_parked=True)
_DROP_OLDEST_PARKED = MESSAGES.delete().where(_is_beyond(_MOST_PARKED, MESSAGES, _is_parked))
_HASTEN = MESSAGES.update().where(_waits(MESSAGES)).values(due_at=bindparam("now"))
_UNPARK = MESSAGES.update().where(_is_parked(MESSAGES)).values(is_parked=False, attempts=0, due_at=bindparam("now"))
_LENGTHS = select(MESSAGES.c.is_parked, func.count().label("length")).group_by(MESSAGES.c.is_parked)
_REMEMBER = DELIVERIES.insert()
_FORGET_DELIVERY = DELIVERIES.delete().where(_belongs(DELIVERIES), DELIVERIES.c.message_id == bindparam("message"))
_DROP_OLDEST_DELIVERIES = DELIVERIES.delete().where(_is_beyond(_MOST_DELIVERIES, DELIVERIES, _belongs))
_HISTORY = select(DELIVERIES.c.document).where(_belongs(DELIVERIES)).order_by(DELIVERIES.c.number.desc())
