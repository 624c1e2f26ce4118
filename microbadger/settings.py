"""Reads the settings from environment variables, or says in one sentence which variable is invalid and why."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import TypeVar

import click
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from microbadger.cdn import Cloudflare, PurgeMethod, Target, parse_target
from microbadger.http import Peer, parse_ca_bundle, parse_peers, parse_proxy, parse_url, proxy_secrets, without_login
from microbadger.registry import parse_mirrors, parse_registries, parse_registry_servers
from microbadger.site import BucketAddress, parse_bucket_url
from microbadger.store import check_address, make_folder, parse_address
from microbadger.webhooks import is_guessable

_LONGEST_HOURS = 24 * 366
_MOST_TAGS = 10_000
_MOST_AN_HOUR = 100_000
_MOST_OPEN_IMAGES = 1_000_000
_SHORTEST_SECRET = 16
_SWITCHES = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
_POSTGRESQL = "postgresql+psycopg"
_DRIVERS = {"sqlite": "sqlite", "postgres": _POSTGRESQL, "postgresql": _POSTGRESQL, _POSTGRESQL: _POSTGRESQL}
_NO_DATABASE = ("", ":memory:")
_DATABASE_EXAMPLES = (
    "must be a URL such as postgresql://user:password@host/database or sqlite:////srv/microbadger/data/microbadger.db"
)
_PREFIX = "MICROBADGER_"
_KNOWN = {
    f"{_PREFIX}{name}"
    for name in (
        *("IMAGES", "DATA_DIR", "PUBLIC_DIR", "BASE_URL", "HOOK_URL", "SECRET", "ADMIN_TOKEN", "REFRESH_HOURS"),
        *("MAX_TAGS", "STATIC", "MIRRORS", "HUB_URL", "HTTP_REGISTRIES", "REGISTRY_SERVERS", "CDN_PURGE"),
        *("OPEN", "OPEN_PER_HOUR", "OPEN_IMAGES", "TRUSTED_PROXIES"),
    )
}
_WITHOUT_PREFIX = ("PORT", "DATABASE_URL", "DOCKER_CONFIG", "DOCKER_AUTH_CONFIG")

_PROXIES = {"http": "HTTP_PROXY", "https": "HTTPS_PROXY", "all": "ALL_PROXY", "no": "NO_PROXY"}
_CA_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")

_AWS = (
    *("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN", "REGION", "DEFAULT_REGION"),
    *("ENDPOINT_URL", "ENDPOINT_URL_S3"),
)

T = TypeVar("T")


class SettingsError(click.ClickException):
    """A setting is invalid. The message names the variable, the reason and the valid values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings of a service, with their defaults. `site/guide/settings.md` describes them for operators."""

    images: str = ""
    data_dir: Path = Path("data")
    public_dir: Path = Path("public")
    bucket: BucketAddress | None = None
    """The bucket for the public files; None if they are in ``public_dir``."""
    database_url: str = field(default="", repr=False)
    is_static: bool = False
    base_url: str = "http://localhost:8000"
    hook_url: str = ""
    secret: str = field(default="", repr=False)
    admin_token: str = field(default="", repr=False)
    refresh_interval: timedelta = timedelta(hours=24)
    max_tags: int = 100
    mirrors: Mapping[str, str] = field(default_factory=dict)
    hub_url: str = "https://hub.docker.com"
    http_registries: tuple[str, ...] = ()
    registry_servers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    open_registries: tuple[str, ...] = ()
    """The registries whose public images are tracked when a reader requests them."""
    open_per_hour: int = 120
    open_images: int = 10_000
    trusted_proxies: tuple[Peer, ...] = ()
    """The addresses of proxies that are trusted to report the address of a client."""
    cdn_purge: Target | None = None
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    ca_bundle: str = ""
    docker_auth_config: str = field(default="", repr=False)
    docker_config: Path | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Return the settings in these variables. Raises SettingsError for the first invalid one."""

        def read(name: str, parse: Callable[[str], T], default: T) -> T:
            text = environment.get(f"MICROBADGER_{name}")
            if text is None or (not text.strip() and name != "HUB_URL"):
                return default
            return _parsed(f"MICROBADGER_{name}", text.strip(), parse)

        data_dir, bucket = read("DATA_DIR", _folder, Path("data")), _bucket(environment)
        public_dir = Path("public") if bucket else read("PUBLIC_DIR", Path, Path("public"))
        if not bucket and data_dir.resolve().is_relative_to(public_dir.resolve()):
            raise SettingsError("Invalid MICROBADGER_DATA_DIR: must be outside the public folder.")
        base_url = read("BASE_URL", parse_url, "") or _platform_url(environment)
        return cls(
            images=environment.get("MICROBADGER_IMAGES", ""),
            data_dir=data_dir,
            public_dir=public_dir,
            bucket=bucket,
            database_url=_database_url(environment, public_dir),
            is_static=read("STATIC", _switch, False),
            base_url=base_url,
            hook_url=read("HOOK_URL", parse_url, base_url),
            secret=read("SECRET", _secret, ""),
            admin_token=read("ADMIN_TOKEN", _secret, ""),
            refresh_interval=read("REFRESH_HOURS", _hours, timedelta(hours=24)),
            max_tags=read("MAX_TAGS", partial(_count, most=_MOST_TAGS), 100),
            mirrors=read("MIRRORS", parse_mirrors, {}),
            hub_url=read("HUB_URL", _url_or_nothing, "https://hub.docker.com"),
            http_registries=read("HTTP_REGISTRIES", parse_registries, ()),
            registry_servers=read("REGISTRY_SERVERS", parse_registry_servers, {}),
            open_registries=read("OPEN", parse_registries, ()),
            open_per_hour=read("OPEN_PER_HOUR", partial(_count, most=_MOST_AN_HOUR), 120),
            open_images=read("OPEN_IMAGES", partial(_count, most=_MOST_OPEN_IMAGES), 10_000),
            trusted_proxies=read("TRUSTED_PROXIES", parse_peers, ()),
            cdn_purge=read("CDN_PURGE", parse_target, None),
            proxies=_proxies(environment),
            ca_bundle=_ca_bundle(environment),
            docker_auth_config=environment.get("DOCKER_AUTH_CONFIG", "").strip(),
            docker_config=Path(environment.get("DOCKER_CONFIG") or Path(environment.get("HOME", "/"), ".docker")),
        )

    @property
    def database(self) -> str:
        """The URL of the database. By default it is a SQLite file in the data folder."""
        file = self.data_dir.absolute() / "microbadger.db"
        return self.database_url or URL.create("sqlite", database=str(file)).render_as_string()

    @property
    def logged(self) -> dict[str, object]:
        """The settings that may be logged, by name. Secrets are reduced to whether they are set."""
        cdn, servers = self.cdn_purge, self.registry_servers.items()
        return {
            "base_url": self.base_url,
            "hook_url": self.hook_url,
            "data_dir": self.data_dir,
            "public_dir": self.bucket or self.public_dir,
            "object_store": self.bucket and (self.bucket.endpoint or None),
            "database": make_url(self.database).set(query={}).render_as_string(hide_password=True),
            "refresh_hours": self.refresh_interval / timedelta(hours=1),
            "max_tags": self.max_tags,
            "mirrors": ",".join(f"{host}={url}" for host, url in self.mirrors.items()) or None,
            "hub_url": self.hub_url,
            "http_registries": ",".join(self.http_registries) or None,
            "registry_servers": ",".join(f"{host}={url}" for host, urls in servers for url in urls) or None,
            **self._logged_of_open,
            "cdn_purge": cdn.url if isinstance(cdn, PurgeMethod) else cdn and "cloudflare",
            "proxies": ",".join(f"{kind}={without_login(url)}" for kind, url in self._proxy_urls.items()) or None,
            "no_proxy": self.proxies.get("no"),
            "ca_bundle": self.ca_bundle or None,
            "has_secret": bool(self.secret),
            "has_admin_token": bool(self.admin_token),
        }

    @property
    def _logged_of_open(self) -> dict[str, object]:
        if not self.open_registries:
            return {}
        return {
            "open": ",".join(self.open_registries),
            "open_per_hour": self.open_per_hour,
            "open_images": self.open_images,
            "trusted_proxies": ",".join(map(str, self.trusted_proxies)) or None,
        }

    @property
    def secrets(self) -> list[str]:
        """The secrets in the settings, which must never be logged. Some of them can be empty."""
        cdn_token = self.cdn_purge.token if isinstance(self.cdn_purge, Cloudflare) else ""
        database = make_url(self.database)
        passwords = [database.password or "", *database.normalized_query.get("password", ())]
        proxies = [secret for proxy in self._proxy_urls.values() for secret in proxy_secrets(proxy)]
        bucket = [self.bucket.secret_key, self.bucket.session_token] if self.bucket else []
        return [self.secret, self.admin_token, cdn_token, *passwords, *proxies, *bucket]

    @property
    def _proxy_urls(self) -> dict[str, str]:
        return {kind: url for kind, url in self.proxies.items() if kind != "no"}


