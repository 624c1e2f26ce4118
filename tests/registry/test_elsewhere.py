"""A registry whose host redirects to another registry, which asks to log in by itself."""

from collections.abc import Callable, Iterator

import pytest
from werkzeug.wrappers import Request, Response

from microbadger.image.manifest import Manifest, parse_manifest
from microbadger.image.reference import Repository
from microbadger.registry.credentials import Credential
from microbadger.registry.errors import Denied, Refused
from microbadger.registry.remote import RemoteRepository
from microbadger.registry.servers import Servers
from tests.fakes.registry import FakeRegistry, image
from tests.registry.bench import listed, registry_client

HERE, THERE = "team/app", "mirrored/team/app"
ALICE = Credential("alice", "a secret")
PUSHED = image()


def config_of(remote: RemoteRepository) -> bytes:
    manifest = parse_manifest(remote.manifest(PUSHED.digest).raw)
    assert isinstance(manifest, Manifest)
    return remote.blob(manifest.config, 10_000)


READINGS: dict[str, Callable[[RemoteRepository], object]] = {
    "list": listed,
    "head": lambda remote: remote.head("latest"),
    "manifest": lambda remote: remote.manifest("latest").digest,
    "digest": lambda remote: remote.manifest(PUSHED.digest).digest,
    "blob": config_of,
}
RESULTS = {
    "list": ["latest"],
    "head": PUSHED.digest,
    "manifest": PUSHED.digest,
    "digest": PUSHED.digest,
    "blob": next(iter(PUSHED.blobs.values())),
}
EACH_READING = pytest.mark.parametrize("reading", READINGS)


class Vanity:
    """A host that redirects everything, once it is satisfied, and the registry it leads to."""

    def __init__(self, host: FakeRegistry, registry: FakeRegistry) -> None:
        self.host = host
        self.registry = registry
        registry.push(THERE, "latest", PUSHED)
        registry.login = "token"
        registry.always("/v2/", self.check)
        host.always("/v2/", self.redirect)

    def redirect(self, request: Request) -> Response | None:
        if self.host.login and "Authorization" not in request.headers:
            return None
        path = request.full_path.rstrip("?").replace(HERE, THERE)
        return Response(status=307, headers={"Location": self.registry.url + path})

    def check(self, request: Request) -> None:
        assert "Basic" not in request.headers.get("Authorization", "")

    def remote(self, *, private: bool = False, credential: Credential | None = None) -> RemoteRepository:
        registry = registry_client(
            servers=Servers(others={self.host.host: [self.registry.url]}), credentials=lambda place: credential
        )
        return registry.repository(Repository(self.host.host, HERE), private=private)

    def sent_to(self, server: FakeRegistry) -> set[str]:
        """Return what a server was sent to log in."""
        return {request.headers["Authorization"] for request in server.requests if "Authorization" in request.headers}


@pytest.fixture
def vanity() -> Iterator[Vanity]:
    with FakeRegistry() as host, FakeRegistry() as registry:
        yield Vanity(host, registry)


@EACH_READING
def test_it_gets_a_token_of_the_other_registry(vanity: Vanity, reading: str) -> None:
    assert READINGS[reading](vanity.remote()) == RESULTS[reading]
    assert vanity.sent_to(vanity.host) == set()
    assert {*map(len, vanity.registry.grants.values())} == {2}


@EACH_READING
@pytest.mark.parametrize("login", ["token", "basic"])
def test_each_server_is_shown_only_what_is_meant_for_it(vanity: Vanity, login: str, reading: str) -> None:
    vanity.host.login, vanity.host.users = login, {"alice": ALICE.password}
    assert READINGS[reading](vanity.remote(private=True, credential=ALICE)) == RESULTS[reading]
    here, there = vanity.sent_to(vanity.host), vanity.sent_to(vanity.registry)
    assert ALICE.basic in here
    assert ALICE.basic not in there
    tokens = {f"Bearer {token}" for token in vanity.registry.grants}
    assert there <= tokens
    assert {user for user, _ in vanity.registry.grants.values()} == {""}


