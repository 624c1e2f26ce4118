import base64
from collections.abc import Callable, Iterator, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.wrappers import Request, Response

from microbadger.http.client import Answer, Network
from microbadger.http.origin import Origin
from microbadger.image.reference import Repository
from microbadger.registry.auth import Authenticator, Challenge, Subject, parse_challenges
from microbadger.registry.credentials import Credential
from microbadger.registry.errors import BadAnswer, Denied, Refused, RegistryError
from microbadger.registry.remote import RemoteRepository
from microbadger.registry.servers import Servers
from microbadger.registry.transport import Request as SentRequest
from microbadger.registry.transport import Transport
from tests.fakes.counts import FakeCounts
from tests.fakes.registry import FakeRegistry, image, to_json
from tests.registry.bench import listed, registry_client

PATIENT = settings(suppress_health_check=[HealthCheck.too_slow])
PATH = "team/app"
ALICE = Credential("alice", "pass:wörd")
# Below these everybody can have a host, https://publicsuffix.org/list/ has most of them.
SHARED_DOMAINS = [
    *("run.app", "netlify.app", "vercel.app", "web.app", "azurewebsites.net", "azurecr.io", "pages.dev", "fly.dev"),
    *("gouv.fr", "co.uk", "com.br", "github.io", "onrender.com", "up.railway.app", "s3.amazonaws.com", "ngrok.io"),
]
HOSTILE_HEADERS = [
    "mañana",
    "",
    ",",
    "=",
    '"',
    "Bearer",
    "Bearer ,,,",
    'Bearer realm="https://mañana',
    'Bearer realm="\\',
    "Bearer realm",
    "Bearer =x",
    'realm="https://a/token"',
    "Negotiate YII=",
    "Bearer " + "a" * 100_000,
    "Bearer " + "a=" * 100_000,
    'Bearer a="' + "\\" * 100_000,
    "Bearer " + " " * 100_000 + "=",
    "Bearer" + ' a="b",' * 100_000,
]
HOSTILE_TOKENS: list[object] = [
    None,
    "mañana",
    "",
    7,
    True,
    ["token"],
    "two words",
    "line\r\nX-Injected: 1",
    "\x00",
    {"token": "nested"},
]
HOSTILE_REALMS = [
    "http://mañana.test/token",
    "https://127.0.0.1:1/token",
    "https://10.0.0.1/token",
    "https://169.254.169.254/latest/meta-data/iam",
    "https://metadata.google.internal/token",
    "http://registry-1.docker.io/token",
    "https://user:password@outside.test/token",
    "https://inside.test/token",
    "https://outside.test:25/token",
    "file:///etc/passwd",
    "ftp://outside.test/",
    "//127.0.0.1:1/token",
    "https://",
    "https://[",
]


class Bench:
    """A registry client for the fake, with a clock to turn."""

    def __init__(self, fake: FakeRegistry, *, http_registries: Sequence[str] = ()) -> None:
        self.fake = fake
        self.now = 1_800_000_000.0
        self.registry = registry_client(
            servers=Servers(http_registries=http_registries),
            network=Network("tests", resolve=lambda host, port: ["10.0.0.1"] if host == "inside.test" else [host]),
            credentials=lambda place: ALICE if place.startswith(f"{fake.host}/") else None,
            clock=lambda: self.now,
        )

    def repository(self, path: str = PATH, *, private: bool = False) -> RemoteRepository:
        return self.registry.repository(Repository(self.fake.host, path), private=private)

    @property
    def asked(self) -> list[str]:
        """What the fake was asked, each as one word."""
        return [request.path.rpartition("/")[2] for request in self.fake.requests]

    @property
    def scopes(self) -> list[list[str]]:
        """The scopes of each request for a token."""
        return [request.args.getlist("scope") for request in self.fake.requests if request.path == "/token"]


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with FakeRegistry() as fake:
        fake.login = "token"
        fake.push(PATH, "latest", image())
        fake.push("other/app", "latest", image())
        yield fake


@pytest.fixture
def bench(fake: FakeRegistry) -> Bench:
    return Bench(fake)


def challenge(fake: FakeRegistry, **parameters: str) -> Response:
    """Return a refusal with these parameters instead of the usual ones."""
    usual = {"realm": f"{fake.url}/token", "service": "fake", "scope": f"repository:{PATH}:pull"} | parameters
    header = "Bearer " + ",".join(f'{name}="{value}"' for name, value in usual.items() if value)
    return Response(status=401, headers={"WWW-Authenticate": header})


