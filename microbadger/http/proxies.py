"""Parses the usual environment variables for proxies, and decides which hosts are reached without a proxy.

https://everything.curl.dev/usingcurl/proxies/env.html describes how most programs read these variables.
"""

import re
from base64 import b64encode
from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from urllib.parse import unquote, urlsplit

from microbadger.http.origin import Origin

_HOST = re.compile(r"[a-z0-9_.-]+|\[[0-9a-f:.]+\]", re.ASCII | re.IGNORECASE)
_EXAMPLE = "must be a URL such as http://proxy.example.org:3128"


def parse_proxy(text: str) -> str:
    """Return the URL of a proxy; the default scheme is http. Raise `ValueError` if the text is not such a URL.

    >>> parse_proxy("user:password@proxy.test:3128/")
    'http://user:password@proxy.test:3128'
    """
    url = text if "://" in text else f"http://{text}"
    if url.lower().startswith("socks"):
        raise ValueError(f"SOCKS proxies are not supported; {_EXAMPLE}")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(_EXAMPLE) from None
    host = parts.netloc.rpartition("@")[2].removesuffix(f":{port}")
    is_whole = parts.path in ("", "/") and not parts.query and not parts.fragment and url.isprintable()
    if parts.scheme not in ("http", "https") or port == 0 or not is_whole or not _HOST.fullmatch(host):
        raise ValueError(_EXAMPLE)
    return f"{parts.scheme}://{parts.netloc}"


def proxy_secrets(proxy: str) -> list[str]:
    """Return the password in the URL of a proxy, both percent-encoded and decoded."""
    password = urlsplit(proxy).password
    return [password, unquote(password)] if password else []


def without_login(proxy: str) -> str:
    """Return the URL of a proxy without its user name and password."""
    parts = urlsplit(proxy)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def login_headers(proxy: str) -> Mapping[str, str]:
    """Return the headers that log in to a proxy."""
    parts = urlsplit(proxy)
    if not parts.username:
        return {}
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {"Proxy-Authorization": f"Basic {b64encode(login.encode()).decode()}"}


def is_exempt(origin: Origin, no_proxy: str) -> bool:
    """Return whether NO_PROXY, such as `intranet.test, .corp.test, 10.0.0.0/8`, exempts a server from the proxy.

    A name also matches its subdomains. An address or a range matches only addresses in a URL. An entry may name a port.
    """
    return any(_names(entry, origin) for entry in no_proxy.lower().replace(",", " ").split())


def _names(entry: str, origin: Origin) -> bool:
    if entry == "*":
        return True
    host, port = _parts(entry)
    if port not in ("", str(origin.port)):
        return False
    try:
        network = ip_network(host, strict=False)
    except ValueError:
        name = host.removeprefix("*").strip(".")
        return bool(name) and f".{origin.host.rstrip('.')}".endswith(f".{name}")
    try:
        return ip_address(origin.host) in network
    except ValueError:
        return False


def _parts(entry: str) -> tuple[str, str]:
    """Return the host and the port of an entry. An IPv6 address contains colons."""
    if entry.startswith("["):
        host, _, rest = entry[1:].partition("]")
        return host, rest.removeprefix(":")
    if entry.count(":") == 1:
        host, _, port = entry.partition(":")
        return host, port
    return entry, ""
