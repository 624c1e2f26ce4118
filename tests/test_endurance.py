"""Short runs of `python -m tests.endurance`: what it does for minutes, for half a minute."""

from pathlib import Path

from tests.endurance.machine_run import MachinesLength, MachinesResult, endure_on_machines, machines_table
from tests.endurance.report import Result, Survived, table
from tests.endurance.run import Length, endure
from tests.object_stores import ObjectStore
from tests.postgresql import PostgresqlServer

SHORT = Length(seconds=16.0, image_count=8, interval_seconds=4.0, hold_seconds=0.5, is_short=True)


def test_the_service_survives_what_goes_wrong(tmp_path: Path) -> None:
    result = endure(tmp_path, SHORT, seed=20)

    assert result.violations == []
    assert result.webhooks["accepted"] > 0
    assert min(result.reads["over HTTP"], result.reads["from disk"]) > 100
    assert sum(each.survived for each in result.faults.values()) > 0
    assert all(each.survived == each.times for each in result.faults.values())


def test_machines_with_one_database_and_one_bucket_lose_nothing(
    tmp_path: Path, own_postgresql_server: PostgresqlServer, moto_store: ObjectStore
) -> None:
    length = MachinesLength(seconds=16.0, image_count=9, hold_seconds=0.4, only="kill")
    result = endure_on_machines(tmp_path, own_postgresql_server, moto_store, length, seed=20)

    assert result.violations == []
    assert (result.lost, result.stale) == (0, 0)
    assert result.accepted > 0
    assert result.kills + result.stalls + result.cuts > 0


def test_the_table_of_machines_shows_what_was_lost() -> None:
    result = MachinesResult(
        seconds=60.0,
        faults={"mañana": Survived(3, 2, 1.5)},
        kills=4,
        stalls=2,
        cuts=1,
        pushes=9,
        checks=8,
        accepted=7,
        refused=1,
        unanswered=2,
        lost=1,
        stale=3,
        p50_ms=4.0,
        p99_ms=50.0,
        violations=["it broke"],
    )

    lines = machines_table(result).splitlines()

    assert "mañana                                     3        2      1.5 s" in lines
    assert lines[3:] == [
        "kills: 4, stalls: 2, cuts and faults of the bucket: 1",
        "webhooks: 7 accepted, 1 refused, 2 without an answer",
        "accepted webhooks lost: 1",
        "stale badges after the last push: 3",
        "time to 200: p50 4 ms, p99 50 ms",
        "violations: 1",
        "- it broke",
    ]


def test_the_table_shows_what_was_survived() -> None:
    result = Result(
        seconds=60.0,
        faults={"mañana": Survived(3, 2, 1.5)},
        kills=1,
        stops=[1.0, 2.0, 6.0],
        webhooks={"accepted": 5, "lost": 0},
        pushes=7,
        messages=1,
        commands=2,
        reads={"partial": 0},
        growth={"MiB": 1.25},
        leftovers=0,
        violations=["it broke"],
    )

    lines = table(result).splitlines()

    assert "mañana                                 3        2      1.5 s" in lines
    assert "stops: 3, median 2.00 s, slowest 6.00 s" in lines
    assert lines[-1] == "- it broke"
