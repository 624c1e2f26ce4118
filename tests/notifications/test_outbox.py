"""The outbox: messages wait in order until they arrived or were parked, and the last deliveries are kept."""

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from microbadger.notifications import outbox
from microbadger.notifications.outbox import Attempt, DeliveryDocument, Message, State
from microbadger.store.database import Database
from tests.notifications.bench import START, Bench

URL = "https://hooks.test/mañana"
ARRIVED, FAILED = Attempt(204), Attempt(500, "mañana")
SECOND = timedelta(seconds=1)
LATER = START + timedelta(hours=27)  # later than any delay of our own


class Line:
    """The messages of one subscription; each call is a transaction of its own."""

    def __init__(self, database: Database, subscription_id: str) -> None:
        self.database = database
        self.id = subscription_id

    def put(self, *bodies: str) -> None:
        for body in bodies:
            with self.database.write() as connection:
                outbox.put(connection, self.id, f'"{body}"', START)

    def first(self, now: timedelta = LATER - START) -> Message | None:
        with self.database.read() as connection:
            return outbox.first_due(connection, self.id, START + now)

    def settle(self, attempt: Attempt, message: Message | None = None) -> State:
        message = message or self.first()
        assert message is not None
        with self.database.write() as connection:
            return outbox.settle(connection, self.id, URL, message, attempt, START)

    def resend(self) -> int:
        with self.database.write() as connection:
            return outbox.resend(connection, self.id, START)

    def park(self) -> None:
        """Fail to send the first message until it is given up."""
        while self.settle(FAILED) == "waiting":
            pass

    def bodies(self) -> list[str]:
        """Return the bodies of what waits, in their order, and take them out."""
        found = []
        while message := self.first():
            found.append(message.body.strip('"'))
            self.settle(ARRIVED, message)
        return found

    @property
    def lengths(self) -> tuple[int, int]:
        with self.database.read() as connection:
            return outbox.lengths(connection, self.id)

    @property
    def history(self) -> list[DeliveryDocument]:
        with self.database.read() as connection:
            return outbox.history(connection, self.id)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def line(bench: Bench) -> Line:
    return Line(bench.database, bench.subscribe(URL).id)


@pytest.fixture
def other(bench: Bench) -> Line:
    return Line(bench.database, bench.subscribe(URL).id)


def due(bench: Bench) -> list[str]:
    with bench.database.read() as connection:
        return outbox.due(connection, START)


def test_nothing_waits_at_first(bench: Bench, line: Line) -> None:
    assert (line.first(), line.history, line.lengths, due(bench)) == (None, [], (0, 0), [])


def test_messages_wait_in_their_order(line: Line) -> None:
    bodies = [f"{number % 7}{number}" for number in range(12)]
    line.put(*bodies)

    assert line.bodies() == bodies


def test_a_message_waits_as_it_was_put(line: Line) -> None:
    line.put("mañana")

    message = line.first()

    assert message == Message(message.id if message else "", '"mañana"', 0, START)


def test_each_message_has_an_id_of_its_own(line: Line) -> None:
    line.put("same", "same")
    first = line.first()
    line.settle(ARRIVED)
    second = line.first()

    assert first
    assert second
    assert first.id != second.id


def test_each_subscription_has_a_line_of_its_own(bench: Bench, line: Line, other: Line) -> None:
    line.put("1")
    other.put("1", "2")

    assert (line.lengths, other.lengths, {*due(bench)}) == ((1, 0), (2, 0), {line.id, other.id})


def test_the_lengths_of_all_lines_are_added(bench: Bench, line: Line, other: Line) -> None:
    line.put("1")
    other.put("1", "2")
    for _ in range(10):
        other.settle(FAILED)

    assert bench.notifications.lengths() == {"waiting": 2, "parked": 1}


def test_a_message_that_arrived_leaves_the_line(line: Line) -> None:
    line.put("1", "2")

    assert line.settle(ARRIVED) == "delivered"
    assert line.bodies() == ["2"]


def test_a_line_in_which_nothing_waits_is_not_due(bench: Bench, line: Line, other: Line) -> None:
    line.put("1")
    other.put("2")
    line.settle(ARRIVED)

    assert due(bench) == [other.id]


def test_a_line_of_a_disabled_subscription_is_not_due(bench: Bench, line: Line) -> None:
    line.put("1")
    bench.notifications.change(line.id, is_enabled=False)

    assert due(bench) == []


def test_a_line_whose_first_message_is_tried_later_is_not_due(bench: Bench, line: Line) -> None:
    line.put("1", "2")
    line.settle(FAILED)

    assert due(bench) == []


def test_a_message_that_failed_stays_at_the_head_of_the_line(line: Line) -> None:
    line.put("1", "2")

    assert line.settle(FAILED) == "waiting"
    assert line.bodies() == ["1", "2"]


