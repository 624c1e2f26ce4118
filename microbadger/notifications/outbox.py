"""Keeps messages on disk until their receiver has them, and remembers how the last deliveries went.

A message is one file in its subscription's folder in ``waiting``, named after its place in the line and its id: a
listing tells what there is to do, and an announcement that is repeated is recognised. One that failed too often moves
to ``parked``, where it stays until it is sent again or newer ones push it out. Whoever changes something here holds the
lock of `microbadger.notifications.subscriptions`; files are replaced whole, so reading needs none.
"""

import json
import random
import shutil
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal, NotRequired, TypedDict, cast

from microbadger.image import format_time
from microbadger.store import read_if_any, remove_file, replace_file, set_aside

# The first delays of the schedule that the Standard Webhooks specification gives as an example.
_DELAYS = (timedelta(seconds=5), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2))
_MOST_ATTEMPTS = len(_DELAYS) + 1
_JITTER = 0.1
_LONGEST_DELAY = timedelta(hours=12)  # no message is due later than this, whatever a clock said when it was noted
_MOST_WAITING = 100
_MOST_PARKED = 100
_MOST_REMEMBERED = 10

State = Literal["waiting", "delivered", "parked", "failed"]


class DeliveryDocument(TypedDict):
    """How the sending of one message stands: the fields of the old service's ``History``, and ours after those."""

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
    """A message on its way; ``body`` is what is sent, to the byte."""

    id: str
    body: str
    attempts: int
    due_at: datetime

    def is_due(self, now: datetime) -> bool:
        """Tell whether the time for the next attempt has come."""
        return self.due_at <= now or self.due_at > now + _LONGEST_DELAY


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of sending a message once: a status and the begin of the answer, or why there was none."""

    status: int = 0
    response: str = ""
    error: str = ""
    retry_after_seconds: float | None = None

    @property
    def has_arrived(self) -> bool:
        return 200 <= self.status < 300

    def document(self, message: Message, url: str, state: State, sent_at: datetime) -> DeliveryDocument:
        """Return what is remembered of a message after this attempt."""
        delivery = DeliveryDocument(
            WebhookURL=url,
            Message=json.loads(message.body),
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


class Outbox:
    """The messages of all subscriptions, below one folder."""

    def __init__(self, folder: Path) -> None:
        self._waiting = folder / "waiting"
        self._parked = folder / "parked"
        self._history = folder / "history"

    def put(self, subscription_id: str, message: Message) -> bool:
        """Append a message to the line; False where it stands there, is parked or was delivered lately."""
        line = self._waiting / subscription_id
        names = _names(line) + _names(self._parked / subscription_id)
        if message.id in {*map(_id_in, names), *(delivery["ID"] for delivery in self.history(subscription_id))}:
            return False
        place = 1 + max(map(_place_in, names), default=0)
        _write(line / f"{place:010}.{message.id}", message)
        for name in _names(line)[:-_MOST_WAITING]:
            self._park(subscription_id, name)
        return True

    def lines(self) -> set[str]:
        """Return the ids of the subscriptions for which messages wait."""
        return set(_names(self._waiting))

    def lengths(self) -> dict[str, int]:
        """Return how many messages wait and how many were given up, over all subscriptions."""
        folders = {"waiting": self._waiting, "parked": self._parked}
        return {
            state: sum(len(_names(folder / subscription_id)) for subscription_id in _names(folder))
            for state, folder in folders.items()
        }

    def waiting(self, subscription_id: str) -> int:
        """Return how many messages wait for a subscription."""
        return len(_names(self._waiting / subscription_id))

    def parked(self, subscription_id: str) -> int:
        """Return how many messages of a subscription were given up."""
        return len(_names(self._parked / subscription_id))

    def first(self, subscription_id: str) -> Message | None:
        """Return the message that is to be sent next, or None."""
        line = self._waiting / subscription_id
        return next(filter(None, (_read_or_set_aside(line / name) for name in _names(line))), None)

    def history(self, subscription_id: str) -> list[DeliveryDocument]:
        """Return how the last deliveries went, the latest one first; none where that was damaged."""
        return _parse_history(read_if_any(self._history_file(subscription_id))) or []

    def settle(self, subscription_id: str, url: str, message: Message, attempt: Attempt, now: datetime) -> State:
        """Note what came of an attempt; take the message out of the line if it arrived or this was the last one."""
        attempts = message.attempts + 1
        message = replace(message, attempts=attempts, due_at=now + _delay(attempts, attempt))
        state: State = "delivered" if attempt.has_arrived else "waiting" if attempts < _MOST_ATTEMPTS else "parked"
        # Before the line is changed, so that a message whose sender dies here is known to have arrived.
        self.remember(subscription_id, attempt.document(message, url, state, now))
        for name in self._names_of(subscription_id, message):
            if state == "delivered":
                self._drop(subscription_id, name)
                continue
            _write(self._waiting / subscription_id / name, message)
            if state == "parked":
                self._park(subscription_id, name)
        return state

    def remember(self, subscription_id: str, delivery: DeliveryDocument) -> None:
        """Put a delivery at the head of the history, instead of what was remembered of the same message."""
        file = self._history_file(subscription_id)
        if _parse_history(read_if_any(file)) is None:
            set_aside(file)
        others = [other for other in self.history(subscription_id) if other["ID"] != delivery["ID"]]
        replace_file(file, json.dumps([delivery, *others][:_MOST_REMEMBERED]).encode())

    def drop_if_delivered(self, subscription_id: str, message: Message) -> bool:
        """Take a message out of the line if it arrived before the process that sent it could do so."""
        arrived = {delivery["ID"] for delivery in self.history(subscription_id) if delivery["State"] == "delivered"}
        if message.id not in arrived:
            return False
        for name in self._names_of(subscription_id, message):
            self._drop(subscription_id, name)
        return True

    def unpark(self, subscription_id: str, now: datetime) -> int:
        """Put what is parked back into the line, each at its old place; return how many messages that were."""
        folder = self._parked / subscription_id
        names = _names(folder)
        for name in names:
            if message := _read_or_set_aside(folder / name):
                _write(self._waiting / subscription_id / name, replace(message, attempts=0, due_at=now))
            remove_file(folder / name, self._parked)
        return len(names)

    def forget(self, subscription_id: str) -> None:
        """Remove everything of a subscription."""
        for folder in (self._waiting, self._parked):
            shutil.rmtree(folder / subscription_id, ignore_errors=True)
        self._history_file(subscription_id).unlink(missing_ok=True)

    def _names_of(self, subscription_id: str, message: Message) -> list[str]:
        return [name for name in _names(self._waiting / subscription_id) if _id_in(name) == message.id]

    def _drop(self, subscription_id: str, name: str) -> None:
        remove_file(self._waiting / subscription_id / name, self._waiting)

    def _park(self, subscription_id: str, name: str) -> None:
        folder = self._parked / subscription_id
        if content := read_if_any(self._waiting / subscription_id / name):
            replace_file(folder / name, content)
        self._drop(subscription_id, name)
        for old in _names(folder)[:-_MOST_PARKED]:
            remove_file(folder / old, self._parked)

    def _history_file(self, subscription_id: str) -> Path:
        return self._history / f"{subscription_id}.json"


def _delay(attempts: int, attempt: Attempt) -> timedelta:
    own = _DELAYS[min(attempts, len(_DELAYS)) - 1] * random.uniform(1, 1 + _JITTER)
    return max(own, timedelta(seconds=attempt.retry_after_seconds or 0))


def _names(folder: Path) -> list[str]:
    """Return what stands in a folder, in its order; not what is about to become something, or was set aside."""
    with suppress(FileNotFoundError):
        names = (path.name for path in folder.iterdir())
        return sorted(name for name in names if not name.startswith(".") and ".damaged-" not in name)
    return []


def _place_in(name: str) -> int:
    return int(name.partition(".")[0])


def _id_in(name: str) -> str:
    return name.partition(".")[2]


def _parse_history(content: bytes | None) -> list[DeliveryDocument] | None:
    fields = DeliveryDocument.__required_keys__
    try:
        document = [] if content is None else json.loads(content)
    except (ValueError, RecursionError):
        return None
    is_whole = isinstance(document, list) and all(isinstance(one, dict) and fields <= one.keys() for one in document)
    return cast(list[DeliveryDocument], document) if is_whole else None


def _read_or_set_aside(file: Path) -> Message | None:
    """Return the message in a file; None where it went away meanwhile, or was damaged."""
    content = read_if_any(file)
    if content is None:
        return None
    try:
        fields = json.loads(content)
        due_at = datetime.fromisoformat(fields["due_at"])
        return Message(_id_in(file.name), fields["body"], fields["attempts"], due_at)
    except (ValueError, KeyError, TypeError, RecursionError):
        set_aside(file)
        return None


def _write(file: Path, message: Message) -> None:
    fields = {"body": message.body, "attempts": message.attempts, "due_at": message.due_at.isoformat()}
    replace_file(file, json.dumps(fields).encode(), is_durable=True)
