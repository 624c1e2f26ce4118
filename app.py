"""Wires MicroBadger together: `create_app()` makes the service, `serve()` also runs its schedule."""

import hashlib
import logging
import os
import sys
import time
import traceback
from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from flask import Flask
from werkzeug.exceptions import HTTPException

import microbadger
from microbadger import __version__, webhooks
from microbadger.cdn import CdnPurge, CdnSender
from microbadger.cli import Tools, add_commands
from microbadger.freshness import (
    AskedTags,
    Catalogue,
    Checks,
    LayerIndex,
    LookLog,
    Outcome,
    Overview,
    Refresher,
    RefreshRequests,
    Schedule,
    Surveyor,
    TrackedImages,
)
from microbadger.image import Reference, Repository
from microbadger.logs import EventLog, LineFormatter, Redaction, log_to_stdout, work_seconds
from microbadger.notifications import Attempt, Delivery, Notifications, Sender
from microbadger.registry import ContentCache, Credentials, DockerHub, Registry, RequestSeen, read_credentials
from microbadger.settings import Settings, SettingsError, kept_secret, prepare_folder
from microbadger.site import CATALOGUE, Listing, Publisher, repositories_in
from microbadger.store import read_if_any, replace_file, seconds_since_written, sweep
from microbadger.web import (
    AdminRoutes,
    AnyPath,
    ApiRoutes,
    Counts,
    HealthRoutes,
    NotificationRoutes,
    Redirects,
    RequestIds,
    Site,
    WebhookRoutes,
    defect_answer,
    error_answer,
    options_answer,
    trouble_answer,
    with_request_id,
)

logging.getLogger("microbadger").addHandler(logging.NullHandler())  # commands say what there is to say themselves

log = EventLog("microbadger")
_GUNICORNS_LOGS = ("gunicorn.error", "gunicorn.access")
_SECONDS_BETWEEN_CLEANINGS = 86400
_GUNICORN_BOOT_ERROR = 3  # makes the master stop instead of starting worker after worker


def create_app(settings: Settings | None = None) -> Flask:
    """Return the service with its routes and commands; nothing runs beside requests."""
    return _Service(settings or Settings.from_environment(os.environ)).app


def serve() -> Flask:
    """Return the service with its schedule running, in this process or in the workers forked from it."""
    _log_without([])
    try:
        settings = Settings.from_environment(os.environ)
        _log_without(settings.secrets)
        service = _Service(settings)
    except SettingsError as error:
        sys.stderr.write(f"{error.format_message()}\n")
        raise SystemExit(_GUNICORN_BOOT_ERROR) from error
    _log_without(service.secrets)
    log.info("started", version=__version__, pid=os.getpid(), **settings.told)
    service.note_settings()
    os.register_at_fork(before=service.schedule.stop, after_in_child=service.schedule.start)
    if not _is_gunicorns_master():
        service.schedule.start()
    return service.app


