"""One machine whose clock is an hour off: what it keeps, others find as they would have kept it."""

import time
from collections.abc import Callable
from datetime import datetime

import pytest

from microbadger.freshness.checks import Checks
from microbadger.freshness.claims import Claims
from microbadger.freshness.last_check import Check
from microbadger.freshness.requests import Requests
from microbadger.image.reference import Reference, Repository
from microbadger.store.clock import DatabaseClock
from microbadger.store.database import Database
from tests.freshness.clock import DAY
from tests.postgresql import PostgresqlServer

WEB = Repository.parse("one.test/team/web")
HOUR = 3600.0


class Machine:
    """A process of a machine with a clock of its own."""

    def __init__(self, url: str, hours_ahead: float) -> None:
        self.database = Database(url)
        clock = DatabaseClock(self.database, own=lambda: time.time() + hours_ahead * HOUR)
        self.now: Callable[[], datetime] = clock.now
        self.checks = Checks(self.database, interval=DAY, edition="this", now=clock.now)
        self.requests = Requests(self.database, now=clock.now)
        self.claims = Claims(self.database, clock=clock.timestamp)

    def end_a_check(self) -> None:
        with self.database.write() as connection:
            self.checks.write(connection, WEB, self.checks.succeeded(Check(began_at=self.now()), []))

    def take(self) -> list[Repository]:
        return self.claims.take_due(WEB.registry, 1, self.now().timestamp())


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_machine_whose_clock_is_an_hour_off_misleads_no_other(
    postgresql_server: PostgresqlServer, hours: float
) -> None:
    url = postgresql_server.new_schema()
    wrong, right = Machine(url, hours), Machine(url, 0)
    asked_at = right.now()
    right.checks.add([WEB])
    assert (wrong.take(), right.take()) == ([WEB], [])
    wrong.end_a_check()
    wrong.claims.end_all()
    assert (right.take(), right.checks.registries_due()) == ([], [])
    check = right.checks.get(WEB)
    assert (right.checks.is_due(check), check.answers(asked_at), check.state(right.now())) == (False, True, "current")
    wrong.requests.add_paced(Reference(WEB, None, None))
    assert right.requests.repositories() == [WEB]
    wrong.database.close()
    right.database.close()