# Challenges


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('Bearer realm="mañana, \\"tomorrow\\""', [("bearer", {"realm": 'mañana, "tomorrow"'})]),
        (
            'Bearer realm="https://auth.docker.io/token",service="registry.docker.io"',
            [("bearer", {"realm": "https://auth.docker.io/token", "service": "registry.docker.io"})],
        ),
        (
            'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",'
            'scope="repository:samalba/my-app:pull,push"',
            [
                (
                    "bearer",
                    {
                        "realm": "https://auth.docker.io/token",
                        "service": "registry.docker.io",
                        "scope": "repository:samalba/my-app:pull,push",
                    },
                )
            ],
        ),
        (
            'Bearer realm="https://ghcr.io/token",service="ghcr.io",scope="repository:user/image:pull"',
            [
                (
                    "bearer",
                    {"realm": "https://ghcr.io/token", "service": "ghcr.io", "scope": "repository:user/image:pull"},
                )
            ],
        ),
        (
            'Bearer realm="https://codeberg.org/v2/token",service="container_registry",scope="*",'
            'Basic realm="https://codeberg.org/v2",service="container_registry",scope="*"',
            [
                (
                    "bearer",
                    {"realm": "https://codeberg.org/v2/token", "service": "container_registry", "scope": "*"},
                ),
                ("basic", {"realm": "https://codeberg.org/v2", "service": "container_registry", "scope": "*"}),
            ],
        ),
        (
            'Bearer realm="https://auth.example.com/token",service="registry.example.com",'
            'other=fun,slashed="he\\"\\l\\lo"',
            [
                (
                    "bearer",
                    {
                        "realm": "https://auth.example.com/token",
                        "service": "registry.example.com",
                        "other": "fun",
                        "slashed": 'he"llo',
                    },
                )
            ],
        ),
        (
            'Basic realm="https://123456789.dkr.ecr.eu-central-1.amazonaws.com/",service="ecr.amazonaws.com"',
            [
                (
                    "basic",
                    {
                        "realm": "https://123456789.dkr.ecr.eu-central-1.amazonaws.com/",
                        "service": "ecr.amazonaws.com",
                    },
                )
            ],
        ),
        ("BEARER REALM = /Token , Service=Fake", [("bearer", {"realm": "/Token", "service": "Fake"})]),
        ("Negotiate, Basic realm=x", [("negotiate", {}), ("basic", {"realm": "x"})]),
        ('Bearer realm="a", realm="b"', [("bearer", {"realm": "a"})]),
    ],
)
def test_it_reads_challenges(header: str, expected: list[tuple[str, dict[str, str]]]) -> None:
    assert parse_challenges(header) == tuple(Challenge(scheme, parameters) for scheme, parameters in expected)


@pytest.mark.parametrize("header", HOSTILE_HEADERS, ids=range(len(HOSTILE_HEADERS)))
def test_it_cannot_log_in_by_a_challenge_that_is_none(bench: Bench, header: str) -> None:
    bench.fake.always("/v2/", lambda request: Response(status=401, headers={"WWW-Authenticate": _sendable(header)}))
    with pytest.raises(RegistryError):
        listed(bench.repository())
    assert "token" not in bench.asked


def _sendable(header: str) -> str:
    return header.encode().decode("latin-1")[:60_000]


@PATIENT
@given(st.text() | st.text(alphabet='Bearer realm="\\,= \t'))
def test_whatever_challenge_a_stranger_sends_is_read(header: str) -> None:
    assert isinstance(parse_challenges(header), tuple)


# Tokens


def test_it_reads_a_public_repository_with_an_anonymous_token(bench: Bench) -> None:
    assert listed(bench.repository()) == ["latest"]
    assert bench.asked == ["list", "token", "list"]
    assert all("Basic" not in request.headers.get("Authorization", "") for request in bench.fake.requests)


@pytest.mark.parametrize("order", [["Basic", "Bearer"], ["Bearer", "Basic"]])
def test_without_a_password_it_prefers_a_token_that_can_be_anonymous(bench: Bench, order: list[str]) -> None:
    offers = {"Basic": 'Basic realm="x"', "Bearer": f'Bearer realm="{bench.fake.url}/token",service="fake"'}
    answer = Response(status=401)
    for scheme in order:
        answer.headers.add("WWW-Authenticate", offers[scheme])
    bench.fake.then("/v2/", answer)

    listed(bench.repository())

    assert bench.asked == ["list", "token", "list"]


