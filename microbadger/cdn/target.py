"""Builds the requests that purge a CDN: one ``PURGE`` request for each URL, or calls of Cloudflare's API.

Varnish finds a cached page by the path and the Host header that readers send
(https://www.varnish-software.com/developers/tutorials/purge/). So a ``PURGE`` request goes to the operator's CDN server
with the host name that readers use. Cloudflare takes up to 30 URLs in a request, or purges a whole zone:
https://developers.cloudflare.com/api/resources/cache/methods/purge/.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar
from urllib.parse import urlsplit

EVERYTHING = "*"
"""The address that stands for all files. All other addresses begin with a slash."""

_CLOUDFLARE = "cloudflare:"
_CLOUDFLARE_API = "https://api.cloudflare.com/client/v4"
_MOST_FILES = 30  # the limit that holds for all of Cloudflare's plans
_ZONE = re.compile(r"[0-9A-Za-z]{1,32}", re.ASCII)
_TOKEN = re.compile(r"[\w.~+/-]+=*", re.ASCII)  # RFC 6750, section 2.1
_URL = re.compile(r"https?://([\w.-]+|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?(/[\w.~/-]*)?", re.ASCII | re.IGNORECASE)
# Squid and the nginx module ngx_cache_purge answer with these if there was nothing to purge.
_NOT_KEPT = {404, 412}


@dataclass(frozen=True, slots=True)
class PurgeRequest:
    """One request to a CDN, and the addresses that it purges."""

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PurgeMethod:
    """A cache that takes ``PURGE`` requests: Varnish, Fastly, Squid, nginx with a module."""

    url: str

    can_purge_everything: ClassVar[bool] = False

    def requests(self, addresses: Sequence[str], base_url: str) -> list[PurgeRequest]:
        """Return the requests that purge these addresses."""
        headers = {"Host": urlsplit(base_url).netloc}
        return [PurgeRequest("PURGE", f"{self.url}{address}", headers, b"", (address,)) for address in addresses]

    def refusal(self, status: int, body: bytes) -> str | None:  # noqa: ARG002 - the status is enough
        """Return why the CDN refused a request, or None if it accepted the request."""
        if 200 <= status < 300 or status in _NOT_KEPT:
            return None
        hint = ": it does not allow PURGE requests from here" if status in (401, 403, 405, 501) else ""
        return f"the CDN answered with status {status}{hint}"


@dataclass(frozen=True, slots=True)
class Cloudflare:
    """A zone at Cloudflare, with an API token that may purge its cache."""

    zone: str
    token: str = field(repr=False)
    api_url: str = _CLOUDFLARE_API

    can_purge_everything: ClassVar[bool] = True

    def requests(self, addresses: Sequence[str], base_url: str) -> list[PurgeRequest]:
        """Return the requests that purge these addresses: a single one if `EVERYTHING` is among them."""
        if EVERYTHING in addresses:
            return [self._request({"purge_everything": True}, addresses)]
        groups = [addresses[start : start + _MOST_FILES] for start in range(0, len(addresses), _MOST_FILES)]
        return [self._request({"files": [f"{base_url}{address}" for address in group]}, group) for group in groups]

    def refusal(self, status: int, body: bytes) -> str | None:
        """Return why Cloudflare refused a request, or None if it accepted the request.

        The sentence repeats the error codes of the answer, but none of its text.
        """
        document = _json_object(body)
        if 200 <= status < 300 and document.get("success") is True:
            return None
        codes = "".join(f", code {code}" for code in _codes(document)[:3])
        hint = ": the token may not purge this zone" if status in (401, 403) else ""
        return f"Cloudflare answered with status {status}{codes}{hint}"

    def _request(self, wanted: Mapping[str, object], addresses: Sequence[str]) -> PurgeRequest:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        url = f"{self.api_url}/zones/{self.zone}/purge_cache"
        return PurgeRequest("POST", url, headers, json.dumps(wanted).encode(), tuple(addresses))


Target = PurgeMethod | Cloudflare


def parse_target(text: str) -> Target:
    """Return the CDN in a setting. Raises ValueError.

    The message of the error repeats nothing of the setting, which can contain a token.

    >>> parse_target("https://cdn.example.org/")
    PurgeMethod(url='https://cdn.example.org')
    """
    if text.startswith(_CLOUDFLARE):
        return _parse_cloudflare(text)
    if not _URL.fullmatch(text) or not _has_valid_port(text):
        raise ValueError("must be a URL such as https://cdn.example.org, or cloudflare:<zone ID>:<API token>")
    return PurgeMethod(text.rstrip("/"))


def _parse_cloudflare(text: str) -> Cloudflare:
    zone, _, token = text.removeprefix(_CLOUDFLARE).partition(":")
    if not _ZONE.fullmatch(zone):
        raise ValueError("cloudflare: must be followed by the ID of a zone, which has up to 32 letters and digits")
    if not _TOKEN.fullmatch(token):
        raise ValueError("cloudflare:<zone ID>: must be followed by an API token, which has no spaces")
    return Cloudflare(zone, token)


def _has_valid_port(url: str) -> bool:
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


def _json_object(body: bytes) -> Mapping[str, object]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _codes(document: Mapping[str, object]) -> list[int]:
    errors = document.get("errors")
    codes = [error.get("code") for error in errors if isinstance(error, dict)] if isinstance(errors, list) else []
    return [code for code in codes if isinstance(code, int) and 0 <= code < 10**6]
