"""A short run of `python -m tests.endurance`: what it does for minutes, for half a minute."""

from pathlib import Path

from tests.endurance.report import Result, Survived, table
from tests.endurance.run import Length, endure

SHORT = Length(seconds=16.0, image_count=8, interval_seconds=4.0, hold_seconds=0.5, is_short=True)


def test_the_service_survives_what_goes_wrong(tmp_path: Path) -> None:
    result = endure(tmp_path, SHORT, seed=20)

    assert result.violations == []
    assert result.webhooks["accepted"] > 0
    assert min(result.reads["over HTTP"], result.reads["from disk"]) > 100
    assert sum(each.survived for each in result.faults.values()) > 0
    assert all(each.survived == each.times for each in result.faults.values())


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
