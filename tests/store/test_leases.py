"""Leases, with real threads and real processes that are killed and stopped."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, select

from microbadger.store.database import Database
from microbadger.store.leases import Lease, LeaseLost, Leases, is_alive, this_process
from microbadger.store.tables import LEASES, META
from microbadger.store.upserts import upsert
from tests.clocks import Clock
from tests.postgresql import PostgresqlServer
from tests.store.test_forks import end_of, fork
from tests.store.world import Place, Process, database_at, get, wait_until

SECONDS = 100.0
TURNS = 20
NAME = "check docker.io/library/mañana"


@pytest.fixture
def leases(place: Place, clock: Clock) -> Leases:
    return Leases(database_at(place), seconds=SECONDS, clock=clock)


def take(place: Place, now: float) -> bool:
    """Take the lease at a time; return whether that succeeded."""
    return Leases(database_at(place), seconds=SECONDS, clock=lambda: now).try_take(NAME) is not None


def prove(leases: Leases, lease: Lease, value: str) -> None:
    """Write a value as the holder of a lease."""
    with leases.database.write() as connection:
        upsert(connection, META, {"key": "key", "value": value}, update=("value",))
        lease.prove(connection)


def taken(leases: Leases) -> Lease:
    lease = leases.try_take(NAME)
    assert lease
    return lease


def row_of(leases: Leases) -> tuple[int, str, float]:
    with leases.database.read() as connection:
        row = connection.execute(select(LEASES).where(LEASES.c.name == NAME)).one()
        return row.fence, row.holder, row.expires_at


def count_up(file: Path, threads: int) -> None:
    """Add to the number in a file, which only the holder of a lease may do."""
    leases, counter = Leases(database_at(file)), file.with_name("counter")

    def count(_: int) -> None:
        for _ in range(TURNS):
            with leases.hold(NAME):
                counter.write_text(str(int(counter.read_text()) + 1))

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(count, range(threads)))


def test_one_thread_of_one_process_holds_a_lease_at_a_time(file: Path, other: Process) -> None:
    file.parent.mkdir()
    file.with_name("counter").write_text("0")
    counting = other.start(count_up, file, 3)
    count_up(file, 3)
    counting.result()
    assert file.with_name("counter").read_text() == str(6 * TURNS)


def test_a_lease_is_taken_once(place: Place, leases: Leases, clock: Clock, other: Process) -> None:
    taken(leases)
    assert leases.try_take(NAME) is None
    assert not other.run(take, place, clock.now)
    assert leases.try_take("another") is not None


def test_a_lease_that_was_given_back_can_be_taken_at_once(leases: Leases) -> None:
    leases.give_back(taken(leases))
    assert leases.try_take(NAME) is not None


def test_a_lease_that_could_not_be_given_back_can_be_taken_by_its_process_alone(
    place: Place, leases: Leases, clock: Clock, other: Process
) -> None:
    taken(leases).let_go()
    assert not other.run(take, place, clock.now)
    assert leases.try_take(NAME) is not None


def test_a_lease_is_given_back_when_its_block_fails(leases: Leases) -> None:
    with pytest.raises(ZeroDivisionError), leases.hold(NAME):
        raise ZeroDivisionError
    assert leases.try_take(NAME) is not None


def test_a_transaction_that_fails_takes_no_lease(leases: Leases) -> None:
    def take_and_fail() -> None:
        with leases.database.write() as connection:
            assert leases.take(connection, NAME)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        take_and_fail()
    assert leases.try_take(NAME) is not None


def test_the_fence_grows_each_time(leases: Leases, clock: Clock) -> None:
    fences = []
    for _ in range(3):
        lease = taken(leases)
        fences.append(lease.fence)
        leases.give_back(lease)
    clock.now += SECONDS
    fences.append(taken(leases).fence)
    assert fences == sorted(set(fences))


def test_a_lease_that_another_process_takes_between_a_look_and_a_write_is_its_own(leases: Leases, clock: Clock) -> None:
    taken(leases)
    clock.now += SECONDS + 1

    def take_before(_connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("INSERT INTO leases"):
            cursor.execute("UPDATE leases SET fence = fence + 1, holder = 'another'")

    with leases.database.write() as connection:
        event.listen(connection, "before_cursor_execute", take_before)
        assert leases.take(connection, NAME) is None
        assert connection.execute(select(LEASES.c.holder)).scalar_one() == "another"


def test_a_fence_of_a_lost_database_is_smaller(place: Place, leases: Leases, clock: Clock) -> None:
    old = taken(leases)
    with leases.database.write() as connection:
        connection.execute(LEASES.delete())
    clock.now += 1
    assert taken(leases).fence > old.fence


@pytest.mark.parametrize(("passed_seconds", "is_free"), [(SECONDS - 1, False), (SECONDS, True), (10 * SECONDS, True)])
def test_an_expired_lease_can_be_taken(leases: Leases, clock: Clock, passed_seconds: float, is_free: bool) -> None:
    taken(leases)
    clock.now += passed_seconds
    assert (leases.try_take(NAME) is not None) == is_free


@pytest.mark.parametrize(("seconds", "is_free"), [(1, False), (SECONDS, False), (SECONDS + 1, True), (1e9, True)])
def test_a_lease_from_before_the_clock_was_set_back_can_be_taken(
    leases: Leases, clock: Clock, seconds: float, is_free: bool
) -> None:
    """Clocks of machines that differ by less than a lease lasts take no lease away."""
    taken(leases)
    clock.now -= seconds
    assert (leases.try_take(NAME) is not None) == is_free


def test_a_holder_proves_its_lease_and_extends_it(leases: Leases, clock: Clock) -> None:
    lease = taken(leases)
    clock.now += SECONDS - 1
    prove(leases, lease, "value")
    clock.now += SECONDS - 1
    assert leases.try_take(NAME) is None


def test_a_holder_of_an_expired_lease_that_nobody_took_has_it_still(place: Place, leases: Leases, clock: Clock) -> None:
    lease = taken(leases)
    clock.now += 2 * SECONDS
    prove(leases, lease, "value")
    assert get(place, "key") == "value"


def test_who_has_lost_a_lease_writes_nothing(place: Place, leases: Leases, clock: Clock) -> None:
    old = taken(leases)
    clock.now += SECONDS
    new = taken(leases)
    prove(leases, new, "new")

    with pytest.raises(LeaseLost, match=f"another thread or process has taken the lease {NAME}"):
        prove(leases, old, "old")

    assert get(place, "key") == "new"


def test_a_lease_that_was_given_back_is_lost(leases: Leases) -> None:
    lease = taken(leases)
    leases.give_back(lease)
    with pytest.raises(LeaseLost):
        prove(leases, lease, "value")


def test_a_lost_lease_that_is_given_back_stays_with_its_new_holder(leases: Leases, clock: Clock) -> None:
    old = taken(leases)
    clock.now += SECONDS
    taken(leases)
    leases.give_back(old)
    assert leases.try_take(NAME) is None


@pytest.mark.parametrize(("passed_seconds", "is_extended"), [(0, False), (49, False), (51, True), (-1, True)])
def test_a_lease_is_extended_when_half_of_its_time_has_passed(
    leases: Leases, clock: Clock, passed_seconds: float, is_extended: bool
) -> None:
    lease = taken(leases)
    before = row_of(leases)[2]
    clock.now += passed_seconds
    lease.renew()
    assert row_of(leases)[2] == (clock.now + SECONDS if is_extended else before)


def test_a_lost_lease_cannot_be_extended(leases: Leases, clock: Clock) -> None:
    old = taken(leases)
    clock.now += SECONDS
    taken(leases)
    with pytest.raises(LeaseLost):
        old.renew()


def test_the_lease_of_a_killed_process_is_taken_at_once(place: Place, leases: Leases, clock: Clock) -> None:
    killed = Process()
    assert killed.run(take, place, clock.now)
    assert leases.try_take(NAME) is None

    killed.kill()

    assert leases.try_take(NAME) is not None


def test_the_lease_of_a_stopped_process_is_its_own_until_it_expires(
    place: Place, leases: Leases, clock: Clock
) -> None:
    stopped = Process()
    assert stopped.run(take, place, clock.now)
    pid = stopped.run(os.getpid)
    os.kill(pid, signal.SIGSTOP)
    try:
        wait_until(lambda: state_of(pid) == "T")
        assert leases.try_take(NAME) is None
        clock.now += SECONDS
        assert leases.try_take(NAME) is not None
    finally:
        os.kill(pid, signal.SIGCONT)
        stopped.end()


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_a_dead_process_that_nobody_has_waited_for_holds_no_lease(
    place: Place, leases: Leases, clock: Clock, other: Process
) -> None:
    assert other.run(take_from_a_zombie, place, clock.now)


def take_from_a_zombie(place: Place, now: float) -> bool:
    """Let a child take the lease and end; return whether it can be taken before the end of the child was noticed."""
    child = fork(lambda: taken(Leases(database_at(place), seconds=SECONDS, clock=lambda: now)))
    wait_until(lambda: state_of(child) == "Z")
    is_taken = take(place, now)
    assert end_of(child) == 0
    return is_taken


def lose_by_forking(place: Place, now: float) -> tuple[int, int, bool]:
    """Fork as a holder; return whether the child can prove or take the lease, and whether the parent has it still."""
    leases = Leases(database_at(place), seconds=SECONDS, clock=lambda: now)
    lease = taken(leases)

    ends = end_of(fork(lambda: prove(leases, lease, "child"))), end_of(fork(lambda: taken(leases)))
    prove(leases, lease, "parent")
    return *ends, get(place, "key") == "parent"


def test_a_child_does_not_hold_the_lease_of_its_parent(place: Place, clock: Clock, other: Process) -> None:
    assert other.run(lose_by_forking, place, clock.now) == (1, 1, True)


@pytest.mark.parametrize("wrong_by", [-1e6, 1e6])
def test_a_worker_whose_clock_is_wrong_neither_takes_nor_loses_a_lease(
    postgresql_server: PostgresqlServer, wrong_by: float
) -> None:
    database = Database(postgresql_server.new_schema())
    right, wrong = Leases(database), Leases(database)
    wrong.clock = lambda: time.time() + wrong_by
    lease, other = wrong.try_take(NAME), right.try_take("another")
    assert lease
    assert other
    lease.renew()

    assert right.try_take(NAME) is None
    assert wrong.try_take("another") is None
    assert abs(row_of(right)[2] - time.time() - right.seconds) < 60
    prove(wrong, lease, "value")
    database.close()


def test_a_later_process_with_the_same_number_is_another_holder() -> None:
    machine, _, process = this_process().partition(" ")
    pid, _, started = process.partition("/")
    assert is_alive(f"{machine} {pid}/{started}")
    assert not is_alive(f"{machine} {pid}/{int(started) - 1}")


def test_a_process_of_another_machine_is_believed_to_be_alive() -> None:
    machine, _, process = this_process().partition(" ")
    assert is_alive(f"another-{machine} {process}")
    assert is_alive(f"another-{machine} 1/1")
