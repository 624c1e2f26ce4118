"""What is done when time is up, with real threads, real deadlines and a real fork."""

import gc
import os
import random
import select
import signal
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest

from microbadger.http.connection import cut_off_after
from microbadger.http.errors import CutOff
from microbadger.http.watchdog import WATCHDOG, Watch, Watchdog

SOON_SECONDS = 0.01
NEVER_SECONDS = 3600.0
PATIENCE_SECONDS = 20.0

# The threads that later versions of Python warn of are what these tests are about.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


class Done:
    """Notes the names of what was done, and lets a test wait for one of them."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._changed = threading.Condition()

    def note(self, name: str) -> Callable[[], None]:
        def act() -> None:
            with self._changed:
                self.names.append(name)
                self._changed.notify_all()

        return act

    def await_name(self, name: str) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: name in self.names, PATIENCE_SECONDS)


class Owner:
    """Something that can be told to end, and that can be watched by the garbage collector."""

    def end(self) -> None:
        """End nothing."""


@pytest.fixture(scope="module")
def watchdog() -> Watchdog:
    return Watchdog()


@pytest.fixture
def done() -> Done:
    return Done()


def count_watches() -> int:
    return sum(isinstance(found, Watch) for found in gc.get_objects())


def fail_with(error: Exception) -> Callable[[], None]:
    def act() -> None:
        raise error

    return act


@contextmanager
def busy(watchdog: Watchdog) -> Iterator[None]:
    """Keep a watchdog from doing anything else for a while."""
    is_busy, may_end = threading.Event(), threading.Event()

    def act() -> None:
        is_busy.set()
        may_end.wait(PATIENCE_SECONDS)

    watchdog.watch(0, act)
    assert is_busy.wait(PATIENCE_SECONDS)
    try:
        yield
    finally:
        may_end.set()


def take_too_long(error: BaseException | None = None) -> None:
    """Do nothing until it is cut off, and then fail if there is an error to fail with."""
    cut = threading.Event()
    with cut_off_after(SOON_SECONDS, cut.set):
        assert cut.wait(PATIENCE_SECONDS)
        if error:
            raise error


def expect_to_be_cut_off() -> None:
    with pytest.raises(CutOff):
        take_too_long()


def exit_code_of_child(run: Callable[[], None]) -> int:
    """Return 0 if a forked child ran it to its end, 1 if it raised, minus a signal's number if it had to be killed."""
    ended, held = os.pipe()  # its other end closes with the child
    pid = os.fork()
    if pid == 0:
        exit_code = 1
        try:
            run()
            exit_code = 0
        finally:
            os._exit(exit_code)
    os.close(held)
    if not select.select([ended], [], [], PATIENCE_SECONDS)[0]:
        os.kill(pid, signal.SIGKILL)
    os.close(ended)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


# The watchdog


def test_it_acts_when_time_is_up(watchdog: Watchdog, done: Done) -> None:
    watch = watchdog.watch(SOON_SECONDS, done.note("mañana"))
    done.await_name("mañana")
    assert watch.is_over


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_it_acts_at_once_if_there_is_no_time(watchdog: Watchdog, done: Done, seconds: float) -> None:
    watchdog.watch(seconds, done.note("late"))
    done.await_name("late")


def test_it_does_not_do_what_was_called_off(watchdog: Watchdog, done: Done) -> None:
    with busy(watchdog):
        watch = watchdog.watch(0, done.note("called off"))
        watchdog.watch(0, done.note("next"))
        watchdog.call_off(watch)
    done.await_name("next")
    assert (done.names, watch.is_over) == (["next"], False)


def test_it_acts_in_the_order_of_deadlines(watchdog: Watchdog, done: Done) -> None:
    with busy(watchdog):
        for seconds in (-100, -300, -200):
            watchdog.watch(seconds, done.note(str(seconds)))
    done.await_name("-100")
    assert done.names == ["-300", "-200", "-100"]


