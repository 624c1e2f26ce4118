"""Which images are read with the operator's credential, and which are not read at all."""

from collections.abc import Callable, Iterator

import pytest
from werkzeug.wrappers import Request, Response

from microbadger.http.client import Answer
from microbadger.image.descriptors import Descriptor, digest_of
from microbadger.image.manifest import Manifest, parse_manifest
from microbadger.image.reference import Repository
from microbadger.registry.client import Registry
from microbadger.registry.credentials import Credential
from microbadger.registry.errors import Denied, NotFound, RateLimited, Unreachable
from microbadger.registry.remote import RemoteRepository
from microbadger.registry.transport import Request as Sent
from tests.fakes.registry import FakeRegistry, image, to_json
from tests.registry.bench import ScriptedTransport, listed, registry_client

PATH = "team/app"
ALICE = Credential("alice", "a secret")
PUSHED = image()
PULLS = {"ratelimit-limit": "100;w=21600", "ratelimit-remaining": "5;w=21600"}


class Bench:
    """A registry that has an account for alice, and records as whom each request was made."""

    def __init__(self, fake: FakeRegistry) -> None:
        self.fake = fake
        fake.login = "token"
        fake.users = {"alice": ALICE.password}
        fake.push(PATH, "latest", PUSHED)
        self.lookups: list[str] = []
        self.registry = self.registry_with(ALICE)

    def registry_with(self, credential: Credential | None) -> Registry:
        def find(place: str) -> Credential | None:
            self.lookups.append(place)
            return credential

        return registry_client(credentials=find)

    def remote(self, *, private: bool = False) -> RemoteRepository:
        return self.registry.repository(Repository(self.fake.host, PATH), private=private)

    @property
    def readers(self) -> list[tuple[str, str]]:
        """The successful requests, each as its method or kind and the user."""
        return [
            (request.path.split("/")[-2] if request.method == "GET" else "head", user)
            for request in self.fake.requests
            if (user := self.user_of(request)) is not None
        ]

    def user_of(self, request: Request) -> str | None:
        """Return who made a request; None if nobody logged in for it."""
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return self.fake.grants[token][0] or "nobody" if token in self.fake.grants else None

    @property
    def has_shown_the_credential(self) -> bool:
        return any(request.headers.get("Authorization") == ALICE.basic for request in self.fake.requests)

    def refuse(self, part: str, method: str | None = None, *, status: int, user: str | None = "nobody") -> None:
        """Refuse requests of a user, or of everybody."""

        def answer(request: Request) -> Response | None:
            who = self.user_of(request)
            is_meant = method in (None, request.method) and who is not None and user in (None, who)
            return Response(status=status) if is_meant else None

        self.fake.always(part, answer)


@pytest.fixture
def bench() -> Iterator[Bench]:
    with FakeRegistry() as fake:
        yield Bench(fake)


def config_of(remote: RemoteRepository) -> Descriptor:
    parsed = parse_manifest(remote.manifest("latest").raw)
    assert isinstance(parsed, Manifest)
    return parsed.config


def test_what_is_public_is_asked_for_anonymously_and_read_with_the_account(bench: Bench) -> None:
    remote = bench.remote()
    listed(remote)
    remote.head("latest")
    remote.blob(config_of(remote), 10_000)
    assert bench.readers == [("tags", "nobody"), ("head", "nobody"), ("manifests", "alice"), ("blobs", "alice")]


def test_what_was_not_asked_for_yet_is_asked_for_before_it_is_read(bench: Bench) -> None:
    bench.remote().manifest(PUSHED.digest)
    assert bench.readers == [("head", "nobody"), ("manifests", "alice")]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 500, 501, 503])
def test_where_a_head_does_not_show_it_an_anonymous_get_does(bench: Bench, status: int) -> None:
    bench.refuse("/manifests/", "HEAD", status=status)
    remote = bench.remote()
    remote.head("latest")
    remote.blob(config_of(remote), 10_000)
    remote.manifest(PUSHED.digest)
    read = [reader for reader in bench.readers if reader[0] != "head"]
    assert read == [("manifests", "nobody"), ("blobs", "alice"), ("manifests", "alice")]


def test_where_the_server_hangs_up_on_a_head_an_anonymous_get_shows_it() -> None:
    def answer(request: Sent, number: int) -> Answer:
        if request.method == "HEAD":
            raise Unreachable("it hung up", host=request.host)
        return Answer(request.url, 200, {}, PUSHED.raw)

    transport = ScriptedTransport(answer)
    remote = RemoteRepository(transport.session(), lambda: transport.session(ALICE))
    assert remote.manifest(PUSHED.digest).raw == PUSHED.raw
    assert transport.requests == 2


@pytest.mark.parametrize("digest", [None, "", "latest"])
def test_a_head_that_names_no_digest_shows_nothing(bench: Bench, digest: str | None) -> None:
    bench.fake.manifest_headers = {"Docker-Content-Digest": digest}
    bench.remote().manifest("latest")
    assert bench.readers[-1] == ("manifests", "nobody")