class _Service:
    """All parts of the service, each made once and handed what it needs."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.data, self.public = settings.data_dir.absolute(), settings.public_dir.absolute()
        for folder in (self.data, self.public):
            prepare_folder(folder)
        self.secret = settings.secret or kept_secret(self.data / "secret")
        self.edition = _edition(settings, self.secret)
        self.publisher = Publisher(self.public)
        published = partial(repositories_in, self.public / CATALOGUE)
        self.tracked = TrackedImages(self.data / "images.txt", settings.images, published)
        self.checks = Checks(self.data, interval=settings.refresh_interval, edition=self.edition, now=_now)
        self.looks = LookLog(self.data / "looks")
        self.overview = Overview(self.tracked, self.checks, self.publisher, self.looks, now=_now)
        self.requests = RefreshRequests(
            self.data / "requests", tracked=lambda: (image.repository for image in self.tracked)
        )
        self.cache = ContentCache(self.data / "content")
        self.counts = Counts(self.data / "metrics")
        self.notifications = Notifications(self.data / "notifications", base_url=settings.base_url, now=_now)
        self.delivery = Delivery(
            self.notifications, Sender(user_agent=_user_agent(settings)).send, on_attempt=self._attempted
        )
        self.credentials = _credentials(settings)
        self.purge = _cdn_purge(settings, self.data / "purge")
        self.refresher = self._refresher()
        self.catalogue = Catalogue(
            self.tracked,
            self.publisher,
            self.looks,
            lock=self.data / "catalogue.lock",
            base_url=settings.base_url,
            remove_if_idle=self.refresher.remove_if_idle,
            changed=self._changed,
        )
        self.schedule = Schedule(
            self.data / "leader.lock",
            refresh_requested=self.refresher.refresh_requested,
            resume=self.refresher.resume,
            refresh_if_due=self.refresher.refresh_if_due,
            requested=self.requests.repositories,
            due=self.overview.due,
            begin_round=self.counts.write,
            begin_leading=self._clean,
            end_round=self._end_round,
        )
        self.app = self._app()

    def note_settings(self) -> None:
        """Keep on disk which settings the service runs with, so that a command with others can tell."""
        try:
            replace_file(self._settings_file, self._settings_digest.encode())
        except OSError as error:  # what is published is served from a full disk too
            log.error("settings_not_kept", file=self._settings_file, error=error)

    @property
    def secrets(self) -> list[str]:
        """All that must never be logged, so far as it is known at the start."""
        return [*self.settings.secrets, self.secret, webhooks.hooks_token(self.secret), *self.credentials.secrets]

    def _refresher(self) -> Refresher:
        settings = self.settings
        registry = Registry(
            user_agent=_user_agent(settings),
            mirrors=settings.mirrors,
            http_registries=settings.http_registries,
            credentials=self.credentials,
            on_request=self._requested,
            on_pulls_left=self._told_pulls_left,
        )
        surveyor = Surveyor(
            registry=registry,
            docker_hub=DockerHub(registry.transport, settings.hub_url),
            cache=self.cache,
            max_tags=settings.max_tags,
        )
        return Refresher(
            tracked=self.tracked,
            surveyor=surveyor,
            publisher=self.publisher,
            checks=self.checks,
            requests=self.requests,
            layer_index=LayerIndex(self.data / "layers", settings.base_url),
            announce=self.notifications.announce,
            changed=self._changed,
            recorded=lambda repository, image: self.catalogue.note(repository, image),
            published=self._send_due,
            ended=self._ended,
            is_due=self.overview.is_due,
            webhook_url=lambda repository: None if settings.admin_token else self._webhook_url(repository),
            base_url=settings.base_url,
            now=_now,
        )

    def _app(self) -> Flask:
        tracked, publisher, checks, settings = self.tracked, self.publisher, self.checks, self.settings
        site = Site(
            tracked=tracked,
            publisher=publisher,
            asked_tags=AskedTags(self.data, now=_now),
            refresh_soon=self._refresh_soon,
            base_url=settings.base_url,
        )
        health = HealthRoutes(
            overview=self.overview,
            counts=self.counts,
            queues=self._queues,
            purge_status=lambda: self.purge.status() if self.purge else None,
            problems=self._problems,
            now=_now,
        )
        hooks = WebhookRoutes(
            tracked=tracked,
            publisher=publisher,
            checks=checks,
            refresh_soon=self._refresh_soon,
            counts=self.counts,
            secret=self.secret,
            now=_now,
        )
        admin = AdminRoutes(
            tracked=tracked,
            refresh_soon=self._refresh_soon,
            remove=self.refresher.remove,
            webhook_url=self._webhook_url,
            admin_token=settings.admin_token,
        )
        subscriptions = NotificationRoutes(
            notifications=self.notifications,
            tracked=tracked,
            send_test=self.delivery.test,
            deliver_due=self.delivery.deliver_due,
            admin_token=settings.admin_token,
        )
        api = ApiRoutes(tracked=tracked, publisher=publisher, listing=Listing(self.public / CATALOGUE))
        redirects = Redirects(root=urlsplit(settings.base_url).path)
        app = Flask("microbadger", static_folder=None)
        app.url_map.converters["path"] = AnyPath
        app.url_map.merge_slashes = False  # by a redirect to the host that the request names
        app.wsgi_app = RequestIds(app.wsgi_app)  # type: ignore[method-assign] # as Flask's documentation has it
        app.before_request(options_answer)
        app.after_request(with_request_id)
        for routes in (health, site, hooks, admin, api, subscriptions, redirects):
            app.register_blueprint(routes.blueprint())
        app.register_error_handler(HTTPException, error_answer)
        app.register_error_handler(OSError, trouble_answer)
        app.register_error_handler(Exception, defect_answer)
        add_commands(app, self._tools())
        return app

    def _tools(self) -> Tools:
        served = read_if_any(self._settings_file)
        return Tools(
            tracked=self.tracked,
            checks=self.checks,
            overview=self.overview,
            refresher=self.refresher,
            catalogue=self.catalogue,
            notifications=self.notifications,
            delivery=self.delivery,
            purge=self.purge,
            webhook_url=self._webhook_url,
            hooks_url=f"{self._hook_base}/hooks/{webhooks.hooks_token(self.secret)}",
            base_url=self.settings.base_url,
            folders=(self.data, self.public),
            differs_from=self._settings_file if served not in (None, self._settings_digest.encode()) else None,
        )

    def _refresh_soon(self, reference: Reference) -> None:
        self.requests.add(reference)
        self.schedule.refresh_soon(reference.repository)

    def _changed(self, paths: Collection[str]) -> None:
        if self.purge:
            self.purge.add(paths)

    def _end_round(self) -> None:
        self.catalogue.publish_if_stale()
        self._send_due()
        self.counts.tell("last_round_timestamp_seconds", round(time.time(), 3))
        self.counts.bury_the_dead()

    def _send_due(self) -> None:
        """Begin to send what is to leave the service."""
        self.delivery.deliver_due()
        if self.purge:
            self.purge.purge_due()

    def _webhook_url(self, repository: Repository) -> str:
        token = webhooks.image_token(self.secret, repository)
        return f"{self._hook_base}/images/{repository.familiar}/{token}"

    def _requested(self, seen: RequestSeen) -> None:
        status = str(seen.status or "none")
        self.counts.add("registry_requests", host=seen.host, kind=seen.kind, status=status)

    def _told_pulls_left(self, host: str, pulls: int, lasting_seconds: float) -> None:
        self.counts.tell("registry_pulls_left", pulls, lasting_seconds, host=host)

    def _attempted(self, attempt: Attempt) -> None:
        self.counts.add("notification_attempts", result="ok" if attempt.has_arrived else "failed")

    def _ended(self, outcome: Outcome) -> None:
        result = "failed" if outcome.error else "ok"
        self.counts.add("refreshes", result=result)
        self.counts.add("refresh_seconds_sum", work_seconds(), result=result)
        self.counts.add("refresh_seconds_count", result=result)
        if outcome.cause:
            self.counts.add("refresh_failures", cause=outcome.cause)
        try:
            self.looks.add(outcome.repository)
        except OSError as error:  # it is seen all the same when its turn comes to be read again
            log.error("look_not_told", image=outcome.repository.familiar, error=error)

    def _queues(self) -> dict[str, int]:
        lengths = {f"notifications_{state}": count for state, count in self.notifications.outbox.lengths().items()}
        return lengths | ({"purge": self.purge.status().waiting} if self.purge else {})

    def _problems(self) -> list[str]:
        problems = [*self.tracked.problems, *self.schedule.troubles]
        try:
            self.notifications.all()
        except OSError as error:
            problems.append(str(error))
        return [*problems, *self.notifications.problems]

    def _clean(self) -> None:
        """Look through all files for what is of no use any more, once a day at most: there can be millions."""
        if seconds_since_written(cleaned := self.data / "cleaned") < _SECONDS_BETWEEN_CLEANINGS:
            return
        for folder in (self.data, self.public):
            sweep(folder)
        self.cache.clean()
        replace_file(cleaned, b"")

    @property
    def _hook_base(self) -> str:
        return self.settings.hook_url or self.settings.base_url

    @property
    def _settings_file(self) -> Path:
        return self.data / "settings-in-use"

    @property
    def _settings_digest(self) -> str:
        told = _published_settings(self.settings, self.secret)
        return hashlib.sha256(repr([*told, self.settings.images]).encode("utf-8", "replace")).hexdigest()


def _user_agent(settings: Settings) -> str:
    return f"MicroBadger/{__version__} (+{settings.base_url})"


def _published_settings(settings: Settings, secret: str) -> list[object]:
    """Return the settings on which published files depend."""
    return [settings.base_url, settings.hook_url, bool(settings.admin_token), webhooks.hooks_token(secret)]


def _edition(settings: Settings, secret: str) -> str:
    """Return what tells apart two services that would publish different files of the same image."""
    package = Path(microbadger.__file__).parent
    sources = sorted(path for path in package.rglob("*") if path.suffix in (".py", ".html"))
    told = repr(_published_settings(settings, secret)).encode()
    return hashlib.sha256(b"".join([told, *(path.read_bytes() for path in sources)])).hexdigest()[:16]


def _is_gunicorns_master() -> bool:
    """Tell whether gunicorn loads the app before it forks its workers (--preload): its threads would be lost there."""
    callers = {frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_stack(None)}
    return "gunicorn.arbiter" in callers and "gunicorn.workers.base" not in callers


def _cdn_purge(settings: Settings, folder: Path) -> CdnPurge | None:
    if settings.cdn_purge is None:
        return None
    send = CdnSender(user_agent=_user_agent(settings)).send
    return CdnPurge(settings.cdn_purge, folder, base_url=settings.base_url, send=send, now=_now)


def _credentials(settings: Settings) -> Credentials:
    try:
        return read_credentials(settings.docker_auth_config, settings.docker_config)
    except ValueError as error:
        source = "DOCKER_AUTH_CONFIG" if settings.docker_auth_config else settings.docker_config
        raise SettingsError(f"{source} is impossible: {error}.") from error


def _log_without(secrets: Iterable[str]) -> None:
    log_to_stdout(LineFormatter(Redaction(secrets)), _GUNICORNS_LOGS)
    logging.getLogger("apscheduler").setLevel(logging.WARNING)


def _now() -> datetime:
    return datetime.now(UTC)