def unknown_settings(environment: Mapping[str, str]) -> dict[str, str | None]:
    """Return the unknown variables that begin with MICROBADGER_, each with the most similar setting, or None.

    >>> unknown_settings({"MICROBADGER_IMAGE": "alpine", "MICROBADGER_COLOUR": "red"})
    {'MICROBADGER_COLOUR': None, 'MICROBADGER_IMAGE': 'MICROBADGER_IMAGES'}
    """
    names = {name.removeprefix(_PREFIX): name for name in sorted((*_KNOWN, *_WITHOUT_PREFIX))}
    unknown = sorted(name for name in environment if name.upper().startswith(_PREFIX) and name not in _KNOWN)
    nearest = (get_close_matches(name.upper().removeprefix(_PREFIX), names, 1) for name in unknown)
    return {name: names[found[0]] if found else None for name, found in zip(unknown, nearest, strict=True)}


def _platform_url(environment: Mapping[str, str]) -> str:
    """Return the URL that the hosting platform gives this service, else its local URL.

    https://render.com/docs/environment-variables, https://docs.railway.com/reference/variables,
    https://devcenter.heroku.com/articles/dyno-metadata, https://fly.io/docs/machines/runtime-environment/
    """
    for name, pattern in (
        ("RENDER_EXTERNAL_URL", "{}"),
        ("RAILWAY_PUBLIC_DOMAIN", "https://{}"),
        ("HEROKU_APP_DEFAULT_DOMAIN_NAME", "https://{}"),
        ("FLY_APP_NAME", "https://{}.fly.dev"),
    ):
        if value := environment.get(name, "").strip():
            return _parsed(name, pattern.format(value), parse_url)
    port = environment.get("PORT", "").strip()
    return f"http://localhost:{port if re.fullmatch('[0-9]{1,5}', port) else 8000}"


