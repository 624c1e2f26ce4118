"""Parses and checks the addresses of PostgreSQL servers, and converts them to options of libpq."""

import re
from collections.abc import Iterable, Mapping

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

# https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
_WORDS: Mapping[str, tuple[str, ...]] = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "target_session_attrs": ("any", "read-write", "read-only", "primary", "standby", "prefer-standby"),
    "channel_binding": ("disable", "prefer", "require"),
    "gssencmode": ("disable", "prefer", "require"),
    "load_balance_hosts": ("disable", "random"),
}
_NUMBERS = (
    *("connect_timeout", "tcp_user_timeout"),
    *("keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count"),
)
_NUMBER = re.compile(r"\s*-?[0-9]{1,9}\s*", re.ASCII)
_PORT = re.compile("[0-9]{1,5}", re.ASCII)
_LARGEST_PORT = 65535
# SQLAlchemy splits a URL in the same way: a password ends at the first @.
_PARTS = re.compile(
    r"(?P<scheme>[\w+]+)://(?P<login>[^:/]*(?::[^@]*)?@)?(?P<hosts>[^/?]*)(?P<path>[^?]*)(?:\?(?P<query>.*))?",
    re.DOTALL,
)
_HOST_AND_PORT = re.compile(r"(\[[^]]*\]|[^:/@][^:]*):([0-9]*)", re.ASCII)
_TWO_AT_SIGNS = "it contains the character @ twice: write an @ in a user name or a password as %40"


def parse_address(text: str) -> URL:
    """Parse the URL of a database, which can name several hosts as in libpq's URLs.

    Raises ValueError with what is wrong, or ArgumentError if the text is not a URL at all.
    """
    parts = _PARTS.fullmatch(text)
    if not parts:
        raise ArgumentError("it is not a URL")
    is_file = parts["scheme"].lower() == "sqlite"
    if not is_file and "@" in parts["hosts"] + parts["path"]:
        raise ValueError(_TWO_AT_SIGNS)
    if not is_file and "," in parts["hosts"]:
        hosts = [f"host={host}" for host in parts["hosts"].split(",")]
        query = "&".join([*filter(None, [parts["query"]]), *hosts])
        text = f"{parts['scheme']}://{parts['login'] or ''}{parts['path']}?{query}"
    try:
        return make_url(text)
    except ValueError:  # the port is not a number
        raise ArgumentError("it is not a URL") from None


def options_of(address: URL) -> dict[str, str]:
    """Convert an address to options of libpq."""
    parts = {
        "host": address.host,
        "port": address.port,
        "dbname": address.database,
        "user": address.username,
        "password": address.password,
    }
    given = {name: str(value) for name, value in parts.items() if value is not None}
    given |= {name: ",".join(values) for name, values in address.normalized_query.items()}
    return given | _hosts_with_ports(given)


def name_of(address: URL) -> str:
    """Return a name for a database that does not reveal its password."""
    options = options_of(address)
    return f"{options.get('host', 'localhost')}/{options.get('dbname', '')}"


def check_address(address: URL) -> None:
    """Raise ValueError if psycopg is not installed, or if the address is invalid. Nothing is connected."""
    try:
        import psycopg  # noqa: F401 - optional

        from microbadger.store.psycopg_connection import check_options
    except ImportError:
        raise ValueError("PostgreSQL needs psycopg; install it with: pip install 'psycopg[binary]'") from None
    options = options_of(address)
    if any("@" in name for name in options):
        raise ValueError(_TWO_AT_SIGNS)
    if any("\0" in value for value in options.values()):
        raise ValueError("it contains the character %00")
    check_options(options)
    for name, value in options.items():
        _check_option(name, value)
    _check_places(options.get("host", ""), options.get("port", ""))


def _check_option(name: str, value: str) -> None:
    words = _WORDS.get(name)
    if words and value and value not in words:
        raise ValueError(f"its option {name} must be one of {', '.join(words)}")
    if name in _NUMBERS and value and not _NUMBER.fullmatch(value):
        raise ValueError(f"its option {name} must be a whole number")


def _check_places(hosts: str, ports: str) -> None:
    for port in filter(None, ports.split(",")):
        if not _PORT.fullmatch(port) or not 1 <= int(port) <= _LARGEST_PORT:
            raise ValueError(f"its port must be a number from 1 to {_LARGEST_PORT}")
    if "," in ports and ports.count(",") != hosts.count(","):
        raise ValueError("it must name one port, or as many ports as hosts")
    try:
        for host in _names_in(hosts):
            host.encode("idna")
    except UnicodeError:
        raise ValueError("its host is not a valid host name") from None


def _names_in(hosts: str) -> Iterable[str]:
    """Return the hosts that are not paths of Unix sockets."""
    return [host for host in hosts.split(",") if host and host[0] not in "/@"]


def _hosts_with_ports(options: Mapping[str, str]) -> dict[str, str]:
    """Return separate options for hosts and ports if a host is written with its port."""
    hosts = options.get("host", "").split(",")
    found = [_HOST_AND_PORT.fullmatch(host) for host in hosts]
    if not any(found):
        return {}
    default = options.get("port", "")
    return {
        "host": ",".join(each[1].strip("[]") if each else host for each, host in zip(found, hosts, strict=True)),
        "port": ",".join(each[2] if each else "" for each in found) if "," not in default else default,
    }
