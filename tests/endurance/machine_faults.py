"""What goes wrong with several machines, one database, one bucket and the network between them."""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress

from tests.endurance.machines import Cluster, Machine

_REPLACED_SECONDS = 30.0
_BUSY = b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_REFUSED = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_SLOW_SECONDS = 0.5
_TIMES = 4

Begin = Callable[[Cluster, random.Random], AbstractContextManager[None]]


@contextmanager
def _workers_killed(cluster: Cluster, dice: random.Random) -> Iterator[None]:
    """Kill a worker of each machine again and again, each as soon as the last one is replaced."""
    for _ in range(_TIMES):
        for machine in dice.sample(cluster.machines, len(cluster.machines)):
            _kill_worker(cluster, machine, dice)
    yield


def _kill_worker(cluster: Cluster, machine: Machine, dice: random.Random) -> None:
    before = machine.service.workers
    killed = dice.choice(before)
    os.kill(killed, signal.SIGKILL)
    cluster.kills += 1

    def is_replaced() -> bool:
        now = machine.service.workers
        return len(now) >= len(before) and killed not in now

    machine.service.wait(is_replaced, "a new worker", _REPLACED_SECONDS)


@contextmanager
def _machine_killed(cluster: Cluster, dice: random.Random) -> Iterator[None]:
    service = dice.choice(cluster.services)
    service.kill()
    cluster.kills += 1
    yield
    service.start()


@contextmanager
def _all_killed(cluster: Cluster, dice: random.Random) -> Iterator[None]:
    for service in cluster.services:
        service.kill()
        cluster.kills += 1
    for service in dice.sample(cluster.services, len(cluster.services)):
        service.start()
    yield


@contextmanager
def _database_killed(cluster: Cluster, dice: random.Random) -> Iterator[None]:
    cluster.server.kill()
    cluster.kills += 1
    yield
    cluster.server.start()


@contextmanager
def _database_stalled(cluster: Cluster, dice: random.Random) -> Iterator[None]:
    with cluster.server.stalled():
        cluster.stalls += 1
        yield


@contextmanager
def _workers_stalled(cluster: Cluster, dice: random.Random) -> Iterator[None]:
    """Stop workers of each machine for longer than their leases last, one after the other."""
    for machine in dice.sample(cluster.machines * 2, len(cluster.machines) * 2):
        with _stopped(cluster, [dice.choice(machine.service.workers)]):
            time.sleep(dice.uniform(0.2, 0.8))
    yield


@contextmanager
def _machine_stalled(cluster: Cluster, dice: random.Random) -> Iterator[None]:
    machine = dice.choice(cluster.machines)
    with _stopped(cluster, machine.service.workers):
        yield


@contextmanager
def _stopped(cluster: Cluster, pids: list[int]) -> Iterator[None]:
    """Stop processes where they are, and let all that they hold expire meanwhile."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    cluster.stalls += 1
    try:
        cluster.expire(pids)
        yield
        cluster.expire(pids)
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


@contextmanager
def _database_cut_off(cluster: Cluster, dice: random.Random) -> Iterator[None]:
    wire = dice.choice(cluster.machines).to_database
    wire.cut()
    cluster.cuts += 1
    yield
    wire.mend()


@contextmanager
def _database_connections_reset(cluster: Cluster, dice: random.Random) -> Iterator[None]:
    for machine in cluster.machines:
        machine.to_database.reset()
        cluster.cuts += 1
    yield
    for machine in cluster.machines:
        machine.to_database.reset()
        cluster.cuts += 1


@contextmanager
def _bucket_cut_off(cluster: Cluster, dice: random.Random) -> Iterator[None]:
    cluster.to_bucket.cut()
    cluster.cuts += 1
    yield
    cluster.to_bucket.mend()


def _bucket_answering(answer: bytes) -> Begin:
    @contextmanager
    def begin(cluster: Cluster, dice: random.Random) -> Iterator[None]:
        cluster.to_bucket.refuse(answer)
        cluster.cuts += 1
        yield
        cluster.to_bucket.mend()

    return begin


@contextmanager
def _bucket_slow(cluster: Cluster, dice: random.Random) -> Iterator[None]:
    cluster.to_bucket.delay_seconds = _SLOW_SECONDS
    cluster.cuts += 1
    yield
    cluster.to_bucket.mend()


FAULTS: Mapping[str, Begin] = {
    "workers killed": _workers_killed,
    "machine killed": _machine_killed,
    "all machines killed": _all_killed,
    "PostgreSQL killed": _database_killed,
    "PostgreSQL stands still": _database_stalled,
    "workers stopped beyond their leases": _workers_stalled,
    "machine stopped beyond its leases": _machine_stalled,
    "database cut off": _database_cut_off,
    "database connections reset": _database_connections_reset,
    "bucket cut off": _bucket_cut_off,
    "bucket answers 503": _bucket_answering(_BUSY),
    "bucket answers 403": _bucket_answering(_REFUSED),
    "bucket slow": _bucket_slow,
}
