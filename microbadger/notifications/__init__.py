"""Sends messages about changes to subscribers, in order and with retries."""

from microbadger.notifications.messages import FORMATS
from microbadger.notifications.notifications import DeliveryStatus, Notifications
from microbadger.notifications.receivers import InvalidReceiver
from microbadger.notifications.sender import Sender
from microbadger.notifications.subscriptions import (
    DEFAULT_FORMAT,
    MOST_SUBSCRIPTIONS,
    InvalidSubscription,
    Subscription,
)

__all__ = [
    "DEFAULT_FORMAT",
    "FORMATS",
    "MOST_SUBSCRIPTIONS",
    "DeliveryStatus",
    "InvalidReceiver",
    "InvalidSubscription",
    "Notifications",
    "Sender",
    "Subscription",
]
