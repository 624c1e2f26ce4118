"""How long it takes to draw a badge here and with other libraries, each with the same 10,000 different texts.

Run with ``python -m tests.benchmarks.badges``; it needs Node, installs the others into temporary and ignored
folders, and prints a table. Each library runs in a process of its own, one after the other. No two texts of the
10,000 pairs are equal, so no library gains from caching a text. Timed is the way from two strings to the bytes of the
file: a library that returns a string has to encode it, which also makes Node join the parts of the string.
"""

import json
import random
import statistics
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

HERE = Path(__file__).parent
PAIRS = 10_000

BEGINNINGS = ("size", "layers", "version", "commit", "license", "arm64", "stars", "v1.", "MIT", "")
ENDINGS = ("", "", " MiB", ".0", "-slim", " more")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        pairs = Path(folder) / "pairs.json"
        pairs.write_text(json.dumps(different_pairs()), encoding="utf-8")
        figures = {**timed_in_python(Path(folder), pairs), **timed_in_node(pairs)}
    ours = figures["microbadger"]
    print("| renderer | median µs a badge | times ours |")
    print("| --- | ---: | ---: |")
    for renderer, microseconds in sorted(figures.items(), key=lambda item: item[1]):
        print(f"| {renderer} | {microseconds:.2f} | {microseconds / ours:.2f} |")


def different_pairs() -> list[tuple[str, str]]:
    """Return pairs of texts like those on real badges, of many widths and all different."""
    chance = random.Random(11)
    texts: dict[str, None] = {}
    while len(texts) < 2 * PAIRS:
        texts[f"{chance.choice(BEGINNINGS)} {chance.randint(0, 9999)}{chance.choice(ENDINGS)}"] = None
    listed = list(texts)
    return list(zip(listed[:PAIRS], listed[PAIRS:], strict=True))


def timed_in_python(folder: Path, pairs: Path) -> dict[str, float]:
    venv.create(folder / "venv", with_pip=True)
    python = str(folder / "venv" / "bin" / "python")
    requirements = str(HERE / "requirements.txt")
    subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", requirements], check=True)
    interpreters = {"microbadger": sys.executable, "pybadges": python, "anybadge": python}
    program = str(HERE / "timed_badges.py")
    return {renderer: timed([runs, program, renderer, str(pairs)]) for renderer, runs in interpreters.items()}


def timed_in_node(pairs: Path) -> dict[str, float]:
    subprocess.run(["npm", "ci", "--silent", "--prefix", str(HERE.parent)], check=True)
    return {
        renderer: timed(["node", str(HERE / "timed_badges.mjs"), renderer, str(pairs)])
        for renderer in ("badgen", "badge-maker")
    }


def timed(command: list[str]) -> float:
    """Return the median of the microseconds a badge took in the rounds that a program reports."""
    answer = subprocess.run(command, cwd=HERE.parent.parent, stdout=subprocess.PIPE, check=True)
    rounds: list[float] = json.loads(answer.stdout)
    return statistics.median(rounds)


if __name__ == "__main__":
    main()
