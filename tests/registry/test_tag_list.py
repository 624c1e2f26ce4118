"""The list of tags is read as far as it can be, whatever a page or a link is like."""

from collections.abc import Iterator

import pytest
from werkzeug.wrappers import Request, Response

from microbadger.http.client import Answer
from microbadger.image.descriptors import digest_of
from microbadger.image.reference import Repository
from microbadger.registry.errors import BadAnswer, Denied, NotFound, RateLimited, RegistryError, Unreachable
from microbadger.registry.remote import RemoteRepository
from tests.fakes.registry import FakeRegistry, image, to_json
from tests.registry.bench import ScriptedTransport, listed, registry_client, sendable

PATH = "team/app"
HOSTILE_BODIES = [
    b"",
    "mañana".encode(),
    b"\xff\xfe[\x00]\x00",
    b"<html>Too Many Requests</html>",
    b"[]",
    b"null",
    b"[" * 100_000,
    b'{"tags":' * 100_000,
    b'{"tags": NaN}',
    b'{"tags": ' + b"9" * 5000 + b"}",
    b'{"tags": {"a": 1}}',
    b'{"tags": "latest"}',
    b'{"tags": 7}',
    b'{"tags": false}',
    b'{"tags": ""}',
    b"{}",
    b'{"name": "team/app"}',
    b'{"status": "maintenance"}',
    b'{"tags": ["x"], "errors": []}',
    b'{"name": "team/other", "tags": ["x"]}',
    b'{"name": "other/app", "tags": ["x"]}',
    b'{"name": "my-team/app", "tags": null}',
    b'{"name": 7, "tags": ["x"]}',
    b'{"tags": null}',
    b'{"tags": []}',
    b'{"name": null, "tags": null}',
    b'{"name": null, "tags": []}',
    b'{"name": "", "tags": []}',
    b'{"name": ["team/app"], "tags": []}',
    b'{"name": "app", "tags": []}',
    b'{"name": "Team/App", "tags": []}',
    b'{"name": "proxy/team/app", "tags": []}',
    b'{"name": "team/app/", "tags": null}',
    b'{"name": "team/app", "tags": [1, 2]}',
    b'{"name": "team/app", "tags": [null]}',
    b'{"name": "team/app", "tags": ["../x", "a b"]}',
    b'{"name": "team/app", "tags": [["latest"], {"name": "latest"}, ""]}',
    b'{"errors": [{"code": "UNAVAILABLE"}]}',
    b'{"tags": [' + b'"",' * 600_000 + b'""]}',
    b" " * 5_000_000,
]
ODD_LINKS = [
    "<https://mañana.test/v2/team/app/tags/list?{query}>",
    "<http://127.0.0.1:1/v2/team/app/tags/list?{query}>",
    "<https://{host}/v2/team/app/tags/list?{query}>",
    "<http://169.254.169.254/latest/meta-data/?{query}>",
    "<//outside.test/v2/team/app/tags/list?{query}>",
    "<http://user:password@{host}/v2/team/app/tags/list?{query}>",
    "<ftp://{host}/?{query}>",
    "<file:///etc/passwd?{query}>",
    "<http://[?{query}>",
    "<http://{host}:99999/?{query}>",
    "<https://registry.internal:5000/v2/team/app/tags/list?{query}#fragment>",
    "<../../other/app/tags/list?{query}>",
]

@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with FakeRegistry() as fake:
        yield fake


@pytest.fixture
def remote(fake: FakeRegistry) -> RemoteRepository:
    return registry_client().repository(Repository(fake.host, PATH))


def push_tags(fake: FakeRegistry, *tags: str) -> None:
    for tag in tags:
        fake.push(PATH, tag, image())


def queries(fake: FakeRegistry) -> list[str]:
    """Return the query of each request for a page."""
    return [request.query_string.decode() for request in fake.requests if "/tags/" in request.path]


@pytest.mark.parametrize("page_size", [0, 1, 2, 3, 5])
def test_it_lists_the_tags_of_all_pages_in_the_order_of_the_registry(
    fake: FakeRegistry, remote: RemoteRepository, page_size: int
) -> None:
    push_tags(fake, "latest", "10", "9", "B", "a")
    fake.page_size = page_size
    assert listed(remote) == ["latest", "10", "9", "B", "a"]


@pytest.mark.parametrize(
    "link",
    [
        '<{path}>; rel="next"',
        "<{path}>; REL=next",
        "<{path}>",
        '<{url}{path}>; rel="next"',
        '<{url}{path}>; title="mañana, <b>"; rel="next"',
        '</first>; rel="prev first", <{path}>; rel="next"',
        "<?{query}>",
        "<list?{query}>",
        "</v2/prefix-that-was-forgotten/tags/list?{query}>",
        "<{path}&next_page=gAAAA;x=y>; rel=next",
    ],
)
def test_it_follows_every_known_form_of_link(fake: FakeRegistry, remote: RemoteRepository, link: str) -> None:
    push_tags(fake, "a", "b", "c")
    fake.page_size = 2
    fake.link = lambda path: sendable(link.format(path=path, url=fake.url, query=path.partition("?")[2]))
    assert listed(remote) == ["a", "b", "c"]