def test_it_asks_for_the_service_and_the_scope_of_the_challenge(bench: Bench) -> None:
    bench.fake.then("/v2/", challenge(bench.fake, service="größe & co", scope=f"repository:{PATH}:pull,push"))
    bench.repository().head("latest")
    sent = bench.fake.requests[1].args
    assert (sent["service"], sent.getlist("scope")) == ("größe & co", [f"repository:{PATH}:pull,push"])


@pytest.mark.parametrize("scope", ["", " ", "mañana", "x" * 2000])
def test_it_asks_to_pull_if_the_challenge_names_no_usable_scope(bench: Bench, scope: str) -> None:
    bench.fake.then("/v2/", challenge(bench.fake, service="", scope=_sendable(scope)))
    assert listed(bench.repository()) == ["latest"]
    assert bench.scopes == [[f"repository:{PATH}:pull"]]
    assert "service" not in bench.fake.requests[1].args


def test_it_sends_each_of_several_scopes_by_itself_but_not_endlessly_many(bench: Bench) -> None:
    bench.fake.then("/v2/", challenge(bench.fake, scope=" ".join(f"repository:{PATH}:{n}" for n in range(99))))
    listed(bench.repository())
    assert len(bench.scopes[0]) == 5


def test_it_keeps_a_token_for_its_repository(bench: Bench) -> None:
    for _ in range(2):
        listed(bench.repository())
        bench.repository().head("latest")
        listed(bench.repository("other/app"))
    assert bench.scopes == [[f"repository:{PATH}:pull"], ["repository:other/app:pull"]]
    assert bench.asked.count("list") == 6


def test_it_gets_a_new_token_shortly_before_the_old_one_ends(bench: Bench) -> None:
    listed(bench.repository())
    bench.now += 294
    listed(bench.repository())
    assert len(bench.scopes) == 1
    bench.now += 1
    listed(bench.repository())
    assert len(bench.scopes) == 2


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ('"expires_in": "mañana"', 60),
        ('"expires_in": null', 60),
        ('"expires_in": true', 60),
        ('"expires_in": 10', 60),
        ('"expires_in": -1', 60),
        ('"expires_in": 1e400', 60),
        ('"expires_in": 120', 120),
        (f'"expires_in": {10**30}', 24 * 3600),
        ('"expires_in": 120.5', 120.5),
        ('"expires_in": 0.5', 60),
        ('"expires_in": "120"', 120),
        ('"expires_in": " 120.5 "', 120.5),
        ('"expires_in": "120s"', 60),
        ('"expires_in": "-120"', 60),
        ('"expires_in": "nan"', 60),
        ('"expires_in": "١٢٠"', 60),
        ('"expires_in": [120]', 60),
        (f'"expires_in": "{"9" * 300}"', 24 * 3600),
        ('"expires_in": 120, "issued_at": "2027-01-15T07:59:00Z"', 120),
        ('"expires_in": 120, "issued_at": "1970-01-01T00:00:00Z"', 120),
        ('"expires_in": 120, "issued_at": "2099-01-01T00:00:00Z"', 120),
        ('"expires_in": 120, "issued_at": "mañana"', 120),
        ('"expires_in": 120, "issued_at": []', 120),
        ('"issued_at": null', 60),
    ],
)
def test_it_keeps_a_token_as_long_as_it_may(bench: Bench, fields: str, seconds: float) -> None:
    bench.fake.always("/token", lambda request: Response(f'{{"token": "good", {fields}}}'))
    bench.fake.always("/v2/", _accept("good"))
    listed(bench.repository())
    bench.now += seconds - 6
    listed(bench.repository())
    assert len(bench.scopes) == 1
    bench.now += 1
    listed(bench.repository())
    assert len(bench.scopes) == 2


def _accept(token: str) -> Callable[[Request], Response]:
    def answer(request: Request) -> Response:
        if request.headers.get("Authorization") == f"Bearer {token}":
            return Response(to_json({"tags": ["latest"]}))
        return Response(status=401, headers={"WWW-Authenticate": 'Bearer realm="/token"'})

    return answer


@pytest.mark.parametrize("answer", [{"token": "good"}, {"access_token": "good"}, {"token": "", "access_token": "good"}])
def test_it_takes_a_token_under_either_name(bench: Bench, answer: object) -> None:
    bench.fake.always("/token", lambda request: Response(to_json(answer)))
    bench.fake.always("/v2/", _accept("good"))
    assert listed(bench.repository()) == ["latest"]


