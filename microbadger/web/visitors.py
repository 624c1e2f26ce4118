"""Identifies the client of a request, and tracks the requested image if the operator allows readers to do that."""

import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

from flask import request

from microbadger.freshness import NOT_TRACKED, Admission, Admissions
from microbadger.http import UNIX, Address, Peer
from microbadger.image import Reference, Repository
from microbadger.logs import EventLog

log = EventLog(__name__)

_BITS = {4: 24, 6: 56}  # the network of one client, see https://www.rfc-editor.org/rfc/rfc6177#section-2
_MOST_HOPS = 20
_FORWARDED = "X-Forwarded-For"
# In User-Agent, most crawlers put "+" before the address of a page about themselves; browsers do not. CUBOT is a phone.
_CRAWLER = re.compile(
    r"\+https?://|(?<!cu)bot\b|crawl|spider|slurp|preview|externalhit|archiver"
    r"|mediapartners|\bgoogle-|-google\b|googleother|-user/|^whatsapp/",
    re.IGNORECASE,
)
_HIDDEN_CLIENTS = (
    "a proxy adds X-Forwarded-For and is not trusted, so all its clients share one allowance of new images:"
    " name the proxy in MICROBADGER_TRUSTED_PROXIES"
)


@dataclass(frozen=True, slots=True)
class Visitors:
    """The clients that request images, perhaps through ``proxies`` whose ``X-Forwarded-For`` header is trusted."""

    admissions: Admissions
    proxies: tuple[Peer, ...] = ()
    _has_warned: threading.Event = field(default_factory=threading.Event, init=False)

    def ask_for(self, reference: Reference | None, *, is_page: bool = False) -> Admission:
        """Track the image of a request if that is allowed, and return whether it is tracked. Raises StoreError.

        Only a GET tracks an image, and a crawler that reads pages does not.
        """
        if reference is None:
            return NOT_TRACKED
        if request.method != "GET" or (is_page and self.is_crawling):
            return self.admissions.of(reference.repository)
        forwarded = request.headers.get(_FORWARDED, "")
        if forwarded and self.admissions.is_open:
            self._warn_of_hidden_clients()
        network = client_network(request.remote_addr, forwarded, self.proxies)
        return self.admissions.ask_for(reference.repository, network)

    @property
    def is_crawling(self) -> bool:
        """Whether the client says that it is a crawler: for a search engine, a link preview or an archive."""
        return _CRAWLER.search(request.user_agent.string) is not None

    def note(self, repository: Repository, *, is_page: bool = False) -> None:
        """Record that an image was requested, unless by a crawler that reads pages."""
        if self.admissions.is_open and not (is_page and self.is_crawling):
            self.admissions.note(repository)

    def _warn_of_hidden_clients(self) -> None:
        """Warn once if the connection comes from a proxy that the operator has not named."""
        peer = request.remote_addr or UNIX
        if not self._has_warned.is_set() and is_unnamed_proxy(peer, self.proxies):
            self._has_warned.set()
            log.warning("proxy_not_trusted", peer=peer, reason=_HIDDEN_CLIENTS)


def client_network(peer: str | None, forwarded: str, proxies: Sequence[Peer]) -> str:
    """Return the network of a client, whose address is the last one on the way that is not a proxy.

    ``peer`` is the address that the connection comes from, or empty for a Unix socket. ``forwarded`` is the header
    X-Forwarded-For, to which each proxy adds the address of its client. The network is empty if the address is not
    valid.

    >>> client_network("127.0.0.1", "198.51.100.7, 203.0.113.9", [ip_network("127.0.0.1")])
    '203.0.113.0/24'
    """
    hops = [*([] if not peer and UNIX in proxies else [peer or ""]), *reversed(forwarded.split(",")[-_MOST_HOPS:])]
    addresses = map(_address, hops)
    address = next((each for each in addresses if each is None or not _is_among(each, proxies)), None)
    return str(ip_network((address, _BITS[address.version]), strict=False)) if address else ""


def is_unnamed_proxy(peer: str, proxies: Sequence[Peer]) -> bool:
    """Return whether a connection comes from this machine or a private network, but not from a named proxy."""
    if peer == UNIX:
        return UNIX not in proxies
    address = _address(peer)
    return address is not None and not address.is_global and not _is_among(address, proxies)


def _address(text: str) -> Address | None:
    """Return the address of a hop, without its port, or None if it is not valid."""
    text = text.strip().removeprefix("[").partition("]")[0]
    try:
        address = ip_address(text.partition(":")[0] if text.count(":") == 1 else text)
    except ValueError:
        return None
    return (address.version == 6 and address.ipv4_mapped) or address


def _is_among(address: Address, peers: Sequence[Peer]) -> bool:
    return any(peer != UNIX and address in peer for peer in peers)
