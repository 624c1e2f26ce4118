"""The API against its own description: whatever is sent, the answer is one that the description tells of."""

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig

from microbadger import openapi
from tests.api_world import ADMIN_TOKEN, NOTIFICATION, World, running
from tests.fake_registry import FakeRegistry
from tests.receiver import Receiver

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
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with FakeRegistry() as fake, Receiver() as receiver:
        world = World.make(tmp_path_factory.mktemp("api") / "world", fake, receiver)
        kept = world.folder / "data/notifications/subscriptions.json"
        (subscription,) = json.loads(kept.read_text())
        kept.write_text(json.dumps([subscription, {**subscription, "id": ANOTHER_NOTIFICATION}]))
        with running(world.app()) as url:
            yield url


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
