"""Leases that a thread keeps while their holders work, in processes that run and in one that stands still."""

import os
import signal
import threading

import pytest
from sqlalchemy import select

from microbadger.store.leases import Lease, LeaseLost, Leases
from microbadger.store.tables import LEASES
from tests.clocks import Clock
from tests.store.world import Place, Process, database_at, get, put, wait_until

NAME = "check docker.io/library/mañana"
SECONDS = 3.0
HELD: list[Lease] = []


@pytest.fixture
def leases(place: Place, clock: Clock) -> Leases:
    return Leases(database_at(place), seconds=30.0, clock=clock)


def taken(leases: Leases) -> Lease:
    lease = leases.try_take(NAME)
    assert lease
    return lease


def expires_at(leases: Leases) -> float:
    with leases.database.read() as connection:
        at: float = connection.execute(select(LEASES.c.expires_at).where(LEASES.c.name == NAME)).scalar_one()
        return at


def take_and_keep(place: Place) -> bool:
    """Take the lease in another process, which keeps it."""
    lease = Leases(database_at(place), seconds=SECONDS, have_heartbeat=True).try_take(NAME)
    HELD.extend([lease] if lease else [])
    return lease is not None


def write_as_holder(place: Place) -> bool:
    """Write a value with the lease taken before; return whether it was lost."""
    try:
        with database_at(place).write() as connection:
            HELD[0].prove(connection)
            connection.exec_driver_sql("UPDATE meta SET value = 'late' WHERE key = 'key'")
    except LeaseLost:
        return True
    return False


def test_a_lease_is_kept_while_it_is_in_use_and_no_longer(place: Place) -> None:
    leases = Leases(database_at(place), seconds=SECONDS, have_heartbeat=True)
    lease, other = taken(leases), Leases(database_at(place), seconds=SECONDS)
    first = expires_at(leases)
    wait_until(lambda: expires_at(leases) > first + SECONDS)
    assert other.try_take(NAME) is None
    leases.give_back(lease)
    assert other.try_take(NAME) is not None
    wait_until(lambda: "heartbeat" not in {thread.name for thread in threading.enumerate()})


def test_the_lease_of_a_process_that_stands_still_is_soon_anothers_and_nothing_is_written_late(place: Place) -> None:
    put(place, "key", "value")
    stopped, other = Process(), Leases(database_at(place), seconds=SECONDS)
    assert stopped.run(take_and_keep, place)
    first = expires_at(other)
    wait_until(lambda: expires_at(other) > first + SECONDS)  # without a heartbeat, it would have expired
    assert other.try_take(NAME) is None
    pid = stopped.run(os.getpid)
    os.kill(pid, signal.SIGSTOP)
    try:
        wait_until(lambda: other.try_take(NAME) is not None)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert stopped.run(write_as_holder, place)
    assert get(place, "key") == "value"
    stopped.end()


@pytest.mark.parametrize(("passed_seconds", "is_extended"), [(9, False), (10, True), (29, True), (-1, True)])
def test_a_lease_is_extended_when_a_third_of_its_time_has_passed(
    leases: Leases, clock: Clock, passed_seconds: float, is_extended: bool
) -> None:
    lease = taken(leases)
    before = expires_at(leases)
    clock.now += passed_seconds
    lease.keep()
    assert expires_at(leases) == before + (passed_seconds if is_extended else 0)


@pytest.mark.parametrize(("silent_seconds", "is_kept"), [(299, True), (301, False)])
def test_a_lease_that_its_holder_does_not_use_is_not_kept_for_ever(
    leases: Leases, clock: Clock, silent_seconds: float, is_kept: bool
) -> None:
    lease = taken(leases)
    clock.now += 200
    lease.renew()
    clock.now += silent_seconds
    lease.keep()
    assert (leases.try_take(NAME) is None) == is_kept


def test_a_holder_whose_lease_could_not_be_kept_is_told_at_its_next_step(leases: Leases, clock: Clock) -> None:
    lease = taken(leases)
    clock.now += 31
    taken(leases)
    lease.keep()
    with pytest.raises(LeaseLost):
        lease.renew()
