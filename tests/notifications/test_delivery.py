"""Delivery to real receivers: in order, once, again when it failed, and none behind a dead one."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from microbadger.notifications.delivery import Delivery
from microbadger.notifications.outbox import Attempt
from microbadger.notifications.subscriptions import Subscription
from tests.fakes.receiver import DEADLINE_SECONDS, Answer, Receiver, dead_url, hang, hang_up
from tests.logfmt import parse
from tests.notifications.bench import SHAS, Bench, Postman
from tests.real_registry import wait_until
from tests.running_service import ROOT

LATER = timedelta(hours=3)  # later than any delay of our own
PROCESSES = 3

DELIVER = """
import sys
from pathlib import Path
from tests.notifications.bench import Bench
from microbadger.notifications.sender import Sender
bench = Bench(Path(sys.argv[1]))
delivery = bench.delivery_of(Sender(user_agent="tests"))
print("ready", flush=True)
sys.stdin.readline()
delivery.deliver_due()
delivery.wait()
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


def test_a_message_is_tried_five_times_and_then_parked(bench: Bench) -> None:
    with Receiver(Answer(500, {}, b"no")) as receiver:
        subscription = bench.subscribe(receiver.url)
        bench.push(SHAS[1])
        for _ in range(9):
            bench.deliver(LATER)

        assert len(receiver.received) == 5
        assert len(set(receiver.ids)) == 1
        assert bench.counts(subscription) == (0, 1)
        (delivery,) = bench.history(subscription)
        assert (delivery["Attempts"], delivery["StatusCode"], delivery["Response"], delivery["State"]) == (
            5,
            500,
            "no",
            "parked",
        )


def test_each_attempt_is_told(bench: Bench) -> None:
    with Receiver(Answer(500), Answer(204)) as receiver:
        bench.subscribe(receiver.url)
        bench.push(SHAS[1])
        for _ in range(3):
            bench.deliver(LATER)

    assert [attempt.has_arrived for attempt in bench.attempts] == [False, True]


def test_of_a_receiver_the_log_tells_no_url(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
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
    with Receiver(*[Answer(500)] * 5, Answer(204)) as receiver:
        subscription = bench.subscribe(receiver.url)
        for sha in SHAS[1:3]:
            bench.push(sha)
        for _ in range(5):
            bench.deliver(LATER)

        assert shas(receiver) == [*[SHAS[1]] * 5, SHAS[2]]
        assert bench.states(subscription) == ["delivered", "parked"]


def test_what_was_parked_can_be_sent_again(bench: Bench) -> None:
    with Receiver(*[Answer(500)] * 5, Answer(204)) as receiver:
        subscription = bench.subscribe(receiver.url)
        bench.push(SHAS[1])
        for _ in range(5):
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


def test_a_receiver_that_is_gone_is_asked_once(bench: Bench) -> None:
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
        bench.delivery.deliver_due()
        bad.wait_for(20)

        receiver.wait_for(1)
        bad.release()
        bench.delivery.wait()


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
        bench.delivery.deliver_due()
        receiver.wait_for(1)
        bench.delivery.deliver_due()
        receiver.release()
        bench.delivery.wait()

        assert len(receiver.received) == 1


def test_a_subscription_whose_sending_breaks_keeps_no_other_from_its_messages(bench: Bench, receiver: Receiver) -> None:
    broken, fine = bench.subscribe(), bench.subscribe()
    bench.push(SHAS[1])
    postman = Postman()

    def send(subscription: Subscription, *rest: Any) -> Attempt:
        if subscription.id == broken.id:
            raise RuntimeError("broken on purpose")
        return postman.send(subscription, *rest)

    delivery = Delivery(bench.notifications, send)
    delivery.deliver_due()
    delivery.wait()

    assert (bench.counts(broken), bench.counts(fine)) == ((1, 0), (0, 0))


def test_a_test_message_passes_those_that_wait_and_is_remembered(bench: Bench) -> None:
    with Receiver(Answer(500), Answer(200, {}, b"thanks")) as receiver:
        subscription = bench.subscribe(receiver.url)
        bench.push(SHAS[1])
        bench.deliver()

        assert bench.delivery.test(subscription).has_arrived
        assert bench.states(subscription) == ["delivered", "waiting"]
        assert bench.history(subscription)[0]["Response"] == "thanks"


def test_a_test_message_is_sent_once_even_if_it_does_not_arrive(bench: Bench) -> None:
    with Receiver(Answer(500)) as receiver:
        subscription = bench.subscribe(receiver.url)
        assert not bench.delivery.test(subscription).has_arrived
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
        assert bench.counts(subscription) == (0, 0)


def test_a_message_announced_while_another_is_being_sent_is_sent_too(bench: Bench, receiver: Receiver) -> None:
    bench.subscribe(receiver.url)
    bench.push(SHAS[1])
    bench.delivery.deliver_due()
    receiver.wait_for(1)
    bench.push(SHAS[2])

    def delivered() -> bool:
        bench.delivery.deliver_due()
        return len(receiver.received) == 2

    wait_until(delivered, "the second message", DEADLINE_SECONDS)
    bench.delivery.wait()
    assert shas(receiver) == SHAS[1:3]