@pytest.mark.parametrize("token", HOSTILE_TOKENS)
def test_it_refuses_a_token_that_does_not_fit_into_a_header(bench: Bench, token: object) -> None:
    bench.fake.always("/token", lambda request: Response(to_json({"token": token})))
    with pytest.raises(BadAnswer, match="did not send a valid token"):
        listed(bench.repository())


@pytest.mark.parametrize(
    "body",
    [b"", "mañana".encode(), b"\xff\xfe", b"[]", b"null", b"[" * 100_000, b'{"token": NaN}', b"x" * 300_000],
    ids=range(8),
)
def test_it_refuses_a_token_answer_that_is_none(bench: Bench, body: bytes) -> None:
    bench.fake.always("/token", lambda request: Response(body))
    with pytest.raises(BadAnswer):
        listed(bench.repository())


@pytest.mark.parametrize("status", [401, 403, 404])
def test_no_token_means_not_found_or_private(bench: Bench, status: int) -> None:
    bench.fake.always("/token", lambda request: Response(status=status))
    with pytest.raises(Denied, match="not found or is private"):
        listed(bench.repository())
    assert bench.asked == ["list", "token"]


@pytest.mark.parametrize("status", [400, 405, 418])
def test_a_token_service_that_answers_oddly_is_a_bad_answer(bench: Bench, status: int) -> None:
    bench.fake.always("/token", lambda request: Response(status=status))
    with pytest.raises(BadAnswer, match=str(status)):
        listed(bench.repository())


def test_it_gets_another_token_once_if_the_scope_was_not_enough(bench: Bench) -> None:
    bench.fake.action_for_tags = "metadata_read"
    more = challenge(bench.fake, scope=f"repository:{PATH}:metadata_read", error="insufficient_scope")
    bench.fake.then("/v2/", challenge(bench.fake), more)
    assert listed(bench.repository()) == ["latest"]
    pull, metadata = f"repository:{PATH}:pull", f"repository:{PATH}:metadata_read"
    assert bench.scopes == [[pull], [metadata, pull]]


def test_it_does_so_too_if_it_is_forbidden_for_that_reason(bench: Bench) -> None:
    more = challenge(bench.fake, scope=f"repository:{PATH}:more", error="insufficient_scope")
    more.status_code = 403
    bench.fake.then("/v2/", challenge(bench.fake), more)
    assert listed(bench.repository()) == ["latest"]


def test_it_does_not_log_in_again_where_it_is_just_forbidden(bench: Bench) -> None:
    forbidden = challenge(bench.fake)
    forbidden.status_code = 403
    bench.fake.then("/v2/", forbidden)
    with pytest.raises(Denied):
        bench.repository(private=True).manifest("latest")
    assert bench.asked == ["latest"]


def test_tags_and_content_can_need_different_scopes(bench: Bench) -> None:
    bench.fake.action_for_tags = "metadata_read"
    for _ in range(2):
        listed(bench.repository())
        bench.repository().head("latest")
    assert bench.scopes == [[f"repository:{PATH}:metadata_read"], [f"repository:{PATH}:pull"]]


def test_two_readers_of_a_repository_share_a_token(bench: Bench) -> None:
    authenticator = Authenticator(Transport(Network("tests"), FakeCounts()), clock=lambda: bench.now)
    refusal = Challenge("bearer", {"realm": "/token"})
    named = frozenset([Origin.of(bench.fake.url)])
    tags, content = (
        Subject("fake", bench.fake.url, PATH, resource, named=named) for resource in ("tags", "content")
    )
    first = authenticator.answer(tags, refusal, bench.fake.url, sent=None)
    second = authenticator.answer(content, refusal, bench.fake.url, sent=None)
    assert first is not None
    assert second is not None
    assert first.value == second.value
    assert bench.asked == ["token"]


def test_it_keeps_no_more_tokens_than_it_needs(bench: Bench) -> None:
    class Generous(Transport):
        def send(self, request: SentRequest) -> Answer:
            return Answer(request.url, 200, {}, b'{"token": "t"}')

    authenticator = Authenticator(Generous(Network("tests"), FakeCounts()), clock=lambda: bench.now)
    subjects = [Subject("fake", bench.fake.url, f"team/{number}", "tags") for number in range(1000)]
    for subject in subjects:
        authenticator.answer(subject, Challenge("bearer", {"realm": "/token"}), bench.fake.url, sent=None)
    known = [subject for subject in subjects if authenticator.authorization(subject)]
    assert subjects[-1] in known
    assert len(known) < 700


