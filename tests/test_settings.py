"""The settings that the environment gives, and the words in which an invalid one is refused."""

import base64
import hashlib
import sys
from contextlib import suppress
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import certifi
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import make_url

from microbadger.cdn.target import Cloudflare, PurgeMethod
from microbadger.settings import Settings, SettingsError, unknown_settings
from microbadger.store.database import Database

VARIABLES = [
    "IMAGES", "DATA_DIR", "PUBLIC_DIR", "BASE_URL", "HOOK_URL", "SECRET", "ADMIN_TOKEN", "REFRESH_HOURS", "MAX_TAGS",
    "STATIC", "MIRRORS", "HUB_URL", "HTTP_REGISTRIES", "REGISTRY_SERVERS", "CDN_PURGE", "OPEN", "OPEN_PER_HOUR",
    "OPEN_IMAGES", "TRUSTED_PROXIES",
]  # fmt: skip

ZONE = "0123456789abcdef0123456789abcdef"
PEERS = tuple(map(ip_network, ("127.0.0.1", "10.0.0.0/8", "::1")))

# variable, value, field, what it means
GOOD = [
    ("SECRET", "hasta mañana, 16", "secret", "hasta mañana, 16"),
    ("SECRET", "  one that is padded \n", "secret", "one that is padded"),
    ("IMAGES", "alpine, a/b", "images", "alpine, a/b"),
    ("DATA_DIR", "/srv/data", "data_dir", Path("/srv/data")),
    ("PUBLIC_DIR", "out/public", "public_dir", Path("out/public")),
    ("BASE_URL", "https://badges.example.org", "base_url", "https://badges.example.org"),
    ("BASE_URL", "https://badges.example.org/", "base_url", "https://badges.example.org"),
    ("BASE_URL", "http://[::1]:8000/a/b_c~1/", "base_url", "http://[::1]:8000/a/b_c~1"),
    ("HOOK_URL", "https://hooks.example.org/", "hook_url", "https://hooks.example.org"),
    ("ADMIN_TOKEN", "1f3a92c07be4d586", "admin_token", "1f3a92c07be4d586"),
    *(("STATIC", value, "is_static", True) for value in ("1", "true", "Yes", " ON ")),
    *(("STATIC", value, "is_static", False) for value in ("0", "false", "No", " OFF ")),
    ("REFRESH_HOURS", "6", "refresh_interval", timedelta(hours=6)),
    ("REFRESH_HOURS", "0.5", "refresh_interval", timedelta(minutes=30)),
    ("REFRESH_HOURS", "8784", "refresh_interval", timedelta(days=366)),
    ("MAX_TAGS", "1", "max_tags", 1),
    ("MAX_TAGS", "10000", "max_tags", 10_000),
    ("MIRRORS", "{}", "mirrors", {}),
    ("MIRRORS", '{"docker.io": "http://127.0.0.1:5000/"}', "mirrors", {"docker.io": "http://127.0.0.1:5000"}),
    ("HUB_URL", "https://hub.example.org", "hub_url", "https://hub.example.org"),
    ("HUB_URL", "", "hub_url", ""),
    ("HUB_URL", "  ", "hub_url", ""),
    ("HTTP_REGISTRIES", "registry:5000, other.example", "http_registries", ("registry:5000", "other.example")),
    ("REGISTRY_SERVERS", '{"a.test": "https://b.test/"}', "registry_servers", {"a.test": ("https://b.test",)}),
    (
        "REGISTRY_SERVERS",
        '{"docker.io": [], "a.test:5000": ["http://10.0.0.1:81", "https://b.test/token"]}',
        "registry_servers",
        {"docker.io": (), "a.test:5000": ("http://10.0.0.1:81", "https://b.test/token")},
    ),
    ("OPEN", "docker.io, ghcr.io localhost:5000", "open_registries", ("docker.io", "ghcr.io", "localhost:5000")),
    ("OPEN_PER_HOUR", "1", "open_per_hour", 1),
    ("OPEN_PER_HOUR", "100000", "open_per_hour", 100_000),
    ("OPEN_IMAGES", "1000000", "open_images", 1_000_000),
    ("TRUSTED_PROXIES", "127.0.0.1 10.1.2.3/8,::1", "trusted_proxies", PEERS),
    ("TRUSTED_PROXIES", "unix", "trusted_proxies", ("unix",)),
    ("CDN_PURGE", "http://10.0.0.7:6081/", "cdn_purge", PurgeMethod("http://10.0.0.7:6081")),
    ("CDN_PURGE", f"cloudflare:{ZONE}:t0ken", "cdn_purge", Cloudflare(ZONE, "t0ken")),
]

