"""Builds MicroBadger from its packages: `create_app()` returns the service, `serve()` also runs its schedule."""

import atexit
import hashlib
import logging
import os
import sys
import traceback
from collections.abc import Iterable, Mapping
from pathlib import Path

import click
from flask import Flask
from flask.cli import run_command
from flask.helpers import get_debug_flag
from werkzeug.serving import is_running_from_reloader

import microbadger
from microbadger import __version__
from microbadger.cdn import CdnPurge
from microbadger.cli import add_commands
from microbadger.cli_revive import revive
from microbadger.cli_tools import Tools
from microbadger.freshness import Freshness, FreshnessOptions, OpenOptions
from microbadger.http import Network
from microbadger.logs import EventLog, LineFormatter, Redaction, log_to_stdout
from microbadger.notifications import Notifications, Sender
from microbadger.registry import Credentials, Registry, Servers, read_credentials
from microbadger.settings import Settings, SettingsError, prepare_folder, unknown_settings
from microbadger.site import PublicFolder, SiteOptions, open_bucket
from microbadger.store import Counts, Database, DatabaseClock, Leases, StoreError, kept_secret
from microbadger.web import Web
from microbadger.webhooks import WebhookUrls, hooks_token

logging.getLogger("microbadger").addHandler(logging.NullHandler())  # commands write their own messages

log = EventLog("microbadger")
_GUNICORNS_LOGS = ("gunicorn.error", "gunicorn.access")
_GUNICORN_BOOT_ERROR = 3  # makes gunicorn's master stop instead of starting one worker after the other
_SHAPES_FILES = ("image", "badges", "site")


def create_app(settings: Settings | None = None) -> Flask:
    """Return the service with its routes and commands. There is no background work, unless `flask run` serves it."""
    if settings is None:
        port = _port_of_flask_run()
        if port is not None:
            # Drop the lines about requests, which have arguments: they would show the tokens in webhook URLs.
            logging.getLogger("werkzeug").addFilter(lambda record: not record.args)
            return _serving({**os.environ, "PORT": str(port)})
        settings = Settings.from_environment(os.environ)
        for name, nearest in unknown_settings(os.environ).items():
            meant = f"; did you mean {nearest}?" if nearest else ": see microbadger/site/guide/settings.md."
            sys.stderr.write(f"{name} is not a setting{meant}\n")
    return _Service(settings).app


def serve() -> Flask:
    """Return the service with its schedule running, in this process or in the workers forked from it."""
    try:
        return _serving(os.environ)
    except SettingsError as error:
        sys.stderr.write(f"{error.format_message()}\n")
        raise SystemExit(_GUNICORN_BOOT_ERROR) from error


def _serving(environment: Mapping[str, str]) -> Flask:
    """Do the same as `serve`, but raise SettingsError if a setting is invalid."""
    _log_without([])
    settings = Settings.from_environment(environment)
    _log_without(settings.secrets)
    if settings.is_static:
        raise SettingsError("MICROBADGER_STATIC publishes files without a service: run flask refresh, or unset it.")
    service = _Service(settings)
    _log_without(service.secrets)
    for name, nearest in unknown_settings(environment).items():
        log.warning("unknown_setting", name=name, nearest=nearest)
    log.info("started", version=__version__, pid=os.getpid(), **settings.logged)
    _record_settings(service.tools)
    schedule = service.freshness.schedule
    atexit.register(schedule.stop)
    os.register_at_fork(before=schedule.stop, after_in_child=schedule.start)
    if not _is_gunicorns_master():
        schedule.start()
    return service.app


def _port_of_flask_run() -> int | None:
    """Return the port if this process is about to serve the app for `flask run`, or None if it is not.

    With a reloader, `flask run` loads the app in two processes. The first one only watches the files and starts the
    second one, which serves.
    """
    context = click.get_current_context(silent=True)
    if context is None or context.command is not run_command:
        return None
    reloads = get_debug_flag() if context.params["reload"] is None else context.params["reload"]
    return context.params["port"] if is_running_from_reloader() or not reloads else None


