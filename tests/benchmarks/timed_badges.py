"""Draws the pairs of texts of a file with one library and prints the microseconds a badge took, round by round.

It runs with the Python of the library's own virtual environment, so it imports nothing but that library.
"""

import json
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType

SECONDS = 10
ROUNDS = 21


def microbadger() -> Callable[[str, str], bytes]:
    sys.path.insert(0, str(Path(__file__).parent.parent.parent))
    ours = import_module("microbadger.badges.svg")
    return lambda label, message: ours.draw(ours.Badge(label, message))


def pybadges() -> Callable[[str, str], bytes]:
    sys.modules.setdefault("imghdr", ModuleType("imghdr"))  # gone from newer Pythons, used for logos only
    theirs = import_module("pybadges")
    return lambda label, message: theirs.badge(left_text=label, right_text=message).encode()


def anybadge() -> Callable[[str, str], bytes]:
    theirs = import_module("anybadge")
    return lambda label, message: theirs.Badge(label, message).badge_svg_text.encode()


def main() -> None:
    draw = {"microbadger": microbadger, "pybadges": pybadges, "anybadge": anybadge}[sys.argv[1]]()
    pairs = json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    rounds: list[float] = []
    end = time.perf_counter() + SECONDS
    while len(rounds) < ROUNDS and (len(rounds) < 3 or time.perf_counter() < end):
        start = time.perf_counter()
        for label, message in pairs:
            draw(label, message)
        rounds.append((time.perf_counter() - start) / len(pairs) * 1e6)
    print(json.dumps(rounds))


if __name__ == "__main__":
    main()
