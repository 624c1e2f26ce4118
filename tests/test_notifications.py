"""Change notifications: the payload as it always was, and subscribers that are slow, dead or hostile."""

import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from microbadger import notifications as messages
from microbadger.metadata import NO_CHANGES, Changes
from microbadger.notifications import Notifications, change_message

PAGE = "https://badges.example.org/images/owner/app"
CHANGES = Changes(new={}, changed={"latest": "b" * 64}, deleted={"1.0": "a" * 64})
PAYLOAD = {
    "text": f"MicroBadger: Docker Hub image owner/app has changed {PAGE}",
    "image_name": "owner/app",
    "new_tags": [],
    "changed_tags": [{"tag": "latest", "SHA": "b" * 64}],
    "deleted_tags": [{"tag": "1.0", "SHA": "a" * 64}],
}


class Receiver(ThreadingHTTPServer):
    """A subscriber that answers as it is told and keeps what it was sent."""

    def __init__(self, status: int = 200, headers: dict[str, str] | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status, self.headers = status, headers or {}
        self.bodies: list[object] = []
        self.media_types: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        self.server.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.server.media_types.append(self.headers["Content-Type"])
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@contextmanager
def running(receiver: Receiver) -> Iterator[Receiver]:
    thread = threading.Thread(target=receiver.serve_forever, args=[0.01])
    thread.start()
    try:
        yield receiver
    finally:
        receiver.shutdown()
        thread.join()
        receiver.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with running(Receiver()) as receiver:
        yield receiver


@pytest.fixture
def notifications(tmp_path: Path) -> Notifications:
    return Notifications(tmp_path / "notifications.json")


def dead_url() -> str:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{unused.getsockname()[1]}/"


def test_the_message_is_what_subscribers_always_got() -> None:
    assert change_message("owner/app", PAGE, CHANGES) == PAYLOAD


def test_new_tags_are_told_with_what_they_name() -> None:
    message = change_message("owner/app", PAGE, Changes({"mañana": "c" * 64}, {}, {}))
    assert message["new_tags"] == [{"tag": "mañana", "SHA": "c" * 64}]


def test_the_test_message_is_what_it_always_was() -> None:
    assert messages.test_message("owner/app", PAGE) == {
        "text": f"Hi, it's MicroBadger, sending you a test notification for owner/app {PAGE}",
        "image_name": "owner/app",
        "new_tags": [],
        "changed_tags": [],
        "deleted_tags": [],
    }


def test_there_are_no_subscriptions_at_first(notifications: Notifications) -> None:
    assert notifications.all() == []


def test_subscriptions_survive_a_restart(notifications: Notifications) -> None:
    first = notifications.add("owner/app", "https://mañana.example/")
    second = notifications.add("alpine", "https://x.example/")
    assert Notifications(notifications.file).all() == [first, second]


def test_each_subscription_has_an_id_of_its_own(notifications: Notifications) -> None:
    assert notifications.add("owner/app", PAGE).id != notifications.add("owner/app", PAGE).id


def test_a_removed_subscription_is_gone(notifications: Notifications) -> None:
    gone, kept = notifications.add("owner/app", PAGE), notifications.add("owner/app", PAGE)
    assert notifications.remove(gone.id)
    assert Notifications(notifications.file).all() == [kept]


@pytest.mark.parametrize("subscription_id", ["mañana", "", "../x"])
def test_a_subscription_that_is_not_there_cannot_be_removed(notifications: Notifications, subscription_id: str) -> None:
    kept = notifications.add("owner/app", PAGE)
    assert not notifications.remove(subscription_id)
    assert notifications.all() == [kept]


def test_many_hands_lose_no_subscription(notifications: Notifications) -> None:
    with ThreadPoolExecutor(8) as pool:
        added = list(pool.map(lambda number: notifications.add(f"a/{number}", PAGE), range(30)))
    assert {one.id for one in notifications.all()} == {one.id for one in added}


def test_a_subscriber_gets_the_message(notifications: Notifications, receiver: Receiver) -> None:
    notifications.add("owner/app", receiver.url)
    notifications.announce("owner/app", PAGE, CHANGES)
    assert (receiver.bodies, receiver.media_types) == ([PAYLOAD], ["application/json"])


def test_a_subscriber_of_another_image_does_not(notifications: Notifications, receiver: Receiver) -> None:
    notifications.add("owner/app", receiver.url)
    notifications.announce("owner/application", PAGE, CHANGES)
    assert receiver.bodies == []


@pytest.mark.parametrize("url", ["https://mañana.invalid:0/", "", "nonsense", "http://", "http://[::1", "file:///etc/passwd"])
def test_a_subscriber_with_no_address_keeps_nobody_from_theirs(
    notifications: Notifications, receiver: Receiver, url: str
) -> None:
    notifications.add("owner/app", url)
    notifications.add("owner/app", receiver.url)
    notifications.announce("owner/app", PAGE, CHANGES)
    assert receiver.bodies == [PAYLOAD]


def test_a_dead_subscriber_keeps_nobody_from_theirs(notifications: Notifications, receiver: Receiver) -> None:
    notifications.add("owner/app", dead_url())
    notifications.add("owner/app", receiver.url)
    notifications.announce("owner/app", PAGE, CHANGES)
    assert receiver.bodies == [PAYLOAD]


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_a_test_message_arrived_if_the_receiver_says_so(notifications: Notifications, status: int) -> None:
    with running(Receiver(status)) as receiver:
        assert notifications.test(notifications.add("owner/app", receiver.url).id, PAGE)
        assert receiver.bodies == [messages.test_message("owner/app", PAGE)]


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 404, 410, 500, 503])
def test_a_test_message_did_not_arrive_if_the_receiver_says_anything_else(
    notifications: Notifications, status: int
) -> None:
    with running(Receiver(status, {"Location": "/elsewhere"})) as receiver:
        assert not notifications.test(notifications.add("owner/app", receiver.url).id, PAGE)
        assert len(receiver.bodies) == 1


def test_a_test_message_to_a_dead_receiver_did_not_arrive(notifications: Notifications) -> None:
    assert not notifications.test(notifications.add("owner/app", dead_url()).id, PAGE)


def test_a_test_message_to_nobody_did_not_arrive(notifications: Notifications) -> None:
    assert not notifications.test("mañana", PAGE)


def test_an_endless_answer_is_not_read(notifications: Notifications) -> None:
    with running(Receiver(200, {"Content-Length": str(2**40)})) as receiver:
        assert notifications.test(notifications.add("owner/app", receiver.url).id, PAGE)


def test_no_change_is_a_message_with_empty_lists() -> None:
    message = change_message("owner/app", PAGE, NO_CHANGES)
    assert (message["new_tags"], message["changed_tags"], message["deleted_tags"]) == ([], [], [])
