"""Delivery to real receivers: in order, once, again if it failed, and none waits for another's receiver."""

import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, text
from standardwebhooks import Webhook

from microbadger.notifications.delivery import lease_name
from microbadger.notifications.outbox import Attempt, Message
from microbadger.notifications.receivers import Scope
from microbadger.notifications.subscriptions import Subscription
from microbadger.store.tables import LEASES
from tests.fakes.receiver import DEADLINE_SECONDS, Answer, Receiver, dead_url, hang, hang_up
from tests.logfmt import parse
from tests.notifications.bench import SHAS, Bench, Postman
from tests.real_registry import wait_until
from tests.running_service import ROOT

LATER = timedelta(hours=27)  # later than any delay of our own
PROCESSES = 3

DELIVER = """
import sys
from pathlib import Path
from tests.notifications.bench import Bench
bench = Bench(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
bench.deliver()
"""
SEND_AND_DIE = """
import os, signal, sys
from pathlib import Path
from microbadger.http.client import Network
from microbadger.notifications.sender import Sender
from tests.notifications.bench import Bench
def send(*arguments):
    Sender(Network("tests")).send(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)
Bench(Path(sys.argv[1]), send).deliver()
"""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def processes(folder: Path, count: int) -> "list[subprocess.Popen[bytes]]":
    """Return processes that wait for a line before they deliver what is due."""
    command = [sys.executable, "-c", DELIVER, str(folder)]
    started = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) for _ in range(count)]
    for process in started:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
    return started


def begin(process: "subprocess.Popen[bytes]") -> None:
    assert process.stdin
    process.stdin.write(b"\n")
    process.stdin.flush()


def shas(receiver: Receiver, path: str = "/hook") -> list[Any]:
    """Return what the messages to a path said that the tag names now."""
    return [
        json.loads(received.body)["changed_tags"][0]["SHA"] for received in receiver.received if received.path == path
    ]


def test_messages_arrive_in_their_order(bench: Bench, receiver: Receiver) -> None:
    subscription = bench.subscribe(receiver.url)
    for sha in SHAS[1:]:
        bench.push(sha)
    bench.deliver()

    assert shas(receiver) == SHAS[1:]
    assert bench.states(subscription) == ["delivered"] * 5


def test_a_receiver_verifies_what_it_gets_with_the_secret_of_the_subscription(bench: Bench, receiver: Receiver) -> None:
    subscription = bench.subscribe(receiver.url)
    bench.push(SHAS[1])
    bench.deliver()

    (received,) = receiver.received
    message = Webhook(subscription.secret).verify(received.body, dict(received.headers))
    assert message["image_name"] == "example/web"


def test_what_arrived_is_not_sent_again(bench: Bench, receiver: Receiver) -> None:
    bench.subscribe(receiver.url)
    bench.push(SHAS[1])
    for _ in range(3):
        bench.deliver(LATER)

    assert len(receiver.received) == 1


def test_a_message_is_tried_ten_times_and_then_parked(bench: Bench) -> None:
    with Receiver(Answer(500, {}, b"no")) as receiver:
        subscription = bench.subscribe(receiver.url)
        bench.push(SHAS[1])
        for _ in range(14):
            bench.deliver(LATER)

        assert len(receiver.received) == 10
        assert len(set(receiver.ids)) == 1
        assert bench.lengths(subscription) == (0, 1)
        (delivery,) = bench.history(subscription)
        assert (delivery["Attempts"], delivery["StatusCode"], delivery["Response"], delivery["State"]) == (
            10,
            500,
            "no",
            "parked",
        )


def test_each_attempt_is_counted(bench: Bench) -> None:
    with Receiver(Answer(500), Answer(204)) as receiver:
        bench.subscribe(receiver.url)
        bench.push(SHAS[1])
        for _ in range(3):
            bench.deliver(LATER)

    counted = bench.counts.read().of("notification_attempts")
    assert counted == {(("result", "failed"),): 1, (("result", "ok"),): 1}


