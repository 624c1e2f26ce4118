"""A method means the same in any case, as scripts write it: ``curl -X post``."""

import http.client
from collections.abc import Iterator

import pytest

from tests.fakes.registry import FakeRegistry, image
from tests.running_service import RunningService


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with FakeRegistry() as fake:
        fake.push("team/web", "latest", image())
        with RunningService(tmp_path_factory.mktemp("service"), [f"{fake.host}/team/web"]) as service:
            yield service


def ask(connection: http.client.HTTPConnection, method: str, path: str) -> tuple[int, bytes]:
    connection.putrequest(method, path)
    connection.endheaders()
    answer = connection.getresponse()
    return answer.status, answer.read()


@pytest.fixture
def connection(service: RunningService) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=10)
    yield connection
    connection.close()


@pytest.mark.parametrize("method", ["POST", "post", "Post"])
def test_a_webhook_is_accepted(service: RunningService, connection: http.client.HTTPConnection, method: str) -> None:
    (name,) = service.environment["MICROBADGER_IMAGES"].split()
    path = service.webhook(name).removeprefix(service.url)

    assert ask(connection, method, path) == (200, b"OK")


def test_what_comes_after_a_head_in_lower_case_is_answered(connection: http.client.HTTPConnection) -> None:
    connection.putrequest("head", "/healthcheck.txt")
    connection.endheaders()
    head = connection.getresponse()
    head.length = 0  # of a method in lower case the client expects a body
    head.close()

    assert (head.status, ask(connection, "get", "/healthcheck.txt")) == (200, (200, b"HEALTH OK"))


@pytest.mark.parametrize("method", ["x", "brew", "a#b", "M" * 30])
def test_a_method_that_there_is_not_is_refused(connection: http.client.HTTPConnection, method: str) -> None:
    assert ask(connection, method, "/healthcheck.txt")[0] in (400, 405)