def test_it_asks_for_a_new_token_once_if_a_kept_one_is_refused(bench: Bench) -> None:
    listed(bench.repository())
    bench.fake.then("/v2/", challenge(bench.fake, error="invalid_token"))
    assert listed(bench.repository()) == ["latest"]
    assert len(bench.scopes) == 2


def test_it_gives_up_if_a_new_token_is_refused(bench: Bench) -> None:
    bench.fake.private.add(PATH)
    with pytest.raises(Denied):
        listed(bench.repository())
    assert bench.asked == ["list", "token", "list"]


def test_it_does_not_ask_for_ever_for_more_and_more(bench: Bench) -> None:
    bench.fake.always(
        "/v2/",
        lambda request: challenge(
            bench.fake, scope=f"repository:{PATH}:{len(bench.fake.requests)}", error="insufficient_scope"
        ),
    )
    with pytest.raises(Denied):
        listed(bench.repository())
    assert len(bench.fake.requests) <= 6


def test_it_takes_the_challenge_of_the_ping_but_not_its_scope_if_there_is_no_other(bench: Bench) -> None:
    bench.fake.then("/tags/", Response(status=401))
    bench.fake.then("/v2/", challenge(bench.fake, scope="repository:user/image:pull"))
    assert listed(bench.repository()) == ["latest"]
    assert bench.asked == ["list", "", "token", "list"]
    assert bench.scopes == [[f"repository:{PATH}:pull"]]


def test_it_resolves_a_relative_realm_and_keeps_its_query(bench: Bench) -> None:
    bench.fake.then("/v2/", challenge(bench.fake, realm="/token?a=b#c"))
    assert listed(bench.repository()) == ["latest"]
    assert bench.fake.requests[1].args["a"] == "b"


@pytest.mark.parametrize("realm", HOSTILE_REALMS)
@pytest.mark.parametrize("private", [False, True])
def test_it_asks_no_realm_where_it_must_not_go(bench: Bench, realm: str, private: bool) -> None:
    bench.fake.always("/v2/", lambda request: challenge(bench.fake, realm=_sendable(realm)))
    with pytest.raises(Refused):
        listed(bench.repository(private=private))
    assert bench.asked == ["list"]


def test_it_follows_no_redirect_of_a_realm(bench: Bench) -> None:
    bench.fake.always("/token", lambda request: Response(status=302, headers={"Location": "/elsewhere"}))
    with pytest.raises(Refused):
        listed(bench.repository())
    assert bench.asked == ["list", "token"]


# Credentials


def test_it_uses_a_credential_for_a_private_repository(bench: Bench) -> None:
    bench.fake.private.add(PATH)
    bench.fake.users["alice"] = ALICE.password
    assert listed(bench.repository(private=True)) == ["latest"]
    assert [request.headers.get("Authorization", "")[:6] for request in bench.fake.requests] == ["", "Basic ", "Bearer"]


def test_it_uses_none_for_a_public_one_and_says_how_one_would_be_used(bench: Bench) -> None:
    bench.fake.private.add(PATH)
    with pytest.raises(Denied, match="write 'private' after its name"):
        bench.repository().manifest("latest")


def test_it_says_so_where_it_has_tried_one_as_well(bench: Bench) -> None:
    with pytest.raises(Denied, match="write 'private' after its name"):
        listed(bench.repository(private=True))
    assert bench.asked == ["list", "token"]


def test_it_mixes_up_no_tokens_of_different_readers(bench: Bench) -> None:
    bench.fake.users["alice"] = ALICE.password
    bench.fake.private.add(PATH)
    listed(bench.repository(private=True))
    with pytest.raises(Denied):
        listed(bench.repository())


def test_it_does_not_say_which_credential_cannot_be_read(fake: FakeRegistry) -> None:
    def broken(place: str) -> Credential:
        raise ValueError("the helper printed nonsense")

    registry = registry_client(credentials=broken)
    with pytest.raises(Denied, match="the settings are invalid: see the log"):
        registry.repository(Repository(fake.host, PATH), private=True)


def test_a_mirror_gets_its_own_credential_and_not_that_of_the_registry(fake: FakeRegistry) -> None:
    wanted: list[str] = []
    registry = registry_client(servers=Servers(mirrors={"docker.io": fake.url}), credentials=wanted.append)
    registry.repository(Repository("docker.io", PATH), private=True)
    assert wanted == [f"{fake.host}/{PATH}"]


