"""Runs the service for minutes under everything that goes wrong, and reports what it survived.

    python -m tests.endurance --minutes 20

It starts gunicorn with several workers on a folder of its own, two registries in which tags move all the time, readers,
senders of webhooks and commands beside it; then it brings about one fault after the other in an order drawn by lot. It
needs nothing but loopback; as root it also fills a disk and makes one read-only. It exits non-zero if something was
served that was not whole or not true, if an accepted webhook led to no check, if a trouble was not shown or did not
heal.

    python -m tests.endurance --machines 2 --minutes 20 --bucket moto

runs several services over one PostgreSQL and one bucket instead, and kills, stops and cuts off all of them.
"""

import argparse
import random
import sys
import tempfile
from pathlib import Path

from tests.endurance.machine_run import MachinesLength, endure_on_machines, machines_table
from tests.endurance.report import table
from tests.endurance.run import Length, endure
from tests.object_stores import running_ceph, running_moto
from tests.postgresql import running_postgresql

_BUCKETS = {"moto": running_moto, "ceph": running_ceph}


def main() -> int:
    arguments = argparse.ArgumentParser(prog="python -m tests.endurance", description=__doc__)
    arguments.add_argument("--minutes", type=float, default=20.0)
    arguments.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    arguments.add_argument("--images", type=int, default=24)
    arguments.add_argument("--only", default="", metavar="TEXT", help="faults of which the kind holds this text")
    arguments.add_argument("--machines", type=int, default=1, help="services over one PostgreSQL and one bucket")
    arguments.add_argument("--bucket", choices=_BUCKETS, default="moto", help="the server that has the bucket")
    given = arguments.parse_args()
    print(f"seed {given.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="microbadger-") as folder:
        if given.machines > 1:
            return _on_machines(Path(folder), given)
        length = Length(seconds=given.minutes * 60, image_count=given.images, only=given.only)
        result = endure(Path(folder), length, given.seed)
    print(table(result))
    return 1 if result.violations else 0


def _on_machines(folder: Path, given: argparse.Namespace) -> int:
    length = MachinesLength(
        seconds=given.minutes * 60, machine_count=given.machines, image_count=given.images, only=given.only
    )
    store_folder = folder / "store"
    store_folder.mkdir()
    with running_postgresql() as server, _BUCKETS[given.bucket](store_folder) as store:
        result = endure_on_machines(folder, server, store, length, given.seed)
    print(machines_table(result))
    return 1 if result.violations else 0


if __name__ == "__main__":
    sys.exit(main())
