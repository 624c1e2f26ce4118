import hashlib
from collections.abc import Iterator, Mapping
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.wrappers import Request as Asked
from werkzeug.wrappers import Response

from microbadger.http.client import Answer, Network
from microbadger.image.configs import parse_config
from microbadger.image.descriptors import Descriptor, digest_of
from microbadger.image.errors import InvalidManifest
from microbadger.image.manifest import Manifest, parse_manifest
from microbadger.image.reference import Repository, is_tag
from microbadger.registry.credentials import Credential
from microbadger.registry.errors import BadAnswer, Denied, NotFound, Refused, RegistryError, Unreachable
from microbadger.registry.remote import RawManifest, RemoteRepository
from microbadger.registry.servers import Servers
from tests.fakes.counts import FakeCounts
from tests.fakes.registry import FakeRegistry, RawServer, image, index, read_request, to_json
from tests.registry.bench import ScriptedTransport, listed, registry_client, sendable

PATIENT = settings(suppress_health_check=[HealthCheck.too_slow])
PATH = "team/app"
NOW = 1_800_000_000.0


class Bench:
    def __init__(self, fake: FakeRegistry) -> None:
        self.fake = fake
        self.now = NOW
        self.counts = FakeCounts()
        servers = Servers(mirrors={"docker.io": fake.url})
        self.registry = registry_client(self.counts, servers=servers, clock=lambda: self.now)

    @property
    def remote(self) -> RemoteRepository:
        return self.registry.repository(Repository(self.fake.host, PATH))


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with FakeRegistry() as fake:
        yield fake


@pytest.fixture
def bench(fake: FakeRegistry) -> Bench:
    return Bench(fake)


@pytest.fixture
def remote(bench: Bench) -> RemoteRepository:
    return bench.remote


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("latest"),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["tags", "name", "errors", "code"]), inner),
    max_leaves=10,
).map(to_json)
HEADERS = st.dictionaries(
    st.sampled_from(["Link", "WWW-Authenticate", "Docker-Content-Digest", "Content-Length", "Content-Type"]),
    st.text() | st.text("<>?;, n=/rel\"Bearer'https:scp") | st.just(digest_of(b"")) | st.just('Bearer realm="/t"'),
)


@PATIENT
@given(st.sampled_from([200, 401, 403, 404, 418]), HEADERS, JSON | st.binary())
def test_whatever_a_stranger_answers_is_read_or_refused(status: int, headers: dict[str, str], body: bytes) -> None:
    transport = ScriptedTransport(lambda request, _: Answer(request.url, status, headers, body))
    assert all(map(is_tag, transport.remote.tags().names))
    with suppress(RegistryError):
        assert transport.remote.head("latest") in (None, digest_of(b""))
    with suppress(RegistryError):
        assert transport.remote.manifest("latest").digest == digest_of(body)
    with suppress(RegistryError):
        assert transport.remote.blob(Descriptor("", digest_of(b""), 10), 10) == b""


# Heads


def test_it_asks_what_a_tag_names_and_reads_nothing(fake: FakeRegistry, remote: RemoteRepository) -> None:
    pushed = image()
    fake.push(PATH, "latest", pushed)
    assert remote.head("latest") == pushed.digest
    assert [request.method for request in fake.requests] == ["HEAD"]


def test_it_asks_for_all_four_types_at_once(fake: FakeRegistry, remote: RemoteRepository) -> None:
    fake.push(PATH, "latest", image())
    remote.head("latest")
    remote.manifest("latest")
    accepted = [request.headers["Accept"] for request in fake.requests]
    assert accepted[0] == accepted[1]
    assert accepted[0].count("application/vnd.") == 4


@pytest.mark.parametrize("header", [None, "", "latest", "sha256:short", "sha256:" + "Ä" * 64, digest_of(b"") + " x"])
def test_it_does_not_know_the_digest_if_the_registry_does_not_say_it(
    fake: FakeRegistry, remote: RemoteRepository, header: str | None
) -> None:
    fake.push(PATH, "latest", image())
    fake.manifest_headers = {"Docker-Content-Digest": header}
    assert remote.head("latest") is None


@pytest.mark.parametrize("content_type", ["mañana", "", "text", "a/b/c", "a/<script>", "a/" + "b" * 300])
def test_it_does_not_know_a_type_that_is_none(fake: FakeRegistry, remote: RemoteRepository, content_type: str) -> None:
    fake.push(PATH, "latest", image())
    fake.manifest_headers = {"Content-Type": sendable(content_type)}
    assert remote.manifest("latest").media_type == ""