def test_it_sends_basic_with_every_request_where_that_is_the_challenge(bench: Bench) -> None:
    bench.fake.login = "basic"
    bench.fake.users["alice"] = ALICE.password
    remote = bench.repository(private=True)
    listed(remote)
    remote.head("latest")
    sent = [request.headers.get("Authorization") for request in bench.fake.requests]
    assert sent == [None, ALICE.basic, ALICE.basic]


@pytest.mark.parametrize(("private", "requests"), [(False, 1), (True, 2)])
def test_basic_without_the_right_credential_is_denied(bench: Bench, private: bool, requests: int) -> None:
    bench.fake.login = "basic"
    with pytest.raises(Denied):
        listed(bench.repository(private=private))
    assert len(bench.fake.requests) == requests


def test_it_posts_an_identity_token(fake: FakeRegistry) -> None:
    secret = base64.b64encode(b"alice:secret").decode()
    fake.users["alice"] = "secret"
    fake.private.add(PATH)
    registry = registry_client(credentials=lambda _: Credential("", "", secret))
    assert listed(registry.repository(Repository(fake.host, PATH), private=True)) == ["latest"]
    form = fake.requests[1].form
    assert (fake.requests[1].method, form["grant_type"]) == ("POST", "refresh_token")
    assert "offline_token" not in form
    assert secret not in fake.requests[1].url


@pytest.mark.parametrize(
    ("home", "realm", "allowed"),
    [
        ("https://mañana.test", "https://mañana.test:8443/token", True),
        ("https://registry-1.docker.io", "https://auth.docker.io/token", True),
        ("https://registry.gitlab.com", "https://gitlab.com/jwt/auth", True),
        ("https://ghcr.io", "https://ghcr.io/token", True),
        ("https://registry.digitalocean.com", "https://api.digitalocean.com/v2/registry/auth", True),
        ("https://registry.cn-shanghai.aliyuncs.com", "https://dockerauth.cn-shanghai.aliyuncs.com/auth", True),
        ("https://registry.cn-shanghai.aliyuncs.com", "https://dockerauth.cn-hangzhou.aliyuncs.com/auth", True),
        ("https://registry.cn-shanghai.aliyuncs.com", "https://evil.oss-cn-shanghai.aliyuncs.com/auth", False),
        ("https://evil.aliyuncs.com", "https://dockerauth.cn-hangzhou.aliyuncs.com/auth", False),
        ("https://registry.example.co.uk", "https://auth.example.co.uk/token", False),
        ("https://registry.example.com", "https://auth.example.com/token", False),
        ("https://gitlab.com", "https://registry.gitlab.com/token", False),
        *((f"https://registry.{shared}", f"https://evil.{shared}/token", False) for shared in SHARED_DOMAINS),
        ("https://registry.example.com", "https://vouched.test/token", True),
        ("https://registry.example.com", "https://vouched.test:444/token", False),
        ("https://evil.test", "https://auth.docker.io/token", False),
        ("https://registry.example.com", "https://example.com.evil.test/token", False),
        ("https://registry.example.com", "https://evilexample.com/token", False),
        ("https://registry.example.co.uk", "https://evil.co.uk/token", False),
        ("https://registry.com.au", "https://evil.com.au/token", False),
        ("https://mine.azurecr.io", "https://evil.azurecr.io/token", False),
        ("https://me.github.io", "https://evil.github.io/token", False),
        ("https://1.ecr.us-east-1.amazonaws.com", "https://evil.s3.amazonaws.com/token", False),
        ("https://10.0.0.1", "https://10.0.0.2/token", False),
        ("https://[2001:db8::1]", "https://[2001:db8::2]/token", False),
        ("https://registry", "https://evil/token", False),
        ("https://a.io", "https://b.io/token", False),
    ],
)
def test_a_credential_goes_only_to_known_realms(home: str, realm: str, allowed: bool) -> None:
    asked: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        raise OSError("nobody is there")

    transport = Transport(Network("tests", resolve=resolve), FakeCounts(), sleep=lambda _: None)
    authenticator = Authenticator(transport)
    subject = Subject("registry", home, PATH, "tags", ALICE, frozenset([Origin.of("https://vouched.test")]))
    with pytest.raises(RegistryError) as caught:
        authenticator.answer(subject, Challenge("bearer", {"realm": realm}), f"{home}/v2/", sent=None)
    assert isinstance(caught.value, Refused) is not allowed
    assert bool(asked) is allowed