def _database_url(environment: Mapping[str, str], public_dir: Path) -> str:
    text = environment.get("DATABASE_URL", "").strip()
    if not text:
        return ""
    url = make_url(_parsed("DATABASE_URL", text, database_address))
    if url.drivername == "sqlite" and Path(url.database or "").resolve().is_relative_to(public_dir.resolve()):
        raise SettingsError("Invalid DATABASE_URL: the file must be outside the public folder.")
    return url.render_as_string(hide_password=False)


def database_address(text: str) -> str:
    """Return the URL of a database in the form for SQLAlchemy. Raises ValueError.

    It also accepts ``postgres://``, which hosting platforms use for PostgreSQL.
    """
    try:
        url = parse_address(text)
        driver, database = _DRIVERS[url.drivername.lower()], url.database or ""
    except (ArgumentError, KeyError):
        driver, database = "", ""
    is_file = driver == "sqlite"
    if not driver or database in _NO_DATABASE or not (text + database).isprintable():
        raise ValueError(_DATABASE_EXAMPLES)
    url = url.set(drivername=driver)
    if is_file and url != URL.create(driver, database=database):  # a file has no host and no options
        raise ValueError(_DATABASE_EXAMPLES)
    if not is_file:
        check_address(url)
    return url.render_as_string(hide_password=False)


