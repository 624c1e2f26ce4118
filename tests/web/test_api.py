"""The API as programs meet it: its own description says what is answered to anything, and HTTP's rules are kept."""

import copy
import gzip
import re
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from flask.testing import FlaskClient
from schemathesis.config import SchemathesisConfig
from sqlalchemy import select

from microbadger.site import openapi
from microbadger.store.database import Database
from microbadger.store.tables import SUBSCRIPTIONS
from tests.fakes.receiver import Receiver
from tests.fakes.registry import FakeRegistry
from tests.web.world import ADMIN_TOKEN, NOTIFICATION, World, running

Case = schemathesis.Case[Any]

NAMES = ["example/web", "alpine", "library/alpine", "example/unread", "example/gone", "example/unknown"]
ANOTHER_NOTIFICATION = "0123456789abcdef"
NONE = "0" * 16
HEADERS = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
# Badges and names take anything; and every address is that of a file that could be, so it says that it can be read.
LENIENT = ("negative_data_rejection", "unsupported_method", "allow_header_conformance")


def config(max_examples: int, *left_out: str) -> SchemathesisConfig:
    """Return how to make up requests: the same ones every time, and none that was found by an earlier run."""
    generation = {"max-examples": max_examples, "deterministic": True, "database": "none"}
    checks = {name: {"enabled": False} for name in left_out}
    return SchemathesisConfig.from_dict({"seed": 1, "generation": generation, "checks": checks})


def leading_somewhere(document: dict[str, Any]) -> dict[str, Any]:
    """Return the description with names that lead somewhere in the place of those that would fit."""
    narrow = copy.deepcopy(document)
    parameters, paths = narrow["components"]["parameters"], narrow["paths"]
    parameters["Repository"]["schema"] = {"enum": NAMES}
    parameters["Image"]["schema"] = {"enum": [*NAMES, "example/web:1.2.0", "example/web:nope"]}
    parameters["FeedTag"]["schema"] = {"enum": ["1.*", "!latest"]}  # a pattern such as !* excludes every tag
    parameters["NotificationID"]["schema"] = {"enum": [NOTIFICATION, NONE]}
    # What the others ask about must not go away, nor may a message be sent to where a made-up address leads.
    untrack = paths["/v1/images/{image}"]["delete"]
    untrack["parameters"] = [chosen(parameters["Image"], "example/unknown", "example/new")]
    for method in ("put", "delete"):
        operation = paths["/v1/notifications/{id}"][method]
        operation["parameters"] = [chosen(parameters["NotificationID"], ANOTHER_NOTIFICATION, NONE)]
    return narrow


def leading_anywhere(document: dict[str, Any]) -> dict[str, Any]:
    """Return the description with any text in the place of names, tokens and terms."""
    wide = copy.deepcopy(document)
    wide["components"]["parameters"]["NotificationID"]["example"] = NONE
    term, *_ = wide["paths"]["/v1/images/search/{term}"]["get"]["parameters"]
    for parameter in [term, *wide["components"]["parameters"].values()]:
        if parameter["in"] == "path":
            parameter["schema"] = {"type": "string", "minLength": 1}
    return wide


def chosen(parameter: dict[str, Any], *values: str) -> dict[str, Any]:
    return {**parameter, "schema": {"enum": list(values)}, "example": values[0]}


