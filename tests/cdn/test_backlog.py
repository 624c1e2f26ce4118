"""What a CDN still has to purge, over time: nothing twice, nothing for ever, and never too much."""

import pytest

from microbadger.cdn.purge import Backlog, Failure, Sent, Timing
from microbadger.cdn.target import EVERYTHING

START = 1000.0
FAILED = Sent(failures=[Failure("the CDN answered with status 500")])


def backlog(*, can_purge_everything: bool = False) -> Backlog:
    return Backlog(Timing(), can_purge_everything=can_purge_everything)


def numbered(count: int, start: int = 0) -> list[str]:
    return [f"/mañana/{number}" for number in range(start, start + count)]


def failing(*wanted: str) -> Backlog:
    """Return a backlog of a CDN that failed a moment ago."""
    failed = backlog()
    failed.add(wanted or ["/a"], START)
    failed.take()
    failed.settle(FAILED, START)
    return failed


def test_nothing_waits_at_first() -> None:
    assert backlog().seconds_to_wait(START) is None


def test_what_is_added_is_sent_at_once() -> None:
    waiting = backlog()
    waiting.add(["/mañana"], START)
    assert (waiting.seconds_to_wait(START), waiting.take()) == (0, ["/mañana"])


def test_the_newest_is_sent_first() -> None:
    waiting = backlog()
    waiting.add(["/a", "/b"], START)
    waiting.add(["/c", "/a"], START + 1)
    assert waiting.take() == ["/a", "/c", "/b"]


def test_what_is_purged_does_not_wait() -> None:
    waiting = backlog()
    waiting.add(["/a", "/b"], START)
    waiting.take()
    waiting.settle(Sent({"/a", "/b"}), START)
    assert (waiting.count, waiting.seconds_to_wait(START)) == (0, None)


def test_what_there_was_no_time_for_is_sent_next() -> None:
    waiting = backlog()
    waiting.add(["/a", "/b", "/c"], START)
    waiting.take()
    waiting.settle(Sent({"/c", "/b"}), START)
    assert (waiting.seconds_to_wait(START), waiting.take()) == (0, ["/a"])


def test_what_changes_while_it_is_sent_is_sent_again() -> None:
    waiting = backlog()
    waiting.add(["/a"], START)
    waiting.take()
    waiting.add(["/a"], START)
    assert waiting.count == 1
    waiting.settle(Sent({"/a"}), START)
    assert waiting.take() == ["/a"]


def test_a_cdn_that_is_down_is_asked_ever_more_rarely() -> None:
    down, now, pauses = backlog(), START, []
    for _ in range(6):
        down.add(["/a"], now)
        down.take()
        down.settle(FAILED, now)
        pauses.append(down.seconds_to_wait(now))
        now += pauses[-1] or 0
    assert pauses == [5, 10, 20, 40, 60, 60]


def test_an_address_that_always_fails_does_not_slow_down_the_others() -> None:
    partly, now = failing("/bad"), START
    for number in range(20):
        now += 5
        partly.add([f"/{number}", "/bad"], now)
        partly.take()
        partly.settle(Sent({f"/{number}"}, FAILED.failures), now)
        assert partly.seconds_to_wait(now) == 5


def test_a_success_ends_the_pause_and_the_error() -> None:
    mended = failing("/a")
    mended.take()
    mended.settle(Sent({"/a"}), START + 5)
    mended.add(["/b"], START + 5)
    assert (mended.error, mended.seconds_to_wait(START + 5)) == (None, 0)
    mended.take()
    mended.settle(FAILED, START + 5)
    assert mended.seconds_to_wait(START + 5) == 5


def test_a_cdn_that_asks_to_wait_is_left_alone_for_as_long() -> None:
    patient = backlog()
    patient.add(["/a"], START)
    patient.take()
    patient.settle(Sent(failures=[Failure("no", 0), Failure("no", 200)]), START)
    patient.add(["/b"], START + 199)
    assert patient.seconds_to_wait(START + 199) == 1
    assert patient.seconds_to_wait(START + 200) == 0


def test_what_waited_for_five_minutes_is_dropped_and_that_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    failed = failing("/a", "/b")
    failed.add(["/c"], START + 299)
    failed.seconds_to_wait(START + 299)
    assert failed.count == 3
    failed.seconds_to_wait(START + 300)
    assert (failed.count, failed.error) == (1, "the CDN answered with status 500")
    assert caplog.messages == ['event=purge_dropped urls=2 reason="they waited for too long"']


def test_what_changed_again_waits_for_another_five_minutes() -> None:
    failed = failing("/a")
    failed.add(["/a"], START + 200)
    failed.seconds_to_wait(START + 300)
    assert failed.count == 1


def test_a_pause_ends_no_later_than_what_waits_is_fresh() -> None:
    patient = backlog()
    patient.add(["/a"], START)
    patient.take()
    patient.settle(Sent(failures=[Failure("no", 6 * 3600)]), START)
    assert patient.seconds_to_wait(START) == 300


def test_of_too_much_the_oldest_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    waiting = backlog()
    for number in range(11):
        waiting.add(numbered(1000, number * 1000), START + number)
    assert set(waiting.take()) == set(numbered(9000, 2000))
    assert caplog.messages == ['event=purge_dropped urls=2000 reason="too many are waiting"']


def test_of_too_much_for_a_cdn_that_can_purge_everything_one_request_is_left(caplog: pytest.LogCaptureFixture) -> None:
    waiting = backlog(can_purge_everything=True)
    waiting.add(numbered(10_001), START)
    waiting.add(["/later"], START)
    assert waiting.take() == ["/later", EVERYTHING]
    assert caplog.messages == ['event=purge_dropped urls=10001 reason="everything is purged instead"']


def test_ten_thousand_are_not_too_many() -> None:
    waiting = backlog()
    waiting.add(numbered(10_000), START)
    assert waiting.count == 10_000