NO_URL = "must be a URL such as https://badges.example.org"
NO_HOURS = "must be a number of hours above 0 and up to 8784"
NO_COUNT = "must be a whole number from 1 to 10000"
NO_SECRET = "must be printable text of at least 16 characters"
NO_SERVERS = 'must be a JSON object such as {"registry.example.org": ["https://auth.example.org"]}'
NO_MIRRORS = 'must be a JSON object such as {"docker.io": "http://127.0.0.1:5000"}'
NO_PEERS = "must be addresses or networks such as 127.0.0.1 or 10.0.0.0/8, or the word unix"
BAD = [
    *((variable, value, NO_URL) for variable in ("BASE_URL", "HOOK_URL", "HUB_URL") for value in (
        "https://mañana.example", "badges.example.org", "//badges.example.org", "ftp://badges.example.org", "https://",
        "https:///path", "https://badges.example.org?a=b", "https://badges.example.org#a", "javascript:alert(1)",
        "https://user:pass@badges.example.org", "https://badges.example.org/a b", "https://badges.example.org/\"><b>",
        "https://badges.example.org/)](x", "https://badges.example.org:port", "https://[::1", "https://a\nb",
    )),
    *(("REFRESH_HOURS", value, NO_HOURS) for value in (
        "mañana", "0", "-1", "24h", "8784.1", "nan", "inf", "-inf", "1e999", "1,5", "1" * 5000,
    )),
    *(("MAX_TAGS", value, NO_COUNT) for value in ("mañana", "0", "-1", "1.5", "10001", "٣", "1_0", "1" * 5000)),
    ("OPEN_PER_HOUR", "0", "must be a whole number from 1 to 100000"),
    ("OPEN_IMAGES", "1000001", "must be a whole number from 1 to 1000000"),
    *(("TRUSTED_PROXIES", value, NO_PEERS) for value in ("mañana", "10.0.0.0/33", "proxy.test", "Unix", "::1 x")),
    *(("MIRRORS", value, NO_MIRRORS) for value in (
        "mañana", "docker.io", "[]", '"x"', "null", "{", '{"docker.io": null}', '{"docker.io": ["http://a"]}',
    )),
    *(("REGISTRY_SERVERS", value, NO_SERVERS) for value in (
        "mañana", "a.test", "[]", '"x"', "null", "{", '{"a.test": null}', '{"a.test": [1]}', '{"a.test": {}}',
        "[" * 100_000,
    )),
    ("REGISTRY_SERVERS", '{"a.test": ["b.test"]}', NO_URL),
    ("REGISTRY_SERVERS", '{"a.test": [""]}', NO_URL),
    ("REGISTRY_SERVERS", '{"a/b": []}', "'a/b' is not the host of a registry, such as registry.example.org:5000"),
    *((variable, value, NO_SECRET) for variable in ("SECRET", "ADMIN_TOKEN") for value in (
        "mañana", "none", "fifteen letters", " fifteen letters ", "sixteen\x1bletters", "a secret on two\nlines",
    )),
    *(("STATIC", value, "must be 1 or 0") for value in ("mañana", "2", "-1", "1.0", "static", "si", "1 0")),
    *(("DATA_DIR", value, "must be a folder") for value in ("s3://mañana/public", "file:///srv/public")),
    *(("PUBLIC_DIR", value, "must be a folder, or a bucket such as s3://bucket/prefix") for value in (
        "s3://mañana/public", "file:///srv/public", "s3:", "s3://", "s3://a", "s3://Bucket", "s3://user@bucket",
        "s3://bucket:80", "s3://bucket/../other", "s3://bucket/a//b", "s3://bucket/prefix?x",
        "s3://bucket/" + "x" * 201,
    )),
    *(("HTTP_REGISTRIES", value, f"{value!r} is not the host of a registry, such as registry.example.org:5000")
      for value in ("mañana", "http://registry:5000", "registry", "a/b", "registry:port")),
    ("BASE_URL", "https://badges.example.org:0", "its port cannot be 0"),
    ("MIRRORS", '{"docker.io": "127.0.0.1:5000"}', NO_URL),
    ("MIRRORS", '{"docker.io": ""}', NO_URL),
]  # fmt: skip