# Manifests


@pytest.mark.parametrize("header", [None, "mañana", digest_of(b"something else")])
def test_the_digest_by_tag_is_that_of_the_bytes_whatever_the_registry_says(
    fake: FakeRegistry, remote: RemoteRepository, header: str | None
) -> None:
    pushed = index(image())
    fake.push(PATH, "latest", pushed)
    fake.manifest_headers = {"Docker-Content-Digest": header and sendable(header)}
    assert remote.manifest("latest") == RawManifest(pushed.raw, pushed.digest, pushed.media_type)


def test_it_reads_by_digest(fake: FakeRegistry, remote: RemoteRepository) -> None:
    digest = fake.push(PATH, None, image())
    assert remote.manifest(digest).digest == digest


@pytest.mark.parametrize("digest", [digest_of(b"good"), "sha512:" + "0" * 128, "blake3:" + "0" * 64])
def test_it_refuses_a_manifest_that_is_not_what_its_digest_names(
    fake: FakeRegistry, remote: RemoteRepository, digest: str
) -> None:
    fake.always("/manifests/", lambda request: Response(b"evil", headers={"Docker-Content-Digest": digest}))
    with pytest.raises(BadAnswer, match="digest"):
        remote.manifest(digest)


def test_it_checks_longer_digests_too(fake: FakeRegistry, remote: RemoteRepository) -> None:
    digest = f"sha512:{hashlib.sha512(b'good').hexdigest()}"
    fake.then("/manifests/", Response(b"good"))
    assert remote.manifest(digest).raw == b"good"


def test_it_reads_no_manifest_beyond_four_mebibytes(fake: FakeRegistry, remote: RemoteRepository) -> None:
    fake.then("/manifests/", Response(b"x" * (4 * 1024**2 + 1)))
    with pytest.raises(BadAnswer, match="4194304 bytes"):
        remote.manifest("latest")


@pytest.mark.parametrize("content_type", ["text/plain", "application/octet-stream", "", "mañana"])
def test_it_does_not_mind_how_a_careless_server_names_a_manifest(
    fake: FakeRegistry, remote: RemoteRepository, content_type: str
) -> None:
    fake.push(PATH, "latest", image())
    fake.manifest_headers = {"Content-Type": sendable(content_type)}
    content = remote.manifest("latest")
    assert isinstance(parse_manifest(content.raw, content.media_type), Manifest)


def test_it_does_mind_one_that_is_sent_as_something_else(fake: FakeRegistry, remote: RemoteRepository) -> None:
    fake.push(PATH, "latest", image())
    fake.manifest_headers = {"Content-Type": index().media_type}
    content = remote.manifest("latest")
    with pytest.raises(InvalidManifest):
        parse_manifest(content.raw, content.media_type)


def test_it_follows_a_registry_that_keeps_its_manifests_elsewhere(fake: FakeRegistry) -> None:
    with FakeRegistry() as other:
        digest = other.push(PATH, "latest", image())
        fake.always("/v2/", lambda request: Response(status=307, headers={"Location": other.url + request.path}))
        registry = registry_client(servers=Servers(others={fake.host: [other.url]}))
        assert registry.repository(Repository(fake.host, PATH)).head("latest") == digest


# Blobs


def config_of(remote: RemoteRepository) -> Descriptor:
    parsed = parse_manifest(remote.manifest("latest").raw)
    assert isinstance(parsed, Manifest)
    return parsed.config


def test_it_reads_a_config(fake: FakeRegistry, remote: RemoteRepository) -> None:
    fake.push(PATH, "latest", image(labels={"größe": "mañana"}))
    assert parse_config(remote.blob(config_of(remote), 10_000)).labels == {"größe": "mañana"}


def test_it_follows_a_redirect_to_storage_without_showing_its_token(bench: Bench) -> None:
    with FakeRegistry() as storage:
        fake = bench.fake
        storage.push(PATH, None, image())
        fake.push(PATH, "latest", image())
        fake.login, fake.storage = "token", f"{storage.url}/v2/{PATH}/blobs/"
        registry = registry_client(servers=Servers(others={bench.fake.host: [storage.url]}))
        remote = registry.repository(Repository(fake.host, PATH))
        assert remote.blob(config_of(remote), 10_000)
        assert "Authorization" in fake.requests[-1].headers
        assert "Authorization" not in storage.requests[0].headers