@pytest.mark.parametrize("longer_seconds", [NEVER_SECONDS, 1e300, float("inf")])
def test_it_wakes_up_for_an_earlier_deadline(watchdog: Watchdog, done: Done, longer_seconds: float) -> None:
    watchdog.watch(0, done.note("asleep"))
    done.await_name("asleep")
    watchdog.watch(longer_seconds, done.note("never"))
    watchdog.watch(SOON_SECONDS, done.note("soon"))
    done.await_name("soon")
    assert done.names == ["asleep", "soon"]


def test_it_keeps_an_appointment_after_an_earlier_one_was_called_off(watchdog: Watchdog, done: Done) -> None:
    watchdog.watch(3 * SOON_SECONDS, done.note("kept"))
    watchdog.call_off(watchdog.watch(SOON_SECONDS, done.note("called off")))
    done.await_name("kept")


def test_it_remembers_what_is_watched_among_many_that_are_called_off(watchdog: Watchdog, done: Done) -> None:
    names = [str(number) for number in range(200)]
    with busy(watchdog):
        for name in names:
            watchdog.watch(0, done.note(name))
            for seconds in (-100, 0, NEVER_SECONDS):
                watchdog.call_off(watchdog.watch(seconds, done.note("called off")))
    done.await_name(names[-1])
    assert done.names == names


@pytest.mark.parametrize(
    "error",
    [OSError("mañana"), ValueError(), RuntimeError(), AttributeError(), AssertionError(), KeyError()],
    ids=repr,
)
def test_it_survives_what_fails(watchdog: Watchdog, done: Done, error: Exception) -> None:
    watchdog.watch(0, fail_with(error))
    watchdog.watch(SOON_SECONDS, done.note("next"))
    done.await_name("next")


@pytest.mark.parametrize(
    ("error", "told"),
    [(AttributeError("mañana"), ["watchdog"]), (OSError(), []), (ValueError(), []), (RuntimeError(), [])],
    ids=repr,
)
def test_it_tells_only_of_errors_that_nobody_expects(
    watchdog: Watchdog, done: Done, caplog: pytest.LogCaptureFixture, error: Exception, told: list[str]
) -> None:
    watchdog.watch(0, fail_with(error))
    watchdog.watch(0, done.note("next"))
    done.await_name("next")
    assert [record.name.rpartition(".")[2] for record in caplog.records] == told


def test_it_can_be_asked_for_more_while_it_acts(watchdog: Watchdog, done: Done) -> None:
    with busy(watchdog):
        watchdog.watch(0, done.note("next"))
        assert done.names == []
    done.await_name("next")


def test_it_can_be_asked_for_more_by_what_it_does(watchdog: Watchdog, done: Done) -> None:
    watchdog.watch(0, lambda: watchdog.watch(0, done.note("more")))
    done.await_name("more")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_it_starts_another_thread_if_its_own_has_ended(watchdog: Watchdog, done: Done) -> None:
    threads: list[threading.Thread] = []

    def leave() -> None:
        threads.append(threading.current_thread())
        done.note("left")()
        raise SystemExit

    watchdog.watch(0, leave)
    done.await_name("left")
    threads[0].join(PATIENCE_SECONDS)
    watchdog.watch(0, done.note("next"))
    done.await_name("next")


def test_it_lets_go_of_what_was_called_off(watchdog: Watchdog) -> None:
    owner = Owner()
    seen = weakref.ref(owner)
    watch = watchdog.watch(NEVER_SECONDS, owner.end)
    watchdog.call_off(watch)
    del owner
    gc.collect()
    assert seen() is None


