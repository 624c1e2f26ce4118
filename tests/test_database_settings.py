"""The address of a PostgreSQL server: forms that platforms and libpq have, and those that cannot work."""

import pytest
from sqlalchemy import make_url

from microbadger.settings import Settings, SettingsError
from microbadger.store import Database, StoreError
from microbadger.store.postgresql_address import options_of
from tests.postgresql import PostgresqlServer

LOGIN = "postgres://user:hunter2@"
AT_SIGNS = "it contains the character @ twice: write an @ in a user name or a password as %40"
EXAMPLES = "must be a URL such as postgresql://user:password@host/database"
HOST = "its host is not a valid host name"
PORT = "its port must be a number from 1 to 65535"


def read(url: str) -> Settings:
    return Settings.from_environment({"DATABASE_URL": url})


def options(url: str) -> dict[str, str]:
    return options_of(make_url(read(url).database))


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        (f"{LOGIN}h/d", "h", None),
        (f"{LOGIN}h:5433/d", "h", "5433"),
        (f"{LOGIN}h./d", "h.", None),
        (f"{LOGIN}[::1]:5433/d", "::1", "5433"),
        (f"{LOGIN}10.0.0.1/d", "10.0.0.1", None),
        (f"{LOGIN}h1,h2/d", "h1,h2", None),
        (f"{LOGIN}h1:1,h2:2/d", "h1,h2", "1,2"),
        (f"{LOGIN}h1:1,h2/d?sslmode=require", "h1,h2", "1,"),
        (f"{LOGIN}[::1]:1,h2:2/d", "::1,h2", "1,2"),
        (f"{LOGIN}/d?host=h1:1&host=h2:2", "h1,h2", "1,2"),
        (f"{LOGIN}/d?host=h1,h2&port=1,2", "h1,h2", "1,2"),
        (f"{LOGIN}/d?host=h1,h2&port=5433", "h1,h2", "5433"),
        (f"{LOGIN}/d?host=/run/postgresql", "/run/postgresql", None),
        ("postgres://h1:1,h2:2/d", "h1,h2", "1,2"),
        ("POSTGRES://user:hunter2@h/d", "h", None),
        ("PostgreSQL://user:hunter2@h/d", "h", None),
    ],
)
def test_hosts_and_ports_are_taken_apart(url: str, host: str, port: str | None) -> None:
    found = options(url)
    assert (found["host"], found.get("port"), found["dbname"]) == (host, port, "d")
    assert found.get("password", "hunter2") == "hunter2"


@pytest.mark.parametrize("password", ["a%40b", "a/b", "a?b", "a#b", "a,b", "a:b", "a%2Fb"])
def test_other_characters_of_a_password_may_stay_as_they_are(password: str) -> None:
    found = options(f"postgres://user:{password}@h/d")
    assert (found["password"], found["host"]) == (password.replace("%40", "@").replace("%2F", "/"), "h")


@pytest.mark.parametrize(
    "option",
    [
        *("sslmode=require", "sslmode=", "sslmode=verify-full&sslrootcert=/x", "connect_timeout=10", "keepalives=0"),
        *("target_session_attrs=read-write", "channel_binding=prefer", "application_name=a@b", "gssencmode=disable"),
    ],
)
def test_an_option_of_libpq_is_taken(option: str) -> None:
    name, _, value = option.partition("&")[0].partition("=")
    assert options(f"{LOGIN}h/d?{option}").get(name, "") == value


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("postgres://u:hunter@2@h/d", AT_SIGNS),
        ("postgres://u:hunter@2@h:5432/d", AT_SIGNS),
        ("postgres://u:hunter@2/3@h/d", AT_SIGNS),
        ("postgres://u:hunter@2:3@h/d", AT_SIGNS),
        ("postgres://u:hunter@2@h1:1,h2:2/d", AT_SIGNS),
        ("postgres://u:a@b/c?hunter@h/d=x", AT_SIGNS),
        (f"{LOGIN}h:99999/d", PORT),
        (f"{LOGIN}h:0/d", PORT),
        (f"{LOGIN}h1:1,h2:99999/d", PORT),
        (f"{LOGIN}/d?host=h&port=x", PORT),
        (f"{LOGIN}/d?host=h1,h2,h3&port=1,2", "it must name one port, or as many ports as hosts"),
        (f"{LOGIN}{'h' * 64}/d", HOST),
        (f"{LOGIN}h..example/d", HOST),
        (f"{LOGIN}h1,{'h' * 64}/d", HOST),
        (f"{LOGIN}h/d?sslmode=bogus", "its option sslmode must be one of disable, allow, prefer, require"),
        (f"{LOGIN}h/d?sslmode=no-verify", "its option sslmode must be one of"),
        (f"{LOGIN}h/d?target_session_attrs=x", "its option target_session_attrs must be one of any"),
        (f"{LOGIN}h/d?connect_timeout=abc", "its option connect_timeout must be a whole number"),
        (f"{LOGIN}h/d?keepalives=x", "its option keepalives must be a whole number"),
        ("postgres://u:hunter2%00@h/d", "it contains the character %00"),
        (f"{LOGIN}h/d%00x", EXAMPLES),
        (f"{LOGIN}h\n/d", EXAMPLES),
        (f"{LOGIN}h:port/d", EXAMPLES),
    ],
)
def test_an_address_that_cannot_work_is_refused_without_the_password(url: str, reason: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read(url)
    assert refused.value.message.startswith(f"Invalid DATABASE_URL: {reason}")
    assert "hunter" not in refused.value.message
    assert refused.value.message.count("\n") == 0


@pytest.mark.parametrize("url", [f"{LOGIN}h/d", f"{LOGIN}h1:1,h2:2/d", "postgres://user@h/d?password=hunter2"])
def test_the_text_of_the_settings_holds_no_password(url: str) -> None:
    settings = read(url)
    assert "hunter2" not in repr(settings) + str(settings.logged)
    assert "hunter2" in settings.secrets


def test_of_several_hosts_the_one_that_answers_is_used(postgresql_server: PostgresqlServer) -> None:
    here = f"127.0.0.1:{postgresql_server.port}"
    database = Database(read(postgresql_server.url().replace(here, f"127.0.0.1:1,{here}")).database)
    with database.read() as connection:
        assert connection.exec_driver_sql("SELECT 1").scalar_one() == 1
    database.close()


@pytest.mark.parametrize(
    "rest",
    [f"{'h' * 64}/d", "h..example/d", "127.0.0.1:1/d?connect_timeout=abc", "127.0.0.1:1/d?sslmode=bogus", "h%00/d"],
)
def test_what_the_driver_does_not_take_is_a_sentence_too(rest: str) -> None:
    database = Database(f"postgresql://user:hunter2@{rest}")
    for _ in range(2):
        with pytest.raises(StoreError) as refused, database.read():
            pass
        assert "cannot be used: " in str(refused.value)
        assert "hunter2" not in str(refused.value)