def test_it_passes_on_what_only_the_registry_understands(fake: FakeRegistry, remote: RemoteRepository) -> None:
    push_tags(fake, "a", "b")
    fake.page_size = 1
    fake.link = lambda path: f"<{path}&next_page=gAAAA;x=y%3D>"
    listed(remote)
    assert fake.requests[1].query_string == b"n=1&last=1&next_page=gAAAA;x=y%3D"


@pytest.mark.parametrize("link", ODD_LINKS)
def test_only_the_query_of_a_link_is_used(fake: FakeRegistry, remote: RemoteRepository, link: str) -> None:
    push_tags(fake, "a", "b")
    fake.page_size = 1
    fake.link = lambda path: sendable(link.replace("{host}", fake.host).replace("{query}", path.partition("?")[2]))
    assert listed(remote) == ["a", "b"]
    assert [request.path for request in fake.requests] == [f"/v2/{PATH}/tags/list"] * 2


@pytest.mark.parametrize(
    "link", ["<{path}>", "<>", "<#a>", "<http://[>", "<?>", "<?#a=b>", "<?last=" + "x" * 9000 + ">"], ids=range(7)
)
def test_where_a_link_leads_nowhere_the_list_is_not_whole(
    fake: FakeRegistry, remote: RemoteRepository, link: str
) -> None:
    push_tags(fake, "a", "b")
    fake.page_size = 1
    fake.link = lambda path: link.replace("{path}", path.partition("?")[0])
    tags = remote.tags()
    assert tags.names == ["a"]
    assert isinstance(tags.trouble, BadAnswer)


@pytest.mark.parametrize("link", ["mañana", "", "<", ">", "<>; rel=prev", "; rel=next", "<a" * 4000])
def test_a_link_that_is_none_ends_the_list(fake: FakeRegistry, remote: RemoteRepository, link: str) -> None:
    push_tags(fake, "a", "b")
    fake.page_size = 1
    fake.link = lambda path: sendable(link)
    assert listed(remote) == ["a"]


@pytest.mark.parametrize("link", ["<{path}>", "<?n=1000>", "<list?last=0>"])
def test_it_notices_a_list_that_goes_round_in_circles(fake: FakeRegistry, remote: RemoteRepository, link: str) -> None:
    push_tags(fake, "a", "b")
    fake.page_size = 1
    fake.link = lambda path: link.format(path=path.replace("last=1", "last=0").replace("last=2", "last=0"))
    tags = remote.tags()
    assert tags.names == ["a"]
    assert "repeats a page" in str(tags.trouble)
    assert len(fake.requests) <= 3


def test_it_notices_a_list_without_end() -> None:
    transport = ScriptedTransport(
        lambda request, n: Answer(request.url, 200, {"Link": f"<?last={n}>"}, to_json({"tags": [f"{n}"]}))
    )
    tags = transport.remote.tags()
    assert len(tags.names) == transport.requests == 1000
    assert "repeats a page" in str(tags.trouble)


def test_it_notices_more_tags_than_anybody_has(fake: FakeRegistry, remote: RemoteRepository) -> None:
    pages = iter(range(10**9))

    def page(_: object) -> Response:
        number = next(pages)
        tags = [f"{number}-{n}" for n in range(90_000)]
        return Response(to_json({"tags": tags}), headers={"Link": f"<?last={number}>"})

    fake.always("/tags/", page)
    tags = remote.tags()
    assert len(tags.names) == 200_000
    assert "more than 200,000 tags" in str(tags.trouble)
    assert len(fake.requests) == 3


def test_it_leaves_out_what_cannot_be_a_tag(fake: FakeRegistry, remote: RemoteRepository) -> None:
    push_tags(fake, "a")
    fake.odd_tags = [None, 7, "mañana", "", "-x", "../etc", "a\n", "x" * 129, digest_of(b""), ["b"], {"c": 1}, "a", "z"]
    assert listed(remote) == ["a", "z"]


def test_a_repository_without_tags_has_none(fake: FakeRegistry, remote: RemoteRepository) -> None:
    fake.push(PATH, None, image())
    assert listed(remote) == []


@pytest.mark.parametrize("tags", [None, [], [digest_of(b"")]], ids=["null", "empty", "digests"])
def test_a_list_may_say_in_several_ways_that_it_is_empty(
    fake: FakeRegistry, remote: RemoteRepository, tags: object
) -> None:
    fake.then("/tags/", Response(to_json({"name": PATH, "tags": tags})))
    assert listed(remote) == []


