"""The way in to this package: `Registry` gives access to all registries, Docker Hub's web API and stored content.

One `Registry` serves the whole service. See `remote` for reading a repository, `transport` for sending requests and
`auth` for logging in; each checks what it receives from the network.
"""

import time
from collections.abc import Callable
from datetime import datetime
from functools import partial

from microbadger.http import Limits, Network
from microbadger.image import Repository
from microbadger.logs import EventLog
from microbadger.registry.auth import Authenticator
from microbadger.registry.content import Content
from microbadger.registry.credentials import Credential
from microbadger.registry.docker_hub import DockerHub
from microbadger.registry.errors import Denied
from microbadger.registry.holds import Holds
from microbadger.registry.pulls import PullLimits
from microbadger.registry.referrer_lists import WithoutReferrers
from microbadger.registry.remote import RemoteRepository
from microbadger.registry.servers import Servers
from microbadger.registry.session import Session
from microbadger.registry.transport import Transport
from microbadger.store import Counts, Database

log = EventLog(__name__)


class Registry:
    """Gives views of repositories in any registry, Docker Hub's API as `docker_hub`, and stored `content`.

    `credentials` is called with the host that is asked and the path, as `host/path`. Requests and the remaining pulls
    are counted in `counts`. All threads can share one object.
    """

    def __init__(
        self,
        database: Database,
        counts: Counts,
        network: Network,
        *,
        servers: Servers | None = None,
        credentials: Callable[[str], Credential | None] = lambda _: None,
        limits: Limits | None = None,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._servers = servers or Servers()
        self._credentials = credentials
        self._pulls = PullLimits(counts, clock, database)
        self._holds = Holds(clock, database)
        self._transport = Transport(network, counts, holds=self._holds, limits=limits, sleep=sleep, clock=clock)
        self._authenticator = Authenticator(self._transport, clock=clock)
        self.docker_hub = DockerHub(self._transport, self._servers.hub_url)
        self._without_referrers = WithoutReferrers(database, clock)
        self.content = Content(database, clock=clock)

    def repository(
        self, repository: Repository, *, private: bool = False, is_named: bool = True
    ) -> RemoteRepository:
        """Return a view of one repository.

        A `private` repository is read with the operator's credential. Any other shows only what is public. Unless the
        operator named the registry or one of its images (`is_named`), requests go over https and to public addresses
        only. Raises `Denied` if the credential of a `private` repository cannot be looked up.
        """
        place = self._place_of(repository)
        session = partial(
            Session,
            repository,
            server=self._servers.of(repository.registry, is_named=is_named),
            transport=self._transport,
            authenticator=self._authenticator,
            pulls=self._pulls,
        )

        def find_account() -> Session | None:
            try:
                credential = self._credential(place)
            except Denied:
                return None
            return session(credential=credential) if credential else None

        if private:
            account = session(credential=self._credential(place))
            return RemoteRepository(account, without_referrers=self._without_referrers)
        return RemoteRepository(session(), find_account, self._without_referrers)

    def has_account(self, repository: Repository) -> bool:
        """Return whether the operator has a credential for a repository; also True if the lookup fails."""
        try:
            return self._credential(self._place_of(repository)) is not None
        except Denied:
            return True

    def pauses(self) -> dict[str, datetime]:
        """Return the registries that asked for a pause, each with the time when it ends. Raises StoreError."""
        return self._holds.of_all()

    def _place_of(self, repository: Repository) -> str:
        return f"{self._servers.host_asked(repository.registry)}/{repository.path}"

    def _credential(self, place: str) -> Credential | None:
        try:
            return self._credentials(place)
        except ValueError as error:
            host = place.partition("/")[0]
            log.warning("credential_not_used", image=place, error=error)
            message = f"{host} was not asked, because the settings are invalid: see the log"
            raise Denied(message, host=host) from error
