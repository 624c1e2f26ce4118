"""The outbox: messages stay in their line until they arrived or were given up, and the last ones are remembered."""

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from microbadger.notifications.outbox import Attempt, Message, Outbox
from tests.notifications.bench import START

ME, OTHER = "5ub5cr1be", "0ther"
URL = "https://hooks.test/mañana"
ARRIVED, FAILED = Attempt(204), Attempt(500, "mañana")
SECOND = timedelta(seconds=1)


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path)


def put(outbox: Outbox, *ids: str, subscription_id: str = ME) -> list[bool]:
    return [outbox.put(subscription_id, Message(id_, '{"text":"mañana"}', 0, START)) for id_ in ids]


def settle(outbox: Outbox, attempt: Attempt) -> str:
    message = outbox.first(ME)
    assert message is not None
    return outbox.settle(ME, URL, message, attempt, START)


def first_id(outbox: Outbox) -> str | None:
    message = outbox.first(ME)
    return message.id if message else None


def line(outbox: Outbox) -> list[str]:
    """Return the ids of what waits, in their order, and take them out."""
    ids = []
    while message := outbox.first(ME):
        ids.append(message.id)
        outbox.settle(ME, URL, message, ARRIVED, START)
    return ids


def test_nothing_waits_at_first(outbox: Outbox) -> None:
    assert (outbox.first(ME), outbox.history(ME), outbox.lines()) == (None, [], set())


def test_messages_wait_in_their_order(outbox: Outbox) -> None:
    ids = [f"msg_{number % 7}{number}" for number in range(12)]
    put(outbox, *ids)

    assert line(outbox) == ids


def test_a_message_waits_as_it_was_put(outbox: Outbox) -> None:
    put(outbox, "msg_1")

    assert outbox.first(ME) == Message("msg_1", '{"text":"mañana"}', 0, START)


def test_each_subscription_has_a_line_of_its_own(outbox: Outbox) -> None:
    put(outbox, "msg_1")
    put(outbox, "msg_1", "msg_2", subscription_id=OTHER)

    assert (outbox.waiting(ME), outbox.waiting(OTHER), outbox.lines()) == (1, 2, {ME, OTHER})


def test_a_message_that_waits_is_not_put_twice(outbox: Outbox) -> None:
    assert put(outbox, "msg_1", "msg_2", "msg_1") == [True, True, False]


def test_a_message_that_arrived_is_not_put_again(outbox: Outbox) -> None:
    put(outbox, "msg_1")
    settle(outbox, ARRIVED)

    assert put(outbox, "msg_1") == [False]


def test_a_message_that_arrived_leaves_the_line(outbox: Outbox) -> None:
    put(outbox, "msg_1", "msg_2")

    assert settle(outbox, ARRIVED) == "delivered"
    assert first_id(outbox) == "msg_2"


def test_a_line_in_which_nothing_waits_is_none(outbox: Outbox) -> None:
    put(outbox, "msg_1")
    put(outbox, "msg_2", subscription_id=OTHER)
    settle(outbox, ARRIVED)

    assert outbox.lines() == {OTHER}


def test_a_message_that_failed_stays_at_the_head_of_the_line(outbox: Outbox) -> None:
    put(outbox, "msg_1", "msg_2")

    assert settle(outbox, FAILED) == "waiting"
    assert first_id(outbox) == "msg_1"


def test_delays_grow_until_a_message_is_parked(outbox: Outbox) -> None:
    put(outbox, "msg_1")
    for least, most in ((5, 6), (300, 330), (1800, 1980), (7200, 7920)):
        assert settle(outbox, FAILED) == "waiting"
        message = outbox.first(ME)
        assert message is not None
        assert not message.is_due(START + least * SECOND - SECOND)
        assert message.is_due(START + most * SECOND)

    assert settle(outbox, FAILED) == "parked"
    assert (outbox.waiting(ME), outbox.parked(ME)) == (0, 1)


@pytest.mark.parametrize(("retry_after_seconds", "waits"), [(0.0, False), (1.0, False), (60.0, True), (21600.0, True)])
def test_a_receiver_that_asks_for_patience_gets_it(outbox: Outbox, retry_after_seconds: float, waits: bool) -> None:
    put(outbox, "msg_1")
    settle(outbox, Attempt(429, retry_after_seconds=retry_after_seconds))

    message = outbox.first(ME)

    assert message is not None
    assert message.is_due(START + 6 * SECOND) != waits
    assert message.is_due(START + 6 * SECOND + retry_after_seconds * SECOND)


def test_a_message_due_in_a_far_future_was_noted_by_a_wrong_clock() -> None:
    assert Message("msg_1", "{}", 1, START + timedelta(days=400)).is_due(START)


def test_what_is_parked_can_be_sent_again_before_what_came_later(outbox: Outbox) -> None:
    put(outbox, "msg_1", "msg_2")
    for _ in range(5):
        settle(outbox, FAILED)
    put(outbox, "msg_3")

    assert outbox.unpark(ME, START) == 1
    assert outbox.first(ME) == Message("msg_1", '{"text":"mañana"}', 0, START)
    assert line(outbox) == ["msg_1", "msg_2", "msg_3"]


def test_a_line_has_an_end(outbox: Outbox) -> None:
    put(outbox, *(f"msg_{number}" for number in range(250)))

    assert (outbox.waiting(ME), outbox.parked(ME), first_id(outbox)) == (100, 100, "msg_150")