def test_a_list_shows_nothing(bench: Bench) -> None:
    remote = bench.remote()
    listed(remote)
    remote.blob(Descriptor("", *_first_blob()), 10_000)
    assert bench.readers == [("tags", "nobody"), ("blobs", "nobody")]


def _first_blob() -> tuple[str, int]:
    digest, content = next(iter(PUSHED.blobs.items()))
    return digest, len(content)


# What an anonymous request may not read


def _make_private(bench: Bench) -> None:
    bench.fake.private.add(PATH)


def _refuse_tokens(bench: Bench) -> None:
    bench.fake.always("/token", lambda request: None if "Authorization" in request.headers else Response(status=401))


def _want_passwords(bench: Bench) -> None:
    bench.fake.login = "basic"


def _let_list(bench: Bench) -> None:
    bench.refuse("/manifests/", status=401)
    bench.refuse("/blobs/", status=401)


def _forbid_all_but_lists(bench: Bench) -> None:
    bench.refuse("/manifests/", status=403)
    bench.refuse("/blobs/", status=403)


def _let_head_without_digest(bench: Bench) -> None:
    bench.fake.manifest_headers = {"Docker-Content-Digest": None}
    bench.refuse("/manifests/", "GET", status=401)
    bench.refuse("/blobs/", status=401)


def _answer_heads_with_a_page(bench: Bench) -> None:
    page = Response(b"", content_type="text/html")
    bench.fake.always("/manifests/", lambda request: page if request.method == "HEAD" else None)
    bench.fake.private.add(PATH)


CLOSED = [
    _make_private,
    _refuse_tokens,
    _want_passwords,
    _let_list,
    _forbid_all_but_lists,
    _let_head_without_digest,
    _answer_heads_with_a_page,
]
READINGS: list[Callable[[RemoteRepository], object]] = [
    lambda remote: remote.manifest("latest"),
    lambda remote: remote.manifest(PUSHED.digest),
    lambda remote: remote.blob(Descriptor("", *_first_blob()), 10_000),
]


@pytest.mark.parametrize("close", CLOSED)
@pytest.mark.parametrize("read", READINGS, ids=["tag", "digest", "blob"])
def test_what_anonymous_readers_may_not_read_is_not_read_with_the_credential(
    bench: Bench, close: Callable[[Bench], None], read: Callable[[RemoteRepository], object]
) -> None:
    close(bench)
    remote = bench.remote()
    assert remote.head("latest") is None
    with pytest.raises(Denied, match="write 'private' after its name"):
        read(remote)
    assert not bench.has_shown_the_credential


@pytest.mark.parametrize("close", [_make_private, _refuse_tokens, _want_passwords])
@pytest.mark.parametrize("read", READINGS, ids=["tag", "digest", "blob"])
def test_it_is_read_with_the_credential_if_it_is_private(
    bench: Bench, close: Callable[[Bench], None], read: Callable[[RemoteRepository], object]
) -> None:
    close(bench)
    remote = bench.remote(private=True)
    assert listed(remote) == ["latest"]
    assert remote.head("latest") == PUSHED.digest
    assert read(remote)


def test_what_one_check_has_shown_counts_for_that_check_alone(bench: Bench) -> None:
    bench.remote().head("latest")
    _make_private(bench)
    with pytest.raises(Denied):
        bench.remote().manifest("latest")


# A credential that is of no use


def _expire(bench: Bench) -> None:
    bench.fake.users = {}


def _expire_as_oauth_says(bench: Bench) -> None:
    bench.fake.always("/token", lambda request: Response(status=400) if "Authorization" in request.headers else None)


def _answer_oddly(bench: Bench) -> None:
    bench.fake.always("/token", lambda request: Response(status=302) if "Authorization" in request.headers else None)


def _send_no_token(bench: Bench) -> None:
    bench.fake.always("/token", lambda request: Response(b"<html>") if "Authorization" in request.headers else None)


def _forbid(bench: Bench) -> None:
    bench.refuse("/v2/", "GET", status=403, user="alice")


def _deny(bench: Bench) -> None:
    bench.refuse("/v2/", "GET", status=401, user="alice")


def _hide(bench: Bench) -> None:
    bench.refuse("/v2/", "GET", status=404, user="alice")


USELESS = [_expire, _expire_as_oauth_says, _answer_oddly, _send_no_token, _forbid, _deny, _hide]


@pytest.mark.parametrize("spoil", USELESS)
def test_public_content_is_read_anonymously_if_the_credential_does_not_open_it(
    bench: Bench, spoil: Callable[[Bench], None]
) -> None:
    spoil(bench)
    remote = bench.remote()
    assert remote.blob(config_of(remote), 10_000)
    assert bench.readers[-1] == ("blobs", "nobody")