@EACH_READING
def test_a_public_image_there_is_read_with_a_credential_for_here(vanity: Vanity, reading: str) -> None:
    assert READINGS[reading](vanity.remote(credential=ALICE)) == RESULTS[reading]
    assert ALICE.basic not in vanity.sent_to(vanity.registry)


@pytest.mark.parametrize("reading", ["list", "manifest", "digest", "blob"])
@pytest.mark.parametrize("private", [False, True])
def test_where_the_other_registry_wants_a_password_it_is_denied(vanity: Vanity, private: bool, reading: str) -> None:
    vanity.registry.login, vanity.registry.users = "basic", {"alice": ALICE.password}
    remote = vanity.remote(private=private, credential=ALICE)
    with pytest.raises(Denied):
        READINGS[reading](remote)
    assert remote.head("latest") is None
    assert vanity.sent_to(vanity.registry) == set()


@pytest.mark.parametrize("reading", ["list", "manifest", "digest", "blob"])
def test_what_is_private_there_is_denied_with_any_credential_for_here(vanity: Vanity, reading: str) -> None:
    vanity.registry.private, vanity.registry.users = {THERE}, {"alice": ALICE.password}
    with pytest.raises(Denied):
        READINGS[reading](vanity.remote(private=True, credential=ALICE))


REALMS = [
    "http://127.0.0.1:1/token",
    "https://127.0.0.1:1/token",
    "https://10.0.0.1/token",
    "https://169.254.169.254/token",
    "https://[fec0::1]/token",
    "https://metadata.google.internal/token",
    "https://user:password@outside.test/token",
    "http://outside.test/token",
    "https://outside.test:25/token",
    "file:///etc/passwd",
    "{here}/token",
]


@pytest.mark.parametrize("realm", REALMS)
@pytest.mark.parametrize("reading", ["list", "manifest", "digest", "blob"])
def test_the_other_registry_names_no_realm_where_requests_must_not_go(
    vanity: Vanity, reading: str, realm: str
) -> None:
    challenge = f'Bearer realm="{realm.replace("{here}", vanity.host.url)}",service="x"'
    vanity.registry.always("/v2/", lambda request: Response(status=401, headers={"WWW-Authenticate": challenge}))
    with pytest.raises(Refused):
        READINGS[reading](vanity.remote())
    assert vanity.host.asked("GET", "/token") == 0


def test_without_a_scope_it_asks_for_the_path_there(vanity: Vanity) -> None:
    challenge = f'Bearer realm="{vanity.registry.url}/token"'
    vanity.registry.then("/v2/", Response(status=401, headers={"WWW-Authenticate": challenge}))
    assert listed(vanity.remote()) == ["latest"]
    assert [scopes for _, scopes in vanity.registry.grants.values()] == [[f"repository:{THERE}:pull"]]


def test_without_a_challenge_it_takes_that_of_the_ping_there(vanity: Vanity) -> None:
    vanity.registry.then("/tags/", Response(status=401))
    assert listed(vanity.remote()) == ["latest"]
    assert "/v2/" in [request.path for request in vanity.registry.requests]


def test_the_token_is_kept_for_the_next_requests(vanity: Vanity) -> None:
    remote = vanity.remote()
    for reading in READINGS.values():
        reading(remote)
    assert len(vanity.registry.grants) == 1
    assert vanity.registry.asked("GET", "/blobs/") == 1


def test_registries_that_send_each_other_on_are_not_asked_for_ever(vanity: Vanity) -> None:
    with FakeRegistry() as third:
        third.login = "token"
        vanity.registry.always(
            "/v2/", lambda request: Response(status=307, headers={"Location": third.url + request.path})
        )
        third.always("/v2/", lambda request: vanity.registry.unauthorized("x", f"pull{len(third.requests)}"))
        registry = registry_client(servers=Servers(others={vanity.host.host: [vanity.registry.url, third.url]}))
        with pytest.raises(Denied):
            registry.repository(Repository(vanity.host.host, HERE)).manifest("latest")
        assert len(third.requests) <= 3