def test_an_empty_list_may_bear_the_name_by_which_another_server_was_asked(
    fake: FakeRegistry, remote: RemoteRepository
) -> None:
    elsewhere = {"Location": f"{fake.url}/v2/cache/app/tags/list"}
    fake.then("/v2/team/", Response(status=307, headers=elsewhere))
    fake.then("/v2/cache/", Response(to_json({"name": "cache/app", "tags": []})))
    assert listed(remote) == []


@pytest.mark.parametrize("name", ["", "team/app", "Team/App", "app", "proxy/team/app"])
def test_a_list_may_bear_a_longer_or_a_shorter_name(fake: FakeRegistry, remote: RemoteRepository, name: str) -> None:
    fake.then("/tags/", Response(to_json({"name": name, "tags": ["a"]})))
    assert listed(remote) == ["a"]


@pytest.mark.parametrize("body", HOSTILE_BODIES, ids=range(len(HOSTILE_BODIES)))
@pytest.mark.parametrize("page", [1, 2])
def test_a_page_that_is_not_a_list_of_tags_ends_the_list(
    fake: FakeRegistry, remote: RemoteRepository, page: int, body: bytes
) -> None:
    push_tags(fake, "a", "b")
    fake.page_size = 1
    answers = iter([None] * (page - 1) + [Response(body)])
    fake.always("/tags/", lambda request: next(answers))
    tags = remote.tags()
    assert tags.names == ["a"][: page - 1]
    assert isinstance(tags.trouble, BadAnswer)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, Denied),
        (403, Denied),
        (404, NotFound),
        (410, NotFound),
        (400, BadAnswer),
        (405, BadAnswer),
        (413, BadAnswer),
        (418, BadAnswer),
        (429, RateLimited),
        (500, Unreachable),
        (501, BadAnswer),
        (502, Unreachable),
        (503, Unreachable),
        (504, Unreachable),
        (204, BadAnswer),
        (304, BadAnswer),
    ],
)
@pytest.mark.parametrize("page", [1, 2, 3])
def test_a_page_that_fails_ends_the_list_and_hides_nothing_that_was_read(
    fake: FakeRegistry, remote: RemoteRepository, page: int, status: int, kind: type[RegistryError]
) -> None:
    push_tags(fake, "a", "b", "c")
    fake.page_size = 1
    read: list[Request] = []

    def answer(request: Request) -> Response | None:
        if len(read) == page - 1:
            return Response(status=status)
        read.append(request)
        return None

    fake.always("/tags/", answer)
    tags = remote.tags()
    assert tags.names == ["a", "b", "c"][: page - 1]
    assert type(tags.trouble) is kind
    assert tags.trouble.status == status


@pytest.mark.parametrize("status", [400, 402, 403, 405, 406, 408, 409, 410, 413, 414, 416, 418, 422, 451, 500, 501])
@pytest.mark.parametrize("accepted", ["n=100", ""])
def test_a_registry_that_refuses_so_many_tags_a_page_is_asked_for_fewer(
    fake: FakeRegistry, remote: RemoteRepository, status: int, accepted: str
) -> None:
    push_tags(fake, "a", "b")
    fake.always(
        "/tags/", lambda request: None if request.query_string.decode() == accepted else Response(status=status)
    )
    assert listed(remote) == ["a", "b"]
    assert queries(fake) == ["n=1000", "n=100", ""][: 2 if accepted else 3]


@pytest.mark.parametrize("status", [401, 404, 429, 502, 503, 504])
def test_a_registry_that_does_not_object_to_the_size_is_not_asked_for_fewer(
    fake: FakeRegistry, remote: RemoteRepository, status: int
) -> None:
    fake.always("/tags/", lambda request: Response(status=status))
    assert remote.tags().trouble is not None
    assert {*queries(fake)} == {"n=1000"}


def test_the_login_is_settled_before_fewer_are_asked_for(fake: FakeRegistry, remote: RemoteRepository) -> None:
    push_tags(fake, "a")
    fake.login = "token"
    fake.always(
        "/tags/",
        lambda request: Response(status=400) if "Authorization" in request.headers and request.args else None,
    )
    assert listed(remote) == ["a"]
    assert queries(fake) == ["n=1000", "n=1000", "n=100", ""]


def test_it_says_so_before_each_page_is_read(fake: FakeRegistry, remote: RemoteRepository) -> None:
    push_tags(fake, "a", "b", "c")
    fake.page_size = 1
    asked_before: list[int] = []
    remote.tags(lambda: asked_before.append(len(fake.requests)))
    assert asked_before == [0, 1, 2]
