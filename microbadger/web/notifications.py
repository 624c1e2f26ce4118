"""Routes for change notifications, with the fields and status codes of microbadger.com."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, request
from werkzeug.exceptions import HTTPException, NotFound, UnprocessableEntity

from microbadger.freshness import TrackedImages
from microbadger.image import InvalidReference, Repository, image_name, parse_object
from microbadger.logs import EventLog
from microbadger.notifications import (
    MOST_SUBSCRIPTIONS,
    DeliveryStatus,
    InvalidReceiver,
    InvalidSubscription,
    Notifications,
    Subscription,
)
from microbadger.site import JSON
from microbadger.web.admin import Admins
from microbadger.web.answers import NOT_KEPT, answer, document_answer, error_answer

log = EventLog(__name__)

_MAX_BODY_BYTES = 64 * 1024
_FIELDS: dict[str, tuple[str, type]] = {
    "ImageName": ("image_name", str),
    "WebhookURL": ("url", str),
    "Tags": ("tags", list),
    "Format": ("format", str),
    "Enabled": ("is_enabled", bool),
    "Rebuilt": ("wants_rebuilt", bool),
    "BaseMoved": ("wants_base_moved", bool),
    "Authorization": ("authorization_header", str),
}
_KINDS = {str: "a string", list: "a list of strings", bool: "true or false"}


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationRoutes:
    """The routes below ``/v1/notifications``."""

    notifications: Notifications
    tracked: TrackedImages
    admins: Admins

    def blueprint(self) -> Blueprint:
        """Return the routes, ready to be registered with an app."""
        routes = Blueprint("notifications", __name__, url_prefix="/v1/notifications")
        for rule, method, view in (
            ("/", "GET", self.list_all),
            ("/", "POST", self.create),
            ("/<subscription_id>", "GET", self.show),
            ("/<subscription_id>", "PUT", self.change),
            ("/<subscription_id>", "DELETE", self.remove),
            ("/<subscription_id>/trigger", "POST", self.trigger),
            ("/<subscription_id>/resend", "POST", self.resend),
        ):
            routes.add_url_rule(rule, view_func=view, methods=[method], strict_slashes=False)
        routes.before_request(self.admins.require)
        routes.register_error_handler(HTTPException, error_answer)
        routes.register_error_handler(InvalidReceiver, _invalid_receiver)
        routes.register_error_handler(InvalidSubscription, _invalid_subscription)
        return routes

    def list_all(self) -> Response:
        """Answer with all notifications and the result of their last delivery, without the message itself."""
        entries = []
        for subscription in self.notifications.all():
            status = self.notifications.status(subscription.id)
            last = {key: value for delivery in status.history[:1] for key, value in delivery.items() if key in _LISTED}
            entries.append({**self._document(subscription, status), **last})
        counts = {"NotificationCount": len(entries), "NotificationLimit": MOST_SUBSCRIPTIONS}
        return document_answer({**counts, "Notifications": entries})

    def create(self) -> Response:
        """Subscribe a URL to an image. Only this answer has the secret that signs the messages."""
        fields = self._fields()
        for name in ("ImageName", "WebhookURL"):
            if _FIELDS[name][0] not in fields:
                raise UnprocessableEntity(f"{name} is missing.")
        subscription = self.notifications.add(**fields)
        log.info("subscribed", **_named(subscription))
        document = self._document(subscription, self.notifications.status(subscription.id))
        return document_answer({**document, "Secret": subscription.secret, "History": []})

    def show(self, subscription_id: str) -> Response:
        """Answer with a notification and its last deliveries."""
        return self._shown(self._get(subscription_id))

    def change(self, subscription_id: str) -> Response:
        """Change the fields in the body."""
        self._get(subscription_id)
        changed = self.notifications.change(subscription_id, **self._fields())
        if changed:
            log.info("subscription_changed", **_named(changed), enabled=changed.is_enabled)
        return self._shown(changed)

    def remove(self, subscription_id: str) -> Response:
        """Delete a notification."""
        if not self.notifications.remove(subscription_id):
            raise _not_found(subscription_id)
        log.info("unsubscribed", id=subscription_id)
        return _done()

    def trigger(self, subscription_id: str) -> Response:
        """Send a test message; the history shows the result."""
        self.notifications.send_test(self._get(subscription_id))
        return _done()

    def resend(self, subscription_id: str) -> Response:
        """Send the parked messages again, and the waiting ones at once."""
        self.notifications.resend(self._get(subscription_id).id)
        log.info("resend_asked", id=subscription_id)
        self.notifications.deliver_due()
        return _done()

    def _get(self, subscription_id: str) -> Subscription:
        subscription = self.notifications.get(subscription_id)
        if subscription is None:
            raise _not_found(subscription_id)
        return subscription

    def _shown(self, subscription: Subscription | None) -> Response:
        if subscription is None:
            raise NotFound("The notification has been removed in the meantime.")
        status = self.notifications.status(subscription.id)
        return document_answer({**self._document(subscription, status), "History": status.history})

    def _document(self, subscription: Subscription, status: DeliveryStatus) -> dict[str, object]:
        return {
            "ID": subscription.id,
            "ImageName": subscription.image_name,
            "WebhookURL": subscription.url,
            "PageURL": self.notifications.page_url(subscription),
            "Tags": list(subscription.tags),
            "Format": subscription.format,
            "Enabled": subscription.is_enabled,
            "Rebuilt": subscription.wants_rebuilt,
            "BaseMoved": subscription.wants_base_moved,
            "HasAuthorization": bool(subscription.authorization_header),
            "Waiting": status.waiting,
            "Parked": status.parked,
        }

    def _fields(self) -> dict[str, Any]:
        """Return the fields of a `Subscription` in the body. Raises UnprocessableEntity for an invalid one."""
        fields: dict[str, Any] = {}
        for name, value in _body().items():
            if name not in _FIELDS:
                raise UnprocessableEntity(f"{name[:100]!r} is not a field: use one of {', '.join(_FIELDS)}.")
            field, kind = _FIELDS[name]
            if not isinstance(value, kind):
                raise UnprocessableEntity(f"Invalid {name}: must be {_KINDS[kind]}.")
            fields[field] = value
        if "tags" in fields:
            fields["tags"] = _patterns(fields["tags"])
        if "image_name" in fields:
            fields["image_name"] = self._tracked_name(fields["image_name"])
        return fields

    def _tracked_name(self, text: str) -> str:
        try:
            repository = Repository.parse(text)
        except InvalidReference as error:
            raise NotFound(str(error)) from error
        if repository not in self.tracked:
            raise NotFound(f"{image_name(repository)} is not tracked here.")
        return image_name(repository)


_LISTED = ("StatusCode", "Response", "Error", "SentAt", "State")


def _body() -> dict[str, object]:
    body = request.stream.read(_MAX_BODY_BYTES + 1)
    if len(body) > _MAX_BODY_BYTES:
        raise UnprocessableEntity(f"The body is larger than {_MAX_BODY_BYTES} bytes.")
    try:
        return parse_object(body)
    except ValueError as error:
        raise UnprocessableEntity(f"The body cannot be read: {error}.") from None


def _patterns(values: list[object]) -> tuple[str, ...]:
    patterns = tuple(value for value in values if isinstance(value, str))
    if len(patterns) < len(values):
        raise UnprocessableEntity("Invalid Tags: must be a list of strings.")
    return patterns


def _named(subscription: Subscription) -> dict[str, str | None]:
    """Return the fields for the log. Of the URL, that is only the host, because the rest can be a secret."""
    host = urlsplit(subscription.url).hostname
    return {"id": subscription.id, "image": subscription.image_name, "receiver": host}


def _not_found(subscription_id: str) -> NotFound:
    return NotFound(f"There is no notification {subscription_id[:100]!r}.")


def _invalid_receiver(error: InvalidReceiver) -> Response:
    return document_answer({"Error": "Invalid webhook URL", "Reason": str(error)}, 422)


def _invalid_subscription(error: InvalidSubscription) -> Response:
    return document_answer({"Error": str(error)}, 422)


def _done() -> Response:
    return answer(b"", 204, JSON, NOT_KEPT)