PLATFORMS = [
    ({"RENDER_EXTERNAL_URL": "https://app.onrender.com"}, "https://app.onrender.com"),
    ({"RENDER_EXTERNAL_URL": "https://app.onrender.com/"}, "https://app.onrender.com"),
    ({"RAILWAY_PUBLIC_DOMAIN": "app.up.railway.app"}, "https://app.up.railway.app"),
    ({"HEROKU_APP_DEFAULT_DOMAIN_NAME": "app-1a2b.herokuapp.com"}, "https://app-1a2b.herokuapp.com"),
    ({"FLY_APP_NAME": "app"}, "https://app.fly.dev"),
    ({"RENDER_EXTERNAL_URL": "", "FLY_APP_NAME": "app"}, "https://app.fly.dev"),
    ({"PORT": "5001", "FLY_APP_NAME": "app"}, "https://app.fly.dev"),
    ({"PORT": "5001"}, "http://localhost:5001"),
    ({"PORT": " 5001 "}, "http://localhost:5001"),
    *(({"PORT": port}, "http://localhost:8000") for port in ("", "mañana", "٣", "unix:/run/web", "-1", "123456")),
    ({}, "http://localhost:8000"),
]

NO_DATABASE = (
    "must be a URL such as postgresql://user:password@host/database or sqlite:////srv/microbadger/data/microbadger.db"
)
POSTGRESQL = ("postgres", "postgresql", "postgresql+psycopg")


def read(**variables: str) -> Settings:
    return Settings.from_environment({f"MICROBADGER_{name}": value for name, value in variables.items()})


def test_an_empty_environment_gives_the_defaults() -> None:
    assert read() == Settings(hook_url="http://localhost:8000", docker_config=Path("/.docker"))


@pytest.mark.parametrize("variable", [name for name in VARIABLES if name != "HUB_URL"])
def test_an_empty_variable_is_as_good_as_none(variable: str) -> None:
    assert read(**{variable: ""}) == read()


@pytest.mark.parametrize(("variable", "value", "field", "meaning"), GOOD)
def test_it_reads_a_variable(variable: str, value: str, field: str, meaning: object) -> None:
    assert getattr(read(**{variable: value}), field) == meaning


@pytest.mark.parametrize(("variable", "value", "reason"), BAD)
def test_an_invalid_value_is_refused_in_one_sentence(variable: str, value: str, reason: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read(**{variable: value})
    assert refused.value.message == f"Invalid MICROBADGER_{variable}: {reason}."


@pytest.mark.parametrize(("environment", "url"), PLATFORMS)
def test_the_platform_says_where_readers_reach_it(environment: dict[str, str], url: str) -> None:
    assert Settings.from_environment(environment).base_url == url


def test_the_operator_knows_better_than_the_platform() -> None:
    settings = Settings.from_environment({"FLY_APP_NAME": "app", "MICROBADGER_BASE_URL": "https://badges.example.org"})
    assert settings.base_url == "https://badges.example.org"


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"HOME": "/home/mañana"}, "/home/mañana/.docker"),
        ({"HOME": "/root", "DOCKER_CONFIG": "/etc/docker"}, "/etc/docker"),
        ({"HOME": "/root", "DOCKER_CONFIG": ""}, "/root/.docker"),
        ({}, "/.docker"),
    ],
)
def test_credentials_stand_where_docker_keeps_them(environment: dict[str, str], folder: str) -> None:
    assert Settings.from_environment(environment).docker_config == Path(folder)


