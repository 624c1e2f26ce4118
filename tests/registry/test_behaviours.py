"""What each way to answer means for the list of tags, a HEAD, a manifest and a blob, with and without a login.

A row names what the registry does, and the results: what was pushed, or why it could not be read.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from werkzeug.wrappers import Request, Response

from microbadger.image.descriptors import Descriptor
from microbadger.image.reference import Repository
from microbadger.registry.errors import (
    BadAnswer,
    Denied,
    NotFound,
    RateLimited,
    Refused,
    RegistryError,
    Unreachable,
)
from microbadger.registry.remote import RemoteRepository
from tests.fakes.registry import FakeRegistry, image, to_json
from tests.registry.bench import listed, registry_client

PATH = "team/app"
PUSHED = image()
DIGEST, CONTENT = next(iter(PUSHED.blobs.items()))
OK = None
Error = type[RegistryError] | None


@dataclass(frozen=True)
class Row:
    """A behaviour and what comes of it; `head` is whether it names the digest."""

    name: str
    answer: Callable[[Request], Response | None]
    tags: Error
    head: bool
    manifest: Error
    blob: Error


def status(code: int, error: Error) -> Row:
    return Row(f"{code}", lambda _: Response(status=code), error, False, error, error)


def headers(name: str, tags: Error = OK, *, head: bool = True, manifest: Error = OK, **fields: str | None) -> Row:
    """A row of a registry whose answers are right, but for some headers."""

    def answer(request: Request) -> Response | None:
        changed = {field.replace("_", "-"): value for field, value in fields.items()}
        if "/tags/" in request.path:
            return _with(Response(to_json({"tags": ["latest"]})), changed)
        if "/blobs/" in request.path:
            return _with(Response(CONTENT), changed)
        usual = {"Content-Type": PUSHED.media_type, "Docker-Content-Digest": PUSHED.digest}
        return _with(Response(PUSHED.raw, headers=usual), changed)

    return Row(name, answer, tags, head, manifest, manifest)


def _with(response: Response, changed: dict[str, str | None]) -> Response:
    for name, value in changed.items():
        if value is None:
            response.headers.pop(name, None)
        else:
            response.headers[name] = value
    return response


def body(name: str, content: bytes, *, tags: Error = BadAnswer) -> Row:
    """A row of a registry that answers everything with the same body."""
    return Row(name, lambda _: Response(content), tags, False, BadAnswer, BadAnswer)


def redirect(name: str, location: str, error: Error) -> Row:
    return Row(name, lambda _: Response(status=307, headers={"Location": location}), error, False, error, error)


def only(*methods: str) -> Callable[[Request], Response | None]:
    return lambda request: None if request.method in methods else Response(status=405)


ROWS = [
    Row("nothing odd", lambda _: None, OK, True, OK, OK),
    Row("HEAD is not offered", only("GET"), OK, False, OK, OK),
    *(
        Row(
            f"HEAD is answered with {code}",
            lambda request, code=code: Response(status=code) if request.method == "HEAD" else None,  # type: ignore[misc]
            *(OK, False, OK, OK),
        )
        for code in (204, 301, 304, 400, 401, 403, 404, 405, 406, 408, 410, 418, 500, 501, 502, 503, 504, 520)
    ),
    status(204, BadAnswer),
    status(206, BadAnswer),
    status(301, BadAnswer),
    status(304, BadAnswer),
    status(400, BadAnswer),
    status(401, Denied),
    status(402, BadAnswer),
    status(403, Denied),
    status(404, NotFound),
    status(405, BadAnswer),
    status(406, BadAnswer),
    status(408, Unreachable),
    status(409, BadAnswer),
    status(410, NotFound),
    status(413, BadAnswer),
    status(418, BadAnswer),
    status(451, BadAnswer),
    status(500, Unreachable),
    status(501, BadAnswer),
    status(502, Unreachable),
    status(503, Unreachable),
    status(504, Unreachable),
    status(520, Unreachable),
    status(530, Unreachable),
    headers("no digest", head=False, Docker_Content_Digest=None),
    headers("an empty digest", head=False, Docker_Content_Digest=""),
    headers("the tag as digest", head=False, Docker_Content_Digest="latest"),
    headers("half a digest", head=False, Docker_Content_Digest=PUSHED.digest[:40]),
    headers("an upper-case digest", head=False, Docker_Content_Digest=PUSHED.digest.upper()),
    headers("two digests", head=False, Docker_Content_Digest=f"{PUSHED.digest}, {PUSHED.digest}"),
    headers("no type", Content_Type=None),
    headers("an empty type", Content_Type=""),
    headers("a type of text", Content_Type="text/plain; charset=utf-8"),
    headers("a type of bytes", Content_Type="application/octet-stream"),
    headers("a type of JSON", Content_Type="application/json"),
    headers("an odd type", Content_Type="no type at all"),
    headers("a type with parameters", Content_Type=f"{PUSHED.media_type.upper()}; charset=utf-8"),
    headers("cookies", Set_Cookie="session=1"),
    headers("an encoding that is none", Content_Encoding="identity"),
    headers("what is compressed", BadAnswer, manifest=BadAnswer, Content_Encoding="gzip"),
    headers("a location without a redirect", Location="http://10.0.0.1/"),
    headers("a challenge without a refusal", WWW_Authenticate='Bearer realm="/nowhere"'),
    body("nothing", b""),
    body("a page", b"<html>Welcome</html>"),
    body("an empty object", b"{}"),
    body("errors with status 200", to_json({"errors": [{"code": "DENIED"}]})),
    body("too much", b" " * (4 * 1024**2 + 1)),
    redirect("a redirect inside", "https://10.0.0.1/", Refused),
    redirect("a redirect to metadata", "https://169.254.169.254/", Refused),
    redirect("a redirect without encryption", "http://outside.test/", Refused),
    redirect("a redirect to a file", "file:///etc/passwd", Refused),
    redirect("a redirect to itself", "", BadAnswer),
]
# By tag the digest is that of whatever is sent; reading it shows that it is not a manifest.
BODIES_THAT_COULD_BE_MANIFESTS = {"nothing", "a page", "an empty object", "errors with status 200"}
EACH_ROW = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
EACH_LOGIN = pytest.mark.parametrize("login", [None, "token"])


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with FakeRegistry() as fake:
        fake.push(PATH, "latest", PUSHED)
        yield fake


def remote_of(fake: FakeRegistry, row: Row, login: str | None) -> RemoteRepository:
    """Return a view of a registry that behaves so to all who have logged in."""
    fake.login = login
    fake.always(
        f"/v2/{PATH}/",
        lambda request: row.answer(request) if login is None or "Authorization" in request.headers else None,
    )
    return registry_client().repository(Repository(fake.host, PATH))


def check(read: Callable[[], object], expected: object, error: Error) -> None:
    if error is None:
        assert read() == expected
    else:
        with pytest.raises(error):
            read()


@EACH_ROW
@EACH_LOGIN
def test_the_list_of_tags(fake: FakeRegistry, row: Row, login: str | None) -> None:
    remote = remote_of(fake, row, login)
    check(lambda: listed(remote), ["latest"], row.tags)


@EACH_ROW
@EACH_LOGIN
def test_a_head(fake: FakeRegistry, row: Row, login: str | None) -> None:
    remote = remote_of(fake, row, login)
    assert remote.head("latest") == (PUSHED.digest if row.head else None)
    assert fake.asked("HEAD", "/manifests/") <= 2


@EACH_ROW
@EACH_LOGIN
@pytest.mark.parametrize("reference", ["latest", PUSHED.digest])
def test_a_manifest(fake: FakeRegistry, row: Row, login: str | None, reference: str) -> None:
    remote = remote_of(fake, row, login)
    is_by_tag = reference == "latest" and row.name in BODIES_THAT_COULD_BE_MANIFESTS
    if is_by_tag:
        assert remote.manifest(reference).digest != PUSHED.digest
    else:
        check(lambda: remote.manifest(reference).raw, PUSHED.raw, row.manifest)


@EACH_ROW
@EACH_LOGIN
def test_a_blob(fake: FakeRegistry, row: Row, login: str | None) -> None:
    remote = remote_of(fake, row, login)
    check(lambda: remote.blob(Descriptor("", DIGEST, len(CONTENT)), 10_000), CONTENT, row.blob)


def test_a_limit_is_the_only_status_that_a_head_reports(fake: FakeRegistry) -> None:
    fake.always("/v2/", lambda _: Response(status=429))
    with pytest.raises(RateLimited):
        registry_client().repository(Repository(fake.host, PATH)).head("latest")


def test_without_a_connection_a_head_tells_nothing_and_a_get_says_so() -> None:
    remote = registry_client().repository(Repository("127.0.0.1:1", PATH))
    assert remote.head("latest") is None
    with pytest.raises(Unreachable) as caught:
        remote.manifest("latest")
    assert caught.value.status is None


@pytest.mark.parametrize(("code", "requests"), [(405, 1), (501, 1), (400, 2), (403, 2), (404, 2), (500, 2), (503, 2)])
def test_a_head_that_is_not_offered_is_not_asked_for_again(fake: FakeRegistry, code: int, requests: int) -> None:
    fake.always("/manifests/", lambda request: Response(status=code) if request.method == "HEAD" else None)
    remote = registry_client().repository(Repository(fake.host, PATH))
    assert remote.head("latest") is None
    assert remote.head("latest") is None
    assert fake.asked("HEAD", "/manifests/") == requests


@pytest.mark.parametrize("code", [400, 401, 403, 405, 418, 500, 503])
def test_a_token_service_that_fails_leaves_a_head_without_an_answer(fake: FakeRegistry, code: int) -> None:
    fake.login = "token"
    fake.always("/token", lambda _: Response(status=code))
    assert registry_client().repository(Repository(fake.host, PATH)).head("latest") is None


def test_a_token_service_that_sets_a_limit_is_reported_by_a_head(fake: FakeRegistry) -> None:
    fake.login = "token"
    fake.always("/token", lambda _: Response(status=429))
    with pytest.raises(RateLimited):
        registry_client().repository(Repository(fake.host, PATH)).head("latest")
