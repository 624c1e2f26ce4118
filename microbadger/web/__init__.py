"""Routes and status codes."""

from microbadger.web.admin import AdminRoutes
from microbadger.web.answers import defect_answer, error_answer, options_answer, trouble_answer
from microbadger.web.api import ApiRoutes
from microbadger.web.health import HealthRoutes
from microbadger.web.metrics import Counts
from microbadger.web.notifications import NotificationRoutes
from microbadger.web.redirects import Redirects
from microbadger.web.request_ids import RequestIds, with_request_id
from microbadger.web.site import AnyPath, Site
from microbadger.web.webhooks import WebhookRoutes

__all__ = [
    "AdminRoutes",
    "AnyPath",
    "ApiRoutes",
    "Counts",
    "HealthRoutes",
    "NotificationRoutes",
    "Redirects",
    "RequestIds",
    "Site",
    "WebhookRoutes",
    "defect_answer",
    "error_answer",
    "options_answer",
    "trouble_answer",
    "with_request_id",
]