@pytest.mark.parametrize("spoil", [_expire, _expire_as_oauth_says, _forbid, _deny])
def test_a_credential_that_was_refused_is_not_tried_again_in_the_same_check(
    bench: Bench, spoil: Callable[[Bench], None]
) -> None:
    spoil(bench)
    remote = bench.remote()
    remote.manifest("latest")
    asked = len(bench.fake.requests)
    remote.manifest(PUSHED.digest)
    assert len(bench.fake.requests) == asked + 1


def test_a_credential_that_cannot_be_read_hides_no_public_image(bench: Bench) -> None:
    def broken(place: str) -> Credential:
        raise ValueError("the helper printed nonsense")

    registry = registry_client(credentials=broken)
    assert registry.repository(Repository(bench.fake.host, PATH)).manifest("latest").digest == PUSHED.digest


def test_what_does_not_exist_does_not_exist_for_the_account_either(bench: Bench) -> None:
    remote = bench.remote()
    remote.head("latest")
    with pytest.raises(NotFound):
        remote.manifest(digest_of(b"nothing"))


def test_a_limit_of_the_account_is_not_evaded(bench: Bench) -> None:
    bench.refuse("/v2/", "GET", status=429, user="alice")
    with pytest.raises(RateLimited):
        bench.remote().manifest("latest")
    assert ("manifests", "nobody") not in bench.readers


def test_a_credential_is_looked_up_once_and_only_when_content_is_read(bench: Bench) -> None:
    remote = bench.remote()
    listed(remote)
    remote.head("latest")
    assert bench.lookups == []
    remote.manifest("latest")
    remote.manifest("latest")
    assert bench.lookups == [f"{bench.fake.host}/{PATH}"]


@pytest.mark.parametrize("private", [False, True])
def test_without_a_credential_everything_is_anonymous(bench: Bench, private: bool) -> None:
    bench.registry = bench.registry_with(None)
    remote = bench.remote(private=private)
    remote.blob(config_of(remote), 10_000)
    assert {user for _, user in bench.readers} == {"nobody"}
    assert "head" not in [kind for kind, _ in bench.readers]


def test_a_basic_credential_is_used_too(bench: Bench) -> None:
    def answer(request: Request) -> Response | None:
        if request.headers.get("Authorization") == ALICE.basic or request.method == "HEAD":
            return None
        return Response(status=401, headers={"WWW-Authenticate": "Basic"})

    bench.fake.login = None
    bench.fake.always("/manifests/", answer)
    assert bench.remote().manifest("latest").digest == PUSHED.digest
    assert bench.has_shown_the_credential


# Pulls


def _limit(bench: Bench, user: str, left: int) -> None:
    def answer(request: Request) -> Response | None:
        if bench.user_of(request) != user:
            return None
        headers = {**PULLS, "ratelimit-remaining": f"{left};w=21600", "Docker-Content-Digest": PUSHED.digest}
        return Response(PUSHED.raw, headers=headers)

    bench.fake.always("/manifests/", answer)


@pytest.mark.parametrize(
    ("account", "anonymous", "private", "is_low"),
    [(90, 5, False, False), (5, 90, False, True), (90, 5, True, False), (5, 90, True, True)],
)
def test_the_pulls_that_count_are_those_of_the_reader_of_content(
    bench: Bench, account: int, anonymous: int, private: bool, is_low: bool
) -> None:
    _limit(bench, "alice", account)
    _limit(bench, "nobody", anonymous)
    bench.remote(private=private).manifest("latest")
    remote = bench.remote(private=private)
    remote.head("latest")
    assert remote.is_low_on_pulls is is_low


def test_without_a_credential_the_anonymous_pulls_count(bench: Bench) -> None:
    bench.registry = bench.registry_with(None)
    _limit(bench, "nobody", 5)
    remote = bench.remote()
    assert not remote.is_low_on_pulls
    remote.head("latest")
    assert remote.is_low_on_pulls


def test_once_the_credential_is_refused_the_anonymous_pulls_count(bench: Bench) -> None:
    _expire(bench)
    _limit(bench, "nobody", 5)
    remote = bench.remote()
    remote.head("latest")
    assert not remote.is_low_on_pulls
    remote.manifest("latest")
    assert remote.is_low_on_pulls


def test_the_tokens_of_two_readers_are_not_mixed_up(bench: Bench) -> None:
    bench.fake.always(
        "/token", lambda request: Response(to_json({"token": "alice" if "Authorization" in request.headers else "any"}))
    )
    sent: list[str] = []

    def answer(request: Request) -> Response | None:
        if (token := request.headers.get("Authorization")) is None:
            return bench.fake.unauthorized(PATH, "pull")
        sent.append(f"{request.method} {token}")
        return Response(PUSHED.raw, headers={"Docker-Content-Digest": PUSHED.digest})

    bench.fake.always("/v2/", answer)
    for _ in range(2):
        remote = bench.remote()
        remote.head("latest")
        remote.manifest("latest")
    assert sent == ["HEAD Bearer any", "GET Bearer alice"] * 2
