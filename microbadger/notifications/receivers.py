"""Decides where messages may be sent: to public addresses over https, and elsewhere only if the operator allows it.

Administrators are trusted, but must not be able to make the service post to its private network and show the answers.
So a subscription made over HTTP can only reach public hosts, and each connection checks the address after resolving the
name. A subscription made at the command line may name any host. If the service's own URL is on this computer, as during
development, it may also notify this computer. No subscription can reach link-local addresses, where clouds serve
credentials.
"""

from enum import Enum, auto
from ipaddress import ip_address

from microbadger.http import Address, Origin, Url, is_possible, is_public, is_public_host

_MAX_URL_LENGTH = 2048


class InvalidReceiver(ValueError):
    """Messages may not be sent to a URL. The message says why."""


class Scope(Enum):
    """The addresses to which messages of a subscription may be sent."""

    PUBLIC = auto()
    THIS_COMPUTER_TOO = auto()
    ANYWHERE = auto()

    @classmethod
    def of(cls, *, is_by_operator: bool, base_url: str) -> "Scope":
        """Return the scope of a subscription, which depends on who made it and on the URL of the service."""
        if is_by_operator:
            return cls.ANYWHERE
        return cls.THIS_COMPUTER_TOO if _is_this_computer(Origin.of(base_url).host) else cls.PUBLIC

    def allows(self, address: Address) -> bool:
        """Return whether a connection to an address is allowed."""
        if self is Scope.ANYWHERE:
            return is_possible(address)
        return is_public(address) or (self is Scope.THIS_COMPUTER_TOO and address.is_loopback)

    def check(self, url: str) -> None:
        """Raise InvalidReceiver if a URL is invalid, or names a host outside this scope."""
        origin = _origin(url)
        if self is Scope.ANYWHERE or (self is Scope.THIS_COMPUTER_TOO and _is_this_computer(origin.host)):
            return
        if origin.scheme != "https":
            raise InvalidReceiver("It must begin with https://.")
        if not origin.has_usual_port or not is_public_host(origin.host) or _is_local_name(origin.host):
            raise InvalidReceiver(
                "It must name a public host; operators can add other hosts with flask notifications add."
            )


def is_same_server(one: str, other: str) -> bool:
    """Return whether two URLs have the same scheme, host and port. Return False if one is invalid."""
    try:
        return Origin.of(one) == Origin.of(other)
    except ValueError:
        return False


def _origin(url: str) -> Origin:
    """Return the server of a URL, parsed in the same way as by the connection."""
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
    """Return whether a name has no dot, or ends with a suffix that no public name has."""
    name = f".{host.rstrip('.')}"
    return ":" not in host and (name.count(".") == 1 or name.endswith((".localhost", ".local", ".internal")))