def test_delays_grow_until_a_message_is_parked(line: Line) -> None:
    line.put("1")
    hour = 3600
    for delay in (5, 300, hour // 2, 2 * hour, 5 * hour, 10 * hour, 14 * hour, 20 * hour, 24 * hour):
        assert line.settle(FAILED) == "waiting"
        assert not line.first((delay - 1) * SECOND)
        assert line.first(1.1 * delay * SECOND + SECOND)

    assert line.settle(FAILED) == "parked"
    assert line.lengths == (0, 1)


@pytest.mark.parametrize(("retry_after_seconds", "waits"), [(0.0, False), (1.0, False), (60.0, True), (86400.0, True)])
def test_a_receiver_that_asks_for_patience_gets_it(line: Line, retry_after_seconds: float, waits: bool) -> None:
    line.put("1")
    line.settle(Attempt(429, retry_after_seconds=retry_after_seconds))

    assert (line.first(6 * SECOND) is None) == waits
    assert line.first(6 * SECOND + retry_after_seconds * SECOND)


def test_a_message_due_in_a_far_future_was_written_by_a_wrong_clock(bench: Bench, line: Line) -> None:
    with bench.database.write() as connection:
        outbox.put(connection, line.id, "{}", START + timedelta(days=400))

    assert line.first(timedelta(0))
    assert due(bench) == [line.id]


def test_what_is_parked_can_be_sent_again_before_what_came_later(line: Line) -> None:
    line.put("1", "2")
    line.park()
    line.put("3")

    assert line.resend() == 3
    message = line.first(timedelta(0))
    assert message
    assert (message.body, message.attempts) == ('"1"', 0)
    assert line.bodies() == ["1", "2", "3"]


def test_what_waits_for_its_next_attempt_can_be_sent_at_once(line: Line) -> None:
    line.put("1", "2")
    for _ in range(4):
        line.settle(FAILED)
    assert not line.first(timedelta(0))

    assert line.resend() == 2

    message = line.first(timedelta(0))
    assert message
    assert (message.body, message.attempts) == ('"1"', 4)


def test_a_message_keeps_its_headers(line: Line) -> None:
    headers = {"Title": "example/web has changed"}
    with line.database.write() as connection:
        outbox.put(connection, line.id, "mañana", START, headers)

    message = line.first()

    assert message
    assert message.headers == headers
    line.settle(ARRIVED)
    assert line.history[0]["Message"] == "mañana"


def test_a_line_has_an_end(line: Line) -> None:
    line.put(*(f"{number}" for number in range(250)))

    message = line.first()

    assert message
    assert (line.lengths, message.body) == ((100, 100), '"150"')


def test_of_what_is_parked_the_oldest_makes_room(line: Line) -> None:
    line.put(*(f"{number}" for number in range(200)))
    line.park()

    assert line.lengths == (99, 100)
    line.resend()
    assert line.bodies()[0] == "1"


@pytest.mark.parametrize(
    ("attempt", "state", "lengths"), [(FAILED, "parked", (100, 1)), (ARRIVED, "delivered", (100, 0))]
)
def test_a_message_parked_while_it_was_being_sent_is_settled_all_the_same(
    line: Line, attempt: Attempt, state: State, lengths: tuple[int, int]
) -> None:
    line.put("0")
    message = line.first()
    line.put(*(f"{number}" for number in range(1, 101)))

    assert line.settle(attempt, message) == state
    assert (line.lengths, line.history[0]["State"]) == (lengths, state)


def test_the_last_ten_deliveries_are_kept(line: Line) -> None:
    line.put(*(f"{number}" for number in range(12)))
    line.bodies()

    assert [delivery["Message"] for delivery in line.history] == [f"{number}" for number in range(11, 1, -1)]


def test_a_delivery_is_kept_once_with_its_last_attempt(line: Line) -> None:
    line.put("mañana")
    message = line.first()
    line.settle(Attempt(error="it refuses connections"))
    line.settle(FAILED)

    assert message
    assert [{**delivery, "NextAttempt": ""} for delivery in line.history] == [
        {
            "WebhookURL": URL,
            "Message": "mañana",
            "Attempts": 2,
            "StatusCode": 500,
            "Response": "mañana",
            "SentAt": "2026-11-24T12:00:00Z",
            "ID": message.id,
            "State": "waiting",
            "NextAttempt": "",
        }
    ]


def test_a_delivery_without_an_answer_says_why(line: Line) -> None:
    line.put("1")
    line.settle(Attempt(error="it refuses connections"))

    assert line.history[0].get("Error") == "it refuses connections"


def test_everything_of_a_subscription_is_forgotten(line: Line, other: Line) -> None:
    for each in (line, other):
        each.put("1", "2", "3")
        each.settle(ARRIVED)
        each.park()
    with line.database.write() as connection:
        outbox.forget(connection, line.id)

    assert (line.lengths, line.history) == ((0, 0), [])
    assert (other.lengths, len(other.history)) == ((1, 1), 2)


@given(st.lists(st.lists(st.sampled_from([200, 410, 500, 0]), min_size=10, max_size=10), max_size=8))
@settings(max_examples=40)
def test_whatever_a_receiver_answers_each_message_arrives_or_is_parked_in_order(
    tmp_path_factory: pytest.TempPathFactory, answers: list[list[int]]
) -> None:
    bench = Bench(tmp_path_factory.mktemp("outbox"))
    line = Line(bench.database, bench.subscribe().id)
    line.put(*map(str, range(len(answers))))
    ended: list[tuple[str, str]] = []
    while message := line.first():
        number = message.body.strip('"')
        state = line.settle(Attempt(answers[int(number)][message.attempts]), message)
        if state != "waiting":
            ended.append((number, state))
    bench.database.close()

    expected = ["delivered" if 200 in statuses else "parked" for statuses in answers]
    assert ended == [(str(number), state) for number, state in enumerate(expected)]