@pytest.mark.parametrize(
    "location", ["http://127.0.0.1:1/", "https://169.254.169.254/", "https://10.0.0.1/", "file:///etc/passwd#"]
)
def test_it_follows_no_redirect_inside(fake: FakeRegistry, remote: RemoteRepository, location: str) -> None:
    fake.push(PATH, "latest", image())
    fake.storage = location
    with pytest.raises(Refused):
        remote.blob(config_of(remote), 10_000)


@pytest.mark.parametrize("body", [b"", b"x", b"x" * 330, b"x" * 100_000], ids=range(4))
def test_it_refuses_a_blob_that_is_not_what_its_digest_names(
    fake: FakeRegistry, remote: RemoteRepository, body: bytes
) -> None:
    fake.push(PATH, "latest", image())
    fake.then("/blobs/", Response(body))
    with pytest.raises(BadAnswer):
        remote.blob(config_of(remote), 10_000)


def test_it_does_not_ask_for_a_blob_that_is_too_large(fake: FakeRegistry, remote: RemoteRepository) -> None:
    with pytest.raises(BadAnswer, match="10 bytes"):
        remote.blob(Descriptor("", digest_of(b""), 11), 10)
    assert fake.requests == []


def test_it_does_not_ask_for_content_that_came_along(fake: FakeRegistry, remote: RemoteRepository) -> None:
    assert remote.blob(Descriptor("", digest_of(b"{}"), 2, data=b"{}"), 10) == b"{}"
    assert fake.requests == []


# What failures mean


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (401, Denied, "denied"),
        (403, Denied, "denied"),
        (404, NotFound, "not_found"),
        (410, NotFound, "not_found"),
        (202, BadAnswer, "bad_answer"),
        (204, BadAnswer, "bad_answer"),
        (304, BadAnswer, "bad_answer"),
        (400, BadAnswer, "bad_answer"),
        (405, BadAnswer, "bad_answer"),
        (500, Unreachable, "unreachable"),
    ],
)
def test_a_status_becomes_a_meaning(
    bench: Bench, status: int, error: type[RegistryError], kind: str
) -> None:
    bench.fake.always("/v2/", lambda request: Response(status=status))
    with pytest.raises(error) as caught:
        bench.remote.manifest("latest")
    found = caught.value
    assert (found.kind, found.status, found.host) == (kind, status, bench.fake.host)
    assert found.temporary is (error is Unreachable)


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ('{"errors": [{"code": "NO", "message": "mañana\\n\\u001b[31m\\u202e x"}]}', ""),
        ('{"errors": [{"code": "DENIED", "message": "mañana"}, {"code": "SECOND"}]}', "(DENIED)"),
        ('{"errors": [{"message": "' + "x" * 5000 + '"}]}', ""),
        ('{"errors": []}', ""),
        ('{"errors": [7]}', ""),
        ('{"errors": [{"code": 7, "message": null}]}', ""),
        ('{"errors": "x"}', ""),
        ("<html>", ""),
        ("[" * 50_000, ""),
    ],
    ids=range(9),
)
def test_of_what_a_registry_says_it_repeats_a_code_of_the_specification(
    fake: FakeRegistry, remote: RemoteRepository, body: str, detail: str
) -> None:
    fake.then("/v2/", Response(body, status=404))
    with pytest.raises(NotFound) as caught:
        remote.manifest("latest")
    assert str(caught.value) == f"{fake.host} has no manifest latest of {PATH} {detail}".rstrip()


@pytest.mark.parametrize("login", ["basic", "token"])
@pytest.mark.parametrize(
    ("code", "detail"), [("DENIED", " (DENIED)"), ("pass:wörd", ""), ("denied", ""), (["DENIED"], ""), (None, "")]
)
def test_it_repeats_no_words_of_a_registry_that_was_given_a_credential(
    fake: FakeRegistry, login: str, code: object, detail: str
) -> None:
    fake.login, fake.users, fake.private = login, {"mañana": "pass:wörd"}, {PATH}

    def repeat(request: Asked) -> Response | None:
        sent = request.headers.get("Authorization", "").partition(" ")[2]
        message = f"no pass:wörd, {sent}, {fake.url}/blob?X-Amz-Signature=51gn of mañana"
        return Response(to_json({"errors": [{"code": code, "message": message}]}), status=400) if sent else None

    fake.always(f"/v2/{PATH}", repeat)
    registry = registry_client(credentials=lambda _: Credential("mañana", "pass:wörd"))
    with pytest.raises(BadAnswer) as caught:
        registry.repository(Repository(fake.host, PATH), private=True).manifest("latest")
    answered = f"{fake.host} answered with status 400 for the manifest latest of {PATH}"
    assert str(caught.value) == f"{answered}{detail}"


