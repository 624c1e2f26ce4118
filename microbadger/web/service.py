"""Makes the Flask app from all routes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from flask import Flask
from werkzeug.exceptions import HTTPException

from microbadger.cdn import CdnPurge
from microbadger.freshness import Freshness
from microbadger.http import NoThread, Peer
from microbadger.notifications import Notifications
from microbadger.site import PublicTree, PublishError, SiteOptions
from microbadger.store import Counts, StoreError
from microbadger.web.admin import AdminRoutes, Admins
from microbadger.web.answers import defect_answer, error_answer, options_answer, trouble_answer
from microbadger.web.api import ApiRoutes
from microbadger.web.edge import Edge, refuse_nul
from microbadger.web.files import AnyPath, PublicFiles
from microbadger.web.health import HealthRoutes
from microbadger.web.notifications import NotificationRoutes
from microbadger.web.redirects import Redirects
from microbadger.web.request_ids import RequestIds, with_request_id
from microbadger.web.site import SiteRoutes
from microbadger.web.visitors import Visitors
from microbadger.web.webhooks import WebhookRoutes
from microbadger.webhooks import WebhookUrls


@dataclass(frozen=True, slots=True, kw_only=True)
class Web:
    """The objects that the routes need."""

    freshness: Freshness
    publisher: PublicTree
    notifications: Notifications
    cdn: CdnPurge
    counts: Counts
    options: SiteOptions
    webhooks: WebhookUrls
    admin_token: str
    folders: Sequence[Path]
    proxies: tuple[Peer, ...] = ()

    def make_app(self) -> Flask:
        """Return the app with all routes."""
        app = Flask("microbadger", static_folder=None)
        app.url_map.converters["path"] = AnyPath
        app.url_map.merge_slashes = False  # Werkzeug would redirect to the host that the request names
        app.wsgi_app = RequestIds(Edge(app.wsgi_app))  # type: ignore[method-assign] # as Flask's documentation has it
        app.before_request(refuse_nul)
        app.before_request(options_answer)
        app.after_request(with_request_id)
        freshness, notifications = self.freshness, self.notifications
        admins = Admins(self.admin_token)
        visitors = Visitors(freshness.admissions, self.proxies)
        files = PublicFiles(freshness, self.publisher, visitors)
        for routes in (
            self._health(),
            SiteRoutes(freshness=freshness, files=files, visitors=visitors, options=self.options),
            WebhookRoutes(freshness=freshness, counts=self.counts, secret=self.webhooks.secret),
            AdminRoutes(freshness=freshness, webhooks=self.webhooks, admins=admins),
            ApiRoutes(freshness=freshness, files=files, visitors=visitors),
            NotificationRoutes(notifications=notifications, tracked=freshness.tracked, admins=admins),
            Redirects(root=urlsplit(self.options.base_url).path),
        ):
            app.register_blueprint(routes.blueprint())
        app.register_error_handler(HTTPException, error_answer)
        for trouble in (OSError, StoreError, PublishError, NoThread):
            app.register_error_handler(trouble, trouble_answer)
        app.register_error_handler(Exception, defect_answer)
        return app

    def _health(self) -> HealthRoutes:
        return HealthRoutes(
            freshness=self.freshness,
            notifications=self.notifications,
            cdn=self.cdn,
            counts=self.counts,
            folders=self.folders,
        )
