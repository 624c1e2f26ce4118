"""Where each registry is reached, and which servers the operator vouches for by naming them.

A name counts for the registry that it was given for, and for no other: else any registry could have an internal host
asked, and its answers published, that is named for somebody else's image.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import urlsplit

from microbadger.http import Origin
from microbadger.image import DOCKER_HUB

_DOCKER_HUB_API = "registry-1.docker.io"


@dataclass(frozen=True, slots=True)
class Server:
    """Where one registry is asked: `url` is that below which it has its API, without a final slash.

    It may be private if it `is_named`. So may the `others`, to which its answers may lead.
    """

    url: str
    is_named: bool = True
    others: frozenset[Origin] = frozenset()

    @property
    def home(self) -> str | None:
        """The URL of the server if somebody vouches for it."""
        return self.url if self.is_named else None


@dataclass(frozen=True, slots=True)
class Servers:
    """Registries are asked at their own host or, where `mirrors` name one, at that URL instead.

    The `http_registries` are spoken to over plain http, and so is this computer if it is named at all. `others` are the
    URLs of servers that a registry needs besides: its token service, its storage. `hub_url` is Docker Hub's web API; an
    empty one is not asked.
    """

    mirrors: Mapping[str, str] = field(default_factory=dict)
    http_registries: Collection[str] = ()
    hub_url: str = ""
    others: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def of(self, registry: str, *, is_named: bool = True) -> Server:
        """Return where a registry is asked; `is_named` if the operator named one of its images."""
        others = frozenset(map(Origin.of, self.others.get(registry, ())))
        if registry in self.mirrors:
            return Server(self.mirrors[registry].rstrip("/"), others=others)
        host = _DOCKER_HUB_API if registry == DOCKER_HUB else registry
        if host in self.http_registries:
            return Server(f"http://{host}", others=others | {Origin.of(f"https://{host}")})
        is_plain = is_named and _is_loopback(str(urlsplit(f"//{host}").hostname))
        return Server(f"{'http' if is_plain else 'https'}://{host}", is_named, others)

    def host_asked(self, registry: str) -> str:
        """Return the host whose credential counts: that of a mirror, where there is one."""
        mirror = self.mirrors.get(registry)
        return urlsplit(mirror).netloc if mirror else registry


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