def test_a_message_parked_while_it_was_being_sent_is_settled_all_the_same(outbox: Outbox) -> None:
    put(outbox, "msg_0")
    message = outbox.first(ME)
    assert message is not None
    put(outbox, *(f"msg_{number}" for number in range(1, 101)))

    assert outbox.settle(ME, URL, message, FAILED, START) == "waiting"
    assert (outbox.waiting(ME), outbox.parked(ME)) == (100, 1)


def test_the_last_ten_deliveries_are_remembered(outbox: Outbox) -> None:
    put(outbox, *(f"msg_{number}" for number in range(12)))
    line(outbox)

    assert [delivery["ID"] for delivery in outbox.history(ME)] == [f"msg_{number}" for number in range(11, 1, -1)]


def test_a_delivery_is_remembered_once_with_its_last_attempt(outbox: Outbox) -> None:
    put(outbox, "msg_1")
    settle(outbox, Attempt(error="it refuses connections"))
    settle(outbox, FAILED)

    assert [{**delivery, "NextAttempt": ""} for delivery in outbox.history(ME)] == [
        {
            "WebhookURL": URL,
            "Message": {"text": "mañana"},
            "Attempts": 2,
            "StatusCode": 500,
            "Response": "mañana",
            "SentAt": "2026-11-24T12:00:00Z",
            "ID": "msg_1",
            "State": "waiting",
            "NextAttempt": "",
        }
    ]


def test_a_delivery_without_an_answer_says_why(outbox: Outbox) -> None:
    put(outbox, "msg_1")
    settle(outbox, Attempt(error="it refuses connections"))

    assert outbox.history(ME)[0].get("Error") == "it refuses connections"


def test_a_message_whose_sender_died_after_it_arrived_is_not_sent_again(outbox: Outbox) -> None:
    put(outbox, "msg_1", "msg_2")
    message = outbox.first(ME)
    assert message is not None
    outbox.remember(ME, ARRIVED.document(message, URL, "delivered", START))

    assert outbox.drop_if_delivered(ME, message)
    assert first_id(outbox) == "msg_2"


def test_a_message_that_failed_is_sent_again(outbox: Outbox) -> None:
    put(outbox, "msg_1")
    settle(outbox, FAILED)
    message = outbox.first(ME)
    assert message is not None

    assert not outbox.drop_if_delivered(ME, message)


@pytest.mark.parametrize("content", [b"ma\xc3\xb1ana", b"", b"[]", b"{}", b'{"body":"","attempts":0,"due_at":"x"}'])
def test_a_damaged_file_keeps_no_other_message_from_being_sent(outbox: Outbox, tmp_path: Path, content: bytes) -> None:
    put(outbox, "msg_1", "msg_2")
    min((tmp_path / "waiting" / ME).iterdir()).write_bytes(content)

    assert first_id(outbox) == "msg_2"


def test_a_file_that_is_about_to_become_a_message_is_none(outbox: Outbox, tmp_path: Path) -> None:
    put(outbox, "msg_1")
    (tmp_path / "waiting" / ME / ".new-x").touch()

    assert (outbox.waiting(ME), outbox.lines()) == (1, {ME})


def test_everything_of_a_subscription_is_forgotten(outbox: Outbox, tmp_path: Path) -> None:
    put(outbox, "msg_1", "msg_2", "msg_3")
    settle(outbox, ARRIVED)
    for _ in range(5):
        settle(outbox, FAILED)
    outbox.forget(ME)

    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@given(st.lists(st.lists(st.sampled_from([200, 410, 500, 0]), min_size=5, max_size=5), max_size=8))
@settings(max_examples=40, deadline=None)
def test_whatever_a_receiver_answers_each_message_arrives_or_is_parked_in_order(
    tmp_path_factory: pytest.TempPathFactory, answers: list[list[int]]
) -> None:
    outbox = Outbox(tmp_path_factory.mktemp("outbox"))
    put(outbox, *map(str, range(len(answers))))
    ended: list[tuple[str, str]] = []
    while message := outbox.first(ME):
        status = answers[int(message.id)][message.attempts]
        state = outbox.settle(ME, URL, message, Attempt(status), START)
        if state != "waiting":
            ended.append((message.id, state))

    expected = ["delivered" if 200 in statuses else "parked" for statuses in answers]
    assert ended == [(str(number), state) for number, state in enumerate(expected)]


DAMAGE = [b"ma\xc3\xb1ana", b"", b"\x00" * 100, b"\xff", b"[" * 100_000, b"null", b"[[3]]", b'{"body": "{}"}']


@pytest.mark.parametrize("content", DAMAGE, ids=repr)
def test_a_damaged_history_is_set_aside_and_keeps_no_message_from_being_settled(
    outbox: Outbox, tmp_path: Path, content: bytes
) -> None:
    put(outbox, "msg_1", "msg_2")
    settle(outbox, ARRIVED)
    file = tmp_path / "history" / f"{ME}.json"
    file.write_bytes(content)

    assert outbox.history(ME) == []
    assert settle(outbox, ARRIVED) == "delivered"

    assert [delivery["ID"] for delivery in outbox.history(ME)] == ["msg_2"]
    assert [aside.read_bytes() for aside in file.parent.glob("*.damaged-*")] == [content]


@pytest.mark.parametrize("content", DAMAGE, ids=repr)
def test_a_damaged_message_is_set_aside_and_the_next_one_is_sent(
    outbox: Outbox, tmp_path: Path, content: bytes
) -> None:
    put(outbox, "msg_1", "msg_2")
    file = min((tmp_path / "waiting" / ME).iterdir())
    file.write_bytes(content)

    assert line(outbox) == ["msg_2"]

    assert outbox.waiting(ME) == 0
    assert [aside.read_bytes() for aside in file.parent.glob("*.damaged-*")] == [content]
