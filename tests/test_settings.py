"""What the environment says, and in which words an impossible setting is refused."""

from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microbadger.cdn.target import Cloudflare, PurgeMethod
from microbadger.settings import Settings, SettingsError

VARIABLES = [
    "IMAGES", "DATA_DIR", "PUBLIC_DIR", "BASE_URL", "HOOK_URL", "SECRET", "ADMIN_TOKEN", "REFRESH_HOURS", "MAX_TAGS",
    "MIRRORS", "HUB_URL", "HTTP_REGISTRIES", "CDN_PURGE",
]  # fmt: skip

ZONE = "0123456789abcdef0123456789abcdef"

# variable, value, field, what it means
GOOD = [
    ("SECRET", "mañana", "secret", "mañana"),
    ("SECRET", " padded \n", "secret", "padded"),
    ("IMAGES", "alpine, a/b", "images", "alpine, a/b"),
    ("DATA_DIR", "/srv/data", "data_dir", Path("/srv/data")),
    ("PUBLIC_DIR", "out/public", "public_dir", Path("out/public")),
    ("BASE_URL", "https://badges.example.org", "base_url", "https://badges.example.org"),
    ("BASE_URL", "https://badges.example.org/", "base_url", "https://badges.example.org"),
    ("BASE_URL", "http://[::1]:8000/a/b_c~1/", "base_url", "http://[::1]:8000/a/b_c~1"),
    ("HOOK_URL", "https://hooks.example.org/", "hook_url", "https://hooks.example.org"),
    ("ADMIN_TOKEN", "t0ken", "admin_token", "t0ken"),
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
    ("CDN_PURGE", "http://10.0.0.7:6081/", "cdn_purge", PurgeMethod("http://10.0.0.7:6081")),
    ("CDN_PURGE", f"cloudflare:{ZONE}:t0ken", "cdn_purge", Cloudflare(ZONE, "t0ken")),
]

NO_URL = "it must be a URL such as https://badges.example.org"
NO_HOURS = "it must be a number of hours above 0 and up to 8784"
NO_COUNT = "it must be a whole number from 1 to 10000"
NO_MIRRORS = 'it must be a JSON object such as {"docker.io": "http://127.0.0.1:5000"}'
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
    *(("MIRRORS", value, NO_MIRRORS) for value in (
        "mañana", "docker.io", "[]", '"x"', "null", "{", '{"docker.io": null}', '{"docker.io": ["http://a"]}',
    )),
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
    ({}, "http://localhost:8000"),
]


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
def test_an_impossible_value_is_refused_in_one_sentence(variable: str, value: str, reason: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read(**{variable: value})
    assert refused.value.message == f"MICROBADGER_{variable} is impossible: {reason}."


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
    with pytest.raises(SettingsError, match=r"^MICROBADGER_DATA_DIR is impossible: it must be outside of the public"):
        read(DATA_DIR=folder)


def test_the_public_folder_may_be_in_the_data_folder() -> None:
    assert read(DATA_DIR="/srv", PUBLIC_DIR="/srv/public").public_dir == Path("/srv/public")


@pytest.mark.parametrize("variable", ["MICROBADGER_SECRET", "MICROBADGER_ADMIN_TOKEN", "DOCKER_AUTH_CONFIG"])
def test_settings_can_be_shown_without_their_secrets(variable: str) -> None:
    assert "hunter2" not in repr(Settings.from_environment({variable: "hunter2"}))


@pytest.mark.parametrize("variable", ["BASE_URL", "HOOK_URL", "HUB_URL", "MIRRORS"])
def test_a_refusal_does_not_tell_a_password(variable: str) -> None:
    url = "https://user:hunter2@badges.example.org"
    with pytest.raises(SettingsError) as refused:
        read(**{variable: f'{{"docker.io": "{url}"}}' if variable == "MIRRORS" else url})
    assert "hunter2" not in refused.value.message


@given(st.sampled_from(VARIABLES), st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_any_value_is_read_or_refused(variable: str, value: str) -> None:
    with suppress(SettingsError):
        assert isinstance(read(**{variable: value}), Settings)


def test_the_log_is_told_every_setting_but_no_secret() -> None:
    secrets = {"SECRET": "a secret", "ADMIN_TOKEN": "an admin's", "CDN_PURGE": f"cloudflare:{ZONE}:t0ken"}
    mirrors = '{"docker.io": "http://127.0.0.1:5000"}'
    environment = {**secrets, "MIRRORS": mirrors, "HTTP_REGISTRIES": "a.test b.test"}
    settings = Settings.from_environment({f"MICROBADGER_{name}": value for name, value in environment.items()})

    assert settings.secrets == ["a secret", "an admin's", "t0ken"]
    assert not any(secret in repr(settings.told) for secret in settings.secrets)
    told = {name: settings.told[name] for name in ("mirrors", "http_registries", "cdn_purge", "has_admin_token")}
    assert told == {
        "mirrors": "docker.io=http://127.0.0.1:5000",
        "http_registries": "a.test,b.test",
        "cdn_purge": "cloudflare",
        "has_admin_token": True,
    }
