"""The description of the API is complete, and each answer and example in it is a real one."""

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, get_args
from urllib.parse import quote

import jsonschema_rs
import pytest
import schemathesis
from flask import Flask
from werkzeug.test import TestResponse

from microbadger.badges.svg import STYLES
from microbadger.badges.text import BADGE_TYPES
from microbadger.image import base_moves, comparisons, differences, documents, history, release_documents
from microbadger.image import changes as change_log
from microbadger.image.changes import Changes
from microbadger.image.reference import InvalidReference, Reference, Repository
from microbadger.notifications import outbox as notification_outbox
from microbadger.notifications.messages import FORMATS, announce_changes, message_bytes
from microbadger.site import openapi
from microbadger.webhooks import tokens
from tests.fakes.receiver import Receiver
from tests.fakes.registry import FakeRegistry
from tests.web.world import ADMIN_TOKEN, BASE_URL, World, moving_hidden

DOCUMENT = openapi.document(BASE_URL)
SCHEMAS: dict[str, dict[str, Any]] = DOCUMENT["components"]["schemas"]
METHODS = ("get", "put", "post", "delete")
SECRET = "a secret for tests"


@dataclass(frozen=True)
class Described:
    """One answer as the document describes it."""

    path: str
    method: str
    operation: Mapping[str, Any]
    parameters: Mapping[str, Mapping[str, Any]]
    status: str
    answer: Mapping[str, Any]
    media_type: str

    @property
    def id(self) -> str:
        return f"{self.operation['operationId']} {self.status} {self.media_type}".strip()

    @property
    def content(self) -> Mapping[str, Any]:
        content: Mapping[str, Any] = self.answer.get("content", {}).get(self.media_type, {})
        return content


@dataclass(frozen=True)
class Ask:
    """How a request differs from the document's examples, to get an answer."""

    values: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: object = None
    admin_token: str = ADMIN_TOKEN
    """The setting of the service; if it is empty, a token is sent nevertheless."""
    is_admin: bool = True
    guesses: int = 0
    """How many wrong tokens are sent first, before the right one."""
    has_it_already: bool = False
    meanwhile: str = ""
    """The image that is refreshed until the answer comes."""
    is_store_away: bool = False
    is_limited: bool = False
    """Whether so many new images were asked for that no further one is tracked now."""


def image_token(name: str) -> str:
    return tokens.image_token(SECRET, Repository.parse(name))


UNKNOWN = {"image": "example/unknown", "repository": "example/unknown", "id": "0" * 16}
UNREAD = {"image": "example/unread", "repository": "example/unread"}
LIMITED = Ask(UNKNOWN, is_limited=True)
HANDSHAKE = [{"eventType": "Microsoft.EventGrid.SubscriptionValidationEvent", "data": {"validationCode": "512d38b6"}}]
ASKS = {
    "listImages 400 application/json": Ask(query={"page": "0"}),
    "getComparisonPage 404 text/plain": Ask({"pair": "1.0"}),
    "trackImage 201 application/json": Ask({"image": "example/new"}),
    "trackImage 422 application/json": Ask(body={"Tags": "1.0"}),
    "untrackImage 422 application/json": Ask({"image": "alpine"}),
    "getVersion 404 application/json": Ask({"sha": "0" * 64}),
    "getPage 301": Ask({"image": "Example/Web"}),
    "getBadge 301": Ask({"image": "Example/Web"}),
    "getBadgeEndpoint 301": Ask({"image": "Example/Web"}),
    "getFeed 400 text/plain": Ask(query={"kind": "renamed"}),
    "getBadge 400 text/plain": Ask({"type": "wrong"}),
    "getBadgeEndpoint 400 text/plain": Ask({"type": "wrong"}),
    "refreshImage 200 application/json": Ask(query={"wait": "60"}, meanwhile="example/web"),
    "refreshImage 202 application/json": Ask(query={"wait": "0.01"}),
    "refreshImage 400 text/plain": Ask(query={"wait": "soon"}),
    "refreshImage 403 text/plain": Ask({"token": "wrong"}),
    "refreshImage 502 application/json": Ask(
        {"repository": "example/gone", "token": image_token("example/gone")}, {"wait": "60"}, meanwhile="example/gone"
    ),
    "refreshImages 200 application/json": Ask(body=HANDSHAKE),
    "refreshImages 202 application/json": Ask(query={"wait": "0.01"}),
    "refreshImages 400 text/plain": Ask(query={"wait": "soon"}),
    "refreshImages 502 application/json": Ask(
        query={"wait": "60"},
        body={"repository": {"repo_name": "example/gone"}, "push_data": {}},
        meanwhile="example/gone",
    ),
    "refreshImages 403 text/plain": Ask({"token": "wrong"}),
    "getWebhook 422 application/json": Ask({"repository": "EXAMPLE/web"}),
    "createNotification 404 application/json": Ask(body={"ImageName": "example/unknown", "WebhookURL": "https://a.example"}),
    "createNotification 422 application/json": Ask(body={"ImageName": "example/web", "WebhookURL": "ftp://a.example"}),
    "changeNotification 422 application/json": Ask(body={"WebhookURL": "ftp://a.example"}),
}


