"""Sending to receivers that are slow, dead, confused or hostile: each attempt ends soon and has a result."""

import json
import socket
from email.utils import formatdate

import pytest
from standardwebhooks import Webhook

from microbadger.http.client import Network
from microbadger.http.connection import resolve_name
from microbadger.http.names import Resolve
from microbadger.notifications.outbox import Attempt, Message
from microbadger.notifications.receivers import Scope
from microbadger.notifications.sender import Sender
from microbadger.notifications.subscriptions import Subscription
from tests.fakes.receiver import Answer, Behaviour, Receiver, babble, dead_url, dripping, hang, hang_up, reset
from tests.notifications.bench import START

MESSAGE = Message("msg_1", json.dumps({"text": "mañana"}), 0, START)
FORBIDDEN = "messages may not be sent to the address of this URL"


def send(
    url: str,
    scope: Scope = Scope.ANYWHERE,
    *,
    message: Message = MESSAGE,
    authorization: str = "",
    timeout_seconds: float = 5.0,
    resolve: Resolve = resolve_name,
) -> Attempt:
    sender = Sender(Network("MicroBadger/tests", resolve=resolve), timeout_seconds=timeout_seconds)
    return sender.send(subscription_of(url, authorization), message, scope)


def subscription_of(url: str, authorization: str = "") -> Subscription:
    secret = "whsec_" + "YWJj" * 8
    return Subscription(id="1", image_name="alpine", url=url, secret=secret, authorization_header=authorization)


def sent_to(*behaviours: Behaviour, timeout_seconds: float = 5.0) -> Attempt:
    with Receiver(*behaviours) as receiver:
        return send(receiver.url, timeout_seconds=timeout_seconds)


def test_a_receiver_gets_the_message_and_can_verify_it() -> None:
    with Receiver() as receiver:
        send(receiver.url)

    (received,) = receiver.received
    assert Webhook("whsec_" + "YWJj" * 8).verify(received.body, dict(received.headers)) == {"text": "mañana"}


def test_a_request_says_what_it_is() -> None:
    with Receiver() as receiver:
        send(receiver.url)

    headers = receiver.received[0].headers
    assert (headers["Content-Type"], headers["User-Agent"]) == ("application/json", "MicroBadger/tests")


def test_a_message_that_is_not_json_says_so() -> None:
    headers = {"Content-Type": "text/plain; charset=utf-8", "Title": "alpine has changed"}
    with Receiver() as receiver:
        send(receiver.url, message=Message("msg_1", "mañana", 0, START, headers))

    (received,) = receiver.received
    assert headers.items() <= received.headers.items()
    assert received.body.decode() == "mañana"


def test_a_receiver_gets_its_authorization() -> None:
    with Receiver() as receiver:
        send(receiver.url, authorization="Bearer tk_secret")
        send(receiver.url)

    assert [received.headers.get("Authorization") for received in receiver.received] == ["Bearer tk_secret", None]


def test_a_receiver_elsewhere_never_gets_the_authorization() -> None:
    with Receiver() as elsewhere, Receiver(Answer(307, {"Location": elsewhere.url})) as receiver:
        send(receiver.url, authorization="Bearer tk_secret")

        assert elsewhere.received == []


@pytest.mark.parametrize(
    "body", ["no: Bearer tk_secret", "tk_secret", "x" * 1015 + " Bearer tk_secret", "tk_secret" * 500]
)
def test_an_answer_that_repeats_the_authorization_is_kept_without_it(body: str) -> None:
    with Receiver(Answer(401, {}, body.encode())) as receiver:
        attempt = send(receiver.url, authorization="Bearer tk_secret")

    assert "tk_s" not in attempt.response
    assert len(attempt.response) <= 1024


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_a_message_arrived_if_the_receiver_says_so(status: int) -> None:
    assert sent_to(Answer(status)).has_arrived


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 401, 404, 410, 429, 500, 502, 503])
def test_a_message_did_not_arrive_if_the_receiver_says_anything_else(status: int) -> None:
    attempt = sent_to(Answer(status, {"Location": "/elsewhere"}, b"no"))

    assert (attempt.has_arrived, attempt.status, attempt.response) == (False, status, "no")


def test_a_redirect_is_not_followed() -> None:
    with Receiver() as inside, Receiver(Answer(307, {"Location": inside.url})) as receiver:
        send(receiver.url)

        assert (len(receiver.received), inside.received) == (1, [])


