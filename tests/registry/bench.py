"""The client for registries as tests need it: nothing kept, events remembered, no waiting between tries."""

from collections.abc import Callable
from typing import Any

from microbadger.http.client import Answer, Network
from microbadger.image.reference import Repository
from microbadger.registry.auth import Authenticator
from microbadger.registry.client import Registry
from microbadger.registry.credentials import Credential
from microbadger.registry.pulls import PullLimits
from microbadger.registry.remote import RemoteRepository
from microbadger.registry.servers import Server, Servers
from microbadger.registry.session import Session
from microbadger.registry.transport import Request, Transport
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


def listed(remote: RemoteRepository) -> list[str]:
    """Return all tags of a repository; raise why they are not all."""
    tags = remote.tags()
    if tags.trouble:
        raise tags.trouble
    return tags.names


class ScriptedTransport(Transport):
    """Answers by a function instead of over the network."""

    def __init__(self, answer: Callable[[Request, int], Answer]) -> None:
        super().__init__(Network("tests"), FakeCounts())
        self._answer = answer
        self.requests = 0

    def send(self, request: Request) -> Answer:
        self.requests += 1
        return self._answer(request, self.requests)

    def session(self, credential: Credential | None = None) -> Session:
        """A reader whose requests are sent through this."""
        return Session(
            Repository("scripted.test", "team/app"),
            server=Server("https://scripted.test"),
            transport=self,
            authenticator=Authenticator(self),
            pulls=PullLimits(FakeCounts(), lambda: 1_800_000_000.0),
            credential=credential,
        )

    @property
    def remote(self) -> RemoteRepository:
        """A repository that is asked through this."""
        return RemoteRepository(self.session())


def sendable(text: str) -> str:
    """Return what makes a header of these characters' UTF-8."""
    return text.encode().decode("latin-1")
