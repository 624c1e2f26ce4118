"""Decides which addresses are public, and to which addresses no request may be sent.

This module has its own lists, because `is_global` of Python 3.11 follows older versions of the registries of special
addresses: https://www.iana.org/assignments/iana-ipv4-special-registry and
https://www.iana.org/assignments/iana-ipv6-special-registry. An IPv6 address that embeds an IPv4 address is judged by
the IPv4 address.
"""

import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, Literal

Address = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network
UNIX: Final = "unix"
Peer = IPNetwork | Literal["unix"]
"""The origin of a connection: a network, or a Unix socket (gunicorn's ``--bind unix:…``)."""

# Cloud metadata services outside the link-local range: Alibaba, Azure, AWS, Oracle.
_METADATA = {ip_address(text) for text in ("100.100.100.200", "168.63.129.16", "fd00:ec2::254", "192.0.0.192")}
_METADATA_NAMES = {"metadata.google.internal", "metadata"}
_NOT_PUBLIC_IPV4 = tuple(
    map(
        ip_network,
        (
            *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
            *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15"),
            *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        ),
    )
)
_ALLOCATED_IPV6 = ip_network("2000::/3")
# Protocols (Teredo, ORCHID, benchmarks and more), and documentation.
_NOT_PUBLIC_IPV6 = tuple(map(ip_network, ("2001::/23", "2001:db8::/32", "3fff::/20")))
_NAT64 = ip_network("64:ff9b::/96")
_ISATAP = (0x00005EFE, 0x02005EFE)  # RFC 5214: the upper half of an interface identifier that ends in an IPv4 address


def parse_peers(text: str) -> tuple[Peer, ...]:
    """Parse networks and addresses that are separated by spaces or commas. A single address becomes a network.

    The word ``unix`` stands for Unix sockets. Raises ValueError.
    """
    words = text.replace(",", " ").split()
    try:
        return tuple(UNIX if word == UNIX else ip_network(word, strict=False) for word in words)
    except ValueError:
        raise ValueError("must be addresses or networks such as 127.0.0.1 or 10.0.0.0/8, or the word unix") from None


def is_public(address: Address) -> bool:
    """Return whether an address belongs to the public internet."""
    address = _embedded(address)
    if not is_possible(address):
        return False
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_IPV4)
    if address not in _ALLOCATED_IPV6 or any(address in network for network in _NOT_PUBLIC_IPV6):
        return False
    is_isatap = int(address) >> 32 & 0xFFFFFFFF in _ISATAP
    return not is_isatap or is_public(_last_part(address))


def is_possible(address: Address) -> bool:
    """Return whether a request may be sent to an address at all.

    That is false for link-local, multicast and unspecified addresses, and for those of cloud metadata services.
    """
    address = _embedded(address)
    is_special = address.is_link_local or address.is_multicast or address.is_unspecified
    return not is_special and address not in _METADATA


def literal_address(host: str) -> Address | None:
    """Return the address that a host stands for without asking a name server, or None if a name server is needed.

    Resolvers also read `2130706433`, `0x7f.1` and `0177.0.0.1` as 127.0.0.1.
    """
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return IPv4Address("127.0.0.1")
    if name in _METADATA_NAMES:
        return IPv4Address("169.254.169.254")
    try:
        return ip_address(name.partition("%")[0])
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(name))
    except (OSError, UnicodeError):
        return None


def _embedded(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address embeds, or else the address itself."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return _last_part(address)
    return address.ipv4_mapped or address.sixtofour or address


def _last_part(address: IPv6Address) -> IPv4Address:
    return IPv4Address(int(address) & 0xFFFFFFFF)
