"""Parses the settings about registries: their hosts, their mirrors and the other servers that they need."""

import json

from microbadger.http import parse_url
from microbadger.image import DOCKER_HUB, InvalidReference, Repository


def parse_mirrors(text: str) -> dict[str, str]:
    """Return the URL of the mirror of each registry. Raises ValueError."""
    example = 'must be a JSON object such as {"docker.io": "http://127.0.0.1:5000"}'
    try:
        mirrors = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError(example) from None
    if not isinstance(mirrors, dict) or not all(isinstance(url, str) for url in mirrors.values()):
        raise ValueError(example)
    return {_host(host): parse_url(url) for host, url in mirrors.items()}


def parse_registry_servers(text: str) -> dict[str, tuple[str, ...]]:
    """Return the URLs of the other servers that each registry needs. Raises ValueError.

    A single URL may be given as a string instead of a list.
    """
    try:
        servers = json.loads(text)
    except (ValueError, RecursionError):
        servers = None
    named = servers.items() if isinstance(servers, dict) else [("", None)]
    lists = {host: urls if isinstance(urls, list) else [urls] for host, urls in named}
    if not all(isinstance(url, str) for urls in lists.values() for url in urls):
        raise ValueError('must be a JSON object such as {"registry.example.org": ["https://auth.example.org"]}')
    return {_host(host): tuple(map(parse_url, urls)) for host, urls in lists.items()}


def parse_registries(text: str) -> tuple[str, ...]:
    """Return the registries in a text, separated by spaces or commas. Raises ValueError."""
    return tuple(_host(word) for word in text.replace(",", " ").split())


def _host(text: str) -> str:
    try:
        registry = Repository.parse(f"{text}/name").registry
    except InvalidReference:
        registry = ""
    if not registry or (registry == DOCKER_HUB and not text.endswith(DOCKER_HUB)):
        raise ValueError(f"{text!r} is not the host of a registry, such as registry.example.org:5000")
    return registry