# Where registries are


@pytest.mark.parametrize("registry", ["docker.io"])
def test_it_asks_the_mirror_of_a_registry(bench: Bench, registry: str) -> None:
    digest = bench.fake.push("library/alpine", "latest", image())
    assert bench.registry.repository(Repository(registry, "library/alpine")).head("latest") == digest
    assert bench.counts.requests == [("docker.io", "head", "200")]


def test_a_mirror_can_be_below_a_path(fake: FakeRegistry) -> None:
    registry = registry_client(servers=Servers(mirrors={"quay.io": f"{fake.url}/proxy/"}))
    with pytest.raises(NotFound):
        registry.repository(Repository("quay.io", "a/b")).manifest("latest")
    assert fake.requests[0].path == "/proxy/v2/a/b/manifests/latest"


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("docker.io", "CONNECT registry-1.docker.io:443 "),
        ("ghcr.io", "CONNECT ghcr.io:443 "),
        ("registry.test:5000", "CONNECT registry.test:5000 "),
        ("10.0.0.1:5000", "CONNECT 10.0.0.1:5000 "),
        ("localhost.test", "CONNECT localhost.test:443 "),
        ("plain.test:5001", "CONNECT plain.test:5001 "),
        ("plain.test:5000", "HEAD http://plain.test:5000/v2/"),
        ("localhost:5000", "HEAD http://localhost:5000/v2/"),
        ("127.9.9.9:5000", "HEAD http://127.9.9.9:5000/v2/"),
        ("[::1]:5000", "HEAD http://[::1]:5000/v2/"),
    ],
)
def test_it_speaks_plain_http_to_this_computer_and_named_hosts_only(host: str, url: str) -> None:
    asked: list[bytes] = []
    with RawServer(lambda connection: asked.append(read_request(connection).split(b"\r\n")[0])) as proxy:
        network = Network("tests", proxies={"http": proxy.url, "https": proxy.url})
        registry = registry_client(servers=Servers(http_registries=["plain.test:5000"]), network=network)
        assert registry.repository(Repository(host, PATH)).head("latest") is None
    assert asked[0].decode().startswith(url)


# Limits


@pytest.mark.parametrize(
    ("headers", "pulls"),
    [
        ({"ratelimit-limit": "100;w=21600", "ratelimit-remaining": "20;w=21600"}, 20),
        ({"RateLimit-Remaining": " 0 ; w=60"}, 0),
        ({"ratelimit-remaining": "7"}, 7),
        ({"ratelimit-remaining": "mañana"}, None),
        ({"ratelimit-remaining": "-1;w=1"}, None),
        ({"ratelimit-remaining": "9" * 5000}, None),
        ({}, None),
    ],
    ids=range(7),
)
def test_it_tells_how_many_pulls_are_left(bench: Bench, headers: Mapping[str, str], pulls: int | None) -> None:
    bench.fake.push(PATH, "latest", image())
    bench.fake.manifest_headers = {name: sendable(text) for name, text in headers.items()}
    bench.remote.head("latest")
    assert [value for _, value, *_ in bench.counts.last_set] == ([] if pulls is None else [pulls])


def test_it_counts_every_request_by_its_kind(bench: Bench) -> None:
    bench.fake.login = "token"
    bench.fake.push(PATH, "latest", image())
    listed(bench.remote)
    bench.remote.head("latest")
    bench.remote.blob(config_of(bench.remote), 10_000)
    assert [kind for _, kind, _ in bench.counts.requests] == ["tags", "token", "tags", "head", "manifest", "blob"]
    assert {host for host, _, _ in bench.counts.requests} == {bench.fake.host}


def test_it_counts_how_many_pulls_are_left_and_for_how_long(bench: Bench) -> None:
    bench.fake.manifest_headers = {"ratelimit-limit": "100;w=60", "ratelimit-remaining": "98;w=60"}
    bench.remote.manifest(bench.fake.push(PATH, "1.0", image()))

    assert bench.counts.last_set == [("registry_pulls_left", 98, 60, {"host": bench.fake.host})]