DOCUMENT = openapi.document("http://localhost")
narrow = schemathesis.openapi.from_dict(leading_somewhere(DOCUMENT), config=config(8, *LENIENT))
wide = schemathesis.openapi.from_dict(
    leading_anywhere(DOCUMENT), config=config(8, *LENIENT, "positive_data_acceptance")
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with FakeRegistry() as fake, Receiver() as receiver:
        yield World.make(tmp_path_factory.mktemp("api") / "world", fake, receiver)


@pytest.fixture(scope="module")
def service(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A copy of the service on a real port, to be asked anything."""
    asked = world.copy(tmp_path_factory.mktemp("asked") / "world")
    with Database(asked.settings().database).write() as connection:
        (subscription,) = connection.execute(select(SUBSCRIPTIONS)).mappings()
        another = {**subscription, "number": None, "id": ANOTHER_NOTIFICATION}
        connection.execute(SUBSCRIPTIONS.insert().values(another))
    with running(asked.app()) as url:
        yield url


@pytest.fixture(scope="module")
def client(world: World) -> FlaskClient:
    return world.app().test_client()


@narrow.parametrize()
def test_it_answers_as_it_is_described(case: Case, service: str) -> None:
    impatient(case).call_and_validate(base_url=service, headers=HEADERS)


@wide.parametrize()
def test_it_answers_as_it_is_described_whatever_is_in_the_address(case: Case, service: str) -> None:
    impatient(case).call_and_validate(base_url=service, headers=HEADERS)


def impatient(case: Case) -> Case:
    """Return a request that waits for nothing, since nothing is refreshed here."""
    if re.fullmatch(r"[0-9.]+", str(case.query.get("wait"))):
        case.query["wait"] = 0.01
    return case


FILES = [
    "/",
    "/api/",
    "/openapi.json",
    "/assets/style.css",
    "/v1/images",
    "/v1/images?page=1",
    "/v1/images/search/web",
    "/v1/images/example/web",
    "/v1/images/example/web:1.1.0",
    "/v1/images/example/web/-/changes.json",
    "/v1/images/example/web/-/history.json",
    "/v1/images/example/web/-/releases.json",
    "/images/example/web",
    "/images/example/web/-/feed.xml",
    "/badges/image/example/web.svg",
    "/badges/image/example/web.json",
    "/badges/image/example/web.svg?style=plastic",
    "/badges/image/example/unknown.svg",
]
LARGE = ["/", "/api/", "/openapi.json", "/assets/style.css", "/v1/images/example/web", "/images/example/web"]
SMALL = ["/v1/images/search/web", "/badges/image/example/web.json", "/badges/image/example/web.svg", "/healthz"]
DESCRIBED = [
    (path, method) for path, item in DOCUMENT["paths"].items() for method in item if method != "parameters"
]


@pytest.mark.parametrize("path", [*FILES, "/healthz", "/v1/images/example/unread", "/v1/images/example/none", "/none"])
def test_head_is_get_without_the_body(client: FlaskClient, path: str) -> None:
    same_id = {"X-Request-ID": "one"}
    got, head = client.get(path, headers=same_id), client.head(path, headers=same_id)

    for answer in (got, head):
        answer.headers.pop("Date", None)  # which another second may begin between
    assert (head.status, head.data) == (got.status, b"")
    assert dict(head.headers) == dict(got.headers)


@pytest.mark.parametrize("path", FILES)
@pytest.mark.parametrize("encoding", ["identity", "gzip", "br, gzip;q=0.5"])
@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', "*"])
def test_a_client_that_has_it_already_is_answered_so(client: FlaskClient, path: str, encoding: str, form: str) -> None:
    first = client.get(path, headers={"Accept-Encoding": encoding})
    known = {"If-None-Match": form.format(first.headers["ETag"]), "Accept-Encoding": encoding}

    for again in (client.get(path, headers=known), client.head(path, headers=known)):
        assert (again.status_code, again.data) == (304, b"")
        for name in ("ETag", "Cache-Control", "Vary", "Access-Control-Allow-Origin"):
            assert again.headers.get(name) == first.headers.get(name)


@pytest.mark.parametrize("known", ['"ma\xf1ana"', '"other"', "other", "", '"'])
def test_a_client_that_has_something_else_gets_it(client: FlaskClient, known: str) -> None:
    assert client.get("/v1/images/example/web", headers={"If-None-Match": known}).status_code == 200


@pytest.mark.parametrize("path", LARGE)
def test_what_is_large_is_compressed_if_the_client_accepts_it(client: FlaskClient, path: str) -> None:
    plain, packed = client.get(path), client.get(path, headers={"Accept-Encoding": "gzip"})

    assert (plain.headers.get("Content-Encoding"), packed.headers["Content-Encoding"]) == (None, "gzip")
    assert gzip.decompress(packed.data) == plain.data
    assert packed.headers["ETag"] != plain.headers["ETag"]
    assert plain.headers["Vary"] == packed.headers["Vary"] == "Accept-Encoding"


@pytest.mark.parametrize("path", LARGE)
def test_a_compressed_answer_does_not_stand_for_a_plain_one(client: FlaskClient, path: str) -> None:
    packed = client.get(path, headers={"Accept-Encoding": "gzip"})

    assert client.get(path, headers={"If-None-Match": packed.headers["ETag"]}).status_code == 200


@pytest.mark.parametrize("path", SMALL)
@pytest.mark.parametrize("encoding", ["gzip", "gzip;q=0", "*", "\xff"])
def test_what_is_small_is_never_compressed(client: FlaskClient, path: str, encoding: str) -> None:
    assert "Content-Encoding" not in client.get(path, headers={"Accept-Encoding": encoding}).headers


@pytest.mark.parametrize(("path", "method"), DESCRIBED)
def test_options_has_the_methods_of_every_address(client: FlaskClient, path: str, method: str) -> None:
    """It does so without a token, for a browser asks before it sends one."""
    asked = {"Origin": "https://ma\xf1ana.example", "Access-Control-Request-Method": method.upper()}

    answer = client.options(path.replace("{", "").replace("}", ""), headers=asked)

    assert (answer.status_code, answer.data) == (204, b"")
    assert method.upper() in answer.headers["Allow"].split(", ")


@pytest.mark.parametrize(("path", "method"), [row for row in DESCRIBED if row[0].startswith("/v1/")])
def test_a_browser_may_use_the_api_from_any_site(client: FlaskClient, path: str, method: str) -> None:
    asked = {
        "Origin": "https://elsewhere.example",
        "Access-Control-Request-Method": method.upper(),
        "Access-Control-Request-Headers": "authorization,content-type,x-requested-with",
    }

    headers = client.options(path.replace("{", "").replace("}", ""), headers=asked).headers

    assert headers["Access-Control-Allow-Origin"] == "*"
    assert method.upper() in headers["Access-Control-Allow-Methods"].split(", ")
    allowed = headers["Access-Control-Allow-Headers"].lower().split(", ")
    assert {"authorization", "content-type", "x-requested-with"} <= set(allowed)
    assert int(headers["Access-Control-Max-Age"]) > 0
    assert "Access-Control-Allow-Credentials" not in headers


@pytest.mark.parametrize(("path", "status"), [("example/web", 200), ("example/unread", 202), ("example/unknown", 404)])
def test_a_browser_may_read_every_answer_of_the_api(client: FlaskClient, path: str, status: int) -> None:
    answer = client.get(f"/v1/images/{path}", headers={"Origin": "https://elsewhere.example"})

    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (status, "*")


@pytest.mark.parametrize("path", ["/images/example/web/token", "/hooks/token", "/"])
def test_other_sites_learn_nothing_of_what_is_not_the_api(client: FlaskClient, path: str) -> None:
    assert not [name for name, _ in client.options(path).headers if name.startswith("Access-Control")]


@pytest.mark.parametrize(
    ("method", "path", "media_type", "allowed"),
    [
        ("PATCH", "/v1/images/ma%C3%B1ana", "application/json", {"GET", "HEAD", "OPTIONS", "PUT", "DELETE"}),
        ("PATCH", "/v1/images/example/web", "application/json", {"GET", "HEAD", "OPTIONS", "PUT", "DELETE"}),
        ("POST", "/v1/images", "application/json", {"GET", "HEAD", "OPTIONS"}),
        ("TRACE", "/v1/notifications/", "application/json", {"GET", "HEAD", "OPTIONS", "POST"}),
        ("DELETE", "/images/example/web", "text/plain", {"GET", "HEAD", "OPTIONS", "POST"}),
        ("POST", "/badges/image/example/web.svg", "text/plain", {"GET", "HEAD", "OPTIONS"}),
    ],
)
def test_a_method_that_is_not_there_is_said_with_those_that_are(
    client: FlaskClient, method: str, path: str, media_type: str, allowed: set[str]
) -> None:
    answer = client.open(path, method=method)

    assert (answer.status_code, answer.mimetype) == (405, media_type)
    assert set(answer.headers["Allow"].split(", ")) == allowed
