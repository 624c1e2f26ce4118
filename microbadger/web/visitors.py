"""Knows who asks for an image, and has it tracked where the operator lets readers do that."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from flask import request

from microbadger.freshness import NOT_TRACKED, Admission, Admissions
from microbadger.http import IPNetwork
from microbadger.image import Reference, Repository
from microbadger.logs import EventLog

log = EventLog(__name__)

_BITS = {4: 24, 6: 56}  # what one client usually has: https://www.rfc-editor.org/rfc/rfc6177#section-2
_MOST_HOPS = 20
_CRAWLER = re.compile(r"bot\b|bot[/;-]|crawl|spider|slurp|preview|facebookexternalhit|archiver", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Visitors:
    """The clients that ask for images, perhaps through ``proxies`` whose word on the address of a client is taken."""

    admissions: Admissions
    proxies: tuple[IPNetwork, ...] = ()

    def ask_for(self, reference: Reference | None, *, is_page: bool = False) -> Admission:
        """Return whether the image of a request is tracked, after tracking it if it may be. Raises StoreError.

        Only a GET has an image tracked, and a crawler that reads pages does not.
        """
        if reference is None:
            return NOT_TRACKED
        if request.method != "GET" or (is_page and self.is_crawling):
            return self.admissions.of(reference.repository)
        forwarded = request.headers.get("X-Forwarded-For", "")
        network = client_network(request.remote_addr, forwarded, self.proxies)
        return self.admissions.ask_for(reference.repository, network)

    @property
    def is_crawling(self) -> bool:
        """Whether the client of this request says that it reads pages for a search engine, a preview or an archive."""
        return _CRAWLER.search(request.user_agent.string) is not None

    def note(self, repository: Repository, *, is_page: bool = False) -> None:
        """Note that a reader was shown something of an image, unless a crawler reads pages."""
        if self.admissions.is_open and not (is_page and self.is_crawling):
            self.admissions.note(repository)


def client_network(peer: str | None, forwarded: str, proxies: Iterable[IPNetwork]) -> str:
    """Return the network of a client: of the last address on its way that is not one of the proxies.

    ``peer`` is the address that the connection comes from, ``forwarded`` the header X-Forwarded-For, to which each
    proxy adds the address that it was asked from. Empty where an address cannot be read, as of a Unix socket.

    >>> client_network("127.0.0.1", "198.51.100.7, 203.0.113.9", [ip_network("127.0.0.1")])
    '203.0.113.0/24'
    """
    proxies = tuple(proxies)
    hops = [peer or "", *reversed(forwarded.split(",")[-_MOST_HOPS:])]
    addresses = map(_address, hops)
    address = next((each for each in addresses if each is None or not _is_proxy(each, proxies)), None)
    return str(ip_network((address, _BITS[address.version]), strict=False)) if address else ""


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text.strip().removeprefix("[").partition("]")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _is_proxy(address: IPv4Address | IPv6Address, proxies: Iterable[IPNetwork]) -> bool:
    return any(address in network for network in proxies)