def test_credentials_can_stand_in_the_environment() -> None:
    settings = Settings.from_environment({"DOCKER_AUTH_CONFIG": ' {"auths": {}}\n'})
    assert settings.docker_auth_config == '{"auths": {}}'


def test_webhooks_reach_the_app_where_readers_do() -> None:
    assert read(BASE_URL="https://badges.example.org").hook_url == "https://badges.example.org"


@pytest.mark.parametrize("folder", ["public", "public/data", "./public/", "public/../public/data"])
def test_what_is_not_public_cannot_be_kept_in_the_public_folder(folder: str) -> None:
    with pytest.raises(SettingsError, match=r"^Invalid MICROBADGER_DATA_DIR: must be outside the public"):
        read(DATA_DIR=folder)


def test_the_public_folder_may_be_in_the_data_folder() -> None:
    assert read(DATA_DIR="/srv", PUBLIC_DIR="/srv/public").public_dir == Path("/srv/public")


def database_of(url: str, **variables: str) -> str:
    return Settings.from_environment({"DATABASE_URL": url, **variables}).database


@pytest.mark.parametrize("folder", ["data", "mañana", "a b", "a?b=c#d", "50%25", "a;b"])
def test_the_database_is_a_file_in_the_data_folder(tmp_path: Path, folder: str) -> None:
    settings = read(DATA_DIR=str(tmp_path / folder), PUBLIC_DIR=str(tmp_path / "public"))

    with Database(settings.database).read():
        assert (tmp_path / folder / "microbadger.db").exists()


@pytest.mark.parametrize("url", ["", "  ", "\n"])
def test_an_empty_database_url_is_as_good_as_none(url: str) -> None:
    assert database_of(url) == read().database


@pytest.mark.parametrize(
    ("url", "file"),
    [
        ("sqlite:////srv/mañana/badges.db", "/srv/mañana/badges.db"),
        (" sqlite:///badges.db\n", "badges.db"),
        ("sqlite:////srv/50%2525/badges.db", "/srv/50%25/badges.db"),
    ],
)
def test_another_file_can_be_the_database(url: str, file: str) -> None:
    assert make_url(database_of(url)).database == file


@pytest.mark.parametrize("scheme", POSTGRESQL)
def test_postgresql_is_named_as_platforms_do(scheme: str) -> None:
    rest = "user:pa%40ss@db.example.org:5433/badges?sslmode=require"

    assert database_of(f"{scheme}://{rest}") == f"postgresql+psycopg://{rest}"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ("pgbouncer=true", 'invalid connection option "pgbouncer"'),
        ("mañana=1", 'invalid connection option "mañana"'),
    ],
)
def test_an_option_that_the_driver_does_not_know_is_refused(options: str, reason: str) -> None:
    with pytest.raises(SettingsError) as refused:
        database_of(f"postgres://user:hunter2@db.example.org/badges?{options}")
    assert refused.value.message == f"Invalid DATABASE_URL: {reason}."


