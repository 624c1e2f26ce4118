"""Decides where messages may go: to public addresses over https, and to others only if the operator said so.

An administrator is trusted, but not so much that the service would post to the network behind it and show the answer.
So a subscription made over HTTP reaches public hosts alone; the address is checked after the name was resolved, for
each connection. A subscription made at the command line may name any host, and a service whose own address is this
computer, as on a developer's desk, may also notify this computer. No subscription reaches link-local addresses, where
clouds keep their credentials.
"""

from enum import Enum, auto
from ipaddress import ip_address

from microbadger.http import Address, Origin, Url, is_possible, is_public, is_public_host

_MAX_URL_LENGTH = 2048


class InvalidReceiver(ValueError):
    """Messages may not go to a URL; the sentence says why."""


class Scope(Enum):
    """How far messages may go."""

    PUBLIC = auto()
    THIS_COMPUTER_TOO = auto()
    ANYWHERE = auto()

    @classmethod
    def of(cls, *, is_by_operator: bool, base_url: str) -> "Scope":
        """Return the scope of a subscription, which depends on who made it and where the service stands."""
        if is_by_operator:
            return cls.ANYWHERE
        return cls.THIS_COMPUTER_TOO if _is_this_computer(Origin.of(base_url).host) else cls.PUBLIC

    def allows(self, address: Address) -> bool:
        """Return whether a connection may go to an address."""
        if self is Scope.ANYWHERE:
            return is_possible(address)
        return is_public(address) or (self is Scope.THIS_COMPUTER_TOO and address.is_loopback)

    def check(self, url: str) -> None:
        """Raise InvalidReceiver if a URL is invalid, or names a host outside of this scope."""
        origin = _origin(url)
        if self is Scope.ANYWHERE or (self is Scope.THIS_COMPUTER_TOO and _is_this_computer(origin.host)):
            return
        if origin.scheme != "https":
            raise InvalidReceiver("It must begin with https://.")
        if not origin.has_usual_port or not is_public_host(origin.host) or _is_local_name(origin.host):
            raise InvalidReceiver(
                "It must lead to a public address; an operator can name any host with flask notifications add."
            )


def is_same_server(one: str, other: str) -> bool:
    """Return whether two URLs lead to the same scheme, host and port; an invalid one leads nowhere."""
    try:
        return Origin.of(one) == Origin.of(other)
    except ValueError:
        return False


def _origin(url: str) -> Origin:
    """Return where a request to a URL goes, parsed as the connection will parse it."""
    if len(url) > _MAX_URL_LENGTH or not url.isprintable() or " " in url:
        raise InvalidReceiver("It is too long, or contains spaces.")
    try:
        return Url.of(url).origin
    except ValueError as error:
        raise InvalidReceiver("It must be an http or https URL without a password.") from error


def _is_this_computer(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_local_name(host: str) -> bool:
    """Return whether a name has no dot or ends in one that no public name has."""
    name = f".{host.rstrip('.')}"
    return ":" not in host and (name.count(".") == 1 or name.endswith((".localhost", ".local", ".internal")))