def _bucket(environment: Mapping[str, str]) -> BucketAddress | None:
    """Return the bucket for the public files, or None if they are in a folder. Raises SettingsError.

    The credentials, the region and the endpoint come from the variables that every S3 client reads:
    https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html
    """
    name = f"{_PREFIX}PUBLIC_DIR"
    text = environment.get(name, "").strip()
    if "://" not in text and not text.lower().startswith("s3:"):
        return None  # it is a folder
    bucket, prefix = _parsed(name, text, parse_bucket_url)
    aws = {each: environment.get(f"AWS_{each}", "").strip() for each in _AWS}
    server = "ENDPOINT_URL_S3" if aws["ENDPOINT_URL_S3"] else "ENDPOINT_URL"
    region = "REGION" if aws["REGION"] else "DEFAULT_REGION"
    endpoint = _parsed(f"AWS_{server}", aws[server], _url_or_nothing)
    keys = [aws["ACCESS_KEY_ID"], aws["SECRET_ACCESS_KEY"]]
    if not all(keys) and (any(keys) or endpoint):
        raise SettingsError(f"{name} names a bucket: set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.")
    for each in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN"):
        _parsed(f"AWS_{each}", aws[each], _key)
    return BucketAddress(
        bucket=bucket,
        prefix=prefix,
        region=_parsed(f"AWS_{region}", aws[region] or "us-east-1", _region),
        endpoint=endpoint,
        key_id=keys[0],
        secret_key=keys[1],
        session_token=aws["SESSION_TOKEN"],
        ca_bundle=_ca_bundle(environment),
    )


def _key(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must be printable text")
    return text


def _region(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9-]{1,64}", text):
        raise ValueError("must be a region such as eu-central-1")
    return text


def _proxies(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the proxies by the scheme of the URLs they are for. As in curl, a lower-case variable takes precedence."""
    proxies = {}
    for kind, upper in _PROXIES.items():
        texts = {name: environment.get(name, "").strip() for name in (upper.lower(), upper)}
        for name, text in [(name, text) for name, text in texts.items() if text][:1]:
            proxies[kind] = text if kind == "no" else _parsed(name, text, parse_proxy)
    return proxies


def _ca_bundle(environment: Mapping[str, str]) -> str:
    """Return the file or folders with the CA certificates to trust; empty for those of public authorities."""
    for name in _CA_BUNDLES:
        if text := environment.get(name, "").strip():
            return _parsed(name, text, parse_ca_bundle)
    return ""


def _parsed(name: str, text: str, parse: Callable[[str], T]) -> T:
    """Return the parsed value of a variable. Raises SettingsError if ``parse`` raises ValueError."""
    try:
        return parse(text)
    except ValueError as error:
        raise SettingsError(f"Invalid {name}: {error}.") from None  # the original error can hold a password


def _switch(text: str) -> bool:
    if text.lower() not in _SWITCHES:
        raise ValueError("must be 1 or 0")
    return _SWITCHES[text.lower()]


def _folder(text: str) -> Path:
    if "://" in text:
        raise ValueError("must be a folder")
    return Path(text)


def _url_or_nothing(text: str) -> str:
    return parse_url(text) if text else ""


def _hours(text: str) -> timedelta:
    try:
        hours = float(text)
    except ValueError:
        hours = math.nan
    if not 0 < hours <= _LONGEST_HOURS:
        raise ValueError(f"must be a number of hours above 0 and up to {_LONGEST_HOURS}")
    return timedelta(hours=hours)


def _count(text: str, most: int) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= most:
        raise ValueError(f"must be a whole number from 1 to {most}")
    return int(text)


def _secret(text: str) -> str:
    if not text.isprintable() or len(text) < _SHORTEST_SECRET:
        raise ValueError(f"must be printable text of at least {_SHORTEST_SECRET} characters")
    if is_guessable(text):
        raise ValueError("it can be guessed; use the output of `openssl rand -hex 32`")
    return text


def prepare_folder(folder: Path) -> None:
    """Create a folder unless it exists. Raises SettingsError."""
    try:
        make_folder(folder)
    except OSError as error:
        raise SettingsError(f"The folder {folder} cannot be created: {error.strerror}.") from error
    if not folder.is_dir():
        raise SettingsError(f"The folder {folder} cannot be created: there is a file of that name.")