def described() -> Iterator[Described]:
    """Yield every answer that the document describes, once for each media type it comes in."""
    for path, item in DOCUMENT["paths"].items():
        for method in filter(item.__contains__, METHODS):
            operation = item[method]
            given = map(openapi.resolved, [*item.get("parameters", []), *operation.get("parameters", [])])
            parameters = {parameter["name"]: parameter for parameter in given}
            for status, node in operation["responses"].items():
                answer = openapi.resolved(node)
                for media_type in answer.get("content", {"": {}}):
                    yield Described(path, method, operation, parameters, status, answer, media_type)


ALL = list(described())


def how_to_ask(wanted: Described) -> Ask:
    if wanted.id in ASKS:
        return ASKS[wanted.id]
    others = {
        "304": Ask(has_it_already=True),
        "401": Ask(is_admin=False),
        "403": Ask(admin_token=""),
        "404": Ask(UNKNOWN),
        "429": Ask(guesses=10),
        "503": Ask(is_store_away=True),
    }
    if wanted.method == "get" and wanted.status in ("202", "429") and "security" not in wanted.operation:
        return Ask(UNREAD) if wanted.status == "202" else LIMITED
    return Ask() if wanted.status.startswith("2") else others[wanted.status]


@pytest.fixture(scope="module")
def read_only(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with FakeRegistry() as fake, Receiver() as receiver:
        yield World.make(tmp_path_factory.mktemp("world") / "read-only", fake, receiver)


@pytest.fixture
def world(read_only: World, tmp_path: Path, wanted: Described) -> World:
    how = how_to_ask(wanted)
    is_changed = wanted.method != "get" or how.is_store_away or how.is_limited
    return read_only.copy(tmp_path / "changed") if is_changed else read_only


@pytest.mark.parametrize("wanted", ALL, ids=lambda wanted: wanted.id)
def test_each_answer_can_be_had_and_is_what_the_description_says(world: World, wanted: Described) -> None:
    answer = ask(world, wanted, how_to_ask(wanted))

    assert (str(answer.status_code), answer.mimetype if answer.data else "") == (wanted.status, wanted.media_type)
    assert wanted.answer.get("headers", {}).keys() <= dict(answer.headers).keys()
    if wanted.media_type:
        content = json.loads(answer.text) if wanted.media_type == "application/json" else answer.text
        validator(wanted.content["schema"]).validate(content)
    if "example" in wanted.content:
        assert settled(world, answer) == moving_hidden(wanted.content["example"])


def ask(world: World, wanted: Described, how: Ask) -> TestResponse:
    """Return what a service answers to a request made of the document's examples and what is asked differently."""
    app = world.app(admin_token=how.admin_token, is_open=how.is_limited)
    if how.is_limited:
        app.test_client().get("/badges/size/example/the-only-one.svg")
    if how.meanwhile:
        with ThreadPoolExecutor(1) as threads:
            waiting = threads.submit(request, app, wanted, how)
            while not waiting.done():
                world.app().test_cli_runner().invoke(args=["refresh", how.meanwhile])
            return waiting.result()
    if how.is_store_away:
        (world.folder / "data/microbadger.db").rename(world.folder / "elsewhere")
        (world.folder / "data/microbadger.db").mkdir()
    return request(app, wanted, how)


def request(app: Flask, wanted: Described, how: Ask) -> TestResponse:
    values = {name: parameter["example"] for name, parameter in wanted.parameters.items() if parameter["in"] == "path"}
    path = wanted.path
    for name, value in {**values, **how.values}.items():
        path = path.replace(f"{{{name}}}", quote(value, safe="/:"))
    headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"} if "security" in wanted.operation and how.is_admin else {}
    body = wanted.operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
    sent = how.body if how.body is not None else body
    client = app.test_client()
    for _ in range(how.guesses):
        client.get("/v1/notifications/", headers={"Authorization": "Bearer guess"})
    if how.has_it_already:
        headers["If-None-Match"] = client.get(path).headers["ETag"]
    return client.open(path, method=wanted.method.upper(), headers=headers, query_string=how.query, json=sent)


def settled(world: World, answer: TestResponse) -> object:
    text = world.settled(answer.text)
    return moving_hidden(json.loads(text) if answer.mimetype == "application/json" else text)


def validator(schema: Mapping[str, Any]) -> jsonschema_rs.Draft202012Validator:
    whole = {**schema, "components": DOCUMENT["components"]}
    return jsonschema_rs.Draft202012Validator(whole, validate_formats=True)


def test_every_answer_that_needs_a_special_question_is_described() -> None:
    assert ASKS.keys() <= {wanted.id for wanted in ALL}


def test_it_is_an_openapi_document() -> None:
    schemathesis.openapi.from_dict(DOCUMENT).validate()


def test_it_names_the_service_it_is_of() -> None:
    assert [server["url"] for server in DOCUMENT["servers"]] == [BASE_URL]


def test_every_route_for_programs_is_described(read_only: World) -> None:
    """What is left are files, the home page, what leads to it, and old addresses."""
    app = read_only.app()
    address = app.url_map.bind("localhost")
    routes = {(rule.endpoint, method) for rule in app.url_map.iter_rules() for method in rule.methods or ()}

    asked = {(wanted.path.replace("{", "a").replace("}", "z"), wanted.method.upper()) for wanted in ALL}
    matched = {(address.match(path, method)[0], method) for path, method in asked}

    left = {route for route in routes - matched if route[1] not in ("HEAD", "OPTIONS")}
    endpoints = ("site.home", "site.box", "api.page", "redirects.to_successor")
    assert left == {(endpoint, "GET") for endpoint in endpoints}


@pytest.mark.parametrize(
    ("name", "document"),
    [
        ("Image", documents.ImageDocument),
        ("Version", documents.VersionDocument),
        ("Tag", documents.TagDocument),
        ("Layer", documents.LayerDocument),
        ("Config", documents.ConfigDocument),
        ("Healthcheck", documents.HealthcheckDocument),
        ("Platform", documents.PlatformDocument),
        ("Relative", documents.RelativeDocument),
        ("License", documents.LicenseDocument),
        ("VersionControl", documents.VersionControlDocument),
        ("Base", documents.BaseDocument),
        ("Status", documents.StatusDocument),
        ("Releases", release_documents.ReleasesDocument),
        ("Release", release_documents.ReleaseDocument),
        ("ChangeLog", change_log.ChangeLogDocument),
        ("Change", change_log.ChangeDocument),
        ("NewTag", change_log.NewTagDocument),
        ("ChangedTag", change_log.ChangedTagDocument),
        ("DeletedTag", change_log.DeletedTagDocument),
        ("BaseMoved", base_moves.BaseMovedDocument),
        ("History", history.HistoryDocument),
        ("Series", history.SeriesDocument),
        ("Point", history.PointDocument),
        ("Difference", differences.DifferenceDocument),
        ("SizeDifference", differences.SizeDifference),
        ("TextDifference", differences.TextDifference),
        ("WordsDifference", differences.WordsDifference),
        ("NamesDifference", differences.NamesDifference),
        ("PlatformsDifference", differences.PlatformsDifference),
        ("BaseDifference", differences.BaseDifference),
        ("LayersDifference", differences.LayersDifference),
        ("ChangedLayer", differences.ChangedLayerDocument),
        ("Comparison", comparisons.ComparisonDocument),
        ("ComparedVersion", comparisons.ComparedVersionDocument),
        ("Delivery", notification_outbox.DeliveryDocument),
    ],
)
def test_an_object_has_the_members_of_its_document_in_the_same_order(name: str, document: Any) -> None:
    assert list(SCHEMAS[name]["properties"]) == list(document.__annotations__)
    assert set(SCHEMAS[name]["required"]) == document.__required_keys__


@pytest.mark.parametrize("name", SCHEMAS)
def test_an_object_requires_only_what_it_has(name: str) -> None:
    assert set(SCHEMAS[name]["required"]) <= SCHEMAS[name]["properties"].keys()


def test_every_object_is_used() -> None:
    text = json.dumps(DOCUMENT)

    assert [name for name in SCHEMAS if f'"#/components/schemas/{name}"' not in text] == []


def test_choices_are_those_of_the_service() -> None:
    parameters = DOCUMENT["components"]["parameters"]
    status = SCHEMAS["Status"]["properties"]

    assert parameters["BadgeType"]["schema"]["enum"] == list(BADGE_TYPES)
    assert parameters["Style"]["schema"]["enum"] == list(STYLES)
    assert SCHEMAS["NotificationFields"]["properties"]["Format"]["enum"] == list(FORMATS)
    assert status["State"]["enum"] == list(get_args(documents.State))
    assert SCHEMAS["Series"]["properties"]["Points"]["maxItems"] == history.MOST_POINTS
    assert SCHEMAS["History"]["properties"]["Tags"]["maxItems"] == history.MOST_SERIES
    for name in ("Status", "Failure"):
        assert SCHEMAS[name]["properties"]["Reason"]["enum"] == list(get_args(documents.Reason))


def examples() -> Iterator[tuple[str, Mapping[str, Any], object]]:
    """Yield every example of the document with its schema."""
    for wanted in ALL:
        for name, parameter in wanted.parameters.items():
            if "example" in parameter:
                yield f"{wanted.id} {name}", parameter["schema"], parameter["example"]
        for media_type, content in wanted.operation.get("requestBody", {}).get("content", {}).items():
            if "example" in content:
                yield f"{wanted.id} sent {media_type}", content["schema"], content["example"]
        if "example" in wanted.content:
            yield wanted.id, wanted.content["schema"], wanted.content["example"]


@pytest.mark.parametrize(
    ("schema", "example"), [pytest.param(schema, example, id=name) for name, schema, example in examples()]
)
def test_an_example_is_what_its_schema_says(schema: Mapping[str, Any], example: object) -> None:
    validator(schema).validate(example)


def test_the_example_of_a_message_is_what_is_sent() -> None:
    content = DOCUMENT["webhooks"]["tagsMoved"]["post"]["requestBody"]["content"]["application/json"]
    image = DOCUMENT["paths"]["/v1/images/{image}"]["get"]["responses"]["200"]["content"]["application/json"]["example"]
    changes = Changes({"1.2.0": image["LatestSHA"]}, {"latest": image["LatestSHA"]}, {})

    body = message_bytes(announce_changes(image, image, changes, f"{BASE_URL}/images/example/web"), "microbadger")

    assert json.loads(body) == content["example"]
    validator(content["schema"]).validate(content["example"])


@pytest.mark.parametrize(
    ("name", "is_name"),
    [
        ("mañana", False),
        ("", False),
        ("../etc", False),
        ("a/../b", False),
        ("A/b", False),
        ("web\n", False),
        ("a//b", False),
        ("a/b/", False),
        ("/a", False),
        ("-a/b", False),
        ("a___b", False),
        ("a..b/c", False),
        ("localhost:0/x", False),
        ("alpine", True),
        ("library/alpine", True),
        ("example/my_tool-3.8", True),
        ("a__b/c.d/e--f", True),
        ("ghcr.io/a/b/c", True),
        ("localhost:5000/web", True),
        ("[::1]:5000/web", True),
    ],
)
def test_the_pattern_of_a_name_fits_names_only(name: str, is_name: bool) -> None:
    parameters = DOCUMENT["components"]["parameters"]
    for parameter, text in (("Repository", name), ("Image", name), ("Image", f"{name}:V1.2_x")):
        assert validator(parameters[parameter]["schema"]).is_valid(text) is is_name
        assert is_reference(text) is is_name


def is_reference(text: str) -> bool:
    try:
        Reference.parse(text)
    except InvalidReference:
        return False
    return True


class Page(HTMLParser):
    """The page about the API: its text, the names of its parts, and where it leads."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.text = ""
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(content.decode())

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            if name == "id":
                self.ids.append(value or "")
            if name in ("href", "src"):
                (self.links if tag == "a" else self.loaded).append(value or "")


@pytest.fixture(scope="module")
def page(read_only: World) -> Page:
    return Page(read_only.app().test_client().get("/api/").data)


def test_the_page_lists_every_operation(page: Page) -> None:
    operations = [f"{wanted.method.upper()} {wanted.path}" for wanted in ALL]

    assert [operation for operation in operations if operation not in page.text] == []


def test_the_page_lists_every_member_of_every_object(page: Page) -> None:
    members = {name for schema in SCHEMAS.values() for name in schema["properties"]}

    assert {name for name in members if name not in page.text} == set()


def test_links_within_the_page_lead_somewhere(page: Page) -> None:
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))


def test_the_page_loads_nothing_from_elsewhere(page: Page) -> None:
    assert page.loaded
    assert [address for address in page.loaded if not address.startswith("/assets/")] == []


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("größe", "größe"),
        ("", ""),
        ("`a`", "<code>a</code>"),
        ("See `a <b>`.", "See <code>a &lt;b&gt;</code>."),
        ("or [c](https://d.example)", 'or <a href="https://d.example" rel="noopener">c</a>'),
        ('[c](https://d.example/"x)', '<a href="https://d.example/&#34;x" rel="noopener">c</a>'),
        ("`[c](https://d.example)`", "<code>[c](https://d.example)</code>"),
        ("<b>", "&lt;b&gt;"),
        ("a ` b [c] (d) [e](javascript:f)", "a ` b [c] (d) [e](javascript:f)"),
    ],
)
def test_code_and_links_of_a_description_are_marked_up(text: str, html: str) -> None:
    assert openapi.prose(text) == html


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"const": "größe"}, "&#34;größe&#34;"),
        ({}, "anything"),
        ({"type": "string"}, "text"),
        ({"type": ["string", "null"], "format": "date-time"}, "time or null"),
        ({"type": "string", "format": "uri"}, "URL"),
        ({"type": "string", "enum": ["a", "<b>"]}, "a or &lt;b&gt;"),
        ({"type": "array", "items": {"type": "integer"}}, "list of integer"),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, "object of integers"),
        ({"$ref": "#/components/schemas/Tag"}, '<a href="#Tag">Tag</a>'),
    ],
)
def test_the_kind_of_a_value_is_said_in_words(schema: dict[str, object], words: str) -> None:
    assert openapi.kind(schema) == words
