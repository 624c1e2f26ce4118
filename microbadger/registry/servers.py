"""Where each registry is reached, and which servers the operator vouches for by naming them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import urlsplit

from microbadger.image import DOCKER_HUB

_DOCKER_HUB_API = "registry-1.docker.io"


@dataclass(frozen=True, slots=True)
class Servers:
    """Registries are asked at their own host or, where `mirrors` name one, at that URL instead.

    This computer and the `http_registries` are spoken to over plain http. `hub_url` is Docker Hub's web API; an empty
    one is not asked.
    """

    mirrors: Mapping[str, str] = field(default_factory=dict)
    http_registries: Collection[str] = ()
    hub_url: str = ""

    @property
    def named(self) -> list[str]:
        """The URLs of servers that the operator named, and that may be private."""
        hosts = (f"{scheme}://{host}" for host in self.http_registries for scheme in ("http", "https"))
        return [*self.mirrors.values(), *hosts]

    def base_url(self, registry: str) -> str:
        """Return the URL below which a registry has its API, without a final slash."""
        if registry in self.mirrors:
            return self.mirrors[registry].rstrip("/")
        host = _DOCKER_HUB_API if registry == DOCKER_HUB else registry
        return f"{'http' if self._is_plain(host) else 'https'}://{host}"

    def host_asked(self, registry: str) -> str:
        """Return the host whose credential counts: that of a mirror, where there is one."""
        mirror = self.mirrors.get(registry)
        return urlsplit(mirror).netloc if mirror else registry

    def _is_plain(self, host: str) -> bool:
        return host in self.http_registries or _is_loopback(str(urlsplit(f"//{host}").hostname))


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
