"""Wires MicroBadger together: `create_app()` makes the service, `serve()` also runs its schedule."""

import hashlib
import logging
import os
import secrets
import sys
from datetime import UTC, datetime
from pathlib import Path

from flask import Flask

import microbadger
from microbadger import __version__, webhooks
from microbadger.asked_tags import AskedTags
from microbadger.catalogue import Catalogue, mark_stale
from microbadger.checks import Checks
from microbadger.cli import Tools, add_commands
from microbadger.content_cache import ContentCache
from microbadger.credentials import Credentials
from microbadger.docker_config import read_credentials
from microbadger.docker_hub import DockerHub
from microbadger.documents import ImageDocument
from microbadger.files import lock_file, make_folder, read_if_any, replace_file
from microbadger.metadata import Changes
from microbadger.notifications import Notifications
from microbadger.public_tree import ImagePaths
from microbadger.publisher import Publisher
from microbadger.reference import Reference, Repository
from microbadger.refresh import Refresher
from microbadger.refresh_requests import RefreshRequests
from microbadger.registry import Registry
from microbadger.schedule import Schedule
from microbadger.search import Listing
from microbadger.settings import Settings, SettingsError
from microbadger.survey import Surveyor
from microbadger.tracked_images import TrackedImages
from microbadger.web import Site
from microbadger.web_admin import AdminRoutes
from microbadger.web_api import ApiRoutes
from microbadger.web_webhooks import WebhookRoutes

logging.getLogger("microbadger").addHandler(logging.NullHandler())  # commands say what there is to say themselves

_GUNICORN_BOOT_ERROR = 3  # makes the master stop instead of starting worker after worker


def create_app(settings: Settings | None = None) -> Flask:
    """Return the service with its routes and commands; nothing runs beside requests."""
    return _wire(settings or Settings.from_environment(os.environ))[0]


def serve() -> Flask:
    """Return the service with its schedule running, in this process or in the workers forked from it."""
    try:
        app, schedule = _wire(Settings.from_environment(os.environ))
    except SettingsError as error:
        sys.stderr.write(f"{error.format_message()}\n")
        raise SystemExit(_GUNICORN_BOOT_ERROR) from error
    _log_to_stdout()
    schedule.start()
    os.register_at_fork(before=schedule.stop, after_in_child=schedule.start)
    return app


def _wire(settings: Settings) -> tuple[Flask, Schedule]:
    data, public = settings.data_dir.absolute(), settings.public_dir.absolute()
    for folder in (data, public):
        _make(folder)
    secret = settings.secret or _kept_secret(data / "secret")
    tracked = TrackedImages(data / "images.txt", settings.images)
    publisher = Publisher(public)
    checks = Checks(data, interval=settings.refresh_interval, edition=_edition(settings, secret), now=_now)
    requests = RefreshRequests(data / "requests")
    stale_mark = data / "catalogue-is-stale"
    notifications = Notifications(data / "notifications.json")
    registry = Registry(
        user_agent=f"MicroBadger/{__version__} (+{settings.base_url})",
        mirrors=settings.mirrors,
        http_registries=settings.http_registries,
        credentials=_credentials(settings),
    )

    surveyor = Surveyor(
        registry=registry,
        docker_hub=DockerHub(registry.transport, settings.hub_url),
        cache=ContentCache(data / "content"),
        max_tags=settings.max_tags,
    )

    def webhook_url(repository: Repository) -> str:
        token = webhooks.image_token(secret, repository)
        return f"{settings.hook_url}/images/{repository.familiar}/{token}"

    def announce(image: ImageDocument, changes: Changes) -> None:
        page_url = f"{settings.base_url}/{ImagePaths(image['ImageName']).page_url}"
        notifications.announce(image["ImageName"], page_url, changes)

    refresher = Refresher(
        tracked=tracked,
        surveyor=surveyor,
        publisher=publisher,
        checks=checks,
        requests=requests,
        announce=announce,
        published=lambda: mark_stale(stale_mark),
        webhook_url=lambda repository: None if settings.admin_token else webhook_url(repository),
        base_url=settings.base_url,
        now=_now,
    )
    catalogue = Catalogue(
        tracked, publisher, base_url=settings.base_url, stale_mark=stale_mark, remove=refresher.remove
    )
    schedule = Schedule(
        data / "leader.lock",
        refresh_requested=refresher.refresh_requested,
        resume=refresher.resume,
        refresh_if_due=refresher.refresh_if_due,
        requested=requests.repositories,
        due=lambda: [image.repository for image in tracked if checks.is_due(image.repository)],
        end_round=catalogue.publish_if_stale,
    )
    def refresh_soon(reference: Reference) -> None:
        requests.add(reference)
        schedule.refresh_soon(reference.repository)

    site = Site(
        tracked=tracked,
        publisher=publisher,
        checks=checks,
        asked_tags=AskedTags(data, now=_now),
        refresh_soon=refresh_soon,
        base_url=settings.base_url,
        now=_now,
    )
    hooks = WebhookRoutes(
        tracked=tracked, publisher=publisher, checks=checks, refresh_soon=refresh_soon, secret=secret, now=_now
    )
    api = ApiRoutes(tracked=tracked, publisher=publisher, listing=Listing(publisher))
    admin = AdminRoutes(
        tracked=tracked,
        refresh_soon=refresh_soon,
        remove=refresher.remove,
        webhook_url=webhook_url,
        admin_token=settings.admin_token,
    )
    tools = Tools(
        tracked=tracked,
        checks=checks,
        refresher=refresher,
        catalogue=catalogue,
        notifications=notifications,
        webhook_url=webhook_url,
        hooks_url=f"{settings.hook_url}/hooks/{webhooks.hooks_token(secret)}",
        base_url=settings.base_url,
        now=_now,
    )
    app = Flask("microbadger", static_folder=None)
    for routes in (site, hooks, admin, api):
        app.register_blueprint(routes.blueprint())
    add_commands(app, tools)
    return app, schedule


def _credentials(settings: Settings) -> Credentials:
    try:
        return read_credentials(settings.docker_auth_config, settings.docker_config)
    except ValueError as error:
        source = "DOCKER_AUTH_CONFIG" if settings.docker_auth_config else settings.docker_config
        raise SettingsError(f"{source} is impossible: {error}.") from error


def _make(folder: Path) -> None:
    try:
        make_folder(folder)
    except OSError as error:
        raise SettingsError(f"The folder {folder} cannot be made: {error.strerror}.") from error


def _kept_secret(file: Path) -> str:
    """Return the secret made on the first start, which one of the workers that start together makes."""
    with lock_file(file.with_suffix(".lock")):
        if not (kept := (read_if_any(file) or b"").decode().strip()):
            kept = secrets.token_urlsafe(32)
            replace_file(file, kept.encode())
    return kept


def _edition(settings: Settings, secret: str) -> str:
    """Return what tells apart two services that would publish different files of the same image."""
    told = [settings.base_url, settings.hook_url, bool(settings.admin_token), webhooks.hooks_token(secret)]
    sources = sorted(path for path in Path(microbadger.__file__).parent.rglob("*") if path.suffix in (".py", ".html"))
    return hashlib.sha256(b"".join([repr(told).encode(), *(path.read_bytes() for path in sources)])).hexdigest()[:16]


def _log_to_stdout() -> None:
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(asctime)s level=%(levelname)s %(message)s")
    logging.getLogger("apscheduler").setLevel(logging.WARNING)


def _now() -> datetime:
    return datetime.now(UTC)