@pytest.mark.parametrize(
    ("value", "seconds"), [("mañana", None), ("", None), ("-1", None), ("0", 0), ("120", 120), ("999999999", 24 * 3600)]
)
def test_it_reads_how_long_to_wait(value: str, seconds: float | None) -> None:
    headers = {"Retry-After": value.encode().decode("latin-1")}

    assert sent_to(Answer(429, headers)).retry_after_seconds == seconds


def test_it_reads_until_when_to_wait() -> None:
    with Receiver(Answer(503, {"Retry-After": formatdate(1_800_000_090, usegmt=True)})) as receiver:
        sender = Sender(Network("tests"), clock=lambda: 1_800_000_000)
        assert sender.send(subscription_of(receiver.url), MESSAGE, Scope.ANYWHERE).retry_after_seconds == 90


@pytest.mark.parametrize(
    ("body", "kept"),
    [("mañana".encode(), "mañana"), (b"\xff<b>", "\ufffd<b>"), (b"x" * 5000, "x" * 1024), (b"", "")],
)
def test_the_begin_of_the_answer_is_kept(body: bytes, kept: str) -> None:
    assert sent_to(Answer(200, {}, body)).response == kept


@pytest.mark.parametrize(
    ("headers", "body", "kept"),
    [
        ({"Content-Length": str(2**40)}, b"x" * 9999, "x" * 1024),
        ({"Content-Length": "10"}, b"short", "short"),
        ({"Content-Encoding": "gzip"}, b"no gzip", "no gzip"),
        ({"Transfer-Encoding": "chunked", "Content-Length": "5"}, b"5\r\nhello\r\n0\r\n\r\n", "hello"),
    ],
)
def test_an_answer_is_taken_as_it_comes(headers: dict[str, str], body: bytes, kept: str) -> None:
    attempt = sent_to(Answer(200, headers, body))

    assert (attempt.has_arrived, attempt.response) == (True, kept)


@pytest.mark.parametrize(
    "behaviour", [hang, dripping(b"HTTP/1.1 200 OK\r\nX: ", b"ma\xc3\xb1ana"), dripping(b"HTTP/1.1 ", b"2")]
)
def test_a_receiver_that_does_not_answer_in_time_is_left(behaviour: Behaviour) -> None:
    assert sent_to(behaviour, timeout_seconds=0.3) == Attempt(error="it does not answer")


@pytest.mark.parametrize("length", ["Content-Length: 999999", "Transfer-Encoding: chunked"])
def test_a_receiver_that_goes_on_answering_has_the_message(length: str) -> None:
    start = f"HTTP/1.1 200 OK\r\n{length}\r\n\r\n".encode()

    assert sent_to(dripping(start, b"1\r\nx\r\n"), timeout_seconds=0.3).has_arrived


@pytest.mark.parametrize(
    "behaviour", [hang_up, reset, babble, dripping(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 999, b"x")]
)
def test_a_receiver_that_answers_nothing_useful_does_not_have_the_message(behaviour: Behaviour) -> None:
    attempt = sent_to(behaviour)

    assert (attempt.status, attempt.error) == (0, "the connection failed")


def test_a_receiver_that_is_not_there_does_not_have_the_message() -> None:
    assert send(dead_url()) == Attempt(error="it refuses connections")


def test_a_receiver_that_does_not_speak_tls_does_not_have_the_message() -> None:
    with Receiver() as receiver:
        assert send(receiver.url.replace("http:", "https:")) == Attempt(error="its TLS connection failed")


def test_an_unknown_name_is_said_to_be_unknown() -> None:
    def resolve(host: str, port: int) -> list[str]:
        raise socket.gaierror

    assert send("https://mañana.test/", resolve=resolve) == Attempt(error="its name cannot be resolved")


@pytest.mark.parametrize("url", ["https://mañana.test/", "https://hooks.test:8443/"])
@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["169.254.169.254"], ["::ffff:127.0.0.1"]]
)
def test_a_name_that_leads_inside_is_not_followed(url: str, addresses: list[str]) -> None:
    attempt = send(url, Scope.PUBLIC, resolve=lambda host, port: addresses)

    assert attempt == Attempt(error=FORBIDDEN)


def test_a_url_that_leads_inside_is_not_followed_however_it_came_here() -> None:
    with Receiver() as receiver:
        assert send(receiver.url, Scope.PUBLIC) == Attempt(error=FORBIDDEN)
        assert receiver.received == []


def test_not_even_an_operator_reaches_where_clouds_keep_secrets() -> None:
    assert send("http://169.254.169.254/latest/meta-data/") == Attempt(error=FORBIDDEN)


def test_a_service_on_a_desk_reaches_that_desk() -> None:
    with Receiver() as receiver:
        assert send(receiver.url, Scope.THIS_COMPUTER_TOO).has_arrived