@pytest.mark.parametrize("scheme", POSTGRESQL)
def test_without_psycopg_postgresql_is_refused_with_the_way_to_install_it(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(SettingsError) as refused:
        database_of(f"{scheme}://user:hunter2@db.example.org/badges")
    assert refused.value.message == (
        "Invalid DATABASE_URL: PostgreSQL needs psycopg; install it with: pip install 'psycopg[binary]'."
    )


@pytest.mark.parametrize(
    "url",
    [
        "mañana", "badges.db", "/srv/badges.db", "sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite://host/x.db",
        "sqlite:///x.db?mode=ro", "sqlite:///%00", "sqlite+aiosqlite:///x.db", "mysql://user@host/badges",
        "postgresql://host", "postgres:///", "postgres://user:pass@host:port/badges", "https://db.example.org/badges",
    ],
)  # fmt: skip
def test_an_invalid_database_url_is_refused_in_one_sentence(url: str) -> None:
    with pytest.raises(SettingsError) as refused:
        database_of(url)
    assert refused.value.message == f"Invalid DATABASE_URL: {NO_DATABASE}."


@pytest.mark.parametrize("file", ["public/badges.db", "./data/../public/a/badges.db"])
def test_the_database_cannot_be_in_the_public_folder(file: str) -> None:
    with pytest.raises(SettingsError) as refused:
        database_of(f"sqlite:///{file}")
    assert refused.value.message == "Invalid DATABASE_URL: the file must be outside the public folder."


@pytest.mark.parametrize(("environment", "name"), [
    ({"RENDER_EXTERNAL_URL": "mañana"}, "RENDER_EXTERNAL_URL"),
    ({"RAILWAY_PUBLIC_DOMAIN": "https://app.up.railway.app"}, "RAILWAY_PUBLIC_DOMAIN"),
    ({"HEROKU_APP_DEFAULT_DOMAIN_NAME": "a b"}, "HEROKU_APP_DEFAULT_DOMAIN_NAME"),
    ({"FLY_APP_NAME": "my app"}, "FLY_APP_NAME"),
])  # fmt: skip
def test_an_invalid_address_of_the_platform_is_refused_by_its_name(environment: dict[str, str], name: str) -> None:
    with pytest.raises(SettingsError, match=f"^Invalid {name}: "):
        Settings.from_environment(environment)


# what is set, the setting that was perhaps meant
UNKNOWN = [
    ("MICROBADGER_IMAGE", "MICROBADGER_IMAGES"),
    ("MICROBADGER_REFRESH_HOUR", "MICROBADGER_REFRESH_HOURS"),
    ("MICROBADGER_BASEURL", "MICROBADGER_BASE_URL"),
    ("MICROBADGER_ADMIN_TOKNE", "MICROBADGER_ADMIN_TOKEN"),
    ("microbadger_images", "MICROBADGER_IMAGES"),
    ("MICROBADGER_DATABASE_URL", "DATABASE_URL"),
    ("MICROBADGER_PORT", "PORT"),
    ("MICROBADGER_COLOUR", None),
    ("MICROBADGER_", None),
]


@pytest.mark.parametrize(("name", "nearest"), UNKNOWN)
def test_a_variable_that_is_named_like_a_setting_and_is_none_is_found_with_the_nearest(
    name: str, nearest: str | None
) -> None:
    assert unknown_settings({name: "x", "OTHER": "x", "MICROBADGER_IMAGES": "alpine"}) == {name: nearest}


def test_no_setting_is_found_unknown() -> None:
    assert unknown_settings({f"MICROBADGER_{name}": "x" for name in VARIABLES}) == {}


@pytest.mark.parametrize("variable", ["MICROBADGER_SECRET", "MICROBADGER_ADMIN_TOKEN", "DOCKER_AUTH_CONFIG"])
def test_settings_can_be_shown_without_their_secrets(variable: str) -> None:
    assert "hunter2" not in repr(Settings.from_environment({variable: "hunter2, a secret"}))


@pytest.mark.parametrize("variable", ["BASE_URL", "HOOK_URL", "HUB_URL", "MIRRORS"])
def test_a_refusal_does_not_repeat_a_password(variable: str) -> None:
    url = "https://user:hunter2@badges.example.org"
    with pytest.raises(SettingsError) as refused:
        read(**{variable: f'{{"docker.io": "{url}"}}' if variable == "MIRRORS" else url})
    assert "hunter2" not in refused.value.message


@pytest.mark.parametrize("variable", ["SECRET", "ADMIN_TOKEN"])
@pytest.mark.parametrize("value", [
    "a" * 40, "ab" * 10, "0000000000000001", "passwordpassword", "changeme12345678", "admin-admin-admin-123",
    "my secret password", "none none none none", "hunter2hunter2hunter2", "your-webhook-secret", "your-secret-here",
    "please-change-me", "the-admin-token-2026", "1234567890123456", "qwertyuiopasdfgh", "${SECRET_FROM_ENV}",
])  # fmt: skip
def test_a_secret_that_can_be_guessed_is_refused_without_repeating_it(variable: str, value: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read(**{variable: value})

    sentence = "it can be guessed; use the output of `openssl rand -hex 32`."
    assert refused.value.message == f"Invalid MICROBADGER_{variable}: {sentence}"
    assert value not in refused.value.message


@pytest.mark.parametrize("variable", ["SECRET", "ADMIN_TOKEN"])
@given(st.binary(min_size=12, max_size=32))
def test_a_secret_made_at_random_is_taken(variable: str, given: bytes) -> None:
    random = base64.urlsafe_b64encode(hashlib.sha256(given).digest()[:24]).decode()

    assert getattr(read(**{variable: random}), variable.lower()) == random


@pytest.mark.parametrize("variable", ["SECRET", "ADMIN_TOKEN"])
def test_a_refusal_does_not_repeat_a_secret_that_is_too_short(variable: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read(**{variable: "hunter2"})
    assert "hunter2" not in refused.value.message


TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
DATABASE_URLS = st.builds("".join, st.tuples(
    st.sampled_from(["sqlite", "postgres", "postgresql", "mysql", "", "sqlite+pysqlite"]),
    st.sampled_from([":", "://", ":///", "://user:pass@host:5432/", "://user:pass@[::1]/"]),
    st.one_of(st.sampled_from(["", "%00", ":memory:", "x.db?a=b", "a:b"]), TEXTS),
))  # fmt: skip


@given(
    st.sampled_from(
        [
            *(f"MICROBADGER_{name}" for name in VARIABLES),
            *("DATABASE_URL", "PORT", "FLY_APP_NAME", "HTTP_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "SSL_CERT_DIR"),
        ]
    ),
    TEXTS,
)
def test_any_value_is_read_or_refused(variable: str, value: str) -> None:
    with suppress(SettingsError):
        assert isinstance(Settings.from_environment({variable: value}), Settings)


@given(DATABASE_URLS)
def test_any_database_url_is_read_or_refused(url: str) -> None:
    with suppress(SettingsError):
        assert make_url(database_of(url)).database


def test_the_log_shows_every_setting_but_no_secret() -> None:
    secrets = {"SECRET": "a secret of mine", "ADMIN_TOKEN": "an administrator's"}
    environment = {
        **secrets,
        "CDN_PURGE": f"cloudflare:{ZONE}:t0ken",
        "MIRRORS": '{"docker.io": "http://127.0.0.1:5000"}',
        "HTTP_REGISTRIES": "a.test b.test",
        "REGISTRY_SERVERS": '{"a.test": ["http://c.test", "http://d.test"]}',
        "DATA_DIR": "/srv/data",
    }
    settings = read(**environment)

    assert [secret for secret in settings.secrets if secret] == ["a secret of mine", "an administrator's", "t0ken"]
    assert not any(secret in repr(settings.logged) for secret in settings.secrets if secret)
    shown = {"mirrors", "http_registries", "registry_servers", "cdn_purge", "has_admin_token", "database"}
    assert {name: settings.logged[name] for name in shown} == {
        "mirrors": "docker.io=http://127.0.0.1:5000",
        "http_registries": "a.test,b.test",
        "registry_servers": "a.test=http://c.test,a.test=http://d.test",
        "cdn_purge": "cloudflare",
        "has_admin_token": True,
        "database": "sqlite:////srv/data/microbadger.db",
    }


# Proxies and certificates

CASES = (str.upper, str.lower)
PROXY = "http://user:hunt%40er2@proxy.test:3128"


@pytest.mark.parametrize(
    ("environment", "proxies"),
    [
        ({}, {}),
        ({"HTTPS_PROXY": PROXY}, {"https": PROXY}),
        ({"HTTP_PROXY": PROXY}, {"http": PROXY}),
        ({"ALL_PROXY": PROXY}, {"all": PROXY}),
        ({"https_proxy": PROXY}, {"https": PROXY}),
        ({"http_proxy": PROXY}, {"http": PROXY}),
        ({"all_proxy": PROXY}, {"all": PROXY}),
        ({"HTTPS_PROXY": "http://upper.test", "https_proxy": "http://lower.test"}, {"https": "http://lower.test"}),
        ({"HTTPS_PROXY": "not a proxy", "https_proxy": "http://lower.test"}, {"https": "http://lower.test"}),
        ({"HTTPS_PROXY": "http://upper.test", "https_proxy": ""}, {"https": "http://upper.test"}),
        ({"HTTPS_PROXY": " "}, {}),
        ({"HTTPS_PROXY": " proxy:3128/ "}, {"https": "http://proxy:3128"}),
        ({"NO_PROXY": "a.test, 10.0.0.0/8"}, {"no": "a.test, 10.0.0.0/8"}),
        ({"NO_PROXY": "a.test", "no_proxy": "b.test"}, {"no": "b.test"}),
    ],
)
def test_proxies_stand_in_the_usual_variables(environment: dict[str, str], proxies: dict[str, str]) -> None:
    assert Settings.from_environment(environment).proxies == proxies


@pytest.mark.parametrize("variable", [case(f"{kind}_proxy") for kind in ("http", "https", "all") for case in CASES])
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("ftp://user:hunter2@proxy.test", "must be a URL such as http://proxy.example.org:3128"),
        ("http://user:hunter2@proxy.test/path", "must be a URL such as http://proxy.example.org:3128"),
        ("http://user:hunter2@proxy.test:port", "must be a URL such as http://proxy.example.org:3128"),
        (
            "socks5h://user:hunter2@proxy.test",
            "SOCKS proxies are not supported; must be a URL such as http://proxy.example.org:3128",
        ),
    ],
)
def test_what_is_not_a_proxy_is_refused_in_one_sentence(variable: str, value: str, reason: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.from_environment({variable: value})
    assert refused.value.message == f"Invalid {variable}: {reason}."


def test_the_log_shows_no_password_of_a_proxy() -> None:
    settings = Settings.from_environment({"HTTPS_PROXY": PROXY, "NO_PROXY": "a.test"})

    assert {"hunt%40er2", "hunt@er2"} <= {*settings.secrets}
    assert settings.logged["proxies"] == "https=http://proxy.test:3128"
    assert settings.logged["no_proxy"] == "a.test"
    assert "hunt" not in f"{settings!r}{settings.logged}"


CA_VARIABLES = ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"]


@pytest.mark.parametrize("variable", CA_VARIABLES)
def test_certificates_stand_in_the_usual_variables(variable: str) -> None:
    assert Settings.from_environment({variable: certifi.where()}).ca_bundle == certifi.where()


@pytest.mark.parametrize("first", range(4))
def test_the_first_variable_that_is_set_names_the_certificates(first: int) -> None:
    environment = dict.fromkeys(CA_VARIABLES[first + 1:], "/nowhere") | dict.fromkeys(CA_VARIABLES[:first], "")
    assert Settings.from_environment({**environment, CA_VARIABLES[first]: certifi.where()}).ca_bundle == certifi.where()


@pytest.mark.parametrize("variable", CA_VARIABLES)
def test_certificates_that_cannot_be_read_are_refused_in_one_sentence(variable: str, tmp_path: Path) -> None:
    missing, empty = tmp_path / "missing.pem", tmp_path / "empty.pem"
    empty.touch()
    for file, reason in (
        (missing, "cannot be read: No such file or directory"),
        (empty, "contains no certificate, or a damaged one"),
        (tmp_path, "contains no certificate named by its hash; run openssl rehash"),
    ):
        with pytest.raises(SettingsError) as refused:
            Settings.from_environment({variable: str(file)})
        assert refused.value.message == f"Invalid {variable}: {file} {reason}."


def test_the_log_shows_no_password_of_a_database() -> None:
    url = "postgresql+psycopg://user:hunter2@db.example.org/badges?password=hunter3"
    settings = Settings(database_url=url)

    assert {"hunter2", "hunter3"} <= {*settings.secrets}
    assert settings.logged["database"] == "postgresql+psycopg://user:***@db.example.org/badges"