def test_each_watch_of_many_threads_is_either_over_and_done_or_neither(watchdog: Watchdog, done: Done) -> None:
    watches: dict[str, Watch] = {}

    def use(thread: int) -> None:
        chance = random.Random(thread)
        for number in range(200):
            name = f"{thread}-{number}"
            watches[name] = watchdog.watch(chance.uniform(0, 0.001), done.note(name))
            threading.Event().wait(chance.uniform(0, 0.001))
            watchdog.call_off(watches[name])

    threads = [threading.Thread(target=use, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    watchdog.watch(0, done.note("last"))
    done.await_name("last")
    over = {name for name, watch in watches.items() if watch.is_over}
    assert sorted(done.names) == sorted({*over, "last"})


# Cutting off


def test_it_cuts_off_what_takes_too_long() -> None:
    expect_to_be_cut_off()


def test_it_says_how_what_was_cut_off_failed() -> None:
    with pytest.raises(CutOff) as caught:
        take_too_long(OSError("mañana"))
    assert str(caught.value.__cause__) == "mañana"


def test_it_raises_although_cutting_off_failed() -> None:
    cut = threading.Event()

    def cut_off() -> None:
        cut.set()
        raise OSError("it is not connected")

    with pytest.raises(CutOff), cut_off_after(SOON_SECONDS, cut_off):
        assert cut.wait(PATIENCE_SECONDS)


def test_it_lets_an_error_pass_that_came_in_time() -> None:
    with pytest.raises(OSError, match="mañana"), cut_off_after(NEVER_SECONDS, Owner().end):
        raise OSError("mañana")


def test_it_lets_an_interrupt_pass_even_if_it_came_late() -> None:
    with pytest.raises(KeyboardInterrupt):
        take_too_long(KeyboardInterrupt())


def test_it_cuts_off_only_what_takes_too_long(done: Done) -> None:
    with cut_off_after(NEVER_SECONDS, done.note("outer")):
        with suppress(CutOff), cut_off_after(SOON_SECONDS, done.note("inner")):
            done.await_name("inner")
        with cut_off_after(NEVER_SECONDS, done.note("other")):
            pass
    assert done.names == ["inner"]


def test_ten_thousand_uses_leave_one_thread_and_next_to_nothing_else() -> None:
    threads = threading.active_count()
    for _ in range(10_000):
        with cut_off_after(NEVER_SECONDS, Owner().end):
            pass
    assert threading.active_count() <= threads + 1
    assert count_watches() < 1000


def test_ten_thousand_uses_in_many_threads_leave_one_thread_and_next_to_nothing_else() -> None:
    count = threading.active_count()

    def use() -> None:
        for _ in range(1250):
            with cut_off_after(NEVER_SECONDS, Owner().end):
                pass

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert threading.active_count() <= count + 1
    assert count_watches() < 1000


# Forking


def test_it_cuts_off_in_a_child() -> None:
    expect_to_be_cut_off()
    assert exit_code_of_child(expect_to_be_cut_off) == 0


def test_it_cuts_off_in_a_child_whatever_the_threads_of_its_parent_were_doing() -> None:
    is_enough = threading.Event()

    def use() -> None:
        while not is_enough.is_set():
            with cut_off_after(NEVER_SECONDS, Owner().end):
                pass

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    exit_codes = [exit_code_of_child(expect_to_be_cut_off) for _ in range(10)]
    is_enough.set()
    for thread in threads:
        thread.join()
    assert exit_codes == [0] * 10


def test_a_child_does_not_end_what_its_parent_is_doing(done: Done) -> None:
    def outlast() -> None:
        names = list(done.names)
        cut = threading.Event()
        WATCHDOG.watch(0.2, cut.set)
        assert cut.wait(PATIENCE_SECONDS)
        assert done.names == names

    WATCHDOG.watch(0.1, done.note("parent"))
    assert exit_code_of_child(outlast) == 0
    done.await_name("parent")


def test_a_child_can_leave_what_its_parent_entered() -> None:
    with ExitStack() as stack:
        stack.enter_context(cut_off_after(NEVER_SECONDS, Owner().end))
        exit_code = exit_code_of_child(stack.close)
    assert exit_code == 0