class _Service:
    """The objects of all packages, each built once and passed what it needs."""

    def __init__(self, settings: Settings) -> None:
        public = settings.public_dir.absolute()
        folders = (settings.data_dir.absolute(), *(() if settings.bucket else (public,)))
        for folder in folders:
            prepare_folder(folder)
        database = Database(settings.database)
        self.settings = settings
        self.secret = settings.secret or _kept_secret(database)
        self.credentials = _credentials(settings)
        open_registries = () if settings.is_static else settings.open_registries
        options = SiteOptions(settings.base_url, settings.is_static, open_registries)
        webhooks = WebhookUrls(settings.hook_url or settings.base_url, self.secret)
        user_agent = f"microbadger/{__version__} (+{settings.base_url})"
        network = Network(user_agent, settings.proxies, settings.ca_bundle)
        clock = DatabaseClock(database)
        counts = Counts(database, clock=clock.timestamp)
        registry = Registry(
            database,
            counts,
            network,
            servers=Servers(
                settings.mirrors, settings.http_registries, settings.hub_url, settings.registry_servers
            ),
            credentials=self.credentials,
            clock=clock.timestamp,
        )
        publisher = open_bucket(settings.bucket) if settings.bucket else PublicFolder(public)
        sender = Sender(network)
        leases = Leases(database, have_heartbeat=True)
        notifications = Notifications(
            database, leases, counts, sender.send, base_url=settings.base_url, now=clock.now
        )
        cdn = CdnPurge(settings.cdn_purge, network, base_url=settings.base_url)
        self.freshness = Freshness(
            _freshness_options(settings, self.secret, options, webhooks),
            database,
            counts=counts,
            registry=registry,
            publisher=publisher,
            notifications=notifications,
            cdn=cdn,
            now=clock.now,
        )
        web = Web(
            freshness=self.freshness,
            publisher=publisher,
            notifications=notifications,
            cdn=cdn,
            counts=counts,
            options=options,
            webhooks=webhooks,
            admin_token=settings.admin_token,
            folders=folders,
            proxies=settings.trusted_proxies,
        )
        self.tools = Tools(
            database=database,
            freshness=self.freshness,
            notifications=notifications,
            cdn=cdn,
            counts=counts,
            webhooks=webhooks,
            options=options,
            folders=folders,
            settings_digest=_digest(
                [*_published_settings(settings, self.secret), settings.images, settings.max_tags, _place(settings)]
            ),
        )
        self.app = web.make_app()
        add_commands(self.app, self.tools)
        self.app.cli.add_command(revive)

    @property
    def secrets(self) -> list[str]:
        """The secrets known at the start, which must never be logged."""
        return [*self.settings.secrets, self.secret, hooks_token(self.secret), *self.credentials.secrets]


def _freshness_options(
    settings: Settings, secret: str, site: SiteOptions, webhooks: WebhookUrls
) -> FreshnessOptions:
    return FreshnessOptions(
        images_file=settings.data_dir.absolute() / "images.txt",
        named=settings.images,
        interval=settings.refresh_interval,
        max_tags=settings.max_tags,
        edition=_edition(settings, secret),
        site=site,
        webhooks=None if settings.admin_token or settings.is_static else webhooks,
        open=OpenOptions(
            registries=frozenset(site.open_registries),
            per_hour=settings.open_per_hour,
            most_images=settings.open_images,
        ),
    )


def _published_settings(settings: Settings, secret: str) -> list[object]:
    """Return the settings that shape the published files."""
    shows_webhooks = not (settings.admin_token or settings.is_static)
    webhooks = shows_webhooks and [settings.hook_url, hooks_token(secret)]
    return [settings.base_url, settings.is_static, settings.open_registries, webhooks]


def _place(settings: Settings) -> object:
    """Return the location of the public files."""
    bucket = settings.bucket
    return (str(bucket), bucket.endpoint) if bucket else settings.public_dir.absolute()


def _edition(settings: Settings, secret: str) -> str:
    """Return a text that differs between two services if they would publish different files for the same image."""
    package = Path(microbadger.__file__).parent
    files = (file for wing in _SHAPES_FILES for file in sorted(package.joinpath(wing).rglob("*")))
    sources = [file.read_bytes() for file in files if file.suffix in (".py", ".html", ".css", ".js", ".md")]
    return _digest([*_published_settings(settings, secret), *sources])[:16]


def _digest(values: Iterable[object]) -> str:
    return hashlib.sha256(repr(list(values)).encode("utf-8", "replace")).hexdigest()


def _is_gunicorns_master() -> bool:
    """Return whether gunicorn loads the app before it forks its workers (--preload).

    Threads that start before the fork are lost in the workers.
    """
    callers = {frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_stack(None)}
    return "gunicorn.arbiter" in callers and "gunicorn.workers.base" not in callers


def _record_settings(tools: Tools) -> None:
    """Record the settings in use. The service also starts if that fails, for example on a full disk.

    If a new worker failed to start, gunicorn would stop all workers, including those that still serve.
    """
    try:
        tools.record_settings()
    except StoreError as error:
        log.error("settings_not_kept", error=error)


def _kept_secret(database: Database) -> str:
    try:
        return kept_secret(database)
    except StoreError as error:
        raise SettingsError(f"The secret cannot be stored: {error}") from error


def _credentials(settings: Settings) -> Credentials:
    try:
        return read_credentials(settings.docker_auth_config, settings.docker_config)
    except ValueError as error:
        source = "DOCKER_AUTH_CONFIG" if settings.docker_auth_config else settings.docker_config
        raise SettingsError(f"Invalid {source}: {error}.") from error


def _log_without(secrets: Iterable[str]) -> None:
    log_to_stdout(LineFormatter(Redaction(secrets)), _GUNICORNS_LOGS)
    logging.getLogger("apscheduler").setLevel(logging.ERROR)  # it warns whenever a round outlasts its interval
