"""The client for registries as tests need it: nothing kept, events remembered, no waiting between tries."""

from typing import Any

from microbadger.http.client import Network
from microbadger.registry.client import Registry
from microbadger.registry.servers import Servers
from microbadger.store.database import Database
from tests.fakes.counts import FakeCounts


def registry_client(
    counts: FakeCounts | None = None, *, servers: Servers | None = None, network: Network | None = None, **options: Any
) -> Registry:
    """Return a client whose database is never opened."""
    return Registry(
        Database("sqlite://"),
        counts or FakeCounts(),
        network or Network("tests"),
        servers=servers,
        **{"sleep": lambda _: None, **options},
    )