def test_the_log_does_not_contain_the_url_of_a_receiver(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    with Receiver(Answer(500, {}, b"ma\xc3\xb1ana")) as receiver:
        subscription = bench.subscribe(f"{receiver.url}/mañana?token=secret")
        bench.push(SHAS[1])
        bench.deliver()

    (line,) = map(parse, caplog.messages)
    assert line == {
        "event": "notification",
        "state": "waiting",
        "id": subscription.id,
        "image": "example/web",
        "message": receiver.ids[0],
        "status": "500",
    }


def test_a_message_is_not_tried_before_its_time(bench: Bench) -> None:
    with Receiver(Answer(500)) as receiver:
        bench.subscribe(receiver.url)
        bench.push(SHAS[1])
        for _ in range(4):
            bench.deliver(timedelta(seconds=1))

        assert len(receiver.received) == 1


def test_a_message_that_is_tried_again_holds_up_those_behind_it(bench: Bench) -> None:
    with Receiver(Answer(500), Answer(204)) as receiver:
        bench.subscribe(receiver.url)
        for sha in SHAS[1:4]:
            bench.push(sha)
        bench.deliver()
        assert shas(receiver) == SHAS[1:2]

        bench.deliver(LATER)
        assert shas(receiver) == [SHAS[1], *SHAS[1:4]]


def test_a_parked_message_lets_the_next_one_pass(bench: Bench) -> None:
    with Receiver(*[Answer(500)] * 10, Answer(204)) as receiver:
        subscription = bench.subscribe(receiver.url)
        for sha in SHAS[1:3]:
            bench.push(sha)
        for _ in range(10):
            bench.deliver(LATER)

        assert shas(receiver) == [*[SHAS[1]] * 10, SHAS[2]]
        assert bench.states(subscription) == ["delivered", "parked"]


def test_what_was_parked_can_be_sent_again(bench: Bench) -> None:
    with Receiver(*[Answer(500)] * 10, Answer(204)) as receiver:
        subscription = bench.subscribe(receiver.url)
        bench.push(SHAS[1])
        for _ in range(10):
            bench.deliver(LATER)
        bench.notifications.resend(subscription.id)
        bench.deliver()

        assert len(set(receiver.ids)) == 1
        assert bench.states(subscription) == ["delivered"]


def test_a_receiver_that_asks_for_patience_gets_it(bench: Bench) -> None:
    with Receiver(Answer(429, {"Retry-After": "3600"}), Answer(204)) as receiver:
        subscription = bench.subscribe(receiver.url)
        bench.push(SHAS[1])
        bench.deliver()
        bench.deliver(timedelta(minutes=59))
        assert len(receiver.received) == 1

        bench.deliver(timedelta(minutes=2))
        assert bench.states(subscription) == ["delivered"]


def test_a_receiver_that_is_gone_gets_one_request(bench: Bench) -> None:
    with Receiver(Answer(410)) as receiver:
        subscription = bench.subscribe(receiver.url)
        bench.push(SHAS[1])
        bench.deliver()
        bench.push(SHAS[2])
        bench.deliver(LATER)

        assert len(receiver.received) == 1
        assert not bench.now_enabled(subscription)


@pytest.mark.parametrize("behaviour", [hang_up, Answer(500), Answer(307, {"Location": "http://127.0.0.1:1/"})])
def test_a_bad_receiver_keeps_no_other_from_its_messages(bench: Bench, receiver: Receiver, behaviour: Any) -> None:
    with Receiver(behaviour) as bad:
        first, second = bench.subscribe(bad.url), bench.subscribe(dead_url())
        bench.subscribe(receiver.url)
        bench.push(SHAS[1])
        bench.deliver()

        assert shas(receiver) == [SHAS[1]]
        assert bench.states(first) + bench.states(second) == ["waiting", "waiting"]


def test_receivers_that_hang_do_not_delay_one_that_does_not(bench: Bench, receiver: Receiver) -> None:
    with Receiver(hang) as bad:
        for _ in range(20):
            bench.subscribe(bad.url)
        bench.subscribe(receiver.url)
        bench.push(SHAS[1])
        bench.notifications.deliver_due()
        bad.wait_for(20)

        receiver.wait_for(1)
        bad.release()
        bench.notifications.wait()


def test_more_subscriptions_than_threads_are_all_served(bench: Bench, receiver: Receiver) -> None:
    for _ in range(100):
        bench.subscribe(receiver.url)
    bench.push(SHAS[1])
    bench.deliver()

    assert len(set(receiver.ids)) == 100


def test_what_is_being_sent_is_not_begun_again(bench: Bench) -> None:
    with Receiver(hang) as receiver:
        bench.subscribe(receiver.url)
        bench.push(SHAS[1])
        bench.notifications.deliver_due()
        receiver.wait_for(1)
        bench.notifications.deliver_due()
        receiver.release()
        bench.notifications.wait()

        assert len(receiver.received) == 1


def test_a_subscription_whose_sending_breaks_keeps_no_other_from_its_messages(tmp_path: Path) -> None:
    def send(subscription: Subscription, message: Message, scope: Scope) -> Attempt:
        if subscription.id == broken.id:
            raise RuntimeError("broken on purpose")
        return Attempt(204)

    bench = Bench(tmp_path, send)
    broken, fine = bench.subscribe(), bench.subscribe()
    bench.push(SHAS[1])
    bench.deliver()

    assert (bench.lengths(broken), bench.lengths(fine)) == ((1, 0), (0, 0))


def test_a_test_message_is_sent_before_those_that_wait_and_is_in_the_history(bench: Bench) -> None:
    with Receiver(Answer(500), Answer(200, {}, b"thanks")) as receiver:
        subscription = bench.subscribe(receiver.url)
        bench.push(SHAS[1])
        bench.deliver()

        assert bench.notifications.send_test(subscription).has_arrived
        assert bench.states(subscription) == ["delivered", "waiting"]
        assert bench.history(subscription)[0]["Response"] == "thanks"


def test_a_test_message_is_sent_once_even_if_it_does_not_arrive(bench: Bench) -> None:
    with Receiver(Answer(500)) as receiver:
        subscription = bench.subscribe(receiver.url)
        assert not bench.notifications.send_test(subscription).has_arrived
        bench.deliver(LATER)

        assert (len(receiver.received), bench.states(subscription)) == (1, ["failed"])


def test_processes_that_deliver_at_once_send_each_message_once_and_in_order(
    bench: Bench, tmp_path: Path, receiver: Receiver
) -> None:
    subscriptions = [bench.subscribe(f"{receiver.url}/{number}") for number in range(12)]
    for sha in SHAS[1:]:
        bench.push(sha)
    started = processes(tmp_path, PROCESSES)
    for process in started:
        begin(process)
    for process in started:
        process.communicate(timeout=DEADLINE_SECONDS)
    bench.deliver()

    assert set(Counter(receiver.ids).values()) == {1}
    assert [shas(receiver, f"/hook/{number}") for number in range(12)] == [SHAS[1:]] * len(subscriptions)


def test_a_message_whose_sender_is_killed_is_sent_again_under_the_same_id(bench: Bench, tmp_path: Path) -> None:
    with Receiver(hang, Answer(204)) as receiver:
        subscription = bench.subscribe(receiver.url)
        for sha in SHAS[1:3]:
            bench.push(sha)
        (process,) = processes(tmp_path, 1)
        with process:
            begin(process)
            receiver.wait_for(1)
            process.kill()
        bench.deliver()

        assert shas(receiver) == [SHAS[1], *SHAS[1:3]]
        assert receiver.ids[0] == receiver.ids[1]
        assert bench.lengths(subscription) == (0, 0)


def test_a_message_whose_sender_is_killed_before_it_is_settled_is_sent_again_under_the_same_id(
    bench: Bench, tmp_path: Path, receiver: Receiver
) -> None:
    subscription = bench.subscribe(receiver.url)
    for sha in SHAS[1:3]:
        bench.push(sha)
    process = subprocess.run([sys.executable, "-c", SEND_AND_DIE, str(tmp_path)], cwd=ROOT, timeout=DEADLINE_SECONDS)
    assert process.returncode == -signal.SIGKILL
    bench.deliver()

    assert shas(receiver) == [SHAS[1], *SHAS[1:3]]
    assert receiver.ids[0] == receiver.ids[1]
    assert [delivery["Attempts"] for delivery in bench.history(subscription)] == [1, 1]


def test_nothing_is_sent_while_another_holds_the_lease_of_the_subscription(bench: Bench, receiver: Receiver) -> None:
    subscription = bench.subscribe(receiver.url)
    bench.push(SHAS[1])
    with bench.leases.hold(lease_name(subscription.id)):
        bench.deliver()
        assert receiver.received == []

    bench.deliver()
    assert shas(receiver) == [SHAS[1]]


def test_a_sender_that_lost_its_lease_sends_no_more(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def send(subscription: Subscription, message: Message, scope: Scope) -> Attempt:
        with desk.database.write() as connection:  # as a holder on another machine does, when this one was too slow
            connection.execute(LEASES.update().values(fence=LEASES.c.fence + 1))
        return postman.send(subscription, message, scope)

    postman = Postman()
    desk = Bench(tmp_path, send)
    subscription = desk.subscribe()
    for sha in SHAS[1:3]:
        desk.push(sha)
    desk.deliver()

    assert len(postman.sent) == 1
    assert (desk.lengths(subscription), desk.history(subscription)) == ((2, 0), [])
    assert [parse(message)["event"] for message in caplog.messages] == ["notifications_failed"]


def test_what_cannot_be_settled_is_not_lost(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def send(subscription: Subscription, message: Message, scope: Scope) -> Attempt:
        with desk.database.write() as connection:
            connection.execute(text("ALTER TABLE deliveries RENAME TO elsewhere"))
        return Attempt(204)

    desk = Bench(tmp_path, send)
    desk.subscribe()
    desk.push(SHAS[1])
    desk.deliver()

    assert [parse(message)["event"] for message in caplog.messages] == ["notifications_failed"]
    assert desk.notifications.lengths() == {"waiting": 1, "parked": 0}


def test_one_query_finds_that_nothing_waits(bench: Bench) -> None:
    for _ in range(3):
        bench.subscribe()
    bench.deliver()
    statements: list[str] = []

    def keep(connection: object, cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    event.listen(Engine, "before_cursor_execute", keep)
    try:
        bench.deliver()
    finally:
        event.remove(Engine, "before_cursor_execute", keep)

    assert [statement.split()[0] for statement in statements if statement.split()[0] != "BEGIN"] == ["SELECT"]


def test_a_message_announced_while_another_is_being_sent_is_sent_too(bench: Bench, receiver: Receiver) -> None:
    bench.subscribe(receiver.url)
    bench.push(SHAS[1])
    bench.notifications.deliver_due()
    receiver.wait_for(1)
    bench.push(SHAS[2])

    def delivered() -> bool:
        bench.notifications.deliver_due()
        return len(receiver.received) == 2

    wait_until(delivered, "the second message", DEADLINE_SECONDS)
    bench.notifications.wait()
    assert shas(receiver) == SHAS[1:3]
