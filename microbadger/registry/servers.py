"""Decides where each registry is reached, and which servers are trusted because the operator named them.

A server is trusted only for the registry that the operator named it for. Otherwise, any registry could make the service
send requests to an internal host that was named for another image, and publish the answers.
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
    """Where one registry is reached: `url` is the base URL of its API, without a final slash.

    The server may have a private address if the operator named it (`is_named`). So may the `others`, the servers that
    its answers may point to.
    """

    url: str
    is_named: bool = True
    others: frozenset[Origin] = frozenset()

    @property
    def home(self) -> str | None:
        """The URL of the server if the operator named it, else None."""
        return self.url if self.is_named else None


@dataclass(frozen=True, slots=True)
class Servers:
    """Where all registries are reached: at their own host or, if they have one in `mirrors`, at that URL.

    Requests to the `http_registries` use plain HTTP, and so do requests to a loopback address if the operator named
    it. `others` are the URLs of further servers that a registry needs, such as its token service or its storage.
    `hub_url` is the URL of Docker Hub's web API; if it is empty, that API is not used.
    """

    mirrors: Mapping[str, str] = field(default_factory=dict)
    http_registries: Collection[str] = ()
    hub_url: str = ""
    others: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def of(self, registry: str, *, is_named: bool = True) -> Server:
        """Return where a registry is reached; `is_named` if the operator named it or one of its images."""
        others = frozenset(map(Origin.of, self.others.get(registry, ())))
        if registry in self.mirrors:
            return Server(self.mirrors[registry].rstrip("/"), others=others)
        host = _DOCKER_HUB_API if registry == DOCKER_HUB else registry
        if host in self.http_registries:
            return Server(f"http://{host}", others=others | {Origin.of(f"https://{host}")})
        is_plain = is_named and _is_loopback(str(urlsplit(f"//{host}").hostname))
        return Server(f"{'http' if is_plain else 'https'}://{host}", is_named, others)

    def host_asked(self, registry: str) -> str:
        """Return the host to find a credential for: the host of the registry's mirror if there is one."""
        mirror = self.mirrors.get(registry)
        return urlsplit(mirror).netloc if mirror else registry


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
