"""Runs the service for minutes under everything that goes wrong, and reports what it survived.

    python -m tests.endurance --minutes 20

It starts gunicorn with several workers on a folder of its own, two registries in which tags move all the time, readers,
senders of webhooks and commands beside it; then it brings about one fault after the other in an order drawn by lot. It
needs nothing but loopback; as root it also fills a disk and makes one read-only. It exits non-zero if something was
served that was not whole or not true, if an accepted webhook led to no check, if a trouble was not shown or did not
heal.
"""

import argparse
import random
import sys
import tempfile
from pathlib import Path

from tests.endurance.report import table
from tests.endurance.run import Length, endure


def main() -> int:
    arguments = argparse.ArgumentParser(prog="python -m tests.endurance", description=__doc__)
    arguments.add_argument("--minutes", type=float, default=20.0)
    arguments.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    arguments.add_argument("--images", type=int, default=24)
    arguments.add_argument("--only", default="", metavar="TEXT", help="faults of which the kind holds this text")
    given = arguments.parse_args()
    print(f"seed {given.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="microbadger-") as folder:
        length = Length(seconds=given.minutes * 60, image_count=given.images, only=given.only)
        result = endure(Path(folder), length, given.seed)
    print(table(result))
    return 1 if result.violations else 0


if __name__ == "__main__":
    sys.exit(main())
